//! What no object can see of itself: names that must exist, secrets that must be of one program.

use std::collections::{HashMap, HashSet};

use event::{PartnerName, ProgramName};

use super::CatalogFile;
use super::section::nearest;
use super::terms::is_default_non_credit;
use super::tree::Node;
use crate::fault::Sink;
use crate::link::Link;
use crate::partner::Partner;
use crate::program::{Program, TokenHash};

mod rules;

struct Names<'a> {
    programs: HashMap<&'a ProgramName, &'a Program>,
    partners: HashMap<&'a PartnerName, &'a Partner>,
    root: &'a Node,
    sink: &'a Sink,
}

pub(super) fn cross(file: &CatalogFile, sink: &Sink) {
    let names = Names {
        programs: file.programs.iter().map(|(name, program)| (name, program)).collect(),
        partners: file.partners.iter().map(|(name, partner)| (name, partner)).collect(),
        root: &file.root,
        sink,
    };
    for (name, partner) in &file.partners {
        names.partner(name, partner);
    }
    rules::check(file, &names);
    let mut channels = HashSet::new();
    for (name, link) in &file.links {
        names.link(name.as_str(), link);
        channels.insert((&link.program, &link.channel));
    }
    let mut tokens: HashMap<&TokenHash, &ProgramName> = HashMap::new();
    let mut keys: HashMap<&str, &ProgramName> = HashMap::new();
    for (name, program) in &file.programs {
        let path = format!("program.{name}");
        for (version, place) in program.terms.versions().iter().zip(1..) {
            for channel in &version.value.non_credit_channels {
                let known = is_default_non_credit(channel)
                    || program.channels.contains_key(channel)
                    || channels.contains(&(name, channel));
                if !known {
                    let field = format!("{path}.terms[{place}].non_credit_channels");
                    let own = program.channels.keys().map(|own| own.as_str());
                    names.fault(
                        field,
                        format!("names {channel:?}, which no link and no own channel has"),
                        advice(channel.as_str(), own, "name a channel of the program"),
                    );
                }
            }
        }
        for token in &program.reports.token_sha256 {
            if let Some(other) = tokens.insert(token, name) {
                names.fault(
                    format!("{path}.reports.token_sha256"),
                    format!("has a token that program {other} has as well"),
                    "give each program tokens of its own: a token names its program",
                );
            }
        }
        for key in &program.reports.hmac_keys {
            if let Some(other) = keys.insert(key, name) {
                names.fault(
                    format!("{path}.reports.hmac_keys"),
                    format!("names the key {key:?}, which program {other} names as well"),
                    "give each program keys of its own: a key names its program",
                );
            }
        }
    }
}

/// A near name, or `else_do`.
fn advice<'n>(name: &str, known: impl Iterator<Item = &'n str>, else_do: &str) -> String {
    nearest(name, known).map_or_else(|| else_do.into(), |near| format!("did you mean {near:?}?"))
}

impl Names<'_> {
    fn fault(&self, path: String, problem: String, remedy: impl Into<String>) {
        self.sink.push(self.root.place(&path), path, problem, remedy);
    }

    fn unknown_program(&self, path: String, name: &ProgramName) {
        let known = self.programs.keys().map(|known| known.as_str());
        let remedy = advice(name.as_str(), known, "add the program, or name one that exists");
        self.fault(path, format!("names the program {name:?}, which does not exist"), remedy);
    }

    fn partner(&self, name: &PartnerName, partner: &Partner) {
        for (program_name, membership) in &partner.programs {
            let path = format!("partner.{name}.program.{program_name}");
            let Some(program) = self.programs.get(program_name) else {
                self.unknown_program(path, program_name);
                continue;
            };
            for (version, place) in membership.segment.versions().iter().zip(1..) {
                if !program.segments.contains_key(&version.value) {
                    let known = program.segments.keys().map(|known| known.as_str());
                    let segment = &version.value;
                    self.fault(
                        format!("{path}.segment[{place}]"),
                        format!(
                            "names the segment {segment:?}, which {program_name} does not have"
                        ),
                        advice(segment.as_str(), known, "add the segment to the program"),
                    );
                }
            }
        }
    }

    fn link(&self, name: &str, link: &Link) {
        let path = |key| format!("link.{name}.{key}");
        let Some(program) = self.programs.get(&link.program) else {
            self.unknown_program(path("program"), &link.program);
            return;
        };
        let own = program.channels.contains_key(&link.channel);
        let Some(partner_name) = &link.partner else {
            if !own {
                let known = program.channels.keys().map(|known| known.as_str());
                self.fault(
                    path("channel"),
                    format!(
                        "names {:?}, which is no own channel of {}",
                        link.channel, link.program
                    ),
                    advice(
                        link.channel.as_str(),
                        known,
                        "add the channel to the program, or name the partner",
                    ),
                );
            }
            if link.exempt {
                self.fault(
                    path("exempt"),
                    "is set on a link of an own channel".into(),
                    "remove it: only links of cashback and reward partners may be exempt",
                );
            }
            return;
        };
        if own {
            self.fault(
                path("channel"),
                format!("is {:?}, an own channel, but the link has a partner", link.channel),
                "choose another channel, or remove the partner",
            );
        }
        let Some(partner) = self.partners.get(partner_name) else {
            let known = self.partners.keys().map(|known| known.as_str());
            self.fault(
                path("partner"),
                format!("names the partner {partner_name:?}, which does not exist"),
                advice(partner_name.as_str(), known, "add the partner, or name one that exists"),
            );
            return;
        };
        if !partner.programs.contains_key(&link.program) {
            self.fault(
                path("partner"),
                format!("names {partner_name:?}, who has no part in {}", link.program),
                format!("add [partner.{partner_name}.program.{}]", link.program),
            );
        }
        if link.exempt && !partner.kind.may_be_exempt() {
            self.fault(
                path("exempt"),
                format!("is set, but {partner_name:?} is neither a cashback nor a reward partner"),
                "remove it: only their visitors asked for a service that needs the tracker",
            );
        }
    }
}
