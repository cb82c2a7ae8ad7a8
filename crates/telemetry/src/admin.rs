//! The admin listener: probes, metrics and read-only routes on an address of its own, never the public port.
//!
//! | path | answer |
//! |---|---|
//! | `/livez` | 200 while every watched event loop beats; knows nothing of disk or catalog |
//! | `/readyz` | 200, or 503 with a JSON body that names each failing check |
//! | `/readyz?class=durable` | the same with the checks of [`Class::Durable`] on top |
//! | `/metrics` | Prometheus text |
//! | mounted routes | whatever their closure answers; GET and HEAD only |
//! | mounted questions | the same for a question that is too long for a URL; POST only, and nothing is changed by it |

mod client;
mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::pulse::STUCK_AFTER;
use crate::{Fault, Pulse, Recorder};

pub use client::{Answer, get, post};
pub use server::Running;

/// Where the admin endpoints are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the admin listener, such as `"127.0.0.1:9464"`; port 0 takes a free one. It answers without a
    /// password: never an address that the public reaches. Default `"127.0.0.1:9464"`: this machine only.
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9464)) }
    }
}

impl Config {
    /// Every rule this configuration breaks. None today: the type admits only addresses.
    #[must_use]
    pub const fn faults(&self) -> Vec<Fault> {
        Vec::new()
    }
}

/// Which requests a failing check makes this node unfit for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// All: no balancer may send anything.
    All,
    /// Conversions, which are promised only when on disk; redirects go on.
    Durable,
}

/// Media type of pages.
const HTML: &str = "text/html; charset=utf-8";

/// What a route answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// Plain text.
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// A page that stands alone: it may load styles of this listener, and nothing else.
    pub fn html(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: HTML, body: body.into() }
    }

    /// A JSON document, already written.
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: "application/json", body: body.into() }
    }
}

/// Decoded parameters of a request to a mounted route. Of a name given twice the first counts.
#[derive(Clone, Debug, Default)]
pub struct Query {
    parameters: BTreeMap<String, String>,
    accept_language: Option<String>,
}

impl Query {
    /// Parses the part of a URL after `?`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut map = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            map.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
        Self { parameters: map, accept_language: None }
    }

    /// The names that were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.keys().map(String::as_str)
    }

    /// The value of `name`, if given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// What the request's `Accept-Language` says.
    #[must_use]
    pub fn accept_language(&self) -> Option<&str> {
        self.accept_language.as_deref()
    }

    /// The same with an `Accept-Language`.
    #[must_use]
    pub fn accepting(mut self, languages: Option<&str>) -> Self {
        self.accept_language = languages.map(str::to_owned);
        self
    }
}

/// Whether this node is leaving; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on `/readyz` answers 503.
    pub fn start(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it has started.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

type CheckFn = Box<dyn Fn() -> Result<(), String> + Send + Sync>;
type RouteFn = Box<dyn Fn(&Query) -> Reply + Send + Sync>;
type QuestionFn = Box<dyn Fn(&Query, &Bytes) -> Reply + Send + Sync>;

struct Check {
    name: &'static str,
    class: Class,
    run: CheckFn,
}

/// What the admin listener will answer. Build it, then [`serve`](Self::serve).
pub struct Admin {
    recorder: Recorder,
    draining: Draining,
    pulses: Vec<Pulse>,
    checks: Vec<Check>,
    routes: BTreeMap<&'static str, RouteFn>,
    questions: BTreeMap<&'static str, (usize, QuestionFn)>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("routes", &self.routes.keys())
            .field("questions", &self.questions.keys())
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// Probes and metrics, nothing else yet.
    #[must_use]
    pub const fn new(recorder: Recorder, draining: Draining) -> Self {
        Self {
            recorder,
            draining,
            pulses: Vec::new(),
            checks: Vec::new(),
            routes: BTreeMap::new(),
            questions: BTreeMap::new(),
        }
    }

    /// Makes `/livez` depend on a beating loop.
    #[must_use]
    pub fn watch(mut self, pulse: Pulse) -> Self {
        self.pulses.push(pulse);
        self
    }

    /// Makes `/readyz` depend on `run`, whose error text says what fails. It must not block.
    #[must_use]
    pub fn check(
        mut self,
        name: &'static str,
        class: Class,
        run: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push(Check { name, class, run: Box::new(run) });
        self
    }

    /// Mounts a read-only route at `path` (GET and HEAD). It may block: it runs beside the probes, not before them.
    #[must_use]
    pub fn route(
        mut self,
        path: &'static str,
        answer: impl Fn(&Query) -> Reply + Send + Sync + 'static,
    ) -> Self {
        self.routes.insert(path, Box::new(answer));
        self
    }

    /// Mounts a question with a body of at most `body_bytes_max` bytes at `path` (POST). It reads, like a route, and may
    /// block like one.
    #[must_use]
    pub fn question(
        mut self,
        path: &'static str,
        body_bytes_max: usize,
        answer: impl Fn(&Query, &Bytes) -> Reply + Send + Sync + 'static,
    ) -> Self {
        self.questions.insert(path, (body_bytes_max, Box::new(answer)));
        self
    }

    fn livez(&self) -> Reply {
        let stuck: Vec<String> = self
            .pulses
            .iter()
            .filter(|pulse| pulse.age() >= STUCK_AFTER)
            .map(|pulse| format!("{} has not turned for {} s", pulse.name(), pulse.age().as_secs()))
            .collect();
        if stuck.is_empty() {
            Reply::text(StatusCode::OK, "ok\n")
        } else {
            Reply::text(StatusCode::SERVICE_UNAVAILABLE, stuck.join("\n") + "\n")
        }
    }

    fn readyz(&self, query: &Query) -> Reply {
        let durable = match query.get("class") {
            None => false,
            Some("durable") => true,
            Some(_) => {
                return Reply::text(StatusCode::BAD_REQUEST, "class is \"durable\" or left away\n");
            }
        };
        let mut failing = Vec::new();
        if self.draining.is_started() {
            failing.push(("draining", "this node is stopping".to_owned()));
        }
        for check in &self.checks {
            if (check.class == Class::All || durable)
                && let Err(why) = (check.run)()
            {
                failing.push((check.name, why));
            }
        }
        let failing: Vec<_> = failing
            .into_iter()
            .map(|(check, why)| serde_json::json!({ "check": check, "why": why }))
            .collect();
        let (status, ready) = if failing.is_empty() {
            (StatusCode::OK, true)
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, false)
        };
        Reply::json(
            status,
            format!("{}\n", serde_json::json!({ "ready": ready, "failing": failing })),
        )
    }
}
