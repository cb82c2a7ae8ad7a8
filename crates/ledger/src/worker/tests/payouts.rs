//! Payouts of orders and days, also those that a crash cut off.

use std::collections::BTreeMap;
use std::path::Path;

use event::body::{Action, Body, Closing, Subject};
use event::{Envelope, EventId, Micros, Millis, Topic};
use eventlog::Record;
use testkit::{CrashPoint, Dice, Weather};

use super::days::{self, D, click, drain, judged};
use super::{Bench, DAY, PATIENCE, act, append, books, catalog, decision, order};
use crate::payout::{Made, MadeFilter, MadePlace, Payout, Statement, Status};
use crate::store::Reader;

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
  commission = [{ percent = "10" }, { per_click = "0.10" }],
}]

[partner.lea]
title = "Lea"
kind = "content"
program.shop = { state = "approved" }

[partner.nina]
title = "Nina"
kind = "influencer"
program.shop = { state = "approved" }
"#;

/// Noon of 24 October in UTC, its day in Paris over at 22:00; a week is awaited.
const NOON: i64 = 12 * 3_600_000;
/// When that day is due, from the same.
const DUE: i64 = 22 * 3_600_000 + 7 * DAY;

fn bench(weather: Weather) -> Bench {
    let bench = Bench { catalog: catalog(SHOP), ..Bench::new(weather) };
    bench.clock.set(Millis(D + 50 * DAY));
    bench
}

fn payout(until: i64) -> Payout {
    Payout { program: "shop".parse().unwrap(), until: Millis(D + until), actor: Some("ann".into()) }
}

fn dry(bench: &Bench, folder: &Path, until: i64) -> Vec<Statement> {
    let reader = Reader::open(folder).unwrap();
    reader.statements(&bench.catalog.snapshot(), &payout(until)).unwrap()
}

fn pay(bench: &Bench, folder: &Path, until: i64) -> Vec<Statement> {
    let answer = bench.desk.ask(payout(until), PATIENCE).unwrap();
    drain(bench, folder);
    answer.try_recv().unwrap().unwrap()
}

/// Partner, status, micros, lines and those of them that are paid.
fn told(statements: &[Statement]) -> Vec<(String, Status, i64, usize, usize)> {
    let one = |one: &Statement| {
        let paid = one.lines.iter().filter(|line| line.paid).count();
        (one.partner.to_string(), one.status, one.amount_micros.0, one.lines.len(), paid)
    };
    statements.iter().map(one).collect()
}

/// What is not 0.
fn accounts(folder: &Path) -> Vec<String> {
    let all = Reader::open(folder).unwrap().accounts().unwrap();
    let some = all.into_iter().filter(|(.., sum)| *sum != 0);
    some.map(|(account, _, sum)| format!("{account} {sum}")).collect()
}

/// Payments on `orders.closed` by their ids: one that is there twice is the same.
fn payments(bench: &Bench) -> BTreeMap<EventId, (Record, Micros)> {
    let mut all = BTreeMap::new();
    for record in bench.log.records(Topic::Closed) {
        let Body::Closed(closed) = Envelope::read(&record.payload).unwrap().body else { panic!() };
        if let Closing::Pay(payment) = closed.closing {
            all.insert(record.id, (record, payment.amount));
        }
    }
    all
}

fn sum(payments: &BTreeMap<EventId, (Record, Micros)>) -> i64 {
    payments.values().map(|(_, amount)| amount.0).sum()
}

#[test]
fn a_day_is_paid_once_it_is_due_and_what_changes_later_is_in_the_next_statement() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench(Weather::fair(1));
    bench.clock.set(Millis(D + DUE));
    (0..3).for_each(|n| days::append(&bench, &click(NOON, n, "lea", &[])));
    drain(&bench, folder.path());
    assert_eq!(dry(&bench, folder.path(), DUE), [], "not over before that instant");
    let lea = |status, micros, paid| ("lea".to_owned(), status, micros, 1, paid);
    let due = dry(&bench, folder.path(), DUE + 1);
    assert_eq!(told(&due), [lea(Status::Payable, 300_000, 0)]);
    assert!(matches!(due[0].lines[0].subject, Subject::Day(_)));
    let paid = pay(&bench, folder.path(), DUE + 1);
    assert_eq!(told(&paid), [lea(Status::Paid, 300_000, 1)]);
    let line = "shop\tday:2026-10-24/program/shop/terms/1/2\tlea\tEUR\tpaid\t0\t300000\t";
    assert_eq!(books(folder.path()), [line]);
    assert_eq!(accounts(folder.path()), ["expense:shop -300000", "paid:lea 300000"]);
    pay(&bench, folder.path(), DUE + 1);
    assert_eq!(payments(&bench).len(), 1, "nothing is paid twice");

    // Two were not made by people: they are taken back from what is paid next.
    (0..2).for_each(|n| days::append(&bench, &judged(2 * DAY, 4 + n, days::id(NOON, n))));
    drain(&bench, folder.path());
    let back = ["clawback:lea -200000", "expense:shop -100000", "paid:lea 300000"];
    assert_eq!(accounts(folder.path()), back);
    let carried = dry(&bench, folder.path(), DUE + 2);
    assert_eq!(told(&carried), [lea(Status::CarriedForward, -200_000, 0)]);
    pay(&bench, folder.path(), DUE + 2);
    assert_eq!(payments(&bench).len(), 1, "nothing is paid");
    assert_eq!(told(&dry(&bench, folder.path(), DUE + 1)), [lea(Status::Paid, 300_000, 1)]);
    // Three more make up for it.
    (10..13).for_each(|n| days::append(&bench, &click(NOON, n, "lea", &[])));
    drain(&bench, folder.path());
    let more = ["expense:shop -400000", "paid:lea 300000", "payable:lea 100000"];
    assert_eq!(accounts(folder.path()), more);
    let paid = pay(&bench, folder.path(), DUE + 2);
    assert_eq!(told(&paid), [lea(Status::Paid, 100_000, 1)]);
    assert_eq!(paid[0].lines[0].paid_before_micros, Micros(300_000));
    assert_eq!(accounts(folder.path()), ["expense:shop -400000", "paid:lea 400000"]);
    // All of them go: the line stays, since it was paid.
    (2..3).chain(10..13).for_each(|n| {
        days::append(&bench, &judged(2 * DAY, 20 + n, days::id(NOON, n)));
    });
    drain(&bench, folder.path());
    assert_eq!(books(folder.path()), [line.replace("300000", "0")]);
    assert_eq!(accounts(folder.path()), ["clawback:lea -400000", "paid:lea 400000"]);

    // Made anew from the topics, it is the same, and nothing is said again.
    let (said, anew) = (bench.said(), tempfile::tempdir().unwrap());
    drain(&bench, anew.path());
    assert_eq!(books(anew.path()), books(folder.path()));
    assert_eq!(accounts(anew.path()), accounts(folder.path()));
    assert_eq!(bench.said(), said);
    for until in [DUE + 1, DUE + 2, DUE + 3] {
        assert_eq!(dry(&bench, anew.path(), until), dry(&bench, folder.path(), until));
    }
    Reader::open(anew.path()).unwrap().verify().unwrap().unwrap();
}

/// Orders and days of two partners, all of them due.
fn filled(bench: &Bench) {
    for (name, partner) in [("BX-1", "lea"), ("BX-2", "lea"), ("BX-3", "nina")] {
        append(&bench.log, &decision(&order(name), 1, 10_000_000, &[(partner, 1)]));
    }
    for (n, at) in (0..).zip([0, DAY, 2 * DAY]) {
        days::append(bench, &click(NOON + at, n, "lea", &[]));
    }
    days::append(bench, &click(NOON, 9, "nina", &[]));
}

/// All of it is due before.
const UNTIL: i64 = 45 * DAY;

#[test]
fn a_payout_that_was_cut_off_anywhere_is_completed_by_itself_asked_for_again() {
    let (folder, whole) = (tempfile::tempdir().unwrap(), bench(Weather::fair(1)));
    filled(&whole);
    drain(&whole, folder.path());
    let paid = pay(&whole, folder.path(), UNTIL);
    let expected = payments(&whole);
    assert_eq!((expected.len(), sum(&expected)), (7, 3_400_000));
    let locks = whole.log.records(Topic::Closed).len() - expected.len();
    let written: Vec<Record> = whole.log.records(Topic::Closed).split_off(locks);
    let dice = &mut Dice::new(7);
    let prefixes = (0..=7).map(|count| (0..7).map(|n| n < count).collect::<Vec<bool>>());
    let mut cuts: Vec<_> = prefixes.collect();
    // Partitions are cut each at its own place.
    cuts.extend((0..12).map(|_| (0..7).map(|_| dice.chance(50)).collect()));
    for cut in cuts {
        let (cut_folder, bench) = (tempfile::tempdir().unwrap(), bench(Weather::fair(1)));
        filled(&bench);
        drain(&bench, cut_folder.path());
        for (record, there) in written.iter().zip(&cut) {
            if *there {
                bench.log.append(Topic::Closed, record);
            }
        }
        drain(&bench, cut_folder.path());
        let (begun, before) = (payments(&bench), dry(&bench, cut_folder.path(), UNTIL));
        for statement in &before {
            let lines = statement.lines.iter();
            let done = lines.filter(|line| line.paid).count();
            let status = match done {
                0 => Status::Payable,
                all if all == statement.lines.len() => Status::Paid,
                _ => Status::CutOff,
            };
            assert_eq!(statement.status, status, "{cut:?}");
        }
        let amounts = |all: &[Statement]| -> Vec<_> {
            all.iter().map(|one| (one.id.clone(), one.amount_micros, one.lines.len())).collect()
        };
        assert_eq!(amounts(&before), amounts(&paid), "{cut:?}");
        // A payout of another day tells of what was cut off, and would pay no more.
        let later = dry(&bench, cut_folder.path(), UNTIL + DAY);
        let open: i64 =
            later.iter().flat_map(|one| one.unpaid()).map(|line| line.amount_micros.0).sum();
        assert_eq!(open, 3_400_000 - sum(&begun), "{cut:?}");
        assert_eq!(
            later.iter().filter(|one| one.status == Status::CutOff).count(),
            before.iter().filter(|one| one.status == Status::CutOff).count()
        );
        let again = pay(&bench, cut_folder.path(), UNTIL);
        assert_eq!(again, paid, "{cut:?}");
        assert_eq!(payments(&bench), expected, "{cut:?}");
        assert_eq!(books(cut_folder.path()), books(folder.path()), "{cut:?}");
        assert_eq!(accounts(cut_folder.path()), accounts(folder.path()), "{cut:?}");
        assert_eq!(pay(&bench, cut_folder.path(), UNTIL), paid, "{cut:?}");
        assert_eq!(bench.log.records(Topic::Closed).len(), locks + 7, "{cut:?}");
    }
}

#[test]
fn a_ledger_that_crashes_while_it_pays_pays_the_same_when_asked_again() {
    let mut cut = 0;
    for (seed, nth) in (0..8).zip((0..4).cycle()) {
        let (folder, bench) = (tempfile::tempdir().unwrap(), bench(Weather::foul(seed)));
        filled(&bench);
        drain(&bench, folder.path());
        bench.log.crash_at(
            [CrashPoint::AmidOutputs, CrashPoint::BeforeOutputs][nth % 2],
            u32::try_from(nth / 2).unwrap(),
        );
        let unheard = bench.desk.ask(payout(UNTIL), PATIENCE).unwrap();
        drain(&bench, folder.path());
        let before = dry(&bench, folder.path(), UNTIL);
        cut += usize::from(before.iter().any(|one| one.status == Status::CutOff));
        let paid = pay(&bench, folder.path(), UNTIL);
        if let Ok(answer) = unheard.try_recv() {
            assert_eq!(answer.unwrap(), paid, "seed {seed}");
        }
        let done = [("lea", 2_300_000, 5), ("nina", 1_100_000, 2)];
        let done = done.map(|(name, sum, n)| (name.to_owned(), Status::Paid, sum, n, n));
        assert_eq!(told(&paid), done, "seed {seed}");
        assert_eq!(payments(&bench).len(), 7, "seed {seed}");
        let paid = ["expense:shop -3400000", "paid:lea 2300000", "paid:nina 1100000"];
        assert_eq!(accounts(folder.path()), paid, "seed {seed}");
        let anew = tempfile::tempdir().unwrap();
        drain(&bench, anew.path());
        assert_eq!(books(anew.path()), books(folder.path()), "seed {seed}");
    }
    assert!(cut > 0, "some payout is cut off");
}

#[test]
fn what_a_cut_statement_lacks_and_is_due_no_more_is_not_paid_and_it_says_so() {
    let (folder, bench) = (tempfile::tempdir().unwrap(), bench(Weather::fair(1)));
    filled(&bench);
    drain(&bench, folder.path());
    let all = dry(&bench, folder.path(), UNTIL);
    let lea = &all[0];
    assert_eq!(told(&all)[0], ("lea".to_owned(), Status::Payable, 2_300_000, 5, 0));
    // Its first line is paid, and nothing else: then the second order comes back, and one click was nobody's.
    let asked = payout(UNTIL);
    let mut unpaid = crate::worker::paying::payments(lea, &asked, Millis(D));
    let (id, closed) = unpaid.next().unwrap();
    let envelope = super::envelope(&order("BX-1"), id, 0, Body::Closed(Box::new(closed)));
    append(&bench.log, &envelope);
    append(&bench.log, &act(&order("BX-2"), 36 * DAY, 9, Action::Decline, |_| {}));
    days::append(&bench, &judged(3 * DAY, 20, days::id(NOON, 0)));
    drain(&bench, folder.path());
    let names = |all: &[Statement]| -> Vec<_> {
        all.iter().map(|one| (one.id.clone(), one.status, one.amount_micros.0)).collect()
    };
    let nina = (all[1].id.clone(), Status::Payable, 1_100_000);
    let cut = |status| (lea.id.clone(), status, 1_200_000);
    assert_eq!(names(&dry(&bench, folder.path(), UNTIL)), [cut(Status::CutOff), nina.clone()]);
    let paid = pay(&bench, folder.path(), UNTIL);
    let nina = (nina.0, Status::Paid, nina.2);
    assert_eq!(names(&paid), [cut(Status::Paid), nina]);
    assert_eq!(names(&dry(&bench, folder.path(), UNTIL)), names(&paid));
    // The order that came back was never paid: what its lock made payable stands against what was taken back.
    let rest = [
        "clawback:lea -1000000",
        "expense:shop -2300000",
        "paid:lea 1200000",
        "paid:nina 1100000",
        "payable:lea 1000000",
    ];
    assert_eq!(accounts(folder.path()), rest);

    // One of which nothing more is due stays cut off, and is told of with every payout.
    let bench = self::bench(Weather::fair(1));
    let folder = tempfile::tempdir().unwrap();
    filled(&bench);
    drain(&bench, folder.path());
    append(&bench.log, &envelope);
    append(&bench.log, &act(&order("BX-2"), 36 * DAY, 9, Action::Decline, |_| {}));
    (0..3).for_each(|n| {
        let at = NOON + i64::try_from(n).unwrap() * DAY;
        days::append(&bench, &judged(9 * DAY, 20 + n, days::id(at, n)));
    });
    drain(&bench, folder.path());
    for until in [UNTIL, UNTIL + DAY] {
        let paid = pay(&bench, folder.path(), until);
        assert_eq!(told(&paid)[0], ("lea".to_owned(), Status::CutOff, 1_000_000, 1, 1));
    }
    assert_eq!(payments(&bench).len(), 3);
}

fn made(folder: &Path, limit: u32, after: Option<MadePlace>) -> (Vec<Made>, Option<MadePlace>) {
    let program = "shop".parse().unwrap();
    let filter = MadeFilter { program, partner: None, after, limit };
    Reader::open(folder).unwrap().made(&filter).unwrap()
}

fn again(folder: &Path, id: &str) -> Option<Statement> {
    Reader::open(folder).unwrap().statement(id).unwrap()
}

#[test]
fn a_statement_is_given_again_as_it_was_whatever_became_of_its_orders_and_days() {
    let (folder, bench) = (tempfile::tempdir().unwrap(), bench(Weather::fair(1)));
    filled(&bench);
    drain(&bench, folder.path());
    for statement in dry(&bench, folder.path(), UNTIL) {
        assert_eq!(again(folder.path(), &statement.id), None, "it is not made yet");
    }
    let given = pay(&bench, folder.path(), UNTIL);
    let text = |all: &[Statement]| serde_json::to_string(all).unwrap();
    // An order comes back, a click was no person's: the next statement takes both back.
    append(&bench.log, &act(&order("BX-1"), 60 * DAY, 1, Action::Decline, |_| ()));
    days::append(&bench, &judged(2 * DAY, 40, days::id(NOON, 0)));
    drain(&bench, folder.path());
    assert_eq!(told(&dry(&bench, folder.path(), UNTIL + 1)).len(), 1, "something is taken back");
    let anew = tempfile::tempdir().unwrap();
    drain(&bench, anew.path());
    for folder in [folder.path(), anew.path()] {
        let again: Vec<_> = given.iter().map(|one| again(folder, &one.id).unwrap()).collect();
        assert_eq!(text(&again), text(&given));
        assert_eq!(text(&dry(&bench, folder, UNTIL)), text(&given), "asked for by its day");
        let (list, next) = made(folder, 3, None);
        assert_eq!(next, None);
        let mut listed: Vec<_> = list
            .iter()
            .map(|one| (one.partner.as_str(), one.status, one.amount_micros.0, one.lines))
            .collect();
        listed.sort_unstable_by_key(|one| one.0);
        let paid = [("lea", Status::Paid, 2_300_000, 5), ("nina", Status::Paid, 1_100_000, 2)];
        assert_eq!(listed, paid);
        assert!(list.iter().all(|one| one.made_at == Some(Millis(D + 50 * DAY))));
    }
    assert_eq!(again(folder.path(), "nothing"), None);
}

#[test]
fn a_statement_that_another_payout_completed_can_be_got_at_any_time() {
    let (folder, whole) = (tempfile::tempdir().unwrap(), bench(Weather::fair(1)));
    filled(&whole);
    drain(&whole, folder.path());
    pay(&whole, folder.path(), UNTIL);
    let first = payments(&whole).into_values().next().unwrap().0;

    let (folder, bench) = (tempfile::tempdir().unwrap(), bench(Weather::fair(1)));
    filled(&bench);
    drain(&bench, folder.path());
    bench.log.append(Topic::Closed, &first);
    drain(&bench, folder.path());
    let (list, _) = made(folder.path(), 10, None);
    let cut: Vec<_> = list.iter().map(|one| (one.status, one.lines)).collect();
    assert_eq!(cut, [(Status::CutOff, 1)]);
    let part = again(folder.path(), &list[0].id).unwrap();
    assert_eq!((part.status, part.lines.len()), (Status::CutOff, 1), "what it paid by now");

    bench.clock.set(Millis(D + 51 * DAY));
    let given = pay(&bench, folder.path(), UNTIL + DAY);
    let until = Millis(D + UNTIL);
    let completed = given.iter().find(|one| one.until == until).unwrap();
    let later: Vec<_> = dry(&bench, folder.path(), UNTIL + DAY);
    assert!(!later.iter().any(|one| one.until == until), "no payout shows it any more");
    assert_eq!(again(folder.path(), &completed.id).as_ref(), Some(completed));
    let (list, _) = made(folder.path(), 10, None);
    let listed = list.iter().find(|one| one.id == completed.id).unwrap();
    assert_eq!((listed.status, listed.until), (Status::Paid, Some(until)));
    assert_eq!(listed.made_at, Some(Millis(D + 51 * DAY)), "when it became whole");
}

#[test]
fn pages_of_statements_have_each_of_them_once_the_newest_first() {
    let (folder, bench) = (tempfile::tempdir().unwrap(), bench(Weather::fair(1)));
    filled(&bench);
    drain(&bench, folder.path());
    for (n, until) in (0..).zip([DUE + 1, UNTIL]) {
        bench.clock.set(Millis(D + 50 * DAY + n));
        pay(&bench, folder.path(), until);
    }
    let (all, none) = made(folder.path(), 100, None);
    assert_eq!(none, None);
    assert!(all.is_sorted_by(|a, b| a.made_at >= b.made_at));
    for limit in 1..=u32::try_from(all.len()).unwrap() + 1 {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = made(folder.path(), limit, after);
            pages.extend(page);
            after = next.map(|next| next.to_string().parse().unwrap());
            if after.is_none() {
                break;
            }
        }
        assert_eq!(pages, all, "{limit} a page");
    }
    assert_eq!(all.len(), 4);
    assert!("1793707200000".parse::<MadePlace>().is_err());
    assert!("x.s".parse::<MadePlace>().is_err());
}
