//! What can fail while a process is being made observable.

use std::io;
use std::net::SocketAddr;

/// A failed operation of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log filter is not one.
    #[error(
        "log filter {filter:?} is not understood; write for example \"info\" or \"info,edge=debug\""
    )]
    LogFilter {
        /// The text given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else in this process already receives the logs.
    #[error("install the log subscriber: this process has one already")]
    LogInstalled,
    /// Two declarations share a name, or buckets are empty.
    #[error("metric {name} is declared wrongly: {why}")]
    MetricDeclared {
        /// Name of the metric.
        name: &'static str,
        /// The rule it breaks.
        why: &'static str,
    },
    /// Something else in this process already receives the metrics.
    #[error("install the metrics recorder: this process has one already")]
    RecorderInstalled,
    /// The admin listener's address cannot be had.
    #[error("listen on {address} for the admin endpoints")]
    AdminListen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The admin listener did not answer a request.
    #[error("ask the admin listener at {address}")]
    AdminAsk {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The system refused a runtime or a thread.
    #[error("start {name}")]
    Start {
        /// Name of the task or thread.
        name: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A task or thread panicked.
    #[error("{name} panicked")]
    Panicked {
        /// Name of the task or thread.
        name: String,
    },
}

/// Closed set of causes, for metrics and decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The operator's setting is wrong.
    Setting,
    /// Two parts of this process disagree: a defect of the program.
    Defect,
    /// The operating system refused something.
    System,
}

impl Error {
    /// Which cause this failure has.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::LogFilter { .. } => ErrorKind::Setting,
            Self::LogInstalled
            | Self::MetricDeclared { .. }
            | Self::RecorderInstalled
            | Self::Panicked { .. } => ErrorKind::Defect,
            Self::AdminListen { .. } | Self::AdminAsk { .. } | Self::Start { .. } => {
                ErrorKind::System
            }
        }
    }
}
