//! Refused events: what we refuse is an event too.

use serde::{Deserialize, Serialize};

use crate::body::{Body, EventType};
use crate::code::Code;
use crate::envelope::Envelope;
use crate::id::EventId;
use crate::time::Millis;

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
/// Longest message. Characters.
const MESSAGE_CHARS_MAX: usize = 512;

impl Rejected {
    /// What stands on `events.rejected` in place of a record that `by` derived and that no record can hold. Made of that
    /// record alone, so that deriving it again makes the same event.
    #[must_use]
    pub fn too_large(by: &str, derived: &Envelope, bytes: &[u8], bytes_max: usize) -> Envelope {
        let kind = derived.body.event_type();
        let id = EventId::derived("sillage output too large v1", &[derived.id.as_bytes()]);
        let message = format!(
            "the {} of {} is {} bytes and a record has at most {bytes_max}: it is not written, and what was said before it \
             stays",
            kind.as_str(),
            derived.key,
            bytes.len()
        );
        Envelope {
            id,
            occurred_at: derived.occurred_at,
            received_at: derived.received_at,
            program: derived.program.clone(),
            test: derived.test,
            key: id.to_string(),
            body: Self::body(Code::TooLarge, Some(kind), by, &message, bytes),
        }
    }

    /// What stands on `events.rejected` for a record that `by` cannot read: its id, its kind and its payload. Made of that
    /// record alone, so that reading it again makes the same event.
    #[must_use]
    pub fn unreadable(
        by: &str,
        id: EventId,
        (record, kind, payload): (EventId, u8, &[u8]),
        why: &str,
    ) -> Envelope {
        let at = if record.is_minted() { record.time() } else { Millis(0) };
        let kind = EventType::from_number(kind);
        Envelope {
            id,
            occurred_at: at,
            received_at: at,
            program: None,
            test: false,
            key: id.to_string(),
            body: Self::body(Code::UnknownSchema, kind, by, why, payload),
        }
    }

    fn body(code: Code, kind: Option<EventType>, by: &str, why: &str, bytes: &[u8]) -> Body {
        let sent = bytes.get(..SENT_BYTES_MAX).unwrap_or(bytes);
        Body::Rejected(Self {
            code,
            event_type: kind,
            by: by.to_owned(),
            field: None,
            message: why.chars().take(MESSAGE_CHARS_MAX).collect(),
            sent: Some(String::from_utf8_lossy(sent).into_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, EventId, EventType, MESSAGE_CHARS_MAX, Millis, Rejected, SENT_BYTES_MAX};
    use crate::id::{LaneId, Sequence};

    #[test]
    fn an_unreadable_record_is_kept_up_to_its_bounds_at_the_time_that_its_id_tells() {
        let minted = EventId::minted(Millis(7), Sequence(1), LaneId::from_random(1));
        let derived = EventId::derived("test", &[b"x"]);
        for (record, at, more) in [(minted, 7, 0), (derived, 0, 1)] {
            let payload = vec![b'x'; SENT_BYTES_MAX + more];
            let why = "é".repeat(MESSAGE_CHARS_MAX + more);
            let kind = EventType::Click.number();
            let kept = Rejected::unreadable(
                "dedup",
                EventId::from_bytes([1; 16]),
                (record, kind, &payload),
                &why,
            );
            assert_eq!((kept.occurred_at, kept.received_at), (Millis(at), Millis(at)));
            assert_eq!(kept.key, kept.id.to_string());
            let Body::Rejected(rejected) = kept.body else { panic!("not a rejection") };
            assert_eq!(rejected.event_type, Some(EventType::Click));
            assert_eq!(rejected.message.chars().count(), MESSAGE_CHARS_MAX);
            assert_eq!(rejected.sent.map(|sent| sent.len()), Some(SENT_BYTES_MAX));
        }
    }
}
