//! Records of the topics behind.

use event::body::Decision;
use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Body, Envelope, EventId, Topic};
use eventlog::{Consumer, Cursor, Error, Header};

use super::json;

/// Bytes of outputs from which they are made durable before the rest of a batch is decided: traces are long, and the
/// log's queue is bounded. 4 MiB, an eighth of that queue.
const UNIT_BYTES_MAX: usize = 4 << 20;

/// The outputs of a batch: all of them are durable before the cursor moves, some of them earlier.
pub(super) struct Outputs<'c> {
    consumer: &'c mut dyn Consumer,
    buffer: Vec<u8>,
    /// Topic, header and end in the buffer of each output.
    records: Vec<(Topic, Header, usize)>,
}

impl<'c> Outputs<'c> {
    pub(super) const fn begin(consumer: &'c mut dyn Consumer) -> Self {
        Self { consumer, buffer: Vec::new(), records: Vec::new() }
    }

    /// An unreadable record.
    pub(super) fn reject(&mut self, rejected: &mut Envelope) -> Result<(), Error> {
        self.append(Topic::Rejected, KeyHash::of(rejected.key.as_bytes()), rejected)
    }

    /// A decision.
    pub(super) fn decision(&mut self, decision: Decision) -> Result<(), Error> {
        let key_hash = decision.order.key_hash();
        self.append(Topic::Attributed, key_hash, &mut envelope(decision))
    }

    fn append(
        &mut self,
        topic: Topic,
        key_hash: KeyHash,
        envelope: &mut Envelope,
    ) -> Result<(), Error> {
        let kind = envelope.body.event_type().number();
        let header = Header { codec: CODEC_JSON, kind, id: envelope.id, key_hash };
        if json::write(envelope, &mut self.buffer).is_err() {
            // Nothing in these bodies can fail to become JSON.
            return Ok(());
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
        if self.records.is_empty() && cursors.is_empty() {
            return Ok(());
        }
        self.flush(cursors)
    }
}

/// The envelope of a decision: at the times of its order, with an id made of what was read, so that deciding the same
/// again repeats it byte for byte.
#[must_use]
pub fn envelope(decision: Decision) -> Envelope {
    let key = decision.order.to_string();
    let id = EventId::derived("sillage decision v1", &[key.as_bytes(), &decision.inputs_hash.0]);
    Envelope {
        id,
        occurred_at: decision.converted_at,
        received_at: decision.trace.received_at,
        program: Some(decision.order.program.clone()),
        test: decision.order.test,
        key,
        body: Body::Decision(Box::new(decision)),
    }
}
