//! `POST /v1/clicks` with `click_id`: the landing report of an existing click. Entry evidence, activation of a page
//! rendered ahead, and a consent given or refused on the landing page, whose cookies the answer sets or expires.

use std::borrow::Cow;

use catalog::{ProgramRef, Snapshot};
use event::body::{
    Activation, ClaimedTouch, ClickSource, ClickVerdict, EventType, Landing, PageKind,
};
use event::{
    Body, Code, Consent, Envelope, EventId, Flag, IdentityId, Topic, VisitorId, VisitorTag,
};
use eventlog::Class;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ORIGIN, RETRY_AFTER};
use hyper::body::Incoming;
use serde::Deserialize;

use crate::consent::{self, Effect, Page, Signals, Verdict};
use crate::cookie::{self, Cookies, VisitorCookie};
use crate::core::{Core, Refusal};
use crate::evidence;
use crate::keys::Keys;
use crate::metrics::{Endpoint, Kind};
use crate::query::{DeepLink, Query};
use crate::request::{BodyFault, Head, read_body};
use crate::response::{self, Recorded, Reply};

/// Longest body, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Longest origin of a referrer, in bytes.
const ORIGIN_BYTES_MAX: usize = 300;

/// A report, as sent. `url`, and what a click without redirect would need, are taken and not used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Report<'a> {
    #[serde(borrow)]
    program: Option<Cow<'a, str>>,
    #[serde(borrow)]
    click_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    link: Option<Cow<'a, str>>,
    #[serde(borrow)]
    referrer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    page: Option<Cow<'a, str>>,
    entered_at: Option<i64>,
    /// `entered_at` came and is no number.
    #[serde(skip)]
    entered_unread: bool,
    #[serde(deserialize_with = "yes")]
    activated: bool,
    #[serde(borrow)]
    consent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    gdpr: Option<Cow<'a, str>>,
    #[serde(borrow)]
    gdpr_consent: Option<Cow<'a, str>>,
}

/// `true`, `1` or `"1"`.
fn yes<'de, D: serde::Deserializer<'de>>(d: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Wire<'a> {
        Flag(bool),
        Number(i64),
        #[serde(borrow)]
        Text(Cow<'a, str>),
    }
    Ok(match Wire::deserialize(d)? {
        Wire::Flag(flag) => flag,
        Wire::Number(n) => n == 1,
        Wire::Text(text) => text == "1" || text == "true",
    })
}

impl<'a> Report<'a> {
    fn from_form(query: &'a Query<'_>) -> Self {
        let text = |name| query.get(name).filter(|text| !text.is_empty()).map(Cow::Borrowed);
        let entered_at = text("entered_at").and_then(|text| text.parse().ok());
        Self {
            program: text("program"),
            click_id: text("click_id"),
            link: text("link"),
            referrer: text("referrer"),
            page: text("page"),
            entered_at,
            entered_unread: entered_at.is_none() && text("entered_at").is_some(),
            activated: text("activated").is_some_and(|text| text == "1" || text == "true"),
            consent: text("consent"),
            gdpr: text("gdpr"),
            gdpr_consent: text("gdpr_consent"),
        }
    }
}

impl Report<'_> {
    /// What was not understood and left aside: a report is evidence, and is not refused for a word.
    fn warnings(&self) -> Vec<&'static str> {
        let [consent, page, gdpr] = [&self.consent, &self.page, &self.gdpr]
            .map(|field| field.as_deref().unwrap_or_default());
        let mut warnings = Vec::new();
        if !consent.is_empty() && consent::choice(consent).is_none() {
            warnings.push("consent is not granted or denied: ignored");
        }
        if !matches!(page, "" | "entry" | "later" | "checkout") {
            warnings.push("page is not entry, later or checkout: taken as entry");
        }
        if !matches!(gdpr, "" | "0" | "1") {
            warnings.push("gdpr is not 0 or 1: ignored");
        }
        if self.entered_unread {
            warnings.push("entered_at is not a number of milliseconds: ignored");
        }
        warnings
    }
}

/// A refusal of a report.
struct Fault {
    status: StatusCode,
    code: Code,
    field: Option<&'static str>,
    message: Cow<'static, str>,
    /// Seconds after which the same report may be taken.
    retry_after: Option<u32>,
}

impl Fault {
    const fn new(status: StatusCode, code: Code, message: &'static str) -> Self {
        Self { status, code, field: None, message: Cow::Borrowed(message), retry_after: None }
    }

    const fn after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    const fn of(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }
}

/// Answers a landing report.
pub(crate) async fn landing(core: &Core, head: &Head, body: Incoming) -> Reply {
    match taken(core, head, body).await {
        Ok(reply) => reply,
        Err(fault) => refused(core, head, &fault),
    }
}

fn refused(core: &Core, head: &Head, fault: &Fault) -> Reply {
    let refusal = Refusal {
        code: fault.code,
        endpoint: Endpoint::Landing,
        event_type: Some(EventType::Landing),
        field: fault.field,
        message: &fault.message,
        sent: None,
        program: None,
        test: false,
    };
    let rejected = core.reject(&refusal, head.received_at);
    let body = serde_json::json!({
        "result": "rejected",
        "code": fault.code.number(),
        "slug": fault.code.slug(),
        "field": fault.field,
        "message": fault.message,
        "event_id": rejected.map(|(id, _)| id),
    });
    let mut reply = response::json(fault.status, format!("{body}\n"));
    if let Some(seconds) = fault.retry_after {
        reply.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if let Some((id, recorded)) = rejected {
        response::mark_recorded(reply.headers_mut(), id, recorded);
    }
    reply
}

async fn taken(core: &Core, head: &Head, body: Incoming) -> Result<Reply, Fault> {
    if head
        .headers
        .get(CONTENT_ENCODING)
        .is_some_and(|v| !v.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        let message = "this endpoint takes no Content-Encoding";
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedType, message));
    }
    core.shared.conversions.take_page_call(head.client.address).map_err(|seconds| {
        core.shared.metrics.rate_refused(Endpoint::Landing);
        let message = "too many reports from this address";
        Fault::new(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited, message).after(seconds)
    })?;
    let bytes = read_body(core, body, BODY_BYTES_MAX).await.map_err(|fault| match fault {
        BodyFault::TooLarge => Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooLarge,
            "the body is larger than 16 KiB",
        ),
        BodyFault::TooSlow => {
            Fault::new(StatusCode::REQUEST_TIMEOUT, Code::Timeout, "the body came too slowly")
        }
        BodyFault::Broken => {
            Fault::new(StatusCode::BAD_REQUEST, Code::Malformed, "the body could not be read")
        }
    })?;
    let malformed = |message| Fault::new(StatusCode::BAD_REQUEST, Code::Malformed, message);
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed("the body is not UTF-8"))?;
    let kind = head.header(CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let query;
    let report = if kind.eq_ignore_ascii_case("application/json") {
        serde_json::from_str(text).map_err(|error| Fault {
            // Not serde's own text: it quotes the value.
            message: format!(
                "the body is no landing report (line {}, column {})",
                error.line(),
                error.column()
            )
            .into(),
            ..malformed("")
        })?
    } else if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        query = Query::parse(text, DeepLink::Plain);
        Report::from_form(&query)
    } else {
        let message = "send application/x-www-form-urlencoded or application/json";
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedType, message));
    };
    report_of(core, head, &report)
}

/// The click of a report, checked, and its program.
struct Subject<'c> {
    program: ProgramRef<'c>,
    click: Option<ClaimedTouch>,
}

fn subject<'c>(
    head: &Head,
    keys: &Keys,
    catalog: &'c Snapshot,
    report: &Report<'_>,
) -> Result<Subject<'c>, Fault> {
    let unprocessable = |code, message| Fault::new(StatusCode::UNPROCESSABLE_ENTITY, code, message);
    let named = match &report.program {
        None => None,
        Some(name) => Some(catalog.program(name).filter(|p| !p.is_retired()).ok_or_else(|| {
            let message = "there is no such program";
            Fault::new(StatusCode::NOT_FOUND, Code::UnknownProgram, message).of("program")
        })?),
    };
    let Some(text) = &report.click_id else {
        if report.link.is_some() {
            let message = "clicks without a redirect are not taken; report a click_id";
            return Err(unprocessable(Code::Malformed, message).of("link"));
        }
        let program = named.ok_or_else(|| {
            unprocessable(Code::Malformed, "a click_id or a program is required").of("click_id")
        })?;
        return Ok(Subject { program, click: None });
    };
    let claimed = keys.clicks.verify(text, head.received_at).ok();
    let program = match (named, claimed) {
        (Some(program), _) => Some(program),
        (None, Some(claim)) => catalog.program_by_id(claim.program),
        (None, None) => None,
    };
    let id = program.map_or(event::ProgramId(0), |program| program.id());
    let found = evidence::verify(keys, catalog, id, text, ClickSource::Parameter, head.received_at);
    let message = match found.verdict {
        ClickVerdict::Valid => "",
        ClickVerdict::Malformed => "this is no click id",
        ClickVerdict::UnknownKey => "the click id is signed with a key that is retired",
        ClickVerdict::BadMac => "the click id was altered or not made by us",
        ClickVerdict::OtherProgram => "the click belongs to another program",
        ClickVerdict::FromFuture => "the click id is dated after it was received",
    };
    if let Some(code) = found.verdict.code() {
        return Err(unprocessable(code, message).of("click_id"));
    }
    let program = program.ok_or_else(|| {
        Fault::new(StatusCode::NOT_FOUND, Code::UnknownProgram, "there is no such program")
    })?;
    Ok(Subject { program, click: found.claim })
}

fn report_of(core: &Core, head: &Head, report: &Report<'_>) -> Result<Reply, Fault> {
    let Some(catalog) = core.catalog() else {
        return Ok(response::not_stored(response::NO_CATALOG, response::NO_CATALOG_SECONDS));
    };
    let keys = core.keys();
    let Subject { program, click } = subject(head, &keys, &catalog, report)?;
    if let Some(origin) = head.headers.get(ORIGIN)
        && !program.body().sites.iter().any(|site| site.as_bytes() == origin.as_bytes())
    {
        let message = "this origin is not on the program's list of sites";
        return Err(Fault::new(StatusCode::FORBIDDEN, Code::SourceRefused, message));
    }
    let cookies = Cookies::read(&head.headers);
    let found = cookies.visitor(&keys.cookies, program, head.received_at);
    let remembered = found.cookie.filter(|_| cookies.has_click(program));
    let clicked = click.as_ref().map(|click| click.consent);
    let signals = Signals {
        exempt: clicked == Some(Consent::Exempt),
        choice: report.consent.as_deref(),
        cookie: remembered.map(|cookie| cookie.consent),
        granted_click: clicked == Some(Consent::Granted),
        gdpr: report.gdpr.as_deref(),
        tc_string: report.gdpr_consent.as_deref(),
        gpc: head.header_is("sec-gpc", "1"),
        dnt: head.header_is("dnt", "1"),
        page: Page::Merchant,
    };
    let mut verdict = consent::evaluate(&program.body().consent, &signals);
    verdict.flags.set_if(found.bad_mac, Flag::CookieBadMac);
    core.shared.metrics.consent(verdict.state);
    core.shared.metrics.flagged(verdict.flags);
    // A refusal beside an exempt click still withdraws what rests on consent; that click stays exempt.
    let withdrawn = report.consent.as_deref().and_then(consent::choice) == Some(Consent::Denied);
    let report = Reported { core, head, keys: &keys, program, report, verdict, withdrawn };
    Ok(report.answer(click, &cookies, found.cookie))
}

struct Reported<'a> {
    core: &'a Core,
    head: &'a Head,
    keys: &'a Keys,
    program: ProgramRef<'a>,
    report: &'a Report<'a>,
    verdict: Verdict,
    withdrawn: bool,
}

impl Reported<'_> {
    fn answer(
        &self,
        click: Option<ClaimedTouch>,
        cookies: &Cookies<'_>,
        visitor: Option<VisitorCookie>,
    ) -> Reply {
        let granted = self.verdict.effect == Effect::All && click.is_some();
        let now = self.head.received_at;
        let fresh = || self.core.random.borrow_mut().bytes().map(VisitorId);
        let id = if granted { visitor.map(|cookie| cookie.id).or_else(fresh) } else { None };
        let tag = id.map(|id| VisitorTag::of(self.program.name(), id));
        let recorded = click.as_ref().map(|click| self.record(click, tag));
        let body = serde_json::json!({
            "result": "stored",
            "recorded": recorded.is_some_and(|(_, recorded)| recorded != Recorded::No),
            "event_id": recorded.map(|(id, _)| id),
            "code": 0,
            "click": if click.is_some() { "valid" } else { "absent" },
            "consent": self.verdict.state.as_str(),
            "warnings": self.report.warnings(),
        });
        let mut reply = response::json(StatusCode::ACCEPTED, format!("{body}\n"));
        let headers = reply.headers_mut();
        if let Some((id, recorded)) = recorded {
            response::mark_recorded(headers, id, recorded);
        }
        if self.withdrawn || self.verdict.state == Consent::Denied {
            cookie::expire(headers, self.program);
            return reply;
        }
        if let (Some(id), Some(click), true) = (id, &click, cookies.room_for(self.program)) {
            let same = visitor.is_some_and(|cookie| {
                let half_ms = cookie::max_age_seconds(self.program) * 500;
                cookie.consent == self.verdict.state && now.since(cookie.issued) <= half_ms
            });
            if !same {
                let cookie = VisitorCookie { id, issued: now, consent: self.verdict.state };
                if let Some(value) = self.keys.cookies.write(&cookie, now) {
                    cookie::set(headers, self.program, cookie::Name::Visitor, &value);
                }
            }
            if let Some(text) = &self.report.click_id
                && !self.is_newer_or_same(cookies, click.id, text)
            {
                let text = text.as_bytes();
                cookie::set(headers, self.program, cookie::Name::Click, text);
            }
        }
        reply
    }

    /// Whether the browser already keeps this click, or a later one of this program.
    fn is_newer_or_same(&self, cookies: &Cookies<'_>, click: EventId, text: &str) -> bool {
        cookies.clicks(self.program).take(evidence::COOKIES_READ_MAX).any(|kept| {
            kept == text
                || self
                    .keys
                    .clicks
                    .verify(kept, self.head.received_at)
                    .is_ok_and(|claim| claim.program == self.program.id() && claim.id >= click)
        })
    }

    fn record(&self, click: &ClaimedTouch, tag: Option<VisitorTag>) -> (EventId, Recorded) {
        let report = self.report;
        if report.activated && click.prefetch {
            let body = Body::Activation(Activation { click: click.clone() });
            self.enqueue(click, tag, body, Kind::Activation);
        }
        let origin = report.referrer.as_deref().and_then(origin_of);
        let landing = Landing {
            click: click.clone(),
            ids: tag.map(IdentityId::Visitor).into_iter().collect(),
            consent: match self.verdict.state {
                state @ (Consent::Granted | Consent::Denied) => Some(state),
                Consent::Exempt | Consent::Unknown => None,
            },
            page: match report.page.as_deref() {
                Some("later") => PageKind::Later,
                Some("checkout") => PageKind::Checkout,
                _ => PageKind::Entry,
            },
            entered_at: report.entered_at,
            referrer_origin: origin.filter(|_| self.verdict.state != Consent::Denied),
        };
        self.enqueue(click, tag, Body::Landing(landing), Kind::Landing)
    }

    fn enqueue(
        &self,
        click: &ClaimedTouch,
        tag: Option<VisitorTag>,
        body: Body,
        kind: Kind,
    ) -> (EventId, Recorded) {
        let id = self.core.mint(self.head.received_at);
        // Without a visitor the report goes where its click went.
        let key = match tag.or(click.visitor) {
            Some(tag) => tag.to_string(),
            None => click.id.to_string(),
        };
        let envelope = Envelope {
            id,
            occurred_at: id.time(),
            received_at: id.time(),
            program: Some(self.program.name().clone()),
            test: click.test,
            key,
            body,
        };
        let partition = envelope.key.as_bytes();
        let recorded =
            self.core.enqueue_envelope(Topic::Touches, Class::Click, &envelope, partition);
        if recorded == Recorded::Queued {
            self.core.shared.metrics.accepted(kind, 1);
        }
        (id, recorded)
    }
}

/// The origin of a URL, as text.
fn origin_of(text: &str) -> Option<String> {
    if text.len() > crate::redirect::LOCATION_BYTES_MAX {
        return None;
    }
    let origin = url::Url::parse(text).ok()?.origin();
    let text = origin.is_tuple().then(|| origin.ascii_serialization())?;
    (text.len() <= ORIGIN_BYTES_MAX).then_some(text)
}

#[cfg(test)]
mod tests;
