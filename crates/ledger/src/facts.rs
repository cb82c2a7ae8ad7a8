//! What is known of one order: a set that only grows.

use event::body::decision::{Credit, Decision};
use event::body::{
    Action, ActionKind, CustomerType, DecisionStatus, DecisionVersion, Item, Lock, OrderState,
    Payment, Trust, Validation,
};
use event::hash::ContentHash;
use event::{Code, Currency, EventId, Micros, Millis};
use serde::{Deserialize, Serialize};

/// Most acts that are kept of one order. Of more, the ones that hold stay, and of the others those that are greatest in
/// [`Act::rank`].
pub const ACTS_MAX: usize = 1_000;

/// One thing learned about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A decision.
    Decision(Box<Decided>),
    /// An act of the merchant.
    Act(Box<Act>),
    /// It was locked.
    Lock(EventId, Box<Lock>),
    /// A share of it was paid.
    Payment(EventId, Payment),
}

/// What the book reads of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Event id of the decision.
    pub id: EventId,
    /// Its version.
    pub version: DecisionVersion,
    /// What it read.
    pub inputs_hash: ContentHash,
    /// Its outcome.
    pub status: DecisionStatus,
    /// Its main reason.
    pub code: Code,
    /// Notes for the manager.
    pub notes: Vec<Code>,
    /// Highest trust among the reports.
    pub trust: Trust,
    /// The order id as written.
    pub order_id: Option<String>,
    /// Amount.
    pub amount: Micros,
    /// Its currency.
    pub currency: Option<Currency>,
    /// Order lines.
    pub items: Vec<Item>,
    /// Coupon codes.
    pub coupons: Vec<String>,
    /// New or returning.
    pub customer_type: Option<CustomerType>,
    /// Channel as the merchant sees it.
    pub channel: Option<String>,
    /// Time of the conversion.
    pub converted_at: Millis,
    /// When the canonical report was received.
    pub received_at: Millis,
    /// Who gets how much, the newest touch first.
    pub credits: Vec<Credit>,
}

impl Decided {
    /// What the book reads of the decision with this event id.
    #[must_use]
    pub fn of(id: EventId, decision: &Decision) -> Self {
        let trace = &decision.trace;
        Self {
            id,
            version: decision.version,
            inputs_hash: decision.inputs_hash,
            status: decision.status,
            code: decision.code,
            notes: trace.notes.clone(),
            trust: trace.trust,
            order_id: decision.order_id.clone(),
            amount: decision.amount,
            currency: decision.currency,
            items: decision.items.clone(),
            coupons: decision.coupons.clone(),
            customer_type: decision.customer_type,
            channel: trace.channel.value.clone(),
            converted_at: decision.converted_at,
            received_at: trace.received_at,
            credits: decision.credits.clone(),
        }
    }
}

/// An act with the stamps of its event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Its event.
    pub id: EventId,
    /// When it was done, as the caller claims.
    pub at: Millis,
    /// When it was received.
    pub received_at: Millis,
    /// What was done.
    pub validation: Validation,
}

impl Act {
    /// The greatest of a kind holds.
    #[must_use]
    pub fn rank(&self) -> (u64, Millis, Millis, EventId) {
        (self.validation.revision.unwrap_or(0), self.at, self.received_at, self.id)
    }

    fn action(&self) -> Action {
        self.validation.action
    }
}

/// Everything known of one order. Joining is commutative, associative and idempotent, but for a second lock: the first
/// one in the topic stands.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The greatest decision.
    pub decided: Option<Box<Decided>>,
    /// Acts by event id, each `client_event_id` once.
    pub acts: Vec<Act>,
    /// The lock.
    pub lock: Option<(EventId, Box<Lock>)>,
    /// Payments by event id.
    pub payments: Vec<(EventId, Payment)>,
}

impl Facts {
    /// Adds a fact; whether the set has changed.
    pub fn join(&mut self, fact: Fact) -> bool {
        match fact {
            Fact::Decision(new) => {
                let rank = |d: &Decided| (d.version, d.inputs_hash);
                let newer = self.decided.as_deref().is_none_or(|known| rank(known) < rank(&new));
                if newer {
                    self.decided = Some(new);
                }
                newer
            }
            Fact::Act(act) => self.join_act(*act),
            Fact::Lock(id, lock) => {
                let first = self.lock.is_none();
                if first {
                    self.lock = Some((id, lock));
                }
                first
            }
            Fact::Payment(id, payment) => {
                match self.payments.binary_search_by_key(&id, |(id, _)| *id) {
                    Ok(_) => false,
                    Err(place) => {
                        self.payments.insert(place, (id, payment));
                        true
                    }
                }
            }
        }
    }

    fn join_act(&mut self, act: Act) -> bool {
        let Err(place) = self.acts.binary_search_by_key(&act.id, |known| known.id) else {
            return false;
        };
        let same = |known: &Act| {
            act.validation.client_event_id.is_some()
                && known.validation.client_event_id == act.validation.client_event_id
        };
        match self.acts.iter().position(same) {
            Some(twin) if twin < place => return false,
            Some(twin) => {
                self.acts.remove(twin);
                self.acts.insert(place, act);
            }
            None => self.acts.insert(place, act),
        }
        if self.acts.len() > ACTS_MAX {
            self.forget_one();
        }
        true
    }

    /// Forgets the least act of those that do not hold.
    fn forget_one(&mut self) {
        let kinds = [ActionKind::Validation, ActionKind::Return, ActionKind::Amend];
        let held = kinds.map(|kind| self.holding(kind).map(|act| act.id));
        let others = self.acts.iter().enumerate().filter(|(_, act)| !held.contains(&Some(act.id)));
        if let Some((place, _)) = others.min_by_key(|(_, act)| act.rank()) {
            self.acts.remove(place);
        }
    }

    /// The act of this kind that holds.
    #[must_use]
    pub fn holding(&self, kind: ActionKind) -> Option<&Act> {
        self.acts.iter().filter(|act| act.action().kind() == kind).max_by_key(|act| act.rank())
    }

    /// Whether the lock closed it as declined.
    #[must_use]
    pub fn is_locked_as(&self, state: OrderState) -> bool {
        self.lock.as_ref().is_some_and(|(_, lock)| lock.state == state)
    }
}
