//! Attribution and the ledger on a prefilled embedded log: touches only, conversions with stored touches and a full trace, and
//! conversions that are traced, priced and booked.
//!
//! Each run fills a fresh folder with touches, reads them with the real worker and state until the log is drained, then
//! fills order records and drains those; then the ledger catches up, and as many further orders go through both workers, in turns
//! in one thread, until they are in the book (SQLite, its commits as ever). Filling is not measured. Pin the process to one core
//! (`taskset -c 1`): then the log's writers and the state's compaction share it with the workers. Prints each run and the
//! medians as JSON lines.
#![expect(clippy::print_stdout, reason = "a measurement prints what it measured")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use attribution::store::{FjallKv, State};
use attribution::{Config, Deps, Worker};
use benches::sample::{Still, catalog, click, cpu, fill, order};
use clap::Parser;
use event::{Body, Envelope, Topic};
use eventlog::stage::{Stage as _, Turn};
use eventlog::{ClockKind, Log, Partition, RealDisk};

/// Measures attribution and the ledger.
#[derive(Parser)]
struct Options {
    /// Visitors.
    #[arg(long, default_value_t = 20_000)]
    visitors: u32,
    /// Touches of each visitor.
    #[arg(long, default_value_t = 50)]
    touches: u32,
    /// Runs.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Where the folders are made.
    #[arg(long, default_value = "/tmp")]
    folder: PathBuf,
}

/// Shortest wait of a worker that has nothing to read: the other one has.
const IDLE_WAIT: Duration = Duration::from_millis(1);

struct Figure {
    per_second: u64,
    cpu_nanos: u64,
}

/// Does `work`, which is about `count` records.
fn measured(count: u32, work: impl FnOnce() -> Result<()>) -> Result<Figure> {
    let (started, cpu_before) = (Instant::now(), cpu()?);
    work()?;
    let (elapsed, used) = (started.elapsed(), cpu()?.saturating_sub(cpu_before));
    let per =
        |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / u64::from(count);
    Ok(Figure { per_second: 1_000_000_000 / per(elapsed).max(1), cpu_nanos: per(used) })
}

/// Works until everything in the log is read.
fn drain(
    log: &Log,
    worker: &Worker<FjallKv>,
    state: &State<FjallKv>,
    topic: Topic,
    count: u32,
) -> Result<Figure> {
    let mut session = worker.subscribe()?;
    let partition = Partition { topic, index: 0 };
    let end = log.reader().high_watermark(topic);
    measured(count, || {
        while state.resume(partition)? < end {
            session.turn()?;
        }
        Ok(())
    })
}

fn run(options: &Options) -> Result<[Figure; 3]> {
    let folder = tempfile::tempdir_in(&options.folder)?;
    let disk = Arc::new(RealDisk);
    let config = eventlog::Config::default();
    let (log, _) =
        Log::open(disk, &folder.path().join("log"), config, Arc::new(Still), ClockKind::Real)?;
    let kv = FjallKv::open(&folder.path().join("attribution"), Config::default().cache_bytes)?;
    let state = Arc::new(State::open(kv)?);
    let catalog = Arc::new(catalog()?);
    let deps = Deps {
        log: Arc::new(log.clone()),
        state: Arc::clone(&state),
        catalog: Arc::clone(&catalog),
        clock: Arc::new(Still),
    };
    let worker = Worker::new(Config { idle_wait: IDLE_WAIT, ..Config::default() }, deps);
    let (visitors, count) = (options.visitors, options.visitors * options.touches);
    fill(&log, Topic::Touches, count, |n| click(visitors, options.touches, n))?;
    let touches = drain(&log, &worker, &state, Topic::Touches, count)?;
    fill(&log, Topic::Unique, visitors, |n| order("BX", n))?;
    let orders = drain(&log, &worker, &state, Topic::Unique, visitors)?;
    let decided = log.reader().scan(Topic::Attributed, 0);
    let mut decisions = 0_u32;
    for batch in decided {
        for record in &batch?.records {
            decisions += 1;
            if decisions == 1 {
                let envelope = Envelope::read(&record.payload)?;
                let Body::Decision(decision) = envelope.body else { continue };
                let listed = decision.trace.candidates.len();
                ensure!(listed >= options.touches as usize, "{listed} candidates");
                println!("{{\"decision_bytes\":{}}}", record.payload.len());
            }
        }
    }
    ensure!(decisions == visitors + 1, "{decisions} decisions");

    let books = folder.path().join("ledger");
    std::fs::create_dir(&books)?;
    let config = ledger::Config { idle_wait: IDLE_WAIT, ..ledger::Config::default() };
    let store = Arc::new(ledger::Store::open(&books, config.cache_bytes)?);
    let deps = ledger::Deps {
        log: Arc::new(log.clone()),
        store: Arc::clone(&store),
        catalog,
        clock: Arc::new(Still),
        desk: Arc::default(),
        stages: Vec::new(),
    };
    let ledger = ledger::Worker::new(config, deps);
    let (mut books_session, mut session) = (ledger.subscribe()?, worker.subscribe()?);
    let [unique, attributed] =
        [Topic::Unique, Topic::Attributed].map(|topic| Partition { topic, index: 0 });
    while books_session.turn()? != Turn::Idle {}
    fill(&log, Topic::Unique, visitors, |n| order("BY", n))?;
    let end = log.reader().high_watermark(Topic::Unique);
    let booked = measured(visitors, || {
        while state.resume(unique)? < end {
            session.turn()?;
            books_session.turn()?;
        }
        while store.resume(attributed)? < log.reader().high_watermark(Topic::Attributed) {
            books_session.turn()?;
        }
        Ok(())
    })?;
    drop(books_session);
    let (mut lines, expected) = (0_u32, 2 * (visitors + 1));
    ledger::Reader::open(&books)?.books(None, |_| {
        lines += 1;
        Ok(())
    })?;
    ensure!(lines == expected, "{lines} lines in the book, and not {expected}");
    log.close();
    Ok([touches, orders, booked])
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut figures: [Vec<(u64, u64)>; 3] = Default::default();
    let names = ["touches", "conversions", "conversions_booked"];
    for n in 1..=options.runs {
        let run = run(&options)?;
        for ((name, figure), all) in names.iter().zip(run).zip(&mut figures) {
            let Figure { per_second, cpu_nanos } = figure;
            println!(
                "{{\"run\":{n},\"{name}_per_second\":{per_second},\"cpu_nanos_each\":{cpu_nanos}}}"
            );
            all.push((per_second, cpu_nanos));
        }
    }
    for (name, all) in names.iter().zip(figures) {
        let per_second = median(all.iter().map(|(p, _)| *p).collect());
        let cpu_nanos = median(all.iter().map(|(_, c)| *c).collect());
        println!(
            "{{\"median\":\"{name}\",\"per_second\":{per_second},\"cpu_nanos_each\":{cpu_nanos}}}"
        );
    }
    Ok(())
}
