//! A blog and a shop to click through while the demo stays up: what a merchant's developer would write from the documentation.
//!
//! One listener on the local machine, told apart by host: `blog.localhost` links to the shop through the edge,
//! `shop.localhost` carries the tag, keeps the click id in its session, reports orders by pixel and by its own server, and
//! says what became of them. A stage set: everything is in memory, bounded, and gone with the demo.

mod basket;
mod blog;
mod door;
mod edge;
mod paint;
mod site;
mod words;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use telemetry::task::{self, Thread};

use self::edge::Place;
use basket::Sessions;
use door::{Answer, Request};
use words::Language;

/// Host of the blog.
const BLOG: &str = "blog.localhost";
/// Host of the shop.
const SHOP: &str = "shop.localhost";
/// Host of the edge as browsers know it: under the shop's own, so that its cookies are first-party.
const EDGE: &str = "t.shop.localhost";

/// Connections served at once; above it new ones are closed.
const CONNECTIONS_MAX: usize = 64;
/// Pause after a connection that could not be taken.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// A listener that serves nothing yet: its port must be known before the catalog that names it is read.
#[derive(Debug)]
pub(super) struct Closed {
    listener: TcpListener,
    port: u16,
}

impl Closed {
    /// Takes a free port.
    pub(super) fn bind() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("bind the shop")?;
        let port = listener.local_addr().context("the shop's address")?.port();
        Ok(Self { listener, port })
    }

    /// Origin of the shop.
    pub(super) fn origin(&self) -> String {
        format!("http://{SHOP}:{}", self.port)
    }

    /// Serves blog and shop beside the node of this stage.
    pub(super) fn open(self, stage: &super::stage::Running) -> Result<Open> {
        let port = self.port;
        let state = Arc::new(State {
            place: Place::of(stage, port),
            sessions: Mutex::default(),
            open: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let listener = self.listener;
        let thread = task::thread("demo-shop", move || serve(&listener, &shared))?;
        Ok(Open { port, state, _thread: thread })
    }
}

/// Blog and shop, served until dropped.
pub(super) struct Open {
    port: u16,
    state: Arc<State>,
    _thread: Thread<()>,
}

impl Open {
    /// Addresses of blog and shop.
    pub(super) fn addresses(&self) -> [String; 2] {
        [BLOG, SHOP].map(|host| format!("http://{host}:{}/", self.port))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        // Wakes the listener; whether it still takes the connection does not matter.
        let _woken = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// What every connection shares.
struct State {
    place: Place,
    sessions: Mutex<Sessions>,
    open: AtomicUsize,
    ended: AtomicBool,
}

impl State {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page of a request.
    fn answer(&self, request: &Request) -> Answer {
        let host = request.header("host");
        let host = host.strip_suffix(&format!(":{}", self.place.port)).unwrap_or_default();
        // Other names for this address are somebody else's page that reaches for it.
        if host != BLOG && host != SHOP {
            return Answer::text(421, "no such host here");
        }
        match (request.method(), request.path()) {
            ("GET", "/style.css") => {
                return Answer::file("text/css", include_str!("pages/style.css"));
            }
            ("GET", "/shop.js") => {
                return Answer::file("text/javascript", include_str!("pages/shop.js"));
            }
            ("GET", "/through.js") => {
                return Answer::file("text/javascript", include_str!("pages/through.js"));
            }
            ("GET", "/favicon.ico") => return Answer::text(404, "none"),
            ("GET" | "POST", _) => {}
            _ => return Answer::text(405, "GET or POST"),
        }
        let language = Language::of(request);
        let chosen = request.query("lang").is_some();
        let answer = match host {
            BLOG => blog::answer(&self.place, request, language),
            _ => site::answer(self, request, language),
        };
        if chosen {
            answer.cookie(format!("lang={}; SameSite=Lax; Path=/", language.name()))
        } else {
            answer
        }
    }
}

fn serve(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming() {
        if state.ended.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else {
            std::thread::sleep(AFTER_FAILURE);
            continue;
        };
        if state.open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            state.open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let shared = Arc::clone(state);
        let begun = task::thread("demo-visit", move || {
            let _one_less = OneLess(&shared.open);
            // A browser that goes away is no failure of the shop.
            let _gone = door::attend(&stream, |request| shared.answer(request));
        });
        if begun.is_err() {
            state.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Counts a connection out, however it ends.
struct OneLess<'a>(&'a AtomicUsize);

impl Drop for OneLess<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
