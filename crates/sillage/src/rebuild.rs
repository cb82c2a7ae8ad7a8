//! `sillage rebuild`: deletes the state of dedup and attribution and makes it anew from the topics.
//!
//! What is emitted is what was emitted before: everything known is added first, then every order is decided once, and a
//! decision that came out the same is not said again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use attribution::noted::noted;
use attribution::store::{Settled, State};
use attribution::{FjallKv, worker::Turn};
use catalog::Handle;
use dedup::FjallStore;
use event::{Body, Clock, Envelope, Topic};
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
    let (events, orders) = attribution(&base)?;
    println!("attribution: read {events} touches and records, {orders} orders decided before");
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

fn attribution(base: &Base) -> anyhow::Result<(u64, u64)> {
    let folder = stages::state_folder(&base.config.node.data_folder, "attribution");
    FjallKv::delete(&folder)?;
    let state = Arc::new(stages::open_attribution(&base.config)?);
    let mut events = 0;
    for topic in [Topic::Touches, Topic::Unique] {
        events += add(&base.log, topic, &state)?;
    }
    let orders = settle(&base.log, &state)?;
    let worker = stages::attribution_worker(base, state);
    let mut session = worker.subscribe()?;
    while session.turn().context("decide")? != Turn::Idle {}
    Ok((events, orders))
}

/// Adds what the records of a topic say.
fn add(log: &Log, topic: Topic, state: &State<FjallKv>) -> anyhow::Result<u64> {
    let mut count = 0;
    for batch in log.reader().scan(topic, log.reader().first_offset(topic)) {
        let batch = batch.with_context(|| format!("read {topic}"))?;
        // A record that does not read is parked by the worker, which reads all of them again.
        let read = |record: &eventlog::Record| Envelope::read(&record.payload).ok();
        let known: Vec<_> =
            batch.records.iter().filter_map(read).filter_map(|event| noted(&event)).collect();
        state.add(&known)?;
        count += batch.records.len() as u64;
    }
    Ok(count)
}

/// Tells the state what was emitted last about each order.
fn settle(log: &Log, state: &State<FjallKv>) -> anyhow::Result<u64> {
    let mut newest = HashMap::new();
    for batch in log.reader().scan(Topic::Attributed, log.reader().first_offset(Topic::Attributed))
    {
        for record in batch.context("read conversions.attributed")?.records {
            let Ok(Envelope { body: Body::Decision(decision), .. }) =
                Envelope::read(&record.payload)
            else {
                continue;
            };
            let rank = (decision.version, decision.inputs_hash);
            let known = newest.entry(decision.order.clone()).or_insert(rank);
            *known = rank.max(*known);
        }
    }
    let count = newest.len() as u64;
    let emitted = newest.into_iter().map(|(order, (_, inputs))| (order, inputs)).collect();
    state.settle(&Settled { emitted, ..Settled::default() })?;
    Ok(count)
}
