//! Damage: what of the log cannot be read any more, where it is kept and who is told.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use event::Topic;
use metrics::Counter;

use crate::disk::{Disk, DiskFile, Mode, read_full, write_full};
use crate::record::Offset;
use crate::signal::lock;

/// Most distinct ranges remembered, so that each is reported once.
const KNOWN_MAX: usize = 65_536;
/// Most bytes of a range copied to quarantine. 64 MiB: a whole segment of the default size.
const QUARANTINE_BYTES_MAX: u64 = 64 << 20;

/// A range of a stream that is damaged: its records were durable and are lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The topic.
    pub topic: Topic,
    /// Number of the segment.
    pub segment: u64,
    /// Bytes of the segment that are no frames.
    pub bytes: Range<u64>,
    /// Offsets of the lost records.
    pub offsets: Range<Offset>,
    /// Whether an earlier run has put it into quarantine already.
    pub known: bool,
}

/// The end of a stream that was being written when the process or the machine stopped. Nothing of it was
/// acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The topic.
    pub topic: Topic,
    /// Number of the segment.
    pub segment: u64,
    /// Bytes cut off.
    pub bytes: u64,
}

type Listener = Box<dyn Fn(&Damage) + Send + Sync>;

/// Reports each damaged range once: counter, quarantine, listener.
pub(crate) struct Reporter {
    known: Mutex<HashSet<(Topic, u64, u64)>>,
    listener: Mutex<Option<Arc<Listener>>>,
    /// `None` in a read-only log, which writes and counts nothing.
    quarantine: Option<(Arc<dyn Disk>, PathBuf, Counter)>,
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}

impl Reporter {
    pub(crate) fn new(quarantine: Option<(Arc<dyn Disk>, PathBuf, Counter)>) -> Self {
        Self { known: Mutex::default(), listener: Mutex::default(), quarantine }
    }

    pub(crate) fn listen(&self, listener: Listener) {
        *lock(&self.listener) = Some(Arc::new(listener));
    }

    /// Reports `damage` unless it was reported before; whether it is new to this process.
    pub(crate) fn report(&self, mut damage: Damage, file: Option<&dyn DiskFile>) -> Option<Damage> {
        {
            let mut known = lock(&self.known);
            let fresh = known.len() < KNOWN_MAX
                && known.insert((damage.topic, damage.segment, damage.bytes.start));
            if !fresh {
                return None;
            }
        }
        if let Some((disk, folder, corrupt)) = &self.quarantine {
            damage.known = !keep_copy(&**disk, folder, &damage, file);
            if !damage.known {
                corrupt.increment(damage.offsets.end.saturating_sub(damage.offsets.start));
            }
        }
        tracing::error!(
            topic = %damage.topic,
            segment = damage.segment,
            bytes.from = damage.bytes.start,
            bytes.to = damage.bytes.end,
            offset.from = damage.offsets.start,
            offset.to = damage.offsets.end,
            known = damage.known,
            "records lost to damage on disk"
        );
        if !damage.known {
            let listener = lock(&self.listener).clone();
            if let Some(listener) = listener {
                listener(&damage);
            }
        }
        Some(damage)
    }
}

/// Puts the damaged bytes into quarantine; whether they were not there yet. Needs no fsync: the segment keeps the bytes,
/// and a start that finds no copy makes it again.
fn keep_copy(disk: &dyn Disk, folder: &Path, damage: &Damage, file: Option<&dyn DiskFile>) -> bool {
    let Damage { topic, segment, bytes, .. } = damage;
    let name = format!("{topic}-{segment:016x}-{:x}-{:x}", bytes.start, bytes.end);
    let copy = match disk.open(&folder.join(&name), Mode::Create) {
        Ok(copy) => copy,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return false,
        Err(e) => {
            tracing::warn!(error = %e, name, "put damaged bytes into quarantine");
            return true;
        }
    };
    let length = (bytes.end.saturating_sub(bytes.start)).min(QUARANTINE_BYTES_MAX);
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(0)];
    let copied =
        file.map_or(Ok(0), |file| read_full(file, &mut buffer, bytes.start)).and_then(|n| {
            buffer.truncate(n);
            write_full(&*copy, &buffer, 0)
        });
    if let Err(e) = copied {
        tracing::warn!(error = %e, name, "put damaged bytes into quarantine");
    }
    true
}
