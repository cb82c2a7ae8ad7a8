//! The listener's own thread and runtime.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, oneshot};

use super::{Admin, Query, Reply};
use crate::Error;
use crate::recorder::UPKEEP_EVERY;
use crate::task::{self, Thread};

/// Connections at once; more wait in the system's backlog. Probes, a scraper and a few people.
const CONNECTIONS_MAX: usize = 64;

/// Mounted routes that may block at once.
const BLOCKING_MAX: usize = 4;

/// Longest wait for a request's head, and longest life of an idle connection.
const HEAD_WAIT: Duration = Duration::from_secs(5);

/// Longest wait for a request's body.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// Longest life of a connection: a scraper opens another.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);

/// What a page may do: show itself with the style of this listener, and send forms here.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A served admin listener. Dropping it, or [`stop`](Self::stop), ends it.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<Thread<()>>,
}

impl Admin {
    /// Listens on `address` and answers from a thread of its own until the result is dropped.
    ///
    /// # Errors
    /// [`Error::AdminListen`] if the address cannot be had, [`Error::Start`] if the thread cannot.
    pub fn serve(self, address: SocketAddr) -> Result<Running, Error> {
        let wrong = |source| Error::AdminListen { address, source };
        let listener = TcpListener::bind(address).map_err(wrong)?;
        listener.set_nonblocking(true).map_err(wrong)?;
        let bound = listener.local_addr().map_err(wrong)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_MAX)
            .thread_name("admin-route")
            .build()
            .map_err(|source| Error::Start { name: "admin".to_owned(), source })?;
        let (stop, stopped) = oneshot::channel();
        let thread = task::thread("admin", move || {
            runtime.block_on(accept(Arc::new(self), listener, stopped));
            // A route that still blocks is abandoned: probes have ended, the process is leaving.
            runtime.shutdown_background();
        })?;
        Ok(Running { address: bound, stop: Some(stop), thread: Some(thread) })
    }
}

impl Running {
    /// The address it listens on, with the port it got.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and waits for the thread.
    ///
    /// # Errors
    /// [`Error::Panicked`] if the thread did.
    pub fn stop(mut self) -> Result<(), Error> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Error> {
        drop(self.stop.take());
        self.thread.take().map_or(Ok(()), Thread::join)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "admin listener ended badly");
        }
    }
}

async fn accept(admin: Arc<Admin>, listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "admin listener cannot start"),
    };
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut upkeep = tokio::time::interval(UPKEEP_EVERY);
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // The permit comes before the accept: a full house leaves callers in the backlog.
        let permit = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            _ = &mut stopped => return,
            _ = upkeep.tick() => admin.recorder.upkeep(),
            Some(_) = connections.join_next() => {}
            (permit, accepted) = permit => match accepted {
                Ok((stream, _)) => {
                    let admin = Arc::clone(&admin);
                    connections.spawn(async move {
                        let served = serve_connection(admin, stream);
                        if tokio::time::timeout(CONNECTION_LIFE, served).await.is_err() {
                            tracing::debug!("admin connection closed at its age limit");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "admin listener cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

async fn serve_connection(admin: Arc<Admin>, stream: tokio::net::TcpStream) {
    let service = service_fn(move |request| {
        let admin = Arc::clone(&admin);
        async move { Ok::<_, Infallible>(answer(admin, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "admin connection ended");
    }
}

async fn answer(admin: Arc<Admin>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let is_question = admin.questions.contains_key(path);
    let is_route = admin.routes.contains_key(path) || !is_question;
    let allow = match (is_route, is_question) {
        (true, true) => "GET, HEAD, POST",
        (false, true) => "POST",
        (_, false) => "GET, HEAD",
    };
    let taken = match *request.method() {
        Method::GET | Method::HEAD => is_route,
        Method::POST => is_question,
        _ => false,
    };
    if !taken {
        let text = format!("this path takes {allow} only\n");
        let mut refused = response(Reply::text(StatusCode::METHOD_NOT_ALLOWED, text));
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        return refused;
    }
    let languages = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
    let query = Query::parse(request.uri().query().unwrap_or_default()).accepting(languages);
    if *request.method() == Method::POST {
        if let Some(refused) = refused_as_foreign(request.headers()) {
            return response(refused);
        }
        return response(asked(&admin, request, query).await);
    }
    response(match request.uri().path() {
        "/livez" => admin.livez(),
        "/readyz" => admin.readyz(&query),
        "/metrics" => Reply {
            status: StatusCode::OK,
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            body: admin.recorder.render().into(),
        },
        // Every browser names a host; what names none is none.
        path if !request.headers().contains_key(header::HOST)
            || is_by_address(request.headers()) =>
        {
            mounted(&admin, path, query).await
        }
        _ => Reply::text(StatusCode::FORBIDDEN, BY_ADDRESS),
    })
}

/// Refuses what a page of somebody else's could have had a browser send. The listener has no password, and a browser of
/// this machine reaches it: but a page cannot give a JSON content type to another site without asking first, which nobody
/// here answers, nor hide its origin; and a name that it had point here is neither an address nor `localhost`.
fn refused_as_foreign(headers: &HeaderMap) -> Option<Reply> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let essence = text(header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    if !matches!(essence.map(str::trim), Some("application/json" | "application/x-ndjson")) {
        let told = "the content type is application/json or application/x-ndjson\n";
        return Some(Reply::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, told));
    }
    let host = text(header::HOST).unwrap_or_default();
    let same_origin = match headers.get(header::ORIGIN) {
        None => true,
        Some(origin) => origin.to_str().is_ok_and(|origin| origin == format!("http://{host}")),
    };
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let same_site = matches!(site, None | Some(b"same-origin" | b"none"));
    if is_by_address(headers) && same_origin && same_site {
        return None;
    }
    Some(Reply::text(StatusCode::FORBIDDEN, BY_ADDRESS))
}

const BY_ADDRESS: &str =
    "this listener is asked by its address alone, and takes nothing from other sites\n";

/// Whether the request names an address or `localhost`: a page cannot have its own name point here and read what all
/// partners earn. Health and metrics are free of this.
fn is_by_address(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    host.parse::<Authority>().is_ok_and(|authority| {
        let name = authority.host().trim_matches(['[', ']']);
        name == "localhost" || name.parse::<IpAddr>().is_ok()
    })
}

/// Answers a question, whose body must be here in time.
async fn asked(admin: &Arc<Admin>, request: Request<Incoming>, query: Query) -> Reply {
    let (parts, body) = request.into_parts();
    let known = admin.questions.get_key_value(parts.uri.path());
    let Some((&path, (bytes_max, _))) = known else {
        return Reply::text(StatusCode::NOT_FOUND, "no such path\n");
    };
    let read = Limited::new(body, *bytes_max).collect();
    let body = match tokio::time::timeout(BODY_WAIT, read).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => {
            let text = format!("the body is broken, or larger than {bytes_max} bytes\n");
            return Reply::text(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        Err(_) => return Reply::text(StatusCode::REQUEST_TIMEOUT, "the body came too slowly\n"),
    };
    let admin = Arc::clone(admin);
    let answer = move || admin.questions.get(path).map(|(_, answer)| answer(&query, &body));
    if let Ok(Some(reply)) = tokio::task::spawn_blocking(answer).await {
        return reply;
    }
    tracing::error!(path, "admin question panicked");
    Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "this question failed; see the log\n")
}

async fn mounted(admin: &Arc<Admin>, path: &str, query: Query) -> Reply {
    let Some(&path) = admin.routes.get_key_value(path).map(|(path, _)| path) else {
        let known: Vec<&str> = admin.routes.keys().copied().collect();
        let text = format!("no such path; there are /livez /readyz /metrics {}\n", known.join(" "));
        return Reply::text(StatusCode::NOT_FOUND, text);
    };
    let admin = Arc::clone(admin);
    let answer = move || admin.routes.get(path).map(|answer| answer(&query));
    if let Ok(Some(reply)) = tokio::task::spawn_blocking(answer).await {
        return reply;
    }
    tracing::error!(path, "admin route panicked");
    Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "this route failed; see the log\n")
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if reply.content_type == super::HTML {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
    }
    response
}
