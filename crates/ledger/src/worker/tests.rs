//! The worker on its book and on a log that does everything a log may do.

#![expect(clippy::arithmetic_side_effects, reason = "times and numbers of a test")]
#![expect(clippy::wildcard_enum_match_arm, reason = "any other body fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catalog::{CatalogFile, Format, Handle, State};
use event::body::decision::Decision;
use event::body::{
    Action, Body, Closed, Closing, OrderState, Payment, Posting, ReturnedLine, Subject, Validation,
};
use event::envelope::CODEC_JSON;
use event::{Clock, Code, Envelope, EventId, LaneId, Micros, Millis, OrderKey, Sequence, Topic};
use eventlog::stage::{Failure as _, Stage as _, Turn};
use eventlog::{Header, Record};
use testkit::{AdversarialLog, CrashPoint, Dice, SteppedClock, Weather};

use super::reading::{Read, read};
use super::{Deps, GROUP, Stage, Worker};
use crate::config::Config;
use crate::facts::{Fact, Facts};
use crate::payout::{Desk, Payout, Status};
use crate::store::{FILE, Filter, Reader, Store};
use crate::{Outcome, books_lines, decide};

mod closing;
mod days;
mod payouts;
mod reading;
mod reloading;
mod replays;
mod sums;
mod view;

const DAY: i64 = 86_400_000;
/// For how long somebody waits for a payout.
const PATIENCE: Duration = Duration::from_hours(1);
const T: i64 = 1_793_664_000_000;

const SHOP: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
time_zone = "Europe/Paris"
currency = "EUR"
mode = "live"
terms = [{
  lock_after = "30d", lateness = "7d", auto_approve = true,
  commission = [{ percent = "5", category = ["x"], cap_per_order = "4.00" }, { percent = "7.5" }],
}]

[partner.lea]
title = "Lea"
kind = "content"
program.shop = { state = "approved" }

[partner.nina]
title = "Nina"
kind = "influencer"
program.shop = { state = "approved", terms = [{ commission = [{ per_order = "3.00" }] }] }
"#;

fn catalog(text: &str) -> Arc<Handle> {
    let file = CatalogFile::parse(text, Format::Toml).unwrap();
    let records = file.plan(&State::default(), Millis(T - 100 * DAY)).unwrap();
    Arc::new(Handle::new(State::fold(&records).unwrap()).unwrap())
}

fn id(at: i64, n: u64) -> EventId {
    EventId::minted(Millis(T + at), Sequence(n), LaneId::from_random(5))
}

fn order(name: &str) -> OrderKey {
    format!("shop/sale/real/o:{name}").parse().unwrap()
}

fn envelope(order: &OrderKey, id: EventId, at: i64, body: Body) -> Envelope {
    Envelope {
        id,
        occurred_at: Millis(T + at),
        received_at: Millis(T + at),
        program: Some(order.program.clone()),
        test: order.test,
        key: order.to_string(),
        body,
    }
}

/// A decision that read `known` events: shares of the order, the newest first.
fn decision(key: &OrderKey, known: u64, amount: i64, shares: &[(&str, u64)]) -> Envelope {
    let sum: u64 = shares.iter().map(|(_, weight)| weight).sum();
    let credits: Vec<_> = shares
        .iter()
        .zip(1..)
        .map(|((partner, weight), n)| {
            serde_json::json!({
                "touch": id(-DAY, n), "kind": "click", "touched_at": T - DAY, "partner": partner, "link": "l",
                "amount": 0, "weight": weight, "weight_sum": sum,
            })
        })
        .collect();
    let status = if shares.is_empty() { "UNATTRIBUTED" } else { "ATTRIBUTED" };
    let decision: Decision = serde_json::from_value(serde_json::json!({
        "order": key, "order_id": "x", "status": status, "code": if shares.is_empty() { 201 } else { 0 },
        "winner": shares.first().map(|(partner, _)| partner), "amount": amount, "currency": "EUR",
        "coupons": ["HELLO"], "customer_type": "new",
        "items": [{ "category": "x", "qty": 2, "amount": amount / 2 }],
        "converted_at": T, "version": { "semantics": 1, "members": 1, "known": known },
        "inputs_hash": format!("{:032x}", u128::from(known) << 64 | u128::from(amount.unsigned_abs())),
        "credits": credits,
        "trace": {
            "canonical": id(0, 1), "received_at": T, "source": "s2s", "trust": "signed", "consent": "granted",
            "policy": "reject", "notes": if known.is_multiple_of(2) { vec![] } else { vec![422] }, "members": [], "terms": [], "identity": { "ids": [] },
            "channel": { "value": "partners", "treatment": "any" }, "lateness_ms": 7 * DAY, "model": "last", "candidates": [],
        },
    }))
    .unwrap();
    let name =
        EventId::derived("test decision", &[key.to_string().as_bytes(), &decision.inputs_hash.0]);
    envelope(key, name, 0, Body::Decision(Box::new(decision)))
}

fn act(
    key: &OrderKey,
    at: i64,
    n: u64,
    action: Action,
    fill: impl FnOnce(&mut Validation),
) -> Envelope {
    let mut validation = Validation::plain(key.clone(), action);
    validation.actor = Some("key-1".into());
    fill(&mut validation);
    envelope(key, id(at, n), at, Body::Validation(Box::new(validation)))
}

fn append(log: &AdversarialLog, envelope: &Envelope) {
    let topic = match &envelope.body {
        Body::Decision(_) => Topic::Attributed,
        Body::Validation(_) => Topic::Conversions,
        _ => Topic::Closed,
    };
    log.append(topic, &record(envelope));
}

fn record(envelope: &Envelope) -> Record {
    let kind = envelope.body.event_type().number();
    let key_hash = envelope.key.parse::<OrderKey>().unwrap().key_hash();
    let header = Header { codec: CODEC_JSON, kind, id: envelope.id, key_hash };
    Record::new(header, envelope.to_json().into())
}

/// Random lives of some orders: decisions that grow, acts, some of them before the order is known, repeats.
fn lives(dice: &mut Dice) -> Vec<Envelope> {
    let mut all = Vec::new();
    let mut n = 0;
    for number in 0..2 + dice.below(6) {
        let key = order(&format!("BX-{number}"));
        let amount = 1_000_000 + i64::try_from(dice.below(200_000_000)).unwrap();
        for known in 1..=dice.below(4) {
            let shares = [
                &[][..],
                &[("lea", 1)],
                &[("nina", 1)],
                &[("lea", 2), ("nina", 1)],
                &[("lea", 1), ("nina", 1), ("lea", 1)],
            ];
            all.push(decision(&key, known, amount, shares[dice.index(shares.len())]));
        }
        for _ in 0..dice.below(6) {
            n += 1;
            let at = i64::try_from(dice.below(20)).unwrap() * DAY;
            let part = amount / (1 + i64::try_from(dice.below(6)).unwrap());
            let revision = dice.chance(30).then(|| dice.below(3));
            let client = dice.chance(20).then(|| format!("c{}", dice.below(3)));
            let action = Action::ALL[dice.index(Action::ALL.len())];
            let lines = dice.chance(30);
            all.push(act(&key, at, n, action, |validation| {
                validation.revision = revision;
                validation.client_event_id = client;
                match action {
                    Action::Decline => validation.code = Some(Code::Cancelled),
                    Action::Return if lines => {
                        let line =
                            ReturnedLine { line: Some(1), qty: Some(1), ..ReturnedLine::default() };
                        validation.returned = vec![line];
                    }
                    Action::Return | Action::Amend => validation.amount = Some(Micros(part)),
                    Action::Approve | Action::Reopen => {}
                }
            }));
        }
    }
    for _ in 0..dice.below(10) {
        all.push(all[dice.index(all.len())].clone());
    }
    dice.shuffle(&mut all);
    all
}

/// What the pure engine says of all of them.
fn expected(catalog: &Handle, events: &[Record]) -> Vec<String> {
    let mut orders: BTreeMap<OrderKey, Facts> = BTreeMap::new();
    for record in events {
        let topic = match record.kind {
            50 => Topic::Attributed,
            17 => Topic::Conversions,
            _ => Topic::Closed,
        };
        let Read::Fact(order, learned) = read(topic, record) else { panic!("{record:?}") };
        orders.entry(order).or_default().join(learned.fact);
    }
    let snapshot = catalog.snapshot();
    let mut lines = Vec::new();
    for (order, facts) in orders {
        if let Outcome::Booked(booked) = decide(&order, &facts, &snapshot, Millis(i64::MAX)) {
            lines.extend(books_lines(&order, &booked.order));
        }
    }
    lines.sort();
    lines
}

struct Bench {
    log: AdversarialLog,
    catalog: Arc<Handle>,
    clock: SteppedClock,
    desk: Arc<Desk>,
    config: Config,
    stages: Vec<Stage>,
}

impl Bench {
    fn new(weather: Weather) -> Self {
        Self {
            log: AdversarialLog::new(weather),
            catalog: catalog(SHOP),
            clock: SteppedClock::at(Millis(T + DAY)),
            desk: Arc::default(),
            config: Config::for_tests(),
            stages: Vec::new(),
        }
    }

    fn worker(&self, folder: &Path) -> Worker {
        let store = Arc::new(Store::open(folder, 1 << 20).unwrap());
        let deps = Deps {
            log: Arc::new(self.log.clone()),
            store,
            catalog: Arc::clone(&self.catalog),
            clock: Arc::new(self.clock.clone()),
            desk: Arc::clone(&self.desk),
            stages: self.stages.clone(),
        };
        Worker::new(self.config.clone(), deps)
    }

    /// Turns until nothing is left to do; after each crash a new process goes on.
    fn drain(&self, folder: &Path) {
        self.drain_with(folder, |_| {});
    }

    fn drain_with(&self, folder: &Path, mut started: impl FnMut(&Path)) {
        let mut turns = 0_u32;
        loop {
            let before = self.log.crashes();
            started(folder);
            let process = self.worker(folder);
            let mut session = process.subscribe().unwrap();
            let mut idle = 0;
            let ended = loop {
                turns += 1;
                assert!(turns < 20_000, "this never ends");
                match session.turn() {
                    Ok(Turn::Idle) if self.log.is_drained(GROUP) && idle > 5 => break Ok(()),
                    Ok(turn) => idle = if turn == Turn::Idle { idle + 1 } else { 0 },
                    Err(error) => break Err(error),
                }
            };
            match ended {
                Ok(()) => return,
                Err(error) => assert!(self.log.crashes() > before, "{error:?}"),
            }
        }
    }

    fn inputs(&self) -> Vec<Record> {
        let topics = [Topic::Attributed, Topic::Conversions, Topic::Closed];
        topics.iter().flat_map(|topic| self.log.records(*topic)).collect()
    }

    /// Postings by their ids: one may be said twice.
    fn said(&self) -> BTreeSet<EventId> {
        self.log.records(Topic::Transfers).into_iter().map(|record| record.id).collect()
    }

    fn postings(&self) -> Vec<Posting> {
        let posting = |record: Record| match Envelope::read(&record.payload).unwrap().body {
            Body::Posting(posting) => *posting,
            other => panic!("{other:?}"),
        };
        self.log.records(Topic::Transfers).into_iter().map(posting).collect()
    }
}

fn books(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let reader = Reader::open(folder).unwrap();
    let each = |line: &str| {
        lines.push(line.to_owned());
        Ok(())
    };
    reader.books(None, each).unwrap();
    assert!(lines.is_sorted(), "{lines:?}");
    for limit in [1, 2, 5] {
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = reader.books_page(None, after.as_ref(), limit).unwrap();
            paged.extend(page);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(paged, lines, "in pages of {limit}");
    }
    reader.verify().unwrap().unwrap();
    lines
}

#[test]
fn any_order_repetition_partition_and_crash_ends_in_the_book_of_the_set() {
    for seed in 0..60 {
        let dice = &mut Dice::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let bench =
            Bench::new(if seed % 4 == 0 { Weather::fair(seed) } else { Weather::foul(seed) });
        let events = lives(dice);
        let (first, second) = events.split_at(dice.index(events.len()));
        for part in [first, second] {
            part.iter().for_each(|envelope| append(&bench.log, envelope));
            bench.drain(folder.path());
            let expected = expected(&bench.catalog, &bench.inputs());
            assert_eq!(books(folder.path()), expected, "seed {seed}");
        }
        // Read again with what is known: nothing is booked.
        let said = bench.said();
        bench.log.forget_cursors();
        append(&bench.log, &events[0]);
        bench.drain(folder.path());
        assert_eq!(bench.said(), said, "seed {seed}");
    }
}

#[test]
fn numbers_of_an_order_go_up_by_one_whatever_crashes() {
    for (seed, point) in (0..40).zip(CrashPoint::ALL.into_iter().cycle()) {
        let dice = &mut Dice::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(Weather { batch_records_max: 3, ..Weather::fair(seed) });
        for envelope in lives(dice) {
            append(&bench.log, &envelope);
            bench.log.crash_at(point, u32::try_from(dice.below(3)).unwrap());
            if dice.chance(30) {
                bench.drain(folder.path());
            }
        }
        bench.drain(folder.path());
        let mut last: BTreeMap<String, Posting> = BTreeMap::new();
        for posting in bench.postings() {
            let key = serde_json::to_string(&posting.subject).unwrap();
            if let Some(before) = last.get(&key) {
                assert!(
                    posting.number == before.number + 1 || posting == *before,
                    "seed {seed}: {} after {}",
                    posting.number,
                    before.number
                );
            }
            last.insert(key, posting);
        }
        assert_eq!(books(folder.path()), expected(&bench.catalog, &bench.inputs()), "seed {seed}");
    }
}

#[test]
fn a_deleted_book_is_made_anew_and_says_nothing_twice() {
    for seed in 0..30 {
        let dice = &mut Dice::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(Weather::foul(seed));
        let events = lives(dice);
        events.iter().for_each(|envelope| append(&bench.log, envelope));
        bench.drain_with(folder.path(), |folder| {
            if dice.chance(30) {
                Store::delete(folder).unwrap();
                std::fs::create_dir_all(folder).unwrap();
            }
        });
        let lines = books(folder.path());
        assert_eq!(lines, expected(&bench.catalog, &bench.inputs()), "seed {seed}");
        let said = bench.said();
        let anew = tempfile::tempdir().unwrap();
        bench.drain(anew.path());
        assert_eq!(books(anew.path()), lines, "seed {seed}");
        assert_eq!(bench.said(), said, "seed {seed}");
        let accounts = |folder: &Path| Reader::open(folder).unwrap().accounts().unwrap();
        assert_eq!(accounts(anew.path()), accounts(folder.path()));
    }
}

#[test]
fn the_book_of_any_earlier_commit_goes_on_to_the_same_book() {
    for seed in 0..30 {
        let dice = &mut Dice::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(Weather { batch_records_max: 3, ..Weather::fair(seed) });
        let mut copies = Vec::new();
        for envelope in lives(dice) {
            append(&bench.log, &envelope);
            if dice.chance(50) {
                // As a power cut leaves it: the file and its journal, whatever is in them.
                let process = bench.worker(folder.path());
                let mut session = process.subscribe().unwrap();
                (0..dice.below(8)).for_each(|_| {
                    session.turn().unwrap();
                });
                let copy = tempfile::tempdir().unwrap();
                for name in [FILE.to_owned(), format!("{FILE}-wal")] {
                    let to = copy.path().join(&name);
                    std::fs::copy(folder.path().join(&name), to).unwrap();
                }
                copies.push(copy);
            }
        }
        bench.drain(folder.path());
        let lines = books(folder.path());
        assert_eq!(lines, expected(&bench.catalog, &bench.inputs()), "seed {seed}");
        let said = bench.said();
        for copy in copies {
            bench.drain(copy.path());
            assert_eq!(books(copy.path()), lines, "seed {seed}");
            assert_eq!(bench.said(), said, "seed {seed}");
        }
    }
}

#[test]
fn orders_are_locked_when_their_time_is_over_and_not_a_millisecond_before() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather::fair(1));
    let key = order("BX-1");
    append(&bench.log, &decision(&key, 1, 10_000_000, &[("lea", 1)]));
    let line = |state| vec![format!("shop\t{key}\tlea\tEUR\t{state}\t10000000\t625000\t0")];
    for (at, state) in [(30 * DAY - 1, "pending"), (30 * DAY, "locked")] {
        bench.clock.set(Millis(T + at));
        bench.drain(folder.path());
        assert_eq!(books(folder.path()), line(state), "{at}");
    }
    assert_eq!(bench.log.records(Topic::Closed).len(), 1);
    bench.drain(folder.path());
    assert_eq!(bench.log.records(Topic::Closed).len(), 1, "locked once");
}

#[test]
fn with_locking_off_nothing_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(Weather::fair(1));
    bench.config.locks = false;
    append(&bench.log, &decision(&order("BX-1"), 1, 10_000_000, &[("lea", 1)]));
    bench.clock.set(Millis(T + 400 * DAY));
    bench.drain(folder.path());
    assert_eq!(bench.log.records(Topic::Closed), []);
}

#[test]
fn a_replay_with_the_first_runs_closings_ends_in_the_same_book() {
    for seed in 0..40 {
        let dice = &mut Dice::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(Weather::foul(seed));
        for envelope in lives(dice) {
            append(&bench.log, &envelope);
            if dice.chance(20) {
                bench.clock.step(Duration::from_hours(24 * dice.below(25)));
                bench.drain(folder.path());
                if dice.chance(50) {
                    let until = bench.clock.now();
                    let program = "shop".parse().unwrap();
                    let payout = Payout { program, until, actor: None };
                    let asked = bench.desk.ask(payout, PATIENCE);
                    bench.drain(folder.path());
                    // A crash between its payments and the answer leaves the question open: it is asked again.
                    drop(asked);
                }
            }
        }
        bench.drain(folder.path());
        let lines = books(folder.path());
        assert_eq!(lines, expected(&bench.catalog, &bench.inputs()), "seed {seed}");
        // The inputs alone, in another weather, long after: no lock is made anew.
        let mut replay = Bench::new(Weather::foul(seed + 1_000));
        replay.clock.set(bench.clock.now());
        for topic in [Topic::Attributed, Topic::Conversions, Topic::Closed] {
            bench.log.records(topic).iter().for_each(|record| replay.log.append(topic, record));
        }
        replay.config = bench.config.clone();
        let again = tempfile::tempdir().unwrap();
        replay.drain(again.path());
        assert_eq!(books(again.path()), lines, "seed {seed}");
        let closed = |bench: &Bench| bench.log.records(Topic::Closed).len();
        assert_eq!(closed(&replay), closed(&bench), "seed {seed}");
    }
}

#[test]
fn a_payout_pays_what_is_locked_once_and_carries_what_was_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather::fair(1));
    for (name, partner) in [("BX-1", "lea"), ("BX-2", "lea"), ("BX-3", "nina")] {
        append(&bench.log, &decision(&order(name), 1, 10_000_000, &[(partner, 1)]));
    }
    bench.clock.set(Millis(T + 31 * DAY));
    bench.drain(folder.path());
    let payout = |days: i64| Payout {
        program: "shop".parse().unwrap(),
        until: Millis(T + days * DAY),
        actor: Some("ann".into()),
    };
    let dry = |days| {
        let statements = Reader::open(folder.path()).unwrap();
        let statements = statements.statements(&bench.catalog.snapshot(), &payout(days)).unwrap();
        statements
            .into_iter()
            .map(|s| (s.partner.to_string(), s.status, s.amount_micros.0, s.lines.len()))
            .collect::<Vec<_>>()
    };
    let pay = |days| {
        let answer = bench.desk.ask(payout(days), PATIENCE).unwrap();
        bench.drain(folder.path());
        answer.try_recv().unwrap().unwrap()
    };
    assert_eq!(dry(30), [], "not locked before that day");
    let due = |status| {
        [("lea".to_owned(), status, 1_250_000, 2), ("nina".to_owned(), status, 3_000_000, 1)]
    };
    assert_eq!(dry(31), due(Status::Payable));
    assert_eq!(bench.log.records(Topic::Closed).len(), 3);
    pay(31);
    assert_eq!(bench.log.records(Topic::Closed).len(), 6);
    assert_eq!(dry(31), due(Status::Paid));
    let lines = books(folder.path());
    assert!(lines.iter().all(|line| line.contains("\tpaid\t")), "{lines:?}");
    pay(31);
    assert_eq!(bench.log.records(Topic::Closed).len(), 6, "nothing is paid twice");
    assert_eq!(books(folder.path()), lines);
    // Taken back after it was paid: the next statement is below 0.
    append(
        &bench.log,
        &act(&order("BX-3"), 32 * DAY, 9, Action::Decline, |act| {
            act.code = Some(Code::Fraud);
        }),
    );
    bench.drain(folder.path());
    assert_eq!(dry(31), due(Status::Paid), "what was paid stays as it was paid");
    assert_eq!(dry(40), [("nina".to_owned(), Status::CarriedForward, -3_000_000, 1)]);
    pay(40);
    assert_eq!(bench.log.records(Topic::Closed).len(), 6, "nothing is paid");
    let accounts = Reader::open(folder.path()).unwrap().accounts().unwrap();
    let of =
        |name: &str| accounts.iter().find(|(account, ..)| account == name).map(|(.., sum)| *sum);
    assert_eq!(of("clawback:nina"), Some(-3_000_000));
    assert_eq!((of("paid:nina"), of("paid:lea")), (Some(3_000_000), Some(1_250_000)));
    // A new order makes up for it.
    append(&bench.log, &decision(&order("BX-9"), 1, 10_000_000, &[("nina", 1)]));
    append(&bench.log, &decision(&order("BX-8"), 1, 10_000_000, &[("nina", 1)]));
    bench.drain(folder.path());
    assert_eq!(dry(41), [("nina".to_owned(), Status::Payable, 3_000_000, 3)]);
    pay(41);
    let accounts = Reader::open(folder.path()).unwrap().accounts().unwrap();
    let of =
        |name: &str| accounts.iter().find(|(account, ..)| account == name).map(|(.., sum)| *sum);
    assert_eq!((of("clawback:nina"), of("paid:nina")), (Some(0), Some(6_000_000)));
    books(folder.path());
}

#[test]
fn a_payment_names_its_order_and_who_had_it_paid() {
    let closed = Closed {
        subject: Subject::Order(order("BX-1")),
        closing: Closing::Pay(Payment {
            statement: "s".into(),
            partner: "lea".parse().unwrap(),
            amount: Micros(1),
            currency: "EUR".parse().unwrap(),
            actor: Some("ann".into()),
            whole: None,
            at: None,
            line: None,
        }),
    };
    let envelope = envelope(&order("BX-1"), id(0, 1), 0, Body::Closed(Box::new(closed)));
    let Read::Fact(order, learned) = read(Topic::Closed, &record(&envelope)) else { panic!() };
    assert_eq!((order, learned.actor), (self::order("BX-1"), Some("ann".into())));
}

#[test]
fn lists_are_filtered_and_go_on_where_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather::fair(1));
    for n in 0..7 {
        let key = order(&format!("BX-{n}"));
        append(&bench.log, &decision(&key, 1, 10_000_000, &[(["lea", "nina"][n % 2], 1)]));
        if n % 3 == 0 {
            append(
                &bench.log,
                &act(&key, 1, u64::try_from(n).unwrap(), Action::Decline, |act| {
                    act.code = Some(Code::Cancelled);
                }),
            );
        }
    }
    bench.drain(folder.path());
    let reader = Reader::open(folder.path()).unwrap();
    let list = |filter: Filter| {
        let mut keys = Vec::new();
        let mut filter = Filter { limit: 2, ..filter };
        loop {
            let (listed, next) = reader.list(&filter).unwrap();
            keys.extend(listed.into_iter().map(|one| one.order.partition_text()));
            if next.is_none() {
                break;
            }
            filter.after = next;
        }
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(list(Filter::default()), "BX-0 BX-1 BX-2 BX-3 BX-4 BX-5 BX-6");
    let declined = Filter { state: Some(OrderState::Declined), ..Filter::default() };
    assert_eq!(list(declined), "BX-0 BX-3 BX-6");
    let nina = Filter { partner: Some("nina".parse().unwrap()), ..Filter::default() };
    assert_eq!(list(nina), "BX-1 BX-3 BX-5");
    let cancelled = Filter { code: Some(Code::Cancelled), ..Filter::default() };
    assert_eq!(list(cancelled), "BX-0 BX-3 BX-6");
    let other = Filter { program: Some("other".parse().unwrap()), ..Filter::default() };
    assert_eq!(list(other), "");
}
