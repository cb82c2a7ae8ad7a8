//! The file of the book.

use rusqlite::Connection;

use super::{FILE, Store};

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path(), 1 << 20).unwrap());
    drop(Store::open(folder.path(), 1 << 20).unwrap());
    let raw = Connection::open(folder.path().join(FILE)).unwrap();
    raw.execute_batch("PRAGMA user_version = 6").unwrap();
    let error = Store::open(folder.path(), 1 << 20).unwrap_err();
    let told = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(told, "the book is of format 6; this version reads format 5");
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
