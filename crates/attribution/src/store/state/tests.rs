//! Bounds of what is kept and read, the same in the state and in memory.

use std::sync::mpsc;
use std::time::Duration;

use event::body::decision::Dimensions;
use event::time::DAY_MS;
use event::{EventId, IdentityId, LaneId, Millis, Sequence};
use testkit::Dice;

use super::{Affected, Settled, State};
use crate::build::{START, World, person};
use crate::decide::HORIZON_MS;
use crate::evidence::{
    EPOCH_MS, Evidence, Fact, LANDINGS_PER_TOUCH_MAX, MERGED_IDS_MAX, MERGES_PER_PAIR_MAX,
    MergeEdge, REACHED_PER_EPOCH_MAX, Reached, Scope, Stamp, epoch_of,
};
use crate::noted::{Noted, noted};
use crate::store::memory::Memory;
use crate::store::{Changes, Each, Kv, MemoryKv, Rows, StoreError, Table};

fn scope() -> Scope {
    Scope { program: "shop".parse().unwrap(), test: false }
}

fn stamp(n: u64) -> Stamp {
    let id = EventId::minted(START, Sequence(n), LaneId::from_random(2));
    Stamp { id, occurred_at: START, received_at: START }
}

fn merge(n: u64, other: IdentityId) -> Noted {
    Noted::Merge { scope: scope(), id: person("x"), edge: MergeEdge { other, stamp: stamp(n) } }
}

fn both(all: &[Noted]) -> (State<MemoryKv>, Memory) {
    let state = State::open(MemoryKv::default()).unwrap();
    let mut memory = Memory::default();
    for one in all {
        state.add(std::slice::from_ref(one)).unwrap();
        memory.add(one);
    }
    (state, memory)
}

fn merges<E: Evidence>(known: &E) -> Vec<MergeEdge>
where
    E::Error: std::fmt::Debug,
{
    let mut edges = Vec::new();
    known.merges(&scope(), &person("x"), &|_| true, &mut edges).unwrap();
    edges.sort_unstable();
    edges
}

#[test]
fn merges_of_a_pair_are_read_up_to_the_most_and_those_of_other_pairs_as_well() {
    let mut all: Vec<Noted> = (0..100).map(|n| merge(n, person("y"))).collect();
    all.push(merge(200, person("kate")));
    all.push(merge(201, person("z")));
    Dice::new(1).shuffle(&mut all);
    let (state, memory) = both(&all);
    let edges = merges(&state);
    assert_eq!(edges, merges(&memory));
    assert_eq!(edges.len(), MERGES_PER_PAIR_MAX + 2);
    assert!(edges.iter().all(|e| e.other != person("y") || e.stamp.id < stamp(16).id));
}

/// Notes of the decision about an order of `x` after these merges.
fn notes(merges: &str) -> Vec<u16> {
    let world = World::read(&format!("click A @0d; {merges} order @1d"));
    world.decisions()[0].trace.notes.iter().map(|code| code.number()).collect()
}

#[test]
fn one_pair_merged_again_and_again_is_one_person_and_many_ids_are_none() {
    assert_eq!(notes(&"merge x y @1h; ".repeat(MERGED_IDS_MAX + 1)), [0; 0]);
    let others =
        |count, at| -> String { (0..count).map(|n| format!("merge x p{n} @{at}; ")).collect() };
    assert_eq!(notes(&others(63, "1h")), [0; 0]);
    assert_eq!(notes(&others(64, "1h")), [418]);
    assert_eq!(notes(&others(MERGED_IDS_MAX + 1, "1h")), [418]);
    assert_eq!(notes(&others(MERGED_IDS_MAX + 1, "20d")), [0; 0], "too late to join");
}

#[test]
fn merges_that_no_longer_join_hide_none_that_does_whether_they_are_still_kept_or_not() {
    let old = |n| format!("merge x y @{n}m; ");
    let old: String = (0..MERGES_PER_PAIR_MAX).map(old).collect();
    let strangers: String = (0..=MERGED_IDS_MAX).map(|n| format!("merge x p{n} @0d; ")).collect();
    for old in [old, strangers] {
        let script = format!("{old}merge x y @99d; click A @99d by=y; order @100d by=x");
        let world = World::read(&script);
        let mut all: Vec<Noted> = world.events.iter().filter_map(noted).collect();
        all.push(Noted::Order(Box::new(world.orders[0].clone())));
        let (state, memory) = both(&all);
        let snapshot = world.snapshot();
        let program = snapshot.program("shop").unwrap();
        let record = &world.orders[0];
        let expected = crate::decide(record, &memory, program).unwrap();
        assert_eq!(expected.winner, Some("A".parse().unwrap()));
        assert_eq!(expected.trace.notes, []);
        assert_eq!(crate::decide(record, &state, program).unwrap(), expected);
        state.expire(Millis(START.0 + DAY_MS)).unwrap();
        assert_eq!(merges(&state).len(), 1, "the old ones are gone");
        assert_eq!(crate::decide(record, &state, program).unwrap(), expected);
    }
}

#[test]
fn merges_go_when_no_order_can_read_them_any_more() {
    let (state, _) = both(&[merge(1, person("y"))]);
    state.expire(START).unwrap();
    assert_eq!(merges(&state).len(), 1);
    state.expire(Millis(START.0 + 1)).unwrap();
    assert_eq!(merges(&state), []);
    let days = HORIZON_MS / 86_400_000;
    let decided = |extra: &str| {
        let order = format!("order @{days}d{extra} by=x");
        let world = World::read(&format!("click A @{days}d by=y; merge x y @0d; {order}"));
        world.decisions()[0].winner.is_some()
    };
    assert!(decided(""), "a merge at the horizon joins");
    assert!(!decided("+1ms"), "an older one does not");
}

#[test]
fn an_order_goes_with_its_time_also_if_it_is_nobodys() {
    for order in ["order @0d by=x", "order @0d none"] {
        let record = &World::read(order).orders[0];
        let (state, _) = both(&[Noted::Order(Box::new(record.clone()))]);
        state.expire(START).unwrap();
        assert!(state.record(&record.order).unwrap().is_some(), "{order}");
        state.expire(Millis(START.0 + 1)).unwrap();
        assert_eq!(state.record(&record.order).unwrap(), None, "{order}");
        assert_eq!(state.open.read().unwrap().len(), 0, "{order}: nothing finds it");
    }
}

#[test]
fn an_order_that_waits_to_be_decided_is_kept_until_it_is() {
    let record = &World::read("order @0d by=x").orders[0];
    let (state, _) = both(&[Noted::Order(Box::new(record.clone()))]);
    state.defer([(&record.order, START)]).unwrap();
    state.expire(Millis(START.0 + 1)).unwrap();
    assert_eq!(state.record(&record.order).unwrap().as_ref(), Some(record));
    let clean = vec![record.order.clone()];
    state.settle(&Settled { clean, began: state.ticket(), ..Settled::default() }).unwrap();
    state.expire(Millis(START.0 + 1)).unwrap();
    assert_eq!(state.record(&record.order).unwrap(), None);
}

#[test]
fn touches_go_with_their_epoch_also_if_they_are_too_few_to_be_packed() {
    let world = World::read("click A @0d by=x; click A @60d by=x");
    let (state, _) = both(&world.events.iter().filter_map(noted).collect::<Vec<_>>());
    let known = |n: usize| {
        let mut reached = Vec::new();
        let event = &world.events[n];
        let epoch = epoch_of(event.occurred_at);
        state.touches(&scope(), &person("x"), epoch, &mut reached).unwrap();
        let touch = state.touch(&scope().program, event.id).unwrap();
        (reached.len(), touch.is_some())
    };
    for (before, first) in [(START, (1, true)), (Millis(START.0 + EPOCH_MS), (0, false))] {
        state.expire(before).unwrap();
        assert_eq!([known(0), known(1)], [first, (1, true)]);
    }
}

#[test]
fn a_touch_that_no_edge_minted_outlives_the_epochs() {
    let world = World::read("click A @0d");
    let mut click = world.events[0].clone();
    click.id = EventId::derived("test", &[b"touch"]);
    let (state, _) = both(&[noted(&click).unwrap()]);
    state.expire(START).unwrap();
    let program = "shop".parse().unwrap();
    assert!(state.touch(&program, click.id).unwrap().is_some());
    assert_eq!(
        state.dimensions(&program, click.id).unwrap().map(|d: Dimensions| d.device as u8),
        Some(5)
    );
}

#[test]
fn the_first_landing_reports_reach_a_touch_in_whatever_order_they_come() {
    let count = 200;
    let script: String = (0..count).map(|n| format!("land A @1h by=p{n}; ")).collect();
    let world = World::read(&format!("click A @0d none; {script}"));
    let all: Vec<Noted> = world.events.iter().map(|event| noted(event).unwrap()).collect();
    for seed in 0..4 {
        let mut all = all.clone();
        if seed > 0 {
            Dice::new(seed).shuffle(&mut all);
        }
        let (state, memory) = both(&all);
        let rows: usize = (0..count)
            .map(|n| {
                let mut out: Vec<Reached> = Vec::new();
                let person = person(&format!("p{n}"));
                state.touches(&scope(), &person, epoch_of(START), &mut out).unwrap();
                out.len()
            })
            .sum();
        assert_eq!(rows, count, "each is kept: one with a smaller id may come last");
        let snapshot = world.snapshot();
        let program = snapshot.program("shop").unwrap();
        for n in [0, LANDINGS_PER_TOUCH_MAX - 1, LANDINGS_PER_TOUCH_MAX, count - 1] {
            let record = &World::read(&format!("order @2h by=p{n}")).orders[0];
            let reached = crate::decide(record, &state, program).unwrap();
            assert_eq!(Ok(reached.clone()), crate::decide(record, &memory, program));
            assert_eq!(reached.winner.is_some(), n < LANDINGS_PER_TOUCH_MAX, "seed {seed}, {n}");
        }
    }
}

#[test]
fn a_touch_that_comes_after_its_landing_report_bears_on_the_orders_that_the_report_reaches() {
    for (buyer, bears) in [("x", true), ("y", false)] {
        let script = format!("click A @0d none; land A @1h by=x; order @2h by={buyer}");
        let world = World::read(&script);
        let [click, landing] = [0, 1].map(|n| noted(&world.events[n]).unwrap());
        let order = world.orders[0].clone();
        let state = State::open(MemoryKv::default()).unwrap();
        state.add(&[Noted::Order(order.clone().into()), landing]).unwrap();
        state.add(std::slice::from_ref(&click)).unwrap();
        let mut affected = Affected::new();
        state.affected(&click, &mut affected).unwrap();
        assert_eq!(affected.contains_key(&order.order), bears, "{buyer}");
    }
}

/// Tables that tell before they write that an order is deferred, and go on when they are let.
struct Slow {
    kv: MemoryKv,
    writes: mpsc::SyncSender<()>,
    go_on: std::sync::Mutex<mpsc::Receiver<()>>,
}

impl Kv for Slow {
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
        self.writes.send(()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
        self.kv.write(changes)
    }

    fn fill(&self, table: Table, rows: Rows<'_>) -> Result<(), StoreError> {
        self.kv.fill(table, rows)
    }

    fn expire(&self, epoch: u16) -> Result<(), StoreError> {
        self.kv.expire(epoch)
    }
}

#[test]
fn no_ticket_counts_a_deferral_that_cannot_be_seen_yet() {
    let (writes, is_written) = mpsc::sync_channel(0);
    let (let_go, go_on) = mpsc::channel();
    let kv = Slow { kv: MemoryKv::default(), writes, go_on: go_on.into() };
    let state = &State::open(kv).unwrap();
    let order = &World::read("order @0d").orders[0].order;
    std::thread::scope(|scope| {
        scope.spawn(|| state.defer([(order, START)]).unwrap());
        is_written.recv().unwrap();
        let (told, ticket) = mpsc::channel();
        scope.spawn(move || {
            let ticket = state.ticket();
            let seen = state.deferred(None, 1).unwrap().len();
            told.send((ticket, seen)).unwrap();
        });
        let early = ticket.recv_timeout(Duration::from_millis(50)).ok();
        let_go.send(()).unwrap();
        let (ticket, seen) = early.unwrap_or_else(|| ticket.recv().unwrap());
        assert_eq!((ticket, seen), (1, 1));
    });
}

#[test]
fn a_landing_report_that_comes_late_takes_a_touch_from_another_by_a_higher_version() {
    let lands: String =
        (0..=LANDINGS_PER_TOUCH_MAX).map(|n| format!("land A @1h by=p{n}; ")).collect();
    let world = World::read(&format!("click A @0d none; {lands}"));
    let mut all: Vec<Noted> = world.events.iter().filter_map(noted).collect();
    let late = all.remove(1);
    let (state, mut memory) = both(&all);
    let snapshot = world.snapshot();
    let program = snapshot.program("shop").unwrap();
    let record = &World::read(&format!("order @2h by=p{LANDINGS_PER_TOUCH_MAX}")).orders[0];
    let before = crate::decide(record, &state, program).unwrap();
    assert!(before.winner.is_some());
    state.add(std::slice::from_ref(&late)).unwrap();
    memory.add(&late);
    let after = crate::decide(record, &state, program).unwrap();
    assert_eq!(after.winner, None);
    assert!(before.version < after.version, "{:?}", (before.version, after.version));
    assert_eq!(Ok(after), crate::decide(record, &memory, program));
}

#[test]
fn as_many_landing_reports_of_one_id_as_are_evidence_are_read_and_one_more_is_too_many() {
    let world = World::read("click A @0d none; land A @1h by=x");
    let Some(Noted::Fact { program, touch, fact, landed }) = noted(&world.events[1]) else {
        panic!("no landing")
    };
    let again = |n| {
        let stamp = Stamp { id: stamp(n).id, ..fact.stamp };
        let fact = Fact { stamp, ..fact.clone() };
        Noted::Fact { program: program.clone(), touch, fact, landed: landed.clone() }
    };
    let all: Vec<Noted> = (0..REACHED_PER_EPOCH_MAX as u64).map(again).collect();
    let state = State::open(MemoryKv::default()).unwrap();
    let mut memory = Memory::default();
    for (more, read) in [(&all[..], true), (&[again(1 << 20)], false)] {
        state.add(more).unwrap();
        more.iter().for_each(|one| memory.add(one));
        let epoch = epoch_of(START);
        let of = (&scope(), &person("x"), epoch);
        assert_eq!(state.touches(of.0, of.1, of.2, &mut Vec::new()).unwrap(), read);
        assert_eq!(memory.touches(of.0, of.1, of.2, &mut Vec::new()), Ok(read));
    }
}
