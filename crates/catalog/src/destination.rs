//! Destinations of links: URLs with macros, checked when the link is saved, so that a redirect only fills them in.

use std::fmt;

use url::Url;

use crate::limits;

/// A macro of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Macro {
    /// `{click_id}`: the signed click id.
    ClickId,
    /// `{partner_id}`: name of the partner; empty for own channels.
    PartnerId,
    /// `{program_id}`: name of the program.
    ProgramId,
    /// `{link_id}`: name of the link.
    LinkId,
    /// `{creative_id}`: name of the creative.
    CreativeId,
    /// `{s1}` … `{s10}`: a sub id, counted from 1.
    SubId(u8),
    /// `{partner_click_id}`: the partner's own click id.
    PartnerClickId,
    /// `{country}`: two letters, or empty.
    Country,
    /// `{device}`: device class.
    Device,
    /// `{os}`: operating system.
    Os,
    /// `{ts}`: time of the click, RFC 3339.
    Ts,
    /// `{unix}`: time of the click in Unix seconds.
    Unix,
    /// `{rand}`: a random number.
    Rand,
}

const SUB_IDS: [&str; 10] = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10"];
const WORDS: [(&str, Macro); 12] = [
    ("click_id", Macro::ClickId),
    ("partner_id", Macro::PartnerId),
    ("program_id", Macro::ProgramId),
    ("link_id", Macro::LinkId),
    ("creative_id", Macro::CreativeId),
    ("partner_click_id", Macro::PartnerClickId),
    ("country", Macro::Country),
    ("device", Macro::Device),
    ("os", Macro::Os),
    ("ts", Macro::Ts),
    ("unix", Macro::Unix),
    ("rand", Macro::Rand),
];
/// Names that other systems give our macros; a saved link has ours.
const ALIASES: [(&str, Macro); 10] = [
    ("transaction_id", Macro::ClickId),
    ("tid", Macro::ClickId),
    ("clickid", Macro::ClickId),
    ("aff_id", Macro::PartnerId),
    ("offer_id", Macro::ProgramId),
    ("aff_sub", Macro::SubId(1)),
    ("aff_sub2", Macro::SubId(2)),
    ("aff_sub3", Macro::SubId(3)),
    ("aff_sub4", Macro::SubId(4)),
    ("aff_sub5", Macro::SubId(5)),
];
/// Macros of outbound postbacks: nobody knows their values at a click.
const OF_ORDERS: [&str; 12] = [
    "order_id_hash",
    "goal",
    "status",
    "reason",
    "commission",
    "currency",
    "sale_amount",
    "coupon",
    "customer_type",
    "trace_url",
    "payout",
    "sum",
];

impl Macro {
    /// The macro with this name, without braces; aliases are not known here.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        if let Some((_, known)) = WORDS.iter().find(|(name, _)| *name == word) {
            return Some(*known);
        }
        SUB_IDS.iter().zip(1..).find(|(name, _)| **name == word).map(|(_, n)| Self::SubId(n))
    }

    /// Its name, without braces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        if let Self::SubId(n) = self {
            let sub_id = usize::from(n).checked_sub(1).and_then(|at| SUB_IDS.get(at));
            return sub_id.copied().unwrap_or_default();
        }
        WORDS.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// The names of all macros, without braces.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(name, _)| *name).chain(SUB_IDS)
}

/// In braces.
impl fmt::Display for Macro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.as_str())
    }
}

/// A piece of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that stands as it is.
    Text(&'a str),
    /// A macro to fill in, percent-encoded.
    Macro(Macro),
}

/// The pieces of a saved destination, in order, without allocation. What is no macro is text.
pub fn pieces(destination: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = destination;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(open) = rest.get(from..).and_then(|text| text.find('{')).map(|at| at + from)
        {
            let inside = rest.get(open + 1..).unwrap_or_default();
            let found = inside
                .find('}')
                .and_then(|close| Some((close, Macro::from_word(inside.get(..close)?)?)));
            let Some((close, found)) = found else {
                from = open + 1;
                continue;
            };
            if open > 0 {
                let (text, tail) = rest.split_at(open);
                rest = tail;
                return Some(Piece::Text(text));
            }
            rest = inside.get(close + 1..).unwrap_or_default();
            return Some(Piece::Macro(found));
        }
        Some(Piece::Text(std::mem::take(&mut rest)))
    })
}

/// Why a text is no destination (or home page, or fallback).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotADestination {
    /// It does not parse.
    #[error("is not a URL: {0}")]
    Url(url::ParseError),
    /// Another scheme.
    #[error("has the scheme {0}; only http and https are followed")]
    Scheme(Box<str>),
    /// A user or password.
    #[error("carries a user name or password")]
    UserInfo,
    /// A macro of this name does not exist.
    #[error("has the unknown macro {{{0}}}")]
    UnknownMacro(Box<str>),
    /// The macro's value is known after an order only.
    #[error("has the macro {{{0}}}, whose value is known only after an order")]
    MacroOfOrders(Box<str>),
    /// A brace without its partner.
    #[error("has a brace that belongs to no macro")]
    Brace,
    /// A macro in scheme, host or port.
    #[error("has a macro before its path; scheme, host and port are fixed")]
    MacroInHost,
    /// A macro where none is expected.
    #[error("has a macro, which is not filled in here")]
    MacroHere,
    /// Too long.
    #[error("is longer than {} bytes", limits::URL_BYTES_MAX)]
    TooLong,
    /// A parameter that the redirect sets.
    #[error("carries the parameter {0}, which the redirect sets itself")]
    Reserved(Box<str>),
}

/// Checks a destination and writes it as the WHATWG standard does, with our names of the macros.
///
/// # Errors
/// [`NotADestination`] says why.
pub fn check(text: &str, landing_parameter: &str) -> Result<Box<str>, NotADestination> {
    const MARK: &str = "zzmacro";
    if text.len() > limits::URL_BYTES_MAX {
        return Err(NotADestination::TooLong);
    }
    let mut macros = Vec::new();
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (word, tail) = after.split_once('}').ok_or(NotADestination::Brace)?;
        if before.contains('}') || word.contains('{') {
            return Err(NotADestination::Brace);
        }
        let alias = || ALIASES.iter().find(|(name, _)| *name == word).map(|(_, known)| *known);
        let found = Macro::from_word(word).or_else(alias).ok_or_else(|| {
            if OF_ORDERS.contains(&word) {
                NotADestination::MacroOfOrders(word.into())
            } else {
                NotADestination::UnknownMacro(word.into())
            }
        })?;
        plain.push_str(before);
        plain.push_str(&format!("{MARK}{}z", macros.len()));
        macros.push(found);
        rest = tail;
    }
    if rest.contains('}') {
        return Err(NotADestination::Brace);
    }
    plain.push_str(rest);
    if !macros.is_empty() && text.contains(MARK) {
        return Err(NotADestination::Brace);
    }
    let url = Url::parse(&plain).map_err(NotADestination::Url)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(NotADestination::Scheme(url.scheme().into()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(NotADestination::UserInfo);
    }
    if !macros.is_empty() && url.host_str().is_some_and(|host| host.contains(MARK)) {
        return Err(NotADestination::MacroInHost);
    }
    for (name, _) in url.query_pairs() {
        if name.eq_ignore_ascii_case(landing_parameter) || name.eq_ignore_ascii_case("afsrc") {
            return Err(NotADestination::Reserved(name.into()));
        }
    }
    let mut out = String::from(url);
    for (n, found) in macros.iter().enumerate() {
        out = out.replacen(&format!("{MARK}{n}z"), &found.to_string(), 1);
    }
    if out.len() > limits::URL_BYTES_MAX {
        return Err(NotADestination::TooLong);
    }
    Ok(out.into())
}

/// Checks a URL in which no macro is filled in.
///
/// # Errors
/// [`NotADestination`] says why.
pub fn check_plain(text: &str, landing_parameter: &str) -> Result<Box<str>, NotADestination> {
    let url = check(text, landing_parameter)?;
    if url.contains('{') { Err(NotADestination::MacroHere) } else { Ok(url) }
}

#[cfg(test)]
mod tests {
    use super::{Macro, NotADestination, Piece, check, check_plain, pieces};

    fn saved(text: &str) -> String {
        check(text, "sl_click").unwrap().into()
    }

    #[test]
    fn a_destination_is_written_as_urls_are_and_keeps_its_macros() {
        assert_eq!(
            saved("HTTPS://Shop.Example/a b/{s1}?x={clickid}&y=é#{aff_sub2}"),
            "https://shop.example/a%20b/{s1}?x={click_id}&y=%C3%A9#{s2}"
        );
        assert_eq!(saved("http://shop.localhost"), "http://shop.localhost/");
        assert_eq!(saved("https://a.example/{s1}{s10}{s2}"), "https://a.example/{s1}{s10}{s2}");
    }

    #[test]
    fn every_macro_has_a_name_that_finds_it() {
        for (word, known) in super::WORDS {
            assert_eq!((known.as_str(), Macro::from_word(word)), (word, Some(known)));
        }
        assert_eq!(Macro::from_word("s10").map(Macro::as_str), Some("s10"));
        for none in ["s0", "s11", "S1", "", "clickid"] {
            assert_eq!(Macro::from_word(none), None, "{none}");
        }
    }

    #[test]
    fn pieces_come_in_order_and_what_is_no_macro_is_text() {
        let found: Vec<_> = pieces("a{s1}{click_id}b{x}c{").collect();
        assert_eq!(
            found,
            [
                Piece::Text("a"),
                Piece::Macro(Macro::SubId(1)),
                Piece::Macro(Macro::ClickId),
                Piece::Text("b{x}c{"),
            ]
        );
        assert_eq!(pieces("").count(), 0);
    }

    #[test]
    fn what_is_no_destination_says_why() {
        let refused = |text: &str| check(text, "sl_click").unwrap_err().to_string();
        assert_eq!(refused("https://a.example/{clik}"), "has the unknown macro {clik}");
        assert_eq!(
            refused("https://a.example/{commission}"),
            "has the macro {commission}, whose value is known only after an order"
        );
        assert_eq!(check("https://a.example/{s1", "x"), Err(NotADestination::Brace));
        assert_eq!(check("https://a.example/s1}", "x"), Err(NotADestination::Brace));
        assert_eq!(check("https://{s1}.example/", "x"), Err(NotADestination::MacroInHost));
        assert_eq!(
            refused("javascript:alert(1)"),
            "has the scheme javascript; only http and https are followed"
        );
        assert_eq!(check("https://u:p@a.example/", "x"), Err(NotADestination::UserInfo));
        assert_eq!(
            refused("https://a.example/?SL_click=1"),
            "carries the parameter SL_click, which the redirect sets itself"
        );
        assert!(refused("/relative").starts_with("is not a URL"));
        assert_eq!(
            check(&format!("https://a.example/{}", "x".repeat(2_048)), "x"),
            Err(NotADestination::TooLong)
        );
        assert_eq!(check_plain("https://a.example/{s1}", "x"), Err(NotADestination::MacroHere));
    }

    #[test]
    fn the_longest_destination_is_taken_and_one_byte_more_is_not() {
        let url = format!("https://a.example/{}", "x".repeat(2_048 - 18));
        assert_eq!(url.len(), 2_048);
        assert!(check(&url, "x").is_ok());
        assert_eq!(check(&format!("{url}x"), "x"), Err(NotADestination::TooLong));
    }
}
