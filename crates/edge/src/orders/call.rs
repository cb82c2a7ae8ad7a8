//! From a request to judged acts: who signed, one act or the lines of a batch.

use bytes::Bytes;
use catalog::Snapshot;
use event::body::{Trust, Validation};
use event::{Body, Code, Envelope, EventId, Millis, ProgramName};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::act::{Given, ParsedAct};
use crate::auth::{self, Call, Caller, NotAdmitted, Pages, RateKey};
use crate::conversion::fields::{Field, Fields};
use crate::conversion::refused::Refused;
use crate::conversion::report::body::inflate;
use crate::core::Core;
use crate::metrics::Endpoint;
use crate::request::Head;

/// Largest body of one act, and longest line of a batch, in bytes.
const ACT_BYTES_MAX: usize = 64 * 1024;
/// Largest body of a batch, in bytes.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Most lines of a batch; empty ones do not count.
pub const BATCH_LINES_MAX: usize = 1_000;

/// What a call without a signature is told.
const NOT_SIGNED: &str = "what became of an order is taken from signed calls only: sign the call with a key of the \
                          program's hmac_keys, in the headers Sillage-Key, Sillage-Timestamp, Sillage-Nonce and \
                          Sillage-Signature";
/// What a call with a good token is told.
const TOKEN_ONLY: &str = "a token may report orders, not decide about them: sign the call with a key of the program's \
                          hmac_keys, in the headers Sillage-Key, Sillage-Timestamp, Sillage-Nonce and Sillage-Signature";

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/json`: one act.
    One,
    /// `application/x-ndjson`: a batch.
    Batch,
}

impl Form {
    /// The form that the content type names.
    ///
    /// # Errors
    /// 415 for any other.
    pub(super) fn of(head: &Head) -> Result<Self, Refused> {
        let content_type = head.header(CONTENT_TYPE).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Ok(Self::One)
        } else if essence.eq_ignore_ascii_case("application/x-ndjson") {
            Ok(Self::Batch)
        } else {
            let message =
                "send application/json with one act, or application/x-ndjson with one act a line";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Err(Refused::plain(status, Code::UnsupportedType, message))
        }
    }

    /// Largest body.
    pub(super) const fn body_bytes_max(self) -> usize {
        match self {
            Self::One => ACT_BYTES_MAX,
            Self::Batch => BATCH_BYTES_MAX,
        }
    }

    /// The same in words.
    pub(super) const fn body_words(self) -> &'static str {
        match self {
            Self::One => "64 KiB",
            Self::Batch => "1 MiB",
        }
    }
}

/// An act that may be stored.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Its event.
    pub(super) event: EventId,
    /// What it says.
    pub(super) act: ParsedAct,
    /// When it happened.
    pub(super) at: Millis,
}

/// One act of a call.
#[derive(Debug)]
pub(super) struct Line {
    /// Its place in the body, from 1.
    pub(super) number: usize,
    /// What was sent, personal fields cut.
    pub(super) sent: Box<str>,
    /// What becomes of it.
    pub(super) outcome: Result<Accepted, Refused>,
}

/// A call that was let in; nothing is written yet.
#[derive(Debug)]
pub(super) struct Judged {
    /// The program.
    pub(super) program: ProgramName,
    /// One act or a batch.
    pub(super) form: Form,
    /// Its acts, in the order of the body.
    pub(super) lines: Vec<Line>,
    /// The events of those that are good, each with the text of its partition.
    pub(super) envelopes: Vec<(Envelope, String)>,
    /// Bytes of the body.
    pub(super) bytes: usize,
}

/// Judges a call: who signed it, then each act of it.
///
/// # Errors
/// [`Refused`]: nothing of it is stored.
pub(super) fn judge(
    core: &Core,
    head: &Head,
    body: &Bytes,
    form: Form,
    catalog: &Snapshot,
) -> Result<Judged, Box<Refused>> {
    let mut program = None;
    let mut trust = None;
    let judged = (|| {
        let caller = admit(core, head, body, catalog)?;
        program = Some(caller.program.name().clone());
        trust = Some(caller.trust);
        signed_only(caller)?;
        limit(core, caller)?;
        let body = inflate(head, body, form.body_bytes_max()).map_err(|refusal| refusal())?;
        Reader::new(core, head, caller).read(&body, form)
    })();
    judged.map_err(|mut refused: Refused| {
        refused.program = program;
        refused.trust = trust;
        Box::new(refused)
    })
}

fn admit<'s>(
    core: &Core,
    head: &Head,
    body: &Bytes,
    catalog: &'s Snapshot,
) -> Result<Caller<'s>, Refused> {
    let mut query = Fields::default();
    let too_many = |_| Refused::plain(StatusCode::BAD_REQUEST, Code::Malformed, OF_QUERY);
    query.add_encoded(head.query()).map_err(too_many)?;
    let call = Call {
        head,
        body,
        fields: &query,
        program: None,
        skew_ms_max: core.shared.config.conversions.signature_skew_ms(),
    };
    let caller =
        auth::admit(catalog, &core.keys(), call, Pages::Refused).map_err(|why| match why {
            NotAdmitted::NoProgram
            | NotAdmitted::NoCredentials
            | NotAdmitted::Nothing
            | NotAdmitted::BadToken => {
                Refused::plain(StatusCode::UNAUTHORIZED, Code::BadSignature, NOT_SIGNED)
            }
            NotAdmitted::UnknownProgram
            | NotAdmitted::BadSignature
            | NotAdmitted::Stale
            | NotAdmitted::OtherProgram
            | NotAdmitted::OtherOrigin
            | NotAdmitted::OtherNetwork => Refused::from(why),
        })?;
    let of_signature = [Field::Key, Field::SigTs, Field::SigNonce, Field::Sig, Field::Token];
    let other = Field::ALL.iter().find(|f| !of_signature.contains(f) && query.value(**f).is_some());
    match (other, query.unknown().first()) {
        (None, None) => Ok(caller),
        (Some(field), _) => {
            Err(Refused::field(StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed, *field, OF_QUERY))
        }
        (None, Some(name)) => Err(Refused {
            field: Some(name.clone()),
            ..Refused::plain(StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed, OF_QUERY)
        }),
    }
}

const OF_QUERY: &str =
    "the query may carry key, sig_ts, sig_nonce and sig only: an act stands in the body";

fn signed_only(caller: Caller<'_>) -> Result<(), Refused> {
    match caller.trust {
        Trust::Signed => Ok(()),
        Trust::Token | Trust::Page => {
            Err(Refused::plain(StatusCode::FORBIDDEN, Code::SourceRefused, TOKEN_ONLY))
        }
    }
}

/// One call is one call, however many lines it has: they share its signature and its commit.
fn limit(core: &Core, caller: Caller<'_>) -> Result<(), Refused> {
    let RateKey::Key(key) = caller.rate_key else { return Ok(()) };
    core.shared.conversions.take_key_call(key).map_err(|seconds| {
        core.shared.metrics.rate_refused(Endpoint::Orders);
        let message = format!("too many calls; try again in {seconds} s");
        let status = StatusCode::TOO_MANY_REQUESTS;
        Refused { retry_after: Some(seconds), ..Refused::plain(status, Code::RateLimited, message) }
    })
}

struct Reader<'a> {
    core: &'a Core,
    head: &'a Head,
    caller: Caller<'a>,
    envelopes: Vec<(Envelope, String)>,
}

impl<'a> Reader<'a> {
    const fn new(core: &'a Core, head: &'a Head, caller: Caller<'a>) -> Self {
        Self { core, head, caller, envelopes: Vec::new() }
    }

    fn read(mut self, body: &[u8], form: Form) -> Result<Judged, Refused> {
        let lines = match form {
            Form::One => vec![self.line(1, body)],
            Form::Batch => self.batch(body)?,
        };
        Ok(Judged {
            program: self.caller.program.name().clone(),
            form,
            lines,
            envelopes: self.envelopes,
            bytes: body.len(),
        })
    }

    fn batch(&mut self, body: &[u8]) -> Result<Vec<Line>, Refused> {
        let lines = || {
            let all = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            (1..).zip(all).filter(|(_, line)| !line.is_empty())
        };
        match lines().count() {
            0 => {
                let status = StatusCode::BAD_REQUEST;
                Err(Refused::plain(status, Code::Malformed, "the body has no line"))
            }
            1..=BATCH_LINES_MAX => Ok(lines().map(|(n, line)| self.line(n, line)).collect()),
            many => {
                let message = format!(
                    "the batch has {many} lines; send at most {BATCH_LINES_MAX} in one call"
                );
                Err(Refused::plain(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, message))
            }
        }
    }

    fn line(&mut self, number: usize, json: &[u8]) -> Line {
        if json.len() > ACT_BYTES_MAX {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            let refused = Refused::plain(status, Code::TooLarge, "the line is longer than 64 KiB");
            return Line { number, sent: Box::default(), outcome: Err(refused) };
        }
        let (sent, outcome) = match Given::read(json) {
            Ok(given) => (given.sent(), self.act(&given, number)),
            Err(why) => (String::new(), Err(Refused::from(why))),
        };
        Line { number, sent: sent.into(), outcome }
    }

    fn act(&mut self, given: &Given<'_>, number: usize) -> Result<Accepted, Refused> {
        let program = self.caller.program;
        if !given.is_of(program.name()) {
            let message = format!(
                "this key belongs to the program {}, not to the one named; a batch has one program",
                program.name()
            );
            let status = StatusCode::FORBIDDEN;
            return Err(Refused::field(status, Code::SourceRefused, Field::Program, message));
        }
        let act = given.act(program, self.head.received_at).map_err(Refused::of_faults)?;
        let id = self.core.mint(self.head.received_at); // only now: every id minted must be on the log
        let received_at = id.time();
        // By the time of the signature, not of arrival: an old call that is replayed cannot undo a newer one.
        let signed_at = self.caller.signed_at.unwrap_or(received_at);
        let at = act.at.unwrap_or(signed_at).0.min(received_at.0);
        let key = act.key(program.name());
        let validation = Validation {
            actor: act.actor.clone().or_else(|| self.caller.key.map(super::actor_of)),
            // A call that arrives twice by one signature says nothing twice.
            client_event_id: act
                .client_event_id
                .clone()
                .or_else(|| self.caller.signature.map(|signature| format!("{signature}:{number}"))),
            ..act.validation(key.clone())
        };
        let envelope = Envelope {
            id,
            occurred_at: Millis(at),
            received_at,
            program: Some(program.name().clone()),
            test: act.test,
            key: key.to_string(),
            body: Body::Validation(Box::new(validation)),
        };
        self.envelopes.push((envelope, key.partition_text()));
        Ok(Accepted { event: id, act, at: Millis(at) })
    }
}
