//! The outbox: postings that are booked and may not be durable on `ledger.transfers` yet.
//!
//! Those of one transaction stand in few rows, one behind the other, since they are written and removed together: each as its
//! event id (16 bytes), its key hash and its length (8 and 4 bytes, the highest first), and its text.

use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Envelope, EventId, EventType};
use eventlog::Header;
use rusqlite::params;

use super::{During as _, StoreError, Writing};

/// Bytes from which a row takes no more postings. 256 KiB: what has to be in memory at once stays small.
const ROW_BYTES: usize = if cfg!(test) { 2_000 } else { 256 << 10 };

/// A posting that is to be said on `ledger.transfers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The row of the outbox that it stands in, once it is committed.
    pub(crate) n: i64,
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
}

impl Said {
    fn pack(&self, row: &mut Vec<u8>) -> Result<(), std::num::TryFromIntError> {
        let length = u32::try_from(self.payload.len())?;
        row.extend_from_slice(self.header.id.as_bytes());
        row.extend_from_slice(&self.header.key_hash.0.to_be_bytes());
        row.extend_from_slice(&length.to_be_bytes());
        row.extend_from_slice(&self.payload);
        Ok(())
    }

    /// The first posting of what is left of a row, and what is left then.
    fn unpack(n: i64, row: &[u8]) -> Option<(Self, &[u8])> {
        let (id, row) = row.split_first_chunk()?;
        let (key_hash, row) = row.split_first_chunk()?;
        let (length, row) = row.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (payload, rest) = row.split_at_checked(length)?;
        let header = Header {
            codec: CODEC_JSON,
            kind: EventType::Posting.number(),
            id: EventId::from_bytes(*id),
            key_hash: KeyHash(u64::from_be_bytes(*key_hash)),
        };
        Some((Self { n, header, payload: payload.to_vec() }, rest))
    }
}

impl Writing<'_> {
    /// A posting is to be said once this transaction is committed.
    pub(super) fn say(&mut self, envelope: &Envelope, key_hash: KeyHash) {
        let (id, kind) = (envelope.id, envelope.body.event_type().number());
        let header = Header { codec: CODEC_JSON, kind, id, key_hash };
        self.said.push(Said { n: 0, header, payload: envelope.to_json() });
    }

    /// Writes what is to be said, and takes it.
    pub(super) fn put_outbox(&mut self) -> Result<Vec<Said>, StoreError> {
        const DOING: &str = "write the outbox of the book";
        let mut said = std::mem::take(&mut self.said);
        let mut rest = said.as_mut_slice();
        while !rest.is_empty() {
            let (mut row, mut count) = (Vec::new(), 0_usize);
            for one in rest.iter() {
                if row.len() >= ROW_BYTES {
                    break;
                }
                one.pack(&mut row).during(DOING)?;
                count = count.saturating_add(1);
            }
            self.run("INSERT INTO outbox (postings) VALUES (?)", params![row])?;
            let n = self.connection.last_insert_rowid();
            let (these, others) = rest.split_at_mut(count);
            these.iter_mut().for_each(|one| one.n = n);
            rest = others;
        }
        Ok(said)
    }

    /// What is still to be said from before, in its order.
    pub(crate) fn unsaid(&self) -> Result<Vec<Said>, StoreError> {
        const DOING: &str = "read the outbox of the book";
        let mut found = self
            .connection
            .prepare_cached("SELECT n, postings FROM outbox ORDER BY n")
            .during(DOING)?;
        let mut rows = found.query([]).during(DOING)?;
        let mut unsaid = Vec::new();
        while let Some(row) = rows.next().during(DOING)? {
            let n = row.get(0).during(DOING)?;
            let mut rest = row.get_ref(1).during(DOING)?.as_blob().during(DOING)?;
            while !rest.is_empty() {
                let (said, left) =
                    Said::unpack(n, rest).ok_or("a row ends within a posting").during(DOING)?;
                unsaid.push(said);
                rest = left;
            }
        }
        Ok(unsaid)
    }

    /// Forgets postings that are durable on their topic.
    pub(crate) fn said(&self, up_to: i64) -> Result<(), StoreError> {
        self.run("DELETE FROM outbox WHERE n <= ?", params![up_to]).map(drop)
    }
}
