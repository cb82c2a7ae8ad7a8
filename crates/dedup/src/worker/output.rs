//! Records of the topics behind.

use event::body::Rejected;
use event::body::record::{DuplicateVerdict, MemberSummary, MemberVerdict, OrderRecord};
use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Body, Envelope, EventId, Topic};
use eventlog::{Consumer, Cursor, Error, Header, PAYLOAD_BYTES_MAX};

use crate::decide::counted;
use crate::member::Member;
use crate::metrics::Metrics;

/// Bytes of outputs from which they are made durable before the rest of a batch is decided: a batch full of orders with
/// many reports must not overfill the log's queue. 4 MiB, an eighth of that queue.
const UNIT_BYTES_MAX: usize = 4 << 20;

/// The outputs of a batch: all of them are durable before the cursor moves, some of them earlier.
pub(super) struct Outputs<'c> {
    metrics: &'c Metrics,
    consumer: &'c mut dyn Consumer,
    buffer: Vec<u8>,
    /// Topic, header and end in the buffer of each output.
    records: Vec<(Topic, Header, usize)>,
}

impl<'c> Outputs<'c> {
    pub(super) const fn begin(consumer: &'c mut dyn Consumer, metrics: &'c Metrics) -> Self {
        Self { metrics, consumer, buffer: Vec::new(), records: Vec::new() }
    }

    /// An unreadable record.
    pub(super) fn reject(&mut self, rejected: &Envelope) -> Result<(), Error> {
        self.append(Topic::Rejected, KeyHash::of(rejected.key.as_bytes()), rejected)
    }

    /// The record of an order.
    pub(super) fn order(&mut self, id: EventId, record: OrderRecord) -> Result<(), Error> {
        let key_hash = record.order.key_hash();
        let envelope = about(id, &record)(Body::Order(Box::new(record)));
        self.append(Topic::Unique, key_hash, &envelope)
    }

    /// The verdicts about the listed reports, and about those of this batch that the record does not list.
    pub(super) fn verdicts<'a>(
        &mut self,
        record: &OrderRecord,
        batch: impl Iterator<Item = &'a Member>,
    ) -> Result<u64, Error> {
        if record.members == 1 {
            return Ok(0);
        }
        let mut count = 0;
        let listed = |id| record.listed.iter().any(|member| member.id == id);
        let duplicates = record.listed.iter().filter(|m| m.verdict != MemberVerdict::Canonical);
        let unlisted = batch.filter(|member| !listed(member.id)).map(counted);
        for member in duplicates.cloned().chain(unlisted) {
            self.verdict(record, member)?;
            count += 1;
        }
        Ok(count)
    }

    fn verdict(&mut self, record: &OrderRecord, member: MemberSummary) -> Result<(), Error> {
        let key_hash = record.order.key_hash();
        let version = record.members.to_be_bytes();
        let parts: [&[u8]; 3] = [member.id.as_bytes(), record.canonical.as_bytes(), &version];
        let id = EventId::derived("sillage verdict about a report v1", &parts);
        let verdict = DuplicateVerdict {
            order: record.order.clone(),
            canonical: record.canonical,
            members: record.members,
            member,
        };
        let envelope = about(id, record)(Body::Duplicate(verdict));
        self.append(Topic::Duplicate, key_hash, &envelope)
    }

    fn append(
        &mut self,
        topic: Topic,
        key_hash: KeyHash,
        envelope: &Envelope,
    ) -> Result<(), Error> {
        let kind = envelope.body.event_type().number();
        let header = Header { codec: CODEC_JSON, kind, id: envelope.id, key_hash };
        let start = self.buffer.len();
        if envelope.write(&mut self.buffer).is_err() {
            // Nothing in these bodies can fail to become JSON.
            return Ok(());
        }
        let payload = self.buffer.get(start..).unwrap_or_default();
        if payload.len() > PAYLOAD_BYTES_MAX {
            let rejected = Rejected::too_large("dedup", envelope, payload, PAYLOAD_BYTES_MAX);
            tracing::error!(
                %topic, event.id = %envelope.id, bytes = payload.len(),
                "an output that no record can hold is parked on events.rejected"
            );
            self.metrics.too_large.increment(1);
            self.buffer.truncate(start);
            return self.reject(&rejected); // a few kB
        }
        self.records.push((topic, header, self.buffer.len()));
        if self.buffer.len() < UNIT_BYTES_MAX { Ok(()) } else { self.flush(&[]) }
    }

    fn flush(&mut self, cursors: &[Cursor]) -> Result<(), Error> {
        let mut unit = self.consumer.unit()?;
        let mut start = 0;
        for (topic, header, end) in self.records.drain(..) {
            let payload = self.buffer.get(start..end).unwrap_or_default();
            unit.append_with(topic, header, &mut |out| out.extend_from_slice(payload))?;
            start = end;
        }
        self.buffer.clear();
        unit.commit(cursors)
    }

    /// Makes the rest durable, then the cursors.
    pub(super) fn commit(mut self, cursors: &[Cursor]) -> Result<(), Error> {
        self.flush(cursors)
    }
}

/// The envelope of what is derived from an order's record: at the time of the order, so that it depends on nothing else.
fn about(id: EventId, record: &OrderRecord) -> impl FnOnce(Body) -> Envelope + use<> {
    let OrderRecord { order, converted_at, received_at, .. } = record;
    let (occurred_at, received_at) = (*converted_at, *received_at);
    let (program, test, key) = (Some(order.program.clone()), order.test, order.to_string());
    move |body| Envelope { id, occurred_at, received_at, program, test, key, body }
}
