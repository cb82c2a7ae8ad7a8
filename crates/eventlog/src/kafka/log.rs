//! The cluster as stages subscribe to it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use event::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset as At, TopicPartitionList};

use super::client::{self, Voice, failed};
use super::config::Config;
use super::consumer::KafkaConsumer;
use super::producer::Producer;
use crate::consume::{Backend, Consumer, Cursor, Group, Partition};
use crate::error::Error;
use crate::record::Offset;
use crate::signal::lock;

/// Pause before a question is asked again.
const ASK_PAUSE: Duration = Duration::from_millis(50);

/// The event log on Kafka. Clones share its connections.
#[derive(Clone)]
pub struct KafkaLog(pub(super) Arc<Cluster>);

/// What all users of one [`KafkaLog`] share.
pub(super) struct Cluster {
    pub(super) config: Config,
    /// Asks where topics end and how many partitions they have.
    observer: BaseConsumer<Voice>,
    /// Ask what a group has committed: one for each group, a member of none.
    askers: Mutex<BTreeMap<Group, Arc<BaseConsumer<Voice>>>>,
    /// Groups that have a member in this process: a second one under the same name would shut it out.
    pub(super) taken: Mutex<BTreeSet<Group>>,
    partitions: Mutex<BTreeMap<Topic, NonZeroU32>>,
}

impl std::fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KafkaLog")
    }
}

impl KafkaLog {
    /// The log on this cluster. Connects when it is first asked for something.
    ///
    /// # Errors
    /// The configuration breaks rules.
    pub fn new(config: Config) -> Result<Self, Error> {
        let mut faults: Vec<String> = config.faults().iter().map(ToString::to_string).collect();
        if !config.is_set() {
            faults.push("brokers is empty: give some as host:port".to_owned());
        }
        if !faults.is_empty() {
            return Err(Error::Config(faults));
        }
        let name = format!("{}observer", config.prefix);
        let observer = client::consumer(&config, &name, None).create_with_context(Voice);
        Ok(Self(Arc::new(Cluster {
            observer: observer.map_err(failed("set up a client of Kafka"))?,
            config,
            askers: Mutex::default(),
            taken: Mutex::default(),
            partitions: Mutex::default(),
        })))
    }

    /// A producer of single records.
    ///
    /// # Errors
    /// The configuration has a property that librdkafka does not take.
    pub fn producer(&self) -> Result<Producer, Error> {
        Producer::new(Arc::clone(&self.0))
    }
}

impl Backend for KafkaLog {
    fn subscribe(&self, group: Group, topics: &[Topic]) -> Result<Box<dyn Consumer>, Error> {
        if !lock(&self.0.taken).insert(group) {
            return Err(Error::GroupTaken { group: group.0 });
        }
        match KafkaConsumer::new(Arc::clone(&self.0), group, topics) {
            Ok(consumer) => Ok(Box::new(consumer)),
            Err(error) => {
                lock(&self.0.taken).remove(&group);
                Err(error)
            }
        }
    }

    fn ends(&self, topics: &[Topic]) -> Result<Vec<Cursor>, Error> {
        self.0.ends(&self.0.all_partitions(topics)?)
    }

    fn committed(&self, group: Group, topics: &[Topic]) -> Result<Vec<Cursor>, Error> {
        let partitions = self.0.all_partitions(topics)?;
        let committed = self.0.committed(group, &partitions)?;
        let cursor =
            |partition| Cursor { partition, next: committed.get(&partition).copied().unwrap_or(0) };
        Ok(partitions.into_iter().map(cursor).collect())
    }
}

impl Cluster {
    /// The topic's name on the cluster.
    pub(super) fn name(&self, topic: Topic) -> String {
        format!("{}{}", self.config.prefix, topic.name())
    }

    /// The topic of this name on the cluster, if it is one of ours.
    pub(super) fn topic(&self, name: &str) -> Option<Topic> {
        let name = name.strip_prefix(&self.config.prefix)?;
        Topic::ALL.into_iter().find(|topic| topic.name() == name)
    }

    pub(super) fn timeout(&self) -> Duration {
        self.config.request_timeout
    }

    /// How many partitions a topic has. Asked once: the number never changes.
    pub(super) fn partitions(&self, topic: Topic) -> Result<NonZeroU32, Error> {
        if let Some(count) = lock(&self.partitions).get(&topic) {
            return Ok(*count);
        }
        let what = "find the partitions of a topic (`sillage topics create` makes them)";
        self.drain();
        let name = self.name(topic);
        let metadata = self.observer.fetch_metadata(Some(&name), self.timeout());
        let metadata = metadata.map_err(failed(what))?;
        let found = metadata.topics().iter().find(|found| found.name() == name);
        if let Some(error) = found.and_then(|found| found.error()) {
            return Err(failed(what)(KafkaError::MetadataFetch(error.into())));
        }
        let count = found.and_then(|found| u32::try_from(found.partitions().len()).ok());
        let count = count.and_then(NonZeroU32::new);
        let count = count.ok_or_else(|| failed(what)(KafkaError::NoMessageReceived))?;
        lock(&self.partitions).insert(topic, count);
        Ok(count)
    }

    fn all_partitions(&self, topics: &[Topic]) -> Result<Vec<Partition>, Error> {
        let mut all = Vec::new();
        for topic in topics {
            let count = self.partitions(*topic)?.get();
            all.extend((0..count).map(|index| Partition { topic: *topic, index }));
        }
        Ok(all)
    }

    /// A list for librdkafka.
    pub(super) fn list(
        &self,
        partitions: impl IntoIterator<Item = (Partition, At)>,
    ) -> Result<TopicPartitionList, Error> {
        let mut list = TopicPartitionList::new();
        for (Partition { topic, index }, at) in partitions {
            let index = i32::try_from(index).unwrap_or(i32::MAX);
            list.add_partition_offset(&self.name(topic), index, at)
                .map_err(failed("name a place in a partition"))?;
        }
        Ok(list)
    }

    /// The places in a list of librdkafka; what is not known there is left out.
    pub(super) fn places(
        &self,
        list: &TopicPartitionList,
    ) -> Result<BTreeMap<Partition, Offset>, KafkaError> {
        let mut places = BTreeMap::new();
        for element in list.elements() {
            element.error()?;
            let index = u32::try_from(element.partition()).ok();
            let Some((topic, index)) = self.topic(element.topic()).zip(index) else { continue };
            if let At::Offset(offset) = element.offset() {
                places.insert(Partition { topic, index }, u64::try_from(offset).unwrap_or(0));
            }
        }
        Ok(places)
    }

    /// The end of what readers can see of each of these partitions, one question to each broker.
    pub(super) fn ends(&self, partitions: &[Partition]) -> Result<Vec<Cursor>, Error> {
        let ends = self.asked(partitions, At::End)?;
        let cursor = |(partition, next)| Cursor { partition, next };
        Ok(ends.into_iter().map(cursor).collect())
    }

    /// The first offset that is kept of each of these partitions.
    pub(super) fn begins(
        &self,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, Offset>, Error> {
        self.asked(partitions, At::Beginning)
    }

    fn asked(
        &self,
        partitions: &[Partition],
        at: At,
    ) -> Result<BTreeMap<Partition, Offset>, Error> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let failed = failed("ask where partitions begin and end");
        let deadline = Instant::now() + self.timeout();
        loop {
            self.drain();
            let list = self.list(partitions.iter().map(|partition| (*partition, at)))?;
            let asked = self.observer.offsets_for_times(list, self.timeout());
            // A partition left out would look as if it had been read to its end.
            let why = match asked.and_then(|list| self.places(&list)) {
                Ok(places) if places.len() == partitions.len() => return Ok(places),
                Ok(_) => KafkaError::NoMessageReceived,
                Err(error) => error,
            };
            let error = failed(why);
            if !error.retry() || Instant::now() > deadline {
                return Err(error);
            }
            tracing::debug!(error = &error as &dyn std::error::Error, "asked again");
            std::thread::sleep(ASK_PAUSE); // a partition is without a leader for a moment
        }
    }

    /// What a group has committed, where it has committed anything.
    pub(super) fn committed(
        &self,
        group: Group,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, Offset>, Error> {
        let failed = failed("ask what a group has committed");
        let asker = {
            let mut askers = lock(&self.askers);
            match askers.get(&group) {
                Some(asker) => Arc::clone(asker),
                None => {
                    let client = client::consumer(&self.config, &self.group(group), None);
                    let asker = client.create_with_context(Voice).map_err(&failed)?;
                    Arc::clone(askers.entry(group).or_insert(Arc::new(asker)))
                }
            }
        };
        while asker.poll(Duration::ZERO).is_some() {}
        let list = self.list(partitions.iter().map(|partition| (*partition, At::Invalid)))?;
        let list = asker.committed_offsets(list, self.timeout()).map_err(&failed)?;
        self.places(&list).map_err(&failed)
    }

    pub(super) fn group(&self, group: Group) -> String {
        format!("{}{group}", self.config.prefix)
    }

    /// Takes what the observer has to say, so that it does not pile up.
    fn drain(&self) {
        while self.observer.poll(Duration::ZERO).is_some() {}
    }
}
