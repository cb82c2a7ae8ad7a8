//! Runs a decision again from its own trace, and compares.

use catalog::ProgramRef;
use event::EventId;
use event::body::decision::Decision;

use super::inputs::{Input, Inputs, Order, Reaches};
use super::judge::judge;
use crate::evidence::Flags;

/// What running a decision again has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// It came out the same, bit for bit.
    Same,
    /// A terms version that it read is not in this catalog, or has other content.
    TermsGone(Vec<String>),
    /// Its trace does not list every candidate, so it cannot be run again from the trace alone.
    CandidatesNotListed(u64),
    /// It came out otherwise.
    Differs(Box<Decision>),
}

/// Runs `decision` again from its trace and the terms of `program`.
#[must_use]
pub fn verify(decision: &Decision, program: ProgramRef<'_>) -> Verification {
    if let Some(unlisted) = &decision.trace.unlisted {
        let count = unlisted.counts.iter().fold(0_u64, |sum, (_, n)| sum.saturating_add(*n));
        return Verification::CandidatesNotListed(count);
    }
    let order = Order::of_decision(decision);
    let again = judge(order, inputs_of(decision), program, |touch| dimensions(decision, touch));
    if again == *decision {
        return Verification::Same;
    }
    let gone: Vec<String> = decision
        .trace
        .terms
        .iter()
        .filter(|used| !again.trace.terms.contains(used))
        .map(|used| used.id.to_string())
        .collect();
    if gone.is_empty() {
        Verification::Differs(Box::new(again))
    } else {
        Verification::TermsGone(gone)
    }
}

fn dimensions(decision: &Decision, touch: EventId) -> Option<event::body::decision::Dimensions> {
    let credit = decision.credits.iter().find(|credit| credit.touch == touch)?;
    Some(credit.dimensions.clone())
}

fn inputs_of(decision: &Decision) -> Inputs {
    let candidates = decision.trace.candidates.iter().rev();
    let candidates = candidates.map(|candidate| Input {
        id: candidate.touch,
        kind: candidate.kind,
        occurred_at: candidate.touched_at,
        received_at: candidate.received_at.unwrap_or(candidate.touched_at),
        partner: candidate.partner.clone(),
        link: candidate.link.clone(),
        channel: candidate.channel.clone(),
        consent: candidate.consent,
        flags: Flags::of(&candidate.flags),
        judged: candidate.judged.clone(),
        reports: candidate.reports,
        reaches: Reaches::of(&candidate.reached_by),
        claim_only: candidate.tags.contains(&event::body::decision::Tag::ClaimOnly),
    });
    Inputs {
        candidates: candidates.collect(),
        identity: decision.trace.identity.clone(),
        known: decision.version.known,
    }
}
