//! `sillage check-config`: every fault of configuration, keys and catalog, by file, line and column.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::{CatalogFile, Format, State};
use event::Clock as _;
use eventlog::{Disk, LogReader, RealDisk};

use crate::catalog_file;
use crate::clock::SystemClock;
use crate::config::{self, Faults, PathKey};
use crate::keys;

/// Checks everything that `serve` would read, and prints what it found.
pub(crate) fn run(file: &Path) -> anyhow::Result<()> {
    let mut found = Vec::new();
    let mut fine = Vec::new();
    match config::from_environment(file) {
        Ok(_) => fine.push(file.to_owned()),
        Err(faults) => found.extend(faults.0),
    }
    // Files that the configuration names are checked whatever else is wrong with it.
    if let Some(path) = config::path(file, PathKey::KeyFile) {
        match keys::read(&path) {
            Ok(_) => fine.push(path),
            Err(error) => found.push(format!("{error:#}")),
        }
    }
    if let Some(path) = config::path(file, PathKey::CatalogFile) {
        match check_catalog(&path, config::path(file, PathKey::DataFolder)) {
            Ok(()) => fine.push(path),
            Err(error) => match error.downcast::<Faults>() {
                Ok(faults) => found.extend(faults.0),
                Err(error) => found.push(format!("{error:#}")),
            },
        }
    }
    for path in fine {
        println!("{}: fine", path.display());
    }
    if found.is_empty() { Ok(()) } else { Err(Faults(found).into()) }
}

/// Checks the catalog file, also against what the data folder has recorded of earlier ones.
fn check_catalog(path: &Path, data_folder: Option<PathBuf>) -> anyhow::Result<()> {
    let text = catalog_file::read(path)?;
    let faults = |found: Vec<catalog::Fault>| catalog_file::faults(path, &found);
    let parsed = CatalogFile::parse(&text, Format::of(path)).map_err(faults)?;
    let state = match data_folder {
        Some(folder) if folder.join("FORMAT").exists() => {
            let disk: Arc<dyn Disk> = Arc::new(RealDisk);
            catalog_file::recorded(&LogReader::open(&disk, &folder)?)?
        }
        _ => State::default(),
    };
    parsed.plan(&state, SystemClock.now()).map_err(faults)?;
    Ok(())
}
