//! Outputs and cursors of one transaction.

use std::time::{Duration, Instant};

use event::Topic;
use rdkafka::Offset as At;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::client::{self, Voice, failed};
use super::consumer::KafkaConsumer;
use super::wire;
use crate::consume::{Cursor, Partition, Unit};
use crate::error::{Error, Refused};
use crate::record::{Header, PAYLOAD_BYTES_MAX};

/// How long to listen for reports at a time: librdkafka's wrapper stays for all of it, whatever comes.
const LISTEN: Duration = Duration::from_millis(1);

/// A transaction, begun with its first output.
pub(super) struct KafkaUnit<'a> {
    consumer: &'a mut KafkaConsumer,
    begun: bool,
}

impl<'a> KafkaUnit<'a> {
    pub(super) const fn new(consumer: &'a mut KafkaConsumer) -> Self {
        Self { consumer, begun: false }
    }

    /// The producer, in a transaction. A new one takes the name over: what an earlier one left open is aborted.
    fn begin(&mut self) -> Result<(), Error> {
        if self.begun {
            return Ok(());
        }
        let consumer = &mut *self.consumer;
        let failed = failed("begin a transaction");
        let timeout = consumer.cluster.timeout();
        if consumer.producer.is_none() {
            // Whoever took this member's name over has its transactions too: they are not taken back.
            if let Some((code, _)) = consumer.consumer.client().fatal_error() {
                return Err(failed(KafkaError::MessageConsumptionFatal(code)));
            }
            let config = &consumer.cluster.config;
            let id = format!("{}.{}", consumer.cluster.group(consumer.group), config.instance);
            let client = client::transactional(config, &id);
            let producer: BaseProducer<Voice> =
                client.create_with_context(Voice).map_err(&failed)?;
            insist(timeout, || producer.init_transactions(timeout)).map_err(&failed)?;
            consumer.producer = Some(producer);
        }
        let Some(producer) = &consumer.producer else { return Ok(()) };
        if let Err(error) = producer.begin_transaction() {
            consumer.producer = None; // a new one begins anew
            return Err(failed(error));
        }
        self.begun = true;
        Ok(())
    }

    /// What an error of the transaction means. The transaction is over afterwards, or its producer is.
    fn broken(&mut self, error: KafkaError, cursors: &[Cursor]) -> Error {
        use RDKafkaErrorCode as Code;
        let code = client::code(&error);
        if matches!(&error, KafkaError::Transaction(error) if error.is_fatal()) {
            self.begun = false;
            self.consumer.producer = None;
        } else {
            self.abort();
        }
        let lost = matches!(
            code,
            Some(
                Code::IllegalGeneration
                    | Code::UnknownMemberId
                    | Code::RebalanceInProgress
                    | Code::StaleMemberEpoch
            )
        );
        match cursors.first() {
            Some(Cursor { partition: Partition { topic, index }, .. }) if lost => {
                Error::NotAssigned { topic: *topic, index: *index }
            }
            _ => failed("commit outputs and cursors")(error),
        }
    }

    /// Ends the transaction with nothing. A producer that cannot is given up: the next one takes its name over.
    fn abort(&mut self) {
        if !std::mem::take(&mut self.begun) {
            return;
        }
        let timeout = self.consumer.cluster.timeout();
        let Some(producer) = &self.consumer.producer else { return };
        reported(producer, timeout);
        let aborted = insist(timeout, || {
            producer.poll(LISTEN);
            producer.abort_transaction(timeout)
        });
        if let Err(error) = aborted {
            tracing::warn!(error = &error as &dyn std::error::Error, "abort a transaction");
            self.consumer.producer = None;
        }
    }

    fn end(&self, cursors: &[Cursor]) -> Result<(), KafkaError> {
        let KafkaConsumer { consumer, producer, cluster, .. } = &*self.consumer;
        let Some(producer) = producer else { return Ok(()) };
        let timeout = cluster.timeout();
        if !cursors.is_empty() {
            let at = |cursor: &Cursor| {
                (cursor.partition, At::Offset(i64::try_from(cursor.next).unwrap_or(i64::MAX)))
            };
            let list = cluster.list(cursors.iter().map(at));
            let list = list.map_err(|_| KafkaError::NoMessageReceived)?;
            // The member's generation goes with it: one that has lost its partitions is refused.
            let member = consumer.group_metadata().ok_or(KafkaError::NoMessageReceived)?;
            insist(timeout, || producer.send_offsets_to_transaction(&list, &member, timeout))?;
        }
        reported(producer, timeout);
        insist(timeout, || producer.commit_transaction(timeout))
    }
}

/// Takes the reports of all outputs: while some are left, librdkafka ends no transaction, and it does not take them itself.
fn reported(producer: &BaseProducer<Voice>, timeout: Duration) {
    let deadline = Instant::now() + timeout;
    while producer.in_flight_count() > 0 && Instant::now() < deadline {
        producer.poll(LISTEN);
    }
}

/// Does it again while Kafka says that this is right.
fn insist(
    timeout: Duration,
    mut attempt: impl FnMut() -> Result<(), KafkaError>,
) -> Result<(), KafkaError> {
    let deadline = Instant::now() + timeout;
    loop {
        match attempt() {
            Err(KafkaError::Transaction(error)) if again(&error) && Instant::now() < deadline => {
                std::thread::sleep(LISTEN);
            }
            other => return other,
        }
    }
}

fn again(error: &RDKafkaError) -> bool {
    error.is_retriable() && !error.is_fatal() && !error.txn_requires_abort()
}

impl Unit for KafkaUnit<'_> {
    fn append_with(
        &mut self,
        topic: Topic,
        header: Header,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), Error> {
        let refused = |source| Error::Append { topic, source };
        let partitions = self.consumer.cluster.partitions(topic)?;
        let mut payload = std::mem::take(&mut self.consumer.scratch);
        payload.clear();
        write(&mut payload);
        let fits = payload.len() <= PAYLOAD_BYTES_MAX;
        let sent = match fits {
            true => self.begin().and_then(|()| {
                let (name, id) = (self.consumer.cluster.name(topic), header.id.text());
                let Some(producer) = &self.consumer.producer else { return Ok(()) };
                let index = i32::try_from(header.key_hash.partition(partitions)).unwrap_or(0);
                let mut record = BaseRecord::<[u8], [u8]>::to(&name)
                    .partition(index)
                    .payload(&payload)
                    .headers(wire::headers(&header));
                record.key = Some(wire::key_or_id(&payload, &id));
                let deadline = Instant::now() + self.consumer.cluster.timeout();
                loop {
                    let (error, same) = match producer.send(record) {
                        Ok(()) => return Ok(()),
                        Err(refused) => refused,
                    };
                    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                        return Err(failed("hand over an output")(error));
                    }
                    if Instant::now() > deadline {
                        return Err(refused(Refused::Full(topic)));
                    }
                    producer.poll(LISTEN); // the queue is full: wait until the cluster has some
                    record = same;
                }
            }),
            false => Err(refused(Refused::Oversize(topic))),
        };
        self.consumer.scratch = payload;
        sent
    }

    fn commit(mut self: Box<Self>, cursors: &[Cursor]) -> Result<(), Error> {
        let foreign = cursors.iter().find(|cursor| !self.consumer.has(cursor.partition));
        if let Some(Cursor { partition: Partition { topic, index }, .. }) = foreign {
            return Err(Error::NotAssigned { topic: *topic, index: *index });
        }
        if cursors.is_empty() && !self.begun {
            return Ok(());
        }
        self.begin()?;
        match self.end(cursors) {
            Ok(()) => {
                self.begun = false;
                Ok(())
            }
            Err(error) => Err(self.broken(error, cursors)),
        }
    }
}

impl Drop for KafkaUnit<'_> {
    fn drop(&mut self) {
        self.abort();
    }
}
