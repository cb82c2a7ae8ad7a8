//! Conversions in: what callers send, how it is read, and what they are told.
//!
//! 1. 200 is said only when the event is fsynced; a journal that cannot take it is 503 and promises nothing.
//! 2. Every refusal names field and reason, is an event with a code, and stands among the last calls of its program.
//! 3. The edge keeps no state of orders: the same order again is stored again, with an id of its own.

pub(crate) mod answer;
mod config;
mod customer;
pub(crate) mod fault;
pub(crate) mod fields;
pub(crate) mod instant;
pub(crate) mod items;
pub(crate) mod json;
mod pairs;
pub(crate) mod parse;
pub(crate) mod refused;
pub(crate) mod report;

use std::net::IpAddr;

use bytes::Bytes;
use event::{Code, Topic};
use http::{Method, StatusCode};
use hyper::body::Incoming;

pub use config::Config;

use crate::core::Core;
use crate::metrics::Kind;
use crate::rate::{self, Rate, Rates};
use crate::recent::Recent;
use crate::request::{BodyFault, Head, read_body};
use crate::response::{self, Reply};
use refused::Refused;
use report::Way;

/// Largest body of one conversion, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// What all cores share about conversions.
#[derive(Debug)]
pub(crate) struct State {
    /// Calls of each key and token.
    calls: Rates,
    /// Calls of pages, by client address.
    pages: Rates,
    /// The last calls of each program.
    pub(crate) recent: Recent,
}

impl State {
    /// The state of a node that starts.
    pub(crate) fn new(config: &crate::Config) -> Self {
        let config = &config.conversions;
        let calls =
            Rate { per_second: config.calls_per_second_per_key, burst: config.calls_burst_per_key };
        let pages = Rate {
            per_second: config.page_calls_per_second_per_address,
            burst: config.page_calls_burst_per_address,
        };
        Self { calls: Rates::new(calls), pages: Rates::new(pages), recent: Recent::default() }
    }

    /// Counts a call of a page from this client address.
    ///
    /// # Errors
    /// Seconds after which a call fits again.
    pub(crate) fn take_page_call(&self, client: IpAddr) -> Result<(), u32> {
        self.pages.take(crate::address::bucket(client)).map_err(rate::seconds)
    }

    /// Counts a call with this key or token.
    pub(crate) fn take_key_call(&self, key: [u8; 32]) -> Result<(), u32> {
        self.calls.take(key).map_err(rate::seconds)
    }
}

/// `GET|HEAD /p/{program}.gif`. HEAD records nothing.
pub(crate) async fn pixel(core: &Core, head: &Head, program: &str) -> Reply {
    if head.method == Method::HEAD {
        let Some(catalog) = core.catalog() else { return answer::no_catalog(Way::Pixel(program)) };
        let known = catalog.program(program).is_some_and(|program| !program.is_retired());
        return response::gif(if known { StatusCode::OK } else { StatusCode::NOT_FOUND });
    }
    answer(core, head, &Bytes::new(), Way::Pixel(program)).await
}

/// `GET|POST /v1/conversions`.
pub(crate) async fn conversions(core: &Core, head: &Head, body: Incoming) -> Reply {
    let body = if head.method == Method::POST {
        read_body(core, body, BODY_BYTES_MAX).await
    } else {
        Ok(Bytes::new())
    };
    match body {
        Ok(body) => answer(core, head, &body, Way::Call).await,
        Err(fault) => answer::refused(core, head, Way::Call, &unread(fault, "64 KiB")),
    }
}

/// The refusal of a body that was not read whole.
pub(crate) fn unread(fault: BodyFault, limit: &str) -> Refused {
    let (status, code, message) = match fault {
        BodyFault::TooLarge => {
            let message = format!("the body is larger than {limit}");
            (StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, message)
        }
        BodyFault::TooSlow => {
            (StatusCode::REQUEST_TIMEOUT, Code::Timeout, "the body came too slowly".to_owned())
        }
        BodyFault::Broken => {
            let message = "the body ended before its length".to_owned();
            (StatusCode::BAD_REQUEST, Code::Malformed, message)
        }
    };
    Refused { broken: true, ..Refused::plain(status, code, message) }
}

async fn answer(core: &Core, head: &Head, body: &Bytes, way: Way<'_>) -> Reply {
    let judged = match core.catalog() {
        None => return answer::no_catalog(way),
        Some(catalog) => report::judge(core, head, body, way, &catalog),
    };
    let mut accepted = match judged {
        Ok(accepted) => accepted,
        Err(refused) => return answer::refused(core, head, way, &refused),
    };
    let metrics = &core.shared.metrics;
    let written = core.record_durable(Topic::Conversions, &accepted.envelopes);
    let mut reply = match tokio::time::timeout(core.shared.config.handler_timeout, written).await {
        Ok(Ok(())) => answer::stored(core, head, way, &accepted),
        Ok(Err(_)) | Err(_) => return answer::not_stored(core, head, way, &accepted),
    };
    metrics.accepted(Kind::Conversion, 1);
    if accepted.validation().is_some() {
        metrics.accepted(Kind::Validation, 1);
    }
    metrics.flagged(std::mem::take(&mut accepted.flags));
    if accepted.withdrawn
        && let Some(catalog) = core.catalog()
        && let Some(program) = catalog.program(accepted.program.as_str())
    {
        crate::cookie::expire(reply.headers_mut(), program);
    }
    reply
}

#[cfg(test)]
pub(crate) mod recipes;
#[cfg(test)]
mod tests;
