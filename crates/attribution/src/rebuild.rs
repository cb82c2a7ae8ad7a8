//! Makes the state anew from the topics, without saying again what was said.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use event::body::Decision;
use event::{Body, Envelope, Topic};
use eventlog::{LogReader, Record};

use crate::error::Error;
use crate::store::{Kv, Settled};
use crate::worker::{Turn, Worker, known};

/// What a rebuild has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Touches and records of orders.
    pub events: u64,
    /// Orders decided before.
    pub orders: u64,
}

impl<K: Kv> Worker<K> {
    /// Fills an empty state: everything known first, then what was last emitted; then decides every order once more, and
    /// emits only those decisions that differ from the last emitted ones. Nothing else may write to the topics.
    ///
    /// If it fails or `stop` is set, the state is not whole, but good to go on from: a worker on it reads the topics from
    /// the start.
    ///
    /// # Errors
    /// The log or the state fails.
    pub fn rebuild(&self, topics: &LogReader, stop: &AtomicBool) -> Result<Rebuilt, Error> {
        let mut rebuilt = Rebuilt::default();
        for topic in [Topic::Touches, Topic::Unique] {
            rebuilt.events += each_batch(topics, topic, stop, |records| {
                // A record that does not read is parked by the session, which reads all of them again.
                self.state().add(&records.iter().filter_map(known).collect::<Vec<_>>())?;
                Ok(())
            })?;
        }
        let mut newest = HashMap::new();
        each_batch(topics, Topic::Attributed, stop, |records| {
            for decision in records.iter().filter_map(emitted) {
                let rank = (decision.version, decision.inputs_hash);
                let known = newest.entry(decision.order).or_insert(rank);
                *known = rank.max(*known);
            }
            Ok(())
        })?;
        rebuilt.orders = newest.len() as u64;
        let emitted = newest.into_iter().map(|(order, (_, inputs))| (order, inputs)).collect();
        self.state().settle(&Settled { emitted, ..Settled::default() })?;
        let mut session = self.subscribe()?;
        while !stop.load(Ordering::Relaxed) && session.turn()? != Turn::Idle {}
        Ok(rebuilt)
    }
}

fn emitted(record: &Record) -> Option<Decision> {
    let Body::Decision(decision) = Envelope::read(&record.payload).ok()?.body else { return None };
    Some(*decision)
}

/// Hands out a topic from its start to its end. By a reader, since a group that reads once would hold the topic's
/// segments for ever.
fn each_batch(
    topics: &LogReader,
    topic: Topic,
    stop: &AtomicBool,
    mut each: impl FnMut(&[Record]) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut count = 0;
    for batch in topics.scan(topic, topics.first_offset(topic)) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let batch = batch.map_err(Error::Read)?;
        each(&batch.records)?;
        count += batch.records.len() as u64;
    }
    Ok(count)
}
