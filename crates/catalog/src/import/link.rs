//! Links, as the file writes them.

use std::collections::HashMap;

use event::{ChannelName, LinkName, ProgramName};

use super::program::{plain_url, words};
use super::section::{Field, LaterKey, MisplacedKey, Section};
use crate::destination::{self, NotADestination};
use crate::limits;
use crate::link::{Link, LinkState};
use crate::program::Program;
use crate::timeline::{Timeline, Version};

const LATER: [LaterKey; 2] =
    [("coupon", "coupon codes with owners"), ("split", "destinations by share")];
const MISPLACED: [MisplacedKey; 1] = [(
    "commission",
    "write a rule with `link = [\"…\"]` in the terms of the program, segment or partner",
)];
/// Channel of a partner's link that names none.
const PARTNER_CHANNEL: &str = "partner";

pub(super) fn read_all(
    all: &Section<'_>,
    programs: &[(ProgramName, Program)],
) -> Vec<(LinkName, Link)> {
    let landing: HashMap<&str, &str> = programs
        .iter()
        .map(|(name, program)| (name.as_str(), &*program.landing_parameter))
        .collect();
    let objects = all.objects::<LinkName>();
    if objects.len() > limits::LINKS_MAX {
        all.sink.push(
            all.at,
            "link",
            format!("has {} links, above the limit of {}", objects.len(), limits::LINKS_MAX),
            "split the installation",
        );
        return Vec::new();
    }
    objects
        .into_iter()
        .filter_map(|(name, section)| Some((name, read(section, &landing)?)))
        .collect()
}

fn read(section: Section<'_>, landing: &HashMap<&str, &str>) -> Option<Link> {
    let name =
        |field: Field<'_>| field.parsed::<ProgramName>("write the name of a program of this file");
    let program = section.required("program", "\"…\"").and_then(name);
    let partner = section
        .field("partner")
        .map(|field| field.parsed("write the name of a partner of this file"));
    let channel = section
        .field("channel")
        .map(|field| field.parsed::<ChannelName>("write the name of a channel"));
    let landing_parameter =
        program.as_ref().and_then(|program| landing.get(program.as_str())).copied();
    let landing_parameter = landing_parameter.unwrap_or("sl_click");
    let url = |field: Field<'_>| checked(&field, landing_parameter);
    let destination = section.required("destination", "\"https://shop.example/\"").and_then(url);
    let fallback = section.field("fallback").map(|field| plain_url(&field, landing_parameter));
    let creative =
        section.field("creative").and_then(|field| field.text(limits::CREATIVE_BYTES_MAX));
    let exempt = section.field("exempt").and_then(|field| field.bool()).unwrap_or(false);
    let expires = section.field("expires").map(|field| field.time());
    let state = states(&section);
    let channel = match channel {
        Some(channel) => channel,
        None if partner.is_some() => ChannelName::new(PARTNER_CHANNEL).ok(),
        None => {
            section.sink.push(
                section.at,
                section.path.as_str(),
                "has neither a partner nor a channel",
                "add `partner = \"…\"`, or `channel = \"…\"` for one of the merchant's own channels",
            );
            None
        }
    };
    section.finish_with(&LATER, &MISPLACED);
    // What follows from a faulty name is not blamed again; every other faulty field refuses the file by itself.
    let partner = match partner {
        Some(named) => Some(named?),
        None => None,
    };
    Some(Link {
        program: program?,
        partner,
        channel: channel?,
        destination: destination.unwrap_or_default(),
        fallback: fallback.flatten(),
        creative: creative.map(Into::into),
        exempt,
        state,
        expires: expires.flatten(),
    })
}

fn checked(field: &Field<'_>, landing_parameter: &str) -> Option<Box<str>> {
    let problem = match destination::check(field.text(usize::MAX)?, landing_parameter) {
        Ok(url) => return Some(url),
        Err(problem) => problem,
    };
    let remedy = match &problem {
        NotADestination::UnknownMacro(word) => near_macro(word),
        NotADestination::MacroOfOrders(_) | NotADestination::MacroInHost => "remove it".into(),
        NotADestination::Brace => "write a literal brace as %7B or %7D".into(),
        NotADestination::Reserved(_) => "remove the parameter".into(),
        NotADestination::TooLong => "shorten it".into(),
        NotADestination::Url(_)
        | NotADestination::Scheme(_)
        | NotADestination::UserInfo
        | NotADestination::MacroHere => {
            "write a whole address, such as \"https://shop.example/?click={click_id}\"".into()
        }
    };
    field.fault(problem.to_string(), remedy);
    None
}

fn near_macro(word: &str) -> String {
    const KNOWN: &str = "{click_id}, {s1} to {s10}, {partner_id}, {program_id}, {link_id}, {creative_id}, \
                         {partner_click_id}, {country}, {device}, {os}, {ts}, {unix} or {rand}";
    let near = super::section::nearest(&word.to_ascii_lowercase(), destination::words());
    near.map_or_else(|| format!("use {KNOWN}"), |near| format!("did you mean {{{near}}}?"))
}

/// Live since ever is written as nothing: most links are.
fn states(section: &Section<'_>) -> Timeline<LinkState> {
    const STATES: [(&str, LinkState); 2] =
        [("live", LinkState::Live), ("disabled", LinkState::Disabled)];
    let state = words(section, "state", &STATES).unwrap_or_default();
    if state.versions() == [Version::always(LinkState::Live)] { Timeline::default() } else { state }
}
