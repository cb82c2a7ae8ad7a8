//! Money, computed twice: by the ledger, and from the topics by a program in another language.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod calls;
mod history;
mod kills;
mod play;
mod shops;
mod stream;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use event::token::TokenKeys;

use play::Play;
use stream::Maker;

/// Streams that are played, unless `SILLAGE_BOOKS_SEEDS` says otherwise.
const SEEDS: u64 = 3;
/// Orders of a stream.
const ORDERS: usize = 200;
/// Streams that are played at once: they mostly wait.
const AT_ONCE: usize = 4;

#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of the product")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

fn no_python() -> bool {
    let missing = Command::new("python3").arg("--version").output().is_err();
    if missing {
        tests::skip("python3");
    }
    missing
}

#[test]
fn the_recomputation_agrees_with_what_was_computed_by_hand() {
    if no_python() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("checker");
    let mut tests = Command::new("python3");
    tests.args(["-B", "-m", "unittest", "-q", "test_books"]).current_dir(folder);
    let output = tests.output().expect("run python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Plays the stream of a seed and compares; returns the figures.
fn played(seed: u64) -> BTreeMap<String, i64> {
    let mut play = Play::start(seed);
    let begin = play.begin;
    let keys = TokenKeys::new(&play.shop.keys.click);
    let mut maker = Maker::new(seed, begin, &keys);
    let (mut orders, mut messages) = (Vec::new(), Vec::new());
    for n in 0..ORDERS {
        let (order, of_order) = maker.order(n);
        orders.push(order);
        messages.extend(of_order);
    }
    messages.extend((0..10).map(|n| maker.stray(n)));
    maker.shuffle(&mut messages);
    let mut calls = messages.len();
    let rest = messages.split_off(messages.len() / 2);
    play.send(messages);
    play.wait_for_new_terms();
    play.send(rest);
    play.write_touches(false);
    play.settle();
    play.pay(&["paris", "kobe"]);
    play.write_touches(true);
    play.end_a_partner();
    // What comes now finds locks.
    let mut corrections = Vec::new();
    for order in &orders {
        for late in 0..4 {
            match (late, maker.below(10)) {
                (0, 0..2) => corrections.push(maker.late_report(order)),
                (1, 0..5) | (2, 0..2) => corrections.push(maker.acts(order)),
                _ => {}
            }
        }
    }
    maker.shuffle(&mut corrections);
    calls += corrections.len();
    play.send(corrections);
    let mut figures = play.conclude(&format!("seed {seed}"));
    figures.insert("calls".to_owned(), i64::try_from(calls).unwrap());
    figures
}

#[test]
fn books_equal_what_another_program_computes_from_the_topics_to_the_micro() {
    if no_python() {
        return;
    }
    let seeds = number("SILLAGE_BOOKS_SEEDS", SEEDS);
    let first = number("SILLAGE_BOOKS_SEED", 1);
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    let all: Vec<u64> = (first..first + seeds).collect();
    for some in all.chunks(AT_ONCE) {
        println!("SILLAGE_BOOKS_SEED={some:?}");
        let all_played: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                some.iter().map(|seed| scope.spawn(move || played(*seed))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a stream")).collect()
        });
        for (seed, figures) in some.iter().zip(all_played) {
            let said = figures.iter().map(|(name, value)| format!("{name}={value}"));
            println!("seed={seed} {}", said.collect::<Vec<_>>().join(" "));
            for (name, value) in figures {
                *sums.entry(name).or_default() += value;
            }
        }
    }
    let said = sums.iter().map(|(name, value)| format!("{name}={value}"));
    println!("seeds={seeds} {}", said.collect::<Vec<_>>().join(" "));
    assert_eq!(sums["difference_micros"], 0);
    // A stream that does not reach a rule says nothing about it.
    for reached in [
        "state_pending",
        "state_held",
        "state_approved",
        "state_declined",
        "state_locked",
        "state_reversed",
        "locks",
        "payments",
        "paid",
        "after_lock",
        "days_click",
        "days_impression",
        "days_fee",
        "days_paid",
        "days_taken_back",
        "acts_without_order",
        "duplicate_reports",
        "decisions_revised",
        "acts_repeated",
        "acts_with_revision",
        "returns",
        "cancelled_before_known",
        "validation_after_lock",
        "return_after_lock",
        "amend_after_lock",
        "decision_after_lock",
        "orders_in_EUR",
        "orders_in_JPY",
        "orders_in_KWD",
        "orders_in_USD",
        "terms_1",
        "terms_2",
        "terms_3_as_received",
        "terms_4_as_received",
        "run_off_after_credited",
        "freeze_before_credited",
        "freeze_after_not_credited",
        "forfeit_before_credited",
        "forfeit_after_not_credited",
        "code_110",
        "code_501",
        "code_502",
        "code_503",
        "code_505",
        "code_506",
        "code_507",
        "code_702",
        "code_703",
        "code_803",
        "code_804",
        "currency_differs",
        "returned_too_much",
        "returned_unknown_line",
    ] {
        assert!(sums.get(reached).is_some_and(|count| *count > 0), "no {reached}: {sums:?}");
    }
}
