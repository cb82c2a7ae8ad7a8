//! Records as Kafka messages.
//!
//! The message's key is the envelope's key, so that compaction keeps the last record of each order and not of each
//! partition text. It is found as bytes before the body; the rest of the payload is not read. What the record's header says
//! stands in four headers, as text: `id`, `type`, `codec`, `key-hash`.

use event::EventId;
use event::topic::KeyHash;
use memchr::memmem;
use rdkafka::message::{Header as Field, Headers, Message, OwnedHeaders};

use crate::record::Header;

/// Bytes that a message may have beyond its payload.
pub(super) const OVERHEAD_BYTES: usize = 64 * 1024;

const KEY: &[u8] = b"\"key\":\"";
const BODY: &[u8] = b"\"body\":";

/// The key of a message. A payload without one gets that of its own id: a compacted topic takes nothing without a key.
pub(super) fn key_or_id<'a>(payload: &'a [u8], id: &'a [u8; 36]) -> &'a [u8] {
    key(payload).unwrap_or(id)
}

/// The key in the text of an envelope, as it stands there.
fn key(payload: &[u8]) -> Option<&[u8]> {
    // Within a text of JSON each quotation mark has a backslash before it, so the first match is a field.
    let end = memmem::find(payload, BODY).unwrap_or(payload.len());
    let head = payload.get(..end)?;
    let key = head.get(memmem::find(head, KEY)? + KEY.len()..)?;
    let mut escaped = false;
    let end = key.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    key.get(..end).filter(|key| !key.is_empty())
}

/// The headers of a message.
pub(super) fn headers(header: &Header) -> OwnedHeaders {
    let hash = header.key_hash.0.to_be_bytes();
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut hex = [0; 16];
    for (out, digit) in hex.iter_mut().zip(digits) {
        *out = digit + if digit < 10 { b'0' } else { b'a' - 10 };
    }
    let (mut kind, mut codec) = ([0; 3], [0; 3]);
    OwnedHeaders::new_with_capacity(4)
        .insert(Field { key: "id", value: Some(&header.id.text()) })
        .insert(Field { key: "type", value: Some(decimal(header.kind, &mut kind)) })
        .insert(Field { key: "codec", value: Some(decimal(header.codec, &mut codec)) })
        .insert(Field { key: "key-hash", value: Some(&hex) })
}

fn decimal(number: u8, out: &mut [u8; 3]) -> &[u8] {
    *out = [number / 100, number / 10 % 10, number % 10].map(|digit| digit + b'0');
    let zeros = if number < 10 { 2 } else { usize::from(number < 100) };
    out.get(zeros..).unwrap_or_default()
}

/// What a message says about its record. One that others wrote without these headers gets an id of its place and a codec
/// that nobody knows, so that the stage that reads it parks it and goes on.
pub(super) fn header(message: &impl Message) -> Header {
    read(message).unwrap_or_else(|| Header {
        codec: 0,
        kind: 0,
        id: EventId::derived(
            "sillage foreign message v1",
            &[
                message.topic().as_bytes(),
                &message.partition().to_be_bytes(),
                &message.offset().to_be_bytes(),
            ],
        ),
        key_hash: KeyHash::of(message.key().unwrap_or_default()),
    })
}

fn read(message: &impl Message) -> Option<Header> {
    let (mut id, mut kind, mut codec, mut hash) = (None, None, None, None);
    for field in message.headers()?.iter() {
        let Some(value) = field.value.and_then(|value| std::str::from_utf8(value).ok()) else {
            continue;
        };
        match field.key {
            "id" => id = value.parse().ok(),
            "type" => kind = value.parse().ok(),
            "codec" => codec = value.parse().ok(),
            "key-hash" => hash = u64::from_str_radix(value, 16).ok(),
            _ => {}
        }
    }
    Some(Header { codec: codec?, kind: kind?, id: id?, key_hash: KeyHash(hash?) })
}

#[cfg(test)]
mod tests {
    use event::topic::KeyHash;
    use event::{EventId, LaneId, Millis, Sequence};
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    use super::{Header, OwnedHeaders, header, headers, key};

    fn message(headers: Option<OwnedHeaders>, offset: i64) -> OwnedMessage {
        let topic = "events.touches".to_owned();
        OwnedMessage::new(None, None, topic, Timestamp::NotAvailable, 3, offset, headers)
    }

    #[test]
    fn what_the_headers_say_is_read_back() {
        let id = EventId::minted(Millis(9), Sequence(8), LaneId::from_random(7));
        for (codec, kind, hash) in [(1, 2, 0), (10, 99, 1), (100, 255, u64::MAX), (0, 9, 1 << 60)] {
            let written = Header { codec, kind, id, key_hash: KeyHash(hash) };
            assert_eq!(header(&message(Some(headers(&written)), 1)), written);
        }
    }

    #[test]
    fn a_foreign_message_has_an_id_of_its_place_and_no_known_codec() {
        let one = header(&message(None, 1));
        assert_eq!(one, header(&message(None, 1)), "the same each time it is read");
        assert_ne!(one.id, header(&message(None, 2)).id);
        assert_eq!((one.codec, one.kind), (0, 0));
    }

    #[test]
    fn the_key_is_that_of_the_envelope_and_of_nothing_within_it() {
        let check = |payload: &str, expected: Option<&str>| {
            assert_eq!(key(payload.as_bytes()), expected.map(str::as_bytes), "{payload}");
        };
        check(
            r#"{"v":1,"key":"shop/sale/real/BX-1","body":{"key":"other"}}"#,
            Some("shop/sale/real/BX-1"),
        );
        check(r#"{"v":1,"key":"a\"b\\","body":{}}"#, Some(r#"a\"b\\"#));
        check(r#"{"program":"\"key\":\"x","key":"k","body":{}}"#, Some("k"));
        check(r#"{"v":1,"key":"","body":{}}"#, None);
        check(r#"{"v":1,"body":{"key":"other"}}"#, None);
        check(r#"{"v":1,"key":"cut"#, None);
        check("", None);
    }
}
