//! From a click to a line in the book through the running binary, and the same book made anew.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use telemetry::admin;

use crate::serving::Node;
use crate::stages::{click, order, records};
use crate::{CATALOG, Place};

/// A place whose shop is live and pays 5 %.
fn live() -> Place {
    let place = Place::new();
    let terms = "mode = \"live\"\nterms = [{ commission = [{ percent = \"5\" }] }]\n# The token";
    place.write("catalog.toml", &CATALOG.replace("# The token", terms));
    place
}

/// What the path answers, as soon as that has `part` in it.
fn until(node: &Node, path: &str, part: &str) -> String {
    let asked = Instant::now();
    loop {
        let (status, body) = node.get(path);
        if status == 200 && body.contains(part) {
            return body;
        }
        assert!(asked.elapsed() < Duration::from_secs(20), "{path}: {status} {body}");
        sleep(Duration::from_millis(20));
    }
}

fn post(node: &Node, path: &str, program: &str, body: &Value) -> (u16, String) {
    let answer =
        admin::post(node.admin, path, &[("program", program)], body.to_string().as_bytes());
    let answer = answer.unwrap();
    (answer.status, String::from_utf8(answer.body).unwrap())
}

const LEA: &str = "shop\tshop/sale/real/o:BX-1\tlea\tEUR\tpending\t74920000\t3746000\t0\n";
const NOBODY: &str = "shop\tshop/sale/real/o:BX-2\t-\tEUR\tpending\t74920000\t0\t201\n";

#[test]
fn an_order_is_booked_shown_and_booked_the_same_anew() {
    let place = live();
    let node = Node::start(&place, "serve");
    order(&node, "BX-1", &click(&node));
    order(&node, "BX-2", "");
    until(&node, "/v1/books", LEA);
    assert_eq!(until(&node, "/v1/books?program=shop", NOBODY), format!("{LEA}{NOBODY}"));
    assert_eq!(node.get("/v1/books?program=other"), (200, String::new()));

    let list = until(&node, "/v1/orders?partner=lea&state=pending", "BX-1");
    let listed: Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
    assert_eq!(listed["order"], "shop/sale/real/o:BX-1");
    assert_eq!(
        (&listed["commission_micros"], &listed["state"]),
        (&json!(3_746_000), &json!("pending"))
    );
    assert_eq!(list.lines().nth(1), Some("{\"next\":null}"));
    assert_eq!(node.get("/v1/orders?state=lost").0, 400);
    let first = until(&node, "/v1/orders?limit=1", "\"next\":\"");
    let next: Value = serde_json::from_str(first.lines().nth(1).unwrap()).unwrap();
    let rest = node.get(&format!("/v1/orders?limit=1&after={}", next["next"].as_str().unwrap())).1;
    assert!(rest.lines().next().unwrap() != first.lines().next().unwrap(), "{rest}");

    let accounts = node.get("/v1/accounts").1;
    assert!(
        accounts.contains("\"account\":\"pending:lea\",\"balance_micros\":3746000"),
        "{accounts}"
    );
    assert_eq!(node.get("/v1/findings"), (200, "{\"next\":null}\n".to_owned()));

    let act = |order: &str, action: &str| json!({"order_id": order, "action": action, "code": 701});
    let preview = |body: &Value| {
        let (status, text) = post(&node, "/v1/orders/preview", "shop", body);
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let declined = preview(&act("BX-1", "decline"));
    assert_eq!(
        declined,
        json!({
            "line": 1, "order": "shop/sale/real/o:BX-1", "fault": null,
            "before": {"state": "pending", "commission_micros": 3_746_000, "currency": "EUR"},
            "after": {"state": "declined", "commission_micros": 0, "currency": "EUR"},
        })
    );
    assert_eq!(preview(&act("BX-9", "decline"))["fault"]["code"], "unknown_order");
    assert_eq!(preview(&act("BX-1", "approves"))["fault"]["code"], "malformed");
    let much =
        json!({"order_id": "BX-1", "action": "return", "amount": "75.00", "currency": "EUR"});
    assert_eq!(preview(&much)["fault"]["code"], "returned_too_much");
    assert_eq!(until(&node, "/v1/books", LEA), format!("{LEA}{NOBODY}"), "nothing was done");

    let payout = json!({"program": "shop", "until": "2100-01-01", "apply": false});
    let nothing = (200, "{\"statements\":[]}\n".to_owned());
    assert_eq!(post(&node, "/v1/payouts", "", &payout), nothing);
    let payout = json!({"program": "shop", "until": "2100-01-01", "apply": true});
    assert_eq!(post(&node, "/v1/payouts", "", &payout), nothing);
    assert_eq!(post(&node, "/v1/payouts", "", &json!({"program": "shop", "until": "soon"})).0, 400);
    node.stop();

    let said = |arguments: &[&str]| {
        let (code, out, err) = place.said(arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    };
    let books = said(&["books"]);
    assert_eq!(books, format!("{LEA}{NOBODY}"));
    assert!(said(&["books", "--verify"]).contains("the book is whole"));
    let accounts = said(&["books", "--accounts"]);
    assert_eq!(accounts, "expense:shop\tEUR\t-3746000\npending:lea\tEUR\t3746000\n");
    assert!(said(&["export", "events"]).lines().all(|line| line.starts_with("{\"v\":1,")));
    assert!(said(&["export", "decisions"]).contains("\"winner\":\"lea\""));
    assert!(said(&["export", "transfers"]).contains("\"credit\":\"pending:lea\""));
    assert_eq!(said(&["export", "events", "--since", "2100-01-01"]), "");

    // The book takes back what it has said, and says nothing twice. The report is made anew as well.
    let old = place.path().join("data/state/report/old");
    fs::write(&old, "").unwrap();
    assert!(said(&["rebuild"]).contains("report: 2 orders counted"));
    assert!(!old.exists() && old.with_file_name("report.sqlite").exists());
    let transfers = records(&place, "ledger.transfers");
    assert!(said(&["rebuild"]).contains("ledger: 2 orders booked"));
    assert!(records(&place, "ledger.transfers") == transfers, "nothing is said again");
    assert_eq!(said(&["books"]), books);

    // Deleted beside cursors that say that all was read.
    fs::remove_dir_all(place.path().join("data/state/ledger")).unwrap();
    let node = Node::start(&place, "serve");
    assert_eq!(until(&node, "/v1/books", NOBODY), books);
    node.stop();
    assert!(records(&place, "ledger.transfers") == transfers, "nothing is said again");
}
