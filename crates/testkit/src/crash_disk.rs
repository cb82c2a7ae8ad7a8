//! A disk in memory that loses power.
//!
//! It keeps what was written apart from what was made durable. [`CrashDisk::crash`] drops every byte, length, entry and
//! rename that was not fsynced, or keeps any subset of them, and tears writes at sectors: all that a machine may do
//! that loses power. [`CrashDisk::kill`] ends the process only: what it wrote stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eventlog::{Disk, SyncPoint};

use self::process::Process;
use crate::dice::Dice;

mod process;

/// What a disk writes as a whole or not at all. Bytes.
const SECTOR_BYTES: usize = 512;

/// The disk. Clones are the same disk; a process uses what [`CrashDisk::process`] gives it.
#[derive(Clone)]
pub struct CrashDisk(Arc<Mutex<State>>);

impl fmt::Debug for CrashDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CrashDisk")
    }
}

struct State {
    dice: Dice,
    /// The process that may use the disk; earlier ones are dead.
    process: u64,
    /// Writing operations until the power fails.
    fuse: Option<u64>,
    off: bool,
    files: Vec<File>,
    folders: Vec<Folder>,
    locks: BTreeSet<PathBuf>,
    ignored: BTreeSet<SyncPoint>,
    synced: BTreeMap<SyncPoint, u64>,
    failing_syncs: BTreeMap<SyncPoint, u32>,
    failing_writes: u32,
    short_writes: bool,
    capacity_bytes: usize,
}

#[derive(Clone, Default)]
struct File {
    view: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
    Extend(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Folder(usize),
}

#[derive(Clone, Default)]
struct Folder {
    view: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    pending: Vec<Entry>,
}

#[derive(Clone)]
enum Entry {
    Link(String, Node),
    Unlink(String, Node),
    Rename(String, String, Node),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(place) = content.get_mut(*at..end) {
                    place.copy_from_slice(bytes);
                }
            }
            Self::Length(length) => content.resize(*length, 0),
            Self::Extend(length) => {
                if content.len() < *length {
                    content.resize(*length, 0);
                }
            }
        }
    }
}

impl Entry {
    fn apply(&self, entries: &mut BTreeMap<String, Node>) {
        match self {
            Self::Link(name, node) => {
                entries.insert(name.clone(), *node);
            }
            Self::Unlink(name, node) => {
                if entries.get(name) == Some(node) {
                    entries.remove(name);
                }
            }
            Self::Rename(from, to, node) => {
                if entries.get(from) == Some(node) {
                    entries.remove(from);
                }
                entries.insert(to.clone(), *node);
            }
        }
    }
}

impl CrashDisk {
    /// An empty disk with a durable root folder `/`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice: Dice::new(seed),
            process: 0,
            fuse: None,
            off: false,
            files: Vec::new(),
            folders: vec![Folder::default()],
            locks: BTreeSet::new(),
            ignored: BTreeSet::new(),
            synced: BTreeMap::new(),
            failing_syncs: BTreeMap::new(),
            failing_writes: 0,
            short_writes: false,
            capacity_bytes: usize::MAX,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk as the process of now sees it. It stops working at the next crash or kill.
    #[must_use]
    pub fn process(&self) -> Arc<dyn Disk> {
        Arc::new(Process { disk: self.clone(), process: self.state().process })
    }

    /// The power fails and comes back.
    pub fn crash(&self) {
        let mut state = self.state();
        state.end_process();
        let State { dice, files, folders, .. } = &mut *state;
        // Nothing, a half or nearly all of what was not synced survives.
        let survives = [0, 50, 95].get(dice.index(3)).copied().unwrap_or(0);
        for file in files {
            for change in std::mem::take(&mut file.pending) {
                match change {
                    Change::Write(at, bytes) if dice.chance(50) => {
                        for (nth, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                            if dice.chance(survives) {
                                let sector = sector.to_vec();
                                Change::Write(at + nth * SECTOR_BYTES, sector)
                                    .apply(&mut file.durable);
                            }
                        }
                    }
                    change @ (Change::Write(..) | Change::Length(_) | Change::Extend(_)) => {
                        if dice.chance(survives) {
                            change.apply(&mut file.durable);
                        }
                    }
                }
            }
            file.view.clone_from(&file.durable);
        }
        for folder in folders {
            for entry in std::mem::take(&mut folder.pending) {
                if dice.chance(survives) {
                    entry.apply(&mut folder.durable);
                }
            }
            folder.view.clone_from(&folder.durable);
        }
    }

    /// The process ends at once; what it wrote stays in the page cache.
    pub fn kill(&self) {
        self.state().end_process();
    }

    /// The power fails at the `operations`-th writing operation from now: nothing works from then on, until
    /// [`Self::crash`] or [`Self::kill`].
    pub fn fail_after(&self, operations: u64) {
        self.state().fuse = Some(operations);
    }

    /// Whether the power has not failed since the last crash or kill.
    #[must_use]
    pub fn has_power(&self) -> bool {
        !self.state().off
    }

    /// Syncs at `point` do nothing from now on, and say that they did.
    pub fn ignore(&self, point: SyncPoint) {
        self.state().ignored.insert(point);
    }

    /// How often `point` was synced.
    #[must_use]
    pub fn synced(&self, point: SyncPoint) -> u64 {
        self.state().synced.get(&point).copied().unwrap_or(0)
    }

    /// The next `count` syncs at `point` fail, and what they should have written is never written.
    pub fn fail_syncs(&self, point: SyncPoint, count: u32) {
        self.state().failing_syncs.insert(point, count);
    }

    /// The next `count` writes fail half way.
    pub fn fail_writes(&self, count: u32) {
        self.state().failing_writes = count;
    }

    /// Whether writes write only some of their bytes, and say so.
    pub fn short_writes(&self, short: bool) {
        self.state().short_writes = short;
    }

    /// The bytes that all files together may have; above that the disk is full.
    pub fn set_capacity(&self, bytes: usize) {
        self.state().capacity_bytes = bytes;
    }

    /// The bytes of all files that have a name.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.state().used_bytes()
    }

    /// The content of a file, if it is there.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        match state.find(path).ok()? {
            Node::File(index) => Some(state.files.get(index)?.view.clone()),
            Node::Folder(_) => None,
        }
    }

    /// Changes the content of a file behind everybody's back, durably: as a disk does that forgets.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        if let Ok(Node::File(index)) = state.find(path)
            && let Some(file) = state.files.get_mut(index)
        {
            change(&mut file.view);
            file.durable.clone_from(&file.view);
            file.pending.clear();
        }
    }

    /// The names in a folder.
    #[must_use]
    pub fn names(&self, path: &Path) -> Vec<String> {
        let state = self.state();
        match state.find(path) {
            Ok(Node::Folder(index)) => state
                .folders
                .get(index)
                .map(|f| f.view.keys().cloned().collect())
                .unwrap_or_default(),
            Ok(Node::File(_)) | Err(_) => Vec::new(),
        }
    }
}

impl State {
    fn end_process(&mut self) {
        self.process += 1;
        self.fuse = None;
        self.off = false;
        self.locks.clear();
    }

    /// Whether `process` may read.
    fn alive(&self, process: u64) -> io::Result<()> {
        if self.off || process != self.process {
            return Err(io::Error::other("this process is gone"));
        }
        Ok(())
    }

    /// Whether `process` may write; burns the fuse.
    fn touch(&mut self, process: u64) -> io::Result<()> {
        self.alive(process)?;
        match &mut self.fuse {
            Some(0) => {
                self.off = true;
                Err(io::Error::other("the power failed"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<Node> {
        let mut node = Node::Folder(0);
        for part in path.components() {
            match part {
                Component::RootDir => node = Node::Folder(0),
                Component::Normal(name) => {
                    let Node::Folder(index) = node else {
                        return Err(io::ErrorKind::NotADirectory.into());
                    };
                    let name = name.to_string_lossy();
                    let entries = self.folders.get(index).map(|folder| &folder.view);
                    node = entries
                        .and_then(|entries| entries.get(&*name))
                        .copied()
                        .ok_or(io::ErrorKind::NotFound)?;
                }
                Component::CurDir | Component::ParentDir | Component::Prefix(_) => {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
            }
        }
        Ok(node)
    }

    /// The folder that `path` is in, and its name there.
    fn place(&mut self, path: &Path) -> io::Result<(&mut Folder, String)> {
        let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let Node::Folder(index) = self.find(parent)? else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        let folder = self.folders.get_mut(index).ok_or(io::ErrorKind::NotFound)?;
        Ok((folder, name.to_string_lossy().into_owned()))
    }

    fn used_bytes(&self) -> usize {
        let nodes = self.folders.iter().flat_map(|folder| folder.view.values());
        nodes
            .filter_map(|node| match node {
                Node::File(index) => self.files.get(*index).map(|file| file.view.len()),
                Node::Folder(_) => None,
            })
            .sum()
    }

    fn change(&mut self, index: usize, change: Change) -> io::Result<()> {
        let used = self.used_bytes();
        let capacity = self.capacity_bytes;
        let file = self.files.get_mut(index).ok_or(io::ErrorKind::NotFound)?;
        let after = match &change {
            Change::Write(at, bytes) => file.view.len().max(at + bytes.len()),
            Change::Length(length) => *length,
            Change::Extend(length) => file.view.len().max(*length),
        };
        let grown = after.saturating_sub(file.view.len());
        if grown > 0 && used + grown > capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        change.apply(&mut file.view);
        file.pending.push(change);
        Ok(())
    }

    /// Extends a file as one does that is written piece by piece: what fits stays when the disk is full.
    fn extend(&mut self, index: usize, length: usize) -> io::Result<()> {
        let room = self.capacity_bytes.saturating_sub(self.used_bytes());
        let most = self.files.get(index).map_or(0, |file| file.view.len()).saturating_add(room);
        self.change(index, Change::Extend(length.min(most)))?;
        if length > most { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// What becomes of a sync at this point.
    fn sync(&mut self, point: SyncPoint) -> Outcome {
        *self.synced.entry(point).or_default() += 1;
        if let Some(left) = self.failing_syncs.get_mut(&point).filter(|left| **left > 0) {
            *left -= 1;
            return Outcome::Fails;
        }
        if self.ignored.contains(&point) { Outcome::Ignored } else { Outcome::Works }
    }
}

enum Outcome {
    Works,
    Ignored,
    Fails,
}

fn broken() -> io::Error {
    io::Error::other("input/output error of the test")
}
