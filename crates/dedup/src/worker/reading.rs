//! Records of the topic, and what becomes of those that cannot be read.

use event::body::Rejected;
use event::envelope::CODEC_JSON;
use event::{Envelope, EventId, EventType, OrderKey};
use eventlog::Record;

use crate::member::{Reading, Row};

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
        Err(fault) => return Read::Unreadable(fault.in_words()),
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

/// The event on `events.rejected` that keeps an unreadable record.
pub(crate) fn parked(record: &Record, why: &str) -> Envelope {
    let parts: [&[u8]; 2] = [record.id.as_bytes(), &record.payload];
    let id = EventId::derived("sillage parked by dedup v1", &parts);
    Rejected::unreadable("dedup", id, (record.id, record.kind, &record.payload), why)
}
