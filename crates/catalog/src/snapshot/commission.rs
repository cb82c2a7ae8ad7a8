//! Which commission rules rank for a partner's order, and what books need of a program at a time.

use event::{Currency, Millis, SegmentName};

use super::{Level, ProgramRef, lock};
use crate::commission::{CommissionRule, Conditions, PaidFor};
use crate::partner::{EndMode, PartnerKind, PartnerState};
use crate::program::Mode;
use crate::terms::TermsRef;

/// What a partner is paid by at a time. Borrows every rule from the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommissionTerms<'a> {
    /// The partner's own rules in force, then its segment's, then the program's: the first that matches wins.
    pub rules: Vec<RankedRule<'a>>,
    /// Whether orders that nobody acted on are validated when their time is over: the partner's word, else its
    /// segment's, else the program's.
    pub auto_approve: bool,
    /// The partner's segment at that time.
    pub segment: Option<&'a SegmentName>,
    /// What the partner is; none: it has no part in the program.
    pub kind: Option<PartnerKind>,
}

/// A rule with its place among all that are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankedRule<'a> {
    /// The rule.
    pub rule: &'a CommissionRule,
    /// Whose terms it stands in.
    pub level: Level,
    /// The terms version that holds it.
    pub terms: &'a TermsRef,
    /// Its place among all rules of the partner, from 1.
    pub rank: u32,
}

/// A partner's part in a program that was ended by [`EndMode::Forfeit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forfeit<'a> {
    /// First instant of the end.
    pub at: Millis,
    /// Why.
    pub reason: Option<&'a str>,
    /// Where the proof is kept.
    pub evidence: Option<&'a str>,
}

/// A click, an impression or a period, as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion<'o> {
    /// What it is. Orders have lines, and are matched by who prices them.
    pub paid_for: PaidFor,
    /// The partner.
    pub partner: &'o str,
    /// Link and channel of the touch; none: a period.
    pub touched: Option<(&'o str, &'o str)>,
    /// When it was; of a period its first instant.
    pub at: Millis,
}

impl<'a> CommissionTerms<'a> {
    /// The first rule that pays for a click, an impression or a period. These have no currency: it pays in its own.
    #[must_use]
    pub fn rule_for(&self, occasion: &Occasion<'_>) -> Option<RankedRule<'a>> {
        let of_this = |ranked: &&RankedRule<'a>| {
            let rule = ranked.rule;
            rule.pays.paid_for() == occasion.paid_for && self.matches(&rule.when, occasion)
        };
        self.rules.iter().find(of_this).copied()
    }

    fn matches(&self, when: &Conditions, occasion: &Occasion<'_>) -> bool {
        fn listed<T: AsRef<str>>(values: &[T], value: Option<&str>) -> bool {
            values.is_empty()
                || value.is_some_and(|value| values.iter().any(|one| one.as_ref() == value))
        }
        let (link, channel) = occasion.touched.unzip();
        let kinds = &when.partner_kind;
        listed(&when.partner, Some(occasion.partner))
            && listed(&when.segment, self.segment.map(SegmentName::as_str))
            && (kinds.is_empty() || self.kind.is_some_and(|kind| kinds.contains(&kind)))
            && listed(&when.link, link)
            && listed(&when.channel, channel)
            && when.from.is_none_or(|from| from <= occasion.at)
            && when.until.is_none_or(|until| occasion.at < until)
    }
}

impl<'a> ProgramRef<'a> {
    /// What an order of `partner` at `t` is priced by: the terms in force at `t`, the segment at `t`.
    #[must_use]
    pub fn commission(&self, partner: &str, t: Millis) -> CommissionTerms<'a> {
        let member = self.member(Some(partner));
        let levels = self.levels(member, t);
        let (program_level, program) = levels.program;
        let above = [(Level::Partner, levels.partner), (Level::Segment, levels.segment)];
        let above = above.into_iter().filter_map(|(level, version)| Some((level, version?)));
        let lists = above
            .map(|(level, version)| (level, &version.reference, &version.terms.commission))
            .chain([(program_level, &program.reference, &program.terms.commission)]);
        let ranked = lists
            .flat_map(|(level, terms, rules)| rules.iter().map(move |rule| (level, terms, rule)));
        let rules = (1..)
            .zip(ranked)
            .map(|(rank, (level, terms, rule))| RankedRule { rule, level, terms, rank })
            .collect();
        CommissionTerms {
            rules,
            auto_approve: levels.find(|level| level.auto_approve, |p| p.auto_approve).value,
            segment: levels.segment_name,
            kind: member.map(|member| member.partner.kind),
        }
    }

    /// Whether decisions about orders at `t` move money. Before its first word: [`Mode::Observe`].
    #[must_use]
    pub fn mode_at(&self, t: Millis) -> Mode {
        self.entry.body.mode.at(t).copied().unwrap_or(Mode::Observe)
    }

    /// Currency of orders that name none.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.entry.body.currency
    }

    /// Zone of its calendar periods, a name of the IANA list.
    #[must_use]
    pub fn time_zone(&self) -> &'a str {
        &self.entry.body.time_zone
    }

    /// From when on an order of `t` may be locked by the terms in force then: a time after it, or the first instant of a
    /// day after the end of its month in the program's zone.
    #[must_use]
    pub fn lock_from(&self, t: Millis) -> Millis {
        let terms = &self.terms_at(t).terms;
        match terms.lock_month_end_plus {
            Some(days) => lock::month_end_plus(t, self.time_zone(), days),
            None => Millis(t.0.saturating_add(terms.lock_after_ms)),
        }
    }

    /// The first time after `t` at which `partner`'s part was ended by forfeit: orders at `t` that are open then are
    /// taken away. Later orders are not: who comes back begins anew.
    #[must_use]
    pub fn forfeited_after(&self, partner: &str, t: Millis) -> Option<Forfeit<'a>> {
        self.membership(partner)?.state.versions().iter().find_map(|version| {
            let (PartnerState::Ended(end), Some(at)) = (&version.value, version.valid_from) else {
                return None;
            };
            let taken = end.mode == EndMode::Forfeit && at > t;
            taken.then_some(Forfeit {
                at,
                reason: end.reason.as_deref(),
                evidence: end.evidence.as_deref(),
            })
        })
    }
}

#[cfg(test)]
mod tests;
