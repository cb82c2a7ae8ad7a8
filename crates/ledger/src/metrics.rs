//! What the ledger measures.

use std::time::Duration;

use event::body::OrderState;
use eventlog::stage::{BATCH_SECONDS, Restarts};
use metrics::{Counter, Gauge, Histogram};
use telemetry::Metric;

use crate::FindingKind;
use crate::worker::GROUP;

const READ: Metric = Metric::counter(
    "ledger_records_read_total",
    "Records read, by kind: decision, act, closing, touch, posting (of this book, or of one before it), skipped, parked \
     (unreadable, now on events.rejected).",
)
.labels(&["kind"]);
const CHANGED: Metric = Metric::counter(
    "ledger_orders_changed_total",
    "Changes of orders booked, by the state that the order has then.",
)
.labels(&["state"]);
const UNCHANGED: Metric = Metric::counter(
    "ledger_orders_unchanged_total",
    "Orders looked at anew that came out the same and were not booked.",
);
const TRANSFERS: Metric = Metric::counter("ledger_transfers_posted_total", "Transfers booked.");
const RESTORED: Metric = Metric::counter(
    "ledger_postings_restored_total",
    "Changes that the book did not know and that were read back from ledger.transfers: it was deleted, or an older copy.",
);
const FINDINGS: Metric = Metric::counter(
    "ledger_findings_total",
    "Findings about orders, by kind, each time that such an order changes; GET /v1/findings on the admin listener lists \
     them.",
)
.labels(&["kind"]);
const WAITING: Metric = Metric::gauge(
    "ledger_orders_waiting",
    "Orders that wait for a newer catalog. Above 0 for a minute: the catalog lags, or a decision names what no catalog \
     has.",
);
const LOCKED: Metric = Metric::counter("ledger_orders_locked_total", "Locks written.");
const LOCK_LAG: Metric = Metric::gauge(
    "ledger_lock_lag_seconds",
    "For how long the first order that may be locked has been due. Seconds.",
);
const HELD: Metric = Metric::gauge(
    "ledger_locks_held_seconds",
    "For how long no order could be locked, by reason: stages (dedup or attribution have not read what was there; seconds \
     are usual), clock_jumped (the clock is over an hour off the time passed since the start), clock_ahead (it is over three \
     days ahead of the last time that the book noted: ledger.clock_checked). Seconds. Alert above 600.",
)
.labels(&["reason"]);
const DAYS: Metric = Metric::counter(
    "ledger_days_posted_total",
    "Changes booked of pay that has no order: a partner's clicks, impressions or periods of one day and rule.",
);
const PAID: Metric = Metric::counter(
    "ledger_payments_written_total",
    "Payments written, one for each order or day of a statement.",
);
const IMBALANCE: Metric = Metric::gauge(
    "ledger_books_out_of_balance",
    "1 while the last look through all accounts found debits that are not credits. Must be 0.",
);
const BATCH: Metric = Metric::histogram(
    "ledger_batch_seconds",
    BATCH_SECONDS,
    "Time from a batch to its committed outputs. Seconds.",
);
const RESTARTED: Metric = Restarts::metric("ledger_sessions_restarted_total");

/// Everything this crate measures.
pub const METRICS: &[Metric] = &[
    READ, CHANGED, UNCHANGED, TRANSFERS, RESTORED, FINDINGS, WAITING, LOCKED, LOCK_LAG, HELD, DAYS,
    PAID, IMBALANCE, BATCH, RESTARTED,
];

/// Why no order is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// The stages before have not read everything.
    Stages,
    /// The clock is not where the time that passed should have taken it.
    ClockJumped,
    /// The clock is far ahead of what is known to have passed.
    ClockAhead,
}

impl Held {
    const ALL: [Self; 3] = [Self::Stages, Self::ClockJumped, Self::ClockAhead];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Stages => "stages",
            Self::ClockJumped => "clock_jumped",
            Self::ClockAhead => "clock_ahead",
        }
    }
}

/// Measurements of the ledger. Made once, after the recorder is installed.
pub(crate) struct Metrics {
    /// Decisions read.
    pub(crate) decisions: Counter,
    /// Acts read.
    pub(crate) acts: Counter,
    /// Locks and payments read.
    pub(crate) closings: Counter,
    /// Postings read.
    pub(crate) postings: Counter,
    /// Touches read, and what is said of them.
    pub(crate) touches: Counter,
    /// Records of other kinds.
    pub(crate) skipped: Counter,
    /// Records parked.
    pub(crate) parked: Counter,
    changed: [Counter; OrderState::ALL.len()],
    /// Orders that had not changed.
    pub(crate) unchanged: Counter,
    /// Transfers booked.
    pub(crate) transfers: Counter,
    /// Postings read back.
    pub(crate) restored: Counter,
    findings: [Counter; FindingKind::ALL.len()],
    /// Orders that wait for a catalog.
    pub(crate) waiting: Gauge,
    /// Locks written.
    pub(crate) locked: Counter,
    /// How long the first order has been due.
    pub(crate) lock_lag: Gauge,
    held: [Gauge; Held::ALL.len()],
    /// Changes of days booked.
    pub(crate) days: Counter,
    /// Payments written.
    pub(crate) paid: Counter,
    /// Whether debits are not credits.
    pub(crate) imbalance: Gauge,
    /// Time from a batch to its committed outputs.
    pub(crate) batch_seconds: Histogram,
    /// Sessions begun anew.
    pub(crate) restarts: Restarts,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            decisions: READ.counter_of(&["decision"]),
            acts: READ.counter_of(&["act"]),
            closings: READ.counter_of(&["closing"]),
            postings: READ.counter_of(&["posting"]),
            touches: READ.counter_of(&["touch"]),
            skipped: READ.counter_of(&["skipped"]),
            parked: READ.counter_of(&["parked"]),
            changed: OrderState::ALL.map(|state| CHANGED.counter_of(&[state.as_str()])),
            unchanged: UNCHANGED.counter_of(&[]),
            transfers: TRANSFERS.counter_of(&[]),
            restored: RESTORED.counter_of(&[]),
            findings: FindingKind::ALL.map(|kind| FINDINGS.counter_of(&[kind.as_str()])),
            waiting: WAITING.gauge_of(&[]),
            locked: LOCKED.counter_of(&[]),
            lock_lag: LOCK_LAG.gauge_of(&[]),
            held: Held::ALL.map(|held| HELD.gauge_of(&[held.as_str()])),
            days: DAYS.counter_of(&[]),
            paid: PAID.counter_of(&[]),
            imbalance: IMBALANCE.gauge_of(&[]),
            batch_seconds: BATCH.histogram_of(&[]),
            restarts: Restarts::of(GROUP, &RESTARTED),
        }
    }

    /// A change that left an order in this state.
    pub(crate) fn changed(&self, state: OrderState) {
        let of = OrderState::ALL.iter().zip(&self.changed).find(|(known, _)| **known == state);
        if let Some((_, counter)) = of {
            counter.increment(1);
        }
    }

    /// For how long locks have waited for this reason.
    pub(crate) fn held(&self, reason: Held, waited: Duration) {
        let of = Held::ALL.iter().zip(&self.held).find(|(known, _)| **known == reason);
        if let Some((_, gauge)) = of {
            gauge.set(waited.as_secs_f64());
        }
    }

    /// A finding of this kind.
    pub(crate) fn found(&self, kind: FindingKind) {
        let of = FindingKind::ALL.iter().zip(&self.findings).find(|(known, _)| **known == kind);
        if let Some((_, counter)) = of {
            counter.increment(1);
        }
    }
}
