//! The file of the book.

use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{EventId, EventType};
use eventlog::Header;
use rusqlite::Connection;

use super::{FILE, Said, Store};

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path(), 1 << 20).unwrap());
    drop(Store::open(folder.path(), 1 << 20).unwrap());
    let raw = Connection::open(folder.path().join(FILE)).unwrap();
    raw.execute_batch("PRAGMA user_version = 8").unwrap();
    let error = Store::open(folder.path(), 1 << 20).unwrap_err();
    let told = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(told, "the book is of format 8; this version reads format 7");
}

#[test]
fn another_database_is_no_book() {
    let folder = tempfile::tempdir().unwrap();
    let raw = Connection::open(folder.path().join(FILE)).unwrap();
    raw.execute_batch("CREATE TABLE x (y); PRAGMA user_version = 1").unwrap();
    let error = Store::open(folder.path(), 1 << 20).unwrap_err();
    let told = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(told, "the file is no book of Sillage");
}

#[test]
fn a_book_whose_accounts_do_not_balance_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path(), 1 << 20).unwrap());
    let raw = Connection::open(folder.path().join(FILE)).unwrap();
    raw.execute("INSERT INTO balances VALUES ('pending:a', 'EUR', 0, '7')", []).unwrap();
    let opened = std::panic::catch_unwind(|| Store::open(folder.path(), 1 << 20));
    let told = opened.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(*told, "the accounts in EUR do not balance: 7");
}

#[test]
fn what_is_asked_at_every_turn_goes_through_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 20).unwrap();
    let writing = store.begin().unwrap();
    let mut steps: Vec<String> = Vec::new();
    for sql in super::orders::AT_EVERY_TURN {
        let plan = format!("EXPLAIN QUERY PLAN {sql}");
        let mut found = writing.connection.prepare(&plan).unwrap();
        let values = vec![rusqlite::types::Null; found.parameter_count()];
        let rows = found.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap();
        steps.extend(rows.map(Result::unwrap));
    }
    assert_eq!(steps.len(), super::orders::AT_EVERY_TURN.len(), "{steps:?}");
    assert!(steps.iter().all(|step| step.starts_with("SEARCH orders USING")), "{steps:?}");
}

#[test]
fn what_is_to_be_said_comes_back_as_it_was_until_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 20).unwrap();
    let one = |n: u8, bytes: usize| {
        let (codec, kind) = (CODEC_JSON, EventType::Posting.number());
        let (id, key_hash) = (EventId::from_bytes([n; 16]), KeyHash(u64::from(n)));
        Said { n: 0, header: Header { codec, kind, id, key_hash }, payload: vec![n; bytes] }
    };
    // Rows are closed at 2,000 bytes, and the header of a posting has 28.
    let all: Vec<Said> = [(1, 0), (2, 1_944), (3, 1_943), (4, 0), (5, 0), (6, 9_000)]
        .map(|(n, bytes)| one(n, bytes))
        .into();
    let mut writing = store.begin().unwrap();
    writing.said.clone_from(&all);
    let said = writing.commit().unwrap();
    let rows: Vec<i64> = said.iter().map(|one| one.n).collect();
    assert_eq!(rows, [1, 1, 2, 2, 2, 3]);
    let unsaid = || store.begin().unwrap().unsaid().unwrap();
    assert_eq!(unsaid(), said);
    let as_they_were: Vec<Said> = unsaid().into_iter().map(|one| Said { n: 0, ..one }).collect();
    assert_eq!(as_they_were, all);
    let writing = store.begin().unwrap();
    writing.said(2).unwrap();
    writing.commit().unwrap();
    assert_eq!(unsaid(), said[5..]);
    let writing = store.begin().unwrap();
    writing.run("UPDATE outbox SET postings = substr(postings, 1, 27)", []).unwrap();
    writing.unsaid().unwrap_err();
}
