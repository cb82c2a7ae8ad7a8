//! `GET /t/{program}.js`: the tag with the edge's address, the program and its landing parameter filled in.
//!
//! The source is `assets/tag.js`. Its landing report is form-encoded: `program`, `click_id`, `url` (origin and path),
//! `referrer` (origin), `page` (`entry`, `later`, `checkout`), `entered_at` (milliseconds), `activated=1` (the page is
//! shown: a page rendered ahead waits) and `consent` once the visitor chose. A refusal without a known click id sends
//! no `click_id`; its answer still expires the cookies.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

const SOURCE: &str = include_str!("../assets/tag.js");

/// Tags that one core keeps. Count; one per program and address of the edge.
const TAGS_KEPT_MAX: usize = 1_024;

/// A tag as it is sent.
#[derive(Clone, Debug)]
pub struct Tag {
    body: Bytes,
    /// Strong: a hash of the body.
    etag: HeaderValue,
}

impl Tag {
    /// The tag of `program`, which finds its click id in the landing page's `parameter` and reports to the edge at
    /// `base` (`https://t.shop.example`, with a path prefix where there is one, without a slash at the end).
    #[must_use]
    pub fn new(base: &str, program: &str, parameter: &str) -> Self {
        let body = code()
            .replace("__BASE__", &quoted(base))
            .replace("__PROGRAM__", &quoted(program))
            .replace("__PARAMETER__", &quoted(parameter));
        let hash = blake3::hash(body.as_bytes()).to_hex();
        let etag = HeaderValue::from_str(&format!("\"{}\"", hash.get(..32).unwrap_or_default()))
            .unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { body: body.into(), etag }
    }

    /// The answer to a request with this `If-None-Match`: 200 with the tag, or 304.
    #[must_use]
    pub fn answer(&self, if_none_match: Option<&HeaderValue>) -> Response<Full<Bytes>> {
        let known = if_none_match.is_some_and(|value| self.matches(value));
        let mut answer = Response::new(Full::new(match known {
            true => Bytes::new(),
            false => self.body.clone(),
        }));
        if known {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = answer.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
        headers.insert(VARY, HeaderValue::from_static("Host")); // whose address is in the body
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        answer
    }

    /// Whether `If-None-Match` names this tag (weak comparison, as RFC 9110 §13.1.2 says).
    fn matches(&self, value: &HeaderValue) -> bool {
        value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|one| {
            one == b"*" || one.strip_prefix(b"W/").unwrap_or(one) == self.etag.as_bytes()
        })
    }
}

/// Tags made lately, owned by one core; a new generation of the catalog empties it.
#[derive(Default)]
pub struct Tags {
    generation: u64,
    kept: HashMap<(Box<str>, Box<str>), Tag>,
}

impl Tags {
    /// The tag of `program` for the edge at `base`, by the catalog of this `generation`.
    pub fn get(&mut self, generation: u64, base: &str, program: &str, parameter: &str) -> Tag {
        if self.generation != generation || self.kept.len() >= TAGS_KEPT_MAX {
            self.kept.clear();
            self.generation = generation;
        }
        self.kept
            .entry((base.into(), program.into()))
            .or_insert_with(|| Tag::new(base, program, parameter))
            .clone()
    }
}

/// The source without comments and indentation.
fn code() -> String {
    let lines = SOURCE.lines().map(str::trim_start);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.fold(String::with_capacity(SOURCE.len()), |code, line| code + line + "\n")
}

/// A text as a JavaScript literal that is safe in markup too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(Cow::from(text)).to_string().replace('<', "\\u003c")
}
