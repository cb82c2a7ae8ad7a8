//! A blog with a partner's link and a shop with the tag, a consent banner, an order page and a server-side session.
//!
//! The shop is what a merchant's developer would write from the documentation: its server reads the click id on every
//! landing, keeps it in the session, and tells the edge of an order with its token. Its pages have a strict content
//! security policy.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::http::{self, Reply, field, query};

/// Host of the blog.
pub const BLOG: &str = "blog.localhost";
/// Host of the shop.
pub const SHOP: &str = "shop.localhost";

/// How the shop reaches the edge.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Where it listens.
    pub address: SocketAddr,
    /// Host name under which browsers know it.
    pub host: String,
    /// Port under which browsers know it.
    pub port: u16,
    /// Path of a proxy on that host, such as `/sl`; empty without one.
    pub path: String,
    /// The shop's program.
    pub program: String,
    /// The program's token.
    pub token: String,
}

impl Edge {
    /// Address as browsers see it, without slash at the end.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}:{}{}", self.host, self.port, self.path)
    }

    /// Reports a conversion as the shop's server does.
    #[must_use]
    pub fn report(&self, order: &Value) -> Reply {
        let mut body = json!({ "program": self.program });
        for (name, value) in order.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let bearer = format!("Bearer {}", self.token);
        let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
        let host = format!("{}:{}", self.host, self.port);
        let body = body.to_string();
        http::call(self.address, "POST", &host, "/v1/conversions", &headers, body.as_bytes())
            .expect("the shop's server reaches the edge")
    }
}

/// A page that the shop or the blog served.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Host, path and query.
    pub address: String,
    /// `Sec-Purpose`, empty for a person's visit.
    pub purpose: String,
    /// Click id in the address.
    pub click_id: Option<String>,
}

/// Blog and shop, served until dropped.
#[derive(Debug)]
pub struct Shop {
    address: SocketAddr,
    /// Port under which browsers know the shop.
    port: u16,
    state: Arc<State>,
    server: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    ended: AtomicBool,
    edge: Mutex<Option<Edge>>,
    /// Click id by session id.
    sessions: Mutex<HashMap<String, Option<String>>>,
    visits: Mutex<Vec<Visit>>,
    /// Answers to the server's reports.
    reports: Mutex<Vec<Value>>,
}

impl Shop {
    /// Listens; pages are served from [`open`](Self::open) on.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind the shop");
        let address = listener.local_addr().expect("the shop's address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // A browser that goes away is no failure of the shop.
                    let _gone = shared.serve(&stream);
                });
            }
        });
        Self { address, port: address.port(), state, server: Some(server) }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Browsers reach it by this port, where a proxy listens.
    pub fn stand_behind(&mut self, port: u16) {
        self.port = port;
    }

    /// Names the edge that pages and server talk to.
    pub fn open(&self, edge: Edge) {
        *lock(&self.state.edge) = Some(edge);
    }

    /// Origin of the shop.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{SHOP}:{}", self.port)
    }

    /// The blog's page with this link and its query; `mode=prefetch` has the browser fetch the link ahead,
    /// `mode=impression` shows its image.
    #[must_use]
    pub fn blog(&self, link: &str, parameters: &[(&str, &str)]) -> String {
        let all = [&[("link", link)], parameters].concat();
        format!("http://{BLOG}:{}/?{}", self.address.port(), query(&all))
    }

    /// The shop's order page: `id`, and `by`, a list of `pixel`, `tag`, `server`; `consent` is passed on, `hand_on` gives the
    /// session's click id to the page, `forget` keeps it from the server, `by_cookie` takes the edge's cookie instead.
    #[must_use]
    pub fn order(&self, id: &str, by: &str, parameters: &[(&str, &str)]) -> String {
        let all = [&[("id", id), ("by", by)], parameters].concat();
        format!("{}/order?{}", self.origin(), query(&all))
    }

    /// Pages served so far.
    #[must_use]
    pub fn visits(&self) -> Vec<Visit> {
        lock(&self.state.visits).clone()
    }

    /// What the edge answered to the server's reports so far.
    #[must_use]
    pub fn reports(&self) -> Vec<Value> {
        lock(&self.state.reports).clone()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        // Wakes the listener; whether it still takes the connection does not matter.
        let _woken = TcpStream::connect(self.address);
        if let Some(server) = self.server.take() {
            let _ended = server.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let target = line.split(' ').nth(1).unwrap_or("/").to_owned();
            let headers = http::read_headers(&mut reader)?;
            let header = |name: &str| {
                let found = headers.iter().find(|(field, _)| field == name);
                found.map(|(_, value)| &**value).unwrap_or_default()
            };
            let (kind, cookie, body) = self.answer(&target, header);
            let edge = lock(&self.edge).as_ref().map(|edge| edge.base() + "/").unwrap_or_default();
            let cookie =
                cookie.map_or_else(String::new, |cookie| format!("Set-Cookie: {cookie}\r\n"));
            // The blog has no policy: Chromium holds a prefetch and its redirects against it.
            let policy = match header("host").starts_with(BLOG) {
                true => String::new(),
                false => format!(
                    "Content-Security-Policy: default-src 'none'; script-src 'self' {edge} \
                     'inline-speculation-rules'; connect-src {edge}; img-src {edge}\r\n"
                ),
            };
            write!(
                &*stream,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\n\
                 Cache-Control: no-store\r\n{policy}{cookie}\r\n{body}",
                body.len()
            )?;
        }
    }

    /// Type, cookie to set, and body of an answer.
    fn answer<'h>(
        &self,
        target: &str,
        header: impl Fn(&str) -> &'h str,
    ) -> (&'static str, Option<String>, String) {
        let Some(edge) = lock(&self.edge).clone() else {
            return ("text/plain", None, "closed".to_owned());
        };
        let path = target.split('?').next().unwrap_or_default();
        if path == "/shop.js" {
            return ("text/javascript", None, SCRIPT.to_owned());
        }
        if path == "/favicon.ico" {
            return ("text/plain", None, String::new());
        }
        let host = header("host");
        let click_id = field(target, "sl_click");
        lock(&self.visits).push(Visit {
            address: format!("{host}{target}"),
            purpose: header("sec-purpose").to_owned(),
            click_id: click_id.clone(),
        });
        if host.starts_with(BLOG) {
            return ("text/html", None, blog_page(&edge, target));
        }
        let (session, cookie) = self.session(header("cookie"));
        if click_id.is_some() {
            lock(&self.sessions).insert(session.clone(), click_id);
        }
        let click_id = lock(&self.sessions).get(&session).cloned().flatten();
        let body = match path {
            "/order" => {
                // A shop without a session reads the edge's cookie, which is of its own domain then.
                let name = format!("__Secure-sl_c_{}=", edge.program);
                let cookie = header("cookie").split("; ").find_map(|pair| pair.strip_prefix(&name));
                let click_id = match field(target, "by_cookie") {
                    Some(_) => cookie.map(str::to_owned),
                    None => click_id,
                };
                self.order_page(&edge, target, click_id.as_deref())
            }
            _ => landing_page(&edge),
        };
        ("text/html", cookie, body)
    }

    /// The visitor's session, and the cookie where it is new.
    fn session(&self, cookies: &str) -> (String, Option<String>) {
        let known = cookies.split("; ").find_map(|pair| pair.strip_prefix("shop_session="));
        if let Some(known) = known {
            return (known.to_owned(), None);
        }
        let mut sessions = lock(&self.sessions);
        let session = format!("session-{}", sessions.len() + 1);
        sessions.insert(session.clone(), None);
        let cookie = format!("shop_session={session}; HttpOnly; SameSite=Lax; Path=/");
        (session, Some(cookie))
    }

    /// The page behind an order; the server has reported it by then, if it should.
    fn order_page(&self, edge: &Edge, target: &str, click_id: Option<&str>) -> String {
        let id = field(target, "id").unwrap_or_default();
        let by = field(target, "by").unwrap_or_default();
        let consent = field(target, "consent");
        let mut order = json!({ "order_id": id, "amount": "49.90", "currency": "EUR" });
        if let Some(consent) = &consent {
            order["consent"] = json!(consent);
        }
        // The tag and the pixel know the click id only if the shop hands it on; cookies speak for themselves.
        let handed = field(target, "hand_on").and(click_id);
        if by.contains("server") {
            let mut told = order.clone();
            if let (Some(click_id), None) = (click_id, field(target, "forget")) {
                told["click_id"] = json!(click_id);
            }
            let reply = edge.report(&told);
            lock(&self.reports).push(json!({ "status": reply.status, "body": reply.json() }));
        }
        if let Some(click_id) = handed {
            order["click_id"] = json!(click_id);
        }
        let fields = order.as_object().into_iter().flatten();
        let fields: Vec<(&str, &str)> =
            fields.map(|(name, value)| (&**name, value.as_str().unwrap_or_default())).collect();
        let pixel = match by.contains("pixel") {
            true => {
                let source = format!("{}/p/{}.gif?{}", edge.base(), edge.program, query(&fields));
                format!("<img id=\"pixel\" src=\"{}\">", source.replace('&', "&amp;"))
            }
            false => String::new(),
        };
        let order = match by.contains("tag") {
            true => order.to_string(),
            false => String::new(),
        };
        page("Thank you", &format!("{}{pixel}", scripts(edge)), &format!("data-order='{order}'"))
    }
}

fn blog_page(edge: &Edge, target: &str) -> String {
    let link = field(target, "link").unwrap_or_default();
    let rest = target.split_once('?').map_or("", |(_, query)| query);
    let rest: Vec<&str> = rest
        .split('&')
        .filter(|pair| !pair.starts_with("link=") && !pair.starts_with("mode="))
        .collect();
    let address = format!("{}/c/{link}?{}", edge.base(), rest.join("&"));
    let address = address.trim_end_matches('?').replace('&', "&amp;");
    let ahead = match field(target, "mode").as_deref() {
        Some("prefetch") => format!("<link rel=\"prefetch\" href=\"{address}\">"),
        Some("impression") => {
            let image = address.replace("/c/", "/i/").replace("?", ".gif?");
            format!("<img src=\"{image}\">")
        }
        _ => String::new(),
    };
    page("Review", &format!("{ahead}<a id=\"go\" href=\"{address}\">To the shop</a>"), "")
}

fn landing_page(edge: &Edge) -> String {
    let banner = "<button id=\"grant\">Agree</button><button id=\"deny\">Refuse</button>";
    page("Shop", &format!("{}{banner}", scripts(edge)), "")
}

fn scripts(edge: &Edge) -> String {
    // The early object, then the tag, as a tag manager injects it.
    let tag = format!("{}/t/{}.js", edge.base(), edge.program);
    format!("<script src=\"/shop.js\" data-tag=\"{tag}\"></script>")
}

fn page(title: &str, body: &str, attributes: &str) -> String {
    format!("<!doctype html><title>{title}</title><body {attributes}>{body}</body>")
}

/// The shop's own script: injects the tag, wires the banner, reports an order through the tag. What happened is left on
/// `window` for the test to read.
const SCRIPT: &str = r#"
var tag = document.createElement("script");
tag.src = document.currentScript.dataset.tag;
tag.onload = function () { window.tagged = true; };
document.head.append(tag);
window.sillage = window.sillage || [];
document.addEventListener("DOMContentLoaded", function () {
  function answer(state) {
    return function () {
      sillage.consent(state).then(function (reply) { window.consented = { state: state, reply: reply }; });
    };
  }
  var grant = document.getElementById("grant"), deny = document.getElementById("deny");
  if (grant) grant.onclick = answer("granted");
  if (deny) deny.onclick = answer("denied");
  var pixel = document.getElementById("pixel");
  if (pixel) {
    if (pixel.complete) window.pixeled = true;
    pixel.onload = pixel.onerror = function () { window.pixeled = true; };
  }
  var order = document.body.dataset.order && JSON.parse(document.body.dataset.order);
  function report() {
    sillage.conversion(order).then(function (reply) { window.converted = { order: order, reply: reply }; });
  }
  // A tag from the browser's cache may be there before the document is.
  if (order) window.tagged ? report() : tag.addEventListener("load", report);
});
"#;
