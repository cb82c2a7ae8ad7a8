//! A file in memory whose first bytes are written without a call of the system. The one place with unsafe code.
#![expect(unsafe_code, reason = "mapping a file is unsafe: others could change or cut it")]

use std::io;

use memmap2::{MmapOptions, MmapRaw};

use super::real::RealFile;
use super::{DiskFile, SyncPoint};

/// Bytes that are mapped: some 4,000 clicks, many times what waits for a commit unless the disk stalls.
const MAPPED_BYTES: usize = 2 << 20;

/// A file of which the beginning is mapped. What lies behind goes by calls.
#[derive(Debug)]
pub(super) struct MappedFile {
    file: RealFile,
    /// Nothing refers to these bytes: they are copied to and never read here.
    map: MmapRaw,
}

impl MappedFile {
    /// Maps a new file of this process.
    pub(super) fn new(file: RealFile) -> io::Result<Self> {
        // Filled, not only extended: touching a page for which there is no memory would end the process.
        file.allocate(MAPPED_BYTES as u64)?;
        let map = MmapOptions::new().len(MAPPED_BYTES).map_raw(&file.0)?;
        Ok(Self { file, map })
    }
}

impl DiskFile for MappedFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        let inside = usize::try_from(position)
            .ok()
            .filter(|at| at.checked_add(bytes.len()).is_some_and(|end| end <= self.map.len()));
        let Some(at) = inside else { return self.file.write_at(bytes, position) };
        // SAFETY: `at + bytes.len()` is at most the mapping's length, which lives as long as `self`; no reference to
        // mapped bytes exists, so `bytes` is not among them. Two threads that write one place at once would mix their
        // bytes, as two calls of the system may; the queue's lock lets one write.
        unsafe {
            self.map.as_mut_ptr().add(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Ok(bytes.len())
    }

    fn sync(&self, point: SyncPoint) -> io::Result<()> {
        self.file.sync(point)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn set_length(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into()) // cut, the mapping would reach beyond the file
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::MAPPED_BYTES;
    use crate::disk::{Disk as _, Mode, RealDisk, read_full, write_full};

    #[test]
    fn what_is_written_in_the_mapping_across_its_end_and_behind_it_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = RealDisk.create_in_memory(&path).unwrap();
        let end = MAPPED_BYTES as u64;
        let places = [0, 5, end - 10, end - 5, end - 1, end, end + 100];
        for at in places {
            write_full(&*file, b"hello", at).unwrap();
            // By another descriptor, as the next process reads it.
            let other = RealDisk.open(&path, Mode::Read).unwrap();
            let mut found = [0; 5];
            assert_eq!(read_full(&*other, &mut found, at).unwrap(), 5);
            assert_eq!(&found, b"hello", "at {at}");
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for the eyes of this user alone");
        assert!(RealDisk.create_in_memory(&path).is_err(), "a file that exists is somebody else's");
    }
}
