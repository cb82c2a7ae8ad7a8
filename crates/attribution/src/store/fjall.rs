//! The state of one machine: an LSM tree in a folder of its own.
//!
//! Writes reach the system's buffers, not the disk: a kill loses nothing, a power cut the newest writes. The position
//! from which to read is written after what was read before it, and the journal is one sequence, so the topics are
//! then read again from where the state stands.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use fjall::config::BlockSizePolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use foldhash::fast::RandomState;

use super::StoreError;
use super::kv::{Changes, Each, Kv, Table};

/// Threads that flush and compact. Count; one is enough for one writer.
const FLUSHERS: usize = 1;
/// Memory of a table before it is flushed. Bytes: larger than fjall's own default, so that hot tables compact less.
const MEMTABLE_BYTES: u64 = 64 << 20;
/// Bytes of journals on disk before flushes are forced.
const JOURNAL_BYTES_MAX: u64 = 1 << 30;

/// Tables in a folder.
pub struct FjallKv {
    database: Database,
    tables: RwLock<HashMap<Table, Option<Keyspace>, RandomState>>,
    path: PathBuf,
}

impl std::fmt::Debug for FjallKv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FjallKv({})", self.path.display())
    }
}

fn failed(what: &'static str) -> impl FnOnce(fjall::Error) -> StoreError {
    StoreError::of(what)
}

fn name(table: Table) -> String {
    match table {
        Table::Names => "names".into(),
        Table::Touches(epoch) => format!("touches-{epoch}"),
        Table::Events(epoch) => format!("events-{epoch}"),
        Table::Facts(epoch) => format!("facts-{epoch}"),
        Table::Merges => "merges".into(),
        Table::Orders => "orders".into(),
        Table::Emitted => "emitted".into(),
        Table::Open => "open".into(),
        Table::Dirty => "dirty".into(),
        Table::Cursors => "cursors".into(),
    }
}

fn epoch_in(name: &str) -> Option<i64> {
    let (_, epoch) = name.split_once('-')?;
    epoch.parse().ok()
}

impl FjallKv {
    /// Opens the tables in `path`, empty if there are none.
    ///
    /// # Errors
    /// The folder cannot be read or written, another process has it open, or it was written by another version.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let database = Database::builder(path)
            .cache_size(cache_bytes)
            .worker_threads(FLUSHERS)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .open()
            .map_err(failed("open the state of attribution"))?;
        Ok(Self { database, tables: RwLock::default(), path: path.to_owned() })
    }

    /// Deletes the tables in `path`: the next worker reads its topics from the start.
    ///
    /// # Errors
    /// The folder cannot be deleted.
    pub fn delete(path: &Path) -> Result<(), StoreError> {
        match std::fs::remove_dir_all(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::of("delete the state of attribution")(e))
            }
            _ => Ok(()),
        }
    }

    /// The keyspace of a table; without `make`, none if there is none yet.
    fn keyspace(&self, table: Table, make: bool) -> Result<Option<Keyspace>, StoreError> {
        let known = self.tables.read().unwrap_or_else(PoisonError::into_inner).get(&table).cloned();
        match known {
            Some(Some(keyspace)) => return Ok(Some(keyspace)),
            Some(None) if !make => return Ok(None),
            Some(None) | None => {}
        }
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(keyspace)) = tables.get(&table) {
            return Ok(Some(keyspace.clone()));
        }
        let name = name(table);
        let keyspace = if make || self.database.keyspace_exists(&name) {
            let options = || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(MEMTABLE_BYTES)
                    .data_block_size_policy(BlockSizePolicy::all(4 << 10))
            };
            let opened = self.database.keyspace(&name, options);
            Some(opened.map_err(failed("open a table of the state"))?)
        } else {
            None
        };
        tables.insert(table, keyspace.clone());
        Ok(keyspace)
    }
}

impl Kv for FjallKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(keyspace) = self.keyspace(table, false)? else { return Ok(None) };
        let found = keyspace.get(key).map_err(failed("read the state"))?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn has(&self, table: Table) -> Result<bool, StoreError> {
        Ok(self.keyspace(table, false)?.is_some())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        each: Each<'_>,
    ) -> Result<(), StoreError> {
        let Some(keyspace) = self.keyspace(table, false)? else { return Ok(()) };
        let rows = if from <= prefix { keyspace.prefix(prefix) } else { keyspace.range(from..) };
        for guard in rows {
            let (key, value) = guard.into_inner().map_err(failed("read the state"))?;
            if !key.starts_with(prefix) || !each(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, changes: Changes) -> Result<(), StoreError> {
        let mut batch = self.database.batch();
        let mut last: Option<(Table, Keyspace)> = None;
        for (table, key, value) in changes.0 {
            let keyspace = match &last {
                Some((of, keyspace)) if *of == table => keyspace.clone(),
                _ => {
                    let Some(keyspace) = self.keyspace(table, value.is_some())? else { continue };
                    last = Some((table, keyspace.clone()));
                    keyspace
                }
            };
            match value {
                Some(value) => batch.insert(&keyspace, key, value),
                None => batch.remove(&keyspace, key),
            }
        }
        batch.commit().map_err(failed("write the state"))
    }

    fn expire(&self, epoch: i64) -> Result<(), StoreError> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        for name in self.database.list_keyspace_names() {
            if epoch_in(&name).is_some_and(|of| of < epoch) {
                let options = KeyspaceCreateOptions::default;
                let dropped = self
                    .database
                    .keyspace(&name, options)
                    .and_then(|keyspace| self.database.delete_keyspace(keyspace));
                dropped.map_err(failed("drop an epoch of the state"))?;
            }
        }
        tables.retain(|table, _| table.epoch().is_none_or(|of| of >= epoch));
        Ok(())
    }
}
