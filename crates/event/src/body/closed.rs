//! What the ledger closed: locks and payments. Written once; a replay reads them and never makes them anew.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::conversion::{CustomerType, Item};
use crate::body::decision::{Credit, DecisionStatus, DecisionVersion};
use crate::body::posting::{OrderState, Purpose, Share, Subject};
use crate::code::Code;
use crate::hash::ContentHash;
use crate::id::EventId;
use crate::money::{Currency, Micros};
use crate::name::PartnerName;
use crate::time::Millis;

/// One closing of an order, or a payment of a day. Event id: derived from the order key and "lock", or from the statement and
/// what it pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The order or the day. A day is not locked.
    #[serde(flatten)]
    pub subject: Subject,
    /// What was closed.
    #[serde(flatten)]
    pub closing: Closing,
}

/// What was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "closing", rename_all = "snake_case")]
pub enum Closing {
    /// From here on the order is what the lock says.
    Lock(Box<Lock>),
    /// A partner's share, or a day, was paid.
    Pay(Payment),
}

/// The answer about an order, for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// From when on it was due.
    pub lock_at: Millis,
    /// [`OrderState::Locked`] or [`OrderState::Declined`].
    pub state: OrderState,
    /// The main reason of the state.
    pub code: Code,
    /// Nobody had acted: it was validated because its time was over.
    pub automatic: bool,
    /// Time of the conversion.
    pub converted_at: Millis,
    /// The order id as the canonical report wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Outcome of the decision.
    pub status: DecisionStatus,
    /// The credited partner with the largest credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<PartnerName>,
    /// Version of the decision.
    pub version: DecisionVersion,
    /// What the decision read.
    pub inputs_hash: ContentHash,
    /// Amount as decided, before acts.
    pub amount: Micros,
    /// Its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Order lines as decided, before acts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// Coupon codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coupons: Vec<String>,
    /// New or returning, as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_type: Option<CustomerType>,
    /// Channel as the merchant sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Who gets how much.
    pub credits: Vec<Credit>,
    /// The acts that held, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<EventId>,
    /// The terms versions that priced it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<Arc<str>>,
    /// The priced shares at the lock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
}

/// A share or a day that was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The statement.
    pub statement: String,
    /// The partner.
    pub partner: PartnerName,
    /// What is paid for this order or day: negative if more was taken back than is due.
    pub amount: Micros,
    /// Its currency.
    pub currency: Currency,
    /// Who had it paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What the statement comes to with all its payments: one that has fewer was cut off. Absent in old payments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Whole>,
    /// When it was paid, by the ledger's clock. Absent in old payments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// The line of the statement, so that it can be given again as it was. Absent in old payments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<PaidLine>,
}

/// What a statement said of an order or day when it was paid. The order or the book may have changed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidLine {
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
    pub net: Micros,
    /// Its commission, or what the day earned.
    pub commission: Micros,
    /// What statements before had paid of it.
    pub paid_before: Micros,
    /// State of the order.
    pub state: OrderState,
    /// Its code.
    pub code: Code,
}

/// A statement with all its payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// It pays for what was due before this instant.
    pub until: Millis,
    /// Its payments. Count.
    pub lines: u64,
    /// Their sum.
    pub amount: Micros,
}
