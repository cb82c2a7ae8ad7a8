//! The loop: read a batch, count it with its offset in one transaction, move the group's cursor.

mod reading;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use event::Topic;
use eventlog::{Backend, Batch, Consumer, Cursor, Delivery, Group, Partition};

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

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deps")
    }
}

/// Reads what happened and keeps the rollups. One per thread.
pub struct Worker {
    config: Config,
    deps: Deps,
    metrics: Metrics,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Worker")
    }
}

/// What a turn of the loop did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing came.
    Idle,
    /// A batch is committed, or partitions came or went.
    Worked,
    /// Another member has the partition; what was read comes again there.
    Fenced,
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
        while !stop.load(Ordering::Relaxed) {
            match self.session(stop) {
                Err(error) if error.retry() => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "report begins anew from its last committed batch"
                    );
                    self.metrics.restarted_by_log.increment(1);
                    std::thread::sleep(self.config.retry_wait);
                }
                other => return other,
            }
        }
        Ok(())
    }

    fn session(&self, stop: &AtomicBool) -> Result<(), Error> {
        let mut session = self.subscribe()?;
        while !stop.load(Ordering::Relaxed) {
            session.turn()?;
        }
        Ok(())
    }

    /// Counts all that the topics hold and returns how many orders there are.
    ///
    /// # Errors
    /// The store fails, or the log.
    pub fn rebuild(&self, stop: &AtomicBool) -> Result<u64, Error> {
        let mut session = self.subscribe()?;
        while !stop.load(Ordering::Relaxed) && session.turn()? != Turn::Idle {}
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

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

impl Session<'_> {
    /// Takes the next delivery of the log and does what it asks for.
    ///
    /// # Errors
    /// What of the delivery is not committed comes again to whoever subscribes.
    pub fn turn(&mut self) -> Result<Turn, Error> {
        self.follow_catalog()?;
        match self.deliver() {
            Err(error) if error.fenced() => {
                self.worker.metrics.fenced.increment(1);
                Ok(Turn::Fenced)
            }
            done => done,
        }
    }

    /// Follows the catalog: zones that are others now, and touches whose program it did not name before.
    fn follow_catalog(&mut self) -> Result<(), Error> {
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
        Ok(())
    }

    fn deliver(&mut self) -> Result<Turn, Error> {
        match self.consumer.next(self.worker.config.idle_wait).map_err(Error::Read)? {
            Delivery::Batch(batch) => self.work(&batch),
            Delivery::Assigned(partitions) => self.resume(&partitions),
            Delivery::Revoking(_, ack) => {
                ack.done(); // each batch is finished before the next delivery is asked for
                Ok(Turn::Worked)
            }
            Delivery::Idle => Ok(Turn::Idle),
        }
    }

    /// Goes to where the store says, whatever the group's cursor says: a store that lost something, or is new, is filled
    /// from the topics. The cursor follows.
    fn resume(&mut self, partitions: &[Partition]) -> Result<Turn, Error> {
        let mut cursors = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let next = self.worker.deps.store.resume(*partition)?;
            match self.consumer.seek(*partition, next) {
                Err(eventlog::Error::NotAssigned { .. }) => continue, // gone again
                other => other.map_err(Error::Read)?,
            }
            cursors.push(Cursor { partition: *partition, next });
        }
        self.commit(&cursors)
    }

    fn work(&mut self, batch: &Batch) -> Result<Turn, Error> {
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
        self.commit(&[batch.cursor()])?;
        metrics.batch_seconds.record(started.elapsed());
        Ok(Turn::Worked)
    }

    fn commit(&mut self, cursors: &[Cursor]) -> Result<Turn, Error> {
        let unit = self.consumer.unit().map_err(Error::Commit)?;
        unit.commit(cursors).map_err(Error::Commit)?;
        Ok(Turn::Worked)
    }
}
