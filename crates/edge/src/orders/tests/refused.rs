//! What is refused, and how it is told.

use event::Topic;
use event::body::validation::{ACTOR_BYTES_MAX, NOTE_BYTES_MAX};
use http::{Method, StatusCode};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{BATCH, ONE, acts, answer, one, rejections, signed_head};
use crate::auth::Signable;
use crate::testbed::{Disk, ORIGIN, Testbed, secret_of};

/// An act on order A with this action and these further members.
fn act(action: &str, rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { "," };
    format!(r#"{{"order_id":"A","action":"{action}"{comma}{rest}}}"#)
}

fn items(action: &str, items: &str) -> String {
    act(action, &format!(r#""items":[{items}]"#))
}

fn long(field: &str, bytes: usize) -> String {
    act("reopen", &format!(r#""{field}":"{}""#, "x".repeat(bytes)))
}

fn many(item: &str, n: usize) -> String {
    vec![item; n].join(",")
}

/// Each body is refused at this field, with words that begin like this.
fn all_refused(cases: &[(String, &str, &str)]) {
    let bed = Testbed::new();
    for (body, field, why) in cases {
        let told = one(&bed, body);
        let seen = (told.status.as_u16(), told.code(), told.text("field"));
        assert_eq!(seen, (422, 101, *field), "{body}: {}", told.body);
        let expected = format!("{field} {why}");
        assert!(told.text("message").starts_with(&expected), "{body}: {}", told.body);
        assert_eq!(rejections(&bed).len(), 1);
        assert!(acts(&bed).is_empty());
    }
}

#[test]
fn what_names_order_and_action_is_checked() {
    all_refused(&[
        (r#"{"action":"approve"}"#.into(), "order_id", "is required"),
        (r#"{"order_id":"  ","action":"approve"}"#.into(), "order_id", "is required"),
        (
            act("approve", r#""order_client_event_id":"B""#),
            "order_client_event_id",
            "stands beside order_id",
        ),
        (r#"{"order_id":"A","code":701}"#.into(), "action", "is required"),
        (act("cancel", ""), "action", "is not one of"),
        (r#"{"order_id":"A","action":["approve"]}"#.into(), "action", "is not text"),
        (
            act("approve", r#""goal":"lead""#),
            "goal",
            "\"lead\" is not a goal of this program; it has: newsletter, sale",
        ),
        (act("reopen", r#""at":"2026-11-01""#), "at", "is not a time"),
        (act("reopen", r#""at":"1969-12-31T23:59:59Z""#), "at", "is before 1970"),
        (act("reopen", r#""revision":-1"#), "revision", "is not a whole number"),
        (act("reopen", r#""revision":18446744073709551616"#), "revision", "is not a whole number"),
        (act("reopen", r#""test":"maybe""#), "test", "is not one of 1, 0"),
        (act("amend", r#""ammount":1"#), "ammount", "is no field of an act on an order"),
        (act("approve", r#""Amount":null"#), "Amount", "is no field of an act on an order"),
        (long("actor", ACTOR_BYTES_MAX + 1), "actor", "is longer than 64 bytes"),
        (long("client_event_id", 129), "client_event_id", "is longer than 128 bytes"),
    ]);
}

#[test]
fn a_decline_has_a_reason_and_nothing_else_has_one() {
    let no_reason = "is no reason of a decline";
    all_refused(&[
        (act("decline", ""), "code", "is required for a decline: 701 cancelled"),
        (act("decline", r#""code":700"#), "code", no_reason),
        (act("decline", r#""code":709"#), "code", no_reason),
        (act("decline", r#""code":"canceled""#), "code", no_reason),
        (act("decline", r#""code":708"#), "note", "is required for code 708"),
        (act("decline", r#""code":"other","note":"  ""#), "note", "is required for code 708"),
        (act("approve", r#""code":701"#), "code", "stands only with a decline, not with approve"),
        (act("return", r#""amount":1,"code":703"#), "code", "stands only with a decline"),
        (long("note", NOTE_BYTES_MAX + 1), "note", "is longer than 512 bytes"),
        (act("reopen", r#""note":"a\u0000b""#), "note", "has a control character"),
    ]);
}

#[test]
fn money_stands_where_it_means_something() {
    let bad_amount = "is not a decimal number";
    all_refused(&[
        (act("approve", r#""amount":1"#), "amount", "has no meaning with approve"),
        (act("decline", r#""code":701,"items":[]"#), "items", "has no meaning with decline"),
        (act("reopen", r#""currency":"EUR""#), "currency", "has no meaning with reopen"),
        (act("return", ""), "amount", "or items is required"),
        (act("return", r#""amount":"""#), "amount", "or items is required"),
        (act("return", r#""amount":1,"items":[{"line":1}]"#), "amount", "stands beside items"),
        (act("return", r#""amount":-1"#), "amount", bad_amount),
        (act("return", r#""amount":"1,5""#), "amount", bad_amount),
        (act("return", r#""amount":1e2"#), "amount", bad_amount),
        (act("return", r#""amount":1,"currency":"EURO""#), "currency", ""),
        (act("amend", ""), "amount", "or items is required"),
    ]);
}

#[test]
fn lines_are_checked_one_by_one() {
    let no_place = "is not the place of a line";
    all_refused(&[
        (act("return", r#""items":{}"#), "items", "is not a JSON list of objects"),
        (items("return", ""), "items", "is empty"),
        (items("return", "7"), "items[0]", "is not an object"),
        (items("return", r#"{"qty":1}"#), "items[0].line", "is required, or sku"),
        (items("return", r#"{"line":1},{"line":1,"sku":"A"}"#), "items[1].line", "stands beside"),
        (items("return", r#"{"line":0}"#), "items[0].line", no_place),
        (items("return", r#"{"line":201}"#), "items[0].line", no_place),
        (items("return", r#"{"line":1,"qty":0}"#), "items[0].qty", "is not a whole number from 1"),
        (items("return", r#"{"line":1,"amount":"x"}"#), "items[0].amount", "is not a decimal"),
        (
            items("return", r#"{"line":1,"unit_amount":1}"#),
            "items[0].unit_amount",
            "is no field of a line that came back",
        ),
        (items("return", &many(r#"{"line":1}"#, 201)), "items", "has more than 200 lines"),
        (items("amend", ""), "items", "is empty"),
        (items("amend", r#"{"sku":"A"}"#), "items[0].amount", "is missing"),
        (
            items("amend", r#"{"amount":1,"unit_amount":1}"#),
            "items[0].amount",
            "stands beside unit_amount",
        ),
        (items("amend", r#"{"ammount":1}"#), "items[0].ammount", "is no field of a line"),
        (items("amend", r#"{"amount":1,"line":1}"#), "items[0].line", "is no field of a line"),
        (items("amend", &many(r#"{"amount":1}"#, 201)), "items", "has more than 200 lines"),
        (items("amend", &many(r#"{"amount":100000000000}"#, 2)), "items", "sum up to more than"),
    ]);
}

#[test]
fn what_lies_at_the_limits_is_stored() {
    let bed = Testbed::new();
    for good in [
        long("note", NOTE_BYTES_MAX),
        long("actor", ACTOR_BYTES_MAX),
        long("client_event_id", 128),
        items("return", &many(r#"{"line":1}"#, 200)),
        items("return", r#"{"line":200}"#),
        items("amend", &many(r#"{"amount":1}"#, 200)),
        items("amend", r#"{"amount":100000000000}"#),
        act("reopen", r#""at":"1970-01-01T00:00:00Z","revision":18446744073709551615"#),
        act("decline", r#""code":708,"note":"x""#),
        act("approve", r#""amount":null,"items":null,"code":"""#),
    ] {
        let told = one(&bed, &good);
        assert_eq!(told.status, StatusCode::OK, "{good}: {}", told.body);
    }
}

#[test]
fn several_faults_are_told_together() {
    let bed = Testbed::new();
    let told = one(&bed, r#"{"action":"decline","colour":"red","amount":1}"#);
    let faults = told.lines[0]["faults"].as_array().unwrap();
    let fields: Vec<&str> = faults.iter().map(|f| f["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["colour", "order_id", "code", "amount"]);
}

#[test]
fn only_a_signature_is_believed() {
    let bed = Testbed::new();
    let body = r#"{"order_id":"A","action":"approve"}"#;
    let json = ("content-type", ONE);
    let by = |key: &str, ago: i64| signed_head(&bed, ONE, body.as_bytes(), key, ago);
    let mut other_query = by("shop-1", 0);
    other_query.uri = "/v1/orders?sig_ts=1".parse().unwrap();
    let plain = |headers: &[(&'static str, &str)]| bed.head(Method::POST, "/v1/orders", headers);
    let token_in_query = bed.head(Method::POST, "/v1/orders?token=shop-token", &[json]);
    let token = || plain(&[json, ("authorization", "Bearer shop-token")]);
    let another_body = r#"{"order_id":"B","action":"approve"}"#;
    for (what, head, body, status, code) in [
        ("nothing", plain(&[json]), body, 401, 102),
        ("a page", plain(&[json, ("origin", ORIGIN)]), body, 401, 102),
        ("a token", token(), body, 403, 109),
        ("a token in the query", token_in_query, body, 403, 109),
        ("no token of ours", plain(&[json, ("authorization", "Bearer x")]), body, 401, 102),
        ("incomplete", plain(&[json, ("sillage-key", "shop-1")]), body, 401, 102),
        ("another body", by("shop-1", 0), another_body, 401, 102),
        ("another query", other_query, body, 401, 102),
        ("an unknown key", by("shop-9", 0), body, 401, 102),
        ("a key that left the catalog", by("shop-3", 0), body, 401, 102),
        ("almost too old", by("shop-1", 299), body, 200, 0),
        ("too old", by("shop-1", 302), body, 401, 103),
        ("from the future", by("shop-1", -302), body, 401, 103),
        ("the second key", by("shop-2", 0), body, 200, 0),
    ] {
        let told = answer(&bed, &head, body.to_owned());
        assert_eq!((told.status.as_u16(), told.code()), (status, code), "{what}: {}", told.body);
        let (stored, refused) = counts(&bed);
        assert_eq!((stored, refused), if status == 200 { (1, 0) } else { (0, 1) }, "{what}");
    }
    let told = answer(&bed, &token(), body);
    for word in ["sign the call", "hmac_keys", "Sillage-Signature"] {
        assert!(told.text("message").contains(word), "{}", told.body);
    }
}

/// Acts and refusals since the last call.
fn counts(bed: &Testbed) -> (usize, usize) {
    (acts(bed).len(), rejections(bed).len())
}

#[test]
fn a_key_acts_for_its_own_program_alone() {
    let bed = Testbed::new();
    let body = r#"{"program":"other","order_id":"A","action":"approve"}"#;
    let told = one(&bed, body);
    assert_eq!((told.status.as_u16(), told.code(), told.text("field")), (403, 109, "program"));
    let told = answer(&bed, &signed_head(&bed, ONE, body.as_bytes(), "other-1", 0), body);
    assert_eq!((told.status, told.text("program")), (StatusCode::OK, "other"), "{}", told.body);
}

#[test]
fn what_is_no_call_of_ours_has_its_status() {
    let bed = Testbed::new();
    let send = |content: &str, body: &str| {
        let head = signed_head(&bed, content, body.as_bytes(), "shop-1", 0);
        let told = answer(&bed, &head, body.to_owned());
        (told.status.as_u16(), told.code())
    };
    assert_eq!(send("text/csv", "A"), (415, 111));
    assert_eq!(send("application/x-www-form-urlencoded", "order_id=A"), (415, 111));
    assert_eq!(send(ONE, ""), (400, 101));
    assert_eq!(send(ONE, "[]"), (400, 101));
    assert_eq!(send(ONE, "{\"order_id\":\"A\""), (400, 101));
    assert_eq!(send(ONE, r#"{"order_id":"A","order_id":"A","action":"approve"}"#), (400, 101));
    assert_eq!(rejections(&bed).len(), 6);
    let calls = bed.core.shared.conversions.recent.calls("shop");
    assert_eq!(calls.len(), 6, "the key says whose developer is looking");
}

#[test]
fn a_signed_query_may_carry_the_signature_alone() {
    let bed = Testbed::new();
    let now = (event::Clock::now(&bed.clock).0 / 1000).to_string();
    let body = br#"{"order_id":"A","action":"approve"}"#;
    let send = |more: &str| {
        let query = format!("key=shop-1&sig_ts={now}&sig_nonce=n{more}");
        let (method, path, nonce) = ("POST", "/v1/orders", "n");
        let request = Signable { method, path, query: &query, body, timestamp: &now, nonce };
        let uri = format!("{path}?{query}&sig={}", request.sign(&secret_of("shop-1")));
        let told = answer(&bed, &bed.head(Method::POST, &uri, &[("content-type", ONE)]), &body[..]);
        (told.status.as_u16(), told.text("field").to_owned())
    };
    assert_eq!(send(""), (200, String::new()));
    assert_eq!(send("&amount=5"), (422, "amount".into()));
    assert_eq!(send("&acton=decline"), (422, "acton".into()));
}

#[test]
fn a_journal_that_cannot_promise_is_503_and_claims_nothing() {
    let bed = Testbed::new();
    for disk in [Disk::Refuses, Disk::FailsToCommit] {
        bed.set_disk(disk);
        let told = one(&bed, &act("approve", ""));
        assert_eq!((told.status.as_u16(), told.text("result")), (503, "not_stored"));
        assert!(told.headers.contains_key("retry-after"));
        let told = super::batch(&bed, &format!("{}\n{{}}\n", act("approve", "")));
        assert_eq!((told.status.as_u16(), told.lines.len()), (503, 1));
        assert!(!told.body.contains("line"), "{}", told.body);
        assert!(bed.take(Topic::Rejected).is_empty(), "the whole batch comes again");
    }
}

#[test]
fn a_key_in_a_loop_is_told_to_wait() {
    use std::num::NonZeroU32;
    let mut config = crate::Config::default();
    config.conversions.calls_burst_per_key = NonZeroU32::new(2).unwrap();
    config.conversions.calls_per_second_per_key = NonZeroU32::new(1).unwrap();
    let bed = Testbed::with(config);
    let body = act("approve", "");
    assert_eq!([one(&bed, &body).status, one(&bed, &body).status], [StatusCode::OK; 2]);
    let told = one(&bed, &body);
    assert_eq!((told.status.as_u16(), told.code()), (429, 108));
    assert_eq!(told.headers["retry-after"], "1");
    let head = signed_head(&bed, BATCH, body.as_bytes(), "shop-2", 0);
    assert_eq!(answer(&bed, &head, body).status, StatusCode::OK, "another key");
}

proptest! {
    #[test]
    fn hostile_bodies_get_one_answer_and_leave_what_it_says(
        bytes in any::<Vec<u8>>(),
        json in "[\\[\\]{}\",:0-9a-z_.\n-]{0,80}",
        kind in 0_usize..3,
        form in 0_usize..2,
    ) {
        let bed = Testbed::new();
        let body = match kind {
            0 => bytes,
            1 => json.into_bytes(),
            _ => act("return", &json).into_bytes(),
        };
        let content = if form == 0 { ONE } else { BATCH };
        let told = answer(&bed, &signed_head(&bed, content, &body, "shop-1", 0), body);
        let acts = bed.take(Topic::Conversions).len();
        let lines = told.lines.len();
        let refused = told.lines.iter().filter(|line| line["result"] == "rejected").count();
        match told.status {
            StatusCode::OK => prop_assert_eq!((acts, refused), (lines, 0)),
            StatusCode::MULTI_STATUS => prop_assert_eq!(acts + refused, lines),
            status => {
                prop_assert!(status.is_client_error());
                prop_assert_eq!((acts, refused, lines), (0, 1, 1));
            }
        }
    }
}
