//! The wall clock, and the demo's clock that runs ahead of it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use event::{Clock, Millis};

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    fn now(&self) -> Millis {
        let since =
            |earlier: std::time::SystemTime| std::time::SystemTime::now().duration_since(earlier);
        match since(std::time::UNIX_EPOCH) {
            Ok(after) => Millis(0) + after,
            Err(before) => Millis(0) - before.duration(),
        }
    }
}

/// A clock that started at the wall time and since then runs `factor` times as fast: only the demo may have it, and its
/// data folder is marked. Clones show the same time.
#[derive(Clone, Debug)]
pub(crate) struct ScaledClock {
    factor: u32,
    started_at: Millis,
    origin: Instant,
    /// Real time after which it runs as the wall clock does.
    fast_for: Arc<OnceLock<Duration>>,
}

impl ScaledClock {
    /// A clock that shows `started_at` now; one real second stands for `factor` seconds.
    pub(crate) fn new(factor: u32, started_at: Millis) -> Self {
        Self { factor, started_at, origin: Instant::now(), fast_for: Arc::default() }
    }

    /// From now on a second is a second.
    pub(crate) fn slow_down(&self) {
        self.fast_for.get_or_init(|| self.origin.elapsed());
    }

    /// What this clock shows once `real` has passed since its start.
    fn after(&self, real: Duration) -> Millis {
        let fast = self.fast_for.get().map_or(real, |fast| real.min(*fast));
        self.started_at + fast.saturating_mul(self.factor) + real.saturating_sub(fast)
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> Millis {
        self.after(self.origin.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use event::{Clock as _, Millis};

    use super::{ScaledClock, SystemClock};

    #[test]
    fn a_real_second_stands_for_factor_seconds() {
        let clock = ScaledClock::new(43_200, Millis(1_000));
        assert_eq!(clock.after(Duration::ZERO), Millis(1_000));
        assert_eq!(clock.after(Duration::from_secs(2)), Millis(86_401_000));
    }

    #[test]
    fn a_clock_that_slowed_down_goes_on_from_where_it_was_second_by_second() {
        let clock = ScaledClock::new(43_200, Millis(1_000));
        let other = clock.clone();
        clock.slow_down();
        let fast = *clock.fast_for.get().unwrap();
        assert_eq!(clock.after(fast), Millis(1_000) + fast * 43_200);
        let later = fast + Duration::from_secs(2);
        assert_eq!(other.after(later), Millis(1_000) + fast * 43_200 + Duration::from_secs(2));
    }

    #[test]
    fn the_scaled_clock_starts_where_it_was_told_and_the_system_clock_is_of_this_century() {
        let now = SystemClock.now();
        assert!(now > Millis(1_700_000_000_000));
        assert!(ScaledClock::new(2, now).now() >= now);
    }
}
