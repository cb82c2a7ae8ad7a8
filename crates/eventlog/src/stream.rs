//! What is known of one topic's segments: how far they are durable, and who waits for more.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

use event::Topic;

use crate::damage::Reporter;
use crate::disk::Disk;
use crate::frame::stream_number;
use crate::record::Offset;
use crate::segment::{Segment, file_name};
use crate::signal::{Signal, lock};

/// One topic on disk, as readers see it.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) topic: Topic,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) reporter: Arc<Reporter>,
    extent: Mutex<Extent>,
    waiting: Mutex<Vec<Weak<Signal>>>,
    /// Held while old segments are deleted: by one thread at a time.
    pub(crate) trimming: Mutex<()>,
}

/// The segments, and the numbers that come after their last durable frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extent {
    pub(crate) segments: Vec<Segment>,
    pub(crate) next_frame: u64,
    pub(crate) next_offset: Offset,
}

/// A segment and where its frames end: frames from the fence on were written again in a later segment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) segment: Segment,
    pub(crate) fence_frame: u64,
    pub(crate) fence_offset: Offset,
    pub(crate) is_last: bool,
}

impl Extent {
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.end).sum()
    }

    fn view(&self, index: usize) -> Option<View> {
        let segment = self.segments.get(index)?.clone();
        let next = self.segments.get(index + 1);
        Some(View {
            segment,
            fence_frame: next.map_or(self.next_frame, |n| n.first_frame),
            fence_offset: next.map_or(self.next_offset, |n| n.first_offset),
            is_last: next.is_none(),
        })
    }
}

impl Stream {
    pub(crate) fn new(
        topic: Topic,
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        reporter: Arc<Reporter>,
        extent: Extent,
    ) -> Self {
        Self {
            topic,
            disk,
            folder,
            reporter,
            extent: Mutex::new(extent),
            waiting: Mutex::default(),
            trimming: Mutex::default(),
        }
    }

    pub(crate) const fn number(&self) -> u32 {
        stream_number(self.topic)
    }

    pub(crate) fn path(&self, segment: &Segment) -> PathBuf {
        self.folder.join(file_name(segment.number, segment.id))
    }

    /// Changes the extent, then wakes those who wait for more.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Extent) -> T) -> T {
        let result = change(&mut lock(&self.extent));
        lock(&self.waiting)
            .retain(|signal| signal.upgrade().inspect(|signal| signal.ring()).is_some());
        result
    }

    pub(crate) fn extent(&self) -> Extent {
        lock(&self.extent).clone()
    }

    /// The offset after the last durable record.
    pub(crate) fn high_watermark(&self) -> Offset {
        lock(&self.extent).next_offset
    }

    /// The offset of the first record that is kept.
    pub(crate) fn first_offset(&self) -> Offset {
        let extent = lock(&self.extent);
        extent.segments.first().map_or(extent.next_offset, |s| s.first_offset)
    }

    /// The segment that holds `offset`, or the first one after it.
    pub(crate) fn holding(&self, offset: Offset) -> Option<View> {
        let extent = lock(&self.extent);
        let index = extent.segments.partition_point(|s| s.first_offset <= offset);
        extent.view(index.saturating_sub(1))
    }

    /// The segment with this number, or the first one after it.
    pub(crate) fn numbered(&self, number: u64) -> Option<View> {
        let extent = lock(&self.extent);
        extent.view(extent.segments.partition_point(|s| s.number < number))
    }

    pub(crate) fn wake(&self, signal: &Arc<Signal>) {
        lock(&self.waiting).push(Arc::downgrade(signal));
    }
}
