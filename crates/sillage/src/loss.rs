//! The loss account: every sequence of this process's lanes is found durable in the log, declared lost on `node.log`,
//! or still under way; what is none of these is tracking loss, a published figure.
//!
//! It is counted anew from the log, not from what the edge believes. It reads outside of any group, so it never holds
//! back the deletion of old segments, and it starts at the end of the log: lanes live as long as a process.

mod account;
mod ranges;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event::{Body, Envelope, EventType, Topic};
use eventlog::{LogReader, Scan};
use metrics::{Counter, Gauge};
use telemetry::Metric;
use telemetry::task::{self, Thread};

use account::Account;
pub(crate) use account::Summary;

/// How often the log is read on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Age from which a hole is no longer "under way": far above the longest group commit, and above the time in which
/// the edge declares a hole once its journal writes again.
const GRACE: Duration = Duration::from_secs(10);

/// Topics whose records carry a lane's sequences; `node.log` declares the holes.
const TOPICS: [Topic; 4] = [Topic::Touches, Topic::Conversions, Topic::Rejected, Topic::Node];

const STORED: Metric = Metric::counter(
    "loss_events_stored_total",
    "Events of this process's lanes found durable in the log, rejected ones apart.",
);
const REJECTED: Metric = Metric::counter(
    "loss_events_rejected_total",
    "Refused events of this process's lanes found durable in the log.",
);
const DECLARED: Metric = Metric::counter(
    "loss_sequences_declared_total",
    "Sequences of this process's lanes that are in no file and declared lost on node.log.",
);
const IN_FLIGHT: Metric = Metric::gauge(
    "loss_sequences_in_flight",
    "Sequences minted in the last seconds and not yet found in the log.",
);
const UNDECLARED: Metric = Metric::gauge(
    "loss_sequences_undeclared",
    "Sequences in no file and not declared: tracking loss. Alert above 0.",
);
const RATIO: Metric =
    Metric::gauge("loss_ratio", "Undeclared sequences by all sequences of this process's lanes.");
const SKEW: Metric = Metric::gauge(
    "lane_clock_skew_seconds",
    "Largest step back in time between two lanes in the order of the log, in the last minutes. Seconds.",
);

/// What the loss account measures.
pub(crate) const METRICS: &[Metric] =
    &[STORED, REJECTED, DECLARED, IN_FLIGHT, UNDECLARED, RATIO, SKEW];

struct Handles {
    stored: Counter,
    rejected: Counter,
    declared: Counter,
    in_flight: Gauge,
    undeclared: Gauge,
    ratio: Gauge,
    skew: Gauge,
}

/// The running account. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    account: Arc<Mutex<Account>>,
    stop: Arc<AtomicBool>,
    thread: Option<Thread<()>>,
}

impl Watch {
    /// Starts to account for what is appended from now on, and calls `tick` at each look. Call it before the lanes
    /// start.
    pub(crate) fn start(
        reader: &LogReader,
        mut tick: impl FnMut() + Send + 'static,
    ) -> Result<Self, telemetry::Error> {
        let account = Arc::new(Mutex::new(Account::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let mut look = Look {
            scans: TOPICS.map(|topic| (topic, reader.scan(topic, reader.high_watermark(topic)))),
            account: Arc::clone(&account),
            handles: Handles::new(),
        };
        let stopped = Arc::clone(&stop);
        let thread = task::thread("loss", move || {
            while !stopped.load(Ordering::Acquire) {
                look.read_on();
                tick();
                std::thread::park_timeout(LOOK_EVERY);
            }
            look.read_on();
        })?;
        Ok(Self { account, stop, thread: Some(thread) })
    }

    /// The account as of the last look, at most a second ago.
    pub(crate) fn summary(&self) -> Summary {
        locked(&self.account).summary(Instant::now())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.unpark();
            if let Err(error) = thread.join() {
                tracing::error!(%error, "the loss account ended badly");
            }
        }
    }
}

fn locked(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Look {
    scans: [(Topic, Scan); TOPICS.len()],
    account: Arc<Mutex<Account>>,
    handles: Handles,
}

impl Look {
    fn read_on(&mut self) {
        for (topic, scan) in &mut self.scans {
            scan.resume();
            for batch in scan {
                let batch = match batch {
                    Ok(batch) => batch,
                    Err(error) => {
                        tracing::warn!(%error, %topic, "loss account cannot read; it tries again");
                        break;
                    }
                };
                let mut account = locked(&self.account);
                for record in &batch.records {
                    if *topic == Topic::Node {
                        note_declared(&mut account, record);
                    } else {
                        account.found(*topic == Topic::Rejected, record.id);
                    }
                }
            }
        }
        let now = Instant::now();
        let mut account = locked(&self.account);
        account.tick(now);
        self.handles.show(&account.summary(now));
    }
}

fn note_declared(account: &mut Account, record: &eventlog::Record) {
    if EventType::from_number(record.kind) != Some(EventType::LaneLost) {
        return;
    }
    if let Ok(Envelope { body: Body::LaneLost(lost), .. }) = Envelope::read(&record.payload) {
        account.declared(lost.lane, lost.from.0, lost.to.0);
    }
}

impl Handles {
    fn new() -> Self {
        Self {
            stored: STORED.counter_of(&[]),
            rejected: REJECTED.counter_of(&[]),
            declared: DECLARED.counter_of(&[]),
            in_flight: IN_FLIGHT.gauge_of(&[]),
            undeclared: UNDECLARED.gauge_of(&[]),
            ratio: RATIO.gauge_of(&[]),
            skew: SKEW.gauge_of(&[]),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    fn show(&self, summary: &Summary) {
        self.stored.absolute(summary.stored);
        self.rejected.absolute(summary.rejected);
        self.declared.absolute(summary.declared);
        self.in_flight.set(summary.in_flight as f64);
        self.undeclared.set(summary.undeclared as f64);
        self.ratio.set(summary.undeclared as f64 / summary.minted.max(1) as f64);
        self.skew.set(summary.clock_skew_ms as f64 / 1000.0);
    }
}
