//! The state of an order and its main reason.

use catalog::ProgramRef;
use event::body::{Action, Lock, OrderState, Trust};
use event::{Code, EventId, Micros, Millis, OrderKey};

use crate::base::{Base, Rest};
use crate::facts::{Act, Decided};
use crate::price::Priced;

/// Where an order stands.
#[derive(Clone, Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) state: OrderState,
    pub(crate) code: Code,
    /// Note of the decline that holds.
    pub(crate) note: Option<&'a str>,
    /// What it would be locked as when its time is over.
    pub(crate) lockable: Option<OrderState>,
    /// Nobody would have acted.
    pub(crate) automatic: bool,
    /// A forfeit declines it: what stands for it in the version.
    pub(crate) forfeit: Option<EventId>,
}

impl<'a> Standing<'a> {
    const fn new(state: OrderState, code: Code) -> Self {
        Self { state, code, note: None, lockable: None, automatic: false, forfeit: None }
    }

    const fn lockable_as(mut self, state: OrderState) -> Self {
        self.lockable = Some(state);
        self
    }

    fn declined_by(act: &'a Act) -> Self {
        let mut standing =
            Self::new(OrderState::Declined, act.validation.code.unwrap_or(Code::Cancelled));
        standing.note = act.validation.note.as_deref();
        standing
    }
}

/// From when on an order may be locked.
pub(crate) fn lock_at(base: &Base<'_>, program: ProgramRef<'_>) -> Millis {
    match base.rests_on {
        Rest::Lock(lock) => lock.lock_at,
        Rest::Decision(decided) => {
            let terms = &program.terms_at(base.converted_at).terms;
            let due = program.lock_from(base.converted_at).0;
            Millis(due.max(decided.received_at.0.saturating_add(terms.lateness_ms)))
        }
    }
}

/// When the order declines itself: an end of the winner's part by forfeit that is announced, and not there yet at `now`.
pub(crate) fn turns_at(base: &Base<'_>, program: ProgramRef<'_>, now: Millis) -> Option<Millis> {
    base.lock().is_none().then(|| forfeit(base, program)).flatten().filter(|at| *at > now)
}

/// The state before the lock. The first rule that applies decides.
pub(crate) fn open<'a>(
    order: &OrderKey,
    base: &Base<'a>,
    decided: &Decided,
    validation: Option<&'a Act>,
    priced: &Priced,
    (program, now): (ProgramRef<'_>, Millis),
) -> Standing<'a> {
    let action = validation.map(|act| act.validation.action);
    if let (Some(act), Some(Action::Decline)) = (validation, action) {
        return Standing::declined_by(act).lockable_as(OrderState::Declined);
    }
    let end = forfeit(base, program);
    if let Some(at) = end.filter(|at| *at <= now) {
        let mut standing = Standing::new(OrderState::Declined, Code::Forfeited);
        standing.forfeit = Some(forfeit_id(order, base, at));
        return standing.lockable_as(OrderState::Declined);
    }
    if is_emptied(priced) {
        let standing = Standing::new(OrderState::Declined, Code::ReturnedFull);
        return standing.lockable_as(OrderState::Declined);
    }
    if priced.no_rate {
        return Standing::new(OrderState::Pending, Code::NoRate);
    }
    let plain = if priced.returned > Micros(0) { Code::ReturnedPart } else { decided.code };
    if action == Some(Action::Approve) {
        return Standing::new(OrderState::Approved, plain).lockable_as(OrderState::Locked);
    }
    let holds = decided.notes.iter().filter(|note| (600..700).contains(&note.number()));
    if let Some(code) = holds.min().copied() {
        return Standing::new(OrderState::Held, code);
    }
    if decided.trust == Trust::Page {
        return Standing::new(OrderState::Pending, Code::Unconfirmed);
    }
    let pending = Standing::new(OrderState::Pending, plain);
    if !approves_itself(base, program) {
        return pending;
    }
    Standing { automatic: true, ..pending.lockable_as(OrderState::Locked) }
}

/// The state with a lock. It stays what the lock says, unless what was locked is taken back. `declined`: the decline that
/// the lock names. `news`: an act holds that the lock does not name.
pub(crate) fn closed<'a>(
    lock: &'a Lock,
    validation: Option<&'a Act>,
    declined: Option<&'a Act>,
    priced: &Priced,
    news: bool,
) -> Standing<'a> {
    if lock.state == OrderState::Declined {
        let mut standing = Standing::new(OrderState::Declined, lock.code);
        standing.note = declined.and_then(|act| act.validation.note.as_deref());
        return standing;
    }
    let new = validation.filter(|act| !lock.acts.contains(&act.id));
    if let Some(act) = new.filter(|act| act.validation.action == Action::Decline) {
        let mut standing = Standing::new(OrderState::Reversed, Code::Clawback);
        standing.note = act.validation.note.as_deref();
        return standing;
    }
    if is_emptied(priced) {
        return Standing::new(OrderState::Reversed, Code::Clawback);
    }
    let locked = crate::amount::sum(lock.shares.iter().map(|share| share.commission));
    let code = if news && priced.commission() < locked { Code::Clawback } else { lock.code };
    Standing::new(OrderState::Locked, code)
}

/// Something was bought and everything came back.
fn is_emptied(priced: &Priced) -> bool {
    priced.amount > Micros(0) && priced.kept() == Micros(0)
}

/// When the winner's part ends by forfeit, between the order and its lock.
fn forfeit(base: &Base<'_>, program: ProgramRef<'_>) -> Option<Millis> {
    let forfeit = program.forfeited_after(base.winner?.as_str(), base.converted_at)?;
    (forfeit.at < lock_at(base, program)).then_some(forfeit.at)
}

/// What stands for such an end in a version.
fn forfeit_id(order: &OrderKey, base: &Base<'_>, at: Millis) -> EventId {
    let parts: [&[u8]; 3] = [
        order.program.as_str().as_bytes(),
        base.winner.map_or("", |winner| winner.as_str()).as_bytes(),
        &at.0.to_be_bytes(),
    ];
    EventId::derived("sillage forfeit v1", &parts)
}

fn approves_itself(base: &Base<'_>, program: ProgramRef<'_>) -> bool {
    match base.winner {
        Some(winner) => program.commission(winner.as_str(), base.converted_at).auto_approve,
        None => program.terms_at(base.converted_at).terms.auto_approve,
    }
}
