//! A clock that stands still until the test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use event::{Clock, Millis};

/// A clock that stands still until the test moves it. Clones show the same time.
#[derive(Clone, Debug)]
pub struct SteppedClock(Arc<AtomicI64>);

impl SteppedClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn at(start: Millis) -> Self {
        Self(Arc::new(AtomicI64::new(start.0)))
    }

    /// Moves the clock forward.
    pub fn step(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// Sets the clock, backwards too.
    pub fn set(&self, to: Millis) {
        self.0.store(to.0, Ordering::SeqCst);
    }
}

/// 2026-11-03T00:00:00Z.
impl Default for SteppedClock {
    fn default() -> Self {
        Self::at(Millis(1_793_664_000_000))
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use event::{Clock, Millis};

    use super::SteppedClock;

    #[test]
    fn clones_show_the_same_time() {
        let clock = SteppedClock::at(Millis(5));
        let other = clock.clone();
        clock.step(Duration::from_millis(7));
        assert_eq!(other.now(), Millis(12));
        other.set(Millis(1));
        assert_eq!(clock.now(), Millis(1));
    }
}
