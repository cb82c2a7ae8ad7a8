//! Through the real worker and state, on a log that does everything a log may do: final decisions are those of the pure
//! engine over the whole set, byte for byte.

use std::collections::BTreeMap;
use std::sync::Arc;

use event::body::decision::Decision;
use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Body, Envelope, EventId, Millis, Topic};
use eventlog::{Backend, Partition, Record};
use testkit::{AdversarialLog, CrashPoint, Dice, SteppedClock, Weather};

use super::{Deps, GROUP, Turn, Worker};
use crate::build::{START, World};
use crate::config::Config;
use crate::error::Error;
use crate::random::{as_json, final_world, records, script};
use crate::store::recent::RECENT_BYTES_MAX;
use crate::store::{Changes, Each, FjallKv, Kv, MemoryKv, Rows, State, StoreError, Table};

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
        let mut sessions: Vec<_> = (0..members).map(|_| worker.subscribe().unwrap()).collect();
        let crashed = 'life: loop {
            let mut worked = false;
            for session in &mut sessions {
                match session.turn() {
                    Ok(Turn::Idle) => {}
                    Ok(Turn::Worked | Turn::Fenced) => worked = true,
                    Err(Error::Store(_) | Error::Read(_) | Error::Write(_)) => break 'life true,
                    Err(error) => panic!("{error:?}"),
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
    counts.into_iter().all(|((topic, index), count)| {
        let partition = Partition { topic, index };
        let read = log.committed(GROUP, partition).max(state.resume(partition).unwrap());
        read == count
    })
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
fn a_replay_from_the_start_and_a_new_state_end_in_the_same_decisions() {
    for seed in 1_000..1_060 {
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
    assert!(is_drained(&log, &state));
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
    let wait = std::time::Duration::from_millis(300);
    let config = Config { redecide_wait: wait, ..Config::for_tests() };
    let worker = Worker::new(config, deps(&log, &world, &state));
    let unique: Vec<_> = records(&world, &mut Dice::new(3))
        .into_iter()
        .filter(|(topic, _)| *topic == Topic::Unique)
        .collect();
    let mut session = worker.subscribe().unwrap();
    fill(&log, &unique);
    for _ in 0..10 {
        session.turn().unwrap();
    }
    for event in &world.events {
        fill(&log, &[(Topic::Touches, event.clone())]);
        session.turn().unwrap();
    }
    assert_eq!(log.records(Topic::Attributed).len(), 1, "deferred, not decided three times");
    // The cursor has moved: only the state knows of them.
    drop(session);
    let mut session = worker.subscribe().unwrap();
    for _ in 0..50 {
        session.turn().unwrap();
    }
    assert_eq!(log.records(Topic::Attributed).len(), 2);
    assert_eq!(emitted(&log)[0].winner, Some("C".parse().unwrap()));
}
