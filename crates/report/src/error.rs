//! Why the worker could not go on.

use crate::store::StoreError;

/// Kinds of [`Error`], for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The event log could not be read.
    Log,
    /// The store could not be read or written.
    Store,
}

/// What can go wrong. Whatever it is, the batch comes again, and counts nothing twice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The consumer group could not be joined.
    #[error("subscribe to touches, decisions and postings")]
    Subscribe(#[source] eventlog::Error),
    /// The topics could not be read.
    #[error("read touches, decisions and postings")]
    Read(#[source] eventlog::Error),
    /// The cursor could not be moved.
    #[error("move the cursor")]
    Commit(#[source] eventlog::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// The kind of this error.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Subscribe(_) | Self::Read(_) | Self::Commit(_) => ErrorKind::Log,
            Self::Store(_) => ErrorKind::Store,
        }
    }

    /// Whether another member of the group has the partition: no failure, but news of a revoke.
    pub(crate) const fn fenced(&self) -> bool {
        matches!(self, Self::Read(source) | Self::Commit(source)
            if matches!(source, eventlog::Error::NotAssigned { .. }))
    }

    /// Whether doing the same again can succeed without anybody changing anything.
    #[must_use]
    pub const fn retry(&self) -> bool {
        match self {
            Self::Subscribe(source) | Self::Read(source) | Self::Commit(source) => source.retry(),
            Self::Store(_) => false,
        }
    }
}
