//! Build, test and tidy commands of the repository: `cargo xtask ci|test|services|tidy|docs`.
//!
//! 1. If `cargo xtask ci` passes here, it passes everywhere: the checks live in this crate, not in a server's settings.
//! 2. Nothing to install beside the toolchain, except what the tests drive (a browser, Python, Node.js, servers).
//!
//! This crate does not ship.
#![expect(clippy::print_stdout, reason = "progress and findings on the terminal are its purpose")]

mod ci;
mod docs;
mod services;
mod step;
mod suite;
mod tidy;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// Commands of the repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must pass before a change lands: format, lints, licences, rustdoc, tidy, tests.
    Ci,
    /// Sets up what the tests need and runs all of them.
    Test {
        /// Arguments for `cargo test`, such as `-p edge` or `-- gate`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Real servers for the tests: Kafka, Redis, PostgreSQL.
    Services {
        #[command(subcommand)]
        action: services::Action,
    },
    /// Checks the rules that rot unseen: dependency edges, licences, names, stale pages.
    Tidy,
    /// Writes the generated pages anew: config/reference.toml, docs/metrics.md, docs/cli.md.
    Docs,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = root().and_then(|root| {
        env::set_current_dir(&root).with_context(|| format!("enter {}", root.display()))?;
        match arguments.command {
            Command::Ci => ci::run(),
            Command::Test { arguments } => suite::run(&arguments),
            Command::Services { action } => services::run(action),
            Command::Tidy => tidy::run(),
            Command::Docs => docs::write(),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root: two folders above this crate's manifest.
fn root() -> anyhow::Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`")?;
    Path::new(&manifest)
        .ancestors()
        .nth(2)
        .map(Path::to_owned)
        .context("find the root of the repository")
}

/// Whether a server runs this: there, a part that a test misses is a failure.
fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "0" && value != "false")
}
