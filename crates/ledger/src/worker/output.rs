//! Records of the topics behind.

use std::collections::VecDeque;

use event::body::{Closed, Closing};
use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Body, Envelope, EventId, Millis, Topic};
use eventlog::{Consumer, Cursor, Error, Header, PAYLOAD_BYTES_MAX, Unit};

use crate::store::Said;

/// Bytes of outputs from which the log gets them before the rest. 1 MiB is a frame; tests send a few at a time.
const SEND_BYTES: usize = if cfg!(test) { 2_000 } else { 1 << 20 };

/// Bytes of a record that no record can hold that are told: they name its order.
const TOLD_BYTES_MAX: usize = 512;

/// Outputs that become durable together with cursors, some of them earlier.
pub(super) struct Outputs<'c> {
    unit: Box<dyn Unit + 'c>,
    unsent: usize,
    empty: bool,
}

impl<'c> Outputs<'c> {
    pub(super) fn begin(consumer: &'c mut dyn Consumer) -> Result<Self, Error> {
        Ok(Self { unit: consumer.unit()?, unsent: 0, empty: true })
    }

    /// An unreadable record.
    pub(super) fn reject(&mut self, rejected: &Envelope) -> Result<(), Error> {
        let header = header(rejected, KeyHash::of(rejected.key.as_bytes()));
        self.append(Topic::Rejected, header, &rejected.to_json())
    }

    /// Everything of the outbox, in its order.
    pub(super) fn postings(&mut self, outbox: &VecDeque<Said>) -> Result<(), Error> {
        outbox.iter().try_for_each(|said| self.append(Topic::Transfers, said.header, &said.payload))
    }

    /// A lock or a payment.
    pub(super) fn closed(
        &mut self,
        id: EventId,
        (occurred_at, received_at): (Millis, Millis),
        closed: Closed,
    ) -> Result<(), Error> {
        debug_assert!(matches!(closed.closing, Closing::Lock(_) | Closing::Pay(_)));
        let key_hash = closed.subject.key_hash();
        let envelope = Envelope {
            id,
            occurred_at,
            received_at,
            program: Some(closed.subject.program().clone()),
            test: closed.subject.is_test(),
            key: closed.subject.to_string(),
            body: Body::Closed(Box::new(closed)),
        };
        self.append(Topic::Closed, header(&envelope, key_hash), &envelope.to_json())
    }

    /// What no record can hold ends the stage: money that cannot be told is not passed over.
    fn append(&mut self, topic: Topic, header: Header, payload: &[u8]) -> Result<(), Error> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            tracing::error!(
                %topic, event.id = %header.id, bytes = payload.len(), text = %first_words(payload),
                "no record can hold what the book has to say; the ledger stands still until this order is corrected at its \
                 source, or a version can tell it: please report this"
            );
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

/// The beginning of a record, which names its order.
fn first_words(payload: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(payload.get(..TOLD_BYTES_MAX).unwrap_or(payload))
}

fn header(envelope: &Envelope, key_hash: KeyHash) -> Header {
    let kind = envelope.body.event_type().number();
    Header { codec: CODEC_JSON, kind, id: envelope.id, key_hash }
}
