//! Names in commission rules: that they exist, and can be what the rule's terms are asked about.

use std::collections::{HashMap, HashSet};

use event::{ChannelName, LinkName, PartnerName, ProgramName, SegmentName};

use super::{Names, advice};
use crate::commission::CommissionRule;
use crate::import::CatalogFile;
use crate::limits;
use crate::link::Link;
use crate::partner::Partner;
use crate::program::Program;
use crate::timeline::Timeline;

/// Channel of a partner's link that names none.
const PARTNER_CHANNEL: &str = "partner";

/// Whose terms a rule stands in.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Program,
    Segment(&'a SegmentName),
    Partner(&'a PartnerName, &'a Partner),
}

struct Rules<'a> {
    names: &'a Names<'a>,
    file: &'a CatalogFile,
    /// Channels of partners' links.
    channels: HashSet<(&'a ProgramName, &'a ChannelName)>,
    /// The links that rules name.
    links: HashMap<&'a LinkName, &'a Link>,
}

/// A list of rules: its program, its owner, and where its terms stand.
struct List<'a> {
    program: (&'a ProgramName, &'a Program),
    owner: Owner<'a>,
    path: String,
    rules: &'a [CommissionRule],
}

pub(super) fn check(file: &CatalogFile, names: &Names<'_>) {
    let lists = lists(file, names);
    if lists.is_empty() {
        return;
    }
    let named: HashSet<&LinkName> =
        lists.iter().flat_map(|list| list.rules).flat_map(|rule| &rule.when.link).collect();
    let links = file.links.iter().filter(|(name, _)| named.contains(name));
    let paid = file.links.iter().filter(|(_, link)| link.partner.is_some());
    let rules = Rules {
        names,
        file,
        channels: paid.map(|(_, link)| (&link.program, &link.channel)).collect(),
        links: links.map(|(name, link)| (name, link)).collect(),
    };
    for list in &lists {
        for (rule, place) in list.rules.iter().zip(1_usize..) {
            rules.rule(list, rule, &format!("{}[{place}]", list.path));
        }
    }
}

fn lists<'a>(file: &'a CatalogFile, names: &Names<'a>) -> Vec<List<'a>> {
    fn commissions<T>(
        timeline: &Timeline<T>,
        rules: impl Fn(&T) -> &[CommissionRule],
    ) -> impl Iterator<Item = (usize, &[CommissionRule])> {
        let versions = (1_usize..).zip(timeline.versions());
        versions.map(move |(place, version)| (place, rules(&version.value)))
    }
    let mut lists = Vec::new();
    for (name, program) in &file.programs {
        let mut add = |owner, path: String, (place, rules)| {
            let path = format!("{path}.terms[{place}].commission");
            lists.push(List { program: (name, program), owner, path, rules });
        };
        for found in commissions(&program.terms, |terms| &terms.commission) {
            add(Owner::Program, format!("program.{name}"), found);
        }
        for (segment, body) in &program.segments {
            for found in commissions(&body.terms, |terms| &terms.commission) {
                add(Owner::Segment(segment), format!("program.{name}.segment.{segment}"), found);
            }
        }
    }
    for (name, partner) in &file.partners {
        for (program_name, membership) in &partner.programs {
            let Some((known, program)) = names.programs.get_key_value(program_name) else {
                continue;
            };
            for (place, rules) in commissions(&membership.terms, |terms| &terms.commission) {
                let path =
                    format!("partner.{name}.program.{program_name}.terms[{place}].commission");
                let owner = Owner::Partner(name, partner);
                lists.push(List { program: (known, program), owner, path, rules });
            }
        }
    }
    lists.retain(|list| !list.rules.is_empty());
    lists
}

impl Rules<'_> {
    fn rule(&self, list: &List<'_>, rule: &CommissionRule, path: &str) {
        let (program_name, program) = list.program;
        let field = |key| format!("{path}.{key}");
        for goal in &rule.when.goal {
            match program.goals.get(goal) {
                None => {
                    let known = program.goals.keys().map(|known| known.as_str());
                    let remedy = advice(goal.as_str(), known, "add the goal to the program");
                    let problem =
                        format!("names the goal {goal:?}, which {program_name} does not have");
                    self.names.fault(field("goal"), problem, remedy);
                }
                Some(known) if !known.paid => self.names.fault(
                    field("goal"),
                    format!("names the goal {goal:?}, which is not paid"),
                    format!("set [program.{program_name}.goal.{goal}] paid = true"),
                ),
                Some(_) => {}
            }
        }
        for segment in &rule.when.segment {
            if !program.segments.contains_key(segment) {
                let known = program.segments.keys().map(|known| known.as_str());
                let remedy = advice(segment.as_str(), known, "add the segment to the program");
                let problem =
                    format!("names the segment {segment:?}, which {program_name} does not have");
                self.names.fault(field("segment"), problem, remedy);
            }
        }
        for partner in &rule.when.partner {
            self.partner(program_name, partner, field("partner"));
        }
        for channel in &rule.when.channel {
            self.channel(list.program, channel, field("channel"));
        }
        for link in &rule.when.link {
            self.link(list, link, field("link"));
        }
        self.owner(list.owner, rule, path);
    }

    fn partner(&self, program: &ProgramName, name: &PartnerName, path: String) {
        match self.names.partners.get(name) {
            None => {
                let known = self.names.partners.keys().map(|known| known.as_str());
                let remedy = advice(
                    name.as_str(),
                    known,
                    "add the partner; one that terms name stays in the file, ended",
                );
                let problem = format!("names the partner {name:?}, which does not exist");
                self.names.fault(path, problem, remedy);
            }
            Some(partner) if !partner.programs.contains_key(program) => self.names.fault(
                path,
                format!("names {name:?}, who has no part in {program}"),
                format!("add [partner.{name}.program.{program}], or remove the name"),
            ),
            Some(_) => {}
        }
    }

    fn channel(&self, program: (&ProgramName, &Program), channel: &ChannelName, path: String) {
        let (program_name, program) = program;
        if program.channels.contains_key(channel) {
            self.names.fault(
                path,
                format!("names {channel:?}, an own channel, which earns no commission"),
                "name a channel of partners' links",
            );
        } else if channel.as_str() != PARTNER_CHANNEL
            && !self.channels.contains(&(program_name, channel))
        {
            let of_program = self.channels.iter().filter(|(of, _)| *of == program_name);
            let known = of_program.map(|(_, known)| known.as_str()).chain([PARTNER_CHANNEL]);
            let remedy = advice(channel.as_str(), known, "name a channel of partners' links");
            let problem = format!("names the channel {channel:?}, which no partner's link has");
            self.names.fault(path, problem, remedy);
        }
    }

    fn link(&self, list: &List<'_>, name: &LinkName, path: String) {
        let (program, _) = list.program;
        let found = self.links.get(name);
        let faulty = match found {
            Some(link) => !self.names.programs.contains_key(&link.program),
            None => self.names.root.has("link", name.as_str()),
        };
        if faulty {
            // It refuses the file by itself.
            return;
        }
        let Some(link) = found.filter(|link| link.program == *program) else {
            let of_program = self.file.links.iter().filter(|(_, link)| link.program == *program);
            let known = of_program.map(|(known, _)| known.as_str()).take(limits::NEAR_LINKS_MAX);
            let remedy = advice(
                name.as_str(),
                known,
                "add the link; one that terms name stays in the file, disabled",
            );
            let problem = format!("names the link {name:?}, which {program} does not have");
            self.names.fault(path, problem, remedy);
            return;
        };
        match (&link.partner, list.owner) {
            (None, _) => self.names.fault(
                path,
                format!("names {name:?}, a link of an own channel, which earns no commission"),
                "name a link of a partner",
            ),
            (Some(partner), Owner::Partner(owner, _)) if partner != owner => self.names.fault(
                path,
                format!("names {name:?}, a link of {partner}, in the terms of {owner}"),
                "name a link of the partner, or remove it",
            ),
            (Some(_), Owner::Program | Owner::Segment(_) | Owner::Partner(..)) => {}
        }
    }

    /// A condition that whoever the terms are of can never meet.
    fn owner(&self, owner: Owner<'_>, rule: &CommissionRule, path: &str) {
        let misses = |key: &str, who: String| {
            let problem = format!("never matches: these are the terms of {who}");
            self.names.fault(format!("{path}.{key}"), problem, "remove it, or move the rule");
        };
        let when = &rule.when;
        match owner {
            Owner::Program => {}
            Owner::Segment(segment) => {
                if !when.segment.is_empty() && !when.segment.contains(segment) {
                    misses("segment", format!("the segment {segment:?}"));
                }
            }
            Owner::Partner(name, partner) => {
                if !when.partner.is_empty() && !when.partner.contains(name) {
                    misses("partner", format!("the partner {name:?}"));
                }
                if !when.partner_kind.is_empty() && !when.partner_kind.contains(&partner.kind) {
                    misses(
                        "partner_kind",
                        format!("a partner of the kind {:?}", partner.kind.as_str()),
                    );
                }
            }
        }
    }
}
