//! Records that wait for their commit, a second time in files in memory: those outlive the process, so a click that was
//! answered is not lost with it. They do not outlive the machine: a power cut may cost the commit interval.
//!
//! Each topic has two files, as one batch gathers while the one before it is written. An entry carries the offset that
//! its record will have, so a start knows which of them the log has already.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use event::Topic;

use crate::disk::{Disk, DiskFile, Mode, read_full, write_full};
use crate::frame::{FRAME_BODY_BYTES_MAX, take_record};
use crate::record::{Offset, Record};

/// File in the data folder that names the echo's files: both live as long as the machine runs.
const NAME_FILE: &str = "ECHO";
/// Check sum, length of the record, its offset.
const ENTRY_HEADER_BYTES: usize = 16;
/// Topics whose records are answered before they are durable.
const TOPICS: [Topic; 2] = [Topic::Touches, Topic::Rejected];

/// Records with their offsets.
type Placed = Vec<(Offset, Record)>;

/// Where the echoes of a log are.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    /// The log's own folder.
    pub(crate) data: &'a Path,
    /// A folder in memory.
    pub(crate) memory: &'a Path,
}

impl Room<'_> {
    /// What a process before left, in the order of the offsets.
    pub(crate) fn left(&self) -> io::Result<Vec<(Topic, Placed)>> {
        let Some(name) = self.name()? else { return Ok(Vec::new()) };
        let mut left = Vec::new();
        for topic in TOPICS {
            let mut records = Vec::new();
            for path in self.paths(&name, topic) {
                match self.disk.open(&path, Mode::Read) {
                    Ok(file) => entries(&*file, &mut records)?,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                }
            }
            records.sort_by_key(|(offset, _)| *offset);
            left.push((topic, records));
        }
        Ok(left)
    }

    /// Begins anew: what a process before left goes, and each echoed topic gets its files.
    pub(crate) fn begin(&self) -> io::Result<Vec<(Topic, Echo)>> {
        let before = self.name()?;
        let name = format!("{:016x}", getrandom::u64().map_err(io::Error::other)?);
        let echo = |topic| {
            let paths = self.paths(&name, topic);
            let [first, second] = &paths;
            let open = |path: &Path| self.disk.create_in_memory(path);
            let files = [open(first)?, open(second)?];
            let disk = Arc::clone(self.disk);
            let at = Mark { place: 0, offset: 0 };
            Ok((topic, Echo { disk, paths, files, slot: 0, at, entry: Vec::new() }))
        };
        let echoes = TOPICS.into_iter().map(echo).collect::<io::Result<Vec<_>>>()?;
        // Not synced: if a power cut takes it, there is no echo either.
        let file = self.disk.open(&self.data.join(NAME_FILE), Mode::Replace)?;
        write_full(&*file, name.as_bytes(), 0)?;
        if let Some(name) = before {
            for path in TOPICS.into_iter().flat_map(|topic| self.paths(&name, topic)) {
                remove(&**self.disk, &path);
            }
        }
        Ok(echoes)
    }

    fn name(&self) -> io::Result<Option<String>> {
        let file = match self.disk.open(&self.data.join(NAME_FILE), Mode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut bytes = [0; 16];
        read_full(&*file, &mut bytes, 0)?;
        let name = String::from_utf8_lossy(&bytes).into_owned();
        Ok(name.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(name))
    }

    fn paths(&self, name: &str, topic: Topic) -> [PathBuf; 2] {
        [0, 1].map(|slot| self.memory.join(format!("sillage-{name}-{topic}-{slot}")))
    }
}

/// A place in an echo, and the offset of the record that comes there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    place: u64,
    offset: Offset,
}

/// The echo of one topic's queue.
#[derive(Debug)]
pub(crate) struct Echo {
    disk: Arc<dyn Disk>,
    paths: [PathBuf; 2],
    files: [Box<dyn DiskFile>; 2],
    /// The file of the batch that gathers.
    slot: usize,
    at: Mark,
    entry: Vec<u8>,
}

impl Echo {
    /// The next record gets this offset.
    pub(crate) fn start_at(&mut self, offset: Offset) {
        self.at.offset = offset;
    }

    /// Adds a record, as it stands in a frame.
    pub(crate) fn add(&mut self, record: &[u8]) -> io::Result<()> {
        let Some(file) = self.files.get(self.slot) else { return Ok(()) };
        let length = u32::try_from(record.len()).map_err(io::Error::other)?;
        self.entry.clear();
        self.entry.extend_from_slice(&[0; 4]);
        self.entry.extend_from_slice(&length.to_le_bytes());
        self.entry.extend_from_slice(&self.at.offset.to_le_bytes());
        self.entry.extend_from_slice(record);
        if let Some((check, covered)) = self.entry.split_first_chunk_mut() {
            *check = crc32c::crc32c(covered).to_le_bytes();
        }
        write_full(&**file, &self.entry, self.at.place)?;
        self.at.place += self.entry.len() as u64;
        self.at.offset += 1;
        Ok(())
    }

    pub(crate) const fn mark(&self) -> Mark {
        self.at
    }

    /// Takes back what was added since the mark.
    pub(crate) fn rewind(&mut self, to: Mark) {
        self.at = to;
    }

    /// The batch goes to the writer and the next one gathers. The one before it is durable: its file is free.
    pub(crate) fn turn(&mut self) {
        self.slot ^= 1;
        self.at.place = 0;
    }

    /// Everything is in the log.
    pub(crate) fn remove(self) {
        for path in &self.paths {
            remove(&*self.disk, path);
        }
    }
}

/// An echo that stays costs memory until the machine stops, and nothing else.
fn remove(disk: &dyn Disk, path: &Path) {
    match disk.remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), error = %e, "remove an echo");
        }
        _ => {}
    }
}

/// Reads the entries of the batch at the beginning of a file; behind it may stand the rest of an earlier one, whose
/// offsets are lower.
fn entries(file: &dyn DiskFile, records: &mut Placed) -> io::Result<()> {
    let (mut place, mut expected) = (0, None);
    let mut head = [0; ENTRY_HEADER_BYTES];
    let mut entry = Vec::new();
    while read_full(file, &mut head, place)? == ENTRY_HEADER_BYTES {
        let [c0, c1, c2, c3, l0, l1, l2, l3, rest @ ..] = head;
        let check = u32::from_le_bytes([c0, c1, c2, c3]);
        let offset = Offset::from_le_bytes(rest);
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        if length > FRAME_BODY_BYTES_MAX || expected.is_some_and(|expected| offset != expected) {
            break;
        }
        entry.resize(ENTRY_HEADER_BYTES - 4 + length, 0);
        let read = read_full(file, &mut entry, place + 4)?;
        if read < entry.len() || crc32c::crc32c(&entry) != check {
            break;
        }
        let record = entry.get(ENTRY_HEADER_BYTES - 4..).unwrap_or_default();
        let Some(record) = take_record(&mut Bytes::copy_from_slice(record)) else { break };
        records.push((offset, record));
        expected = Some(offset + 1);
        place += (ENTRY_HEADER_BYTES + length) as u64;
    }
    Ok(())
}
