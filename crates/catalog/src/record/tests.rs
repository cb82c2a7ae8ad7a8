//! Golden files of the record format, and what is refused by name.

use event::{Body, Millis};
use expect_test::{ExpectFile, expect_file};

use super::{Object, State, VersionRecord};
use crate::import::{CatalogFile, Format};

const RECORDED_AT: Millis = Millis(1_772_323_200_000);
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");

fn records() -> Vec<VersionRecord> {
    let file = CatalogFile::parse(include_str!("../../golden/catalog.toml"), Format::Toml);
    let file = file.unwrap_or_else(|faults| panic!("{faults:#?}"));
    file.plan(&State::default(), RECORDED_AT).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn record(key: &str) -> VersionRecord {
    records().into_iter().find(|record| record.key() == key).unwrap()
}

/// Bytes and golden file agree, both ways. A change of a golden file is a new version of the format.
#[track_caller]
fn golden(record: &VersionRecord, name: &str, file: &ExpectFile) {
    let written = String::from_utf8(record.to_bytes().unwrap()).unwrap();
    file.assert_eq(&format!("{written}\n"));
    let kept = std::fs::read(format!("{GOLDEN}/{name}")).unwrap();
    assert_eq!(&VersionRecord::from_bytes(&kept).unwrap(), record);
}

#[test]
fn a_program_is_written_and_read_as_its_golden_file_says() {
    let file = expect_file!["../../golden/program.v1.json"];
    golden(&record("program/shop"), "program.v1.json", &file);
}

#[test]
fn a_partner_is_written_and_read_as_its_golden_file_says() {
    let file = expect_file!["../../golden/partner.v1.json"];
    golden(&record("partner/lea"), "partner.v1.json", &file);
}

#[test]
fn a_link_is_written_and_read_as_its_golden_file_says() {
    let file = expect_file!["../../golden/link.v1.json"];
    golden(&record("link/lea-home"), "link.v1.json", &file);
}

#[test]
fn a_deletion_is_written_and_read_as_its_golden_file_says() {
    let record = VersionRecord {
        version: 2,
        object: Object::Link("search".parse().unwrap(), None),
        ..record("link/search")
    };
    let file = expect_file!["../../golden/deleted-link.v1.json"];
    golden(&record, "deleted-link.v1.json", &file);
}

#[test]
fn an_envelope_carries_the_record_under_the_object_s_key() {
    let record = record("link/lea-home");
    let envelope = record.to_envelope().unwrap();
    assert_eq!(envelope.key, "link/lea-home");
    assert_eq!(envelope.id, record.id());
    assert!(matches!(envelope.body, Body::CatalogVersion(_)));
    assert_eq!(VersionRecord::from_envelope(&envelope).unwrap(), record);
}

#[test]
fn the_id_of_a_record_depends_on_object_version_and_time() {
    let one = record("link/lea-home");
    let ids = [
        one.id(),
        VersionRecord { version: 2, ..one.clone() }.id(),
        VersionRecord { recorded_at: Millis(1), ..one.clone() }.id(),
        record("link/search").id(),
    ];
    for (n, id) in ids.iter().enumerate() {
        assert!(!ids[..n].contains(id));
    }
    assert_eq!(one.id(), record("link/lea-home").id());
}

#[test]
fn an_unknown_format_or_kind_is_refused_by_name_and_an_unknown_field_is_tolerated() {
    let written = String::from_utf8(record("link/search").to_bytes().unwrap()).unwrap();
    let read = |text: String| VersionRecord::from_bytes(text.as_bytes());
    let said = |text: String| read(text).unwrap_err().to_string();
    assert_eq!(said(written.replace("\"v\":1", "\"v\":2")), "catalog version of unknown format 2");
    assert_eq!(
        said(written.replace("\"kind\":\"link\"", "\"kind\":\"coupon\"")),
        "catalog version of unknown kind \"coupon\""
    );
    let more = written.replacen("{\"v\"", "{\"new\":[1],\"v\"", 1);
    let more = more.replacen("\"body\":{", "\"body\":{\"new\":{},", 1);
    assert_eq!(read(more).unwrap(), record("link/search"));
    for broken in ["", "{}", "null", &written[..written.len() - 1]] {
        assert_eq!(said(broken.to_owned()), "decode a catalog version");
    }
}
