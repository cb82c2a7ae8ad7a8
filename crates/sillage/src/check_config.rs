//! `sillage check-config`: every fault of configuration, keys and catalog, by file, line and column.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::commission::{CommissionRule, Pays};
use catalog::partner::PartnerState;
use catalog::program::Mode;
use catalog::{CatalogFile, Format, ProgramRef, Snapshot, State};
use event::{Clock as _, Millis, PartnerName};
use eventlog::{Disk, LogReader, RealDisk};

use crate::catalog_file;
use crate::clock::SystemClock;
use crate::config::{self, Faults, PathKey};
use crate::keys;

/// Most partners that are named beside a program.
const NAMED_MAX: usize = 5;

/// Checks everything that `serve` would read, and prints what it found.
pub(crate) fn run(file: &Path) -> anyhow::Result<()> {
    let mut found = Vec::new();
    let mut fine = Vec::new();
    let mut summary = Vec::new();
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
            Ok(programs) => {
                fine.push(path);
                summary = programs;
            }
            Err(error) => match error.downcast::<Faults>() {
                Ok(faults) => found.extend(faults.0),
                Err(error) => found.push(format!("{error:#}")),
            },
        }
    }
    for path in fine {
        println!("{}: fine", path.display());
    }
    for program in summary {
        println!("  {program}");
    }
    if found.is_empty() { Ok(()) } else { Err(Faults(found).into()) }
}

/// Checks the catalog file, also against what the data folder has recorded of earlier ones. Says of each program what
/// holds with it.
fn check_catalog(path: &Path, data_folder: Option<PathBuf>) -> anyhow::Result<Vec<String>> {
    let text = catalog_file::read(path)?;
    let faults = |found: Vec<catalog::Fault>| catalog_file::faults(path, &found);
    let parsed = CatalogFile::parse(&text, Format::of(path)).map_err(faults)?;
    let mut state = match data_folder {
        Some(folder) if folder.join("FORMAT").exists() => {
            let disk: Arc<dyn Disk> = Arc::new(RealDisk);
            catalog_file::recorded(&LogReader::open(&disk, &folder)?)?
        }
        _ => State::default(),
    };
    let now = SystemClock.now();
    for version in parsed.plan(&state, now).map_err(faults)? {
        state.apply(&version)?;
    }
    let snapshot = Snapshot::build(&state)?;
    let programs = snapshot.programs().filter(|program| !program.is_retired());
    Ok(programs.map(|program| said_of(program, now)).collect())
}

/// Whom a program pays now: what is easily forgotten in a list of rules.
fn said_of(program: ProgramRef<'_>, now: Millis) -> String {
    let approved = |partner: &&PartnerName| {
        let membership = program.membership(partner.as_str());
        membership.is_some_and(|it| matches!(it.state.at(now), Some(PartnerState::Approved)))
    };
    let mut partners: Vec<_> = program.members().filter(approved).collect();
    partners.sort_unstable();
    let mut rules = HashSet::new();
    let mut unpaid = Vec::new();
    for partner in &partners {
        let terms = program.commission(partner.as_str(), now);
        let pays = |rule: &CommissionRule| rule.pays.prices_orders() && rule.pays != Pays::Excluded;
        if !terms.rules.iter().any(|ranked| pays(ranked.rule)) {
            unpaid.push(partner.as_str());
        }
        rules.extend(terms.rules.iter().map(|ranked| std::ptr::from_ref(ranked.rule)));
    }
    let mode = match program.mode_at(now) {
        Mode::Live => "live",
        Mode::Observe => "observed, no money moves",
    };
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let mut said = format!(
        "{} ({}, {mode}): {} approved, {} in force",
        program.name(),
        program.currency(),
        count(partners.len(), "partner"),
        count(rules.len(), "commission rule"),
    );
    if !unpaid.is_empty() {
        let listed = unpaid.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
        let more = match unpaid.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        said.push_str(&format!("; no rule pays for orders of {listed}{more}"));
    }
    said
}
