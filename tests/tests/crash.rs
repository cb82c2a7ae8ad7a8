//! `kill -9` under load, again and again: no acknowledged conversion is lost, and none is counted twice.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tests::http;
use tests::load::{Dice, Load, Mix, Target};
use tests::server::{Server, Setup};
use tests::wait_for;

/// Kills in CI. `SILLAGE_CRASH_CYCLES=100` for the published figure.
const CYCLES: usize = 20;
/// The shop of `config/minimal-catalog.toml`, and the token whose hash stands there.
const CATALOG: &str = include_str!("../../config/minimal-catalog.toml");
const TOKEN: &str = "change-me";
const LINK: &str = "first-link";
/// One token sends everything here.
const LIMITS: &str =
    "[edge.conversions]\ncalls_per_second_per_key = 100000\ncalls_burst_per_key = 100000\n";
/// Sent when the load has ended: behind everything else, so that its decision says that everything is decided.
const LAST: &str = "LAST";

#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of the product")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Time until the public listener answers.
fn first_answer(address: SocketAddr) -> mpsc::Receiver<Duration> {
    let (sender, receiver) = mpsc::channel();
    let start = Instant::now();
    thread::spawn(move || {
        while http::call(address, "GET", &address.to_string(), "/t/shop.js", &[], &[]).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
        sender.send(start.elapsed()).ok();
    });
    receiver
}

fn checked(server: &Server, record: &Path) -> (bool, String) {
    let checker = Path::new(env!("CARGO_MANIFEST_DIR")).join("checker/check.py");
    let mut check = Command::new("python3");
    check.env("PYTHONDONTWRITEBYTECODE", "1");
    check.arg(checker).arg("--decisions");
    let output = check.arg(server.folder().join("data")).arg(record).output();
    let output = output.expect("run the checker");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), text.concat())
}

fn send_last(server: &Server, record: &Path) {
    let body = http::query(&[
        ("program", "shop"),
        ("order_id", LAST),
        ("amount", "1.00"),
        ("currency", "EUR"),
    ]);
    let authorization = format!("Bearer {TOKEN}");
    let headers =
        [("Authorization", &*authorization), ("Content-Type", "application/x-www-form-urlencoded")];
    let reply = server.call("POST", "127.0.0.1", "/v1/conversions", &headers, body.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
    let id = reply.json()["event_id"].as_str().expect("an event id").to_owned();
    let mut record = File::options().append(true).open(record).expect("open the record");
    writeln!(record, "{LAST}\tconversion\tacknowledged\t1\t1000000\t{id}")
        .expect("write the record");
}

#[test]
fn no_acknowledged_conversion_is_lost_or_counted_twice_by_kill_9_under_load() {
    if Command::new("python3").arg("--version").output().is_err() {
        return tests::skip("python3");
    }
    let cycles = usize::try_from(number("SILLAGE_CRASH_CYCLES", CYCLES as u64)).unwrap();
    let seed = number("SILLAGE_CRASH_SEED", u64::from(std::process::id()));
    println!("{cycles} cycles, SILLAGE_CRASH_SEED={seed}");
    let setup =
        Setup { catalog: CATALOG.to_owned(), config: LIMITS.to_owned(), ..Setup::default() };
    let mut server = Server::start(setup);
    let record = server.folder().join("record.tsv");
    let target = Target {
        address: server.public(),
        program: ("shop".to_owned(), TOKEN.to_owned()),
        link: LINK.to_owned(),
    };
    let mix = Mix { click_threads: 4, conversion_threads: 12, per_thread: 200, seed };
    let load = Load::start(&target, mix, &record);
    let mut dice = Dice(seed);
    let mut restarts = Vec::new();
    let (mut up, mut answered) = (Duration::ZERO, 0);
    for _ in 0..cycles {
        let (before, start) = (load.answered(), Instant::now());
        thread::sleep(Duration::from_millis(50 + dice.below(2_951)));
        up += start.elapsed();
        answered += load.answered() - before;
        server.kill();
        let answer = first_answer(target.address);
        server.restart();
        restarts.push(answer.recv().expect("an answer after the restart"));
    }
    let last = load.answered();
    wait_for("answers after the last restart", || (load.answered() > last + 100).then_some(()));
    load.stop();
    send_last(&server, &record);
    server.decision("shop", LAST, |_| true);
    assert!(server.stop().success(), "the server ends in good order");
    let (kept, text) = checked(&server, &record);
    restarts.sort();
    let at = |percent: usize| restarts[(restarts.len() * percent).div_ceil(100).max(1) - 1];
    println!("{text}");
    println!("kills                        {cycles}");
    println!(
        "answers per second while up  {:.0}",
        f64::from(u32::try_from(answered).unwrap()) / up.as_secs_f64()
    );
    println!("start to first answer        p50 {:?}, p99 {:?}, most {:?}", at(50), at(99), at(100));
    assert!(kept, "SILLAGE_CRASH_SEED={seed}\n{text}");
    let zero = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).expect(name);
        line.rsplit(' ').next() == Some("0")
    };
    assert!(!zero("acknowledged") && !zero("clicks acknowledged"), "nothing was proved:\n{text}");
}

#[test]
fn the_checker_notices_each_kind_of_broken_promise() {
    if Command::new("python3").arg("--version").output().is_err() {
        return tests::skip("python3");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("checker");
    let mut tests = Command::new("python3");
    tests.args(["-B", "-m", "unittest", "-q", "test_checker"]).current_dir(folder);
    let output = tests.output().expect("run the checker's tests");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
