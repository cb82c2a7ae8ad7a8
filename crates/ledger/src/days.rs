//! What a day earns without any order: clicks, impressions and calendar periods, by the rules in force then.
//!
//! A touch is looked up at the first instant of its minute: terms, rule, approval, mode and day. So what a day earns is a
//! function of counts by minute and of the catalog, and neither the order of touches nor the time of reading matters.

mod calendar;
mod pay;

use std::collections::{BTreeMap, BTreeSet};

use catalog::commission::{CommissionRule, PaidFor, Pays, Period};
use catalog::partner::PartnerState;
use catalog::program::Mode;
use catalog::{CommissionTerms, Occasion, ProgramRef, RankedRule, Snapshot};
use event::body::posting::{PayDay, Purpose};
use event::body::{Touch, TouchKind};
use event::{Currency, Flag, Micros, Millis, ProgramName};

use crate::amount::AMOUNT_MAX;

pub use calendar::{Day, Zone};
pub use pay::{Pay, line, posting_id, transfers};

/// The grain of counts. Milliseconds.
pub const MINUTE_MS: i64 = 60_000;

/// Impressions that are paid together.
const THOUSAND: i128 = 1_000;

/// Since when touches of a kind are paid in a program, wherever in it.
pub type Scopes = BTreeMap<(ProgramName, TouchKind), Millis>;

/// What is paid for touches in this catalog. Empty: nobody need read them.
#[must_use]
pub fn scopes(catalog: &Snapshot) -> Scopes {
    let mut scopes = Scopes::new();
    for program in catalog.programs() {
        each_rule(program, |from, rule| {
            let kind = match rule.pays.paid_for() {
                PaidFor::Click => TouchKind::Click,
                PaidFor::Impression => TouchKind::Impression,
                PaidFor::Order | PaidFor::Period(_) => return,
            };
            let from = from.unwrap_or(program.known().from);
            let known = scopes.entry((program.name().clone(), kind)).or_insert(from);
            *known = from.min(*known);
        });
    }
    scopes
}

/// The periods that some rule of a program pays for.
#[must_use]
pub fn periods(program: ProgramRef<'_>) -> Vec<Period> {
    let mut periods = Vec::new();
    each_rule(program, |_, rule| {
        if let PaidFor::Period(period) = rule.pays.paid_for()
            && !periods.contains(&period)
        {
            periods.push(period);
        }
    });
    periods
}

/// Every rule of every terms version of every level, with the start of its version.
fn each_rule(program: ProgramRef<'_>, mut each: impl FnMut(Option<Millis>, &CommissionRule)) {
    let body = program.body();
    for version in body.terms.versions() {
        version.value.commission.iter().for_each(|rule| each(version.valid_from, rule));
    }
    let members = program.members().filter_map(|name| program.membership(name.as_str()));
    let levels = body.segments.values().map(|segment| &segment.terms);
    for terms in levels.chain(members.map(|membership| &membership.terms)) {
        for version in terms.versions() {
            version.value.commission.iter().for_each(|rule| each(version.valid_from, rule));
        }
    }
}

/// Touches of one partner on one link within one minute that are odd in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Whose they are.
    pub place: Place,
    /// The minute: whole minutes since 1970.
    pub minute: i64,
    /// How many.
    pub count: u64,
}

/// Where touches are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The program.
    pub program: ProgramName,
    /// Click or impression.
    pub kind: TouchKind,
    /// The partner.
    pub partner: String,
    /// The link.
    pub link: String,
    /// The link's channel; empty: none.
    pub channel: String,
    /// What is odd about them, but for being fetched ahead.
    pub flags: Vec<Flag>,
}

/// A click that was fetched ahead of a navigation counts once it is known to have happened.
const AHEAD: [Flag; 2] = [Flag::Prefetch, Flag::Prerender];

/// Flags of touches that are valid for nobody: no touch at all, or the visitor came nowhere.
const NEVER: [Flag; 6] = [
    Flag::Test,
    Flag::Head,
    Flag::LinkDisabled,
    Flag::LinkExpired,
    Flag::ProgramPaused,
    Flag::PartnerEnded,
];

impl Place {
    /// Where a touch counts, and whether it was fetched ahead. None if it never counts: an own channel's, or one that
    /// is no touch under any terms. What the visitor consented to has nothing to do with pay.
    #[must_use]
    pub fn of(program: &ProgramName, kind: TouchKind, touch: &Touch) -> Option<(Self, bool)> {
        let partner = touch.partner.as_ref()?;
        let has = |flags: &[Flag]| touch.flags.iter().any(|flag| flags.contains(flag));
        if has(&NEVER) {
            return None;
        }
        let mut flags: Vec<Flag> =
            touch.flags.iter().copied().filter(|flag| !AHEAD.contains(flag)).collect();
        flags.sort_unstable();
        flags.dedup();
        let place = Self {
            program: program.clone(),
            kind,
            partner: partner.as_str().to_owned(),
            link: touch.link.as_str().to_owned(),
            channel: touch.channel.as_ref().map_or_else(String::new, |name| name.as_str().into()),
            flags,
        };
        Some((place, has(&AHEAD)))
    }
}

/// What one rule earns a partner on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earned {
    /// Touches or periods.
    pub count: u64,
    /// What they come to.
    pub amount: Micros,
    /// Its currency.
    pub currency: Currency,
    /// What it is for.
    pub purpose: Purpose,
}

/// What every partner of a program earns on `day`, of all its touches then and of the periods that begin with it.
#[must_use]
pub fn earned(
    catalog: &Snapshot,
    program: ProgramRef<'_>,
    (zone, day): (&Zone, Day),
    tallies: impl IntoIterator<Item = Tally>,
) -> BTreeMap<PayDay, Earned> {
    let mut counts: BTreeMap<PayDay, (Pays, Currency, u64)> = BTreeMap::new();
    let mut count = |partner: &str, at: Millis, terms: &CommissionTerms<'_>, rule, by: u64| {
        let Some((key, rule)) = pay_day(program, partner, terms, rule, zone.day(at)) else {
            return;
        };
        let (_, _, sum) = counts.entry(key).or_insert((rule.pays, rule.currency, 0));
        *sum = sum.saturating_add(by);
    };
    for Tally { place, minute, count: by } in tallies {
        let at = Millis(minute.saturating_mul(MINUTE_MS));
        let excluded = &program.terms_at(at).terms.excluded_flags;
        let valid = !place.flags.iter().any(|flag| excluded.contains(flag));
        if !valid || zone.day(at) != day || !is_paid(program, &place.partner, at) {
            continue;
        }
        let paid_for = match place.kind {
            TouchKind::Click => PaidFor::Click,
            TouchKind::Impression => PaidFor::Impression,
        };
        let touched = Some((place.link.as_str(), place.channel.as_str()));
        let terms = program.commission(&place.partner, at);
        let occasion = Occasion { paid_for, partner: &place.partner, touched, at };
        count(&place.partner, at, &terms, terms.rule_for(&occasion), by);
    }
    let at = zone.start(day);
    let begun: Vec<_> = periods(program).into_iter().filter(|one| day.begins(*one)).collect();
    let members: BTreeSet<_> = if begun.is_empty() || !program.known().at(at) {
        BTreeSet::new()
    } else {
        program.members().collect()
    };
    for partner in members {
        let partner = partner.as_str();
        // Nobody is paid for the time before the catalog knew him, whatever his state says of it.
        let known = catalog.partner(partner).is_some_and(|partner| partner.known().at(at));
        if !known || !is_paid(program, partner, at) {
            continue;
        }
        let terms = program.commission(partner, at);
        for period in &begun {
            let paid_for = PaidFor::Period(*period);
            let rule = terms.rule_for(&Occasion { paid_for, partner, touched: None, at });
            count(partner, at, &terms, rule, 1);
        }
    }
    let pay = |(key, (pays, currency, count))| {
        let (purpose, amount) = amount(pays, count)?;
        Some((key, Earned { count, amount, currency, purpose }))
    };
    counts.into_iter().filter_map(pay).collect()
}

/// Whether a partner takes part and money moves.
fn is_paid(program: ProgramRef<'_>, partner: &str, at: Millis) -> bool {
    let state = program.membership(partner).and_then(|part| part.state.at(at));
    matches!(state, Some(PartnerState::Approved)) && program.mode_at(at) == Mode::Live
}

fn pay_day<'a>(
    program: ProgramRef<'_>,
    partner: &str,
    terms: &CommissionTerms<'a>,
    rule: Option<RankedRule<'a>>,
    day: Day,
) -> Option<(PayDay, &'a CommissionRule)> {
    let rule = rule?;
    let of_version = terms.rules.iter().filter(|other| other.terms.id == rule.terms.id);
    let before = of_version.filter(|other| other.rank <= rule.rank).count();
    let key = PayDay {
        program: program.name().clone(),
        partner: partner.parse().ok()?,
        terms: rule.terms.id.clone(),
        rank: u32::try_from(before).ok()?,
        day: day.to_string().into(),
    };
    Some((key, rule.rule))
}

/// What so many are paid. None: it is no such rule.
fn amount(pays: Pays, count: u64) -> Option<(Purpose, Micros)> {
    let times = |amount: Micros| i128::from(amount.0).saturating_mul(i128::from(count));
    let (purpose, sum) = match pays {
        Pays::PerClick(amount) => (Purpose::Click, times(amount)),
        Pays::PerThousandImpressions(amount) => {
            (Purpose::Impression, times(amount).div_euclid(THOUSAND))
        }
        Pays::PerPeriod { amount, .. } => (Purpose::Fee, times(amount)),
        Pays::Percent(_) | Pays::PerOrder(_) | Pays::Excluded => return None,
    };
    Some((purpose, Micros(i64::try_from(sum).unwrap_or(AMOUNT_MAX).min(AMOUNT_MAX))))
}

/// From when on a day is posted: when it is over, and nothing of it is awaited any more.
#[must_use]
pub fn due(program: ProgramRef<'_>, zone: &Zone, day: Day) -> Millis {
    let lateness = program.terms_at(zone.start(day)).terms.lateness_ms;
    Millis(zone.start(day.next()).0.saturating_add(lateness))
}

#[cfg(test)]
mod tests;
