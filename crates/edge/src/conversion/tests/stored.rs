//! What is stored of a good report.

use event::body::{Action, OrderStatus, Source, Trust, Validation};
use event::{Body, Consent, IdentityId, Topic};
use http::{Method, StatusCode};

use super::{BEARER, FORM, JSON, Told, answer, conversions, pixel, post};
use crate::auth::Signable;
use crate::recent::CallResult;
use crate::testbed::{Disk, Testbed, secret_of};

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
    for name in ["GZIP", "x-gzip"] {
        assert_eq!(send(name, gzip(plain)).status, StatusCode::OK, "{name}");
    }
    bed.take(Topic::Conversions);
    let in_two = [gzip(br#"{"order_id":"A","#), gzip(br#""amount":1}"#)].concat();
    assert_eq!(send("gzip", in_two).status, StatusCode::OK, "nothing after the first part is lost");
    assert_eq!(conversions(&bed)[0].1.amount.0, 1_000_000);
    let trailing = [gzip(plain), b"junk".to_vec()].concat();
    assert_eq!(send("gzip", trailing).status, StatusCode::BAD_REQUEST);
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
    let mut twins = Vec::new();
    for (status, action) in
        [(OrderStatus::Approved, Action::Approve), (OrderStatus::Declined, Action::Decline)]
    {
        let word = serde_json::to_value(status).unwrap();
        let query = format!("order_id=a&status={}&revision=7", word.as_str().unwrap());
        let told = signed(&bed, &query);
        assert_eq!(told.status, StatusCode::OK, "{}", told.json);
        let events = bed.take(Topic::Conversions);
        let [first, second] = events.as_slice() else { panic!("{events:?}") };
        let Body::Conversion(conversion) = &first.body else { panic!() };
        assert_eq!((conversion.trust, conversion.revision), (Trust::Signed, Some(7)));
        let Body::Validation(validation) = &second.body else { panic!() };
        let order = first.key.parse().unwrap();
        let actor = Some("key:shop-1".to_owned());
        let client_event_id = validation.client_event_id.clone();
        assert!(client_event_id.as_deref().is_some_and(|id| id.starts_with("sig:")));
        let expected = Validation {
            revision: Some(7),
            actor,
            client_event_id: client_event_id.clone(),
            ..Validation::plain(order, action)
        };
        assert_eq!(**validation, expected);
        assert_eq!(second.key, first.key);
        assert_ne!(first.id, second.id);
        assert_eq!(told.text("validation_id"), second.id.to_string());
        signed(&bed, &query);
        let again = bed.take(Topic::Conversions).remove(1);
        let Body::Validation(again) = again.body else { panic!() };
        assert_eq!(again.client_event_id, client_event_id, "the signature names the act");
        twins.push(client_event_id);
    }
    assert_ne!(twins[0], twins[1]);
    signed(&bed, "order_id=a&status=pending");
    assert_eq!(bed.take(Topic::Conversions).len(), 1);
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
fn the_largest_conversion_fits_on_the_log() {
    let bed = Testbed::new();
    // Quotation marks double in JSON, so the body limit and not the field limits bounds the event.
    let text = r#"\""#.repeat(40);
    let item = format!(r#"{{"sku":"{text}","category":"{text}","group":"{text}","amount":1}}"#);
    let body = format!(r#"{{"order_id":"A","items":[{}]}}"#, vec![item; 200].join(","));
    assert!(body.len() < crate::conversion::BODY_BYTES_MAX);
    assert_eq!(post(&bed, &body).status, StatusCode::OK); // the journal of the test checks the size
}
