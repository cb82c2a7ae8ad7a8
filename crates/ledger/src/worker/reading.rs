//! Records of the topics: what they add to what is known, and what becomes of those that cannot be read.

use std::error::Error as _;

use event::body::{Closing, Posting, Rejected, Subject};
use event::envelope::CODEC_JSON;
use event::{Body, Code, Envelope, EventId, EventType, Millis, OrderKey, Topic};
use eventlog::Record;

use crate::facts::{Act, Decided, Fact};

/// Most bytes of an unreadable record that are kept with its rejection.
const SENT_BYTES_MAX: usize = 4_096;

/// What a record is to the ledger.
pub(super) enum Read {
    /// Something learned about an order.
    Fact(OrderKey, Box<Learned>),
    /// What was booked of an order, by this book or one before it.
    Posting(OrderKey, EventId, Box<Posting>),
    /// For other stages.
    Skipped,
    /// Not readable by this version, and why.
    Unreadable(String),
}

/// A fact with what a change that it causes names.
pub(super) struct Learned {
    pub(super) fact: Fact,
    pub(super) source: EventId,
    pub(super) actor: Option<String>,
}

pub(super) fn read(topic: Topic, record: &Record) -> Read {
    // Most records there are conversions.
    if topic == Topic::Conversions && record.kind != EventType::Validation.number() {
        return Read::Skipped;
    }
    if record.codec != CODEC_JSON {
        return Read::Unreadable(format!("codec {} is not known to this version", record.codec));
    }
    let envelope = match Envelope::read(&record.payload) {
        Ok(envelope) => envelope,
        Err(fault) => {
            let source = fault.source().map(|source| format!(": {source}")).unwrap_or_default();
            return Read::Unreadable(format!("{fault}{source}"));
        }
    };
    of_envelope(topic, envelope)
}

fn of_envelope(topic: Topic, envelope: Envelope) -> Read {
    let Envelope { id, occurred_at: at, received_at, body, .. } = envelope;
    let kind = body.event_type();
    let learned = |fact, actor| Box::new(Learned { fact, source: id, actor });
    let (order, read) = match (topic, body) {
        (Topic::Attributed, Body::Decision(decision)) => {
            let fact = Fact::Decision(Box::new(Decided::of(id, &decision)));
            (decision.order, learned(fact, None))
        }
        (Topic::Conversions, Body::Validation(validation)) => {
            let (order, actor) = (validation.order.clone(), validation.actor.clone());
            let act = Act { id, at, received_at, validation: *validation };
            (order, learned(Fact::Act(Box::new(act)), actor))
        }
        (Topic::Closed, Body::Closed(closed)) => match closed.closing {
            Closing::Lock(lock) => (closed.order, learned(Fact::Lock(id, lock), None)),
            Closing::Pay(payment) => {
                let actor = payment.actor.clone();
                (closed.order, learned(Fact::Payment(id, payment), actor))
            }
        },
        (Topic::Transfers, Body::Posting(posting)) => {
            return match &posting.subject {
                Subject::Order(order) if !order.test => Read::Posting(order.clone(), id, posting),
                Subject::Order(_) | Subject::Day(_) => Read::Skipped,
            };
        }
        _ => {
            let word = kind.as_str();
            return Read::Unreadable(format!("`{word}` does not belong on {topic}"));
        }
    };
    // A test is never booked.
    if order.test { Read::Skipped } else { Read::Fact(order, read) }
}

/// The event on `events.rejected` that keeps an unreadable record. Made of the record alone, so that reading it again
/// makes the same event.
pub(super) fn parked(record: &Record, why: &str) -> Envelope {
    let at = if record.id.is_minted() { record.id.time() } else { Millis(0) };
    let parts: [&[u8]; 2] = [record.id.as_bytes(), &record.payload];
    let id = EventId::derived("sillage parked by ledger v1", &parts);
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
            by: "ledger".to_owned(),
            field: None,
            message: why.chars().take(512).collect(),
            sent: Some(String::from_utf8_lossy(sent).into_owned()),
        }),
    }
}
