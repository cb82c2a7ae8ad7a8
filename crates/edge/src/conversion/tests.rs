//! Tests of the endpoints from request to answer, event and list of last calls.

use bytes::Bytes;
use event::body::{
    Action, ClickSource, ClickVerdict, Conversion, OrderStatus, Rejected, Source, Trust, Validation,
};
use event::{Body, Code, Consent, Envelope, Flag, IdentityId, Topic};
use http::{Method, StatusCode};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use serde_json::Value;

use super::report::Way;
use crate::auth::Signable;
use crate::recent::{CallResult, recent};
use crate::request::{BodyFault, Head};
use crate::response::Reply;
use crate::testbed::{Disk, ORIGIN, TOKEN, Testbed, block_on, body_of, secret_of};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const BEARER: (&str, &str) = ("authorization", "Bearer shop-token");

/// An answer, read.
struct Told {
    status: StatusCode,
    headers: http::HeaderMap,
    json: Value,
    body: Bytes,
}

impl Told {
    fn of(reply: Reply) -> Self {
        let (status, headers) = (reply.status(), reply.headers().clone());
        let body = body_of(reply);
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Self { status, headers, json, body }
    }

    fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    fn code(&self) -> u64 {
        self.json["code"].as_u64().unwrap_or(u64::MAX)
    }
}

fn answer(bed: &Testbed, head: &Head, body: impl Into<Bytes>) -> Told {
    Told::of(block_on(super::answer(&bed.core, head, &body.into(), Way::Call)))
}

fn post(bed: &Testbed, body: &str) -> Told {
    let head = bed.head(Method::POST, "/v1/conversions", &[JSON, BEARER]);
    answer(bed, &head, body.to_owned())
}

/// A call of a page of the shop.
fn page(bed: &Testbed, query: &str, headers: &[(&'static str, &str)]) -> Told {
    let headers = [&[("origin", ORIGIN)], headers].concat();
    answer(bed, &bed.head(Method::GET, &format!("/v1/conversions?{query}"), &headers), "")
}

fn pixel(bed: &Testbed, uri: &str) -> Told {
    let head = bed.head(Method::GET, uri, &[]);
    let program = uri.strip_prefix("/p/").unwrap().split_once(".gif").unwrap().0.to_owned();
    Told::of(block_on(super::pixel(&bed.core, &head, &program)))
}

fn conversions(bed: &Testbed) -> Vec<(Envelope, Conversion)> {
    let conversion = |envelope: Envelope| {
        let Body::Conversion(conversion) = envelope.body.clone() else { panic!("{envelope:?}") };
        (envelope, *conversion)
    };
    bed.take(Topic::Conversions).into_iter().map(conversion).collect()
}

fn rejections(bed: &Testbed) -> Vec<Rejected> {
    let rejected = |envelope: Envelope| {
        let Body::Rejected(rejected) = envelope.body else { panic!("{envelope:?}") };
        rejected
    };
    bed.take(Topic::Rejected).into_iter().map(rejected).collect()
}

#[test]
fn a_conversion_is_stored_with_everything_it_said() {
    let bed = Testbed::new();
    let told = post(
        &bed,
        r#"{"order_id":" bx 1 ","amount":74.92,"currency":"eur","coupon":"LEA10","customer_id":"Lea@X.example",
            "customer_type":"new","channel":"partners","consent":"granted","s1":"a","client_event_id":"c1",
            "items":[{"sku":"A","qty":2,"unit_amount":37.46,"category":"toys"}],"test":false}"#,
    );
    assert_eq!(told.status, StatusCode::OK, "{}", told.json);
    assert_eq!(told.headers["sillage-recorded"], "durable");
    assert_eq!(told.headers["cache-control"], "no-store");
    let stored = conversions(&bed);
    let [(envelope, conversion)] = stored.as_slice() else { panic!("{stored:?}") };
    assert_eq!(told.text("event_id"), envelope.id.to_string());
    assert_eq!(told.headers["sillage-event"], envelope.id.to_string().as_str());
    let expected = format!(
        r#"{{"result":"stored","event_id":"{}","code":0,"click":"absent","program":"shop","order_id":"bx 1","test":false}}"#,
        envelope.id
    );
    assert_eq!(told.body, expected);
    assert_eq!(envelope.key, "shop/sale/real/o:BX 1");
    assert_eq!(envelope.program.as_ref().unwrap().as_str(), "shop");
    assert_eq!(
        (envelope.occurred_at, envelope.received_at),
        (envelope.id.time(), envelope.id.time())
    );
    assert_eq!((conversion.source, conversion.trust), (Source::S2s, Trust::Token));
    assert_eq!(conversion.amount.0, 74_920_000);
    assert_eq!(conversion.items[0].amount.0, 74_920_000);
    assert_eq!(conversion.consent, Consent::Granted);
    assert!(matches!(conversion.ids.as_slice(), [IdentityId::Customer(_)]));
    let written = String::from_utf8(envelope.to_json()).unwrap();
    assert!(
        !written.to_lowercase().contains("x.example"),
        "no customer id on the topic: {written}"
    );
}

#[test]
fn query_form_and_json_say_the_same() {
    let bed = Testbed::new();
    let fields =
        "program=shop&order_id=A+1&amount=5.50&customer_id=K1&items=%5B%7B%22amount%22%3A5.5%7D%5D";
    let query = bed.head(Method::GET, &format!("/v1/conversions?{fields}"), &[BEARER]);
    assert_eq!(answer(&bed, &query, "").status, StatusCode::OK);
    let form = bed.head(Method::POST, "/v1/conversions", &[FORM, BEARER]);
    assert_eq!(answer(&bed, &form, fields).status, StatusCode::OK);
    let json = r#"{"order_id":"A 1","amount":5.50,"customer_id":"K1","items":[{"amount":"5.5"}]}"#;
    assert_eq!(post(&bed, json).status, StatusCode::OK);
    let stored = conversions(&bed);
    assert_eq!(stored.len(), 3);
    assert!(stored.iter().all(|(_, conversion)| *conversion == stored[0].1));
}

fn gzip(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_body_may_be_gzip_as_long_as_it_unpacks_to_little() {
    let bed = Testbed::new();
    let send = |encoding: &str, body: Vec<u8>| {
        let headers = [JSON, BEARER, ("content-encoding", encoding)];
        answer(&bed, &bed.head(Method::POST, "/v1/conversions", &headers), body)
    };
    let plain = br#"{"order_id":"A","amount":1}"#;
    assert_eq!(send("gzip", gzip(plain)).status, StatusCode::OK);
    assert_eq!(send("identity", plain.to_vec()).status, StatusCode::OK);
    let spread = |n: usize| format!(r#"{{"order_id":"A","x":"{}"}}"#, " ".repeat(n)).into_bytes();
    let bomb = send("gzip", gzip(&spread(60_000)));
    assert_eq!(
        (bomb.status, bomb.code()),
        (StatusCode::PAYLOAD_TOO_LARGE, 106),
        "more than 20 times"
    );
    let noise: String = (0..70_000_u32)
        .map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26))
        .collect();
    let large = format!(r#"{{"order_id":"A","x":"{noise}"}}"#).into_bytes();
    let large = send("gzip", gzip(&large));
    assert_eq!((large.status, large.code()), (StatusCode::PAYLOAD_TOO_LARGE, 106));
    assert_eq!(send("gzip", plain.to_vec()).status, StatusCode::BAD_REQUEST);
    assert_eq!(send("br", plain.to_vec()).status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn the_same_order_again_is_stored_again_with_an_id_of_its_own() {
    let bed = Testbed::new();
    let (first, second) = (
        post(&bed, r#"{"order_id":"A","amount":1}"#),
        post(&bed, r#"{"order_id":"A","amount":1}"#),
    );
    assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));
    assert_ne!(first.text("event_id"), second.text("event_id"));
    let stored = conversions(&bed);
    assert_eq!(stored[0].0.key, stored[1].0.key);
}

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
        let told =
            Told::of(super::answer::refused(&bed.core, &head, Way::Call, &super::unread(fault)));
        assert_eq!(
            (told.status.as_u16(), told.headers["connection"].as_bytes()),
            (status, &b"close"[..])
        );
        assert_eq!(event(&bed).code, code);
    }
}

#[test]
fn a_journal_that_cannot_promise_is_503_with_a_time_to_come_back() {
    let bed = Testbed::new();
    let mut waits = std::collections::BTreeSet::new();
    for disk in [Disk::Refuses, Disk::FailsToCommit] {
        bed.set_disk(disk);
        for _ in 0..100 {
            let told = post(&bed, r#"{"order_id":"A","amount":1}"#);
            assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(
                (told.text("result"), &told.headers["sillage-recorded"]),
                ("not_stored", &"no".parse().unwrap())
            );
            waits.insert(told.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap());
            let gif = pixel(&bed, "/p/shop.gif?order_id=A");
            assert_eq!((gif.status, gif.body.len()), (StatusCode::SERVICE_UNAVAILABLE, 43));
            waits.insert(gif.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap());
        }
    }
    assert_eq!(waits.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(bed.take(Topic::Conversions).is_empty());
    bed.set_disk(Disk::Good);
    assert_eq!(post(&bed, r#"{"order_id":"A","amount":1}"#).status, StatusCode::OK);
    let calls = bed.core.shared.conversions.recent.calls("shop");
    assert_eq!((calls[0].result, calls[1].result), (CallResult::Stored, CallResult::NotStored));
}

#[test]
fn click_ids_are_told_and_kept_with_their_verdict_and_a_good_one_with_its_claim() {
    let bed = Testbed::new();
    let claim = bed.claim("lea-shop");
    let good = bed.click_id(&claim);
    let mut altered = good.clone().into_bytes();
    altered[20] = if altered[20] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let unknown_key = {
        let mut bytes = data_encoding::BASE64URL_NOPAD.decode(good.as_bytes()).unwrap();
        bytes[1] = 77;
        data_encoding::BASE64URL_NOPAD.encode(&bytes)
    };
    let borrowed = bed.click_id(&bed.claim("lea-other"));
    let future = |ms: i64| {
        let at = event::Millis(event::Clock::now(&bed.clock).0 + ms);
        let id = event::EventId::minted(at, event::Sequence(1), event::LaneId::from_random(3));
        bed.click_id(&event::Claim { id, ..claim })
    };
    for (click, word, verdict) in [
        (good.clone(), "valid", ClickVerdict::Valid),
        (future(300_000), "valid", ClickVerdict::Valid),
        (future(300_001), "from_future", ClickVerdict::FromFuture),
        (altered, "invalid", ClickVerdict::BadMac),
        ("forged".into(), "invalid", ClickVerdict::Malformed),
        ("x".repeat(1000), "invalid", ClickVerdict::Malformed),
        (unknown_key, "unknown_key", ClickVerdict::UnknownKey),
        (borrowed, "other_program", ClickVerdict::OtherProgram),
    ] {
        let told = post(&bed, &format!(r#"{{"order_id":"A","amount":1,"clickid":"{click}"}}"#));
        assert_eq!((told.status, told.text("click")), (StatusCode::OK, word), "{}", told.json);
        let (_, conversion) = conversions(&bed).remove(0);
        let evidence = &conversion.clicks[0];
        assert_eq!((evidence.source, evidence.verdict), (ClickSource::Parameter, verdict));
        assert_eq!(evidence.claim.is_some(), verdict == ClickVerdict::Valid);
        assert!(evidence.raw.len() <= 128);
        let call = &bed.core.shared.conversions.recent.calls("shop")[0];
        assert_eq!(call.click, Some(verdict));
    }
    let told = post(&bed, &format!(r#"{{"order_id":"A","amount":1,"click_id":"{good}"}}"#));
    assert_eq!(told.text("click"), "valid");
    let (_, conversion) = conversions(&bed).remove(0);
    let touch = conversion.clicks[0].claim.as_ref().unwrap();
    assert_eq!(touch.id, claim.id);
    assert_eq!(
        (touch.link.as_str(), touch.partner.as_ref().unwrap().as_str()),
        ("lea-shop", "lea")
    );
}

/// 3,000 bad click ids of four kinds, each beside its control: the same call with the id as it was minted.
#[test]
fn of_three_thousand_bad_click_ids_none_is_evidence_and_each_control_is() {
    let calls_burst_per_key = std::num::NonZeroU32::new(1_000_000).unwrap();
    let conversions = super::Config { calls_burst_per_key, ..super::Config::default() };
    let bed = Testbed::with(crate::Config { conversions, ..crate::Config::default() });
    let claim = bed.claim("lea-shop");
    let other = bed.claim("lea-other");
    let at = |claim: &event::Claim, n: u64, ms: i64| {
        let at = event::Millis(claim.id.time().0 + ms);
        let id = event::EventId::minted(at, event::Sequence(n), event::LaneId::from_random(3));
        bed.click_id(&event::Claim { id, ..*claim })
    };
    for n in 0..750_u64 {
        let good = at(&claim, n, 0);
        let mut bytes = data_encoding::BASE64URL_NOPAD.decode(good.as_bytes()).unwrap();
        // Any bit of what is signed or of the signature, but not of version, key id and flags: those are other faults.
        let bit = 32 + usize::try_from(n * 7_919).unwrap() % ((bytes.len() - 4) * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let altered = data_encoding::BASE64URL_NOPAD.encode(&bytes);
        let forged = {
            let mut bytes = bytes.clone();
            let noise = blake3::hash(&n.to_be_bytes());
            bytes[4..36].copy_from_slice(noise.as_bytes());
            data_encoding::BASE64URL_NOPAD.encode(&bytes)
        };
        for (bad, verdict, code) in [
            (altered, ClickVerdict::BadMac, 202),
            (forged, ClickVerdict::BadMac, 202),
            (at(&other, n, 0), ClickVerdict::OtherProgram, 204),
            (at(&claim, n, 400_000), ClickVerdict::FromFuture, 206),
        ] {
            for (click, expected) in [(&bad, verdict), (&good, ClickVerdict::Valid)] {
                let told =
                    post(&bed, &format!(r#"{{"order_id":"A","amount":1,"click_id":"{click}"}}"#));
                assert_eq!(told.status, StatusCode::OK);
                let (_, conversion) = conversions_of(&bed);
                assert_eq!(conversion.clicks[0].verdict, expected, "{n} {click}");
                assert_eq!(conversion.clicks[0].claim.is_some(), expected == ClickVerdict::Valid);
                let seen = conversion.clicks[0].verdict.code().map(Code::number);
                assert_eq!(seen, (expected != ClickVerdict::Valid).then_some(code));
            }
        }
    }
}

fn conversions_of(bed: &Testbed) -> (Envelope, Conversion) {
    conversions(bed).remove(0)
}

fn cookie(name: &str, value: &str) -> String {
    format!("__Host-{name}={value}")
}

#[test]
fn cookies_are_evidence_after_the_parameter_and_the_visitor_is_an_identity() {
    let bed = Testbed::new();
    let good = bed.click_id(&bed.claim("lea-shop"));
    let visitor = crate::cookie::VisitorCookie {
        id: event::VisitorId([5; 16]),
        issued: event::Clock::now(&bed.clock),
        consent: Consent::Granted,
    };
    let value = bed.core.keys().cookies.write(&visitor, visitor.issued).unwrap();
    let value = String::from_utf8(value.to_vec()).unwrap();
    let cookies =
        [cookie("sl_v", &value), cookie("sl_c_shop", &good), cookie("sl_x_shop", &good)].join("; ");
    let told = page(&bed, "program=shop&order_id=A&click_id=forged", &[("cookie", &cookies)]);
    assert_eq!(told.status, StatusCode::OK);
    let (_, conversion) = conversions(&bed).remove(0);
    assert_eq!((conversion.source, conversion.trust), (Source::Tag, Trust::Page));
    let seen: Vec<_> = conversion.clicks.iter().map(|c| (c.source, c.verdict)).collect();
    assert_eq!(
        seen,
        [
            (ClickSource::Parameter, ClickVerdict::Malformed),
            (ClickSource::Cookie, ClickVerdict::Valid),
            (ClickSource::ExemptCookie, ClickVerdict::Valid),
        ]
    );
    assert!(matches!(conversion.ids.as_slice(), [IdentityId::Visitor(_)]));
    assert_eq!(conversion.consent, Consent::Granted, "the choice kept in the cookie");
    let bad = cookie("sl_v", &value.replace("v1.", "v1.1"));
    page(&bed, "program=shop&order_id=A", &[("cookie", &bad)]);
    let (_, conversion) = conversions(&bed).remove(0);
    assert_eq!((conversion.ids.len(), conversion.flags), (0, vec![Flag::CookieBadMac]));
}

#[test]
fn of_several_cookies_of_one_name_the_newest_valid_click_counts() {
    let bed = Testbed::new();
    let older = bed.claim("lea-shop");
    let at = event::Millis(older.id.time().0 + 1);
    let id = event::EventId::minted(at, event::Sequence(2), event::LaneId::from_random(3));
    let newer = event::Claim { id, ..older };
    let [older, newer] = [older, newer].map(|claim| bed.click_id(&claim));
    for (values, counts) in [
        (vec!["forged", &older], &older),
        (vec![&older, &newer], &newer),
        (vec![&newer, &older, ""], &newer),
        (vec!["1", "2", "3", &newer], &newer),
        (vec!["1", "2", "3", "4", &newer], &"1".to_owned()), // more than are read
    ] {
        for name in ["sl_c_shop", "sl_x_shop"] {
            let line =
                values.iter().map(|value| cookie(name, value)).collect::<Vec<_>>().join("; ");
            page(&bed, "program=shop&order_id=A", &[("cookie", &line)]);
            let (_, conversion) = conversions_of(&bed);
            let raw: Vec<_> = conversion.clicks.iter().map(|click| &click.raw).collect();
            assert_eq!(raw, [counts], "{name} {values:?}");
        }
    }
}

#[test]
fn a_page_is_not_told_what_its_click_id_was_found_to_be_unless_it_tests() {
    let bed = Testbed::new();
    for (query, click) in
        [("&click_id=x", None), ("", None), ("&click_id=x&test=1", Some("invalid"))]
    {
        let told = page(&bed, &format!("program=shop&order_id=A{query}"), &[]);
        assert_eq!(told.status, StatusCode::OK);
        assert_eq!(told.json.get("click").and_then(Value::as_str), click, "{query}");
    }
}

#[test]
fn the_consent_of_an_order_is_its_own_word_then_the_cookie_then_the_browser() {
    let bed = Testbed::new();
    for (query, headers, consent) in [
        ("", &[][..], Consent::Unknown),
        ("&consent=granted", &[], Consent::Granted),
        ("&consent=denied", &[], Consent::Denied),
        ("&consent_performance=0", &[], Consent::Denied),
        ("", &[("sec-gpc", "1")], Consent::Denied),
        ("&consent=granted", &[("sec-gpc", "1")], Consent::Granted),
        ("&consent=exempt", &[], Consent::Unknown),
    ] {
        page(&bed, &format!("program=shop&order_id=A{query}"), headers);
        let (_, conversion) = conversions(&bed).remove(0);
        assert_eq!(conversion.consent, consent, "{query} {headers:?}");
    }
    let head = bed.head(Method::GET, "/v1/conversions?order_id=A", &[BEARER, ("sec-gpc", "1")]);
    answer(&bed, &head, "");
    let (_, conversion) = conversions(&bed).remove(0);
    assert_eq!(conversion.consent, Consent::Unknown, "a server has no browser");
}

#[test]
fn a_refusal_told_by_the_page_ends_our_cookies() {
    let bed = Testbed::new();
    let click = cookie("sl_c_shop", "x");
    let told = page(&bed, "program=shop&order_id=A&consent=denied", &[("cookie", &click)]);
    let expired = told.headers.get_all("set-cookie").iter();
    assert_eq!(
        expired.filter(|c| c.to_str().unwrap().contains("Max-Age=0")).count(),
        2,
        "all but the exempt one"
    );
    let told = page(&bed, "program=shop&order_id=A", &[("cookie", &click)]);
    assert!(!told.headers.contains_key("set-cookie"));
}

fn signed(bed: &Testbed, query: &str) -> Told {
    let now = (event::Clock::now(&bed.clock).0 / 1000).to_string();
    let query = format!("{query}&key=shop-1&sig_ts={now}&sig_nonce=n");
    let path = "/v1/conversions";
    let request =
        Signable { method: "GET", path, query: &query, body: b"", timestamp: &now, nonce: "n" };
    let uri = format!("{path}?{query}&sig={}", request.sign(&secret_of("shop-1")));
    answer(bed, &bed.head(Method::GET, &uri, &[]), "")
}

#[test]
fn a_status_of_a_signed_call_becomes_a_validation_beside_the_conversion() {
    let bed = Testbed::new();
    for (status, action) in
        [(OrderStatus::Approved, Action::Approve), (OrderStatus::Declined, Action::Decline)]
    {
        let word = serde_json::to_value(status).unwrap();
        let told =
            signed(&bed, &format!("order_id=a&status={}&revision=7", word.as_str().unwrap()));
        assert_eq!(told.status, StatusCode::OK, "{}", told.json);
        let events = bed.take(Topic::Conversions);
        let [first, second] = events.as_slice() else { panic!("{events:?}") };
        let Body::Conversion(conversion) = &first.body else { panic!() };
        assert_eq!((conversion.trust, conversion.revision), (Trust::Signed, Some(7)));
        let Body::Validation(Validation { order, action: seen, code, revision }) = &second.body
        else {
            panic!()
        };
        assert_eq!(
            (order.to_string(), *seen, *code, *revision),
            (first.key.clone(), action, None, Some(7))
        );
        assert_eq!(second.key, first.key);
        assert_ne!(first.id, second.id);
        assert_eq!(told.text("validation_id"), second.id.to_string());
    }
    signed(&bed, "order_id=a&status=pending");
    assert_eq!(bed.take(Topic::Conversions).len(), 1);
}

#[test]
fn a_pixel_answers_with_the_image_whatever_happens() {
    let bed = Testbed::new();
    for (uri, status, result) in [
        ("/p/shop.gif?order_id=A&amount=5", 200, "stored; code=0; slug=ok"),
        ("/p/shop.gif?amount=5", 200, "stored; code=110; slug=unconfirmed"),
        ("/p/shop.gif?order_id=A&amount=x", 422, "rejected; code=101; slug=malformed"),
        ("/p/shop.gif?order_id=A&goal=x", 422, "rejected; code=101; slug=malformed"),
        ("/p/nobody.gif?order_id=A", 404, "rejected; code=104; slug=unknown_program"),
        ("/p/fenced.gif?order_id=A", 403, "rejected; code=109; slug=source_refused"),
        ("/p/other.gif?order_id=A", 422, "rejected; code=201; slug=no_click_evidence"),
        ("/p/other.gif?order_id=A&click_id=x", 422, "rejected; code=201; slug=no_click_evidence"),
        (
            "/p/other.gif?order_id=A&click_id=x&test=1",
            422,
            "rejected; code=202; slug=click_signature_invalid",
        ),
        ("/p/shop.gif?order_id=A&status=approved", 403, "rejected; code=109; slug=source_refused"),
    ] {
        let told = pixel(&bed, uri);
        let result_told = told.headers["sillage-result"].to_str().unwrap();
        assert_eq!((told.status.as_u16(), result_told), (status, result), "{uri}");
        assert_eq!(told.headers["content-type"], "image/gif");
        assert_eq!(told.body, crate::response::GIF.as_slice());
    }
    assert_eq!(conversions(&bed).len(), 2);
    let codes: Vec<u16> = rejections(&bed).iter().map(|r| r.code.number()).collect();
    assert_eq!(codes, [101, 101, 104, 109, 201, 202, 202, 109], "the event has the real code");
}

#[test]
fn a_pixel_that_requires_a_click_takes_it_as_parameter_and_as_cookie() {
    let bed = Testbed::new();
    let good = bed.click_id(&bed.claim("lea-other"));
    assert_eq!(pixel(&bed, &format!("/p/other.gif?order_id=A&awc={good}")).status, StatusCode::OK);
    let head = bed.head(
        Method::GET,
        "/p/other.gif?order_id=A",
        &[("cookie", &cookie("sl_c_other", &good))],
    );
    let told = Told::of(block_on(super::pixel(&bed.core, &head, "other")));
    assert_eq!(told.status, StatusCode::OK);
    let stored = conversions(&bed);
    assert!(stored.iter().all(|(_, c)| c.source == Source::Pixel && c.trust == Trust::Page));
    let borrowed = bed.click_id(&bed.claim("lea-shop"));
    assert_eq!(
        pixel(&bed, &format!("/p/other.gif?order_id=A&awc={borrowed}")).status.as_u16(),
        422
    );
}

#[test]
fn a_pixel_that_contradicts_itself_is_stored_with_a_flag() {
    let bed = Testbed::new();
    assert_eq!(pixel(&bed, "/p/shop.gif?program=other&order_id=A&txid=B").status, StatusCode::OK);
    let (envelope, conversion) = conversions(&bed).remove(0);
    assert_eq!(envelope.key, "shop/sale/real/o:A");
    assert_eq!(conversion.flags, [Flag::ParamDuplicate, Flag::ParamConflict]);
}

#[test]
fn head_records_nothing() {
    let bed = Testbed::new();
    for (program, status) in [("shop", 200), ("nobody", 404)] {
        let head = bed.head(Method::HEAD, &format!("/p/{program}.gif?order_id=A"), &[]);
        let reply = block_on(super::pixel(&bed.core, &head, program));
        assert_eq!(reply.status().as_u16(), status);
    }
    assert!(bed.take(Topic::Conversions).is_empty() && bed.take(Topic::Rejected).is_empty());
}

#[test]
fn rates_end_where_they_are_said_to_and_tell_when_to_come_back() {
    let one = std::num::NonZeroU32::MIN;
    let two = std::num::NonZeroU32::new(2).unwrap();
    let conversions = super::Config {
        calls_per_second_per_key: one,
        calls_burst_per_key: two,
        page_calls_per_second_per_address: one,
        page_calls_burst_per_address: one,
        ..super::Config::default()
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

#[test]
fn the_largest_conversion_fits_on_the_log() {
    let bed = Testbed::new();
    // Quotation marks double in JSON, so the body limit and not the field limits bounds the event.
    let text = r#"\""#.repeat(40);
    let item = format!(r#"{{"sku":"{text}","category":"{text}","group":"{text}","amount":1}}"#);
    let body = format!(r#"{{"order_id":"A","items":[{}]}}"#, vec![item; 200].join(","));
    assert!(body.len() < super::BODY_BYTES_MAX);
    assert_eq!(post(&bed, &body).status, StatusCode::OK); // the journal of the test checks the size
}

#[test]
fn the_last_calls_tell_a_developer_what_happened() {
    let bed = Testbed::new();
    post(&bed, r#"{"order_id":"A","amount":1,"click_id":"forged","ammount":2}"#);
    post(&bed, r#"{"order_id":"B","amount":"x"}"#);
    pixel(&bed, "/p/shop.gif?order_id=C&customer_id=lea");
    let head = bed.head(Method::GET, "/v1/conversions?program=shop&token=wrong&order_id=D", &[]);
    answer(&bed, &head, "");
    let ask = |uri: &str, headers: &[(&'static str, &str)]| {
        let program = uri.split('/').nth(3).unwrap().to_owned();
        Told::of(recent(&bed.core, &bed.head(Method::GET, uri, headers), &program))
    };
    let told = ask("/v1/programs/shop/recent", &[BEARER]);
    assert_eq!(told.status, StatusCode::OK);
    let calls = told.json["calls"].as_array().unwrap();
    let column = |name: &str| -> Vec<&str> {
        calls.iter().map(|call| call[name].as_str().unwrap_or("-")).collect()
    };
    assert_eq!(column("endpoint"), ["/v1/conversions", "/p", "/v1/conversions", "/v1/conversions"]);
    assert_eq!(column("result"), ["rejected", "stored", "rejected", "stored"]);
    assert_eq!(column("slug"), ["bad_signature", "ok", "malformed", "ok"]);
    assert_eq!(
        column("words"),
        [
            "The token is not a token of this program.",
            "Stored. Note: amount is absent: stored as 0.",
            "The field amount could not be read: it is not a decimal number (digits, then at most one decimal mark \
             and digits).",
            "Stored. Note: ammount is no field of a conversion: ignored. The click id was altered or not made by us.",
        ]
    );
    assert_eq!(column("sent")[1], "program=shop&order_id=C&customer_id=…");
    assert_eq!(column("trust"), ["-", "page", "token", "token"]);
    assert!(!told.body.windows(5).any(|w| w == b"wrong"), "no token is kept");
    assert_eq!(ask("/v1/programs/shop/recent", &[]).status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        ask("/v1/programs/shop/recent", &[("origin", ORIGIN)]).status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(ask("/v1/programs/other/recent", &[BEARER]).status, StatusCode::FORBIDDEN);
    assert_eq!(ask("/v1/programs/nobody/recent", &[BEARER]).status, StatusCode::NOT_FOUND);
    assert_eq!(ask(&format!("/v1/programs/shop/recent?token={TOKEN}"), &[]).status, StatusCode::OK);
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
