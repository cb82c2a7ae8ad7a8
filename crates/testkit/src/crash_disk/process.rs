//! The disk as one process sees it; it stops working when that process ends.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use eventlog::disk::Mode;
use eventlog::{Disk, DiskFile, SyncPoint};

use super::{Change, CrashDisk, Entry, File, Folder, Node, Outcome, State, broken};

#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) disk: CrashDisk,
    pub(super) process: u64,
}

impl Disk for Process {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.disk.state();
        state.alive(self.process)?;
        let found = match state.find(path) {
            Ok(Node::File(index)) => Some(index),
            Ok(Node::Folder(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        let index = match (mode, found) {
            (Mode::Read | Mode::Write, Some(index)) => index,
            (Mode::Read | Mode::Write, None) => return Err(io::ErrorKind::NotFound.into()),
            (Mode::Create, Some(_)) => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            (Mode::Replace, Some(index)) => {
                state.touch(self.process)?;
                state.change(index, Change::Length(0))?;
                index
            }
            (Mode::Create | Mode::Replace, None) => {
                state.touch(self.process)?;
                let index = state.files.len();
                let (folder, name) = state.place(path)?;
                let entry = Entry::Link(name, Node::File(index));
                entry.apply(&mut folder.view);
                folder.pending.push(entry);
                state.files.push(File::default());
                index
            }
        };
        let writes = mode != Mode::Read;
        Ok(Box::new(Handle { disk: self.disk.clone(), process: self.process, index, writes }))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.disk.state();
        state.alive(self.process)?;
        if state.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.touch(self.process)?;
        let index = state.folders.len();
        let (folder, name) = state.place(path)?;
        let entry = Entry::Link(name, Node::Folder(index));
        entry.apply(&mut folder.view);
        folder.pending.push(entry);
        state.folders.push(Folder::default());
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.disk.state();
        state.alive(self.process)?;
        match state.find(path)? {
            Node::Folder(index) => {
                let folder = state.folders.get(index).ok_or(io::ErrorKind::NotFound)?;
                Ok(folder.view.keys().cloned().collect())
            }
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.disk.state();
        state.touch(self.process)?;
        let node = state.find(from)?;
        let (_, old) = state.place(from)?;
        if from.parent() == to.parent() {
            let (folder, new) = state.place(to)?;
            let entry = Entry::Rename(old, new, node);
            entry.apply(&mut folder.view);
            folder.pending.push(entry);
        } else {
            let (folder, new) = state.place(to)?;
            let entry = Entry::Link(new, node);
            entry.apply(&mut folder.view);
            folder.pending.push(entry);
            let (folder, _) = state.place(from)?;
            let entry = Entry::Unlink(old, node);
            entry.apply(&mut folder.view);
            folder.pending.push(entry);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.disk.state();
        state.touch(self.process)?;
        let node = state.find(path)?;
        let (folder, name) = state.place(path)?;
        let entry = Entry::Unlink(name, node);
        entry.apply(&mut folder.view);
        folder.pending.push(entry);
        Ok(())
    }

    fn sync_folder(&self, path: &Path, point: SyncPoint) -> io::Result<()> {
        let mut state = self.disk.state();
        state.touch(self.process)?;
        let Node::Folder(index) = state.find(path)? else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        let sync = state.sync(point);
        let folder = state.folders.get_mut(index).ok_or(io::ErrorKind::NotFound)?;
        match sync {
            Outcome::Works => {
                for entry in std::mem::take(&mut folder.pending) {
                    entry.apply(&mut folder.durable);
                }
                Ok(())
            }
            Outcome::Ignored => Ok(()),
            Outcome::Fails => Err(broken()),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut state = self.disk.state();
        state.alive(self.process)?;
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Held { process: self.clone(), path: path.to_owned() }))
    }
}

struct Held {
    process: Process,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.process.disk.state();
        if state.process == self.process.process {
            state.locks.remove(&self.path);
        }
    }
}

#[derive(Debug)]
struct Handle {
    disk: CrashDisk,
    process: u64,
    index: usize,
    writes: bool,
}

impl Handle {
    fn writable(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.disk.state();
        state.touch(self.process)?;
        if !self.writes {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(state)
    }
}

fn bytes(position: u64) -> io::Result<usize> {
    usize::try_from(position).map_err(|_| io::ErrorKind::InvalidInput.into())
}

impl DiskFile for Handle {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let state = self.disk.state();
        state.alive(self.process)?;
        let view = state.files.get(self.index).map(|file| file.view.as_slice());
        let rest = view.and_then(|view| view.get(bytes(position).ok()?..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn write_at(&self, content: &[u8], position: u64) -> io::Result<usize> {
        let mut state = self.writable()?;
        let at = bytes(position)?;
        let fails = state.failing_writes > 0;
        state.failing_writes = state.failing_writes.saturating_sub(1);
        let length = if fails {
            content.len() / 2
        } else if state.short_writes && content.len() > 1 {
            1 + state.dice.index(content.len() - 1)
        } else {
            content.len()
        };
        let written = content.get(..length).unwrap_or_default().to_vec();
        state.change(self.index, Change::Write(at, written))?;
        if fails { Err(broken()) } else { Ok(length) }
    }

    fn sync(&self, point: SyncPoint) -> io::Result<()> {
        let mut state = self.writable()?;
        let sync = state.sync(point);
        let file = state.files.get_mut(self.index).ok_or(io::ErrorKind::NotFound)?;
        match sync {
            Outcome::Works => {
                for change in std::mem::take(&mut file.pending) {
                    change.apply(&mut file.durable);
                }
                Ok(())
            }
            Outcome::Ignored => Ok(()),
            // As Linux does: the pages count as clean from now on, and are not on the disk.
            Outcome::Fails => {
                file.pending.clear();
                Err(broken())
            }
        }
    }

    fn length(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.alive(self.process)?;
        Ok(state.files.get(self.index).map_or(0, |file| file.view.len() as u64))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.writable()?;
        state.change(self.index, Change::Length(bytes(length)?))
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut state = self.writable()?;
        state.extend(self.index, bytes(length)?)
    }
}
