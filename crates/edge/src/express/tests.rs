//! Which heads are plain, and that both ways to an answer give the same one.

use std::io::Write as _;
use std::net::IpAddr;

use event::{Body, Clock as _, Topic};
use proptest::prelude::{prop_assert_eq, proptest};
use proptest::sample::select;

use crate::frames::Frames;
use crate::harness::{Answer, BROWSER, Running, Starting, read_answer};
use crate::testbed::Testbed;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// What is answered of `head` without hyper.
fn answered(bed: &Testbed, head: &str) -> Option<String> {
    let mut out = Vec::new();
    let fed = Frames::default().feed(
        head.as_bytes(),
        &mut |lines| super::answer(&bed.core, PEER, lines, &mut out),
        &mut |_| {},
    );
    assert_eq!(fed, Ok(()), "{head:?}");
    (!out.is_empty()).then(|| String::from_utf8(out).unwrap())
}

#[test]
fn a_plain_click_is_answered_whole() {
    let bed = Testbed::new();
    let head = "GET /c/lea-shop?s1=x HTTP/1.1\r\nHost: edge.example\r\nUser-Agent: x\r\n\r\n";
    let answer = answered(&bed, head).unwrap();
    let events = bed.take(Topic::Touches);
    let date = crate::response::date(bed.clock.now().0 / 1000);
    let expected = expect_test::expect![[r#"
        HTTP/1.1 302 Found
        location: https://shop.example/?sl_click=ID&afsrc=1
        cache-control: no-store
        referrer-policy: strict-origin-when-cross-origin
        x-robots-tag: noindex, nofollow
        sillage-recorded: queued
        sillage-event: EVENT
        content-length: 0
        date: DATE

    "#]];
    let (before, rest) = answer.split_once("sl_click=").unwrap();
    let shown = format!("{before}sl_click=ID{}", &rest[event::token::TOKEN_CHARS..])
        .replace(&events[0].id.to_string(), "EVENT")
        .replace(std::str::from_utf8(&date).unwrap(), "DATE")
        .replace("\r\n", "\n");
    expected.assert_eq(&shown);
}

#[test]
fn what_is_not_plain_goes_on_and_leaves_no_event() {
    let bed = Testbed::new();
    let plain = "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(answered(&bed, plain).is_some());
    assert_eq!(bed.take(Topic::Touches).len(), 1);
    for odd in [
        "HEAD /c/lea-shop HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /c/lea-shop HTTP/1.1\r\nHost: a\r\n\r\n",
        "get /c/lea-shop HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c/lea-shop HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET  /c/lea-shop HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c/lea-shop  HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/c/lea-shop HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /C/lea-shop HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c/nothing HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c/lea%2dshop HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c/lea-shop/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c/lea-shop#x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c/lea-shop?a#x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c/lea-shop?a\"b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c/lea-shop?a{b} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c/lea-shop?é HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /i/lea-shop.gif HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: \r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nTrailer: x\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nx(y: z\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nx y: z\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nX: é\r\n\r\n",
        "GET /c/lea-shop HTTP/1.1\r\nHost: a\r\nUser-Agent: \u{7f}\r\n\r\n",
    ] {
        assert_eq!(answered(&bed, odd), None, "{odd:?}");
        let refused = "GET /c/lea-shop HTTP/1.1\r\nHost: a\n\r\n";
        assert_eq!(answered(&bed, refused), None);
    }
    let long = |n: usize| format!("/c/lea-shop?{}", "x".repeat(n - 12));
    let head = |n| format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", long(n));
    assert_eq!(bed.take(Topic::Touches).len(), 0);
    assert!(answered(&bed, &head(8 * 1024)).is_some());
    assert_eq!(answered(&bed, &head(8 * 1024 + 1)), None);
    bed.core.shared.draining.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(answered(&bed, plain), None, "hyper tells that the connection ends");
}

/// What two answers to one request have in common: names of headers, and values without ids and without the secrets of
/// one click.
fn common(answer: &Answer) -> Vec<(String, String)> {
    let masked = |name: &str, value: &str| match name {
        "sillage-event" | "date" => "…".to_owned(),
        "location" => {
            let without = |value: String, mark: &str| match value.split_once(mark) {
                Some((before, rest)) if rest.starts_with("AQ") => {
                    before.to_owned() + &rest[event::token::TOKEN_CHARS..]
                }
                _ => value,
            };
            ["sl_click=", "?c="].into_iter().fold(value.to_owned(), without)
        }
        "set-cookie" => {
            let (name, rest) = value.split_once('=').unwrap();
            name.to_owned() + rest.split_once(';').unwrap().1
        }
        _ => value.to_owned(),
    };
    let mut common: Vec<_> =
        answer.headers.iter().map(|(n, v)| (n.clone(), masked(n, v))).collect();
    common.sort();
    common.push((String::new(), answer.status.to_string()));
    common
}

/// The body of the only touch, without what differs from click to click.
fn touch(edge: &Running, at: usize) -> event::body::Touch {
    let Body::Click(mut touch) = edge.events(Topic::Touches, at + 1).swap_remove(at).body else {
        panic!("no click")
    };
    touch.private = None;
    for id in &mut touch.ids {
        *id = event::IdentityId::Visitor(event::VisitorTag([1; 12]));
    }
    touch
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    #[test]
    fn both_ways_give_the_same_answer_and_the_same_event(
        name in select(vec!["l1", "macro", "ads", "cash1", "l1", "nothing"]),
        query in proptest::collection::vec(select(vec![
            "s1=a", "sub1=b", "s2=%20x+y", "consent=granted", "consent=denied", "pcid=9", "test=1", "gdpr=1",
            "to=https%3A%2F%2Fshop.example%2Fa", "to=https://shop.example/x?y=1", "to=https://evil.example/",
            "utm_source=x", "a=%zz", "?", "amp;s3=1", "=", "s4=[x]", "gdpr_consent=junk",
        ]), 0..5),
        headers in proptest::collection::vec(select(vec![
            ("User-Agent", BROWSER[0].1), ("user-agent", "Googlebot/2.1"), ("Referer", "https://b.example/x"),
            ("REFERER", "https://c.example:8/"), ("Sec-GPC", "1"), ("dnt", "1"), ("Sec-Purpose", "prefetch"),
            ("X-Moz", "prefetch"), ("Sec-Fetch-Dest", "iframe"), ("Sec-Fetch-Dest", "document"),
            ("Cookie", "__Host-sl_v=v1.1.x.y; a=b"), ("cookie", "x=1"), ("X-Forwarded-For", "192.0.2.9, 127.0.0.2"),
            ("CF-IPCountry", "fr"), ("Accept", "*/*"), ("X-Odd", "  spaces  "), ("Connection", "Keep-Alive"),
        ]), 0..8),
        trusted in proptest::bool::ANY)
    {
        let mut starting = Starting::default();
        if trusted {
            starting.config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
            starting.config.country_header = Some("cf-ipcountry".to_owned());
        }
        let edge = starting.start();
        let target = format!("/c/{name}?{}", query.join("&"));
        let plain = edge.ask("GET", &target, &headers, "");
        // hyper answers what asks for more.
        let by_hyper = edge.ask("GET", &target, &[&headers[..], &[("TE", "trailers")]].concat(), "");
        prop_assert_eq!(common(&plain), common(&by_hyper));
        if name != "nothing" {
            prop_assert_eq!(touch(&edge, 0), touch(&edge, 1));
        }
    }
}

#[test]
fn a_visitor_known_by_cookie_is_known_both_ways() {
    let edge = Starting::default().start();
    let first = edge.get("/c/l1?consent=granted", &[]);
    let jar: Vec<_> = first.cookies().iter().map(|(n, v)| format!("{n}={v}")).collect();
    let jar = jar.join("; ");
    let plain = edge.get("/c/l1", &[("Cookie", &jar)]);
    let by_hyper = edge.get("/c/l1", &[("Cookie", &jar), ("TE", "trailers")]);
    assert_eq!(common(&plain), common(&by_hyper));
    let events = edge.events(Topic::Touches, 3);
    assert!(events.iter().all(|event| event.key == events[0].key), "one visitor");
}

/// A conversion, whose answer waits for the disk.
fn order() -> String {
    let body = "program=shop&order_id=1&value=1&currency=EUR";
    let length = body.len();
    format!(
        "POST /v1/conversions HTTP/1.1\r\nHost: edge.example\r\nOrigin: https://shop.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn answers_keep_the_order_of_requests_whoever_gives_them() {
    let edge = Starting::default().start();
    let mut stream = edge.connect();
    let (plain, end) =
        ("GET /c/l1 HTTP/1.1\r\nHost: edge.example\r\n\r\n", "Host: edge.example\r\n\r\n");
    let tag = format!("GET /t/shop.js HTTP/1.1\r\n{end}");
    let order = order();
    let round = [plain, plain, &tag, plain, &order, plain, &tag, &order, plain, plain].concat();
    let expected = [302, 302, 200, 302, 0, 302, 200, 0, 302, 302];
    for (round, piece) in [(&round, round.len()), (&round, 7), (&round, 61)] {
        for piece in round.as_bytes().chunks(piece) {
            stream.write_all(piece).unwrap();
        }
        for expected in expected {
            let answer = read_answer(&mut stream, false).unwrap();
            if expected == 0 {
                assert!(
                    answer.header("sillage-event").is_some() && answer.status != 302,
                    "{answer:?}"
                );
            } else {
                assert_eq!(answer.status, expected, "{answer:?}");
            }
        }
    }
}

#[test]
fn a_peer_that_reads_late_gets_every_answer_in_order() {
    const CLICKS: usize = 20_000;
    let edge = Starting::default().start();
    let mut stream = edge.connect();
    let mut writing = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let plain = "GET /c/l1 HTTP/1.1\r\nHost: edge.example\r\n\r\n".repeat(100);
        for _ in 0..CLICKS / 100 {
            writing.write_all(plain.as_bytes()).unwrap();
        }
        writing.write_all(order().as_bytes()).unwrap();
        writing.write_all(plain.as_bytes()).unwrap();
    });
    std::thread::sleep(std::time::Duration::from_millis(300)); // both sides' buffers fill
    let mut last = None;
    for _ in 0..CLICKS {
        let answer = read_answer(&mut stream, false).unwrap();
        let id: event::EventId = answer.header("sillage-event").unwrap().parse().unwrap();
        assert!(last < Some(id), "a click's answer before that of the click before it");
        last = Some(id);
    }
    assert_ne!(read_answer(&mut stream, false).unwrap().status, 302, "that of the conversion");
    for _ in 0..100 {
        assert_eq!(read_answer(&mut stream, false).unwrap().status, 302);
    }
    writer.join().unwrap();
}
