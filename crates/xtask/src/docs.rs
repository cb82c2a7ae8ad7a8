//! `cargo xtask docs`: the pages that are written from the code, by the tests that check them.

use crate::step::{cargo, run};

/// Every test of the binary whose name holds this compares one generated page with the code.
const FRESH: &str = "is_fresh";

/// Fails if a generated page no longer says what the code says.
pub(crate) fn check() -> anyhow::Result<()> {
    run(cargo().args(["test", "--package", "sillage", "--locked", "--", FRESH]))
}

/// Writes the generated pages.
pub(crate) fn write() -> anyhow::Result<()> {
    run(cargo().args(["test", "--package", "sillage", "--", FRESH]).env("UPDATE_EXPECT", "1"))
}
