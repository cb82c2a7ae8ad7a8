//! Rates per key or client address: a bounded table, shared by all cores.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;

/// Parts of the table, so that cores rarely wait for each other.
const PARTS: usize = 16;
/// Most entries of one part; beyond them the newcomers of that part share one entry.
const ENTRIES_MAX: usize = 4_096;
/// Shortest time between two sweeps of a full part.
const SWEEP_MS: u64 = 100;

/// How many calls a second one key or address may make, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Calls per second in the long run.
    pub(crate) per_second: NonZeroU32,
    /// Calls at once.
    pub(crate) burst: NonZeroU32,
}

/// When the bucket of an entry is full again, in nanoseconds since the start of the table.
type FullAt = u64;

#[derive(Default)]
struct Part {
    full_at: HashMap<u64, FullAt, foldhash::fast::RandomState>,
    shared: FullAt,
    swept_at: u64,
}

/// Calls of many keys or addresses, each with the same rate.
pub(crate) struct Rates {
    rate: Rate,
    started: Instant,
    hasher: RandomState,
    parts: [Mutex<Part>; PARTS],
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rates({:?})", self.rate)
    }
}

impl Rates {
    /// An empty table.
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            started: Instant::now(),
            hasher: RandomState::default(),
            parts: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Counts one call of `caller` now.
    ///
    /// # Errors
    /// The time after which a call fits again.
    pub(crate) fn take(&self, caller: impl Hash) -> Result<(), Duration> {
        self.take_at(caller, self.started.elapsed())
    }

    fn take_at(&self, caller: impl Hash, now: Duration) -> Result<(), Duration> {
        let key = self.hasher.hash_one(caller);
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let step = 1_000_000_000 / u64::from(self.rate.per_second.get());
        let room = step.saturating_mul(u64::from(self.rate.burst.get()));
        let at = usize::try_from(key % PARTS as u64).unwrap_or(0);
        let Some(part) = self.parts.get(at) else {
            return Ok(());
        };
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = part.slot(key, now);
        let next = (*full_at).max(now).saturating_add(step);
        match (next - now).checked_sub(room) {
            None | Some(0) => {
                *full_at = next;
                Ok(())
            }
            Some(wait) => Err(Duration::from_nanos(wait)),
        }
    }
}

impl Part {
    fn slot(&mut self, key: u64, now: u64) -> &mut FullAt {
        if self.full_at.len() >= ENTRIES_MAX && !self.full_at.contains_key(&key) {
            if now >= self.swept_at.saturating_add(SWEEP_MS * 1_000_000) {
                self.swept_at = now;
                self.full_at.retain(|_, full_at| *full_at > now);
            }
            if self.full_at.len() >= ENTRIES_MAX {
                return &mut self.shared;
            }
        }
        self.full_at.entry(key).or_insert(0)
    }
}

/// Whole seconds to wait, at least one.
pub(crate) fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::{ENTRIES_MAX, PARTS, Rate, Rates, seconds};

    fn rates(per_second: u32, burst: u32) -> Rates {
        let [per_second, burst] = [per_second, burst].map(|n| NonZeroU32::new(n).unwrap());
        Rates::new(Rate { per_second, burst })
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_passes_and_the_next_call_waits_for_its_turn() {
        let rates = rates(100, 5);
        for _ in 0..5 {
            assert_eq!(rates.take_at("a", at(1000)), Ok(()));
        }
        assert_eq!(rates.take_at("a", at(1000)), Err(at(10)));
        assert_eq!(rates.take_at("a", at(1009)), Err(at(1)));
        assert_eq!(rates.take_at("a", at(1010)), Ok(()));
        assert_eq!(rates.take_at("b", at(1010)), Ok(()), "another caller has its own");
    }

    #[test]
    fn in_the_long_run_the_rate_holds() {
        let rates = rates(100, 5);
        let passed = (0..10_000).filter(|ms| rates.take_at(7, at(*ms)).is_ok()).count();
        assert_eq!(passed, 5 + 999);
    }

    #[test]
    fn the_table_is_bounded_and_newcomers_share_what_is_left() {
        let rates = rates(1, 1);
        let passed =
            (0..4 * PARTS * ENTRIES_MAX).filter(|n| rates.take_at(n, at(0)).is_ok()).count();
        assert_eq!(passed, PARTS * ENTRIES_MAX + PARTS);
        assert!(rates.take_at("later", at(1000)).is_ok(), "idle entries are swept");
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds() {
        assert_eq!((seconds(at(1)), seconds(at(1000)), seconds(at(1001))), (1, 1, 2));
    }
}
