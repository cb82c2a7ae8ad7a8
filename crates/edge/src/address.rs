//! The client's address: whom to believe about it, how it is cut and how it is hashed.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use event::base64url;
use event::keys::Secret;
use foldhash::fast::RandomState;
use ipnet::IpNet;

use crate::config::{Config, ForwardedHeader};
use crate::keys::hmac_cut;
use crate::request::{Client, Headers};

/// Most addresses whose hash a core remembers.
const HASHES_MAX: usize = 4096;

/// The client of a request whose connection comes from `peer`.
pub(crate) fn client<'h>(config: &Config, peer: IpAddr, headers: &impl Headers<'h>) -> Client {
    let peer = peer.to_canonical();
    if config.trusted_proxies.is_empty() || !trusted(&config.trusted_proxies, peer) {
        return Client { address: peer, country: None };
    }
    let country = config.country_header.as_deref().and_then(|name| {
        let code: [u8; 2] = headers.all(name).next()?.try_into().ok()?;
        let code = code.map(|b| b.to_ascii_uppercase());
        // XX and T1 are how proxies say "unknown" and "Tor".
        (code.iter().all(u8::is_ascii_uppercase) && code != *b"XX").then_some(code)
    });
    let address = forwarded(config, headers).unwrap_or(peer);
    Client { address, country }
}

fn trusted(proxies: &[IpNet], address: IpAddr) -> bool {
    proxies.iter().any(|net| net.contains(&address))
}

/// The right-most address of the configured header that is not a trusted proxy. An entry that is no address ends the
/// search: what stands left of it was written by whoever wrote it.
fn forwarded<'h>(config: &Config, headers: &impl Headers<'h>) -> Option<IpAddr> {
    let name = match config.forwarded_header {
        ForwardedHeader::XForwardedFor => "x-forwarded-for",
        ForwardedHeader::Forwarded => "forwarded",
    };
    let mut last_trusted = None;
    let values: smallvec::SmallVec<[&str; 2]> = headers.all(name).map(visible).collect();
    for entry in values.iter().rev().flat_map(|line| line.rsplit(',')) {
        let entry = match config.forwarded_header {
            ForwardedHeader::XForwardedFor => Some(entry.trim()),
            ForwardedHeader::Forwarded => for_of(entry),
        };
        let Some(address) = entry.and_then(address_of) else {
            break;
        };
        if !trusted(&config.trusted_proxies, address) {
            return Some(address);
        }
        last_trusted = Some(address);
    }
    last_trusted
}

/// A value of visible ASCII; anything else is empty.
fn visible(value: &[u8]) -> &str {
    let is_visible = value.iter().all(|b| matches!(b, b'\t' | b' '..=b'~'));
    std::str::from_utf8(value).ok().filter(|_| is_visible).unwrap_or_default()
}

/// `for=` of one element of `Forwarded` (RFC 7239).
fn for_of(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value))
    })
}

/// An address with or without port and brackets.
fn address_of(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    plain
        .or_else(with_port)
        .or_else(|| bracketed().map(IpAddr::V6))
        .map(|address| address.to_canonical())
}

/// The address cut to /24 or /48.
pub(crate) fn cut(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// The address that connections are counted by: IPv4 whole, IPv6 cut to /64.
pub(crate) fn bucket(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// HMAC-SHA256 under the key of the day, cut to 64 bits, in base64url (11 characters).
pub(crate) type AddressHash = [u8; 11];

/// The hash of an address under the secret of a day.
pub(crate) fn hash(secret: &Secret, address: IpAddr) -> AddressHash {
    let cut: [u8; 8] = match address {
        IpAddr::V4(v4) => hmac_cut(secret, &v4.octets()),
        IpAddr::V6(v6) => hmac_cut(secret, &v6.octets()),
    };
    let mut text = [0; 11];
    base64url::fill(&cut, &mut text);
    text
}

/// Cut address as text and hash of the addresses that a core has just seen.
#[derive(Debug, Default)]
pub(crate) struct HashCache {
    day: u32,
    known: HashMap<IpAddr, Known, RandomState>,
}

/// What an event says of an address.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Cut address as text.
    pub cut: Box<str>,
    /// Its hash; none once the day's key is destroyed.
    pub hash: Option<AddressHash>,
}

impl HashCache {
    /// What events of `day` say of `address`.
    pub(crate) fn get(&mut self, day: u32, secret: Option<&Secret>, address: IpAddr) -> &Known {
        if self.day != day || self.known.len() >= HASHES_MAX {
            self.known.clear();
            self.day = day;
        }
        self.known.entry(address).or_insert_with(|| {
            let mut text = String::new();
            let _infallible = write!(text, "{}", cut(address));
            Known { cut: text.into(), hash: secret.map(|secret| hash(secret, address)) }
        })
    }
}

#[cfg(test)]
mod tests;
