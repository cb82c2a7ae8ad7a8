//! What every endpoint answers when it cannot do its work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::import::Format;
use event::{Clock, Topic};
use eventlog::{Class, Header, Record, Refused};

use crate::harness::{Answer, CATALOG, Running, Starting};
use crate::journal::{Durable, Journal, LogJournal};

const ORIGIN: (&str, &str) = ("Origin", "https://shop.example");

fn is_to_come_again(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 503, "{what}");
    let seconds: u32 = answer.header("retry-after").expect(what).parse().expect(what);
    assert!((1..=5).contains(&seconds), "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
}

#[test]
fn before_the_first_catalog_every_endpoint_asks_to_come_again_and_refuses_nobody() {
    let edge = Starting { catalog: None, ..Starting::default() }.start();
    for target in [
        "/c/l1",
        "/i/l1.gif",
        "/p/shop.gif?order_id=1",
        "/t/shop.js",
        "/v1/conversions?order_id=1&token=change-me",
        "/v1/programs/shop/recent?token=change-me",
    ] {
        let answer = edge.get(target, &[]);
        is_to_come_again(&answer, target);
        assert!(!answer.body.is_empty(), "{target}: what it is and what to do");
        if target.contains(".gif") {
            assert_eq!(answer.body.len(), 43, "{target}");
            is_to_come_again(&edge.ask("HEAD", target, &[], ""), target);
        }
    }
    let report = edge.post_form("/v1/clicks", &[ORIGIN], "program=shop&click_id=x");
    is_to_come_again(&report, "/v1/clicks");
    assert!(report.text().contains("catalog"), "{}", report.text());
    let recorded = |_: &[_]| Ok::<(), std::io::Error>(());
    edge.catalog.reload(CATALOG, Format::Toml, edge.clock.now(), recorded).unwrap();
    assert_eq!(edge.get("/c/nothing", &[]).status, 404);
    let rejected = edge.events(Topic::Rejected, 1);
    assert_eq!(rejected.len(), 1, "the unknown link alone: {rejected:?}");
}

/// A journal that never ends a commit of conversions.
struct Stalled(LogJournal);

impl Journal for Stalled {
    fn enqueue(
        &self,
        topic: Topic,
        class: Class,
        header: Header,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), Refused> {
        self.0.enqueue(topic, class, header, write)
    }

    fn durable(&self, topic: Topic, class: Class, records: Vec<Record>) -> Durable {
        if topic == Topic::Conversions {
            Box::pin(std::future::pending())
        } else {
            self.0.durable(topic, class, records)
        }
    }
}

#[test]
fn a_conversion_waits_for_its_fsync_as_long_as_is_configured_and_is_answered_in_its_form() {
    let ((), counts) = telemetry::recorder::local(&[crate::METRICS], abandon).unwrap();
    assert!(counts.contains("edge_events_abandoned_total 2\n"), "{counts}");
    let unrecorded =
        counts.lines().filter(|line| line.starts_with("edge_events_unrecorded_total{"));
    let unrecorded: Vec<_> =
        unrecorded.inspect(|line| assert!(line.ends_with(" 0"), "{line}")).collect();
    assert!(!unrecorded.is_empty(), "what may be on disk is not said to be missing");
}

fn abandon() {
    let mut starting =
        Starting { journal: |journal| Arc::new(Stalled(journal)), ..Starting::default() };
    starting.config.handler_timeout = Duration::from_millis(300);
    let edge = starting.start();
    let started = Instant::now();
    let call = edge.post_form("/v1/conversions", &[ORIGIN], "program=shop&order_id=1");
    assert!((300..3_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    is_to_come_again(&call, "/v1/conversions");
    assert!(call.text().contains(r#""result":"not_stored""#), "{}", call.text());
    assert_eq!(call.header("access-control-allow-origin"), Some(ORIGIN.1));
    let exposed = call.header("access-control-expose-headers").unwrap();
    assert!(exposed.split(", ").any(|name| name == "Retry-After"), "{exposed}");
    let pixel = edge.get("/p/shop.gif?order_id=1", &[]);
    is_to_come_again(&pixel, "/p");
    assert_eq!((pixel.body.len(), pixel.header("sillage-result")), (43, Some("not_stored")));
    for answer in [call, pixel] {
        assert_eq!(answer.header("sillage-recorded"), Some("no"));
        assert!(answer.header("sillage-event").is_some());
    }
    let declared = edge.events(Topic::Node, 2);
    let lost = declared.iter().find(|event| event.body.event_type().as_str() == "lane_lost");
    assert!(lost.is_some(), "what nobody waited for is declared in doubt: {declared:?}");
}

#[test]
fn the_tag_reports_to_our_host_and_to_a_port_that_is_known_to_be_ours() {
    let base = |edge: &Running, host: &str| {
        let head = format!("GET /t/shop.js HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = edge.raw(head.as_bytes()).unwrap();
        assert_eq!((answer.status, answer.header("vary")), (200, Some("Host")));
        let (_, tail) = answer.text().rsplit_once("})(\"").unwrap();
        tail.split_once('"').unwrap().0.to_owned()
    };
    let edge = Starting::default().start();
    let listening = edge.address.port();
    for (host, expected) in [
        ("edge.example".to_owned(), "https://edge.example".to_owned()),
        ("EDGE.example:443".to_owned(), "https://edge.example".to_owned()),
        ("edge.example:".to_owned(), "https://edge.example".to_owned()),
        ("edge.example:4444".to_owned(), "https://edge.example".to_owned()),
        (format!("edge.example:{listening}"), format!("https://edge.example:{listening}")),
    ] {
        assert_eq!(base(&edge, &host), expected, "{host}");
    }
    let mut starting = Starting::default();
    starting.config.public_port = std::num::NonZeroU16::new(8443);
    assert_eq!(base(&starting.start(), "edge.example:4444"), "https://edge.example:8443");
    let mut anywhere = Starting::default();
    anywhere.config.hosts.clear();
    assert_eq!(base(&anywhere.start(), "try.example:4444"), "https://try.example:4444");
}

#[test]
fn a_tag_that_cannot_be_made_says_why() {
    let edge = Starting::default().start();
    let unknown = edge.get("/t/nothing.js", &[]);
    assert_eq!((unknown.status, unknown.text()), (404, "There is no such program.\n"));
    let nowhere = edge.raw(b"GET /t/shop.js HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(nowhere.status, 400);
    assert!(nowhere.text().contains("Host"), "{nowhere:?}");
}
