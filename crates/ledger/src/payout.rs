//! Statements: what a partner is paid for locked orders, and the way from asking for it to having it in the book.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use event::body::posting::BookedOrder;
use event::body::{OrderState, Payment};
use event::{Code, Currency, EventId, Micros, Millis, OrderKey, PartnerName, ProgramName};
use serde::{Deserialize, Serialize};

/// Payouts that wait for the worker. Count; a person asks for them.
const ASKED_MAX: usize = 16;

/// What is to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// The program.
    pub program: ProgramName,
    /// Orders whose time was over before this instant.
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
}

/// What a partner gets for the orders of a program in one currency.
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
    /// Orders whose time was over before this instant.
    pub until: Millis,
    /// What becomes of it.
    pub status: Status,
    /// Sum of the lines.
    pub amount_micros: Micros,
    /// One line for each order, by order key.
    pub lines: Vec<Line>,
}

/// An order in a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The order.
    pub order: OrderKey,
    /// The order id as the merchant wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Time of the conversion.
    pub converted_at: Millis,
    /// Net amount of the partner's share.
    pub net_micros: Micros,
    /// Its commission now.
    pub commission_micros: Micros,
    /// What statements before this one have paid of it.
    pub paid_before_micros: Micros,
    /// What this statement pays; negative: taken back.
    pub amount_micros: Micros,
    /// State of the order.
    pub state: OrderState,
    /// Its code.
    pub code: Code,
}

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
        let micros = |amount| i64::try_from(amount).ok().map(Micros);
        let amount = micros(part.outstanding()).filter(|amount| amount.0 != 0)?;
        Some(Self {
            order: order.clone(),
            order_id: booked.order_id.clone(),
            converted_at: booked.converted_at,
            net_micros: micros(part.net)?,
            commission_micros: micros(part.commission)?,
            paid_before_micros: micros(part.paid)?,
            amount_micros: amount,
            state: booked.state,
            code: booked.code,
        })
    }
}

impl Statement {
    /// The payment of a line.
    pub(crate) fn payment(&self, line: &Line, actor: Option<&str>) -> Payment {
        Payment {
            statement: self.id.clone(),
            partner: self.partner.clone(),
            amount: line.amount_micros,
            currency: self.currency,
            actor: actor.map(str::to_owned),
        }
    }

    /// The same once its payments are durable.
    pub(crate) fn now_paid(self) -> Self {
        let status = match self.status {
            Status::Payable => Status::Paid,
            Status::Paid | Status::CarriedForward => self.status,
        };
        Self { status, ..self }
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
    answer: SyncSender<Vec<Statement>>,
}

impl Asked {
    pub(crate) fn answer(self, statements: Vec<Statement>) {
        // Whoever asked may have gone; what was paid is in the book.
        let _gone = self.answer.try_send(statements);
    }
}

impl Desk {
    /// Asks for a payout; the statements come when its payments are durable. None if too many wait.
    #[must_use]
    pub fn ask(&self, payout: Payout) -> Option<Receiver<Vec<Statement>>> {
        let (answer, answered) = sync_channel(1);
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= ASKED_MAX {
            return None;
        }
        asked.push_back(Asked { payout, answer });
        Some(answered)
    }

    pub(crate) fn is_asked(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(crate) fn take(&self) -> Option<Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
