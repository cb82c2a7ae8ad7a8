//! Whether an event loop still turns: a task on it beats, the admin listener looks at the age of the last beat.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time between two beats.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Age of the last beat from which a loop counts as stuck: long enough for a stalled disk or a stopped virtual machine,
/// short enough for a supervisor to restart a hung process within half a minute.
pub const STUCK_AFTER: Duration = Duration::from_secs(10);

/// The heartbeat of one event loop. Clones share it.
#[derive(Clone, Debug)]
pub struct Pulse {
    name: &'static str,
    origin: Instant,
    beat_ms: Arc<AtomicU64>,
}

impl Pulse {
    /// A pulse that counts as just beaten.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, origin: Instant::now(), beat_ms: Arc::default() }
    }

    /// The name of the loop.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Beats once. A loop that is no task, such as a worker's thread, calls it in each turn.
    pub fn beat(&self) {
        let ms = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat_ms.store(ms, Ordering::Relaxed);
    }

    /// Beats until it is dropped: spawn it on the loop to be watched. Cancel-safe.
    pub async fn run(self) {
        let mut every = tokio::time::interval(BEAT_EVERY);
        loop {
            every.tick().await;
            self.beat();
        }
    }

    /// Time since the last beat.
    #[must_use]
    pub fn age(&self) -> Duration {
        let last = Duration::from_millis(self.beat_ms.load(Ordering::Relaxed));
        self.origin.elapsed().saturating_sub(last)
    }
}
