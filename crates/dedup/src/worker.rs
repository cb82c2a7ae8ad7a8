//! The loop: add evidence, decide, make outputs durable, move the cursor.

mod output;
pub(crate) mod reading;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use catalog::Snapshot;
use event::{EventId, OrderKey, Topic};
use eventlog::stage::{self, Stage};
use eventlog::{Backend, Batch, Consumer, Group, Offset, Partition};

use crate::config::Config;
use crate::decide::{Rules, decide, record_id};
use crate::error::Error;
use crate::member::{Member, Row};
use crate::metrics::Metrics;
use crate::store::{MemberStore, OrderHash, Settled};
use output::Outputs;
use reading::Read;

/// The consumer group of this stage.
pub const GROUP: Group = Group("dedup");
/// What it reads.
pub const TOPICS: &[Topic] = &[Topic::Conversions];

/// Waiting orders that are looked at together. Count.
const WAITING_MAX: usize = 1_000;

/// What a worker is built on.
pub struct Deps<S> {
    /// The event log.
    pub log: Arc<dyn Backend>,
    /// The state.
    pub store: S,
    /// The catalog.
    pub catalog: Arc<catalog::Handle>,
}

/// Reads conversions and keeps the record of each order. One per thread.
pub struct Worker<S> {
    config: Config,
    pub(crate) deps: Deps<S>,
    metrics: Metrics,
}

impl<S: MemberStore> Worker<S> {
    /// A worker; make it after the metrics recorder is installed.
    #[must_use]
    pub fn new(config: Config, deps: Deps<S>) -> Self {
        Self { config, deps, metrics: Metrics::new() }
    }

    /// Works until `stop` is set; finishes the batch at hand first. Begins anew when the log fails for a while.
    ///
    /// # Errors
    /// The state fails, or the log in a way that does not heal.
    pub fn run(&self, stop: &AtomicBool) -> Result<(), Error> {
        let restarts = &self.metrics.restarts;
        stage::run(stop, self.config.retry_wait, restarts, || self.subscribe())
    }

    /// Joins the group.
    ///
    /// # Errors
    /// The log refuses.
    pub fn subscribe(&self) -> Result<Session<'_, S>, Error> {
        let consumer = self.deps.log.subscribe(GROUP, TOPICS);
        let consumer = consumer.map_err(Error::Subscribe)?;
        Ok(Session { worker: self, consumer, looked_at: None })
    }
}

/// A membership in the group. After an error, drop it and subscribe anew.
pub struct Session<'w, S> {
    worker: &'w Worker<S>,
    consumer: Box<dyn Consumer>,
    /// Generation of the catalog with which the waiting orders were last looked at.
    looked_at: Option<u64>,
}

impl<S: MemberStore> Stage for Session<'_, S> {
    type Error = Error;

    fn consumer(&mut self) -> &mut dyn Consumer {
        &mut *self.consumer
    }

    fn idle_wait(&self) -> Duration {
        self.worker.config.idle_wait
    }

    fn resume(&mut self, partition: Partition) -> Result<Offset, Error> {
        Ok(self.worker.deps.store.resume(partition)?)
    }

    /// Decides the orders that waited for a catalog with their program, once for each new catalog.
    fn step(&mut self) -> Result<bool, Error> {
        let Worker { deps, metrics, .. } = self.worker;
        let catalog = deps.catalog.snapshot();
        if self.looked_at == Some(catalog.generation()) {
            return Ok(false);
        }
        let (mut after, mut still) = (None, 0_u32);
        loop {
            let orders = deps.store.waiting(after, WAITING_MAX)?;
            let Some(last) = orders.last() else { break };
            after = Some(OrderHash::of(last));
            let mut outputs = Outputs::begin(&mut *self.consumer, &self.worker.metrics);
            let mut settled = Settled::default();
            for key in orders {
                let order = Dirty { hash: OrderHash::of(&key), key, reports: Vec::new() };
                match self.worker.decide(&order, &[], &catalog, &mut outputs)? {
                    Decided::Emitted(id) => {
                        settled.emitted.push((order.hash, id));
                        settled.ended.push(order.hash);
                    }
                    Decided::Unchanged => settled.ended.push(order.hash),
                    Decided::UnknownProgram => still += 1,
                }
            }
            outputs.commit(&[]).map_err(Error::Write)?;
            deps.store.settle(&settled)?;
        }
        metrics.waiting.set(f64::from(still));
        self.looked_at = Some(catalog.generation());
        Ok(false)
    }

    /// The four steps: evidence, decisions, durable outputs, cursor.
    fn work(&mut self, batch: &Batch) -> Result<(), Error> {
        let started = Instant::now();
        let Worker { deps, metrics, .. } = self.worker;
        let taken = Taken::from(batch, metrics);
        deps.store.add(&taken.rows)?;
        let catalog = deps.catalog.snapshot();
        let mut outputs = Outputs::begin(&mut *self.consumer, &self.worker.metrics);
        for rejected in &taken.parked {
            outputs.reject(rejected).map_err(Error::Write)?;
        }
        let mut settled = Settled { cursors: vec![batch.cursor()], ..Settled::default() };
        let mut waiting = Vec::new();
        for order in &taken.orders {
            let decided = self.worker.decide(order, &taken.rows, &catalog, &mut outputs)?;
            match decided {
                Decided::Emitted(id) => settled.emitted.push((order.hash, id)),
                Decided::Unchanged => {}
                Decided::UnknownProgram => waiting.push(order.key.clone()),
            }
        }
        if !waiting.is_empty() {
            tracing::warn!(orders = waiting.len(), "orders wait for a catalog with their program");
            deps.store.wait(&waiting)?;
            metrics.waiting.increment(waiting.len() as f64);
        }
        outputs.commit(&settled.cursors).map_err(Error::Write)?;
        deps.store.settle(&settled)?;
        metrics.batch_seconds.record(started.elapsed());
        Ok(())
    }
}

/// What came of a decision.
enum Decided {
    /// The record with this id is among the outputs.
    Emitted(EventId),
    /// The record was emitted before, or no report is known yet.
    Unchanged,
    /// The terms are not known.
    UnknownProgram,
}

impl<S: MemberStore> Worker<S> {
    fn decide(
        &self,
        order: &Dirty,
        rows: &[(OrderHash, Row)],
        catalog: &Snapshot,
        outputs: &mut Outputs<'_>,
    ) -> Result<Decided, Error> {
        let considered = self.deps.store.considered(order.hash)?;
        if considered.reports().is_empty() {
            return Ok(Decided::Unchanged);
        }
        let Some(program) = catalog.program(order.key.program.as_str()) else {
            return Ok(Decided::UnknownProgram);
        };
        let rules_at = |time| Rules::at(program, time);
        let Some(known) = considered.at_close(rules_at) else { return Ok(Decided::Unchanged) };
        let id = record_id(&order.key, &known);
        if self.deps.store.emitted(order.hash)? == Some(id) {
            self.metrics.unchanged.increment(1);
            return Ok(Decided::Unchanged);
        }
        let is_late = |report: &&Member| known.late().iter().any(|late| late.id == report.id);
        let late = order.reports(rows).filter(is_late).count();
        self.metrics.after_close.increment(late as u64);
        let Some(record) = decide(&order.key, &known) else { return Ok(Decided::Unchanged) };
        let verdicts = outputs.verdicts(&record, order.reports(rows)).map_err(Error::Write)?;
        outputs.order(id, record).map_err(Error::Write)?;
        self.metrics.verdicts.increment(verdicts);
        self.metrics.emitted.increment(1);
        Ok(Decided::Emitted(id))
    }
}

/// An order that a batch touches.
struct Dirty {
    key: OrderKey,
    hash: OrderHash,
    /// Where its reports stand in the batch's rows.
    reports: Vec<usize>,
}

impl Dirty {
    fn reports<'a>(&self, rows: &'a [(OrderHash, Row)]) -> impl Iterator<Item = &'a Member> {
        let rows = self.reports.iter().filter_map(move |at| rows.get(*at));
        rows.filter_map(|(_, row)| match row {
            Row::Report(member) => Some(&**member),
            Row::Later(_) => None,
        })
    }
}

/// What a batch brings.
#[derive(Default)]
struct Taken {
    rows: Vec<(OrderHash, Row)>,
    /// Each order once, in the order of its first row.
    orders: Vec<Dirty>,
    parked: Vec<event::Envelope>,
}

impl Taken {
    fn from(batch: &Batch, metrics: &Metrics) -> Self {
        let mut taken = Self::default();
        let mut places: HashMap<OrderKey, usize> = HashMap::with_capacity(batch.records.len());
        for record in &batch.records {
            match reading::read(record) {
                Read::Row(key, row) => {
                    match row {
                        Row::Report(_) => metrics.reports.increment(1),
                        Row::Later(_) => metrics.later.increment(1),
                    }
                    taken.take(&mut places, key, row);
                }
                Read::Skipped => metrics.skipped.increment(1),
                Read::Unreadable(why) => {
                    let why = &*why;
                    tracing::error!(event.id = %record.id, why, "a record is parked on events.rejected");
                    metrics.parked.increment(1);
                    taken.parked.push(reading::parked(record, why));
                }
            }
        }
        taken
    }

    fn take(&mut self, places: &mut HashMap<OrderKey, usize>, key: OrderKey, row: Row) {
        let place = match places.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let (key, hash) = (new.key().clone(), OrderHash::of(new.key()));
                self.orders.push(Dirty { key, hash, reports: Vec::new() });
                *new.insert(self.orders.len() - 1)
            }
        };
        if let Some(order) = self.orders.get_mut(place) {
            order.reports.push(self.rows.len());
            self.rows.push((order.hash, row));
        }
    }
}

#[cfg(test)]
mod tests;
