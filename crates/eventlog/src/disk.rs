//! Everything that the log asks of files and folders, as one trait, so that tests can take the power away.

use std::any::Any;
use std::fmt;
use std::io;
use std::path::Path;

pub use real::RealDisk;

mod mapped;
mod real;

/// Every place in the code that makes something durable, by name. A disk under test can ignore one of them; the
/// crash suite must then find a loss, which shows that no one of them can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SyncPoint {
    /// The entry of the data folder in its parent.
    DataFolder,
    /// The content of a new FORMAT file, before its rename.
    FormatFile,
    /// The entries of the data folder: FORMAT, the streams' folders, `cursors/`.
    Entries,
    /// The entry of a new segment in its stream's folder.
    SegmentFolder,
    /// A frame, before it is acknowledged and shown to consumers.
    Frame,
    /// The frames that a start found in the last segment, before they are relied upon.
    Tail,
    /// The entries that a start found in a stream's folder, before they are relied upon.
    TailFolder,
    /// A group's new cursor file, before its rename.
    CursorFile,
    /// The rename of a group's cursor file.
    CursorFolder,
    /// The cursor files that a start found, before they are moved in place.
    CursorsFound,
    /// A moved cursor.
    Cursor,
    /// The removal of a segment, before the next one is removed.
    Removal,
}

impl SyncPoint {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::DataFolder,
        Self::FormatFile,
        Self::Entries,
        Self::SegmentFolder,
        Self::Frame,
        Self::Tail,
        Self::TailFolder,
        Self::CursorFile,
        Self::CursorFolder,
        Self::CursorsFound,
        Self::Cursor,
        Self::Removal,
    ];
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To read an existing file.
    Read,
    /// To read and write an existing file.
    Write,
    /// To write a file that must not exist.
    Create,
    /// To write a file, empty, whether it existed or not.
    Replace,
}

/// A disk: files, folders, rename, fsync.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Opens a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn DiskFile>>;
    /// Makes a file in a folder that is memory, for the eyes of this user alone. It must not exist. Writing costs no call
    /// of the system, and what is written outlives the process.
    ///
    /// # Errors
    /// As the operating system says.
    fn create_in_memory(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open(path, Mode::Create)
    }
    /// Makes a folder whose parent exists. An existing one is `AlreadyExists`.
    ///
    /// # Errors
    /// As the operating system says.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, in no order.
    ///
    /// # Errors
    /// As the operating system says.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Renames a file, replacing what has the new name.
    ///
    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the entries of a folder durable.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_folder(&self, path: &Path, point: SyncPoint) -> io::Result<()>;
    /// Takes the lock that this file stands for, making the file if needed; `WouldBlock` if another has it. The lock
    /// ends when the returned value is dropped, or the process ends.
    ///
    /// # Errors
    /// As the operating system says.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;
}

/// An open file.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads at a position; may be short; 0 at the end.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes at a position; may be short.
    ///
    /// # Errors
    /// As the operating system says.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize>;
    /// Makes content and length durable. After an error nothing is known about either.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync(&self, point: SyncPoint) -> io::Result<()>;
    /// The length.
    ///
    /// # Errors
    /// As the operating system says.
    fn length(&self) -> io::Result<u64>;
    /// Cuts or extends (with zeros) to this length.
    ///
    /// # Errors
    /// As the operating system says.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Takes space for the file up to this length, reading as zeros; never shortens it.
    ///
    /// # Errors
    /// As the operating system says.
    fn allocate(&self, length: u64) -> io::Result<()>;
}

/// Reads until the buffer is full or the file ends; the bytes read.
pub(crate) fn read_full(
    file: &dyn DiskFile,
    buffer: &mut [u8],
    position: u64,
) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, position + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Writes all of `bytes`.
pub(crate) fn write_full(file: &dyn DiskFile, bytes: &[u8], position: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match file.write_at(rest, position + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
