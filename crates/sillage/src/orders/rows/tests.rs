//! Files as people make them.

use std::collections::BTreeMap;

use catalog::import::{Format, snapshot_of};
use event::Millis;
use event::body::Action;

use super::super::amount::Mark;
use super::{Bar, Job, read};

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

fn job<'a>(action: Action, program: catalog::ProgramRef<'a>, batch: Option<&'a str>) -> Job<'a> {
    Job { action, program, batch, mark: None, now: Millis(1_793_888_525_123) }
}

/// The ids of a file's acts, by their orders.
fn ids(action: Action, batch: Option<&str>, text: &str) -> BTreeMap<String, String> {
    let catalog = snapshot_of(CATALOG, Format::Toml, Millis(0)).unwrap();
    let read = read(text, job(action, catalog.program("shop").unwrap(), batch));
    assert!(read.faults.is_empty(), "{:?}", read.faults);
    let id = |act: super::Act| {
        let json: serde_json::Value = serde_json::from_str(&act.json).unwrap();
        (act.order, json["client_event_id"].as_str().unwrap().to_owned())
    };
    read.acts.into_iter().map(id).collect()
}

/// The objects and the faults of a file.
fn file(action: Action, text: &str) -> (Vec<String>, Vec<String>) {
    let catalog = snapshot_of(CATALOG, Format::Toml, Millis(0)).unwrap();
    let program = catalog.program("shop").unwrap();
    let read = read(text, job(action, program, Some("b")));
    let act = |act: &super::Act| {
        let start = r#"{"program":"shop","#;
        assert!(act.json.starts_with(start), "{}", act.json);
        let end = format!(r#","client_event_id":"b:{}:{}"}}"#, action.as_str(), act.meaning);
        assert!(act.json.ends_with(&end), "{}", act.json);
        format!("{}: {{{}}}", act.line, &act.json[start.len()..act.json.len() - end.len()])
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
fn each_row_of_a_decline_is_an_act_named_by_batch_action_and_meaning() {
    let text = "Order_ID,code,note,goal,at,revision\r\nBX-1,701,,,,\r\n\r\n\"BX, 2\",708,\"our \"\"test\"\"\",lead,2026-11-01T10:00:00Z,4\r\n";
    assert_eq!(
        good(Action::Decline, text),
        [
            r#"2: {"order_id":"BX-1","action":"decline","code":"701"}"#,
            r#"4: {"order_id":"BX, 2","action":"decline","goal":"lead","code":"708","note":"our \"test\"","at":"2026-11-01T10:00:00Z","revision":"4"}"#,
        ]
    );
}

#[test]
fn several_rows_of_a_return_are_the_lines_of_one_order() {
    let text = "order_id;sku;line;qty;amount\nBX-1;A;;1;\nBX-2;;;;12,50\nbx-1;;2;;3,5\nBX-3;;1;;\n";
    assert_eq!(
        good(Action::Return, text),
        [
            r#"2: {"order_id":"BX-1","action":"return","items":[{"sku":"A","qty":"1"},{"line":"2","amount":3.5}]}"#,
            r#"3: {"order_id":"BX-2","action":"return","amount":12.5}"#,
            r#"5: {"order_id":"BX-3","action":"return","items":[{"line":"1"}]}"#,
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
            r#"2: {"order_id":"A","action":"amend","currency":"EUR","amount":74.92}"#,
            r#"3: {"order_id":"B","action":"amend","items":[{"sku":"S1","category":"toys","qty":"2","amount":10},{"sku":"S2","amount":5}]}"#,
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
    assert!(of("order,amount")[0].contains("rename or remove it (order_id, goal, code,"));
    assert!(of("amount,note")[0].starts_with("1: order_id: the header has no such column"));
    assert!(of("order_id,Order_Id")[0].starts_with("1: order_id: the header names it twice"));
    assert!(faults(Action::Approve, "")[0].starts_with("1: the file is empty"));
    assert!(good(Action::Approve, "order_id\n").is_empty());
}

#[test]
fn an_act_has_the_same_id_however_its_file_is_written_and_another_if_it_says_something_else() {
    use Action::{Approve, Decline, Return};
    let plain = "order_id,code\nA,701\nB,702\n";
    for batch in [None, Some("b")] {
        let first = ids(Decline, batch, plain);
        for same in [
            "order_id,code\nB,702\nA,701\n",
            "\u{feff}code;order_id;goal\r\ncancelled;A;sale\r\n\r\n702;B;\r\n",
            "\"order_id\"\t\"code\"\nA\t701\nB\t702",
        ] {
            assert_eq!(ids(Decline, batch, same), first, "{same:?}");
        }
    }
    let of = |text: &str| ids(Decline, Some("b"), text);
    let (first, edited) = (of(plain), of("order_id,code\nA,701\nB,703\n"));
    assert_eq!(first["A"], edited["A"], "an unchanged row is the same act");
    assert_ne!(first["B"], edited["B"], "an edited one is another");
    assert_ne!(first["A"], of("order_id,code,goal\nA,701,lead\n")["A"], "another goal");
    assert_ne!(first["A"], of("order_id,code,at\nA,701,5\n")["A"], "another time");
    assert_ne!(first["A"], ids(Decline, Some("c"), plain)["A"], "another batch");
    assert_ne!(first["A"], ids(Decline, None, plain)["A"]);
    let ids_only = "order_id\nA\n";
    assert_ne!(ids(Approve, Some("b"), ids_only), ids(Action::Reopen, Some("b"), ids_only));
    let back = |text: &str| ids(Return, Some("b"), text)["A"].clone();
    assert_eq!(back("order_id,amount\nA,1.5\n"), back("order_id;amount\nA;1,50\n"));
    let lines = "order_id,sku,qty\nA,X,1\nA,Y,1\n";
    assert_ne!(back(lines), back("order_id,sku,qty\nA,Y,1\nA,X,1\n"), "entries are taken in turn");
    let quoted = ids(Approve, Some(r#"a"\b"#), ids_only);
    assert!(quoted["A"].starts_with(r#"a"\b:approve:"#), "{quoted:?}");
}

#[test]
fn a_decimal_mark_is_the_same_in_the_whole_file_and_thousands_stand_in_groups() {
    let amend = |amounts: &[&str], separator: &str| {
        let row = |(n, amount): (usize, &&str)| format!("O{n}{separator}\"{amount}\"\n");
        let rows: String = amounts.iter().enumerate().map(row).collect();
        faults(Action::Amend, &format!("order_id{separator}amount\n{rows}"))
    };
    for separator in [";", ",", "\t"] {
        assert!(amend(&["1,5", "2,25", "3", "1.234,50", "1 234,5"], separator).is_empty());
        assert!(amend(&["1.5", "2.25", "3", "1,234.50", "1'234.50"], separator).is_empty());
        let mixed = amend(&["1,5", "2", "2.25", "3.5"], separator);
        let expected =
            "4: amount: has another decimal mark than line 2; write all amounts of a file alike";
        assert_eq!(mixed, [expected]);
        let unclear = amend(&["1,5", "1.234"], separator);
        assert_eq!(unclear.len(), 1, "{unclear:?}");
        assert!(unclear[0].starts_with("3: amount: 1.234 may be 1234 or 1 and 234"), "{unclear:?}");
    }
}

#[test]
fn one_row_may_put_all_others_in_doubt() {
    use Action::Return;
    let catalog = snapshot_of(CATALOG, Format::Toml, Millis(0)).unwrap();
    let program = catalog.program("shop").unwrap();
    let barred = |action, mark, text: &str| {
        let read = read(text, Job { mark, ..job(action, program, None) });
        assert!(!read.acts.is_empty());
        read.barred
    };
    let mixed = "order_id,amount\nA,\"12,50\"\nB,2.25\n";
    assert_eq!(barred(Return, None, mixed), Some(Bar::Marks));
    assert_eq!(barred(Return, Some(Mark::Comma), mixed), None, "that row alone is at fault");
    assert_eq!(barred(Return, None, "order_id,amount\nA,\"12,50\"\nB,\"2,25\"\n"), None);
    let stray = "order_id,code\nA,701\n,701\n";
    assert_eq!(barred(Action::Decline, None, stray), None);
    let stray = "order_id,sku\nA,X\n,Y\n";
    assert_eq!(barred(Return, None, stray), Some(Bar::Stray));
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
