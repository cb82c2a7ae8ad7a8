//! What dedup says of an order: its record, and the verdict about each other report.

use serde::{Deserialize, Serialize};

use crate::body::conversion::{ClaimedTouch, ClickEvidence, CustomerType, Item, Source, Trust};
use crate::code::Code;
use crate::consent::Consent;
use crate::id::EventId;
use crate::identity::IdentityId;
use crate::money::{Currency, Micros};
use crate::order::OrderKey;
use crate::time::Millis;

/// Most members listed in a record; the others are counted.
pub const MEMBERS_LISTED_MAX: usize = 64;

/// The record of one order: the canonical report's values, the union of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// The order.
    pub order: OrderKey,
    /// The order id as the canonical report wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Count of distinct reports, and of distinct later verdicts about their click ids: the record's version. Each
    /// event that can change the record makes it grow.
    pub members: u64,
    /// The canonical report.
    pub canonical: EventId,
    /// Its way.
    pub source: Source,
    /// Highest trust among the members.
    pub trust: Trust,
    /// Time of the conversion: the canonical report's `occurred_at`.
    pub converted_at: Millis,
    /// When the canonical report was received.
    pub received_at: Millis,
    /// Amount after the program's policy for conflicting reports.
    pub amount: Micros,
    /// Its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Order lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// New or returning, as told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_type: Option<CustomerType>,
    /// Channel as the merchant sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Consent of the order: denied if any counted report denies, else the canonical report's, else the first told.
    #[serde(default)]
    pub consent: Consent,
    /// Coupon codes of all reports that count, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coupons: Vec<String>,
    /// Ids of all reports that count, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<IdentityId>,
    /// The first click id that verifies, cookie of an exempt journey left aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click: Option<ClaimedTouch>,
    /// The first valid click id of an exempt journey's cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exempt_click: Option<ClaimedTouch>,
    /// Click ids that do not verify, with the member that carried them, sorted, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_clicks: Vec<(EventId, ClickEvidence)>,
    /// Merges that the members imply, sorted, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merges: Vec<ImpliedMerge>,
    /// What the manager should know: [`Code::Unconfirmed`], [`Code::EvidenceConflict`] …, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Code>,
    /// The canonical member, then the smallest others by (rank of the source as built in, `occurred_at`, id): at most
    /// [`MEMBERS_LISTED_MAX`].
    pub listed: Vec<MemberSummary>,
}

/// A merge that one report with two or more ids implies, at that report's two times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImpliedMerge {
    /// The report.
    pub member: EventId,
    /// Its smallest id.
    pub a: IdentityId,
    /// Another of its ids.
    pub b: IdentityId,
    /// The report's `occurred_at`.
    pub occurred_at: Millis,
    /// The report's `received_at`.
    pub received_at: Millis,
}

/// One report of an order, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSummary {
    /// The report.
    pub id: EventId,
    /// Its way.
    pub source: Source,
    /// How far it is believed.
    pub trust: Trust,
    /// Its `occurred_at`.
    pub occurred_at: Millis,
    /// Its `received_at`.
    pub received_at: Millis,
    /// Its amount.
    pub amount: Micros,
    /// Its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// What it is to the record.
    pub verdict: MemberVerdict,
    /// The reason code of the verdict.
    pub code: Code,
    /// Same amount and currency, other lines.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub items_differ: bool,
    /// Whether its ids, click ids and coupons count as evidence: any of those that it carries, or would if it carried
    /// some.
    pub evidence_counts: bool,
}

/// What a report is to its order's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MemberVerdict {
    /// It gives the record its values.
    Canonical,
    /// Same amount and currency.
    DupSame,
    /// Another amount or currency; the canonical report's values stand.
    DupConflict,
    /// Its values were taken.
    Amends,
    /// Not among the [`MEMBERS_LISTED_MAX`] that a record lists: counted, and compared with nothing.
    Counted,
}

/// The verdict about one report that is not canonical, as written to `conversions.duplicate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateVerdict {
    /// The order.
    pub order: OrderKey,
    /// The canonical report.
    pub canonical: EventId,
    /// Version of the record that this verdict belongs to: [`OrderRecord::members`]. Of two verdicts about one report
    /// the higher one holds; a report that the record no longer lists is only counted.
    pub members: u64,
    /// The report.
    pub member: MemberSummary,
}
