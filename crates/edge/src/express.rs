//! A plain click, answered where its head is read: from the bytes of the request to the bytes of the answer.
//!
//! Most requests of an edge are clicks, and most of those are one GET with nothing odd about it. Such a head is taken
//! here, before hyper sees it; whatever is not plain goes to hyper, whose way is slower and knows every case. Both ways
//! give the same answer: a test asks both.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use event::name::is_name;
use http::StatusCode;

use crate::click::{self, Asked};
use crate::cookie::Cookies;
use crate::core::Core;
use crate::every::every;
use crate::frames::Lines;
use crate::metrics::Endpoint;
use crate::request::Headers;
use crate::visit::{Field, Visit};
use crate::{address, gate};

/// Appends the answer to a plain click on a link that exists, and says so; anything else it leaves alone.
pub(crate) fn answer(core: &Core, peer: IpAddr, lines: &Lines<'_>, out: &mut Vec<u8>) -> bool {
    let shared = &*core.shared;
    if shared.draining.load(Ordering::Relaxed) {
        return false; // hyper says so in its answer
    }
    let Some((target, name, query)) = target(lines) else { return false };
    let Some(Plain { host, visit, cookies }) = Plain::read(core, lines) else { return false };
    if !gate::lets_click_pass(&shared.config, target, host) {
        return false;
    }
    let Some(catalog) = core.catalog() else { return false };
    let Some(link) = catalog.link(name) else { return false };
    let weight = core.counts.borrow_mut().begin();
    let started = weight.map(|weight| (Instant::now(), weight));
    let received_at = core.now();
    let client = address::client(&shared.config, peer, lines);
    let asked = Asked { query, received_at, client, visit, cookies };
    let before = out.len();
    out.extend_from_slice(b"HTTP/1.1 302 Found\r\n");
    let lines = out.len();
    let status = click::answer(core, link, &asked, out);
    if status != StatusCode::FOUND {
        out.splice(before..lines, *b"HTTP/1.1 404 Not Found\r\n");
    }
    out.extend_from_slice(b"content-length: 0\r\ndate: ");
    out.extend_from_slice(&core.date(received_at));
    out.extend_from_slice(b"\r\n\r\n");
    let took = started.map(|(started, weight)| (started.elapsed(), weight));
    core.counts.borrow_mut().answered(Endpoint::Click, status, took);
    true
}

/// Target, link name and query of a GET of a link by HTTP/1.1; [`None`] if it is another request, or may be.
fn target<'t>(lines: &Lines<'t>) -> Option<(&'t [u8], &'t str, &'t str)> {
    let target = lines.request.strip_prefix(b"GET ")?.strip_suffix(b" HTTP/1.1")?;
    let path = target.strip_prefix(b"/c/")?;
    let (name, query) = match path.iter().position(|b| *b == b'?') {
        Some(at) => (path.get(..at)?, path.get(at + 1..)?),
        None => (path, &[][..]),
    };
    if !every(query, in_query) {
        return None;
    }
    let name = std::str::from_utf8(name).ok().filter(|name| is_name(name))?;
    Some((target, name, std::str::from_utf8(query).ok()?))
}

/// Whether every reader of a target takes this byte for a part of its query.
const fn in_query(byte: u8) -> bool {
    let below = (byte == b'!') | ((byte >= b'$') & (byte <= b';')) | (byte == b'=');
    let above = (byte >= b'?') & (byte <= b'~');
    let odd = (byte == b'\\') | (byte == b'^') | (byte == b'`') | ((byte >= b'{') & (byte <= b'}'));
    below | above & !odd
}

/// What a plain head says, read in one pass.
struct Plain<'t> {
    host: &'t [u8],
    visit: Visit<'t>,
    cookies: Cookies<'t>,
}

impl<'t> Plain<'t> {
    /// [`None`] if a field asks for more than an answer, or if readers may differ about it.
    fn read(core: &Core, lines: &Lines<'t>) -> Option<Self> {
        if !is_visible(lines) {
            return None;
        }
        let mut host = None;
        let mut visit = Visit::NONE;
        let mut cookies = Cookies::default();
        for (name, value) in &lines.fields {
            match Field::of(name) {
                Field::Host => {
                    if host.replace(*value).is_some() {
                        return None;
                    }
                }
                Field::Connection => {
                    if !value.eq_ignore_ascii_case(b"keep-alive") {
                        return None;
                    }
                }
                Field::Framing => return None,
                Field::Cookie => cookies.add(value),
                Field::Other => {
                    if !every(name, in_name) {
                        return None;
                    }
                }
                field @ (Field::UserAgent
                | Field::Referer
                | Field::Gpc
                | Field::Dnt
                | Field::Purpose
                | Field::FetchDest) => visit.see(core, field, value),
            }
        }
        Some(Self { host: host?, visit: visit.done(), cookies })
    }
}

/// Whether nothing but the ends of its lines is not visible ASCII.
fn is_visible(lines: &Lines<'_>) -> bool {
    // In runs whose count fits into a byte: the compiler then looks at many bytes at once.
    let odd = |run: &[u8]| run.iter().map(|b| u8::from(!matches!(b, b' '..=b'~'))).sum::<u8>();
    let odd: usize = lines.text.chunks(128).map(|run| usize::from(odd(run))).sum();
    odd == 2 * (lines.fields.len() + 2) // with the request line and the empty one
}

/// Whether every reader takes this byte for a part of a field's name.
const fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_')
}

impl<'t> Headers<'t> for Lines<'t> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'t [u8]> {
        let of = move |(field, _): &&(&[u8], &[u8])| field.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(of).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests;
