//! The book for those who ask.

use std::thread;

use rusqlite::Connection;

use super::*;
use crate::view::{NotPaid, View};

fn returned(key: &OrderKey, n: u64, amount: i64) -> Validation {
    let mut validation = Validation::plain(key.clone(), Action::Return);
    (validation.amount, validation.revision) = (Some(Micros(amount)), Some(n));
    validation
}

#[test]
fn a_second_return_of_too_much_is_told_and_one_that_says_the_same_or_is_outdone_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather::fair(1));
    let key = order("BX-1");
    append(&bench.log, &decision(&key, 1, 10_000_000, &[("lea", 1)]));
    append(
        &bench.log,
        &act(&key, 1, 1, Action::Return, |act| {
            (act.amount, act.revision) = (Some(Micros(11_000_000)), Some(1));
            act.client_event_id = Some("first".to_owned());
        }),
    );
    bench.drain(folder.path());
    let view = View::new(folder.path().into(), Arc::clone(&bench.catalog), Arc::clone(&bench.desk));
    let fault = |validation: Validation| {
        let at = (Millis(T + DAY), Millis(T + DAY));
        let preview = view.preview().unwrap().act(validation, at).unwrap();
        preview.fault.map(|fault| fault.code)
    };
    assert_eq!(fault(returned(&key, 2, 12_000_000)), Some("returned_too_much"));
    assert_eq!(fault(returned(&key, 2, 10_000_001)), Some("returned_too_much"), "still too much");
    assert_eq!(fault(returned(&key, 2, 10_000_000)), None, "put right");
    assert_eq!(fault(returned(&key, 0, 12_000_000)), None, "the one before it holds");
    let mut again = returned(&key, 1, 11_000_000);
    again.client_event_id = Some("first".to_owned());
    assert_eq!(fault(again), None, "the same act again");
    let amended = |amount| {
        let mut validation = Validation::plain(key.clone(), Action::Amend);
        validation.amount = Some(Micros(amount));
        validation
    };
    assert_eq!(fault(amended(9_000_000)), Some("returned_too_much"), "makes it more");
    assert_eq!(fault(amended(10_500_000)), None, "makes it less");
    assert_eq!(fault(amended(10_000_000)), None, "changes nothing");
}

#[test]
fn a_payout_that_a_failing_ledger_drops_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather::fair(1));
    let view = View::new(folder.path().into(), Arc::clone(&bench.catalog), Arc::clone(&bench.desk));
    let payout = Payout { program: "shop".parse().unwrap(), until: Millis(T), actor: None };
    let asking = thread::spawn(move || view.pay(payout));
    let taken = loop {
        match bench.desk.take() {
            Some(taken) => break taken,
            None => thread::yield_now(),
        }
    };
    drop(taken);
    let answer = asking.join().unwrap();
    assert!(matches!(answer, Err(NotPaid::Interrupted)), "{answer:?}");
}

/// Some orders, one decision after the other, each in a transaction of its own.
fn written(bench: &Bench, folder: &Path, numbers: std::ops::Range<u64>) {
    let process = bench.worker(folder);
    let mut session = process.subscribe().unwrap();
    for n in numbers {
        let key = order(&format!("BX-{}", n % 7));
        let amount = 10_000_000 + i64::try_from(n % 3).unwrap();
        append(&bench.log, &decision(&key, n, amount, &[("lea", 1)]));
        while session.turn().unwrap() != Turn::Idle {}
    }
}

#[test]
fn what_is_written_between_two_statements_of_a_reader_is_not_seen_and_by_the_next_reader_is() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather { batch_records_max: 1, ..Weather::fair(1) });
    written(&bench, folder.path(), 1..4);
    let reader = Reader::open(folder.path()).unwrap();
    let count = |connection: &Connection| {
        let count = "SELECT count(*) FROM changes";
        connection.query_row(count, [], |row| row.get::<_, u32>(0)).unwrap()
    };
    let counts = reader.at_once(|connection| {
        let before = count(connection);
        written(&bench, folder.path(), 4..9);
        Ok((before, count(connection)))
    });
    let (before, between) = counts.unwrap();
    assert_eq!(before, between);
    assert_eq!(reader.verify().unwrap(), Ok(u64::from(before) + 5));
}

#[test]
fn a_book_is_whole_and_pays_no_more_than_is_payable_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather { batch_records_max: 1, ..Weather::fair(1) });
    bench.clock.set(Millis(T + 31 * DAY));
    written(&bench, folder.path(), 1..2);
    let payout =
        Payout { program: "shop".parse().unwrap(), until: Millis(T + 31 * DAY), actor: None };
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 2..80 {
                let key = order(&format!("BX-{n}"));
                append(&bench.log, &decision(&key, 1, 10_000_000, &[("lea", 1)]));
                bench.drain(folder.path());
            }
        });
        let reader = Reader::open(folder.path()).unwrap();
        let mut reads = 0;
        while !writer.is_finished() || reads == 0 {
            reader.verify().unwrap().unwrap();
            reader.statements(&bench.catalog.snapshot(), &payout).unwrap();
            reads += 1;
        }
    });
}

#[test]
fn a_page_of_the_book_ends_with_an_order_and_findings_go_on_within_one() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather::fair(1));
    for n in 1..4 {
        let key = order(&format!("BX-{n}"));
        append(&bench.log, &decision(&key, 1, 10_000_000, &[("lea", 1), ("nina", 1)]));
        append(
            &bench.log,
            &act(&key, 1, n, Action::Return, |act| {
                let line = |line, amount| ReturnedLine {
                    line: Some(line),
                    amount: Some(Micros(amount)),
                    ..ReturnedLine::default()
                };
                act.returned = vec![line(1, 90_000_000), line(7, 1)];
            }),
        );
    }
    bench.drain(folder.path());
    let reader = Reader::open(folder.path()).unwrap();
    let page = |limit| {
        let (lines, next) = reader.books_page(Some("shop"), None, limit).unwrap();
        (lines.len(), next.map(|next| next.key))
    };
    let first = Some(order("BX-1").to_string());
    assert_eq!((page(1), page(2)), ((2, first.clone()), (2, first)));
    assert_eq!(page(3), (4, Some(order("BX-2").to_string())));
    assert_eq!((page(6), page(7)), ((6, None), (6, None)));
    let (mut all, mut after) = (Vec::new(), Some((0, 0)));
    while let Some(from) = after {
        let (found, next) = reader.findings(from, 1).unwrap();
        assert!(found.len() <= 1);
        all.extend(found);
        after = next;
    }
    assert_eq!(all, reader.findings((0, 0), 100).unwrap().0);
    assert_eq!(all.len(), 6, "two of each order");
}
