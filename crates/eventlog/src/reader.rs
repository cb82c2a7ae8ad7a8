//! Reads one stream from an offset on, across its segments and around damage.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::consume::{Batch, Partition};
use crate::damage::Damage;
use crate::disk::{DiskFile, Mode};
use crate::error::Error;
use crate::frame::take_record;
use crate::record::Offset;
use crate::segment::{Segment, Step, Walk};
use crate::signal::lock;
use crate::stream::{Stream, View};

/// Bounds of one batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// A position in a stream.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: Arc<Stream>,
    next_offset: Offset,
    open: Option<Open>,
    /// What is left of the body of the frame that holds `next_offset`.
    rest: Bytes,
}

#[derive(Debug)]
struct Open {
    segment: Segment,
    file: Arc<dyn DiskFile>,
    walk: Walk,
    /// Number of the next frame, and offset of its first record.
    next_frame: u64,
    next_offset: Offset,
}

impl Reader {
    pub(crate) const fn new(stream: Arc<Stream>, offset: Offset) -> Self {
        Self { stream, next_offset: offset, open: None, rest: Bytes::new() }
    }

    pub(crate) const fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    pub(crate) const fn next_offset(&self) -> Offset {
        self.next_offset
    }

    pub(crate) fn seek(&mut self, offset: Offset) {
        self.next_offset = offset.min(self.stream.high_watermark());
        self.open = None;
        self.rest = Bytes::new();
    }

    /// The next batch, or `None` at the high watermark. On an error the position is that of the last batch.
    pub(crate) fn read(&mut self, bounds: Bounds) -> Result<Option<Batch>, Error> {
        let start = self.next_offset;
        let high_watermark = self.stream.high_watermark();
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < bounds.records && bytes < bounds.bytes {
            if let Some(record) = take_record(&mut self.rest) {
                bytes += record.payload.len();
                records.push(record);
                self.next_offset += 1;
                continue;
            }
            // Records of this call stand in memory; a failing read ends the batch and comes up at the next call.
            match self.next_frame() {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) if !records.is_empty() => break,
                Err(e) => {
                    self.open = None;
                    return Err(e);
                }
            }
        }
        let partition = Partition { topic: self.stream.topic, index: 0 };
        let next_offset = self.next_offset;
        let high_watermark = high_watermark.max(next_offset);
        Ok((next_offset > start).then_some(Batch {
            partition,
            records,
            next_offset,
            high_watermark,
        }))
    }

    /// Makes the frame that holds `next_offset`, or the first one after it, the one to take records from. `false` at
    /// the high watermark.
    fn next_frame(&mut self) -> Result<bool, Error> {
        loop {
            let view = match &self.open {
                Some(open) => self.stream.numbered(open.segment.number),
                None => self.stream.holding(self.next_offset),
            };
            let Some(view) = view else { return Ok(false) };
            let Some(mut open) = self.open_segment(&view)? else { continue };
            if open.next_frame >= view.fence_frame {
                if view.is_last {
                    // Damage at the very end may leave the position behind.
                    self.next_offset = self.next_offset.max(view.fence_offset);
                    self.open = Some(open);
                    return Ok(false);
                }
                match self.stream.numbered(view.segment.number + 1) {
                    Some(next) => self.open = self.open_segment(&next)?,
                    None => return Ok(false),
                }
                continue;
            }
            let before = open.walk.position();
            let step = open.walk.step(view.segment.end, open.next_frame).map_err(|source| {
                let path = self.stream.path(&view.segment);
                Error::Io { what: "read", path, source }
            })?;
            match step {
                Step::Frame(frame, gap) if frame.header.number < view.fence_frame => {
                    if frame.header.number > open.next_frame {
                        let from = gap.map_or(frame.at, |gap| gap.start);
                        self.lost(&open, from..frame.at, frame.header.first_offset);
                    }
                    open.next_frame = frame.header.number + 1;
                    open.next_offset = frame.next_offset();
                    let skip = self.next_offset.saturating_sub(frame.header.first_offset);
                    let holds = self.next_offset < frame.next_offset();
                    self.open = Some(open);
                    if holds {
                        self.next_offset = self.next_offset.max(frame.header.first_offset);
                        self.rest = frame.body;
                        for _ in 0..skip {
                            take_record(&mut self.rest);
                        }
                        return Ok(true);
                    }
                }
                Step::Frame(..) | Step::End => {
                    self.lost(&open, before..view.segment.end.max(before), view.fence_offset);
                    open.next_frame = view.fence_frame;
                    open.next_offset = view.fence_offset;
                    self.open = Some(open);
                }
            }
        }
    }

    fn lost(&mut self, open: &Open, bytes: std::ops::Range<u64>, until: Offset) {
        let damage = Damage {
            topic: self.stream.topic,
            segment: open.segment.number,
            bytes,
            offsets: open.next_offset..until,
            known: false,
        };
        self.stream.reporter.report(damage, Some(&*open.file));
    }

    /// The open segment if it is that of `view`, else that of `view` opened. `None` if it was deleted meanwhile.
    fn open_segment(&mut self, view: &View) -> Result<Option<Open>, Error> {
        match self.open.take() {
            Some(open) if open.segment.number == view.segment.number => Ok(Some(open)),
            _ => match self.enter(view) {
                Ok(open) => Ok(Some(open)),
                Err(Error::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && self.is_deleted(view) =>
                {
                    Ok(None)
                }
                Err(e) => Err(e),
            },
        }
    }

    /// Whether the segment was deleted. Waits for who is about it: its file goes before it is taken off the list.
    fn is_deleted(&self, view: &View) -> bool {
        drop(lock(&self.stream.trimming));
        self.stream.first_offset() > view.segment.first_offset
    }

    fn enter(&self, view: &View) -> Result<Open, Error> {
        let segment = view.segment.clone();
        let path = self.stream.path(&segment);
        let file = self.stream.disk.open(&path, Mode::Read).map_err(|source| Error::Io {
            what: "open",
            path,
            source,
        })?;
        let file: Arc<dyn DiskFile> = Arc::from(file);
        Ok(Open {
            walk: Walk::new(Arc::clone(&file), segment.id, self.stream.number()),
            file,
            next_frame: segment.first_frame,
            next_offset: segment.first_offset,
            segment,
        })
    }
}
