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

/// The example of the documentation, as another version of the sample's terms.
#[test]
fn the_documented_commission_has_no_faults() {
    let docs = include_str!("../../../../docs/catalog.md");
    let section = docs.split("## Commission").nth(1).unwrap();
    let example = section.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    let header = "[[program.boutique.terms]]\n";
    let text = format!(
        "{}\n[program.boutique.goal.lead]\n{}",
        include_str!("../../../../config/sample-catalog.toml"),
        example.replacen(header, &format!("{header}valid_from = 2027-01-01T00:00:00Z\n"), 1),
    );
    let state = State::fold(&first(&text)).unwrap();
    let snapshot = Snapshot::build(&state).unwrap();
    let terms = snapshot.program("boutique").unwrap().terms_at(Millis(1_798_761_600_000));
    assert_eq!(terms.terms.commission.len(), 8);
}
