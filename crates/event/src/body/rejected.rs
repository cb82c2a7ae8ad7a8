//! Refused events: what we refuse is an event too.

use serde::{Deserialize, Serialize};

use crate::body::{Body, EventType};
use crate::code::Code;
use crate::envelope::Envelope;
use crate::id::EventId;

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

/// Most bytes of a record that are kept with its rejection.
const SENT_BYTES_MAX: usize = 4_096;

impl Rejected {
    /// What stands on `events.rejected` in place of a record that `by` derived and that no record can hold. Made of that
    /// record alone, so that deriving it again makes the same event.
    #[must_use]
    pub fn too_large(by: &str, derived: &Envelope, bytes: &[u8], bytes_max: usize) -> Envelope {
        let kind = derived.body.event_type();
        let id = EventId::derived("sillage output too large v1", &[derived.id.as_bytes()]);
        let sent = bytes.get(..SENT_BYTES_MAX).unwrap_or(bytes);
        let message = format!(
            "the {} of {} is {} bytes and a record has at most {bytes_max}: it is not written, and what was said before it \
             stays",
            kind.as_str(),
            derived.key,
            bytes.len()
        );
        let rejected = Self {
            code: Code::TooLarge,
            event_type: Some(kind),
            by: by.to_owned(),
            field: None,
            message: message.chars().take(512).collect(),
            sent: Some(String::from_utf8_lossy(sent).into_owned()),
        };
        Envelope {
            id,
            occurred_at: derived.occurred_at,
            received_at: derived.received_at,
            program: derived.program.clone(),
            test: derived.test,
            key: id.to_string(),
            body: Body::Rejected(rejected),
        }
    }
}
