//! What the demo shows: progress, tables, one order's trace, the account of losses, and the verdict.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the demo speaks to a person")]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use event::Micros;
use event::body::{Decision, DecisionStatus};
use serde_json::json;

use super::compare::{count, in_flight, refusals};
use super::journey::Journey;
use super::stage::Running;
use super::{HOURS_PER_SECOND, Outcome};
use crate::cli::Reader;
use crate::trace;

/// Differences that are printed; the others are counted.
const DIFFERENCES_SHOWN: usize = 20;

pub(super) fn opening(stage: &Running, seconds: u32, journeys: &[Journey]) {
    let days = seconds * HOURS_PER_SECOND / 24;
    let steps: usize = journeys.iter().map(|journey| journey.steps.len()).sum();
    println!("Boutique Démo · {days} days in {seconds} s · {} · EUR", stage.zone());
    println!(
        "{} shoppers, {} requests over HTTP to {}; admin listener {}\n",
        thousands(count(journeys.len())),
        thousands(count(steps)),
        stage.edge_url(),
        stage.admin_url()
    );
}

pub(super) fn progress(rewrite: bool, elapsed: Duration, (done, total): (u64, usize)) {
    let day = elapsed.as_secs_f64() * f64::from(HOURS_PER_SECOND) / 24.0;
    let line =
        format!("day {day:4.1}   {} of {} requests", thousands(done), thousands(count(total)));
    if rewrite {
        eprint!("\r{line}   ");
    } else {
        eprintln!("{line}");
    }
}

pub(super) fn end_of_progress() {
    eprintln!();
}

/// Orders, value and clicks of one line of the table.
#[derive(Default)]
struct Line {
    orders: u64,
    micros: i64,
    clicks: u64,
}

pub(super) fn tables(outcome: &Outcome) {
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    let (mut own, mut nobody) = (Line::default(), Line::default());
    for decision in outcome.found.decisions.values() {
        let line = match (decision.status, &decision.winner) {
            (DecisionStatus::Attributed, Some(winner)) => lines.entry(winner.as_str()).or_default(),
            (DecisionStatus::LostToChannel, _) => &mut own,
            (DecisionStatus::Attributed | DecisionStatus::Unattributed, _) => &mut nobody,
        };
        line.orders += 1;
        line.micros = line.micros.saturating_add(decision.amount.0);
    }
    for (partner, clicks) in &outcome.found.valid_clicks {
        if partner.is_empty() {
            own.clicks = *clicks;
        } else {
            lines.entry(partner).or_default().clicks = *clicks;
        }
    }
    println!("{:<28} {:>13} {:>8} {:>14}", "partner", "valid clicks", "orders", "order value");
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort_by_key(|(_, line)| std::cmp::Reverse(line.micros));
    for (partner, line) in &lines {
        print_line(partner, line);
    }
    print_line("own channel (paid search)", &own);
    print_line("nobody", &nobody);
    println!(
        "\nclicks of machines or fetched ahead, counted apart: {}",
        thousands(outcome.found.flagged_clicks)
    );
    println!("\n{:<34} {:>8} {:>13}", "kind of journey", "orders", "as expected");
    for (kind, (agreeing, all)) in &outcome.comparison.kinds {
        println!("{:<34} {:>8} {:>13}", kind.words(), thousands(*all), thousands(*agreeing));
    }
}

fn print_line(name: &str, line: &Line) {
    let value = grouped(Micros(line.micros).decimal(2));
    println!("{name:<28} {:>13} {:>8} {value:>14}", thousands(line.clicks), thousands(line.orders));
}

/// The trace of one order that several partners had a part in, as the manager and as a losing partner read it.
pub(super) fn one_order(outcome: &Outcome) -> Result<()> {
    let Some((decision, loser)) = outcome.found.decisions.values().find_map(contested) else {
        return Ok(());
    };
    let order = decision.order_id.as_deref().unwrap_or_default();
    println!("\nOne order, as the manager reads it (sillage trace {order}):\n");
    print!("{}", trace::rendered(decision, &Reader::Manager)?);
    println!("\nThe same, as {loser} reads it (--as partner {loser}):\n");
    print!("{}", trace::rendered(decision, &Reader::Partner(loser.to_owned()))?);
    Ok(())
}

/// An order with one credited and one other valid partner.
fn contested(decision: &Decision) -> Option<(&Decision, &str)> {
    let winner = decision.winner.as_ref()?;
    let candidates = &decision.trace.candidates;
    let loser = candidates.iter().filter_map(|c| c.partner.as_ref()).find(|p| *p != winner)?;
    (decision.trace.members.len() > 1 && (2..=5).contains(&candidates.len()))
        .then_some((decision, loser.as_str()))
}

pub(super) fn verdict(seed: u64, outcome: &Outcome) {
    let rejected = count(outcome.found.rejected.len());
    let missing = count(in_flight(&outcome.found, &outcome.seen).len());
    println!(
        "\nAccepted {} = stored {} + rejected {} + in flight {}.",
        thousands(count(outcome.seen.events.len())),
        thousands(count(outcome.found.stored.len())),
        thousands(rejected),
        thousands(missing)
    );
    for (code, times) in refusals(&outcome.found) {
        let slug = event::Code::from_number(code).map_or("", event::Code::slug);
        println!("  rejected {times} × {code} {slug}");
    }
    for failure in outcome.seen.failures.iter().take(DIFFERENCES_SHOWN) {
        println!("no answer: {failure}");
    }
    let differences = &outcome.comparison.differences;
    for difference in differences.iter().take(DIFFERENCES_SHOWN) {
        println!(
            "{}: expected {}, found {}",
            difference.what, difference.expected, difference.found
        );
    }
    if outcome.seen.late > 0 {
        println!(
            "{} steps began more than a second late: the machine was too slow for this rate",
            thousands(outcome.seen.late)
        );
    }
    let orders: u64 = outcome.comparison.kinds.values().map(|(_, all)| all).sum();
    println!(
        "{} orders, {} duplicate reports; differences from the truth: {} (seed {seed})",
        thousands(orders),
        thousands(count(outcome.found.duplicates.len())),
        thousands(count(differences.len()))
    );
}

pub(super) fn json(seed: u64, outcome: &Outcome) -> Result<()> {
    let decisions = outcome.found.decisions.values();
    let attributed = decisions.filter(|d| d.status == DecisionStatus::Attributed).count();
    let differences: Vec<_> = outcome
        .comparison
        .differences
        .iter()
        .take(DIFFERENCES_SHOWN)
        .map(|d| json!({"what": d.what, "expected": d.expected, "found": d.found}))
        .collect();
    let rejected: BTreeMap<_, _> =
        refusals(&outcome.found).into_iter().map(|(code, n)| (code.to_string(), n)).collect();
    let object = json!({
        "accepted": outcome.seen.events.len(),
        "stored": outcome.found.stored.len(),
        "rejected": rejected,
        "in_flight": in_flight(&outcome.found, &outcome.seen).len(),
        "conversions_unique": outcome.found.decisions.len(),
        "duplicates": outcome.found.duplicates.len(),
        "attributed": attributed,
        "expected_differences": outcome.comparison.differences.len(),
        "differences": differences,
        "unanswered": outcome.seen.failures.len(),
        "late_steps": outcome.seen.late,
        "journeys": outcome.journeys.len(),
        "seed": seed,
    });
    println!("{}", serde_json::to_string(&object)?);
    Ok(())
}

pub(super) fn stay(stage: &Running) {
    let (edge, admin, token) = (stage.edge_url(), stage.admin_url(), stage.token());
    println!("\nStill up; time goes on at {HOURS_PER_SECOND} hours a second. Try, then Ctrl-C:\n");
    println!("  curl -si '{edge}/c/lea-home?s1=hello&consent=granted'");
    println!(
        "  curl -s -H 'Authorization: Bearer {token}' -d 'program=boutique&order_id=BX-1&amount=74.92&currency=EUR' \\"
    );
    println!("       {edge}/v1/conversions");
    println!("  curl -s -H 'Authorization: Bearer {token}' {edge}/v1/programs/boutique/recent");
    println!("  curl -s '{admin}/v1/trace?order=BX-1&program=boutique&goal=sale&as=manager'");
    println!("  curl -s {admin}/metrics");
}

fn thousands(n: u64) -> String {
    grouped(n.to_string())
}

/// Commas between groups of three digits of the part before the dot.
fn grouped(text: String) -> String {
    let (units, rest) = text.split_once('.').map_or((text.as_str(), None), |(u, r)| (u, Some(r)));
    let mut out = String::new();
    for (at, digit) in units.chars().enumerate() {
        if at > 0 && (units.len() - at) % 3 == 0 && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(rest) = rest {
        out.push('.');
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_grouped_by_three() {
        for (plain, shown) in
            [("7", "7"), ("1234", "1,234"), ("123456.50", "123,456.50"), ("-123", "-123")]
        {
            assert_eq!(grouped(plain.to_owned()), shown);
        }
    }
}
