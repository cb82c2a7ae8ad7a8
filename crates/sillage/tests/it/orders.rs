//! `sillage orders` against a running edge, with books that a stand-in tells of.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use event::body::{Action, Validation};
use event::{Body, Envelope, Topic};
use eventlog::{Disk, LogReader, RealDisk};
use expect_test::expect;
use http::StatusCode;
use serde_json::{Value, json};
use telemetry::admin::{Admin, Draining, Reply, Running};
use telemetry::{Recorder, recorder};

use crate::serving::Node;
use crate::{CATALOG, Place};

/// Books that know every order but `NOBODY`: 3 EUR each, pending; `GONE` is declined already, `MUCH` returns too much.
fn books() -> Running {
    static RECORDER: OnceLock<Recorder> = OnceLock::new();
    let recorder = RECORDER.get_or_init(|| recorder::install(&[], "0", "test").unwrap()).clone();
    let standing = |state: &str, units: i64| json!({"state": state, "commission_micros": units * 1_000_000, "currency": "EUR"});
    let preview = move |n: usize, line: &str| {
        let act: Value = serde_json::from_str(line).unwrap();
        let fault = match act["order_id"].as_str().unwrap() {
            "NOBODY" => {
                json!({"code": "unknown_order", "message": "is not known; is it spelled as it was reported?"})
            }
            "MUCH" => {
                json!({"code": "returned_too_much", "message": "more comes back than was bought"})
            }
            _ => Value::Null,
        };
        let before = if act["order_id"] == "GONE" {
            standing("declined", 0)
        } else {
            standing("pending", 3)
        };
        let after = match act["action"].as_str().unwrap() {
            "decline" => standing("declined", 0),
            "approve" => standing("approved", 3),
            "return" => standing("pending", 1),
            _ => before.clone(),
        };
        let known = fault["code"] != "unknown_order";
        json!({"line": n, "order": "k", "before": known.then_some(before), "after": known.then_some(after), "fault": fault})
    };
    let order = |query: &telemetry::admin::Query| {
        json!({"order": "shop/sale/real/o:BX-1", "order_id": "BX-1", "state": query.get("state").unwrap_or("pending"),
            "code": 110, "partner": "lea", "currency": "EUR", "amount_micros": 1, "net_micros": 74_920_000,
            "commission_micros": 3_746_000, "converted_at": 1_793_888_525_123_i64, "lock_at": null, "changed_at": 0})
    };
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    Admin::new(recorder, Draining::default())
        .question("/v1/orders/preview", 2 << 20, move |query, body| {
            assert_eq!(query.get("program"), Some("shop"));
            let text = std::str::from_utf8(body).unwrap();
            let lines = (1..).zip(text.lines()).map(|(n, line)| format!("{}\n", preview(n, line)));
            Reply::text(StatusCode::OK, lines.collect::<String>())
        })
        .route("/v1/orders", move |query| {
            let next = if query.get("after").is_none() {
                json!({"next": "1"})
            } else {
                json!({"next": null})
            };
            Reply::text(StatusCode::OK, format!("{}\n{next}\n", order(query)))
        })
        .serve(anywhere)
        .unwrap()
}

/// A place whose shop has a signing key.
pub(crate) fn with_key() -> Place {
    let place = Place::new();
    let named = CATALOG.replace("reports = { ", "reports = { hmac_keys = [\"shop-orders\"], ");
    place.write("catalog.toml", &named);
    let (code, _, err) = place.said(&["keygen", "--name", "shop-orders", "--program", "shop"]);
    assert_eq!(code, 0, "{err}");
    place
}

/// What `sillage orders` says with these words.
fn said(place: &Place, books: &Running, words: &str) -> (i32, String, String) {
    said_of(place, books.address(), words)
}

/// The same with the books at this address.
pub(crate) fn said_of(place: &Place, books: SocketAddr, words: &str) -> (i32, String, String) {
    let mut command = place.command(&["orders"]);
    command.args(words.split(' ')).env("SILLAGE__ADMIN__LISTEN", books.to_string());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn acts(place: &Place) -> Vec<Validation> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let reader = LogReader::open(&disk, &place.path().join("data")).unwrap();
    let mut acts = Vec::new();
    for batch in reader.scan(Topic::Conversions, 0) {
        for record in batch.unwrap().records {
            let Body::Validation(act) = Envelope::read(&record.payload).unwrap().body else {
                panic!("an act is no conversion");
            };
            acts.push(*act);
        }
    }
    acts
}

#[test]
fn a_dry_run_shows_what_would_change_and_changes_nothing() {
    let (place, books) = (with_key(), books());
    place.write("october.csv", "order_id,code\nBX-1,701\nBX-2,704\nGONE,701\n");
    let (code, out, err) = said(&place, &books, "decline --program shop --csv october.csv");
    assert_eq!((code, err.as_str()), (0, ""));
    expect![[r#"
        october.csv: 3 rows, 3 orders, batch ed8792ba612fa1b1
                2  pending → declined
                1  stay as they are
        commission: -6.00 EUR
        nothing was sent. To apply it: the same command with --apply
    "#]]
    .assert_eq(&out);
}

#[test]
fn one_faulty_row_keeps_all_rows_from_being_sent_and_each_is_told_by_its_line() {
    let (place, books) = (with_key(), books());
    place.write("october.csv", "order_id,code\nBX-1,701\nBX-2,\nNOBODY,701\n,701\n");
    let words = "decline --program shop --csv october.csv --apply --edge http://127.0.0.1:9";
    let (code, out, err) = said(&place, &books, words);
    assert_eq!(code, 64);
    expect![[r#"
        october.csv:3: code: is required for a decline: 701 cancelled, 702 returned_full, 703 returned_part, 704 payment_failed, 705 fraud, 706 terms_breach, 707 out_of_stock, 708 other
        october.csv:4: order NOBODY: is not known; is it spelled as it was reported?
        october.csv:5: order_id: is empty; give the order id as the shop reported it
    "#]]
    .assert_eq(&err);
    expect![[r#"
        october.csv: 4 rows, 2 orders, batch daacda6e45b5157a
                1  pending → declined
                1  with a fault
        commission: -3.00 EUR
        nothing was sent: 3 rows with a fault (above). Correct the file, or apply the others with --rows each
    "#]]
    .assert_eq(&out);
}

#[test]
fn a_row_that_might_be_a_line_of_any_order_keeps_all_back() {
    let (place, books) = (with_key(), books());
    place.write("back.csv", "order_id,sku\nBX-1,A\n,B\n");
    let words =
        "return --program shop --csv back.csv --rows each --apply --edge http://127.0.0.1:9";
    let (code, out, _) = said(&place, &books, words);
    assert_eq!(code, 64);
    assert!(out.contains("nothing was sent: a row (above) names no order"), "{out}");
}

#[test]
fn an_applied_file_is_on_the_log_and_again_it_is_the_same_acts() {
    let (place, books) = (with_key(), books());
    let node = Node::start(&place, "edge");
    place.write(
        "back.csv",
        "order_id;sku;qty;amount\nBX-1;A;1;\nBX-1;B;;2,5\nMUCH;A;9;\nBX-2;;;4\n",
    );
    let words = format!(
        "return --program shop --csv back.csv --rows each --apply --edge http://{}",
        node.edge
    );
    let (code, out, err) = said(&place, &books, &words);
    assert_eq!(code, 1, "one row was not applied: {err}");
    assert_eq!(err, "back.csv:4: order MUCH: more comes back than was bought\n");
    expect![[r#"
        back.csv: 4 rows, 3 orders, batch 420ca40b288f881f
                2  stay in their state, with other money
                1  with a fault
        commission: -4.00 EUR
        stored 2 of 2 orders
        the books follow within seconds: see `sillage orders list` and `sillage trace ORDER`
    "#]]
    .assert_eq(&out);
    let again = said(&place, &books, &words);
    assert_eq!((again.0, again.1), (code, out));
    let acts = acts(&place);
    assert_eq!(acts.len(), 4);
    assert_eq!(acts[..2], acts[2..], "acts with the ids of the first time");
    assert_eq!(acts[0].action, Action::Return);
    assert!(acts[0].client_event_id.as_ref().unwrap().contains(":return:"));
    assert_eq!(acts[0].returned[1].amount.unwrap().0, 2_500_000);
    assert_eq!(acts[1].order.to_string(), "shop/sale/real/o:BX-2");
    assert_eq!(acts[1].actor.as_deref(), Some("key:shop-orders"));
    node.stop();
}

#[test]
fn the_edge_is_found_and_called_by_its_name_as_the_configuration_says() {
    let (place, books) = (with_key(), books());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = std::fs::read_to_string(place.path().join("sillage.toml")).unwrap();
    let listen = format!("listen = [\"{free}\"]\nhosts = [\"t.shop.example\"]");
    place.write("sillage.toml", &config.replacen("listen = [\"127.0.0.1:0\"]", &listen, 1));
    let node = Node::start(&place, "edge");
    place.write("a.csv", "order_id\nBX-1\n");
    let (code, out, err) = said(&place, &books, "approve --program shop --csv a.csv --apply");
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(acts(&place).len(), 1);
    node.stop();
}

#[test]
fn a_wrong_file_of_many_rows_is_applied_and_undone_by_files() {
    let (place, books) = (with_key(), books());
    let node = Node::start(&place, "edge");
    let rows: String = (0..2_500).map(|n| format!("BX-{n},701\n")).collect();
    place.write("wrong.csv", &format!("order_id,code\n{rows}"));
    let ids: String = (0..2_500).map(|n| format!("BX-{n}\n")).collect();
    place.write("undo.csv", &format!("order_id\n{ids}"));
    for (act, file) in [("decline", "wrong.csv"), ("reopen", "undo.csv"), ("decline", "wrong.csv")]
    {
        let words =
            format!("{act} --program shop --csv {file} --apply --edge http://{}", node.edge);
        let (code, out, err) = said(&place, &books, &words);
        assert_eq!(code, 0, "{out}{err}"); // a slow machine is told of the progress
        assert!(out.contains("stored 2,500 of 2,500 orders"), "{out}");
    }
    let acts = acts(&place);
    assert_eq!(acts.len(), 7_500);
    assert_eq!(acts[..2_500], acts[5_000..], "the third is the first again: the undo stands");
    assert_eq!(acts[2_500].action, Action::Reopen);
    assert_ne!(acts[0].client_event_id, acts[2_500].client_event_id);
    node.stop();
}

#[test]
fn without_a_key_the_dry_run_goes_and_says_what_to_write_where() {
    let (place, books) = (Place::new(), books());
    place.write("a.csv", "order_id\nBX-1\n");
    let (code, out, _) = said(&place, &books, "approve --program shop --csv a.csv");
    assert_eq!(code, 0);
    expect![[r#"
        a.csv: 1 row, 1 order, batch 77d702d4ebfcf1dd
                1  pending → approved
        commission: no difference
        nothing was sent. To apply it: the same command with --apply
        before that: program shop has no key that signs its calls. Do this once:
          1. sillage keygen keys.toml --name shop-orders --program shop
          2. in catalog.toml, under [program.shop.reports], write: hmac_keys = ["shop-orders"]
          3. send the running node a SIGHUP, so that it reads both files anew
    "#]]
    .assert_eq(&out);
    let (code, _, err) = said(&place, &books, "approve --program shop --csv a.csv --apply");
    assert_eq!(code, 64, "{err}");
    assert!(err.contains("hmac_keys = [\"shop-orders\"]"), "{err}");
}

/// An edge that answers each call by the next of these: status, headers, and whether it stores all lines.
fn edge(answers: &'static [(&str, bool)]) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        for (head, stores) in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).unwrap() > 2 {
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let lines = String::from_utf8(body).unwrap().lines().count();
            let stored = |n| format!("{{\"line\":{n},\"result\":\"stored\"}}\n");
            let body: String = if *stores {
                (1..=lines).map(stored).collect()
            } else {
                "{\"result\":\"rejected\",\"message\":\"not so\"}".to_owned()
            };
            let answer = format!(
                "HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            reader.into_inner().write_all(answer.as_bytes()).unwrap();
        }
    };
    (address, std::thread::spawn(serve))
}

#[test]
fn an_edge_that_asks_for_patience_is_asked_again() {
    let (place, books) = (with_key(), books());
    place.write("a.csv", "order_id\nBX-1\nBX-2\n");
    let (address, served) = edge(&[
        ("503 Service Unavailable\r\nRetry-After: 0", false),
        ("429 Too Many Requests\r\nRetry-After: 1", false),
        ("200 OK", true),
    ]);
    let words = format!("approve --program shop --csv a.csv --apply --edge http://{address}");
    let (code, out, err) = said(&place, &books, &words);
    assert_eq!(code, 0, "{out}{err}");
    expect![[r#"
        the edge asks for patience (503 Service Unavailable); again in 0 s
        the edge asks for patience (429 Too Many Requests); again in 1 s
    "#]]
    .assert_eq(&err);
    assert!(out.contains("stored 2 of 2 orders"), "{out}");
    served.join().unwrap();
}

#[test]
fn an_interruption_says_how_far_it_came_and_how_to_go_on() {
    let (place, books) = (with_key(), books());
    let rows: String = (0..1_001).map(|n| format!("BX-{n}\n")).collect();
    place.write("a.csv", &format!("order_id\n{rows}"));
    let (address, served) = edge(&[("200 OK", true), ("401 Unauthorized", false)]);
    let words =
        format!("approve --program shop --csv a.csv --batch oct --apply --edge http://{address}");
    let (code, out, _) = said(&place, &books, &words);
    assert_eq!(code, 1);
    let end = out.split_once("stored").unwrap().1;
    expect![[r#"
         1,000 of 1,001 orders
        stopped: the edge does not take the signature of key shop-orders: not so. Does the running node know the key and the catalog that names it? Send it a SIGHUP, and compare the clocks
        The same command goes on: what is stored already (batch oct) counts once
    "#]]
    .assert_eq(end);
    served.join().unwrap();
}

#[test]
fn nothing_that_answers_is_said_as_such() {
    let place = with_key();
    place.write("a.csv", "order_id\nBX-1\n\"\"x\n");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = place.command(&["orders", "approve", "--program", "shop", "--csv", "a.csv"]);
    command.env("SILLAGE__ADMIN__LISTEN", closed.to_string());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("is `sillage serve` running with this configuration?"), "{err}");
    assert!(err.starts_with("a.csv:3: text follows"), "the faults of the file are told: {err}");
}

#[test]
fn the_list_goes_through_all_pages() {
    let (place, books) = (with_key(), books());
    let (code, out, err) = said(&place, &books, "list --program shop --state held --code 110");
    assert_eq!((code, err.as_str()), (0, ""));
    expect![[r#"
        order                state     partner                     net     commission  converted (UTC)   locks (UTC)       reason
        BX-1                 held      lea                   74.92 EUR      3.746 EUR  2026-11-05 14:22  -                 110 unconfirmed
        BX-1                 held      lea                   74.92 EUR      3.746 EUR  2026-11-05 14:22  -                 110 unconfirmed
        2 orders
    "#]]
    .assert_eq(&out);
}

#[test]
fn a_list_of_ids_is_a_file_for_the_other_commands() {
    let (place, books) = (with_key(), books());
    let (code, out, _) = said(&place, &books, "list --program shop --ids");
    assert_eq!((code, out.as_str()), (0, "order_id,goal\nBX-1,sale\nBX-1,sale\n"));
    place.write("held.csv", "order_id,goal\nBX-1,sale\n");
    assert_eq!(said(&place, &books, "approve --program shop --csv held.csv").0, 0);
}

#[test]
fn a_wrong_command_line_is_64() {
    let (place, books) = (with_key(), books());
    place.write("a.csv", "order_id\nBX-1\n");
    for (words, says) in [
        (
            "approve --program nobody --csv a.csv",
            "there is no program \"nobody\"; the catalog has shop",
        ),
        ("approve --program shop --csv a.csv --batch é", "--batch"),
        ("approve --program shop --csv a.csv --apply --edge https://x", "give http://HOST:PORT"),
        (
            "approve --program shop --csv a.csv --apply --edge http://127.0.0.1:1x",
            "give http://HOST:PORT",
        ),
        ("approve --program shop", "--csv"),
        ("approve --program shop --csv no.csv", "no.csv: cannot read it: No such file"),
        ("approve --program shop --csv .", ".: cannot read it: Is a directory"),
        (
            "list --program shop --state lost",
            "give one of pending, held, approved, declined, locked",
        ),
        ("list --program shop --code 999", "give the number of a reason code"),
        ("cancel --program shop --csv a.csv", "unrecognized subcommand"),
    ] {
        let (code, _, err) = said(&place, &books, words);
        assert_eq!(code, 64, "{words}: {err}");
        assert!(err.contains(says), "{words}: {err}");
    }
}

#[test]
fn a_listener_that_is_another_is_told_from_one_that_is_not_there() {
    let (place, node) = (with_key(), books());
    let place_node = Node::start(&place, "edge");
    place.write("a.csv", "order_id\nBX-1\n");
    for words in ["approve --program shop --csv a.csv", "list --program shop"] {
        let (code, _, err) = said_of(&place, place_node.edge, words);
        assert_eq!(code, 1, "{err}");
        assert!(err.contains("does not know the books (40"), "{err}");
    }
    let words =
        format!("approve --program shop --csv a.csv --apply --edge http://{}", node.address());
    let (code, out, _) = said(&place, &node, &words);
    assert_eq!(code, 1);
    assert!(out.contains("Is that the edge of the node, by a name of edge.hosts?"), "{out}");
    place_node.stop();
}
