//! Through the real worker and state, on a log that does everything a log may do: final decisions are those of the pure
//! engine over the whole set, byte for byte.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use event::body::OrderRecord;
use event::body::decision::{CANDIDATES_LISTED_MAX, Decision};
use event::envelope::CODEC_JSON;
use event::order::OrderRef;
use event::topic::KeyHash;
use event::{Body, Clock, Envelope, EventId, Millis, Topic, WatchedClock};
use eventlog::stage::{Stage as _, Turn};
use eventlog::{Backend, Partition, Record};
use testkit::{AdversarialLog, CrashPoint, Dice, SteppedClock, Weather};

use super::{DAY_MS, Deps, GROUP, Session, Worker};
use crate::build::{START, World};
use crate::config::Config;
use crate::random::{as_json, final_world, records, script, unique};
use crate::store::recent::RECENT_BYTES_MAX;
use crate::store::{Changes, Each, FjallKv, Kv, MemoryKv, Rows, Settled, State, StoreError, Table};
use crate::view::{Found, View};

/// A backend that passes the crash point behind each write.
struct Crashing<K> {
    kv: K,
    log: AdversarialLog,
}

impl<K: Kv> Kv for Crashing<K> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.kv.get(table, key)
    }

    fn has(&self, table: Table) -> Result<bool, StoreError> {
        self.kv.has(table)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        each: Each<'_>,
    ) -> Result<(), StoreError> {
        self.kv.scan(table, prefix, from, each)
    }

    fn write(&self, changes: Changes) -> Result<(), StoreError> {
        self.kv.write(changes)?;
        self.log.pass(CrashPoint::AfterEvidence).map_err(StoreError::of("crash"))
    }

    fn fill(&self, table: Table, rows: Rows<'_>) -> Result<(), StoreError> {
        self.kv.fill(table, rows)?;
        self.log.pass(CrashPoint::AfterEvidence).map_err(StoreError::of("crash"))
    }

    fn expire(&self, epoch: u16) -> Result<(), StoreError> {
        self.kv.expire(epoch)
    }
}

/// What tables were told, one after the other.
enum Told {
    Write(Changes),
    Fill(Table, Vec<(Vec<u8>, Vec<u8>)>),
    Expire(u16),
}

/// A backend whose newest writes a power cut takes, but none from before the last filling.
#[derive(Default)]
struct Unsynced {
    kv: MemoryKv,
    told: Mutex<Vec<Told>>,
}

impl Unsynced {
    fn tell(&self, told: Told) -> Result<(), StoreError> {
        match &told {
            Told::Write(changes) => self.kv.write(changes.clone())?,
            Told::Fill(table, rows) => self.kv.fill(*table, &mut rows.iter().cloned().map(Ok))?,
            Told::Expire(epoch) => self.kv.expire(*epoch)?,
        }
        self.told.lock().unwrap().push(told);
        Ok(())
    }

    /// What is left after a power cut.
    fn cut(&self, dice: &mut Dice) -> Self {
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        let filled = told.iter().rposition(|one| matches!(one, Told::Fill(..)));
        let synced = filled.map_or(0, |place| place + 1);
        let left = synced + dice.index(told.len() - synced + 1);
        let after = Self::default();
        told.into_iter().take(left).for_each(|one| after.tell(one).unwrap());
        after
    }
}

impl Kv for Unsynced {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.kv.get(table, key)
    }

    fn has(&self, table: Table) -> Result<bool, StoreError> {
        self.kv.has(table)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        each: Each<'_>,
    ) -> Result<(), StoreError> {
        self.kv.scan(table, prefix, from, each)
    }

    fn write(&self, changes: Changes) -> Result<(), StoreError> {
        self.tell(Told::Write(changes))
    }

    fn fill(&self, table: Table, rows: Rows<'_>) -> Result<(), StoreError> {
        self.tell(Told::Fill(table, rows.collect::<Result<_, _>>()?))
    }

    fn expire(&self, epoch: u16) -> Result<(), StoreError> {
        self.tell(Told::Expire(epoch))
    }
}

fn record_of(topic: Topic, envelope: &Envelope) -> Record {
    let text = if let Body::Order(record) = &envelope.body {
        record.order.partition_text()
    } else if let Body::Click(touch) | Body::Impression(touch) = &envelope.body {
        touch.ids.first().map_or_else(|| envelope.id.to_string(), ToString::to_string)
    } else {
        envelope.id.to_string()
    };
    assert!(matches!(topic, Topic::Touches | Topic::Unique));
    Record {
        codec: CODEC_JSON,
        kind: envelope.body.event_type().number(),
        id: envelope.id,
        key_hash: KeyHash::of(text.as_bytes()),
        payload: envelope.to_json().into(),
    }
}

/// Runs workers over the log until nothing is left to do. On a crash all of them end and the state is opened anew.
fn drain<K: Kv + 'static>(log: &AdversarialLog, world: &World, kv: &Arc<K>, members: usize) {
    let mut quiet = 0;
    for life in 0..1_000 {
        // Touches are packed with each batch, now and then, or never.
        let recent_bytes_max = [1, 1_000, RECENT_BYTES_MAX][(life + members) % 3];
        let tables = Crashing { kv: Arc::clone(kv), log: log.clone() };
        let Ok(state) = State::open_packing(tables, recent_bytes_max).map(Arc::new) else {
            continue;
        };
        let worker = Worker::new(Config::for_tests(), deps(log, world, &state));
        let before = log.crashes();
        let mut sessions: Vec<_> = (0..members).map(|_| worker.subscribe().unwrap()).collect();
        let crashed = 'life: loop {
            let mut worked = false;
            for session in &mut sessions {
                match session.turn() {
                    Ok(Turn::Idle) => {}
                    Ok(Turn::Worked | Turn::Fenced) => worked = true,
                    Err(error) => {
                        assert!(log.crashes() > before, "{error:?}");
                        break 'life true;
                    }
                }
            }
            quiet = if worked { 0 } else { quiet + 1 };
            if quiet > 5 && is_drained(log, &state) {
                break false;
            }
        };
        if !crashed {
            return;
        }
        quiet = 0;
    }
    panic!("crashed for ever");
}

/// Whether everything was read: as the group says, or as the state says. A crash between the two after a repeated batch
/// leaves the group behind the state, until the next batch.
fn is_drained<K: Kv>(log: &AdversarialLog, state: &State<K>) -> bool {
    let mut counts: BTreeMap<(Topic, u32), u64> = BTreeMap::new();
    for topic in [Topic::Touches, Topic::Unique] {
        for record in log.records(topic) {
            let index = record.key_hash.partition(log.partitions());
            *counts.entry((topic, index)).or_default() += 1;
        }
    }
    let read = counts.into_iter().all(|((topic, index), count)| {
        let partition = Partition { topic, index };
        let read = log.stands_at(GROUP, partition).max(state.resume(partition).unwrap());
        read == count
    });
    read && state.deferred(None, 1).unwrap().is_empty()
}

fn deps<K: Kv>(log: &AdversarialLog, world: &World, state: &Arc<State<K>>) -> Deps<K> {
    let text = world.toml();
    let file = catalog::CatalogFile::parse(&text, catalog::Format::Toml).unwrap();
    let versions = file.plan(&catalog::State::default(), Millis(0)).unwrap();
    let catalog = catalog::Handle::new(catalog::State::fold(&versions).unwrap()).unwrap();
    let log: Arc<dyn Backend> = Arc::new(log.clone());
    Deps {
        log,
        state: Arc::clone(state),
        catalog: Arc::new(catalog),
        clock: Arc::new(SteppedClock::at(START)),
    }
}

/// The last decision of each order on the topic, as a sink keeps it.
fn emitted(log: &AdversarialLog) -> Vec<Decision> {
    let mut last: BTreeMap<String, Decision> = BTreeMap::new();
    for record in log.records(Topic::Attributed) {
        let envelope = Envelope::read(&record.payload).unwrap();
        assert_eq!(envelope.id, record.id);
        let Body::Decision(decision) = envelope.body else { panic!("not a decision") };
        let rank = |d: &Decision| (d.version, d.inputs_hash);
        let known = last.get(&envelope.key);
        if known.is_none_or(|known| rank(known) < rank(&decision)) {
            last.insert(envelope.key, *decision);
        }
    }
    last.into_values().collect()
}

fn fill(log: &AdversarialLog, events: &[(Topic, Envelope)]) {
    for (topic, envelope) in events {
        log.append(*topic, &record_of(*topic, envelope));
    }
}

#[test]
fn any_order_partition_repeat_and_crash_ends_in_the_decisions_of_the_whole_set() {
    let mut crashes = 0;
    for seed in 0..300 {
        let world = World::read(&script(seed));
        let dice = &mut Dice::new(seed ^ 0xabcd);
        let events = records(&world, dice);
        let expected = as_json(&final_world(&world, &events).decisions());
        let weather = if seed % 5 == 0 { Weather::fair(seed) } else { Weather::foul(seed) };
        let log = AdversarialLog::new(weather);
        log.crash_at(CrashPoint::ALL[dice.index(5)], u32::try_from(dice.below(6)).unwrap());
        // Some of the log is there when the workers start, the rest comes later.
        let half = dice.index(events.len() + 1);
        let kv = Arc::new(MemoryKv::default());
        let members = 1 + dice.index(3);
        fill(&log, &events[..half]);
        drain(&log, &world, &kv, members);
        fill(&log, &events[half..]);
        drain(&log, &world, &kv, members);
        assert_eq!(as_json(&emitted(&log)), expected, "seed {seed}: {}", script(seed));
        crashes += log.crashes();
    }
    assert!(crashes > 300, "only {crashes} crashes");
}

#[test]
fn power_cuts_that_take_the_newest_writes_end_in_the_decisions_of_the_whole_set() {
    for seed in 3_000..3_060 {
        let world = World::read(&script(seed));
        let dice = &mut Dice::new(seed);
        let events = records(&world, dice);
        let expected = as_json(&final_world(&world, &events).decisions());
        let log = AdversarialLog::new(Weather::fair(seed));
        let mut kv = Arc::new(Unsynced::default());
        for events in events.chunks(events.len().div_ceil(4)) {
            fill(&log, events);
            drain(&log, &world, &kv, 1 + dice.index(3));
            kv = Arc::new(kv.cut(dice));
        }
        drain(&log, &world, &kv, 1);
        assert_eq!(as_json(&emitted(&log)), expected, "seed {seed}: {}", script(seed));
    }
}

#[test]
fn a_replay_from_the_start_and_a_new_state_end_in_the_same_decisions() {
    for seed in 1_000..1_200 {
        let world = World::read(&script(seed));
        let dice = &mut Dice::new(seed);
        let events = records(&world, dice);
        let expected = as_json(&final_world(&world, &events).decisions());
        let log = AdversarialLog::new(Weather::foul(seed));
        fill(&log, &events);
        let kv = Arc::new(MemoryKv::default());
        drain(&log, &world, &kv, 2);
        log.forget_cursors();
        drain(&log, &world, &kv, 1); // the same state reads everything again
        assert_eq!(as_json(&emitted(&log)), expected, "seed {seed}");
        let before = log.records(Topic::Attributed).len();
        drain(&log, &world, &Arc::new(MemoryKv::default()), 1); // an empty state fills itself
        assert_eq!(as_json(&emitted(&log)), expected, "seed {seed}");
        assert!(log.records(Topic::Attributed).len() > before, "seed {seed}: nothing was read");
    }
}

#[test]
fn a_folder_that_is_closed_crashed_or_deleted_ends_in_the_same_decisions() {
    for seed in 2_000..2_012 {
        let world = World::read(&script(seed));
        let events = records(&world, &mut Dice::new(seed));
        let expected = as_json(&final_world(&world, &events).decisions());
        let log = AdversarialLog::new(Weather::foul(seed));
        fill(&log, &events);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attribution");
        let open = || Arc::new(FjallKv::open(&path, 1 << 20).unwrap());
        drain(&log, &world, &open(), 2);
        drain(&log, &world, &open(), 1);
        assert_eq!(as_json(&emitted(&log)), expected, "seed {seed}");
        FjallKv::delete(&path).unwrap();
        let before = log.records(Topic::Attributed).len();
        drain(&log, &world, &open(), 1);
        assert_eq!(as_json(&emitted(&log)), expected, "seed {seed}");
        assert!(log.records(Topic::Attributed).len() > before, "seed {seed}: nothing was read");
    }
}

#[test]
fn an_unchanged_decision_is_not_emitted_again() {
    let world = World::read("click A @0d; order @1d");
    let events = [(Topic::Touches, world.events[0].clone())];
    let log = AdversarialLog::new(Weather::fair(1));
    let kv = Arc::new(MemoryKv::default());
    fill(&log, &events);
    let unique = records(&world, &mut Dice::new(1));
    let unique: Vec<_> = unique.into_iter().filter(|(topic, _)| *topic == Topic::Unique).collect();
    fill(&log, &unique[..1]);
    drain(&log, &world, &kv, 1);
    assert_eq!(log.records(Topic::Attributed).len(), 1);
    fill(&log, &events);
    fill(&log, &unique[..1]);
    drain(&log, &world, &kv, 1);
    assert_eq!(log.records(Topic::Attributed).len(), 1);
}

#[test]
fn an_unreadable_record_is_parked_with_its_code_and_the_rest_goes_on() {
    let world = World::read("click A @0d; order @1d");
    let log = AdversarialLog::new(Weather::fair(1));
    let mut bad = record_of(Topic::Touches, &world.events[0]);
    bad.payload = bytes::Bytes::from_static(b"{\"v\":9}");
    bad.id = EventId::from_bytes([9; 16]);
    log.append(Topic::Touches, &bad);
    fill(&log, &records(&world, &mut Dice::new(1)));
    drain(&log, &world, &Arc::new(MemoryKv::default()), 1);
    let parked = log.records(Topic::Rejected);
    assert_eq!(parked.len(), 1);
    let envelope = Envelope::read(&parked[0].payload).unwrap();
    let Body::Rejected(rejected) = envelope.body else { panic!("not a rejection") };
    assert_eq!(rejected.code, event::Code::UnknownSchema);
    assert!(rejected.message.contains("version 9"), "{}", rejected.message);
    assert_eq!(emitted(&log).len(), 1);
}

#[test]
fn a_decision_that_no_record_can_hold_is_parked_with_its_reason_and_the_rest_goes_on() {
    let world = World::read("click A @0d; order @1d id=ONE; order @1d id=TWO");
    for (room, rejected) in [(20_000, 0), (100, 1)] {
        let [mut one, two] = [0, 1].map(|n| unique(world.orders[n].clone()));
        let free = eventlog::PAYLOAD_BYTES_MAX - room - one.to_json().len();
        let Body::Order(record) = &mut one.body else { panic!("no order") };
        record.coupons = vec!["x".repeat(free - 16)];
        let log = AdversarialLog::new(Weather::fair(1));
        fill(&log, &[(Topic::Unique, one), (Topic::Unique, two)]);
        drain(&log, &world, &Arc::new(MemoryKv::default()), 1);
        assert_eq!(emitted(&log).len(), 2 - rejected, "room {room}");
        let parked = log.records(Topic::Rejected);
        assert_eq!(parked.len(), rejected, "room {room}");
        for parked in parked {
            let Body::Rejected(parked) = Envelope::read(&parked.payload).unwrap().body else {
                panic!("no rejection");
            };
            assert_eq!((parked.code, &*parked.by), (event::Code::TooLarge, "attribution"));
            assert!(parked.message.contains("shop/sale/real/o:ONE"), "{}", parked.message);
        }
    }
}

#[test]
fn an_order_of_an_unknown_program_waits_for_the_catalog() {
    let world = World::read("click A @0d; order @1d");
    let log = AdversarialLog::new(Weather::fair(1));
    fill(&log, &records(&world, &mut Dice::new(1)));
    let kv = Arc::new(MemoryKv::default());
    let state = Arc::new(State::open(Arc::clone(&kv)).unwrap());
    let text = world.toml();
    let file = catalog::CatalogFile::parse(&text, catalog::Format::Toml).unwrap();
    let versions = file.plan(&catalog::State::default(), Millis(0)).unwrap();
    let catalog = Arc::new(catalog::Handle::new(catalog::State::default()).unwrap());
    let worker = Worker::new(
        Config::for_tests(),
        Deps { catalog: Arc::clone(&catalog), ..deps(&log, &world, &state) },
    );
    let mut session = worker.subscribe().unwrap();
    for _ in 0..20 {
        session.turn().unwrap();
    }
    assert_eq!(state.deferred(None, 10).unwrap().len(), 1);
    assert_eq!(emitted(&log), []);
    drop(session);
    // Also after a restart.
    let mut session = worker.subscribe().unwrap();
    session.turn().unwrap();
    catalog.apply(&versions).unwrap();
    for _ in 0..3 {
        session.turn().unwrap();
    }
    let winner = emitted(&log)[0].winner.clone();
    assert_eq!(winner, Some("A".parse().unwrap()));
    assert_eq!(state.deferred(None, 10).unwrap(), []);
}

#[test]
fn an_order_is_decided_at_most_once_in_the_shortest_time_and_not_forgotten() {
    let world = World::read("click A @0d; click B @1h; click C @2h; order @1d");
    let log = AdversarialLog::new(Weather::fair(1));
    let state = Arc::new(State::open(MemoryKv::default()).unwrap());
    let wait = Duration::from_millis(300);
    let config = Config { redecide_wait: wait, ..Config::for_tests() };
    let worker = Worker::new(config, deps(&log, &world, &state));
    let unique: Vec<_> = records(&world, &mut Dice::new(3))
        .into_iter()
        .filter(|(topic, _)| *topic == Topic::Unique)
        .collect();
    let cursor = |topic| log.stands_at(GROUP, Partition { topic, index: 0 });
    let read = || state.resume(Partition { topic: Topic::Touches, index: 0 }).unwrap();
    let mut session = worker.subscribe().unwrap();
    fill(&log, &unique);
    for _ in 0..10 {
        session.turn().unwrap();
    }
    assert_eq!(cursor(Topic::Unique), 1, "decided");
    for event in &world.events {
        fill(&log, &[(Topic::Touches, event.clone())]);
        session.turn().unwrap();
    }
    assert_eq!(log.records(Topic::Attributed).len(), 1, "deferred, not decided three times");
    assert_eq!((read(), cursor(Topic::Touches)), (3, 0), "read, and not yet all decided");
    // Only the state knows of them.
    drop(session);
    let mut session = worker.subscribe().unwrap();
    for _ in 0..50 {
        session.turn().unwrap();
    }
    assert_eq!(log.records(Topic::Attributed).len(), 2);
    assert_eq!(emitted(&log)[0].winner, Some("C".parse().unwrap()));
    assert_eq!(cursor(Topic::Touches), 3, "and all of it decided");
}

#[test]
fn what_is_deferred_while_it_is_decided_stays_deferred_with_its_latest_receipt() {
    let kv = Arc::new(MemoryKv::default());
    let state = State::open(Arc::clone(&kv)).unwrap();
    let order = World::read("order @1d").orders[0].order.clone();
    let settle = |began| {
        let settled = Settled { clean: vec![order.clone()], began, ..Settled::default() };
        state.settle(&settled).unwrap();
    };
    let began = state.ticket();
    state.defer([(&order, Millis(5))]).unwrap(); // another worker, which has seen more
    settle(began);
    assert_eq!(state.deferred(None, 10).unwrap(), [(order.clone(), Millis(5))]);
    state.defer([(&order, Millis(3))]).unwrap();
    assert_eq!(state.deferred(None, 10).unwrap(), [(order.clone(), Millis(5))]);
    assert_eq!(State::open(kv).unwrap().ticket(), state.ticket(), "also after a restart");
    settle(state.ticket());
    assert_eq!(state.deferred(None, 10).unwrap(), []);
}

#[test]
fn two_workers_side_by_side_that_defer_lose_no_decision() {
    for seed in 3_000..3_030 {
        let world = World::read(&script(seed));
        let events = records(&world, &mut Dice::new(seed));
        let expected = as_json(&final_world(&world, &events).decisions());
        let partitions = std::num::NonZeroU32::MIN.saturating_add(3);
        let log = AdversarialLog::new(Weather {
            partitions,
            batch_records_max: 2,
            ..Weather::fair(seed)
        });
        fill(&log, &events);
        let state = Arc::new(State::open(MemoryKv::default()).unwrap());
        let config = Config { redecide_wait: Duration::from_millis(2), ..Config::for_tests() };
        let worker = Worker::new(config, deps(&log, &world, &state));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut session = worker.subscribe().unwrap();
                    let mut quiet = 0;
                    while quiet < 20 || !is_drained(&log, &state) {
                        let idle = session.turn().unwrap() == Turn::Idle;
                        quiet = if idle { quiet + 1 } else { 0 };
                    }
                });
            }
        });
        assert_eq!(as_json(&emitted(&log)), expected, "seed {seed}: {}", script(seed));
    }
}

fn found<K: Kv>(view: &View<K>, order: &str) -> Found {
    let references = [OrderRef::Order(order.into())];
    view.find((None, None, None), &references).unwrap().unwrap()
}

#[test]
fn an_order_is_found_under_a_goal_that_the_catalog_does_not_list_and_an_unknown_one_is_not() {
    let world = World::read("order @1d");
    let log = AdversarialLog::new(Weather::fair(1));
    let state = Arc::new(State::open(MemoryKv::default()).unwrap());
    let deps = deps(&log, &world, &state);
    let view = View::new(Arc::clone(&deps.catalog), Arc::clone(&deps.clock));
    let references = [OrderRef::Order("O".into())];
    assert_eq!(view.find((None, None, None), &references).unwrap(), None, "no state is open");
    view.open(Arc::clone(&state));
    let worker = Worker::new(Config::for_tests(), deps);
    let mut session = worker.subscribe().unwrap();
    for goal in ["gone", "sale", "sale-2"] {
        let mut record = world.orders[0].clone();
        record.order.goal = goal.parse().unwrap();
        fill(&log, &[(Topic::Unique, unique(record))]);
    }
    turn_often(&mut session);
    let goals: Vec<_> = found(&view, "O").decisions.into_iter().map(|d| d.order.goal).collect();
    assert_eq!(goals, ["gone", "sale", "sale-2"].map(|goal| goal.parse().unwrap()));
    assert_eq!(found(&view, "P"), Found::default());
}

/// The record of `order` as a report more would make it.
fn with_a_further_report(order: &OrderRecord) -> (Topic, Envelope) {
    let record = OrderRecord { members: order.members + 1, ..order.clone() };
    (Topic::Unique, unique(record))
}

fn turn_often<K: Kv>(session: &mut Session<'_, K>) {
    let end = Instant::now() + Duration::from_millis(30);
    let mut turns = 0;
    // On a slow machine the time may be over before a turn is.
    while session.turn().unwrap() != Turn::Idle || turns < 20 || Instant::now() < end {
        turns += 1;
    }
}

#[test]
fn an_order_is_decided_again_while_its_touches_are_kept_and_keeps_its_decision_afterwards() {
    for (days, versions) in [(45, 2), (46, 1)] {
        let world = World::read("click A @0d; order @1d");
        let log = AdversarialLog::new(Weather::fair(1));
        let state = Arc::new(State::open(MemoryKv::default()).unwrap());
        let clock = SteppedClock::at(START);
        let deps = Deps { clock: Arc::new(clock.clone()), ..deps(&log, &world, &state) };
        let view = View::new(Arc::clone(&deps.catalog), Arc::new(clock.clone()));
        view.open(Arc::clone(&state));
        let worker = Worker::new(Config::for_tests(), deps);
        let mut session = worker.subscribe().unwrap();
        fill(&log, &[(Topic::Touches, world.events[0].clone())]);
        fill(&log, &[(Topic::Unique, unique(world.orders[0].clone()))]);
        turn_often(&mut session);
        clock.set(Millis(world.orders[0].converted_at.0 + days * DAY_MS));
        fill(&log, &[with_a_further_report(&world.orders[0])]);
        turn_often(&mut session);
        assert_eq!(log.records(Topic::Attributed).len(), versions, "after {days} days");
        assert_eq!(state.deferred(None, 1).unwrap(), []);
        let seen = view.decision(&world.orders[0].order).unwrap();
        assert_eq!(seen.is_some(), versions == 2, "after {days} days");
        let found = found(&view, "O");
        let (decided, earlier) = (found.decisions.len(), found.earlier.len());
        assert_eq!((decided, earlier), if versions == 2 { (1, 0) } else { (0, 1) });
        // One that was never decided is decided, however late it comes.
        fill(&log, &[(Topic::Unique, unique(World::read("order @1d id=NEW").orders[0].clone()))]);
        turn_often(&mut session);
        assert_eq!(log.records(Topic::Attributed).len(), versions + 1);
    }
}

#[test]
fn touches_are_forgotten_by_their_age_and_by_no_clock_that_jumped() {
    let stepped = SteppedClock::at(START);
    let watched: Arc<dyn Clock> = Arc::new(WatchedClock::new(stepped.clone()));
    for (clock, kept) in [(watched, true), (Arc::new(stepped.clone()), false)] {
        let world = World::read("click A @0d; order @1d");
        let log = AdversarialLog::new(Weather::fair(1));
        let state = Arc::new(State::open(MemoryKv::default()).unwrap());
        let worker = Worker::new(Config::for_tests(), Deps { clock, ..deps(&log, &world, &state) });
        stepped.set(START);
        fill(&log, &[(Topic::Touches, world.events[0].clone())]);
        turn_often(&mut worker.subscribe().unwrap());
        stepped.set(Millis(START.0 + 200 * DAY_MS));
        let mut session = worker.subscribe().unwrap();
        turn_often(&mut session);
        fill(&log, &[(Topic::Unique, unique(world.orders[0].clone()))]);
        turn_often(&mut session);
        assert_eq!(emitted(&log)[0].winner.is_some(), kept);
    }
}

#[test]
fn an_order_with_a_partner_that_the_catalog_does_not_name_yet_waits_for_it_however_long() {
    waits_for_partner_b("click A @0d; click B @1h; order @1d", "B");
    let many = "click A @1h; ".repeat(2 * CANDIDATES_LISTED_MAX);
    waits_for_partner_b(&format!("click B @0d; {many} order @1d"), "A"); // also for one that no trace lists
}

fn waits_for_partner_b(script: &str, winner: &str) {
    let world = World::read(script);
    let log = AdversarialLog::new(Weather::fair(1));
    let state = Arc::new(State::open(MemoryKv::default()).unwrap());
    let file = catalog::CatalogFile::parse(&world.toml(), catalog::Format::Toml).unwrap();
    let versions = file.plan(&catalog::State::default(), Millis(0)).unwrap();
    let (later, first): (Vec<_>, Vec<_>) =
        versions.into_iter().partition(|version| format!("{:?}", version.object).contains("\"B\""));
    assert_eq!(later.len(), 1);
    let catalog = catalog::Handle::new(catalog::State::fold(&first).unwrap()).unwrap();
    let catalog = Arc::new(catalog);
    let deps = Deps { catalog: Arc::clone(&catalog), ..deps(&log, &world, &state) };
    let view = View::new(Arc::clone(&deps.catalog), Arc::clone(&deps.clock));
    view.open(Arc::clone(&state));
    let worker = Worker::new(Config::for_tests(), deps);
    let mut session = worker.subscribe().unwrap();
    let (touches, orders): (Vec<_>, Vec<_>) = records(&world, &mut Dice::new(1))
        .into_iter()
        .partition(|(topic, _)| *topic == Topic::Touches);
    for records in [touches, orders] {
        fill(&log, &records);
        turn_often(&mut session);
    }
    assert_eq!(emitted(&log), []);
    assert_eq!(state.deferred(None, 10).unwrap().len(), 1);
    assert_eq!(found(&view, "O"), Found::default(), "nobody is shown what is not decided");
    catalog.apply(&later).unwrap();
    turn_often(&mut session);
    assert_eq!(found(&view, "O").decisions, emitted(&log));
    assert_eq!(emitted(&log)[0].winner, Some(winner.parse().unwrap()));
    assert_eq!(state.deferred(None, 10).unwrap(), []);
}

#[test]
fn an_order_reached_by_a_merge_keeps_what_it_knows_when_a_later_record_no_longer_implies_it() {
    let world = World::read("click A @0d by=y; order @1d id=ONE by=x,y; order @2d id=TWO by=x");
    let [one, two] = [0, 1].map(|n| (Topic::Unique, unique(world.orders[n].clone())));
    let (topic, mut later) = with_a_further_report(&world.orders[0]);
    let Body::Order(record) = &mut later.body else { panic!() };
    record.merges.clear();
    let later = (topic, later);
    for records in [[one.clone(), later.clone()], [later, one]] {
        let log = AdversarialLog::new(Weather::fair(1));
        let kv = Arc::new(MemoryKv::default());
        fill(&log, &[(Topic::Touches, world.events[0].clone()), two.clone()]);
        for record in records {
            fill(&log, &[record]);
            drain(&log, &world, &kv, 1);
        }
        let winners: Vec<_> = emitted(&log).into_iter().map(|decision| decision.winner).collect();
        assert_eq!(winners, [Some("A".parse().unwrap()), Some("A".parse().unwrap())]);
    }
}
