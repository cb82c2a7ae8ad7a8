//! Prices decisions by the partners' terms and books what is due, validated, final and paid.
//!
//! Reads [`event::Topic::Attributed`], the acts on [`event::Topic::Conversions`] and [`event::Topic::Closed`]; appends locks and
//! payments to [`event::Topic::Closed`] and one posting per change of an order to [`event::Topic::Transfers`]. Where clicks or
//! impressions are paid it reads [`event::Topic::Touches`], too, and appends one posting per change of a day.
//!
//! 1. What an order is worth, to whom and in which state is a function of a set of facts: the decision, the acts of the
//!    merchant, the lock, the payments. Their order of arrival changes nothing.
//! 2. Money moves in transfers from one account to another; an id is derived from what it leads between, so applying a
//!    transfer again finds that it exists.
//! 3. Locks and payments are records, written once; a replay reads them and never makes them anew.
//! 4. What a day earns without any order is a function of the touches, each counted once, and of the catalog.
//! 5. Amounts are integers; where one is split, the parts sum to it.
//!
//! This crate does not decide who is credited (see `attribution`).

#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

mod amount;
mod base;
pub mod books;
pub mod config;
pub mod days;
pub mod decide;
pub mod error;
pub mod facts;
pub mod lock;
mod metrics;
pub mod payout;
pub mod post;
mod price;
mod state;
pub mod store;
pub mod view;
pub mod worker;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod build;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests;

pub use books::books_lines;
pub use config::Config;
pub use decide::{Booked, Finding, FindingKind, Miss, Outcome, decide};
pub use error::Error;
pub use facts::{Act, Decided, Fact, Facts};
pub use lock::lock_of;
pub use metrics::METRICS;
pub use payout::{Desk, Doubt, Payout, Statement};
pub use post::{Cause, balances, posting};
pub use store::{Reader, Store, StoreError};
pub use view::{Preview, Previewer, View};
pub use worker::{DAYS_GROUP, Deps, GROUP, Session, Stage, TOUCHES_KEPT, Worker};
