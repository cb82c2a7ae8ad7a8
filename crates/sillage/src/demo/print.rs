//! What the demo shows: progress, tables, one order's trace, the account of losses, and the verdict.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the demo speaks to a person")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use event::body::decision::Candidate;
use event::body::{DecisionStatus, OrderState};
use event::{Code, Micros};
use serde_json::json;

use super::cast::PLAYERS;
use super::compare::{self, Found, count, in_flight, refusals};
use super::journey::Journey;
use super::money;
use super::stage::Running;
use super::{DemoArguments, HOURS_PER_SECOND, Outcome};

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

/// One line of the table, summed from the book.
#[derive(Default)]
struct Line {
    clicks: u64,
    orders: u64,
    net_micros: i64,
    commission_micros: i64,
    pending: u64,
    declined: u64,
}

impl Line {
    /// Declined orders count apart.
    fn add(&mut self, state: OrderState, net: Micros, commission: Micros) {
        match state {
            OrderState::Declined | OrderState::Reversed => {
                self.declined += 1;
                return;
            }
            OrderState::Pending | OrderState::Held => self.pending += 1,
            OrderState::Approved | OrderState::Locked | OrderState::Paid => {}
        }
        self.orders += 1;
        self.net_micros = self.net_micros.saturating_add(net.0);
        self.commission_micros = self.commission_micros.saturating_add(commission.0);
    }
}

pub(super) fn tables(outcome: &Outcome) {
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    let (mut own, mut nobody) = (Line::default(), Line::default());
    for posting in outcome.found.postings.values() {
        let Some(booked) = &posting.booked else { continue };
        if booked.shares.is_empty() {
            nobody.add(booked.state, booked.amount, Micros(0));
        }
        for share in &booked.shares {
            let line = match &share.partner {
                Some(partner) => lines.entry(partner.as_str()).or_default(),
                None => &mut own,
            };
            line.add(booked.state, share.net, share.commission);
        }
    }
    for (partner, clicks) in &outcome.found.valid_clicks {
        if !partner.is_empty() {
            lines.entry(partner).or_default().clicks = *clicks;
        }
    }
    println!(
        "{:<24} {:<11} {:>12} {:>7} {:>13} {:>12} {:>8} {:>8} {:>8}",
        "", "", "valid clicks", "orders", "net sales", "commission", "EPC", "pending", "declined"
    );
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort_by_key(|(_, line)| std::cmp::Reverse(line.net_micros));
    for (partner, line) in &lines {
        let player = PLAYERS.iter().find(|player| player.partner == Some(*partner));
        let (title, kind) = player.map_or((*partner, ""), |player| (player.title, player.kind));
        println!(
            "{title:<24} {kind:<11} {:>12} {:>7} {:>13} {:>12} {:>8} {:>8} {:>8}",
            thousands(line.clicks),
            thousands(line.orders),
            grouped(Micros(line.net_micros).decimal(2)),
            grouped(rounded(line.commission_micros, 10_000).decimal(2)),
            per_click(line),
            thousands(line.pending),
            thousands(line.declined)
        );
    }
    println!(
        "own channel (paid search)   {} orders, {} net, {} not due to partners (408)      nobody  {} orders",
        thousands(own.orders + own.declined),
        grouped(Micros(own.net_micros).decimal(2)),
        grouped(rounded(not_due(outcome), 10_000).decimal(2)),
        thousands(nobody.orders + nobody.declined)
    );
    println!(
        "\nclicks of machines or fetched ahead, counted apart: {}",
        thousands(outcome.found.flagged_clicks)
    );
    println!("\n{:<34} {:>8} {:>13}", "kind of journey", "orders", "as expected");
    for (kind, (agreeing, all)) in &outcome.comparison.kinds {
        println!("{:<34} {:>8} {:>13}", kind.words(), thousands(*all), thousands(*agreeing));
    }
}

/// Commission per valid click, four decimals; nothing without clicks.
fn per_click(line: &Line) -> String {
    let Ok(clicks @ 1..) = i64::try_from(line.clicks) else { return String::new() };
    rounded(line.commission_micros / clicks, 100).decimal(4)
}

/// To the nearest multiple of `unit`, of two equally near ones to the even one.
const fn rounded(micros: i64, unit: i64) -> Micros {
    let (whole, rest) = (micros / unit, micros % unit);
    let up = rest * 2 > unit || (rest * 2 == unit && whole % 2 != 0);
    Micros((whole + if up { 1 } else { 0 }) * unit)
}

/// What partners with a valid touch would have earned by orders that an own channel took.
fn not_due(outcome: &Outcome) -> i64 {
    compare::orders(&outcome.journeys)
        .filter_map(|(id, order)| {
            let decision = outcome.found.decisions.get(&id)?;
            let lost = decision.status == DecisionStatus::LostToChannel;
            let passed_over = |candidate: &&Candidate| candidate.code == Code::PaidChannelWon;
            let newest = decision.trace.candidates.iter().filter(|_| lost).find(passed_over)?;
            let partner = newest.partner.as_ref()?.as_str();
            let player = PLAYERS.iter().position(|player| player.partner == Some(partner))?;
            Some(money::commission(player, &money::kept_lines(order), &order.basket))
        })
        .fold(0, i64::saturating_add)
}

pub(super) fn verdict(arguments: &DemoArguments, outcome: &Outcome) {
    let DemoArguments { seed, seconds, rate, .. } = arguments;
    let rejected = count(outcome.found.rejected.len());
    let missing = count(in_flight(&outcome.found, &outcome.seen).len());
    println!(
        "\nAccepted {} = stored {} + rejected {} + in flight {}.  {}; recomputed difference {}",
        thousands(count(outcome.seen.events.len())),
        thousands(count(outcome.found.stored.len())),
        thousands(rejected),
        thousands(missing),
        if outcome.balanced() { "Books balance" } else { "BOOKS DO NOT BALANCE" },
        Micros(outcome.comparison.money_difference_micros).decimal(6)
    );
    for (code, times) in refusals(&outcome.found) {
        let slug = Code::from_number(code).map_or("", Code::slug);
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
            "{} steps began more than a second late: the machine was too slow for {rate} requests a second",
            thousands(outcome.seen.late)
        );
        if !differences.is_empty() {
            println!(
                "  A second is {HOURS_PER_SECOND} hours of the play, so that can explain differences. Slower: \
                 sillage demo --seconds {seconds} --rate {}",
                (rate / 2).max(1)
            );
        }
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
        "books_balanced": outcome.balanced(),
        "recomputed_difference_micros": outcome.comparison.money_difference_micros,
        "commission_micros": outcome.commission_micros(),
        "days_paid": days_paid(&outcome.found),
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

/// Days that are paid for touches or periods, by what they are paid for.
fn days_paid(found: &Found) -> BTreeMap<&'static str, BTreeSet<&str>> {
    let mut days: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (day, (purpose, amount)) in &found.day_pay {
        if *amount != 0 {
            days.entry(purpose.as_str()).or_default().insert(&*day.day);
        }
    }
    days
}

pub(super) fn stay(stage: &Running, [blog, shop]: [String; 2]) {
    let (edge, admin, token) = (stage.edge_url(), stage.admin_url(), stage.token());
    println!("\nStill up; from now on a second is a second. In a browser:\n");
    println!("  {blog}   an article with a partner's links");
    println!("  {shop}   the shop that they lead to\n");
    println!("Or try, then Ctrl-C:\n");
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
