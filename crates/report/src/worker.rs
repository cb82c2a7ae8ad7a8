//! The loop: read a batch, count it with its offset in one transaction, move the group's cursor.

mod reading;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use event::Topic;
use eventlog::stage::{self, Stage};
use eventlog::{Backend, Batch, Consumer, Group, Offset, Partition};

use crate::config::Config;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::store::{Fact, Store, Waiting};
use reading::Read;

/// The consumer group of this stage.
pub const GROUP: Group = Group("report");

/// What it reads.
const TOPICS: [Topic; 3] = [Topic::Touches, Topic::Attributed, Topic::Transfers];

/// What a worker is built on.
#[derive(Clone)]
pub struct Deps {
    /// The event log.
    pub log: Arc<dyn Backend>,
    /// The rollups.
    pub store: Arc<Store>,
    /// The catalog: time zones, and which flags make a touch invalid.
    pub catalog: Arc<catalog::Handle>,
}

/// Reads what happened and keeps the rollups. One per thread.
pub struct Worker {
    config: Config,
    deps: Deps,
    metrics: Metrics,
}

impl Worker {
    /// A worker; make it after the metrics recorder is installed.
    #[must_use]
    pub fn new(config: Config, deps: Deps) -> Self {
        Self { config, deps, metrics: Metrics::new() }
    }

    /// Works until `stop` is set; finishes the batch at hand first. Begins anew when the log fails for a while.
    ///
    /// # Errors
    /// The store fails, or the log in a way that does not heal.
    pub fn run(&self, stop: &AtomicBool) -> Result<(), Error> {
        let restarts = &self.metrics.restarts;
        stage::run(stop, self.config.retry_wait, restarts, || self.subscribe())
    }

    /// Counts all that the topics hold and returns how many orders there are.
    ///
    /// # Errors
    /// The store fails, or the log.
    pub fn rebuild(&self, stop: &AtomicBool) -> Result<u64, Error> {
        self.subscribe()?.catch_up(stop)?;
        Ok(self.deps.store.orders()?)
    }

    /// Joins the group.
    ///
    /// # Errors
    /// The log refuses.
    pub fn subscribe(&self) -> Result<Session<'_>, Error> {
        let consumer = self.deps.log.subscribe(GROUP, &TOPICS).map_err(Error::Subscribe)?;
        Ok(Session { worker: self, consumer, follows: None })
    }
}

/// A membership in the group. After an error, drop it and subscribe anew.
pub struct Session<'w> {
    worker: &'w Worker,
    consumer: Box<dyn Consumer>,
    /// Generation of the catalog that the store follows.
    follows: Option<u64>,
}

impl Stage for Session<'_> {
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

    /// Follows the catalog: zones that are others now, and touches whose program it did not name before.
    fn step(&mut self) -> Result<bool, Error> {
        let catalog = self.worker.deps.catalog.snapshot();
        if self.follows != Some(catalog.generation()) {
            self.worker.deps.store.follow_zones(&catalog)?;
            let judge = |waiting: &Waiting| reading::judged(waiting, &catalog);
            let waiting = self.worker.deps.store.settle(&catalog, &judge)?;
            if waiting > 0 {
                tracing::warn!(waiting, "touches wait for a catalog that names their program");
            }
            self.follows = Some(catalog.generation());
        }
        Ok(false)
    }

    fn work(&mut self, batch: &Batch) -> Result<(), Error> {
        let started = Instant::now();
        let Worker { deps, metrics, .. } = self.worker;
        let catalog = deps.catalog.snapshot();
        let mut facts = Vec::with_capacity(batch.records.len());
        for record in &batch.records {
            match reading::read(record, &catalog) {
                Read::Fact(fact) => {
                    match &fact {
                        Fact::Touch { .. } | Fact::Activation { .. } => {
                            metrics.touches.increment(1)
                        }
                        Fact::Waiting(waiting) => {
                            tracing::warn!(
                                program = waiting.program.as_str(),
                                "touches wait for a catalog that names their program"
                            );
                            metrics.waiting.increment(1);
                        }
                        Fact::Posting(_) => metrics.postings.increment(1),
                        Fact::Decision(_) => metrics.decisions.increment(1),
                    }
                    facts.push(fact);
                }
                Read::Skipped => metrics.skipped.increment(1),
                // The stage that decides by these records parks them.
                Read::Unreadable(why) => {
                    tracing::error!(event.id = %record.id, why, "a record is left out of the report");
                    metrics.unreadable.increment(1);
                }
            }
        }
        deps.store.apply(&facts, Some(batch.cursor()), &catalog)?;
        let unit = self.consumer.unit().map_err(Error::Commit)?;
        unit.commit(&[batch.cursor()]).map_err(Error::Commit)?;
        metrics.batch_seconds.record(started.elapsed());
        Ok(())
    }
}
