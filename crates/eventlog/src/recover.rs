//! What a start finds: the folder's lock and format, and how far each stream goes.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::Topic;

use crate::config::ClockKind;
use crate::damage::{Damage, Reporter, TornTail};
use crate::disk::{Disk, DiskFile, Mode, SyncPoint, read_full, write_full};
use crate::error::Error;
use crate::frame::{FORMAT, SEGMENT_HEADER_BYTES, SegmentHeader, stream_number};
use crate::segment::{Segment, Step, Walk, file_name, parse_file_name};
use crate::stream::Extent;

const TITLE: &str = "sillage event log";
/// More than any FORMAT file holds.
const FORMAT_BYTES_MAX: usize = 4096;
/// Bytes looked at in one read when a tail is searched for anything but zeros.
const TAIL_CHUNK_BYTES: usize = 64 << 10;

pub(crate) fn io_at<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { what, path: path.to_owned(), source }
}

/// Makes or checks the data folder, and locks it for this process.
pub(crate) fn claim(
    disk: &dyn Disk,
    folder: &Path,
    clock: ClockKind,
) -> Result<Box<dyn Any + Send + Sync>, Error> {
    create(disk, folder)?;
    if let Some(parent) = folder.parent().filter(|p| !p.as_os_str().is_empty()) {
        disk.sync_folder(parent, SyncPoint::DataFolder).map_err(io_at("sync", parent))?;
    }
    let path = folder.join("LOCK");
    let held = match disk.lock(&path) {
        Ok(held) => held,
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(Error::Locked { path }),
        Err(e) => return Err(io_at("lock", &path)(e)),
    };
    let path = folder.join("FORMAT");
    match read_format(disk, &path)? {
        Some(found) if found == clock.name() => {}
        Some(found) => return Err(Error::OtherClock { path, found, wanted: clock.name() }),
        None => write_format(disk, folder, &path, clock)?,
    }
    for topic in Topic::ALL {
        create(disk, &folder.join(topic.name()))?;
    }
    create(disk, &folder.join("cursors"))?;
    create(disk, &folder.join("quarantine"))?;
    disk.sync_folder(folder, SyncPoint::Entries).map_err(io_at("sync", folder))?;
    Ok(held)
}

fn create(disk: &dyn Disk, folder: &Path) -> Result<(), Error> {
    match disk.create_folder(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(io_at("create", folder)(e)),
        _ => Ok(()),
    }
}

fn write_format(
    disk: &dyn Disk,
    folder: &Path,
    path: &Path,
    clock: ClockKind,
) -> Result<(), Error> {
    for topic in Topic::ALL {
        let stream = folder.join(topic.name());
        match disk.list(&stream) {
            Ok(names) if names.iter().any(|n| parse_file_name(n).is_some()) => {
                let fault = "it is missing, but the folder has segments";
                return Err(Error::FormatFile { path: path.to_owned(), fault });
            }
            _ => {}
        }
    }
    let new = folder.join("FORMAT.new");
    let text = format!("{TITLE}\nformat = {FORMAT}\nclock = {}\n", clock.name());
    let file = disk.open(&new, Mode::Replace).map_err(io_at("open", &new))?;
    write_full(&*file, text.as_bytes(), 0).map_err(io_at("write", &new))?;
    file.sync(SyncPoint::FormatFile).map_err(io_at("sync", &new))?;
    disk.rename(&new, path).map_err(io_at("rename", &new))
}

/// The name of the clock in the FORMAT file; `None` if there is none.
pub(crate) fn read_format(disk: &dyn Disk, path: &Path) -> Result<Option<String>, Error> {
    let file = match disk.open(path, Mode::Read) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_at("open", path)(e)),
    };
    let mut bytes = vec![0; FORMAT_BYTES_MAX];
    let length = read_full(&*file, &mut bytes, 0).map_err(io_at("read", path))?;
    bytes.truncate(length);
    let fault = |fault| Error::FormatFile { path: path.to_owned(), fault };
    let text = String::from_utf8(bytes).map_err(|_| fault("it is no text"))?;
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(fault("its first line is not `sillage event log`"));
    }
    let found = lines
        .next()
        .and_then(|line| line.strip_prefix("format = "))
        .and_then(|number| number.parse::<u64>().ok())
        .ok_or_else(|| fault("its second line is not `format = ` and a number"))?;
    if found > u64::from(FORMAT) {
        let known = u64::from(FORMAT);
        return Err(Error::NewerFormat { path: path.to_owned(), found, known });
    }
    let clock = lines
        .next()
        .and_then(|line| line.strip_prefix("clock = "))
        .ok_or_else(|| fault("its third line is not `clock = real` or `clock = scaled`"))?;
    Ok(Some(clock.to_owned()))
}

/// What was found of one stream.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) extent: Extent,
    /// Number for the next segment.
    pub(crate) next_segment: u64,
    pub(crate) damage: Vec<Damage>,
    pub(crate) torn: Option<TornTail>,
}

/// Reads one stream's folder.
pub(crate) struct Finder<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) topic: Topic,
    pub(crate) folder: PathBuf,
    pub(crate) quarantine: PathBuf,
    pub(crate) reporter: &'a Reporter,
    /// Whether it may cut, remove and sync.
    pub(crate) writes: bool,
}

impl Finder<'_> {
    /// Finds the segments and the end of the last one.
    pub(crate) fn find(&self) -> Result<Found, Error> {
        let mut found = Found::default();
        let names = match self.disk.list(&self.folder) {
            Ok(names) => names,
            Err(e) if e.kind() == io::ErrorKind::NotFound && !self.writes => return Ok(found),
            Err(e) => return Err(io_at("list", &self.folder)(e)),
        };
        if self.writes {
            // Entries and removals of an earlier process may not be durable yet; new numbers rely on both.
            self.disk
                .sync_folder(&self.folder, SyncPoint::TailFolder)
                .map_err(io_at("sync", &self.folder))?;
        }
        let mut files: Vec<(u64, u64)> = names.iter().filter_map(|n| parse_file_name(n)).collect();
        files.sort_unstable();
        found.next_segment = files.last().map_or(0, |(number, _)| number + 1);
        let mut segments = Vec::new();
        for (number, id) in files {
            segments.extend(self.segment(number, id)?);
        }
        found.extent.segments = segments;
        if let Some(last) = found.extent.segments.pop() {
            let last = self.tail(last, &mut found)?;
            found.extent.segments.push(last);
        }
        Ok(found)
    }

    fn open(&self, number: u64, id: u64) -> Result<(PathBuf, Arc<dyn DiskFile>), Error> {
        let path = self.folder.join(file_name(number, id));
        let mode = if self.writes { Mode::Write } else { Mode::Read };
        let file = self.disk.open(&path, mode).map_err(io_at("open", &path))?;
        Ok((path, Arc::from(file)))
    }

    /// What the header says, or, if it is damaged, what the first good frame says. `None` if there is neither.
    fn segment(&self, number: u64, id: u64) -> Result<Option<Segment>, Error> {
        let (path, file) = match self.open(number, id) {
            Ok(opened) => opened,
            // Deleted since it was listed, by the process that has the folder open.
            Err(Error::Io { source, .. })
                if !self.writes && source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        let end = file.length().map_err(io_at("measure", &path))?;
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        read_full(&*file, &mut bytes, 0).map_err(io_at("read", &path))?;
        let stream = stream_number(self.topic);
        if let Some(header) = SegmentHeader::decode(&bytes)
            && (header.stream, header.number, header.id) == (stream, number, id)
        {
            let SegmentHeader { first_frame, first_offset, created_at, .. } = header;
            let created_at = Some(created_at);
            return Ok(Some(Segment { number, id, first_frame, first_offset, created_at, end }));
        }
        let mut walk = Walk::new(Arc::clone(&file), id, stream);
        if let Step::Frame(frame, _) = walk.step(end, 0).map_err(io_at("read", &path))? {
            let (first_frame, first_offset) = (frame.header.number, frame.header.first_offset);
            let created_at = None;
            return Ok(Some(Segment { number, id, first_frame, first_offset, created_at, end }));
        }
        // A file that was being made, or one of which nothing is left: the frame numbers tell which.
        if self.writes {
            let bytes = non_zero_end(&*file, 0, end).map_err(io_at("read", &path))?;
            if bytes == 0 {
                self.disk.remove(&path).map_err(io_at("remove", &path))?;
            } else {
                tracing::warn!(topic = %self.topic, segment = number, "a segment without header and frames");
                let kept =
                    self.quarantine.join(format!("{}-{}", self.topic, file_name(number, id)));
                self.disk.rename(&path, &kept).map_err(io_at("rename", &path))?;
            }
        }
        Ok(None)
    }

    /// Walks over the last segment; damage in it is reported, its torn tail cut.
    fn tail(&self, mut last: Segment, found: &mut Found) -> Result<Segment, Error> {
        let (path, file) = self.open(last.number, last.id)?;
        let length = last.end;
        let mut walk = Walk::new(Arc::clone(&file), last.id, stream_number(self.topic));
        let (mut next_frame, mut next_offset) = (last.first_frame, last.first_offset);
        while let Step::Frame(frame, gap) =
            walk.step(length, next_frame).map_err(io_at("read", &path))?
        {
            if frame.header.number > next_frame {
                let damage = Damage {
                    topic: self.topic,
                    segment: last.number,
                    bytes: gap.map_or(frame.at, |gap| gap.start)..frame.at,
                    offsets: next_offset..frame.header.first_offset,
                    known: false,
                };
                found.damage.extend(self.reporter.report(damage, Some(&*file)));
            }
            next_frame = frame.header.number + 1;
            next_offset = frame.next_offset();
        }
        last.end = walk.position();
        found.extent.next_frame = next_frame;
        found.extent.next_offset = next_offset;
        let torn = non_zero_end(&*file, last.end, length).map_err(io_at("read", &path))? - last.end;
        if torn > 0 {
            tracing::warn!(topic = %self.topic, segment = last.number, bytes = torn, "torn tail");
            found.torn = Some(TornTail { topic: self.topic, segment: last.number, bytes: torn });
        }
        if self.writes {
            file.set_length(last.end).map_err(io_at("cut", &path))?;
            // The process before may have been killed between a write and its fdatasync.
            file.sync(SyncPoint::Tail).map_err(io_at("sync", &path))?;
        }
        Ok(last)
    }
}

/// Position after the last byte between `from` and `to` that is not zero, or `from`.
fn non_zero_end(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<u64> {
    let mut end = from;
    let mut at = from;
    let mut buffer = vec![0; TAIL_CHUNK_BYTES];
    while at < to {
        let read = read_full(file, &mut buffer, at)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
            end = at + last as u64 + 1;
        }
        at += read as u64;
    }
    Ok(end.min(to.max(from)))
}
