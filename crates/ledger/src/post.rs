//! From one state of an order to the next: the posting with its transfers.

mod moves;

use std::collections::BTreeMap;
use std::fmt::Write;

use event::body::{Account, BookedOrder, OrderState, Posting, Purpose, Subject, Transfer};
use event::{Currency, EventId, Micros, Millis, OrderKey, PartnerName, ProgramName};

use crate::amount::clamped;
use moves::{Move, moves};

/// What gave rise to a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The event.
    pub source: EventId,
    /// Who acted, if a person or a key did.
    pub actor: Option<String>,
    /// When the book changes, by the ledger's clock.
    pub changed_at: Millis,
}

/// The posting, with its event id, that leads an order from `before` (none: it was not booked) to `after` as its change
/// `number`. None if nothing visible changed: another version alone is nothing.
///
/// # Panics
/// If the transfers do not lead from the balances before to those after: a book that loses or makes money must stop.
#[must_use]
pub fn posting(
    order: &OrderKey,
    before: Option<&BookedOrder>,
    after: &BookedOrder,
    cause: Cause,
    number: u64,
) -> Option<(EventId, Posting)> {
    if before.is_some_and(|before| looks_the_same(before, after)) {
        return None;
    }
    let ids = Ids::new(order, before, after, number);
    let transfers = transfers(order, before, after, &ids);
    let posting = Posting {
        subject: Subject::Order(order.clone()),
        number,
        source: cause.source,
        actor: cause.actor,
        changed_at: cause.changed_at,
        booked: Some(Box::new(after.clone())),
        statement: None,
        transfers,
    };
    Some((ids.posting(), posting))
}

/// What each account has of an order, 0 left out. They sum to 0 by currency.
#[must_use]
pub fn balances(program: &ProgramName, order: &BookedOrder) -> Vec<(Account, Currency, Micros)> {
    let mut all = Vec::new();
    let mut spent = 0_i128;
    for (partner, held) in held(order) {
        for (account, amount) in held.accounts(&partner) {
            spent = spent.saturating_add(i128::from(amount.0));
            if amount.0 != 0 {
                all.push((account, order.currency, amount));
            }
        }
    }
    if spent != 0 {
        let expense = clamped(spent.saturating_neg());
        all.push((Account::Expense(program.clone()), order.currency, expense));
    }
    all
}

/// What stands to a partner for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Held {
    stage: Stage,
    /// Due, before the lock.
    due: Micros,
    /// What was due at the lock.
    locked: Micros,
    payable: Micros,
    clawback: Micros,
    paid: Micros,
}

/// The ways of money from one standing of a partner's pay for a day to another: due as soon as it is earned, so that what
/// is earned, and what is paid of it, say all. Each with whether it is a payment; else what is earned changed.
pub(crate) fn settled(
    (program, partner): (&ProgramName, &PartnerName),
    before: (Micros, Micros),
    after: (Micros, Micros),
) -> Vec<(bool, Account, Account, Micros)> {
    let held = |(earned, paid): (Micros, Micros)| {
        let open = i128::from(earned.0).saturating_sub(i128::from(paid.0));
        let (payable, clawback) = (clamped(open.max(0)), clamped(open.min(0)));
        Held { stage: Stage::Closed, payable, clawback, paid, ..Held::default() }
    };
    let way = |one: Move| {
        let [debit, credit] = [one.debit, one.credit].map(|side| side.account(program, partner));
        (one.purpose == Purpose::Pay, debit, credit, one.amount)
    };
    moves(held(before), held(after), false).into_iter().map(way).collect()
}

/// Where what is due stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Stage {
    /// Nowhere: no part in the order, or it only observes.
    #[default]
    Out,
    /// Nowhere: refused.
    Refused,
    Pending,
    Approved,
    Closed,
}

impl Held {
    /// Its accounts, in the order of a life.
    fn accounts(&self, partner: &PartnerName) -> [(Account, Micros); 5] {
        let at = |stage| if self.stage == stage { self.due } else { Micros(0) };
        [
            (Account::Pending(partner.clone()), at(Stage::Pending)),
            (Account::Approved(partner.clone()), at(Stage::Approved)),
            (Account::Payable(partner.clone()), self.payable),
            (Account::Clawback(partner.clone()), self.clawback),
            (Account::Paid(partner.clone()), self.paid),
        ]
    }
}

/// What stands to each partner.
fn held(order: &BookedOrder) -> BTreeMap<PartnerName, Held> {
    struct Sums {
        commission: i128,
        locked: Option<i128>,
        paid: i128,
        is_paid: bool,
    }
    let mut sums: BTreeMap<&PartnerName, Sums> = BTreeMap::new();
    for share in &order.shares {
        let Some(partner) = &share.partner else { continue };
        let sum = sums.entry(partner).or_insert(Sums {
            commission: 0,
            locked: None,
            paid: 0,
            is_paid: false,
        });
        sum.commission = sum.commission.saturating_add(i128::from(share.commission.0));
        if let Some(locked) = share.locked {
            let so_far = sum.locked.unwrap_or(0);
            sum.locked = Some(so_far.saturating_add(i128::from(locked.0)));
        }
        sum.paid = sum.paid.saturating_add(i128::from(share.paid.0));
        sum.is_paid |= share.statement.is_some();
    }
    let stage = match order.state {
        _ if order.observed => Stage::Out,
        OrderState::Declined => Stage::Refused,
        OrderState::Pending | OrderState::Held => Stage::Pending,
        OrderState::Approved => Stage::Approved,
        OrderState::Locked | OrderState::Paid | OrderState::Reversed => Stage::Closed,
    };
    let one = |sums: &Sums| {
        let mut held = Held { stage, ..Held::default() };
        match stage {
            Stage::Out | Stage::Refused => {}
            Stage::Pending | Stage::Approved => held.due = clamped(sums.commission),
            Stage::Closed => {
                let locked = sums.locked.unwrap_or(0);
                held.locked = clamped(locked);
                let open = sums.commission.saturating_sub(sums.paid);
                let payable = if sums.is_paid { open.max(0) } else { locked.max(sums.commission) };
                held.payable = clamped(payable);
                held.clawback = clamped(open.saturating_sub(payable));
                held.paid = clamped(sums.paid);
            }
        }
        held
    };
    sums.into_iter().map(|(partner, sums)| (partner.clone(), one(&sums))).collect()
}

fn transfers(
    order: &OrderKey,
    before: Option<&BookedOrder>,
    after: &BookedOrder,
    ids: &Ids,
) -> Vec<Transfer> {
    let mut transfers = Vec::new();
    let was = before.map(held).unwrap_or_default();
    let is = held(after);
    let same_currency = before.is_none_or(|before| before.currency == after.currency);
    let returned = before.is_some_and(|before| before.returned < after.returned);
    let mut partners: Vec<&PartnerName> = was.keys().chain(is.keys()).collect();
    partners.sort_unstable();
    partners.dedup();
    for partner in partners {
        let from = was.get(partner).copied().unwrap_or_default();
        let to = is.get(partner).copied().unwrap_or_default();
        let mut book = |moves: Vec<Move>, currency| {
            transfers.extend(moves.into_iter().map(|one| {
                let debit = one.debit.account(&order.program, partner);
                let credit = one.credit.account(&order.program, partner);
                let id = ids.transfer(&debit, &credit, one.purpose);
                let Move { purpose, amount, .. } = one;
                Transfer { id, purpose, debit, credit, amount, currency }
            }));
        };
        if let (false, Some(before)) = (same_currency, before) {
            book(moves(from, Held::default(), returned), before.currency);
            book(moves(Held::default(), to, returned), after.currency);
        } else {
            book(moves(from, to, returned), after.currency);
        }
    }
    check(order, before, after, &transfers);
    transfers
}

/// Whether the transfers lead from the balances before to those after, and each id is one transfer.
fn check(
    order: &OrderKey,
    before: Option<&BookedOrder>,
    after: &BookedOrder,
    transfers: &[Transfer],
) {
    let mut open: BTreeMap<(Account, Currency), i128> = BTreeMap::new();
    let mut add = |account: Account, currency: Currency, amount: i128| {
        let sum = open.entry((account, currency)).or_insert(0);
        *sum = sum.saturating_add(amount);
    };
    for (account, currency, amount) in
        before.map(|before| balances(&order.program, before)).unwrap_or_default()
    {
        add(account, currency, i128::from(amount.0));
    }
    for (place, transfer) in transfers.iter().enumerate() {
        assert!(transfer.amount.0 > 0, "a transfer moves something");
        let amount = i128::from(transfer.amount.0);
        add(transfer.debit.clone(), transfer.currency, amount.saturating_neg());
        add(transfer.credit.clone(), transfer.currency, amount);
        let again = transfers.iter().take(place).any(|other| other.id == transfer.id);
        assert!(!again, "an id names one transfer");
    }
    let mut target = 0_i128;
    for (account, currency, amount) in balances(&order.program, after) {
        target = target.saturating_add(i128::from(amount.0));
        add(account, currency, i128::from(amount.0).saturating_neg());
    }
    assert!(target == 0, "debits and credits of an order must be equal");
    assert!(open.values().all(|left| *left == 0), "transfers must lead to the order's balances");
}

/// What ids are derived from.
struct Ids {
    order: String,
    /// A catalog may change there and back again: versions alone would give the second way there the id of the first.
    number: [u8; 8],
    before: String,
    after: String,
}

impl Ids {
    fn new(
        order: &OrderKey,
        before: Option<&BookedOrder>,
        after: &BookedOrder,
        number: u64,
    ) -> Self {
        Self {
            order: order.to_string(),
            number: number.to_be_bytes(),
            before: before.map(version_text).unwrap_or_default(),
            after: version_text(after),
        }
    }

    fn posting(&self) -> EventId {
        let Self { order, number, before, after } = self;
        let parts: [&[u8]; 4] = [order.as_bytes(), number, before.as_bytes(), after.as_bytes()];
        EventId::derived("sillage posting v1", &parts)
    }

    fn transfer(&self, debit: &Account, credit: &Account, purpose: Purpose) -> EventId {
        let (debit, credit) = (debit.to_string(), credit.to_string());
        let parts: [&[u8]; 7] = [
            self.order.as_bytes(),
            &self.number,
            self.before.as_bytes(),
            self.after.as_bytes(),
            debit.as_bytes(),
            credit.as_bytes(),
            purpose.as_str().as_bytes(),
        ];
        EventId::derived("sillage transfer v1", &parts)
    }
}

/// The version as ids are derived from it: `1.2.3 HASH ID ID …`.
fn version_text(order: &BookedOrder) -> String {
    let version = &order.version;
    let decision = version.decision;
    let mut text = format!("{}.{}.{}", decision.semantics, decision.members, decision.known);
    // Writing to a String does not fail.
    let mut written = write!(text, " {}", version.inputs_hash);
    for id in &version.acts {
        written = written.and_then(|()| write!(text, " {id}"));
    }
    debug_assert!(written.is_ok());
    text
}

/// Whether two states of an order differ in their version at most.
fn looks_the_same(a: &BookedOrder, b: &BookedOrder) -> bool {
    // Every field is named, so that a new one is thought of.
    let BookedOrder {
        order_id,
        converted_at,
        currency,
        amount,
        returned,
        margin,
        margin_unknown,
        status,
        code,
        note,
        state,
        observed,
        customer_type,
        lock_at,
        version: _,
        shares,
    } = a;
    (state, code, amount, returned) == (&b.state, &b.code, &b.amount, &b.returned)
        && *shares == b.shares
        && (margin, margin_unknown, status) == (&b.margin, &b.margin_unknown, &b.status)
        && (converted_at, lock_at, currency) == (&b.converted_at, &b.lock_at, &b.currency)
        && (order_id, note) == (&b.order_id, &b.note)
        && (observed, customer_type) == (&b.observed, &b.customer_type)
}
