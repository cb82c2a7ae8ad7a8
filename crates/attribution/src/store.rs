//! Where evidence and orders are kept.

pub mod memory;
