//! What a stage sees of the log: consumers and units of output. Fits Kafka and the embedded log unchanged.

use std::fmt;
use std::time::Duration;

use event::Topic;

use crate::error::Error;
use crate::record::{Header, Offset, Record};

/// A consumer group: one name per stage. Text, so that it is a label of closed metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group(pub &'static str);

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One partition of a topic. The embedded log has exactly one per topic, with index 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// The topic.
    pub topic: Topic,
    /// Index of the partition in it.
    pub index: u32,
}

/// How far a group has come in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cursor {
    /// The partition.
    pub partition: Partition,
    /// The first offset that is not processed yet.
    pub next: Offset,
}

/// Consecutive records of one partition. Always durable ones.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The partition.
    pub partition: Partition,
    /// The records in order of offset. Empty only if every record of the range was damaged.
    pub records: Vec<Record>,
    /// The offset after the last of them: commit this one.
    pub next_offset: Offset,
    /// The offset after the last durable record of the partition when the batch was made.
    pub high_watermark: Offset,
}

impl Batch {
    /// The cursor to commit once this batch is processed.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor { partition: self.partition, next: self.next_offset }
    }

    /// Whether nothing durable stood behind this batch when it was made.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.next_offset >= self.high_watermark
    }
}

/// What [`Consumer::next`] brings.
#[derive(Debug)]
pub enum Delivery {
    /// These partitions now belong to this consumer; batches follow from the committed cursor.
    Assigned(Vec<Partition>),
    /// Records.
    Batch(Batch),
    /// These partitions go to another member. What was read of them and is not committed yet will be read there
    /// again. Finish or forget it, then acknowledge: until then nobody else gets them.
    Revoking(Vec<Partition>, Ack),
    /// Nothing came in the time given.
    Idle,
}

/// The right to say that revoked partitions are let go. Dropping it says so too.
pub struct Ack(Option<Box<dyn FnOnce() + Send>>);

impl Ack {
    /// An acknowledgement that runs `then` once.
    #[must_use]
    pub fn new(then: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(then)))
    }

    /// Lets the partitions go.
    pub fn done(self) {
        drop(self);
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then();
        }
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ack")
    }
}

/// A member of a consumer group, used by one thread.
///
/// Per batch: write evidence to the store, read and decide, then append the outputs and the cursor in a [`Unit`].
/// A crash anywhere brings the batch again.
pub trait Consumer: Send {
    /// The next delivery, waiting at most `timeout`.
    ///
    /// # Errors
    /// The log cannot be read. The position is unchanged: calling again is right.
    fn next(&mut self, timeout: Duration) -> Result<Delivery, Error>;

    /// Reads `partition` from `offset` on, whatever the cursor says. Offsets below the first kept record mean that
    /// one, offsets above the high watermark mean that.
    ///
    /// # Errors
    /// The partition is not assigned to this consumer.
    fn seek(&mut self, partition: Partition, offset: Offset) -> Result<(), Error>;

    /// The end of each partition that belongs to this consumer now: the offset after its last durable record. Whoever has
    /// read up to these knows everything that was durable at this moment, and that nothing comes of a commit that failed
    /// before.
    ///
    /// # Errors
    /// The log cannot say now: for one, while records of a commit that failed may still be written. Calling again is right.
    fn ends(&mut self) -> Result<Vec<Cursor>, Error>;

    /// Begins the outputs of what was read. One at a time; dropping it without [`Unit::commit`] drops its outputs.
    ///
    /// # Errors
    /// The log takes no outputs now. Calling again is right.
    fn unit(&mut self) -> Result<Box<dyn Unit + '_>, Error>;
}

/// Outputs and cursors that go together: either readers of the topics see the outputs and the cursors have moved,
/// or the batch comes again. After a crash outputs may be there twice, with the same ids; they are never lost.
pub trait Unit {
    /// Adds an output.
    ///
    /// # Errors
    /// The payload is longer than [`crate::PAYLOAD_BYTES_MAX`].
    fn append(&mut self, topic: Topic, record: &Record) -> Result<(), Error> {
        self.append_with(topic, record.header(), &mut |buffer| {
            buffer.extend_from_slice(&record.payload);
        })
    }

    /// Adds an output whose payload `write` appends to the buffer it is given. It must not change what is already
    /// there.
    ///
    /// # Errors
    /// The payload is longer than [`crate::PAYLOAD_BYTES_MAX`].
    fn append_with(
        &mut self,
        topic: Topic,
        header: Header,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), Error>;

    /// Begins to make durable what was appended so far, without waiting for it: while the disk works, the stage does, too.
    /// These outputs may stay, whatever becomes of the unit.
    ///
    /// # Errors
    /// As [`Unit::commit`].
    fn send(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Makes the outputs durable, then the cursors. May block for long when the log is behind.
    ///
    /// # Errors
    /// Not everything is known to be durable, and the cursors may or may not have moved. What is right after every
    /// error: drop the consumer, subscribe again and go on from there. After [`Error::NotAssigned`] (the
    /// partition went to another member) it is enough to go on with [`Consumer::next`]; after an error with
    /// [`Error::retry`] one may also seek back to the batch and do it again.
    fn commit(self: Box<Self>, cursors: &[Cursor]) -> Result<(), Error>;
}

/// A log that stages can subscribe to: the embedded one, the in-memory one of `testkit`, later Kafka.
pub trait Backend: Send + Sync {
    /// A new member of `group`, reading `topics` from the group's cursors (at first: from the start).
    ///
    /// # Errors
    /// The group's cursors cannot be read, or the group has a member already and the backend allows only one.
    fn subscribe(&self, group: Group, topics: &[Topic]) -> Result<Box<dyn Consumer>, Error>;

    /// The end of each partition of these topics: the offset after its last durable record. Unlike [`Consumer::ends`] for
    /// anybody, whoever reads the partition.
    ///
    /// # Errors
    /// The log cannot say now. Calling again is right.
    fn ends(&self, topics: &[Topic]) -> Result<Vec<Cursor>, Error>;

    /// How far a group has committed in each partition of these topics, whether it has members now or not; 0 where it never
    /// has. What the group made of the records before is durable, and so read by whoever asks for the ends afterwards.
    ///
    /// # Errors
    /// The log cannot say now. Calling again is right.
    fn committed(&self, group: Group, topics: &[Topic]) -> Result<Vec<Cursor>, Error>;
}
