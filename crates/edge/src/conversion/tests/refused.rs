//! What is refused, and how it is told.

use event::{Body, Code, Topic};
use http::{Method, StatusCode};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{BEARER, FORM, JSON, Told, answer, pixel, post, rejections};
use crate::conversion::report::Way;
use crate::request::BodyFault;
use crate::testbed::{ORIGIN, Testbed};

#[test]
fn a_wrong_field_is_422_with_its_name_and_an_event() {
    let bed = Testbed::new();
    let told = post(&bed, r#"{"order_id":"A","amount":"12,50","customer_id":"lea@x.example"}"#);
    assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!((told.code(), told.text("slug")), (101, "malformed"));
    assert_eq!((told.text("result"), told.text("field")), ("rejected", "amount"));
    assert!(told.text("message").starts_with("amount is not a decimal number"));
    assert_eq!(told.headers["sillage-recorded"], "queued");
    let events = bed.take(Topic::Rejected);
    assert_eq!(told.text("event_id"), events[0].id.to_string());
    assert_eq!(events[0].program.as_ref().unwrap().as_str(), "shop");
    let Body::Rejected(rejected) = &events[0].body else { panic!() };
    assert_eq!((rejected.code, rejected.field.as_deref()), (Code::Malformed, Some("amount")));
    assert_eq!(rejected.sent.as_deref(), Some("order_id=A&amount=12,50&customer_id=…"));
    assert!(bed.take(Topic::Conversions).is_empty());
}

#[test]
fn several_wrong_fields_are_told_together() {
    let bed = Testbed::new();
    let told = post(&bed, r#"{"amount":"x","currency":"EURO","order_id":"A"}"#);
    let fields: Vec<&str> = told.json["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["currency", "amount"]);
}

#[test]
fn a_forgotten_token_is_told_beside_the_program_that_it_would_have_named() {
    let bed = Testbed::new();
    let head = bed.head(Method::GET, "/v1/conversions?order_id=1", &[]);
    let told = answer(&bed, &head, "");
    assert_eq!((told.status, told.text("field")), (StatusCode::UNAUTHORIZED, "token"));
    let fields: Vec<_> =
        told.json["faults"].as_array().unwrap().iter().map(|f| &f["field"]).collect();
    assert_eq!(fields, ["token", "program"]);
    for word in ["token", "program"] {
        assert!(told.text("message").contains(word), "{}", told.json);
    }
}

#[test]
fn every_way_of_being_refused_has_its_status_code_and_event() {
    let bed = Testbed::new();
    let long = format!("/v1/conversions?program=shop{}", "&x=1".repeat(2_100));
    type Case<'a> = (Method, &'a str, &'a [(&'static str, &'a str)], &'a str, u16, u64);
    let cases: &[Case<'_>] = &[
        (Method::POST, "/v1/conversions", &[JSON, BEARER], "{", 400, 101),
        (Method::POST, "/v1/conversions", &[JSON, BEARER], "[]", 400, 101),
        (Method::POST, "/v1/conversions", &[JSON, BEARER], r#"{"amount":1,"amount":1}"#, 400, 101),
        (Method::GET, &long, &[BEARER], "", 400, 101),
        (Method::GET, "/v1/conversions?program=shop&order_id=1", &[], "", 401, 102),
        (Method::GET, "/v1/conversions?program=shop&order_id=1&token=x", &[], "", 401, 102),
        (
            Method::GET,
            "/v1/conversions?program=shop&order_id=1",
            &[("origin", "https://x.example")],
            "",
            403,
            109,
        ),
        (Method::GET, "/v1/conversions?program=other&order_id=1", &[BEARER], "", 403, 109),
        (Method::GET, "/v1/conversions?program=nobody&order_id=1", &[BEARER], "", 404, 104),
        (Method::GET, "/v1/conversions?order_id=1&status=approved", &[BEARER], "", 403, 109),
        (
            Method::POST,
            "/v1/conversions",
            &[("content-type", "application/x-ndjson"), BEARER],
            "{}\n{}",
            415,
            111,
        ),
        (
            Method::POST,
            "/v1/conversions",
            &[("content-type", "text/plain"), BEARER],
            "order_id=1",
            415,
            111,
        ),
        (Method::POST, "/v1/conversions", &[BEARER], "order_id=1", 415, 111),
        (Method::GET, "/v1/conversions?amount=1", &[BEARER], "", 422, 101),
        (Method::GET, "/v1/conversions?order_id=1&goal=lead", &[BEARER], "", 422, 101),
        (Method::GET, "/v1/conversions?order_id=1", &[], "", 401, 102),
        (Method::GET, "/v1/conversions?order_id=1", &[("origin", ORIGIN)], "", 422, 101),
        (Method::GET, "/v1/conversions?order_id=1&orderref=2", &[BEARER], "", 422, 101),
    ];
    for (method, uri, headers, body, status, code) in cases {
        let head = bed.head(method.clone(), uri, headers);
        let told = answer(&bed, &head, (*body).to_owned());
        let seen = (told.status.as_u16(), told.code());
        assert_eq!(
            seen,
            (*status, *code),
            "{method} {} {body}: {}",
            &uri[..uri.len().min(80)],
            told.json
        );
        assert!(!told.text("message").is_empty());
        let events = rejections(&bed);
        assert_eq!(events.len(), 1);
        assert_eq!(u64::from(events[0].code.number()), *code);
        assert!(bed.take(Topic::Conversions).is_empty());
    }
    let event = |bed: &Testbed| rejections(bed).remove(0);
    for (fault, status, code) in [
        (BodyFault::TooLarge, 413, Code::TooLarge),
        (BodyFault::TooSlow, 408, Code::Timeout),
        (BodyFault::Broken, 400, Code::Malformed),
    ] {
        let head = bed.head(Method::POST, "/v1/conversions", &[JSON, BEARER]);
        let told = Told::of(crate::conversion::answer::refused(
            &bed.core,
            &head,
            Way::Call,
            &crate::conversion::unread(fault, "64 KiB"),
        ));
        assert_eq!(
            (told.status.as_u16(), told.headers["connection"].as_bytes()),
            (status, &b"close"[..])
        );
        assert_eq!(event(&bed).code, code);
    }
}

#[test]
fn rates_end_where_they_are_said_to_and_tell_when_to_come_back() {
    let one = std::num::NonZeroU32::MIN;
    let two = std::num::NonZeroU32::new(2).unwrap();
    let conversions = crate::conversion::Config {
        calls_per_second_per_key: one,
        calls_burst_per_key: two,
        page_calls_per_second_per_address: one,
        page_calls_burst_per_address: one,
        ..crate::conversion::Config::default()
    };
    let config = crate::Config { conversions, ..crate::Config::default() };
    let ((), counts) = telemetry::recorder::local(&[crate::METRICS], || exceed(config)).unwrap();
    for (endpoint, n) in [("pixel", 1), ("landing", 0), ("conversions", 1)] {
        let count = format!("ratelimit_refused_total{{endpoint=\"{endpoint}\"}} {n}\n");
        assert!(counts.contains(&count), "{counts}");
    }
}

fn exceed(config: crate::Config) {
    let bed = Testbed::with(config);
    let call = || post(&bed, r#"{"order_id":"A","amount":1}"#);
    assert_eq!((call().status, call().status), (StatusCode::OK, StatusCode::OK));
    let told = call();
    assert_eq!((told.status, told.code()), (StatusCode::TOO_MANY_REQUESTS, 108));
    assert_eq!(told.headers["retry-after"], "1");
    assert_eq!(pixel(&bed, "/p/shop.gif?order_id=A").status, StatusCode::OK);
    let told = pixel(&bed, "/p/shop.gif?order_id=A");
    assert_eq!((told.status, told.body.len()), (StatusCode::TOO_MANY_REQUESTS, 43));
    let other = bed.head(Method::POST, "/v1/conversions?token=shop-token-other", &[FORM]);
    assert_eq!(answer(&bed, &other, "order_id=A").status, StatusCode::OK, "another key");
}

proptest! {
    #[test]
    fn hostile_input_gets_exactly_one_answer_and_at_most_one_event(
        query in "[a-z_=&%0-9\\[\\]+?.-]{0,60}",
        body in any::<Vec<u8>>(),
        json in "[\\[\\]{}\",:0-9a-z_.-]{0,60}",
        kind in 0_usize..5,
        credential in 0_usize..4,
    ) {
        let bed = Testbed::new();
        let (content, body) = match kind {
            0 => ("application/json", body),
            1 => ("application/json", json.into_bytes()),
            2 => ("application/x-www-form-urlencoded", json.into_bytes()),
            3 => ("application/json", format!(r#"{{"order_id":"A",{json}}}"#).into_bytes()),
            _ => ("text/plain", body),
        };
        let credential = match credential {
            0 => BEARER,
            1 => ("origin", ORIGIN),
            2 => ("sillage-key", "shop-1"),
            _ => ("x-none", "1"),
        };
        let uri = format!("/v1/conversions?program=shop&{query}");
        let head = bed.head(Method::POST, &uri, &[("content-type", content), credential]);
        let told = answer(&bed, &head, body);
        let (stored, refused) = (bed.take(Topic::Conversions).len(), bed.take(Topic::Rejected).len());
        match told.status {
            StatusCode::OK => prop_assert_eq!((stored, refused), (1, 0)),
            status => {
                prop_assert!(status.is_client_error());
                prop_assert_eq!((stored, refused), (0, 1));
            }
        }
        let uri = format!("/p/shop.gif?{query}");
        let told = pixel(&bed, &uri);
        prop_assert_eq!(told.body.len(), 43);
        prop_assert_eq!(bed.take(Topic::Conversions).len() + bed.take(Topic::Rejected).len(), 1);
    }
}
