//! Records of the topic, and what becomes of those that cannot be read.

use std::error::Error as _;

use event::body::Rejected;
use event::envelope::CODEC_JSON;
use event::{Body, Code, Envelope, EventId, EventType, Millis, OrderKey};
use eventlog::Record;

use crate::member::{Reading, Row};

/// Most bytes of an unreadable record that are kept with its rejection.
const SENT_BYTES_MAX: usize = 4_096;

/// What a record is to dedup.
pub(crate) enum Read {
    /// An element of the set of this order.
    Row(OrderKey, Row),
    /// A validation: for the stages behind.
    Skipped,
    /// Not readable by this version, and why.
    Unreadable(String),
}

pub(crate) fn read(record: &Record) -> Read {
    if record.codec != CODEC_JSON {
        return Read::Unreadable(format!("codec {} is not known to this version", record.codec));
    }
    if record.kind == EventType::Validation.number() {
        return Read::Skipped;
    }
    let envelope = match Envelope::read(&record.payload) {
        Ok(envelope) => envelope,
        Err(fault) => {
            let source = fault.source().map(|source| format!(": {source}")).unwrap_or_default();
            return Read::Unreadable(format!("{fault}{source}"));
        }
    };
    let event_type = envelope.body.event_type();
    match Reading::of(envelope) {
        Reading::Row(order, row) => Read::Row(order, row),
        Reading::NoProgram => Read::Unreadable("a conversion without program".to_owned()),
        Reading::Skipped if event_type == EventType::Validation => Read::Skipped,
        Reading::Skipped => {
            Read::Unreadable(format!("`{}` does not belong on this topic", event_type.as_str()))
        }
    }
}

/// The event on `events.rejected` that keeps an unreadable record. Made of the record alone, so that reading it again
/// makes the same event.
pub(crate) fn parked(record: &Record, why: &str) -> Envelope {
    let at = if record.id.is_minted() { record.id.time() } else { Millis(0) };
    let id =
        EventId::derived("sillage parked by dedup v1", &[record.id.as_bytes(), &record.payload]);
    let sent = record.payload.get(..SENT_BYTES_MAX).unwrap_or(&record.payload);
    Envelope {
        id,
        occurred_at: at,
        received_at: at,
        program: None,
        test: false,
        key: id.to_string(),
        body: Body::Rejected(Rejected {
            code: Code::UnknownSchema,
            event_type: EventType::from_number(record.kind),
            by: "dedup".to_owned(),
            field: None,
            message: why.chars().take(512).collect(),
            sent: Some(String::from_utf8_lossy(sent).into_owned()),
        }),
    }
}
