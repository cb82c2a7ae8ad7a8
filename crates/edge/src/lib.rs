//! HTTP in: clicks, impressions, pixels, tag, server-to-server conversions, acts on orders.
//!
//! Appends to [`event::Topic::Touches`], [`event::Topic::Conversions`], [`event::Topic::Rejected`] and
//! [`event::Topic::Node`]; reads the catalog's snapshot.
//!
//! 1. A redirect never waits for the journal and never fails because of it.
//! 2. A conversion is answered 200 only when its event is fsynced.
//! 3. What is odd is flagged, what is refused is an event with a code, what is lost is counted and declared.
//! 4. Only this crate checks signatures; events carry the verdict and the claim in names.
//! 5. One core is one thread, one runtime, one lane; what a core caches, no other core touches.
//!
//! This crate does not deduplicate, does not attribute and keeps no state of visitors or orders.

mod address;
pub mod agent;
mod auth;
mod click;
mod config;
mod connection;
mod consent;
mod conversion;
mod cookie;
mod core;
mod cors;
mod days;
mod doubt;
mod error;
mod every;
mod evidence;
mod express;
mod flags;
mod frames;
mod gate;
#[cfg(test)]
mod harness;
mod impression;
mod journal;
mod json;
mod keys;
mod landing;
mod lane;
mod limit;
mod metrics;
mod orders;
mod query;
mod random;
mod rate;
mod recent;
mod redirect;
mod request;
mod response;
mod serve;
mod server;
pub mod tag;
mod tcf;
#[cfg(test)]
mod testbed;
mod touch;
mod visit;

use std::fmt;
use std::sync::Arc;

use event::Clock;
use event::keys::KeyFile;

pub use auth::Signable;
pub use config::{Config, ForwardedHeader, Scheme};
pub use conversion::Config as ConversionConfig;
pub use doubt::KnownLanes;
pub use error::{Error, ErrorKind};
pub use journal::{Durable, Journal, LogJournal, NotDurable, loss_of};
pub use metrics::METRICS;
pub use orders::{Act, ActFault, BATCH_BYTES_MAX, BATCH_LINES_MAX, read_act};
pub use recent::{RecentCall, RecentCalls};
pub use server::Edge;

/// What the edge is built on.
#[derive(Clone)]
pub struct Deps {
    /// The catalog.
    pub catalog: Arc<catalog::Handle>,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The key file.
    pub keys: KeyFile,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deps")
    }
}
