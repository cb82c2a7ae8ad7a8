//! `sillage check-config`: every fault of configuration, keys and catalog, by file, line and column.

use std::path::Path;

use crate::config::{self, Faults};
use crate::keys;

/// Checks everything that `serve` would read, and prints what it found.
pub(crate) fn run(file: &Path) -> anyhow::Result<()> {
    let config = config::from_environment(file)?;
    keys::read(&config.node.key_file).map_err(|error| Faults::one(format!("{error:#}")))?;
    println!("{}: fine", file.display());
    Ok(())
}
