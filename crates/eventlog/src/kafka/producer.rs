//! A producer of single records, each reported by itself.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use event::Topic;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use super::client::{self, Voice, failed};
use super::log::Cluster;
use super::wire;
use crate::error::{Error, Refused};
use crate::record::{PAYLOAD_BYTES_MAX, Record};
use crate::signal::lock;

/// How long to listen for reports at a time: librdkafka's wrapper stays for all of it, whatever comes.
const LISTEN: Duration = Duration::from_millis(1);

/// What became of a record.
#[derive(Debug)]
#[must_use]
pub struct Report {
    /// The number that its sender gave it.
    pub number: usize,
    /// Whether all copies that must have it do. After an error it may be in the topic nevertheless.
    pub outcome: Result<(), Error>,
}

/// Sends records of any topics. Dropping it waits for nobody: what is not reported by then is unknown.
pub struct Producer {
    cluster: Arc<Cluster>,
    producer: BaseProducer<Reports>,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Producer")
    }
}

/// Reports that nobody has taken yet: at most as many as the queue holds records.
#[derive(Default)]
struct Reports(Mutex<Vec<Report>>);

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, part: &str, text: &str) {
        Voice.log(level, part, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Voice.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let outcome = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(failed("deliver a record")(error.clone())),
        };
        lock(&self.0).push(Report { number, outcome });
    }
}

impl Producer {
    pub(super) fn new(cluster: Arc<Cluster>) -> Result<Self, Error> {
        let client = client::reporting(&cluster.config);
        let producer = client.create_with_context(Reports::default());
        let producer = producer.map_err(failed("set up a producer"))?;
        Ok(Self { cluster, producer })
    }

    /// Hands a record over; its report comes under `number`. Does not wait, but for the first record of a topic.
    ///
    /// # Errors
    /// [`Refused::Full`]: take [`Producer::reports`] first, then send it again. [`Refused::Oversize`]: never.
    pub fn send(&self, topic: Topic, record: &Record, number: usize) -> Result<(), Error> {
        let refused = |source| Error::Append { topic, source };
        if record.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(refused(Refused::Oversize(topic)));
        }
        let index = record.key_hash.partition(self.cluster.partitions(topic)?);
        let (name, id) = (self.cluster.name(topic), record.id.text());
        let payload: &[u8] = &record.payload;
        let mut message = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&name, number)
            .partition(i32::try_from(index).unwrap_or(0))
            .payload(payload)
            .headers(wire::headers(&record.header()));
        message.key = Some(wire::key_or_id(payload, &id));
        match self.producer.send(message) {
            Ok(()) => Ok(()),
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                Err(refused(Refused::Full(topic)))
            }
            Err((error, _)) => Err(failed("hand over a record")(error)),
        }
    }

    /// The reports that came, waiting at most `timeout` for the first.
    #[must_use]
    pub fn reports(&self, timeout: Duration) -> Vec<Report> {
        let started = Instant::now();
        loop {
            self.producer.poll(if timeout.is_zero() { timeout } else { LISTEN });
            let reports = std::mem::take(&mut *lock(&self.producer.context().0));
            if !reports.is_empty() || started.elapsed() >= timeout {
                return reports;
            }
        }
    }

    /// How many records have no report yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.producer.in_flight_count()).unwrap_or(0)
    }

    /// Whether it sends nothing any more, for ever: make a new one.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.producer.client().fatal_error().is_some()
    }
}
