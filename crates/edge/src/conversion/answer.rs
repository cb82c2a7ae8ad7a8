//! What callers are told, and what is kept of it: one verdict for the answer, the event and the list of last calls.

use event::{Code, EventId};
use http::header::{CONNECTION, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;

use super::fault::{FieldFault, Values, sentence};
use super::refused::Refused;
use super::report::{Accepted, EVENT_TYPE, Way};
use crate::core::{Core, Refusal};
use crate::recent::{Call, CallResult, body_of, click_word};
use crate::request::Head;
use crate::response::{self, Recorded, Reply};

#[derive(Serialize)]
struct Stored<'a> {
    result: &'static str,
    event_id: Option<EventId>,
    code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    click: Option<&'static str>,
    program: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<&'a str>,
    test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_id: Option<EventId>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

/// A refusal as callers read it.
#[derive(Serialize)]
pub(crate) struct Rejected<'a> {
    /// The line of a batch, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    result: &'static str,
    code: Code,
    slug: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    message: &'a str,
    /// All of them, where there are several.
    #[serde(skip_serializing_if = "<[FieldFault]>::is_empty")]
    faults: &'a [FieldFault],
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<EventId>,
}

impl<'a> Rejected<'a> {
    /// The refusal of a call, or of a line of it, that became this event.
    pub(crate) fn of(refused: &'a Refused, line: Option<usize>, event_id: Option<EventId>) -> Self {
        let told = refused.told.unwrap_or(refused.code);
        Self {
            line,
            result: "rejected",
            code: told,
            slug: told.slug(),
            field: refused.field.as_deref(),
            message: &refused.message,
            faults: if refused.faults.len() > 1 { &refused.faults } else { &[] },
            event_id,
        }
    }
}

fn method(head: &Head) -> &'static str {
    if head.method == Method::POST { "POST" } else { "GET" }
}

fn with_result(mut reply: Reply, result: &str, code: Code) -> Reply {
    let text = format!("{result}; code={}; slug={}", code.number(), code.slug());
    if let Ok(value) = HeaderValue::try_from(text) {
        reply.headers_mut().insert(response::RESULT.clone(), value);
    }
    reply
}

/// The answer to a report that is on disk.
pub(super) fn stored(core: &Core, head: &Head, way: Way<'_>, accepted: &Accepted) -> Reply {
    let told = accepted.trust != event::body::Trust::Page || accepted.test;
    let mut reply = match way {
        Way::Pixel(_) => with_result(response::gif(StatusCode::OK), "stored", accepted.code),
        Way::Call => {
            let body = Stored {
                result: "stored",
                event_id: accepted.event(),
                code: accepted.code,
                click: told.then(|| click_word(accepted.click)),
                program: accepted.program.as_str(),
                order_id: accepted.order_id.as_deref(),
                test: accepted.test,
                validation_id: accepted.validation(),
                warnings: &accepted.warnings,
            };
            response::json(StatusCode::OK, body_of(&body))
        }
    };
    if let Some(id) = accepted.event() {
        response::mark_recorded(reply.headers_mut(), id, Recorded::Durable);
    }
    let mut words = sentence(accepted.code, Values::default()).into_owned();
    for warning in &accepted.warnings {
        words.push_str(" Note: ");
        words.push_str(warning);
        words.push('.');
    }
    keep(core, head, way, accepted, (CallResult::Stored, words));
    reply
}

/// The answer to a good report that the journal could not take.
pub(super) fn not_stored(core: &Core, head: &Head, way: Way<'_>, accepted: &Accepted) -> Reply {
    let seconds = 1 + u32::try_from(core.random.borrow_mut().word() % 5).unwrap_or_default();
    let mut reply =
        nothing_promised(way, "the journal cannot take it now; send the same call again", seconds);
    if let Some(id) = accepted.event() {
        response::mark_recorded(reply.headers_mut(), id, Recorded::No);
    }
    let words = "Not promised: the journal could not take it in time; the caller was asked to send it again.";
    keep(core, head, way, accepted, (CallResult::NotStored, words.to_owned()));
    reply
}

/// 503 in the form of the endpoint.
fn nothing_promised(way: Way<'_>, message: &'static str, seconds: u32) -> Reply {
    match way {
        Way::Pixel(_) => response::gif_not_stored(seconds),
        Way::Call => response::not_stored(message, seconds),
    }
}

/// The answer to every report before the first catalog.
pub(super) fn no_catalog(way: Way<'_>) -> Reply {
    nothing_promised(way, response::NO_CATALOG, response::NO_CATALOG_SECONDS)
}

fn keep(
    core: &Core,
    head: &Head,
    way: Way<'_>,
    accepted: &Accepted,
    (result, words): (CallResult, String),
) {
    let call = Call {
        at: head.received_at,
        endpoint: way.endpoint(),
        method: method(head),
        trust: Some(accepted.trust),
        sent: accepted.sent.clone(),
        result,
        code: accepted.code,
        words: words.into(),
        event: accepted.event(),
        click: accepted.click,
        test: accepted.test,
    };
    core.shared.conversions.recent.push(&accepted.program, call);
}

/// The answer to a report that is refused: an event, unless there are too many.
pub(super) fn refused(core: &Core, head: &Head, way: Way<'_>, refused: &Refused) -> Reply {
    let event = core.reject(
        &Refusal {
            code: refused.code,
            endpoint: way.endpoint(),
            event_type: Some(EVENT_TYPE),
            field: refused.field.as_deref(),
            message: &refused.message,
            sent: (!refused.sent.is_empty()).then_some(&*refused.sent),
            program: refused.program.as_ref(),
            test: false,
        },
        head.received_at,
    );
    let told = refused.told.unwrap_or(refused.code);
    let mut reply = match way {
        Way::Pixel(_) => with_result(response::gif(refused.status), "rejected", told),
        Way::Call => {
            let body = Rejected::of(refused, None, event.map(|(id, _)| id));
            response::json(refused.status, body_of(&body))
        }
    };
    let headers = reply.headers_mut();
    if let Some(seconds) = refused.retry_after {
        response::retry_after(headers, seconds);
    }
    if refused.broken {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some((id, recorded)) = event {
        response::mark_recorded(headers, id, recorded);
    }
    if let Some(program) = &refused.program {
        let call = Call {
            at: head.received_at,
            endpoint: way.endpoint(),
            method: method(head),
            trust: refused.trust,
            sent: refused.sent.clone(),
            result: CallResult::Rejected,
            code: refused.code,
            words: words(refused).into(),
            event: event.map(|(id, _)| id),
            click: refused.click,
            test: false,
        };
        core.shared.conversions.recent.push(program, call);
    }
    reply
}

/// A refusal as people read it.
pub(crate) fn words(refused: &Refused) -> String {
    match refused.faults.as_slice() {
        [] => {
            let mut words = refused.message.clone();
            if let Some(first) = words.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            words.push('.');
            words
        }
        faults => {
            let one = |fault: &FieldFault| {
                let values = Values { field: &fault.field, why: &fault.why, ..Values::default() };
                sentence(Code::Malformed, values).into_owned()
            };
            faults.iter().take(10).map(one).collect::<Vec<_>>().join(" ")
        }
    }
}
