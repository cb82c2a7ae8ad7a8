//! Wrong input at every endpoint of the real binary: a clear error, a server that lives, and nothing counted or lost.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;

use tests::http::{self, Reply, request};
use tests::server::{Server, Setup};

const CATALOG: &str = include_str!("../../config/minimal-catalog.toml");
const TOKEN: &str = "Bearer change-me";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// One wrong request: what is wrong, its bytes, the status, and what the answer must say.
struct Wrong {
    what: String,
    bytes: Vec<u8>,
    status: u16,
    says: &'static [&'static str],
}

struct Table {
    host: String,
    rows: Vec<Wrong>,
}

impl Table {
    /// Bytes as they are, `HOST` replaced.
    fn raw(&mut self, what: &str, text: &str, status: u16, says: &'static [&'static str]) {
        let bytes = text.replace("HOST", &self.host).into_bytes();
        self.rows.push(Wrong { what: what.to_owned(), bytes, status, says });
    }

    fn get(&mut self, target: &str, status: u16, says: &'static [&'static str]) {
        let bytes = request("GET", &self.host, target, &[("Connection", "close")], &[]);
        let mut what = format!("GET {target}");
        what.truncate(100);
        self.rows.push(Wrong { what, bytes, status, says });
    }

    fn method(&mut self, method: &str, target: &str, status: u16, says: &'static [&'static str]) {
        let headers = [("Connection", "close"), ("Authorization", TOKEN)];
        let bytes = request(method, &self.host, target, &headers, &[]);
        self.rows.push(Wrong { what: format!("{method} {target}"), bytes, status, says });
    }

    /// A call of the shop's server with this body.
    fn post(
        &mut self,
        what: &str,
        kind: (&str, &str),
        body: &[u8],
        status: u16,
        says: &'static [&'static str],
    ) {
        self.send(what, "/v1/conversions", &[("Authorization", TOKEN), kind], body, status, says);
    }

    #[expect(clippy::too_many_arguments, reason = "a row of a table, read as one line")]
    fn send(
        &mut self,
        what: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        status: u16,
        says: &'static [&'static str],
    ) {
        let headers = [&[("Connection", "close")], headers].concat();
        let bytes = request("POST", &self.host, target, &headers, body);
        self.rows.push(Wrong { what: what.to_owned(), bytes, status, says });
    }
}

/// Paths, methods and what the gate refuses before any endpoint.
fn gate(table: &mut Table) {
    for path in [
        "/",
        "/c",
        "/c/",
        "/c/a/b",
        "/c/%00",
        "/i/first-link",
        "/v2/conversions",
        "/p/.gif",
        "/../etc/passwd",
    ] {
        table.get(path, 404, &[]);
    }
    table.get("/c/no-such-link", 404, &["no such link"]);
    table.get("/i/no-such-link.gif", 404, &["GIF89a"]);
    table.get("/t/no-such-program.js", 404, &[]);
    for target in ["/c/first-link", "/i/first-link.gif", "/p/shop.gif", "/t/shop.js", "/robots.txt"]
    {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            table.method(method, target, 405, &["allow: GET, HEAD"]);
        }
    }
    table.method("PUT", "/v1/conversions", 405, &["allow: GET, POST, OPTIONS"]);
    table.method("GET", "/v1/clicks", 405, &["allow: POST, OPTIONS"]);
    for method in ["TRACE", "BREW", "get", "CONNECT"] {
        let text = format!("{method} /c/first-link HTTP/1.1\r\nHost: HOST\r\n\r\n");
        table.raw(&format!("method {method}"), &text, 405, &["allow:"]);
    }
    let long = "a".repeat(9_000);
    let huge = "a".repeat(40_000);
    for (what, text, status) in [
        ("no host", "GET /c/first-link HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("two hosts", "GET /c/first-link HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n".to_owned(), 400),
        ("a host that is none", "GET /c/first-link HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), 400),
        ("absolute form", "GET http://evil.example/c/first-link HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), 421),
        ("bare line feeds", "GET /c/first-link HTTP/1.1\nHost: HOST\n\n".to_owned(), 400),
        ("no HTTP", "hello\r\n\r\n".to_owned(), 400),
        ("TLS on the plain port", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n".to_owned(), 400),
        ("length and encoding", "POST /v1/conversions HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), 400),
        ("another encoding", "POST /v1/conversions HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(), 400),
        ("two lengths", "POST /v1/conversions HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd".to_owned(), 400),
        ("a length with a sign", "POST /v1/conversions HTTP/1.1\r\nHost: HOST\r\nContent-Length: +3\r\n\r\nabc".to_owned(), 400),
        ("space before the colon", "GET /c/first-link HTTP/1.1\r\nHost : HOST\r\n\r\n".to_owned(), 400),
        ("a folded header", "GET /c/first-link HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b\r\n\r\n".to_owned(), 400),
        ("a long target", format!("GET /c/first-link?s1={long} HTTP/1.1\r\nHost: HOST\r\n\r\n"), 414),
        ("a huge target", format!("GET /v1/conversions?s1={huge} HTTP/1.1\r\nHost: HOST\r\n\r\n"), 414),
        ("long headers", format!("GET /c/first-link HTTP/1.1\r\nHost: HOST\r\nX: {long}{long}\r\n\r\n"), 431),
    ] {
        table.raw(what, &text, status, &[]);
    }
    let mut many = "GET /c/first-link HTTP/1.1\r\nHost: HOST\r\n".to_owned();
    for n in 0..100 {
        write!(many, "X-{n}: 1\r\n").unwrap();
    }
    table.raw("a hundred headers", &(many + "\r\n"), 431, &[]);
}

/// Fields and bodies of server calls.
fn conversions(table: &mut Table) {
    let bad: &[(&str, u16, &[&str])] = &[
        ("", 422, &["order_id"]),
        ("order_id=", 422, &["order_id"]),
        ("order_id=A&amount=12,50", 422, &["\"field\":\"amount\"", "not a decimal number", "101"]),
        ("order_id=A&amount=-1", 422, &["\"field\":\"amount\""]),
        ("order_id=A&amount=1e3", 422, &["\"field\":\"amount\""]),
        ("order_id=A&amount=0.1234567", 422, &["\"field\":\"amount\""]),
        ("order_id=A&amount=99999999999999999999", 422, &["\"field\":\"amount\""]),
        ("order_id=A&amount=1&montant=2", 422, &["amount"]),
        ("order_id=A&amount=1&currency=EURO", 422, &["\"field\":\"currency\""]),
        ("order_id=A&amount=1&currency=ZZZ", 422, &["\"field\":\"currency\""]),
        ("order_id=A&amount=1&goal=nonsense", 422, &["\"field\":\"goal\""]),
        ("order_id=A&amount=1&ts=yesterday", 422, &["\"field\":\"ts\""]),
        ("order_id=A&amount=1&consent=perhaps", 422, &["\"field\":\"consent\""]),
        ("order_id=A&amount=1&customer_type=odd", 422, &["\"field\":\"customer_type\""]),
        (
            "order_id=A&amount=1&status=approved",
            403,
            &["\"field\":\"status\"", "109", "signed calls"],
        ),
        ("order_id=A&amount=1&status=lost", 422, &["\"field\":\"status\""]),
        ("order_id=A&amount=1&program=no-such-program", 404, &["\"field\":\"program\"", "104"]),
        ("order_id=A&amount=x&currency=y&ts=z", 422, &["amount", "currency", "ts"]),
    ];
    for (body, status, says) in bad {
        table.post(&format!("form {body}"), FORM, body.as_bytes(), *status, says);
        let target = format!("/v1/conversions?token=change-me&{body}");
        table.get(&target, *status, says);
    }
    let long = format!("order_id={}", "9".repeat(129));
    table.post(
        "an order id of 129 bytes",
        FORM,
        long.as_bytes(),
        422,
        &["\"field\":\"order_id\"", "128"],
    );
    let deep = format!("{{\"order_id\":\"A\",\"items\":{}{}}}", "[".repeat(200), "]".repeat(200));
    table.post("deep JSON", JSON, deep.as_bytes(), 400, &["101"]);
    for (what, body, says) in [
        ("empty JSON", "", "JSON"),
        ("cut JSON", "{\"order_id\":\"A\"", "JSON"),
        ("a list", "[]", "object"),
        ("a number", "1", "object"),
        ("text behind the object", "{\"order_id\":\"A\"} x", "JSON"),
    ] {
        let says: &'static [&'static str] = match says {
            "object" => &["101", "object"],
            _ => &["101", "JSON"],
        };
        table.post(what, JSON, body.as_bytes(), 400, says);
    }
    table.post(
        "a key twice",
        JSON,
        br#"{"order_id":"A","order_id":"B"}"#,
        400,
        &["order_id", "twice"],
    );
    table.post(
        "an object for a text",
        JSON,
        br#"{"order_id":{"a":1}}"#,
        422,
        &["\"field\":\"order_id\""],
    );
    table.post("binary JSON", JSON, &[0xff, 0xfe, 0x00, 0x80], 400, &["101"]);
    table.post("JSON that is no UTF-8", JSON, b"{\"order_id\":\"\xff\"}", 400, &["101"]);
    let line = r#"{"order_id":"A","items":[{"sku":"x","qty":"many","amount":1}]}"#;
    table.post("a line's field", JSON, line.as_bytes(), 422, &["items[0].qty"]);
    let both = r#"{"order_id":"A","items":[{"amount":1,"unit_amount":1}]}"#;
    table.post("two amounts in a line", JSON, both.as_bytes(), 422, &["items[0]", "unit_amount"]);
    let lines =
        format!(r#"{{"order_id":"A","items":[{}]}}"#, vec![r#"{"amount":1}"#; 201].join(","));
    table.post("201 lines", JSON, lines.as_bytes(), 422, &["items", "200"]);
    let large = format!("order_id=A&s1={}", "x".repeat(70_000));
    table.post("70 KB", FORM, large.as_bytes(), 413, &["106", "64 KiB"]);
    for kind in [
        "text/plain",
        "application/xml",
        "application/x-ndjson",
        "multipart/form-data; boundary=x",
        "",
    ] {
        table.post(&format!("type {kind:?}"), ("Content-Type", kind), b"order_id=A", 415, &["111"]);
    }
    let gzip = [("Authorization", TOKEN), FORM, ("Content-Encoding", "gzip")];
    table.send("gzip that is none", "/v1/conversions", &gzip, b"order_id=A", 400, &["gzip"]);
    let br = [("Authorization", TOKEN), FORM, ("Content-Encoding", "br")];
    table.send("another compression", "/v1/conversions", &br, b"order_id=A", 415, &["gzip"]);
    for (what, headers, status, code) in [
        ("no credentials", vec![FORM], 401, 102),
        ("a wrong token", vec![FORM, ("Authorization", "Bearer nobody")], 401, 102),
        ("basic credentials", vec![FORM, ("Authorization", "Basic YTpi")], 401, 102),
        ("a signature without its parts", vec![FORM, ("Sillage-Signature", "v1=00")], 401, 102),
        (
            "an unknown key",
            vec![
                FORM,
                ("Sillage-Key", "nobody"),
                ("Sillage-Timestamp", "1"),
                ("Sillage-Nonce", "1"),
                ("Sillage-Signature", "v1=00"),
            ],
            401,
            102,
        ),
    ] {
        let says: &'static [&'static str] = if code == 102 { &["102"] } else { &["103"] };
        table.send(
            what,
            "/v1/conversions",
            &headers,
            b"program=shop&order_id=A&amount=1",
            status,
            says,
        );
    }
}

/// Pixels, landing reports, the list of last calls.
fn others(table: &mut Table) {
    table.get(
        "/p/no-such-program.gif?order_id=A",
        404,
        &["GIF89a", "sillage-result: rejected; code=104"],
    );
    table.get(
        "/p/shop.gif?order_id=A&amount=1",
        422,
        &["GIF89a", "sillage-result: rejected; code=201"],
    );
    table.get(
        "/p/shop.gif?order_id=A&amount=abc",
        422,
        &["GIF89a", "sillage-result: rejected; code=101"],
    );
    for (what, kind, body, status) in [
        ("a landing without anything", JSON, &b"{}"[..], 422),
        ("a landing of a forged click", JSON, br#"{"program":"shop","click_id":"AQEAAA"}"#, 422),
        ("a landing that is no JSON", JSON, b"{", 400),
        ("a landing of another type", ("Content-Type", "text/plain"), b"x", 415),
    ] {
        let headers = [("Origin", "https://shop.example"), kind];
        table.send(what, "/v1/clicks", &headers, body, status, &["code"]);
    }
    let large = format!("{{\"click_id\":\"{}\"}}", "x".repeat(20_000));
    let headers = [("Origin", "https://shop.example"), JSON];
    table.send("a landing of 20 KB", "/v1/clicks", &headers, large.as_bytes(), 413, &["106"]);
    table.get("/v1/programs/shop/recent", 401, &["102"]);
    table.get("/v1/programs/no-such-program/recent?token=change-me", 404, &["104"]);
}

fn text_of(reply: &Reply) -> String {
    let mut text = String::new();
    for (name, value) in &reply.headers {
        writeln!(text, "{name}: {value}").unwrap();
    }
    text + "\n" + &reply.text()
}

fn good_order(server: &Server, order: &str) {
    let body = format!("order_id={order}&amount=12.50");
    let headers = [("Authorization", TOKEN), FORM];
    let reply = server.call("POST", "127.0.0.1", "/v1/conversions", &headers, body.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[test]
fn every_wrong_request_gets_a_clear_answer_and_nothing_of_it_is_counted() {
    let server = Server::start(Setup { catalog: CATALOG.to_owned(), ..Setup::default() });
    let mut table = Table { host: server.public().to_string(), rows: Vec::new() };
    gate(&mut table);
    conversions(&mut table);
    others(&mut table);
    good_order(&server, "BEFORE");
    let mut wrong = Vec::new();
    for row in &table.rows {
        match http::raw(server.public(), &row.bytes, false) {
            Ok(reply) => {
                let text = text_of(&reply);
                let unsaid: Vec<_> =
                    row.says.iter().filter(|part| !text.contains(**part)).collect();
                if reply.status != row.status || !unsaid.is_empty() {
                    wrong.push(format!(
                        "{}: {} instead of {}, without {unsaid:?}:\n{text}",
                        row.what, reply.status, row.status
                    ));
                }
            }
            Err(error) => wrong.push(format!("{}: {error}", row.what)),
        }
    }
    println!("{} wrong requests", table.rows.len());
    assert!(
        wrong.is_empty(),
        "{} of {} rows:\n{}",
        wrong.len(),
        table.rows.len(),
        wrong.join("\n")
    );
    good_order(&server, "AFTER");
    server.settle();
    for order in ["BEFORE", "AFTER"] {
        let decision = server.decision("shop", order).expect("a decision");
        assert_eq!(decision["amount"], 12_500_000);
    }
    assert_eq!(
        server.metric("attribution_decisions_emitted_total", ""),
        2.0,
        "two good orders alone are decided"
    );
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
