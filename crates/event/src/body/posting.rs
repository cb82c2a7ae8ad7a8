//! What the ledger made of an order: who gets how much, in which state, and the transfers that made it so.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::body::conversion::CustomerType;
use crate::body::decision::{DecisionStatus, DecisionVersion, Dimensions};
use crate::body::touch::TouchKind;
use crate::code::Code;
use crate::hash::ContentHash;
use crate::id::EventId;
use crate::money::{Currency, Micros};
use crate::name::{ChannelName, LinkName, PartnerName, ProgramName};
use crate::order::OrderKey;
use crate::time::Millis;
use crate::topic::KeyHash;

/// State of an order, or of a partner's share in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Nobody has validated it yet.
    Pending,
    /// A risk was seen, or a price is missing: a person decides.
    Held,
    /// Validated; may still be undone.
    Approved,
    /// Refused; may still be undone until the lock.
    Declined,
    /// Final, to be paid.
    Locked,
    /// Paid by a statement.
    Paid,
    /// Taken back after the lock.
    Reversed,
}

impl OrderState {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Held,
        Self::Approved,
        Self::Declined,
        Self::Locked,
        Self::Paid,
        Self::Reversed,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Locked => "locked",
            Self::Paid => "paid",
            Self::Reversed => "reversed",
        }
    }

    /// The state with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One change of an order in the book, with everything that reports, statements and partners need of it.
///
/// Its event id is derived from the order key and the two versions that it leads between, so a repeated one is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// What it is about.
    #[serde(flatten)]
    pub subject: Subject,
    /// 1, 2, 3 … for each subject as this book counted its changes. The highest holds.
    pub number: u64,
    /// The event that caused the change.
    pub source: EventId,
    /// Who acted, if a person or a key did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// When the book changed, by the ledger's clock: whoever asks for what changed since then misses nothing.
    pub changed_at: Millis,
    /// The order after the change; absent for pay that has no order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booked: Option<Box<BookedOrder>>,
    /// The statement that paid it, if a payment of a day is booked. Of an order its shares tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// The money that moved; debits and credits of each are equal by its shape.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
}

/// What a posting is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// An order.
    Order(OrderKey),
    /// Pay for the clicks, impressions or the time of one day.
    Day(PayDay),
}

impl Subject {
    /// The program.
    #[must_use]
    pub const fn program(&self) -> &ProgramName {
        match self {
            Self::Order(order) => &order.program,
            Self::Day(day) => &day.program,
        }
    }

    /// Whether it is a test: days never are.
    #[must_use]
    pub const fn is_test(&self) -> bool {
        match self {
            Self::Order(order) => order.test,
            Self::Day(_) => false,
        }
    }

    /// Hash of the text form.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        match self {
            Self::Order(order) => order.key_hash(),
            Self::Day(day) => day.key_hash(),
        }
    }
}

/// The key of its records.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(order) => order.fmt(f),
            Self::Day(day) => day.fmt(f),
        }
    }
}

/// The key of pay without an order: one rule on one day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PayDay {
    /// The program.
    pub program: ProgramName,
    /// The partner.
    pub partner: PartnerName,
    /// The terms version that the rule stands in, such as `program/shop/terms/1`.
    pub terms: Arc<str>,
    /// Its place among the rules of that version, from 1. Unlike [`RuleUsed::rank`] it names one rule whatever other
    /// levels say.
    pub rank: u32,
    /// The day in the program's zone, `2026-11-03`; of a fee the first day of its period.
    pub day: Arc<str>,
}

impl PayDay {
    /// Hash of the text form.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        KeyHash::of(self.to_string().as_bytes())
    }
}

/// The key of its records: `shop/day:2026-11-03/program/shop/terms/1/2/lea-voyage`.
impl fmt::Display for PayDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, partner, terms, rank, day } = self;
        write!(f, "{program}/day:{day}/{terms}/{rank}/{partner}")
    }
}

/// An order as the book has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedOrder {
    /// The order id as the canonical report wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Time of the conversion.
    pub converted_at: Millis,
    /// Its currency.
    pub currency: Currency,
    /// Net amount as it was bought (after an amendment).
    pub amount: Micros,
    /// Net amount that came back so far.
    pub returned: Micros,
    /// Margin, before any commission, of what stayed: of the lines whose rate the program's terms tell.
    pub margin: Micros,
    /// Net amount of what stayed of the lines whose margin rate nobody told.
    pub margin_unknown: Micros,
    /// Whether somebody gets credit.
    pub status: DecisionStatus,
    /// The main reason of the state: a decline's, a hold's, or the decision's.
    pub code: Code,
    /// A decline's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// State of the order.
    pub state: OrderState,
    /// The program only observed at that time: everything is computed, and no money moves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
    /// New or returning, as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_type: Option<CustomerType>,
    /// From when on it may be locked.
    pub lock_at: Millis,
    /// What decided it.
    pub version: BookedVersion,
    /// What partners get, the newest touch first. An own channel's credit is a share without a partner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
}

/// The inputs of a booked order: the decision and the acts that hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BookedVersion {
    /// Version of the decision.
    pub decision: DecisionVersion,
    /// What the decision read.
    pub inputs_hash: ContentHash,
    /// The acts that hold, and the records of `orders.closed`, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<EventId>,
}

/// What one credited touch gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The partner; none: the merchant's own channel, which is paid nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<PartnerName>,
    /// The touch.
    pub touch: EventId,
    /// Its kind.
    pub kind: TouchKind,
    /// When it happened.
    pub touched_at: Millis,
    /// The link.
    pub link: LinkName,
    /// The link's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// Part of the order's net amount that stayed, in its currency.
    pub net: Micros,
    /// Commission.
    pub commission: Micros,
    /// Currency of the commission.
    pub currency: Currency,
    /// Commission at the lock; absent before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<Micros>,
    /// What statements have paid of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub paid: Micros,
    /// State of the share.
    pub state: OrderState,
    /// Why the commission is what it is: [`Code::NoRule`], [`Code::CappedPartial`] …, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Code>,
    /// The rules that priced it, the first rank first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleUsed>,
    /// The statement that paid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// What reports group by.
    #[serde(flatten)]
    pub dimensions: Dimensions,
}

fn is_zero(amount: &Micros) -> bool {
    amount.0 == 0
}

/// A rule that priced lines of a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleUsed {
    /// The terms version it stands in, such as `program/shop/terms/1`.
    pub terms: Arc<str>,
    /// Its place among all rules that were in force for the partner, from 1.
    pub rank: u32,
    /// How many those were.
    pub of: u32,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// What it pays, in words of the catalog: `5 %`, `3.00 EUR per order`, `nothing`.
    pub pays: Arc<str>,
    /// How many lines it priced.
    pub lines: u32,
    /// Net amount of these lines in the share.
    pub net: Micros,
    /// What they earned, after the cap.
    pub commission: Micros,
}

/// Money from one account to another. Immutable; a correction is another transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Derived from the subject, the versions before and after, both accounts and the purpose.
    pub id: EventId,
    /// Why it moved.
    pub purpose: Purpose,
    /// The account that gives.
    pub debit: Account,
    /// The account that receives.
    pub credit: Account,
    /// Above 0.
    pub amount: Micros,
    /// Its currency.
    pub currency: Currency,
}

/// Why money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A commission is due, pending.
    Accrue,
    /// The decision or its price changed.
    Adjust,
    /// Validated.
    Approve,
    /// Refused.
    Decline,
    /// No longer refused or no longer validated.
    Reopen,
    /// Final.
    Lock,
    /// Goods came back.
    Return,
    /// Taken back after the lock.
    Clawback,
    /// Pay for a period.
    Fee,
    /// Pay for clicks.
    Click,
    /// Pay for impressions.
    Impression,
    /// Paid by a statement.
    Pay,
}

impl Purpose {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accrue => "accrue",
            Self::Adjust => "adjust",
            Self::Approve => "approve",
            Self::Decline => "decline",
            Self::Reopen => "reopen",
            Self::Lock => "lock",
            Self::Return => "return",
            Self::Clawback => "clawback",
            Self::Fee => "fee",
            Self::Click => "click",
            Self::Impression => "impression",
            Self::Pay => "pay",
        }
    }
}

/// An account of the book; one for each currency. Text form: `expense:shop`, `pending:lea-voyage`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What a program spends.
    Expense(ProgramName),
    /// Due to a partner, not validated.
    Pending(PartnerName),
    /// Due to a partner, validated.
    Approved(PartnerName),
    /// Due to a partner, final.
    Payable(PartnerName),
    /// Paid to a partner.
    Paid(PartnerName),
    /// To be taken back from what is paid next.
    Clawback(PartnerName),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expense(program) => write!(f, "expense:{program}"),
            Self::Pending(partner) => write!(f, "pending:{partner}"),
            Self::Approved(partner) => write!(f, "approved:{partner}"),
            Self::Payable(partner) => write!(f, "payable:{partner}"),
            Self::Paid(partner) => write!(f, "paid:{partner}"),
            Self::Clawback(partner) => write!(f, "clawback:{partner}"),
        }
    }
}

/// Why a text is no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an account is expense:PROGRAM, or pending, approved, payable, paid or clawback:PARTNER")]
pub struct NotAnAccount;

impl FromStr for Account {
    type Err = NotAnAccount;

    fn from_str(text: &str) -> Result<Self, NotAnAccount> {
        let (kind, name) = text.split_once(':').ok_or(NotAnAccount)?;
        let partner = || name.parse().map_err(|_| NotAnAccount);
        Ok(match kind {
            "expense" => Self::Expense(name.parse().map_err(|_| NotAnAccount)?),
            "pending" => Self::Pending(partner()?),
            "approved" => Self::Approved(partner()?),
            "payable" => Self::Payable(partner()?),
            "paid" => Self::Paid(partner()?),
            "clawback" => Self::Clawback(partner()?),
            _ => return Err(NotAnAccount),
        })
    }
}

impl Serialize for Account {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn an_account_reads_as_it_is_written() {
        for text in ["expense:shop", "pending:a", "approved:a", "payable:a", "paid:a", "clawback:a"]
        {
            assert_eq!(text.parse::<Account>().unwrap().to_string(), text);
        }
        for text in ["", "expense", "expense:", "income:shop", "pending:two words"] {
            assert!(text.parse::<Account>().is_err(), "{text}");
        }
    }
}
