//! Why the book could not go on.

use eventlog::stage::Failure;

use crate::store::StoreError;

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

impl Failure for Error {
    fn read(source: eventlog::Error) -> Self {
        Self::Read(source)
    }

    fn write(source: eventlog::Error) -> Self {
        Self::Write(source)
    }

    fn log(&self) -> Option<&eventlog::Error> {
        match self {
            Self::Subscribe(source) | Self::Read(source) | Self::Write(source) => Some(source),
            Self::Store(_) => None,
        }
    }
}
