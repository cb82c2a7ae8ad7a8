//! A copy of the topics, taken also under load: restored, it says the same books; damaged or of another format, it is refused.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tests::catalog::{Catalog, RATES_OF_ALL, token_sha256};
use tests::load::{Load, Target};
use tests::server::{Server, Setup, binary};

/// The seed of the load.
const SEED: u64 = 11;
/// The shop's token.
const TOKEN: &str = "backup-token";

fn start() -> (Server, Target) {
    let paid = "[[program.shop.mode]]\nvalue = \"live\"\n[[program.shop.terms]]\ncommission = [{ percent = \"10\" }]\n";
    let catalog = Catalog::default()
        .program("shop", &format!("page = \"allow\"\n{}", token_sha256(TOKEN)))
        .partner("ada", "content", &["shop"])
        .link("ada", "shop")
        .text();
    let setup =
        Setup { catalog: catalog + paid, config: RATES_OF_ALL.to_owned(), ..Setup::default() };
    let server = Server::start(setup);
    let target = Target {
        address: server.public(),
        program: "shop".to_owned(),
        token: TOKEN.to_owned(),
        links: vec!["ada-shop".to_owned()],
    };
    (server, target)
}

/// Runs a subcommand as if the node's data were in `data`.
fn run_on(server: &Server, data: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).args(["--config", "sillage.toml"]).current_dir(server.folder());
    command.env("SILLAGE__NODE__DATA_FOLDER", data).output().expect("run the binary")
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// What it printed, if it succeeded.
fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The order keys in lines of `sillage books`.
fn orders(books: &str) -> BTreeSet<String> {
    books.lines().map(|line| line.split('\t').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn a_copy_that_is_restored_says_the_same_books_also_one_taken_under_load() {
    let (mut server, target) = start();
    let load = Load::start(&target, server.folder(), SEED);
    std::thread::sleep(Duration::from_secs(2));
    good(&server.run(&["backup", "early"]));
    std::thread::sleep(Duration::from_secs(1));
    let tally = load.stop();
    assert!(tally.acknowledged > 200, "{tally:?}");
    server.settle();
    assert!(server.stop().success());
    good(&server.run(&["backup", "late"]));
    let books = good(&server.run(&["books"]));
    let accounts = good(&server.run(&["books", "--accounts"]));
    assert!(accounts.contains("ada"), "somebody earns something: {accounts}");

    let restored = good(&run_on(&server, "again", &["restore", "late"]));
    assert!(restored.contains("rebuilt in"), "{restored}");
    assert_eq!(good(&run_on(&server, "again", &["books"])), books, "every byte of the books");
    assert_eq!(good(&run_on(&server, "again", &["books", "--accounts"])), accounts);
    assert!(good(&run_on(&server, "again", &["books", "--verify"])).contains("is whole"));
    for what in ["events", "decisions", "transfers"] {
        let of = |data| good(&run_on(&server, data, &["export", what]));
        assert_eq!(of("again"), of("data"), "{what}");
    }

    // Under load the copy ends somewhere: what is in it is decided and booked, and all of it is part of the whole.
    good(&run_on(&server, "before", &["restore", "early"]));
    let early = good(&run_on(&server, "before", &["books"]));
    assert!(good(&run_on(&server, "before", &["books", "--verify"])).contains("is whole"));
    let events = good(&run_on(&server, "before", &["export", "events"]));
    let reported: BTreeSet<String> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["type"] == "conversion")
        .map(|event| event["key"].as_str().unwrap().to_owned())
        .collect();
    assert!(reported.len() > 50, "{} orders in the early copy", reported.len());
    assert_eq!(orders(&early), reported, "each order of the copy is booked, and no other");
    assert!(orders(&early).is_subset(&orders(&books)));
    good(&run_on(&server, "twice", &["restore", "early"]));
    assert_eq!(good(&run_on(&server, "twice", &["books"])), early, "restored again, the same");
}

/// A copy of a copy, to be spoiled.
fn spoiled(server: &Server, name: &str, spoil: impl FnOnce(&Path)) -> String {
    let (from, to) = (server.folder().join("whole"), server.folder().join(name));
    assert!(Command::new("cp").arg("-a").args([&from, &to]).status().unwrap().success());
    spoil(&to);
    let output = run_on(server, &format!("of-{name}"), &["restore", name]);
    assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
    let left = server.folder().join(format!("of-{name}"));
    assert!(!left.join("FORMAT").exists(), "{name} left a data folder");
    said(&output)
}

fn segment(copy: &Path) -> PathBuf {
    let mut entries = fs::read_dir(copy.join("events.conversions")).unwrap();
    entries.next().unwrap().unwrap().path()
}

#[test]
fn a_copy_that_is_damaged_cut_off_or_of_another_format_is_refused_by_name() {
    let (mut server, target) = start();
    let load = Load::start(&target, server.folder(), SEED);
    std::thread::sleep(Duration::from_millis(500));
    assert!(load.stop().acknowledged > 0);
    assert!(server.stop().success());
    good(&server.run(&["backup", "whole"]));

    let text = spoiled(&server, "flipped", |copy| {
        let path = segment(copy);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    });
    assert!(text.contains("is damaged: it is not what was copied"), "{text}");
    let text = spoiled(&server, "short", |copy| {
        let file = fs::File::options().write(true).open(segment(copy)).unwrap();
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    });
    assert!(text.contains("is damaged: it has "), "{text}");
    let text = spoiled(&server, "missing", |copy| fs::remove_file(segment(copy)).unwrap());
    assert!(text.contains("is missing"), "{text}");
    let text = spoiled(&server, "cut", |copy| fs::remove_file(copy.join("BACKUP")).unwrap());
    assert!(text.contains("is no whole copy"), "{text}");
    let edit = |from: &'static str, to: &'static str| {
        move |copy: &Path| {
            let path = copy.join("BACKUP");
            let list = fs::read_to_string(&path).unwrap();
            assert!(list.contains(from), "{list}");
            fs::write(&path, list.replacen(from, to, 1)).unwrap();
        }
    };
    let text = spoiled(&server, "newer", edit("format = 1", "format = 2"));
    assert!(text.contains("of format 2; this version reads format 1"), "{text}");
    let text = spoiled(&server, "edited", edit("end ", "end 1"));
    assert!(text.contains("the list is damaged"), "{text}");

    let output = server.run(&["restore", "whole"]);
    assert!(said(&output).contains("is not empty"), "over data: {}", said(&output));
    let output = server.run(&["backup", "whole"]);
    assert!(said(&output).contains("is not empty"), "over a copy: {}", said(&output));
    let output = run_on(&server, "nowhere", &["backup", "nothing"]);
    assert!(said(&output).contains("this is no data folder"), "{}", said(&output));
}
