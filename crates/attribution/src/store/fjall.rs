//! The state of one machine: an LSM tree in a folder of its own.
//!
//! Writes reach the system's buffers, not the disk: a kill loses nothing, a power cut the newest writes. The position
//! from which to read is written after what was read before it, and the journal is one sequence, so the topics are
//! then read again from where the state stands. A table is filled past the journal, which is made durable before.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use fjall::config::BlockSizePolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use foldhash::fast::RandomState;

use super::StoreError;
use super::kv::{Changes, Each, Kv, Rows, Table};

/// Format of the tables. Each change of what stands in them takes the next number.
const FORMAT: u32 = 3;
/// File in the folder that says its format.
const FORMAT_FILE: &str = "SILLAGE_FORMAT";

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
        Table::Recent => "recent".into(),
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

/// The format of the tables in `path`: 0 if there are none, or none that say it.
fn format_of(path: &Path) -> Result<u32, StoreError> {
    match std::fs::read_to_string(path.join(FORMAT_FILE)) {
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(StoreError::of("read the format of the state of attribution")(e)),
    }
}

fn epoch_in(name: &str) -> Option<u16> {
    let (_, epoch) = name.split_once('-')?;
    epoch.parse().ok()
}

impl FjallKv {
    /// Opens the tables in `path`, empty if there are none. Tables of an older format are deleted: the next worker reads
    /// its topics from the start.
    ///
    /// # Errors
    /// The folder cannot be read or written, another process has it open, or it was written by a newer version.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let found = format_of(path)?;
        if found > FORMAT {
            let text = format!("its format is {found}, this version knows {FORMAT}");
            return Err(StoreError::of("open the state of attribution")(io::Error::other(text)));
        }
        if found < FORMAT {
            if std::fs::read_dir(path).is_ok_and(|mut files| files.next().is_some()) {
                tracing::warn!(
                    found,
                    format = FORMAT,
                    "the state of attribution is of an older version; it is filled anew from the topics"
                );
            }
            Self::delete(path)?;
        }
        let database = Database::builder(path)
            .cache_size(cache_bytes)
            .worker_threads(FLUSHERS)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .open()
            .map_err(failed("open the state of attribution"))?;
        if found < FORMAT {
            std::fs::write(path.join(FORMAT_FILE), format!("{FORMAT}\n"))
                .map_err(StoreError::of("write the format of the state of attribution"))?;
        }
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
        let known = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(keyspace) = known.get(&table) {
            return Ok(keyspace.is_some());
        }
        drop(known);
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

    fn fill(&self, table: Table, rows: Rows<'_>) -> Result<(), StoreError> {
        const WHAT: &str = "fill a table of the state";
        let Some(keyspace) = self.keyspace(table, true)? else { return Ok(()) };
        // Filled tables go to the disk past the journal. What they point to, such as the numbers of names, may still be in
        // the system's buffers: lost alone, a number would be given to another name.
        self.database.persist(PersistMode::SyncAll).map_err(failed(WHAT))?;
        let mut ingestion = keyspace.start_ingestion().map_err(failed(WHAT))?;
        for row in rows {
            let (key, value) = row?;
            ingestion.write(key, value).map_err(failed(WHAT))?;
        }
        ingestion.finish().map_err(failed(WHAT))
    }

    fn expire(&self, epoch: u16) -> Result<(), StoreError> {
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

#[cfg(test)]
mod tests {
    use super::{Changes, FORMAT, FORMAT_FILE, FjallKv, Kv as _, Table};

    #[test]
    fn tables_of_an_older_format_are_filled_anew_and_of_a_newer_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attribution");
        let has_row = || {
            let kv = FjallKv::open(&path, 1 << 20).unwrap();
            let row = kv.get(Table::Cursors, b"key").unwrap().is_some();
            let mut changes = Changes::default();
            changes.put(Table::Cursors, b"key".to_vec(), Vec::new());
            kv.write(changes).unwrap();
            row
        };
        assert!(!has_row());
        assert!(has_row(), "of this format");
        for older in [None, Some(FORMAT - 1)] {
            let file = path.join(FORMAT_FILE);
            std::fs::remove_file(&file).unwrap();
            if let Some(older) = older {
                std::fs::write(file, older.to_string()).unwrap();
            }
            assert!(!has_row(), "of format {older:?}");
            assert!(has_row());
        }
        std::fs::write(path.join(FORMAT_FILE), (FORMAT + 1).to_string()).unwrap();
        let refused = FjallKv::open(&path, 1 << 20).unwrap_err();
        let source = std::error::Error::source(&refused).unwrap().to_string();
        let newer = FORMAT + 1;
        assert_eq!(source, format!("its format is {newer}, this version knows {FORMAT}"));
    }
}
