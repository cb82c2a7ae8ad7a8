//! Tests of signatures, tokens and origins.

use http::{Method, StatusCode};

use super::{Call, Caller, NotAdmitted, Pages, Signable, admit};
use crate::conversion::fields::{Field, Fields};
use crate::testbed::{ORIGIN, TOKEN, Testbed, secret_of};
use event::Code;
use event::body::Trust;

const SKEW_MS: i64 = 300_000;

/// What a test sends.
#[derive(Clone)]
struct Sent {
    method: Method,
    uri: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn judge(bed: &Testbed, sent: &Sent, pages: Pages) -> Result<(String, Trust), NotAdmitted> {
    let headers: Vec<_> = sent.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let head = bed.head(sent.method.clone(), &sent.uri, &headers);
    let mut fields = Fields::default();
    fields.add_encoded(head.query()).unwrap();
    let _not_json = fields.add_json(&sent.body);
    let catalog = bed.core.catalog().unwrap();
    let call = Call {
        head: &head,
        body: &sent.body,
        fields: &fields,
        program: fields.text(Field::Program),
        skew_ms_max: SKEW_MS,
    };
    admit(&catalog, &bed.core.keys(), call, pages)
        .map(|Caller { program, trust, .. }| (program.name().to_string(), trust))
}

fn now(bed: &Testbed) -> i64 {
    use event::Clock;
    bed.clock.now().0 / 1000
}

/// A call signed in its headers.
fn signed(bed: &Testbed, key: &str, body: &str, at: i64) -> Sent {
    let (timestamp, nonce) = (at.to_string(), "n-1".to_owned());
    let request = Signable {
        method: "POST",
        path: "/v1/conversions",
        query: "b=2&a=1",
        body: body.as_bytes(),
        timestamp: &timestamp,
        nonce: &nonce,
    };
    let signature = format!("v1={}", request.sign(&secret_of(key)));
    let _clock = bed;
    Sent {
        method: Method::POST,
        uri: "/v1/conversions?b=2&a=1".into(),
        headers: vec![
            ("sillage-key", key.into()),
            ("sillage-timestamp", timestamp),
            ("sillage-nonce", nonce),
            ("sillage-signature", signature),
        ],
        body: body.into(),
    }
}

/// A call signed in its query.
fn signed_query(bed: &Testbed, key: &str) -> Sent {
    let query = format!("program=shop&order_id=A%201&key={key}&sig_ts={}&sig_nonce=n1", now(bed));
    let timestamp = now(bed).to_string();
    let request = Signable {
        method: "GET",
        path: "/v1/conversions",
        query: &query,
        body: b"",
        timestamp: &timestamp,
        nonce: "n1",
    };
    let signature = request.sign(&secret_of(key));
    let uri = format!("/v1/conversions?{query}&sig={signature}");
    Sent { method: Method::GET, uri, headers: vec![], body: Vec::new() }
}

#[test]
fn a_good_signature_is_admitted_in_headers_and_in_the_query() {
    let bed = Testbed::new();
    let body = r#"{"order_id":"A1"}"#;
    for key in ["shop-1", "shop-2"] {
        let sent = signed(&bed, key, body, now(&bed));
        assert_eq!(judge(&bed, &sent, Pages::Admitted), Ok(("shop".into(), Trust::Signed)));
        let sent = signed_query(&bed, key);
        assert_eq!(judge(&bed, &sent, Pages::Admitted), Ok(("shop".into(), Trust::Signed)));
    }
}

#[test]
fn the_order_of_pairs_does_not_matter_and_their_number_does() {
    let bed = Testbed::new();
    let good = signed(&bed, "shop-1", "{}", now(&bed));
    let with = |uri: &str| Sent { uri: uri.into(), ..good.clone() };
    assert!(judge(&bed, &with("/v1/conversions?a=1&b=2"), Pages::Admitted).is_ok());
    for uri in ["/v1/conversions?a=1", "/v1/conversions?a=1&b=2&c=3", "/v1/conversions?a=1&a=1&b=2"]
    {
        assert_eq!(judge(&bed, &with(uri), Pages::Admitted), Err(NotAdmitted::BadSignature));
    }
}

/// Every bit of every part of a good request: what is still a request is refused with 401.
#[test]
fn one_bit_anywhere_makes_a_good_request_a_bad_one() {
    let bed = Testbed::new();
    let good = signed(&bed, "shop-1", r#"{"order_id":"A1","amount":74.92}"#, now(&bed));
    let mut flipped = 0;
    let mut check = |sent: &Sent, what: &str| {
        let refused = judge(&bed, sent, Pages::Admitted).expect_err(what);
        let (status, code, _) = refused.answer();
        assert_eq!((status, code), (StatusCode::UNAUTHORIZED, Code::BadSignature), "{what}");
        flipped += 1;
    };
    let flips = |text: &str| -> Vec<String> {
        let bits = text.len() * 8;
        let flip = |bit: usize| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            String::from_utf8(bytes).ok()
        };
        (0..bits).filter_map(flip).collect()
    };
    for bit in 0..good.body.len() * 8 {
        let mut body = good.body.clone();
        body[bit / 8] ^= 1 << (bit % 8);
        check(&Sent { body, ..good.clone() }, "body");
    }
    for (i, (name, value)) in good.headers.iter().enumerate() {
        for value in flips(value) {
            // A control byte never gets past the reader of heads.
            if http::HeaderValue::from_str(&value).is_err() {
                continue;
            }
            let mut headers = good.headers.clone();
            headers[i].1 = value;
            check(&Sent { headers, ..good.clone() }, name);
        }
    }
    for uri in flips(&good.uri) {
        // A mark that ends the path or the address is another request line; a fragment is never sent.
        let same = |uri: &http::Uri| uri.path_and_query().is_some_and(|pq| pq.as_str() == good.uri);
        let Ok(parsed) = uri.parse::<http::Uri>() else { continue };
        if parsed.authority().is_some() || same(&parsed) {
            continue;
        }
        check(&Sent { uri, ..good.clone() }, "uri");
    }
    for method in flips("POST") {
        let Ok(method) = Method::from_bytes(method.as_bytes()) else { continue };
        check(&Sent { method, ..good.clone() }, "method");
    }
    assert!(flipped > 900, "{flipped}");
}

#[test]
fn one_bit_in_a_signed_query_makes_it_bad() {
    let bed = Testbed::new();
    let good = signed_query(&bed, "shop-1");
    let mut flipped = 0;
    let start = good.uri.find('?').unwrap() + 1;
    for bit in start * 8..good.uri.len() * 8 {
        let mut bytes = good.uri.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(uri) = String::from_utf8(bytes) else { continue };
        if uri.parse::<http::Uri>().is_err() || uri.contains('#') {
            continue;
        }
        let refused = judge(&bed, &Sent { uri: uri.clone(), ..good.clone() }, Pages::Admitted);
        let (status, ..) = refused.expect_err(&uri).answer();
        // A flipped name of the program names one that is not there, or none.
        assert!(
            matches!(
                status,
                StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY
            ),
            "{uri}"
        );
        flipped += 1;
    }
    assert!(flipped > 800, "{flipped}");
}

#[test]
fn a_signature_is_good_for_five_minutes_before_and_after() {
    let bed = Testbed::new();
    let at = |seconds: i64| {
        judge(&bed, &signed(&bed, "shop-1", "{}", now(&bed) + seconds), Pages::Admitted)
    };
    assert!(at(300).is_ok() && at(-300).is_ok());
    for seconds in [301, -301, 1_000_000] {
        assert_eq!(at(seconds), Err(NotAdmitted::Stale));
    }
    assert_eq!(NotAdmitted::Stale.answer().1, Code::StaleTimestamp);
}

#[test]
fn a_key_reports_for_its_own_program_only() {
    let bed = Testbed::new();
    let sent = signed(&bed, "other-1", r#"{"program":"shop"}"#, now(&bed));
    assert_eq!(judge(&bed, &sent, Pages::Admitted), Err(NotAdmitted::OtherProgram));
    assert_eq!(NotAdmitted::OtherProgram.answer().0, StatusCode::FORBIDDEN);
    let sent = signed(&bed, "other-1", r#"{"program":"other"}"#, now(&bed));
    assert_eq!(judge(&bed, &sent, Pages::Admitted), Ok(("other".into(), Trust::Signed)));
    let unlisted = signed(&bed, "shop-3", "{}", now(&bed));
    assert_eq!(judge(&bed, &unlisted, Pages::Admitted), Err(NotAdmitted::BadSignature));
}

#[test]
fn a_signature_without_one_of_its_parts_is_bad_and_never_a_lesser_trust() {
    let bed = Testbed::new();
    let good = signed(&bed, "shop-1", r#"{"program":"shop"}"#, now(&bed));
    for i in [0, 1, 2] {
        let mut headers = good.headers.clone();
        headers.remove(i);
        headers.push(("authorization", format!("Bearer {TOKEN}")));
        headers.push(("origin", ORIGIN.into()));
        let sent = Sent { headers, ..good.clone() };
        assert_eq!(judge(&bed, &sent, Pages::Admitted), Err(NotAdmitted::BadSignature), "{i}");
    }
    let mut headers = good.headers.clone();
    headers[3].1 = headers[3].1.replace("v1=", "");
    assert!(judge(&bed, &Sent { headers, ..good.clone() }, Pages::Admitted).is_err());
    let mut headers = good.headers.clone();
    headers[3].1 = format!("v1={}", headers[3].1[3..].to_uppercase());
    assert!(judge(&bed, &Sent { headers, ..good }, Pages::Admitted).is_err());
}

fn get(uri: &str, headers: &[(&'static str, &str)]) -> Sent {
    let headers = headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
    Sent { method: Method::GET, uri: uri.into(), headers, body: Vec::new() }
}

#[test]
fn a_token_is_taken_from_header_and_field_and_names_its_program() {
    let bed = Testbed::new();
    let bearer = format!("Bearer {TOKEN}");
    let lower = format!("bearer {TOKEN}");
    for sent in [
        get("/v1/conversions?program=shop", &[("authorization", &bearer)]),
        get("/v1/conversions", &[("authorization", &lower)]),
        get(&format!("/v1/conversions?program=shop&token={TOKEN}"), &[]),
        get(&format!("/v1/conversions?verification_token={TOKEN}"), &[]),
    ] {
        assert_eq!(judge(&bed, &sent, Pages::Refused), Ok(("shop".into(), Trust::Token)));
    }
}

#[test]
fn a_wrong_token_is_401_and_anothers_is_403_even_on_the_programs_own_page() {
    let bed = Testbed::new();
    let page = [("origin", ORIGIN)];
    for (uri, why) in [
        ("/v1/conversions?program=shop&token=x", NotAdmitted::BadToken),
        ("/v1/conversions?token=x", NotAdmitted::BadToken),
        ("/v1/conversions?program=shop&token=shop-token-other", NotAdmitted::OtherProgram),
        ("/v1/conversions?program=shop&token=SHOP-TOKEN", NotAdmitted::BadToken),
    ] {
        assert_eq!(judge(&bed, &get(uri, &page), Pages::Admitted), Err(why), "{uri}");
    }
}

#[test]
fn an_origin_on_the_list_is_a_page_and_another_is_refused() {
    let bed = Testbed::new();
    let from = |origin: &str| {
        judge(&bed, &get("/v1/conversions?program=shop", &[("origin", origin)]), Pages::Admitted)
    };
    assert_eq!(from(ORIGIN), Ok(("shop".into(), Trust::Page)));
    for origin in
        ["https://other.example", "http://shop.example", "https://shop.example.evil", "null"]
    {
        assert_eq!(from(origin), Err(NotAdmitted::OtherOrigin), "{origin}");
    }
    let none = get("/v1/conversions?program=shop", &[]);
    assert_eq!(judge(&bed, &none, Pages::Admitted), Err(NotAdmitted::NoCredentials));
    let page = get("/v1/conversions?program=shop", &[("origin", ORIGIN)]);
    assert_eq!(judge(&bed, &page, Pages::Refused), Err(NotAdmitted::NoCredentials));
}

#[test]
fn the_program_must_be_there() {
    let bed = Testbed::new();
    let sent = get("/v1/conversions?program=nobody", &[("origin", ORIGIN)]);
    assert_eq!(judge(&bed, &sent, Pages::Admitted), Err(NotAdmitted::UnknownProgram));
    let sent = get("/v1/conversions", &[("origin", ORIGIN)]);
    assert_eq!(judge(&bed, &sent, Pages::Admitted), Err(NotAdmitted::NoProgram));
    let sent = get("/v1/conversions", &[]);
    assert_eq!(judge(&bed, &sent, Pages::Admitted), Err(NotAdmitted::Nothing));
}

#[test]
fn a_list_of_addresses_holds_for_tokens_and_signatures() {
    let bed = Testbed::new();
    let sent = get("/v1/conversions?program=fenced&token=fenced-token", &[]);
    assert!(judge(&bed, &sent, Pages::Admitted).is_ok());
    let mut head = bed.head(Method::GET, &sent.uri, &[]);
    head.client.address = [198, 51, 100, 7].into();
    let mut fields = Fields::default();
    fields.add_encoded(head.query()).unwrap();
    let catalog = bed.core.catalog().unwrap();
    let call = Call {
        head: &head,
        body: b"",
        fields: &fields,
        program: Some("fenced"),
        skew_ms_max: SKEW_MS,
    };
    let refused = admit(&catalog, &bed.core.keys(), call, Pages::Admitted).unwrap_err();
    assert_eq!(refused, NotAdmitted::OtherNetwork);
}
