//! What an operator reads when the configuration is wrong.

use std::fs;

use expect_test::{Expect, expect};

use super::read::load;

const MINIMAL: &str = "[node]\ndata_folder = \"data\"\ncatalog_file = \"catalog.toml\"\n\
    key_file = \"keys.toml\"\n";

fn check(text: &str, environment: &[(&str, &str)], expect: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sillage.toml");
    fs::write(&file, text).unwrap();
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let said = match load(&file, environment) {
        Ok(_) => "fine".to_owned(),
        Err(findings) => {
            let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
            lines.join("\n").replace(&format!("{}/", folder.path().display()), "")
        }
    };
    expect.assert_eq(&said);
}

#[test]
fn the_minimal_file_is_fine() {
    check(MINIMAL, &[], expect!["fine"]);
}

#[test]
fn an_empty_file_names_what_is_missing() {
    check(
        "",
        &[],
        expect![[r#"
        sillage.toml: node.data_folder is missing: give the folder for events and state
        sillage.toml: node.catalog_file is missing: give the file with programs, partners and links
        sillage.toml: node.key_file is missing: give the file that `sillage keygen` makes"#]],
    );
}

#[test]
fn every_fault_is_listed_with_its_place() {
    let text = format!(
        "{MINIMAL}drain_delay = \"2m\"\nstop_max = 4\n\n[admin]\nlisen = \"127.0.0.1:1\"\n\n[log]\n\
         format = \"xml\"\nfilter = \"edge=loud\"\n\n[eventlog]\nbytes_max = 5\nkeep_touches = \"74days 23h\"\n\n[kafka]\n"
    );
    check(
        &text,
        &[],
        expect![[r#"
            sillage.toml:5:1: node.drain_delay is 2m: give 0s to 1m
            sillage.toml:6:1: node.stop_max: invalid type: integer `4`, expected a duration
            sillage.toml:9:1: admin.lisen: there is no key "lisen" here; did you mean "listen"?
            sillage.toml:12:1: log.format: unknown variant `xml`, expected `human` or `json`
            sillage.toml:13:1: log.filter is "edge=loud": write for example "info" or "info,edge=debug"
            sillage.toml:16:1: eventlog.bytes_max is 5 bytes; give 1048576 or more bytes
            sillage.toml:17:1: eventlog.keep_touches is less than 75 days: a book that is made anew counts the touches again that days are paid for
            sillage.toml:19:2: kafka: there is no key "kafka" here; there are node, edge, eventlog, dedup, attribution, ledger, report, admin, log"#]],
    );
}

#[test]
fn broken_syntax_is_listed_by_line() {
    check(
        "[node\nname = \"a\"\n\n[log]\nfilter = info\n",
        &[],
        expect![[r#"
        sillage.toml:1:6: unclosed table, expected `]`
        sillage.toml:5:10: invalid float, expected `inf`"#]],
    );
}

#[test]
fn the_environment_overrides_the_file() {
    let check = |name, value, expect| check(MINIMAL, &[(name, value), ("OTHER", "x")], expect);
    check("SILLAGE__NODE__STOP_MAX", "20s", expect!["fine"]);
    check("SILLAGE__EVENTLOG__QUEUE_RECORDS_MAX", "5000", expect!["fine"]);
    check("SILLAGE__EVENTLOG__KEEP_TOUCHES", "75days", expect!["fine"]);
    check(
        "SILLAGE__NODE__STOP_MAX",
        "2s",
        expect![
            "SILLAGE__NODE__STOP_MAX: node.stop_max is 2s: give drain_delay + edge.drain_timeout + 1s = 9s to 5m"
        ],
    );
    check(
        "SILLAGE__NODE__STOPMAX",
        "2s",
        expect![[
            r#"SILLAGE__NODE__STOPMAX: node.stopmax: there is no key "stopmax" here; did you mean "stop_max"?"#
        ]],
    );
    check(
        "SILLAGE__EVENTLOG__QUEUE_RECORDS_MAX",
        "many",
        expect![[
            r#"SILLAGE__EVENTLOG__QUEUE_RECORDS_MAX: eventlog.queue_records_max: invalid type: string "many", expected u32"#
        ]],
    );
}

#[test]
fn a_missing_file_says_what_to_start_from() {
    let said = load(std::path::Path::new("nowhere.toml"), std::iter::empty()).unwrap_err();
    let said = said.first().unwrap().to_string();
    expect!["nowhere.toml: cannot read it: No such file or directory (os error 2); start from config/minimal.toml"].assert_eq(&said);
}
