//! Instants in milliseconds UTC, and the one trait through which anything learns the wall time.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// One day of the engine: exactly 86,400,000 ms. Calendar days do not exist in decisions.
pub const DAY_MS: i64 = 86_400_000;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored. May be negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// The milliseconds from `earlier` to `self`; negative if `self` is the earlier one. Saturates.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The later of the two.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Ord::max(self, other)
    }

    /// The instant as RFC 3339 text in UTC with milliseconds, such as `2026-11-03T14:22:05.123Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let days = self.0.div_euclid(DAY_MS);
        let ms = self.0.rem_euclid(DAY_MS);
        let (year, month, day) = civil(days);
        let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
        let (second, milli) = (ms / 1000 % 60, ms % 1000);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// Proleptic Gregorian date of a day number (0 = 1970-01-01).
/// Algorithm: H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// RFC 3339 in UTC.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Saturates at the ends of `i64`.
impl Add<Duration> for Millis {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Saturates at the ends of `i64`.
impl Sub<Duration> for Millis {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// The wall clock. The real one, the demo's scaled one and the tests' stepped one stand behind it, so that
/// nothing else in the system knows the time by itself.
pub trait Clock: Send + Sync + 'static {
    /// Now, in milliseconds UTC. May step back; callers that need order use [`crate::Lane`].
    fn now(&self) -> Millis;

    /// Whether the clock is known not to be where the time that passed should have taken it. What is deleted because
    /// it is old is gone for good, so nothing is deleted by a clock that is astray.
    fn is_astray(&self) -> bool {
        false
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Millis {
        (**self).now()
    }

    fn is_astray(&self) -> bool {
        (**self).is_astray()
    }
}

/// A real clock that is watched from now on: it is astray while it differs from the time that passed by more than
/// [`WatchedClock::ASTRAY`]. That it was wrong from the start is not noticed.
pub struct WatchedClock<C> {
    clock: C,
    started_at: Millis,
    origin: Instant,
}

impl<C: Clock> WatchedClock<C> {
    /// By how much the clock and the time passed may differ: above all that a clock is corrected by while it runs, and
    /// far below the shortest time that something is kept. A machine that slept is astray for this process, too.
    pub const ASTRAY: Duration = Duration::from_hours(1);

    /// Watches the clock from now on.
    pub fn new(clock: C) -> Self {
        Self { started_at: clock.now(), origin: Instant::now(), clock }
    }

    fn is_astray_after(&self, passed: Duration) -> bool {
        let expected = self.started_at + passed;
        Duration::from_millis(self.clock.now().since(expected).unsigned_abs()) > Self::ASTRAY
    }
}

impl<C: Clock> Clock for WatchedClock<C> {
    fn now(&self) -> Millis {
        self.clock.now()
    }

    fn is_astray(&self) -> bool {
        self.is_astray_after(self.origin.elapsed())
    }
}

impl<C> fmt::Debug for WatchedClock<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedClock").field("started_at", &self.started_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use super::{Clock, Millis, WatchedClock};

    struct Stepped(AtomicI64);

    impl Clock for Arc<Stepped> {
        fn now(&self) -> Millis {
            Millis(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn an_hour_off_is_near_enough_and_a_millisecond_more_is_not() {
        const ASTRAY: Duration = WatchedClock::<Arc<Stepped>>::ASTRAY;
        const MS: Duration = Duration::from_millis(1);
        let stepped = Arc::new(Stepped(AtomicI64::new(1_793_888_525_123)));
        let watched = WatchedClock::new(Arc::clone(&stepped));
        let passed = Duration::from_hours(100);
        let expected = watched.now() + passed;
        for (at, astray) in [
            (expected, false),
            (expected + ASTRAY, false),
            (expected + ASTRAY + MS, true),
            (expected - ASTRAY, false),
            (expected - ASTRAY - MS, true),
        ] {
            stepped.0.store(at.0, Ordering::Relaxed);
            assert_eq!(watched.is_astray_after(passed), astray, "{at:?}");
        }
    }

    #[test]
    fn an_instant_prints_as_rfc3339() {
        assert_eq!(Millis(0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Millis(951_782_400_000).rfc3339(), "2000-02-29T00:00:00.000Z");
        assert_eq!(Millis(-1).rfc3339(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Millis(1_793_888_525_123).rfc3339(), "2026-11-05T14:22:05.123Z");
    }
}
