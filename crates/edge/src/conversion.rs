//! Conversions in: what callers send, how it is read, and what they are told.

mod customer;
mod fault;
mod fields;
mod instant;
mod items;
mod json;
mod pairs;
mod parse;

use event::Code;
use http::StatusCode;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use telemetry::Fault;

use crate::core::{Core, Refusal};
use crate::metrics::Endpoint;
use crate::request::Head;
use crate::response::{self, Reply};

/// Settings of conversions.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

impl Config {
    /// Every rule that this configuration breaks.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        Vec::new()
    }
}

/// What all cores share about conversions.
#[derive(Debug)]
pub(crate) struct State;

impl State {
    /// The state of a node that starts.
    pub(crate) fn new(_config: &crate::Config) -> Self {
        Self
    }
}

fn not_yet(core: &Core, head: &Head) -> Reply {
    let refusal = Refusal {
        code: Code::UnsupportedType,
        endpoint: Endpoint::Conversions,
        event_type: None,
        field: None,
        message: "not served",
        sent: None,
        program: None,
        test: false,
    };
    core.reject(&refusal, head.received_at);
    response::no_store(StatusCode::NOT_IMPLEMENTED)
}

/// `GET|HEAD /p/{program}.gif`.
pub(crate) async fn pixel(core: &Core, head: &Head, _program: &str) -> Reply {
    not_yet(core, head)
}

/// `GET|POST|OPTIONS /v1/conversions`.
pub(crate) async fn conversions(core: &Core, head: &Head, _body: Incoming) -> Reply {
    not_yet(core, head)
}
