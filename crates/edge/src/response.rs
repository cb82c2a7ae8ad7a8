//! Answers: a status, headers made of typed parts, and a short body.

use bytes::Bytes;
use event::EventId;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use http_body_util::Full;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde::Serialize;

/// An answer.
pub(crate) type Reply = http::Response<Full<Bytes>>;

/// The transparent GIF of one pixel, 43 bytes.
pub(crate) const GIF: &[u8; 43] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x00\x00\
\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

/// Why nothing can be answered before the first catalog.
pub(crate) const NO_CATALOG: &str = "this node has no catalog yet; send the same call again";
/// Seconds after which it may have one.
pub(crate) const NO_CATALOG_SECONDS: u32 = 1;

/// `Sillage-Recorded` on every answer that made an event.
pub(crate) static RECORDED: HeaderName = HeaderName::from_static("sillage-recorded");
/// `Sillage-Event`: the id of the event that the answer made.
pub(crate) static EVENT: HeaderName = HeaderName::from_static("sillage-event");
/// `Sillage-Result`: verdict of an answer whose body is an image.
pub(crate) static RESULT: HeaderName = HeaderName::from_static("sillage-result");

/// What became of the event of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// It is on disk.
    Durable,
    /// It has a place in the journal's queue.
    Queued,
    /// The journal took it not; it is a declared hole.
    No,
}

impl Recorded {
    /// The header's value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Queued => "queued",
            Self::No => "no",
        }
    }
}

/// An answer without body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Reply::new(Full::default());
    *reply.status_mut() = status;
    reply
}

/// An event endpoint's answer without body: never kept by a cache.
pub(crate) fn no_store(status: StatusCode) -> Reply {
    let mut reply = empty(status);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// One line of text.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    with_body(status, "text/plain; charset=utf-8", body)
}

/// A JSON text.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    with_body(status, "application/json", body)
}

/// The GIF.
pub(crate) fn gif(status: StatusCode) -> Reply {
    with_body(status, "image/gif", Bytes::from_static(GIF))
}

/// A body of any type, never kept by a cache.
pub(crate) fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Reply {
    let mut reply = Reply::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    reply
}

/// What callers are told that nothing was promised.
#[derive(Serialize)]
struct NotStored {
    result: &'static str,
    message: &'static str,
    retry_after: u32,
}

/// 503 in JSON: nothing was promised, and the same call may succeed after so many seconds.
pub(crate) fn not_stored(message: &'static str, seconds: u32) -> Reply {
    let body = NotStored { result: "not_stored", message, retry_after: seconds };
    let body = serde_json::to_vec(&body).unwrap_or_default();
    come_again(json(StatusCode::SERVICE_UNAVAILABLE, body), seconds)
}

/// The same with the GIF.
pub(crate) fn gif_not_stored(seconds: u32) -> Reply {
    let mut reply = gif(StatusCode::SERVICE_UNAVAILABLE);
    reply.headers_mut().insert(RESULT.clone(), HeaderValue::from_static("not_stored"));
    come_again(reply, seconds)
}

/// 503 in a line of text: this node has never had a catalog.
pub(crate) fn no_catalog() -> Reply {
    let reply = text(StatusCode::SERVICE_UNAVAILABLE, format!("{NO_CATALOG}.\n"));
    come_again(reply, NO_CATALOG_SECONDS)
}

fn come_again(mut reply: Reply, seconds: u32) -> Reply {
    retry_after(reply.headers_mut(), seconds);
    reply
}

/// Says which event the answer made and what became of it.
pub(crate) fn mark_recorded(headers: &mut HeaderMap, event: EventId, recorded: Recorded) {
    headers.insert(RECORDED.clone(), HeaderValue::from_static(recorded.as_str()));
    if let Ok(value) = HeaderValue::from_bytes(&event.text()) {
        headers.insert(EVENT.clone(), value);
    }
}

/// An answer without body whose head was written as `lines`, each `name: value` and its line end.
pub(crate) fn of_lines(status: StatusCode, lines: &[u8]) -> Reply {
    let mut reply = empty(status);
    let text = String::from_utf8_lossy(lines);
    for (name, value) in text.split("\r\n").filter_map(|line| line.split_once(": ")) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            reply.headers_mut().append(name, value);
        }
    }
    reply
}

/// The value of a `Date`.
pub(crate) type DateText = [u8; 29];

/// A second since 1970 as `Date` has it (RFC 9110, 5.6.7).
pub(crate) fn date(second: i64) -> DateText {
    let text = Timestamp::from_second(second)
        .and_then(|at| DateTimePrinter::new().timestamp_to_rfc9110_string(&at));
    let text = text.ok().and_then(|text| text.as_bytes().first_chunk().copied());
    text.unwrap_or(*b"Thu, 01 Jan 1970 00:00:00 GMT")
}

/// `Retry-After` in seconds.
pub(crate) fn retry_after(headers: &mut HeaderMap, seconds: u32) {
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
}

#[cfg(test)]
mod tests {
    use super::{GIF, date};

    #[test]
    fn the_gif_has_43_bytes_and_its_end_mark() {
        assert_eq!((GIF.len(), GIF.last()), (43, Some(&0x3b)));
    }

    #[test]
    fn a_date_is_written_as_http_has_it() {
        assert_eq!(date(784_111_777), *b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(1_793_888_525), *b"Thu, 05 Nov 2026 14:22:05 GMT");
    }
}
