//! Where a click leads: the stored destination or an allowed deep link, macros filled in, our parameters set last.

use std::borrow::Cow;

use catalog::destination::{Macro, Piece, pieces};
use catalog::{LinkRef, ProgramRef};
use event::base64url;
use event::{ClickId, Millis};
use subtle::ConstantTimeEq;
use url::Url;

use crate::agent::Agent;
use crate::every::every;
use crate::keys::{Keys, hmac_cut};
use crate::query::Pair;
use crate::touch::{LinkParameters, device};

/// Longest `Location`, in bytes; above it the listed parameters are left out.
pub(crate) const LOCATION_BYTES_MAX: usize = 8192;
/// Longest deep link, in bytes: leaves room for our own parameters.
const DEEP_LINK_BYTES_MAX: usize = LOCATION_BYTES_MAX - 256;
/// The stand-down marker for coupon extensions.
const STAND_DOWN: &str = "afsrc";

/// What a location is made of.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub link: LinkRef<'a>,
    pub click_id: Option<&'a ClickId>,
    pub parameters: &'a LinkParameters<'a>,
    pub query: &'a [Pair<'a>],
    pub country: Option<&'a str>,
    pub agent: Agent,
    pub at: Millis,
    pub random: u64,
}

/// Why a deep link was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeepLinkFault {
    /// It is no WHATWG URL.
    NotAUrl,
    /// Scheme other than http and https.
    Scheme,
    /// It carries a user or password.
    UserInfo,
    /// Its host and port are not on the list, and it is not signed.
    Host,
    /// Its signature is wrong or expired.
    Signature,
    /// Written anew, it is longer than [`DEEP_LINK_BYTES_MAX`].
    TooLong,
}

/// The deep link of a click, checked and written anew.
pub(crate) fn deep_link(
    keys: &Keys,
    link: LinkRef<'_>,
    parameters: &LinkParameters<'_>,
    now: Millis,
) -> Result<Option<Url>, DeepLinkFault> {
    let Some(to) = parameters.to.filter(|to| !to.is_empty()) else { return Ok(None) };
    // Browsers drop tabs and line ends inside URLs; nothing legitimate carries them.
    if to.bytes().any(|b| b.is_ascii_control()) {
        return Err(DeepLinkFault::NotAUrl);
    }
    let url = Url::parse(to).map_err(|_| DeepLinkFault::NotAUrl)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(DeepLinkFault::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(DeepLinkFault::UserInfo);
    }
    if url.as_str().len() > DEEP_LINK_BYTES_MAX {
        return Err(DeepLinkFault::TooLong);
    }
    let host = url.host_str().ok_or(DeepLinkFault::NotAUrl)?;
    let port = url.port();
    let program = link.program();
    if program.body().deep_link_hosts.iter().any(|rule| rule.covers(host, port)) {
        return Ok(Some(url));
    }
    match (parameters.tsig, parameters.texp) {
        (None, _) => Err(DeepLinkFault::Host),
        (Some(tsig), texp) => {
            // The signature stands for the host, not for the port: only default ports are followed by it.
            if port.is_none() && signed(keys, link, to, texp, tsig, now) {
                Ok(Some(url))
            } else {
                Err(DeepLinkFault::Signature)
            }
        }
    }
}

/// `tsig` = base64url of the first 16 bytes of HMAC-SHA256(link, LF, to, LF, texp) under one of the program's link keys;
/// `texp`, Unix seconds, is required and not yet reached.
fn signed(
    keys: &Keys,
    link: LinkRef<'_>,
    to: &str,
    texp: Option<&str>,
    tsig: &str,
    now: Millis,
) -> bool {
    let Some(texp) = texp.filter(|texp| texp.len() <= 12) else { return false };
    let Ok(expires) = texp.parse::<u32>() else { return false };
    let Some(given) = base64url::decode(tsig.as_bytes()) else { return false };
    let program = link.program();
    let message = [link.name(), "\n", to, "\n", texp].concat();
    let mut right = false;
    for secret in keys.link(program.name(), &program.body().link_keys) {
        right |= bool::from(hmac_cut::<16>(secret, message.as_bytes()).ct_eq(&given));
    }
    right && now < Millis(i64::from(expires) * 1000)
}

impl Target<'_> {
    /// Appends the `Location` of a click that leads to the link's destination or to `deep_link` to `out`.
    pub(crate) fn location(&self, deep_link: Option<&Url>, out: &mut Vec<u8>) {
        let start = out.len();
        self.build(deep_link, true, out);
        if out.len() - start > LOCATION_BYTES_MAX {
            out.truncate(start);
            self.build(deep_link, false, out);
        }
    }

    fn build(&self, deep_link: Option<&Url>, listed: bool, out: &mut Vec<u8>) {
        let program = self.link.program();
        let start = out.len();
        let fragment = match deep_link {
            Some(url) => self.without_reserved(url, program, out),
            None => self.fill(self.link.destination(), out),
        };
        let location = out.get(start..).unwrap_or_default();
        let has_query = !every(location, |b| b != b'?');
        let mut more = Parameters { out, start, has_query };
        if listed {
            self.listed(program, &mut more);
        }
        if let Some(id) = self.click_id {
            more.set_plain(&program.body().landing_parameter, id.as_bytes());
        }
        if program.body().afsrc {
            more.set_plain(STAND_DOWN, b"1");
        }
        more.out.extend_from_slice(&fragment);
    }

    /// Fills macros into a stored destination; gives back its fragment with its `#`.
    fn fill<'d>(&self, destination: &'d str, out: &mut Vec<u8>) -> Cow<'d, [u8]> {
        let bytes = destination.as_bytes();
        if every(bytes, |b| (b != b'{') & (b != b'#')) {
            out.extend_from_slice(bytes);
            return Cow::Borrowed(&[]);
        }
        if memchr::memchr(b'{', bytes).is_none() {
            let end = memchr::memchr(b'#', bytes).unwrap_or(bytes.len());
            let (before, fragment) = bytes.split_at(end);
            out.extend_from_slice(before);
            return Cow::Borrowed(fragment);
        }
        let mut fragment: Option<Vec<u8>> = None;
        for piece in pieces(destination) {
            match piece {
                Piece::Text(text) => match (&mut fragment, text.split_once('#')) {
                    (Some(fragment), _) => fragment.extend_from_slice(text.as_bytes()),
                    (None, None) => out.extend_from_slice(text.as_bytes()),
                    (None, Some((before, after))) => {
                        out.extend_from_slice(before.as_bytes());
                        let mut begun = b"#".to_vec();
                        begun.extend_from_slice(after.as_bytes());
                        fragment = Some(begun);
                    }
                },
                Piece::Macro(name) => self.value(name, fragment.as_mut().unwrap_or(out)),
            }
        }
        Cow::Owned(fragment.unwrap_or_default())
    }

    fn value(&self, name: Macro, out: &mut Vec<u8>) {
        let parameters = self.parameters;
        match name {
            Macro::ClickId => encode(self.click_id.map_or("", ClickId::as_str), out),
            Macro::PartnerId => {
                encode(self.link.partner().map_or("", |partner| partner.name().as_str()), out);
            }
            Macro::ProgramId => encode(self.link.program().name().as_str(), out),
            Macro::LinkId => encode(self.link.name(), out),
            Macro::CreativeId => {
                encode(
                    parameters.creative.or_else(|| self.link.creative()).unwrap_or_default(),
                    out,
                );
            }
            Macro::SubId(n) => {
                let sub = usize::from(n).checked_sub(1).and_then(|at| parameters.subs.get(at));
                encode(sub.copied().flatten().unwrap_or_default(), out);
            }
            Macro::PartnerClickId => encode(parameters.pcid.unwrap_or_default(), out),
            Macro::Country => encode(self.country.unwrap_or_default(), out),
            Macro::Device => encode(device(self.agent.device), out),
            Macro::Os => encode(self.agent.os.as_str(), out),
            Macro::Ts => encode(&self.at.rfc3339(), out),
            Macro::Unix => {
                out.extend_from_slice(
                    itoa::Buffer::new().format(self.at.0.div_euclid(1000)).as_bytes(),
                );
            }
            Macro::Rand => {
                out.extend_from_slice(itoa::Buffer::new().format(self.random).as_bytes())
            }
        }
    }

    /// A deep link without the parameters that are ours; gives back its fragment with its `#`.
    fn without_reserved<'d>(
        &self,
        url: &'d Url,
        program: ProgramRef<'_>,
        out: &mut Vec<u8>,
    ) -> Cow<'d, [u8]> {
        let text = url.as_str();
        let (text, fragment) = text.split_at(text.find('#').unwrap_or(text.len()));
        let fragment = Cow::Borrowed(fragment.as_bytes());
        let Some((path, query)) = text.split_once('?') else {
            out.extend_from_slice(text.as_bytes());
            return fragment;
        };
        out.extend_from_slice(path.as_bytes());
        let mut mark = b'?';
        for pair in query.split('&') {
            if reserved(&name_of(pair), program) {
                continue;
            }
            out.push(mark);
            mark = b'&';
            out.extend_from_slice(pair.as_bytes());
        }
        fragment
    }

    /// Appends the parameters of the link that the program lists and the destination does not have.
    fn listed(&self, program: ProgramRef<'_>, more: &mut Parameters<'_>) {
        let patterns = &program.body().forward_parameters;
        for pair in self.query {
            let name = &*pair.name;
            let is_listed = patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == &**pattern,
            });
            if is_listed && !reserved(name, program) && !more.has(name) {
                more.set(name, &pair.value);
            }
        }
    }
}

/// The decoded name of a raw pair, in lower case.
fn name_of(pair: &str) -> String {
    let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
    percent_encoding::percent_decode_str(&name).decode_utf8_lossy().to_ascii_lowercase()
}

fn reserved(name: &str, program: ProgramRef<'_>) -> bool {
    name.eq_ignore_ascii_case(&program.body().landing_parameter) || name == STAND_DOWN
}

struct Parameters<'o> {
    out: &'o mut Vec<u8>,
    /// Where the location begins.
    start: usize,
    has_query: bool,
}

impl Parameters<'_> {
    fn set(&mut self, name: &str, value: &str) {
        self.mark();
        encode(name, self.out);
        self.out.push(b'=');
        encode(value, self.out);
    }

    /// Name and value of unreserved characters, as our own parameters are.
    fn set_plain(&mut self, name: &str, value: &[u8]) {
        self.mark();
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'=');
        self.out.extend_from_slice(value);
    }

    fn mark(&mut self) {
        match self.out.last() {
            Some(b'?' | b'&') if self.has_query => {}
            _ => self.out.push(if self.has_query { b'&' } else { b'?' }),
        }
        self.has_query = true;
    }

    fn has(&self, name: &str) -> bool {
        let location = self.out.get(self.start..).unwrap_or_default();
        let text = std::str::from_utf8(location).unwrap_or_default();
        let query = text.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| !pair.is_empty() && name_of(pair) == name)
    }
}

/// Percent-encodes everything that is not unreserved (RFC 3986, 2.3): right in a path, a query and a fragment.
pub(crate) fn encode(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut rest = text.as_bytes();
    loop {
        let plain = rest.iter().position(|b| !is_unreserved(*b)).unwrap_or(rest.len());
        let (before, after) = rest.split_at(plain);
        out.extend_from_slice(before);
        let Some((byte, tail)) = after.split_first() else { return };
        rest = tail;
        out.push(b'%');
        for nibble in [byte >> 4, byte & 15] {
            out.push(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
        }
    }
}

const fn is_unreserved(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
            #[expect(
                clippy::indexing_slicing,
                reason = "a byte is below 256; checked by the compiler"
            )]
            {
                table[byte as usize] = plain;
            }
            byte += 1;
        }
        table
    };
    #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
    TABLE[byte as usize]
}

#[cfg(test)]
mod tests;
