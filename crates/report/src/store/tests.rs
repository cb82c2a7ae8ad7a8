//! The file itself.

use event::Topic;
use eventlog::{Cursor, Partition};
use rusqlite::Connection;

use super::{Store, file};
use crate::build::{SHOP, catalog};

const TOUCHES: Partition = Partition { topic: Topic::Touches, index: 0 };

fn move_to(store: &Store, next: u64) {
    let cursor = Cursor { partition: TOUCHES, next };
    store.apply(&[], Some(cursor), &catalog(SHOP).snapshot()).unwrap();
}

#[test]
fn the_offset_is_kept_and_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.resume(TOUCHES).unwrap(), 0);
    move_to(&store, 7);
    move_to(&store, 3);
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.resume(TOUCHES).unwrap(), 7);
    assert_eq!(store.resume(Partition { index: 1, ..TOUCHES }).unwrap(), 0);
}

#[test]
fn a_file_of_another_format_is_filled_anew() {
    let folder = tempfile::tempdir().unwrap();
    move_to(&Store::open(folder.path()).unwrap(), 7);
    let db = Connection::open(file(folder.path())).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert_eq!(Store::open(folder.path()).unwrap().resume(TOUCHES).unwrap(), 0);
}
