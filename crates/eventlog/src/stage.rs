//! The loop of a stage: it takes what the log delivers, follows partitions as they come and go, and begins anew when the log
//! fails. What a stage does with its records is its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::Counter;
use telemetry::Metric;

use crate::consume::{Batch, Consumer, Cursor, Delivery, Group, Partition};
use crate::error::Error;
use crate::record::Offset;

/// Buckets for the time that a stage takes with a batch: from one of a single record to a full one on a slow disk. Seconds.
pub const BATCH_SECONDS: &[f64] =
    &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// A stage as a member of its group, with what it remembers as long as it is one. After an error, drop it and join anew.
///
/// Each method ends what it began before it returns: nothing is in hand when the next delivery is asked for, so a partition
/// may go at any time. An error says that nothing of the delivery is committed: it comes again to whoever has the partition.
pub trait Stage {
    /// Why it could not go on.
    type Error: Failure;

    /// The member of the group.
    fn consumer(&mut self) -> &mut dyn Consumer;

    /// Longest wait for a delivery.
    fn idle_wait(&self) -> Duration;

    /// Where to read on in a partition that came: where the state says, whatever the group's cursor says, so that a state
    /// that lost something, or is new, is filled from the topics.
    ///
    /// # Errors
    /// The state cannot say.
    fn resume(&mut self, partition: Partition) -> Result<Offset, Self::Error>;

    /// These partitions came and are read from there. The group's cursors follow, if the stage says nothing else.
    ///
    /// # Errors
    /// The log or the state fails.
    fn assigned(&mut self, cursors: &[Cursor]) -> Result<(), Self::Error> {
        follow(self.consumer(), cursors).map_err(Failure::write)
    }

    /// These partitions go: what is remembered of them is void.
    fn revoked(&mut self, _partitions: &[Partition]) {}

    /// What is to be done besides reading, a step before each delivery; whether there is more of it, so that no delivery is
    /// waited for.
    ///
    /// # Errors
    /// The log or the state fails.
    fn step(&mut self) -> Result<bool, Self::Error> {
        Ok(false)
    }

    /// Does what the records of a batch ask for, and commits its cursor or sees to it that it is committed later.
    ///
    /// # Errors
    /// The log or the state fails.
    fn work(&mut self, batch: &Batch) -> Result<(), Self::Error>;

    /// Nothing came in the time given.
    ///
    /// # Errors
    /// The log or the state fails.
    fn idle(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// A step of what else is to be done, and the next delivery.
    ///
    /// # Errors
    /// As the stage says; another member's partition is no error.
    fn turn(&mut self) -> Result<Turn, Self::Error> {
        let stepped = unless_fenced(self.step())?;
        let more = stepped == Some(true);
        let wait = if more { Duration::ZERO } else { self.idle_wait() };
        let delivered = unless_fenced(deliver(self, wait))?;
        Ok(match (stepped, delivered) {
            (None, _) | (_, None) => Turn::Fenced,
            (Some(_), Some(false)) if !more => Turn::Idle,
            (Some(_), Some(_)) => Turn::Worked,
        })
    }

    /// Turns until nothing comes any more, or `stop` is set.
    ///
    /// # Errors
    /// As [`Stage::turn`].
    fn catch_up(&mut self, stop: &AtomicBool) -> Result<(), Self::Error> {
        while !stop.load(Ordering::Relaxed) && self.turn()? != Turn::Idle {}
        Ok(())
    }
}

/// Moves the group's cursors, each by itself: a partition that another member has by now keeps no cursor of the others back.
///
/// # Errors
/// The log fails. A partition that went is no error: it comes again here or there, and is read on from where the state says.
pub fn follow(consumer: &mut dyn Consumer, cursors: &[Cursor]) -> Result<(), Error> {
    for cursor in cursors {
        match consumer.unit()?.commit(std::slice::from_ref(cursor)) {
            Err(Error::NotAssigned { .. }) => {}
            done => done?,
        }
    }
    Ok(())
}

/// What a turn of the loop did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing came, and nothing is left to do.
    Idle,
    /// A batch is committed, partitions came or went, or a step was made.
    Worked,
    /// Another member has a partition; what was read of it comes again there, and the log says next that it went.
    Fenced,
}

/// What the loop must know of a stage's errors.
pub trait Failure: std::error::Error + Sized + 'static {
    /// The topics could not be read.
    fn read(source: Error) -> Self;

    /// Outputs and cursors could not be made durable.
    fn write(source: Error) -> Self;

    /// What the log said, if it was the log that failed.
    fn log(&self) -> Option<&Error>;

    /// Whether doing the same again can succeed without anybody changing anything.
    fn retry(&self) -> bool {
        self.log().is_some_and(Error::retry)
    }
}

/// How often a stage began anew from its last committed batch.
pub struct Restarts {
    group: Group,
    by_log: Counter,
    fenced: Counter,
}

impl Restarts {
    /// The metric of this name; a stage lists it with its own.
    #[must_use]
    pub const fn metric(name: &'static str) -> Metric {
        let help = "Times that the worker began anew from its last committed batch, by cause.";
        Metric::counter(name, help).labels(&["cause"])
    }

    /// Counts by this metric. Make it after the recorder is installed.
    #[must_use]
    pub fn of(group: Group, metric: &Metric) -> Self {
        let [by_log, fenced] = ["log", "fenced"].map(|cause| metric.counter_of(&[cause]));
        Self { group, by_log, fenced }
    }
}

/// Works until `stop` is set; finishes the batch at hand first. When the log fails for a while, joins anew after `retry_wait`.
///
/// # Errors
/// The state fails, or the log in a way that does not heal.
pub fn run<S: Stage>(
    stop: &AtomicBool,
    retry_wait: Duration,
    restarts: &Restarts,
    join: impl Fn() -> Result<S, S::Error>,
) -> Result<(), S::Error> {
    while !stop.load(Ordering::Relaxed) {
        match join().and_then(|mut stage| turns(&mut stage, stop, restarts)) {
            Err(error) if error.retry() => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "{} begins anew from its last committed batch",
                    restarts.group
                );
                restarts.by_log.increment(1);
                std::thread::sleep(retry_wait);
            }
            other => return other,
        }
    }
    Ok(())
}

fn turns<S: Stage>(stage: &mut S, stop: &AtomicBool, restarts: &Restarts) -> Result<(), S::Error> {
    while !stop.load(Ordering::Relaxed) {
        if stage.turn()? == Turn::Fenced {
            restarts.fenced.increment(1);
        }
    }
    Ok(())
}

/// None if another member has a partition of this one: no failure, but news of a revoke.
fn unless_fenced<T, E: Failure>(done: Result<T, E>) -> Result<Option<T>, E> {
    match done {
        Err(error) if matches!(error.log(), Some(Error::NotAssigned { .. })) => Ok(None),
        done => done.map(Some),
    }
}

/// Takes the next delivery and does what it asks for; whether there was one.
fn deliver<S: Stage + ?Sized>(stage: &mut S, wait: Duration) -> Result<bool, S::Error> {
    match stage.consumer().next(wait).map_err(Failure::read)? {
        Delivery::Batch(batch) => stage.work(&batch)?,
        Delivery::Assigned(partitions) => {
            let mut cursors = Vec::with_capacity(partitions.len());
            for partition in partitions {
                let next = stage.resume(partition)?;
                match stage.consumer().seek(partition, next) {
                    Err(Error::NotAssigned { .. }) => continue, // gone again
                    sought => sought.map_err(Failure::read)?,
                }
                cursors.push(Cursor { partition, next });
            }
            stage.assigned(&cursors)?;
        }
        Delivery::Revoking(partitions, ack) => {
            stage.revoked(&partitions);
            ack.done();
        }
        Delivery::Idle => {
            stage.idle()?;
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
