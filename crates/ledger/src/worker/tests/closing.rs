//! When orders are locked: what the stages before have read, and what the clock says.

use eventlog::{Backend as _, Consumer, Cursor, Delivery, Group};

use super::*;
use crate::worker::clock::AHEAD_MAX;

const DEDUP: Stage = Stage { group: Group("dedup"), topics: &[Topic::Conversions] };
const ATTRIBUTION: Stage =
    Stage { group: Group("attribution"), topics: &[Topic::Touches, Topic::Unique] };

fn bench() -> Bench {
    let mut bench = Bench::new(Weather::fair(1));
    bench.stages = vec![DEDUP, ATTRIBUTION];
    bench
}

/// A report that waits for dedup.
fn report(n: u64) -> Record {
    let mut report = record(&decision(&order(&format!("BX-{n}")), n, 1, &[]));
    report.kind = 16;
    report
}

/// A stage that has read something and not said so yet.
struct Reading {
    consumer: Box<dyn Consumer>,
    cursors: Vec<Cursor>,
}

/// Reads all that a stage finds now.
fn read_all(bench: &Bench, stage: Stage) -> Reading {
    let mut consumer = bench.log.subscribe(stage.group, stage.topics).unwrap();
    let mut cursors: BTreeMap<_, Cursor> = BTreeMap::new();
    loop {
        match consumer.next(Duration::ZERO).unwrap() {
            Delivery::Batch(batch) => drop(cursors.insert(batch.partition, batch.cursor())),
            Delivery::Idle => break,
            _ => {}
        }
    }
    Reading { consumer, cursors: cursors.into_values().collect() }
}

impl Reading {
    /// Makes outputs durable, and the cursors.
    fn commit(mut self, outputs: &[(Topic, Record)]) {
        let mut unit = self.consumer.unit().unwrap();
        for (topic, record) in outputs {
            unit.append(*topic, record).unwrap();
        }
        unit.commit(&self.cursors).unwrap();
    }
}

#[test]
fn an_order_is_locked_after_what_was_received_before_has_come_through_the_stages_and_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench();
    let key = order("BX-1");
    append(&bench.log, &decision(&key, 1, 10_000_000, &[("lea", 1)]));
    bench.log.append(Topic::Conversions, &report(1));
    bench.clock.set(Millis(T + 30 * DAY));
    let locks = || {
        bench.drain(folder.path());
        bench.log.records(Topic::Closed).len()
    };
    assert_eq!(locks(), 0, "the report waits for dedup");
    let reading = read_all(&bench, DEDUP);
    assert_eq!(locks(), 0, "read, and nothing of it is durable yet");
    reading.commit(&[(Topic::Unique, report(1))]);
    assert_eq!(locks(), 0, "its record waits for attribution");
    let corrected = decision(&key, 3, 20_000_000, &[("lea", 1)]);
    read_all(&bench, ATTRIBUTION).commit(&[(Topic::Attributed, record(&corrected))]);
    assert_eq!(locks(), 1);
    let line = format!("shop\t{key}\tlea\tEUR\tlocked\t20000000\t1250000\t0");
    assert_eq!(books(folder.path()), [line], "as the correction says");
}

#[test]
fn reports_that_keep_coming_hold_no_lock_up() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench();
    append(&bench.log, &decision(&order("BX-1"), 1, 10_000_000, &[("lea", 1)]));
    bench.clock.set(Millis(T + 30 * DAY));
    let process = bench.worker(folder.path());
    let mut session = process.subscribe().unwrap();
    let mut rounds = 0;
    while bench.log.records(Topic::Closed).is_empty() {
        rounds += 1;
        assert!(rounds < 5, "both stages are always one report behind");
        let readings = [read_all(&bench, DEDUP), read_all(&bench, ATTRIBUTION)];
        bench.log.append(Topic::Conversions, &report(rounds));
        bench.log.append(Topic::Unique, &report(rounds));
        for reading in readings {
            reading.commit(&[]);
            (0..20).for_each(|_| assert_ne!(session.turn().unwrap(), Turn::Fenced));
        }
    }
}

#[test]
fn a_stage_that_is_behind_holds_up_locks_and_no_payout() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench();
    append(&bench.log, &decision(&order("BX-1"), 1, 10_000_000, &[("lea", 1)]));
    bench.clock.set(Millis(T + 30 * DAY));
    bench.drain(folder.path());
    append(&bench.log, &decision(&order("BX-2"), 1, 10_000_000, &[("lea", 1)]));
    bench.log.append(Topic::Touches, &report(1));
    let until = Millis(T + 31 * DAY);
    let answer =
        bench.desk.ask(Payout { program: "shop".parse().unwrap(), until, actor: None }, PATIENCE);
    bench.drain(folder.path());
    let paid = answer.unwrap().try_recv().unwrap().unwrap();
    assert_eq!(paid.iter().map(|statement| statement.lines.len()).collect::<Vec<_>>(), [1]);
    let states: Vec<_> = books(folder.path())
        .iter()
        .map(|line| line.split('\t').nth(4).unwrap().to_owned())
        .collect();
    assert_eq!(states, ["paid", "pending"]);
}

/// Whether an order whose time is over is locked by a process that starts at `now`, on a book of `noted`.
fn locks(noted: Option<i64>, now: i64, checked: Option<&str>) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(Weather::fair(1));
    bench.config.clock_checked = None;
    append(&bench.log, &decision(&order("BX-1"), 1, 10_000_000, &[("lea", 1)]));
    if let Some(at) = noted {
        let store = Store::open(folder.path(), 1 << 20).unwrap();
        let writing = store.begin().unwrap();
        writing.set_passed(Millis(T + at)).unwrap();
        writing.commit().unwrap();
    }
    bench.config.clock_checked = checked.map(str::to_owned);
    bench.clock.set(Millis(T + now));
    bench.drain(folder.path());
    !bench.log.records(Topic::Closed).is_empty()
}

#[test]
fn a_clock_three_days_ahead_of_the_book_locks_and_one_a_millisecond_more_does_not() {
    let most = i64::try_from(AHEAD_MAX.as_millis()).unwrap();
    assert_eq!(most, 3 * DAY);
    assert!(locks(Some(40 * DAY), 40 * DAY + most, None));
    assert!(!locks(Some(40 * DAY), 40 * DAY + most + 1, None));
    assert!(!locks(Some(40 * DAY), 4000 * DAY, None));
    assert!(locks(Some(4000 * DAY), 40 * DAY, None), "the note was wrong, or the clock is late");
    // A day that has surely come.
    assert_eq!(Millis(T + 37 * DAY).rfc3339(), "2026-12-10T00:00:00.000Z");
    assert!(locks(Some(DAY), 40 * DAY, Some("2026-12-10")));
    assert!(!locks(Some(DAY), 40 * DAY + 1, Some("2026-12-10")));
    assert!(!locks(Some(DAY), 40 * DAY, Some("2026-12-09")));
    // A new book goes by what it read first: the order was received at the beginning.
    assert!(!locks(None, 40 * DAY, None));
    assert!(locks(None, 40 * DAY, Some("2026-12-10")));
}

/// What a payout is told by a process that starts at `now` on a book of `noted`, and whose clock then jumps by so much.
fn told_of_clock(noted: i64, now: i64, jump: i64) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(Weather::fair(1));
    bench.config.clock_checked = None;
    let store = Store::open(folder.path(), 1 << 20).unwrap();
    let writing = store.begin().unwrap();
    writing.set_passed(Millis(T + noted)).unwrap();
    writing.commit().unwrap();
    bench.clock.set(Millis(T + now));
    drop(store);
    let mut process = bench.worker(folder.path());
    process.deps.clock = Arc::new(event::WatchedClock::new(bench.clock.clone()));
    let mut session = process.subscribe().unwrap();
    bench.clock.set(Millis(T + now + jump));
    let payout = Payout { program: "shop".parse().unwrap(), until: Millis(T), actor: None };
    let answer = bench.desk.ask(payout, PATIENCE).unwrap();
    (0..40).for_each(|_| assert_ne!(session.turn().unwrap(), Turn::Fenced));
    assert_eq!(bench.log.records(Topic::Closed), []);
    match answer.try_recv().unwrap() {
        Ok(statements) => format!("{} statements", statements.len()),
        Err(doubt) => doubt.to_string(),
    }
}

#[test]
fn a_payout_under_a_doubted_clock_is_told_why_at_once_and_what_to_do() {
    assert_eq!(told_of_clock(0, 3 * DAY, 0), "0 statements");
    // So it is after the node stood still, and after an older copy of the book was put back.
    expect_test::expect![[r#"nothing is locked or paid while the clock is doubted: it is 2026-11-06T00:00:00.001Z, over three days after the last time that the book noted (2026-11-03T00:00:00.000Z). So it is after the node stood still for that long, and after an older copy of the book was put back. Look at the clock. If it is right, give ledger.clock_checked = "2026-11-06" and start the node anew; if it is wrong, set it and start the node anew"#]].assert_eq(&told_of_clock(0, 3 * DAY + 1, 0));
    expect_test::expect!["nothing is locked or paid while the clock is doubted: it is 2026-11-06T00:00:00.000Z now, over an hour off the time that passed since the start. If it is wrong, set it: the ledger goes on by itself; if it is right and was wrong before, start the node anew"].assert_eq(&told_of_clock(0, DAY, 2 * DAY));
}

#[test]
fn a_doubted_clock_is_doubted_by_the_next_process_and_after_a_rebuild() {
    for rebuilt in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Bench::new(Weather::fair(1));
        bench.config.clock_checked = None;
        append(&bench.log, &decision(&order("BX-1"), 1, 10_000_000, &[("lea", 1)]));
        bench.clock.set(Millis(T + 4000 * DAY));
        if rebuilt {
            let stop = std::sync::atomic::AtomicBool::new(false);
            bench.worker(folder.path()).rebuild(&stop).unwrap();
        } else {
            bench.drain(folder.path());
        }
        bench.drain(folder.path());
        assert_eq!(bench.log.records(Topic::Closed), [], "rebuilt: {rebuilt}");
        bench.clock.set(Millis(T + 30 * DAY));
        bench.config.clock_checked = Some("2026-12-03".to_owned());
        bench.drain(folder.path());
        assert_eq!(bench.log.records(Topic::Closed).len(), 1, "rebuilt: {rebuilt}");
    }
}

#[test]
fn a_shop_in_which_nothing_happens_for_months_locks_and_notes_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(Weather::fair(1));
    bench.config.clock_checked = None;
    append(&bench.log, &decision(&order("BX-1"), 1, 10_000_000, &[("lea", 1)]));
    let process = bench.worker(folder.path());
    let mut session = process.subscribe().unwrap();
    let mut turns = || (0..40).for_each(|_| assert_ne!(session.turn().unwrap(), Turn::Fenced));
    turns();
    let noted = || process.deps.store.begin().unwrap().passed().unwrap();
    assert_eq!(noted(), Some(Millis(T + DAY)));
    assert_eq!(bench.log.records(Topic::Closed), []);
    bench.clock.set(Millis(T + 100 * DAY));
    turns();
    assert_eq!(bench.log.records(Topic::Closed).len(), 1);
}

#[test]
fn a_lock_that_no_record_can_hold_ends_the_stage_and_is_not_tried_again() {
    let bench = bench();
    let mut consumer = bench.log.subscribe(GROUP, &[Topic::Closed]).unwrap();
    let mut said = |statement: usize| {
        let payment = Payment {
            statement: "s".repeat(statement),
            partner: "lea".parse().unwrap(),
            amount: Micros(1),
            currency: "EUR".parse().unwrap(),
            actor: None,
            whole: None,
            at: None,
            line: None,
        };
        let subject = Subject::Order(order("BX-1"));
        let closed = Closed { subject, closing: Closing::Pay(payment) };
        let mut outputs = crate::worker::Outputs::begin(&mut *consumer).unwrap();
        let said = outputs.closed(id(0, 1), (Millis(T), Millis(T)), closed);
        said.map_err(crate::Error::Write)
    };
    said(eventlog::PAYLOAD_BYTES_MAX - 1_000).unwrap();
    let error = said(eventlog::PAYLOAD_BYTES_MAX).unwrap_err();
    assert!(!error.retry(), "{error:?}");
}
