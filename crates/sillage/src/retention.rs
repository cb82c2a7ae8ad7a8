//! Deletes old segments of the log, as long as the wall clock is to be believed.
//!
//! What is deleted is gone for good, and what is old is told by the wall clock alone. So nothing is deleted while that
//! clock is not where the time that passed since the start should have taken it.

use std::sync::Arc;

use event::Clock;
use eventlog::Log;
use metrics::Counter;
use telemetry::Metric;

const SKIPPED: Metric = Metric::counter(
    "retention_skipped_total",
    "Times that nothing was deleted, since the wall clock is over an hour off the time passed since the start.",
);

/// What retention measures.
pub(crate) const METRICS: &[Metric] = &[SKIPPED];

/// The log, and the clock that says what is old.
pub(crate) struct Retention {
    log: Log,
    clock: Arc<dyn Clock>,
    astray: bool,
    skipped: Counter,
}

impl Retention {
    pub(crate) fn new(log: &Log, clock: &Arc<dyn Clock>) -> Self {
        let (log, clock) = (log.clone(), Arc::clone(clock));
        Self { log, clock, astray: false, skipped: SKIPPED.counter_of(&[]) }
    }

    /// Deletes what is old enough; the number of segments.
    pub(crate) fn tick(&mut self) -> usize {
        let astray = self.clock.is_astray();
        if astray != self.astray {
            self.astray = astray;
            if astray {
                tracing::error!(
                    now = %self.clock.now(),
                    "the wall clock jumped; nothing is deleted until it is right again or the process starts anew"
                );
            } else {
                tracing::info!("the wall clock is right again; old segments are deleted");
            }
        }
        if astray {
            self.skipped.increment(1);
            return 0;
        }
        self.log.trim()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use event::topic::KeyHash;
    use event::{Clock, EventId, LaneId, Millis, Sequence, Topic, WatchedClock};
    use eventlog::{Class, ClockKind, Config, Header, Log, RealDisk, Record};
    use testkit::SteppedClock;

    use super::{METRICS, Retention};

    fn clocks() -> (SteppedClock, Arc<dyn Clock>) {
        let clock = SteppedClock::default();
        (clock.clone(), Arc::new(WatchedClock::new(clock)))
    }

    /// A log whose rejected events are kept for ten minutes, with several segments of them.
    fn log(folder: &std::path::Path, clock: &Arc<dyn Clock>) -> Log {
        let config = Config {
            segment_bytes_max: 4096,
            keep_rejected: Duration::from_mins(10),
            ..Config::default()
        };
        let clock = Arc::clone(clock);
        let (log, _) =
            Log::open(Arc::new(RealDisk), folder, config, clock, ClockKind::Real).unwrap();
        let appender = log.appender(Topic::Rejected).unwrap();
        for n in 0..10 {
            let id = EventId::minted(Millis(1), Sequence(n), LaneId::from_random(7));
            let header = Header { codec: 1, kind: 2, id, key_hash: KeyHash(n) };
            let record = Record::new(header, Bytes::from(vec![b'x'; 2000]));
            appender.append_durable(Class::Essential, &[record]).unwrap().wait().unwrap();
        }
        log
    }

    #[test]
    fn nothing_is_deleted_while_the_clock_is_over_an_hour_off() {
        let folder = tempfile::tempdir().unwrap();
        let (clock, shared) = clocks();
        let ((), text) = telemetry::recorder::local(&[METRICS], || {
            let log = log(&folder.path().join("log"), &shared);
            let mut retention = Retention::new(&log, &shared);
            let started = clock.now();
            clock.set(started + Duration::from_hours(24 * 135));
            assert_eq!(retention.tick(), 0);
            clock.set(started - Duration::from_hours(24));
            assert_eq!(retention.tick(), 0);
            clock.set(started);
            assert_eq!(retention.tick(), 0, "right again, and nothing is old");
            clock.set(started + Duration::from_mins(11));
            assert!(retention.tick() > 1, "a correction of the clock is believed");
        })
        .unwrap();
        assert!(text.contains("retention_skipped_total 2\n"), "{text}");
    }
}
