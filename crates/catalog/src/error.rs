//! What can fail in reading and folding version records. Faults of a catalog file are no errors: see
//! [`crate::Fault`].

/// A failed operation on version records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A version could not be written as JSON.
    #[error("encode the version of {object}")]
    EncodeVersion {
        /// Key of the object.
        object: Box<str>,
        /// What the writer says.
        #[source]
        source: serde_json::Error,
    },
    /// A payload could not be read.
    #[error("decode a catalog version")]
    DecodeVersion {
        /// What the reader says.
        #[source]
        source: serde_json::Error,
    },
    /// An envelope of another type stands among the catalog's versions.
    #[error("record {id} is no catalog version")]
    NotACatalogVersion {
        /// Its id.
        id: event::EventId,
    },
    /// A payload is of a format that this version does not know.
    #[error("catalog version of unknown format {format}")]
    UnknownFormat {
        /// The format.
        format: u16,
    },
    /// A payload is about a kind of object that this version does not know.
    #[error("catalog version of unknown kind {kind:?}")]
    UnknownKind {
        /// The kind.
        kind: Box<str>,
    },
    /// Versions of an object are missing.
    #[error("{object}: version {expected} is missing before version {found}")]
    VersionGap {
        /// Key of the object.
        object: Box<str>,
        /// The version that had to come.
        expected: u32,
        /// The version that came.
        found: u32,
    },
    /// A version gives an object another number.
    #[error("{object}: its number {from} cannot become {to}")]
    NumberMoved {
        /// Key of the object.
        object: Box<str>,
        /// Its number.
        from: u32,
        /// The number in the record.
        to: u32,
    },
    /// A new object comes with a number that another one has, or with 0.
    #[error("{object}: the number {number} is not free")]
    NumberTaken {
        /// Key of the object.
        object: Box<str>,
        /// The number.
        number: u32,
    },
    /// A version of a deleted object.
    #[error("{object} was deleted and can have no further version")]
    Retired {
        /// Key of the object.
        object: Box<str>,
    },
    /// The deletion of an object that never was.
    #[error("{object} is deleted without ever having been made")]
    NeverMade {
        /// Key of the object.
        object: Box<str>,
    },
    /// An object names another one that is not in the catalog.
    #[error("{object} names {missing}, which is not in the catalog")]
    Dangling {
        /// Key of the object.
        object: Box<str>,
        /// Key of what it names.
        missing: Box<str>,
    },
    /// Planned versions could not be made durable.
    #[error("record the new catalog versions")]
    Record {
        /// What the log says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More than a snapshot can hold.
    #[error("the catalog has more than {max} links")]
    TooManyLinks {
        /// The maximum.
        max: usize,
    },
}

/// Kind of an [`Error`], for metrics and exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A record cannot be read or written.
    Codec,
    /// Records contradict each other.
    Conflict,
    /// The log refused.
    Log,
    /// A maximum is reached.
    Limit,
}

impl Error {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::EncodeVersion { .. }
            | Self::DecodeVersion { .. }
            | Self::NotACatalogVersion { .. }
            | Self::UnknownFormat { .. }
            | Self::UnknownKind { .. } => ErrorKind::Codec,
            Self::VersionGap { .. }
            | Self::NumberMoved { .. }
            | Self::NumberTaken { .. }
            | Self::Retired { .. }
            | Self::NeverMade { .. }
            | Self::Dangling { .. } => ErrorKind::Conflict,
            Self::Record { .. } => ErrorKind::Log,
            Self::TooManyLinks { .. } => ErrorKind::Limit,
        }
    }
}
