//! Makes the state anew from the topics, without saying again what was said.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use event::body::decision::DecisionVersion;
use event::hash::ContentHash;
use event::{EventType, OrderKey, Topic};
use eventlog::{LogReader, Record};
use serde::Deserialize;

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
            let decisions = records.iter().filter(|one| one.kind == EventType::Decision.number());
            for decision in decisions {
                let Emitted { order, version, inputs_hash } = emitted(decision)?;
                let rank = (version, inputs_hash);
                let known = newest.entry(order).or_insert(rank);
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

/// What must be known of a decision that was emitted; the rest may be as an earlier build wrote it.
#[derive(Deserialize)]
struct Emitted {
    order: OrderKey,
    version: DecisionVersion,
    inputs_hash: ContentHash,
}

fn emitted(record: &Record) -> Result<Emitted, Error> {
    #[derive(Deserialize)]
    struct Envelope {
        body: Emitted,
    }
    let read = serde_json::from_slice::<Envelope>(&record.payload);
    read.map(|envelope| envelope.body).map_err(|source| Error::Emitted { id: record.id, source })
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

#[cfg(test)]
mod tests {
    use event::envelope::CODEC_JSON;
    use event::topic::KeyHash;
    use event::{EventId, EventType};
    use eventlog::Record;

    use super::emitted;
    use crate::build::World;
    use crate::worker::envelope;

    fn record(payload: impl Into<bytes::Bytes>) -> Record {
        Record {
            codec: CODEC_JSON,
            kind: EventType::Decision.number(),
            id: EventId::from_bytes([1; 16]),
            key_hash: KeyHash::of(b""),
            payload: payload.into(),
        }
    }

    #[test]
    fn a_decision_of_an_earlier_build_counts_as_emitted_and_one_without_order_is_told() {
        let decision = World::read("click A @0d; order @1d").decisions().remove(0);
        let mut json: serde_json::Value =
            serde_json::from_slice(&envelope(decision.clone()).to_json()).unwrap();
        json["body"]["trace"] = "as nobody writes it".into();
        let read = emitted(&record(json.to_string())).unwrap();
        let found = (read.order, read.version, read.inputs_hash);
        assert_eq!(found, (decision.order, decision.version, decision.inputs_hash));
        json["body"].as_object_mut().unwrap().remove("order");
        let told = emitted(&record(json.to_string())).err().unwrap().to_string();
        assert!(told.starts_with("read the emitted decision "), "{told}");
    }
}
