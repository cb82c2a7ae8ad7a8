//! What an order is before any act: the lock's values if there is a lock, else the decision's.

use event::body::decision::Credit;
use event::body::{CustomerType, DecisionStatus, DecisionVersion, Item, Lock};
use event::hash::ContentHash;
use event::{Currency, Micros, Millis, PartnerName};

use crate::facts::{Decided, Facts};

/// An order before any act. Borrows the facts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base<'a> {
    pub(crate) order_id: Option<&'a str>,
    pub(crate) status: DecisionStatus,
    pub(crate) converted_at: Millis,
    pub(crate) amount: Micros,
    pub(crate) currency: Option<Currency>,
    pub(crate) items: &'a [Item],
    pub(crate) coupons: &'a [String],
    pub(crate) customer_type: Option<CustomerType>,
    pub(crate) credits: &'a [Credit],
    /// The credited partner with the largest credit.
    pub(crate) winner: Option<&'a PartnerName>,
    pub(crate) version: DecisionVersion,
    pub(crate) inputs_hash: ContentHash,
    pub(crate) rests_on: Rest<'a>,
}

/// What an order rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rest<'a> {
    /// A decision that may still change.
    Decision(&'a Decided),
    /// The answer for good.
    Lock(&'a Lock),
}

impl<'a> Base<'a> {
    /// None while neither a decision nor a lock is known.
    pub(crate) fn of(facts: &'a Facts) -> Option<Self> {
        match (&facts.lock, &facts.decided) {
            (Some((_, lock)), _) => Some(Self::locked(lock)),
            (None, Some(decided)) => Some(Self::decided(decided)),
            (None, None) => None,
        }
    }

    fn decided(decided: &'a Decided) -> Self {
        Self {
            order_id: decided.order_id.as_deref(),
            status: decided.status,
            converted_at: decided.converted_at,
            amount: decided.amount,
            currency: decided.currency,
            items: &decided.items,
            coupons: &decided.coupons,
            customer_type: decided.customer_type,
            credits: &decided.credits,
            winner: winner(&decided.credits),
            version: decided.version,
            inputs_hash: decided.inputs_hash,
            rests_on: Rest::Decision(decided),
        }
    }

    fn locked(lock: &'a Lock) -> Self {
        Self {
            order_id: lock.order_id.as_deref(),
            status: lock.status,
            converted_at: lock.converted_at,
            amount: lock.amount,
            currency: lock.currency,
            items: &lock.items,
            coupons: &lock.coupons,
            customer_type: lock.customer_type,
            credits: &lock.credits,
            winner: lock.winner.as_ref(),
            version: lock.version,
            inputs_hash: lock.inputs_hash,
            rests_on: Rest::Lock(lock),
        }
    }

    /// The lock, if it rests on one.
    pub(crate) const fn lock(&self) -> Option<&'a Lock> {
        match self.rests_on {
            Rest::Decision(_) => None,
            Rest::Lock(lock) => Some(lock),
        }
    }
}

/// The partner with the largest credit; of equal ones the nearest to the conversion, which stands first.
pub(crate) fn winner(credits: &[Credit]) -> Option<&PartnerName> {
    let mut best: Option<&Credit> = None;
    for credit in credits.iter().filter(|credit| credit.partner.is_some()) {
        if best.is_none_or(|best| best.amount < credit.amount) {
            best = Some(credit);
        }
    }
    best?.partner.as_ref()
}
