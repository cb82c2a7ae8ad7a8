//! Logs, Prometheus metrics, the admin listener and named tasks: what every role of the binary shares.
//!
//! 1. One recorder per process ([`recorder::install`]), installed before any handle is made: a handle made earlier
//!    counts into nothing. Tests use [`recorder::local`].
//! 2. A metric is declared once ([`Metric`]); its buckets, its help text and the published list come from there.
//!    Labels are closed sets; never an id, address, URL, program or partner.
//! 3. The admin listener ([`Admin`]) has its own address, thread and runtime, so that a full edge still answers probes.
//! 4. Tasks and threads have names, and their handles are kept ([`task`]).
//! 5. Logs carry no address, token, e-mail, cookie or body.
//!
//! This crate does not know topics, stages or the configuration file.

pub mod admin;
mod error;
mod fault;
pub mod log;
mod metric;
mod process;
pub mod pulse;
pub mod recorder;
pub mod task;

pub use admin::Admin;
pub use error::{Error, ErrorKind};
pub use fault::Fault;
pub use metric::{Kind, Metric};
pub use pulse::Pulse;
pub use recorder::Recorder;
