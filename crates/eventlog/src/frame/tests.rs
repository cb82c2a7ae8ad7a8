//! The bytes on disk are those of `docs/log-format.md`.

use bytes::Bytes;
use event::topic::KeyHash;
use event::{EventId, LaneId, Millis, Sequence, Topic};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{
    FRAME_HEADER_BYTES, FrameHeader, SEGMENT_HEADER_BYTES, SegmentHeader, is_intact, stream_number,
    take_record,
};
use crate::record::{Header, RECORD_HEADER_BYTES, Record};

const PAGE: &str = include_str!("../../../../docs/log-format.md");
const SEGMENT_ID: u64 = 0x1122_3344_5566_7788;

/// The segment of the page's example.
fn example() -> Vec<u8> {
    let record = |n: u64, payload: &'static str| {
        let id = EventId::minted(Millis(1_793_664_000_000), Sequence(n), LaneId::from_random(42));
        let header = Header { codec: 1, kind: 3, id, key_hash: KeyHash(0x0102_0304_0506_0708 + n) };
        Record::new(header, Bytes::from_static(payload.as_bytes()))
    };
    let records = [record(0, r#"{"v":1}"#), record(1, r#"{"v":1,"n":2}"#)];
    let stream = stream_number(Topic::Conversions);
    let created_at = Millis(1_793_664_000_000);
    let segment = SegmentHeader {
        stream,
        number: 3,
        id: SEGMENT_ID,
        first_frame: 9,
        first_offset: 100,
        created_at,
    };
    let mut frame = vec![0; FRAME_HEADER_BYTES];
    for record in &records {
        let length = u32::try_from(record.payload.len()).unwrap();
        frame.extend_from_slice(&record.header().encode(length));
        frame.extend_from_slice(&record.payload);
    }
    let length = u32::try_from(frame.len() - FRAME_HEADER_BYTES).unwrap();
    FrameHeader { stream, length, number: 9, first_offset: 100, records: 2 }
        .seal(&mut frame, SEGMENT_ID);
    let mut bytes = segment.encode().to_vec();
    bytes.extend_from_slice(&frame);
    bytes
}

fn hex_dump(bytes: &[u8]) -> String {
    let line = |(nth, line): (usize, &[u8])| {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:04x}  {}\n", nth * 16, hex.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

#[test]
fn the_example_of_the_page_is_what_is_written() {
    let dump = hex_dump(&example());
    assert!(PAGE.contains(&dump), "docs/log-format.md must show:\n{dump}");
}

#[test]
fn the_example_is_read_back() {
    let bytes = Bytes::from(example());
    let segment = SegmentHeader::decode(&bytes).unwrap();
    assert_eq!((segment.number, segment.id, segment.first_frame), (3, SEGMENT_ID, 9));
    let frame = bytes.slice(SEGMENT_HEADER_BYTES..);
    let header = FrameHeader::decode(&frame, 2).unwrap();
    assert_eq!((header.number, header.first_offset, header.records), (9, 100, 2));
    assert!(is_intact(&frame, SEGMENT_ID));
    let mut body = frame.slice(FRAME_HEADER_BYTES..);
    let first = take_record(&mut body).unwrap();
    assert_eq!((first.codec, first.kind, &first.payload[..]), (1, 3, &br#"{"v":1}"#[..]));
    assert_eq!(first.id.lane(), LaneId::from_random(42));
    assert_eq!(take_record(&mut body).unwrap().key_hash, KeyHash(0x0102_0304_0506_0709));
    assert_eq!(take_record(&mut body), None);
}

#[test]
fn a_frame_of_another_segment_is_not_intact() {
    let bytes = example();
    assert!(is_intact(&bytes[SEGMENT_HEADER_BYTES..], SEGMENT_ID));
    assert!(!is_intact(&bytes[SEGMENT_HEADER_BYTES..], SEGMENT_ID + 1));
}

#[test]
fn each_flipped_bit_of_a_segment_header_is_found() {
    let bytes = example();
    for bit in 0..SEGMENT_HEADER_BYTES * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(SegmentHeader::decode(&flipped), None, "bit {bit}");
    }
}

#[test]
fn each_flipped_bit_of_a_frame_is_found() {
    let mut frame = vec![0; FRAME_HEADER_BYTES];
    let record =
        Header { codec: 1, kind: 1, id: EventId::from_bytes([7; 16]), key_hash: KeyHash(1) };
    frame.extend_from_slice(&record.encode(4000));
    frame.extend((0..=249u8).cycle().take(4000));
    let length = u32::try_from(frame.len() - FRAME_HEADER_BYTES).unwrap();
    FrameHeader { stream: 1, length, number: 9, first_offset: 100, records: 1 }
        .seal(&mut frame, SEGMENT_ID);
    assert!(is_intact(&frame, SEGMENT_ID));
    for bit in 0..frame.len() * 8 {
        frame[bit / 8] ^= 1 << (bit % 8);
        let read = FrameHeader::decode(&frame, 1);
        let read = read.filter(|header| header.frame_bytes() == frame.len());
        assert!(read.is_none() || !is_intact(&frame, SEGMENT_ID), "bit {bit}");
        frame[bit / 8] ^= 1 << (bit % 8);
    }
}

proptest! {
    #[test]
    fn hostile_bytes_are_read_without_panic(bytes in any::<Vec<u8>>(), length in any::<u32>()) {
        prop_assert!(FrameHeader::decode(&bytes, 1).is_none());
        prop_assert!(SegmentHeader::decode(&bytes).is_none());
        is_intact(&bytes, 7);
        take_record(&mut Bytes::from(bytes.clone()));
        let header = Header {
            codec: 1, kind: 1, id: EventId::from_bytes([1; 16]), key_hash: KeyHash(1),
        };
        let mut body = header.encode(length).to_vec();
        body.extend_from_slice(&bytes);
        let fits = length as usize <= bytes.len();
        prop_assert_eq!(take_record(&mut Bytes::from(body)).is_some(), fits);
    }

    #[test]
    fn a_record_is_read_back(codec: u8, kind: u8, id: [u8; 16], hash: u64, payload: Vec<u8>) {
        let header = Header { codec, kind, id: EventId::from_bytes(id), key_hash: KeyHash(hash) };
        let mut body = header.encode(u32::try_from(payload.len()).unwrap()).to_vec();
        prop_assert_eq!(body.len(), RECORD_HEADER_BYTES);
        body.extend_from_slice(&payload);
        let record = Record::new(header, payload.into());
        prop_assert_eq!(take_record(&mut Bytes::from(body)), Some(record));
    }
}
