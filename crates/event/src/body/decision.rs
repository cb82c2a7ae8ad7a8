//! What attribution says of an order: the decision, its credits, and the trace that explains it and can be run again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::body::record::MemberSummary;
use crate::body::touch::{DeviceClass, SubIds, TouchKind};
use crate::body::{CustomerType, Item, Source, Trust};
use crate::code::Code;
use crate::consent::Consent;
use crate::flag::Flag;
use crate::hash::ContentHash;
use crate::id::EventId;
use crate::identity::IdentityId;
use crate::money::{Currency, Micros};
use crate::name::{ChannelName, LinkName, PartnerName};
use crate::order::OrderKey;
use crate::time::Millis;

/// Most candidates that a trace lists: credited ones, then the newest. The others are counted.
pub const CANDIDATES_LISTED_MAX: usize = 200;

/// One version of the decision about one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The order.
    pub order: OrderKey,
    /// The order id as the canonical report wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Whether somebody gets credit.
    pub status: DecisionStatus,
    /// The main reason: 0 if a partner is credited, else why not.
    pub code: Code,
    /// The credited partner; with several, the one with the largest credit.
    pub winner: Option<PartnerName>,
    /// Amount of the order.
    pub amount: Micros,
    /// Its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Order lines, for whoever prices it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// Coupon codes, for whoever prices it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coupons: Vec<String>,
    /// New or returning, as reported, for whoever prices it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_type: Option<CustomerType>,
    /// Time of the conversion.
    pub converted_at: Millis,
    /// Grows with the set of inputs; equal for equal sets.
    pub version: DecisionVersion,
    /// Hash of everything that was read.
    pub inputs_hash: ContentHash,
    /// Who gets how much, the newest touch first. Sums to the amount, or there is none.
    pub credits: Vec<Credit>,
    /// Why.
    pub trace: Trace,
}

/// Compared from left to right; sinks keep the highest (version, inputs hash).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DecisionVersion {
    /// Number of the rules decided by.
    pub semantics: u16,
    /// Count of the order's distinct reports.
    pub members: u64,
    /// Count of distinct events known for its ids and click ids.
    pub known: u64,
}

/// Outcome of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DecisionStatus {
    /// Some credit has a partner.
    Attributed,
    /// The merchant's own channel has the order.
    LostToChannel,
    /// Nobody has it.
    Unattributed,
}

impl DecisionStatus {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attributed => "ATTRIBUTED",
            Self::LostToChannel => "LOST_TO_CHANNEL",
            Self::Unattributed => "UNATTRIBUTED",
        }
    }
}

/// Share of an order that one touch gets, with all that reports need of the touch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// The touch.
    pub touch: EventId,
    /// Its kind.
    pub kind: TouchKind,
    /// When it happened.
    pub touched_at: Millis,
    /// The partner; none: the merchant's own channel.
    pub partner: Option<PartnerName>,
    /// The link.
    pub link: LinkName,
    /// The link's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// What it gets, in micros of the order's currency.
    pub amount: Micros,
    /// Weight in the model.
    pub weight: u64,
    /// What the weights are out of.
    pub weight_sum: u64,
    /// What reports group by.
    #[serde(flatten)]
    pub dimensions: Dimensions,
}

/// Dimensions of a touch; empty while it is known from its click id only.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dimensions {
    /// The creative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creative: Option<String>,
    /// Sub ids.
    #[serde(default, skip_serializing_if = "SubIds::is_empty")]
    pub subs: SubIds,
    /// The partner's own click id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcid: Option<String>,
    /// Country of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Class of the device.
    #[serde(default)]
    pub device: DeviceClass,
}

/// Why a decision is what it is: everything needed to decide again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The canonical report.
    pub canonical: EventId,
    /// When it was received.
    pub received_at: Millis,
    /// Its way.
    pub source: Source,
    /// Highest trust among the reports.
    pub trust: Trust,
    /// Consent of the order.
    pub consent: Consent,
    /// What was done with conflicting reports.
    pub policy: ConflictPolicy,
    /// The reports with their verdicts, canonical first.
    pub members: Vec<MemberSummary>,
    /// What the manager should know, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Code>,
    /// Every terms version that was read: the program's at the conversion first, then the others by name.
    pub terms: Vec<TermsUsed>,
    /// Who the buyer is known as.
    pub identity: IdentityTrace,
    /// What the order's channel says.
    pub channel: ChannelTrace,
    /// Longest time from happening to receipt with which an event counts, in milliseconds.
    pub lateness_ms: i64,
    /// How eligible touches share.
    pub model: Model,
    /// The windows that candidates were promised, in the order of their first mention.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// The candidates, the newest first: at most [`CANDIDATES_LISTED_MAX`].
    pub candidates: Vec<Candidate>,
    /// The candidates that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlisted: Option<Unlisted>,
}

/// What a program does with conflicting reports of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictPolicy {
    /// The canonical report's values stand.
    Reject,
    /// The newest values of the canonical report's source are taken.
    Amend,
}

/// A terms version by name and content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TermsUsed {
    /// Such as `program/boutique/terms/2`.
    pub id: Arc<str>,
    /// Hash of its content.
    pub hash: ContentHash,
}

/// Identity of the buyer, as the decision saw it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IdentityTrace {
    /// Ids that the order itself carries, sorted.
    pub ids: Vec<IdentityId>,
    /// Ids reached from them by merges, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<IdentityId>,
    /// Ids of the order whose component is too large and was ignored (418), sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oversize: Vec<IdentityId>,
    /// Ids whose touches of a 30-day epoch are too many and were ignored (421), sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crowded: Vec<(IdentityId, i64)>,
}

/// What the order's channel says about the touches of partners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelTrace {
    /// `conversion.channel`, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The program's treatment of it.
    pub treatment: ChannelRule,
    /// Where it is mapped; absent: it is missing or not mapped, so every touch counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Arc<str>>,
}

/// Which touches of partners the order's channel lets count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelRule {
    /// None.
    None,
    /// All.
    Any,
    /// Clicks.
    ClickOnly,
    /// Impressions.
    ImpressionOnly,
}

/// How the eligible touches of an order share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// The last one gets all.
    Last,
}

/// What touches were promised: how long before the order they count. Many candidates share one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Lookback window; none: touches of this kind are off.
    pub lookback_ms: Option<i64>,
    /// The level that the lookback window came from.
    pub level: TermsLevel,
    /// The terms version that holds it.
    pub terms: Arc<str>,
    /// Shortest time from click to order, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_time_ms: Option<i64>,
}

/// A touch that might have got the order, and what became of it. There are many of them in a trace, so what is most
/// common is left out of the text: a click, consent granted, reached by a shared id alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The touch.
    pub touch: EventId,
    /// Its kind.
    #[serde(default = "click", skip_serializing_if = "is_click")]
    pub kind: TouchKind,
    /// When it happened.
    pub touched_at: Millis,
    /// When it was received, where that is another time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Millis>,
    /// The partner; none: the merchant's own channel.
    pub partner: Option<PartnerName>,
    /// The link.
    pub link: LinkName,
    /// The link's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// Consent that counts: its own, or the latest given at a landing up to the order.
    #[serde(default = "granted", skip_serializing_if = "is_granted")]
    pub consent: Consent,
    /// What is odd about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// Later judgements that it was not made by a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// Count of landing reports and activations that were read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reports: u32,
    /// What connects it with the order, sorted.
    #[serde(default = "shared_id", skip_serializing_if = "is_shared_id")]
    pub reached_by: Reaches,
    /// The window of its kind as promised at the touch: its place in [`Trace::windows`].
    /// None was listed by earlier builds.
    #[serde(default)]
    pub window: u16,
    /// What became of it.
    pub verdict: Verdict,
    /// The reason code.
    pub code: Code,
    /// The step that said so: 1 filters, 3 channel, 6 non-credit channels, 7 click over impression, 11 model.
    pub step: u8,
    /// What else is to say, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

const fn click() -> TouchKind {
    TouchKind::Click
}

fn is_click(kind: &TouchKind) -> bool {
    *kind == TouchKind::Click
}

const fn granted() -> Consent {
    Consent::Granted
}

fn is_granted(consent: &Consent) -> bool {
    *consent == Consent::Granted
}

fn shared_id() -> Reaches {
    Reaches::from_slice(&[Reach::SharedId])
}

fn is_shared_id(reached_by: &Reaches) -> bool {
    **reached_by == [Reach::SharedId]
}

impl Decision {
    /// The window of a candidate; none for one of another decision.
    #[must_use]
    pub fn window(&self, candidate: &Candidate) -> Option<&Window> {
        self.trace.windows.get(usize::from(candidate.window))
    }

    /// Time from a candidate to the order, in milliseconds: 0 after a skew correction, negative after the order.
    #[must_use]
    pub fn age_ms(&self, candidate: &Candidate) -> i64 {
        if candidate.tags.contains(&Tag::SkewCorrected) {
            return 0;
        }
        self.converted_at.since(candidate.touched_at)
    }
}

/// Judgements about a touch that counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// How many.
    pub count: u32,
    /// The first one.
    pub first: EventId,
    /// Its reason.
    pub reason: String,
}

/// What connects a touch with an order: seldom more than one of them, never more than four.
pub type Reaches = SmallVec<[Reach; 4]>;

/// What connects a touch with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The order carries its click id.
    ClickId,
    /// The order carries its click id in the cookie of an exempt journey.
    ExemptClickId,
    /// They share a visitor or customer id.
    SharedId,
    /// Their ids belong to one person.
    Merge,
}

/// Where a value of terms was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TermsLevel {
    /// The partner's own terms.
    Partner,
    /// The terms of the partner's segment.
    Segment,
    /// The program's terms.
    Program,
    /// The built-in defaults.
    Default,
}

/// What became of a candidate. Each has one reason code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Received later than the program allows.
    Late,
    /// Not made by a person.
    InvalidTraffic,
    /// Consent of touch and order does not let this evidence attribute.
    NoConsent,
    /// The partner had no part in the program.
    PartnerInactive,
    /// The terms do not credit touches of this kind.
    TypeDisabled,
    /// It came after the order.
    AfterConversion,
    /// Longer before the order than the lookback window.
    OutOfWindow,
    /// Less time before the order than a click needs.
    TooFast,
    /// The order's channel does not let it count.
    ChannelExcluded,
    /// Its channel gets no credit beside others.
    NonCreditChannel,
    /// An impression beside an eligible click.
    OutrankedClass,
    /// Eligible; the model gave it nothing.
    NotSelected,
    /// Credited.
    Credited,
}

impl Verdict {
    /// The reason code.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Late => Code::LateEvent,
            Self::InvalidTraffic => Code::InvalidTraffic,
            Self::NoConsent => Code::ConsentDenied,
            Self::PartnerInactive => Code::PartnerNotActive,
            Self::TypeDisabled => Code::KindDisabled,
            Self::AfterConversion => Code::ClickAfterOrder,
            Self::OutOfWindow => Code::WindowExpired,
            Self::TooFast => Code::BelowMinTime,
            Self::ChannelExcluded | Self::NonCreditChannel => Code::PaidChannelWon,
            Self::OutrankedClass => Code::HigherClassWon,
            Self::NotSelected => Code::LaterTouchWon,
            Self::Credited => Code::Ok,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Late => "LATE",
            Self::InvalidTraffic => "INVALID_TRAFFIC",
            Self::NoConsent => "NO_CONSENT",
            Self::PartnerInactive => "PARTNER_INACTIVE",
            Self::TypeDisabled => "TYPE_DISABLED",
            Self::AfterConversion => "AFTER_CONVERSION",
            Self::OutOfWindow => "OUT_OF_WINDOW",
            Self::TooFast => "TOO_FAST",
            Self::ChannelExcluded => "CHANNEL_EXCLUDED",
            Self::NonCreditChannel => "NON_CREDIT_CHANNEL",
            Self::OutrankedClass => "OUTRANKED_CLASS",
            Self::NotSelected => "NOT_SELECTED",
            Self::Credited => "CREDITED",
        }
    }
}

/// Something to say beside the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Tag {
    /// The order carries its click id.
    Linked,
    /// It shares no id with the order directly.
    ViaMerge,
    /// It came after the order by a difference of clocks; taken as the same instant.
    SkewCorrected,
    /// Known from a click id only: its own event is not here.
    ClaimOnly,
}

impl Tag {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "LINKED",
            Self::ViaMerge => "VIA_MERGE",
            Self::SkewCorrected => "SKEW_CORRECTED",
            Self::ClaimOnly => "CLAIM_ONLY",
        }
    }
}

/// Candidates beyond the listed ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlisted {
    /// How many of each verdict, sorted.
    pub counts: Vec<(Verdict, u64)>,
    /// Hash over them, in order.
    pub hash: ContentHash,
}
