//! Whether the rollups are what they are made of; for tests.

use std::collections::BTreeMap;
use std::path::Path;

use catalog::Snapshot;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::rollup::GRAINS;
use super::sums::Sums;
use super::{Store, file};
use crate::days::Zone;

const TABLES: [&str; 3] = ["touch_sum", "order_sum", "journey_sum"];

/// Every row of every rollup.
fn dump(db: &Connection) -> Vec<String> {
    let mut all = Vec::new();
    for table in TABLES {
        let mut select = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = select.column_count();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let row: Vec<Value> = (0..columns).map(|at| row.get_unwrap(at)).collect();
            all.push(format!("{table} {row:?}"));
        }
    }
    all
}

/// Panics unless the rollups are those that the touches, orders and journeys of the store make, and every coarse span the
/// sum of the days that it is made of.
pub(crate) fn audit(folder: &Path, catalog: &Snapshot) {
    let store = Store::open(folder).unwrap();
    let db = Connection::open(file(folder)).unwrap();
    let before = dump(&db);
    assert!(!before.is_empty());
    store
        .inner()
        .write(catalog, |writer| {
            let program = writer.name("shop")?;
            writer.rezone(program, &Zone::named(catalog.program("shop").unwrap().time_zone()))
        })
        .unwrap();
    assert_eq!(dump(&db), before, "the rollups are not those of the rows");

    for (table, key, sums) in [
        ("touch_sum", "program, cut, partner, value, kind, reason", "n"),
        (
            "journey_sum",
            "program, goal, basis, partner",
            "orders, uncredited, introducer, middle, closer, reports",
        ),
    ] {
        let summed: Vec<String> =
            sums.split(", ").map(|sum| format!("SUM({sum}) AS {sum}")).collect();
        for grain in GRAINS {
            // None of the tests has days before 1970, so division rounds down.
            let made = format!(
                "SELECT {key}, at / {grain} AS of, {} FROM {table} WHERE grain = 1 GROUP BY {key}, of",
                summed.join(", ")
            );
            let kept = format!("SELECT {key}, at AS of, {sums} FROM {table} WHERE grain = {grain}");
            for (a, b) in [(&made, &kept), (&kept, &made)] {
                let sql = format!("SELECT count(*) FROM ({a} EXCEPT {b})");
                let differ: i64 = db.query_row(&sql, [], |row| row.get(0)).unwrap();
                assert_eq!(differ, 0, "{table} by {grain} days: {sql}");
            }
        }
    }
    let mut spans: BTreeMap<String, (Sums, Sums)> = BTreeMap::new();
    let sql = "SELECT program, goal, basis, cut, partner, value, grain, at, sums FROM order_sum";
    let mut select = db.prepare(sql).unwrap();
    let mut rows = select.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let key: Vec<Value> = (0..6).map(|at| row.get_unwrap(at)).collect();
        let (grain, at): (i64, i64) = (row.get_unwrap(6), row.get_unwrap(7));
        let value: Vec<u8> = row.get_unwrap(8);
        if grain == 1 {
            for coarse in &GRAINS[1..] {
                let span = format!("{key:?} {coarse} {}", at.div_euclid(*coarse));
                spans.entry(span).or_default().0.add_value(&value);
            }
        } else {
            spans.entry(format!("{key:?} {grain} {at}")).or_default().1.add_value(&value);
        }
    }
    for (span, (made, kept)) in spans {
        assert_eq!(made.value(), kept.value(), "{span}");
    }
}
