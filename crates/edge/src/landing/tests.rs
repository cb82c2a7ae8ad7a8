//! Landing reports: who may send them, what they make, and what is refused.

use std::num::NonZeroU32;

use event::{Body, Topic};

use crate::harness::{Running, Starting};

fn edge() -> Running {
    Starting::default().start()
}

const ORIGIN: (&str, &str) = ("Origin", "https://shop.example");

#[test]
fn a_report_becomes_an_event_with_the_clicks_claim() {
    let edge = edge();
    let click = edge.get("/c/l1", &[]);
    let id = click.location("sl_click").unwrap();
    let body = format!(
        "program=shop&click_id={id}&url=https://shop.example/p&referrer=https://blog.example.org/a?b&page=later&entered_at=1793664000123&activated=1"
    );
    let answer = edge.post_form("/v1/clicks", &[ORIGIN], &body);
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("sillage-recorded"), Some("queued"));
    let events = edge.events(Topic::Touches, 2);
    assert_eq!(events.len(), 2, "no activation: the click was not fetched ahead");
    let Body::Landing(landing) = &events[1].body else { panic!() };
    assert_eq!(landing.click.id, events[0].id);
    assert_eq!(landing.referrer_origin.as_deref(), Some("https://blog.example.org"));
    assert_eq!(
        (landing.entered_at, landing.page),
        (Some(1_793_664_000_123), event::body::PageKind::Later)
    );
}

#[test]
fn the_page_of_a_click_fetched_ahead_is_activated_when_it_is_shown() {
    let edge = edge();
    let id =
        edge.get("/c/l1", &[("Sec-Purpose", "prefetch;prerender")]).location("sl_click").unwrap();
    let body = format!(r#"{{"click_id":"{id}","activated":true}}"#);
    let json = [("Content-Type", "application/json"), ORIGIN];
    assert_eq!(edge.ask("POST", "/v1/clicks", &json, &body).status, 202);
    let types: Vec<_> =
        edge.events(Topic::Touches, 3).iter().map(|e| e.body.event_type().as_str()).collect();
    assert_eq!(types, ["click", "activation", "landing"]);
}

#[test]
fn a_refusal_without_a_click_expires_cookies_and_makes_no_event() {
    let edge = edge();
    let answer = edge.post_form("/v1/clicks", &[ORIGIN], "program=shop&consent=denied");
    assert_eq!((answer.status, answer.header("sillage-event")), (202, None));
    let names: Vec<_> = answer.cookies().iter().map(|(n, v)| (n.to_string(), v.len())).collect();
    assert_eq!(names, [("__Host-sl_v".to_owned(), 0), ("__Host-sl_c_shop".to_owned(), 0)]);
}

#[test]
fn reports_above_the_rate_of_their_address_are_refused_and_counted() {
    let ((), counts) = telemetry::recorder::local(&[crate::METRICS], || {
        let mut starting = Starting::default();
        let conversions = &mut starting.config.conversions;
        conversions.page_calls_per_second_per_address = NonZeroU32::MIN;
        conversions.page_calls_burst_per_address = NonZeroU32::MIN;
        let edge = starting.start();
        let report = || edge.post_form("/v1/clicks", &[ORIGIN], "program=shop&consent=denied");
        assert_eq!(report().status, 202);
        // A slow machine may take a second for one of them.
        let refused = (0..10).map(|_| report()).find(|answer| answer.status == 429).unwrap();
        assert_eq!(refused.header("retry-after"), Some("1"));
    })
    .unwrap();
    for (endpoint, n) in [("pixel", 0), ("landing", 1), ("conversions", 0)] {
        let count = format!("ratelimit_refused_total{{endpoint=\"{endpoint}\"}} {n}\n");
        assert!(counts.contains(&count), "{counts}");
    }
}

#[test]
fn every_fault_is_told_and_is_a_rejected_event() {
    let edge = edge();
    let id = edge.get("/c/l1", &[]).location("sl_click").unwrap();
    let other = edge.get("/c/open1", &[]).location("sl_click").unwrap();
    let mut forged = id.clone();
    forged.replace_range(70..71, if &id[70..71] == "A" { "B" } else { "A" });
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let json = ("Content-Type", "application/json");
    let large = "x".repeat(16 * 1024 + 1);
    let cases = [
        (form, format!("program=shop&click_id={forged}"), 422, 202, Some("click_id")),
        (form, "program=shop&click_id=junk".to_owned(), 422, 202, Some("click_id")),
        (form, format!("program=shop&click_id={other}"), 422, 204, Some("click_id")),
        (form, format!("program=nothing&click_id={id}"), 404, 104, Some("program")),
        (form, "consent=granted".to_owned(), 422, 101, Some("click_id")),
        (form, "program=shop&link=l1".to_owned(), 422, 101, Some("link")),
        (form, large, 413, 106, None),
        (json, "{".to_owned(), 400, 101, None),
        (json, r#"{"click_id":"a","click_id":"b"}"#.to_owned(), 400, 101, None),
        (json, format!("{}1{}", "[".repeat(9000), "]".repeat(9000)), 413, 106, None),
        (json, format!("{}1{}", "[".repeat(4000), "]".repeat(4000)), 400, 101, None),
        (("Content-Type", "text/plain"), "x".to_owned(), 415, 111, None),
        (("Content-Encoding", "gzip"), "x".to_owned(), 415, 111, None),
    ];
    for (n, (kind, body, status, code, field)) in cases.iter().enumerate() {
        let answer = edge.ask("POST", "/v1/clicks", &[*kind, ORIGIN], body);
        assert_eq!(answer.status, *status, "{body:.60}: {answer:?}");
        let told: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
        assert_eq!((told["code"].as_u64(), told["field"].as_str()), (Some(*code), *field));
        let rejected = edge.events(Topic::Rejected, n + 1);
        assert_eq!(told["event_id"].as_str().unwrap(), rejected[n].id.to_string());
    }
    let stranger = edge.ask(
        "POST",
        "/v1/clicks",
        &[form, ("Origin", "https://evil.example")],
        &format!("click_id={id}"),
    );
    assert_eq!((stranger.status, stranger.header("access-control-allow-origin")), (403, None));
    assert_eq!(
        edge.ask("POST", "/v1/clicks", &[form], &format!("click_id={id}")).status,
        202,
        "no browser, no origin"
    );
}

#[test]
fn a_preflight_is_answered_for_the_programs_sites_alone() {
    let edge = edge();
    for path in ["/v1/clicks", "/v1/conversions"] {
        let ask = |origin| {
            edge.ask(
                "OPTIONS",
                path,
                &[("Origin", origin), ("Access-Control-Request-Method", "POST")],
                "",
            )
        };
        let good = ask("https://www.shop.example");
        assert_eq!((good.status, good.header("access-control-max-age")), (204, Some("600")));
        assert_eq!(good.header("access-control-allow-origin"), Some("https://www.shop.example"));
        for bad in [
            "https://evil.example",
            "http://shop.example",
            "https://shop.example.evil.example",
            "null",
        ] {
            assert_eq!(ask(bad).header("access-control-allow-origin"), None, "{bad}");
        }
    }
}

#[test]
fn a_later_click_that_the_browser_keeps_is_not_replaced() {
    let edge = edge();
    let old = edge.get("/c/l1?consent=granted", &[]).location("sl_click").unwrap();
    let new = edge.get("/c/l1?consent=granted", &[]);
    let jar: Vec<_> = new.cookies().iter().map(|(n, v)| format!("{n}={v}")).collect();
    let jar = jar.join("; ");
    let report = |id: &str| {
        let body = format!("program=shop&click_id={id}&consent=granted");
        edge.post_form("/v1/clicks", &[ORIGIN, ("Cookie", &jar)], &body).cookies().len()
    };
    assert_eq!((report(&old), report(&new.location("sl_click").unwrap())), (0, 0));
    let newer = edge.get("/c/ads", &[]).location("sl_click").unwrap();
    assert_eq!(report(&newer), 1);
}

#[test]
fn one_address_may_not_report_without_end() {
    let mut starting = Starting::default();
    starting.config.conversions.page_calls_per_second_per_address = 1.try_into().unwrap();
    starting.config.conversions.page_calls_burst_per_address = 2.try_into().unwrap();
    let edge = starting.start();
    let report = || edge.post_form("/v1/clicks", &[ORIGIN], "program=shop&consent=denied");
    let statuses = [report().status, report().status];
    let third = report();
    assert_eq!((statuses, third.status), ([202, 202], 429));
    assert!(third.header("retry-after").is_some());
}

#[test]
fn a_word_that_is_not_understood_is_told_and_costs_no_evidence() {
    let edge = edge();
    let id = edge.get("/c/l1", &[]).location("sl_click").unwrap();
    let warnings = |rest: &str| {
        let body = format!("program=shop&click_id={id}{rest}");
        let answer = edge.post_form("/v1/clicks", &[ORIGIN], &body);
        assert_eq!(answer.status, 202);
        let told: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
        let words = told["warnings"].as_array().unwrap().iter();
        words.map(|w| w.as_str().unwrap().split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(warnings("&consent=granted&page=later&gdpr=1&entered_at=5"), [""; 0]);
    let odd = warnings("&consent=accepted&page=home&gdpr={gdpr}&entered_at=now");
    assert_eq!(odd, ["consent", "page", "gdpr", "entered_at"]);
    assert_eq!(edge.events(Topic::Touches, 3).len(), 3, "both are stored");
}
