//! What has no start of its own and yet decides what the past earned: currency and time zone of a program, kind of a partner.
//! Free while a program only observes; fixed once it has been live and something that has started reads it.

use std::collections::BTreeMap;

use event::{Millis, ProgramName};

use super::Plan;
use crate::commission::{CommissionRule, PaidFor};
use crate::partner::Partner;
use crate::program::{Mode, Program};
use crate::record::State;

/// Why something of a live program is fixed: what has started and reads it, by the path of the first.
#[derive(Default)]
pub(super) struct Past {
    programs: BTreeMap<ProgramName, Live>,
}

#[derive(Default)]
struct Live {
    /// Pays for days, or locks by the month.
    zone: Option<String>,
    /// Asks for kinds of partners.
    kind: Option<String>,
}

impl Past {
    /// What holds before `earliest`.
    pub(super) fn of(state: &State, earliest: Millis) -> Self {
        let is_fixed = |from: Option<Millis>| from.is_none_or(|from| from < earliest);
        let mut programs: BTreeMap<ProgramName, Live> = BTreeMap::new();
        for (name, recorded) in &state.programs {
            let body = &recorded.body;
            let is_live = |mode: &crate::timeline::Version<Mode>| {
                is_fixed(mode.valid_from) && mode.value == Mode::Live
            };
            if !body.mode.versions().iter().any(is_live) {
                continue;
            }
            let live = programs.entry(name.clone()).or_default();
            for (place, version) in (1_usize..).zip(body.terms.versions()) {
                if !is_fixed(version.valid_from) {
                    continue;
                }
                let path = || format!("program.{name}.terms[{place}]");
                live.read(path, &version.value.commission);
                if version.value.lock_month_end_plus.is_some() {
                    live.zone.get_or_insert_with(path);
                }
            }
            for (segment, body) in &body.segments {
                for (place, version) in (1_usize..).zip(body.terms.versions()) {
                    if is_fixed(version.valid_from) {
                        let path = || format!("program.{name}.segment.{segment}.terms[{place}]");
                        live.read(path, &version.value.commission);
                    }
                }
            }
        }
        for (partner, recorded) in &state.partners {
            for (name, part) in &recorded.body.programs {
                let Some(live) = programs.get_mut(name) else { continue };
                for (place, version) in (1_usize..).zip(part.terms.versions()) {
                    if is_fixed(version.valid_from) {
                        let path = || format!("partner.{partner}.program.{name}.terms[{place}]");
                        live.read(path, &version.value.commission);
                    }
                }
            }
        }
        Self { programs }
    }

    /// Faults of a program.
    pub(super) fn program(&self, path: &str, (old, new): (&Program, &Program), plan: &Plan<'_>) {
        let Some(live) = path.strip_prefix("program.").and_then(|name| self.programs.get(name))
        else {
            return;
        };
        if old.currency != new.currency {
            plan.fault(
                format!("{path}.currency"),
                format!(
                    "was {} and is {}, but the program has been live: orders of the past that name no currency are in it",
                    old.currency, new.currency
                ),
                "put it back; orders and rules may name another currency, or make a new program",
            );
        }
        if let Some(by) = live.zone.as_ref().filter(|_| old.time_zone != new.time_zone) {
            plan.fault(
                format!("{path}.time_zone"),
                format!(
                    "was {} and is {}, but the program has been live and {by} pays or locks by its days: what is paid for \
                     one date would count for another",
                    old.time_zone, new.time_zone
                ),
                "put it back, or make a new program",
            );
        }
    }

    /// Faults of a partner.
    pub(super) fn partner(&self, path: &str, (old, new): (&Partner, &Partner), plan: &Plan<'_>) {
        if old.kind == new.kind {
            return;
        }
        let by = old.programs.keys().find_map(|name| self.programs.get(name)?.kind.as_ref());
        if let Some(by) = by {
            plan.fault(
                format!("{path}.kind"),
                format!(
                    "was {} and is {}, but {by} has started and pays by it: orders of the past would be priced anew",
                    old.kind.as_str(),
                    new.kind.as_str()
                ),
                "put it back; a rule may name the partner in place of its kind, from a time ahead on",
            );
        }
    }
}

impl Live {
    fn read(&mut self, path: impl Fn() -> String, rules: &[CommissionRule]) {
        for rule in rules {
            if rule.pays.paid_for() != PaidFor::Order {
                self.zone.get_or_insert_with(&path);
            }
            if !rule.when.partner_kind.is_empty() {
                self.kind.get_or_insert_with(&path);
            }
        }
    }
}
