//! `GET|HEAD /c/{link}`: the click redirect. Never waits for anything.

use catalog::{LinkRef, Unavailable};
use event::body::EventType;
use event::token::Claim;
use event::{ClickId, Code, Consent, Flag, Millis, VisitorId, VisitorTag};
use eventlog::Class;
use http::{Method, StatusCode};

use crate::consent::{self, Effect, Page, Signals, Verdict};
use crate::cookie::{self, Cookies, FoundVisitor, VisitorCookie};
use crate::core::{Core, Refusal};
use crate::every::every;
use crate::flags::Flags;
use crate::keys::Keys;
use crate::metrics::{Endpoint, Fallback, Kind};
use crate::query::{DeepLink, Pair, Query};
use crate::redirect::{Target, deep_link};
use crate::request::{Client, Head};
use crate::response::{self, Recorded, Reply};
use crate::touch::{LinkParameters, TouchEvent};
use crate::visit::Visit;

/// `Referrer-Policy` where no program says another.
const POLICY: &str = "strict-origin-when-cross-origin";

/// A request for a link, whoever read its head.
pub(crate) struct Asked<'r> {
    /// The raw query, empty if there is none.
    pub query: &'r str,
    pub received_at: Millis,
    pub client: Client,
    pub visit: Visit<'r>,
    pub cookies: Cookies<'r>,
}

/// Answers a click whose head hyper has read.
pub(crate) fn click(core: &Core, head: &Head, name: &str) -> Reply {
    let Some(catalog) = core.catalog() else { return response::no_catalog() };
    let Some(link) = catalog.link(name) else { return unknown(core, head) };
    let asked = Asked {
        query: head.query(),
        received_at: head.received_at,
        client: head.client,
        visit: Visit::read(core, &head.headers),
        cookies: Cookies::read(&head.headers),
    };
    let mut lines = Vec::new();
    let answer = if head.method == Method::HEAD { answer_head } else { answer };
    response::of_lines(answer(core, link, &asked, &mut lines), &lines)
}

/// Answers a click: the status, and the head's other lines at the end of `lines`.
pub(crate) fn answer(
    core: &Core,
    link: LinkRef<'_>,
    asked: &Asked<'_>,
    lines: &mut Vec<u8>,
) -> StatusCode {
    let query = Query::parse(asked.query, DeepLink::TakesRest);
    let parameters = LinkParameters::read(&query);
    Click { core, asked, link, query: query.pairs(), parameters: &parameters }.get(lines)
}

/// The same to HEAD.
fn answer_head(
    core: &Core,
    link: LinkRef<'_>,
    asked: &Asked<'_>,
    lines: &mut Vec<u8>,
) -> StatusCode {
    let query = Query::parse(asked.query, DeepLink::TakesRest);
    let parameters = LinkParameters::read(&query);
    Click { core, asked, link, query: query.pairs(), parameters: &parameters }.head(lines)
}

fn unknown(core: &Core, head: &Head) -> Reply {
    let mut reply = match &core.shared.config.unknown_link_url {
        Some(url) => {
            let mut lines = Vec::new();
            let status = redirect(&mut lines, POLICY, |out| {
                out.extend_from_slice(url.as_str().as_bytes());
            });
            response::of_lines(status, &lines)
        }
        None => response::text(StatusCode::NOT_FOUND, "There is no such link.\n"),
    };
    if head.method == Method::HEAD {
        core.shared.metrics.accepted(Kind::Head, 1);
        return reply;
    }
    core.shared.metrics.fallback(Fallback::UnknownLink);
    refuse_unknown(core, head, EventType::Click, Endpoint::Click, &mut reply);
    reply
}

/// Makes the rejected event of a touch on a link that does not exist.
pub(crate) fn refuse_unknown(
    core: &Core,
    head: &Head,
    event_type: EventType,
    endpoint: Endpoint,
    reply: &mut Reply,
) {
    let refusal = Refusal {
        code: Code::UnknownLink,
        endpoint,
        event_type: Some(event_type),
        field: Some("link"),
        message: "there is no such link",
        sent: Some(head.path()),
        program: None,
        test: false,
    };
    if let Some((id, recorded)) = core.reject(&refusal, head.received_at) {
        response::mark_recorded(reply.headers_mut(), id, recorded);
    }
}

/// A 302, as lines. The location is made of encoded parts; should it hold a byte that no header may carry, the answer is
/// 404.
fn redirect(lines: &mut Vec<u8>, policy: &str, location: impl FnOnce(&mut Vec<u8>)) -> StatusCode {
    let before = lines.len();
    lines.extend_from_slice(b"location: ");
    location(lines);
    let is_text = |line| every(line, |b| (b >= b' ') & (b != 0x7f));
    if !lines.get(before..).is_some_and(is_text) {
        lines.truncate(before);
        lines.extend_from_slice(b"cache-control: no-store\r\n");
        return StatusCode::NOT_FOUND;
    }
    lines.extend_from_slice(b"\r\ncache-control: no-store\r\nreferrer-policy: ");
    lines.extend_from_slice(policy.as_bytes());
    lines.extend_from_slice(b"\r\nx-robots-tag: noindex, nofollow\r\n");
    StatusCode::FOUND
}

struct Click<'a, 'r> {
    core: &'a Core,
    asked: &'a Asked<'r>,
    link: LinkRef<'a>,
    query: &'a [Pair<'a>],
    parameters: &'a LinkParameters<'a>,
}

/// Who the visitor is, as far as consent lets us know.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    id: Option<VisitorId>,
    tag: Option<VisitorTag>,
    /// The cookie must be set (again).
    renew: bool,
}

impl Click<'_, '_> {
    fn target<'t>(&'t self, click_id: Option<&'t ClickId>) -> Target<'t> {
        Target {
            link: self.link,
            click_id,
            parameters: self.parameters,
            query: self.query,
            country: self.asked.client.country(),
            agent: self.asked.visit.agent,
            at: self.asked.received_at,
            random: 0,
        }
    }

    fn policy(&self) -> &'static str {
        self.link.program().body().referrer_policy.as_str()
    }

    /// The same status and a location without click id; nothing is minted or set.
    fn head(&self, lines: &mut Vec<u8>) -> StatusCode {
        let keys = self.core.keys();
        self.core.shared.metrics.accepted(Kind::Head, 1);
        let target = self.target(None);
        if self.link.unavailable(self.asked.received_at).is_some() {
            return self.fallback(lines);
        }
        let deep = deep_link(&keys, self.link, self.parameters, self.asked.received_at);
        let deep = deep.ok().flatten();
        redirect(lines, self.policy(), |out| target.location(deep.as_ref(), out))
    }

    /// The answer of a link that is not available: its fallback as stored, without click id.
    fn fallback(&self, lines: &mut Vec<u8>) -> StatusCode {
        let fallback = self.link.fallback().as_bytes();
        redirect(lines, self.policy(), |out| out.extend_from_slice(fallback))
    }

    fn get(&self, lines: &mut Vec<u8>) -> StatusCode {
        let (core, link, parameters) = (self.core, self.link, self.parameters);
        let keys = core.keys();
        let now = self.asked.received_at;
        let cookies = &self.asked.cookies;
        let found = cookies.visitor(&keys.cookies, link.program(), now);
        let verdict = self.consent(cookies, found);
        let mut flags = parameters.flags.with(self.asked.visit.flags).with(verdict.flags);
        flags.set_if(found.bad_mac, Flag::CookieBadMac);
        flags.set_if(core.is_datacenter(self.asked.client.address), Flag::Datacenter);

        let unavailable = link.unavailable(now);
        let deep = match unavailable {
            Some(reason) => {
                flags.set(reason.flag());
                core.shared.metrics.fallback(fallback(reason));
                None
            }
            None => deep_link(&keys, link, parameters, now).unwrap_or_else(|_fault| {
                flags.set(Flag::DeeplinkRefused);
                core.shared.metrics.fallback(Fallback::DeepLink);
                None
            }),
        };
        let known = self.visitor(&keys, verdict, found, unavailable.is_none());
        let id = core.mint(now);
        let click_id = self.click_id(&keys, verdict, known, id, unavailable.is_none());
        let target = self.target(click_id.as_ref());
        let status = match unavailable {
            Some(_) => self.fallback(lines),
            None => redirect(lines, self.policy(), |out| target.location(deep.as_ref(), out)),
        };
        if let Some(click_id) = &click_id
            && !self.asked.visit.is_stuffing()
            && (cookies.is_empty() || cookies.room_for(link.program()))
        {
            self.set_cookies(lines, &keys, verdict, known, click_id);
        }
        let choice = parameters.consent.and_then(consent::choice);
        if choice == Some(Consent::Denied) && !cookies.is_empty() && !self.link.is_exempt() {
            cookie::expire_lines(lines, link.program()); // or an older grant would speak again
        }
        let deep_link_host = deep.as_ref().and_then(|url| url.host_str());
        let recorded = self.record(id, flags, verdict, known.tag, deep_link_host);
        lines.extend_from_slice(b"sillage-recorded: ");
        lines.extend_from_slice(recorded.as_str().as_bytes());
        lines.extend_from_slice(b"\r\nsillage-event: ");
        lines.extend_from_slice(&id.text());
        lines.extend_from_slice(b"\r\n");
        status
    }

    fn consent(&self, cookies: &Cookies<'_>, found: FoundVisitor) -> Verdict {
        let program = self.link.program();
        // The visitor cookie is shared by the programs of this host; the click cookie tells for which one it speaks.
        let remembered = found.cookie.filter(|_| cookies.has_click(program));
        let signals = Signals {
            exempt: self.link.is_exempt(),
            choice: self.parameters.consent,
            cookie: remembered.map(|cookie| cookie.consent),
            granted_click: false,
            gdpr: self.parameters.gdpr,
            tc_string: self.parameters.gdpr_consent,
            gpc: self.asked.visit.gpc,
            dnt: self.asked.visit.dnt,
            page: Page::Partner,
        };
        consent::evaluate(&program.body().consent, &signals)
    }

    fn visitor(&self, keys: &Keys, verdict: Verdict, found: FoundVisitor, live: bool) -> Known {
        if verdict.effect != Effect::All {
            return Known::default();
        }
        let program = self.link.program();
        let fresh = || {
            let may = live && !self.asked.visit.is_stuffing() && !keys.cookies.is_empty();
            if may { self.core.random.borrow_mut().bytes().map(VisitorId) } else { None }
        };
        let (id, renew) = match found.cookie {
            Some(cookie) => {
                let half_ms = cookie::max_age_seconds(program) * 500;
                let old = self.asked.received_at.since(cookie.issued) > half_ms;
                (Some(cookie.id), old || cookie.consent != verdict.state)
            }
            None => (fresh(), true),
        };
        Known { id, tag: id.map(|id| VisitorTag::of(program.name(), id)), renew }
    }

    fn click_id(
        &self,
        keys: &Keys,
        verdict: Verdict,
        known: Known,
        id: event::EventId,
        live: bool,
    ) -> Option<ClickId> {
        if verdict.effect == Effect::CountOnly || !live {
            return None;
        }
        let claim = Claim {
            consent: verdict.state,
            test: self.parameters.test,
            prefetch: self.asked.visit.ahead,
            program: self.link.program().id(),
            partner: self.link.partner().map(|partner| partner.id()),
            link: self.link.id(),
            id,
            visitor: known.tag,
        };
        keys.clicks.mint(&claim, self.asked.received_at).ok()
    }

    fn set_cookies(
        &self,
        lines: &mut Vec<u8>,
        keys: &Keys,
        verdict: Verdict,
        known: Known,
        click_id: &ClickId,
    ) {
        let program = self.link.program();
        match verdict.effect {
            Effect::All => {
                if let Some(id) = known.id.filter(|_| known.renew) {
                    let issued = self.asked.received_at;
                    let cookie = VisitorCookie { id, issued, consent: verdict.state };
                    if let Some(value) = keys.cookies.write(&cookie, issued) {
                        cookie::set_line(lines, program, cookie::Name::Visitor, &value);
                    }
                }
                let text = click_id.as_bytes();
                cookie::set_line(lines, program, cookie::Name::Click, text);
            }
            Effect::ExemptOnly => {
                let text = click_id.as_bytes();
                cookie::set_line(lines, program, cookie::Name::ExemptClick, text);
            }
            Effect::ClickIdOnly | Effect::CountOnly => {}
        }
    }

    fn record(
        &self,
        id: event::EventId,
        flags: Flags,
        verdict: Verdict,
        visitor: Option<VisitorTag>,
        deep_link_host: Option<&str>,
    ) -> Recorded {
        let core = self.core;
        let count_only = verdict.effect == Effect::CountOnly;
        let mut block = core.block.borrow_mut();
        let (day, address_hash) = if count_only {
            (None, None)
        } else {
            self.asked.visit.seal(core, self.asked.client.address, id, &mut block)
        };
        let event = TouchEvent {
            id,
            event_type: EventType::Click,
            link: self.link,
            visitor,
            flags,
            consent: verdict.state,
            count_only,
            parameters: self.parameters,
            deep_link_host,
            country: self.asked.client.country(),
            agent: self.asked.visit.agent,
            referrer: self.asked.visit.referrer.as_deref(),
            address_hash,
            private: day.zip(Some(&*block)),
        };
        let recorded = event.enqueue(core, Class::Click);
        let metrics = &core.shared.metrics;
        metrics.flagged(flags);
        let mut counts = core.counts.borrow_mut();
        counts.consent(verdict.state);
        if recorded == Recorded::Queued {
            counts.accepted(Kind::Click);
        }
        recorded
    }
}

const fn fallback(reason: Unavailable) -> Fallback {
    match reason {
        Unavailable::ProgramPaused => Fallback::Paused,
        Unavailable::PartnerEnded => Fallback::PartnerEnded,
        Unavailable::Disabled => Fallback::Disabled,
        Unavailable::Expired => Fallback::Expired,
    }
}

#[cfg(test)]
mod tests;
