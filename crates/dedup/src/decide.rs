//! Pure: the reports of an order and the rules in force → its record.

mod evidence;

use catalog::terms::DedupConflict;
use catalog::{ProgramRef, ProgramTerms};
use event::body::conversion::{Source, Trust};
use event::body::record::{MEMBERS_LISTED_MAX, MemberSummary, MemberVerdict, OrderRecord};
use event::{Code, EventId, Millis, OrderKey};

use crate::member::{AtClose, Member};
use evidence::Evidence;

/// What dedup reads of a program's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Position of each source among the trusted ones: s2s, tag, pixel, import. 0 is the most trusted.
    pub ranks: [u8; 4],
    /// Longest time from happening to receipt with which a report can be canonical. Milliseconds, inclusive.
    pub lateness_ms: i64,
    /// Longest distance in receipt from the canonical report with which a page's evidence counts. Milliseconds,
    /// inclusive.
    pub evidence_window_ms: i64,
    /// What another amount does.
    pub conflict: DedupConflict,
    /// Time from order to lock, after whose receipt no report amends. Milliseconds, inclusive.
    pub lock_after_ms: i64,
}

impl Rules {
    /// The defaults: they choose the time of the terms, and the order in which reports are listed.
    pub const BUILT_IN: Self = Self {
        ranks: [0, 1, 2, 3],
        lateness_ms: catalog::limits::LATENESS_MAX_MS,
        evidence_window_ms: 30 * 60_000,
        conflict: DedupConflict::Reject,
        lock_after_ms: 30 * event::time::DAY_MS,
    };

    /// The rules in these terms.
    #[must_use]
    pub fn of(terms: &ProgramTerms) -> Self {
        let rank = |source| u8::try_from(terms.rank(source)).unwrap_or(u8::MAX);
        Self {
            ranks: [Source::S2s, Source::Tag, Source::Pixel, Source::Import].map(rank),
            lateness_ms: terms.lateness_ms,
            evidence_window_ms: terms.evidence_window_ms,
            conflict: terms.dedup_conflict,
            lock_after_ms: terms.lock_after_ms,
        }
    }

    /// The rules of a program in force at `time`, which an order's first canonical report names: where the end of a month
    /// locks orders, it is that of this report's.
    #[must_use]
    pub fn at(program: ProgramRef<'_>, time: Millis) -> Self {
        let terms = &program.terms_at(time).terms;
        Self { lock_after_ms: program.lock_from(time).since(time), ..Self::of(terms) }
    }

    fn rank(&self, member: &Member) -> u8 {
        let [s2s, tag, pixel, import] = self.ranks;
        match member.ranked_source() {
            Source::S2s => s2s,
            Source::Tag => tag,
            Source::Pixel => pixel,
            Source::Import => import,
        }
    }

    fn order(&self, member: &Member) -> (u8, Millis, EventId) {
        (self.rank(member), member.occurred_at, member.id)
    }

    /// Whether `a` is canonical rather than `b`: the admissible report that is smallest by (rank of its source,
    /// `occurred_at`, id); if none is admissible, the one received first.
    pub(crate) fn before(&self, a: &Member, b: &Member) -> bool {
        match (self.admits(a), self.admits(b)) {
            (true, true) => self.order(a) < self.order(b),
            (false, false) => (a.received_at, a.id) < (b.received_at, b.id),
            (admitted, _) => admitted,
        }
    }

    fn admits(&self, member: &Member) -> bool {
        member.received_at.since(member.occurred_at) <= self.lateness_ms
    }

    /// When an order with this canonical report is locked: after it nothing amends.
    fn lock_at(&self, canonical: &Member) -> Millis {
        let by_order = canonical.occurred_at.0.saturating_add(self.lock_after_ms);
        let by_receipt = canonical.received_at.0.saturating_add(self.lateness_ms);
        Millis(by_order.max(by_receipt))
    }

    /// After this nothing changes the record of an order with this canonical report.
    pub(crate) fn closes_at(&self, canonical: &Member) -> Millis {
        Millis(self.lock_at(canonical).0.saturating_add(self.lateness_ms))
    }

    fn near(&self, a: Millis, b: Millis) -> bool {
        a.0.abs_diff(b.0) <= self.evidence_window_ms.unsigned_abs()
    }
}

/// Id of the record of `order`: made of everything that it depends on, so equal ids have equal records.
#[must_use]
pub fn record_id(order: &OrderKey, known: &AtClose) -> EventId {
    let rules = known.rules();
    let mut parts = Vec::with_capacity(16 * known.reports().len() + 64);
    parts.extend_from_slice(&known.count().to_be_bytes());
    parts.extend_from_slice(&rules.ranks);
    parts.extend_from_slice(&rules.lateness_ms.to_be_bytes());
    parts.extend_from_slice(&rules.evidence_window_ms.to_be_bytes());
    parts.push(match rules.conflict {
        DedupConflict::Reject => 0,
        DedupConflict::Amend => 1,
    });
    if rules.conflict == DedupConflict::Amend {
        parts.extend_from_slice(&rules.lock_after_ms.to_be_bytes());
    }
    let reports = known.reports().iter().chain(known.late()).map(|member| member.id);
    for id in reports.chain(known.later().iter().copied()) {
        parts.extend_from_slice(id.as_bytes());
    }
    EventId::derived("sillage order record v1", &[order.to_string().as_bytes(), &parts])
}

/// The record of `order`. None if no report of it is known.
///
/// Everything listed in the record is in a fixed order, so equal sets give equal bytes.
#[must_use]
pub fn decide(order: &OrderKey, known: &AtClose) -> Option<OrderRecord> {
    let (reports, rules) = (known.reports(), known.rules());
    let canonical = canonical(reports, rules)?;
    let evidence = Evidence::gather(&in_order(reports, canonical, rules), canonical, rules);
    let valued = match rules.conflict {
        DedupConflict::Reject => canonical,
        DedupConflict::Amend => amending(reports, canonical, rules),
    };
    let summary = |member| summarize(member, (canonical, valued), &evidence);
    let listed = in_order(reports, canonical, Rules::BUILT_IN).into_iter().map(summary);
    let listed = listed.chain(known.late().iter().map(counted));
    Some(OrderRecord {
        order: order.clone(),
        order_id: canonical.conversion.order_id.clone(),
        members: known.count(),
        canonical: canonical.id,
        source: canonical.conversion.source,
        trust: reports.iter().map(|m| m.conversion.trust).max().unwrap_or(Trust::Page),
        converted_at: canonical.occurred_at,
        received_at: canonical.received_at,
        amount: valued.conversion.amount,
        currency: valued.conversion.currency,
        items: valued.conversion.items.clone(),
        customer_type: canonical.conversion.customer_type,
        listed: listed.take(MEMBERS_LISTED_MAX).collect(),
        channel: evidence.channel,
        consent: evidence.consent,
        coupons: evidence.coupons,
        ids: evidence.ids,
        click: evidence.click,
        exempt_click: evidence.exempt_click,
        refused_clicks: evidence.refused_clicks,
        merges: evidence.merges,
        notes: evidence.notes,
    })
}

fn canonical(reports: &[Member], rules: Rules) -> Option<&Member> {
    reports.iter().reduce(|a, b| if rules.before(b, a) { b } else { a })
}

/// The report whose values are taken under `amend`: the newest of the canonical one's source, whatever its lag, up to
/// the lock. A page does not amend what came with a credential.
fn amending<'a>(reports: &'a [Member], canonical: &'a Member, rules: Rules) -> &'a Member {
    let lock_at = rules.lock_at(canonical);
    let may_amend = |member: &&Member| {
        member.ranked_source() == canonical.ranked_source()
            && member.received_at <= lock_at
            && (member.credentialed() || !canonical.credentialed())
    };
    let newness = |m: &&Member| (m.conversion.revision.unwrap_or(0), m.received_at, m.id);
    reports.iter().filter(may_amend).max_by_key(newness).unwrap_or(canonical)
}

/// The canonical report, then the others by (rank, `occurred_at`, id).
fn in_order<'a>(reports: &'a [Member], canonical: &'a Member, rules: Rules) -> Vec<&'a Member> {
    let mut ordered: Vec<&Member> = reports.iter().collect();
    ordered.sort_unstable_by_key(|member| (member.id != canonical.id, rules.order(member)));
    ordered
}

fn summarize(
    member: &Member,
    (canonical, valued): (&Member, &Member),
    evidence: &Evidence,
) -> MemberSummary {
    let (mine, theirs) = (&member.conversion, &canonical.conversion);
    let same_amount = (mine.amount, mine.currency) == (theirs.amount, theirs.currency);
    let same_items = mine.items == theirs.items;
    let (verdict, code) = if member.id == canonical.id {
        (MemberVerdict::Canonical, Code::Ok)
    } else if member.id == valued.id && !(same_amount && same_items) {
        (MemberVerdict::Amends, Code::Amended)
    } else if same_amount {
        (MemberVerdict::DupSame, Code::ExactDuplicate)
    } else {
        (MemberVerdict::DupConflict, Code::ConflictingDuplicate)
    };
    MemberSummary {
        verdict,
        code,
        items_differ: same_amount && !same_items,
        evidence_counts: evidence.counts(member),
        ..plain(member)
    }
}

/// The verdict about a report that came too late, or that its record does not list: a function of the report alone.
#[must_use]
pub fn counted(member: &Member) -> MemberSummary {
    plain(member)
}

fn plain(member: &Member) -> MemberSummary {
    MemberSummary {
        id: member.id,
        source: member.conversion.source,
        trust: member.conversion.trust,
        occurred_at: member.occurred_at,
        received_at: member.received_at,
        amount: member.conversion.amount,
        currency: member.conversion.currency,
        verdict: MemberVerdict::Counted,
        code: Code::ExactDuplicate,
        items_differ: false,
        evidence_counts: false,
    }
}

#[cfg(test)]
pub(crate) mod tests;
