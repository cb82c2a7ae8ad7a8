//! A trace in words: for ops, for the manager, and for one partner, who sees own touches only and no other name.

#[cfg(test)]
mod tests;
mod words;

use event::body::decision::{Candidate, Decision, Reach};
use event::{Code, Micros, Millis, PartnerName};

pub use words::Language;

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
    language: Language,
    day_of: DayOf<'_>,
) -> String {
    let mut lines = vec![language.order(decision)];
    match reader {
        Reader::Partner(partner) => for_partner(decision, partner, (language, day_of), &mut lines),
        Reader::Manager => for_merchant(decision, (language, day_of), false, &mut lines),
        Reader::Ops => for_merchant(decision, (language, day_of), true, &mut lines),
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
    (language, day_of): (Language, DayOf<'_>),
    ops: bool,
    lines: &mut Vec<String>,
) {
    lines.push(language.outcome(decision));
    lines.extend(language.members(decision));
    lines.extend(language.channel(decision));
    let trace = &decision.trace;
    lines.push(language.candidates(trace.candidates.len()));
    for candidate in &trace.candidates {
        lines.push(format!("  {}", language.touch(candidate, true)));
        let sentence = language.sentence(&said(decision, candidate, day_of));
        lines.push(format!("    {} {}: {sentence}", candidate.verdict.as_str(), candidate.code));
        lines.push(format!("    {}", language.window(decision, candidate)));
        if ops {
            lines.push(format!("    {}", details(candidate)));
        }
    }
    lines.extend(language.unlisted(decision));
    lines.extend(trace.notes.iter().map(|note| language.note(*note)));
    lines.extend(language.basis(decision));
    if ops {
        lines.extend(identity(decision));
    }
}

/// Nothing here may come from another partner's touch but the day of the credited one.
fn for_partner(
    decision: &Decision,
    partner: &PartnerName,
    (language, day_of): (Language, DayOf<'_>),
    lines: &mut Vec<String>,
) {
    let own = |of: Option<&PartnerName>| of == Some(partner);
    let credits = decision.credits.iter().filter(|credit| own(credit.partner.as_ref()));
    let credit = credits.fold(None, |sum: Option<i64>, credit| {
        Some(sum.unwrap_or(0).saturating_add(credit.amount.0))
    });
    lines.push(language.outcome_for(decision, credit.map(Micros)));
    let touches: Vec<&Candidate> =
        decision.trace.candidates.iter().filter(|c| own(c.partner.as_ref())).collect();
    if touches.is_empty() {
        lines.push(language.nothing_of_yours().into());
    }
    for candidate in touches {
        lines.push(format!("  {}", language.touch(candidate, false)));
        let sentence = language.sentence(&said(decision, candidate, day_of));
        lines.push(format!("    {} {}: {sentence}", candidate.verdict.as_str(), candidate.code));
    }
    let shown = [Code::Unconfirmed, Code::Test];
    let notes = decision.trace.notes.iter().filter(|note| shown.contains(note));
    lines.extend(notes.map(|note| language.note(*note)));
}

/// What only ops read of a candidate: ids, evidence.
fn details(candidate: &Candidate) -> String {
    let reach = |reach: &Reach| match reach {
        Reach::ClickId => "click id",
        Reach::ExemptClickId => "exempt click id",
        Reach::SharedId => "shared id",
        Reach::Merge => "merge",
    };
    let by: Vec<&str> = candidate.reached_by.iter().map(reach).collect();
    let flags: Vec<&str> = candidate.flags.iter().map(|flag| flag.as_str()).collect();
    let mut text = format!(
        "{}, reached by {}, consent {}, step {}",
        candidate.touch,
        by.join(" and "),
        candidate.consent.as_str(),
        candidate.step
    );
    if !flags.is_empty() {
        text.push_str(&format!(", flags {}", flags.join(" ")));
    }
    if let Some(judged) = &candidate.judged {
        text.push_str(&format!(", judged {} times: {}", judged.count, judged.reason));
    }
    text
}

/// What only ops read of a decision: ids of the buyer, and the hash of the inputs.
fn identity(decision: &Decision) -> Vec<String> {
    let identity = &decision.trace.identity;
    let mut lines = Vec::new();
    let parts = [
        ("Ids", &identity.ids),
        ("Joined by merges", &identity.merged),
        ("Oversize", &identity.oversize),
    ];
    for (name, ids) in parts {
        if !ids.is_empty() {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            lines.push(format!("{name}: {}", ids.join(" ")));
        }
    }
    for (id, epoch) in &identity.crowded {
        lines.push(format!("Too many touches: {id} in epoch {epoch}"));
    }
    lines.push(format!("Inputs {}", decision.inputs_hash));
    lines
        .extend(decision.trace.terms.iter().map(|used| format!("Terms {} {}", used.id, used.hash)));
    lines
}
