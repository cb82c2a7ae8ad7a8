//! Why the log could not do something.

use std::io;
use std::path::PathBuf;

use event::Topic;

/// Why a record was not taken. Nothing of it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The queue before the writer holds its most records or bytes: the disk is behind.
    #[error("the queue of {0} is full")]
    Full(Topic),
    /// The folder holds so much of `bytes_max` that records of this class are no longer journaled.
    #[error("the log is too full for this class of record")]
    Shedding(Topic),
    /// The disk has no space. Heals by itself once there is some.
    #[error("the disk is full")]
    DiskFull(Topic),
    /// Writes failed on the stream's segment and on a new one. A probe tries a new segment each second.
    #[error("stream {0} cannot write")]
    Failed(Topic),
    /// The payload is longer than [`crate::PAYLOAD_BYTES_MAX`].
    #[error("the payload is larger than a record may be")]
    Oversize(Topic),
    /// The log is closed.
    #[error("the log is closed")]
    Closed(Topic),
}

impl Refused {
    /// The reason as a label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Full(_) => "full",
            Self::Shedding(_) => "shedding",
            Self::DiskFull(_) => "disk_full",
            Self::Failed(_) => "failed",
            Self::Oversize(_) => "oversize",
            Self::Closed(_) => "closed",
        }
    }
}

/// Why records that were taken are not known to be durable. They may still be found in the log later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The disk has no space.
    #[error("the disk is full")]
    DiskFull,
    /// The write or its fsync failed on the segment and on a new one.
    #[error("the write failed on the segment and on a new one")]
    Failed,
    /// The log was closed before the write.
    #[error("the log was closed before the write")]
    Closed,
}

/// Kinds of [`Error`], for metrics and for deciding what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The folder is not one that this program may use: newer format, other clock, locked.
    Folder,
    /// The disk failed.
    Disk,
    /// The log takes nothing now.
    Refused,
    /// The caller asked for something that cannot be.
    Usage,
    /// A test crashed the process here.
    Crashed,
}

/// What can go wrong with the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has the folder open.
    #[error("lock {}: another process has this data folder open", .path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The folder was written by a newer program.
    #[error(
        "data folder {} has format {found}; this program knows formats up to {known}: use a newer one",
        .path.display()
    )]
    NewerFormat {
        /// The FORMAT file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest that this program knows.
        known: u64,
    },
    /// The folder belongs to another kind of clock.
    #[error(
        "data folder {} was written with a {found} clock and this run has a {wanted} clock: use another folder",
        .path.display()
    )]
    OtherClock {
        /// The FORMAT file.
        path: PathBuf,
        /// The clock it names.
        found: String,
        /// The clock of this run.
        wanted: &'static str,
    },
    /// The FORMAT file is not one.
    #[error("{} is damaged: {fault}", .path.display())]
    FormatFile {
        /// The FORMAT file.
        path: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The configuration breaks these rules.
    #[error("event log configuration: {}", .0.join("; "))]
    Config(
        /// All of them.
        Vec<String>,
    ),
    /// An operation on a file or folder failed.
    #[error("{what} {}", .path.display())]
    Io {
        /// The operation.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread of the log could not be started.
    #[error("start the writer of {topic}")]
    Thread {
        /// The stream.
        topic: Topic,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Outputs were not taken.
    #[error("append to {topic}")]
    Append {
        /// The topic.
        topic: Topic,
        /// Why.
        #[source]
        source: Refused,
    },
    /// Outputs are not known to be durable.
    #[error("commit outputs to {topic}")]
    Commit {
        /// The topic.
        topic: Topic,
        /// Why.
        #[source]
        source: CommitError,
    },
    /// Records whose commit failed are kept and may still be written: where the topic ends is not known yet.
    #[error("where {topic} ends is not known while records wait for the disk")]
    Unsettled {
        /// The topic.
        topic: Topic,
    },
    /// The group has a member already; the embedded log allows one.
    #[error("group {group} has a member already")]
    GroupTaken {
        /// The group.
        group: &'static str,
    },
    /// The partition is not assigned to this consumer.
    #[error("partition {index} of {topic} is not assigned to this consumer")]
    NotAssigned {
        /// The topic.
        topic: Topic,
        /// The partition.
        index: u32,
    },
    /// Kafka could not do something.
    #[error("{what}")]
    Kafka {
        /// What was to be done.
        what: &'static str,
        /// Whether the same can succeed later by itself.
        retry: bool,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A test crashed the process here.
    #[error("crashed by the test")]
    Crashed,
}

impl Error {
    /// The kind of this error.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Locked { .. }
            | Self::NewerFormat { .. }
            | Self::OtherClock { .. }
            | Self::FormatFile { .. } => ErrorKind::Folder,
            Self::Io { .. }
            | Self::Thread { .. }
            | Self::Commit { .. }
            | Self::Unsettled { .. } => ErrorKind::Disk,
            Self::Append { source: Refused::Oversize(_), .. } => ErrorKind::Usage,
            Self::Append { .. } | Self::Kafka { retry: true, .. } => ErrorKind::Refused,
            Self::Kafka { retry: false, .. }
            | Self::Config(_)
            | Self::GroupTaken { .. }
            | Self::NotAssigned { .. } => ErrorKind::Usage,
            Self::Crashed => ErrorKind::Crashed,
        }
    }

    /// Whether doing the same again can succeed without anybody changing anything.
    ///
    /// An output that no record can hold never becomes smaller: whoever can say what it was about says so on
    /// `events.rejected` in its place, and all others stop.
    #[must_use]
    pub const fn retry(&self) -> bool {
        matches!(self.kind(), ErrorKind::Disk | ErrorKind::Refused)
    }
}

#[cfg(test)]
mod tests {
    use event::Topic;

    use super::{Error, Refused};

    #[test]
    fn what_a_full_log_refuses_is_tried_again_and_what_no_record_can_hold_is_not() {
        let topic = Topic::Transfers;
        for (source, retry) in [
            (Refused::Full(topic), true),
            (Refused::DiskFull(topic), true),
            (Refused::Failed(topic), true),
            (Refused::Oversize(topic), false),
        ] {
            assert_eq!(Error::Append { topic, source }.retry(), retry, "{source}");
        }
    }
}
