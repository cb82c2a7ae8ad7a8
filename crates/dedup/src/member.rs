//! The reports of one order as a set, and which of them a decision looks at.

use std::collections::BTreeMap;

use event::body::conversion::{ClickEvidence, ClickVerdict, Conversion, Evidence, Source, Trust};
use event::{Body, Envelope, EventId, Millis, OrderKey};
use serde::{Deserialize, Serialize};

use crate::decide::Rules;

/// How many reports are looked at from each end of each of the three kinds (credentialed, from a page, later verdict),
/// in the order of event ids, that is of receipt. Count; 512: hundreds of times what an honest order has, and a
/// decision over that many still takes milliseconds.
pub const END_MAX: usize = 512;

/// One report of an order: what a decision reads of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The event.
    pub id: EventId,
    /// When it happened, as far as that is believed.
    #[serde(rename = "o")]
    pub occurred_at: Millis,
    /// When it was received.
    #[serde(rename = "r")]
    pub received_at: Millis,
    /// What it says.
    #[serde(rename = "c")]
    pub conversion: Conversion,
}

/// A later verdict about a click id of a report, checked again with keys that were missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaterVerdict {
    /// The evidence event.
    pub id: EventId,
    /// The report.
    pub conversion: EventId,
    /// What was found.
    pub click: ClickEvidence,
}

/// The kinds of rows that the state of an order consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// A report with a token or signature.
    Credentialed,
    /// A report that anyone could have sent.
    Page,
    /// A later verdict about a click id.
    Later,
}

/// One element of an order's set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A report.
    Report(Box<Member>),
    /// A later verdict about a click id.
    Later(Box<LaterVerdict>),
}

impl Row {
    /// The event that it came with.
    #[must_use]
    pub fn id(&self) -> EventId {
        match self {
            Self::Report(member) => member.id,
            Self::Later(later) => later.id,
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> RowKind {
        match self {
            Self::Report(member) if member.credentialed() => RowKind::Credentialed,
            Self::Report(_) => RowKind::Page,
            Self::Later(_) => RowKind::Later,
        }
    }
}

/// What an event means to dedup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// An element of the set of this order.
    Row(OrderKey, Row),
    /// Not for this stage: validations, and everything that lives on other topics.
    Skipped,
    /// A conversion or later verdict without program.
    NoProgram,
}

impl Reading {
    /// Reads an event. What decisions do not read (sub ids, flags, private block …) is left out.
    #[must_use]
    pub fn of(envelope: Envelope) -> Self {
        match envelope.body {
            Body::Conversion(conversion) => {
                let Some(program) = envelope.program else { return Self::NoProgram };
                let order = OrderKey::of_report(
                    (program, conversion.goal.clone(), envelope.test),
                    conversion.order_id.as_deref(),
                    conversion.client_event_id.as_deref(),
                    envelope.id,
                );
                let member = Member {
                    id: envelope.id,
                    occurred_at: envelope.occurred_at,
                    received_at: envelope.received_at,
                    conversion: read_by_decisions(*conversion),
                };
                Self::Row(order, Row::Report(Box::new(member)))
            }
            Body::Evidence(Evidence { order, conversion, click }) => {
                let later = LaterVerdict { id: envelope.id, conversion, click };
                Self::Row(order, Row::Later(Box::new(later)))
            }
            Body::Click(_)
            | Body::Impression(_)
            | Body::Landing(_)
            | Body::Activation(_)
            | Body::Flag(_)
            | Body::Merge(_)
            | Body::Validation(_)
            | Body::Rejected(_)
            | Body::Order(_)
            | Body::Duplicate(_)
            | Body::Decision(_)
            | Body::Closed(_)
            | Body::Posting(_)
            | Body::CatalogVersion(_)
            | Body::LaneStarted(_)
            | Body::LaneStopped(_)
            | Body::LaneLost(_) => Self::Skipped,
        }
    }
}

fn read_by_decisions(conversion: Conversion) -> Conversion {
    Conversion {
        gdpr_consent: None,
        subs: event::body::SubIds::default(),
        flags: Vec::new(),
        claimed_at: None,
        private: None,
        ..conversion
    }
}

impl Member {
    /// Whether the report carried a token or signature.
    #[must_use]
    pub fn credentialed(&self) -> bool {
        self.conversion.trust > Trust::Page
    }

    /// The source that ranks: an unsigned call from a page ranks as the tag.
    #[must_use]
    pub fn ranked_source(&self) -> Source {
        match self.conversion.source {
            Source::S2s if !self.credentialed() => Source::Tag,
            source @ (Source::S2s | Source::Tag | Source::Pixel | Source::Import) => source,
        }
    }

    /// Takes over what later verdicts say: a click id that did not verify counts as valid if any of them, smallest
    /// event id first, finds it valid.
    fn check_again(&mut self, later: &[LaterVerdict]) {
        let mine = || later.iter().filter(|l| l.conversion == self.id && valid(&l.click));
        for click in self.conversion.clicks.iter_mut().filter(|click| !valid(click)) {
            if let Some(found) = mine().filter(|l| l.click.raw == click.raw).min_by_key(|l| l.id) {
                click.verdict = found.click.verdict;
                click.claim.clone_from(&found.click.claim);
            }
        }
    }
}

/// Whether a click id is one to attribute by.
pub(crate) fn valid(click: &ClickEvidence) -> bool {
    click.verdict == ClickVerdict::Valid && click.claim.is_some()
}

/// Everything known of one order, as a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    rows: BTreeMap<(RowKind, EventId), Row>,
}

impl Members {
    /// Adds an element. False if its event is known already.
    pub fn insert(&mut self, row: Row) -> bool {
        let key = (row.kind(), row.id());
        let new = !self.contains(key.0, key.1);
        if new {
            self.rows.insert(key, row);
        }
        new
    }

    /// Whether the event is known.
    #[must_use]
    pub fn contains(&self, kind: RowKind, id: EventId) -> bool {
        self.rows.contains_key(&(kind, id))
    }

    /// What a decision looks at.
    #[must_use]
    pub fn considered(&self) -> Considered {
        let mut ends = Vec::new();
        for kind in [RowKind::Credentialed, RowKind::Page, RowKind::Later] {
            let all = (kind, EventId::from_bytes([0; 16]))..=(kind, EventId::from_bytes([255; 16]));
            let mut rows = self.rows.range(all).map(|(_, row)| row);
            ends.extend(rows.by_ref().take(END_MAX).cloned());
            ends.extend(rows.rev().take(END_MAX).cloned());
        }
        Considered::new(self.rows.len() as u64, ends)
    }
}

impl FromIterator<Row> for Members {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        let mut members = Self::default();
        for row in rows {
            members.insert(row);
        }
        members
    }
}

/// The part of an order's set that is looked at, and the size of the whole set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    count: u64,
    reports: Vec<Member>,
    later: Vec<LaterVerdict>,
}

impl Considered {
    /// From the size of the whole set and the [`END_MAX`] first and last rows of each kind, each once.
    #[must_use]
    pub fn new(count: u64, rows: Vec<Row>) -> Self {
        let mut reports = Vec::with_capacity(rows.len());
        let mut later = Vec::new();
        for row in rows {
            match row {
                Row::Report(member) => reports.push(*member),
                Row::Later(verdict) => later.push(*verdict),
            }
        }
        reports.sort_unstable_by_key(|member| (member.received_at, member.id));
        later.sort_unstable_by_key(|verdict| verdict.id);
        Self { count, reports, later }
    }

    /// Size of the whole set.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The reports, by (`received_at`, id).
    #[must_use]
    pub fn reports(&self) -> &[Member] {
        &self.reports
    }

    /// What was known when the order was closed: what was received later only counts. `rules_at` gives the rules in force
    /// at a time. None if no report is known.
    #[must_use]
    pub fn at_close(self, rules_at: impl Fn(Millis) -> Rules) -> Option<AtClose> {
        let Self { count, mut reports, mut later } = self;
        let Closing { rules, at, open } = Closing::of(&reports, rules_at)?;
        let late = reports.split_off(open);
        // An id made elsewhere holds no time.
        later.retain(|verdict| !verdict.id.is_minted() || verdict.id.time() <= at);
        if !later.is_empty() {
            for report in &mut reports {
                report.check_again(&later);
            }
        }
        reports.sort_unstable_by_key(|member| member.id);
        let later = later.into_iter().map(|verdict| verdict.id).collect();
        Some(AtClose { count, reports, late, later, rules })
    }
}

/// When an order was closed.
struct Closing {
    rules: Rules,
    at: Millis,
    /// How many reports were received until then.
    open: usize,
}

impl Closing {
    /// Goes through the reports as they were received, to the first that came when what was known before it was closed.
    fn of(reports: &[Member], rules_at: impl Fn(Millis) -> Rules) -> Option<Self> {
        let first = reports.first()?;
        let (mut named, mut canonical) = (first, first);
        let mut rules = rules_at(named.occurred_at);
        let mut open = 1;
        for report in reports.iter().skip(1) {
            if report.received_at > rules.closes_at(canonical) {
                break;
            }
            if Rules::BUILT_IN.before(report, named) {
                named = report;
                let there = rules_at(named.occurred_at);
                if there != rules {
                    rules = there;
                    let known = reports.iter().take(open);
                    canonical = known.fold(first, |a, b| if rules.before(b, a) { b } else { a });
                }
            }
            if rules.before(report, canonical) {
                canonical = report;
            }
            open += 1;
        }
        Some(Self { rules, at: rules.closes_at(canonical), open })
    }
}

/// The part of an order's set that decides: what was received until the order was closed, with later verdicts applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtClose {
    count: u64,
    reports: Vec<Member>,
    late: Vec<Member>,
    later: Vec<EventId>,
    rules: Rules,
}

impl AtClose {
    /// Size of the whole set, with what came too late: whatever comes makes versions grow.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The reports, by event id; at least one.
    #[must_use]
    pub fn reports(&self) -> &[Member] {
        &self.reports
    }

    /// The reports that came too late to change anything, by (`received_at`, id).
    #[must_use]
    pub fn late(&self) -> &[Member] {
        &self.late
    }

    /// The events whose verdicts were applied, by id.
    #[must_use]
    pub fn later(&self) -> &[EventId] {
        &self.later
    }

    /// The rules in force at the time of the report that is canonical under the built-in ones.
    #[must_use]
    pub const fn rules(&self) -> Rules {
        self.rules
    }
}
