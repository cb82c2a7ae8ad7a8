//! What one commit writes, and the outputs of a unit: records encoded one after another.

use std::sync::Arc;

use event::Topic;

use super::Write;
use super::ticket::Ticket;
use crate::error::{CommitError, Refused};
use crate::frame::{FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES};
use crate::record::{Header, PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES};

/// One frame in the bytes of a batch: header place and body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) start: usize,
    pub(crate) records: u32,
}

/// What one commit writes: frames one after another, whose headers the writer fills in.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) bytes: Vec<u8>,
    pub(crate) cuts: Vec<Cut>,
    pub(crate) records: u32,
    /// Bytes that are whole records; more only while one is being written, or if that panicked.
    pub(super) whole: usize,
    /// Where the last record begins.
    last: usize,
    pub(super) ticket: Option<Arc<Ticket>>,
    /// Whether somebody was told that these records failed.
    pub(super) failed: bool,
}

impl Pending {
    /// Empties it, keeping its memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.cuts.clear();
        self.records = 0;
        self.whole = 0;
        self.last = 0;
        self.ticket = None;
        self.failed = false;
    }

    /// Tells everybody who waits for this batch, once.
    pub(crate) fn resolve(&mut self, outcome: Result<(), CommitError>) {
        if let Some(ticket) = self.ticket.take() {
            self.failed |= outcome.is_err();
            ticket.resolve(outcome);
        }
    }

    /// Appends a record. `write` appends its payload. Whatever `write` does, an `Err` leaves everything as it was.
    pub(super) fn push(
        &mut self,
        header: &Header,
        bytes_max: usize,
        write: Write<'_>,
    ) -> Result<(), PushFault> {
        let before = self.whole;
        self.bytes.truncate(before);
        let new_frame = self.cuts.is_empty();
        if new_frame {
            self.bytes.resize(before + FRAME_HEADER_BYTES, 0);
        }
        let start = self.bytes.len();
        self.bytes.resize(start + RECORD_HEADER_BYTES, 0);
        write(&mut self.bytes);
        let length = self.bytes.len().checked_sub(start + RECORD_HEADER_BYTES);
        let fault = match length {
            Some(length) if length <= PAYLOAD_BYTES_MAX => {
                (self.bytes.len() > bytes_max).then_some(PushFault::Full)
            }
            _ => Some(PushFault::Oversize),
        };
        if let Some(fault) = fault {
            self.bytes.truncate(before);
            return Err(fault);
        }
        let encoded = header.encode(length.and_then(|n| u32::try_from(n).ok()).unwrap_or(0));
        if let Some(place) = self.bytes.get_mut(start..start + RECORD_HEADER_BYTES) {
            place.copy_from_slice(&encoded);
        }
        self.last = self.settle(start, new_frame);
        self.whole = self.bytes.len();
        Ok(())
    }

    /// The last record, as it stands in its frame.
    pub(super) fn last(&self) -> &[u8] {
        self.bytes.get(self.last..self.whole).unwrap_or_default()
    }

    /// Counts the record that begins at `start` to the last frame, or to a new one if it does not fit there; where it
    /// begins now.
    fn settle(&mut self, start: usize, new_frame: bool) -> usize {
        self.records += 1;
        let end = self.bytes.len();
        let fits = !new_frame
            && self
                .cuts
                .last()
                .is_some_and(|cut| end - cut.start <= FRAME_HEADER_BYTES + FRAME_BODY_BYTES_MAX);
        if fits {
            if let Some(cut) = self.cuts.last_mut() {
                cut.records += 1;
            }
            return start;
        }
        let at = if new_frame { start - FRAME_HEADER_BYTES } else { start };
        if !new_frame {
            self.bytes.splice(start..start, [0; FRAME_HEADER_BYTES]);
        }
        self.cuts.push(Cut { start: at, records: 1 });
        at + FRAME_HEADER_BYTES
    }
}

/// Nobody waits for ever for a batch that went down with its writer.
impl Drop for Pending {
    fn drop(&mut self) {
        self.resolve(Err(CommitError::Closed));
    }
}

/// Why a record has no place.
pub(super) enum PushFault {
    Full,
    Oversize,
}

/// Records of one topic, encoded one after another: the outputs of a unit.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    bytes: Vec<u8>,
    records: Vec<(Header, usize)>,
}

impl Packed {
    pub(crate) fn push(
        &mut self,
        topic: Topic,
        header: Header,
        write: Write<'_>,
    ) -> Result<(), Refused> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let length = self.bytes.len().checked_sub(start);
        if length.is_none_or(|length| length > PAYLOAD_BYTES_MAX) {
            self.bytes.truncate(start);
            return Err(Refused::Oversize(topic));
        }
        self.records.push((header, self.bytes.len()));
        Ok(())
    }

    pub(crate) fn get(&self, index: usize) -> Option<(Header, &[u8])> {
        let (header, end) = *self.records.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => self.records.get(before)?.1,
            None => 0,
        };
        Some((header, self.bytes.get(start..end)?))
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }
}
