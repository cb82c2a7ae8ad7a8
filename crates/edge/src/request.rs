//! A request as handlers see it: head, receipt time and client address; and its body, read within limits.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use event::Millis;
use http::header::{AsHeaderName, HeaderMap, HeaderValue};
use http::{Method, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use crate::core::Core;
use crate::metrics::Cut;

/// Time in which a body must arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Least bytes per second of a body, after its first second.
const BODY_BYTES_PER_SECOND_MIN: u64 = 1024;

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// The client's address: the peer's, or the right-most untrusted one that a trusted proxy names.
    pub address: IpAddr,
    /// ISO 3166-1 alpha-2, told by a trusted proxy.
    pub country: Option<[u8; 2]>,
}

impl Client {
    /// The country as text.
    pub(crate) fn country(&self) -> Option<&str> {
        self.country.as_ref().and_then(|code| std::str::from_utf8(code).ok())
    }
}

/// The header fields of a request, whoever read them.
pub(crate) trait Headers<'h> {
    /// The values of the fields of this name, given in lower case, in order.
    fn all(&self, name: &str) -> impl Iterator<Item = &'h [u8]>;
}

impl<'h> Headers<'h> for &'h HeaderMap {
    fn all(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

/// The head of a request that passed the gate.
#[derive(Debug)]
pub(crate) struct Head {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    /// Stamped once; every event of this request is received then.
    pub received_at: Millis,
    pub client: Client,
}

impl Head {
    /// The path.
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// The raw query, empty if there is none.
    pub(crate) fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// A header as text; the first one of several. [`None`] if absent or not visible ASCII.
    pub(crate) fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a header is exactly this text.
    pub(crate) fn header_is(&self, name: impl AsHeaderName, text: &str) -> bool {
        self.headers.get(name).is_some_and(|value| value.as_bytes() == text.as_bytes())
    }
}

/// Why a body was not read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// More bytes than the limit: 413.
    TooLarge,
    /// Too slow: 408.
    TooSlow,
    /// The connection ended or the framing was wrong: 400.
    Broken,
}

/// Reads a body of at most `bytes_max` bytes. After a fault the connection must be closed.
pub(crate) async fn read_body(
    core: &Core,
    mut body: Incoming,
    bytes_max: usize,
) -> Result<Bytes, BodyFault> {
    let exact = body.size_hint().exact();
    if exact.is_some_and(|n| n > bytes_max as u64) {
        return Err(BodyFault::TooLarge);
    }
    let started = tokio::time::Instant::now();
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    while !body.is_end_stream() {
        let read = (first.as_ref().map_or(0, Bytes::len) + whole.len()) as u64;
        let earned = Duration::from_secs(1 + read / BODY_BYTES_PER_SECOND_MIN);
        let deadline = started + earned.min(BODY_TIME_MAX);
        let frame = match tokio::time::timeout_at(deadline, body.frame()).await {
            Err(_) => {
                core.shared.metrics.connection_cut(Cut::Body);
                return Err(BodyFault::TooSlow);
            }
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(BodyFault::Broken),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(chunk) = frame.into_data() else { continue };
        if first.as_ref().map_or(0, Bytes::len) + whole.len() + chunk.len() > bytes_max {
            return Err(BodyFault::TooLarge);
        }
        match (&first, whole.is_empty()) {
            (None, true) => first = Some(chunk),
            _ => {
                if let Some(first) = first.take() {
                    whole.extend_from_slice(&first);
                }
                whole.extend_from_slice(&chunk);
            }
        }
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}
