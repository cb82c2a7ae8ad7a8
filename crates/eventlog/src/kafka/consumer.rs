//! A member of a consumer group.
//!
//! librdkafka hands over a rebalance in the thread that polls and waits until it is answered. So it is kept until the worker
//! has finished what it was doing: partitions are given back when the worker's [`Ack`] says so, and new ones are taken at
//! the call after the one that named them, with the places that the worker sought meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use event::Topic;
use rdkafka::Message as _;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::BaseProducer;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset as At, Statistics, TopicPartitionList};

use super::client::{self, Voice, failed};
use super::log::Cluster;
use super::unit::KafkaUnit;
use super::wire;
use crate::consume::{Ack, Batch, Consumer, Cursor, Delivery, Group, Partition, Unit};
use crate::error::Error;
use crate::record::{Offset, Record};
use crate::signal::lock;

/// Most records of a batch. Count.
const BATCH_RECORDS_MAX: usize = 4_096;
/// Bytes of payload at which a batch is closed. Bytes.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Pause between attempts to move in a partition whose first fetch has not begun.
const SEEK_PAUSE: Duration = Duration::from_millis(10);
/// How often librdkafka says how far it is.
const STATISTICS_MS: &str = "5000";

/// The one member of a group in this process.
pub(super) struct KafkaConsumer {
    pub(super) cluster: Arc<Cluster>,
    pub(super) group: Group,
    pub(super) consumer: BaseConsumer<Member>,
    /// Makes the outputs of units. None before the first one, and after one that cannot be used any more.
    pub(super) producer: Option<BaseProducer<Voice>>,
    /// A payload that is being written.
    pub(super) scratch: Vec<u8>,
    seats: BTreeMap<Partition, Seat>,
    /// Told to the worker and not taken yet.
    taking: Option<Vec<Partition>>,
    /// Told to the worker and not given back yet, and whether they may be.
    giving: Option<(Vec<Partition>, Arc<AtomicBool>)>,
    /// The first record of the next batch.
    held: Option<(Partition, Offset, Record)>,
}

/// Where a partition is read.
struct Seat {
    /// Where reading begins: a place that is kept.
    start: Offset,
    /// The offset up to which the worker knows everything.
    told: Offset,
}

/// What the group has decided about this member, and what librdkafka has counted.
pub(super) struct Member {
    cluster: Arc<Cluster>,
    group: Group,
    changes: Mutex<VecDeque<Change>>,
    /// Nobody will answer any more: each change is answered at once.
    closing: AtomicBool,
    /// The last known end of what readers can see.
    ends: Mutex<BTreeMap<Partition, Offset>>,
}

#[derive(Clone)]
enum Change {
    Given(Vec<Partition>),
    Taken(Vec<Partition>),
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, part: &str, text: &str) {
        Voice.log(level, part, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Voice.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let mut ends = lock(&self.ends);
        for (name, topic_statistics) in &statistics.topics {
            let Some(topic) = self.cluster.topic(name) else { continue };
            let mut lag = 0;
            for (index, partition) in &topic_statistics.partitions {
                let (Ok(index), Ok(end)) =
                    (u32::try_from(*index), u64::try_from(partition.ls_offset))
                else {
                    continue;
                };
                ends.insert(Partition { topic, index }, end);
                // Unknown before the first record.
                if let Ok(position) = u64::try_from(partition.app_offset) {
                    lag += end.saturating_sub(position);
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
            crate::metrics::lag_records(self.group.0, topic).set(lag as f64);
        }
    }
}

impl ConsumerContext for Member {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let given = matches!(code, RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
        if self.closing.load(Ordering::Acquire) {
            let done = match given {
                true => consumer.incremental_assign(list),
                false => consumer.incremental_unassign(list),
            };
            if let Err(error) = done {
                tracing::warn!(error = &error as &dyn std::error::Error, "leave a group of Kafka");
            }
            return;
        }
        let place = |(name, index): (String, i32)| {
            Some(Partition { topic: self.cluster.topic(&name)?, index: u32::try_from(index).ok()? })
        };
        let partitions = list.to_topic_map().into_keys().filter_map(place);
        let mut partitions: Vec<Partition> = partitions.collect();
        partitions.sort_unstable();
        let change = if given { Change::Given(partitions) } else { Change::Taken(partitions) };
        lock(&self.changes).push_back(change);
    }
}

impl KafkaConsumer {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        group: Group,
        topics: &[Topic],
    ) -> Result<Self, Error> {
        let failed = failed("join a group");
        let name = cluster.group(group);
        let mut client = client::consumer(&cluster.config, &name, Some(&cluster.config.instance));
        client.set("statistics.interval.ms", STATISTICS_MS);
        let member = Member {
            cluster: Arc::clone(&cluster),
            group,
            changes: Mutex::default(),
            closing: AtomicBool::new(false),
            ends: Mutex::default(),
        };
        let consumer: BaseConsumer<Member> = client.create_with_context(member).map_err(&failed)?;
        let names: Vec<String> = topics.iter().map(|topic| cluster.name(*topic)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(&failed)?;
        Ok(Self {
            cluster,
            group,
            consumer,
            producer: None,
            scratch: Vec::new(),
            seats: BTreeMap::new(),
            taking: None,
            giving: None,
            held: None,
        })
    }

    pub(super) fn has(&self, partition: Partition) -> bool {
        self.seats.contains_key(&partition)
    }

    fn list(&self, partitions: &[Partition]) -> Result<TopicPartitionList, Error> {
        let at = |partition: &Partition| {
            let start = self.seats.get(partition).map(|seat| seat.start);
            let start = start.and_then(|start| i64::try_from(start).ok());
            (*partition, start.map_or(At::Beginning, At::Offset))
        };
        self.cluster.list(partitions.iter().map(at))
    }

    /// Answers the group, as far as the worker has; says what it wants next.
    fn rebalance(&mut self) -> Result<Option<Delivery>, Error> {
        if let Some(partitions) = &self.taking {
            let list = self.list(partitions)?;
            self.consumer.incremental_assign(&list).map_err(failed("take partitions"))?;
            self.taking = None;
        }
        if let Some((partitions, released)) = &self.giving {
            if !released.load(Ordering::Acquire) {
                return Ok(None);
            }
            let list = self.list(partitions)?;
            self.consumer.incremental_unassign(&list).map_err(failed("give partitions back"))?;
            for partition in partitions {
                self.seats.remove(partition);
            }
            self.held =
                self.held.take().filter(|(partition, ..)| self.seats.contains_key(partition));
            self.giving = None;
        }
        let Some(change) = lock(&self.consumer.context().changes).front().cloned() else {
            return Ok(None);
        };
        let delivery = match change {
            Change::Given(partitions) => {
                self.seat(&partitions)?;
                self.taking = Some(partitions.clone());
                Delivery::Assigned(partitions)
            }
            Change::Taken(partitions) => {
                let released = Arc::new(AtomicBool::new(false));
                self.giving = Some((partitions.clone(), Arc::clone(&released)));
                let ack = Ack::new(move || released.store(true, Ordering::Release));
                Delivery::Revoking(partitions, ack)
            }
        };
        lock(&self.consumer.context().changes).pop_front();
        Ok(Some(delivery))
    }

    /// Finds out where new partitions are read from.
    fn seat(&mut self, partitions: &[Partition]) -> Result<(), Error> {
        let committed = self.cluster.committed(self.group, partitions)?;
        let begins = self.cluster.begins(partitions)?;
        for partition in partitions {
            let told = committed.get(partition).copied().unwrap_or(0);
            let begin = begins.get(partition).copied().unwrap_or(0);
            self.seats.insert(*partition, Seat { start: told.max(begin), told });
        }
        Ok(())
    }

    /// The next record, if one comes in time.
    fn poll(&mut self, timeout: Duration) -> Result<Option<(Partition, Offset, Record)>, Error> {
        let message = match self.consumer.poll(timeout) {
            None => return Ok(None),
            Some(Ok(message)) => message,
            Some(Err(KafkaError::MessageConsumption(code))) if passes(code) => {
                tracing::debug!(%code, "kafka goes on by itself");
                return Ok(None);
            }
            Some(Err(error)) => return Err(failed("read from Kafka")(error)),
        };
        let index = u32::try_from(message.partition()).ok();
        let Some((topic, index)) = self.cluster.topic(message.topic()).zip(index) else {
            return Ok(None);
        };
        let offset = u64::try_from(message.offset()).unwrap_or(0);
        let payload = Bytes::copy_from_slice(message.payload().unwrap_or_default());
        let record = Record::new(wire::header(&message), payload);
        Ok(Some((Partition { topic, index }, offset, record)))
    }

    /// Records of one partition, if some come in time.
    fn batch(&mut self, timeout: Duration) -> Result<Option<Batch>, Error> {
        let first = match self.held.take() {
            Some(first) => Some(first),
            None => self.poll(timeout)?,
        };
        let Some((partition, offset, record)) = first else { return Ok(None) };
        let mut bytes = record.payload.len();
        let (mut records, mut next_offset) = (vec![record], offset + 1);
        while records.len() < BATCH_RECORDS_MAX && bytes < BATCH_BYTES_MAX {
            // What fails behind a record is said again by the next call.
            match self.poll(Duration::ZERO) {
                Ok(Some((same, offset, record))) if same == partition => {
                    bytes += record.payload.len();
                    next_offset = offset + 1;
                    records.push(record);
                }
                Ok(Some(other)) => {
                    self.held = Some(other);
                    break;
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "after a record");
                    break;
                }
            }
        }
        // Ends of transactions have offsets too.
        let position = self.positions()?.get(&partition).copied().unwrap_or(0);
        Ok(Some(self.told(partition, records, next_offset.max(position))))
    }

    fn told(&mut self, partition: Partition, records: Vec<Record>, next_offset: Offset) -> Batch {
        if let Some(seat) = self.seats.get_mut(&partition) {
            seat.told = next_offset;
        }
        let known = lock(&self.consumer.context().ends).get(&partition).copied();
        let high_watermark = known.unwrap_or(0).max(next_offset);
        Batch { partition, records, next_offset, high_watermark }
    }

    /// How far librdkafka has come in each partition.
    fn positions(&self) -> Result<BTreeMap<Partition, Offset>, Error> {
        let failed = failed("ask for positions");
        let list = self.consumer.position().map_err(&failed)?;
        self.cluster.places(&list).map_err(&failed)
    }

    /// A batch without records, where nothing but ends of transactions and deleted records lies between what the worker
    /// knows and where reading stands: without it nobody would ever reach the end.
    fn gap(&mut self) -> Result<Option<Batch>, Error> {
        let positions = self.positions()?;
        let further = |(partition, seat): (&Partition, &Seat)| {
            let position = positions.get(partition).copied().unwrap_or(0).max(seat.start);
            (position > seat.told).then_some((*partition, position))
        };
        let held = self.held.as_ref().map(|(partition, ..)| *partition);
        let mut seats = self.seats.iter().filter(|(partition, _)| Some(**partition) != held);
        let Some((partition, position)) = seats.find_map(further) else { return Ok(None) };
        Ok(Some(self.told(partition, Vec::new(), position)))
    }
}

/// Whether librdkafka goes on by itself after this.
fn passes(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::MessageTimedOut
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::AutoOffsetReset
    )
}

impl Consumer for KafkaConsumer {
    fn next(&mut self, timeout: Duration) -> Result<Delivery, Error> {
        let started = Instant::now();
        loop {
            if let Some(delivery) = self.rebalance()? {
                return Ok(delivery);
            }
            let left = timeout.saturating_sub(started.elapsed());
            if let Some(batch) = self.batch(left)? {
                return Ok(Delivery::Batch(batch));
            }
            if !lock(&self.consumer.context().changes).is_empty() && self.giving.is_none() {
                continue;
            }
            if let Some(batch) = self.gap()? {
                return Ok(Delivery::Batch(batch));
            }
            if started.elapsed() >= timeout {
                return Ok(Delivery::Idle);
            }
        }
    }

    fn seek(&mut self, partition: Partition, offset: Offset) -> Result<(), Error> {
        let Partition { topic, index } = partition;
        if !self.has(partition) {
            return Err(Error::NotAssigned { topic, index });
        }
        let failed = failed("go to a place in a partition");
        let name = self.cluster.name(topic);
        let number = i32::try_from(index).unwrap_or(i32::MAX);
        let timeout = self.cluster.timeout();
        let low = self.cluster.begins(&[partition])?.get(&partition).copied().unwrap_or(0);
        let high = self.cluster.ends(&[partition])?.first().map_or(low, |end| end.next);
        let start = offset.min(high).max(low);
        let begun = !self.taking.as_ref().is_some_and(|taking| taking.contains(&partition));
        let deadline = Instant::now() + timeout;
        let at = At::Offset(i64::try_from(start).unwrap_or(i64::MAX));
        while begun && let Err(error) = self.consumer.seek(&name, number, at, timeout) {
            if Instant::now() > deadline {
                return Err(failed(error));
            }
            std::thread::sleep(SEEK_PAUSE); // its first fetch has not begun
        }
        self.held = self.held.take().filter(|(held, ..)| *held != partition);
        self.seats.insert(partition, Seat { start, told: offset.min(high) });
        Ok(())
    }

    fn ends(&mut self) -> Result<Vec<Cursor>, Error> {
        let partitions: Vec<Partition> = self.seats.keys().copied().collect();
        self.cluster.ends(&partitions)
    }

    fn unit(&mut self) -> Result<Box<dyn Unit + '_>, Error> {
        Ok(Box::new(KafkaUnit::new(self)))
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        self.consumer.context().closing.store(true, Ordering::Release);
        // librdkafka waits for an answer to what it has asked, also when it is closed.
        let mut open = Vec::new();
        open.extend(self.taking.take().map(Change::Given));
        open.extend(self.giving.take().map(|(partitions, _)| Change::Taken(partitions)));
        open.extend(lock(&self.consumer.context().changes).drain(..));
        for change in open {
            let (given, partitions) = match &change {
                Change::Given(partitions) => (true, partitions),
                Change::Taken(partitions) => (false, partitions),
            };
            let answered = self.list(partitions).map(|list| match given {
                true => self.consumer.incremental_assign(&list),
                false => self.consumer.incremental_unassign(&list),
            });
            if !matches!(answered, Ok(Ok(()))) {
                tracing::warn!("a group of Kafka was left without an answer");
            }
        }
        lock(&self.cluster.taken).remove(&self.group);
    }
}
