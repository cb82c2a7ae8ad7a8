//! Records of the topics: what they add to what is known, and what becomes of those that cannot be read.

use std::borrow::Cow;

use event::body::{
    Closing, Credit, CustomerType, DecisionStatus, DecisionVersion, Item, PayDay, Payment, Posting,
    Rejected, Subject, Trust,
};
use event::envelope::{CODEC_JSON, VERSION};
use event::hash::ContentHash;
use event::{Body, Code, Currency, Envelope, EventId, EventType, Micros, Millis, OrderKey, Topic};
use eventlog::Record;
use memchr::memmem;
use serde::Deserialize;

use crate::facts::{Act, Decided, Fact};

/// What a record is to the ledger.
pub(super) enum Read {
    /// Something learned about an order.
    Fact(OrderKey, Box<Learned>),
    /// What was booked of an order, by this book or one before it.
    Posting(OrderKey, EventId, Box<Posting>),
    /// What was booked of a day, likewise.
    Day(PayDay, EventId, Box<Posting>),
    /// A payment of a day.
    DayPaid(PayDay, EventId, Box<Payment>),
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
    if topic == Topic::Attributed
        && let Some((order, decided)) = decision(record)
    {
        let source = decided.id;
        let learned = Learned { fact: Fact::Decision(Box::new(decided)), source, actor: None };
        return of_fact(order, Box::new(learned));
    }
    let envelope = match Envelope::read(&record.payload) {
        Ok(envelope) => envelope,
        Err(fault) => return Read::Unreadable(fault.in_words()),
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
        (Topic::Closed, Body::Closed(closed)) => match (closed.subject, closed.closing) {
            (Subject::Order(order), Closing::Lock(lock)) => {
                (order, learned(Fact::Lock(id, lock), None))
            }
            (Subject::Order(order), Closing::Pay(payment)) => {
                let actor = payment.actor.clone();
                (order, learned(Fact::Payment(id, payment), actor))
            }
            (Subject::Day(day), Closing::Pay(payment)) => {
                return Read::DayPaid(day, id, Box::new(payment));
            }
            (Subject::Day(day), Closing::Lock(_)) => {
                return Read::Unreadable(format!("{day} is a day, which is not locked"));
            }
        },
        (Topic::Transfers, Body::Posting(posting)) => {
            return match &posting.subject {
                Subject::Order(order) if !order.test => Read::Posting(order.clone(), id, posting),
                Subject::Order(_) => Read::Skipped,
                Subject::Day(day) => Read::Day(day.clone(), id, posting),
            };
        }
        _ => {
            let word = kind.as_str();
            return Read::Unreadable(format!("`{word}` does not belong on {topic}"));
        }
    };
    of_fact(order, read)
}

fn of_fact(order: OrderKey, learned: Box<Learned>) -> Read {
    // A test is never booked.
    if order.test { Read::Skipped } else { Read::Fact(order, learned) }
}

/// The envelope of a decision with what the book reads of it: most of a trace are candidates.
#[derive(Deserialize)]
struct DecisionEnvelope<'a> {
    v: u16,
    id: EventId,
    #[serde(rename = "type", borrow)]
    event_type: Cow<'a, str>,
    body: DecisionBody,
}

#[derive(Deserialize)]
struct DecisionBody {
    order: OrderKey,
    #[serde(default)]
    order_id: Option<String>,
    status: DecisionStatus,
    code: Code,
    amount: Micros,
    #[serde(default)]
    currency: Option<Currency>,
    #[serde(default)]
    items: Vec<Item>,
    #[serde(default)]
    coupons: Vec<String>,
    #[serde(default)]
    customer_type: Option<CustomerType>,
    converted_at: Millis,
    version: DecisionVersion,
    inputs_hash: ContentHash,
    credits: Vec<Credit>,
    trace: TraceBody,
}

#[derive(Deserialize)]
struct TraceBody {
    received_at: Millis,
    trust: Trust,
    #[serde(default)]
    notes: Vec<Code>,
    channel: ChannelBody,
}

#[derive(Deserialize)]
struct ChannelBody {
    #[serde(default)]
    value: Option<String>,
}

/// A decision read the short way; none: the long way says why it is none.
fn decision(record: &Record) -> Option<(OrderKey, Decided)> {
    let text = without_candidates(&record.payload);
    let DecisionEnvelope { v, id, event_type, body } = serde_json::from_slice(&text).ok()?;
    if v != VERSION || event_type != EventType::Decision.as_str() {
        return None;
    }
    let decided = Decided {
        id,
        version: body.version,
        inputs_hash: body.inputs_hash,
        status: body.status,
        code: body.code,
        notes: body.trace.notes,
        trust: body.trace.trust,
        order_id: body.order_id,
        amount: body.amount,
        currency: body.currency,
        items: body.items,
        coupons: body.coupons,
        customer_type: body.customer_type,
        channel: body.trace.channel.value,
        converted_at: body.converted_at,
        received_at: body.trace.received_at,
        credits: body.credits,
    };
    Some((body.order, decided))
}

/// A decision with an empty list of candidates, which are most of it and which nobody reads here; as it is if it has none.
fn without_candidates(json: &[u8]) -> Cow<'_, [u8]> {
    const LIST: &[u8] = b"\"candidates\":[";
    let found = memmem::find(json, LIST).and_then(|at| {
        let (before, list) = json.split_at_checked(at.saturating_add(LIST.len()))?;
        Some((before, list.get(end_of_list(list)?..)?))
    });
    // A quote within a text is escaped, so what was found is the name of a list.
    found.map_or(Cow::Borrowed(json), |(before, after)| Cow::Owned([before, after].concat()))
}

/// Where the bracket stands that closes a list, of which this is the text behind the one that opens it.
fn end_of_list(json: &[u8]) -> Option<usize> {
    let mut open = 0_usize;
    let mut bytes = json.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while *bytes.find(|(_, byte)| matches!(byte, b'"' | b'\\'))?.1 == b'\\' {
                    bytes.next();
                }
            }
            b'[' | b'{' => open = open.saturating_add(1),
            b']' if open == 0 => return Some(at),
            b']' | b'}' => open = open.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// The event on `events.rejected` that keeps an unreadable record.
pub(super) fn parked(record: &Record, why: &str) -> Envelope {
    let parts: [&[u8]; 2] = [record.id.as_bytes(), &record.payload];
    let id = EventId::derived("sillage parked by ledger v1", &parts);
    Rejected::unreadable("ledger", id, (record.id, record.kind, &record.payload), why)
}
