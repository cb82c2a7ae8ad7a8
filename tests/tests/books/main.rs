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
mod shops;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use event::Envelope;
use event::token::TokenKeys;
use rustix::process::{Pid, Signal, kill_process};
use tests::catalog::RATES_OF_ALL;
use tests::load::Dice;
use tests::server::{Server, Setup};

use calls::{Shop, now};
use stream::{Maker, Message};

/// Streams that are played, unless `SILLAGE_BOOKS_SEEDS` says otherwise.
const SEEDS: u64 = 3;
/// Orders of a stream.
const ORDERS: usize = 200;
/// Calls between two chances of a kill.
const BATCH: usize = 120;
/// Touches of the past that are written at a kill.
const TOUCHES_AT_ONCE: usize = 150;
/// Longest life of a server from the begin of a batch, where it is killed.
const LIFE_MS: u64 = 900;
/// Stillness of the ledger that shows that it is done: above the longest `lateness` of a program that locks at once.
const STILL: Duration = Duration::from_secs(4);
/// Longest wait for that.
const STILL_MAX: Duration = Duration::from_secs(60);
/// Streams that are played at once: they mostly wait.
const AT_ONCE: usize = 4;
/// How long after a load of the catalog a change in it holds at the earliest, and some time to load it.
const LEAD_MS: i64 = 90_000;
/// How long before the end an order must be due so that its lock cannot be missing.
const LOCKED_WITHIN_MS: i64 = 5_000;

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

/// One stream and the server that takes it.
struct Play {
    server: Server,
    shop: Shop,
    dice: Dice,
    kills: u32,
    /// Touches of the past, to be written at the next kills.
    touches: Vec<Envelope>,
    /// Those that come when days were paid.
    late: Vec<Envelope>,
}

impl Play {
    fn start(seed: u64, begin: i64) -> Self {
        let call_keys = shops::PROGRAMS
            .map(|(program, ..)| (shops::key_name(program), program.to_owned()))
            .to_vec();
        let config = RATES_OF_ALL.to_owned();
        let catalog = shops::catalog(begin, None);
        let setup = Setup { catalog: catalog.clone(), config, call_keys, ..Setup::default() };
        let mut server = Server::start(setup);
        server.kill();
        fs::remove_dir_all(server.folder().join("data")).expect("delete what it made");
        history::record_catalog(server.folder(), &catalog, begin);
        server.restart();
        let keys = fs::read_to_string(server.folder().join("keys.toml")).unwrap();
        let shop = Shop { address: server.public(), keys: toml::from_str(&keys).unwrap() };
        let mut touches = history::touches(seed, begin);
        let late = touches.split_off(touches.len() * 2 / 3);
        Self { server, shop, dice: Dice::new(!seed), kills: 0, touches, late }
    }

    /// Sends everything, the server being killed in every other batch; what had no answer is sent again.
    fn send(&mut self, messages: Vec<Message>) {
        for (n, batch) in messages.chunks(BATCH).enumerate() {
            let mut batch = batch.to_vec();
            if n % 2 == 0 {
                let life = Duration::from_millis(self.dice.below(LIFE_MS));
                let id = i32::try_from(self.server.id()).ok().and_then(Pid::from_raw).unwrap();
                let killer = std::thread::spawn(move || {
                    std::thread::sleep(life);
                    kill_process(id, Signal::KILL).unwrap();
                });
                batch = self.shop.send(batch);
                killer.join().unwrap();
                self.server.kill();
                self.kills += 1;
                let some = self.touches.len().min(TOUCHES_AT_ONCE);
                let some: Vec<_> = self.touches.drain(..some).collect();
                history::write_touches(self.server.folder(), &some);
                self.server.restart();
            }
            let left = self.shop.send(batch);
            assert!(left.is_empty(), "{} calls without an answer", left.len());
        }
    }

    /// Ends the server in the midst of its work, and writes what touches are left.
    fn write_touches(&mut self, late: bool) {
        let mut some = std::mem::take(&mut self.touches);
        if late {
            some.append(&mut self.late);
        }
        self.server.kill();
        self.kills += 1;
        history::write_touches(self.server.folder(), &some);
        self.server.restart();
    }

    /// Takes a partner's part away, in the catalog that the server runs with.
    fn end_a_partner(&self, begin: i64) {
        let generation = || self.server.metric("catalog_generation", "");
        let before = generation();
        let file = self.server.folder().join("catalog.toml");
        fs::write(file, shops::catalog(begin, Some(now() + LEAD_MS))).unwrap();
        self.server.signal(Signal::HUP);
        tests::wait_for("the new catalog", || (generation() > before).then_some(()));
    }

    /// Pays what is locked of these programs.
    fn pay(&self, programs: &[&str]) {
        for program in programs {
            let until = shops::rfc3339(now());
            let paid =
                self.server.run(&["payout", "--program", program, "--until", &until, "--apply"]);
            assert!(paid.status.success(), "{}", String::from_utf8_lossy(&paid.stderr));
        }
    }

    /// Waits until every stage has read everything and what is due at once is locked.
    fn settle(&self) {
        self.server.settle();
        let state = || {
            let page = self.server.admin("/metrics").text();
            let of_ledger = page.lines().filter(|line| {
                line.starts_with("ledger_orders_changed")
                    || line.starts_with("ledger_orders_locked")
                    || line.starts_with("ledger_records_read")
                    || line.starts_with("ledger_days_posted")
            });
            of_ledger.map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let (start, mut since, mut last) = (Instant::now(), Instant::now(), state());
        while since.elapsed() < STILL {
            assert!(start.elapsed() < STILL_MAX, "the ledger is never still: {last:?}");
            std::thread::sleep(Duration::from_millis(200));
            let now = state();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
    }

    fn books(&self) -> Vec<u8> {
        let output = self.server.run(&["books"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Compares the books with what is computed from the topics; returns the figures.
    fn compare(&self, books: &[u8], due_by: i64) -> BTreeMap<String, i64> {
        let folder = self.server.folder();
        let file = folder.join("books.tsv");
        fs::write(&file, books).unwrap();
        let mut command = Command::new("python3");
        command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("checker/books.py"));
        command.args(["--check-locks", "--check-transfers", "--due-by", &due_by.to_string()]);
        command.args(["--now", &now().to_string()]);
        let output = command.arg("--books").arg(&file).arg(folder.join("data")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let figures = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}\n{figures}");
        let field = |field: &str| {
            let (name, value) = field.split_once('=')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        figures.split_whitespace().map(|text| field(text).expect("a figure")).collect()
    }
}

/// Plays the stream of a seed and compares; returns the figures.
fn play(seed: u64) -> BTreeMap<String, i64> {
    let begin = now();
    let mut play = Play::start(seed, begin);
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
    play.send(messages);
    play.write_touches(false);
    play.settle();
    play.pay(&["paris", "kobe"]);
    play.write_touches(true);
    play.end_a_partner(begin);
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
    play.settle();
    play.pay(&["paris", "gulf"]);
    play.settle();
    let due_by = now() - LOCKED_WITHIN_MS;
    assert!(play.server.stop().success(), "the server ends in good order");

    let books = play.books();
    let mut figures = play.compare(&books, due_by);
    figures.insert("calls".to_owned(), i64::try_from(calls).unwrap());
    figures.insert("kills".to_owned(), i64::from(play.kills));

    // The same from the topics alone.
    fs::remove_dir_all(play.server.folder().join("data/state/ledger")).expect("delete the book");
    let rebuilt = play.server.run(&["rebuild"]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    let again = play.books();
    play.compare(&again, due_by);
    assert!(again == books, "seed {seed}: the rebuilt books have other bytes");
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
        let played: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                some.iter().map(|seed| scope.spawn(move || play(*seed))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a stream")).collect()
        });
        for (seed, figures) in some.iter().zip(played) {
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
