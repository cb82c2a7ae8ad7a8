//! Why the worker could not go on.

use event::EventId;
use eventlog::stage::Failure;

use crate::store::StoreError;

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
            Self::Emitted { .. } | Self::Store(_) => None,
        }
    }
}
