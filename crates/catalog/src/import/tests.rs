//! Tests of the importer.

use event::Millis;

use super::{CatalogFile, Format, State};
use crate::fault::Fault;
use crate::record::VersionRecord;
use crate::snapshot::Snapshot;

mod faults;
mod plans;

/// 2026-11-22T00:00:00Z.
pub(super) const NOW: Millis = Millis(1_795_305_600_000);

pub(super) fn printed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

pub(super) fn taken(text: &str) -> CatalogFile {
    CatalogFile::parse(text, Format::Toml).unwrap_or_else(|faults| panic!("{}", printed(&faults)))
}

/// The records of a first load.
pub(super) fn first(text: &str) -> Vec<VersionRecord> {
    taken(text).plan(&State::default(), NOW).unwrap_or_else(|faults| panic!("{}", printed(&faults)))
}

#[test]
fn the_sample_and_the_minimal_catalog_have_no_faults() {
    for (text, links) in [
        (include_str!("../../../../config/sample-catalog.toml"), 12),
        (include_str!("../../../../config/minimal-catalog.toml"), 1),
    ] {
        let state = State::fold(&first(text)).unwrap();
        assert_eq!(Snapshot::build(&state).unwrap().link_count(), links);
    }
}
