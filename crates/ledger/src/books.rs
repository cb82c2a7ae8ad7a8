//! The lines of `sillage books`: equal facts give equal bytes.

use event::body::{BookedOrder, Share};
use event::{Code, Micros, OrderKey};

use crate::amount::{minus, sum};

/// The lines of an order, one for each partner, sorted: program, order key, partner (`-`: nobody or an own channel),
/// currency, state, net micros, commission micros and codes, separated by tabs.
#[must_use]
pub fn books_lines(order: &OrderKey, booked: &BookedOrder) -> Vec<String> {
    let mut lines = Vec::with_capacity(booked.shares.len().max(1));
    if booked.shares.is_empty() {
        lines.push(line(order, booked, &[], minus(booked.amount, booked.returned)));
    }
    for (place, share) in booked.shares.iter().enumerate() {
        let same = |other: &&Share| other.partner == share.partner;
        if booked.shares.iter().take(place).any(|other| same(&other)) {
            continue;
        }
        let own: Vec<&Share> = booked.shares.iter().filter(same).collect();
        lines.push(line(order, booked, &own, sum(own.iter().map(|share| share.net))));
    }
    lines.sort_unstable();
    lines
}

fn line(order: &OrderKey, booked: &BookedOrder, shares: &[&Share], net: Micros) -> String {
    let first = shares.first();
    let partner = first.and_then(|share| share.partner.as_ref()).map_or("-", |name| name.as_str());
    let state = first.map_or(booked.state, |share| share.state);
    let commission = sum(shares.iter().map(|share| share.commission));
    let mut codes: Vec<Code> =
        shares.iter().flat_map(|share| share.codes.iter().copied()).collect();
    codes.sort_unstable_by_key(|code| code.number());
    codes.dedup();
    codes.retain(|code| *code != booked.code);
    let codes: Vec<String> =
        std::iter::once(booked.code).chain(codes).map(|code| code.number().to_string()).collect();
    format!(
        "{}\t{order}\t{partner}\t{}\t{state}\t{}\t{}\t{}",
        order.program,
        booked.currency,
        net.0,
        commission.0,
        codes.join(",")
    )
}
