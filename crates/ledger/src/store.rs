//! The book: orders, transfers and balances in one SQLite file.
//!
//! One transaction per batch holds everything that the batch made: facts, booked orders, transfers, balances, the postings
//! that are still to be said on `ledger.transfers`, and how far the topics are read. So after a crash or a power cut the
//! book is as it was after some batch, knows which, and reads on from there, whatever the group's cursors say.
//!
//! `synchronous` is FULL: what the book has said on `ledger.transfers` stays there for ever, and a book that forgot it would
//! say the same change again under other numbers. With NORMAL a power cut may take the newest transactions while the log
//! keeps what followed from them. The price is one fsync per batch. An older copy of the file is healed all the same: the
//! worker reads `ledger.transfers` back.

mod accounts;
mod chain;
mod days;
mod orders;
mod outbox;
mod pay;
mod payments;
mod posted;
mod read;
mod schema;
mod write;

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use event::Topic;
use eventlog::{Offset, Partition};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

pub use chain::ChainFault;
pub(crate) use days::{Counting, DayRow, Note};
pub(crate) use orders::{Dirty, Row, Sweep};
pub(crate) use outbox::Said;
pub use read::{Filter, Found, LIST_MAX, Listed, Place, Reader};
pub(crate) use write::Writing;

/// Name of the file in the folder of the state.
pub const FILE: &str = "books.sqlite";

/// Statements that stay prepared. Count; more than there are.
const STATEMENTS_MAX: usize = 64;

/// Why the book could not do something.
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
    pub fn of<E: Into<Box<dyn StdError + Send + Sync>>>(
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self { what, source: source.into() }
    }
}

/// Says what was being done when something went wrong.
trait During<T> {
    fn during(self, what: &'static str) -> Result<T, StoreError>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> During<T> for Result<T, E> {
    fn during(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(StoreError::of(what))
    }
}

/// The book, open for writing: one worker has it.
pub struct Store {
    connection: Mutex<Connection>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens the book in `folder`, an empty one if there is none, and checks that its accounts balance.
    ///
    /// # Errors
    /// The file cannot be opened, or is of a newer format.
    ///
    /// # Panics
    /// The accounts do not balance: somebody edited them.
    pub fn open(folder: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let connection =
            Connection::open(path_in(folder)).map_err(StoreError::of("open the book"))?;
        schema::prepare(&connection, cache_bytes)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let store = Self { connection: Mutex::new(connection) };
        store.begin()?.assert_balanced()?;
        Ok(store)
    }

    /// Deletes the book in `folder`. The topics have everything that is needed to make it anew.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn delete(folder: &Path) -> std::io::Result<()> {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// From where to read a partition: 0 for one that this book knows nothing of.
    ///
    /// # Errors
    /// The book cannot be read.
    pub fn resume(&self, partition: Partition) -> Result<Offset, StoreError> {
        let (topic, index) = (topic_number(partition.topic), partition.index);
        let connection = self.lock();
        let next: Option<i64> = connection
            .prepare_cached("SELECT next FROM cursors WHERE topic = ? AND partition = ?")
            .and_then(|mut found| {
                found.query_row(params![topic, index], |row| row.get(0)).optional()
            })
            .during("read a cursor of the book")?;
        Ok(next.and_then(|next| u64::try_from(next).ok()).unwrap_or(0))
    }

    /// Begins a transaction, which [`Writing::commit`] ends.
    pub(crate) fn begin(&self) -> Result<Writing<'_>, StoreError> {
        Writing::begin(self.lock())
    }

    /// Looks through the whole book: every transfer, in the order in which they were booked, hangs together by its hash, and
    /// the balances are their sums.
    ///
    /// # Errors
    /// The book cannot be read.
    pub fn verify(&self) -> Result<Result<u64, ChainFault>, StoreError> {
        chain::verify(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic in the middle of a transaction has rolled it back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Opens a book for reading, beside whoever writes it.
fn open_to_read(folder: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path_in(folder), flags)
        .map_err(StoreError::of("open the book to read it"))?;
    schema::plan_once(&connection)?;
    schema::check(&connection)?;
    Ok(connection)
}

/// Topics by their place in the list of all of them, which never changes.
fn topic_number(topic: Topic) -> i64 {
    Topic::ALL.iter().zip(0..).find(|(other, _)| **other == topic).map_or(-1, |(_, number)| number)
}

#[cfg(test)]
mod tests;
