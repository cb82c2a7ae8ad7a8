//! What the log measures.

use metrics::{Counter, Gauge, Histogram};
use telemetry::Metric;

use event::Topic;

/// From a fast NVMe (50 µs) to a disk in trouble.
const COMMIT_SECONDS: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];
/// Powers of four up to the queue's bound.
const COMMIT_RECORDS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0];

const COMMIT_TIME: Metric = Metric::histogram(
    "journal_commit_seconds",
    COMMIT_SECONDS,
    "Time of one group commit, write and fdatasync. Seconds.",
)
.labels(&["topic"]);
const COMMIT_SIZE: Metric =
    Metric::histogram("journal_commit_records", COMMIT_RECORDS, "Records in one group commit.")
        .labels(&["topic"]);
const BYTES: Metric = Metric::gauge("journal_bytes", "Bytes in all segments of the log.");
const BYTES_MAX: Metric =
    Metric::gauge("journal_bytes_max", "Bytes at which the log is full (setting bytes_max).");
const CORRUPT: Metric = Metric::counter(
    "journal_corrupt_records_total",
    "Records lost to damage on disk and put into quarantine.",
);
const STATE: Metric = Metric::gauge(
    "journal_state",
    "1 for the state that a stream is in: open, disk_full (heals by itself) or failed (probed).",
)
.labels(&["topic", "state"]);
const REFUSED: Metric =
    Metric::counter("journal_refused_total", "Records refused by the journal, by reason.")
        .labels(&["reason"]);
const LAG: Metric = Metric::gauge(
    "eventlog_consumer_lag_records",
    "Durable records that a consumer group has not committed yet, also while its stage is failed.",
)
.labels(&["group", "topic"]);

const LAG_SECONDS: Metric = Metric::gauge(
    "eventlog_consumer_lag_seconds",
    "For how long the first record that a consumer group has not committed has been durable, as far back as this process \
     runs; 0 if there is none. Seconds.",
)
.labels(&["group", "topic"]);
const HIGH_WATERMARK: Metric = Metric::gauge(
    "eventlog_high_watermark_records",
    "Where a topic ends: durable records since it began, deleted ones too.",
)
.labels(&["topic"]);

/// Everything this crate measures.
pub const METRICS: &[Metric] = &[
    COMMIT_TIME,
    COMMIT_SIZE,
    BYTES,
    BYTES_MAX,
    CORRUPT,
    STATE,
    REFUSED,
    LAG,
    LAG_SECONDS,
    HIGH_WATERMARK,
];

/// Measurements of the whole log.
#[derive(Clone)]
pub(crate) struct LogMetrics {
    /// Bytes in all segments.
    pub(crate) bytes: Gauge,
    /// Records lost to damage.
    pub(crate) corrupt: Counter,
}

impl LogMetrics {
    pub(crate) fn new(bytes_max: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
        BYTES_MAX.gauge_of(&[]).set(bytes_max as f64);
        Self { bytes: BYTES.gauge_of(&[]), corrupt: CORRUPT.counter_of(&[]) }
    }
}

/// Measurements of one stream's writer.
#[derive(Clone)]
pub(crate) struct WriterMetrics {
    /// Time of one group commit.
    pub(crate) commit_seconds: Histogram,
    /// Records in one group commit.
    pub(crate) commit_records: Histogram,
    states: [Gauge; 3],
}

impl WriterMetrics {
    pub(crate) fn new(topic: Topic) -> Self {
        let state = |name| STATE.gauge_of(&[topic.name(), name]);
        let metrics = Self {
            commit_seconds: COMMIT_TIME.histogram_of(&[topic.name()]),
            commit_records: COMMIT_SIZE.histogram_of(&[topic.name()]),
            states: [state("open"), state("disk_full"), state("failed")],
        };
        metrics.state(0);
        metrics
    }

    /// Shows the state: 0 open, 1 disk full, 2 failed.
    pub(crate) fn state(&self, now: usize) {
        for (index, gauge) in self.states.iter().enumerate() {
            gauge.set(if index == now { 1.0 } else { 0.0 });
        }
    }
}

/// Refusals, by reason.
#[derive(Clone)]
pub(crate) struct RefusedMetrics {
    pub(crate) full: Counter,
    pub(crate) shedding: Counter,
    pub(crate) disk_full: Counter,
    pub(crate) failed: Counter,
    pub(crate) oversize: Counter,
    pub(crate) closed: Counter,
}

impl RefusedMetrics {
    pub(crate) fn new() -> Self {
        let reason = |name| REFUSED.counter_of(&[name]);
        Self {
            full: reason("full"),
            shedding: reason("shedding"),
            disk_full: reason("disk_full"),
            failed: reason("failed"),
            oversize: reason("oversize"),
            closed: reason("closed"),
        }
    }
}

/// Lag of a group in a topic, in records and in seconds.
pub(crate) fn lag(group: &'static str, topic: Topic) -> (Gauge, Gauge) {
    let labels = [group, topic.name()];
    (LAG.gauge_of(&labels), LAG_SECONDS.gauge_of(&labels))
}

/// Lag of a group in what its member in this process reads of a topic, in records.
#[cfg(feature = "kafka")]
pub(crate) fn lag_records(group: &'static str, topic: Topic) -> Gauge {
    LAG.gauge_of(&[group, topic.name()])
}

/// Where a topic ends.
pub(crate) fn high_watermark(topic: Topic) -> Gauge {
    HIGH_WATERMARK.gauge_of(&[topic.name()])
}
