//! What the report measures.

use eventlog::stage::{BATCH_SECONDS, Restarts};
use metrics::{Counter, Histogram};
use telemetry::Metric;

use crate::worker::GROUP;

const READ: Metric = Metric::counter(
    "report_records_read_total",
    "Records read, by kind: touch, waiting (of a program that the catalog does not name yet: counted when it \
     does), decision, posting, skipped (nothing to count), unreadable.",
)
.labels(&["kind"]);
const BATCH: Metric = Metric::histogram(
    "report_batch_seconds",
    BATCH_SECONDS,
    "Time from a batch to its committed rollups. Seconds.",
);
const RESTARTED: Metric = Restarts::metric("report_sessions_restarted_total");

/// Everything this crate measures.
pub const METRICS: &[Metric] = &[READ, BATCH, RESTARTED];

/// Measurements of the report. Made once, after the recorder is installed.
pub(crate) struct Metrics {
    /// Touches and activations read.
    pub(crate) touches: Counter,
    /// Touches of programs that the catalog does not name yet.
    pub(crate) waiting: Counter,
    /// Decisions read.
    pub(crate) decisions: Counter,
    /// Postings read.
    pub(crate) postings: Counter,
    /// Records with nothing to count.
    pub(crate) skipped: Counter,
    /// Records that cannot be read.
    pub(crate) unreadable: Counter,
    /// Time from a batch to its committed rollups.
    pub(crate) batch_seconds: Histogram,
    /// Sessions begun anew.
    pub(crate) restarts: Restarts,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            touches: READ.counter_of(&["touch"]),
            waiting: READ.counter_of(&["waiting"]),
            decisions: READ.counter_of(&["decision"]),
            postings: READ.counter_of(&["posting"]),
            skipped: READ.counter_of(&["skipped"]),
            unreadable: READ.counter_of(&["unreadable"]),
            batch_seconds: BATCH.histogram_of(&[]),
            restarts: Restarts::of(GROUP, &RESTARTED),
        }
    }
}
