//! `cargo xtask ci`: every check, in the order that fails fastest.

use crate::step::{self, Steps, cargo};
use crate::{docs, suite, tidy};

/// Runs every check. One target folder and one set of features, so that nothing is compiled twice.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut steps = Steps::new(6);
    steps.run("format", || step::run(cargo().args(["fmt", "--all", "--check"])))?;
    steps.run("tidy: licences, edges, names, pages", tidy::run)?;
    steps.run("clippy", || {
        let mut clippy = cargo();
        clippy.args(["clippy", "--workspace", "--all-targets"]).args(suite::FEATURES);
        step::run(clippy.args(["--locked", "--", "-D", "warnings"]))
    })?;
    steps.run("rustdoc with private items", || {
        step::run(
            cargo()
                .args(["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"])
                .args(suite::FEATURES)
                // The pages are made with private items, so links to them resolve.
                .env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links"),
        )
    })?;
    steps.run("generated pages", docs::check)?;
    steps.run("tests", || suite::run(&[]))?;
    steps.finish();
    Ok(())
}
