//! `sillage rebuild`: deletes the state of dedup, attribution, the ledger and the report and makes it anew from the topics.
//!
//! What is emitted is what was emitted before: everything known is added first, then every order is decided once, and a
//! decision that came out the same is not said again. The book takes back what it has said on `ledger.transfers`; nothing is
//! locked or paid. The report counts what the ledger has said by then.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use attribution::{FjallKv, Rebuilt};
use catalog::Handle;
use dedup::FjallStore;
use event::Clock;
use eventlog::{ClockKind, Disk, Log, RealDisk};

use crate::clock::SystemClock;
use crate::config;
use crate::stages::{self, Base};
use crate::{METRICS, VERSION, catalog_file};

/// Rebuilds the state of the configuration in `file`.
pub(crate) fn run(file: &Path) -> anyhow::Result<()> {
    let mut config = config::from_environment(file)?;
    // Nothing is gained by waiting for more events about an order: all are there.
    config.attribution.redecide_wait = Duration::ZERO;
    config.attribution.catalog_wait = Duration::ZERO;
    telemetry::log::init(&config.log)?;
    telemetry::recorder::install(METRICS, VERSION, crate::COMMIT)?;
    let folder = &config.node.data_folder;
    if !folder.join("FORMAT").exists() {
        bail!("{} holds no data: there is nothing to rebuild from", folder.display());
    }
    let started = Instant::now();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (log, _recovery) =
        Log::open(disk, folder, config.eventlog.clone(), Arc::clone(&clock), ClockKind::Real)
            .context("open the event log; no node may run on it")?;
    let state = catalog_file::recorded(log.reader())?;
    let catalog = Arc::new(Handle::new(state).context("read the recorded catalog")?);
    let base = Base { config, log, catalog, clock };
    let reports = dedup(&base)?;
    println!("dedup: read {reports} reports");
    let Rebuilt { events, orders } = attribution(&base)?;
    println!("attribution: read {events} touches and records, {orders} orders decided before");
    let orders = ledger(&base)?;
    println!("ledger: {orders} orders booked");
    let orders = report(&base)?;
    println!("report: {orders} orders counted");
    base.log.close();
    println!("rebuilt in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn dedup(base: &Base) -> anyhow::Result<u64> {
    let folder = stages::state_folder(&base.config.node.data_folder, "dedup");
    FjallStore::delete(&folder)?;
    let worker = stages::dedup_worker(base, stages::open_dedup(&base.config)?);
    worker.rebuild(&AtomicBool::new(false)).context("rebuild the state of dedup")
}

fn attribution(base: &Base) -> anyhow::Result<Rebuilt> {
    let folder = stages::state_folder(&base.config.node.data_folder, "attribution");
    FjallKv::delete(&folder)?;
    let state = Arc::new(stages::open_attribution(&base.config)?);
    let worker = stages::attribution_worker(base, state);
    let rebuilt = worker.rebuild(base.log.reader(), &AtomicBool::new(false));
    rebuilt.context("rebuild the state of attribution")
}

fn ledger(base: &Base) -> anyhow::Result<u64> {
    let folder = stages::state_folder(&base.config.node.data_folder, "ledger");
    ledger::Store::delete(&folder).context("delete the book")?;
    let store = stages::open_ledger(&base.config)?;
    let worker = stages::ledger_worker(base, store, Arc::default());
    worker.rebuild(&AtomicBool::new(false)).context("rebuild the book")
}

fn report(base: &Base) -> anyhow::Result<u64> {
    let folder = stages::state_folder(&base.config.node.data_folder, "report");
    report::Store::delete(&folder).context("delete the state of the report")?;
    let worker = stages::report_worker(base)?;
    worker.rebuild(&AtomicBool::new(false)).context("rebuild the state of the report")
}
