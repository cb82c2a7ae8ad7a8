//! The lock of an order: the whole priced decision, for good.

use event::body::{ActionKind, Lock, OrderState, Share};

use crate::base::Base;
use crate::decide::Booked;
use crate::facts::Facts;

/// What the lock of this order says. None if it may not be locked: it is, it only observes, or a person decides first.
#[must_use]
pub fn lock_of(facts: &Facts, booked: &Booked) -> Option<Lock> {
    let state = booked.lockable?;
    let base = Base::of(facts)?;
    let order = &booked.order;
    let kinds = [ActionKind::Validation, ActionKind::Return, ActionKind::Amend];
    let mut acts: Vec<_> =
        kinds.into_iter().filter_map(|kind| facts.holding(kind)).map(|act| act.id).collect();
    acts.sort_unstable();
    Some(Lock {
        lock_at: order.lock_at,
        state,
        code: order.code,
        automatic: booked.automatic,
        converted_at: base.converted_at,
        order_id: base.order_id.map(Into::into),
        status: base.status,
        winner: base.winner.cloned(),
        version: base.version,
        inputs_hash: base.inputs_hash,
        amount: base.amount,
        currency: Some(order.currency),
        items: base.items.to_vec(),
        coupons: base.coupons.to_vec(),
        customer_type: base.customer_type,
        channel: facts.decided.as_ref().and_then(|decided| decided.channel.clone()),
        credits: base.credits.to_vec(),
        acts,
        terms: booked.terms.clone(),
        shares: order.shares.iter().map(|share| Share { state, ..share.clone() }).collect(),
    })
}

impl Booked {
    /// What the lock job locks it as at this time, if it does.
    #[must_use]
    pub fn is_due(&self, now: event::Millis) -> Option<OrderState> {
        self.lockable.filter(|_| self.order.lock_at <= now)
    }
}
