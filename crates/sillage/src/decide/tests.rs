//! Files of events in, decisions or faults out.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};

use super::decide_file;
use crate::config::Faults;

const CATALOG: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
time_zone = "Europe/Paris"
currency = "EUR"

[partner.lea]
title = "Lea"
kind = "content"
program.shop.state = "approved"

[link.lea-home]
program = "shop"
partner = "lea"
destination = "https://shop.example/"
"#;

/// A click of visitor `v` on Lea's link on day 1, 00:00, and an order of the same visitor an hour later.
const CLICK: &str = r#"{"v":1,"id":"0000e677-7c00-7000-8000-002523456789","type":"click","occurred_at":3866624000,"received_at":3866624000,"program":"shop","key":"v","body":{"partner":"lea","link":"lea-home","channel":"content","ids":["v:paWlpaWlpaWlpaWl"],"consent":"granted"}}"#;
const ORDER: &str = r#"{"v":1,"id":"0000e6ae-6a80-7000-8000-002523456789","type":"conversion","occurred_at":3870224000,"received_at":3870224000,"program":"shop","key":"shop/sale/real/o:BX-1","body":{"goal":"sale","order_id":"BX-1","source":"s2s","trust":"signed","amount":74920000,"currency":"EUR","ids":["v:paWlpaWlpaWlpaWl"],"consent":"granted"}}"#;

fn decided(events: &str, catalog: &str) -> Result<String, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let (events_file, catalog_file) =
        (folder.path().join("events.jsonl"), folder.path().join("catalog.toml"));
    fs::write(&events_file, events).unwrap();
    fs::write(&catalog_file, catalog).unwrap();
    match decide_file(&events_file, &catalog_file) {
        Ok((decisions, notes)) => {
            let line = |decision| serde_json::to_string(decision).unwrap();
            let mut lines: Vec<String> = decisions.iter().map(line).collect();
            lines.extend(notes);
            Ok(lines.join("\n"))
        }
        Err(error) => {
            let Faults(lines) = error.downcast().unwrap();
            let short = |line: String| line.replace(&format!("{}/", folder.path().display()), "");
            Err(lines.into_iter().map(short).collect())
        }
    }
}

fn check_faults(events: &str, catalog: &str, expect: Expect) {
    expect.assert_eq(&decided(events, catalog).unwrap_err().join("\n"));
}

#[test]
fn an_order_is_decided_whatever_the_order_of_the_lines_and_however_often_they_come() {
    let once = decided(&format!("{CLICK}\n{ORDER}\n"), CATALOG).unwrap();
    assert!(once.contains(r#""status":"ATTRIBUTED""#), "{once}");
    assert!(once.contains(r#""winner":"lea""#), "{once}");
    let shuffled = format!("{ORDER}\n\n{CLICK}\r\n{ORDER}\n{CLICK}");
    assert_eq!(decided(&shuffled, CATALOG).unwrap(), once);
}

#[test]
fn decisions_are_sorted_by_key_and_nobodys_order_has_one_too() {
    let second = ORDER
        .replace("BX-1", "AX-2")
        .replace("0000e6ae", "0000e6af")
        .replace("paWlpaWlpaWlpaWl", "AAAAAAAAAAAAAAAA");
    let both = decided(&format!("{ORDER}\n{second}\n{CLICK}"), CATALOG).unwrap();
    let keys: Vec<&str> = both.lines().map(|line| line.split('"').nth(3).unwrap()).collect();
    assert_eq!(keys, ["shop/sale/real/o:AX-2", "shop/sale/real/o:BX-1"]);
    assert!(both.lines().next().unwrap().contains(r#""status":"UNATTRIBUTED""#), "{both}");
}

#[test]
fn what_decisions_do_not_read_is_skipped_and_said() {
    let lane = r#"{"v":1,"id":"0000e6ae-6a80-8000-8000-002523456789","type":"lane_stopped","occurred_at":1,"received_at":1,"key":"x","body":{"lane":123456789,"next":7}}"#;
    let said = decided(lane, CATALOG);
    assert_eq!(said.unwrap(), "skipped, since decisions do not read it: lane_stopped, 1 times");
}

#[test]
fn every_fault_of_a_file_is_listed_and_nothing_is_decided() {
    let lines = [
        ORDER.to_owned(),
        "{".to_owned(),
        ORDER.replace("74920000", "\"74.92\""),
        ORDER.replace("\"v\":1", "\"v\":2"),
        ORDER.replace("\"conversion\"", "\"order_placed\""),
        ORDER.replace("\"program\":\"shop\",", "").replace("0000e6ae", "0000e6af"),
        ORDER.replace("\"program\":\"shop\"", "\"program\":\"shöp\""),
        ORDER.replace("\"goal\":\"sale\",", ""),
        ORDER.replace("BX-1", "BX-2"),
        CLICK.replace("\"program\":\"shop\"", "\"program\":\"other\""),
        format!("{{\"x\":\"{}\"}}", "y".repeat(300_000)),
    ];
    check_faults(
        &lines.join("\n"),
        CATALOG,
        expect![[r#"
            events.jsonl:2:1: EOF while parsing an object
            events.jsonl:3:256: body.amount: invalid type: string "74.92", expected i64
            events.jsonl:4:2: v: envelope version 2 is not known to this version
            events.jsonl:5:52: type: event type `order_placed` is not known to this version
            events.jsonl:6:1: program: is missing: every event of a touch or an order names its program
            events.jsonl:7:137: program: a name is 1 to 32 of the characters 0-9 A-Z a-z _ -
            events.jsonl:8:310: body.goal: is missing
            events.jsonl:9:8: id: stands on line 1 with other content; an id names one event
            events.jsonl:10:117: program: the catalog has no program "other"
            events.jsonl:11:1: the line is longer than 262144 bytes"#]],
    );
}

#[test]
fn what_contradicts_itself_or_the_catalog_is_a_fault_at_its_field() {
    let claim =
        r#"{"id":"01a1a1c9-e343-7000-8000-000000000001","link":"nowhere","partner":"nobody"}"#;
    let clicks = |verdict: &str, claim: &str| {
        let click = format!(r#"{{"raw":"x","source":"parameter","verdict":"{verdict}"{claim}}}"#);
        ORDER.replace("\"goal\"", &format!("\"clicks\":[{click}],\"goal\""))
    };
    let lines = [
        ORDER.replace("74920000", "-1"),
        ORDER.replace(
            "\"goal\"",
            "\"items\":[{\"qty\":1,\"amount\":0},{\"qty\":1,\"amount\":-5}],\"goal\"",
        ),
        format!("  {}", CLICK.replacen("\"received_at\":", "\"received_at\":1,\"x\":", 1)),
        CLICK.replace("\"lea\"", "\"leo\"").replace("lea-home", "leo-home"),
        ORDER.replace("\"goal\":\"sale\"", "\"goal\":\"lead\""),
        clicks("valid", ""),
        clicks("bad_mac", &format!(",\"claim\":{claim}")),
        clicks("valid", &format!(",\"claim\":{claim}")),
        format!("\t{}", CLICK.replace("\"program\":\"shop\"", "\"program\":\"two\"")),
        CLICK.replace("\"program\":\"shop\"", "\"program\":\"two\""),
    ];
    let distinct: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(n, line)| line.replacen("\"id\":\"0000e6", &format!("\"id\":\"{n:06x}"), 1))
        .collect();
    check_faults(
        &distinct.join("\n"),
        CATALOG,
        expect![[r#"
        events.jsonl:1:241: body.amount: is negative; what is given back is a return, not a conversion
        events.jsonl:2:216: body.items[2].amount: is negative; what is given back is a return, not a conversion
        events.jsonl:3:69: occurred_at: is after received_at: nothing is received before it happens
        events.jsonl:4:152: body.partner: the catalog has no partner "leo"
        events.jsonl:4:168: body.link: the catalog has no link "leo-home"
        events.jsonl:5:177: body.goal: the program has no goal "lead"
        events.jsonl:6:187: body.clicks[1].claim: is missing: a valid click id stands for its click
        events.jsonl:7:239: body.clicks[1].claim: stands beside a verdict that is not `valid`
        events.jsonl:8:307: body.clicks[1].claim.partner: the catalog has no partner "nobody"
        events.jsonl:8:290: body.clicks[1].claim.link: the catalog has no link "nowhere"
        events.jsonl:9:118: program: the catalog has no program "two"
        events.jsonl:10:117: program: the catalog has no program "two""#]],
    );
}

#[test]
fn a_claimed_click_has_the_time_of_its_id_and_any_other_may_have_another() {
    let order = ORDER.replace(
        "\"goal\"",
        r#""clicks":[{"raw":"x","source":"parameter","verdict":"valid","claim":{"id":"01a1a1c9-e343-7000-8000-000000000001","link":"lea-home","partner":"lea"}}],"goal""#,
    );
    let click = |occurred_at: i64| {
        format!(
            r#"{{"v":1,"id":"01a1a1c9-e343-7000-8000-000000000001","type":"click","occurred_at":{occurred_at},"received_at":1793715725123,"program":"shop","key":"","body":{{"partner":"lea","link":"lea-home","ids":["v:paWlpaWlpaWlpaWl"]}}}}"#
        )
    };
    let (right, wrong) = (click(1_793_715_725_123), click(1_793_715_725_122));
    decided(&format!("{order}\n{right}"), CATALOG).unwrap();
    decided(&wrong, CATALOG).unwrap();
    check_faults(
        &format!("{order}\n{wrong}"),
        CATALOG,
        expect![
            "events.jsonl:2:67: occurred_at: is not the time in the id, which a click id claims"
        ],
    );
    check_faults(
        &format!("{wrong}\n{order}"),
        CATALOG,
        expect![
            "events.jsonl:2:246: body.clicks[1].claim.id: holds another time than the event of the click"
        ],
    );
}

#[test]
fn the_longest_line_may_end_in_any_way_and_one_byte_more_is_too_long() {
    let padding = |length: usize| {
        let line = ORDER.replacen("{", "{\"padding\":\"\",", 1);
        let missing = length - line.len();
        line.replacen("\"\"", &format!("\"{}\"", "x".repeat(missing)), 1)
    };
    let (longest, longer) = (padding(262_144), padding(262_145));
    for end in ["", "\n", "\r\n"] {
        decided(&format!("{longest}{end}"), CATALOG).unwrap();
        let faults = decided(&format!("{longer}{end}{CLICK}"), CATALOG).unwrap_err();
        assert_eq!(faults, ["events.jsonl:1:1: the line is longer than 262144 bytes"], "{end:?}");
    }
}

#[test]
fn faults_of_both_files_come_together() {
    check_faults(
        "[]",
        &CATALOG.replace("\"approved\"", "\"welcome\""),
        expect![[r#"
            events.jsonl:1:1: an event is a JSON object in one line
            catalog.toml:12:22: partner.lea.program.shop.state: "welcome" is not a value of it; use "invited", "applied", "approved", "rejected", "suspended", "ended""#]],
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = decide_file(Path::new("nowhere.jsonl"), Path::new("x")).unwrap_err();
    expect!["nowhere.jsonl: cannot read it: No such file or directory (os error 2)"]
        .assert_eq(&error.to_string());
}
