//! What is found in a book that was edited, and how large its sums may be.

use rusqlite::Connection;

use super::*;
use crate::store::ChainFault;

#[test]
fn an_edited_row_breaks_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather::fair(1));
    let key = order("BX-1");
    append(&bench.log, &decision(&key, 1, 10_000_000, &[("lea", 1)]));
    bench.drain(folder.path());
    append(&bench.log, &act(&key, 1, 1, Action::Approve, |_| {}));
    bench.drain(folder.path());
    let verify = || Reader::open(folder.path()).unwrap().verify().unwrap();
    assert_eq!(verify(), Ok(2));
    let edits = [
        ("UPDATE transfers SET amount = amount + 1 WHERE n = 1", ChainFault::Change(1)),
        ("UPDATE transfers SET amount = amount - 1 WHERE n = 1", ChainFault::Change(0)),
        ("UPDATE changes SET actor = 'boss' WHERE n = 2", ChainFault::Change(2)),
        ("UPDATE changes SET actor = 'key-1' WHERE n = 2", ChainFault::Change(0)),
        ("UPDATE transfers SET n = 3 WHERE n = 2", ChainFault::Change(2)),
        ("UPDATE transfers SET n = 2 WHERE n = 3", ChainFault::Change(0)),
        ("DELETE FROM changes WHERE n = 1", ChainFault::Change(2)),
    ];
    for (edit, fault) in edits {
        let raw = Connection::open(folder.path().join(FILE)).unwrap();
        assert_eq!(raw.execute(edit, []).unwrap(), 1, "{edit}");
        // Change 0: undone again.
        let expected = if fault == ChainFault::Change(0) { Ok(2) } else { Err(fault) };
        assert_eq!(verify(), expected, "{edit}");
    }
}

#[test]
fn a_balance_that_is_not_the_sum_of_its_transfers_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather::fair(1));
    append(&bench.log, &decision(&order("BX-1"), 1, 10_000_000, &[("lea", 1)]));
    bench.drain(folder.path());
    let raw = Connection::open(folder.path().join(FILE)).unwrap();
    raw.execute("UPDATE balances SET amount = '625001' WHERE account = 'pending:lea'", []).unwrap();
    let found = Reader::open(folder.path()).unwrap().verify().unwrap().unwrap_err().to_string();
    assert_eq!(
        found,
        "the balance of pending:lea in EUR is 625001 and not 625000, the sum of its transfers"
    );
}

#[test]
fn a_balance_outgrows_64_bits_where_each_of_its_transfers_fits() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(Weather::fair(1));
    bench.catalog = catalog(
        &SHOP
            .replace("7.5", "100")
            .replace("percent = \"5\"", "percent = \"100\"")
            .replace(", cap_per_order = \"4.00\"", ""),
    );
    const LARGEST: i64 = 100_000_000_000_000_000;
    const ORDERS: i128 = 200;
    for n in 0..ORDERS {
        append(&bench.log, &decision(&order(&format!("BX-{n}")), 1, LARGEST, &[("lea", 1)]));
    }
    bench.drain(folder.path());
    let reader = Reader::open(folder.path()).unwrap();
    let sum = ORDERS * i128::from(LARGEST);
    assert!(sum > i128::from(i64::MAX));
    let account = |name: &str, sum| (name.to_owned(), "EUR".to_owned(), sum);
    assert_eq!(
        reader.accounts().unwrap(),
        [account("expense:shop", -sum), account("pending:lea", sum)]
    );
    reader.verify().unwrap().unwrap();
}
