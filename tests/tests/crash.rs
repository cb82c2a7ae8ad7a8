//! `kill -9` under load: what was acknowledged is there, once; checked by a program in another language.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::process::{Command, Output};

/// Runs the checker over a data folder and the load's records.
fn check(arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("checker/check.py");
    Command::new("python3").arg("-B").arg(script).args(arguments).output().expect("run python3")
}

#[test]
fn the_checker_refuses_a_folder_that_is_no_event_log() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("load");
    std::fs::write(&record, "").unwrap();
    std::fs::write(folder.path().join("FORMAT"), "sillage event log\nformat = 2\nclock = real\n")
        .unwrap();
    let output = check(&[folder.path().to_str().unwrap(), record.to_str().unwrap()]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("'format = 2'"), "{said}");
}
