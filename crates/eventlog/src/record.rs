//! Records: a small binary header, then the payload. A reader skips by kind without parsing the payload.

use bytes::Bytes;
use event::{EventId, topic::KeyHash};

/// Position of a record in a partition: opaque to consumers, growing, with gaps where records were damaged,
/// compacted or deleted.
pub type Offset = u64;

/// Bytes of a record header: codec, kind, two zero bytes, length, event id, key hash.
pub const RECORD_HEADER_BYTES: usize = 32;

/// Most bytes of one payload. Count; 1 MiB: with it a record always fits in one frame.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// What the header of a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// How the payload is encoded. 1 = the envelope as JSON.
    pub codec: u8,
    /// Type of the event, as a number that the callers agree on.
    pub kind: u8,
    /// Identity of the event.
    pub id: EventId,
    /// Hash of the partition text.
    pub key_hash: KeyHash,
}

/// One record of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// How the payload is encoded. 1 = the envelope as JSON.
    pub codec: u8,
    /// Type of the event, as a number that the callers agree on.
    pub kind: u8,
    /// Identity of the event.
    pub id: EventId,
    /// Hash of the partition text.
    pub key_hash: KeyHash,
    /// The envelope's bytes.
    pub payload: Bytes,
}

impl Record {
    /// A record of this header and payload.
    #[must_use]
    pub const fn new(header: Header, payload: Bytes) -> Self {
        let Header { codec, kind, id, key_hash } = header;
        Self { codec, kind, id, key_hash, payload }
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> Header {
        Header { codec: self.codec, kind: self.kind, id: self.id, key_hash: self.key_hash }
    }
}

impl Header {
    /// The bytes on disk, for a payload of `length` bytes.
    #[must_use]
    pub(crate) fn encode(&self, length: u32) -> [u8; RECORD_HEADER_BYTES] {
        let mut out = [0; RECORD_HEADER_BYTES];
        let [codec, kind, _, _, rest @ ..] = &mut out;
        (*codec, *kind) = (self.codec, self.kind);
        let (first, rest) = rest.split_at_mut(4);
        first.copy_from_slice(&length.to_le_bytes());
        let (id, hash) = rest.split_at_mut(16);
        id.copy_from_slice(self.id.as_bytes());
        hash.copy_from_slice(&self.key_hash.0.to_le_bytes());
        out
    }
}

/// How dispensable a record is when the folder fills up: the earlier in this list, the sooner it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Refused from 90 % of `bytes_max`.
    Impression,
    /// Refused from 95 %.
    Click,
    /// Refused from 99 %.
    Conversion,
    /// Outputs of stages, `node.log`, catalog: refused from 100 %.
    Essential,
}
