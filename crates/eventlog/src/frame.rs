//! Segment headers and frames as bytes. `docs/log-format.md` describes the same for strangers.

use bytes::Bytes;
use event::{Millis, Topic};

use crate::record::{Header, PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, Record};

/// First bytes of a segment.
pub(crate) const SEGMENT_MAGIC: [u8; 8] = *b"\xf5SILSEG\x01";
/// First bytes of a frame. 0xF5 occurs in no UTF-8 text, so no payload of JSON contains them.
pub(crate) const FRAME_MAGIC: [u8; 8] = *b"\xf5SILFRM\x01";
/// Bytes of a segment header.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
/// Bytes of a frame header.
pub(crate) const FRAME_HEADER_BYTES: usize = 40;
/// Most bytes of a frame's body: a record of the largest size fits.
pub(crate) const FRAME_BODY_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + RECORD_HEADER_BYTES;
/// Format of segments and frames.
pub(crate) const FORMAT: u32 = 1;

/// Number of a topic's stream on disk. Never reused.
pub(crate) const fn stream_number(topic: Topic) -> u32 {
    match topic {
        Topic::Touches => 1,
        Topic::Conversions => 2,
        Topic::Rejected => 3,
        Topic::Unique => 4,
        Topic::Duplicate => 5,
        Topic::Attributed => 6,
        Topic::Closed => 9,
        Topic::Transfers => 10,
        Topic::Catalog => 7,
        Topic::Node => 8,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Fills `out` with `parts`, one after another.
fn fill(out: &mut [u8], parts: &[&[u8]]) {
    for (place, byte) in out.iter_mut().zip(parts.iter().copied().flatten()) {
        *place = *byte;
    }
}

/// What the first bytes of a segment say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) stream: u32,
    pub(crate) number: u64,
    pub(crate) id: u64,
    pub(crate) first_frame: u64,
    pub(crate) first_offset: u64,
    pub(crate) created_at: Millis,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = [0; SEGMENT_HEADER_BYTES];
        fill(
            &mut out,
            &[
                &SEGMENT_MAGIC,
                &FORMAT.to_le_bytes(),
                &self.stream.to_le_bytes(),
                &self.number.to_le_bytes(),
                &self.id.to_le_bytes(),
                &self.first_frame.to_le_bytes(),
                &self.first_offset.to_le_bytes(),
                &self.created_at.0.to_le_bytes(),
            ],
        );
        let (covered, check) = out.split_at_mut(SEGMENT_HEADER_BYTES - 4);
        fill(check, &[&crc32c::crc32c(covered).to_le_bytes()]);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (covered, check) = bytes.split_at_checked(SEGMENT_HEADER_BYTES - 4)?;
        if !covered.starts_with(&SEGMENT_MAGIC)
            || u32_at(covered, 8)? != FORMAT
            || u32_at(check, 0)? != crc32c::crc32c(covered)
        {
            return None;
        }
        Some(Self {
            stream: u32_at(covered, 12)?,
            number: u64_at(covered, 16)?,
            id: u64_at(covered, 24)?,
            first_frame: u64_at(covered, 32)?,
            first_offset: u64_at(covered, 40)?,
            created_at: Millis(u64_at(covered, 48)?.cast_signed()),
        })
    }
}

/// What the first bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Number of the stream.
    pub(crate) stream: u32,
    /// Bytes of the body.
    pub(crate) length: u32,
    /// Number of this frame in its stream.
    pub(crate) number: u64,
    /// Offset of the first record.
    pub(crate) first_offset: u64,
    /// Records in the body.
    pub(crate) records: u32,
}

impl FrameHeader {
    /// Writes this header into the first bytes of `frame`, with the check sum over it and the body behind it.
    pub(crate) fn seal(&self, frame: &mut [u8], segment_id: u64) {
        let Some((head, body)) = frame.split_at_mut_checked(FRAME_HEADER_BYTES) else { return };
        fill(
            head,
            &[
                &FRAME_MAGIC,
                &self.stream.to_le_bytes(),
                &self.length.to_le_bytes(),
                &self.number.to_le_bytes(),
                &self.first_offset.to_le_bytes(),
                &self.records.to_le_bytes(),
            ],
        );
        let (covered, check) = head.split_at_mut(FRAME_HEADER_BYTES - 4);
        fill(check, &[&frame_check(segment_id, covered, body).to_le_bytes()]);
    }

    /// The header, if these bytes begin a frame of this stream. The check sum is not looked at.
    pub(crate) fn decode(bytes: &[u8], stream: u32) -> Option<Self> {
        if !bytes.starts_with(&FRAME_MAGIC) || bytes.len() < FRAME_HEADER_BYTES {
            return None;
        }
        let header = Self {
            stream: u32_at(bytes, 8)?,
            length: u32_at(bytes, 12)?,
            number: u64_at(bytes, 16)?,
            first_offset: u64_at(bytes, 24)?,
            records: u32_at(bytes, 32)?,
        };
        let plausible =
            header.stream == stream && usize::try_from(header.length).ok()? <= FRAME_BODY_BYTES_MAX;
        plausible.then_some(header)
    }

    /// Bytes of header and body.
    pub(crate) const fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.length as usize
    }
}

fn frame_check(segment_id: u64, covered: &[u8], body: &[u8]) -> u32 {
    let seed = crc32c::crc32c(&segment_id.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(seed, covered), body)
}

/// Whether `frame`, header and body, is exactly what was sealed for this segment.
pub(crate) fn is_intact(frame: &[u8], segment_id: u64) -> bool {
    let Some((head, body)) = frame.split_at_checked(FRAME_HEADER_BYTES) else { return false };
    let Some((covered, check)) = head.split_at_checked(FRAME_HEADER_BYTES - 4) else {
        return false;
    };
    u32_at(check, 0) == Some(frame_check(segment_id, covered, body))
}

/// Takes the first record from the body of a frame. `None` at its end (or if it is malformed, which a good check sum
/// excludes).
pub(crate) fn take_record(body: &mut Bytes) -> Option<Record> {
    let length = usize::try_from(u32_at(body, 4)?).ok()?;
    if body.len() < RECORD_HEADER_BYTES.checked_add(length)? {
        return None;
    }
    let (codec, kind) = (*body.first()?, *body.get(1)?);
    let id = event::EventId::from_bytes(*body.get(8..)?.first_chunk()?);
    let key_hash = event::topic::KeyHash(u64_at(body, 24)?);
    let mut payload = body.split_to(RECORD_HEADER_BYTES + length);
    Some(Record::new(Header { codec, kind, id, key_hash }, payload.split_off(RECORD_HEADER_BYTES)))
}

#[cfg(test)]
mod tests;
