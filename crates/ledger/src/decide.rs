//! The pure engine: what is known of an order and the catalog → the order as the book has it.

use std::sync::Arc;

use catalog::Snapshot;
use catalog::program::Mode;
use event::body::{
    Action, ActionKind, BookedOrder, BookedVersion, Lock, OrderState, Share, Validation,
};
use event::{Code, Currency, EventId, Micros, Millis, OrderKey, PartnerName};
use serde::Serialize;

use crate::amount::{minus, sum};
use crate::base::{Base, Rest};
use crate::facts::{Act, Facts};
use crate::price::{Changes, Priced, price};
use crate::state::{self, Standing};

/// What is to be said of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is no decision yet, or it is a test: nothing to book.
    Unknown,
    /// The catalog at hand does not name what the order names.
    Waiting(Miss),
    /// Booked.
    Booked(Box<Booked>),
}

/// What a catalog does not name yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// The order's program.
    Program,
    /// A credited partner.
    Partner(PartnerName),
}

/// An order in the book, and what else there is to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// The order.
    pub order: BookedOrder,
    /// What it is locked as once its time is over: [`OrderState::Locked`] or [`OrderState::Declined`]. None if it is
    /// locked, if its program only observes, or if a person decides first.
    pub lockable: Option<OrderState>,
    /// Such a lock would be without any act of a person.
    pub automatic: bool,
    /// When it changes without any new fact: an end by forfeit that is announced comes into effect.
    pub turns_at: Option<Millis>,
    /// Versions of terms that priced it, the program's at the order's time first.
    pub terms: Vec<Arc<str>>,
    /// What somebody should look at.
    pub findings: Vec<Finding>,
}

/// Something that changes no money and that somebody should look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// How much it is about.
    pub amount: Micros,
    /// Currency of the amount.
    pub currency: Currency,
    /// The event that gave rise to it.
    pub source: EventId,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An act is in another currency than its order and does nothing.
    CurrencyDiffers,
    /// More came back than was bought.
    ReturnedTooMuch,
    /// A return names a line or article that the order does not have.
    ReturnedUnknownLine,
    /// An act would validate or reopen what is locked as something else.
    ActAfterLock,
    /// A later decision credits otherwise than the lock.
    DecisionAfterLock,
}

impl FindingKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::CurrencyDiffers,
        Self::ReturnedTooMuch,
        Self::ReturnedUnknownLine,
        Self::ActAfterLock,
        Self::DecisionAfterLock,
    ];

    /// The word in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CurrencyDiffers => "currency_differs",
            Self::ReturnedTooMuch => "returned_too_much",
            Self::ReturnedUnknownLine => "returned_unknown_line",
            Self::ActAfterLock => "act_after_lock",
            Self::DecisionAfterLock => "decision_after_lock",
        }
    }
}

/// What the book has of an order whose facts are these. A function of the set of facts, of the catalog and of `now`; it
/// sees no order of arrival. `now` counts in one place: an end by forfeit that is announced takes nothing before it is there.
///
/// # Panics
/// If an amount and its parts differ: a book that loses or makes money must stop.
#[must_use]
pub fn decide(order: &OrderKey, facts: &Facts, catalog: &Snapshot, now: Millis) -> Outcome {
    if order.test {
        return Outcome::Unknown;
    }
    let Some(base) = Base::of(facts) else { return Outcome::Unknown };
    let Some(program) = catalog.program(order.program.as_str()) else {
        return Outcome::Waiting(Miss::Program);
    };
    let partners = base.credits.iter().filter_map(|credit| credit.partner.as_ref());
    for partner in partners {
        if catalog.partner(partner.as_str()).is_none() {
            return Outcome::Waiting(Miss::Partner(partner.clone()));
        }
    }
    let currency = base.currency.unwrap_or_else(|| program.currency());
    let mut findings = Findings { currency, list: Vec::new() };
    let holding = Holding::of(facts);
    let changes = Changes {
        amendment: holding.amendment.and_then(|act| findings.in_currency(act)),
        give_back: holding.give_back.and_then(|act| findings.in_currency(act)),
    };
    let mut priced = price(order, &base, changes, program, currency);
    if let Some(act) = holding.give_back {
        findings.excess(&priced, act);
    }
    let standing = match base.rests_on {
        Rest::Decision(decided) => {
            state::open(order, &base, decided, holding.validation, &priced, (program, now))
        }
        Rest::Lock(lock) => {
            let held = holding.ids();
            if lock.state == OrderState::Locked && held == lock.acts {
                as_locked(&mut priced.shares, &lock.shares);
            }
            findings.after_lock(lock, &holding, &priced, facts);
            let declined = facts.acts.iter().rfind(|act| {
                act.validation.action == Action::Decline && lock.acts.contains(&act.id)
            });
            let news = held.iter().any(|id| !lock.acts.contains(id));
            state::closed(lock, holding.validation, declined, &priced, news)
        }
    };
    let observed = program.mode_at(base.converted_at) == Mode::Observe;
    let version = BookedVersion {
        decision: base.version,
        inputs_hash: base.inputs_hash,
        acts: ids_of(facts, &holding, &standing),
    };
    finish_shares(&mut priced, facts, &base, standing.state);
    Outcome::Booked(Box::new(Booked {
        lockable: standing.lockable.filter(|_| !observed),
        automatic: standing.automatic,
        turns_at: state::turns_at(&base, program, now),
        terms: priced.terms,
        findings: findings.list,
        order: BookedOrder {
            order_id: base.order_id.map(Into::into),
            converted_at: base.converted_at,
            currency,
            amount: priced.amount,
            returned: priced.returned,
            margin: priced.margin,
            margin_unknown: priced.margin_unknown,
            status: base.status,
            code: standing.code,
            note: standing.note.map(Into::into),
            state: standing.state,
            observed,
            customer_type: base.customer_type,
            lock_at: state::lock_at(&base, program),
            version,
            shares: priced.shares,
        },
    }))
}

/// The acts that hold.
struct Holding<'a> {
    validation: Option<&'a Act>,
    give_back: Option<&'a Act>,
    amendment: Option<&'a Act>,
}

impl<'a> Holding<'a> {
    fn of(facts: &'a Facts) -> Self {
        Self {
            validation: facts.holding(ActionKind::Validation),
            give_back: facts.holding(ActionKind::Return),
            amendment: facts.holding(ActionKind::Amend),
        }
    }

    /// Their ids, sorted.
    fn ids(&self) -> Vec<EventId> {
        let acts = [self.validation, self.give_back, self.amendment];
        let mut ids: Vec<EventId> = acts.into_iter().flatten().map(|act| act.id).collect();
        ids.sort_unstable();
        ids
    }
}

/// Everything beside the decision that the order rests on, sorted.
fn ids_of(facts: &Facts, holding: &Holding<'_>, standing: &Standing<'_>) -> Vec<EventId> {
    let mut ids = holding.ids();
    ids.extend(standing.forfeit);
    if let Some((id, _)) = &facts.lock {
        ids.push(*id);
        ids.extend(facts.payments.iter().map(|(id, _)| *id));
    }
    ids.sort_unstable();
    ids
}

/// Nothing was done since the lock: its prices stand, whatever this version would make of them.
fn as_locked(shares: &mut [Share], locked: &[Share]) {
    for share in shares {
        let Some(known) = locked.iter().find(|known| known.touch == share.touch) else { continue };
        share.commission = known.commission;
        share.codes.clone_from(&known.codes);
        share.rules.clone_from(&known.rules);
    }
}

/// States, what the lock said and what was paid; nothing is due for an order that is refused or taken back.
fn finish_shares(priced: &mut Priced, facts: &Facts, base: &Base<'_>, state: OrderState) {
    let nothing_due = matches!(state, OrderState::Declined | OrderState::Reversed);
    for share in &mut priced.shares {
        share.state = state;
        if nothing_due {
            share.commission = Micros(0);
            share.codes.retain(|code| *code != Code::BelowUnit);
            share.rules.iter_mut().for_each(|rule| rule.commission = Micros(0));
        }
    }
    let Some(lock) = base.lock() else { return };
    for share in &mut priced.shares {
        let known = lock.shares.iter().find(|known| known.touch == share.touch);
        share.locked = Some(known.map_or(Micros(0), |known| known.commission));
    }
    for (_, payment) in &facts.payments {
        let own = |share: &&mut Share| {
            share.partner.as_ref() == Some(&payment.partner) && share.currency == payment.currency
        };
        // What was paid stands on the partner's first share; all of them were paid by it.
        let mut first = true;
        for share in priced.shares.iter_mut().filter(own) {
            if std::mem::take(&mut first) {
                share.paid = crate::amount::plus(share.paid, payment.amount);
            }
            if share.statement.as_ref() < Some(&payment.statement) {
                share.statement = Some(payment.statement.clone());
            }
            if state == OrderState::Locked {
                share.state = OrderState::Paid;
            }
        }
    }
}

struct Findings {
    currency: Currency,
    list: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, kind: FindingKind, amount: Micros, source: EventId) {
        self.list.push(Finding { kind, amount, currency: self.currency, source });
    }

    /// The act, unless it is in another currency.
    fn in_currency<'a>(&mut self, act: &'a Act) -> Option<&'a Validation> {
        let validation = &act.validation;
        match validation.currency {
            Some(currency) if currency != self.currency => {
                let amount = validation.amount.unwrap_or_default();
                let kind = FindingKind::CurrencyDiffers;
                self.list.push(Finding { kind, amount, currency, source: act.id });
                None
            }
            Some(_) | None => Some(validation),
        }
    }

    fn excess(&mut self, priced: &Priced, act: &Act) {
        if let Some(amount) = priced.excess.too_much {
            self.add(FindingKind::ReturnedTooMuch, amount, act.id);
        }
        if let Some(amount) = priced.excess.unknown {
            self.add(FindingKind::ReturnedUnknownLine, amount, act.id);
        }
    }

    fn after_lock(&mut self, lock: &Lock, holding: &Holding<'_>, priced: &Priced, facts: &Facts) {
        let new = holding.validation.filter(|act| !lock.acts.contains(&act.id));
        if let Some(act) = new {
            let action = act.validation.action;
            let vain = match lock.state {
                OrderState::Declined => matches!(action, Action::Approve | Action::Reopen),
                OrderState::Pending
                | OrderState::Held
                | OrderState::Approved
                | OrderState::Locked
                | OrderState::Paid
                | OrderState::Reversed => action == Action::Reopen,
            };
            if vain {
                self.add(FindingKind::ActAfterLock, priced.commission(), act.id);
            }
        }
        let Some(decided) = facts.decided.as_deref() else { return };
        let later = (lock.version, lock.inputs_hash) < (decided.version, decided.inputs_hash);
        if !later {
            return;
        }
        // What would move between partners.
        let moved = decided.credits.iter().map(|credit| {
            let same = lock
                .credits
                .iter()
                .find(|known| known.touch == credit.touch && known.partner == credit.partner);
            let known = same.map_or(Micros(0), |known| known.amount);
            minus(credit.amount, known).max(Micros(0))
        });
        let differ = decided.credits.len() != lock.credits.len()
            || decided.credits.iter().zip(&lock.credits).any(|(new, known)| {
                (new.touch, &new.partner, new.amount) != (known.touch, &known.partner, known.amount)
            });
        if differ {
            self.add(FindingKind::DecisionAfterLock, sum(moved), decided.id);
        }
    }
}
