//! Both stores keep the same sets.

use std::sync::Arc;

use event::Topic;
use event::body::conversion::{ClickSource, ClickVerdict};
use eventlog::{Cursor, Partition};
use tempfile::TempDir;

use super::fjall::FjallStore;
use super::memory::MemoryStore;
use super::{MemberStore, OrderHash, Settled};
use crate::build::{click_id, event, order, pixel, server};
use crate::member::{END_MAX, LaterVerdict, Member, Members, Row};

const CACHE: u64 = 1 << 20;

fn open(folder: &TempDir) -> FjallStore {
    FjallStore::open(&folder.path().join("state"), CACHE).unwrap()
}

fn stores(folder: &TempDir) -> [Arc<dyn MemberStore>; 2] {
    [Arc::new(MemoryStore::default()), Arc::new(open(folder))]
}

fn hash() -> OrderHash {
    OrderHash::of(&order())
}

fn rows(reports: impl IntoIterator<Item = Row>) -> Vec<(OrderHash, Row)> {
    reports.into_iter().map(|row| (hash(), row)).collect()
}

fn later(n: u64) -> Row {
    let click = click_id(n, ClickSource::Parameter, ClickVerdict::Valid);
    Row::Later(Box::new(LaterVerdict { id: event(0, n), conversion: event(1, n), click }))
}

#[test]
fn a_row_added_twice_is_counted_once_also_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let both = [server(1, 0).ids(&[]).coupon("A").item("x").row(), later(9)];
    let expected = both.iter().cloned().collect::<Members>().considered();
    assert_eq!(expected.count(), 2);
    for _ in 0..3 {
        for store in stores(&folder) {
            store.add(&rows(both.clone())).unwrap();
            store.add(&rows([both[1].clone(), both[0].clone(), both[0].clone()])).unwrap();
            assert_eq!(store.considered(hash()).unwrap(), expected);
        }
    }
}

#[test]
fn an_order_that_nobody_reported_is_empty() {
    for store in stores(&tempfile::tempdir().unwrap()) {
        assert_eq!(store.considered(hash()).unwrap().count(), 0);
        assert_eq!(store.emitted(hash()).unwrap(), None);
        assert_eq!(store.waiting(None, 9).unwrap(), []);
    }
}

#[test]
fn orders_do_not_mix() {
    let other = OrderHash::of(&"shop/sale/test/o:A1".parse().unwrap());
    for store in stores(&tempfile::tempdir().unwrap()) {
        store.add(&[(hash(), pixel(1, 0).row()), (other, pixel(2, 0).row())]).unwrap();
        store.add(&[(other, pixel(3, 0).row())]).unwrap();
        assert_eq!(store.considered(hash()).unwrap().count(), 1);
        assert_eq!(store.considered(other).unwrap().count(), 2);
    }
}

#[test]
fn the_first_and_last_of_each_kind_are_considered_and_all_are_counted() {
    let most = u64::try_from(END_MAX).unwrap();
    for pages in [most - 3, most - 2, 2 * most, 2 * most + 1, 3 * most] {
        let flood = (0..pages).map(|n| pixel(n, i64::try_from(n).unwrap()).row());
        let all: Vec<Row> = flood.chain([server(1, 7).row(), later(3), later(4)]).collect();
        let expected = all.iter().cloned().collect::<Members>().considered();
        assert_eq!(expected.count(), pages + 3);
        assert_eq!(expected.reports().len() as u64, pages.min(2 * most) + 1);
        for store in stores(&tempfile::tempdir().unwrap()) {
            for part in all.chunks(100).rev() {
                store.add(&rows(part.iter().cloned())).unwrap();
            }
            assert!(store.considered(hash()).unwrap() == expected, "{pages}");
        }
    }
}

#[test]
fn what_is_settled_is_remembered() {
    let partition = |index| Partition { topic: Topic::Conversions, index };
    let folder = tempfile::tempdir().unwrap();
    let other: event::OrderKey = "shop/sale/real/o:B".parse().unwrap();
    for store in stores(&folder) {
        assert_eq!(store.resume(partition(1)).unwrap(), 0);
        store.wait(&[order(), other.clone(), order()]).unwrap();
        let mut both = store.waiting(None, 9).unwrap();
        assert_eq!(store.waiting(None, 1).unwrap(), both[..1]);
        assert_eq!(store.waiting(Some(OrderHash::of(&both[0])), 9).unwrap(), both[1..]);
        both.sort();
        assert_eq!(both, [order(), other.clone()]);
        let cursors = vec![Cursor { partition: partition(1), next: 7 }];
        let emitted = vec![(hash(), event(1, 1))];
        store.settle(&Settled { emitted, ended: vec![hash()], cursors }).unwrap();
    }
    let again = open(&folder);
    assert_eq!(again.waiting(None, 9).unwrap(), [other]);
    assert_eq!(again.emitted(hash()).unwrap(), Some(event(1, 1)));
    assert_eq!(again.resume(partition(1)).unwrap(), 7);
    assert_eq!(again.resume(partition(0)).unwrap(), 0);
    drop(again);
    FjallStore::delete(&folder.path().join("state")).unwrap();
    FjallStore::delete(&folder.path().join("state")).unwrap();
    assert_eq!(open(&folder).resume(partition(1)).unwrap(), 0);
}

#[test]
fn a_stored_report_comes_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let full: Member = server(1, 5)
        .late_by(3)
        .revision(2)
        .item("x")
        .coupon("A")
        .channel("seo")
        .consent(event::Consent::Granted)
        .ids(&[crate::build::visitor(1), crate::build::customer(2)])
        .click(3);
    let store = open(&folder);
    store.add(&rows([full.clone().row()])).unwrap();
    assert_eq!(store.considered(hash()).unwrap().reports(), [full]);
}
