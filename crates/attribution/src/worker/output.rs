//! Records of the topics behind.

use event::body::{Decision, Rejected};
use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Body, Envelope, EventId, Topic};
use eventlog::{Consumer, Cursor, Error, Header, PAYLOAD_BYTES_MAX, Unit};

use super::json;
use crate::metrics::Metrics;

/// Bytes of outputs from which the log gets them before the rest of a batch is decided: traces are long. 1 MiB is a frame;
/// tests send a few decisions at a time.
const SEND_BYTES: usize = if cfg!(test) { 2_000 } else { 1 << 20 };

/// The outputs of a batch: all of them are durable before the cursor moves, some of them earlier.
pub(super) struct Outputs<'c> {
    metrics: &'c Metrics,
    unit: Box<dyn Unit + 'c>,
    buffer: Vec<u8>,
    /// Bytes that the log has not got yet.
    unsent: usize,
    empty: bool,
}

impl<'c> Outputs<'c> {
    pub(super) fn begin(
        consumer: &'c mut dyn Consumer,
        metrics: &'c Metrics,
    ) -> Result<Self, Error> {
        Ok(Self { metrics, unit: consumer.unit()?, buffer: Vec::new(), unsent: 0, empty: true })
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
        self.buffer.clear();
        if json::write(envelope, &mut self.buffer).is_err() {
            // Nothing in these bodies can fail to become JSON.
            return Ok(());
        }
        let payload = &self.buffer;
        if payload.len() > PAYLOAD_BYTES_MAX {
            let mut rejected =
                Rejected::too_large("attribution", envelope, payload, PAYLOAD_BYTES_MAX);
            tracing::error!(
                %topic, event.id = %envelope.id, bytes = payload.len(),
                "an output that no record can hold is parked on events.rejected"
            );
            self.metrics.too_large.increment(1);
            return self.reject(&mut rejected); // a few kB
        }
        self.unit.append_with(topic, header, &mut |out| out.extend_from_slice(payload))?;
        self.empty = false;
        self.unsent = self.unsent.saturating_add(payload.len());
        if self.unsent < SEND_BYTES {
            return Ok(());
        }
        self.unsent = 0;
        self.unit.send()
    }

    /// Makes all of them durable, then the cursors.
    pub(super) fn commit(self, cursors: &[Cursor]) -> Result<(), Error> {
        if self.empty && cursors.is_empty() {
            return Ok(());
        }
        self.unit.commit(cursors)
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
