//! One order that several partners had a part in: who is credited and what that pays, who is not and why, and what a
//! losing partner reads.
#![expect(clippy::print_stdout, reason = "the demo speaks to a person")]

use anyhow::Result;
use event::body::conversion::Source;
use event::body::decision::{Candidate, Decision};
use event::body::{BookedOrder, OrderState, Share};
use event::{Code, Millis, PartnerName};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Outcome;
use super::cast::PLAYERS;
use crate::cli::Reader;
use crate::trace;

/// Prints the order of the play that has the most to tell, if there is one.
pub(super) fn print(outcome: &Outcome, zone: &str) -> Result<()> {
    let told = outcome.found.decisions.iter().filter_map(|(id, decision)| {
        let booked = outcome.found.booked(id)?;
        Some((id, decision, booked, loser(decision, booked)?))
    });
    let Some((id, decision, booked, loser)) = told.max_by_key(|(_, decision, ..)| {
        let codes = decision.trace.candidates.iter().map(|c| c.code.number());
        (codes.collect::<std::collections::BTreeSet<_>>().len(), decision.converted_at)
    }) else {
        return Ok(());
    };
    let zone = TimeZone::get(zone)?;
    let reports: Vec<_> = decision.trace.members.iter().map(|m| word_of(m.source)).collect();
    println!(
        "\nOrder {id} · {} net · {} · reported {} times ({}): one order",
        booked.amount.decimal(2),
        shown("%-d %b %H:%M", decision.converted_at, &zone),
        reports.len(),
        reports.join(", ")
    );
    for share in &booked.shares {
        println!(
            "  credited  {}, click {}: {}, {} until {}",
            title_of(share.partner.as_ref()),
            shown("%-d %b %H:%M", share.touched_at, &zone),
            priced(share),
            share.state,
            shown("%-d %b", booked.lock_at, &zone)
        );
    }
    for candidate in decision.trace.candidates.iter().filter(|c| c.code != Code::Ok) {
        println!(
            "  not       {}, click {}: {}",
            title_of(candidate.partner.as_ref()),
            shown("%-d %b %H:%M", candidate.touched_at, &zone),
            reason(decision, candidate)
        );
    }
    println!("\n  {} reads (sillage trace {id} --as partner {loser}):\n", title(loser));
    for line in trace::rendered(decision, &Reader::Partner(loser.to_owned()))?.lines() {
        println!("    {line}");
    }
    Ok(())
}

/// A losing partner of an order that is worth showing: reported several times, pending, few candidates.
fn loser<'a>(decision: &'a Decision, booked: &BookedOrder) -> Option<&'a str> {
    let winner = decision.winner.as_ref()?;
    let candidates = &decision.trace.candidates;
    let loser = candidates.iter().filter_map(|c| c.partner.as_ref()).find(|p| *p != winner)?;
    let simple = (2..=4).contains(&candidates.len()) && booked.state == OrderState::Pending;
    (simple && decision.trace.members.len() > 1).then_some(loser.as_str())
}

fn priced(share: &Share) -> String {
    let rules = share.rules.iter().map(|rule| {
        let commission = rule.commission.decimal(2);
        format!("{} = {commission} (rule {} of {})", rule.pays, rule.rank, rule.of)
    });
    rules.collect::<Vec<_>>().join(" + ")
}

fn reason(decision: &Decision, candidate: &Candidate) -> String {
    let number = candidate.code.number();
    let window = decision.trace.windows.get(usize::from(candidate.window));
    match (candidate.code, window.and_then(|window| window.lookback_ms)) {
        (Code::LaterTouchWon, _) => format!("valid, a later eligible click won ({number})"),
        (Code::WindowExpired, Some(lookback_ms)) => {
            let age = age(decision.converted_at.since(candidate.touched_at));
            format!("{age} before the order, its window is {} ({number})", self::age(lookback_ms))
        }
        (code, _) => format!("{} ({number})", code.slug().replace('_', " ")),
    }
}

/// Days and hours.
fn age(ms: i64) -> String {
    let hours = ms / 3_600_000;
    match (hours / 24, hours % 24) {
        (0, hours) => format!("{hours} h"),
        (days, 0) => format!("{days} d"),
        (days, hours) => format!("{days} d {hours} h"),
    }
}

fn shown(format: &str, at: Millis, zone: &TimeZone) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(
        |_| at.rfc3339(),
        |time| time.to_zoned(zone.clone()).strftime(format).to_string(),
    )
}

const fn word_of(source: Source) -> &'static str {
    match source {
        Source::S2s => "server",
        Source::Tag => "tag",
        Source::Pixel => "pixel",
        Source::Import => "file",
    }
}

fn title_of(partner: Option<&PartnerName>) -> &str {
    partner.map_or("own channel", |partner| title(partner.as_str()))
}

/// The partner's name for people.
pub(super) fn title(partner: &str) -> &str {
    PLAYERS.iter().find(|p| p.partner == Some(partner)).map_or(partner, |player| player.title)
}
