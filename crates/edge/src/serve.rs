//! From a request to its answer: gate, route, handler.

use std::future::Future;
use std::num::NonZeroU16;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use http::header::{CONNECTION, HeaderValue, IF_NONE_MATCH, ORIGIN};
use http::{Method, StatusCode};
use hyper::Request;
use hyper::body::{Body as _, Incoming};

use crate::connection::{Connection, Phase};
use crate::core::Core;
use crate::gate::{self, Route};
use crate::metrics::{Endpoint, Rule};
use crate::request::Head;
use crate::response::{self, Reply};
use crate::{address, click, conversion, cors, impression, landing, orders, recent};

/// When a request whose time is measured began, and how many requests that time stands for.
type Started = Option<(Instant, u32)>;

/// The service of one connection.
pub(crate) struct Service {
    core: Rc<Core>,
    connection: Rc<Connection>,
}

impl Service {
    /// The service of `connection`.
    pub(crate) const fn new(core: Rc<Core>, connection: Rc<Connection>) -> Self {
        Self { core, connection }
    }
}

/// An answer that is there already, as every redirect is, or one that waits.
pub(crate) enum Answer {
    Ready(Option<Reply>),
    Waits(Pin<Box<dyn Future<Output = Reply>>>),
}

impl Future for Answer {
    type Output = Result<Reply, std::convert::Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Ready(reply) => {
                let gone = || response::empty(StatusCode::INTERNAL_SERVER_ERROR);
                Poll::Ready(Ok(reply.take().unwrap_or_else(gone)))
            }
            Self::Waits(future) => future.as_mut().poll(cx).map(Ok),
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Reply;
    type Error = std::convert::Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let weight = self.core.counts.borrow_mut().begin();
        let started = weight.map(|weight| (Instant::now(), weight));
        let connection = &*self.connection;
        let number = connection.served.get();
        connection.served.set(number + 1);
        connection.enter(Phase::Answer, self.core.tick.get());
        if let Some((refused, rule)) = connection.refused.get()
            && refused == number
        {
            return self.refuse(rule, started);
        }
        let (parts, body) = request.into_parts();
        let route = Route::of(parts.uri.path());
        let config = &self.core.shared.config;
        if let Err(rule) =
            gate::check(config, &parts.method, &parts.uri, parts.version, &parts.headers, route)
        {
            return self.refuse(rule, started);
        }
        let endpoint = route.endpoint();
        if !route.takes(&parts.method) {
            let mut reply = if route == Route::Unknown {
                response::no_store(StatusCode::NOT_FOUND)
            } else {
                gate::not_allowed(route, &parts.method)
            };
            close_if_unread(&mut reply, &body);
            return self.ready(endpoint, reply, started);
        }
        let client = address::client(config, connection.peer, &&parts.headers);
        let received_at = self.core.now();
        let http::request::Parts { method, uri, headers, .. } = parts;
        let head = Head { method, uri, headers, received_at, client };
        let route = Route::of(head.uri.path());
        let mut reply = match route {
            Route::Click(name) => click::click(&self.core, &head, name),
            Route::Impression(name) => impression::impression(&self.core, &head, name),
            Route::Tag(name) => tag(&self.core, &head, name),
            Route::Recent(name) => recent::recent(&self.core, &head, name),
            Route::Robots => gate::robots(),
            Route::Favicon => response::empty(StatusCode::NO_CONTENT),
            Route::Unknown => response::no_store(StatusCode::NOT_FOUND),
            Route::Landing | Route::Conversions if head.method == Method::OPTIONS => {
                cors::preflight(&self.core, &head)
            }
            Route::Pixel(_) | Route::Landing | Route::Conversions | Route::Orders => {
                return self.wait(endpoint, head, body, started);
            }
        };
        close_if_unread(&mut reply, &body);
        self.ready(endpoint, reply, started)
    }
}

/// An early answer leaves the body on the wire, where it could be taken for a request: the connection ends.
fn close_if_unread(reply: &mut Reply, body: &Incoming) {
    if !body.is_end_stream() {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

fn tag(core: &Core, head: &Head, name: &str) -> Reply {
    let Some(catalog) = core.catalog() else { return response::no_catalog() };
    let Some(program) = catalog.program(name).filter(|program| !program.is_retired()) else {
        return response::text(StatusCode::NOT_FOUND, "There is no such program.\n");
    };
    let Some(base) = base_of(core, head) else {
        let words = "The tag needs the header Host, for the address that it reports to.\n";
        return response::text(StatusCode::BAD_REQUEST, words);
    };
    let prefix = program.body().cookie.path_prefix.as_deref().unwrap_or_default();
    let base = base + prefix.trim_end_matches('/');
    let parameter = &program.body().landing_parameter;
    let tag = core.tags.borrow_mut().get(catalog.generation(), &base, name, parameter);
    tag.answer(head.headers.get(IF_NONE_MATCH))
}

/// Our own origin as the browser sees it: the host that the gate has checked. What a client adds as port counts only if it
/// is known to be ours, since answers with this address in them are kept by caches.
fn base_of(core: &Core, head: &Head) -> Option<String> {
    let config = &core.shared.config;
    let host = head.header(http::header::HOST)?;
    let name = gate::name_of(host.as_bytes())?;
    let sent = host.get(name.len() + 1..).and_then(|port| port.parse().ok());
    let ours = |port: &u16| {
        config.hosts.is_empty() || config.listen.iter().any(|address| address.port() == *port)
    };
    let (scheme, usual) = match config.public_scheme {
        crate::config::Scheme::Http => ("http", 80),
        crate::config::Scheme::Https => ("https", 443),
    };
    let name = name.to_ascii_lowercase();
    match config.public_port.map(NonZeroU16::get).or(sent.filter(ours)) {
        Some(port) if port != usual => Some(format!("{scheme}://{name}:{port}")),
        Some(_) | None => Some(format!("{scheme}://{name}")),
    }
}

impl Service {
    fn refuse(&self, rule: Rule, started: Started) -> Answer {
        self.core.shared.metrics.gate_refused(rule);
        self.ready(Endpoint::Other, gate::refusal(rule), started)
    }

    fn ready(&self, endpoint: Endpoint, reply: Reply, started: Started) -> Answer {
        self.connection.enter(Phase::Idle, self.core.tick.get());
        Answer::Ready(Some(self.finish(endpoint, reply, started)))
    }

    fn finish(&self, endpoint: Endpoint, reply: Reply, started: Started) -> Reply {
        finish(&self.core, endpoint, reply, started)
    }

    fn wait(&self, endpoint: Endpoint, head: Head, body: Incoming, started: Started) -> Answer {
        let (core, connection) = (Rc::clone(&self.core), Rc::clone(&self.connection));
        Answer::Waits(Box::pin(async move {
            let had_body = !body.is_end_stream();
            let mut reply = handle(&core, &head, body).await;
            // A body that was refused half read must not be followed by another request.
            if had_body && reply.status().as_u16() >= 400 {
                reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            connection.enter(Phase::Idle, core.tick.get());
            finish(&core, endpoint, reply, started)
        }))
    }
}

async fn handle(core: &Core, head: &Head, body: Incoming) -> Reply {
    let mut reply = match Route::of(head.uri.path()) {
        Route::Pixel(name) => conversion::pixel(core, head, name).await,
        Route::Conversions => conversion::conversions(core, head, body).await,
        // A secret in a page is none: no page is allowed to read the answer.
        Route::Orders => return orders::orders(core, head, body).await,
        Route::Landing => landing::landing(core, head, body).await,
        Route::Click(_)
        | Route::Impression(_)
        | Route::Tag(_)
        | Route::Recent(_)
        | Route::Robots
        | Route::Favicon
        | Route::Unknown => response::no_store(StatusCode::NOT_FOUND),
    };
    if head.headers.contains_key(ORIGIN) {
        cors::answer(core, head, &mut reply);
    }
    reply
}

fn finish(core: &Core, endpoint: Endpoint, mut reply: Reply, started: Started) -> Reply {
    if core.shared.draining.load(Ordering::Relaxed) {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let took = started.map(|(started, weight)| (started.elapsed(), weight));
    core.counts.borrow_mut().answered(endpoint, reply.status(), took);
    reply
}

#[cfg(test)]
mod tests;
