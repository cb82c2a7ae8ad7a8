//! Conversions, the evidence of clicks that they carry, and what became of an order later.

use serde::{Deserialize, Serialize};

use crate::body::touch::SubIds;
use crate::code::Code;
use crate::consent::Consent;
use crate::flag::Flag;
use crate::id::EventId;
use crate::identity::{IdentityId, VisitorTag};
use crate::money::{Currency, Micros};
use crate::name::{ChannelName, GoalName, LinkName, PartnerName};
use crate::order::OrderKey;
use crate::private::Sealed;

/// By which way a conversion was reported. Order: rank of the sources when the canonical report is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Server to server.
    S2s,
    /// The script tag; also an unsigned call from a page.
    Tag,
    /// The pixel.
    Pixel,
    /// A file.
    Import,
}

/// How far a report is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Anyone could have sent it.
    Page,
    /// It carried the program's token.
    Token,
    /// It was signed.
    Signed,
}

/// Where the edge found a click id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClickSource {
    /// A parameter or field of the call.
    Parameter,
    /// The click cookie.
    Cookie,
    /// The cookie of an exempt journey.
    ExemptCookie,
}

/// What the edge found when it checked a click id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClickVerdict {
    /// Ours, of this program, not from the future.
    Valid,
    /// Not readable as a click id.
    Malformed,
    /// Signed with a key not in use.
    UnknownKey,
    /// Altered, or not made by us.
    BadMac,
    /// A valid click id of another program.
    OtherProgram,
    /// Dated after it was received.
    FromFuture,
}

impl ClickVerdict {
    /// The reason code of a verdict; none for a valid id.
    #[must_use]
    pub const fn code(self) -> Option<Code> {
        match self {
            Self::Valid => None,
            Self::Malformed | Self::BadMac => Some(Code::ClickSignatureInvalid),
            Self::UnknownKey => Some(Code::ClickUnknownKey),
            Self::OtherProgram => Some(Code::ClickOtherProgram),
            Self::FromFuture => Some(Code::ClickFromFuture),
        }
    }
}

/// The touch that a valid click id stands for, expanded to names by the edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedTouch {
    /// Event id of the click; its time is the click's time.
    pub id: EventId,
    /// The partner; absent: the merchant's own channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<PartnerName>,
    /// The link.
    pub link: LinkName,
    /// The link's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// Consent at the click.
    #[serde(default)]
    pub consent: Consent,
    /// A test click.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// Fetched ahead of a navigation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prefetch: bool,
    /// The visitor at the click.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<VisitorTag>,
}

/// A click id as it came, the edge's verdict, and the claim if it is valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClickEvidence {
    /// The text as it came, cut at 128 bytes.
    pub raw: String,
    /// Where it was found.
    pub source: ClickSource,
    /// Verdict of the edge.
    pub verdict: ClickVerdict,
    /// The claim; present exactly when the verdict is `valid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimedTouch>,
}

/// New or returning, as the merchant says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerType {
    /// First order.
    New,
    /// Ordered before.
    Returning,
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Item {
    /// Article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Commission group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Pieces.
    pub qty: u32,
    /// Line total for all pieces, net.
    pub amount: Micros,
    /// VAT as told; kept, never priced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<Micros>,
    /// Shipping as told; kept, never priced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping: Option<Micros>,
    /// Discount as told; kept, never priced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<Micros>,
}

/// Most lines of an order.
pub const ITEMS_MAX: usize = 200;

/// A conversion, as one report tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// Its goal.
    pub goal: GoalName,
    /// The merchant's order id, white space cleaned, case kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// The caller's id of this report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_event_id: Option<String>,
    /// The caller's revision of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Way of the report.
    pub source: Source,
    /// How far it is believed.
    pub trust: Trust,
    /// Goods after discounts, without VAT, shipping and fees; 0 for a lead.
    #[serde(default)]
    pub amount: Micros,
    /// Currency of the amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Order lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// Ids that the buyer is known by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<IdentityId>,
    /// Click ids that came along: parameter first, then cookie, then the cookie of an exempt journey.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clicks: Vec<ClickEvidence>,
    /// Coupon codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coupons: Vec<String>,
    /// Channel as the merchant sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// New or returning, as told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_type: Option<CustomerType>,
    /// Consent as the order tells it.
    #[serde(default)]
    pub consent: Consent,
    /// TC string as sent, opaque evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gdpr_consent: Option<String>,
    /// Sub ids as sent.
    #[serde(default, skip_serializing_if = "SubIds::is_empty")]
    pub subs: SubIds,
    /// What is odd about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// Claimed time as sent, in milliseconds; `occurred_at` is the claim clamped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<i64>,
    /// Sealed private block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Sealed>,
}

impl Conversion {
    /// A report of this goal with nothing else told.
    #[must_use]
    pub fn plain(goal: GoalName, source: Source, trust: Trust) -> Self {
        Self {
            goal,
            order_id: None,
            client_event_id: None,
            revision: None,
            source,
            trust,
            amount: Micros(0),
            currency: None,
            items: Vec::new(),
            ids: Vec::new(),
            clicks: Vec::new(),
            coupons: Vec::new(),
            channel: None,
            customer_type: None,
            consent: Consent::Unknown,
            gdpr_consent: None,
            subs: SubIds::default(),
            flags: Vec::new(),
            claimed_at: None,
            private: None,
        }
    }
}

/// Status that a report may carry; anything but pending is split off as a [`super::Validation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Nothing decided yet.
    Pending,
    /// Validated.
    Approved,
    /// Refused.
    Declined,
}

/// A later verdict about the click id of a conversion, checked again with keys that were missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The order.
    pub order: OrderKey,
    /// The conversion event whose click id was checked again.
    pub conversion: EventId,
    /// What was found.
    pub click: ClickEvidence,
}
