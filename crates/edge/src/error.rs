//! Why the edge could not start or stop in order.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What can go wrong with the edge as a whole. A request never fails with this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration breaks these rules.
    #[error("edge configuration: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(
        /// All of them.
        Vec<telemetry::Fault>,
    ),
    /// A listener cannot be opened.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file of day keys cannot be read or written.
    #[error("{what} day keys {}", .path.display())]
    DayKeys {
        /// The operation.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The operating system gives no random bytes.
    #[error("draw random bytes")]
    Random(
        /// Why.
        #[source]
        getrandom::Error,
    ),
    /// A core's runtime cannot be made.
    #[error("start runtime of core {core}")]
    Runtime {
        /// The core.
        core: usize,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread cannot be started, or ended by a panic.
    #[error("run core")]
    Thread(
        /// Why.
        #[source]
        telemetry::Error,
    ),
    /// The log cannot be read.
    #[error("read the log for what earlier lanes left open")]
    ReadLog(
        /// Why.
        #[source]
        eventlog::Error,
    ),
    /// The lanes could not be announced: the journal takes nothing.
    #[error("announce lanes on node.log")]
    Announce(
        /// Why.
        #[source]
        crate::journal::NotDurable,
    ),
}

/// Kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Somebody must change the configuration.
    Config,
    /// The operating system refused something.
    System,
    /// The journal refused something.
    Journal,
}

impl Error {
    /// The kind of this error.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(_) => ErrorKind::Config,
            Self::Listen { .. }
            | Self::DayKeys { .. }
            | Self::Random(_)
            | Self::Runtime { .. }
            | Self::Thread(_) => ErrorKind::System,
            Self::Announce(_) | Self::ReadLog(_) => ErrorKind::Journal,
        }
    }
}
