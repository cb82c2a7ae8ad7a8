//! The store of one machine: an LSM tree in a folder of its own.
//!
//! Writes reach the system's buffers, not the disk: a kill loses nothing, a power cut the newest writes. Since the
//! position from which to read is written after what was read before it, and the journal is one sequence, the store
//! then reads again what it lost.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use event::{EventId, OrderKey};
use eventlog::{Offset, Partition};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{MemberStore, OrderHash, Settled, StoreError};
use crate::member::{Considered, END_MAX, Row, RowKind};

/// Threads that flush and compact. Count; one is enough for one writer.
const FLUSHERS: usize = 1;

/// State in a folder.
pub struct FjallStore {
    database: Database,
    /// order hash ‖ kind ‖ event id → the row as JSON
    rows: Keyspace,
    /// order hash → count of its rows, 8 bytes big-endian
    counts: Keyspace,
    /// order hash → id of the record last emitted
    emitted: Keyspace,
    /// order hash → order key as text
    waiting: Keyspace,
    /// topic name ‖ 0 ‖ partition → offset, both big-endian
    cursors: Keyspace,
    /// Counting reads what it then writes.
    adding: Mutex<()>,
    path: PathBuf,
}

impl std::fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FjallStore({})", self.path.display())
    }
}

fn failed(what: &'static str) -> impl FnOnce(fjall::Error) -> StoreError {
    StoreError::of(what)
}

fn damaged(what: &'static str) -> StoreError {
    let source = io::Error::new(io::ErrorKind::InvalidData, "the row is not one of ours");
    StoreError::of(what)(source)
}

fn row_key(order: OrderHash, kind: RowKind, id: EventId) -> [u8; 33] {
    let mut key = [kind.byte(); 33];
    let (head, tail) = key.split_at_mut(16);
    head.copy_from_slice(&order.0);
    if let Some((_, place)) = tail.split_first_mut() {
        place.copy_from_slice(id.as_bytes());
    }
    key
}

fn cursor_key(partition: Partition) -> Vec<u8> {
    let mut key = partition.topic.name().as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&partition.index.to_be_bytes());
    key
}

fn number(bytes: &[u8], what: &'static str) -> Result<u64, StoreError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| damaged(what))
}

impl FjallStore {
    /// Opens the state in `path`, empty if there is none.
    ///
    /// # Errors
    /// The folder cannot be read or written, another process has it open, or it was written by another version.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        const OPEN: &str = "open the state of dedup";
        let database = Database::builder(path)
            .cache_size(cache_bytes)
            .worker_threads(FLUSHERS)
            .open()
            .map_err(failed(OPEN))?;
        let keyspace =
            |name| database.keyspace(name, KeyspaceCreateOptions::default).map_err(failed(OPEN));
        Ok(Self {
            rows: keyspace("rows")?,
            counts: keyspace("counts")?,
            emitted: keyspace("emitted")?,
            waiting: keyspace("waiting")?,
            cursors: keyspace("cursors")?,
            adding: Mutex::new(()),
            path: path.to_owned(),
            database,
        })
    }

    /// Deletes the state in `path`: the next worker reads its topic from the start.
    ///
    /// # Errors
    /// The folder cannot be deleted.
    pub fn delete(path: &Path) -> Result<(), StoreError> {
        match std::fs::remove_dir_all(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::of("delete the state of dedup")(e))
            }
            _ => Ok(()),
        }
    }

    fn count(&self, order: OrderHash) -> Result<u64, StoreError> {
        const COUNT: &str = "read the count of an order";
        match self.counts.get(order.0).map_err(failed(COUNT))? {
            None => Ok(0),
            Some(bytes) => number(&bytes, COUNT),
        }
    }

    /// The rows under `prefix`: all of them up to two times [`END_MAX`], else the first and the last.
    fn ends(&self, prefix: &[u8], rows: &mut Vec<Row>) -> Result<(), StoreError> {
        const READ: &str = "read the reports of an order";
        let mut found = self.rows.prefix(prefix);
        for _ in 0..END_MAX {
            let Some(guard) = found.next() else { return Ok(()) };
            let (key, value) = guard.into_inner().map_err(failed(READ))?;
            rows.push(row(&key, &value)?);
        }
        for guard in found.rev().take(END_MAX) {
            let (key, value) = guard.into_inner().map_err(failed(READ))?;
            rows.push(row(&key, &value)?);
        }
        Ok(())
    }
}

fn row(key: &[u8], value: &[u8]) -> Result<Row, StoreError> {
    const READ: &str = "read a report of an order";
    let kind = key.get(16).copied().and_then(RowKind::from_byte);
    let read = match kind.ok_or_else(|| damaged(READ))? {
        RowKind::Credentialed | RowKind::Page => serde_json::from_slice(value).map(Row::Report),
        RowKind::Later => serde_json::from_slice(value).map(Row::Later),
    };
    read.map_err(StoreError::of(READ))
}

impl MemberStore for FjallStore {
    fn add(&self, rows: &[(OrderHash, Row)]) -> Result<(), StoreError> {
        const ADD: &str = "add reports";
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = self.database.batch();
        // Whether the row is in this batch already; how many the order had, and has.
        let mut seen = HashSet::with_capacity(rows.len());
        let mut counts: HashMap<OrderHash, (u64, u64)> = HashMap::with_capacity(rows.len());
        for (order, row) in rows {
            let key = row_key(*order, row.kind(), row.id());
            let (before, now) = match counts.get(order) {
                Some(known) => *known,
                None => {
                    let count = self.count(*order)?;
                    (count, count)
                }
            };
            let known = !seen.insert(key)
                || (before > 0 && self.rows.contains_key(key).map_err(failed(ADD))?);
            if known {
                continue;
            }
            counts.insert(*order, (before, now + 1));
            let value = match row {
                Row::Report(member) => serde_json::to_vec(member),
                Row::Later(later) => serde_json::to_vec(later),
            };
            batch.insert(&self.rows, key, value.map_err(StoreError::of(ADD))?);
        }
        for (order, (_, now)) in counts {
            batch.insert(&self.counts, order.0, now.to_be_bytes());
        }
        batch.commit().map_err(failed(ADD))
    }

    fn considered(&self, order: OrderHash) -> Result<Considered, StoreError> {
        let count = self.count(order)?;
        let mut rows = Vec::new();
        if count <= END_MAX as u64 {
            self.ends(&order.0, &mut rows)?;
        } else {
            for kind in RowKind::ALL {
                let prefix = [order.0.as_slice(), &[kind.byte()]].concat();
                self.ends(&prefix, &mut rows)?;
            }
        }
        Ok(Considered::new(count, rows))
    }

    fn emitted(&self, order: OrderHash) -> Result<Option<EventId>, StoreError> {
        const READ: &str = "read the record last emitted";
        let Some(bytes) = self.emitted.get(order.0).map_err(failed(READ))? else {
            return Ok(None);
        };
        let id = bytes.as_ref().try_into().map_err(|_| damaged(READ))?;
        Ok(Some(EventId::from_bytes(id)))
    }

    fn wait(&self, orders: &[OrderKey]) -> Result<(), StoreError> {
        let mut batch = self.database.batch();
        for order in orders {
            batch.insert(&self.waiting, OrderHash::of(order).0, order.to_string().as_bytes());
        }
        batch.commit().map_err(failed("remember waiting orders"))
    }

    fn waiting(&self, after: Option<OrderHash>, most: usize) -> Result<Vec<OrderKey>, StoreError> {
        const READ: &str = "read waiting orders";
        let from = after.map_or(Bound::Unbounded, |order| Bound::Excluded(order.0));
        let read = |guard: fjall::Guard| {
            let text = guard.value().map_err(failed(READ))?;
            let text = std::str::from_utf8(&text).map_err(StoreError::of(READ))?;
            text.parse().map_err(StoreError::of(READ))
        };
        self.waiting.range((from, Bound::Unbounded)).take(most).map(read).collect()
    }

    fn settle(&self, settled: &Settled) -> Result<(), StoreError> {
        let mut batch = self.database.batch();
        for (order, id) in &settled.emitted {
            batch.insert(&self.emitted, order.0, id.as_bytes().as_slice());
        }
        for order in &settled.ended {
            batch.remove(&self.waiting, order.0);
        }
        for cursor in &settled.cursors {
            batch.insert(&self.cursors, cursor_key(cursor.partition), cursor.next.to_be_bytes());
        }
        batch.commit().map_err(failed("remember what is durable"))
    }

    fn resume(&self, partition: Partition) -> Result<Offset, StoreError> {
        const READ: &str = "read how far a topic is read";
        match self.cursors.get(cursor_key(partition)).map_err(failed(READ))? {
            None => Ok(0),
            Some(bytes) => number(&bytes, READ),
        }
    }
}

impl Drop for FjallStore {
    fn drop(&mut self) {
        if let Err(error) = self.database.persist(PersistMode::SyncAll) {
            tracing::error!(%error, "the state of dedup could not be synced; it is read again");
        }
    }
}
