//! Click ids, cookies and consent of a report.

use event::body::{ClickSource, ClickVerdict, Conversion, Source, Trust};
use event::{Code, Consent, Envelope, Flag, IdentityId};
use http::{Method, StatusCode};
use serde_json::Value;

use super::{BEARER, answer, conversions, cookie, page, post};
use crate::testbed::Testbed;

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
    let conversions =
        crate::conversion::Config { calls_burst_per_key, ..crate::conversion::Config::default() };
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
