//! Tests of the endpoints from request to answer, event and list of last calls.

use bytes::Bytes;
use event::body::{Conversion, Rejected};
use event::{Body, Envelope, Topic};
use http::{Method, StatusCode};
use serde_json::Value;

use crate::conversion::report::Way;
use crate::recent::recent;
use crate::request::Head;
use crate::response::Reply;
use crate::testbed::{ORIGIN, TOKEN, Testbed, block_on, body_of};

mod evidence;
mod pixel;
mod refused;
mod stored;

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

fn cookie(name: &str, value: &str) -> String {
    format!("__Host-{name}={value}")
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
