//! Topics, on disk or on Kafka: append with group commit, consume with cursors, and lose nothing that was acknowledged.
//!
//! Carries every [`event::Topic`]; interprets none of them.
//!
//! 1. What [`Durable`] resolved `Ok` for has been fsynced, and so has every folder entry on the way to it.
//! 2. Consumers see only what has been fsynced, in the order of their offsets.
//! 3. A failed fsync is never repeated on the same file: what was written before it may be gone from memory as well.
//! 4. Appending never blocks. Queues are bounded; what does not fit is refused with a reason.
//! 5. Damage costs the damaged frame, is reported once, and reading goes on.
//!
//! On Kafka (cargo feature `kafka`) "fsynced" means: on as many brokers as the topic asks for.
//!
//! This crate does not parse payloads, does not know what an order is and does not speak HTTP.

mod appender;
pub mod config;
pub mod consume;
mod cursor;
mod cut;
mod damage;
pub mod disk;
mod echo;
mod embedded;
mod ends;
pub mod error;
mod frame;
pub mod kafka;
mod log;
mod metrics;
mod queue;
mod reader;
pub mod record;
mod recover;
mod retention;
mod segment;
mod signal;
pub mod stage;
mod stream;
mod writer;

pub use appender::Appender;
pub use config::{ClockKind, Config};
pub use consume::{Ack, Backend, Batch, Consumer, Cursor, Delivery, Group, Partition, Unit};
pub use cut::{Cut, CutFile};
pub use damage::{Damage, TornTail};
pub use disk::{Disk, DiskFile, RealDisk, SyncPoint};
pub use error::{CommitError, Error, ErrorKind, Refused};
pub use log::{Log, LogReader, Recovery, Scan, StreamState};
pub use metrics::METRICS;
pub use queue::Durable;
pub use record::{Class, Header, Offset, PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, Record};
