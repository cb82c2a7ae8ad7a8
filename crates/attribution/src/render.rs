//! A trace in words: for ops, for the manager, and for one partner, who sees own touches only and no other name.

mod english;
mod french;
#[cfg(test)]
mod tests;

use event::body::decision::{Candidate, Decision};
use event::{Code, Micros, Millis, PartnerName};

pub use english::English;
pub use french::French;

/// Who reads a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Runs the system: sees everything that was read.
    Ops,
    /// Runs the program: sees everything but ids of persons and hashes.
    Manager,
    /// One partner: sees own touches, no other partner, no person.
    Partner(PartnerName),
}

/// What a candidate's verdict says, with the values for its sentence.
#[derive(Debug)]
pub struct Said<'a> {
    /// The candidate.
    pub candidate: &'a Candidate,
    /// Its order's decision.
    pub decision: &'a Decision,
    /// The newest credited touch's day, where there is one: a partner may know the day, not the minute.
    pub winner_day: Option<String>,
}

/// The words of one language. Sentences of codes are those of the published list; slugs and verdicts are never
/// translated.
pub trait Phrases {
    /// First line: which order.
    fn order(&self, decision: &Decision) -> String;
    /// Amount of the order.
    fn amount(&self, decision: &Decision, amount: Micros) -> String;
    /// Who has the order.
    fn outcome(&self, decision: &Decision) -> String;
    /// Who has the order, to a partner.
    fn outcome_for(&self, decision: &Decision, own: Option<Micros>) -> String;
    /// Heading of the reports, and one line for each.
    fn members(&self, decision: &Decision) -> Vec<String>;
    /// What the order's channel says, where it says something.
    fn channel(&self, decision: &Decision) -> Option<String>;
    /// Heading of the candidates: how many.
    fn candidates(&self, count: usize) -> String;
    /// A candidate: when, what, whose, by which link.
    fn touch(&self, candidate: &Candidate, name_partner: bool) -> String;
    /// Why it came out as it did, to the partner of the touch.
    fn sentence(&self, said: &Said<'_>) -> String;
    /// Where the window came from.
    fn window(&self, decision: &Decision, candidate: &Candidate) -> String;
    /// Candidates that are not listed.
    fn unlisted(&self, decision: &Decision) -> Option<String>;
    /// A note of the decision.
    fn note(&self, code: Code) -> String;
    /// Terms that were read, and the version.
    fn basis(&self, decision: &Decision) -> Vec<String>;
    /// What only ops read: ids, hashes, evidence.
    fn details(&self, candidate: &Candidate) -> String;
    /// Ids of the buyer, and the hash of the inputs.
    fn identity(&self, decision: &Decision) -> Vec<String>;
    /// No touch of this partner was found.
    fn nothing_of_yours(&self) -> String;
}

/// The day of an instant as readers of a trace see it.
pub type DayOf<'a> = &'a dyn Fn(Millis) -> String;

/// The day of an instant in UTC, such as `2026-11-03`.
#[must_use]
pub fn utc_day(at: Millis) -> String {
    at.rfc3339().split('T').next().unwrap_or_default().to_owned()
}

/// The trace of `decision` in words, one fact a line, with a line end behind each.
#[must_use]
pub fn render(
    decision: &Decision,
    reader: &Reader,
    phrases: &dyn Phrases,
    day_of: DayOf<'_>,
) -> String {
    let mut lines = vec![phrases.order(decision)];
    match reader {
        Reader::Partner(partner) => for_partner(decision, partner, (phrases, day_of), &mut lines),
        Reader::Manager => for_merchant(decision, (phrases, day_of), false, &mut lines),
        Reader::Ops => for_merchant(decision, (phrases, day_of), true, &mut lines),
    }
    lines.push(String::new());
    lines.join("\n")
}

fn said<'a>(decision: &'a Decision, candidate: &'a Candidate, day_of: DayOf<'_>) -> Said<'a> {
    let winner_day = decision.credits.first().map(|credit| day_of(credit.touched_at));
    Said { candidate, decision, winner_day }
}

fn for_merchant(
    decision: &Decision,
    (phrases, day_of): (&dyn Phrases, DayOf<'_>),
    ops: bool,
    lines: &mut Vec<String>,
) {
    lines.push(phrases.outcome(decision));
    lines.extend(phrases.members(decision));
    lines.extend(phrases.channel(decision));
    let trace = &decision.trace;
    lines.push(phrases.candidates(trace.candidates.len()));
    for candidate in &trace.candidates {
        lines.push(format!("  {}", phrases.touch(candidate, true)));
        let sentence = phrases.sentence(&said(decision, candidate, day_of));
        lines.push(format!("    {} {}: {sentence}", candidate.verdict.as_str(), candidate.code));
        lines.push(format!("    {}", phrases.window(decision, candidate)));
        if ops {
            lines.push(format!("    {}", phrases.details(candidate)));
        }
    }
    lines.extend(phrases.unlisted(decision));
    lines.extend(trace.notes.iter().map(|note| phrases.note(*note)));
    lines.extend(phrases.basis(decision));
    if ops {
        lines.extend(phrases.identity(decision));
    }
}

/// Nothing here may come from another partner's touch but the day of the credited one.
fn for_partner(
    decision: &Decision,
    partner: &PartnerName,
    (phrases, day_of): (&dyn Phrases, DayOf<'_>),
    lines: &mut Vec<String>,
) {
    let own = |of: Option<&PartnerName>| of == Some(partner);
    let credits = decision.credits.iter().filter(|credit| own(credit.partner.as_ref()));
    let credit = credits.fold(None, |sum: Option<i64>, credit| {
        Some(sum.unwrap_or(0).saturating_add(credit.amount.0))
    });
    lines.push(phrases.outcome_for(decision, credit.map(Micros)));
    let touches: Vec<&Candidate> =
        decision.trace.candidates.iter().filter(|c| own(c.partner.as_ref())).collect();
    if touches.is_empty() {
        lines.push(phrases.nothing_of_yours());
    }
    for candidate in touches {
        lines.push(format!("  {}", phrases.touch(candidate, false)));
        let sentence = phrases.sentence(&said(decision, candidate, day_of));
        lines.push(format!("    {} {}: {sentence}", candidate.verdict.as_str(), candidate.code));
    }
    let shown = [Code::Unconfirmed, Code::Test];
    let notes = decision.trace.notes.iter().filter(|note| shown.contains(note));
    lines.extend(notes.map(|note| phrases.note(*note)));
}
