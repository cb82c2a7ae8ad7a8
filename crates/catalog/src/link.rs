//! A link as its versions record it.

use event::{ChannelName, Millis, PartnerName, ProgramName};
use serde::{Deserialize, Serialize};

use crate::timeline::Timeline;

/// A tracking link of one partner, or of one of the merchant's own channels, in one program. Program, partner and
/// channel never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its program.
    pub program: ProgramName,
    /// Its partner; none: an own channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<PartnerName>,
    /// Its channel: one of the program's own ones, or the kind of traffic of the partner.
    pub channel: ChannelName,
    /// Where it leads. May hold macros; otherwise a URL as the WHATWG standard writes it.
    pub destination: Box<str>,
    /// Where it leads while it is not live, without macros; absent: the program's fallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Box<str>>,
    /// Creative of clicks that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creative: Option<Box<str>>,
    /// Whether the visitor asked for a service that needs the tracker, so that consent is not its basis.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exempt: bool,
    /// Live or disabled, by time; empty: live since ever.
    #[serde(default, skip_serializing_if = "Timeline::is_empty")]
    pub state: Timeline<LinkState>,
    /// First instant at which it is expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Millis>,
}

/// Whether a link leads to its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// It does.
    Live,
    /// It leads to its fallback; clicks are recorded with a flag.
    Disabled,
}
