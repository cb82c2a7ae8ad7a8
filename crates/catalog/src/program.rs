//! A program as its versions record it: what the edge needs of it, its goals, own channels, segments and terms.

use std::collections::BTreeMap;

use event::money::DecimalMark;
use event::{ChannelName, Currency, GoalName, SegmentName};
use serde::{Deserialize, Serialize};

use crate::host::HostRule;
use crate::terms::{LevelTerms, ProgramTerms};
use crate::timeline::Timeline;

/// A merchant's partner program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Name for people.
    pub title: Box<str>,
    /// Home page of the shop: where a link goes when nothing better is left.
    pub home: Box<str>,
    /// Origins (`https://shop.example`) whose pages may report and whose cross-origin calls are answered.
    pub sites: Vec<Box<str>>,
    /// Hosts to which a deep link may go.
    pub deep_link_hosts: Vec<HostRule>,
    /// Where links go that are not live; absent: the home page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Box<str>>,
    /// Parameter of the landing page that carries the click id.
    pub landing_parameter: Box<str>,
    /// Parameters of the link that are passed on: exact names, or a prefix with `*` at its end. Lower case.
    pub forward_parameters: Vec<Box<str>>,
    /// Whether `afsrc=1`, the stand-down marker for coupon extensions, is set on the destination.
    pub afsrc: bool,
    /// `Referrer-Policy` of the redirect.
    pub referrer_policy: ReferrerPolicy,
    /// Cookies.
    pub cookie: Cookie,
    /// Consent.
    pub consent: Consent,
    /// Who may report conversions.
    pub reports: Reports,
    /// Ids of the keys, in the key file, that sign deep links (`tsig`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link_keys: Vec<Box<str>>,
    /// What a conversion may be.
    pub goals: BTreeMap<GoalName, Goal>,
    /// The merchant's own channels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<ChannelName, OwnChannel>,
    /// Groups of partners with terms of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub segments: BTreeMap<SegmentName, Segment>,
    /// Zone of calendar periods and of times without offset, such as `Europe/Paris`.
    pub time_zone: Box<str>,
    /// Currency of orders that name none, an ISO 4217 code.
    pub currency: Currency,
    /// The character between units and decimals in the amounts of its reports.
    #[serde(default)]
    pub decimal_mark: DecimalMark,
    /// Live or paused, by time.
    pub state: Timeline<ProgramState>,
    /// Observed or live, by time.
    pub mode: Timeline<Mode>,
    /// Terms, by time.
    pub terms: Timeline<ProgramTerms>,
}

impl Program {
    /// Whether pages of this origin (as browsers write it) may report.
    #[must_use]
    pub fn is_site(&self, origin: &str) -> bool {
        self.sites.iter().any(|site| &**site == origin)
    }

    /// Whether a deep link may go to this host (as the WHATWG standard writes it) and port (none: the scheme's default
    /// one).
    #[must_use]
    pub fn allows_host(&self, host: &str, port: Option<u16>) -> bool {
        self.deep_link_hosts.iter().any(|rule| rule.covers(host, port))
    }

    /// Whether a parameter of the link is passed on to the destination. Names compare without regard to case.
    #[must_use]
    pub fn forwards(&self, parameter: &str) -> bool {
        let is = |name: &str| parameter.eq_ignore_ascii_case(name);
        if is(&self.landing_parameter) || is("afsrc") {
            return false;
        }
        self.forward_parameters.iter().any(|rule| match rule.strip_suffix('*') {
            Some(prefix) => parameter
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
            None => is(rule),
        })
    }
}

/// Whether a program's links lead to their destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramState {
    /// Links redirect to their destinations.
    Live,
    /// Links redirect to their fallbacks; clicks are recorded with a flag.
    Paused,
}

/// Whether decisions move money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decisions, traces and reports only.
    Observe,
    /// Decisions are priced and posted.
    Live,
}

/// `Referrer-Policy` of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReferrerPolicy {
    /// Nothing is sent.
    NoReferrer,
    /// The origin is sent.
    Origin,
    /// The whole address to the same origin, the origin to others, nothing when leaving TLS. The default.
    StrictOriginWhenCrossOrigin,
    /// The origin is sent unless leaving TLS.
    StrictOrigin,
    /// The whole address to the same origin only.
    SameOrigin,
    /// The whole address unless leaving TLS.
    NoReferrerWhenDowngrade,
}

impl ReferrerPolicy {
    /// The value of the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoReferrer => "no-referrer",
            Self::Origin => "origin",
            Self::StrictOriginWhenCrossOrigin => "strict-origin-when-cross-origin",
            Self::StrictOrigin => "strict-origin",
            Self::SameOrigin => "same-origin",
            Self::NoReferrerWhenDowngrade => "no-referrer-when-downgrade",
        }
    }
}

/// Cookies of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cookie {
    /// `Domain` attribute, a registrable parent of the edge's host; absent: cookies of that host alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Box<str>>,
    /// Whether cookies are also set in pages of other sites.
    #[serde(default)]
    pub third_party: ThirdParty,
    /// Path under which a reverse proxy of the shop's own host serves the edge, such as `/sl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<Box<str>>,
    /// Life, in milliseconds; absent: the longest lookback window of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_ms: Option<i64>,
}

/// Cookies in pages of other sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThirdParty {
    /// Never: `SameSite=Lax`.
    #[default]
    Off,
    /// `SameSite=None; Secure`. Works in Chromium only.
    Unpartitioned,
}

/// What consent signals do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// What a click without any signal is.
    pub unknown: UnknownConsent,
    /// What `Sec-GPC: 1` does.
    pub gpc: Signal,
    /// Whether `Sec-GPC` also overrides a later explicit grant.
    pub gpc_wins: bool,
    /// What `DNT: 1` does.
    pub dnt: Signal,
    /// Id of the program among the vendors of a TC string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcf_vendor: Option<u16>,
}

/// The defaults of every field.
impl Default for Consent {
    fn default() -> Self {
        Self {
            unknown: UnknownConsent::ClickId,
            gpc: Signal::Deny,
            gpc_wins: false,
            dnt: Signal::Ignore,
            tcf_vendor: None,
        }
    }
}

/// How a click is treated while nobody asked the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownConsent {
    /// As a refusal: no cookie, no click id.
    Denied,
    /// No cookie; the click id travels in the URL.
    ClickId,
    /// As a grant.
    Granted,
}

/// What a privacy signal of the browser does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// It is a refusal.
    Deny,
    /// It is recorded only.
    Ignore,
}

/// Who may report conversions, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reports {
    /// What a report without credentials from a page needs.
    #[serde(default)]
    pub page: PageTrust,
    /// SHA-256 of each accepted token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_sha256: Vec<TokenHash>,
    /// Ids of the keys, in the key file, that sign server calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hmac_keys: Vec<Box<str>>,
    /// Networks from which server calls are accepted; empty: from everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_networks: Vec<ipnet::IpNet>,
}

/// What a report from a page needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageTrust {
    /// Pages may not report.
    Off,
    /// A valid click id, as parameter or cookie.
    #[default]
    RequireClickId,
    /// Nothing.
    Allow,
}

/// SHA-256 of a token. The token itself is in no file of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash written as 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut out = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != out.len() || !rest.is_empty() {
            return None;
        }
        let digit = |b: u8| (b as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
        for (place, &[high, low]) in out.iter_mut().zip(pairs) {
            *place = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(out))
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use std::fmt::Write;
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            write!(text, "{byte:02x}").map_err(serde::ser::Error::custom)?;
        }
        s.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("a token hash is 64 hexadecimal digits"))
    }
}

/// What a conversion of this goal is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// Whether a rule may pay for it: then every report needs an order id or a client event id.
    pub paid: bool,
}

/// One of the merchant's own channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnChannel {
    /// Name for people.
    pub title: Box<str>,
}

/// A group of partners with shared terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Name for people.
    pub title: Box<str>,
    /// Terms, by time.
    #[serde(default, skip_serializing_if = "Timeline::is_empty")]
    pub terms: Timeline<LevelTerms>,
}

#[cfg(test)]
mod tests {
    use crate::import::{Format, snapshot_of};

    #[test]
    fn a_program_passes_on_what_it_lists_and_never_its_own_parameters() {
        let text = include_str!("../golden/catalog.toml");
        let snapshot = snapshot_of(text, Format::Toml, event::Millis(0)).unwrap();
        let program = snapshot.program("shop").unwrap().body();
        for listed in ["utm_source", "UTM_Medium", "utm_", "lang", "LANG"] {
            assert!(program.forwards(listed), "{listed}");
        }
        for other in ["utm", "language", "sl_click", "SL_CLICK", "afsrc", "", "xutm_source", "é"] {
            assert!(!program.forwards(other), "{other}");
        }
        assert!(program.allows_host("a.shop.example", None));
        assert!(program.allows_host("shop.example", Some(8443)));
        assert!(!program.allows_host("a.shop.example", Some(8443)));
        assert!(program.is_site("https://shop.example"));
        assert!(!program.is_site("https://shop.example:8443") && !program.is_site("null"));
    }
}
