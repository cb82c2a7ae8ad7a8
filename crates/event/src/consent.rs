//! Consent of a visitor, as known at a touch or an order.

use serde::{Deserialize, Serialize};

/// What the visitor allowed. Stands in every event and, in two bits, in every click id.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Nobody asked yet: the usual case on a partner's link.
    #[default]
    Unknown,
    /// The visitor agreed.
    Granted,
    /// The service that the visitor asked for (cashback, reward) needs the tracker; a fact of the catalog.
    Exempt,
    /// The visitor refused. A denied click has no id.
    Denied,
}

impl Consent {
    /// The two bits in a click id; none for [`Consent::Denied`], which has no click id.
    #[must_use]
    pub const fn token_bits(self) -> Option<u16> {
        match self {
            Self::Unknown => Some(0),
            Self::Granted => Some(1),
            Self::Exempt => Some(2),
            Self::Denied => None,
        }
    }

    /// The consent that two bits of a click id stand for; 3 is invalid.
    #[must_use]
    pub const fn from_token_bits(bits: u16) -> Option<Self> {
        match bits {
            0 => Some(Self::Unknown),
            1 => Some(Self::Granted),
            2 => Some(Self::Exempt),
            _ => None,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Granted => "granted",
            Self::Exempt => "exempt",
            Self::Denied => "denied",
        }
    }
}
