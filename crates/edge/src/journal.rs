//! Where the edge's events go: the event log, seen through the two calls that the edge makes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use event::Topic;
use event::body::LossReason;
use eventlog::{Appender, Class, CommitError, Header, Log, Record, Refused};

/// The edge's journal. Both calls never block.
pub trait Journal: Send + Sync + 'static {
    /// Puts one record into the bounded queue of the topic's writer; `write` appends its payload to the queue's own
    /// buffer.
    ///
    /// # Errors
    /// The record was not taken.
    fn enqueue(
        &self,
        topic: Topic,
        class: Class,
        header: Header,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), Refused>;

    /// Puts records into the queue of the topic's writer, in one group commit, and waits until they are fsynced.
    fn durable(&self, topic: Topic, class: Class, records: Vec<Record>) -> Durable;
}

/// Resolves when records are fsynced. Dropping it changes nothing about the records.
pub type Durable = Pin<Box<dyn Future<Output = Result<(), NotDurable>> + Send>>;

/// Why records are not known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotDurable {
    /// They were not taken.
    #[error("the journal refused the records")]
    Refused(#[source] Refused),
    /// They were taken; whether they will be found later is not known.
    #[error("the journal could not commit the records")]
    Commit(#[source] CommitError),
}

impl NotDurable {
    /// The reason as a label of metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.label(),
            Self::Commit(CommitError::DiskFull) => "disk_full",
            Self::Commit(CommitError::Closed) => "closed",
            Self::Commit(_) => "failed",
        }
    }

    /// Why the sequences of the records are declared lost.
    #[must_use]
    pub const fn loss(self) -> LossReason {
        match self {
            Self::Refused(refused) => loss_of(refused),
            Self::Commit(CommitError::DiskFull) => LossReason::DiskFull,
            Self::Commit(_) => LossReason::JournalFailed,
        }
    }
}

/// Why the sequence of a refused record is declared lost.
#[must_use]
pub const fn loss_of(refused: Refused) -> LossReason {
    match refused {
        Refused::Full(_) => LossReason::QueueFull,
        Refused::Shedding(_) => LossReason::Shed,
        Refused::DiskFull(_) => LossReason::DiskFull,
        Refused::Oversize(_) => LossReason::Abandoned,
        Refused::Failed(_) | Refused::Closed(_) | _ => LossReason::JournalFailed,
    }
}

/// The event log as the edge's journal.
#[derive(Debug)]
pub struct LogJournal {
    touches: Appender,
    conversions: Appender,
    rejected: Appender,
    node: Appender,
}

impl LogJournal {
    /// Starts the writers of the topics that the edge writes.
    ///
    /// # Errors
    /// A writer's thread cannot be started.
    pub fn new(log: &Log) -> Result<Self, eventlog::Error> {
        Ok(Self {
            touches: log.appender(Topic::Touches)?,
            conversions: log.appender(Topic::Conversions)?,
            rejected: log.appender(Topic::Rejected)?,
            node: log.appender(Topic::Node)?,
        })
    }

    fn of(&self, topic: Topic) -> Result<&Appender, Refused> {
        match topic {
            Topic::Touches => Ok(&self.touches),
            Topic::Conversions => Ok(&self.conversions),
            Topic::Rejected => Ok(&self.rejected),
            Topic::Node => Ok(&self.node),
            Topic::Unique
            | Topic::Duplicate
            | Topic::Attributed
            | Topic::Closed
            | Topic::Transfers
            | Topic::Catalog => Err(Refused::Closed(topic)), // other stages write these
        }
    }
}

impl Journal for LogJournal {
    fn enqueue(
        &self,
        topic: Topic,
        class: Class,
        header: Header,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), Refused> {
        self.of(topic)?.enqueue_with(class, header, write)
    }

    fn durable(&self, topic: Topic, class: Class, records: Vec<Record>) -> Durable {
        let appended = self.of(topic).and_then(|appender| appender.append_durable(class, &records));
        Box::pin(async move {
            match appended {
                Ok(durable) => durable.await.map_err(NotDurable::Commit),
                Err(refused) => Err(NotDurable::Refused(refused)),
            }
        })
    }
}

impl fmt::Debug for dyn Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}
