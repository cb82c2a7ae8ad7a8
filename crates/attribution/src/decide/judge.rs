//! The steps: from inputs and terms to verdicts, credits and the trace.

use catalog::{Level, Lookback, ProgramRef, ProgramTerms, Resolved, Standing, TermsRef, Treatment};
use event::body::decision::{
    CANDIDATES_LISTED_MAX, Candidate, ChannelRule, ChannelTrace, ConflictPolicy, Credit, Decision,
    DecisionStatus, DecisionVersion, Dimensions, Model, Tag, TermsLevel, TermsUsed, Trace,
    Unlisted, Verdict, Window,
};
use event::body::touch::TouchKind;
use event::hash::ContentHash;
use event::{Code, Consent, EventId, Micros};

use super::SKEW_MAX_MS;
use super::hash::{inputs_hash, unlisted_hash};
use super::inputs::{Input, Inputs, Order};
use crate::evidence::Flags;

/// Runs the steps. `dimensions` answers for credited touches only.
pub(super) fn judge(
    mut order: Order,
    mut inputs: Inputs,
    program: ProgramRef<'_>,
    mut dimensions: impl FnMut(EventId) -> Option<Dimensions>,
) -> Decision {
    let in_force = program.terms_at(order.converted_at);
    let channel = order.channel.as_deref();
    let unmapped = channel.is_some()
        && program.channel_treatment(None, channel, order.converted_at).mapped.is_none();
    let noted = [
        (!inputs.identity.oversize.is_empty(), Code::IdentityOversize),
        (!inputs.identity.crowded.is_empty(), Code::VisitorOversize),
        (unmapped, Code::ChannelUnmapped),
    ];
    order.notes.extend(noted.into_iter().filter_map(|(holds, code)| holds.then_some(code)));
    order.notes.sort_unstable();
    order.notes.dedup();

    let candidates = std::mem::take(&mut inputs.candidates);
    let mut table = Table {
        order: &order,
        program,
        terms: &in_force.terms,
        used: Vec::new(),
        rows: candidates.iter().map(|input| Row::new(input, &order, program)).collect(),
        lost: false,
    };
    let channel = table.channel_trace();
    for (number, step) in Table::STEPS {
        step(&mut table, number);
    }

    let credited: Vec<&Row<'_>> = table.rows.iter().filter(|row| row.weight > 0).collect();
    let weights: Vec<u64> = credited.iter().map(|row| row.weight).collect();
    let weight_sum = weights.iter().fold(0, |sum: u64, w| sum.saturating_add(*w));
    let amounts = event::split(order.amount, &weights);
    let credits: Vec<Credit> = credited
        .iter()
        .zip(amounts)
        .rev()
        .map(|(row, amount)| {
            row.credit(amount, weight_sum, dimensions(row.input.id).unwrap_or_default())
        })
        .collect();
    // Of equal credits the first is the nearest to the conversion.
    let mut winner: Option<&Credit> = None;
    for credit in credits.iter().filter(|credit| credit.partner.is_some()) {
        if winner.is_none_or(|best| best.amount < credit.amount) {
            winner = Some(credit);
        }
    }
    let winner = winner.and_then(|credit| credit.partner.clone());
    let status = match (&winner, credits.is_empty(), table.lost) {
        (Some(_), _, _) => DecisionStatus::Attributed,
        (None, false, _) | (None, true, true) => DecisionStatus::LostToChannel,
        (None, true, false) => DecisionStatus::Unattributed,
    };
    let code = match status {
        DecisionStatus::Attributed => Code::Ok,
        DecisionStatus::LostToChannel => Code::PaidChannelWon,
        DecisionStatus::Unattributed => {
            table.rows.last().map_or(Code::NoClickEvidence, |row| row.verdict().code())
        }
    };

    let terms = table.terms_used(&in_force.reference);
    let version = DecisionVersion {
        semantics: in_force.terms.semantics,
        members: order.members,
        known: inputs.known,
    };
    let Listed { candidates: listed, windows, unlisted } = Listed::of(&table.rows);
    let policy = match in_force.terms.dedup_conflict {
        catalog::terms::DedupConflict::Reject => ConflictPolicy::Reject,
        catalog::terms::DedupConflict::Amend => ConflictPolicy::Amend,
    };
    let active: Vec<bool> = table.rows.iter().map(|row| row.active).collect();
    drop(table);
    inputs.candidates = candidates;
    let inputs_hash = inputs_hash(&order, &inputs, &active, &terms, (version, Model::Last));
    Decision {
        order: order.key,
        order_id: order.order_id,
        status,
        code,
        winner,
        amount: order.amount,
        currency: order.currency,
        items: order.items,
        coupons: order.coupons,
        customer_type: order.customer_type,
        converted_at: order.converted_at,
        version,
        inputs_hash,
        credits,
        trace: Trace {
            canonical: order.canonical,
            received_at: order.received_at,
            source: order.source,
            trust: order.trust,
            consent: order.consent,
            policy,
            members: order.listed,
            notes: order.notes,
            terms,
            identity: inputs.identity,
            channel,
            lateness_ms: in_force.terms.lateness_ms,
            model: Model::Last,
            windows,
            candidates: listed,
            unlisted,
        },
    }
}

/// A step: it is given its own number.
type Step<'a> = fn(&mut Table<'a>, u8);

/// Candidates, the newest last, and what the steps have said so far.
struct Table<'a> {
    order: &'a Order,
    program: ProgramRef<'a>,
    terms: &'a ProgramTerms,
    used: Vec<&'a TermsRef>,
    rows: Vec<Row<'a>>,
    /// The order's channel took touches of partners, or would have.
    lost: bool,
}

struct Row<'a> {
    input: &'a Input,
    /// Time from touch to order; 0 after a skew correction.
    age_ms: i64,
    skew_corrected: bool,
    lookback: Resolved<'a, Lookback>,
    min_time: Option<Resolved<'a, i64>>,
    /// Its partner may be credited for it.
    active: bool,
    /// None while it is eligible.
    outcome: Option<(Verdict, u8)>,
    weight: u64,
}

impl<'a> Row<'a> {
    fn new(input: &'a Input, order: &Order, program: ProgramRef<'a>) -> Self {
        let partner = input.partner.as_ref().map(AsRef::as_ref);
        let promised = program.touch_terms(partner, input.occurred_at);
        let (lookback, min_time) = match input.kind {
            TouchKind::Click => {
                (promised.lookback_click, Some(promised.min_click_to_conversion_ms))
            }
            TouchKind::Impression => (promised.lookback_impression, None),
        };
        let age_ms = order.converted_at.since(input.occurred_at);
        let skew_corrected = (-SKEW_MAX_MS..0).contains(&age_ms) && input.reaches.linked();
        Self {
            input,
            age_ms: if skew_corrected { 0 } else { age_ms },
            skew_corrected,
            lookback,
            min_time: min_time.filter(|min| min.value > 0),
            active: partner.is_none_or(|partner| {
                program.standing(partner, input.occurred_at, order.converted_at) == Standing::Active
            }),
            outcome: None,
            weight: 0,
        }
    }

    const fn eligible(&self) -> bool {
        self.outcome.is_none()
    }

    fn verdict(&self) -> Verdict {
        self.outcome.map_or(Verdict::NotSelected, |(verdict, _)| verdict)
    }

    fn credit(&self, amount: Micros, weight_sum: u64, dimensions: Dimensions) -> Credit {
        let input = self.input;
        Credit {
            touch: input.id,
            kind: input.kind,
            touched_at: input.occurred_at,
            partner: input.partner.clone(),
            link: input.link.clone(),
            channel: input.channel.clone(),
            amount,
            weight: self.weight,
            weight_sum,
            dimensions,
        }
    }

    fn shares_window(&self, other: &Self) -> bool {
        let promised = |row: &Self| {
            let Resolved { value, level, terms } = row.lookback;
            (value, level, &terms.id, row.min_time.map(|min| min.value))
        };
        promised(self) == promised(other)
    }

    fn window(&self) -> Window {
        Window {
            lookback_ms: match self.lookback.value {
                Lookback::Off => None,
                Lookback::Within(ms) => Some(ms),
            },
            level: level(self.lookback.level),
            terms: self.lookback.terms.id.clone(),
            min_time_ms: self.min_time.map(|min| min.value),
        }
    }

    fn candidate(&self, window: u16) -> Candidate {
        let input = self.input;
        let reaches = input.reaches;
        let tags = [
            (reaches.linked(), Tag::Linked),
            (reaches.merge && !reaches.shared_id, Tag::ViaMerge),
            (self.skew_corrected, Tag::SkewCorrected),
            (input.claim_only, Tag::ClaimOnly),
        ];
        let (verdict, step) = self.outcome.unwrap_or((Verdict::NotSelected, 0));
        Candidate {
            touch: input.id,
            kind: input.kind,
            touched_at: input.occurred_at,
            received_at: (input.received_at != input.occurred_at).then_some(input.received_at),
            partner: input.partner.clone(),
            link: input.link.clone(),
            channel: input.channel.clone(),
            consent: input.consent,
            flags: input.flags.to_vec(),
            judged: input.judged.clone(),
            reports: input.reports,
            reached_by: reaches.list(),
            window,
            verdict,
            code: verdict.code(),
            step,
            tags: tags.into_iter().filter_map(|(yes, tag)| yes.then_some(tag)).collect(),
        }
    }
}

impl<'a> Table<'a> {
    /// The steps in force, by their numbers. Each one only takes eligible touches away; the model ends the list.
    const STEPS: [(u8, Step<'a>); 5] = [
        (1, Self::filter),
        (3, Self::treat_channel),
        (6, Self::drop_non_credit),
        (7, Self::prefer_clicks),
        (11, Self::credit_last),
    ];

    fn eligible(&mut self) -> impl Iterator<Item = &mut Row<'a>> {
        self.rows.iter_mut().filter(|row| row.eligible())
    }

    /// Step 1: the first rule that fails gives the verdict.
    fn filter(&mut self, step: u8) {
        let excluded = Flags::of(&self.terms.excluded_flags);
        let (order, terms) = (self.order, self.terms);
        for row in &mut self.rows {
            let input = row.input;
            let verdict = if input.received_at.since(input.occurred_at) > terms.lateness_ms {
                Verdict::Late
            } else if input.flags.meets(excluded) || input.judged.is_some() {
                Verdict::InvalidTraffic
            } else if !consents(input, order.consent) {
                Verdict::NoConsent
            } else if !row.active {
                Verdict::PartnerInactive
            } else if row.lookback.value == Lookback::Off {
                Verdict::TypeDisabled
            } else if row.age_ms < 0 {
                Verdict::AfterConversion
            } else if matches!(row.lookback.value, Lookback::Within(ms) if row.age_ms > ms) {
                Verdict::OutOfWindow
            } else if row.min_time.is_some_and(|min| row.age_ms < min.value) {
                Verdict::TooFast
            } else {
                continue;
            };
            row.outcome = Some((verdict, step));
        }
    }

    /// Step 3: channel dedup, as the merchant says it. Touches of own channels compete as ever.
    fn treat_channel(&mut self, step: u8) {
        let (order, program) = (self.order, self.program);
        let channel = order.channel.as_deref();
        let mut used = Vec::new();
        let mut lost = false;
        for row in self.eligible() {
            let Some(partner) = &row.input.partner else { continue };
            let said =
                program.channel_treatment(Some(partner.as_str()), channel, order.converted_at);
            used.extend(said.mapped.map(|(_, terms)| terms));
            let excluded = match (said.treatment, row.input.kind) {
                (Treatment::Any, _)
                | (Treatment::ClickOnly, TouchKind::Click)
                | (Treatment::ImpressionOnly, TouchKind::Impression) => false,
                (Treatment::None, _)
                | (Treatment::ClickOnly, TouchKind::Impression)
                | (Treatment::ImpressionOnly, TouchKind::Click) => true,
            };
            if excluded {
                lost |= said.treatment == Treatment::None;
                row.outcome = Some((Verdict::ChannelExcluded, step));
            }
        }
        self.used.append(&mut used);
        self.lost |= lost;
    }

    /// Step 6: channels without credit give way to any other touch.
    fn drop_non_credit(&mut self, step: u8) {
        let terms = self.terms;
        let without = |row: &Row<'_>| {
            row.input.channel.as_ref().is_some_and(|c| terms.non_credit_channels.contains(c))
        };
        if self.eligible().any(|row| !without(row)) {
            for row in self.eligible().filter(|row| without(row)) {
                row.outcome = Some((Verdict::NonCreditChannel, step));
            }
        }
    }

    /// Step 7: any eligible click excludes all impressions.
    fn prefer_clicks(&mut self, step: u8) {
        let clicks = |row: &&mut Row<'_>| row.input.kind == TouchKind::Click;
        if self.terms.click_over_impression && self.eligible().any(|row| clicks(&row)) {
            for row in self.eligible().filter(|row| !clicks(row)) {
                row.outcome = Some((Verdict::OutrankedClass, step));
            }
        }
    }

    /// Step 11: the last eligible touch in total order gets all.
    fn credit_last(&mut self, step: u8) {
        let mut verdict = Verdict::Credited;
        for row in self.rows.iter_mut().rev().filter(|row| row.eligible()) {
            row.weight = u64::from(verdict == Verdict::Credited);
            row.outcome = Some((verdict, step));
            verdict = Verdict::NotSelected;
        }
    }

    /// What the program says of the order's channel, for the trace.
    fn channel_trace(&mut self) -> ChannelTrace {
        let channel = self.order.channel.as_deref();
        let said = self.program.channel_treatment(None, channel, self.order.converted_at);
        self.lost = said.treatment == Treatment::None;
        self.used.extend(said.mapped.map(|(_, terms)| terms));
        ChannelTrace {
            value: self.order.channel.clone(),
            treatment: match said.treatment {
                Treatment::None => ChannelRule::None,
                Treatment::Any => ChannelRule::Any,
                Treatment::ClickOnly => ChannelRule::ClickOnly,
                Treatment::ImpressionOnly => ChannelRule::ImpressionOnly,
            },
            terms: said.mapped.map(|(_, terms)| terms.id.clone()),
        }
    }

    /// Every terms version that was read: the program's at the conversion first, then the others by name.
    fn terms_used(&mut self, in_force: &TermsRef) -> Vec<TermsUsed> {
        for row in &self.rows {
            let read = [Some(row.lookback.terms), row.min_time.map(|min| min.terms)];
            for terms in read.into_iter().flatten() {
                if !self.used.iter().any(|known| std::ptr::eq(*known, terms)) {
                    self.used.push(terms);
                }
            }
        }
        let as_used =
            |terms: &TermsRef| TermsUsed { id: terms.id.clone(), hash: ContentHash(terms.hash.0) };
        let first = as_used(in_force);
        let mut others: Vec<TermsUsed> = self.used.iter().map(|terms| as_used(terms)).collect();
        others.sort_unstable();
        others.dedup();
        others.retain(|used| *used != first);
        others.insert(0, first);
        others
    }
}

/// Which evidence attributes, by the consent of touch and order.
fn consents(input: &Input, order: Consent) -> bool {
    let reaches = input.reaches;
    match (input.consent, order) {
        (Consent::Exempt, _) => reaches.linked(),
        (Consent::Denied, _) | (_, Consent::Denied) => false,
        (Consent::Granted, _) => true,
        (Consent::Unknown, _) => reaches.linked(),
    }
}

const fn level(level: Level) -> TermsLevel {
    match level {
        Level::Partner => TermsLevel::Partner,
        Level::Segment => TermsLevel::Segment,
        Level::Program => TermsLevel::Program,
        Level::Default => TermsLevel::Default,
    }
}

/// What a trace lists: credited candidates, then the newest, up to the most, shown newest first; the rest as counts.
#[derive(Default)]
struct Listed {
    candidates: Vec<Candidate>,
    windows: Vec<Window>,
    unlisted: Option<Unlisted>,
}

impl Listed {
    fn of(rows: &[Row<'_>]) -> Self {
        let credited = rows.iter().filter(|row| row.weight > 0).count().min(CANDIDATES_LISTED_MAX);
        let mut others = CANDIDATES_LISTED_MAX.saturating_sub(credited);
        let mut credited_left = credited;
        let room = rows.len().min(CANDIDATES_LISTED_MAX);
        let mut listed = Self { candidates: Vec::with_capacity(room), ..Self::default() };
        let mut windows: Vec<&Row<'_>> = Vec::new();
        let mut rest = Vec::new();
        for row in rows.iter().rev() {
            let room = if row.weight > 0 { &mut credited_left } else { &mut others };
            if *room == 0 {
                rest.push(row);
                continue;
            }
            *room = room.saturating_sub(1);
            let place = windows.iter().position(|known| known.shares_window(row));
            let place = place.unwrap_or(windows.len());
            if place == windows.len() {
                windows.push(row);
                listed.windows.push(row.window());
            }
            listed.candidates.push(row.candidate(u16::try_from(place).unwrap_or(u16::MAX)));
        }
        listed.unlisted = unlisted(&rest);
        listed
    }
}

fn unlisted(rows: &[&Row<'_>]) -> Option<Unlisted> {
    if rows.is_empty() {
        return None;
    }
    let mut counts: Vec<(Verdict, u64)> = Vec::new();
    for row in rows {
        match counts.iter_mut().find(|(verdict, _)| *verdict == row.verdict()) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => counts.push((row.verdict(), 1)),
        }
    }
    counts.sort_unstable();
    let hash = unlisted_hash(rows.iter().map(|row| (row.input, row.verdict())));
    Some(Unlisted { counts, hash })
}
