//! How far each group has read: one small file per group with two slots, written in turn, so that moving a cursor
//! is one write and one fdatasync, and a torn write leaves the other slot.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::consume::Cursor;
use crate::disk::{Disk, DiskFile, Mode, SyncPoint, read_full, write_full};
use crate::ends::Ends;
use crate::error::Error;
use crate::frame::stream_number;
use crate::metrics::{high_watermark, lag};
use crate::record::Offset;
use crate::signal::lock;
use crate::stream::Stream;

const MAGIC: [u8; 8] = *b"\xf5SILCUR\x01";
/// Bytes of a slot: a page, so that the slots share none.
const SLOT_BYTES: usize = 4096;
const SLOT_HEADER_BYTES: usize = 24;
const ENTRY_BYTES: usize = 16;
/// Most entries of a slot.
const ENTRIES_MAX: usize = (SLOT_BYTES - SLOT_HEADER_BYTES) / ENTRY_BYTES;

/// Stream number and partition → next offset.
type Entries = BTreeMap<(u32, u32), Offset>;

/// The cursors of one group.
#[derive(Debug)]
pub(crate) struct CursorFile {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    group: &'static str,
    /// `None` before the first write, and after a failed one: the file is then made anew.
    file: Option<Box<dyn DiskFile>>,
    sequence: u64,
    entries: Entries,
    /// Whether a consumer of this process has it.
    pub(crate) taken: bool,
}

impl CursorFile {
    /// The file of `group`, empty if there is none. A file of which no slot is good starts the group from the start.
    fn load(disk: Arc<dyn Disk>, folder: PathBuf, group: &'static str) -> Result<Self, Error> {
        let path = folder.join(group);
        let mut this = Self {
            disk,
            folder,
            group,
            file: None,
            sequence: 0,
            entries: Entries::new(),
            taken: false,
        };
        let file = match this.disk.open(&path, Mode::Write) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(this),
            Err(source) => return Err(Error::Io { what: "open", path, source }),
        };
        let mut bytes = vec![0; 2 * SLOT_BYTES];
        read_full(&*file, &mut bytes, 0).map_err(|source| Error::Io {
            what: "read",
            path,
            source,
        })?;
        let newest = bytes.chunks(SLOT_BYTES).filter_map(decode).max_by_key(|(s, _)| *s);
        match newest {
            Some((sequence, entries)) => {
                this.sequence = sequence;
                this.entries = entries;
                this.file = Some(file);
            }
            None => tracing::error!(
                group = this.group,
                "the cursors of this group are damaged; it reads from the start"
            ),
        }
        Ok(this)
    }

    pub(crate) fn next_offset(&self, stream: u32) -> Option<Offset> {
        self.entries.get(&(stream, 0)).copied()
    }

    fn measure_lag(&self, streams: &[Arc<Stream>], ends: &[Ends], now: Instant) {
        for (stream, ends) in streams.iter().zip(ends) {
            if let Some(next) = self.next_offset(stream.number()) {
                let behind = stream.high_watermark().saturating_sub(next);
                let (records, seconds) = lag(self.group, stream.topic);
                #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
                records.set(behind as f64);
                seconds.set(ends.waited(now, next).as_secs_f64());
            }
        }
    }

    /// Makes sure that the group is known to read these streams, so that nothing of them is deleted before it did.
    pub(crate) fn register(&mut self, streams: impl Iterator<Item = u32>) -> Result<(), Error> {
        let mut entries = self.entries.clone();
        for stream in streams {
            entries.entry((stream, 0)).or_insert(0);
        }
        if entries == self.entries && self.file.is_some() {
            return Ok(());
        }
        self.store(entries)
    }

    /// Moves cursors, durably.
    pub(crate) fn commit(&mut self, cursors: &[Cursor]) -> Result<(), Error> {
        let mut entries = self.entries.clone();
        for Cursor { partition, next } in cursors {
            entries.insert((stream_number(partition.topic), partition.index), *next);
        }
        if entries == self.entries && self.file.is_some() {
            return Ok(());
        }
        self.store(entries)
    }

    fn store(&mut self, entries: Entries) -> Result<(), Error> {
        let sequence = self.sequence + 1;
        let slot = encode(sequence, &entries);
        let path = self.folder.join(self.group);
        match self.file.take() {
            Some(file) => {
                let at = sequence % 2 * SLOT_BYTES as u64;
                // A file on which this fails is not used again.
                write_full(&*file, &slot, at)
                    .and_then(|()| file.sync(SyncPoint::Cursor))
                    .map_err(|source| Error::Io { what: "move cursors in", path, source })?;
                self.file = Some(file);
            }
            None => {
                let file = self.replace(&path, sequence, &slot).map_err(|source| Error::Io {
                    what: "write cursors to",
                    path,
                    source,
                })?;
                self.file = Some(file);
            }
        }
        self.sequence = sequence;
        self.entries = entries;
        Ok(())
    }

    fn replace(&self, path: &Path, sequence: u64, slot: &[u8]) -> io::Result<Box<dyn DiskFile>> {
        let new = self.folder.join(format!("{}.new", self.group));
        let file = self.disk.open(&new, Mode::Replace)?;
        file.set_length(2 * SLOT_BYTES as u64)?;
        write_full(&*file, slot, sequence % 2 * SLOT_BYTES as u64)?;
        file.sync(SyncPoint::CursorFile)?;
        self.disk.rename(&new, path)?;
        self.disk.sync_folder(&self.folder, SyncPoint::CursorFolder)?;
        Ok(file)
    }
}

fn encode(sequence: u64, entries: &Entries) -> Vec<u8> {
    let count = entries.len().min(ENTRIES_MAX);
    let mut slot = Vec::with_capacity(SLOT_HEADER_BYTES + count * ENTRY_BYTES);
    slot.extend_from_slice(&MAGIC);
    slot.extend_from_slice(&sequence.to_le_bytes());
    slot.extend_from_slice(&u32::try_from(count).unwrap_or(0).to_le_bytes());
    slot.extend_from_slice(&[0; 4]);
    for ((stream, partition), next) in entries.iter().take(count) {
        slot.extend_from_slice(&stream.to_le_bytes());
        slot.extend_from_slice(&partition.to_le_bytes());
        slot.extend_from_slice(&next.to_le_bytes());
    }
    let check = crc32c::crc32c(&slot).to_le_bytes();
    if let Some(place) = slot.get_mut(20..24) {
        place.copy_from_slice(&check);
    }
    slot
}

fn decode(slot: &[u8]) -> Option<(u64, Entries)> {
    let word = |at: usize| Some(u32::from_le_bytes(*slot.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_le_bytes(*slot.get(at..)?.first_chunk()?));
    let count = usize::try_from(word(16)?).ok().filter(|count| *count <= ENTRIES_MAX)?;
    let mut covered = slot.get(..SLOT_HEADER_BYTES + count * ENTRY_BYTES)?.to_vec();
    covered.get_mut(20..24)?.fill(0);
    if !covered.starts_with(&MAGIC) || crc32c::crc32c(&covered) != word(20)? {
        return None;
    }
    let entry = |index: usize| {
        let at = SLOT_HEADER_BYTES + index * ENTRY_BYTES;
        Some(((word(at)?, word(at + 4)?), long(at + 8)?))
    };
    Some((long(8)?, (0..count).map(entry).collect::<Option<Entries>>()?))
}

/// The cursor files of all groups, those of earlier runs too.
#[derive(Debug)]
pub(crate) struct Groups {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    files: Mutex<HashMap<&'static str, Arc<Mutex<CursorFile>>>>,
    /// For each stream, where it ended when.
    ends: Mutex<Vec<Ends>>,
}

impl Groups {
    pub(crate) fn load(disk: Arc<dyn Disk>, folder: PathBuf) -> Result<Self, Error> {
        let io = |what, source| Error::Io { what, path: folder.clone(), source };
        // What an earlier process renamed may not be durable yet.
        disk.sync_folder(&folder, SyncPoint::CursorsFound).map_err(|e| io("sync", e))?;
        let mut files = HashMap::new();
        for name in disk.list(&folder).map_err(|e| io("list", e))? {
            if !name.ends_with(".new") {
                // Labels of metrics live as long as the process, and so do the few groups of a folder.
                let name: &'static str = name.leak();
                let file = CursorFile::load(Arc::clone(&disk), folder.clone(), name)?;
                files.insert(name, Arc::new(Mutex::new(file)));
            }
        }
        Ok(Self { disk, folder, files: Mutex::new(files), ends: Mutex::default() })
    }

    pub(crate) fn group(&self, name: &'static str) -> Result<Arc<Mutex<CursorFile>>, Error> {
        let mut files = lock(&self.files);
        if let Some(file) = files.get(name) {
            return Ok(Arc::clone(file));
        }
        let (disk, folder) = (Arc::clone(&self.disk), self.folder.clone());
        let file = Arc::new(Mutex::new(CursorFile::load(disk, folder, name)?));
        files.insert(name, Arc::clone(&file));
        Ok(file)
    }

    /// Measures where each topic ends and how far each group is behind, in all that it ever read.
    pub(crate) fn measure_lag(&self, streams: &[Arc<Stream>], now: Instant) {
        let mut ends = lock(&self.ends);
        ends.resize_with(streams.len(), Ends::default);
        for (stream, ends) in streams.iter().zip(&mut *ends) {
            let end = stream.high_watermark();
            ends.note(now, end);
            #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
            high_watermark(stream.topic).set(end as f64);
        }
        self.all().iter().for_each(|file| lock(file).measure_lag(streams, &ends, now));
    }

    fn all(&self) -> Vec<Arc<Mutex<CursorFile>>> {
        lock(&self.files).values().cloned().collect()
    }

    /// The lowest cursor of all groups that read this stream; `None` if none does.
    pub(crate) fn lowest(&self, stream: u32) -> Option<Offset> {
        self.all().iter().filter_map(|file| lock(file).next_offset(stream)).min()
    }
}
