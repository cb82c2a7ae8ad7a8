//! Drives the real binary and a real browser from outside: processes, HTTP, WebDriver, a blog and a shop.
//!
//! 1. Every test owns its folder, its ports and its logs; a failed test keeps the folder and prints where it is.
//! 2. What a machine lacks (Chromium) skips its tests with `skipped: <part> not found`, and fails them in CI.
//! 3. Waiting is for a fact that is asked for again and again, never for a time.
//!
//! This crate does not use the crates of the product: it knows their public contract alone.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test harness reports by panicking"
)]

pub mod browser;
pub mod catalog;
pub mod demo;
pub mod http;
pub mod load;
pub mod proxy;
pub mod server;
pub mod shop;

use std::time::{Duration, Instant};

/// Longest wait for a fact: far above what any of them takes on a busy machine.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

/// Asks until there is an answer.
///
/// # Panics
/// After [`WAIT_MAX`], with `what` was waited for.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < WAIT_MAX, "waited {WAIT_MAX:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Says that a part is missing; in CI that is a failure.
pub fn skip(part: &str) {
    assert!(std::env::var_os("CI").is_none(), "{part} not found");
    println!("skipped: {part} not found");
}

/// A port that was free a moment ago. Whoever takes it may lose a race, so a start that fails is tried again.
#[must_use]
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bind a free port");
    listener.local_addr().expect("the address of a bound port").port()
}
