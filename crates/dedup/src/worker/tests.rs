//! The worker on its store and on a log that does everything a log may do.

#![expect(clippy::wildcard_enum_match_arm, reason = "any other body fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use catalog::{CatalogFile, Format, Handle, State};
use event::body::record::{DuplicateVerdict, OrderRecord};
use event::body::{Action, Body, Rejected, Validation};
use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Code, Envelope, EventId, EventType, Millis, OrderKey, Topic};
use eventlog::stage::{Stage as _, Turn};
use eventlog::{Cursor, Header, Partition, Record};
use proptest::prelude::*;
use testkit::{AdversarialLog, CrashPoint, Dice, Weather};

use super::{Deps, GROUP, Session, Worker};
use crate::build::{T, event, pixel, server, visitor};
use crate::config::Config;
use crate::decide::tests::any_set;
use crate::decide::{Rules, decide, record_id};
use crate::member::{Considered, Members, Row};
use crate::store::{
    MemberStore, OrderHash, Settled, StoreError, fjall::FjallStore, memory::MemoryStore,
};

const SHOP: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
time_zone = "Europe/Paris"
currency = "EUR"
terms = [
  { },
  { dedup_conflict = "amend", evidence_window = "1ms", valid_from = 2026-11-04T00:00:00Z },
]
"#;
const LATER: &str = r#"
[program.later]
title = "Later"
home = "https://later.example/"
sites = ["https://later.example"]
time_zone = "Europe/Paris"
currency = "EUR"
"#;

/// A catalog of these programs, loaded before the first event.
fn catalog(text: &str) -> Arc<Handle> {
    let file = CatalogFile::parse(text, Format::Toml).unwrap();
    let records = file.plan(&State::default(), Millis(T - 1_000_000_000)).unwrap();
    Arc::new(Handle::new(State::fold(&records).unwrap()).unwrap())
}

fn rules_at(catalog: &Handle, order: &OrderKey, time: Millis) -> Rules {
    Rules::of(&catalog.snapshot().program(order.program.as_str()).unwrap().terms_at(time).terms)
}

fn record_of(envelope: &Envelope) -> Record {
    let kind = envelope.body.event_type().number();
    let key_hash = envelope.key.parse::<OrderKey>().unwrap().key_hash();
    let header = Header { codec: CODEC_JSON, kind, id: envelope.id, key_hash };
    Record::new(header, envelope.to_json().into())
}

/// A store that may crash after evidence is in it.
struct Crashing<S> {
    store: S,
    log: AdversarialLog,
}

impl<S: MemberStore> MemberStore for Crashing<S> {
    fn add(&self, rows: &[(OrderHash, Row)]) -> Result<(), StoreError> {
        self.store.add(rows)?;
        self.log.pass(CrashPoint::AfterEvidence).map_err(StoreError::of("crash"))
    }
    fn considered(&self, order: OrderHash) -> Result<Considered, StoreError> {
        self.store.considered(order)
    }
    fn emitted(&self, order: OrderHash) -> Result<Option<EventId>, StoreError> {
        self.store.emitted(order)
    }
    fn wait(&self, orders: &[OrderKey]) -> Result<(), StoreError> {
        self.store.wait(orders)
    }
    fn waiting(&self, after: Option<OrderHash>, most: usize) -> Result<Vec<OrderKey>, StoreError> {
        self.store.waiting(after, most)
    }
    fn settle(&self, settled: &Settled) -> Result<(), StoreError> {
        self.store.settle(settled)
    }
    fn resume(&self, partition: Partition) -> Result<eventlog::Offset, StoreError> {
        self.store.resume(partition)
    }
}

fn worker<S: MemberStore>(
    log: &AdversarialLog,
    store: S,
    catalog: &Arc<Handle>,
) -> Worker<Crashing<S>> {
    let config = Config { idle_wait: Duration::ZERO, ..Config::default() };
    let store = Crashing { store, log: log.clone() };
    let deps = Deps { log: Arc::new(log.clone()), store, catalog: Arc::clone(catalog) };
    Worker::new(config, deps)
}

/// Turns until everything is committed; after each crash a new process goes on.
fn drain<S: MemberStore>(log: &AdversarialLog, catalog: &Arc<Handle>, mut open: impl FnMut() -> S) {
    let mut turns = 0_u32;
    loop {
        let before = log.crashes();
        let process = worker(log, open(), catalog);
        let mut session = process.subscribe().unwrap();
        let ended = loop {
            turns += 1;
            assert!(turns < 1_000_000, "this never ends");
            match session.turn() {
                Ok(Turn::Idle) if log.is_drained(GROUP) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        match ended {
            Ok(()) => return,
            Err(error) => assert!(log.crashes() > before, "{error:?}"),
        }
    }
}

/// The last record of each order in the log, as bytes.
fn last_records(log: &AdversarialLog) -> BTreeMap<String, Bytes> {
    let keyed = log
        .records(Topic::Unique)
        .into_iter()
        .map(|record| (Envelope::read(&record.payload).unwrap().key, record.payload));
    keyed.collect()
}

fn order_of(payload: &[u8]) -> OrderRecord {
    match Envelope::read(payload).unwrap().body {
        Body::Order(record) => *record,
        other => panic!("{other:?}"),
    }
}

/// What the pure function says of all events, as bytes.
fn expected(catalog: &Handle, events: &[Envelope]) -> BTreeMap<String, Bytes> {
    let mut sets: BTreeMap<OrderKey, Members> = BTreeMap::new();
    for envelope in events {
        if let crate::member::Reading::Row(order, row) =
            crate::member::Reading::of(envelope.clone())
        {
            sets.entry(order).or_default().insert(row);
        }
    }
    let decided = sets.into_iter().map(|(order, members)| {
        let rules = |time| rules_at(catalog, &order, time);
        let known = members.considered().at_close(rules).unwrap();
        let record = decide(&order, &known).unwrap();
        let envelope = Envelope {
            id: record_id(&order, &known),
            occurred_at: record.converted_at,
            received_at: record.received_at,
            program: Some(order.program.clone()),
            test: order.test,
            key: order.to_string(),
            body: Body::Order(Box::new(record)),
        };
        (order.to_string(), envelope.to_json().into())
    });
    decided.collect()
}

/// For each order, its record's listed reports and the last verdict about each of them agree.
fn assert_verdicts_agree(log: &AdversarialLog) {
    let verdicts = log.records(Topic::Duplicate).into_iter().map(|record| {
        match Envelope::read(&record.payload).unwrap().body {
            Body::Duplicate(verdict) => (verdict.member.id, verdict),
            other => panic!("{other:?}"),
        }
    });
    let verdicts: BTreeMap<EventId, DuplicateVerdict> = verdicts.collect();
    for payload in last_records(log).values() {
        let record = order_of(payload);
        for member in record.listed.iter().filter(|m| m.id != record.canonical) {
            let verdict = &verdicts[&member.id];
            assert_eq!((&verdict.member, verdict.members), (member, record.members));
            assert_eq!((&verdict.order, verdict.canonical), (&record.order, record.canonical));
        }
    }
}

/// Reports of several orders, with repeats, in any order.
fn events() -> impl Strategy<Value = Vec<Envelope>> {
    let one = (any_set::report(), 0..6_usize, 1..3_usize, any::<u64>());
    proptest::collection::vec(one, 1..40).prop_map(|reports| {
        let orders = ["real/o:A1", "real/o:B2", "test/o:A1", "real/c:A1", "real/o:C 3", "real/o:D"];
        let mut all = Vec::new();
        for ((mut member, order, times, place), n) in reports.into_iter().zip(1..) {
            let order: OrderKey = format!("shop/sale/{}", orders[order]).parse().unwrap();
            member.id = event(member.received_at.0 - T, n);
            if let event::order::OrderRef::Client(id) = &order.reference {
                member.conversion.client_event_id = Some(id.clone());
                member.conversion.order_id = None;
            } else {
                let id = order.partition_text();
                // What the merchant wrote differs in case and white space.
                member.conversion.order_id =
                    Some(if n % 2 == 0 { id } else { id.to_lowercase().replace(' ', "  ") });
            }
            for time in 0..times {
                let place = place.rotate_left(u32::try_from(time).unwrap() * 7);
                all.push((place, member.clone().envelope(&order)));
            }
        }
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, envelope)| envelope).collect()
    })
}

fn filled(weather: Weather, events: &[Envelope]) -> AdversarialLog {
    let log = AdversarialLog::new(weather);
    for envelope in events {
        log.append(Topic::Conversions, &record_of(envelope));
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_order_partition_crash_and_replay_ends_in_the_record_of_the_set(
        events in events(),
        seed in any::<u64>(),
    ) {
        let catalog = catalog(SHOP);
        let store = Arc::new(MemoryStore::default());
        let log = filled(Weather::foul(seed), &events);
        drain(&log, &catalog, || Arc::clone(&store));
        let expected = expected(&catalog, &events);
        prop_assert_eq!(&last_records(&log), &expected);
        assert_verdicts_agree(&log);

        // Read again with what is known: nothing new is said.
        let said = log.records(Topic::Unique).len() + log.records(Topic::Duplicate).len();
        read_again(&store);
        log.append(Topic::Conversions, &record_of(&events[0]));
        drain(&log, &catalog, || Arc::clone(&store));
        prop_assert_eq!(log.records(Topic::Unique).len() + log.records(Topic::Duplicate).len(), said);

        // Read again from nothing, whatever the group has committed.
        let store = Arc::new(MemoryStore::default());
        log.append(Topic::Conversions, &record_of(&events[0]));
        drain(&log, &catalog, || Arc::clone(&store));
        prop_assert_eq!(&last_records(&log), &expected);
        assert_verdicts_agree(&log);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn a_record_is_emitted_for_the_set_of_each_prefix(events in events(), seed in any::<u64>()) {
        let catalog = catalog(SHOP);
        let store = Arc::new(MemoryStore::default());
        let log = AdversarialLog::new(Weather::foul(seed));
        for (n, envelope) in events.iter().enumerate() {
            log.append(Topic::Conversions, &record_of(envelope));
            drain(&log, &catalog, || Arc::clone(&store));
            prop_assert_eq!(last_records(&log), expected(&catalog, &events[..=n]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_same_holds_on_disk_also_with_the_state_deleted_in_between_and_after_a_rebuild(
        events in events(),
        seed in any::<u64>(),
    ) {
        let catalog = catalog(SHOP);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let log = filled(Weather::foul(seed), &events);
        let mut dice = Dice::new(seed);
        drain(&log, &catalog, || {
            if dice.chance(20) {
                FjallStore::delete(&path).unwrap();
            }
            FjallStore::open(&path, 1 << 20).unwrap()
        });
        let expected = expected(&catalog, &events);
        prop_assert_eq!(&last_records(&log), &expected);

        FjallStore::delete(&path).unwrap();
        let said = log.records(Topic::Unique).len() + log.records(Topic::Duplicate).len();
        rebuilt(&log, &catalog, &path);
        prop_assert_eq!(log.records(Topic::Unique).len() + log.records(Topic::Duplicate).len(), said);
        drain(&log, &catalog, || FjallStore::open(&path, 1 << 20).unwrap());
        prop_assert_eq!(&last_records(&log), &expected);
    }
}

/// Makes workers on this store read everything again.
fn read_again(store: &MemoryStore) {
    let from_start =
        |index| Cursor { partition: Partition { topic: Topic::Conversions, index }, next: 0 };
    let cursors = (0..4).map(from_start).collect();
    store.settle(&Settled { cursors, ..Settled::default() }).unwrap();
}

/// Rebuilds, however often that crashes.
fn rebuilt(log: &AdversarialLog, catalog: &Arc<Handle>, path: &std::path::Path) {
    loop {
        FjallStore::delete(path).unwrap();
        let store = FjallStore::open(path, 1 << 20).unwrap();
        if worker(log, store, catalog).rebuild(&AtomicBool::new(false)).is_ok() {
            return;
        }
    }
}

#[test]
fn two_workers_on_one_store_end_in_the_same_records() {
    let reports = (0..200_u64).map(|n| {
        let order: OrderKey = format!("shop/sale/real/o:{}", n % 17).parse().unwrap();
        let mut member = if n % 3 == 0 { server(n, 5) } else { pixel(n, 3) };
        member.conversion.order_id = Some(order.partition_text());
        member.envelope(&order)
    });
    let events: Vec<Envelope> = reports.collect();
    let catalog = catalog(SHOP);
    let expected = expected(&catalog, &events);
    for seed in 0..40 {
        let store = Arc::new(MemoryStore::default());
        let log = filled(Weather::foul(seed), &events);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| drain(&log, &catalog, || Arc::clone(&store)));
            }
        });
        // A member that lost its partition may speak last: the record with the most members holds.
        let mut newest: BTreeMap<String, (u64, Bytes)> = BTreeMap::new();
        for record in log.records(Topic::Unique) {
            let envelope = Envelope::read(&record.payload).unwrap();
            let members = order_of(&record.payload).members;
            let known = newest.entry(envelope.key).or_default();
            if members >= known.0 {
                *known = (members, record.payload);
            }
        }
        let newest: BTreeMap<String, Bytes> =
            newest.into_iter().map(|(k, (_, v))| (k, v)).collect();
        assert_eq!(newest, expected, "seed {seed}");
    }
}

#[test]
fn a_crash_at_each_point_loses_nothing_and_changes_nothing() {
    let order = crate::build::order();
    let events = [pixel(1, 0).ids(&[visitor(1)]), server(2, 1_500)].map(|m| m.envelope(&order));
    let catalog = catalog(SHOP);
    for point in CrashPoint::ALL {
        let store = Arc::new(MemoryStore::default());
        let log = filled(Weather::fair(1), &events);
        log.crash_at(point, 0);
        drain(&log, &catalog, || Arc::clone(&store));
        assert_eq!(log.crashes(), 1, "{point:?}");
        assert_eq!(last_records(&log), expected(&catalog, &events), "{point:?}");
    }
}

fn one_turn_each<S: MemberStore>(session: &mut Session<'_, S>) {
    while session.turn().unwrap() != Turn::Idle {}
}

#[test]
fn redelivery_of_one_event_is_no_duplicate_and_says_nothing_again() {
    let order = crate::build::order();
    let log = AdversarialLog::new(Weather::fair(1));
    let catalog = catalog(SHOP);
    let process = worker(&log, MemoryStore::default(), &catalog);
    let mut session = process.subscribe().unwrap();
    for _ in 0..3 {
        log.append(Topic::Conversions, &record_of(&server(1, 0).envelope(&order)));
        one_turn_each(&mut session);
    }
    assert_eq!(log.records(Topic::Unique).len(), 1);
    assert_eq!(log.records(Topic::Duplicate).len(), 0);
}

#[test]
fn what_cannot_be_read_is_parked_and_the_line_moves_on() {
    let order = crate::build::order();
    let good = record_of(&server(1, 0).envelope(&order));
    let with = |codec, kind, payload: &[u8]| {
        let header = Header { codec, kind, id: event(5, 5), key_hash: KeyHash(1) };
        Record::new(header, Bytes::copy_from_slice(payload))
    };
    let newer = good
        .payload
        .escape_ascii()
        .to_string()
        .replace("\\\"", "\"")
        .replacen("\"v\":1", "\"v\":2", 1);
    let click = br#"{"v":1,"id":"00000000-0000-0000-0000-000000000000","type":"lane_stopped","occurred_at":0,"received_at":0,"key":"k","body":{"lane":1,"node":"n"}}"#;
    let bad = [
        with(1, 16, b""),
        with(1, 16, b"\xff\xfe"),
        with(1, 16, br#"{"v":1}"#),
        with(1, 16, newer.as_bytes()),
        with(9, 16, b"binary"),
        with(1, 200, br#"{"v":1,"id":"00000000-0000-0000-0000-000000000000","type":"wish","occurred_at":0,"received_at":0,"key":"k","body":{}}"#),
        with(1, 81, click),
    ];
    let log = AdversarialLog::new(Weather::fair(1));
    for record in bad.iter().chain([&good]) {
        log.append(Topic::Conversions, record);
    }
    let catalog = catalog(SHOP);
    drain(&log, &catalog, MemoryStore::default);
    let rejected: Vec<Rejected> = log
        .records(Topic::Rejected)
        .iter()
        .map(|record| match Envelope::read(&record.payload).unwrap().body {
            Body::Rejected(rejected) => rejected,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(rejected.len(), bad.len());
    for rejected in &rejected {
        assert_eq!((rejected.code, &*rejected.by), (Code::UnknownSchema, "dedup"));
    }
    assert_eq!(rejected[3].message, "envelope version 2 is not known to this version");
    assert_eq!(rejected[3].event_type, Some(EventType::Conversion));
    assert_eq!(rejected[5].message, "event type `wish` is not known to this version");
    let ids: BTreeSet<_> = log.records(Topic::Rejected).iter().map(|r| r.id).collect();
    assert_eq!(ids.len(), bad.len());
    assert_eq!(last_records(&log).len(), 1);
}

#[test]
fn a_record_that_no_record_can_hold_is_parked_with_its_reason_and_the_line_moves_on() {
    let order = crate::build::order();
    let after: OrderKey = "shop/sale/real/o:A2".parse().unwrap();
    // Coupons of a report stand in the record of its order, which says more than the report does.
    let with_room = |room: usize| {
        let report = |coupon: usize| {
            let mut report = server(1, 0);
            report.conversion.coupons = vec!["x".repeat(coupon)];
            record_of(&report.envelope(&order))
        };
        report(eventlog::PAYLOAD_BYTES_MAX - room - report(0).payload.len())
    };
    for (room, rejected) in [(4_096, 0), (0, 1)] {
        let log = AdversarialLog::new(Weather::fair(1));
        log.append(Topic::Conversions, &with_room(room));
        let mut next = server(2, 5);
        next.conversion.order_id = Some("A2".into());
        log.append(Topic::Conversions, &record_of(&next.envelope(&after)));
        drain(&log, &catalog(SHOP), MemoryStore::default);
        let parked = log.records(Topic::Rejected);
        assert_eq!(parked.len(), rejected, "room {room}");
        assert_eq!(log.records(Topic::Unique).len(), 2 - rejected, "room {room}");
        for parked in parked {
            let Body::Rejected(parked) = Envelope::read(&parked.payload).unwrap().body else {
                panic!("no rejection");
            };
            assert_eq!((parked.code, &*parked.by), (Code::TooLarge, "dedup"));
            assert!(parked.message.contains(&order.to_string()), "{}", parked.message);
        }
    }
}

#[test]
fn validations_are_no_members() {
    let order = crate::build::order();
    let validation = Envelope {
        body: Body::Validation(Box::new(Validation::plain(order.clone(), Action::Approve))),
        ..server(9, 9).envelope(&order)
    };
    let log = filled(Weather::fair(1), &[validation, server(1, 0).envelope(&order)]);
    let catalog = catalog(SHOP);
    drain(&log, &catalog, MemoryStore::default);
    let [record] = log.records(Topic::Unique).try_into().unwrap();
    assert_eq!(order_of(&record.payload).members, 1);
    assert_eq!(log.records(Topic::Rejected).len(), 0);
}

#[test]
fn an_order_waits_for_its_program_and_goes_on_with_the_catalog_that_has_it() {
    let known = crate::build::order();
    let unknown: OrderKey = "later/sale/real/o:A1".parse().unwrap();
    let events = [server(1, 0).envelope(&unknown), server(2, 0).envelope(&known)];
    let log = filled(Weather::fair(1), &events);
    let catalog = catalog(SHOP);
    let store = Arc::new(MemoryStore::default());
    drain(&log, &catalog, || Arc::clone(&store));
    assert_eq!(last_records(&log).keys().collect::<Vec<_>>(), [&known.to_string()]);
    assert_eq!(store.waiting(None, 9).unwrap(), std::slice::from_ref(&unknown));

    // Another process, so that what waits is not in memory alone; then the catalog comes.
    let process = worker(&log, Arc::clone(&store), &catalog);
    let mut session = process.subscribe().unwrap();
    one_turn_each(&mut session);
    assert_eq!(store.waiting(None, 9).unwrap(), [unknown]);
    let text = format!("{SHOP}{LATER}");
    let recorded = catalog.reload(&text, Format::Toml, Millis(T), |_| Ok::<_, std::io::Error>(()));
    recorded.unwrap();
    one_turn_each(&mut session);
    assert_eq!(store.waiting(None, 9).unwrap(), []);
    assert_eq!(last_records(&log), expected(&catalog, &events));
}

#[test]
fn ten_thousand_replays_of_one_order_through_the_pixel_change_nothing_but_the_count() {
    let order = crate::build::order();
    let genuine = server(1, 0).ids(&[crate::build::customer(1)]).click(3).envelope(&order);
    let flood = (0..10_000_u64).map(|n| {
        let ms = i64::try_from(n).unwrap() - 5_000;
        pixel(n + 10, ms).ids(&[visitor(9)]).click(4).amount(9).envelope(&order)
    });
    let mut events: Vec<Envelope> = flood.collect();
    events.insert(7_000, genuine);
    let catalog = catalog(SHOP);
    let log = filled(Weather { batch_records_max: 500, ..Weather::fair(3) }, &events);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    drain(&log, &catalog, || FjallStore::open(&path, 1 << 20).unwrap());
    let records = last_records(&log);
    assert_eq!(records, expected(&catalog, &events));
    let payload = records.values().next().unwrap();
    assert!(payload.len() < 32 * 1024, "{}", payload.len());
    let record = order_of(payload);
    assert_eq!((record.members, record.listed.len()), (10_001, 64));
    assert_eq!(record.canonical, event(0, 1));
    assert_eq!(record.click.unwrap().id, crate::build::claim(3).id);
    assert_eq!(record.ids, [crate::build::customer(1)]);
    assert_eq!(record.notes, []);
    let verdicts: BTreeSet<EventId> = log
        .records(Topic::Duplicate)
        .iter()
        .map(|record| match Envelope::read(&record.payload).unwrap().body {
            Body::Duplicate(verdict) => verdict.member.id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(verdicts.len(), 10_000, "each report got a verdict");
    let said = log.records(Topic::Duplicate).len();
    assert!(said < 20_000, "{said}");
}
