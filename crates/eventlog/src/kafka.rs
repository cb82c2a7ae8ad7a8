//! The event log on Apache Kafka: the same topics, consumers and units, for many machines.
//!
//! 1. Outputs and cursors of a unit are one transaction, tied to the member that read: whoever lost its partitions
//!    commits nothing.
//! 2. Consumers see only what is committed. The end of a partition is the end of what they can see.
//! 3. A partition that is taken away is let go only when its worker says so.
//! 4. The producer names the partition itself; nobody's partitioner decides where an order lives.

pub mod config;

#[cfg(feature = "kafka")]
mod client;
#[cfg(feature = "kafka")]
mod consumer;
#[cfg(feature = "kafka")]
mod log;
#[cfg(feature = "kafka")]
mod producer;
#[cfg(feature = "kafka")]
pub mod topics;
#[cfg(feature = "kafka")]
mod unit;
#[cfg(feature = "kafka")]
mod wire;

pub use config::Config;
#[cfg(feature = "kafka")]
pub use log::KafkaLog;
#[cfg(feature = "kafka")]
pub use producer::{Producer, Report};
