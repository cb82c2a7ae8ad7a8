//! Rollups, key figures, the partners' transactions and the one page: what a manager opens every morning.
//!
//! Reads [`Topic::Touches`], [`Topic::Attributed`] and [`Topic::Transfers`]; appends to no topic.
//!
//! 1. A report is a function of the *set* of events: each touch counts once by its id, of an order's postings the one with
//!    the highest number holds, of its decisions the highest version. Order, repetition and crashes change nothing.
//! 2. Rollup, rows of orders, ids seen and the offset are written in one transaction; the store says where to read on.
//! 3. Sums are integers in pairs that cannot overflow; ratios are made of sums and rounded half-even when shown; a
//!    denominator of 0 gives nothing, not 0. Currencies are never added to each other.
//! 4. Days are those of the program's time zone. Touches are kept by quarter of an hour, which every zone's day is made
//!    of; sums by day are made of them anew when the zone changes.
//! 5. A partner reads about own touches only, and no other partner's name.
//! 6. The page needs no script, loads nothing from elsewhere, and writes every foreign text escaped.
//!
//! This crate does not price, book or decide, and answers for nothing that is not in its store.
//!
//! [`Topic::Touches`]: event::Topic::Touches
//! [`Topic::Attributed`]: event::Topic::Attributed
//! [`Topic::Transfers`]: event::Topic::Transfers

pub mod config;
pub mod days;
pub mod error;
pub mod kpi;
pub mod language;
pub mod metrics;
pub mod page;
pub mod query;
pub mod store;
pub mod transactions;
pub mod worker;

pub use config::Config;
pub use error::Error;
pub use metrics::METRICS;
pub use page::Page;
pub use query::View;
pub use store::Store;
pub use worker::{Deps, GROUP, Worker};

#[cfg(test)]
mod build;
