//! Money, computed twice: by the ledger, and from the topics by a program in another language.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::process::Command;

fn no_python() -> bool {
    let missing = Command::new("python3").arg("--version").output().is_err();
    if missing {
        tests::skip("python3");
    }
    missing
}

#[test]
fn the_recomputation_agrees_with_what_was_computed_by_hand() {
    if no_python() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("checker");
    let mut tests = Command::new("python3");
    tests.args(["-B", "-m", "unittest", "-q", "test_books"]).current_dir(folder);
    let output = tests.output().expect("run python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
