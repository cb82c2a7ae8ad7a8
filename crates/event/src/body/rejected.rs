//! Refused events: what we refuse is an event too.

use serde::{Deserialize, Serialize};

use crate::body::EventType;
use crate::code::Code;

/// An event that an endpoint refused, or a record that a stage could not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Why.
    pub code: Code,
    /// What it would have been, where that is known.
    #[serde(rename = "event_type", default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// The endpoint or the stage that refused it, from a closed list.
    pub by: String,
    /// The field that is wrong, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong, in words, without personal data.
    pub message: String,
    /// What came, cut at 4,096 bytes, personal fields cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
}
