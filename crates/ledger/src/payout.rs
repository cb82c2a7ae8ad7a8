//! Statements: what a partner is paid for locked orders and for days, and the way from asking for it to having it in the book.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event::body::posting::{BookedOrder, Purpose};
use event::body::{OrderState, PaidLine, Payment, Subject, Whole};
use event::{Code, Currency, EventId, Micros, Millis, OrderKey, PartnerName, ProgramName};
use serde::{Deserialize, Serialize};

use crate::store::DayRow;

/// Payouts that wait for the worker. Count; a person asks for them.
const ASKED_MAX: usize = 16;

/// What is to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// The program.
    pub program: ProgramName,
    /// Orders and days that were due before this instant.
    pub until: Millis,
    /// Who has it paid.
    pub actor: Option<String>,
}

/// What becomes of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It can be paid.
    Payable,
    /// It is paid, now or by an earlier payout of the same program and day: nothing is paid again.
    Paid,
    /// More was taken back than is due: it counts in the next one.
    CarriedForward,
    /// A crash cut it off: some of its lines are paid. A payout of its program pays what it lacks, whatever its day.
    CutOff,
}

/// What a partner gets for the orders and days of a program in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Derived from program, partner, currency and `until`.
    pub id: String,
    /// The program.
    pub program: ProgramName,
    /// The partner.
    pub partner: PartnerName,
    /// The currency.
    pub currency: Currency,
    /// Orders and days that were due before this instant.
    pub until: Millis,
    /// What becomes of it.
    pub status: Status,
    /// Sum of the lines.
    pub amount_micros: Micros,
    /// One line for each order, by order key; then one for each rule on each day.
    pub lines: Vec<Line>,
}

/// An order, or pay for a day, in a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The order or the day.
    #[serde(flatten)]
    pub subject: Subject,
    /// Of a day: what was paid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// The order id as the merchant wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Time of the conversion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted_at: Option<Millis>,
    /// Net amount of the partner's share; 0 of a day.
    pub net_micros: Micros,
    /// Its commission now, or what the day earned.
    pub commission_micros: Micros,
    /// What statements before this one have paid of it.
    pub paid_before_micros: Micros,
    /// What this statement pays; negative: taken back.
    pub amount_micros: Micros,
    /// Whether it has paid it.
    #[serde(default)]
    pub paid: bool,
    /// State of the order; a day is locked.
    pub state: OrderState,
    /// Its code.
    pub code: Code,
}

/// A statement that was made, without its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Its id.
    pub id: String,
    /// The program.
    pub program: ProgramName,
    /// The partner.
    pub partner: PartnerName,
    /// The currency.
    pub currency: Currency,
    /// Orders and days that were due before this instant; absent in statements of old versions.
    pub until: Option<Millis>,
    /// [`Status::Paid`] or [`Status::CutOff`].
    pub status: Status,
    /// Sum of what it paid.
    pub amount_micros: Micros,
    /// Orders and days that it paid. Count.
    pub lines: u64,
    /// When the last of them was paid; absent in statements of old versions.
    pub made_at: Option<Millis>,
}

/// Which statements somebody wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeFilter {
    /// Of this program.
    pub program: ProgramName,
    /// Of this partner.
    pub partner: Option<PartnerName>,
    /// Those behind this one.
    pub after: Option<MadePlace>,
    /// At most so many.
    pub limit: u32,
}

/// A place in the list of the statements that were made, the newest first. Text form: milliseconds and id,
/// `1793715725123.01a1a1c9-…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadePlace {
    pub(crate) made_at: i64,
    pub(crate) id: String,
}

impl std::fmt::Display for MadePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.made_at, self.id)
    }
}

impl std::str::FromStr for MadePlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (made_at, id) = text.split_once('.').ok_or(NoPlace)?;
        Ok(Self { made_at: made_at.parse().map_err(|_| NoPlace)?, id: id.to_owned() })
    }
}

/// Why a text is no place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no place in the list; give the `next` that a list ended with")]
pub struct NoPlace;

/// A partner's part of a booked order, its shares summed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Part {
    pub(crate) net: i128,
    pub(crate) commission: i128,
    pub(crate) paid: i128,
}

impl Part {
    /// What is due and not paid, or paid and not due.
    pub(crate) const fn outstanding(&self) -> i128 {
        self.commission.saturating_sub(self.paid)
    }
}

/// The parts of the partners of a booked order.
pub(crate) fn parts(booked: &BookedOrder) -> BTreeMap<&PartnerName, Part> {
    let mut parts: BTreeMap<&PartnerName, Part> = BTreeMap::new();
    for share in &booked.shares {
        let Some(partner) = &share.partner else { continue };
        let part = parts.entry(partner).or_default();
        part.net = part.net.saturating_add(i128::from(share.net.0));
        part.commission = part.commission.saturating_add(i128::from(share.commission.0));
        part.paid = part.paid.saturating_add(i128::from(share.paid.0));
    }
    parts
}

/// Whether somebody is still to be paid for a locked order, or to pay back.
pub(crate) fn is_owed(booked: &BookedOrder) -> bool {
    let closed =
        matches!(booked.state, OrderState::Locked | OrderState::Paid | OrderState::Reversed);
    closed && !booked.observed && parts(booked).values().any(|part| part.outstanding() != 0)
}

/// The id of a statement.
pub(crate) fn statement_id(payout: &Payout, partner: &PartnerName, currency: Currency) -> String {
    let parts: [&[u8]; 4] = [
        payout.program.as_str().as_bytes(),
        partner.as_str().as_bytes(),
        currency.as_str().as_bytes(),
        &payout.until.0.to_be_bytes(),
    ];
    EventId::derived("sillage statement v1", &parts).to_string()
}

impl Line {
    /// A line about a partner's part of an order. None if there is nothing to pay.
    pub(crate) fn of(order: &OrderKey, booked: &BookedOrder, part: &Part) -> Option<Self> {
        let amount = micros(part.outstanding()).filter(|amount| amount.0 != 0)?;
        Some(Self {
            subject: Subject::Order(order.clone()),
            purpose: None,
            order_id: booked.order_id.clone(),
            converted_at: Some(booked.converted_at),
            net_micros: micros(part.net)?,
            commission_micros: micros(part.commission)?,
            paid_before_micros: micros(part.paid)?,
            amount_micros: amount,
            paid: false,
            state: booked.state,
            code: booked.code,
        })
    }

    /// A line about a day. None if there is nothing to pay.
    pub(crate) fn of_day(day: &DayRow) -> Option<Self> {
        let amount = micros(day.pay().outstanding()).filter(|amount| amount.0 != 0)?;
        let before = day.pay().paid;
        Some(Self {
            subject: Subject::Day(day.key.clone()),
            purpose: Some(day.purpose),
            order_id: None,
            converted_at: None,
            net_micros: Micros(0),
            commission_micros: day.amount,
            paid_before_micros: before,
            amount_micros: amount,
            paid: false,
            state: OrderState::Locked,
            code: Code::Ok,
        })
    }

    /// What its payment says of it.
    fn as_paid(&self) -> PaidLine {
        PaidLine {
            purpose: self.purpose,
            order_id: self.order_id.clone(),
            converted_at: self.converted_at,
            net: self.net_micros,
            commission: self.commission_micros,
            paid_before: self.paid_before_micros,
            state: self.state,
            code: self.code,
        }
    }

    /// The line of a payment as it was paid. None of an old one, which says nothing of it.
    pub(crate) fn of_payment(subject: &Subject, payment: &Payment) -> Option<Self> {
        let line = payment.line.clone()?;
        Some(Self {
            subject: subject.clone(),
            purpose: line.purpose,
            order_id: line.order_id,
            converted_at: line.converted_at,
            net_micros: line.net,
            commission_micros: line.commission,
            paid_before_micros: line.paid_before,
            amount_micros: payment.amount,
            paid: true,
            state: line.state,
            code: line.code,
        })
    }

    /// A line that was paid, by an old payment.
    pub(crate) fn paid(order: OrderKey, booked: &BookedOrder, part: &Part, amount: Micros) -> Self {
        let cut = |amount: i128| micros(amount).unwrap_or(Micros(i64::MAX));
        Self {
            subject: Subject::Order(order),
            purpose: None,
            order_id: booked.order_id.clone(),
            converted_at: Some(booked.converted_at),
            net_micros: cut(part.net),
            commission_micros: cut(part.commission),
            paid_before_micros: cut(part.paid.saturating_sub(i128::from(amount.0))),
            amount_micros: amount,
            paid: true,
            state: booked.state,
            code: booked.code,
        }
    }

    /// A line about a day that was paid, by an old payment.
    pub(crate) fn paid_day(day: &DayRow, amount: Micros) -> Self {
        Self {
            subject: Subject::Day(day.key.clone()),
            purpose: Some(day.purpose),
            order_id: None,
            converted_at: None,
            net_micros: Micros(0),
            commission_micros: day.amount,
            paid_before_micros: Micros(day.pay().paid.0.saturating_sub(amount.0)),
            amount_micros: amount,
            paid: true,
            state: OrderState::Locked,
            code: Code::Ok,
        }
    }
}

fn micros(amount: i128) -> Option<Micros> {
    i64::try_from(amount).ok().map(Micros)
}

impl Statement {
    /// Lines that it has not paid.
    pub(crate) fn unpaid(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !line.paid)
    }

    /// The payment of a line, at this moment.
    pub(crate) fn payment(&self, line: &Line, at: Millis, actor: Option<&str>) -> Payment {
        let lines = u64::try_from(self.lines.len()).unwrap_or(u64::MAX);
        Payment {
            statement: self.id.clone(),
            partner: self.partner.clone(),
            amount: line.amount_micros,
            currency: self.currency,
            actor: actor.map(str::to_owned),
            whole: Some(Whole { until: self.until, lines, amount: self.amount_micros }),
            at: Some(at),
            line: Some(line.as_paid()),
        }
    }

    /// Whether a payout pays something of it.
    pub(crate) fn is_to_pay(&self) -> bool {
        match self.status {
            Status::Payable => true,
            Status::CutOff => self.unpaid().next().is_some(),
            Status::Paid | Status::CarriedForward => false,
        }
    }

    /// The same once its payments are durable.
    pub(crate) fn now_paid(mut self) -> Self {
        if self.is_to_pay() {
            self.status = Status::Paid;
            self.lines.iter_mut().for_each(|line| line.paid = true);
        }
        self
    }
}

/// Where payouts are asked for: the worker takes them up once it has read everything that stood on the topics, its own
/// payments before all.
#[derive(Debug, Default)]
pub struct Desk(Mutex<VecDeque<Asked>>);

/// A payout that waits for the worker.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) payout: Payout,
    /// Nobody waits for the answer from then on, so nothing is paid any more.
    until: Instant,
    answer: SyncSender<Result<Vec<Statement>, Doubt>>,
}

impl Asked {
    pub(crate) fn answer(self, answer: Result<Vec<Statement>, Doubt>) {
        // Whoever asked may have gone; what was paid is in the book.
        let _gone = self.answer.try_send(answer);
    }
}

/// Why the clock is not believed, with what somebody is to do: payments are for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// It jumped while the process ran.
    #[error(
        "nothing is locked or paid while the clock is doubted: it is {} now, over an hour off the time that passed since the \
         start. If it is wrong, set it: the ledger goes on by itself; if it is right and was wrong before, start the node anew",
        now.rfc3339()
    )]
    Jumped {
        /// What it says.
        now: Millis,
    },
    /// It is far ahead of what the book noted.
    #[error(
        "nothing is locked or paid while the clock is doubted: it is {}, over three days after the last time that the book \
         noted ({}). So it is after the node stood still for that long, and after an older copy of the book was put back. \
         Look at the clock. If it is right, give ledger.clock_checked = \"{}\" and start the node anew; if it is wrong, set \
         it and start the node anew",
        now.rfc3339(), noted.rfc3339(), now.rfc3339().get(..10).unwrap_or_default()
    )]
    Ahead {
        /// What it says.
        now: Millis,
        /// The last time that has surely come.
        noted: Millis,
    },
}

impl Desk {
    /// Asks for a payout, for so long; the statements come when its payments are durable, or at once why there are none. None if
    /// too many wait.
    #[must_use]
    pub fn ask(
        &self,
        payout: Payout,
        wait: Duration,
    ) -> Option<Receiver<Result<Vec<Statement>, Doubt>>> {
        let (answer, answered) = sync_channel(1);
        let mut asked = self.waiting();
        if asked.len() >= ASKED_MAX {
            return None;
        }
        let until = Instant::now().checked_add(wait)?;
        asked.push_back(Asked { payout, until, answer });
        Some(answered)
    }

    pub(crate) fn is_asked(&self) -> bool {
        !self.waiting().is_empty()
    }

    pub(crate) fn take(&self) -> Option<Asked> {
        self.waiting().pop_front()
    }

    /// Those that somebody still waits for.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        asked.retain(|one| now < one.until);
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payout_for_which_nobody_waits_any_more_is_not_paid() {
        let payout = Payout { program: "shop".parse().unwrap(), until: Millis(0), actor: None };
        let desk = Desk::default();
        let _gone = desk.ask(payout.clone(), Duration::ZERO).unwrap();
        assert!(!desk.is_asked());
        assert!(desk.take().is_none());
        let _waits = desk.ask(payout, Duration::from_hours(1)).unwrap();
        assert!(desk.is_asked());
        assert!(desk.take().is_some());
    }
}
