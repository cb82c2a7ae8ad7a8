//! Each rule on a case that keeps it and one that breaks it.

use serde_json::json;

use super::graph::{self, Metadata};
use super::license::allows;
use super::{File, license, manifest, page, source};

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

fn member(name: &str, edges: &[(&str, Option<&str>)]) -> serde_json::Value {
    let edges: Vec<_> = edges
        .iter()
        .map(|(name, kind)| json!({ "name": name, "kind": kind, "path": "somewhere" }))
        .collect();
    json!({ "name": name, "version": "0.0.0", "license": "MIT", "source": null, "dependencies": edges })
}

fn foreign(name: &str, version: &str, license: &str) -> serde_json::Value {
    let source = "registry+https://github.com/rust-lang/crates.io-index";
    json!({ "name": name, "version": version, "license": license, "source": source })
}

fn metadata(packages: &[serde_json::Value]) -> Metadata {
    serde_json::from_value(json!({ "packages": packages })).unwrap()
}

#[test]
fn a_stage_may_name_the_event_log_but_no_other_stage() {
    let below = [("event", None), ("catalog", None), ("eventlog", None)];
    assert_eq!(graph::edges(&metadata(&[member("dedup", &below)])), [""; 0]);
    let mut stranger = below.to_vec();
    stranger.push(("attribution", None));
    assert_eq!(
        graph::edges(&metadata(&[member("dedup", &stranger)])),
        ["dedup: must not depend on attribution at all"]
    );
}

#[test]
fn testkit_is_for_tests() {
    let below = [("event", None), ("catalog", None), ("eventlog", None)];
    let with = |kind| [&below[..], &[("testkit", kind)]].concat();
    assert_eq!(graph::edges(&metadata(&[member("edge", &with(Some("dev")))])), [""; 0]);
    assert_eq!(
        graph::edges(&metadata(&[member("edge", &with(None))])),
        ["edge: must not depend on testkit at all"]
    );
}

#[test]
fn an_expected_edge_that_is_gone_is_found() {
    assert_eq!(
        graph::edges(&metadata(&[member("catalog", &[])])),
        ["catalog: is expected to depend on event"]
    );
}

#[test]
fn a_crate_without_a_place_in_the_graph_is_found() {
    assert_eq!(
        graph::edges(&metadata(&[member("stray", &[])])),
        ["stray: this crate has no place in tidy's graph yet"]
    );
}

#[test]
fn a_foreign_crate_has_its_owners() {
    assert_eq!(graph::owners(&metadata(&[member("edge", &[("hyper", None)])])), [""; 0]);
    assert_eq!(graph::owners(&metadata(&[member("dedup", &[("hyper", Some("dev"))])])), [""; 0]);
    assert_eq!(
        graph::owners(&metadata(&[member("dedup", &[("hyper", None)])])),
        ["dedup: only edge and telemetry may name hyper"]
    );
}

#[test]
fn a_licence_is_allowed_if_one_choice_is() {
    for fine in [
        "MIT",
        "MIT OR GPL-3.0-only",
        "Apache-2.0/MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
    ] {
        assert!(allows(fine), "{fine}");
    }
    for wrong in [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "MIT WITH Classpath-exception-2.0",
        "(MIT OR Apache-2.0",
        "MIT Apache-2.0",
    ] {
        assert!(!allows(wrong), "{wrong}");
    }
}

#[test]
fn a_package_without_licence_or_from_elsewhere_is_found() {
    let mut stray = foreign("stray", "1.0.0", "AGPL-3.0-only");
    stray["source"] = json!("git+https://example.org/stray");
    let packages = metadata(&[foreign("fine", "1.0.0", "MIT"), stray]);
    assert_eq!(
        license::licenses(&packages),
        ["stray 1.0.0: licence \"AGPL-3.0-only\" is not on the list"]
    );
    assert_eq!(
        license::sources(&packages),
        ["stray 1.0.0: unknown source git+https://example.org/stray"]
    );
}

#[test]
fn a_banned_package_is_found_with_the_reason() {
    let found = license::bans(&metadata(&[foreign("native-tls", "0.2.0", "MIT")]));
    assert!(matches!(&found[..], [one] if one.contains("rustls")), "{found:?}");
}

#[test]
fn a_second_version_needs_a_reason_and_a_reason_a_second_version() {
    let found = license::duplicates(&metadata(&[
        foreign("twice", "1.0.0", "MIT"),
        foreign("twice", "2.0.0", "MIT"),
        foreign("syn", "2.0.0", "MIT"),
        foreign("syn", "3.0.0", "MIT"),
    ]));
    assert!(
        found.contains(&"twice: in versions 1.0.0 and 2.0.0; drop one or give a reason".to_owned())
    );
    assert!(!found.iter().any(|finding| finding.starts_with("syn:")), "{found:?}");
    assert!(found.iter().any(|finding| finding.starts_with("rand: excused")), "{found:?}");
}

#[test]
fn a_member_inherits_lints_and_versions() {
    let own = "[package]\nname = \"x\"\ndescription = \"y\"\nversion.workspace = true\n\
        edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n\
        publish.workspace = true\n[dependencies]\nserde.workspace = true\n\
        [lints]\nworkspace = true\n";
    assert_eq!(manifest::inherits(&file("Cargo.toml", own)), [""; 0]);
    assert_eq!(manifest::inherits(&file("Cargo.toml", "[workspace]\nmembers = []\n")), [""; 0]);
    let strange =
        own.replace("serde.workspace = true", "serde = \"1\"").replace("[lints]", "[other]");
    let found = manifest::inherits(&file("Cargo.toml", &strange));
    assert_eq!(
        found,
        [
            "Cargo.toml: needs `[lints] workspace = true`",
            "Cargo.toml: serde needs `workspace = true`: versions stand in the root only"
        ]
    );
}

#[test]
fn a_source_file_says_what_it_is_for() {
    assert_eq!(source::first_line(&file("a.rs", "//! Adds.\n")), None);
    for silent in ["", "use std::fmt;\n", "//!\n", "\n//! Late.\n"] {
        assert!(source::first_line(&file("a.rs", silent)).is_some(), "{silent:?}");
    }
}

#[test]
fn names_that_say_nothing_are_refused() {
    assert_eq!(
        source::names(&file("src/store.rs", "pub struct PhantomDatum;\nlet x: Data;")),
        [""; 0]
    );
    assert_eq!(source::names(&file("src/utils.rs", "")).len(), 1);
    assert_eq!(source::names(&file("src/mod.rs", "")).len(), 1);
    assert_eq!(
        source::names(&file("a.rs", "//! x\npub(crate) struct OrderManager<T> {")),
        ["a.rs:2: `Manager` is refused in `OrderManager`"]
    );
}

#[test]
fn a_test_that_is_switched_off_is_found() {
    let off = concat!("#[test]\n    #[ig", "nore]\nfn a() {}");
    assert_eq!(source::switched_off(&file("a.rs", off)).len(), 1);
    assert_eq!(source::switched_off(&file("a.rs", "#[test]\nfn a() {}")), [""; 0]);
}

#[test]
fn a_path_of_one_machine_is_found_and_a_relative_one_is_not() {
    let here = concat!("see /ho", "me/lea/notes");
    assert_eq!(source::machine_paths(&file("a.md", here)).len(), 1);
    let there = concat!("https://example.org/ho", "me/x and config/wo", "rk/y");
    assert_eq!(source::machine_paths(&file("a.md", there)), [""; 0]);
}

#[test]
fn a_page_has_one_title() {
    assert_eq!(page::one_title(&file("a.md", "# A\n\n```sh\n# comment\n```\n## B\n")), None);
    assert!(page::one_title(&file("a.md", "## B\n")).is_some());
    assert!(page::one_title(&file("a.md", "# A\n# B\n")).is_some());
}

#[test]
fn the_architecture_names_every_crate() {
    let packages = metadata(&[member("event", &[]), foreign("serde", "1.0.0", "MIT")]);
    let named = [file("ARCHITECTURE.md", "# A\n`event` holds the words.")];
    assert_eq!(page::architecture(&named, &packages), [""; 0]);
    let silent = [file("ARCHITECTURE.md", "# A\n")];
    assert_eq!(page::architecture(&silent, &packages).len(), 1);
    assert_eq!(page::architecture(&[], &packages).len(), 1);
}
