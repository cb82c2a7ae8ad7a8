//! What tests of every crate need: a clock that a test moves, a disk that loses power, an adversarial log, servers and the
//! conformance suite of logs.
//!
//! 1. Everything random is drawn from a seed that the test prints, so that a failure can be repeated.
//! 2. Depends on `event` and `eventlog` alone; every other crate may use it in tests.
//!
//! This crate does not run in production.

pub mod adversary;
pub mod clock;
pub mod conformance;
pub mod crash_disk;
pub mod dice;
pub mod services;

pub use adversary::{AdversarialLog, CrashPoint, Weather};
pub use clock::SteppedClock;
pub use crash_disk::CrashDisk;
pub use dice::Dice;
pub use services::Service;
