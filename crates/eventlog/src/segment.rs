//! Segments: their file names, and the walk over the frames of one.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use event::Millis;

use crate::disk::{DiskFile, read_full};
use crate::frame::{
    FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader, SEGMENT_HEADER_BYTES,
    is_intact,
};

/// Bytes read at once. 256 KiB: many small frames per read, and no long wait for the first.
const CHUNK_BYTES: usize = 256 << 10;

/// A segment of a stream as the process knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) id: u64,
    pub(crate) first_frame: u64,
    pub(crate) first_offset: u64,
    /// `None` if the header is damaged.
    pub(crate) created_at: Option<Millis>,
    /// Bytes up to the end of the last durable frame.
    pub(crate) end: u64,
}

/// The file name of a segment.
pub(crate) fn file_name(number: u64, id: u64) -> String {
    format!("{number:016x}-{id:016x}.seg")
}

/// Number and id, if `name` is the file name of a segment.
pub(crate) fn parse_file_name(name: &str) -> Option<(u64, u64)> {
    let (number, id) = name.strip_suffix(".seg")?.split_once('-')?;
    let hex = |text: &str| (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
    Some((hex(number)?, hex(id)?))
}

/// A frame with a good check sum.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) header: FrameHeader,
    pub(crate) body: Bytes,
    /// Position of its first byte in the segment.
    pub(crate) at: u64,
}

impl Frame {
    pub(crate) fn end(&self) -> u64 {
        self.at + self.header.frame_bytes() as u64
    }

    pub(crate) fn next_offset(&self) -> u64 {
        self.header.first_offset.saturating_add(self.header.records.into())
    }
}

/// One step of a walk.
#[derive(Debug)]
pub(crate) enum Step {
    /// The next frame; bytes before it that are none, if any.
    Frame(Frame, Option<Range<u64>>),
    /// No frame begins between here and the limit.
    End,
}

/// Walks over the frames of one segment.
#[derive(Debug)]
pub(crate) struct Walk {
    file: Arc<dyn DiskFile>,
    segment_id: u64,
    stream: u32,
    /// Where the next frame should begin.
    position: u64,
    chunk: Bytes,
    chunk_at: u64,
}

impl Walk {
    pub(crate) fn new(file: Arc<dyn DiskFile>, segment_id: u64, stream: u32) -> Self {
        let position = SEGMENT_HEADER_BYTES as u64;
        Self { file, segment_id, stream, position, chunk: Bytes::new(), chunk_at: 0 }
    }

    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// The next frame whose number is at least `expected` and that ends at or before `limit`.
    pub(crate) fn step(&mut self, limit: u64, expected: u64) -> io::Result<Step> {
        let start = self.position;
        let mut at = start;
        loop {
            if let Some(frame) = self.frame_at(at, limit)? {
                let end = frame.end();
                if frame.header.number >= expected {
                    self.position = end;
                    return Ok(Step::Frame(frame, (at > start).then_some(start..at)));
                }
                at = end;
                continue;
            }
            match self.next_magic(at + 1, limit)? {
                Some(found) => at = found,
                None => return Ok(Step::End),
            }
        }
    }

    /// At least `length` bytes from `at` on, less only if `limit` or the file's end comes first.
    fn bytes(&mut self, at: u64, length: usize, limit: u64) -> io::Result<Bytes> {
        let available = usize::try_from(limit.saturating_sub(at)).unwrap_or(usize::MAX);
        let wanted = length.min(available);
        let skip = at.checked_sub(self.chunk_at).and_then(|skip| usize::try_from(skip).ok());
        let have =
            skip.map_or_else(Bytes::new, |skip| self.chunk.slice(skip.min(self.chunk.len())..));
        if have.len() >= wanted {
            // The limit may have been lower when the chunk was read, never higher.
            return Ok(have.slice(..have.len().min(available)));
        }
        // A frame across the border: what is here already is not read again.
        let mut buffer = BytesMut::zeroed(wanted.max(CHUNK_BYTES.min(available)));
        let (kept, rest) = buffer.split_at_mut(have.len());
        kept.copy_from_slice(&have);
        let read = read_full(&*self.file, rest, at + have.len() as u64)?;
        buffer.truncate(have.len() + read);
        self.chunk = buffer.freeze();
        self.chunk_at = at;
        Ok(self.chunk.clone())
    }

    fn frame_at(&mut self, at: u64, limit: u64) -> io::Result<Option<Frame>> {
        let head = self.bytes(at, FRAME_HEADER_BYTES, limit)?;
        let Some(header) = FrameHeader::decode(&head, self.stream) else { return Ok(None) };
        let length = header.frame_bytes();
        let mut frame = if head.len() >= length { head } else { self.bytes(at, length, limit)? };
        if frame.len() < length {
            return Ok(None);
        }
        frame.truncate(length);
        if !is_intact(&frame, self.segment_id) {
            return Ok(None);
        }
        Ok(Some(Frame { header, body: frame.split_off(FRAME_HEADER_BYTES), at }))
    }

    fn next_magic(&mut self, from: u64, limit: u64) -> io::Result<Option<u64>> {
        let finder = memchr::memmem::Finder::new(&FRAME_MAGIC);
        let mut at = from;
        loop {
            let bytes = self.bytes(at, CHUNK_BYTES.min(FRAME_BODY_BYTES_MAX), limit)?;
            if bytes.len() < FRAME_HEADER_BYTES {
                return Ok(None);
            }
            if let Some(found) = finder.find(&bytes) {
                return Ok(Some(at + found as u64));
            }
            // The magic may lie across the border.
            at += (bytes.len() - (FRAME_MAGIC.len() - 1)) as u64;
        }
    }
}
