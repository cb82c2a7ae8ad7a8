//! `cargo xtask docs`: the pages that are written from the code, by the tests that check them.

use std::process::Command;

use crate::step::{cargo, run};

/// Every test of the binary whose name holds this compares one generated page with the code.
const FRESH: &str = "is_fresh";

/// Fails if a generated page no longer says what the code says.
pub(crate) fn check() -> anyhow::Result<()> {
    run(test().args(["--locked", "--", FRESH]))
}

/// Writes the generated pages.
pub(crate) fn write() -> anyhow::Result<()> {
    run(test().args(["--", FRESH]).env("UPDATE_EXPECT", "1"))
}

/// With the features of the other steps, so that nothing is compiled twice.
fn test() -> Command {
    let mut test = cargo();
    test.args(["test", "--package", "sillage", "--features", "kafka"]);
    test
}
