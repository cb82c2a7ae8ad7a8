//! From a partner's link to a decision, in a real browser against the real binary.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod consent;
mod fallback;
mod harness;
mod journey;
mod matrix;
mod setups;
mod site;
mod unseen;
