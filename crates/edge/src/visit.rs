//! What the headers of a click or impression tell about it: agent, referrer, signals and the flags they set.

use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;

use event::{EventId, Flag};
use http::HeaderMap;

use crate::address::AddressHash;
use crate::agent::Agent;
use crate::core::Core;
use crate::flags::Flags;
use crate::touch::write_private;

/// What was seen in the headers.
#[derive(Debug)]
pub(crate) struct Visit<'h> {
    pub agent: Agent,
    /// The text of the user agent as JSON.
    pub agent_json: Option<Rc<[u8]>>,
    pub referrer: Option<Cow<'h, str>>,
    /// `Sec-GPC: 1`.
    pub gpc: bool,
    /// `DNT: 1`.
    pub dnt: bool,
    /// Fetched ahead of a navigation.
    pub ahead: bool,
    pub flags: Flags,
}

fn text(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(value),
    }
}

/// A header field by what it tells about a request for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Host,
    Connection,
    Cookie,
    UserAgent,
    Referer,
    Gpc,
    Dnt,
    Purpose,
    FetchDest,
    /// It decides where a request ends or what follows it.
    Framing,
    Other,
}

impl Field {
    /// The field of this name, in whatever case.
    pub(crate) fn of(name: &[u8]) -> Self {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        // Length and first letter tell nearly every other name apart.
        match (name.len(), name.first().map_or(0, u8::to_ascii_lowercase)) {
            (4, b'h') if is(b"host") => Self::Host,
            (10, b'u') if is(b"user-agent") => Self::UserAgent,
            (7, b'r') if is(b"referer") => Self::Referer,
            (6, b'c') if is(b"cookie") => Self::Cookie,
            (10, b'c') if is(b"connection") => Self::Connection,
            (7, b's') if is(b"sec-gpc") => Self::Gpc,
            (3, b'd') if is(b"dnt") => Self::Dnt,
            (11, b's') if is(b"sec-purpose") => Self::Purpose,
            (7, b'p') if is(b"purpose") => Self::Purpose,
            (9, b'x') if is(b"x-purpose") => Self::Purpose,
            (5, b'x') if is(b"x-moz") => Self::Purpose,
            (14, b's') if is(b"sec-fetch-dest") => Self::FetchDest,
            (2, b't') if is(b"te") => Self::Framing,
            (6, b'e') if is(b"expect") => Self::Framing,
            (7, b'u') if is(b"upgrade") => Self::Framing,
            (7, b't') if is(b"trailer") => Self::Framing,
            (14, b'c') if is(b"content-length") => Self::Framing,
            (17, b't') if is(b"transfer-encoding") => Self::Framing,
            _ => Self::Other,
        }
    }
}

impl Visit<'_> {
    /// A visit of which nothing was seen yet.
    pub(crate) const NONE: Self = Self {
        agent: Agent::NONE,
        agent_json: None,
        referrer: None,
        gpc: false,
        dnt: false,
        ahead: false,
        flags: Flags::NONE,
    };
}

impl<'h> Visit<'h> {
    /// Reads the headers in one pass.
    pub(crate) fn read(core: &Core, headers: &'h HeaderMap) -> Self {
        let mut visit = Self::NONE;
        for (name, value) in headers {
            visit.see(core, Field::of(name.as_str().as_bytes()), value.as_bytes());
        }
        visit.done()
    }

    /// Reads one header. Of several agents and referrers the first one counts.
    pub(crate) fn see(&mut self, core: &Core, field: Field, value: &'h [u8]) {
        match field {
            Field::UserAgent => {
                if self.agent_json.is_none() {
                    let (agent, json) = core.agents.borrow_mut().read_with_json(value);
                    (self.agent, self.agent_json) = (agent, Some(json));
                }
            }
            Field::Referer => {
                self.referrer.get_or_insert_with(|| text(value));
            }
            Field::Gpc => self.gpc |= value == b"1",
            Field::Dnt => self.dnt |= value == b"1",
            Field::Purpose => self.purpose(value),
            Field::FetchDest => match value {
                b"" | b"document" | b"empty" => {}
                b"iframe" | b"frame" | b"embed" | b"object" | b"fencedframe" => {
                    self.flags.set(Flag::Iframe);
                }
                _ => self.flags.set(Flag::ImageLoad),
            },
            Field::Host | Field::Connection | Field::Cookie | Field::Framing | Field::Other => {}
        }
    }

    /// The visit, once every header was seen.
    pub(crate) fn done(mut self) -> Self {
        if let Some(flag) = self.agent.flag {
            self.flags.set(flag);
        }
        self
    }

    fn purpose(&mut self, value: &[u8]) {
        let has = |word: &[u8]| value.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
        if has(b"prerender") {
            self.flags.set(Flag::Prerender);
        } else if has(b"prefetch") || has(b"preview") {
            self.flags.set(Flag::Prefetch);
        } else {
            return;
        }
        self.ahead = true;
    }

    /// Whether a click link was loaded as a part of a page: then no cookie is set.
    pub(crate) const fn is_stuffing(&self) -> bool {
        self.flags.has(Flag::ImageLoad) || self.flags.has(Flag::Iframe)
    }

    /// Seals the private block of event `id` into `out` and hashes the address. Gives the day of the key (none: no
    /// block) and the hash. What is counted only has neither.
    pub(crate) fn seal(
        &self,
        core: &Core,
        address: IpAddr,
        id: EventId,
        out: &mut Vec<u8>,
    ) -> (Option<u32>, Option<AddressHash>) {
        let today = core.today(id.time());
        let mut addresses = core.addresses.borrow_mut();
        let known = addresses.get(today.day, today.address.as_ref(), address);
        out.clear();
        let day = today.seal.as_ref().and_then(|seal| {
            write_private(out, self.agent_json.as_deref(), self.referrer.as_deref(), &known.cut);
            seal.seal_json(id, out).ok().map(|()| today.day)
        });
        (day, known.hash)
    }
}
