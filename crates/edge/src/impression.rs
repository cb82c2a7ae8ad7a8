//! `GET|HEAD /i/{link}.gif`: the impression pixel.

use catalog::program::ThirdParty;
use event::body::EventType;
use event::{Flag, VisitorId, VisitorTag};
use eventlog::Class;
use http::{Method, StatusCode};

use crate::click::refuse_unknown;
use crate::consent::{self, Effect, Page, Signals};
use crate::cookie::{self, Cookies, VisitorCookie};
use crate::core::Core;
use crate::metrics::{Endpoint, Kind};
use crate::query::{DeepLink, Query};
use crate::request::Head;
use crate::response::{self, Recorded, Reply};
use crate::touch::{LinkParameters, TouchEvent};
use crate::visit::Visit;

/// Answers an impression. A broken image in a partner's page would be our fault, so every answer is the GIF.
pub(crate) fn impression(core: &Core, head: &Head, name: &str) -> Reply {
    let Some(catalog) = core.catalog() else {
        return response::gif_not_stored(response::NO_CATALOG_SECONDS);
    };
    let is_head = head.method == Method::HEAD;
    let Some(link) = catalog.link(name) else {
        let mut reply = response::gif(StatusCode::NOT_FOUND);
        if !is_head {
            refuse_unknown(core, head, EventType::Impression, Endpoint::Impression, &mut reply);
        }
        return reply;
    };
    let mut reply = response::gif(StatusCode::OK);
    if is_head {
        core.shared.metrics.accepted(Kind::Head, 1);
        return reply;
    }
    let now = head.received_at;
    let program = link.program();
    let query = Query::parse(head.query(), DeepLink::Plain);
    let parameters = LinkParameters::read(&query);
    let mut visit = Visit::read(core, &head.headers);
    visit.flags = visit.flags.without(Flag::ImageLoad).without(Flag::Iframe); // it is an image
    let keys = core.keys();
    let cookies = Cookies::read(&head.headers);
    let found = cookies.visitor(&keys.cookies, program, now);
    let remembered = found.cookie.filter(|_| cookies.has_click(program));
    let signals = Signals {
        exempt: link.is_exempt(),
        choice: parameters.consent,
        cookie: remembered.map(|cookie| cookie.consent),
        granted_click: false,
        gdpr: parameters.gdpr,
        tc_string: parameters.gdpr_consent,
        gpc: visit.gpc,
        dnt: visit.dnt,
        page: Page::Partner,
    };
    let verdict = consent::evaluate(&program.body().consent, &signals);
    let mut flags = parameters.flags.with(visit.flags).with(verdict.flags);
    flags.set_if(found.bad_mac, Flag::CookieBadMac);
    flags.set_if(core.is_datacenter(head.client.address), Flag::Datacenter);
    if let Some(reason) = link.unavailable(now) {
        flags.set(reason.flag());
    }
    let third_party = program.body().cookie.third_party == ThirdParty::Unpartitioned;
    let visitor = match (verdict.effect, found.cookie) {
        (Effect::All, Some(cookie)) => Some(cookie.id),
        (Effect::All, None) if third_party && cookies.room_for(program) => {
            let id = core.random.borrow_mut().bytes().map(VisitorId);
            let value = id.and_then(|id| {
                keys.cookies.write(&VisitorCookie { id, issued: now, consent: verdict.state }, now)
            });
            if let Some(value) = value {
                cookie::set(reply.headers_mut(), program, cookie::Name::Visitor, &value);
            }
            id
        }
        _ => None,
    };
    let id = core.mint(now);
    let count_only = verdict.effect == Effect::CountOnly;
    let mut block = core.block.borrow_mut();
    let (day, address_hash) = if count_only {
        (None, None)
    } else {
        visit.seal(core, head.client.address, id, &mut block)
    };
    let event = TouchEvent {
        id,
        event_type: EventType::Impression,
        link,
        visitor: visitor.map(|visitor| VisitorTag::of(program.name(), visitor)),
        flags,
        consent: verdict.state,
        count_only,
        parameters: &parameters,
        deep_link_host: None,
        country: head.client.country(),
        agent: visit.agent,
        referrer: visit.referrer.as_deref(),
        address_hash,
        private: day.zip(Some(&*block)),
    };
    let recorded = event.enqueue(core, Class::Impression);
    let metrics = &core.shared.metrics;
    metrics.flagged(flags);
    let mut counts = core.counts.borrow_mut();
    counts.consent(verdict.state);
    if recorded == Recorded::Queued {
        counts.accepted(Kind::Impression);
    }
    response::mark_recorded(reply.headers_mut(), id, recorded);
    reply
}
