//! Clicks over HTTP.

use std::sync::Arc;
use std::time::Duration;

use catalog::import::Format;
use event::token::TokenKeys;
use event::{Body, Clock as _, Consent, Envelope, Flag, Topic};
use eventlog::{Class, Header, Record, Refused};

use crate::harness::{Answer, BROWSER, CATALOG, Running, Starting, keys};
use crate::{Durable, Journal, NotDurable};

fn edge() -> Running {
    Starting::default().start()
}

fn touch(envelope: &Envelope) -> &event::body::Touch {
    let (Body::Click(touch) | Body::Impression(touch)) = &envelope.body else {
        panic!("{envelope:?}")
    };
    touch
}

#[test]
fn a_click_leads_to_the_destination_with_a_click_id_and_is_an_event() {
    let edge = edge();
    let answer = edge.get("/c/l1?s1=hello&s2=x", &[]);
    assert_eq!(answer.status, 302, "{answer:?}");
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("https://shop.example/p/1?a=1&sl_click="), "{location}");
    assert!(location.ends_with("&afsrc=1#top"), "{location}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-length"), Some("0"));
    assert_eq!(answer.header("referrer-policy"), Some("strict-origin-when-cross-origin"));
    assert_eq!(answer.header("x-robots-tag"), Some("noindex, nofollow"));
    assert_eq!(answer.header("sillage-recorded"), Some("queued"));
    assert_eq!(answer.cookies(), []);
    for absent in ["etag", "last-modified"] {
        assert_eq!(answer.header(absent), None);
    }
    let events = edge.events(Topic::Touches, 1);
    assert_eq!(events[0].id.to_string(), answer.header("sillage-event").unwrap());
    let touch = touch(&events[0]);
    assert_eq!(touch.partner.as_ref().unwrap().as_str(), "lea");
    assert_eq!(touch.subs.get(1), Some("hello"));
    assert_eq!(touch.consent, Consent::Unknown);
    assert_eq!(touch.flags, [] as [Flag; 0]);
    assert_eq!(touch.referrer_host.as_deref(), Some("blog.example.org"));
    assert_eq!(touch.browser.as_deref(), Some("chrome"));
    assert!(touch.ids.is_empty() && touch.private.is_some() && touch.address_hash.is_some());
    let claim = TokenKeys::new(&keys().click)
        .verify(&answer.location("sl_click").unwrap(), edge.clock.now())
        .unwrap();
    assert_eq!((claim.id, claim.visitor, claim.consent), (events[0].id, None, Consent::Unknown));
}

#[test]
fn what_is_written_by_hand_is_what_the_codec_writes() {
    let edge = edge();
    let long = "%C3%A9".repeat(200);
    for target in [
        "/c/l1",
        "/c/l1?consent=granted&s1=a%22b%5C%0A%01&s10=z&pcid=p&creative=c&test=1",
        "/c/l1?consent=denied&s1=x&pcid=p",
        "/c/ads?consent=granted&gdpr=1&gdpr_consent=x",
        "/c/macro?to=https://shop.example/x&s3=%F0%9F%98%80",
        "/c/cash1?consent=denied",
        "/i/l1.gif?s1=x",
        &format!("/c/l1?s5={long}"),
    ] {
        assert!(edge.get(target, &[("Sec-GPC", "1")]).status < 400);
        assert!(edge.ask("GET", target, &[], "").status < 400);
    }
    let records: Vec<_> = {
        edge.events(Topic::Touches, 16);
        edge.log.reader().scan(Topic::Touches, 0)
    }
    .flat_map(|batch| batch.unwrap().records)
    .collect();
    assert_eq!(records.len(), 16);
    for record in records {
        let text = std::str::from_utf8(&record.payload).unwrap();
        let again = Envelope::read(&record.payload).unwrap().to_json();
        assert_eq!(text, std::str::from_utf8(&again).unwrap());
    }
}

#[test]
fn a_known_visitor_keeps_the_cookie_and_gets_a_new_click() {
    let edge = edge();
    let first = edge.get("/c/l1?consent=granted", &[]);
    let cookies: Vec<_> = first.cookies().iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert!(
        cookies[0].starts_with("__Host-sl_v=v1.1.") && cookies[1].starts_with("__Host-sl_c_shop=")
    );
    let jar = cookies.join("; ");
    edge.clock.step(Duration::from_hours(24 * 15));
    let second = edge.get("/c/l1", &[("Cookie", &jar)]);
    let names = |answer: &Answer| -> Vec<String> {
        answer.cookies().iter().map(|(name, _)| (*name).to_owned()).collect()
    };
    assert_eq!(names(&second), ["__Host-sl_c_shop"], "granted before, and not past half its life");
    edge.clock.step(Duration::from_secs(1));
    let third = edge.get("/c/l1", &[("Cookie", &jar)]);
    assert_eq!(names(&third), ["__Host-sl_v", "__Host-sl_c_shop"], "past half its life");
    let events = edge.events(Topic::Touches, 3);
    assert!(events.iter().all(|e| touch(e).ids == touch(&events[0]).ids && e.key.len() == 16));
}

#[test]
fn head_is_no_click() {
    let edge = edge();
    let answer = edge.ask("HEAD", "/c/l1?consent=granted", BROWSER, "");
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), Some("https://shop.example/p/1?a=1&afsrc=1#top"));
    assert_eq!((answer.cookies().len(), answer.header("sillage-event")), (0, None));
    let image = edge.ask("HEAD", "/i/l1.gif", BROWSER, "");
    assert_eq!((image.status, image.header("content-length")), (200, Some("43")));
    assert_eq!(edge.ask("HEAD", "/c/nothing", BROWSER, "").status, 404);
    edge.get("/c/l1", &[]);
    assert_eq!(edge.events(Topic::Touches, 1).len(), 1, "only the GET");
    assert_eq!(edge.events(Topic::Rejected, 0).len(), 0);
}

#[test]
fn an_impression_is_an_event_and_a_gif() {
    let edge = edge();
    let answer = edge.get("/i/l1.gif?s1=x&cb=123", &[("Sec-Fetch-Dest", "image")]);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/gif")));
    assert_eq!((answer.body.len(), answer.header("content-length")), (43, Some("43")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let unknown = edge.get("/i/nothing.gif", &[]);
    assert_eq!((unknown.status, unknown.body.len()), (404, 43));
    let events = edge.events(Topic::Touches, 1);
    assert_eq!(touch(&events[0]).flags, [] as [Flag; 0], "an image is no oddity here");
    let rejected = edge.events(Topic::Rejected, 1);
    let Body::Rejected(body) = &rejected[0].body else { panic!() };
    assert_eq!((body.code.number(), &*body.by), (107, "impression"));
}

#[test]
fn an_unknown_link_is_told_or_led_elsewhere_and_is_a_rejected_event() {
    let edge = edge();
    let answer = edge.get("/c/nothing", &[]);
    assert_eq!((answer.status, answer.text()), (404, "There is no such link.\n"));
    let rejected = edge.events(Topic::Rejected, 1);
    assert_eq!(rejected[0].id.to_string(), answer.header("sillage-event").unwrap());
    let mut starting = Starting::default();
    starting.config.unknown_link_url = Some("https://home.example/lost".parse().unwrap());
    let edge = starting.start();
    let answer = edge.get("/c/nothing", &[]);
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("https://home.example/lost"))
    );
}

#[test]
fn before_the_first_catalog_a_click_is_asked_to_come_again() {
    let edge = Starting { catalog: None, ..Starting::default() }.start();
    let answer = edge.get("/c/l1", &[]);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(edge.get("/i/l1.gif", &[]).status, 503);
    let recorded = |_: &[_]| Ok::<(), std::io::Error>(());
    edge.catalog.reload(CATALOG, Format::Toml, edge.clock.now(), recorded).unwrap();
    assert_eq!(edge.get("/c/l1", &[]).status, 302);
}

/// The query, the headers, and the flags that they make.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn each_flag_has_a_request_that_only_it_fits() {
    let chrome = BROWSER[0].1;
    let cases: &[Case<'_>] = &[
        ("", &[("User-Agent", "Googlebot/2.1 (+http://www.google.com/bot.html)")], &["bot_ua"]),
        ("", &[], &["no_ua"]),
        ("", &[("User-Agent", chrome), ("Sec-Purpose", "prefetch;prerender")], &["prerender"]),
        ("", &[("User-Agent", chrome), ("Sec-Purpose", "prefetch")], &["prefetch"]),
        ("", &[("User-Agent", chrome), ("Purpose", "prefetch")], &["prefetch"]),
        ("", &[("User-Agent", chrome), ("X-Purpose", "preview")], &["prefetch"]),
        ("", &[("User-Agent", chrome), ("X-Moz", "prefetch")], &["prefetch"]),
        ("", &[("User-Agent", chrome), ("Sec-Fetch-Dest", "image")], &["image_load"]),
        ("", &[("User-Agent", chrome), ("Sec-Fetch-Dest", "iframe")], &["iframe"]),
        ("", &[("User-Agent", chrome), ("Sec-Fetch-Dest", "document")], &[]),
        ("", &[("User-Agent", chrome), ("Sec-GPC", "1")], &["gpc", "consent_denied"]),
        ("consent=denied", &[("User-Agent", chrome)], &["consent_denied"]),
        ("gdpr=1&gdpr_consent=junk", &[("User-Agent", chrome)], &["tcf_unreadable"]),
        ("to=https%3A%2F%2Fevil.example", &[("User-Agent", chrome)], &["deeplink_refused"]),
        ("s1=100%", &[("User-Agent", chrome)], &["query_repaired"]),
        ("s1=a&s1=b", &[("User-Agent", chrome)], &["param_duplicate"]),
        ("s1=a&sub1=b", &[("User-Agent", chrome)], &["param_conflict"]),
        ("s1={clickid}", &[("User-Agent", chrome)], &["macro_unexpanded"]),
        ("test=1", &[("User-Agent", chrome)], &["test"]),
        ("", &[("User-Agent", chrome), ("Cookie", "__Host-sl_v=v1.1.x.y")], &["cookie_bad_mac"]),
        // No parameter sets any other flag.
        ("bot=1&bot_ua=1&no_track=1&flags=bot_ua", &[("User-Agent", chrome)], &[]),
    ];
    let edge = edge();
    for (query, headers, _) in cases {
        assert_eq!(edge.ask("GET", &format!("/c/l1?{query}"), headers, "").status, 302);
    }
    let long = format!("/c/l1?s1={}", "x".repeat(256));
    edge.ask("GET", &long, &[("User-Agent", chrome)], "");
    let events = edge.events(Topic::Touches, cases.len() + 1);
    let flags = |event: &Envelope| -> Vec<_> {
        touch(event).flags.iter().map(|flag| flag.as_str()).collect()
    };
    for (event, case) in events.iter().zip(cases) {
        assert_eq!(flags(event), case.2, "{case:?}");
    }
    let last = events.last().unwrap();
    assert_eq!(
        (flags(last), touch(last).subs.get(1).unwrap().len()),
        (vec!["subid_truncated"], 255)
    );
}

#[test]
fn an_address_of_a_data_center_is_flagged() {
    let mut starting = Starting::default();
    starting.config.datacenter_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let edge = starting.start();
    edge.get("/c/l1", &[]);
    assert_eq!(touch(&edge.events(Topic::Touches, 1)[0]).flags, [Flag::Datacenter]);
}

#[test]
fn a_click_id_of_a_prefetch_says_so_and_a_stuffed_click_gets_no_cookie() {
    let edge = edge();
    let verify = |answer: &Answer| {
        TokenKeys::new(&keys().click)
            .verify(&answer.location("sl_click").unwrap(), edge.clock.now())
            .unwrap()
    };
    let ahead = edge.get("/c/l1?consent=granted", &[("Sec-Purpose", "prefetch")]);
    assert!(verify(&ahead).prefetch && !ahead.cookies().is_empty());
    let stuffed = edge.get("/c/l1?consent=granted", &[("Sec-Fetch-Dest", "image")]);
    assert_eq!((verify(&stuffed).prefetch, stuffed.cookies().len()), (false, 0));
}

#[test]
fn no_byte_of_any_parameter_reaches_a_header_unencoded() {
    let edge = edge();
    let names = [
        "s1",
        "s10",
        "pcid",
        "creative",
        "to",
        "consent",
        "gdpr",
        "gdpr_consent",
        "test",
        "utm_x",
        "texp",
        "tsig",
        "x",
    ];
    let expected: Vec<String> = {
        let mut names: Vec<_> =
            edge.get("/c/macro?consent=granted", &[]).headers.into_iter().map(|(n, _)| n).collect();
        names.sort();
        names
    };
    let pixel = ["content-type", "x-content-type-options"];
    let known = |name: &String| expected.contains(name) || pixel.contains(&name.as_str());
    // What closes the connection says so, as the refusal of a request line does.
    let closing = |name: &String| known(name) || name == "connection";
    for byte in 0..=255_u8 {
        let query: String = names
            .iter()
            .map(|name| format!("&{name}=a%{byte:02x}Set-Cookie:%20x=y%0d%0aX-Evil:%201"))
            .collect();
        for target in
            [format!("/c/macro?{query}"), format!("/c/l1?{query}"), format!("/i/l1.gif?{query}")]
        {
            let answer = edge.get(&target, &[]);
            assert!(matches!(answer.status, 200 | 302), "{byte}: {answer:?}");
            for (name, value) in &answer.headers {
                assert!(known(name), "{byte}: {name}");
                assert!(
                    value.bytes().all(|b| (b' '..=b'~').contains(&b)),
                    "{byte}: {name}: {value:?}"
                );
            }
        }
        // The byte itself, where the request line can carry it at all.
        let mut raw = b"GET /c/macro?s1=a".to_vec();
        raw.push(byte);
        raw.extend_from_slice(
            b"b&s2=c HTTP/1.1\r\nHost: edge.example\r\nConnection: close\r\n\r\n",
        );
        if let Some(answer) = edge.raw(&raw) {
            assert!(matches!(answer.status, 302 | 400), "{byte}: {answer:?}");
            assert!(answer.headers.iter().all(|(name, _)| closing(name)), "{byte}: {answer:?}");
        }
    }
}

/// A journal that takes nothing.
struct Down(Refused);

impl Journal for Down {
    fn enqueue(
        &self,
        _: Topic,
        _: Class,
        _: Header,
        _: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), Refused> {
        Err(self.0)
    }

    fn durable(&self, topic: Topic, _: Class, _: Vec<Record>) -> Durable {
        // The announcement of the lane must pass, or the edge does not start.
        let refused = self.0;
        Box::pin(async move {
            if topic == Topic::Node { Ok(()) } else { Err(NotDurable::Refused(refused)) }
        })
    }
}

#[test]
fn with_the_journal_down_every_redirect_is_answered_the_same() {
    let healthy = edge();
    let good = healthy.get("/c/l1?consent=granted", &[]);
    for journal in [
        (|_| Arc::new(Down(Refused::Full(Topic::Touches))) as Arc<dyn Journal>) as fn(_) -> _,
        |_| Arc::new(Down(Refused::Failed(Topic::Touches))) as Arc<dyn Journal>,
        |_| Arc::new(Down(Refused::DiskFull(Topic::Touches))) as Arc<dyn Journal>,
        |_| Arc::new(Down(Refused::Shedding(Topic::Touches))) as Arc<dyn Journal>,
        |_| Arc::new(Down(Refused::Closed(Topic::Touches))) as Arc<dyn Journal>,
    ] {
        let edge = Starting { journal, ..Starting::default() }.start();
        let answer = edge.get("/c/l1?consent=granted", &[]);
        assert_eq!(answer.status, good.status);
        let names = |answer: &Answer| -> Vec<String> {
            answer.headers.iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(names(&answer), names(&good), "nothing that a visitor can see");
        assert_eq!(answer.header("sillage-recorded"), Some("no"));
        assert_eq!(edge.get("/i/l1.gif", &[]).status, 200);
        assert_eq!(edge.get("/c/nothing", &[]).status, 404);
    }
}

#[test]
fn the_log_closed_under_the_edge_costs_no_redirect_and_leaves_declared_holes() {
    let close = || {
        let mut edge = edge();
        edge.get("/c/l1", &[]);
        edge.events(Topic::Touches, 1);
        edge.log.close();
        for _ in 0..3 {
            let answer = edge.get("/c/l1", &[]);
            assert_eq!((answer.status, answer.header("sillage-recorded")), (302, Some("no")));
        }
        // Nothing can be declared on a closed log; the edge says so when it stops.
        assert!(edge.edge.take().unwrap().stop().is_err());
    };
    let ((), counts) = telemetry::recorder::local(&[crate::METRICS], close).unwrap();
    for (declared, n) in [("no", 3), ("yes", 0)] {
        let count = format!("edge_sequence_holes_total{{declared=\"{declared}\"}} {n}\n");
        assert!(counts.contains(&count), "{counts}");
    }
}
