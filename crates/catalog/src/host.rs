//! Hosts: which ones a deep link may go to, and what is registrable.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A host to which a deep link may go: `shop.example`, `*.shop.example`, either with `:port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostRule {
    host: Box<str>,
    below: bool,
    port: Option<u16>,
}

/// Why a text is no host rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAHostRule {
    /// It does not parse as a host.
    #[error("{0:?} is not a host name")]
    Host(Box<str>),
    /// It has a scheme, path or user.
    #[error("a host alone is expected, without scheme and path")]
    MoreThanAHost,
    /// The port is no port.
    #[error("{0:?} is not a port")]
    Port(Box<str>),
    /// `*` is not the first label.
    #[error("* may only stand as the first label, as in *.shop.example")]
    Star,
    /// `*.` before a public suffix or an address.
    #[error("*.{0} would cover the sites of many owners")]
    PublicSuffix(Box<str>),
}

impl HostRule {
    /// The rule for exactly this host of an origin, in the form in which URLs write it.
    #[must_use]
    pub fn exact(host: &str, port: Option<u16>) -> Self {
        Self { host: host.into(), below: false, port }
    }

    /// Whether a URL with this host (as the WHATWG standard writes it) and port (none: the scheme's default one) is
    /// covered. `*.` covers sub-domains at any depth, not the domain itself.
    #[must_use]
    pub fn covers(&self, host: &str, port: Option<u16>) -> bool {
        if self.port != port {
            return false;
        }
        if self.below {
            host.strip_suffix(&*self.host).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            host == &*self.host
        }
    }
}

/// The registrable domain of a host (`shop.co.uk` of `www.shop.co.uk`), by the public suffix list; none for public
/// suffixes and addresses.
#[must_use]
pub fn registrable_domain(host: &str) -> Option<&str> {
    if host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    psl::domain_str(host)
}

impl FromStr for HostRule {
    type Err = NotAHostRule;

    fn from_str(text: &str) -> Result<Self, NotAHostRule> {
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest.contains('*') {
            return Err(NotAHostRule::Star);
        }
        if rest.contains(['/', '@', '?', '#', '\\']) {
            return Err(NotAHostRule::MoreThanAHost);
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, Some(port.parse::<u16>().map_err(|_| NotAHostRule::Port(port.into()))?))
            }
            _ => (rest, None),
        };
        let parsed =
            url::Host::parse(host).map_err(|_| NotAHostRule::Host(host.into()))?.to_string();
        if below && registrable_domain(&parsed).is_none() {
            return Err(NotAHostRule::PublicSuffix(parsed.into()));
        }
        Ok(Self { host: parsed.into(), below, port })
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.below {
            f.write_str("*.")?;
        }
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Serialize for HostRule {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostRule {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{HostRule, NotAHostRule};

    fn rule(text: &str) -> HostRule {
        text.parse().unwrap()
    }

    #[test]
    fn an_exact_host_covers_itself_only() {
        assert!(rule("Shop.Example").covers("shop.example", None));
        for other in ["www.shop.example", "xshop.example", "shop.example.evil", "shop.example."] {
            assert!(!rule("shop.example").covers(other, None), "{other}");
        }
        assert!(!rule("shop.example").covers("shop.example", Some(8443)));
        assert!(rule("shop.example:8443").covers("shop.example", Some(8443)));
        assert!(!rule("shop.example:8443").covers("shop.example", None));
    }

    #[test]
    fn a_star_covers_sub_domains_and_not_the_domain() {
        assert!(rule("*.shop.example").covers("a.b.shop.example", None));
        for other in ["shop.example", "xshop.example", ".shop.example", "shop.example.evil"] {
            assert!(!rule("*.shop.example").covers(other, None), "{other}");
        }
    }

    #[test]
    fn a_star_is_refused_before_a_public_suffix_and_before_an_address() {
        for bad in ["*.com", "*.co.uk", "*.github.io", "*.localhost", "*.127.0.0.1"] {
            assert!(matches!(bad.parse::<HostRule>(), Err(NotAHostRule::PublicSuffix(_))), "{bad}");
        }
        assert!("*.shop.co.uk".parse::<HostRule>().is_ok());
        assert!("*.shop.localhost".parse::<HostRule>().is_ok());
    }

    #[test]
    fn what_is_more_or_less_than_a_host_is_refused() {
        for bad in ["", "*", "a.*.b", "*.*.com", "https://a.example", "a.example/x", "u@a.example"]
        {
            assert!(bad.parse::<HostRule>().is_err(), "{bad}");
        }
        for bad in ["a.example:x", "a.example:70000", "a b.example"] {
            assert!(bad.parse::<HostRule>().is_err(), "{bad}");
        }
        assert_eq!(rule("bücher.example").to_string(), "xn--bcher-kva.example");
        assert_eq!(rule("[::1]:8080").to_string(), "[::1]:8080");
    }
}
