//! Holds what is on the topics against the truth of the play and against what the senders saw.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use event::body::{
    Account, Body, BookedOrder, DecisionStatus, OrderState, PayDay, Posting, Purpose, Subject,
};
use event::{Currency, Envelope, EventId, Flag, Topic};
use eventlog::LogReader;

use super::cast::PLAYERS;
use super::days::{self, Times};
use super::drive::{Seen, order_id};
use super::journey::{Fate, Journey, Kind, Order, Truth};
use super::money;

/// What was found on the topics.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The last decision of each real order, by order id.
    pub decisions: BTreeMap<String, event::body::Decision>,
    /// Clicks of people, by partner's name (empty for the own channel).
    pub valid_clicks: BTreeMap<String, u64>,
    /// Clicks that count for nobody: automated, fetched ahead.
    pub flagged_clicks: u64,
    /// Ids of all stored touches and conversions.
    pub stored: BTreeSet<EventId>,
    /// Ids of all rejected events, with their code.
    pub rejected: BTreeMap<EventId, u16>,
    /// Members that are no new order.
    pub duplicates: BTreeSet<EventId>,
    /// The newest posting of each order, by order id.
    pub postings: BTreeMap<String, Posting>,
    /// Sum of the transfers by account and currency, each transfer once.
    pub balances: BTreeMap<(Account, Currency), i128>,
    /// The same of orders alone, without pay for clicks, impressions and periods.
    pub order_balances: BTreeMap<(Account, Currency), i128>,
    /// What was booked of each rule on each day, and what for.
    pub day_pay: BTreeMap<PayDay, (Purpose, i128)>,
    transfers: BTreeSet<EventId>,
}

impl Found {
    /// What the book has of an order.
    pub(super) fn booked(&self, id: &str) -> Option<&BookedOrder> {
        self.postings.get(id)?.booked.as_deref()
    }

    fn post(&mut self, posting: Posting) {
        for transfer in &posting.transfers {
            if self.transfers.insert(transfer.id) {
                let amount = i128::from(transfer.amount.0);
                let of_order = matches!(posting.subject, Subject::Order(_));
                if let Subject::Day(day) = &posting.subject {
                    let is = |account: &Account| i128::from(matches!(account, Account::Expense(_)));
                    let earned = amount * (is(&transfer.debit) - is(&transfer.credit));
                    let nothing = (transfer.purpose, 0);
                    self.day_pay.entry(day.clone()).or_insert(nothing).1 += earned;
                }
                let mut book = |account: &Account, amount: i128| {
                    let key = (account.clone(), transfer.currency);
                    if of_order {
                        *self.order_balances.entry(key.clone()).or_default() += amount;
                    }
                    *self.balances.entry(key).or_default() += amount;
                };
                book(&transfer.debit, -amount);
                book(&transfer.credit, amount);
            }
        }
        let Some(booked) = &posting.booked else { return };
        let id = booked.order_id.clone().unwrap_or_default();
        if self.postings.get(&id).is_none_or(|known| known.number < posting.number) {
            self.postings.insert(id, posting);
        }
    }
}

/// Reads every topic from its start.
pub(super) fn read(log: &LogReader) -> Result<Found> {
    let mut found = Found::default();
    let topics = [
        Topic::Touches,
        Topic::Conversions,
        Topic::Rejected,
        Topic::Duplicate,
        Topic::Attributed,
        Topic::Transfers,
    ];
    for topic in topics {
        for batch in log.scan(topic, 0) {
            for record in batch.with_context(|| format!("read {topic}"))?.records {
                let envelope = Envelope::read(&record.payload)
                    .with_context(|| format!("read event {} of {topic}", record.id))?;
                take(&mut found, envelope);
            }
        }
    }
    Ok(found)
}

fn take(found: &mut Found, envelope: Envelope) {
    let id = envelope.id;
    match envelope.body {
        Body::Click(touch) => {
            found.stored.insert(id);
            let odd = [Flag::BotUa, Flag::NoUa, Flag::Prefetch, Flag::Prerender, Flag::Head];
            if touch.flags.iter().any(|flag| odd.contains(flag)) {
                found.flagged_clicks += 1;
            } else {
                let partner = touch.partner.map_or(String::new(), |name| name.to_string());
                *found.valid_clicks.entry(partner).or_default() += 1;
            }
        }
        Body::Rejected(rejected) => {
            found.rejected.insert(id, rejected.code.number());
        }
        Body::Duplicate(duplicate) => {
            found.duplicates.insert(duplicate.member.id);
        }
        Body::Decision(decision) => {
            let order = decision.order_id.clone().unwrap_or_else(|| decision.order.to_string());
            let newer = found.decisions.get(&order).is_none_or(|known| {
                (known.version, known.inputs_hash) < (decision.version, decision.inputs_hash)
            });
            if newer {
                found.decisions.insert(order, *decision);
            }
        }
        Body::Posting(posting) => found.post(*posting),
        Body::Impression(_)
        | Body::Landing(_)
        | Body::Activation(_)
        | Body::Flag(_)
        | Body::Merge(_)
        | Body::Conversion(_)
        | Body::Validation(_)
        | Body::Evidence(_) => {
            found.stored.insert(id);
        }
        Body::Order(_)
        | Body::Closed(_)
        | Body::CatalogVersion(_)
        | Body::LaneStarted(_)
        | Body::LaneStopped(_)
        | Body::LaneLost(_) => {}
    }
}

/// One difference between truth and system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub what: String,
    pub expected: String,
    pub found: String,
}

/// Agreement by kind of journey, and every difference.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Orders as expected, and all, by kind.
    pub kinds: BTreeMap<Kind, (u64, u64)>,
    /// Sum over the partners of how far their accounts are from what their orders earned.
    pub money_difference_micros: i64,
    pub differences: Vec<Difference>,
}

fn name_of(truth: Truth) -> String {
    match truth {
        Truth::Nobody => "nobody".to_owned(),
        Truth::Player(player) => PLAYERS.get(player).map_or_else(String::new, |p| {
            p.partner.map_or("own channel".to_owned(), str::to_owned)
        }),
    }
}

fn outcome_of(decision: &event::body::Decision) -> String {
    match decision.status {
        DecisionStatus::Attributed => {
            decision.winner.as_ref().map_or_else(String::new, ToString::to_string)
        }
        DecisionStatus::LostToChannel => "own channel".to_owned(),
        DecisionStatus::Unattributed => "nobody".to_owned(),
    }
}

pub(super) fn orders(journeys: &[Journey]) -> impl Iterator<Item = (String, &Order)> {
    journeys.iter().enumerate().flat_map(|(index, journey)| {
        journey.orders.iter().enumerate().map(move |(nth, order)| (order_id(index, nth), order))
    })
}

/// Every order's outcome, amount and count of reports; what days earn; every partner's valid clicks; every event that an answer named.
pub(super) fn compare(
    journeys: &[Journey],
    found: &Found,
    seen: &Seen,
    times: Times,
) -> Comparison {
    let mut comparison = Comparison::default();
    let mut expected_ids = BTreeSet::new();
    for (id, order) in orders(journeys) {
        let mut differences = order_differences(&id, order, found.decisions.get(&id));
        differences.extend(money_differences(&id, order, found.booked(&id)));
        let (agreeing, all) = comparison.kinds.entry(order.kind).or_default();
        *all += 1;
        *agreeing += u64::from(differences.is_empty());
        comparison.differences.extend(differences);
        expected_ids.insert(id);
    }
    for id in found.decisions.keys().filter(|id| !expected_ids.contains(*id)) {
        comparison.differences.push(difference(format!("order {id}"), "no such order", "decided"));
    }
    let expected_duplicates: u64 = orders(journeys).map(|(_, order)| order.reports - 1).sum();
    let duplicates = count(found.duplicates.len());
    if duplicates != expected_duplicates {
        let found = duplicates.to_string();
        comparison.differences.push(difference(
            "duplicates".into(),
            &expected_duplicates.to_string(),
            &found,
        ));
    }
    account_differences(journeys, found, &mut comparison);
    comparison.differences.extend(days::differences(seen, found, times));
    comparison.differences.extend(click_differences(journeys, found));
    comparison.differences.extend(refusal_differences(journeys, found));
    comparison.differences.extend(loss_differences(found, seen));
    comparison
}

pub(super) fn difference(what: String, expected: &str, found: &str) -> Difference {
    Difference { what, expected: expected.to_owned(), found: found.to_owned() }
}

fn order_differences(
    id: &str,
    order: &Order,
    decision: Option<&event::body::Decision>,
) -> Vec<Difference> {
    let what = format!("order {id} ({})", order.kind.words());
    let expected = name_of(order.truth);
    let Some(decision) = decision else { return vec![difference(what, &expected, "no decision")] };
    let mut differences = Vec::new();
    let outcome = outcome_of(decision);
    if outcome != expected {
        differences.push(difference(what.clone(), &expected, &outcome));
    }
    let amount = i64::try_from(order.amount_cents).unwrap_or(i64::MAX) * 10_000;
    if decision.amount.0 != amount {
        let (expected, found) = (amount.to_string(), decision.amount.0.to_string());
        differences.push(difference(format!("{what}, amount in micros"), &expected, &found));
    }
    let credits: i64 = decision.credits.iter().map(|credit| credit.amount.0).sum();
    let due = if order.truth == Truth::Nobody { 0 } else { amount };
    if credits != due {
        differences.push(difference(
            format!("{what}, credits in micros"),
            &due.to_string(),
            &credits.to_string(),
        ));
    }
    if decision.version.members != order.reports {
        differences.push(difference(
            format!("{what}, reports"),
            &order.reports.to_string(),
            &decision.version.members.to_string(),
        ));
    }
    differences
}

/// Who earns how much, of which net amount, and whether it is refused.
fn money_differences(id: &str, order: &Order, booked: Option<&BookedOrder>) -> Vec<Difference> {
    let what = |of: &str| format!("order {id} ({}), {of}", order.kind.words());
    let Some(booked) = booked else {
        return vec![difference(what("in the book"), "booked", "not there")];
    };
    let earned = money::earned(order);
    let declined = earned.map_or(order.fate == Fate::Cancelled, |earned| earned.declined)
        || money::net_cents(order) == 0;
    let mut differences = Vec::new();
    let mut differ = |of: &str, expected: String, found: String| {
        if expected != found {
            differences.push(difference(what(of), &expected, &found));
        }
    };
    let shares = || booked.shares.iter().filter(|share| share.partner.is_some());
    let commission: i64 = shares().map(|share| share.commission.0).sum();
    let net: i64 = shares().map(|share| share.net.0).sum();
    let due = earned.filter(|earned| !earned.declined);
    let commission_due = due.map_or(0, |earned| earned.commission_micros);
    differ("commission in micros", commission_due.to_string(), commission.to_string());
    let net_due = earned.map_or(0, |earned| earned.net_micros);
    differ("net in micros", net_due.to_string(), net.to_string());
    let found = booked.state == OrderState::Declined;
    differ("declined", declined.to_string(), found.to_string());
    if order.fate == Fate::Approved && !declined {
        let validated =
            matches!(booked.state, OrderState::Approved | OrderState::Locked | OrderState::Paid);
        differ("validated", "true".into(), validated.to_string());
    }
    differences
}

/// What the transfers sum to: each partner's accounts to what its orders earned, everything together to nothing.
fn account_differences(journeys: &[Journey], found: &Found, comparison: &mut Comparison) {
    let mut expected: BTreeMap<String, i128> = BTreeMap::new();
    for (_, order) in orders(journeys) {
        let Some(earned) = money::earned(order).filter(|earned| !earned.declined) else { continue };
        let Some(partner) = PLAYERS.get(earned.player).and_then(|player| player.partner) else {
            continue;
        };
        *expected.entry(partner.to_owned()).or_default() += i128::from(earned.commission_micros);
    }
    let mut booked: BTreeMap<String, i128> = BTreeMap::new();
    for ((account, _), balance) in &found.order_balances {
        if let Some(partner) = partner_of(account) {
            *booked.entry(partner.to_owned()).or_default() += balance;
        }
    }
    let partners: BTreeSet<_> = expected.keys().chain(booked.keys()).cloned().collect();
    for partner in partners {
        let of = |sums: &BTreeMap<String, i128>| sums.get(&partner).copied().unwrap_or(0);
        let (expected, found) = (of(&expected), of(&booked));
        if expected != found {
            let off = i64::try_from((expected - found).unsigned_abs()).unwrap_or(i64::MAX);
            comparison.money_difference_micros += off;
            let what = format!("accounts of {partner} in micros");
            let different = difference(what, &expected.to_string(), &found.to_string());
            comparison.differences.push(different);
        }
    }
    let sum: i128 = found.balances.values().sum();
    if sum != 0 {
        let different = difference("sum of all accounts".into(), "0", &sum.to_string());
        comparison.differences.push(different);
    }
}

/// The partner whose account it is.
pub(super) fn partner_of(account: &Account) -> Option<&str> {
    match account {
        Account::Expense(_) => None,
        Account::Pending(partner)
        | Account::Approved(partner)
        | Account::Payable(partner)
        | Account::Paid(partner)
        | Account::Clawback(partner) => Some(partner.as_str()),
    }
}

fn click_differences(journeys: &[Journey], found: &Found) -> Vec<Difference> {
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for player in journeys.iter().flat_map(|journey| &journey.valid_clicks) {
        if let Some(player) = PLAYERS.get(*player) {
            *expected.entry(player.partner.unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    let partners: BTreeSet<_> = expected.keys().chain(found.valid_clicks.keys()).collect();
    partners
        .into_iter()
        .filter_map(|partner| {
            let of = |clicks: &BTreeMap<String, u64>| clicks.get(partner).copied().unwrap_or(0);
            let (expected, found) = (of(&expected), of(&found.valid_clicks));
            let what = format!(
                "valid clicks of {}",
                if partner.is_empty() { "own channel" } else { partner }
            );
            (expected != found).then(|| difference(what, &expected.to_string(), &found.to_string()))
        })
        .collect()
}

/// Counts of refused events by code.
pub(super) fn refusals(found: &Found) -> BTreeMap<u16, u64> {
    found.rejected.values().fold(BTreeMap::new(), |mut counts, code| {
        *counts.entry(*code).or_default() += 1;
        counts
    })
}

fn refusal_differences(journeys: &[Journey], found: &Found) -> Vec<Difference> {
    let mut expected: BTreeMap<u16, u64> = BTreeMap::new();
    for code in journeys.iter().flat_map(|journey| &journey.refused) {
        *expected.entry(*code).or_default() += 1;
    }
    let found = refusals(found);
    let same = expected == found;
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    if same { Vec::new() } else { vec![difference("refused by code".into(), &expected, &found)] }
}

/// Every event that an answer named is stored or rejected, and nothing else is.
fn loss_differences(found: &Found, seen: &Seen) -> Vec<Difference> {
    let mut differences = Vec::new();
    let missing = in_flight(found, seen);
    for (id, durable) in &missing {
        let expected = if *durable { "stored (it was promised)" } else { "stored or rejected" };
        differences.push(difference(format!("event {id}"), expected, "in no file"));
    }
    let known = |id: &&EventId| !seen.events.contains_key(*id);
    let unknown = found.stored.iter().chain(found.rejected.keys()).filter(known).count();
    // A signed report with a status makes a second event; the play sends none.
    if unknown > 0 {
        differences.push(difference(
            "events that no answer named".into(),
            "0",
            &unknown.to_string(),
        ));
    }
    differences
}

/// Events that an answer named and that are in no file.
pub(super) fn in_flight(found: &Found, seen: &Seen) -> Vec<(EventId, bool)> {
    seen.events
        .iter()
        .filter(|(id, _)| !found.stored.contains(id) && !found.rejected.contains_key(id))
        .map(|(id, durable)| (*id, *durable))
        .collect()
}

pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
