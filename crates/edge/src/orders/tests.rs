//! Tests of the endpoint from request to answer, event and list of last calls.

use event::body::{Rejected, Validation};
use event::{Body, Clock, Code, Envelope, Topic};
use http::{Method, StatusCode};
use serde_json::Value;

use super::call::Form;
use crate::auth::Signable;
use crate::request::Head;
use crate::response::Reply;
use crate::testbed::{Testbed, block_on, body_of, secret_of};

mod acts;
mod batch;
mod recipes;
mod refused;

const ONE: &str = "application/json";
const BATCH: &str = "application/x-ndjson";

/// An answer, read: one object, or one a line.
struct Told {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
    lines: Vec<Value>,
}

impl Told {
    fn of(reply: Reply) -> Self {
        let (status, headers) = (reply.status(), reply.headers().clone());
        let body = String::from_utf8(body_of(reply).to_vec()).unwrap();
        let lines = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { status, headers, body, lines }
    }

    fn text(&self, name: &str) -> &str {
        self.lines[0][name].as_str().unwrap_or_default()
    }

    fn code(&self) -> u64 {
        self.lines[0]["code"].as_u64().unwrap_or(u64::MAX)
    }

    /// A column of the answers to a batch.
    fn column(&self, name: &str) -> Vec<String> {
        self.lines.iter().map(|line| line[name].to_string().replace('"', "")).collect()
    }
}

/// A call signed `ago` seconds ago with a key.
fn signed_head(bed: &Testbed, content: &str, body: &[u8], key: &str, ago: i64) -> Head {
    let timestamp = (bed.clock.now().0 / 1000 - ago).to_string();
    let path = "/v1/orders";
    let (method, query, nonce) = ("POST", "", "n");
    let request = Signable { method, path, query, body, timestamp: &timestamp, nonce };
    let signature = format!("v1={}", request.sign(&secret_of(key)));
    bed.head(
        Method::POST,
        path,
        &[
            ("content-type", content),
            ("sillage-key", key),
            ("sillage-timestamp", &timestamp),
            ("sillage-nonce", "n"),
            ("sillage-signature", &signature),
        ],
    )
}

fn answer(bed: &Testbed, head: &Head, body: impl Into<bytes::Bytes>) -> Told {
    let form = match Form::of(head) {
        Ok(form) => form,
        Err(refused) => return Told::of(super::answer::refused(&bed.core, head, &refused)),
    };
    Told::of(block_on(super::answer(&bed.core, head, &body.into(), form)))
}

fn one(bed: &Testbed, body: &str) -> Told {
    answer(bed, &signed_head(bed, ONE, body.as_bytes(), "shop-1", 0), body.to_owned())
}

fn batch(bed: &Testbed, body: &str) -> Told {
    answer(bed, &signed_head(bed, BATCH, body.as_bytes(), "shop-1", 0), body.to_owned())
}

fn acts(bed: &Testbed) -> Vec<(Envelope, Validation)> {
    let act = |envelope: Envelope| {
        let Body::Validation(validation) = envelope.body.clone() else { panic!("{envelope:?}") };
        (envelope, *validation)
    };
    bed.take(Topic::Conversions).into_iter().map(act).collect()
}

fn rejections(bed: &Testbed) -> Vec<(Envelope, Rejected)> {
    let rejected = |envelope: Envelope| {
        let Body::Rejected(rejected) = envelope.body.clone() else { panic!("{envelope:?}") };
        (envelope, rejected)
    };
    bed.take(Topic::Rejected).into_iter().map(rejected).collect()
}

#[test]
fn the_last_calls_tell_in_words_what_was_decided() {
    let bed = Testbed::new();
    one(&bed, r#"{"order_id":"BX 1","action":"decline","code":701,"note":"lea@x.example"}"#);
    one(&bed, r#"{"order_id":"BX 1","action":"decline"}"#);
    batch(
        &bed,
        "{\"order_id\":\"A\",\"action\":\"approve\"}\n{\"order_id\":\"B\",\"action\":\"aprove\"}\n",
    );
    let token = [("content-type", ONE), ("authorization", "Bearer shop-token")];
    answer(&bed, &bed.head(Method::POST, "/v1/orders", &token), "{}");
    let calls = bed.core.shared.conversions.recent.calls("shop");
    let words: Vec<&str> = calls.iter().rev().map(|call| &*call.words).collect();
    assert_eq!(words[0], "Stored: decline of order BX 1, 701 cancelled.");
    assert!(
        words[1].starts_with("The field code could not be read: it is required"),
        "{}",
        words[1]
    );
    assert_eq!(
        words[2],
        "Stored 1 of 2 lines. Line 2: The field action could not be read: it is not one of approve, decline, reopen, \
         return, amend."
    );
    assert!(
        words[3].starts_with("A token may report orders, not decide about them"),
        "{}",
        words[3]
    );
    let sent: Vec<&str> = calls.iter().rev().map(|call| &*call.sent).collect();
    assert_eq!(sent[0], "order_id=BX 1&action=decline&code=701&note=…");
    assert_eq!(sent[2], "2 lines, 71 bytes");
    assert!(calls.iter().all(|call| call.endpoint == crate::metrics::Endpoint::Orders));
    let head = bed.head(Method::GET, "/v1/programs/shop/recent", &token[1..]);
    let shown = Told::of(crate::recent::recent(&bed.core, &head, "shop"));
    let column = |name: &str| -> Vec<&str> {
        let calls = shown.lines[0]["calls"].as_array().unwrap();
        calls.iter().map(|call| call[name].as_str().unwrap_or("-")).collect()
    };
    assert_eq!(column("endpoint"), ["/v1/orders"; 4]);
    assert_eq!(column("result"), ["rejected", "partly", "rejected", "stored"]);
    assert_eq!(column("trust"), ["token", "signed", "signed", "signed"]);
}

#[test]
fn what_a_refusal_leaves_is_an_event_of_an_act() {
    let bed = Testbed::new();
    let told =
        one(&bed, r#"{"order_id":"A","action":"amend","amount":"12,5","note":"x","ammount":3}"#);
    assert_eq!((told.status, told.code()), (StatusCode::UNPROCESSABLE_ENTITY, 101));
    let events = rejections(&bed);
    let [(envelope, rejected)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(told.text("event_id"), envelope.id.to_string());
    assert_eq!(rejected.event_type, Some(event::body::EventType::Validation));
    assert_eq!((rejected.by.as_str(), rejected.code), ("orders", Code::Malformed));
    let sent = rejected.sent.as_deref();
    assert_eq!(sent, Some("order_id=A&action=amend&amount=12,5&note=…&ammount=…"));
}
