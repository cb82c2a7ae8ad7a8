//! Consumers and units of the embedded log.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use event::Topic;

use crate::consume::{Consumer, Cursor, Delivery, Group, Partition, Unit};
use crate::cursor::CursorFile;
use crate::error::{Error, Refused};
use crate::log::Log;
use crate::queue::{Packed, Ticket};
use crate::reader::{Bounds, Reader};
use crate::record::{Header, Offset};
use crate::signal::{Signal, lock};

/// The one member of a group.
pub(crate) struct EmbeddedConsumer {
    log: Log,
    cursors: Arc<Mutex<CursorFile>>,
    signal: Arc<Signal>,
    readers: Vec<Reader>,
    /// The reader whose turn it is, so that no topic starves another.
    turn: usize,
    bounds: Bounds,
    assigned: bool,
    outputs: Vec<(Topic, Packed)>,
}

impl EmbeddedConsumer {
    pub(crate) fn new(
        log: Log,
        group: Group,
        topics: &[Topic],
        cursors: Arc<Mutex<CursorFile>>,
        bounds: Bounds,
    ) -> Result<Self, Error> {
        let signal = Arc::new(Signal::default());
        let mut readers = Vec::new();
        {
            let mut held = lock(&cursors);
            if held.taken {
                return Err(Error::GroupTaken { group: group.0 });
            }
            held.register(topics.iter().map(|t| crate::frame::stream_number(*t)))?;
            for topic in topics {
                let stream = log.stream(*topic);
                stream.wake(&signal);
                let next = held.next_offset(stream.number()).unwrap_or(0);
                let mut reader = Reader::new(stream, next);
                reader.seek(next);
                readers.push(reader);
            }
            held.taken = true;
        }
        let outputs = Vec::new();
        Ok(Self { log, cursors, signal, readers, turn: 0, bounds, assigned: false, outputs })
    }

    fn partitions(&self) -> Vec<Partition> {
        let partition = |reader: &Reader| Partition { topic: reader.stream().topic, index: 0 };
        self.readers.iter().map(partition).collect()
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        lock(&self.cursors).taken = false;
    }
}

impl Consumer for EmbeddedConsumer {
    fn next(&mut self, timeout: Duration) -> Result<Delivery, Error> {
        if !self.assigned {
            self.assigned = true;
            return Ok(Delivery::Assigned(self.partitions()));
        }
        let started = Instant::now();
        loop {
            let seen = self.signal.generation();
            let count = self.readers.len();
            for step in 0..count {
                let index = (self.turn + step) % count;
                let Some(reader) = self.readers.get_mut(index) else { continue };
                if let Some(batch) = reader.read(self.bounds)? {
                    self.turn = index + 1;
                    return Ok(Delivery::Batch(batch));
                }
            }
            let Some(left) = timeout.checked_sub(started.elapsed()).filter(|t| !t.is_zero()) else {
                return Ok(Delivery::Idle);
            };
            self.signal.wait(seen, left);
        }
    }

    fn seek(&mut self, partition: Partition, offset: Offset) -> Result<(), Error> {
        let Partition { topic, index } = partition;
        let reader = self.readers.iter_mut().find(|r| r.stream().topic == topic && index == 0);
        let reader = reader.ok_or(Error::NotAssigned { topic, index })?;
        reader.seek(offset);
        Ok(())
    }

    fn ends(&mut self) -> Result<Vec<Cursor>, Error> {
        self.readers.iter().map(|reader| self.log.end(reader.stream().topic)).collect()
    }

    fn unit(&mut self) -> Result<Box<dyn Unit + '_>, Error> {
        for (_, packed) in &mut self.outputs {
            packed.clear();
        }
        Ok(Box::new(EmbeddedUnit { consumer: self, sent: Vec::new() }))
    }
}

struct EmbeddedUnit<'a> {
    consumer: &'a mut EmbeddedConsumer,
    /// What the writers have and nobody has waited for.
    sent: Vec<(Topic, Arc<Ticket>)>,
}

impl Unit for EmbeddedUnit<'_> {
    fn append_with(
        &mut self,
        topic: Topic,
        header: Header,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), Error> {
        let outputs = &mut self.consumer.outputs;
        let index = match outputs.iter().position(|(t, _)| *t == topic) {
            Some(index) => index,
            None => {
                outputs.push((topic, Packed::default()));
                outputs.len() - 1
            }
        };
        let Some((_, packed)) = outputs.get_mut(index) else { return Ok(()) };
        packed.push(topic, header, write).map_err(|source| Error::Append { topic, source })
    }

    fn send(&mut self) -> Result<(), Error> {
        let EmbeddedConsumer { log, outputs, .. } = &mut *self.consumer;
        for (topic, packed) in outputs.iter_mut().filter(|(_, packed)| packed.len() > 0) {
            let topic = *topic;
            let queue = log.appender(topic)?.0;
            let refused = |source: Refused| Error::Append { topic, source };
            let mut from = 0;
            while from < packed.len() {
                self.sent.push((topic, queue.push_packed(packed, &mut from).map_err(refused)?));
            }
            packed.clear();
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>, cursors: &[Cursor]) -> Result<(), Error> {
        self.send()?;
        for (topic, ticket) in self.sent {
            ticket.wait().map_err(|source| Error::Commit { topic, source })?;
        }
        lock(&self.consumer.cursors).commit(cursors)
    }
}
