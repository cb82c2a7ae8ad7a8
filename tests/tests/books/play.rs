//! One stream, the server that takes it, and the comparison of its books.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use event::Envelope;
use rustix::process::{Pid, Signal, kill_process};
use tests::catalog::RATES_OF_ALL;
use tests::load::Dice;
use tests::server::{Server, Setup};

use crate::calls::{Shop, now};
use crate::stream::Message;
use crate::{history, shops};

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
/// How long after a load of the catalog a change in it holds at the earliest, and some time to load it.
const LEAD_MS: i64 = 90_000;
/// How long before the end an order must be due so that its lock cannot be missing.
const LOCKED_WITHIN_MS: i64 = 5_000;

/// One stream and the server that takes it.
pub(crate) struct Play {
    pub(crate) server: Server,
    pub(crate) shop: Shop,
    /// When the stream began.
    pub(crate) begin: i64,
    pub(crate) dice: Dice,
    pub(crate) kills: u32,
    /// Touches of the past, to be written at the next kills.
    pub(crate) touches: Vec<Envelope>,
    /// Those that come when days were paid.
    pub(crate) late: Vec<Envelope>,
}

impl Play {
    pub(crate) fn start(seed: u64) -> Self {
        let call_keys = shops::PROGRAMS
            .map(|(program, ..)| (shops::key_name(program), program.to_owned()))
            .to_vec();
        let config = RATES_OF_ALL.to_owned();
        let catalog = shops::catalog(now(), None);
        let setup = Setup { catalog, config, call_keys, ..Setup::default() };
        let mut server = Server::start(setup);
        server.kill();
        // Now, so that a slow start takes nothing of the stream's time.
        let begin = now();
        let catalog = shops::catalog(begin, None);
        fs::write(server.folder().join("catalog.toml"), &catalog).expect("write the catalog");
        fs::remove_dir_all(server.folder().join("data")).expect("delete what it made");
        history::record_catalog(server.folder(), &catalog, begin);
        server.restart();
        let keys = fs::read_to_string(server.folder().join("keys.toml")).unwrap();
        let shop = Shop { address: server.public(), keys: toml::from_str(&keys).unwrap() };
        let mut touches = history::touches(seed, begin);
        let late = touches.split_off(touches.len() * 2 / 3);
        Self { server, shop, begin, dice: Dice::new(!seed), kills: 0, touches, late }
    }

    /// Sends everything, the server being killed in every other batch; what had no answer is sent again.
    pub(crate) fn send(&mut self, messages: Vec<Message>) {
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
    pub(crate) fn write_touches(&mut self, late: bool) {
        let mut some = std::mem::take(&mut self.touches);
        if late {
            some.append(&mut self.late);
        }
        self.server.kill();
        self.kills += 1;
        history::write_touches(self.server.folder(), &some);
        self.server.restart();
    }

    /// Until the terms that begin in the midst of the stream hold.
    pub(crate) fn wait_for_new_terms(&self) {
        let left = u64::try_from(self.begin + shops::IN_MIDSTREAM - now()).unwrap_or(0);
        std::thread::sleep(Duration::from_millis(left));
    }

    /// Takes a partner's part away, in the catalog that the server runs with.
    pub(crate) fn end_a_partner(&self) {
        let generation = || self.server.metric("catalog_generation", "");
        let before = generation();
        let file = self.server.folder().join("catalog.toml");
        fs::write(file, shops::catalog(self.begin, Some(now() + LEAD_MS))).unwrap();
        self.server.signal(Signal::HUP);
        tests::wait_for("the new catalog", || (generation() > before).then_some(()));
    }

    /// Pays what is locked of these programs.
    pub(crate) fn pay(&self, programs: &[&str]) {
        for program in programs {
            let until = shops::rfc3339(now());
            let paid =
                self.server.run(&["payout", "--program", program, "--until", &until, "--apply"]);
            assert!(paid.status.success(), "{}", String::from_utf8_lossy(&paid.stderr));
        }
    }

    /// Waits until every stage has read everything and what is due at once is locked.
    pub(crate) fn settle(&self) {
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

    pub(crate) fn books(&self) -> Vec<u8> {
        let output = self.server.run(&["books"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Compares the books with what is computed from the topics; returns the figures.
    pub(crate) fn compare(&self, books: &[u8], due_by: i64) -> BTreeMap<String, i64> {
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

    /// Pays what is locked at last, ends the server and compares, also with the book made from the topics alone; returns the
    /// figures.
    pub(crate) fn conclude(&mut self, what: &str) -> BTreeMap<String, i64> {
        self.settle();
        self.pay(&["paris", "gulf"]);
        self.settle();
        let due_by = now() - LOCKED_WITHIN_MS;
        assert!(self.server.stop().success(), "the server ends in good order");

        let books = self.books();
        let mut figures = self.compare(&books, due_by);
        figures.insert("kills".to_owned(), i64::from(self.kills));

        let book = self.server.folder().join("data/state/ledger");
        fs::remove_dir_all(book).expect("delete the book");
        let rebuilt = self.server.run(&["rebuild"]);
        assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
        let again = self.books();
        self.compare(&again, due_by);
        assert!(again == books, "{what}: the rebuilt books have other bytes");
        figures
    }
}
