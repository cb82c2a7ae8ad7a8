//! The book for those who ask: lists, what acts would do, payouts.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use catalog::{Handle, Snapshot};
use event::body::posting::BookedOrder;
use event::body::{OrderState, Validation};
use event::{Currency, EventId, Micros, Millis, OrderKey};
use serde::Serialize;

use crate::decide::{Finding, FindingKind, Outcome, decide};
use crate::facts::{Act, Fact, Facts};
use crate::payout::{Desk, Doubt, Payout, Statement};
use crate::store::{Reader, StoreError};

/// Longest wait for the worker to take a payout up: it reads what stands on the topics first.
const PAYOUT_WAIT: Duration = Duration::from_secs(50);

/// Reads the book that a worker keeps, or that one has kept. Clones share the desk.
#[derive(Clone, Debug)]
pub struct View {
    folder: PathBuf,
    catalog: Arc<Handle>,
    desk: Arc<Desk>,
}

/// What an order is, as far as somebody who acts on it wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Its state.
    pub state: OrderState,
    /// Commission of all partners.
    pub commission_micros: Micros,
    /// Its currency.
    pub currency: Currency,
}

/// What an act would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The order.
    pub order: OrderKey,
    /// What it is; none: it is not known.
    pub before: Option<Standing>,
    /// What it would be.
    pub after: Option<Standing>,
    /// It was done before: an act with its `client_event_id` is known, so it changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<Done>,
    /// Why somebody should not do it.
    pub fault: Option<Fault>,
}

/// What became of an act that was done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// It holds.
    Holds,
    /// Another act of its kind holds in its place.
    Replaced,
}

/// Why somebody should not do an act. Sent all the same, it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// A stable word.
    pub code: &'static str,
    /// In words.
    pub message: String,
}

/// Why there is no payout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotPaid {
    /// Too many are asked for at once.
    #[error("several payouts wait already; ask again in a minute")]
    Busy,
    /// The worker does not answer.
    #[error("the ledger has not taken the payout up in {} s; it may still do so: ask again, nothing is paid twice", PAYOUT_WAIT.as_secs())]
    Silent,
    /// The worker took it up and failed before all of it was known to be durable.
    #[error(
        "the ledger failed while it paid, and some of it may be paid; ask again once it runs: nothing is paid twice"
    )]
    Interrupted,
    /// The clock is doubted.
    #[error(transparent)]
    Clock(#[from] Doubt),
}

impl View {
    /// A view of the book in `folder`, whose worker sits at `desk`.
    #[must_use]
    pub const fn new(folder: PathBuf, catalog: Arc<Handle>, desk: Arc<Desk>) -> Self {
        Self { folder, catalog, desk }
    }

    /// The book as it is now.
    ///
    /// # Errors
    /// There is none yet.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.folder)
    }

    /// Begins to look at what acts would do together.
    ///
    /// # Errors
    /// There is no book yet.
    pub fn preview(&self) -> Result<Previewer, StoreError> {
        let (reader, catalog) = (self.reader()?, self.catalog.snapshot());
        Ok(Previewer { reader, catalog, known: HashMap::new(), count: 0 })
    }

    /// Has the statements of a payout paid, and waits until that is durable. What is paid already is not paid again.
    ///
    /// # Errors
    /// The worker does not take it up.
    pub fn pay(&self, payout: Payout) -> Result<Vec<Statement>, NotPaid> {
        let answer = self.desk.ask(payout, PAYOUT_WAIT).ok_or(NotPaid::Busy)?;
        let answered = answer.recv_timeout(PAYOUT_WAIT).map_err(|error| match error {
            RecvTimeoutError::Timeout => NotPaid::Silent,
            RecvTimeoutError::Disconnected => NotPaid::Interrupted,
        })?;
        Ok(answered?)
    }
}

/// Joins acts to copies of what is known, one after the other.
#[derive(Debug)]
pub struct Previewer {
    reader: Reader,
    catalog: Arc<Snapshot>,
    known: HashMap<OrderKey, Facts>,
    count: u64,
}

impl Previewer {
    /// What this act would do, after those before it.
    ///
    /// # Errors
    /// The book cannot be read.
    pub fn act(
        &mut self,
        validation: Validation,
        (at, received_at): (Millis, Millis),
    ) -> Result<Preview, StoreError> {
        let order = validation.order.clone();
        if !self.known.contains_key(&order) {
            let found = self.reader.order(&order)?;
            self.known.insert(order.clone(), found.facts);
        }
        self.count = self.count.saturating_add(1);
        // Greater than any id of the same millisecond, and greater than those of the acts before it.
        let mut bytes = [0xff; 16];
        bytes[8..].copy_from_slice(&self.count.to_be_bytes());
        let act = Act { id: EventId::from_bytes(bytes), at, received_at, validation };
        let Some(facts) = self.known.get_mut(&order) else {
            return Ok(Preview { order, before: None, after: None, done: None, fault: None });
        };
        let done = done(facts, &act.validation);
        let (before, found_before) = outcome(&order, facts, &self.catalog, received_at);
        facts.join(Fact::Act(Box::new(act)));
        let (after, found) = outcome(&order, facts, &self.catalog, received_at);
        let worse = |finding: &Finding| !found_before.iter().any(|known| covers(known, finding));
        let new = found.iter().find(|finding| worse(finding));
        let fault = match (before, new) {
            (None, _) => Some(Fault {
                code: "unknown_order",
                message: format!(
                    "no order {order} is booked; check its id, goal and program (by POST /v1/orders the act is kept until \
                     it is booked)"
                ),
            }),
            (Some(before), Some(finding)) => {
                Some(Fault { code: finding.kind.as_str(), message: words(finding, before) })
            }
            (Some(_), None) => None,
        };
        Ok(Preview { order, before, after, done, fault })
    }
}

/// Whether a finding was there before an act, and not about less.
fn covers(known: &Finding, finding: &Finding) -> bool {
    (known.kind, known.source, known.currency) == (finding.kind, finding.source, finding.currency)
        && known.amount >= finding.amount
}

fn done(facts: &Facts, act: &Validation) -> Option<Done> {
    let id = act.client_event_id.as_deref()?;
    let same = |known: &&Act| known.validation.client_event_id.as_deref() == Some(id);
    let twin = facts.acts.iter().find(same)?;
    let holding = facts.holding(twin.validation.action.kind())?;
    Some(if holding.id == twin.id { Done::Holds } else { Done::Replaced })
}

fn outcome(
    order: &OrderKey,
    facts: &Facts,
    catalog: &Snapshot,
    now: Millis,
) -> (Option<Standing>, Vec<Finding>) {
    match decide(order, facts, catalog, now) {
        Outcome::Booked(booked) => (Some(Standing::of(&booked.order)), booked.findings),
        Outcome::Unknown | Outcome::Waiting(_) => (None, Vec::new()),
    }
}

impl Standing {
    fn of(booked: &BookedOrder) -> Self {
        let shares = booked.shares.iter().filter(|share| share.partner.is_some());
        let commission = shares.fold(0_i64, |sum, share| sum.saturating_add(share.commission.0));
        Self {
            state: booked.state,
            commission_micros: Micros(commission),
            currency: booked.currency,
        }
    }
}

fn words(finding: &Finding, order: Standing) -> String {
    let currency = finding.currency;
    match finding.kind {
        FindingKind::CurrencyDiffers => format!(
            "the order is in {}, not in {currency}: give the amounts in the order's currency",
            order.currency
        ),
        FindingKind::ReturnedTooMuch => format!(
            "{} {currency} more comes back than was bought: give what came back so far in all, at most the order",
            finding.amount.decimal(currency.exponent())
        ),
        FindingKind::ReturnedUnknownLine => {
            "the order has no such line or article: give its place in the order (line) or its sku as it was reported"
                .to_owned()
        }
        FindingKind::ActAfterLock => format!(
            "the order is {} for good: only a decline or a return still moves money",
            order.state.as_str()
        ),
        FindingKind::DecisionAfterLock => {
            "a later decision credits otherwise than the lock".to_owned()
        }
    }
}
