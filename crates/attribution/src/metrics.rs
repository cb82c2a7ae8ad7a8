//! What attribution measures.

use event::body::decision::DecisionStatus;
use eventlog::stage::{BATCH_SECONDS, Restarts};
use metrics::{Counter, Gauge, Histogram};
use telemetry::Metric;

use crate::worker::GROUP;

const READ: Metric = Metric::counter(
    "attribution_records_read_total",
    "Records read, by kind: touch, fact (landing, activation, later judgement), merge, order, skipped, parked \
     (unreadable, now on events.rejected).",
)
.labels(&["kind"]);
const EMITTED: Metric = Metric::counter(
    "attribution_decisions_emitted_total",
    "Versions of decisions emitted, by status.",
)
.labels(&["status"]);
const UNCHANGED: Metric = Metric::counter(
    "attribution_decisions_unchanged_total",
    "Decisions made again that read the same as before and were not emitted.",
);
const AFTER_CLOSE: Metric = Metric::counter(
    "attribution_after_close_total",
    "Events about orders that were closed (lock and lateness are over): they only count.",
);
const WAITING: Metric = Metric::gauge(
    "attribution_orders_waiting",
    "Orders that wait for a newer catalog. Above 0 for a minute: the catalog lags, or an event names what no catalog \
     has.",
);
const OVERDUE: Metric = Metric::counter(
    "attribution_orders_overdue_total",
    "Orders that waited longer than catalog_wait for a catalog that names their program and partners, and go on waiting. \
     Alert above 0.",
);
const TOO_OLD: Metric = Metric::counter(
    "attribution_orders_too_old_total",
    "Events about orders whose touches may be gone from the state: the last decision stays.",
);
const TOO_LARGE: Metric = Metric::counter(
    "attribution_outputs_too_large_total",
    "Outputs that no record can hold, now on events.rejected with code 106: what was said of the order before stays. Alert \
     above 0.",
);
const BATCH: Metric = Metric::histogram(
    "attribution_batch_seconds",
    BATCH_SECONDS,
    "Time from a batch to its committed outputs. Seconds.",
);
const RESTARTED: Metric = Restarts::metric("attribution_sessions_restarted_total");

/// Everything this crate measures.
pub const METRICS: &[Metric] = &[
    READ,
    EMITTED,
    UNCHANGED,
    AFTER_CLOSE,
    WAITING,
    OVERDUE,
    TOO_OLD,
    TOO_LARGE,
    BATCH,
    RESTARTED,
];

/// Measurements of attribution. Made once, after the recorder is installed.
pub(crate) struct Metrics {
    /// Touches read.
    pub(crate) touches: Counter,
    /// Facts about touches read.
    pub(crate) facts: Counter,
    /// Merges read.
    pub(crate) merges: Counter,
    /// Order records read.
    pub(crate) orders: Counter,
    /// Records of other kinds.
    pub(crate) skipped: Counter,
    /// Records parked.
    pub(crate) parked: Counter,
    /// Outputs parked.
    pub(crate) too_large: Counter,
    attributed: Counter,
    lost_to_channel: Counter,
    unattributed: Counter,
    /// Decisions that had not changed.
    pub(crate) unchanged: Counter,
    /// Events about closed orders.
    pub(crate) after_close: Counter,
    /// Orders that wait for a catalog.
    pub(crate) waiting: Gauge,
    /// Orders that wait for a catalog for too long.
    pub(crate) overdue: Counter,
    /// Events about orders that are too old to be decided again.
    pub(crate) too_old: Counter,
    /// Time from a batch to its committed outputs.
    pub(crate) batch_seconds: Histogram,
    /// Sessions begun anew.
    pub(crate) restarts: Restarts,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let emitted = |status: DecisionStatus| EMITTED.counter_of(&[status.as_str()]);
        Self {
            touches: READ.counter_of(&["touch"]),
            facts: READ.counter_of(&["fact"]),
            merges: READ.counter_of(&["merge"]),
            orders: READ.counter_of(&["order"]),
            skipped: READ.counter_of(&["skipped"]),
            parked: READ.counter_of(&["parked"]),
            too_large: TOO_LARGE.counter_of(&[]),
            attributed: emitted(DecisionStatus::Attributed),
            lost_to_channel: emitted(DecisionStatus::LostToChannel),
            unattributed: emitted(DecisionStatus::Unattributed),
            unchanged: UNCHANGED.counter_of(&[]),
            after_close: AFTER_CLOSE.counter_of(&[]),
            waiting: WAITING.gauge_of(&[]),
            overdue: OVERDUE.counter_of(&[]),
            too_old: TOO_OLD.counter_of(&[]),
            batch_seconds: BATCH.histogram_of(&[]),
            restarts: Restarts::of(GROUP, &RESTARTED),
        }
    }

    /// Versions emitted with this status.
    pub(crate) const fn emitted(&self, status: DecisionStatus) -> &Counter {
        match status {
            DecisionStatus::Attributed => &self.attributed,
            DecisionStatus::LostToChannel => &self.lost_to_channel,
            DecisionStatus::Unattributed => &self.unattributed,
        }
    }
}
