//! The listener over real sockets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;

use super::{Admin, Class, Draining, Reply, get, post};
use crate::{Error, Recorder, recorder};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn shared_recorder() -> Recorder {
    static RECORDER: OnceLock<Recorder> = OnceLock::new();
    RECORDER.get_or_init(|| recorder::install(&[], "1.2.3", "abc").unwrap()).clone()
}

fn body(address: SocketAddr, path: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    let answer = get(address, path, parameters).unwrap();
    (answer.status, String::from_utf8(answer.body).unwrap())
}

#[test]
fn readyz_names_each_failing_check_of_its_class() {
    static BROKEN: AtomicBool = AtomicBool::new(false);
    let draining = Draining::default();
    let admin = Admin::new(shared_recorder(), draining.clone())
        .check("catalog", Class::All, || Ok(()))
        .check("journal", Class::Durable, || {
            if BROKEN.load(Ordering::Relaxed) { Err("fsync failed".to_owned()) } else { Ok(()) }
        })
        .serve(ANY)
        .unwrap();
    let ready = |parameters: &[(&str, &str)]| body(admin.address(), "/readyz", parameters);
    let fine = (200, "{\"failing\":[],\"ready\":true}\n".to_owned());
    assert_eq!(ready(&[]), fine);
    BROKEN.store(true, Ordering::Relaxed);
    assert_eq!(ready(&[]), fine, "a failed journal does not stop redirects");
    let text = "{\"failing\":[{\"check\":\"journal\",\"why\":\"fsync failed\"}],\"ready\":false}\n";
    assert_eq!(ready(&[("class", "durable")]), (503, text.to_owned()));
    assert_eq!(ready(&[("class", "other")]).0, 400);
    draining.start();
    assert_eq!(ready(&[]).0, 503);
    assert_eq!(body(admin.address(), "/livez", &[]), (200, "ok\n".to_owned()));
}

#[test]
fn metrics_carry_the_build_and_the_process() {
    let admin = Admin::new(shared_recorder(), Draining::default()).serve(ANY).unwrap();
    let (status, text) = body(admin.address(), "/metrics", &[]);
    assert_eq!(status, 200);
    assert!(text.contains("build_info{version=\"1.2.3\",commit=\"abc\"} 1"), "{text}");
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
}

#[test]
fn a_mounted_route_gets_decoded_parameters_and_an_unknown_path_lists_the_known() {
    let admin = Admin::new(shared_recorder(), Draining::default())
        .route("/echo", |query| {
            Reply::text(StatusCode::OK, query.get("order").unwrap_or("none").to_owned())
        })
        .route("/panics", |_| panic!("on purpose"))
        .serve(ANY)
        .unwrap();
    let at = admin.address();
    assert_eq!(body(at, "/echo", &[("order", "BX 1&ü=2")]), (200, "BX 1&ü=2".to_owned()));
    assert_eq!(body(at, "/echo", &[]), (200, "none".to_owned()));
    let (status, text) = body(at, "/other", &[]);
    assert_eq!(status, 404);
    assert!(text.contains("/readyz") && text.contains("/echo"), "{text}");
    assert_eq!(body(at, "/panics", &[]).0, 500);
    assert_eq!(body(at, "/livez", &[]).0, 200, "a panic in a route leaves the probes alone");
}

#[test]
fn a_page_may_load_its_style_and_nothing_else_and_knows_the_readers_languages() {
    let admin = Admin::new(shared_recorder(), Draining::default())
        .route("/", |query| {
            Reply::html(StatusCode::OK, query.accept_language().unwrap_or("none").to_owned())
        })
        .serve(ANY)
        .unwrap();
    let mut stream = TcpStream::connect(admin.address()).unwrap();
    let host = admin.address();
    write!(stream, "GET / HTTP/1.0\r\nHost: {host}\r\nAccept-Language: fr\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nfr"), "{answer}");
    for header in [
        "default-src 'none'; style-src 'self';",
        "x-content-type-options: nosniff",
        "vary: accept-language",
    ] {
        assert!(answer.contains(header), "{header} in {answer}");
    }
}

#[test]
fn other_methods_are_refused() {
    let admin = Admin::new(shared_recorder(), Draining::default()).serve(ANY).unwrap();
    let mut stream = TcpStream::connect(admin.address()).unwrap();
    stream.write_all(b"POST /metrics HTTP/1.0\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 405"), "{answer}");
    assert!(answer.contains("allow: GET, HEAD"), "{answer}");
}

#[test]
fn a_question_has_a_body_of_bounded_size() {
    let admin = Admin::new(shared_recorder(), Draining::default())
        .question("/count", 8, |query, body| {
            let unit = query.get("unit").unwrap_or("none");
            Reply::text(StatusCode::OK, format!("{} {unit}", body.len()))
        })
        .serve(ANY)
        .unwrap();
    let at = admin.address();
    let ask = |body: &[u8]| {
        let answer = post(at, "/count", &[("unit", "bytes")], body).unwrap();
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    assert_eq!(ask(b"12345678"), (200, "8 bytes".to_owned()));
    assert_eq!(ask(b""), (200, "0 bytes".to_owned()));
    assert_eq!(ask(b"123456789").0, 413);
    assert_eq!(body(at, "/count", &[]), (405, "this path takes POST only\n".to_owned()));
}

#[test]
fn what_a_foreign_page_could_have_sent_is_refused() {
    let admin = Admin::new(shared_recorder(), Draining::default())
        .question("/pay", 8, |_, _| Reply::text(StatusCode::OK, "paid"))
        .serve(ANY)
        .unwrap();
    let port = admin.address().port();
    let ask = |headers: &str| {
        let mut stream = TcpStream::connect(admin.address()).unwrap();
        let headers = headers.replace("PORT", &port.to_string());
        write!(stream, "POST /pay HTTP/1.0\r\nContent-Length: 2\r\n{headers}\r\n\r\n{{}}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let json = "Content-Type: application/json";
    for own in [
        format!("{json}\r\nHost: 127.0.0.1:PORT"),
        format!("{json}; charset=utf-8\r\nHost: localhost:PORT"),
        format!(
            "{json}\r\nHost: [::1]:PORT\r\nOrigin: http://[::1]:PORT\r\nSec-Fetch-Site: same-origin"
        ),
        "Content-Type: application/x-ndjson\r\nHost: 10.0.0.1:PORT".to_owned(),
    ] {
        assert_eq!(ask(&own), "200", "{own}");
    }
    for foreign in [
        format!("{json}\r\nHost: evil.example:PORT"),
        json.to_owned(),
        format!("{json}\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://evil.example"),
        format!("{json}\r\nHost: 127.0.0.1:PORT\r\nOrigin: null"),
        format!("{json}\r\nHost: 127.0.0.1:PORT\r\nSec-Fetch-Site: cross-site"),
    ] {
        assert_eq!(ask(&foreign), "403", "{foreign}");
    }
    for simple in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let simple = format!("Content-Type: {simple}\r\nHost: 127.0.0.1:PORT");
        assert_eq!(ask(&simple), "415", "{simple}");
    }
    assert_eq!(ask("Host: 127.0.0.1:PORT"), "415");
}

#[test]
fn a_name_that_was_pointed_here_reads_nothing_but_health() {
    let admin = Admin::new(shared_recorder(), Draining::default())
        .route("/books", |_| Reply::text(StatusCode::OK, "what all earn"))
        .serve(ANY)
        .unwrap();
    let ask = |path: &str, host: &str| {
        let mut stream = TcpStream::connect(admin.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n{host}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    for own in ["Host: 127.0.0.1:1\r\n", "Host: localhost\r\n", "Host: [::1]\r\n", ""] {
        assert_eq!(ask("/books", own), "200", "{own}");
    }
    let foreign = "Host: evil.example:1\r\n";
    assert_eq!(ask("/books", foreign), "403");
    assert_eq!(ask("/livez", foreign), "200");
}

#[test]
fn a_stopped_listener_answers_nobody() {
    let admin = Admin::new(shared_recorder(), Draining::default()).serve(ANY).unwrap();
    let address = admin.address();
    admin.stop().unwrap();
    assert!(matches!(get(address, "/livez", &[]), Err(Error::AdminAsk { .. })));
}
