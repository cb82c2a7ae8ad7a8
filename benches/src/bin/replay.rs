//! A log of touches and conversions, replayed into books: how long it takes, and what of it each stage takes.
//!
//! Fills a fresh log with clicks and reports of orders, which is not measured. Then, one after the other as `sillage rebuild`
//! does it: dedup joins the reports, attribution takes the touches in and decides every order, the ledger books the decisions;
//! at last the book is gone through as by `sillage books --verify`. Prints a JSON line for each part, then the sum.
#![expect(clippy::print_stdout, reason = "a measurement prints what it measured")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use attribution::store::{FjallKv, State};
use benches::sample::{Still, catalog, click, cpu, fill, report};
use clap::Parser;
use event::Topic;
use eventlog::{ClockKind, Log, RealDisk};

/// Measures a replay.
#[derive(Parser)]
struct Options {
    /// Touches in the log.
    #[arg(long, default_value_t = 1_000_000)]
    touches: u32,
    /// Conversions in the log, each of a visitor of its own; the touches are theirs in turn.
    #[arg(long, default_value_t = 100_000)]
    conversions: u32,
    /// Where the folder is made.
    #[arg(long, default_value = "/tmp")]
    folder: PathBuf,
}

/// The parts so far.
#[derive(Default)]
struct Parts {
    elapsed: Duration,
    used: Duration,
}

impl Parts {
    fn part<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let (started, before) = (Instant::now(), cpu()?);
        let done = work().with_context(|| format!("replay: {name}"))?;
        let (elapsed, used) = (started.elapsed(), cpu()?.saturating_sub(before));
        self.elapsed += elapsed;
        self.used += used;
        tell(name, elapsed, used);
        Ok(done)
    }
}

fn tell(name: &str, elapsed: Duration, used: Duration) {
    let (seconds, cpu) = (elapsed.as_secs_f64(), used.as_secs_f64());
    println!("{{\"part\":\"{name}\",\"seconds\":{seconds:.2},\"cpu_seconds\":{cpu:.2}}}");
}

fn main() -> Result<()> {
    let options = Options::parse();
    let (touches, conversions) = (options.touches, options.conversions.max(1));
    let folder = tempfile::tempdir_in(&options.folder)?;
    let (disk, config) = (Arc::new(RealDisk), eventlog::Config::default());
    let (log, _) =
        Log::open(disk, &folder.path().join("log"), config, Arc::new(Still), ClockKind::Real)?;
    let each = touches.div_ceil(conversions).max(1);
    fill(&log, Topic::Touches, touches.saturating_sub(1), |n| click(conversions, each, n))?;
    fill(&log, Topic::Conversions, conversions - 1, report)?;

    let (catalog, stop) = (Arc::new(catalog()?), AtomicBool::new(false));
    let state = |stage: &str| {
        let folder = folder.path().join(stage);
        std::fs::create_dir(&folder).map(|()| folder)
    };
    let mut parts = Parts::default();
    parts.part("dedup", || {
        let config = dedup::Config::default();
        let store = dedup::FjallStore::open(&state("dedup")?, config.cache_bytes)?;
        let (log, catalog) = (Arc::new(log.clone()), Arc::clone(&catalog));
        let worker = dedup::Worker::new(config, dedup::Deps { log, store, catalog });
        let read = worker.rebuild(&stop)?;
        ensure!(read == u64::from(conversions), "{read} reports read");
        Ok(())
    })?;
    parts.part("attribution", || {
        let config = attribution::Config {
            redecide_wait: Duration::ZERO,
            catalog_wait: Duration::ZERO,
            ..attribution::Config::default()
        };
        let tables = FjallKv::open(&state("attribution")?, config.cache_bytes)?;
        let deps = attribution::Deps {
            log: Arc::new(log.clone()),
            state: Arc::new(State::open(tables)?),
            catalog: Arc::clone(&catalog),
            clock: Arc::new(Still),
        };
        attribution::Worker::new(config, deps).rebuild(log.reader(), &stop)?;
        Ok(())
    })?;
    let books = state("ledger")?;
    parts.part("ledger", || {
        let config = ledger::Config::default();
        let store = Arc::new(ledger::Store::open(&books, config.cache_bytes)?);
        let deps = ledger::Deps {
            log: Arc::new(log.clone()),
            store,
            catalog: Arc::clone(&catalog),
            clock: Arc::new(Still),
            desk: Arc::default(),
            stages: Vec::new(),
        };
        let booked = ledger::Worker::new(config, deps).rebuild(&stop)?;
        ensure!(booked == u64::from(conversions), "{booked} orders booked");
        Ok(())
    })?;
    parts.part("verify", || {
        let changes = ledger::Reader::open(&books)?.verify()??;
        ensure!(changes > 0, "nothing in the book");
        Ok(())
    })?;
    tell("all", parts.elapsed, parts.used);
    log.close();
    Ok(())
}
