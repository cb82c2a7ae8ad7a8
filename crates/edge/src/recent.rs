//! The last calls of a program with their verdicts in words: where a merchant's developer looks first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use event::body::{ClickVerdict, Trust};
use event::{Code, EventId, Millis, ProgramName};
use foldhash::quality::RandomState;
use http::StatusCode;
use serde::Serialize;

use crate::auth::{self, Call as AuthCall, Pages};
use crate::conversion::fault::{Values, sentence};
use crate::conversion::fields::{Fields, cut};
use crate::core::{Core, Shared};
use crate::metrics::Endpoint;
use crate::request::Head;
use crate::response::{self, Reply};

/// Calls of one program that are kept.
const CALLS_MAX: usize = 200;
/// Programs whose calls are kept; the one that was silent longest gives way to a new one.
const PROGRAMS_MAX: usize = 256;
/// Longest text of what was sent, in bytes.
const SENT_BYTES_MAX: usize = 512;

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallResult {
    /// On disk.
    Stored,
    /// A batch of which some lines are on disk and others refused.
    Partly,
    /// Refused.
    Rejected,
    /// Good, but the journal could not take it.
    NotStored,
}

/// One call, as far as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// When it came.
    pub(crate) at: Millis,
    /// Where.
    pub(crate) endpoint: Endpoint,
    /// Its method.
    pub(crate) method: &'static str,
    /// How far it was believed; none if it was not let in.
    pub(crate) trust: Option<Trust>,
    /// What was sent, personal fields cut.
    pub(crate) sent: Box<str>,
    /// What became of it.
    pub(crate) result: CallResult,
    /// Why.
    pub(crate) code: Code,
    /// Why, in words.
    pub(crate) words: Box<str>,
    /// Its event.
    pub(crate) event: Option<EventId>,
    /// What its click id was found to be; none if it carried none.
    pub(crate) click: Option<ClickVerdict>,
    /// It was a test.
    pub(crate) test: bool,
}

#[derive(Default)]
struct Rings {
    programs: HashMap<ProgramName, (u64, VecDeque<Call>), foldhash::fast::RandomState>,
    turn: u64,
}

/// The last calls of each program, shared by all cores of this node.
pub(crate) struct Recent {
    hasher: RandomState,
    parts: [Mutex<Rings>; Self::PARTS],
}

impl std::fmt::Debug for Recent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recent")
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self { hasher: RandomState::default(), parts: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Recent {
    /// Parts with a lock each.
    const PARTS: usize = 8;

    fn part(&self, program: &str) -> &Mutex<Rings> {
        use std::hash::BuildHasher;
        let at = usize::try_from(self.hasher.hash_one(program) % Self::PARTS as u64).unwrap_or(0);
        let [first, ..] = &self.parts;
        self.parts.get(at).unwrap_or(first)
    }

    /// Keeps a call of `program`.
    pub(crate) fn push(&self, program: &ProgramName, mut call: Call) {
        if call.sent.len() > SENT_BYTES_MAX {
            call.sent = cut(&call.sent, SENT_BYTES_MAX).into();
        }
        let mut rings = self.part(program.as_str()).lock().unwrap_or_else(PoisonError::into_inner);
        rings.turn += 1;
        let turn = rings.turn;
        if let Some((last, calls)) = rings.programs.get_mut(program.as_str()) {
            *last = turn;
            if calls.len() >= CALLS_MAX {
                calls.pop_front();
            }
            calls.push_back(call);
            return;
        }
        if rings.programs.len() >= PROGRAMS_MAX / Self::PARTS {
            let silent = rings.programs.iter().min_by_key(|(_, (last, _))| *last);
            if let Some(name) = silent.map(|(name, _)| name.clone()) {
                rings.programs.remove(&name);
            }
        }
        rings.programs.insert(program.clone(), (turn, VecDeque::from([call])));
    }

    /// The calls of `program`, newest first.
    pub(crate) fn calls(&self, program: &str) -> Vec<Call> {
        let rings = self.part(program).lock().unwrap_or_else(PoisonError::into_inner);
        let calls = rings.programs.get(program);
        calls.map(|(_, calls)| calls.iter().rev().cloned().collect()).unwrap_or_default()
    }
}

/// A call as operators see it.
#[derive(Clone, Debug)]
pub struct RecentCall {
    /// When it came.
    pub at: Millis,
    /// Where, as callers know it.
    pub path: &'static str,
    /// Its method.
    pub method: &'static str,
    /// Whether it was found good.
    pub accepted: bool,
    /// Whether it is on disk.
    pub stored: bool,
    /// Why.
    pub code: Code,
    /// Why, in words.
    pub words: String,
    /// What is wrong with its click id.
    pub click: Option<Code>,
    /// What was sent, personal fields cut.
    pub sent: String,
    /// It was a test.
    pub test: bool,
}

/// The last calls that this node took, for operators. Clones share them.
#[derive(Clone, Debug)]
pub struct RecentCalls(pub(crate) Arc<Shared>);

impl RecentCalls {
    /// Those of a program, the newest first.
    #[must_use]
    pub fn of(&self, program: &str) -> Vec<RecentCall> {
        let calls = self.0.conversions.recent.calls(program);
        let shown = calls.iter().map(|call| RecentCall {
            at: call.at,
            path: path(call.endpoint),
            method: call.method,
            accepted: call.result != CallResult::Rejected,
            stored: call.result == CallResult::Stored,
            code: call.code,
            words: call.words.to_string(),
            click: call.click.and_then(ClickVerdict::code),
            sent: call.sent.to_string(),
            test: call.test,
        });
        shown.collect()
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    time: String,
    endpoint: &'a str,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<Trust>,
    sent: &'a str,
    result: CallResult,
    code: Code,
    slug: &'static str,
    words: String,
    click: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<EventId>,
    test: bool,
}

#[derive(Serialize)]
struct Page<'a> {
    program: &'a str,
    calls: Vec<Shown<'a>>,
}

/// The word of a click verdict in answers.
pub(crate) const fn click_word(verdict: Option<ClickVerdict>) -> &'static str {
    match verdict {
        None => "absent",
        Some(ClickVerdict::Valid) => "valid",
        Some(ClickVerdict::Malformed | ClickVerdict::BadMac) => "invalid",
        Some(ClickVerdict::UnknownKey) => "unknown_key",
        Some(ClickVerdict::OtherProgram) => "other_program",
        Some(ClickVerdict::FromFuture) => "from_future",
    }
}

/// The path of an endpoint as callers know it.
const fn path(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Click => "/c",
        Endpoint::Impression => "/i",
        Endpoint::Pixel => "/p",
        Endpoint::Tag => "/t",
        Endpoint::Landing => "/v1/clicks",
        Endpoint::Conversions => "/v1/conversions",
        Endpoint::Orders => "/v1/orders",
        Endpoint::Recent => "/v1/programs",
        Endpoint::Other => "other",
    }
}

impl Call {
    fn shown(&self) -> Shown<'_> {
        let mut words = self.words.to_string();
        if let Some(code) = self.click.and_then(ClickVerdict::code) {
            words.push(' ');
            words.push_str(&sentence(code, Values::default()));
        }
        Shown {
            time: self.at.rfc3339(),
            endpoint: path(self.endpoint),
            method: self.method,
            trust: self.trust,
            sent: &self.sent,
            result: self.result,
            code: self.code,
            slug: self.code.slug(),
            words,
            click: click_word(self.click),
            event_id: self.event,
            test: self.test,
        }
    }
}

#[derive(Serialize)]
struct NotShown<'a> {
    result: &'static str,
    code: Code,
    slug: &'static str,
    message: &'a str,
}

/// `GET /v1/programs/{program}/recent`: the program's token or signature is needed. Asking leaves no trace: neither an
/// event nor an entry of its own.
pub(crate) fn recent(core: &Core, head: &Head, program: &str) -> Reply {
    let Some(catalog) = core.catalog() else {
        return response::not_stored(response::NO_CATALOG, response::NO_CATALOG_SECONDS);
    };
    let mut fields = Fields::default();
    let _many_names_say_nothing_here = fields.add_encoded(head.query());
    let call = AuthCall {
        head,
        body: &[],
        fields: &fields,
        program: Some(program),
        skew_ms_max: core.shared.config.conversions.signature_skew_ms(),
    };
    match auth::admit(&catalog, &core.keys(), call, Pages::Refused) {
        Ok(caller) => {
            let name = caller.program.name().as_str();
            let calls = core.shared.conversions.recent.calls(name);
            let page = Page { program: name, calls: calls.iter().map(Call::shown).collect() };
            response::json(StatusCode::OK, body_of(&page))
        }
        Err(why) => {
            let (status, code, message) = why.answer();
            let body = NotShown { result: "rejected", code, slug: code.slug(), message };
            response::json(status, body_of(&body))
        }
    }
}

/// The JSON text of an answer.
pub(crate) fn body_of(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).map_or_else(|_| Bytes::new(), Bytes::from)
}

#[cfg(test)]
mod tests {
    use event::{Code, Millis, ProgramName};

    use super::{CALLS_MAX, Call, CallResult, PROGRAMS_MAX, Recent, SENT_BYTES_MAX};
    use crate::metrics::Endpoint;

    fn call(at: i64, sent: &str) -> Call {
        Call {
            at: Millis(at),
            endpoint: Endpoint::Conversions,
            method: "GET",
            trust: None,
            sent: sent.into(),
            result: CallResult::Stored,
            code: Code::Ok,
            words: "Stored.".into(),
            event: None,
            click: None,
            test: false,
        }
    }

    fn name(text: &str) -> ProgramName {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_200_calls_are_kept_newest_first() {
        let recent = Recent::default();
        for at in 0..=200 {
            recent.push(&name("shop"), call(at, ""));
        }
        let calls = recent.calls("shop");
        assert_eq!(calls.len(), CALLS_MAX);
        assert_eq!((calls[0].at, calls[CALLS_MAX - 1].at), (Millis(200), Millis(1)));
        assert!(recent.calls("other").is_empty());
    }

    #[test]
    fn programs_and_texts_are_bounded() {
        let recent = Recent::default();
        for n in 0..4 * PROGRAMS_MAX {
            recent.push(&name(&format!("p{n}")), call(0, &"é".repeat(1_000)));
            recent.push(&name("busy"), call(0, ""));
        }
        let kept = (0..4 * PROGRAMS_MAX).filter(|n| !recent.calls(&format!("p{n}")).is_empty());
        assert!(kept.count() <= PROGRAMS_MAX);
        assert_eq!(recent.calls("busy").len(), CALLS_MAX);
        let last = recent.calls(&format!("p{}", 4 * PROGRAMS_MAX - 1));
        assert!(last[0].sent.len() <= SENT_BYTES_MAX);
    }
}
