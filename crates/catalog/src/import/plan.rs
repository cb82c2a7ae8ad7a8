//! Compares a file with what is recorded: new versions, or the faults of touching what has started.

mod past;

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use event::{LinkName, Millis, PartnerName, ProgramName};
use serde::Serialize;
use serde_json::Value;

use super::CatalogFile;
use super::tree::Node;
use crate::fault::Sink;
use crate::limits;
use crate::link::{Link, LinkState};
use crate::partner::{Partner, PartnerState};
use crate::program::Program;
use crate::record::{Kind, Object, Recorded, State, VersionRecord};
use crate::timeline::{Timeline, Version};
use past::Past;

pub(super) fn plan(
    file: &CatalogFile,
    state: &State,
    now: Millis,
    sink: &Sink,
) -> Vec<VersionRecord> {
    let earliest = now + limits::CATALOG_LEAD;
    let past = Past::of(state, earliest);
    let plan = Plan { root: &file.root, sink, now, earliest, past };
    let mut records = Vec::new();
    plan.objects(&file.programs, &state.programs, &mut records);
    plan.objects(&file.partners, &state.partners, &mut records);
    plan.objects(&file.links, &state.links, &mut records);
    records
}

/// A body of a catalog object, and what may become of it.
trait Planned: Clone + PartialEq {
    type Name: Ord + Clone + Hash + AsRef<str>;
    const KIND: Kind;

    fn object(name: Self::Name, body: Option<Arc<Self>>) -> Object;
    /// Reports what may not change from `old` to `self`.
    fn changed(&self, old: &Self, path: &str, plan: &Plan<'_>);
    /// Reports why it may not be deleted.
    fn deleted(&self, path: &str, plan: &Plan<'_>);
}

const END_IT: &str = "put it back and end it: add { value = \"ended\", mode = \"run_off\", valid_from = … } to \
                      its `state`";

struct Plan<'a> {
    root: &'a Node,
    sink: &'a Sink,
    now: Millis,
    /// First instant at which a change may hold.
    earliest: Millis,
    past: Past,
}

impl Plan<'_> {
    fn objects<B: Planned>(
        &self,
        wanted: &[(B::Name, B)],
        known: &BTreeMap<B::Name, Recorded<B>>,
        records: &mut Vec<VersionRecord>,
    ) {
        let recorded_at = self.now;
        let path = |name: &B::Name| format!("{}.{}", B::KIND.as_str(), name.as_ref());
        let mut last_number = known.values().map(|recorded| recorded.number).max().unwrap_or(0);
        for (name, body) in wanted {
            let (number, version) = match known.get(name) {
                None => {
                    last_number += 1;
                    (last_number, 1)
                }
                Some(old) if old.retired => {
                    self.fault(
                        path(name),
                        format!("was deleted at {}; its name stays taken", old.recorded_at),
                        "choose another name",
                    );
                    continue;
                }
                Some(old) if *old.body == *body => continue,
                Some(old) => {
                    body.changed(&old.body, &path(name), self);
                    (old.number, old.version + 1)
                }
            };
            let object = B::object(name.clone(), Some(Arc::new(body.clone())));
            records.push(VersionRecord { number, version, recorded_at, object });
        }
        let kept: HashSet<&B::Name> = wanted.iter().map(|(name, _)| name).collect();
        for (name, old) in known {
            if old.retired || kept.contains(name) {
                continue;
            }
            old.body.deleted(&path(name), self);
            let (number, version) = (old.number, old.version + 1);
            let object = B::object(name.clone(), None);
            records.push(VersionRecord { number, version, recorded_at, object });
        }
    }

    fn fault(&self, path: String, problem: impl Into<String>, remedy: impl Into<String>) {
        self.sink.push(self.root.place(&path), path, problem, remedy);
    }

    /// Whether a version has started, or starts too soon for every node to learn of a change.
    fn is_fixed<T>(&self, version: &Version<T>) -> bool {
        version.valid_from.is_none_or(|from| from < self.earliest)
    }

    fn timeline<T: PartialEq + Serialize>(
        &self,
        path: &str,
        key: &str,
        old: &Timeline<T>,
        new: &Timeline<T>,
    ) {
        let fixed = old.versions().iter().take_while(|version| self.is_fixed(version)).count();
        for (place, was) in (1_usize..).zip(old.versions().iter().take(fixed)) {
            let path = format!("{path}.{key}[{place}]");
            match new.versions().get(place - 1) {
                Some(is) if is.valid_from == was.valid_from => {
                    if is.value != was.value {
                        self.changed(path, was, is);
                    } else if is.valid_to != was.valid_to {
                        self.end(format!("{path}.valid_to"), was.valid_to, is.valid_to);
                    }
                }
                _ => self.fault(
                    path.clone(),
                    format!("version {} {} and was deleted or moved", id(&path), self.since(was)),
                    format!("put it back as it was recorded and add a new one with valid_from = {} or later", self.earliest),
                ),
            }
        }
        for (place, is) in (1_usize..).zip(new.versions()).skip(fixed) {
            if !self.is_fixed(is) {
                continue;
            }
            let path = format!("{path}.{key}[{place}]");
            let problem = match is.valid_from {
                None => "is new, but has no valid_from, so that it would change the past".into(),
                Some(from) => {
                    format!("is new, but starts at {from}, in the past or in less than 60 s")
                }
            };
            let remedy = format!(
                "write valid_from = {} or later, so that every node knows it before it holds",
                self.earliest
            );
            self.fault(format!("{path}.valid_from"), problem, remedy);
        }
    }

    fn since<T>(&self, version: &Version<T>) -> String {
        match version.valid_from {
            None => "has held since ever".into(),
            Some(from) if from <= self.now => format!("started at {from}"),
            Some(from) => format!("starts at {from}, in less than 60 s,"),
        }
    }

    fn changed<T: Serialize>(&self, path: String, was: &Version<T>, is: &Version<T>) {
        let fields = changed_fields(&was.value, &is.value);
        let what = if fields.is_empty() { String::new() } else { format!(" ({fields})") };
        self.fault(
            path.clone(),
            format!("version {} {} and was changed{what}", id(&path), self.since(was)),
            format!(
                "put it back as it was recorded and add a new one with valid_from = {} or later",
                self.earliest
            ),
        );
    }

    /// The end of a version that has started may move, but only in the future.
    fn end(&self, path: String, was: Option<Millis>, is: Option<Millis>) {
        if let Some(was) = was.filter(|was| *was < self.earliest) {
            self.fault(
                path,
                format!("was {was}, which has passed (or is less than 60 s away)"),
                "put it back as it was recorded",
            );
        } else if let Some(is) = is.filter(|is| *is < self.earliest) {
            self.fault(
                path,
                format!("is {is}, in the past or in less than 60 s"),
                format!(
                    "write {} or later, so that every node knows it before it holds",
                    self.earliest
                ),
            );
        }
    }
}

/// The name of a version as traces have it: `program/boutique/terms/1` of `program.boutique.terms[1]`.
fn id(path: &str) -> String {
    path.replace(['.', '['], "/").replace(']', "")
}

/// The fields in which two values differ, by the names of the records; of a list of rules those that differ.
fn changed_fields<T: Serialize>(was: &T, is: &T) -> String {
    let fields = |value: &T| match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (was, is) = (fields(was), fields(is));
    let mut names: Vec<&str> = was
        .iter()
        .chain(&is)
        .map(|(name, _)| name.as_str())
        .filter(|name| was.get(*name) != is.get(*name))
        .collect();
    names.sort_unstable();
    names.dedup();
    let named = names.into_iter().map(|name| match (was.get(name), is.get(name)) {
        (Some(Value::Array(was)), Some(Value::Array(is))) if was.iter().any(Value::is_object) => {
            changed_entries(name, was, is)
        }
        _ => name.strip_suffix("_ms").unwrap_or(name).into(),
    });
    named.collect::<Vec<String>>().join(", ")
}

/// The first entries in which two lists differ: `commission[2], commission[3]`.
fn changed_entries(name: &str, was: &[Value], is: &[Value]) -> String {
    const LISTED_MAX: usize = 3;
    let places = 0..was.len().max(is.len());
    let mut differ = places.filter(|place| was.get(*place) != is.get(*place));
    let listed = differ.by_ref().take(LISTED_MAX).map(|place| format!("{name}[{}]", place + 1));
    let mut listed = listed.collect::<Vec<_>>().join(", ");
    if differ.next().is_some() {
        listed.push_str(" …");
    }
    listed
}

impl Planned for Program {
    type Name = ProgramName;
    const KIND: Kind = Kind::Program;

    fn object(name: ProgramName, body: Option<Arc<Self>>) -> Object {
        Object::Program(name, body)
    }

    fn changed(&self, old: &Self, path: &str, plan: &Plan<'_>) {
        plan.past.program(path, (old, self), plan);
        plan.timeline(path, "terms", &old.terms, &self.terms);
        plan.timeline(path, "state", &old.state, &self.state);
        plan.timeline(path, "mode", &old.mode, &self.mode);
        let none = Timeline::default();
        for (name, segment) in &old.segments {
            let kept = self.segments.get(name);
            let path = format!("{path}.segment.{name}");
            plan.timeline(&path, "terms", &segment.terms, kept.map_or(&none, |new| &new.terms));
        }
    }

    fn deleted(&self, path: &str, plan: &Plan<'_>) {
        plan.fault(
            path.into(),
            "was deleted, but orders and decisions name it",
            "put it back and pause it: add { value = \"paused\", valid_from = … } to its `state`",
        );
    }
}

impl Planned for Partner {
    type Name = PartnerName;
    const KIND: Kind = Kind::Partner;

    fn object(name: PartnerName, body: Option<Arc<Self>>) -> Object {
        Object::Partner(name, body)
    }

    fn changed(&self, old: &Self, path: &str, plan: &Plan<'_>) {
        plan.past.partner(path, (old, self), plan);
        for (name, was) in &old.programs {
            let path = format!("{path}.program.{name}");
            if let Some(is) = self.programs.get(name) {
                plan.timeline(&path, "state", &was.state, &is.state);
                plan.timeline(&path, "segment", &was.segment, &is.segment);
                plan.timeline(&path, "terms", &was.terms, &is.terms);
            } else if was.state.versions().iter().any(|version| plan.is_fixed(version)) {
                plan.fault(path, "was deleted, but has started", END_IT);
            }
        }
    }

    /// A partner may go once it is over everywhere.
    fn deleted(&self, path: &str, plan: &Plan<'_>) {
        for (name, membership) in &self.programs {
            let over = matches!(
                membership.state.at(plan.now),
                None | Some(PartnerState::Ended(_) | PartnerState::Rejected)
            );
            let more = membership.state.versions().last();
            if !over || more.is_some_and(|version| !version.started_by(plan.now)) {
                let problem = format!("was deleted, but its part in {name} is not over");
                plan.fault(path.into(), problem, END_IT);
            }
        }
    }
}

impl Planned for Link {
    type Name = LinkName;
    const KIND: Kind = Kind::Link;

    fn object(name: LinkName, body: Option<Arc<Self>>) -> Object {
        Object::Link(name, body)
    }

    fn changed(&self, old: &Self, path: &str, plan: &Plan<'_>) {
        let fixed = [
            ("program", old.program != self.program),
            ("partner", old.partner != self.partner),
            ("channel", old.channel != self.channel),
        ];
        for (key, changed) in fixed {
            if changed {
                plan.fault(
                    format!("{path}.{key}"),
                    "was changed, but what a link stands for never changes",
                    "put it back and make a new link with another name",
                );
            }
        }
        let live = || Timeline::always(LinkState::Live);
        let [was, is] = [&old.state, &self.state]
            .map(|state| if state.is_empty() { live() } else { state.clone() });
        plan.timeline(path, "state", &was, &is);
        if old.expires != self.expires {
            plan.end(format!("{path}.expires"), old.expires, self.expires);
        }
    }

    /// A link may go at any time: its name and number are retired, and its clicks stay what they were.
    fn deleted(&self, _: &str, _: &Plan<'_>) {}
}
