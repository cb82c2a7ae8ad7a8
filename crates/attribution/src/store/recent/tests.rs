//! Touches are the same to readers wherever they stand: in memory, packed, or partly both.

use event::EventId;
use event::body::{Body, Landing, PageKind};

use super::{PersonKey, RECENT_BYTES_MAX};
use crate::build::{World, claim_of, person};
use crate::evidence::{Evidence as _, Reached, Scope, TOUCHES_PER_EPOCH_MAX, epoch_of};
use crate::noted::{Noted, noted};
use crate::store::memory::Memory;
use crate::store::{MemoryKv, State};

/// Packed with each batch, in the middle, and never.
const LIMITS: [usize; 3] = [1, 40_000, RECENT_BYTES_MAX];

fn scope() -> Scope {
    Scope { program: "shop".parse().unwrap(), test: false }
}

/// Clicks of one visitor, a second apart.
fn clicks(count: usize) -> Vec<Noted> {
    let clauses: Vec<String> =
        (0..count).map(|n| format!("click A#{n} @{n}s by=x,y flags=bot_ua")).collect();
    World::read(&clauses.join(";")).events.iter().filter_map(noted).collect()
}

fn touches(state: &State<MemoryKv>, name: &str, at: event::Millis) -> Option<Vec<Reached>> {
    let mut out = Vec::new();
    let all = state.touches(&scope(), &person(name), epoch_of(at), &mut out).unwrap();
    all.then_some(out)
}

#[test]
fn as_many_touches_as_are_evidence_are_read_and_one_more_is_too_many() {
    let clicks = clicks(TOUCHES_PER_EPOCH_MAX + 1);
    let (most, one_more) = clicks.split_at(TOUCHES_PER_EPOCH_MAX);
    for limit in LIMITS {
        let state = State::open_packing(MemoryKv::default(), limit).unwrap();
        // Twice, in both directions: what comes again counts once.
        for batch in most.chunks(97).chain(most.rchunks(31)) {
            state.add(batch).unwrap();
        }
        let read = touches(&state, "x", crate::build::START).unwrap();
        let order = |a: &Reached, b: &Reached| a.touch.occurred_at < b.touch.occurred_at;
        assert_eq!(read.len(), most.len(), "packed from {limit} bytes on");
        assert!(read.is_sorted_by(order), "packed from {limit} bytes on");
        state.add(one_more).unwrap();
        assert_eq!(touches(&state, "y", crate::build::START), None);
        // So it stays, whatever comes again.
        state.add(most).unwrap();
        assert_eq!(touches(&state, "x", crate::build::START), None);
    }
}

#[test]
fn a_state_opened_anew_reads_what_it_read_before() {
    let all = clicks(300);
    let mut memory = Memory::default();
    all.iter().for_each(|one| memory.add(one));
    for limit in LIMITS {
        let kv = std::sync::Arc::new(MemoryKv::default());
        for batch in all.chunks(60) {
            State::open_packing(std::sync::Arc::clone(&kv), limit).unwrap().add(batch).unwrap();
        }
        let state = State::open(kv).unwrap();
        for one in &all {
            let Noted::Touch { scope, touch, dimensions, .. } = one else { panic!("not a touch") };
            let known = state.touch(&scope.program, touch.id).unwrap();
            assert_eq!(known.as_ref(), Some(touch));
            let known = state.dimensions(&scope.program, touch.id).unwrap();
            assert_eq!(known.as_ref(), Some(&**dimensions));
        }
        let mut out = (Vec::new(), Vec::new());
        let epoch = epoch_of(crate::build::START);
        state.touches(&scope(), &person("y"), epoch, &mut out.0).unwrap();
        let Ok(_all) = memory.touches(&scope(), &person("y"), epoch, &mut out.1);
        assert_eq!(out.0, out.1, "packed from {limit} bytes on");
    }
}

#[test]
fn a_touch_told_by_a_landing_stands_beside_its_own_event() {
    let mut world = World::read("click A @0d by=x");
    let click = claim_of(&world.events[0]);
    for n in 0..2 {
        let mut landing = world.events[0].clone();
        landing.id = EventId::from_bytes([n; 16]);
        landing.body = Body::Landing(Landing {
            click: click.clone(),
            ids: vec![person("x"), person("k1")],
            consent: None,
            page: PageKind::Entry,
            entered_at: None,
            referrer_origin: None,
        });
        world.events.push(landing);
    }
    let all: Vec<_> = world.events.iter().filter_map(noted).collect();
    for limit in LIMITS {
        let state = State::open_packing(MemoryKv::default(), limit).unwrap();
        for _ in 0..2 {
            state.add(&all[1..]).unwrap();
            state.add(&all[..1]).unwrap();
        }
        let mut memory = Memory::default();
        all.iter().for_each(|one| memory.add(one));
        for (name, count) in [("x", 3), ("k1", 2)] {
            let read = touches(&state, name, crate::build::START).unwrap();
            let mut expected = Vec::new();
            let epoch = epoch_of(crate::build::START);
            let Ok(_all) = memory.touches(&scope(), &person(name), epoch, &mut expected);
            assert_eq!(read, expected, "packed from {limit} bytes on");
            assert_eq!(read.len(), count);
        }
    }
}

#[test]
fn keys_of_two_people_never_begin_with_one_another() {
    let ids = [person("x"), person("k"), person("y")];
    let keys: Vec<_> = ids.iter().map(|id| PersonKey::new(7, (1, false), id)).collect();
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(key.epoch(), 7);
        for other in keys.iter().skip(n + 1) {
            assert!(!key.prefix().starts_with(other.prefix()), "{key:?} {other:?}");
            assert!(!other.prefix().starts_with(key.prefix()), "{key:?} {other:?}");
        }
    }
}
