//! The gate over raw sockets: what hyper would take and we do not, and that nothing of it reaches an endpoint.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use event::Topic;

use super::{Route, name_of};
use crate::Config;
use crate::harness::{Running, Starting, read_answer};

fn edge() -> Running {
    Starting::default().start()
}

/// Sends `text` and expects this status, and the end of the connection after it.
fn refused(edge: &Running, text: &str, status: u16) {
    let mut stream = edge.connect();
    stream.write_all(text.as_bytes()).unwrap();
    let answer = read_answer(&mut stream, false).unwrap_or_else(|| panic!("no answer to {text:?}"));
    assert_eq!(answer.status, status, "{text:?}");
    let said = answer.text();
    assert!(said.len() > 40 && said.ends_with(".\n") && said.contains(": "), "{text:?}: {said:?}");
    let mut rest = Vec::new();
    // A reset instead of a plain end is fine: bytes of ours were left unread.
    let _outcome = stream.read_to_end(&mut rest);
    assert_eq!(String::from_utf8_lossy(&rest), "", "one answer, then the end: {text:?}");
}

#[test]
fn what_is_no_clear_request_is_refused_and_the_connection_closed() {
    let edge = edge();
    let get = "GET /c/l1 HTTP/1.1\r\n";
    let post = "POST /v1/clicks HTTP/1.1\r\nHost: edge.example\r\n";
    let smuggled = "GET /c/l1 HTTP/1.1\r\nHost: edge.example\r\n\r\n";
    for (text, status) in [
        (format!("{get}Host: edge.example\r\nHost: edge.example\r\n\r\n"), 400),
        (format!("{get}Host: edge.example\r\nHost: evil.example\r\n\r\n"), 400),
        (format!("{get}\r\n"), 400),
        (format!("{get}Host:\r\n\r\n"), 400),
        (format!("{get}Host: a b\r\n\r\n"), 400),
        (format!("{get}Host: evil.example\r\n\r\n"), 421),
        (format!("{get}Host: edge.example.evil.example\r\n\r\n"), 421),
        ("GET http://evil.example/c/l1 HTTP/1.1\r\nHost: edge.example\r\n\r\n".into(), 421),
        ("GET http://edge.example/c/l1 HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(), 421),
        (
            format!(
                "{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
            ),
            400,
        ),
        (
            format!(
                "{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{smuggled}"
            ),
            400,
        ),
        (format!("{post}Transfer-Encoding: xchunked\r\n\r\n{smuggled}"), 400),
        (format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("{post}Transfer-Encoding\t: chunked\r\nContent-Length: 2\r\n\r\nab"), 400),
        ("POST /v1/clicks HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(), 400),
        (format!("{post}Content-Length: +5\r\n\r\nabcde"), 400),
        (format!("{post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"), 400),
        (format!("{get}Host : edge.example\r\n\r\n"), 400),
        (format!("{get}Host: edge.example\r\n folded\r\n\r\n"), 400),
        ("GET /c/l1 HTTP/1.1\nHost: edge.example\n\n".into(), 400),
        ("GET /c/l1\r\n\r\n".into(), 400),
        ("GET /c/l1 HTTP/3.0\r\nHost: edge.example\r\n\r\n".into(), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 400),
        ("\x16\x03\x01\x02\x00\x01\r\n\r\n".into(), 400),
        ("TRACE /c/l1 HTTP/1.1\r\nHost: edge.example\r\n\r\n".into(), 405),
        ("CONNECT edge.example:80 HTTP/1.1\r\nHost: edge.example\r\n\r\n".into(), 405),
        ("BREW /c/l1 HTTP/1.1\r\nHost: edge.example\r\n\r\n".into(), 405),
        (format!("GET /c/l1?{} HTTP/1.1\r\nHost: edge.example\r\n\r\n", "a".repeat(8200)), 414),
        (format!("GET /{} HTTP/1.1\r\nHost: edge.example\r\n\r\n", "a".repeat(40_000)), 414),
        (format!("{get}Host: edge.example\r\n{}\r\n", "a: b\r\n".repeat(64)), 431),
        (format!("{get}Host: edge.example\r\nA: {}\r\n\r\n", "x".repeat(16 * 1024)), 431),
    ] {
        refused(&edge, &text, status);
    }
    assert_eq!(edge.events(Topic::Touches, 0).len(), 0, "no click came through");
}

#[test]
fn what_lies_just_inside_the_limits_is_answered() {
    let edge = edge();
    let get = "GET /c/l1 HTTP/1.1\r\nHost: edge.example\r\n";
    for (text, status) in [
        (format!("{get}\r\n"), 302),
        ("GET /c/l1 HTTP/1.0\r\n\r\n".into(), 302),
        ("GET http://edge.example/c/l1 HTTP/1.1\r\nHost: edge.example:80\r\n\r\n".into(), 302),
        ("GET /c/l1 HTTP/1.1\r\nHost: EDGE.example:8080\r\n\r\n".into(), 302),
        (format!("{get}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), 302),
        (format!("{get}{}\r\n", "a: b\r\n".repeat(63)), 302),
        (format!("GET /c/l1?{} HTTP/1.1\r\nHost: edge.example\r\n\r\n", "a".repeat(8192 - 7)), 302),
        ("GET /robots.txt HTTP/1.1\r\nHost: edge.example\r\n\r\n".into(), 200),
        ("GET /favicon.ico HTTP/1.1\r\nHost: edge.example\r\n\r\n".into(), 204),
        ("GET /nothing HTTP/1.1\r\nHost: edge.example\r\n\r\n".into(), 404),
        ("GET /c/..%2fx HTTP/1.1\r\nHost: edge.example\r\n\r\n".into(), 404),
        ("\r\nGET /c/l1 HTTP/1.1\r\nHost: edge.example\r\n\r\n".into(), 302),
    ] {
        assert_eq!(edge.raw(text.as_bytes()).unwrap().status, status, "{text:?}");
    }
    assert_eq!(
        edge.raw(b"GET /robots.txt HTTP/1.1\r\nHost: edge.example\r\n\r\n").unwrap().text(),
        "User-agent: *\nDisallow: /\n"
    );
}

#[test]
fn a_method_that_a_path_does_not_take_names_those_it_takes() {
    let edge = edge();
    for (method, path, allow) in [
        ("POST", "/c/l1", "GET, HEAD"),
        ("PUT", "/i/l1.gif", "GET, HEAD"),
        ("DELETE", "/p/shop.gif", "GET, HEAD"),
        ("OPTIONS", "/c/l1", "GET, HEAD"),
        ("GET", "/v1/clicks", "POST, OPTIONS"),
        ("HEAD", "/v1/conversions", "GET, POST, OPTIONS"),
        ("GET", "/v1/orders", "POST"),
        ("OPTIONS", "/v1/orders", "POST"),
        ("PATCH", "/v1/conversions", "GET, POST, OPTIONS"),
    ] {
        let answer = edge.ask(method, path, &[], "");
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
        let said = format!("This path does not take {method}: send {allow}.\n");
        assert!(method == "HEAD" || answer.text() == said, "{answer:?}");
    }
}

#[test]
fn requests_follow_each_other_and_an_unread_body_ends_the_connection() {
    let edge = edge();
    let mut stream = edge.connect();
    let get = b"GET /c/l1 HTTP/1.1\r\nHost: edge.example\r\n\r\n";
    stream.write_all(&get.repeat(3)).unwrap();
    for _ in 0..3 {
        assert_eq!(read_answer(&mut stream, false).unwrap().status, 302);
    }
    stream
        .write_all(b"POST /c/l1 HTTP/1.1\r\nHost: edge.example\r\nContent-Length: 9\r\n\r\n")
        .unwrap();
    let answer = read_answer(&mut stream, false).unwrap();
    assert_eq!((answer.status, answer.header("connection")), (405, Some("close")));
    assert!(read_answer(&mut stream, false).is_none());
}

#[test]
fn a_peer_that_is_too_slow_is_left() {
    let mut starting = Starting::default();
    starting.config.header_timeout = Duration::from_millis(300);
    starting.config.idle_timeout = Duration::from_millis(600);
    let edge = starting.start();
    let ended = |start: &[u8]| {
        let mut stream = edge.connect();
        stream.write_all(start).unwrap();
        let mut all = Vec::new();
        let _outcome = stream.read_to_end(&mut all);
        all
    };
    assert_eq!(ended(b""), b"", "nothing at all");
    assert_eq!(ended(b"GET /c/l1 HTTP/1.1\r\nHost: edge."), b"", "half a head");
    let idle = ended(b"GET /favicon.ico HTTP/1.1\r\nHost: edge.example\r\n\r\n");
    assert!(idle.starts_with(b"HTTP/1.1 204"), "answered, then silent");
    let half = ended(b"GET /favicon.ico HTTP/1.1\r\nHost: edge.example\r\n\r\nGET /c");
    assert!(half.starts_with(b"HTTP/1.1 204"), "answered, then half a head");
}

#[test]
fn slow_heads_leave_room_for_others() {
    let mut starting = Starting::default();
    starting.config.connections_per_address_max = 1000.try_into().unwrap();
    let edge = starting.start();
    let slow: Vec<_> = (0..500)
        .map(|_| {
            let mut stream = edge.connect();
            stream.write_all(b"GET /c/l1 HT").unwrap();
            stream
        })
        .collect();
    assert_eq!(edge.get("/c/l1", &[]).status, 302);
    drop(slow);
}

#[test]
fn an_address_has_its_share_of_connections() {
    let mut starting = Starting::default();
    starting.config.connections_per_address_max = 3.try_into().unwrap();
    let edge = starting.start();
    let get = b"GET /favicon.ico HTTP/1.1\r\nHost: edge.example\r\n\r\n";
    let mut open: Vec<_> = (0..3).map(|_| edge.connect()).collect();
    for stream in &mut open {
        stream.write_all(get).unwrap();
        assert_eq!(read_answer(stream, false).unwrap().status, 204);
    }
    let mut fourth = edge.connect();
    let _refused = fourth.write_all(get);
    assert!(matches!(fourth.read(&mut [0; 16]), Ok(0) | Err(_)), "closed at accept");
}

#[test]
fn a_stop_answers_what_is_under_way_and_closes_what_is_idle() {
    let mut edge = edge();
    let mut idle = edge.connect();
    idle.write_all(b"GET /c/l1 HTTP/1.1\r\nHost: edge.example\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut idle, false).unwrap().status, 302);
    edge.edge.take().unwrap().stop().unwrap();
    assert!(read_answer(&mut idle, false).is_none(), "idle connections are closed");
    let refused = std::net::TcpStream::connect(edge.address).is_err();
    assert!(refused, "nothing listens");
    let types: Vec<_> =
        edge.events(Topic::Node, 2).iter().map(|e| e.body.event_type().as_str()).collect();
    assert_eq!(types, ["lane_started", "lane_stopped"]);
}

#[test]
fn the_port_must_be_free_and_the_configuration_right() {
    let config = Config { listen: vec![], ..Config::default() };
    assert!(config.faults().iter().any(|fault| fault.key == "listen"));
    assert!(Config::default().faults().is_empty());
    let bad = Config {
        hosts: vec!["Edge.Example".into(), "a b".into()],
        country_header: Some("cf country".into()),
        node: String::new(),
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        ..Config::default()
    };
    let keys: Vec<_> = bad.faults().into_iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["node", "hosts", "hosts", "country_header", "country_header"]);
}

#[test]
fn a_path_is_one_route_or_none() {
    assert_eq!(Route::of("/c/l1"), Route::Click("l1"));
    assert_eq!(Route::of("/i/l1.gif"), Route::Impression("l1"));
    assert_eq!(Route::of("/v1/programs/shop/recent"), Route::Recent("shop"));
    let long = format!("/c/{}", "x".repeat(33));
    for path in [
        "/",
        "/c/",
        "/c",
        "/c/a/b",
        "/C/l1",
        "/i/l1",
        "/i/l1.GIF",
        "/t/a.b.js",
        "/v1/clicks/",
        "*",
        &long,
    ] {
        assert_eq!(Route::of(path), Route::Unknown, "{path}");
    }
}

#[test]
fn a_host_is_a_name_with_or_without_port() {
    assert_eq!(name_of(b"a.example:80"), Some("a.example"));
    assert_eq!(name_of(b"[::1]:80"), Some("[::1]"));
    assert_eq!(name_of(b"[::1]"), Some("[::1]"));
    for bad in
        ["", ":80", "a b", "a@b", "a/b", "a:b", "a:123456", "[::1", "[::1]x", "\u{e9}.example"]
    {
        assert_eq!(name_of(bad.as_bytes()), None, "{bad}");
    }
}
