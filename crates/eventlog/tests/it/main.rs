//! The log as its users see it, on the operating system's disk and on one that loses power.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod append;
mod crash;
mod damage;
mod echo;
mod faults;
#[cfg(feature = "kafka")]
mod kafka;
mod measured;
mod promises;
mod retention;
mod world;
