//! The union of evidence over an order's reports, with the guard against reports that anyone could have sent.

use std::collections::BTreeSet;

use event::body::conversion::{ClaimedTouch, ClickEvidence, ClickSource, Trust};
use event::body::record::ImpliedMerge;
use event::{Code, Consent, EventId, IdentityId, Millis};

use super::Rules;
use crate::member::{Member, valid};

/// Most ids, coupons, refused click ids and merges that a record lists, each. Count; 64, as many as reports are listed.
pub(crate) const EVIDENCE_LISTED_MAX: usize = 64;

/// A kind of evidence: a credentialed report that brings one shuts out the pages' reports for that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ids,
    Clicks,
    Coupons,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Ids, Self::Clicks, Self::Coupons];

    /// A click id that does not verify is no evidence.
    fn carried_by(self, member: &Member) -> bool {
        match self {
            Self::Ids => !member.conversion.ids.is_empty(),
            Self::Clicks => member.conversion.clicks.iter().any(valid),
            Self::Coupons => !member.conversion.coupons.is_empty(),
        }
    }
}

/// Which reports count for what.
struct Guard {
    canonical_at: Millis,
    rules: Rules,
    credentialed: [bool; 3],
}

impl Guard {
    fn of(ordered: &[&Member], canonical: &Member, rules: Rules) -> Self {
        let brought = |kind: Kind| ordered.iter().any(|m| m.credentialed() && kind.carried_by(m));
        Self { canonical_at: canonical.received_at, rules, credentialed: Kind::ALL.map(brought) }
    }

    fn near(&self, member: &Member) -> bool {
        member.credentialed() || self.rules.near(member.received_at, self.canonical_at)
    }

    fn counts(&self, member: &Member, kind: Kind) -> bool {
        let [ids, clicks, coupons] = self.credentialed;
        let stronger = match kind {
            Kind::Ids => ids,
            Kind::Clicks => clicks,
            Kind::Coupons => coupons,
        };
        member.credentialed() || (self.near(member) && !stronger)
    }
}

/// What the reports of an order say together.
pub(super) struct Evidence {
    pub(super) channel: Option<String>,
    pub(super) consent: Consent,
    pub(super) coupons: Vec<String>,
    pub(super) ids: Vec<IdentityId>,
    pub(super) click: Option<ClaimedTouch>,
    pub(super) exempt_click: Option<ClaimedTouch>,
    pub(super) refused_clicks: Vec<(EventId, ClickEvidence)>,
    pub(super) merges: Vec<ImpliedMerge>,
    pub(super) notes: Vec<Code>,
    guard: Guard,
}

impl Evidence {
    /// `ordered`: the canonical report, then the others by (rank, `occurred_at`, id): where a list is bounded, or the
    /// first one is asked for, this order decides.
    pub(super) fn gather(ordered: &[&Member], canonical: &Member, rules: Rules) -> Self {
        let guard = Guard::of(ordered, canonical, rules);
        let near = || ordered.iter().copied().filter(|member| guard.near(member));
        let counting = |kind| {
            let guard = &guard;
            ordered.iter().copied().filter(move |member| guard.counts(member, kind))
        };
        let told = |channel: &&String| !channel.trim().is_empty();
        let channel = near().filter_map(|m| m.conversion.channel.as_ref()).find(told).cloned();
        let claims = |exempt| {
            let of_kind = move |c: &&ClickEvidence| {
                valid(c) && (c.source == ClickSource::ExemptCookie) == exempt
            };
            let clicks = counting(Kind::Clicks).flat_map(|member| &member.conversion.clicks);
            clicks.filter(of_kind).filter_map(|click| click.claim.clone())
        };
        let (click, exempt_click) = (claims(false).next(), claims(true).next());
        let refused = refused(ordered);
        let mut notes: BTreeSet<Code> =
            refused.iter().filter_map(|(_, click)| click.verdict.code()).collect();
        if ordered.iter().all(|member| member.conversion.trust == Trust::Page) {
            notes.insert(Code::Unconfirmed);
        }
        if pages_conflict(counting(Kind::Clicks)) {
            notes.insert(Code::EvidenceConflict);
        }
        Self {
            channel,
            consent: consent(near()),
            coupons: union(counting(Kind::Coupons).flat_map(|m| &m.conversion.coupons)),
            ids: union(counting(Kind::Ids).flat_map(|m| &m.conversion.ids)),
            click,
            exempt_click,
            refused_clicks: refused,
            merges: merges(ordered),
            notes: notes.into_iter().collect(),
            guard,
        }
    }

    /// Whether any evidence of this report counts, or would if it carried some.
    pub(super) fn counts(&self, member: &Member) -> bool {
        let mut carried = Kind::ALL.into_iter().filter(|kind| kind.carried_by(member)).peekable();
        self.guard.near(member)
            && (carried.peek().is_none() || carried.any(|kind| self.guard.counts(member, kind)))
    }
}

/// The first distinct ones, sorted.
fn union<'a, T: Clone + Ord + 'a>(all: impl Iterator<Item = &'a T>) -> Vec<T> {
    let mut set = BTreeSet::new();
    for one in all {
        if set.len() == EVIDENCE_LISTED_MAX {
            break;
        }
        if !set.contains(one) {
            set.insert(one.clone());
        }
    }
    set.into_iter().collect()
}

/// Denied if any says so, else the first that says anything.
fn consent<'a>(near: impl Iterator<Item = &'a Member>) -> Consent {
    let mut first = Consent::Unknown;
    for told in near.map(|member| member.conversion.consent) {
        match (told, first) {
            (Consent::Denied, _) => return Consent::Denied,
            (_, Consent::Unknown) => first = told,
            (Consent::Unknown | Consent::Granted | Consent::Exempt, _) => {}
        }
    }
    first
}

/// Click ids that do not verify, of all reports: no evidence, but the manager wants to know.
fn refused(ordered: &[&Member]) -> Vec<(EventId, ClickEvidence)> {
    let all = ordered.iter().flat_map(|member| {
        let refused = member.conversion.clicks.iter().filter(|click| !valid(click));
        refused.map(|click| (member.id, click.clone()))
    });
    let mut listed: Vec<_> = all.take(EVIDENCE_LISTED_MAX).collect();
    listed.sort_by(|(a, x), (b, y)| (a, x.source, &x.raw).cmp(&(b, y.source, &y.raw)));
    listed
}

/// Whether reports from pages carry different clicks: of those that carry valid click ids, there is none that all have.
fn pages_conflict<'a>(counting: impl Iterator<Item = &'a Member>) -> bool {
    let mut shared: Option<BTreeSet<EventId>> = None;
    for member in counting.filter(|member| !member.credentialed()) {
        let clicks = member.conversion.clicks.iter().filter(|click| valid(click));
        let ids: BTreeSet<_> = clicks.filter_map(|c| c.claim.as_ref()).map(|c| c.id).collect();
        match &mut shared {
            _ if ids.is_empty() => {}
            None => shared = Some(ids),
            Some(shared) => shared.retain(|id| ids.contains(id)),
        }
    }
    shared.is_some_and(|shared| shared.is_empty())
}

/// What reports with two or more ids imply: each id belongs to the person of the smallest one. Where the list is bounded,
/// credentialed reports first, and of these the first by event id.
///
/// A further report takes nothing away, whatever the canonical one and its terms become: other orders were decided by
/// this, and must not know less. So what is near is built in.
fn merges(reports: &[&Member]) -> Vec<ImpliedMerge> {
    let rules = Rules::BUILT_IN;
    let mut by_id = reports.to_vec();
    by_id.sort_unstable_by_key(|member| member.id);
    let joins = |member: &&Member| member.conversion.ids.len() > 1;
    let (credentialed, pages): (Vec<&Member>, Vec<&Member>) =
        by_id.into_iter().partition(|member| member.credentialed());
    let confirmed = |page: &&Member| {
        credentialed.iter().any(|member| rules.near(member.received_at, page.received_at))
    };
    let implying = credentialed.iter().copied().filter(joins);
    let implying = implying.chain(pages.into_iter().filter(joins).filter(confirmed));
    let mut listed: Vec<_> = implying.flat_map(implied).take(EVIDENCE_LISTED_MAX).collect();
    listed.sort_unstable();
    listed
}

fn implied(member: &Member) -> impl Iterator<Item = ImpliedMerge> {
    let mut ids: BTreeSet<IdentityId> = member.conversion.ids.iter().copied().collect();
    let smallest = ids.pop_first();
    smallest.into_iter().flat_map(move |a| {
        ids.clone().into_iter().map(move |b| ImpliedMerge {
            member: member.id,
            a,
            b,
            occurred_at: member.occurred_at,
            received_at: member.received_at,
        })
    })
}
