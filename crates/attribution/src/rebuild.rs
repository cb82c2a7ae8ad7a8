//! Makes the state anew from the topics, without saying again what was said.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use event::body::decision::DecisionVersion;
use event::hash::ContentHash;
use event::{EventType, OrderKey, Topic};
use eventlog::stage::Stage as _;
use eventlog::{Batch, LogReader, Record};
use serde::Deserialize;

use crate::error::Error;
use crate::store::{Kv, Settled};
use crate::worker::{Read, Worker, read};

/// Emitted decisions that are remembered in one step. Count.
const EMITTED_MAX: usize = 10_000;

/// What a rebuild has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Touches and records of orders.
    pub events: u64,
    /// Orders decided before.
    pub orders: u64,
}

impl<K: Kv> Worker<K> {
    /// Fills a new state as by [`Worker::fill`], then decides every order once more, and emits only those decisions that
    /// differ from the last emitted ones. Nothing else may write to the topics.
    ///
    /// # Errors
    /// The log or the state fails.
    pub fn rebuild(&self, topics: &LogReader, stop: &AtomicBool) -> Result<Rebuilt, Error> {
        let rebuilt = self.fill(topics, stop)?;
        self.subscribe()?.catch_up(stop)?;
        Ok(rebuilt)
    }

    /// Fills a state that has read nothing yet: everything known first, then what was last emitted. Decisions made while
    /// it fills would be made of a part of what they were made of before. Does nothing to another state.
    ///
    /// Worker and [`View`](crate::View) begin when it is done. If it fails or `stop` is set it begins anew the next time.
    ///
    /// # Errors
    /// The log or the state fails.
    pub fn fill(&self, topics: &LogReader, stop: &AtomicBool) -> Result<Rebuilt, Error> {
        let mut rebuilt = Rebuilt::default();
        if !self.state().is_new()? {
            return Ok(rebuilt);
        }
        let mut cursor = None;
        for topic in [Topic::Touches, Topic::Unique] {
            let mut readable = true;
            rebuilt.events += each_batch(topics, topic, stop, |batch| {
                let mut noted = Vec::with_capacity(batch.records.len());
                for record in &batch.records {
                    match read(record) {
                        Read::Noted(one) => noted.push(one),
                        Read::Skipped => {}
                        Read::Unreadable(_) => readable = false,
                    }
                }
                self.state().add(&noted)?;
                // The session reads orders again, to decide them; touches only from the first batch that it must park
                // something of.
                if topic == Topic::Touches && readable {
                    cursor = Some((batch.partition, batch.next_offset));
                }
                Ok(())
            })?;
        }
        let mut newest = HashMap::new();
        each_batch(topics, Topic::Attributed, stop, |batch| {
            let decisions =
                batch.records.iter().filter(|one| one.kind == EventType::Decision.number());
            for decision in decisions {
                let Emitted { order, version, inputs_hash } = emitted(decision)?;
                let rank = (version, inputs_hash);
                let known = newest.entry(order).or_insert(rank);
                *known = rank.max(*known);
            }
            Ok(())
        })?;
        if stop.load(Ordering::Relaxed) {
            return Ok(rebuilt);
        }
        rebuilt.orders = newest.len() as u64;
        let mut newest = newest.into_iter().map(|(order, (_, inputs))| (order, inputs));
        loop {
            let emitted: Vec<_> = newest.by_ref().take(EMITTED_MAX).collect();
            if emitted.is_empty() {
                break;
            }
            self.state().settle(&Settled { emitted, ..Settled::default() })?;
        }
        self.state().settle(&Settled { cursor, ..Settled::default() })?;
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
    mut each: impl FnMut(&Batch) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut count = 0;
    for batch in topics.scan(topic, topics.first_offset(topic)) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let batch = batch.map_err(Error::Read)?;
        each(&batch)?;
        count += batch.records.len() as u64;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use event::envelope::CODEC_JSON;
    use event::topic::KeyHash;
    use event::{EventId, EventType, Millis, Topic};
    use eventlog::stage::{Stage as _, Turn};
    use eventlog::{Class, ClockKind, Log, Partition, RealDisk, Record};
    use testkit::SteppedClock;

    use super::{Rebuilt, emitted};
    use crate::build::{START, World};
    use crate::config::Config;
    use crate::random::unique;
    use crate::store::{MemoryKv, State};
    use crate::worker::{Deps, Worker, envelope};

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

    fn append(log: &Log, topic: Topic, envelopes: &[event::Envelope]) {
        let of = |envelope: &event::Envelope| Record {
            kind: envelope.body.event_type().number(),
            id: envelope.id,
            ..record(envelope.to_json())
        };
        let records: Vec<_> = envelopes.iter().map(of).collect();
        let end = log.reader().high_watermark(topic) + records.len() as u64;
        let _durable = log.appender(topic).unwrap().append_durable(Class::Essential, &records);
        while log.reader().high_watermark(topic) < end {
            std::thread::yield_now();
        }
    }

    fn worker(log: &Log, world: &World) -> Worker<MemoryKv> {
        let file = catalog::CatalogFile::parse(&world.toml(), catalog::Format::Toml).unwrap();
        let versions = file.plan(&catalog::State::default(), Millis(0)).unwrap();
        let catalog = catalog::Handle::new(catalog::State::fold(&versions).unwrap()).unwrap();
        let deps = Deps {
            log: Arc::new(log.clone()),
            state: Arc::new(State::open(MemoryKv::default()).unwrap()),
            catalog: Arc::new(catalog),
            clock: Arc::new(SteppedClock::at(START)),
        };
        Worker::new(Config::for_tests(), deps)
    }

    fn work(worker: &Worker<MemoryKv>) {
        let mut session = worker.subscribe().unwrap();
        let mut idle = 0;
        while idle < 20 {
            idle = if session.turn().unwrap() == Turn::Idle { idle + 1 } else { 0 };
        }
    }

    #[test]
    fn a_new_state_knows_everything_before_it_decides_and_says_nothing_twice() {
        let world = World::read("click A @0d; click B @1h; order @1d");
        let folder = tempfile::tempdir().unwrap();
        let (path, clock) = (folder.path().join("log"), Arc::new(SteppedClock::at(START)));
        let config = eventlog::Config::default();
        let (log, _) =
            Log::open(Arc::new(RealDisk), &path, config, clock, ClockKind::Real).unwrap();
        let stop = &AtomicBool::new(false);
        append(&log, Topic::Unique, &[unique(world.orders[0].clone())]);
        let first = worker(&log, &world);
        work(&first);
        append(&log, Topic::Touches, &world.events);
        work(&first);
        let said = log.reader().high_watermark(Topic::Attributed);
        assert!(said > 1, "the order was decided before its touches came");

        let second = worker(&log, &world);
        let filled = Rebuilt { events: 3, orders: 1 };
        assert_eq!(second.fill(log.reader(), &AtomicBool::new(true)).unwrap().orders, 0);
        assert_eq!(second.fill(log.reader(), stop).unwrap(), filled, "begun anew");
        let order = &world.orders[0].order;
        assert_eq!(second.state().emitted(order).unwrap(), first.state().emitted(order).unwrap());
        let resume = |topic| second.state().resume(Partition { topic, index: 0 }).unwrap();
        assert_eq!((resume(Topic::Touches), resume(Topic::Unique)), (2, 0));
        assert_eq!(second.fill(log.reader(), stop).unwrap(), Rebuilt::default(), "filled");
        work(&second);
        assert_eq!(log.reader().high_watermark(Topic::Attributed), said);
        log.close();
    }
}
