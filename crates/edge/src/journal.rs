//! Where the edge's events go: the event log, seen through the two calls that the edge makes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use event::Topic;
use event::body::LossReason;
use eventlog::{Class, CommitError, Header, Record, Refused};

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
        _ => LossReason::JournalFailed,
    }
}

impl fmt::Debug for dyn Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}
