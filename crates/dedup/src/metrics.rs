//! What dedup measures.

use eventlog::stage::{BATCH_SECONDS, Restarts};
use metrics::{Counter, Gauge, Histogram};
use telemetry::Metric;

use crate::worker::GROUP;

const READ: Metric = Metric::counter(
    "dedup_records_read_total",
    "Records read from events.conversions, by kind: report, later_verdict (about a click id), skipped (validations), \
     parked (unreadable, now on events.rejected).",
)
.labels(&["kind"]);
const DECIDED: Metric = Metric::counter(
    "dedup_orders_decided_total",
    "Decisions about an order's record, by outcome: emitted, or unchanged since it was last emitted.",
)
.labels(&["outcome"]);
const VERDICTS: Metric = Metric::counter(
    "dedup_verdicts_emitted_total",
    "Verdicts about reports that are not canonical; one report may get several, as its order changes.",
);
const AFTER_CLOSE: Metric = Metric::counter(
    "dedup_reports_after_close_total",
    "Reports received after their order was closed (lock and lateness are over): they are only counted.",
);
const WAITING: Metric = Metric::gauge(
    "dedup_orders_waiting",
    "Orders whose program the catalog of this node does not know yet. Above 0 for a minute: the catalog lags.",
);
const TOO_LARGE: Metric = Metric::counter(
    "dedup_outputs_too_large_total",
    "Outputs that no record can hold, now on events.rejected with code 106: what was said of the order before stays. Alert \
     above 0.",
);
const BATCH: Metric = Metric::histogram(
    "dedup_batch_seconds",
    BATCH_SECONDS,
    "Time from a batch to its committed outputs. Seconds.",
);
const RESTARTED: Metric = Restarts::metric("dedup_sessions_restarted_total");

/// Everything this crate measures.
pub const METRICS: &[Metric] =
    &[READ, DECIDED, VERDICTS, AFTER_CLOSE, WAITING, TOO_LARGE, BATCH, RESTARTED];

/// Measurements of dedup. Made once, after the recorder is installed.
pub(crate) struct Metrics {
    /// Reports read.
    pub(crate) reports: Counter,
    /// Later verdicts about click ids read.
    pub(crate) later: Counter,
    /// Records of other kinds.
    pub(crate) skipped: Counter,
    /// Records parked.
    pub(crate) parked: Counter,
    /// Outputs parked.
    pub(crate) too_large: Counter,
    /// Order records emitted.
    pub(crate) emitted: Counter,
    /// Order records that had not changed.
    pub(crate) unchanged: Counter,
    /// Verdicts emitted.
    pub(crate) verdicts: Counter,
    /// Reports received after the close.
    pub(crate) after_close: Counter,
    /// Orders whose program is not known yet.
    pub(crate) waiting: Gauge,
    /// Time from a batch to its committed outputs.
    pub(crate) batch_seconds: Histogram,
    /// Sessions begun anew.
    pub(crate) restarts: Restarts,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            reports: READ.counter_of(&["report"]),
            later: READ.counter_of(&["later_verdict"]),
            skipped: READ.counter_of(&["skipped"]),
            parked: READ.counter_of(&["parked"]),
            too_large: TOO_LARGE.counter_of(&[]),
            emitted: DECIDED.counter_of(&["emitted"]),
            unchanged: DECIDED.counter_of(&["unchanged"]),
            verdicts: VERDICTS.counter_of(&[]),
            after_close: AFTER_CLOSE.counter_of(&[]),
            waiting: WAITING.gauge_of(&[]),
            batch_seconds: BATCH.histogram_of(&[]),
            restarts: Restarts::of(GROUP, &RESTARTED),
        }
    }
}
