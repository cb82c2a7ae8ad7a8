//! Reading topics without a group.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use event::{LaneId, Millis, Sequence, Topic};

use crate::consume::Batch;
use crate::damage::Reporter;
use crate::disk::Disk;
use crate::error::Error;
use crate::reader::{Bounds, Reader};
use crate::record::Offset;
use crate::recover::{Finder, Found, read_format};
use crate::stream::Stream;

/// Records and bytes of a batch of a [`Scan`].
const SCAN_BOUNDS: Bounds = Bounds { records: 4096, bytes: 4 << 20 };

/// Reads topics from any offset, outside of any group.
#[derive(Clone, Debug)]
pub struct LogReader {
    pub(super) streams: Arc<[Arc<Stream>]>,
}

impl LogReader {
    /// Opens a data folder for reading only, up to what is in it now. Takes no lock and writes nothing, so it can be
    /// used beside the process that has the folder open; then its last records may not be fsynced yet.
    ///
    /// # Errors
    /// The folder has no FORMAT file, or one of a newer format; the disk fails.
    pub fn open(disk: &Arc<dyn Disk>, folder: &Path) -> Result<Self, Error> {
        let path = folder.join("FORMAT");
        if read_format(&**disk, &path)?.is_none() {
            return Err(Error::FormatFile { path, fault: "there is none: this is no data folder" });
        }
        let reporter = Arc::new(Reporter::new(None));
        Ok(Self::find(disk, folder, &reporter, false)?.0)
    }

    pub(super) fn find(
        disk: &Arc<dyn Disk>,
        folder: &Path,
        reporter: &Arc<Reporter>,
        writes: bool,
    ) -> Result<(Self, Vec<Found>), Error> {
        let mut streams = Vec::new();
        let mut all = Vec::new();
        for topic in Topic::ALL {
            let stream_folder = folder.join(topic.name());
            let quarantine = folder.join("quarantine");
            let finder = Finder {
                disk: &**disk,
                topic,
                folder: stream_folder,
                quarantine,
                reporter,
                writes,
            };
            let mut found = finder.find()?;
            let extent = std::mem::take(&mut found.extent);
            let (disk, reporter) = (Arc::clone(disk), Arc::clone(reporter));
            streams.push(Arc::new(Stream::new(topic, disk, finder.folder, reporter, extent)));
            all.push(found);
        }
        Ok((Self { streams: streams.into() }, all))
    }

    #[expect(clippy::expect_used, reason = "made for all topics, in one place")]
    pub(super) fn stream(&self, topic: Topic) -> Arc<Stream> {
        let stream = self.streams.iter().find(|stream| stream.topic == topic);
        Arc::clone(stream.expect("a stream for each topic"))
    }

    /// The offset after the last durable record.
    #[must_use]
    pub fn high_watermark(&self, topic: Topic) -> Offset {
        self.stream(topic).high_watermark()
    }

    /// The offset of the first record that is kept.
    #[must_use]
    pub fn first_offset(&self, topic: Topic) -> Offset {
        self.stream(topic).first_offset()
    }

    /// Reads from `from` up to the high watermark of now.
    #[must_use]
    pub fn scan(&self, topic: Topic, from: Offset) -> Scan {
        let stream = self.stream(topic);
        let end = stream.high_watermark();
        let mut reader = Reader::new(stream, from);
        reader.seek(from);
        Scan { reader, end, failed: false }
    }

    /// The highest durable sequence of each lane in the records of `topic` that were written at `since` or later (and
    /// of some before). Looks at headers only.
    ///
    /// # Errors
    /// The disk fails.
    pub fn highest_sequences(
        &self,
        topic: Topic,
        since: Millis,
    ) -> Result<HashMap<LaneId, Sequence>, Error> {
        let extent = self.stream(topic).extent();
        // A segment holds records from its creation on, until the creation of the next.
        let from = extent
            .segments
            .iter()
            .rev()
            .find(|segment| segment.created_at.is_some_and(|at| at <= since))
            .map_or(0, |segment| segment.first_offset);
        let mut lanes = HashMap::new();
        for batch in self.scan(topic, from) {
            for record in batch?.records.iter().filter(|record| record.id.is_minted()) {
                let highest = lanes.entry(record.id.lane()).or_insert(Sequence(0));
                *highest = record.id.sequence().max(*highest);
            }
        }
        Ok(lanes)
    }
}

/// The batches of a topic from an offset to the high watermark at its beginning. Ends after an error.
#[derive(Debug)]
pub struct Scan {
    reader: Reader,
    end: Offset,
    failed: bool,
}

impl Scan {
    /// Goes on from where it ended to the high watermark of now, also after an error. Unlike a new scan it need not look
    /// for its place in the segment.
    pub fn resume(&mut self) {
        self.end = self.reader.stream().high_watermark();
        self.failed = false;
    }
}

impl Iterator for Scan {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.reader.next_offset() >= self.end {
            return None;
        }
        let left = usize::try_from(self.end - self.reader.next_offset()).unwrap_or(usize::MAX);
        let bounds = Bounds { records: SCAN_BOUNDS.records.min(left), ..SCAN_BOUNDS };
        let batch = self.reader.read(bounds).transpose();
        self.failed = matches!(batch, Some(Err(_)));
        batch
    }
}
