//! Files as people make them.

use catalog::import::{Format, snapshot_of};
use event::Millis;
use event::body::Action;

use super::{Job, read};

const CATALOG: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
time_zone = "Europe/Paris"
currency = "EUR"
decimal_mark = "comma"
goal = { sale = {}, lead = {} }
"#;

/// The objects and the faults of a file.
fn file(action: Action, text: &str) -> (Vec<String>, Vec<String>) {
    let catalog = snapshot_of(CATALOG, Format::Toml, Millis(0)).unwrap();
    let program = catalog.program("shop").unwrap();
    let now = Millis(1_793_888_525_123);
    let read = read(text, Job { action, program, batch: "b", now });
    let act = |act: &super::Act| {
        let start = r#"{"program":"shop","#;
        assert!(act.json.starts_with(start), "{}", act.json);
        format!("{}: {{{}", act.line, &act.json[start.len()..])
    };
    let fault = |fault: &super::RowFault| format!("{}: {}", fault.line, fault.text);
    (read.acts.iter().map(act).collect(), read.faults.iter().map(fault).collect())
}

fn good(action: Action, text: &str) -> Vec<String> {
    let (acts, faults) = file(action, text);
    assert!(faults.is_empty(), "{faults:?}");
    acts
}

fn faults(action: Action, text: &str) -> Vec<String> {
    file(action, text).1
}

#[test]
fn each_row_of_a_decline_is_an_act_named_by_batch_and_line() {
    let text = "Order_ID,code,note,goal,at,revision\r\nBX-1,701,,,,\r\n\r\n\"BX, 2\",708,\"our \"\"test\"\"\",lead,2026-11-01T10:00:00Z,4\r\n";
    assert_eq!(
        good(Action::Decline, text),
        [
            r#"2: {"order_id":"BX-1","action":"decline","client_event_id":"b:2","code":"701"}"#,
            r#"4: {"order_id":"BX, 2","action":"decline","client_event_id":"b:4","goal":"lead","code":"708","note":"our \"test\"","at":"2026-11-01T10:00:00Z","revision":"4"}"#,
        ]
    );
}

#[test]
fn several_rows_of_a_return_are_the_lines_of_one_order() {
    let text = "order_id;sku;line;qty;amount\nBX-1;A;;1;\nBX-2;;;;12,50\nbx-1;;2;;3,5\nBX-3;;1;;\n";
    assert_eq!(
        good(Action::Return, text),
        [
            r#"2: {"order_id":"BX-1","action":"return","client_event_id":"b:2","items":[{"sku":"A","qty":"1"},{"line":"2","amount":3.5}]}"#,
            r#"3: {"order_id":"BX-2","action":"return","client_event_id":"b:3","amount":12.5}"#,
            r#"5: {"order_id":"BX-3","action":"return","client_event_id":"b:5","items":[{"line":"1"}]}"#,
        ]
    );
}

#[test]
fn an_amend_gives_an_amount_or_lines() {
    let text =
        "order_id,amount,sku,category,qty,currency\nA,74.92,,,,EUR\nB,10,S1,toys,2,\nB,5,S2,,,\n";
    assert_eq!(
        good(Action::Amend, text),
        [
            r#"2: {"order_id":"A","action":"amend","client_event_id":"b:2","currency":"EUR","amount":74.92}"#,
            r#"3: {"order_id":"B","action":"amend","client_event_id":"b:3","items":[{"sku":"S1","category":"toys","qty":"2","amount":10},{"sku":"S2","amount":5}]}"#,
        ]
    );
}

#[test]
fn each_fault_names_line_and_field_and_what_to_do() {
    let text = "order_id,code,note,amount,line\n,701,,,\nA,,,,\nB,709,,,\nC,708,,,\nD,701,,5,\nE,701,,,1\nF,701,,,\nf ,702,,,\nG,701\nH,701,,,,x\n\"I\"x,1,1,1,1\n";
    let seen = faults(Action::Decline, text);
    let expected = [
        "2: order_id: is empty; give the order id as the shop reported it",
        "3: code: is required for a decline: 701 cancelled",
        "4: code: is no reason of a decline: give 701 cancelled",
        "5: note: is required for code 708: say what it was",
        "6: amount: has no meaning with decline",
        "7: line: means nothing in decline; empty it",
        "9: order_id: F stands at line 8 already; remove one of them",
        "10: the row has 2 cells, the header 5: is a separator missing?",
        "11: the row has a cell at place 6 that the header does not name",
        "12: text follows a closing quotation mark",
    ];
    assert_eq!(seen.len(), expected.len(), "{seen:#?}");
    for (seen, expected) in seen.iter().zip(expected) {
        assert!(seen.starts_with(expected), "{seen}\n{expected}");
    }
}

#[test]
fn a_fault_of_a_line_is_that_of_its_row() {
    let text =
        "order_id,sku,qty,amount,currency,line\nA,S1,1,,EUR,\nA,,2,,,\nA,S3,0,,USD,\nB,S4,,x,,\n";
    let seen = faults(Action::Return, text);
    let expected = [
        "4: currency: differs from line 2 of the same order",
        "5: amount: is not a decimal number",
    ];
    assert_eq!(seen.len(), expected.len(), "{seen:#?}");
    for (seen, expected) in seen.iter().zip(expected) {
        assert!(seen.starts_with(expected), "{seen}\n{expected}");
    }
    let seen = faults(Action::Return, "order_id,amount\nA,\n");
    assert!(seen[0].starts_with("2: amount: is empty; give all that came back"), "{seen:?}");
    let text = "order_id,sku,qty\nA,S1,1\nA,,2\nA,S3,0\n";
    let seen = faults(Action::Return, text);
    assert!(seen[0].starts_with("3: line: is required, or sku"), "{seen:?}");
    assert!(seen[1].starts_with("4: qty: is not a whole number from 1"), "{seen:?}");
}

#[test]
fn a_header_that_is_not_understood_refuses_the_file() {
    let of = |header: &str| faults(Action::Amend, &format!("{header}\nA,1\n"));
    assert!(
        of("order_id,ammount")[0].starts_with("1: ammount: is no column of an act on an order")
    );
    assert!(of("order,amount")[0].starts_with("1: order: is no column"));
    assert!(of("order,amount")[1].starts_with("1: known columns are order_id, goal,"));
    assert!(of("amount,note")[0].starts_with("1: order_id: the header has no such column"));
    assert!(of("order_id,Order_Id")[0].starts_with("1: order_id: the header names it twice"));
    assert!(faults(Action::Approve, "")[0].starts_with("1: the file is empty"));
    assert!(good(Action::Approve, "order_id\n").is_empty());
}

#[test]
fn a_decimal_mark_is_the_same_in_the_whole_file_and_no_thousands_separator() {
    let amend = |amounts: &[&str], separator: &str| {
        let row = |amount: &&str| format!("O{amount}{separator}{amount}\n");
        let rows: String = amounts.iter().map(row).collect();
        faults(Action::Amend, &format!("order_id{separator}amount\n{rows}"))
    };
    assert!(amend(&["1,5", "2,25", "3"], ";").is_empty());
    assert!(amend(&["1.5", "2.25", "3"], ";").is_empty());
    assert!(
        amend(&["1,5", "2.25"], ";")[0]
            .starts_with("3: amount: has another decimal mark than line 2")
    );
    assert!(amend(&["1.234,50"], ";").iter().any(|fault| fault.starts_with("2: amount: ")));
    let quoted = faults(Action::Amend, "order_id,amount\nA,\"1,5\"\n");
    assert!(quoted[0].starts_with("2: amount: is not a decimal number"), "{quoted:?}");
    assert!(quoted[0].ends_with("write it like 12.50"), "{quoted:?}");
}

#[test]
fn forty_thousand_rows_are_read_and_too_many_are_told() {
    let file = |rows: usize| -> String {
        let rows: String = (0..rows).map(|n| format!("BX-{n},701\n")).collect();
        format!("order_id,code\n{rows}")
    };
    assert_eq!(good(Action::Decline, &file(40_000)).len(), 40_000);
    let seen = faults(Action::Decline, &file(super::ROWS_MAX + 1));
    assert_eq!(seen, ["200002: the file has more than 200000 rows: split it here"]);
}
