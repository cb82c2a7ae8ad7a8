//! From a request to the events of a conversion: who calls, what it says, what its click ids are worth.

use bytes::Bytes;
use catalog::program::PageTrust;
use catalog::{ProgramRef, Snapshot};
use event::body::{
    Action, ClickEvidence, ClickSource, ClickVerdict, Conversion, EventType, OrderStatus, Source,
    Trust, Validation,
};
use event::private::{Private, Sealed};
use event::{
    Body, Code, Consent, Envelope, EventId, IdentityId, Millis, OrderKey, ProgramName, VisitorTag,
};
use http::StatusCode;
use http::header::{REFERER, USER_AGENT};

use super::fields::{Field, Fields, Strictness, cut};
use super::parse::{self, ParsedConversion, Shop};
use super::refused::Refused;
use crate::auth::{self, Call, Caller, NotAdmitted, Pages, RateKey};
use crate::consent::{self, Page, Signals};
use crate::cookie::Cookies;
use crate::core::Core;
use crate::evidence;
use crate::flags::Flags;
use crate::keys::Keys;
use crate::metrics::Endpoint;
use crate::request::Head;

pub(crate) mod body;

/// A report that may be stored.
#[derive(Debug)]
pub(super) struct Accepted {
    /// The conversion, and what became of the order if the call says so; each with the text of its partition.
    pub(super) envelopes: Vec<(Envelope, String)>,
    /// The program.
    pub(super) program: ProgramName,
    /// How far the caller is believed.
    pub(super) trust: Trust,
    /// Verdict about the click id; none if there was none.
    pub(super) click: Option<ClickVerdict>,
    /// The order id as stored.
    pub(super) order_id: Option<String>,
    /// A test.
    pub(super) test: bool,
    /// Stored, but known to be never paid: [`Code::Unconfirmed`].
    pub(super) code: Code,
    /// What the caller should know.
    pub(super) warnings: Vec<String>,
    /// What was sent, personal fields cut.
    pub(super) sent: Box<str>,
    /// The visitor refused here: our cookies end.
    pub(super) withdrawn: bool,
    /// Flags of the conversion.
    pub(super) flags: Flags,
}

impl Accepted {
    /// The id of the conversion's event.
    pub(super) fn event(&self) -> Option<EventId> {
        self.envelopes.first().map(|(envelope, _)| envelope.id)
    }

    /// The id of the validation's event.
    pub(super) fn validation(&self) -> Option<EventId> {
        self.envelopes.get(1).map(|(envelope, _)| envelope.id)
    }
}

/// By which way a report came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way<'a> {
    /// `/v1/conversions`.
    Call,
    /// `/p/{program}.gif`.
    Pixel(&'a str),
}

impl Way<'_> {
    /// The endpoint.
    pub(super) const fn endpoint(self) -> Endpoint {
        match self {
            Self::Call => Endpoint::Conversions,
            Self::Pixel(_) => Endpoint::Pixel,
        }
    }

    const fn strictness(self) -> Strictness {
        match self {
            Self::Call => Strictness::Refuse,
            Self::Pixel(_) => Strictness::Flag,
        }
    }

    const fn source(self, trust: Trust) -> Source {
        match (self, trust) {
            (Self::Pixel(_), _) => Source::Pixel,
            (Self::Call, Trust::Page) => Source::Tag,
            (Self::Call, Trust::Token | Trust::Signed) => Source::S2s,
        }
    }
}

/// Judges a request: nothing is written yet.
///
/// # Errors
/// [`Refused`] holds the answer.
pub(super) fn judge(
    core: &Core,
    head: &Head,
    body: &Bytes,
    way: Way<'_>,
    catalog: &Snapshot,
) -> Result<Accepted, Box<Refused>> {
    let inflated = body::inflate(head, body, super::BODY_BYTES_MAX);
    let mut fields = Fields::default();
    let read = match &inflated {
        Ok(body) => body::read_fields(&mut fields, head, body, way),
        Err(refusal) => Err(refusal()),
    };
    let keys = core.keys();
    let report = Report { core, head, body, way, fields: &fields, catalog, keys: &keys };
    let mut trust = None;
    let mut program = auth::program_of(catalog, report.program());
    let judged = read.and_then(|()| {
        let caller = report.admit()?;
        trust = Some(caller.trust);
        program = Some(caller.program.name().clone());
        report.limit(caller)?;
        report.read(caller)
    });
    judged.map_err(|mut refused| {
        refused.program = program;
        refused.trust = trust;
        refused.sent = fields.sent().into();
        Box::new(refused)
    })
}

struct Report<'a, 'f> {
    core: &'a Core,
    head: &'a Head,
    body: &'a Bytes,
    way: Way<'a>,
    fields: &'a Fields<'f>,
    catalog: &'a Snapshot,
    keys: &'a Keys,
}

impl<'a> Report<'a, '_> {
    fn program(&self) -> Option<&str> {
        match self.way {
            Way::Pixel(program) => Some(program),
            Way::Call => self.fields.text(Field::Program),
        }
    }

    fn admit(&self) -> Result<Caller<'a>, Refused> {
        if let Way::Pixel(name) = self.way {
            let program = self.catalog.program(name).filter(|p| !p.is_retired());
            let program = program.ok_or(NotAdmitted::UnknownProgram)?;
            let rate_key = RateKey::Address;
            let trust = Trust::Page;
            return Ok(Caller {
                program,
                trust,
                signed_at: None,
                signature: None,
                key: None,
                rate_key,
            });
        }
        let call = Call {
            head: self.head,
            body: self.body,
            fields: self.fields,
            program: self.program(),
            skew_ms_max: self.core.shared.config.conversions.signature_skew_ms(),
        };
        Ok(auth::admit(self.catalog, self.keys, call, Pages::Admitted)?)
    }

    fn limit(&self, caller: Caller<'_>) -> Result<(), Refused> {
        let state = &self.core.shared.conversions;
        let taken = match caller.rate_key {
            RateKey::Key(key) => state.take_key_call(key),
            RateKey::Address => state.take_page_call(self.head.client.address),
        };
        taken.map_err(|seconds| {
            self.core.shared.metrics.rate_refused(self.way.endpoint());
            let message = format!("too many calls; try again in {seconds} s");
            let status = StatusCode::TOO_MANY_REQUESTS;
            Refused {
                retry_after: Some(seconds),
                ..Refused::plain(status, Code::RateLimited, message)
            }
        })
    }

    fn read(&self, caller: Caller<'_>) -> Result<Accepted, Refused> {
        let program = caller.program;
        let settings = program.body();
        if caller.trust == Trust::Page && settings.reports.page == PageTrust::Off {
            let message = "this program takes no reports of pages";
            return Err(Refused::plain(StatusCode::FORBIDDEN, Code::SourceRefused, message));
        }
        let shop = Shop {
            goals: &settings.goals,
            currency: settings.currency,
            decimal_mark: settings.decimal_mark,
            time_zone: &settings.time_zone,
        };
        let received_at = self.head.received_at;
        let parsed = parse::read(self.fields, shop, received_at, self.way.strictness())
            .map_err(Refused::of_faults)?;
        if parsed.status != OrderStatus::Pending && caller.trust != Trust::Signed {
            let message = "status other than pending is taken from signed calls only";
            return Err(Refused::field(
                StatusCode::FORBIDDEN,
                Code::SourceRefused,
                Field::Status,
                message,
            ));
        }
        let cookies = Cookies::read(&self.head.headers);
        let clicks = self.clicks(program, &cookies);
        let click = clicks.first().map(|click| click.verdict);
        let has_valid = clicks.iter().any(|click| click.verdict == ClickVerdict::Valid);
        if caller.trust == Trust::Page
            && settings.reports.page == PageTrust::RequireClickId
            && !has_valid
        {
            return Err(self.without_click(click, parsed.test));
        }
        Ok(self.accept(caller, parsed, &cookies, clicks))
    }

    /// A page without a valid click id. What the id was found to be is told to a test only, and kept in the event.
    fn without_click(&self, click: Option<ClickVerdict>, test: bool) -> Refused {
        let code = click.and_then(ClickVerdict::code).unwrap_or(Code::NoClickEvidence);
        let (told, message) = match click {
            Some(verdict) if test => {
                (None, format!("the click id is {}", crate::recent::click_word(Some(verdict))))
            }
            _ => {
                let message = "this program takes reports of pages only with a valid click id";
                (Some(Code::NoClickEvidence), message.to_owned())
            }
        };
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Refused { click, told, ..Refused::field(status, code, Field::ClickId, message) }
    }

    /// Click ids: the parameter first, then the cookie, then the cookie of an exempt journey; one each.
    fn clicks(&self, program: ProgramRef<'_>, cookies: &Cookies<'_>) -> Vec<ClickEvidence> {
        let (id, at) = (program.id(), self.head.received_at);
        let (keys, catalog) = (self.keys, self.catalog);
        let verify =
            |text: &str| evidence::verify(keys, catalog, id, text, ClickSource::Parameter, at);
        let parameter =
            self.fields.text(Field::ClickId).filter(|text| !text.is_empty()).map(verify);
        let (cookie, exempt) = (cookies.clicks(program), cookies.exempt_clicks(program));
        let cookie = evidence::verify_cookies(keys, catalog, id, cookie, ClickSource::Cookie, at);
        let exempt =
            evidence::verify_cookies(keys, catalog, id, exempt, ClickSource::ExemptCookie, at);
        let is_new = |c: &ClickEvidence| parameter.as_ref().is_none_or(|p| p.raw != c.raw);
        let cookie = cookie.filter(is_new);
        [parameter, cookie, exempt].into_iter().flatten().collect()
    }

    fn accept(
        &self,
        caller: Caller<'_>,
        parsed: ParsedConversion,
        cookies: &Cookies<'_>,
        clicks: Vec<ClickEvidence>,
    ) -> Accepted {
        let program = caller.program;
        let name = program.name().clone();
        let id = self.core.mint(self.head.received_at);
        let received_at = id.time();
        let visitor = cookies.visitor(&self.keys.cookies, program, received_at);
        // The visitor cookie is shared by all programs of this host; what was allowed in another one says nothing here.
        let remembered = visitor.cookie.filter(|_| cookies.has_click(program));
        let granted_click = clicks
            .iter()
            .any(|click| click.claim.as_ref().is_some_and(|c| c.consent == Consent::Granted));
        let consent = self.consent(&parsed, caller, remembered.map(|v| v.consent), granted_click);
        let mut flags = consent.flags;
        flags.set_if(visitor.bad_mac, event::Flag::CookieBadMac);
        for flag in &parsed.flags {
            flags.set(*flag);
        }
        let mut ids = Vec::new();
        if let Some(cookie) = visitor.cookie {
            ids.push(IdentityId::Visitor(VisitorTag::of(&name, cookie.id)));
        }
        if let Some(customer) = parsed.customer {
            ids.push(IdentityId::Customer(self.keys.customer(&name, customer.bytes())));
        }
        let names_itself = parsed.is_named();
        let code = if self.way == Way::Call || names_itself { Code::Ok } else { Code::Unconfirmed };
        let click = clicks.first().map(|click| click.verdict);
        let key = OrderKey::of_report(
            (name.clone(), parsed.goal.clone(), parsed.test),
            parsed.order_id.as_deref(),
            parsed.client_event_id.as_deref(),
            id,
        );
        let (test, status, revision) = (parsed.test, parsed.status, parsed.revision);
        let order_id = parsed.order_id.clone();
        let occurred_at =
            if parsed.claimed_at.is_some() { parsed.occurred_at } else { received_at };
        let conversion = Conversion {
            goal: parsed.goal,
            order_id: parsed.order_id,
            client_event_id: parsed.client_event_id,
            revision,
            source: self.way.source(caller.trust),
            trust: caller.trust,
            amount: parsed.amount,
            currency: parsed.currency,
            items: parsed.items,
            ids,
            clicks,
            coupons: parsed.coupons,
            channel: parsed.channel,
            customer_type: parsed.customer_type,
            consent: consent.state,
            gdpr_consent: parsed.gdpr_consent,
            subs: parsed.subs,
            flags: flags.to_vec(),
            claimed_at: parsed.claimed_at,
            private: self.private(id, caller.trust, consent.state),
        };
        let (text, partition) = (key.to_string(), key.partition_text());
        let envelope = |id: EventId, occurred_at: Millis, body: Body| {
            let received_at = id.time();
            let (program, key) = (Some(name.clone()), text.clone());
            let envelope = Envelope { id, occurred_at, received_at, program, test, key, body };
            (envelope, partition.clone())
        };
        let mut envelopes = vec![envelope(id, occurred_at, Body::Conversion(Box::new(conversion)))];
        if let Some(action) = action_of(status) {
            let id = self.core.mint(self.head.received_at);
            // By the time of the signature, not of arrival: an old call that is replayed cannot undo a newer one.
            let at = caller.signed_at.map_or(id.time(), |at| Millis(at.0.min(id.time().0)));
            let validation = Validation {
                revision,
                actor: caller.key.map(crate::orders::actor_of),
                client_event_id: caller.signature.map(|signature| signature.to_string()),
                ..Validation::plain(key, action)
            };
            envelopes.push(envelope(id, at, Body::Validation(Box::new(validation))));
        }
        Accepted {
            envelopes,
            program: name.clone(),
            trust: caller.trust,
            click,
            order_id,
            test,
            code,
            warnings: parsed.warnings,
            sent: self.fields.sent().into(),
            withdrawn: parsed.consent == Some(Consent::Denied) && !cookies.is_empty(),
            flags,
        }
    }

    /// The buyer's browser, sealed: of a page only, and not of a visitor who refused.
    fn private(&self, id: EventId, trust: Trust, consent: Consent) -> Option<Sealed> {
        if trust != Trust::Page || consent == Consent::Denied {
            return None;
        }
        let header = |name, bytes_max| {
            let text = self.head.headers.get(name)?.to_str().ok()?;
            Some(cut(text, bytes_max).into())
        };
        let address = crate::address::cut(self.head.client.address).to_string();
        let block = Private {
            user_agent: header(USER_AGENT, 1_024),
            referrer: header(REFERER, 2_048),
            address: Some(address.into()),
        };
        self.core.today(id.time()).seal.as_ref()?.seal(id, &block).ok()
    }

    /// Consent of the order. Signals of a browser count for calls of pages only.
    fn consent(
        &self,
        parsed: &ParsedConversion,
        caller: Caller<'_>,
        cookie: Option<Consent>,
        granted_click: bool,
    ) -> consent::Verdict {
        let is_page = caller.trust == Trust::Page;
        let signals = Signals {
            exempt: false,
            choice: parsed.consent.map(Consent::as_str),
            cookie,
            granted_click,
            gdpr: parsed.gdpr.as_deref(),
            tc_string: parsed.gdpr_consent.as_deref(),
            gpc: is_page && self.head.header_is("sec-gpc", "1"),
            dnt: is_page && self.head.header_is("dnt", "1"),
            page: Page::Merchant,
        };
        consent::evaluate(&caller.program.body().consent, &signals)
    }
}

const fn action_of(status: OrderStatus) -> Option<Action> {
    match status {
        OrderStatus::Pending => None,
        OrderStatus::Approved => Some(Action::Approve),
        OrderStatus::Declined => Some(Action::Decline),
    }
}

/// What every event of this endpoint would have been.
pub(super) const EVENT_TYPE: EventType = EventType::Conversion;
