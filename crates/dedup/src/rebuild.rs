//! Makes the state anew from the topics, without saying again what was said.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event::{EventType, OrderKey, Topic};
use eventlog::stage::Stage as _;
use eventlog::{Backend, Delivery, Group, Record};

use crate::error::Error;
use crate::store::{MemberStore, OrderHash, Settled};
use crate::worker::{Worker, reading};

/// The consumer group that reads for a rebuild. It never commits.
pub const REBUILD_GROUP: Group = Group("dedup-rebuild");

/// Longest wait for the next batch, after which a topic counts as read.
const END_WAIT: Duration = Duration::from_secs(1);

impl<S: MemberStore> Worker<S> {
    /// Fills an empty store: all reports first, then what was last emitted; then decides every order once more, and
    /// emits only those records that differ from the last emitted ones. Nothing else may write to the topics.
    ///
    /// Returns how many records of the topic were read. If it fails or `stop` is set, the state is not whole, but good
    /// to go on from: a worker on it reads the topic from the start.
    ///
    /// # Errors
    /// The log or the store fails.
    pub fn rebuild(&self, stop: &AtomicBool) -> Result<u64, Error> {
        let store = &self.deps.store;
        let log = &*self.deps.log;
        let read = each_batch(log, Topic::Conversions, stop, |records| {
            let rows = records.iter().filter_map(|record| match reading::read(record) {
                reading::Read::Row(order, row) => Some((OrderHash::of(&order), row)),
                reading::Read::Skipped | reading::Read::Unreadable(_) => None,
            });
            Ok(store.add(&rows.collect::<Vec<_>>())?)
        })?;
        each_batch(log, Topic::Unique, stop, |records| {
            let emitted = records.iter().filter_map(emitted).collect();
            Ok(store.settle(&Settled { emitted, ..Settled::default() })?)
        })?;
        self.subscribe()?.catch_up(stop)?;
        Ok(read)
    }
}

fn emitted(record: &Record) -> Option<(OrderHash, event::EventId)> {
    #[derive(serde::Deserialize)]
    struct KeyOnly {
        key: OrderKey,
    }
    if record.kind != EventType::Order.number() {
        return None;
    }
    let KeyOnly { key } = serde_json::from_slice(&record.payload).ok()?;
    Some((OrderHash::of(&key), record.id))
}

/// Hands out a topic from its start to its end.
fn each_batch(
    log: &dyn Backend,
    topic: Topic,
    stop: &AtomicBool,
    mut each: impl FnMut(&[Record]) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut consumer = log.subscribe(REBUILD_GROUP, &[topic]).map_err(Error::Subscribe)?;
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        match consumer.next(END_WAIT).map_err(Error::Read)? {
            Delivery::Assigned(partitions) => {
                for partition in partitions {
                    consumer.seek(partition, 0).map_err(Error::Read)?;
                }
            }
            Delivery::Batch(batch) => {
                each(&batch.records)?;
                count += batch.records.len() as u64;
            }
            Delivery::Revoking(_, ack) => ack.done(),
            Delivery::Idle => break,
        }
    }
    Ok(count)
}
