//! Decides which touches get the credit of an order, and says why.
//!
//! Reads [`Topic::Touches`](event::Topic::Touches) and [`Topic::Unique`](event::Topic::Unique); appends one versioned
//! decision per change to [`Topic::Attributed`](event::Topic::Attributed).
//!
//! 1. A decision depends on the known events and on the terms in force at the touches' and the conversion's times, never
//!    on the wall clock or on arrival order, so replaying a partition ends in the same decisions.
//! 2. An order without an eligible touch is decided too, with its trace. Nothing is dropped.
//! 3. State is a union: applying an event twice, or in another order, changes nothing.
//! 4. A trace holds what it takes to decide again, and to see that nothing else came out.
//! 5. Money is integers; no float type occurs in decisions.
//!
//! This crate does not deduplicate (see `dedup`) and does not price.

pub mod config;
pub mod decide;
pub mod error;
pub mod evidence;
pub mod facts;
mod metrics;
pub mod noted;
pub mod rebuild;
pub mod render;
pub mod store;
pub mod view;
pub mod worker;

pub use config::Config;
pub use decide::{Verification, decide, verify};
pub use error::Error;
pub use evidence::{Evidence, KnownTouch, Scope};
pub use metrics::METRICS;
pub use noted::noted;
pub use rebuild::Rebuilt;
pub use render::{DayOf, Language, Reader, render, utc_day};
pub use store::{FjallKv, State};
pub use view::{Found, View};
pub use worker::{Deps, GROUP, TOPICS, Worker};

#[cfg(test)]
mod build;
#[cfg(test)]
mod random;
