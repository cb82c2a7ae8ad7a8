//! What callers are told of their acts, and what is kept of it.

use event::body::{EventType, Trust};
use event::{Code, EventId, ProgramName};
use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use serde::Serialize;

use super::act::ParsedAct;
use super::call::{Accepted, Form, Judged, Line};
use crate::conversion::answer::{Rejected, words};
use crate::conversion::refused::Refused;
use crate::core::{Core, Refusal};
use crate::metrics::Endpoint;
use crate::recent::{Call, CallResult, body_of};
use crate::request::Head;
use crate::response::{self, Recorded, Reply};

/// Lines of a batch that are told in words among the last calls.
const WORDS_LINES_MAX: usize = 5;

#[derive(Serialize)]
struct Stored<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    result: &'static str,
    event_id: EventId,
    code: Code,
    program: &'a ProgramName,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_client_event_id: Option<&'a str>,
    action: &'static str,
    at: String,
    test: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

fn stored<'a>(program: &'a ProgramName, line: Option<usize>, accepted: &'a Accepted) -> Stored<'a> {
    let act = &accepted.act;
    Stored {
        line,
        result: "stored",
        event_id: accepted.event,
        code: Code::Ok,
        program,
        order_id: act.order_id.as_deref(),
        order_client_event_id: act.order_client_event_id.as_deref(),
        action: act.action.as_str(),
        at: accepted.at.rfc3339(),
        test: act.test,
        warnings: &act.warnings,
    }
}

/// The act as people read it.
fn stored_words(act: &ParsedAct) -> String {
    let mut words = format!("Stored: {} of order {}", act.action.as_str(), act.order());
    if let Some(code) = act.code {
        words.push_str(&format!(", {} {}", code.number(), code.slug()));
    }
    words.push('.');
    for warning in &act.warnings {
        words.push_str(&format!(" Note: {warning}."));
    }
    words
}

/// The answer to a call whose good acts are on disk.
pub(super) fn judged(core: &Core, head: &Head, judged: &Judged) -> Reply {
    match (judged.form, judged.lines.as_slice()) {
        (Form::One, [line]) => one(core, head, judged, line),
        (Form::One | Form::Batch, _) => batch(core, head, judged),
    }
}

fn one(core: &Core, head: &Head, judged: &Judged, line: &Line) -> Reply {
    let program = &judged.program;
    let accepted = match &line.outcome {
        Ok(accepted) => accepted,
        Err(refused) => {
            let told = (program, Some(Trust::Signed));
            return refused_as(core, head, refused, told, &line.sent);
        }
    };
    let mut reply = response::json(StatusCode::OK, body_of(&stored(program, None, accepted)));
    response::mark_recorded(reply.headers_mut(), accepted.event, Recorded::Durable);
    let call = Call {
        event: Some(accepted.event),
        test: accepted.act.test,
        ..told(head, &line.sent, (CallResult::Stored, Code::Ok, stored_words(&accepted.act)))
    };
    core.shared.conversions.recent.push(program, call);
    reply
}

fn batch(core: &Core, head: &Head, judged: &Judged) -> Reply {
    let program = &judged.program;
    let mut body = Vec::new();
    let mut refusals = Vec::new();
    for line in &judged.lines {
        let number = Some(line.number);
        match &line.outcome {
            Ok(accepted) => body.extend_from_slice(&body_of(&stored(program, number, accepted))),
            Err(refused) => {
                let event = reject(core, head, refused, Some(program), &line.sent);
                let event = event.map(|(id, _)| id);
                body.extend_from_slice(&body_of(&Rejected::of(refused, number, event)));
                refusals.push((line.number, refused));
            }
        }
        body.push(b'\n');
    }
    let status = if refusals.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    let (all, good) = (judged.lines.len(), judged.envelopes.len());
    let mut text = format!("Stored {good} of {all} lines.");
    for (number, refused) in refusals.iter().take(WORDS_LINES_MAX) {
        text.push_str(&format!(" Line {number}: {}", words(refused)));
    }
    if let Some(more) = refusals.len().checked_sub(WORDS_LINES_MAX).filter(|more| *more > 0) {
        text.push_str(&format!(" And {more} more."));
    }
    let result = match good {
        0 => CallResult::Rejected,
        _ if good == all => CallResult::Stored,
        _ => CallResult::Partly,
    };
    let code = refusals.first().map_or(Code::Ok, |(_, refused)| refused.code);
    let call = Call {
        event: judged.envelopes.first().map(|(envelope, _)| envelope.id),
        ..told(head, &sent(judged), (result, code, text))
    };
    core.shared.conversions.recent.push(program, call);
    response::with_body(status, "application/x-ndjson", body)
}

/// What was sent, of a batch.
fn sent(judged: &Judged) -> String {
    match (judged.form, judged.lines.as_slice()) {
        (Form::One, [line]) => line.sent.to_string(),
        (Form::One | Form::Batch, lines) => {
            format!("{} lines, {} bytes", lines.len(), judged.bytes)
        }
    }
}

fn told(head: &Head, sent: &str, (result, code, words): (CallResult, Code, String)) -> Call {
    Call {
        at: head.received_at,
        endpoint: Endpoint::Orders,
        method: "POST",
        trust: Some(Trust::Signed),
        sent: sent.into(),
        result,
        code,
        words: words.into(),
        event: None,
        click: None,
        test: false,
    }
}

/// The answer to good acts that the journal could not take.
pub(super) fn not_stored(core: &Core, head: &Head, judged: &Judged) -> Reply {
    let seconds = 1 + u32::try_from(core.random.borrow_mut().word() % 5).unwrap_or_default();
    let message = "the journal cannot take it now; send the same call again";
    let words = "Not promised: the journal could not take it in time; the caller was asked to send it again.";
    let call = told(head, &sent(judged), (CallResult::NotStored, Code::Ok, words.to_owned()));
    core.shared.conversions.recent.push(&judged.program, call);
    let mut reply = response::not_stored(message, seconds);
    if let (Form::One, Some((envelope, _))) = (judged.form, judged.envelopes.first()) {
        response::mark_recorded(reply.headers_mut(), envelope.id, Recorded::No);
    }
    reply
}

fn reject(
    core: &Core,
    head: &Head,
    refused: &Refused,
    program: Option<&ProgramName>,
    sent: &str,
) -> Option<(EventId, Recorded)> {
    let refusal = Refusal {
        code: refused.code,
        endpoint: Endpoint::Orders,
        event_type: Some(EventType::Validation),
        field: refused.field.as_deref(),
        message: &refused.message,
        sent: (!sent.is_empty()).then_some(sent),
        program,
        test: false,
    };
    core.reject(&refusal, head.received_at)
}

/// The answer to a call that is refused as a whole: an event, unless there are too many.
pub(super) fn refused(core: &Core, head: &Head, refused: &Refused) -> Reply {
    let key = head.header("sillage-key");
    let of_key = || {
        let catalog = core.catalog()?;
        Some(catalog.program_by_report_key(key?)?.name().clone())
    };
    match refused.program.clone().or_else(of_key) {
        Some(program) => refused_as(core, head, refused, (&program, refused.trust), ""),
        None => {
            let event = reject(core, head, refused, None, "");
            reply(refused, event)
        }
    }
}

fn refused_as(
    core: &Core,
    head: &Head,
    refused: &Refused,
    (program, trust): (&ProgramName, Option<Trust>),
    sent: &str,
) -> Reply {
    let event = reject(core, head, refused, Some(program), sent);
    let call = Call {
        trust,
        event: event.map(|(id, _)| id),
        ..told(head, sent, (CallResult::Rejected, refused.code, words(refused)))
    };
    core.shared.conversions.recent.push(program, call);
    reply(refused, event)
}

fn reply(refused: &Refused, event: Option<(EventId, Recorded)>) -> Reply {
    let body = Rejected::of(refused, None, event.map(|(id, _)| id));
    let mut reply = response::json(refused.status, body_of(&body));
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
    reply
}
