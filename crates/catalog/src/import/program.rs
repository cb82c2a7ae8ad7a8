//! Programs, as the file writes them.

use std::collections::BTreeMap;

use event::money::DecimalMark;
use event::{ChannelName, Currency, GoalName, ProgramName, SegmentName};
use url::Url;

use super::section::{Field, LaterKey, Section};
use super::terms::{self, BESIDE_TERMS, Dated};
use crate::destination;
use crate::host::{self, HostRule};
use crate::limits;
use crate::program::{
    Consent, Cookie, Goal, Mode, OwnChannel, PageTrust, Program, ProgramState, ReferrerPolicy,
    Reports, Segment, Signal, ThirdParty, TokenHash, UnknownConsent,
};
use crate::timeline::Timeline;

const LATER: [LaterKey; 8] = [
    ("coupon", "coupon codes with owners"),
    ("coupons", "coupon codes with owners"),
    ("rates", "exchange rates"),
    ("postback", "outbound postbacks"),
    ("dialect", "parameter names of other systems"),
    ("compat", "answers of other systems"),
    ("always_200", "answers of other systems"),
    ("lock", "locks of a program; `lock_after` or `lock` in its terms says when"),
];
const SEGMENT_LATER: [LaterKey; 1] = [("tier", "ranked classes of partners")];
const CHANNEL_LATER: [LaterKey; 1] = [("tier", "ranked classes of partners")];
/// Default name of the landing parameter.
const LANDING_PARAMETER: &str = "sl_click";

pub(super) fn read_all(all: &Section<'_>) -> Vec<(ProgramName, Program)> {
    let objects = all.objects::<ProgramName>().into_iter();
    objects.filter_map(|(name, section)| Some((name, read(section)?))).collect()
}

/// A faulty field refuses the file; what stands in its place is only there so that the rest can be checked.
fn read(section: Section<'_>) -> Option<Program> {
    let title = title(&section);
    let landing_parameter = landing_parameter(&section);
    let url = |field: Field<'_>| plain_url(&field, &landing_parameter);
    let home = section.required("home", "\"https://shop.example/\"").and_then(url);
    let fallback = section.field("fallback").and_then(url);
    let sites = section
        .required("sites", "[\"https://shop.example\"]")
        .and_then(|field| field.set(origin))
        .unwrap_or_default();
    let listed = section.field("deep_link_hosts").map(|field| {
        field.set(|entry| entry.parsed("write shop.example or *.shop.example")).unwrap_or_default()
    });
    let deep_link_hosts =
        listed.unwrap_or_else(|| sites.iter().filter_map(|site| host_of(site)).collect());
    let forward = section.field("forward_parameters");
    let forward_parameters = forward
        .and_then(|field| field.set(|entry| forwarded(entry, &landing_parameter)))
        .unwrap_or_else(|| vec!["utm_*".into()]);
    let afsrc = section.field("afsrc").and_then(|field| field.bool()).unwrap_or(true);
    let cookie = section.field("cookie").and_then(|field| field.table()).map(cookie);
    let consent = section.field("consent").and_then(|field| field.table()).map(consent);
    let reports = section.field("reports").and_then(|field| field.table()).map(reports);
    let link_keys = section.field("link_keys").and_then(|field| field.set(key_id));
    let currency = section
        .required("currency", "\"EUR\"")
        .and_then(|field| field.parsed("write an ISO 4217 code, such as \"EUR\""))
        .or_else(|| "EUR".parse::<Currency>().ok())?;
    let time_zone = section.required("time_zone", "\"Europe/Paris\"").and_then(|f| zone(&f));
    let program = Program {
        title: title.unwrap_or_default(),
        home: home.unwrap_or_default(),
        sites,
        deep_link_hosts,
        fallback,
        forward_parameters,
        afsrc,
        referrer_policy: referrer_policy(&section),
        cookie: cookie.unwrap_or_default(),
        consent: consent.unwrap_or_default(),
        reports: reports.unwrap_or_default(),
        link_keys: link_keys.unwrap_or_default(),
        goals: goals(&section),
        channels: channels(&section),
        segments: segments(&section, currency),
        time_zone: time_zone.unwrap_or_default(),
        currency,
        decimal_mark: decimal_mark(&section),
        state: state(&section),
        mode: mode(&section),
        terms: section
            .field("terms")
            .and_then(|field| terms::programs(&field, currency))
            .unwrap_or_default(),
        landing_parameter,
    };
    section.finish_with(&LATER, &BESIDE_TERMS);
    Some(program)
}

pub(super) fn title(section: &Section<'_>) -> Option<Box<str>> {
    let field = section.required("title", "\"…\"")?;
    field.text(limits::TEXT_BYTES_MAX).map(Into::into)
}

/// An address without macros.
pub(super) fn plain_url(field: &Field<'_>, landing_parameter: &str) -> Option<Box<str>> {
    let text = field.text(usize::MAX)?;
    let checked = destination::check_plain(text, landing_parameter);
    checked
        .map_err(|problem| {
            field.fault(
                problem.to_string(),
                "write a whole address without macros, such as \"https://shop.example/\"",
            );
        })
        .ok()
}

fn origin(field: &Field<'_>) -> Option<Box<str>> {
    let text = field.text(limits::TEXT_BYTES_MAX)?;
    let remedy = "write scheme and host alone, such as \"https://shop.example\"";
    let problem = match Url::parse(text) {
        Err(error) => format!("{text:?} is not an origin: {error}"),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            format!("{text:?} has the scheme {}; only http and https are possible", url.scheme())
        }
        Ok(url) if text.contains('*') || url.host_str().is_none_or(str::is_empty) => {
            format!("{text:?} does not name one host")
        }
        Ok(url)
            if !matches!(url.path(), "" | "/") || url.query().is_some() || text.contains('#') =>
        {
            format!("{text:?} has a path, which no origin has")
        }
        Ok(url) if !url.username().is_empty() => format!("{text:?} carries a user name"),
        Ok(url) => return Some(url.origin().ascii_serialization().into()),
    };
    field.fault(problem, remedy);
    None
}

fn host_of(site: &str) -> Option<HostRule> {
    let url = Url::parse(site).ok()?;
    Some(HostRule::exact(url.host_str()?, url.port()))
}

fn is_parameter(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn landing_parameter(section: &Section<'_>) -> Box<str> {
    let read = |field: Field<'_>| {
        let text = field.text(limits::TEXT_BYTES_MAX)?;
        if !is_parameter(text) {
            field.fault(
                format!("{text:?} is not the name of a parameter"),
                "use 1 to 64 of the characters 0-9 A-Z a-z _ - .",
            );
            return None;
        }
        if text.eq_ignore_ascii_case("afsrc") {
            field.fault("is the name of the stand-down marker", "choose another name");
            return None;
        }
        Some(Box::from(text))
    };
    let field = section.field("landing_parameter");
    field.and_then(read).unwrap_or_else(|| LANDING_PARAMETER.into())
}

fn forwarded(field: &Field<'_>, landing_parameter: &str) -> Option<Box<str>> {
    let text = field.text(limits::TEXT_BYTES_MAX)?.to_ascii_lowercase();
    let prefix = text.strip_suffix('*');
    if !is_parameter(prefix.unwrap_or(&text)) {
        field.fault(
            format!("{text:?} is neither the name of a parameter nor a prefix with * at its end"),
            "write it as \"utm_*\" or \"ref\"",
        );
        return None;
    }
    let covers = |name: &str| match prefix {
        Some(prefix) => name.starts_with(prefix),
        None => name == text,
    };
    for ours in [&landing_parameter.to_ascii_lowercase(), "afsrc"] {
        if covers(ours) {
            field.fault(
                format!("{text:?} covers {ours}, which the redirect sets itself"),
                "narrow it",
            );
            return None;
        }
    }
    Some(text.into())
}

fn key_id(field: &Field<'_>) -> Option<Box<str>> {
    let text = field.text(limits::TEXT_BYTES_MAX)?;
    if event::name::is_name(text) {
        return Some(text.into());
    }
    field.fault(
        "is not the id of a key",
        "write the id under which the secret stands in the key file; never the secret itself",
    );
    None
}

fn referrer_policy(section: &Section<'_>) -> ReferrerPolicy {
    let all = [
        ReferrerPolicy::StrictOriginWhenCrossOrigin,
        ReferrerPolicy::NoReferrer,
        ReferrerPolicy::Origin,
        ReferrerPolicy::StrictOrigin,
        ReferrerPolicy::SameOrigin,
        ReferrerPolicy::NoReferrerWhenDowngrade,
    ];
    let words = all.map(|policy| (policy.as_str(), policy));
    let field = section.field("referrer_policy");
    field
        .and_then(|field| field.word(&words))
        .unwrap_or(ReferrerPolicy::StrictOriginWhenCrossOrigin)
}

fn cookie(section: Section<'_>) -> Cookie {
    const THIRD_PARTY: [(&str, ThirdParty); 2] =
        [("off", ThirdParty::Off), ("unpartitioned", ThirdParty::Unpartitioned)];
    let cookie = Cookie {
        domain: section.field("domain").and_then(|field| cookie_domain(&field)),
        third_party: section
            .field("third_party")
            .and_then(|field| field.word(&THIRD_PARTY))
            .unwrap_or_default(),
        path_prefix: section.field("path_prefix").and_then(|field| path_prefix(&field)),
        max_age_ms: section
            .field("max_age")
            .and_then(|field| field.duration(limits::COOKIE_AGE_MAX_MS)),
    };
    section.finish(&[]);
    cookie
}

fn cookie_domain(field: &Field<'_>) -> Option<Box<str>> {
    let text = field.text(limits::TEXT_BYTES_MAX)?;
    let remedy = "write the registrable domain that shop and edge share, such as \"shop.example\"";
    let host = url::Host::parse(text.strip_prefix('.').unwrap_or(text)).ok();
    let Some(url::Host::Domain(domain)) = host else {
        field.fault(format!("{text:?} is not a domain"), remedy);
        return None;
    };
    if host::registrable_domain(&domain).is_none() {
        field.fault(
            format!("{text:?} is a public suffix: browsers refuse cookies for all its sites"),
            remedy,
        );
        return None;
    }
    Some(domain.into())
}

fn path_prefix(field: &Field<'_>) -> Option<Box<str>> {
    let text = field.text(limits::TEXT_BYTES_MAX)?;
    let plain = |segment: &str| !segment.is_empty() && is_parameter(segment) && segment != "..";
    if text.strip_prefix('/').is_some_and(|path| path.split('/').all(plain)) {
        return Some(text.into());
    }
    field.fault(
        format!("{text:?} is not a path prefix"),
        "begin it with / and end it without, such as \"/sl\"",
    );
    None
}

fn consent(section: Section<'_>) -> Consent {
    const UNKNOWN: [(&str, UnknownConsent); 3] = [
        ("denied", UnknownConsent::Denied),
        ("click_id", UnknownConsent::ClickId),
        ("granted", UnknownConsent::Granted),
    ];
    const SIGNAL: [(&str, Signal); 2] = [("deny", Signal::Deny), ("ignore", Signal::Ignore)];
    let standard = Consent::default();
    let signal = |key| section.field(key).and_then(|field: Field<'_>| field.word(&SIGNAL));
    let consent = Consent {
        unknown: section
            .field("unknown")
            .and_then(|field| field.word(&UNKNOWN))
            .unwrap_or(standard.unknown),
        gpc: signal("gpc").unwrap_or(standard.gpc),
        gpc_wins: section
            .field("gpc_wins")
            .and_then(|field| field.bool())
            .unwrap_or(standard.gpc_wins),
        dnt: signal("dnt").unwrap_or(standard.dnt),
        tcf_vendor: section
            .field("tcf_vendor")
            .and_then(|field| field.integer(1..=i64::from(u16::MAX)))
            .and_then(|vendor| u16::try_from(vendor).ok()),
    };
    section.finish(&[]);
    consent
}

fn reports(section: Section<'_>) -> Reports {
    const PAGE: [(&str, PageTrust); 3] = [
        ("off", PageTrust::Off),
        ("require_click_id", PageTrust::RequireClickId),
        ("allow", PageTrust::Allow),
    ];
    let page = section.field("page").and_then(|field| field.word(&PAGE));
    let tokens = section.field("token_sha256").and_then(|field| field.set(token_hash));
    let keys = section.field("hmac_keys").and_then(|field| {
        let keys = field.set(key_id)?;
        if keys.len() > 2 {
            field.fault(
                format!("names {} keys, above the limit of 2", keys.len()),
                "keep the key in use and the next one",
            );
        }
        Some(keys)
    });
    let networks = section.field("source_networks").and_then(|field| {
        field.set(|entry| {
            let text = entry.text(limits::TEXT_BYTES_MAX)?;
            let address = || text.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from);
            let network = text.parse().ok().or_else(address);
            if network.is_none() {
                entry.fault(
                    format!("{text:?} is no address and no network"),
                    "write it as \"192.0.2.7\", \"192.0.2.0/24\" or \"2001:db8::/32\"",
                );
            }
            network
        })
    });
    if let Some(field) = section.field("token") {
        field.fault(
            "would put a secret into the catalog, which is copied to every node and kept for ever",
            "write its hash: token_sha256 = [\"…\"], from `printf %s TOKEN | sha256sum`",
        );
    }
    section.finish(&[]);
    Reports {
        page: page.unwrap_or_default(),
        token_sha256: tokens.unwrap_or_default(),
        hmac_keys: keys.unwrap_or_default(),
        source_networks: networks.unwrap_or_default(),
    }
}

fn token_hash(field: &Field<'_>) -> Option<TokenHash> {
    let hash = TokenHash::parse(field.text(limits::TEXT_BYTES_MAX)?);
    if hash.is_none() {
        field.fault(
            "is not a SHA-256 hash",
            "write the 64 hexadecimal digits of `printf %s TOKEN | sha256sum`; never the token itself",
        );
    }
    hash
}

fn zone(field: &Field<'_>) -> Option<Box<str>> {
    let text = field.text(limits::TEXT_BYTES_MAX)?;
    if jiff::tz::TimeZone::get(text).is_err() {
        field.fault(
            format!("{text:?} is not a time zone"),
            "write a name of the IANA list, such as \"Europe/Paris\" or \"UTC\"",
        );
        return None;
    }
    Some(text.into())
}

fn decimal_mark(section: &Section<'_>) -> DecimalMark {
    const MARKS: [(&str, DecimalMark); 2] =
        [("dot", DecimalMark::Dot), ("comma", DecimalMark::Comma)];
    let field = section.field("decimal_mark");
    field.and_then(|field| field.word(&MARKS)).unwrap_or_default()
}

fn goals(section: &Section<'_>) -> BTreeMap<GoalName, Goal> {
    let Some(table) = section.field("goal").and_then(|field| field.table()) else {
        return GoalName::new("sale").map(|sale| (sale, Goal { paid: true })).into_iter().collect();
    };
    let objects = table.objects::<GoalName>().into_iter();
    objects
        .map(|(name, goal)| {
            let paid = goal.field("paid").and_then(|field| field.bool()).unwrap_or(true);
            goal.finish(&[("repeat", "goals that repeat"), ("value", "values of goals")]);
            (name, Goal { paid })
        })
        .collect()
}

fn channels(section: &Section<'_>) -> BTreeMap<ChannelName, OwnChannel> {
    let Some(table) = section.field("channel").and_then(|field| field.table()) else {
        return BTreeMap::new();
    };
    let objects = table.objects::<ChannelName>().into_iter();
    objects
        .map(|(name, channel)| {
            let title = title(&channel);
            channel.finish(&CHANNEL_LATER);
            (name, OwnChannel { title: title.unwrap_or_default() })
        })
        .collect()
}

fn segments(section: &Section<'_>, currency: Currency) -> BTreeMap<SegmentName, Segment> {
    let Some(table) = section.field("segment").and_then(|field| field.table()) else {
        return BTreeMap::new();
    };
    let mut segments = BTreeMap::new();
    for (name, segment) in table.objects::<SegmentName>() {
        let title = title(&segment);
        let terms = level_terms(&segment, currency);
        segment.finish_with(&SEGMENT_LATER, &BESIDE_TERMS);
        segments.insert(name, Segment { title: title.unwrap_or_default(), terms });
    }
    segments
}

/// The terms of a segment, or of a partner in a program.
pub(super) fn level_terms(
    section: &Section<'_>,
    currency: Currency,
) -> Timeline<crate::terms::LevelTerms> {
    let field = section.field("terms");
    field.and_then(|field| terms::levels(&field, currency)).unwrap_or_default()
}

fn state(section: &Section<'_>) -> Timeline<ProgramState> {
    const STATES: [(&str, ProgramState); 2] =
        [("live", ProgramState::Live), ("paused", ProgramState::Paused)];
    words(section, "state", &STATES).unwrap_or_else(|| Timeline::always(ProgramState::Live))
}

fn mode(section: &Section<'_>) -> Timeline<Mode> {
    const MODES: [(&str, Mode); 2] = [("observe", Mode::Observe), ("live", Mode::Live)];
    words(section, "mode", &MODES).unwrap_or_else(|| Timeline::always(Mode::Observe))
}

/// A word by time: `state = "live"`, or `state = [{ value = "live" }, { value = "paused", valid_from = … }]`.
pub(super) fn words<T: Copy>(
    section: &Section<'_>,
    key: &'static str,
    words: &[(&'static str, T)],
) -> Option<Timeline<T>> {
    let field = section.field(key)?;
    let dated = Dated { ends: false };
    let read = |version: &Section<'_>, word: Option<&Field<'_>>| match word {
        Some(word) => word.word(words),
        None => version.required("value", "\"…\"")?.word(words),
    };
    dated.read(&field, read, &[], &[])
}
