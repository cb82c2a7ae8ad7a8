//! Why the book could not go on.

use crate::store::StoreError;

/// Kinds of [`Error`], for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The event log could not be read or written.
    Log,
    /// The book could not be read or written.
    Store,
}

/// What can go wrong. Whatever it is, the batch was not committed and comes again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The consumer group could not be joined.
    #[error("subscribe to decisions, acts and closings")]
    Subscribe(#[source] eventlog::Error),
    /// The topics could not be read.
    #[error("read decisions, acts and closings")]
    Read(#[source] eventlog::Error),
    /// The outputs could not be made durable.
    #[error("write postings, locks and payments")]
    Write(#[source] eventlog::Error),
    /// The book failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// The kind of this error.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Subscribe(_) | Self::Read(_) | Self::Write(_) => ErrorKind::Log,
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
            Self::Store(_) => false,
        }
    }
}
