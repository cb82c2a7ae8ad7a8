//! Random worlds with times on and beside every boundary, for tests.

use event::body::decision::Decision;
use event::body::{Body, OrderRecord};
use event::{Envelope, Topic};
use testkit::Dice;

use crate::build::World;

fn one<'a>(dice: &mut Dice, of: &[&'a str]) -> &'a str {
    of[dice.index(of.len())]
}

fn ids(dice: &mut Dice) -> String {
    const IDS: [&str; 6] = ["x", "y", "z", "w", "kate", "kim"];
    let first = one(dice, &IDS);
    match dice.below(4) {
        0 => format!("by={first},{}", one(dice, &IDS)),
        1 if dice.chance(30) => "none".into(),
        _ => format!("by={first}"),
    }
}

/// Times before an order at which something may begin or end to hold.
const AGES: [&str; 24] = [
    "0ms", "1ms", "-1ms", "-2s", "-2001ms", "-1500ms", "5s", "4999ms", "1h", "1h+1ms", "1d",
    "1d+1ms", "1d-1ms", "2d", "7d", "7d+1ms", "30d", "30d+1ms", "30d-1ms", "90d", "90d+1ms",
    "-24h", "-24h-1ms", "12h",
];
const LAGS: [&str; 5] = ["1h", "1h+1ms", "7d", "7d+1ms", "1s"];

/// A random world as a script.
pub(crate) fn script(seed: u64) -> String {
    let dice = &mut Dice::new(seed);
    let mut clauses: Vec<String> = Vec::new();
    let mut terms = |text: &str| clauses.push(format!("terms {text}"));
    for key in ["lookback_click", "lookback_impression"] {
        if dice.chance(60) {
            let value = one(dice, &["0s", "1h", "1d", "30d", "90d", "off"]);
            terms(&format!("{key} = \"{value}\""));
        }
    }
    if dice.chance(30) {
        terms("min_click_to_conversion = \"5s\"");
    }
    if dice.chance(50) {
        terms("lateness = \"1h\"");
        terms("merge_grace = \"1h\"");
    }
    if dice.chance(30) {
        terms("flag_grace = \"1h\"");
    }
    if dice.chance(30) {
        terms("click_over_impression = false");
    }
    if dice.chance(30) {
        terms("identity_max = 3");
    }
    terms(
        "channel_map = { ads = \"none\", c = \"click_only\", i = \"impression_only\", all = \"any\" }",
    );
    if dice.chance(40) {
        clauses.push("segment s lookback_click = \"1d\"".into());
        clauses.push("partner betacash in s".into());
    }
    if dice.chance(40) {
        let value = one(dice, &["1h", "30d", "off"]);
        clauses.push(format!("partner gammacode lookback_click = \"{value}\""));
    }
    if dice.chance(20) {
        clauses.push("partner gammacode channel_map = { ads = \"any\" }".into());
    }
    if dice.chance(40) {
        let mode = one(dice, &["freeze", "run_off"]);
        clauses.push(format!(
            "state deltamail [{{ value = \"approved\" }}, {{ value = \"ended\", mode = \"{mode}\", \
             valid_from = 2027-02-11T00:00:00Z }}]"
        ));
    }
    // 2027-02-11 is day 100.
    let orders: Vec<String> = (0..1 + dice.below(3))
        .map(|_| one(dice, &["100d", "100d+1ms", "100d-1ms", "101d", "130d"]).to_owned())
        .collect();
    let mut labels: Vec<(String, bool)> = Vec::new();
    for n in 0..dice.below(14) {
        let order = &orders[dice.index(orders.len())];
        let age = one(dice, &AGES);
        let at = format!("@{order}{}", negated(age));
        let verb = match dice.below(6) {
            0 => "view",
            1 => "own",
            _ => "click",
        };
        let name = if verb == "own" {
            one(dice, &["search", "direct"])
        } else {
            one(dice, &["alphablog", "betacash", "gammacode", "deltamail"])
        };
        let label = format!("{name}#{n}");
        let mut clause = format!("{verb} {label} {at} {}", ids(dice));
        if dice.chance(20) {
            clause.push_str(&format!(" lag={}", one(dice, &LAGS)));
        }
        if dice.chance(40) {
            let consent = one(dice, &["unknown", "exempt", "denied", "granted"]);
            clause.push_str(&format!(" consent={consent}"));
        }
        if dice.chance(30) {
            let flag =
                one(dice, &["bot_ua", "prefetch", "prerender", "head", "gpc", "prefetch,gpc"]);
            clause.push_str(&format!(" flags={flag}"));
        }
        if dice.chance(10) {
            clause.push_str(" test");
        }
        if verb == "click" && dice.chance(15) {
            clause.push_str(" claim");
        }
        // An edge's click is received when it happens; only such ones have an id to show.
        let minted = verb != "view" && !clause.contains("lag=");
        labels.push((label, minted));
        clauses.push(clause);
    }
    for _ in 0..dice.below(8) {
        let order = &orders[dice.index(orders.len())];
        let at = format!("@{order}{}", negated(one(dice, &AGES)));
        let lag =
            if dice.chance(30) { format!(" lag={}", one(dice, &LAGS)) } else { String::new() };
        let touch = labels.get(dice.index(labels.len())).cloned();
        let clause = match (dice.below(4), touch) {
            (0, Some((label, _))) => format!("flag {label} {at}{lag}"),
            (1, Some((label, true))) => {
                let choice =
                    one(dice, &["", " consent=granted", " consent=denied", " consent=unknown"]);
                let ids = if dice.chance(50) { ids(dice) } else { String::new() };
                format!("land {label} {at}{lag}{choice} {ids}")
            }
            (2, Some((label, true))) => format!("activate {label} {at}{lag}"),
            _ => {
                let all = ["x", "y", "z", "w", "kate", "kim"];
                let (a, b) = (one(dice, &all), one(dice, &all));
                if a == b {
                    continue;
                }
                format!("merge {a} {b} {at}{lag}")
            }
        };
        clauses.push(clause);
    }
    for (n, at) in orders.iter().enumerate() {
        let mut clause = format!("order @{at} id=O{n} {} amount={}", ids(dice), dice.below(1_000));
        let minted: Vec<&String> = labels.iter().filter(|(_, m)| *m).map(|(l, _)| l).collect();
        if !minted.is_empty() && dice.chance(50) {
            let key = one(dice, &["click", "click", "exempt"]);
            clause.push_str(&format!(" {key}={}", minted[dice.index(minted.len())]));
        }
        if dice.chance(30) {
            clause.push_str(&format!(" consent={}", one(dice, &["granted", "denied"])));
        }
        if dice.chance(30) {
            clause.push_str(&format!(" channel={}", one(dice, &["ads", "c", "i", "x", "all"])));
        }
        if dice.chance(10) {
            clause.push_str(" test");
        }
        clauses.push(clause);
    }
    clauses.join("; ")
}

/// `1d-1ms` before something: `-1d+1ms`.
fn negated(age: &str) -> String {
    let age = if age.starts_with('-') { age.to_owned() } else { format!("+{age}") };
    age.chars()
        .map(|c| match c {
            '+' => '-',
            '-' => '+',
            other => other,
        })
        .collect()
}

/// The events of a world as a log carries them: each touch event, and each order as one to three growing records, some
/// of them twice, in random order.
pub(crate) fn records(world: &World, dice: &mut Dice) -> Vec<(Topic, Envelope)> {
    let mut out: Vec<(Topic, Envelope)> =
        world.events.iter().map(|event| (Topic::Touches, event.clone())).collect();
    for order in &world.orders {
        let versions = 1 + dice.below(3);
        for members in 1..=versions {
            let mut record = order.clone();
            record.members = members;
            if members < versions {
                record.ids.truncate(usize::try_from(members - 1).unwrap());
                record.merges.clear();
                record.click = None;
            }
            out.push((Topic::Unique, unique(record)));
        }
    }
    let again: Vec<_> = out.iter().filter(|_| dice.chance(20)).cloned().collect();
    out.extend(again);
    dice.shuffle(&mut out);
    out
}

/// The world in which each order has the members of its last record among `records`.
pub(crate) fn final_world(world: &World, records: &[(Topic, Envelope)]) -> World {
    let mut world = world.clone();
    for order in &mut world.orders {
        for (_, envelope) in records {
            if let Body::Order(record) = &envelope.body
                && record.order == order.order
            {
                order.members = order.members.max(record.members);
            }
        }
    }
    world
}

pub(crate) fn unique(record: OrderRecord) -> Envelope {
    let version = record.members.to_be_bytes();
    let key = record.order.to_string();
    Envelope {
        id: event::EventId::derived("test record", &[key.as_bytes(), &version]),
        occurred_at: record.converted_at,
        received_at: record.received_at,
        program: Some(record.order.program.clone()),
        test: record.order.test,
        key,
        body: Body::Order(Box::new(record)),
    }
}

/// Decisions as JSON, by order key.
pub(crate) fn as_json(decisions: &[Decision]) -> Vec<String> {
    let mut out: Vec<String> =
        decisions.iter().map(|d| serde_json::to_string(d).unwrap()).collect();
    out.sort();
    out
}
