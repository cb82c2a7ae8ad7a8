//! Orders and days beside each other: made anew from what the first run read and closed, and without locks in any order.

use std::time::Duration;

use event::{Body, Clock as _, Envelope, Millis, Topic};
use testkit::{Dice, Weather};

use super::days::{self, D, SHOP, traffic};
use super::{Bench, DAY, PATIENCE, books, catalog, expected, lives};
use crate::payout::Payout;
use crate::store::Reader;

/// Days, and rules that price orders.
fn bench(weather: Weather) -> Bench {
    let rules = r#"commission = [{ percent = "5" }, "#;
    let bench =
        Bench { catalog: catalog(&SHOP.replace("commission = [", rules)), ..Bench::new(weather) };
    bench.clock.set(Millis(D + 3 * DAY));
    bench
}

fn put(bench: &Bench, envelope: &Envelope) {
    match envelope.body {
        Body::Click(_) | Body::Impression(_) | Body::Activation(_) | Body::Flag(_) => {
            days::append(bench, envelope);
        }
        _ => super::append(&bench.log, envelope),
    }
}

/// Orders with what becomes of them, and touches with what is said of them.
fn events(dice: &mut Dice) -> Vec<Envelope> {
    let mut all = lives(dice);
    all.extend(traffic(dice));
    dice.shuffle(&mut all);
    all
}

#[test]
fn a_replay_with_the_first_runs_closings_ends_in_the_same_orders_and_days() {
    let (mut days_paid, mut days_open) = (0, 0);
    for seed in 0..8 {
        let dice = &mut Dice::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let first = bench(Weather::foul(seed));
        let pay = || {
            let until = first.clock.now();
            let payout = Payout { program: "shop".parse().unwrap(), until, actor: None };
            let asked = first.desk.ask(payout, PATIENCE);
            days::drain(&first, folder.path());
            // A crash between its payments and the answer leaves the question open: it is asked again.
            drop(asked);
        };
        for envelope in events(dice) {
            put(&first, &envelope);
            if dice.chance(4) {
                first.clock.step(Duration::from_hours(24 * dice.below(9)));
                days::drain(&first, folder.path());
                if dice.chance(50) {
                    pay();
                }
            }
        }
        first.clock.set(Millis(first.clock.now().0.max(D + 40 * DAY)));
        days::drain(&first, folder.path());
        let lines = books(folder.path());
        let of_days = |state: &str| {
            let state = format!("\t{state}\t");
            lines.iter().filter(|line| line.contains("day:") && line.contains(&state)).count()
        };
        days_paid += of_days("paid");
        days_open += of_days("locked");
        // The inputs alone, in another weather: no lock and no payment is made anew.
        let replay = bench(Weather::foul(seed + 1_000));
        replay.clock.set(first.clock.now());
        for topic in [Topic::Closed, Topic::Touches, Topic::Attributed, Topic::Conversions] {
            first.log.records(topic).iter().for_each(|record| replay.log.append(topic, record));
        }
        let again = tempfile::tempdir().unwrap();
        days::drain(&replay, again.path());
        assert_eq!(books(again.path()), lines, "seed {seed}");
        let closed = |bench: &Bench| bench.log.records(Topic::Closed).len();
        assert_eq!(closed(&replay), closed(&first), "seed {seed}");
    }
    assert!(days_paid > 0 && days_open > 0, "{days_paid} {days_open}");
}

#[test]
fn with_locking_off_any_order_and_partition_of_orders_and_touches_ends_in_the_same_book() {
    for seed in 0..8 {
        let dice = &mut Dice::new(seed);
        let mut all = events(dice);
        let mut ends = Vec::new();
        for weather in [Weather::fair(seed), Weather::foul(seed), Weather::foul(seed + 1_000)] {
            let folder = tempfile::tempdir().unwrap();
            let mut bench = bench(weather);
            bench.config.locks = false;
            bench.clock.set(Millis(D + 60 * DAY));
            dice.shuffle(&mut all);
            all.iter().for_each(|envelope| put(&bench, envelope));
            days::drain(&bench, folder.path());
            assert_eq!(bench.log.records(Topic::Closed), [], "seed {seed}");
            let lines = books(folder.path());
            assert_eq!(lines, expected(&bench.catalog, &bench.inputs()), "seed {seed}");
            let accounts = Reader::open(folder.path()).unwrap().accounts().unwrap();
            let accounts: Vec<_> = accounts.into_iter().filter(|one| one.2 != 0).collect();
            ends.push((lines, accounts));
        }
        assert!(ends.iter().all(|end| *end == ends[0]), "seed {seed}");
        assert!(!ends[0].0.is_empty(), "seed {seed}");
    }
}
