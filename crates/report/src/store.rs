//! Where rollups, orders and journeys are kept: one SQLite file, one writer, any number of readers.

#[cfg(test)]
pub(crate) mod audit;
mod counted;
mod day_pay;
mod journeys;
mod orders;
mod rezone;
mod rollup;
mod seen;
mod subs;
pub(crate) mod sums;
#[cfg(test)]
mod tests;
mod touches;
mod waiting;
mod write;

use std::collections::HashMap;
use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use catalog::Snapshot;
use event::body::{Decision, Posting, Touch, TouchKind};
use event::{Currency, EventId, Millis, ProgramName};
use eventlog::{Cursor, Offset, Partition};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

pub(crate) use counted::{BUCKETS, BY_CLICK, BY_EVENT, OrderPart, letters};
pub(crate) use orders::{state_number, state_of};
pub(crate) use rollup::{Cut, spans};
pub use subs::SUB_VALUES_MAX;
pub(crate) use subs::hash_of as sub_hash;
use write::Writer;

/// Format of the file; another one is deleted and filled anew from the topics.
const FORMAT: i64 = 4;

/// Name of the partner under which the merchant's own channels stand. No name of the catalog has brackets.
pub const OWN: &str = "(own)";
/// Name of the partner under which orders stand that nobody brought.
pub const NOBODY: &str = "(nobody)";

/// Longest wait of a reader or writer for the file.
const BUSY: Duration = Duration::from_secs(10);

/// Why a store could not do something.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// The operation that failed.
    pub what: &'static str,
    /// Why.
    #[source]
    pub source: Box<dyn StdError + Send + Sync>,
}

impl StoreError {
    /// Makes an error of `what` out of its source.
    pub fn of<E: StdError + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self { what, source: Box::new(source) }
    }
}

/// Whether a touch is a valid click or impression, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Valid.
    Valid,
    /// A test.
    Test,
    /// HEAD request.
    Head,
    /// The link led nowhere at that time: disabled, expired, program paused, partner ended.
    Unavailable,
    /// An automated agent, or none at all.
    Automated,
    /// An address of a data center.
    Datacenter,
    /// Loaded as an image or in a frame.
    NotNavigation,
    /// Fetched ahead of a navigation that nobody confirmed.
    Ahead,
    /// Another flag that the program's terms exclude.
    Excluded,
}

impl Reason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Valid,
        Self::Test,
        Self::Head,
        Self::Unavailable,
        Self::Automated,
        Self::Datacenter,
        Self::NotNavigation,
        Self::Ahead,
        Self::Excluded,
    ];

    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Test => "test",
            Self::Head => "head",
            Self::Unavailable => "unavailable",
            Self::Automated => "automated",
            Self::Datacenter => "datacenter",
            Self::NotNavigation => "not_navigation",
            Self::Ahead => "unconfirmed_prefetch",
            Self::Excluded => "excluded",
        }
    }

    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Valid => 0,
            Self::Test => 1,
            Self::Head => 2,
            Self::Unavailable => 3,
            Self::Automated => 4,
            Self::Datacenter => 5,
            Self::NotNavigation => 6,
            Self::Ahead => 7,
            Self::Excluded => 8,
        }
    }
}

/// A click or impression as it came.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The event.
    pub id: EventId,
    /// When it happened.
    pub at: Millis,
    /// The program.
    pub program: ProgramName,
    /// Which of the two.
    pub kind: TouchKind,
    /// The event is a test.
    pub test: bool,
    /// What it says.
    pub touch: Touch,
}

/// One thing to count.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A click or impression.
    Touch {
        /// The event.
        id: EventId,
        /// When it happened.
        at: Millis,
        /// The program.
        program: ProgramName,
        /// Which of the two.
        kind: TouchKind,
        /// What it says.
        touch: Box<Touch>,
        /// Whether it counts.
        reason: Reason,
    },
    /// One of a program that the catalog does not name yet: it counts once its terms are known.
    Waiting(Box<Waiting>),
    /// A click that was fetched ahead did happen.
    Activation {
        /// The click.
        click: EventId,
        /// When that was told.
        at: Millis,
    },
    /// A change of an order in the book, or pay for a day.
    Posting(Box<Posting>),
    /// A version of a decision.
    Decision(Box<Decision>),
}

/// The rollups. Everything it is told is counted once, whatever comes twice.
pub struct Store {
    path: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    db: Connection,
    names: HashMap<Box<str>, i64>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The file in the folder of this stage's state.
#[must_use]
pub fn file(folder: &Path) -> PathBuf {
    folder.join("report.sqlite")
}

/// A currency as the file has it.
pub(crate) fn currency(row: &rusqlite::Row<'_>, at: usize) -> Result<Currency, rusqlite::Error> {
    let text: String = row.get(at)?;
    let kind = rusqlite::types::Type::Text;
    text.parse().map_err(|why| rusqlite::Error::FromSqlConversionFailure(at, kind, Box::new(why)))
}

/// Opens the file for reading, if it is there.
pub(crate) fn read_only(path: &Path) -> Result<Option<Connection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(StoreError::of("open the report"))?;
    let settle = || {
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "mmap_size", 4_i64 << 30)?;
        db.pragma_update(None, "temp_store", "memory")
    };
    settle().map_err(StoreError::of("open the report"))?;
    Ok(Some(db))
}

impl Store {
    /// Opens the store in `folder`, empty if there is none or it is of another format.
    ///
    /// # Errors
    /// The file cannot be opened or made.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = file(folder);
        let db = match Self::prepared(&path) {
            Ok(Some(db)) => db,
            Ok(None) => {
                tracing::info!("the report is of another format and is filled anew");
                for suffix in ["", "-wal", "-shm"] {
                    let mut name = path.clone().into_os_string();
                    name.push(suffix);
                    match std::fs::remove_file(&name) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(StoreError::of("delete the old report")(error));
                        }
                        _ => {}
                    }
                }
                let missing = || rusqlite::Error::QueryReturnedNoRows;
                Self::prepared(&path)
                    .and_then(|db| db.ok_or_else(missing))
                    .map_err(StoreError::of("open the report"))?
            }
            Err(error) => return Err(StoreError::of("open the report")(error)),
        };
        Ok(Self { path, inner: Mutex::new(Inner { db, names: HashMap::new() }) })
    }

    /// None if the file is of another format.
    fn prepared(path: &Path) -> Result<Option<Connection>, rusqlite::Error> {
        let db = Connection::open(path)?;
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "journal_mode", "wal")?;
        // A power cut may take the newest transactions, whole; their offsets go with them, and they come again.
        db.pragma_update(None, "synchronous", "normal")?;
        db.set_prepared_statement_cache_capacity(128);
        let format: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if format != 0 && format != FORMAT {
            return Ok(None);
        }
        db.execute_batch(include_str!("store/schema.sql"))?;
        db.pragma_update(None, "user_version", FORMAT)?;
        Ok(Some(db))
    }

    /// Deletes the store in `folder`. The topics have everything that is needed to make it anew.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn delete(folder: &Path) -> std::io::Result<()> {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// How many orders there are.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn orders(&self) -> Result<u64, StoreError> {
        let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let orders = self.inner().db.query_row("SELECT count(*) FROM orders", [], count);
        let orders = orders.map_err(StoreError::of("count the report's orders"))?;
        Ok(u64::try_from(orders).unwrap_or(0))
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what is new of `facts` and remembers the offset, in one transaction.
    ///
    /// # Errors
    /// The file cannot be read or written; nothing was counted.
    pub fn apply(
        &self,
        facts: &[Fact],
        cursor: Option<Cursor>,
        catalog: &Snapshot,
    ) -> Result<(), StoreError> {
        self.inner().write(catalog, |writer| {
            for fact in facts {
                writer.fact(fact)?;
            }
            writer.flush()?;
            cursor.map_or(Ok(()), |cursor| writer.move_cursor(cursor))
        })
    }

    /// Makes the sums by day of programs anew whose time zone changed.
    ///
    /// # Errors
    /// The file cannot be read or written; nothing was changed.
    pub fn follow_zones(&self, catalog: &Snapshot) -> Result<(), StoreError> {
        self.inner().write(catalog, |writer| {
            let known: Vec<String> = {
                let sql = "SELECT text FROM zone JOIN name ON name.id = zone.program";
                let mut select = writer.db.prepare_cached(sql)?;
                select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
            };
            known.iter().try_for_each(|program| writer.zone(program).map(drop))
        })
    }

    /// Counts touches that waited and whose program the catalog names now, as `judge` says. Returns how many go on waiting.
    ///
    /// # Errors
    /// The file cannot be read or written; what was counted by then is counted.
    pub fn settle(
        &self,
        catalog: &Snapshot,
        judge: &dyn Fn(&Waiting) -> Option<Fact>,
    ) -> Result<u64, StoreError> {
        let mut waiting = 0;
        let mut more = true;
        while more {
            self.inner().write(catalog, |writer| {
                (more, waiting) = writer.settle(judge)?;
                writer.flush()
            })?;
        }
        Ok(waiting)
    }

    /// The first offset of this partition that is not counted yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn resume(&self, partition: Partition) -> Result<Offset, StoreError> {
        let inner = self.inner();
        let sql = "SELECT next FROM cursor WHERE topic = ?1 AND part = ?2";
        let key = params![partition.topic.name(), partition.index];
        let next = inner.db.query_row(sql, key, |row| row.get::<_, i64>(0)).optional();
        let next = next.map_err(StoreError::of("read where the report stands"))?;
        Ok(next.and_then(|next| Offset::try_from(next).ok()).unwrap_or(0))
    }
}

impl Inner {
    fn write(
        &mut self,
        catalog: &Snapshot,
        work: impl FnOnce(&mut Writer<'_>) -> Result<(), rusqlite::Error>,
    ) -> Result<(), StoreError> {
        let Self { db, names } = self;
        let done = db.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|tx| {
            work(&mut Writer::new(&tx, names, catalog))?;
            tx.commit()
        });
        if done.is_err() {
            names.clear(); // some of them may not be in the file now
        }
        done.map_err(StoreError::of("write the report"))
    }
}
