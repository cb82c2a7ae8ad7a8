//! Touches that are paid, on a log that does everything a log may do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use event::body::{
    Account, Activation, Body, ClaimedTouch, InvalidTraffic, Posting, Touch, TouchKind,
};
use event::consent::Consent;
use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Envelope, EventId, EventType, Flag, LaneId, Millis, Sequence, Topic};
use eventlog::{Header, Record};
use testkit::{Dice, Weather};

use super::{Bench, DAY, books, catalog};
use crate::days::{self, Day, MINUTE_MS, Place, Tally, Zone};
use crate::store::{FILE, Reader, Store};
use crate::worker::DAYS_GROUP;

/// 2026-10-24T00:00:00Z: the day before the clocks of Paris change.
pub(super) const D: i64 = 1_792_800_000_000;

pub(super) const SHOP: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
time_zone = "Europe/Paris"
currency = "EUR"
mode = "live"
terms = [
  { lateness = "1d", commission = [{ per_click = "0.10" }, { per_thousand_impressions = "2.00" }, { per_week = "7.00", partner = "nina" }] },
  { valid_from = 2026-10-26T12:00:00Z, lateness = "2d", commission = [{ per_click = "0.20" }] },
]

[program.blog]
title = "Blog"
home = "https://blog.example/"
sites = ["https://blog.example"]
time_zone = "UTC"
currency = "EUR"
mode = "live"

[partner.lea]
title = "Lea"
kind = "content"
program.shop = { state = "approved" }
program.blog = { state = "approved" }

[partner.nina]
title = "Nina"
kind = "influencer"
program.shop = { state = [{ value = "approved" }, { value = "ended", mode = "freeze", valid_from = 2026-10-26T08:00:00Z }] }
"#;

fn bench(weather: Weather) -> Bench {
    let bench = Bench { catalog: catalog(SHOP), ..Bench::new(weather) };
    bench.clock.set(Millis(D + 30 * DAY));
    bench
}

fn without_weeks(weather: Weather) -> Bench {
    let text = SHOP.replace(r#", { per_week = "7.00", partner = "nina" }"#, "");
    Bench { catalog: catalog(&text), ..bench(weather) }
}

pub(super) fn id(at: i64, n: u64) -> EventId {
    EventId::minted(Millis(D + at), Sequence(n), LaneId::from_random(9))
}

fn envelope(id: EventId, at: i64, program: &str, body: Body) -> Envelope {
    Envelope {
        id,
        occurred_at: Millis(D + at),
        received_at: id.time(),
        program: Some(program.parse().unwrap()),
        test: false,
        key: id.to_string(),
        body,
    }
}

fn touch(partner: &str, flags: &[Flag]) -> Touch {
    let mut touch = Touch::plain(Some(partner.parse().unwrap()), "l".parse().unwrap());
    touch.flags = flags.to_vec();
    touch
}

pub(super) fn click(at: i64, n: u64, partner: &str, flags: &[Flag]) -> Envelope {
    envelope(id(at, n), at, "shop", Body::Click(touch(partner, flags)))
}

pub(super) fn judged(at: i64, n: u64, touch: EventId) -> Envelope {
    let said = InvalidTraffic { touch, ids: Vec::new(), reason: "review".into() };
    envelope(id(at, n), at, "shop", Body::Flag(said))
}

fn activated(at: i64, n: u64, touch: EventId) -> Envelope {
    let click = ClaimedTouch {
        id: touch,
        partner: None,
        link: "l".parse().unwrap(),
        channel: None,
        consent: Consent::Granted,
        test: false,
        prefetch: true,
        visitor: None,
    };
    envelope(id(at, n), at, "shop", Body::Activation(Activation { click }))
}

pub(super) fn append(bench: &Bench, envelope: &Envelope) {
    let kind = envelope.body.event_type().number();
    let key_hash = KeyHash::of(envelope.key.as_bytes());
    let header = Header { codec: CODEC_JSON, kind, id: envelope.id, key_hash };
    bench.log.append(Topic::Touches, &Record::new(header, envelope.to_json().into()));
}

pub(super) fn drain(bench: &Bench, folder: &Path) {
    bench.drain(folder);
    for _ in 0..100 {
        if bench.log.is_drained(DAYS_GROUP) {
            break;
        }
        bench.drain(folder);
    }
    bench.drain(folder); // once more: the days that the last touches lie in
}

/// Touches of four days around the change of the clocks, what is said of them, and repeats.
pub(super) fn traffic(dice: &mut Dice) -> Vec<Envelope> {
    let mut all = Vec::new();
    for n in 0..10 + dice.below(60) {
        let at = i64::try_from(dice.below(4 * 24 * 60)).unwrap() * 60_000 - 3_600_000;
        let partner = ["lea", "nina", "max"][dice.index(3)];
        let flags = [
            &[][..],
            &[],
            &[Flag::BotUa],
            &[Flag::Prefetch],
            &[Flag::Prerender, Flag::Gpc],
            &[Flag::Head],
            &[Flag::ConsentDenied],
            &[Flag::LinkExpired],
        ];
        let touch = touch(partner, flags[dice.index(flags.len())]);
        let kind = dice.chance(70);
        let body = if kind { Body::Click(touch) } else { Body::Impression(touch) };
        let program = if dice.chance(90) { "shop" } else { "blog" };
        let mut one = envelope(id(at, n), at, program, body);
        one.test = dice.chance(5);
        if dice.chance(10) {
            all.push(judged(at + 60_000, 1_000 + n, one.id));
        }
        if dice.chance(50) {
            all.push(activated(at + 1_000, 2_000 + n, one.id));
        }
        all.push(one);
    }
    for _ in 0..dice.below(20) {
        all.push(all[dice.index(all.len())].clone());
    }
    dice.shuffle(&mut all);
    all
}

/// The lines of the book by the set of what is known, counted without any store.
fn expected(bench: &Bench, events: &[Envelope], now: Millis) -> Vec<String> {
    let said = |kind: EventType| -> BTreeSet<EventId> {
        let of = events.iter().filter_map(|envelope| match &envelope.body {
            Body::Flag(flag) if kind == EventType::Flag => Some(flag.touch),
            Body::Activation(one) if kind == EventType::Activation => Some(one.click.id),
            _ => None,
        });
        of.collect()
    };
    let (judged, activated) = (said(EventType::Flag), said(EventType::Activation));
    let touches: BTreeMap<EventId, &Envelope> =
        events.iter().map(|envelope| (envelope.id, envelope)).collect();
    let mut tallies = Vec::new();
    for (id, envelope) in touches {
        let (kind, touch) = match &envelope.body {
            Body::Click(touch) => (TouchKind::Click, touch),
            Body::Impression(touch) => (TouchKind::Impression, touch),
            _ => continue,
        };
        let program = envelope.program.clone().unwrap();
        let Some((place, ahead)) = Place::of(&program, kind, touch) else { continue };
        if !envelope.test && !judged.contains(&id) && (!ahead || activated.contains(&id)) {
            let minute = envelope.occurred_at.0.div_euclid(MINUTE_MS);
            tallies.push(Tally { place, minute, count: 1 });
        }
    }
    let snapshot = bench.catalog.snapshot();
    let mut lines = Vec::new();
    for program in snapshot.programs() {
        let zone = Zone::named(program.time_zone());
        let mut day = zone.day(program.known().from);
        while days::due(program, &zone, day) <= now {
            let of_program = |tally: &&Tally| tally.place.program == *program.name();
            let tallies = tallies.iter().filter(of_program).cloned();
            for (key, earned) in days::earned(&snapshot, program, (&zone, day), tallies) {
                lines.extend(days::line(&key, earned.amount, earned.currency, false));
            }
            day = day.next();
        }
    }
    lines.sort();
    lines
}

#[test]
fn any_order_repetition_and_crash_of_touches_ends_in_the_days_of_the_set() {
    for seed in 0..20 {
        let dice = &mut Dice::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let bench = bench(if seed % 4 == 0 { Weather::fair(seed) } else { Weather::foul(seed) });
        let events = traffic(dice);
        let (first, second) = events.split_at(dice.index(events.len()));
        let mut known = Vec::new();
        for part in [first, second] {
            part.iter().for_each(|envelope| append(&bench, envelope));
            drain(&bench, folder.path());
            known.extend_from_slice(part);
            let expected = expected(&bench, &known, Millis(D + 30 * DAY));
            assert_eq!(books(folder.path()), expected, "seed {seed}");
        }
        // Read again with what is known: nothing is booked.
        let said = bench.said();
        bench.log.forget_cursors();
        drain(&bench, folder.path());
        assert_eq!(bench.said(), said, "seed {seed}");
        // A book made anew takes everything back, and says nothing twice.
        let anew = tempfile::tempdir().unwrap();
        drain(&bench, anew.path());
        assert_eq!(books(anew.path()), books(folder.path()), "seed {seed}");
        assert_eq!(bench.said(), said, "seed {seed}");
        let accounts = |folder: &Path| Reader::open(folder).unwrap().accounts().unwrap();
        let some = |folder: &Path| {
            accounts(folder).into_iter().filter(|one| one.2 != 0).collect::<Vec<_>>()
        };
        assert_eq!(some(anew.path()), some(folder.path()), "seed {seed}");
    }
}

/// `debit credit amount` of every transfer that was said, each once, in their order.
fn moved(bench: &Bench) -> Vec<String> {
    let postings: BTreeMap<(String, u64), Posting> = bench
        .postings()
        .into_iter()
        .map(|posting| {
            ((serde_json::to_string(&posting.subject).unwrap(), posting.number), posting)
        })
        .collect();
    let of = postings.into_values().flat_map(|posting| posting.transfers);
    of.map(|one| format!("{} {} {}", one.debit, one.credit, one.amount.0)).collect()
}

#[test]
fn a_day_is_posted_when_it_is_due_and_what_comes_later_posts_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let bench = without_weeks(Weather::fair(1));
    let noon = 12 * 3_600_000; // of 24 October, which ends at 22:00 UTC; one day is awaited
    bench.clock.set(Millis(D + 46 * 3_600_000 - 1));
    (0..3).for_each(|n| append(&bench, &click(noon, n, "lea", &[])));
    drain(&bench, folder.path());
    assert_eq!(books(folder.path()), [""; 0]);
    bench.clock.set(Millis(D + 46 * 3_600_000));
    drain(&bench, folder.path());
    let of = |micros: i64| {
        format!("shop\tday:2026-10-24/program/shop/terms/1/1\tlea\tEUR\tlocked\t0\t{micros}\t")
    };
    assert_eq!(books(folder.path()), [of(300_000)]);
    // One more, and one that nobody made.
    append(&bench, &click(noon, 3, "lea", &[]));
    drain(&bench, folder.path());
    append(&bench, &judged(2 * DAY, 4, id(noon, 0)));
    append(&bench, &judged(2 * DAY, 5, id(noon, 1)));
    drain(&bench, folder.path());
    assert_eq!(books(folder.path()), [of(200_000)]);
    let expected = [
        "expense:shop payable:lea 300000",
        "expense:shop payable:lea 100000",
        "payable:lea expense:shop 200000",
    ];
    assert_eq!(moved(&bench), expected);
    // Judged a second time, and by another event: it is gone already.
    append(&bench, &judged(2 * DAY, 6, id(noon, 1)));
    // All are taken away: nothing is left of the line.
    (2..4).for_each(|n| append(&bench, &judged(2 * DAY, 5 + n, id(noon, n))));
    drain(&bench, folder.path());
    assert_eq!(books(folder.path()), [""; 0]);
    assert_eq!(moved(&bench).last().unwrap(), "payable:lea expense:shop 200000");
    let accounts = Reader::open(folder.path()).unwrap().accounts().unwrap();
    assert!(accounts.iter().all(|(_, _, sum)| *sum == 0), "{accounts:?}");
}

#[test]
fn a_click_fetched_ahead_counts_when_it_happened_whichever_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let bench = without_weeks(Weather::fair(2));
    let noon = 12 * 3_600_000;
    append(&bench, &click(noon, 0, "lea", &[Flag::Prefetch]));
    append(&bench, &activated(noon, 11, id(noon, 1)));
    append(&bench, &click(noon, 1, "lea", &[Flag::Prerender]));
    drain(&bench, folder.path());
    assert_eq!(moved(&bench), ["expense:shop payable:lea 100000"]);
    append(&bench, &activated(noon, 12, id(noon, 0)));
    append(&bench, &activated(noon, 13, id(noon, 0)));
    drain(&bench, folder.path());
    assert_eq!(moved(&bench), ["expense:shop payable:lea 100000"; 2]);
}

#[test]
fn touches_are_read_only_where_they_are_paid_and_again_when_they_come_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = without_weeks(Weather::fair(3));
    let paid = Arc::clone(&bench.catalog);
    let unpaid =
        SHOP.replace("per_click", "per_month").replace("per_thousand_impressions", "per_day");
    bench.catalog = catalog(&unpaid);
    append(&bench, &click(0, 0, "lea", &[]));
    bench.drain(folder.path());
    assert!(!books(folder.path()).is_empty()); // fees
    assert!(!bench.log.is_drained(DAYS_GROUP)); // nobody ever joined
    bench.catalog = paid;
    drain(&bench, folder.path());
    assert!(bench.log.is_drained(DAYS_GROUP));
    let line = "shop\tday:2026-10-24/program/shop/terms/1/1\tlea\tEUR\tlocked\t0\t100000\t";
    assert!(books(folder.path()).iter().any(|one| one == line));
}

#[test]
fn an_observed_program_and_a_ledger_without_locks_post_no_days() {
    for (live, locks, count) in [(true, true, 1), (false, true, 0), (true, false, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = bench(Weather::fair(4));
        bench.config.locks = locks;
        if !live {
            bench.catalog = catalog(&SHOP.replace("\"live\"", "\"observe\""));
        }
        append(&bench, &click(0, 0, "lea", &[]));
        drain(&bench, folder.path());
        let lines = books(folder.path()).into_iter().filter(|line| line.contains("\tlea\t"));
        assert_eq!(lines.count(), count, "live {live}, locks {locks}");
    }
}

#[test]
fn weeks_are_paid_to_whom_is_approved_as_they_begin_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench(Weather::fair(5));
    drain(&bench, folder.path());
    let lines = books(folder.path());
    let days: Vec<Day> = lines
        .iter()
        .map(|line| line.split_once("day:").unwrap().1.get(..10).unwrap().parse().unwrap())
        .collect();
    // Ended on Monday, 26 October, at nine: that week began before, by the terms of then.
    assert_eq!(days.last().unwrap().to_string(), "2026-10-26");
    assert!(days.windows(2).all(|two| two[1].number() == two[0].number() + 7));
    assert!(lines.iter().all(|line| line.contains("\tnina\tEUR\tlocked\t0\t7000000\t")));
    let said = bench.said().len();
    assert_eq!(said, lines.len());
    let paid = Account::Payable("nina".parse().unwrap()).to_string();
    let accounts = Reader::open(folder.path()).unwrap().accounts().unwrap();
    let sum = accounts.iter().find(|(account, _, _)| *account == paid).unwrap().2;
    assert_eq!(sum, 7_000_000 * i128::try_from(said).unwrap());
    Store::open(folder.path(), 1 << 20).unwrap().verify().unwrap().unwrap();
}

#[test]
fn touches_are_forgotten_75_days_after_they_were_received_and_not_counted_again() {
    let folder = tempfile::tempdir().unwrap();
    let bench = without_weeks(Weather::fair(6));
    let noon = 12 * 3_600_000;
    let late = noon + DAY;
    append(&bench, &click(noon, 0, "lea", &[]));
    append(&bench, &click(noon, 1, "lea", &[Flag::Prefetch]));
    append(&bench, &activated(noon, 2, id(noon, 1)));
    append(&bench, &click(late, 3, "lea", &[]));
    let rows = || {
        let book = rusqlite::Connection::open(folder.path().join(FILE)).unwrap();
        ["day_touches", "day_notes", "day_counts"].map(|table| {
            let count = format!("SELECT count(*) FROM {table}");
            book.query_row(&count, [], |row| row.get::<_, i64>(0)).unwrap()
        })
    };
    bench.clock.set(Millis(D + noon + 75 * DAY));
    drain(&bench, folder.path());
    let (lines, said) = (books(folder.path()), bench.said());
    assert_eq!((lines.len(), rows()), (2, [3, 1, 2]));
    // A day later two of them are gone; the third was received 75 days ago, less nothing.
    bench.clock.set(Millis(D + late + 75 * DAY));
    drain(&bench, folder.path());
    assert_eq!((books(folder.path()), rows()), (lines.clone(), [1, 0, 1]));
    // All of it again, and what is said of it: what is forgotten is counted no second time.
    append(&bench, &click(noon, 0, "lea", &[]));
    append(&bench, &click(late, 3, "lea", &[]));
    append(&bench, &judged(75 * DAY, 9, id(noon, 0)));
    drain(&bench, folder.path());
    assert_eq!((books(folder.path()), rows()), (lines.clone(), [1, 0, 1]));
    assert_eq!(bench.said(), said);
    // A new book counts all that the topic has, and finds that it was said.
    let anew = tempfile::tempdir().unwrap();
    drain(&bench, anew.path());
    assert_eq!((books(anew.path()), bench.said()), (lines, said));
}
