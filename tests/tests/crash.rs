//! `kill -9` under load: what was acknowledged is there, once; checked by a program in another language.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tests::catalog::{Catalog, RATES_OF_ALL, token_sha256};
use tests::http;
use tests::load::{Dice, Load, Target};
use tests::server::{Server, Setup};

/// Times that the server is killed, unless `SILLAGE_CRASH_CYCLES` says otherwise.
const CYCLES: u64 = 20;
/// Shortest and longest life of a server, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 50..3_000;

/// The shop's token.
const TOKEN: &str = "crash-token";

fn start() -> (Server, Target) {
    // Its pages may report, so that pixels need no click.
    let catalog = Catalog::default()
        .program("shop", &format!("page = \"allow\"\n{}", token_sha256(TOKEN)))
        .partner("ada", "content", &["shop"])
        .partner("bob", "coupon", &["shop"])
        .link("ada", "shop")
        .link("bob", "shop")
        .text();
    let config = RATES_OF_ALL.to_owned();
    let server = Server::start(Setup { catalog, config, ..Setup::default() });
    let target = Target {
        address: server.public(),
        program: "shop".to_owned(),
        token: TOKEN.to_owned(),
        links: vec!["ada-shop".to_owned(), "bob-shop".to_owned()],
    };
    (server, target)
}

#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of the product")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

fn python(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("checker").join(script));
    command
}

fn no_python() -> bool {
    let missing = Command::new("python3").arg("--version").output().is_err();
    if missing {
        tests::skip("python3");
    }
    missing
}

/// Runs the checker over a data folder and the load's records: whether it found nothing, and what it said.
fn check(data: &Path, records: &Path) -> (bool, String) {
    let mut command = python("check.py");
    command.arg("--settled").arg(data);
    for thread in 0..tests::load::THREADS {
        command.arg(records.join(format!("load-{thread}.tsv")));
    }
    let output = command.output().expect("run python3");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).trim_end().to_owned())
}

/// A number of the checker's last line.
fn figure(said: &str, name: &str) -> u64 {
    let line = said.lines().last().unwrap_or_default();
    let value = line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}:\n{said}"))
}

/// Time until the public listener answers.
fn first_answer(address: SocketAddr) -> JoinHandle<Duration> {
    let start = Instant::now();
    std::thread::spawn(move || {
        let host = address.to_string();
        while http::call(address, "GET", &host, "/robots.txt", &[], &[]).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        start.elapsed()
    })
}

#[test]
fn nothing_acknowledged_is_lost_or_counted_twice_however_often_the_server_is_killed() {
    if no_python() {
        return;
    }
    let cycles = number("SILLAGE_CRASH_CYCLES", CYCLES);
    let seed = number("SILLAGE_CRASH_SEED", u64::from(std::process::id()));
    println!("SILLAGE_CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    let (mut server, target) = start();
    let folder = server.folder().to_owned();
    let load = Load::start(&target, &folder, seed);
    let begin = Instant::now();
    let mut restarts = Vec::new();
    for _ in 0..cycles {
        let life = LIFE_MS.start + dice.below(LIFE_MS.end - LIFE_MS.start);
        std::thread::sleep(Duration::from_millis(life));
        server.kill();
        let answer = first_answer(target.address);
        server.restart();
        restarts.push(answer.join().expect("an answer after the restart"));
    }
    std::thread::sleep(Duration::from_millis(500));
    let tally = load.stop();
    let ran = begin.elapsed();
    server.settle();
    assert!(server.stop().success(), "the server ends in good order");
    let began = Instant::now();
    let (good, said) = check(&folder.join("data"), &folder);
    restarts.sort();
    let quantile =
        |percent: usize| restarts[(restarts.len() * percent).div_ceil(100).max(1) - 1].as_millis();
    println!(
        "cycles={cycles} requests_per_second={} first_answer_p50_ms={} first_answer_p99_ms={} \
         settled_s={} checked_s={} {said}",
        tally.sent * 1_000 / u64::try_from(ran.as_millis()).unwrap(),
        quantile(50),
        quantile(99),
        (began - begin - ran).as_secs(),
        began.elapsed().as_secs(),
    );
    assert!(good, "SILLAGE_CRASH_SEED={seed}\n{said}");
    assert_eq!(figure(&said, "acked"), tally.acknowledged);
    assert_eq!(figure(&said, "touches_lost"), 0, "an answered click outlives the process");
    assert!(tally.acknowledged > cycles * 100, "the load did too little: {tally:?}");
}

#[test]
fn the_checker_complains_of_each_kind_of_spoiled_folder_by_name() {
    if no_python() {
        return;
    }
    let (mut server, target) = start();
    let folder = server.folder().to_owned();
    let load = Load::start(&target, &folder, 1);
    for kill in [true, false] {
        std::thread::sleep(Duration::from_millis(800));
        if kill {
            server.kill();
            server.restart();
        }
    }
    let tally = load.stop();
    server.settle();
    assert!(server.stop().success(), "the server ends in good order");
    let whole = folder.join("data");
    let (good, said) = check(&whole, &folder);
    assert!(good && tally.acknowledged > 100, "{tally:?}\n{said}");
    let records = figure(&said, "stored");

    let spoiled = |how: &str| {
        let copy = folder.join(how);
        let copied = Command::new("cp").arg("-r").arg(&whole).arg(&copy).status().expect("copy");
        assert!(copied.success());
        let output = python("doctor.py").arg(how).arg(&copy).output().expect("run python3");
        assert!(output.status.success(), "{how}: {}", String::from_utf8_lossy(&output.stderr));
        let doctored = String::from_utf8(output.stdout).unwrap();
        let doctored: Vec<String> = doctored.split_whitespace().map(str::to_owned).collect();
        let [marker, key, count] = doctored.try_into().expect("marker, key, count");
        let (good, said) = check(&copy, &folder);
        println!("{how} {marker} {key}:\n{said}\n");
        (marker, key, count.parse::<u64>().unwrap(), good, said)
    };
    let complains = |how: &str, complaint: &dyn Fn(&str, &str) -> String| {
        let (marker, key, _, good, said) = spoiled(how);
        let complaint = complaint(&marker, &key);
        assert!(!good && said.contains(&complaint), "{how}: no {complaint:?} in\n{said}");
    };
    complains("cut", &|marker, _| {
        format!("lost: conversion {marker} was acknowledged and is in no file")
    });
    complains("double", &|marker, _| {
        format!("stored-twice: conversion {marker} has two event ids")
    });
    complains("hole", &|_, _| "hole: lane ".to_owned());
    complains("recount", &|_, key| {
        format!(
            "counted-not-stored: conversions.unique has {}, which nobody reported",
            key.replace("/o:", "/c:")
        )
    });
    complains("inflate", &|_, key| format!("counted-twice: {key}: "));

    // The format allows that a commit is written again; nothing is counted twice for it.
    let (.., good, said) = spoiled("twin");
    assert!(good, "{said}");

    // One bit costs one frame, and it is reported.
    let (.., frame, good, said) = spoiled("flip");
    assert!(!good && said.contains("damage: events.conversions: frame "), "{said}");
    assert_eq!(figure(&said, "lost_frames"), 1, "{said}");
    assert_eq!(figure(&said, "stored"), records - frame, "{said}");
}

#[test]
fn the_reader_of_the_checker_reads_the_documented_example() {
    if no_python() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("checker");
    let mut tests = Command::new("python3");
    tests.args(["-B", "-m", "unittest", "-q", "test_segments"]).current_dir(folder);
    let output = tests.output().expect("run python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
