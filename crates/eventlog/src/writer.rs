//! The one thread that writes a stream: frame, write, fdatasync, tell.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use event::Clock;

use crate::disk::{DiskFile, Mode, SyncPoint, write_full};
use crate::error::CommitError;
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::metrics::{LogMetrics, WriterMetrics};
use crate::queue::{Fill, Pending, Queue, State};
use crate::segment::Segment;
use crate::stream::Stream;

/// First and largest step by which a segment takes space ahead of its frames: one that is written into allocated
/// space changes nothing but that space with its fdatasync. Larger steps would be a pause that callers see: this one is
/// below 2 ms on a disk of 1 GB/s.
const ALLOCATE_BYTES_MIN: u64 = 64 << 10;
const ALLOCATE_BYTES_MAX: u64 = 1 << 20;

/// Writes one stream.
pub(crate) struct Writer {
    pub(crate) stream: Arc<Stream>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) fill: Arc<Fill>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) segment_bytes_max: u64,
    pub(crate) interval: Duration,
    pub(crate) probe_interval: Duration,
    pub(crate) log_metrics: LogMetrics,
    pub(crate) metrics: WriterMetrics,
    /// Number of the next segment.
    pub(crate) next_segment: u64,
    pub(crate) active: Option<Active>,
}

/// The segment that is being written. Dropped for good when a write or fdatasync on it fails.
pub(crate) struct Active {
    segment: Segment,
    file: Box<dyn DiskFile>,
    allocated: u64,
    /// Whether readers know it: from its first durable frame on.
    shown: bool,
}

impl Writer {
    /// Until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _ended = Ended(Arc::clone(&self.queue));
        let mut batch = Pending::default();
        while self.queue.take(&mut batch, self.interval) {
            let started = Instant::now();
            self.metrics.commit_records.record(batch.records);
            self.commit(&mut batch);
            self.metrics.commit_seconds.record(started.elapsed());
            batch.clear();
            self.queue.written();
        }
        self.give_back();
    }

    /// Writes the batch, on new segments if need be, until it is durable or the log is closed.
    fn commit(&mut self, batch: &mut Pending) {
        let mut frame = 0;
        let mut failures = 0_u32;
        let mut last_try = false;
        loop {
            let fault = match self.write(batch, &mut frame) {
                Ok(()) => break,
                Err(fault) => fault,
            };
            failures = failures.saturating_add(1);
            let full = is_full(&fault);
            self.abandon(full);
            if failures == 1 {
                // Never the same file again: pages that an fsync failed for may be marked clean.
                tracing::error!(topic = %self.stream.topic, error = %fault, "write failed; trying a new segment");
                continue;
            }
            let (state, outcome) = if full {
                (State::DiskFull, CommitError::DiskFull)
            } else {
                (State::Failed, CommitError::Failed)
            };
            if self.queue.state() != state {
                tracing::error!(topic = %self.stream.topic, error = %fault, "stream cannot write; probing");
                self.metrics.state(if full { 1 } else { 2 });
            }
            self.queue.set_state(state);
            batch.resolve(Err(outcome));
            if last_try {
                tracing::error!(topic = %self.stream.topic, records = batch.records, "closed with records unwritten");
                self.queue.leave_echo();
                return;
            }
            last_try = self.queue.pause(self.probe_interval);
        }
        if failures > 0 {
            tracing::info!(topic = %self.stream.topic, failures, "stream writes again");
            self.metrics.state(0);
            self.queue.set_state(State::Open);
        }
        batch.resolve(Ok(()));
    }

    /// Writes and syncs the frames from `*frame` on, one by one: so a torn tail is one frame, and a frame that is
    /// followed by another was durable.
    fn write(&mut self, batch: &mut Pending, frame: &mut usize) -> io::Result<()> {
        while let Some(cut) = batch.cuts.get(*frame).copied() {
            let end = batch.cuts.get(*frame + 1).map_or(batch.bytes.len(), |next| next.start);
            let Some(bytes) = batch.bytes.get_mut(cut.start..end) else { return Ok(()) };
            self.write_frame(bytes, cut.records)?;
            *frame += 1;
        }
        Ok(())
    }

    fn write_frame(&mut self, bytes: &mut [u8], records: u32) -> io::Result<()> {
        let extent = self.stream.extent();
        let length = bytes.len() as u64;
        let too_long =
            |a: &Active| a.shown && a.segment.end.saturating_add(length) > self.segment_bytes_max;
        if self.active.as_ref().is_some_and(too_long) {
            self.give_back();
        }
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.create(extent.next_frame, extent.next_offset)?,
        };
        let header = FrameHeader {
            stream: self.stream.number(),
            length: u32::try_from(bytes.len().saturating_sub(FRAME_HEADER_BYTES)).unwrap_or(0),
            number: extent.next_frame,
            first_offset: extent.next_offset,
            records,
        };
        header.seal(bytes, active.segment.id);
        let position = active.segment.end;
        let written = self.write_durably(&mut active, bytes, position);
        let shown = active.shown;
        if written.is_ok() {
            active.shown = true;
            active.segment.end = position + length;
        }
        let segment = active.segment.clone();
        self.active = Some(active);
        written?;
        self.stream.update(|extent| {
            extent.next_frame += 1;
            extent.next_offset += u64::from(records);
            match extent.segments.last_mut() {
                Some(last) if shown => last.end = segment.end,
                _ => extent.segments.push(segment),
            }
        });
        let grown = if shown { length } else { length + SEGMENT_HEADER_BYTES as u64 };
        let bytes = self.fill.bytes.fetch_add(grown, Ordering::Relaxed) + grown;
        #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
        self.log_metrics.bytes.set(bytes as f64);
        Ok(())
    }

    fn write_durably(&self, active: &mut Active, bytes: &[u8], position: u64) -> io::Result<()> {
        let end = position + bytes.len() as u64;
        if end > active.allocated {
            let step = active.allocated.clamp(ALLOCATE_BYTES_MIN, ALLOCATE_BYTES_MAX);
            let ahead = (active.allocated + step).min(self.segment_bytes_max).max(end);
            match active.file.allocate(ahead) {
                Ok(()) => active.allocated = ahead,
                // The last bytes of a disk are still good for a frame, and what was taken ahead for other streams.
                Err(e) if is_full(&e) => {
                    active.file.set_length(active.allocated.max(position))?;
                    active.file.allocate(end)?;
                }
                Err(e) => return Err(e),
            }
        }
        write_full(&*active.file, bytes, position)?;
        active.file.sync(SyncPoint::Frame)?;
        if !active.shown {
            self.stream.disk.sync_folder(&self.stream.folder, SyncPoint::SegmentFolder)?;
        }
        Ok(())
    }

    /// A new segment file. Its header becomes durable with its first frame.
    fn create(&mut self, first_frame: u64, first_offset: u64) -> io::Result<Active> {
        let number = self.next_segment;
        self.next_segment += 1;
        let id = getrandom::u64().map_err(io::Error::other)?;
        let created_at = self.clock.now();
        let end = SEGMENT_HEADER_BYTES as u64;
        let segment =
            Segment { number, id, first_frame, first_offset, created_at: Some(created_at), end };
        let stream = self.stream.number();
        let header = SegmentHeader { stream, number, id, first_frame, first_offset, created_at };
        let path = self.stream.path(&segment);
        let file = self.stream.disk.open(&path, Mode::Create)?;
        if let Err(e) = write_full(&*file, &header.encode(), 0) {
            self.remove(&segment);
            return Err(e);
        }
        Ok(Active { segment, file, allocated: 0, shown: false })
    }

    /// Leaves a segment on which something failed. One without a durable frame goes; in the other, what follows
    /// its durable frames is ignored because the next segment begins with the same frame number, and on a full disk it
    /// is given back.
    fn abandon(&mut self, full: bool) {
        if full && self.active.as_ref().is_some_and(|active| active.shown) {
            self.give_back();
        }
        if let Some(active) = self.active.take()
            && !active.shown
        {
            drop(active.file);
            self.remove(&active.segment);
        }
    }

    fn remove(&self, segment: &Segment) {
        if let Err(e) = self.stream.disk.remove(&self.stream.path(segment)) {
            tracing::warn!(topic = %self.stream.topic, error = %e, "remove a segment that could not be written");
        }
    }

    /// Ends the active segment and gives its unused space back. Readers ignore that space, so this needs no fsync.
    fn give_back(&mut self) {
        if let Some(active) = self.active.take()
            && let Err(e) = active.file.set_length(active.segment.end)
        {
            tracing::warn!(topic = %self.stream.topic, error = %e, "cut the unused end of a segment");
        }
    }
}

/// Whatever ends a writer, a panic too, ends its queue.
struct Ended(Arc<Queue>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.set_state(State::Closed);
    }
}

fn is_full(fault: &io::Error) -> bool {
    matches!(fault.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
