//! Why the worker could not go on.

use eventlog::stage::Failure;

use crate::store::StoreError;

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

impl Failure for Error {
    fn read(source: eventlog::Error) -> Self {
        Self::Read(source)
    }

    fn write(source: eventlog::Error) -> Self {
        Self::Commit(source)
    }

    fn log(&self) -> Option<&eventlog::Error> {
        match self {
            Self::Subscribe(source) | Self::Read(source) | Self::Commit(source) => Some(source),
            Self::Store(_) => None,
        }
    }
}
