//! What became of an order after its conversion: acts of the merchant.

use serde::{Deserialize, Serialize};

use crate::body::conversion::Item;
use crate::code::Code;
use crate::money::{Currency, Micros};
use crate::order::OrderKey;

/// Longest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 512;
/// Longest name of who acted, in bytes.
pub const ACTOR_BYTES_MAX: usize = 64;

/// What was done to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Validated.
    Approve,
    /// Refused, for a reason.
    Decline,
    /// Neither validated nor refused any more.
    Reopen,
    /// Goods came back: says all that came back so far.
    Return,
    /// The order has other values from its beginning.
    Amend,
}

/// Acts that replace each other: of each kind the newest one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionKind {
    /// Approve, decline, reopen.
    Validation,
    /// What came back.
    Return,
    /// Other values.
    Amend,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 5] =
        [Self::Approve, Self::Decline, Self::Reopen, Self::Return, Self::Amend];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Decline => "decline",
            Self::Reopen => "reopen",
            Self::Return => "return",
            Self::Amend => "amend",
        }
    }

    /// Which acts it replaces.
    #[must_use]
    pub const fn kind(self) -> ActionKind {
        match self {
            Self::Approve | Self::Decline | Self::Reopen => ActionKind::Validation,
            Self::Return => ActionKind::Return,
            Self::Amend => ActionKind::Amend,
        }
    }
}

/// One act; never a member of the order's record. `occurred_at` of its envelope is the time that the caller claims.
///
/// Of each [`ActionKind`] the greatest by (`revision` or 0, `occurred_at`, `received_at`, event id) holds. Acts of one
/// order that carry the same `client_event_id` are one act: the one with the smallest event id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validation {
    /// The order.
    pub order: OrderKey,
    /// What was done.
    pub action: Action,
    /// Why, for a decline: 701 to 708.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// In words; for code 708 required. At most [`NOTE_BYTES_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The caller's revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The caller's id of this act: sent again, it is the same act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_event_id: Option<String>,
    /// Who acted: the key that signed, or who is named by it. At most [`ACTOR_BYTES_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Of a return: the lines that came back so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returned: Vec<ReturnedLine>,
    /// Of an amendment: the new lines, absolute. Empty: the lines stay, scaled to the new amount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// Of a return without lines: the total that came back so far. Of an amendment: the new amount, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Micros>,
    /// Currency of the amounts; must be the order's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
}

impl Validation {
    /// An act with nothing else told.
    #[must_use]
    pub fn plain(order: OrderKey, action: Action) -> Self {
        Self {
            order,
            action,
            code: None,
            note: None,
            revision: None,
            client_event_id: None,
            actor: None,
            returned: Vec::new(),
            items: Vec::new(),
            amount: None,
            currency: None,
        }
    }
}

/// What came back of one line so far.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReturnedLine {
    /// Place of the line in the order, from 1. Without it, `sku` names the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Article; the lines that have it, the first first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Pieces. Absent with an amount: not told. Absent without one: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty: Option<u32>,
    /// Net amount. Absent: the line's amount in proportion to the pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Micros>,
}
