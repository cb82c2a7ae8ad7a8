//! Our three cookies: visitor, last click of a program, click of an exempt journey. Read tolerantly, set rarely.

use blake3::derive_key;
use bytes::Bytes;
use catalog::ProgramRef;
use catalog::program::ThirdParty;
use event::base64url;
use event::keys::{KeyId, KeySet};
use event::{Consent, Millis, VisitorId};
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use smallvec::SmallVec;
use subtle::ConstantTimeEq;

/// Most programs whose cookies one browser keeps; a ninth gets none.
pub(crate) const PROGRAMS_MAX: usize = 8;
/// Longest life that browsers grant, in seconds: 400 days.
pub(crate) const MAX_AGE_SECONDS_MAX: i64 = 34_560_000;

const HOST: &str = "__Host-";
const SECURE: &str = "__Secure-";
const PAYLOAD_BYTES: usize = 21;
const MAC_BYTES: usize = 12;

/// The value of a visitor cookie: ASCII.
pub(crate) type CookieText = SmallVec<[u8; 64]>;

/// What the visitor cookie says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VisitorCookie {
    /// The visitor.
    pub id: VisitorId,
    /// When it was set.
    pub issued: Millis,
    /// The choice it was set under.
    pub consent: Consent,
}

/// What was found of the visitor cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FoundVisitor {
    /// Of those with a good signature the one that was set last.
    pub cookie: Option<VisitorCookie>,
    /// One with a bad signature came along.
    pub bad_mac: bool,
}

/// Signs and checks the visitor cookie; subkeys are derived once.
pub(crate) struct CookieKeys {
    set: KeySet,
    macs: Vec<(KeyId, [u8; 32])>,
}

impl CookieKeys {
    /// Subkeys of each identity key.
    pub(crate) fn new(set: &KeySet) -> Self {
        let mac = |key: &event::keys::Key| {
            (key.id, derive_key("sillage visitor cookie v1 mac", &key.secret.0))
        };
        Self { set: set.clone(), macs: set.0.iter().map(mac).collect() }
    }

    /// Whether there is no key, so that no cookie can be signed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.macs.is_empty()
    }

    fn mac_of(&self, id: KeyId, signed: &[u8]) -> Option<[u8; MAC_BYTES]> {
        let (_, key) = self.macs.iter().find(|(known, _)| *known == id)?;
        blake3::keyed_hash(key, signed).as_bytes().first_chunk().copied()
    }

    /// The value of the cookie.
    pub(crate) fn write(&self, cookie: &VisitorCookie, now: Millis) -> Option<CookieText> {
        let key = self.set.signing(now)?.id;
        let mut payload = [0; PAYLOAD_BYTES];
        let seconds = u32::try_from(cookie.issued.0.div_euclid(1000)).unwrap_or(0).to_be_bytes();
        let consent = match cookie.consent {
            Consent::Unknown => 0,
            Consent::Granted => 1,
            Consent::Exempt => 2,
            Consent::Denied => 3,
        };
        let [id @ .., s0, s1, s2, s3, last] = &mut payload;
        *id = cookie.id.0;
        ([*s0, *s1, *s2, *s3], *last) = (seconds, consent);
        let mut value = CookieText::new();
        value.extend_from_slice(b"v1.");
        value.extend_from_slice(itoa::Buffer::new().format(key.0).as_bytes());
        value.push(b'.');
        encode_append::<PAYLOAD_BYTES, 28>(&payload, &mut value);
        let mac = self.mac_of(key, &value)?;
        value.push(b'.');
        encode_append::<MAC_BYTES, 16>(&mac, &mut value);
        Some(value)
    }

    /// Reads a value; [`None`] if it is not one of ours or its signature is wrong.
    pub(crate) fn read(&self, value: &str, now: Millis) -> Option<VisitorCookie> {
        let (signed, mac) = value.rsplit_once('.')?;
        let (key, payload) = signed.strip_prefix("v1.")?.split_once('.')?;
        let key = KeyId(key.parse().ok()?);
        self.set.verifying(key, now)?;
        let given: [u8; MAC_BYTES] = base64url::decode_exactly(mac.as_bytes())?;
        if !bool::from(self.mac_of(key, signed.as_bytes())?.ct_eq(&given)) {
            return None;
        }
        let bytes: [u8; PAYLOAD_BYTES] = base64url::decode_exactly(payload.as_bytes())?;
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (seconds, consent) = rest.split_first_chunk::<4>()?;
        let consent = match consent.first()? {
            1 => Consent::Granted,
            2 => Consent::Exempt,
            3 => Consent::Denied,
            _ => Consent::Unknown,
        };
        let issued = Millis(i64::from(u32::from_be_bytes(*seconds)) * 1000);
        Some(VisitorCookie { id: VisitorId(*id), issued, consent })
    }
}

fn encode_append<const BYTES: usize, const CHARS: usize>(
    bytes: &[u8; BYTES],
    out: &mut CookieText,
) {
    const { assert!(CHARS == base64url::len_of(BYTES)) };
    let mut text = [0; CHARS];
    base64url::fill(bytes, &mut text);
    out.extend_from_slice(&text);
}

/// Our cookies in a request. Everything else in the header is skipped; bad pairs are never an error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cookies<'a>(SmallVec<[(&'a str, &'a str); 4]>);

impl<'a> Cookies<'a> {
    /// The cookies of ours among all `Cookie` headers.
    pub(crate) fn read(headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for header in headers.get_all(COOKIE) {
            found.add(header.as_bytes());
        }
        found
    }

    /// Adds those of one more `Cookie` header.
    pub(crate) fn add(&mut self, header: &'a [u8]) {
        let mut rest = header;
        while !rest.is_empty() {
            let (pair, tail) = match memchr::memchr(b';', rest) {
                Some(at) => rest.split_at(at),
                None => (rest, &[][..]),
            };
            rest = tail.get(1..).unwrap_or_default();
            let pair = pair.trim_ascii_start();
            // Names are case-sensitive, but browsers check the prefix without case.
            if !pair.starts_with(b"__") {
                continue;
            }
            let Some((name, value)) =
                std::str::from_utf8(pair).ok().and_then(|pair| pair.split_once('='))
            else {
                continue;
            };
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
            if ours(name).is_some() && self.0.len() < PROGRAMS_MAX * 8 {
                self.0.push((name, value));
            }
        }
    }

    fn values<'s>(
        &'s self,
        prefix: &'static str,
        name: &'s str,
    ) -> impl Iterator<Item = &'a str> + 's {
        self.0
            .iter()
            .filter(move |(full, _)| full.strip_prefix(prefix) == Some(name))
            .map(|(_, value)| *value)
    }

    /// The visitor, in the form in which `program` sets it.
    pub(crate) fn visitor(
        &self,
        keys: &CookieKeys,
        program: ProgramRef<'_>,
        now: Millis,
    ) -> FoundVisitor {
        let mut found = FoundVisitor { cookie: None, bad_mac: false };
        for value in self.values(prefix(program), "sl_v") {
            match keys.read(value, now) {
                Some(cookie) if found.cookie.is_some_and(|kept| kept.issued >= cookie.issued) => {}
                Some(cookie) => found.cookie = Some(cookie),
                None => found.bad_mac = true,
            }
        }
        found
    }

    /// Whether there is a cookie of a click in `program`.
    pub(crate) fn has_click(&self, program: ProgramRef<'_>) -> bool {
        self.clicks(program).next().is_some()
    }

    /// The click ids of the last click in `program`, as they came: several where a cookie of another domain or path hides
    /// behind the same name.
    pub(crate) fn clicks(&self, program: ProgramRef<'_>) -> impl Iterator<Item = &'a str> {
        self.of_program(program, "sl_c_")
    }

    /// The same of an exempt journey.
    pub(crate) fn exempt_clicks(&self, program: ProgramRef<'_>) -> impl Iterator<Item = &'a str> {
        self.of_program(program, "sl_x_")
    }

    fn of_program(
        &self,
        program: ProgramRef<'_>,
        kind: &'static str,
    ) -> impl Iterator<Item = &'a str> {
        let prefix = prefix(program);
        let is_of = move |name: &str| {
            name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(kind))
                == Some(program.name().as_str())
        };
        self.0.iter().filter(move |(name, _)| is_of(name)).map(|(_, value)| *value)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a cookie of one more program may be set: at most [`PROGRAMS_MAX`] programs per browser.
    pub(crate) fn room_for(&self, program: ProgramRef<'_>) -> bool {
        let mut programs: SmallVec<[&str; PROGRAMS_MAX]> = SmallVec::new();
        for (name, _) in &self.0 {
            let of = ours(name)
                .and_then(|rest| rest.strip_prefix("sl_c_").or_else(|| rest.strip_prefix("sl_x_")));
            if let Some(of) = of
                && !programs.contains(&of)
            {
                programs.push(of);
            }
        }
        programs.contains(&program.name().as_str()) || programs.len() < PROGRAMS_MAX
    }
}

fn ours(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(HOST).or_else(|| name.strip_prefix(SECURE))?;
    rest.starts_with("sl_").then_some(rest)
}

fn prefix(program: ProgramRef<'_>) -> &'static str {
    if program.body().cookie.domain.is_some() { SECURE } else { HOST }
}

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// The visitor.
    Visitor,
    /// The last click of a program.
    Click,
    /// The click of an exempt journey.
    ExemptClick,
}

/// Seconds that a cookie of `program` lives.
pub(crate) fn max_age_seconds(program: ProgramRef<'_>) -> i64 {
    (program.cookie_max_age_ms() / 1000).clamp(0, MAX_AGE_SECONDS_MAX)
}

/// Adds a `Set-Cookie`. An empty value expires the cookie.
pub(crate) fn set(headers: &mut HeaderMap, program: ProgramRef<'_>, name: Name, value: &[u8]) {
    let mut line = Vec::new();
    write(&mut line, program, name, value);
    if let Ok(line) = HeaderValue::from_maybe_shared(Bytes::from(line)) {
        headers.append(SET_COOKIE, line);
    }
}

/// Appends the same as a line of a head.
pub(crate) fn set_line(lines: &mut Vec<u8>, program: ProgramRef<'_>, name: Name, value: &[u8]) {
    lines.extend_from_slice(b"set-cookie: ");
    write(lines, program, name, value);
    lines.extend_from_slice(b"\r\n");
}

fn write(line: &mut Vec<u8>, program: ProgramRef<'_>, name: Name, value: &[u8]) {
    let settings = &program.body().cookie;
    line.extend_from_slice(prefix(program).as_bytes());
    let kind = match name {
        Name::Visitor => b"sl_v".as_slice(),
        Name::Click => b"sl_c_",
        Name::ExemptClick => b"sl_x_",
    };
    line.extend_from_slice(kind);
    if name != Name::Visitor {
        line.extend_from_slice(program.name().as_str().as_bytes());
    }
    line.push(b'=');
    line.extend_from_slice(value);
    line.extend_from_slice(b"; Max-Age=");
    let seconds = if value.is_empty() { 0 } else { max_age_seconds(program) };
    line.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
    line.extend_from_slice(match settings.third_party {
        ThirdParty::Off => b"; Path=/; Secure; HttpOnly; SameSite=Lax".as_slice(),
        ThirdParty::Unpartitioned => b"; Path=/; Secure; HttpOnly; SameSite=None",
    });
    if let Some(domain) = &settings.domain {
        line.extend_from_slice(b"; Domain=");
        line.extend_from_slice(domain.as_bytes());
    }
}

/// Expires what rests on consent: the answer to a withdrawal. The cookie of an exempt journey does not rest on it and
/// stays, since no refusal changes such a journey.
pub(crate) fn expire(headers: &mut HeaderMap, program: ProgramRef<'_>) {
    for name in RESTING_ON_CONSENT {
        set(headers, program, name, b"");
    }
}

/// The same as lines of a head.
pub(crate) fn expire_lines(lines: &mut Vec<u8>, program: ProgramRef<'_>) {
    for name in RESTING_ON_CONSENT {
        set_line(lines, program, name, b"");
    }
}

const RESTING_ON_CONSENT: [Name; 2] = [Name::Visitor, Name::Click];

#[cfg(test)]
mod tests;
