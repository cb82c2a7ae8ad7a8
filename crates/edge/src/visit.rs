//! What the headers of a click or impression tell about it: agent, referrer, signals and the flags they set.

use std::borrow::Cow;

use event::{EventId, Flag};
use http::HeaderMap;
use http::header::{HeaderValue, REFERER, USER_AGENT};

use crate::address::AddressHash;
use crate::agent::Agent;
use crate::core::Core;
use crate::flags::Flags;
use crate::request::Head;
use crate::touch::write_private;

/// What was seen in the headers.
#[derive(Debug)]
pub(crate) struct Visit<'h> {
    pub agent: Agent,
    pub agent_text: Option<Cow<'h, str>>,
    pub referrer: Option<Cow<'h, str>>,
    /// `Sec-GPC: 1`.
    pub gpc: bool,
    /// `DNT: 1`.
    pub dnt: bool,
    /// Fetched ahead of a navigation.
    pub ahead: bool,
    pub flags: Flags,
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(value.as_bytes()),
    }
}

impl<'h> Visit<'h> {
    /// Reads the headers in one pass.
    pub(crate) fn read(core: &Core, headers: &'h HeaderMap) -> Self {
        let mut visit = Self {
            agent: Agent::NONE,
            agent_text: None,
            referrer: None,
            gpc: false,
            dnt: false,
            ahead: false,
            flags: Flags::default(),
        };
        for (name, value) in headers {
            let bytes = value.as_bytes();
            if name == USER_AGENT {
                if visit.agent_text.is_none() {
                    visit.agent = core.agents.borrow_mut().read(bytes);
                    visit.agent_text = Some(text(value));
                }
            } else if name == REFERER {
                visit.referrer = visit.referrer.or_else(|| Some(text(value)));
            } else {
                visit.signal(name.as_str(), bytes);
            }
        }
        if let Some(flag) = visit.agent.flag {
            visit.flags.set(flag);
        }
        visit
    }

    fn signal(&mut self, name: &str, value: &[u8]) {
        match name {
            "sec-gpc" => self.gpc |= value == b"1",
            "dnt" => self.dnt |= value == b"1",
            "sec-purpose" | "purpose" | "x-purpose" | "x-moz" => self.purpose(value),
            "sec-fetch-dest" => match value {
                b"" | b"document" | b"empty" => {}
                b"iframe" | b"frame" | b"embed" | b"object" | b"fencedframe" => {
                    self.flags.set(Flag::Iframe);
                }
                _ => self.flags.set(Flag::ImageLoad),
            },
            _ => {}
        }
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
        head: &Head,
        id: EventId,
        out: &mut Vec<u8>,
    ) -> (Option<u32>, Option<AddressHash>) {
        let today = core.today(id.time());
        let mut addresses = core.addresses.borrow_mut();
        let known = addresses.get(today.day, today.address.as_ref(), head.client.address);
        out.clear();
        let day = today.seal.as_ref().and_then(|seal| {
            write_private(out, self.agent_text.as_deref(), self.referrer.as_deref(), &known.cut);
            seal.seal_json(id, out).ok().map(|()| today.day)
        });
        (day, known.hash)
    }
}
