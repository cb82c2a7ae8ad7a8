//! What producers append with.

use std::sync::Arc;

use event::Topic;

use crate::error::Refused;
use crate::queue::{Durable, Queue, Write};
use crate::record::{Class, Header, Record};

/// Appends to one topic, from any thread. Never blocks for the disk: clones share one bounded queue.
#[derive(Clone, Debug)]
pub struct Appender(pub(crate) Arc<Queue>);

impl Appender {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> Topic {
        self.0.topic()
    }

    /// Queues a record for the next commit, within the topic's commit interval.
    ///
    /// # Errors
    /// Nothing was written; the reason says whether it will pass.
    pub fn enqueue(&self, class: Class, record: &Record) -> Result<(), Refused> {
        self.enqueue_with(class, record.header(), |buffer| {
            buffer.extend_from_slice(&record.payload);
        })
    }

    /// As [`Self::enqueue`]; `write` appends the payload to the bytes of the commit. It runs under a lock that all
    /// appenders of the topic share, so it should only serialize, and must not change what is already there.
    ///
    /// # Errors
    /// As [`Self::enqueue`]. `write` is called only if the record has a place, or is then found too long.
    pub fn enqueue_with(
        &self,
        class: Class,
        header: Header,
        mut write: impl FnMut(&mut Vec<u8>),
    ) -> Result<(), Refused> {
        self.0.push(class, &header, &mut write)
    }

    /// Appends all of the records or none, in one commit that begins as soon as the one before it is done.
    ///
    /// # Errors
    /// Nothing was written. Whether the commit succeeded is what [`Durable`] tells.
    pub fn append_durable(&self, class: Class, records: &[Record]) -> Result<Durable, Refused> {
        let mut writes: Vec<_> = records
            .iter()
            .map(|record| {
                (record.header(), |buffer: &mut Vec<u8>| {
                    buffer.extend_from_slice(&record.payload);
                })
            })
            .collect();
        let ticket = self.0.push_durable(
            class,
            &mut writes.iter_mut().map(|(header, write)| (*header, write as Write<'_>)),
        )?;
        Ok(Durable::new(ticket))
    }

    /// As [`Self::append_durable`] for one record whose payload `write` appends, as in [`Self::enqueue_with`].
    ///
    /// # Errors
    /// As [`Self::append_durable`].
    pub fn append_durable_with(
        &self,
        class: Class,
        header: Header,
        mut write: impl FnMut(&mut Vec<u8>),
    ) -> Result<Durable, Refused> {
        let write: Write<'_> = &mut write;
        let ticket = self.0.push_durable(class, &mut std::iter::once((header, write)))?;
        Ok(Durable::new(ticket))
    }
}
