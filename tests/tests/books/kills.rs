//! `kill -9` in the midst of the ledger's batches: orders and what becomes of them, touches, days, locks and payouts go on
//! all the while, and in the end nothing is missing and nothing is there twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use event::token::TokenKeys;
use rustix::process::{Pid, Signal, kill_process};

use crate::calls::now;
use crate::play::Play;
use crate::stream::{Maker, Order};
use crate::{history, no_python, number, shops};

/// Kills, unless `SILLAGE_BOOKS_KILLS` says otherwise.
const KILLS: u64 = 10;
/// Orders that are made between two kills.
const ORDERS: usize = 3;
/// Touches of the past that are written between two kills.
const TOUCHES: usize = 5;
/// Writes of the ledger that a kill lets pass at most before it comes.
const WRITES_MAX: u64 = 6;
/// Longest time from the ledger's write to the kill, in microseconds: about that of a batch's steps.
const LAG_US: u64 = 12_000;
/// Longest wait for a write.
const PATIENCE: Duration = Duration::from_secs(4);

/// When any of these files was last written.
fn written(folder: &Path) -> Option<SystemTime> {
    let files = std::fs::read_dir(folder).ok()?.flatten();
    files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()
}

/// Ends the process a moment after the ledger has written so many times.
fn kill_in_mid_batch(id: Pid, folders: &[PathBuf], writes: u64, lag: Duration) {
    let state = || folders.iter().map(|folder| written(folder)).collect::<Vec<_>>();
    let (start, mut seen, mut last) = (Instant::now(), 0, state());
    while seen <= writes && start.elapsed() < PATIENCE {
        let now = state();
        seen += u64::from(now != last);
        last = now;
    }
    // A sleep is longer than most steps.
    let then = Instant::now();
    while then.elapsed() < lag {
        std::hint::spin_loop();
    }
    kill_process(id, Signal::KILL).expect("kill the server");
}

/// Between which steps the ledger ended.
fn torn(data: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("checker/torn.py");
    let output = Command::new("python3").arg("-B").arg(script).arg(data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn books_are_whole_to_the_micro_however_often_the_ledger_is_killed_in_mid_batch() {
    if no_python() {
        return;
    }
    let kills = number("SILLAGE_BOOKS_KILLS", KILLS);
    let seed = number("SILLAGE_BOOKS_SEED", u64::from(std::process::id()));
    println!("SILLAGE_BOOKS_SEED={seed}");
    let mut play = Play::start(seed);
    let keys = TokenKeys::new(&play.shop.keys.click);
    let mut maker = Maker::new(seed, play.begin, &keys);
    let data = play.server.folder().join("data");
    let folders = ["state/ledger", "ledger.transfers", "orders.closed"].map(|name| data.join(name));
    let (mut orders, mut messages): (Vec<Order>, Vec<_>) = (Vec::new(), Vec::new());
    let mut steps: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..kills {
        for _ in 0..ORDERS {
            let (order, of_order) = maker.order(orders.len());
            orders.push(order);
            messages.extend(of_order);
        }
        // What comes to earlier orders finds some of them locked, and paid.
        for _ in 0..ORDERS {
            let place = usize::try_from(maker.below(orders.len() as u64)).unwrap();
            messages.push(maker.acts(&orders[place]));
        }
        maker.shuffle(&mut messages);
        let id = i32::try_from(play.server.id()).ok().and_then(Pid::from_raw).unwrap();
        let writes = play.dice.below(WRITES_MAX);
        let lag = Duration::from_micros(play.dice.below(LAG_US));
        let pays = play.dice.below(3) == 0;
        messages = std::thread::scope(|scope| {
            scope.spawn(|| kill_in_mid_batch(id, &folders, writes, lag));
            if pays {
                scope.spawn(|| {
                    // Cut off by the kill, or not.
                    let program = shops::PROGRAMS[orders.len() % 3].0;
                    let until = shops::rfc3339(now());
                    let words = ["payout", "--program", program, "--until", &until, "--apply"];
                    let _whether_it_came_through = play.server.run(&words);
                });
            }
            play.shop.send(messages)
        });
        play.server.kill();
        play.kills += 1;
        *steps.entry(torn(&data)).or_default() += 1;
        let some = play.touches.len().min(TOUCHES);
        let some: Vec<_> = play.touches.drain(..some).collect();
        history::write_touches(play.server.folder(), &some);
        play.server.restart();
    }
    let left = play.shop.send(messages);
    assert!(left.is_empty(), "{} calls without an answer", left.len());
    play.write_touches(true);
    let figures = play.conclude(&format!("SILLAGE_BOOKS_SEED={seed}"));
    let said: Vec<_> = figures.iter().map(|(name, value)| format!("{name}={value}")).collect();
    println!("kills={kills} {steps:?} {}", said.join(" "));
    assert_eq!(figures["difference_micros"], 0);
    for there in ["locks", "payments", "days_click", "days_fee", "paid"] {
        assert!(figures.get(there).is_some_and(|count| *count > 0), "no {there}: {figures:?}");
    }
    let between = |step: &str| steps.get(step).copied().unwrap_or(0);
    let torn = between("unsaid") + between("unmoved") + between("uncleared") + between("closing");
    assert!(torn > 0, "no kill came between two steps: {steps:?}");
    if kills >= 100 {
        for step in ["unread", "unsaid", "uncleared"] {
            assert!(between(step) > 0, "no kill in {step}: {steps:?}");
        }
    }
}
