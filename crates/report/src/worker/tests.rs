//! The worker on its store and on a log that does everything a log may do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catalog::{CatalogFile, Format, Handle, State};
use event::body::{OrderState, TouchKind};
use event::{Body, Code, Envelope, Flag, Micros, Millis, Topic};
use eventlog::stage::{Stage as _, Turn};
use testkit::{AdversarialLog, CrashPoint, Dice, SteppedClock, Weather};

use super::{Deps, GROUP, Worker};
use crate::build::{
    DAY, HOUR, SHOP, T, activated, booked, catalog, decided, decision, in_state, posted, posting,
    record_of, share, touch, touched,
};
use crate::config::Config;
use crate::query::{View, csv, json};
use crate::store::Store;
use crate::store::audit::audit;

#[expect(clippy::wildcard_enum_match_arm, reason = "all others are about touches")]
fn topic_of(envelope: &Envelope) -> Topic {
    match &envelope.body {
        Body::Posting(_) => Topic::Transfers,
        Body::Decision(_) => Topic::Attributed,
        _ => Topic::Touches,
    }
}

/// Turns until everything is committed; after each crash a new process goes on.
fn drain(log: &AdversarialLog, folder: &Path, catalog: &Arc<Handle>) {
    let mut turns = 0_u32;
    loop {
        let before = log.crashes();
        let store = Arc::new(Store::open(folder).unwrap());
        let deps = Deps { log: Arc::new(log.clone()), store, catalog: Arc::clone(catalog) };
        let config = Config { idle_wait: Duration::ZERO, ..Config::default() };
        let worker = Worker::new(config, deps);
        let mut session = worker.subscribe().unwrap();
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

fn filled(weather: Weather, events: &[Envelope]) -> AdversarialLog {
    let log = AdversarialLog::new(weather);
    for envelope in events {
        log.append(topic_of(envelope), &record_of(envelope));
    }
    log
}

/// Everything that a report says, by every group and on both bases.
fn reports(folder: &Path, catalog: &Arc<Handle>) -> String {
    let clock = Arc::new(SteppedClock::at(Millis(T + 20 * DAY)));
    let view = View::new(folder, Arc::clone(catalog), clock);
    let mut all = String::new();
    for by in
        ["total", "partner", "segment", "link", "channel", "day", "customer", "code", "time", "s1"]
    {
        for basis in ["event", "click"] {
            let given = |name: &str| match name {
                "program" => Some("shop".to_owned()),
                "by" => Some(by.to_owned()),
                "basis" => Some(basis.to_owned()),
                "from" => Some("2026-10-01".to_owned()),
                _ => None,
            };
            let report = view.report(&view.request(&given).unwrap()).unwrap();
            all.push_str(&format!("{:#}\n{}", json(&report), csv(&report)));
        }
    }
    all
}

/// A life of the shop: touches of all sorts, orders that change, decisions that are revised.
fn life(seed: u64) -> Vec<Envelope> {
    let mut dice = Dice::new(seed);
    let mut events = Vec::new();
    let partners = [Some("lea"), Some("comparo"), None];
    for n in 0..80_u64 {
        let at = T - i64::try_from(dice.below(40)).unwrap() * 5 * HOUR;
        let mut touch = touch(partners[dice.index(3)]);
        touch.flags = match dice.below(6) {
            0 => vec![Flag::BotUa],
            1 => vec![Flag::Prefetch],
            2 => vec![Flag::Head],
            _ => Vec::new(),
        };
        touch.subs.set(1, ["a", "b", "c"][dice.index(3)]);
        let kind = if dice.chance(20) { TouchKind::Impression } else { TouchKind::Click };
        let touched = touched(at, n, kind, touch);
        if dice.chance(50) {
            events.push(activated(at + 1_000, 1_000 + n, touched.id));
        }
        events.push(touched);
    }
    for n in 0..15 {
        let id = format!("BX-{n}");
        let at = T + i64::from(n) * 7 * HOUR;
        for number in 1..=1 + dice.below(4) {
            let shares: Vec<_> = (0..dice.below(3))
                .map(|k| {
                    let partner = partners[dice.index(3)];
                    let net = i64::try_from(dice.below(100)).unwrap();
                    let mut share = share(partner, (at - 26 * HOUR, k), net, net / 20);
                    share.dimensions.subs.set(1, ["a", "b"][dice.index(2)]);
                    share
                })
                .collect();
            let mut booked = booked(at, shares);
            booked.returned = Micros(i64::try_from(dice.below(2)).unwrap() * 3_000_000);
            let (state, code) = [
                (OrderState::Pending, Code::Ok),
                (OrderState::Approved, Code::ReturnedPart),
                (OrderState::Declined, Code::Cancelled),
                (OrderState::Locked, Code::Ok),
                (OrderState::Held, Code::EvidenceConflict),
            ][dice.index(5)];
            let changed_at = at + i64::try_from(number).unwrap() * HOUR;
            let booked = in_state(booked, state, code);
            events.push(posted(posting(&id, number, changed_at, booked)));
        }
        for known in 1..=1 + dice.below(3) {
            let candidates: Vec<_> = (0..dice.below(5))
                .map(|k| {
                    let verdict = ["CREDITED", "NOT_SELECTED", "OUT_OF_WINDOW"][dice.index(3)];
                    (
                        ["lea", "comparo"][dice.index(2)],
                        at - i64::try_from(k).unwrap() * 9 * HOUR,
                        verdict,
                    )
                })
                .collect();
            events.push(decided(decision(&id, known, at, &candidates)));
        }
    }
    events
}

#[test]
fn any_order_repetition_partition_and_crash_give_the_same_report() {
    let catalog = catalog(SHOP);
    for seed in 0..12 {
        println!("seed {seed}");
        let events = life(seed);
        let calm = tempfile::tempdir().unwrap();
        drain(&filled(Weather::fair(seed), &events), calm.path(), &catalog);
        let expected = reports(calm.path(), &catalog);
        assert!(expected.contains("\"lea\""), "{expected}");

        let mut storm = events.clone();
        let mut dice = Dice::new(seed ^ 0x5eed);
        storm.extend(events.iter().filter(|_| dice.chance(30)).cloned());
        dice.shuffle(&mut storm);
        let rough = tempfile::tempdir().unwrap();
        let log = filled(Weather::foul(seed), &storm);
        drain(&log, rough.path(), &catalog);
        assert_eq!(reports(rough.path(), &catalog), expected, "seed {seed}");
        audit(rough.path(), &catalog.snapshot());
        // A group that starts anew, with the store as it is.
        log.forget_cursors();
        drain(&log, rough.path(), &catalog);
        assert_eq!(reports(rough.path(), &catalog), expected, "seed {seed}, read again");
    }
}

#[test]
fn a_crash_at_any_step_counts_nothing_twice_and_loses_nothing() {
    let (catalog, events) = (catalog(SHOP), life(99));
    let calm = tempfile::tempdir().unwrap();
    drain(&filled(Weather::fair(1), &events), calm.path(), &catalog);
    let expected = reports(calm.path(), &catalog);
    for point in [CrashPoint::BeforeOutputs, CrashPoint::BeforeCursor, CrashPoint::AfterCursor] {
        for nth in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let log = filled(Weather::fair(1), &events);
            log.crash_at(point, nth);
            drain(&log, folder.path(), &catalog);
            assert_eq!(reports(folder.path(), &catalog), expected, "{point:?} {nth}");
            audit(folder.path(), &catalog.snapshot());
        }
    }
}

#[test]
fn a_deleted_store_fills_itself_from_the_topics() {
    let (catalog, events) = (catalog(SHOP), life(5));
    let log = filled(Weather::fair(1), &events);
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drain(&log, first.path(), &catalog);
    drain(&log, second.path(), &catalog);
    assert_eq!(reports(first.path(), &catalog), reports(second.path(), &catalog));
}

#[test]
fn touches_wait_for_a_catalog_that_names_their_program_and_count_by_its_terms() {
    // Terms other than the built-in ones.
    let shop = SHOP.replace("terms = [{ }]", "terms = [{ excluded_flags = [\"image_load\"] }]");
    let other = SHOP.split("[partner.lea]").next().unwrap().replace("shop", "other");
    let both = format!("{other}\n{shop}");
    for seed in 0..4 {
        println!("seed {seed}");
        let events = life(seed);
        let (known, first) = (catalog(&both), tempfile::tempdir().unwrap());
        drain(&filled(Weather::fair(seed), &events), first.path(), &known);

        let (late, second) = (catalog(&other), tempfile::tempdir().unwrap());
        let log = filled(Weather::foul(seed), &events);
        drain(&log, second.path(), &late);
        let count = |table: &str| -> i64 {
            let db = rusqlite::Connection::open(crate::store::file(second.path())).unwrap();
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        assert!(count("waiting") > 50 && count("touch_slot") == 0);
        let file = CatalogFile::parse(&both, Format::Toml).unwrap();
        let state = {
            let file = CatalogFile::parse(&other, Format::Toml).unwrap();
            State::fold(&file.plan(&State::default(), Millis(T - 1_000 * DAY)).unwrap()).unwrap()
        };
        late.apply(&file.plan(&state, Millis(T - 1_000 * DAY)).unwrap()).unwrap();
        drain(&log, second.path(), &late);
        assert_eq!(count("waiting"), 0);
        assert_eq!(reports(second.path(), &late), reports(first.path(), &known), "seed {seed}");
        // What comes again counts nothing.
        log.forget_cursors();
        drain(&log, second.path(), &late);
        assert_eq!(reports(second.path(), &late), reports(first.path(), &known), "seed {seed}");
        audit(second.path(), &late.snapshot());
    }
}
