//! Tables of the book, and which format it has.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::days::TABLES as DAYS;
use super::{During as _, StoreError};

/// Format of the file. A newer one is refused.
const VERSION: i64 = 7;

/// Size of a page. 8 KiB: what is known of an order and its booking come to 1.6 kB, of which a page of 4 KiB holds two and
/// wastes a fifth; a book is a quarter smaller with these.
const PAGE_BYTES: u32 = 8_192;

/// Pages of the write-ahead log from which it is brought into the file. 32 MiB: pages that each transaction changes, such as
/// the ends of tables and indexes, are written once in some twenty transactions, and read back in an instant after a crash.
const CHECKPOINT_PAGES: u32 = 4_000;

/// Tests cut the power by copying the file.
const SYNCHRONOUS: &str = if cfg!(test) { "OFF" } else { "FULL" };

/// Says that the file is a book: "SLED".
const APPLICATION: i64 = 0x534c_4544;

/// `orders` is narrow, so that a list need not go through facts. What it has of an order:
/// `due`: when it may be locked or changes by itself, if nothing but the time is missing. `open`: decided and not locked.
/// `owed`: locked, and payments do not come up to what is due. `dirty`: 1 to be decided, 2 waits for a newer catalog.
///
/// `statements`: the payments of each that are known, how many and how much (as text: parts of a statement may outgrow what
/// the whole does not), and when the last was made (0: an old one); `wholes`: what payments say that it comes to. `line` of a
/// payment: the line of its statement, as it was.
///
/// Transfers of an order lie side by side: a random key of 16 bytes costs three times as much.
const TABLES: &str = "
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  program TEXT NOT NULL,
  partition INTEGER NOT NULL,
  state TEXT,
  code INTEGER,
  partners TEXT NOT NULL DEFAULT '',
  number INTEGER NOT NULL DEFAULT 0,
  open INTEGER NOT NULL DEFAULT 0,
  owed INTEGER NOT NULL DEFAULT 0,
  dirty INTEGER NOT NULL DEFAULT 0,
  due INTEGER,
  lock_at INTEGER,
  converted_at INTEGER,
  changed_at INTEGER
) STRICT;
CREATE INDEX orders_due ON orders(due) WHERE due IS NOT NULL;
CREATE INDEX orders_dirty ON orders(dirty) WHERE dirty > 0;
CREATE TABLE contents (
  id INTEGER PRIMARY KEY,
  facts TEXT NOT NULL,
  booked TEXT
) STRICT;
CREATE TABLE changes (
  n INTEGER PRIMARY KEY,
  order_id INTEGER NOT NULL,
  number INTEGER NOT NULL,
  id BLOB NOT NULL,
  source BLOB NOT NULL,
  actor TEXT,
  changed_at INTEGER NOT NULL,
  state TEXT NOT NULL,
  code INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE TABLE transfers (
  order_id INTEGER NOT NULL,
  id BLOB NOT NULL,
  n INTEGER NOT NULL,
  purpose TEXT NOT NULL,
  debit TEXT NOT NULL,
  credit TEXT NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  currency TEXT NOT NULL,
  PRIMARY KEY (order_id, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE balances (
  account TEXT NOT NULL,
  currency TEXT NOT NULL,
  partition INTEGER NOT NULL,
  amount TEXT NOT NULL,
  PRIMARY KEY (account, currency, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE findings (
  order_id INTEGER NOT NULL,
  place INTEGER NOT NULL,
  finding TEXT NOT NULL,
  PRIMARY KEY (order_id, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE payments (
  statement TEXT NOT NULL,
  subject TEXT NOT NULL,
  day INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  line TEXT,
  PRIMARY KEY (statement, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX payments_of_days ON payments(subject) WHERE day = 1;
CREATE TABLE statements (
  id TEXT PRIMARY KEY,
  program TEXT NOT NULL,
  partner TEXT NOT NULL,
  currency TEXT NOT NULL,
  until INTEGER,
  lines INTEGER NOT NULL,
  amount TEXT NOT NULL,
  made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX statements_program ON statements(program, made_at, id);
CREATE TABLE wholes (
  statement TEXT NOT NULL,
  lines INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (statement, lines, amount)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
  n INTEGER PRIMARY KEY,
  postings BLOB NOT NULL
) STRICT;
CREATE TABLE cursors (
  topic INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  next INTEGER NOT NULL,
  PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE catalog (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  generation INTEGER NOT NULL
) STRICT;
CREATE TABLE clock (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  passed INTEGER NOT NULL
) STRICT;
";

/// Makes the tables of a new file, or checks that they are of this format.
pub(super) fn prepare(connection: &Connection, cache_bytes: u64) -> Result<(), StoreError> {
    const DOING: &str = "prepare the book";
    plan_once(connection)?;
    let pages = i64::try_from(cache_bytes / 1024).unwrap_or(i64::MAX);
    connection
        .execute_batch(&format!(
            "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL;
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}; PRAGMA synchronous = {SYNCHRONOUS}; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -{pages}; PRAGMA journal_size_limit = 67108864;
             PRAGMA busy_timeout = 10000;"
        ))
        .during(DOING)?;
    if number(connection, "user_version")? != 0 {
        return check(connection);
    }
    connection
        .execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} {DAYS} PRAGMA application_id = {APPLICATION};
             PRAGMA user_version = {VERSION}; COMMIT;"
        ))
        .during(DOING)
}

/// Statements are planned once, whatever is bound to them: else SQLite plans one anew at each use of which a value might tell
/// it more, which costs ten times what looking an order up does.
pub(super) fn plan_once(connection: &Connection) -> Result<(), StoreError> {
    let asked = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
    asked.map(drop).during("prepare the book")
}

/// Refuses what is no book of this format.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let found = number(connection, "user_version")?;
    if number(connection, "application_id")? != APPLICATION {
        return Err(StoreError::of("open the book")("the file is no book of Sillage"));
    }
    if found != VERSION {
        let text = format!("the book is of format {found}; this version reads format {VERSION}");
        return Err(StoreError::of("open the book")(text));
    }
    Ok(())
}

fn number(connection: &Connection, pragma: &str) -> Result<i64, StoreError> {
    connection
        .pragma_query_value(None, pragma, |row| row.get(0))
        .map_err(StoreError::of("read the format of the book"))
}
