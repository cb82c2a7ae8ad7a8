//! Conversions to one record per order, best evidence kept.
//!
//! Reads [`Topic::Conversions`]; appends one record per change of an order to [`Topic::Unique`], the verdict about each
//! other report to [`Topic::Duplicate`], and what it cannot read to [`Topic::Rejected`].
//!
//! 1. A record is a function of the *set* of reports that share a key, and of the terms in force at the time of the
//!    order: never of arrival order, of batches or of a clock. Every choice is a minimum or maximum over a total order.
//! 2. Terms are needed to choose the canonical report, and its time to choose the terms. The circle is cut with the
//!    built-in source ranks and lateness: the report that is canonical under these names the time of the terms.
//! 3. Anyone can call a pixel with a guessed order id. So ids, click ids and coupons of reports from a page count only
//!    near the canonical report in time and where no credentialed report brings evidence of that kind; page reports
//!    that carry click ids and have none in common are held (609); and a page report never amends a credentialed one.
//! 4. A report with two or more ids implies that they belong to one person. One from a page does so only if a
//!    credentialed report of the same order was received within `evidence_window` of it: else anyone could join a
//!    stranger's customer key to a browser of his own. The condition asks for existence, so more reports never undo it.
//! 5. Whatever is sent for one order, its record and its decision stay bounded: of the reports from pages, of the
//!    credentialed ones and of the later verdicts about click ids, the [`END_MAX`] first and last by event id decide;
//!    the others are counted. Every report is kept, so that this, too, is a function of the set.
//! 6. A report received after its order was closed (lock and lateness are over, judged by the reports received before it)
//!    is counted and changes nothing else, in whatever order reports come.
//! 7. Evidence is written before anything is decided, outputs are durable before the offset moves, and ids of outputs
//!    are made of their inputs: a crash anywhere repeats outputs and loses none.
//!
//! This crate does not attribute (see `attribution`), does not read validations, and asks no clock.
//!
//! [`Topic::Conversions`]: event::Topic::Conversions
//! [`Topic::Unique`]: event::Topic::Unique
//! [`Topic::Duplicate`]: event::Topic::Duplicate
//! [`Topic::Rejected`]: event::Topic::Rejected

pub mod config;
pub mod decide;
pub mod error;
pub mod member;
pub mod metrics;
pub mod rebuild;
pub mod store;
pub mod worker;

pub use config::Config;
pub use decide::{Rules, decide, record_id};
pub use error::Error;
pub use member::{AtClose, Considered, END_MAX, LaterVerdict, Member, Members, Reading, Row};
pub use metrics::METRICS;
pub use store::{MemberStore, fjall::FjallStore, memory::MemoryStore};
pub use worker::{Deps, GROUP, TOPICS, Worker};

#[cfg(test)]
mod build;
