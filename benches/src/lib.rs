//! Criterion benches and load runs against peers.
