//! Why the worker could not go on.

use event::EventId;

use crate::store::StoreError;

/// Kinds of [`Error`], for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The event log could not be read or written.
    Log,
    /// The state could not be read or written.
    Store,
}

/// What can go wrong. Whatever it is, the batch was not committed and comes again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The consumer group could not be joined.
    #[error("subscribe to touches and orders")]
    Subscribe(#[source] eventlog::Error),
    /// The topics could not be read.
    #[error("read touches and orders")]
    Read(#[source] eventlog::Error),
    /// The outputs could not be made durable.
    #[error("write decisions")]
    Write(#[source] eventlog::Error),
    /// A decision that was emitted does not read: whether its order is to be decided anew cannot be told.
    #[error("read the emitted decision {id}")]
    Emitted {
        /// The record.
        id: EventId,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// The state failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// The kind of this error.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Subscribe(_) | Self::Read(_) | Self::Write(_) | Self::Emitted { .. } => {
                ErrorKind::Log
            }
            Self::Store(_) => ErrorKind::Store,
        }
    }

    /// Whether another member of the group has the partition: no failure, but news of a revoke.
    pub(crate) const fn fenced(&self) -> bool {
        matches!(self, Self::Read(source) | Self::Write(source)
            if matches!(source, eventlog::Error::NotAssigned { .. }))
    }

    /// Whether doing the same again can succeed without anybody changing anything.
    #[must_use]
    pub const fn retry(&self) -> bool {
        match self {
            Self::Subscribe(source) | Self::Read(source) | Self::Write(source) => source.retry(),
            Self::Emitted { .. } | Self::Store(_) => false,
        }
    }
}
