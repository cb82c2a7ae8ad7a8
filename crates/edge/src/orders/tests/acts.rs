//! What is stored of a good act.

use event::body::{Action, Item, ReturnedLine, Validation};
use event::{Clock, Code, Micros, Millis};
use http::StatusCode;

use super::{acts, one, rejections, signed_head};
use crate::testbed::Testbed;

/// The act stored of a body, and its envelope's time.
fn stored(body: &str) -> (Millis, Validation) {
    let bed = Testbed::new();
    let told = one(&bed, body);
    assert_eq!(told.status, StatusCode::OK, "{}", told.body);
    let mut acts = acts(&bed);
    assert_eq!(acts.len(), 1, "one event and no conversion");
    let (envelope, mut act) = acts.remove(0);
    act.client_event_id = act.client_event_id.filter(|id| !id.starts_with("sig:"));
    assert_eq!(envelope.key, act.order.to_string());
    assert_eq!(told.headers["sillage-recorded"], "durable");
    (envelope.occurred_at, act)
}

fn plain(key: &str, action: Action) -> Validation {
    Validation {
        actor: Some("key:shop-1".to_owned()),
        ..Validation::plain(key.parse().unwrap(), action)
    }
}

#[test]
fn each_action_becomes_one_act_under_the_key_of_its_order() {
    let key = "shop/sale/real/o:BX 1";
    let units = |n: i64| Some(Micros(n * 1_000_000));
    let line = ReturnedLine::default;
    let cases = [
        (r#"{"order_id":" bx  1","action":"approve"}"#, plain(key, Action::Approve)),
        (
            r#"{"order_id":"BX 1","action":"decline","code":701}"#,
            Validation { code: Some(Code::Cancelled), ..plain(key, Action::Decline) },
        ),
        (
            r#"{"order_id":"BX 1","action":"DECLINE","code":"fraud","note":" two cards "}"#,
            Validation {
                code: Some(Code::Fraud),
                note: Some("two cards".into()),
                ..plain(key, Action::Decline)
            },
        ),
        (
            r#"{"order_id":"BX 1","action":"decline","code":"708","note":"a test of ours"}"#,
            Validation {
                code: Some(Code::Other),
                note: Some("a test of ours".into()),
                ..plain(key, Action::Decline)
            },
        ),
        (
            r#"{"order_id":"BX 1","action":"reopen","revision":7,"client_event_id":"x 1","actor":"Mia"}"#,
            Validation {
                revision: Some(7),
                client_event_id: Some("x 1".into()),
                actor: Some("Mia".into()),
                ..plain(key, Action::Reopen)
            },
        ),
        (
            r#"{"order_id":"BX 1","action":"return","amount":"10","currency":"eur"}"#,
            Validation {
                amount: units(10),
                currency: Some("EUR".parse().unwrap()),
                ..plain(key, Action::Return)
            },
        ),
        (
            r#"{"order_id":"BX 1","action":"return","amount":0}"#,
            Validation { amount: units(0), ..plain(key, Action::Return) },
        ),
        (
            r#"{"order_id":"BX 1","action":"return",
                "items":[{"line":1},{"sku":"A","qty":2},{"line":200,"amount":4}]}"#,
            Validation {
                returned: vec![
                    ReturnedLine { line: Some(1), ..line() },
                    ReturnedLine { sku: Some("A".into()), qty: Some(2), ..line() },
                    ReturnedLine { line: Some(200), amount: units(4), ..line() },
                ],
                ..plain(key, Action::Return)
            },
        ),
        (
            r#"{"order_id":"BX 1","action":"amend","amount":12}"#,
            Validation { amount: units(12), ..plain(key, Action::Amend) },
        ),
        (
            r#"{"order_id":"BX 1","action":"amend","items":[{"sku":"A","qty":2,"unit_amount":6}]}"#,
            Validation {
                items: vec![Item {
                    sku: Some("A".into()),
                    qty: 2,
                    amount: Micros(12_000_000),
                    ..Item::default()
                }],
                ..plain(key, Action::Amend)
            },
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(stored(body).1, expected, "{body}");
    }
}

#[test]
fn the_answer_says_what_was_stored() {
    let bed = Testbed::new();
    let told = one(&bed, r#"{"order_id":"bx 1","action":"approve","program":"shop"}"#);
    let (envelope, _) = acts(&bed).remove(0);
    let expected = format!(
        r#"{{"result":"stored","event_id":"{}","code":0,"program":"shop","order_id":"bx 1","action":"approve","at":"{}","test":false}}"#,
        envelope.id,
        envelope.occurred_at.rfc3339()
    );
    assert_eq!(told.body, expected);
    assert_eq!(envelope.program.as_ref().unwrap().as_str(), "shop");
}

#[test]
fn an_order_is_also_known_by_its_goal_its_test_flag_or_the_id_of_its_report() {
    for (rest, key) in [
        (r#""order_id":"A","test":true"#, "shop/sale/test/o:A"),
        (r#""order_id":"A","goal":"newsletter""#, "shop/newsletter/real/o:A"),
        (r#""order_client_event_id":"c 1","client_event_id":"z""#, "shop/sale/real/c:C 1"),
    ] {
        let body = format!(r#"{{"action":"approve",{rest}}}"#);
        assert_eq!(stored(&body).1.order.to_string(), key);
    }
}

#[test]
fn lines_and_amount_of_an_amend_agree_as_those_of_a_conversion_do() {
    let with = |items: &str| {
        format!(r#"{{"order_id":"A","action":"amend","amount":10,"items":[{items}]}}"#)
    };
    let amounts = |items: &str| -> Vec<i64> {
        stored(&with(items)).1.items.iter().map(|item| item.amount.0).collect()
    };
    assert_eq!(amounts(r#"{"amount":4},{"amount":6}"#), [4_000_000, 6_000_000]);
    assert_eq!(amounts(r#"{"amount":4}"#), [4_000_000, 6_000_000], "the rest is a line");
    assert_eq!(amounts(r#"{"amount":15},{"amount":5}"#), [7_500_000, 2_500_000]);
    let bed = Testbed::new();
    let told = one(&bed, &with(r#"{"amount":4}"#));
    assert!(told.body.contains("the lines do not sum up to amount"), "{}", told.body);
    let told = one(&bed, &with(r#"{"amount":10}"#));
    assert!(!told.body.contains("warnings"), "{}", told.body);
}

#[test]
fn an_act_happened_when_it_says_else_when_it_was_signed_and_never_after_its_receipt() {
    let bed = Testbed::new();
    let now = bed.clock.now();
    let at = |body: &str, ago: i64| {
        let head = signed_head(&bed, super::ONE, body.as_bytes(), "shop-1", ago);
        let told = super::answer(&bed, &head, body.to_owned());
        assert_eq!(told.status, StatusCode::OK, "{}", told.body);
        (acts(&bed).remove(0).0.occurred_at, told)
    };
    let said = |at: i64| format!(r#"{{"order_id":"A","action":"approve","at":{at}}}"#);
    let second = now.0 / 1000;
    let nothing = r#"{"order_id":"A","action":"approve"}"#;
    assert_eq!(at(nothing, 100).0, Millis((second - 100) * 1000));
    let (received, _) = at(nothing, -100);
    assert!(received.0 - now.0 < 1000, "signed by a clock that is fast: the receipt counts");
    assert_eq!(at(&said(second - 40 * 86_400), 0).0, Millis((second - 40 * 86_400) * 1000));
    let (clamped, told) = at(&said(second + 60), 0);
    assert!(clamped.0 < (second + 60) * 1000);
    let warning = &told.lines[0]["warnings"][0];
    assert_eq!(warning, "at lies in the future: stored as the time of receipt");
}

#[test]
fn an_act_without_an_id_of_its_own_is_named_by_its_signature_so_that_a_replay_is_its_twin() {
    let bed = Testbed::new();
    let body = r#"{"order_id":"A","action":"decline","code":701}"#;
    let id = |body: &str, ago: i64| {
        let head = signed_head(&bed, super::ONE, body.as_bytes(), "shop-1", ago);
        assert_eq!(super::answer(&bed, &head, body.to_owned()).status, StatusCode::OK);
        acts(&bed).remove(0).1.client_event_id.unwrap()
    };
    let first = id(body, 0);
    assert!(first.starts_with("sig:") && first.ends_with(":1") && first.len() == 38, "{first}");
    assert_eq!(id(body, 0), first, "the same signature once more: a replay");
    assert_ne!(id(body, 1), first, "signed in another second");
    assert_ne!(id(&body.replace("701", "702"), 0), first, "another act");
    let own = body.replace('}', r#","client_event_id":"x"}"#);
    assert_eq!(id(&own, 0), "x", "what the caller calls it stands");
}

#[test]
fn equal_lines_of_one_batch_are_two_acts_and_the_batch_again_is_their_twins() {
    let bed = Testbed::new();
    let body = [r#"{"order_id":"A","action":"approve"}"#; 2].join("\n");
    let ids = || -> Vec<_> {
        assert_eq!(super::batch(&bed, &body).status, StatusCode::OK);
        acts(&bed).into_iter().map(|(_, act)| act.client_event_id.unwrap()).collect()
    };
    let first = ids();
    assert_ne!(first[0], first[1]);
    assert_eq!(ids(), first);
}

#[test]
fn the_same_act_sent_again_is_another_event_with_the_same_id_of_the_caller() {
    let bed = Testbed::new();
    let body = r#"{"order_id":"A","action":"decline","code":704,"client_event_id":"run-1:2"}"#;
    assert_eq!([one(&bed, body).status, one(&bed, body).status], [StatusCode::OK; 2]);
    let acts = acts(&bed);
    assert_eq!(acts.len(), 2);
    assert_ne!(acts[0].0.id, acts[1].0.id);
    assert_eq!(acts[0].1, acts[1].1, "what the books count as one act");
    assert!(rejections(&bed).is_empty());
}

#[test]
fn who_acted_is_cut_to_what_an_event_may_carry() {
    assert_eq!(crate::orders::actor_of("shop-1"), "key:shop-1");
    assert_eq!(crate::orders::actor_of(&"k".repeat(100)).len(), 64);
}

#[test]
fn whoever_reads_an_act_without_sending_it_reads_what_would_be_stored() {
    let bed = Testbed::new();
    let catalog = bed.core.catalog().unwrap();
    let program = catalog.program("shop").unwrap();
    let read = |body: &str| crate::read_act(body.as_bytes(), program, bed.clock.now());
    let body = r#"{"order_id":"A","action":"return","items":[{"line":1}],"at":5,"program":"shop"}"#;
    one(&bed, body);
    let (_, stored) = acts(&bed).remove(0);
    let act = read(body).unwrap();
    let (actor, client_event_id) = (stored.actor.clone(), stored.client_event_id.clone());
    assert_eq!(Validation { actor, client_event_id, ..act.validation }, stored, "but for the call");
    assert_eq!(act.at, Some(Millis(5_000)));
    let faults = read(r#"{"order_id":"A","action":"return","items":[{"line":1,"qty":0}]}"#);
    assert_eq!(faults.unwrap_err()[0].field.as_deref(), Some("items[0].qty"));
    assert_eq!(read("[]").unwrap_err()[0].field, None);
    assert!(read(r#"{"program":"other","order_id":"A","action":"approve"}"#).is_err());
}
