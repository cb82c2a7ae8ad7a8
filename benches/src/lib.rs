//! Criterion benches and load runs against peers.

pub mod sample;
