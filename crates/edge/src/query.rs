//! Reads queries and forms of the real world: ordered pairs, repaired where partners and mail programs broke them.
//!
//! A second `?` counts as `&`, `&amp;` as `&`; a stray `%` stays; `+` is a space; invalid UTF-8 is kept lossily; empty
//! names are skipped. Every repair is flagged. Nothing here is an error.

use std::borrow::Cow;

use event::Flag;
use smallvec::SmallVec;

use crate::every::every;
use crate::flags::Flags;

/// Most pairs that are read; what comes after them is skipped and flagged as repaired.
pub(crate) const PAIRS_MAX: usize = 512;

/// One name and its value, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair<'a> {
    /// The name in lower case.
    pub name: Cow<'a, str>,
    /// The value.
    pub value: Cow<'a, str>,
}

/// The pairs of a query or form, in order. The first of two pairs with one name counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query<'a> {
    pairs: SmallVec<[Pair<'a>; 4]>,
    flags: Flags,
    /// Some of it is escaped.
    escaped: bool,
}

/// Whether a value that is an unescaped URL takes the rest of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeepLink {
    /// Names that carry deep links do.
    TakesRest,
    /// No name does.
    Plain,
}

impl<'a> Query<'a> {
    /// Reads `raw`, the text after the `?` or a form's body.
    pub(crate) fn parse(raw: &'a str, deep_link: DeepLink) -> Self {
        let escaped = !every(raw.as_bytes(), |b| (b != b'%') & (b != b'+'));
        let mut query = Self { escaped, ..Self::default() };
        let mut rest = raw;
        while !rest.is_empty() {
            if query.pairs.len() >= PAIRS_MAX {
                query.flags.set(Flag::QueryRepaired);
                break;
            }
            if deep_link == DeepLink::TakesRest
                && let Some(pair) = unescaped_deep_link(rest)
            {
                if pair.value.contains(['&', '?']) {
                    query.flags.set(Flag::QueryRepaired);
                }
                query.add(pair);
                break;
            }
            let end = memchr::memchr2(b'&', b'?', rest.as_bytes());
            let (part, tail) = rest.split_at(end.unwrap_or(rest.len()));
            if tail.starts_with('?') {
                query.flags.set(Flag::QueryRepaired);
            }
            rest = tail.get(1..).unwrap_or_default();
            let part = match part.strip_prefix("amp;") {
                Some(part) => {
                    query.flags.set(Flag::QueryRepaired);
                    part
                }
                None => part,
            };
            // Names are short: one byte after the other is faster than a search made for long texts.
            let equals = part.bytes().position(|b| b == b'=').unwrap_or(part.len());
            let (name, value) = part.split_at(equals);
            let value = value.get(1..).unwrap_or_default();
            if name.is_empty() {
                if !part.is_empty() {
                    query.flags.set(Flag::QueryRepaired);
                }
                continue;
            }
            let name = query.decode(name);
            let value = query.decode(value);
            query.add(Pair { name: lower(name), value });
        }
        query
    }

    fn add(&mut self, pair: Pair<'a>) {
        if self.pairs.iter().any(|other| other.name == pair.name) {
            self.flags.set(Flag::ParamDuplicate);
            return;
        }
        if is_unexpanded_macro(&pair.value) {
            self.flags.set(Flag::MacroUnexpanded);
        }
        self.pairs.push(pair);
    }

    fn decode(&mut self, text: &'a str) -> Cow<'a, str> {
        if self.escaped { self.decode_escaped(text) } else { Cow::Borrowed(text) }
    }

    fn decode_escaped(&mut self, text: &'a str) -> Cow<'a, str> {
        if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
            return Cow::Borrowed(text);
        }
        let (bytes, stray) = decode_bytes(text.as_bytes());
        if stray {
            self.flags.set(Flag::QueryRepaired);
        }
        Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|e| {
            self.flags.set(Flag::QueryRepaired);
            String::from_utf8_lossy(e.as_bytes()).into_owned()
        }))
    }

    /// Name (in lower case) and value of each pair, in order.
    pub(crate) fn pairs(&self) -> &[Pair<'a>] {
        &self.pairs
    }

    /// The value of `name`, given in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|pair| pair.name == name).map(|pair| &*pair.value)
    }

    /// What was odd about it.
    pub(crate) const fn flags(&self) -> Flags {
        self.flags
    }
}

fn lower(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        name
    }
}

/// `to=https://…` (or an alias of `to`) with nothing escaped: the rest of the query belongs to it.
fn unescaped_deep_link(rest: &str) -> Option<Pair<'_>> {
    if !matches!(
        rest.as_bytes().first()?,
        b'T' | b't' | b'U' | b'u' | b'D' | b'd' | b'M' | b'm' | b'A' | b'a'
    ) {
        return None; // no name of a deep link, nor `amp;`, begins so
    }
    let (name, value) = rest.split_once('=')?;
    let name = name.strip_prefix("amp;").unwrap_or(name);
    let scheme = value.get(..7).is_some_and(|s| s.eq_ignore_ascii_case("http://"))
        || value.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://"));
    let deep = ["to", "url", "ued", "destination", "murl"];
    if !scheme || !deep.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return None;
    }
    Some(Pair { name: lower(Cow::Borrowed(name)), value: Cow::Borrowed(value) })
}

/// Percent-decodes; `+` becomes a space. The second value tells whether a `%` was followed by something else than two
/// hexadecimal digits and therefore kept.
fn decode_bytes(text: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(text.len());
    let mut stray = false;
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => out.push(b' '),
            b'%' => match tail {
                [high, low, after @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                    let byte = hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0);
                    out.push(byte);
                    rest = after;
                }
                _ => {
                    stray = true;
                    out.push(b'%');
                }
            },
            other => out.push(other),
        }
    }
    (out, stray)
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// A placeholder of a partner's platform that was not replaced: `{x}`, `${x}`, `[x]`, `%%x%%`.
fn is_unexpanded_macro(value: &str) -> bool {
    let inner = match value.as_bytes().first() {
        Some(b'{') => value.strip_prefix('{').and_then(|v| v.strip_suffix('}')),
        Some(b'$') => value.strip_prefix("${").and_then(|v| v.strip_suffix('}')),
        Some(b'[') => value.strip_prefix('[').and_then(|v| v.strip_suffix(']')),
        Some(b'%') => value.strip_prefix("%%").and_then(|v| v.strip_suffix("%%")),
        _ => None,
    };
    inner.is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b))
    })
}

#[cfg(test)]
mod tests;
