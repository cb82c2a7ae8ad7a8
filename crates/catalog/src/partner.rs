//! A partner as its versions record it: kind, and its part in each program by time.

use std::collections::BTreeMap;

use event::{ProgramName, SegmentName};
use serde::{Deserialize, Serialize};

use crate::terms::LevelTerms;
use crate::timeline::Timeline;

/// A partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partner {
    /// Name for people.
    pub title: Box<str>,
    /// What it is.
    pub kind: PartnerKind,
    /// Its part in each of its programs.
    pub programs: BTreeMap<ProgramName, Membership>,
}

/// What a partner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartnerKind {
    /// Editorial content: blogs, magazines.
    Content,
    /// A person with followers.
    Influencer,
    /// Price or product comparison.
    Comparison,
    /// Coupon codes.
    Coupon,
    /// Gives a part of the commission back to the buyer.
    Cashback,
    /// Gives points or gifts to the buyer.
    Reward,
    /// Browser extension.
    Extension,
    /// Sends e-mail.
    Email,
    /// Another brand.
    Brand,
    /// Technology on the merchant's own site.
    OnSiteTechnology,
    /// Has partners of its own.
    SubNetwork,
    /// Buys advertising.
    MediaBuyer,
}

impl PartnerKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Content,
        Self::Influencer,
        Self::Comparison,
        Self::Coupon,
        Self::Cashback,
        Self::Reward,
        Self::Extension,
        Self::Email,
        Self::Brand,
        Self::OnSiteTechnology,
        Self::SubNetwork,
        Self::MediaBuyer,
    ];

    /// The word in files and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Influencer => "influencer",
            Self::Comparison => "comparison",
            Self::Coupon => "coupon",
            Self::Cashback => "cashback",
            Self::Reward => "reward",
            Self::Extension => "extension",
            Self::Email => "email",
            Self::Brand => "brand",
            Self::OnSiteTechnology => "on_site_technology",
            Self::SubNetwork => "sub_network",
            Self::MediaBuyer => "media_buyer",
        }
    }

    /// Whether its service may need the tracker, so that its links may be exempt from consent.
    #[must_use]
    pub const fn may_be_exempt(self) -> bool {
        matches!(self, Self::Cashback | Self::Reward)
    }
}

/// A partner's part in one program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// State, by time. Before the first one: not approved.
    pub state: Timeline<PartnerState>,
    /// Segment, by time.
    #[serde(default, skip_serializing_if = "Timeline::is_empty")]
    pub segment: Timeline<SegmentName>,
    /// Terms of its own, by time.
    #[serde(default, skip_serializing_if = "Timeline::is_empty")]
    pub terms: Timeline<LevelTerms>,
}

/// State of a partner in a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum PartnerState {
    /// Asked by the merchant.
    Invited,
    /// Asked the merchant.
    Applied,
    /// Takes part: its touches can be credited.
    Approved,
    /// Turned down.
    Rejected,
    /// For the time being without part.
    Suspended,
    /// Over.
    Ended(End),
}

/// How a partner's part in a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// What becomes of what is open.
    pub mode: EndMode,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// Where the proof is kept; required for [`EndMode::Forfeit`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<str>>,
}

/// What becomes of the touches and orders of an ended partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndMode {
    /// From the end on nothing new counts.
    Freeze,
    /// Touches from before the end stay eligible within their window. The default.
    RunOff,
    /// From the end on nothing new counts, and open orders are declined.
    Forfeit,
}
