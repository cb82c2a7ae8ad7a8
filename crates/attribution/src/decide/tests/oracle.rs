//! A second implementation, by brute force over the flat list of events, written from the semantics page and not from
//! the engine: no index, no early end, every rule a question asked of the whole list.
#![expect(clippy::wildcard_enum_match_arm, reason = "tests ask for single kinds of events")]

use std::collections::BTreeSet;

use catalog::{Level, Lookback, ProgramRef, Standing, Treatment};
use event::body::decision::Decision;
use event::body::{Body, ClaimedTouch, OrderRecord};
use event::{Consent, Envelope, EventId, Flag, IdentityId, Millis};

use crate::build::World;
use crate::random::script;

/// Outcome of an order: status, credits, and (touch, verdict) from the newest candidate on.
type Outcome = (String, Vec<(EventId, i64)>, Vec<(EventId, String)>);

struct Known {
    id: EventId,
    click: bool,
    occurred: i64,
    received: i64,
    partner: Option<String>,
    channel: Option<String>,
    consent: Consent,
    flags: Vec<Flag>,
    test: bool,
}

fn of_event(e: &Envelope) -> Option<Known> {
    let (touch, click) = match &e.body {
        Body::Click(touch) => (touch, true),
        Body::Impression(touch) => (touch, false),
        _ => return None,
    };
    Some(Known {
        id: e.id,
        click,
        occurred: e.occurred_at.0,
        received: e.received_at.0,
        partner: touch.partner.as_ref().map(ToString::to_string),
        channel: touch.channel.as_ref().map(ToString::to_string),
        consent: touch.consent,
        flags: touch.flags.clone(),
        test: e.test,
    })
}

fn of_claim(claim: &ClaimedTouch) -> Known {
    Known {
        id: claim.id,
        click: true,
        occurred: claim.id.time().0,
        received: claim.id.time().0,
        partner: claim.partner.as_ref().map(ToString::to_string),
        channel: claim.channel.as_ref().map(ToString::to_string),
        consent: claim.consent,
        flags: if claim.prefetch { vec![Flag::Prefetch] } else { Vec::new() },
        test: claim.test,
    }
}

fn lag(e: &Envelope) -> i64 {
    e.received_at.0 - e.occurred_at.0
}

const DAY: i64 = 86_400_000;

/// Everyone reachable from `start`, by asking every merge again until nothing changes.
fn person(start: IdentityId, merges: &[(IdentityId, IdentityId)]) -> BTreeSet<IdentityId> {
    let mut known = BTreeSet::from([start]);
    loop {
        let before = known.len();
        for (a, b) in merges {
            if known.contains(a) || known.contains(b) {
                known.extend([*a, *b]);
            }
        }
        if known.len() == before {
            return known;
        }
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "read from top to bottom beside the page it was written from"
)]
fn outcome(world: &World, record: &OrderRecord, program: ProgramRef<'_>) -> Outcome {
    let t = record.converted_at;
    let terms = &program.terms_at(t).terms;
    let lateness = terms.lateness_ms;
    let close = (t.0 + terms.lock_after_ms).max(record.received_at.0 + lateness) + lateness;
    let read = |e: &&Envelope| lag(e) <= lateness && e.received_at.0 <= close;

    // Who the buyer is.
    let joins = |at: Millis| at.0 >= t.0 - 90 * DAY && at.0 <= t.0 + terms.merge_grace_ms;
    let mut merges = Vec::new();
    for e in world.events.iter().filter(read).filter(|e| e.test == record.order.test) {
        if let Body::Merge(m) = &e.body
            && joins(e.occurred_at)
        {
            merges.push((m.a, m.b));
        }
    }
    for other in world.orders.iter().filter(|o| o.order.test == record.order.test) {
        for m in &other.merges {
            let soon = m.received_at.0 - m.occurred_at.0 <= lateness && m.received_at.0 <= close;
            if soon && joins(m.occurred_at) {
                merges.push((m.a, m.b));
            }
        }
    }
    let mut people = BTreeSet::new();
    for own in &record.ids {
        let all = person(*own, &merges);
        if all.len() > terms.identity_max as usize {
            people.insert(*own);
        } else {
            people.extend(all);
        }
    }

    // Which touches there are, and which of them are the order's.
    let claims = [&record.click, &record.exempt_click];
    let linked = |id: EventId| claims.iter().any(|c| c.as_ref().is_some_and(|c| c.id == id));
    let mut ids: BTreeSet<EventId> = BTreeSet::new();
    ids.extend(world.events.iter().filter(|e| of_event(e).is_some()).map(|e| e.id));
    ids.extend(claims.into_iter().flatten().map(|c| c.id));
    for e in &world.events {
        if let Body::Landing(l) = &e.body {
            ids.insert(l.click.id);
        }
    }
    let mut candidates = Vec::new();
    for id in ids {
        let event = world.events.iter().find(|e| e.id == id && e.received_at.0 <= close);
        let landings: Vec<&Envelope> = world
            .events
            .iter()
            .filter(|e| matches!(&e.body, Body::Landing(l) if l.click.id == id))
            .filter(read)
            .collect();
        let claim = claims.iter().find_map(|c| c.as_ref().filter(|c| c.id == id));
        let mut touch = match (claim, event) {
            (Some(claim), _) => of_claim(claim),
            (None, Some(event)) => of_event(event).unwrap(),
            (None, None) => {
                let Some(Body::Landing(l)) = landings.first().map(|e| &e.body) else { continue };
                of_claim(&l.click)
            }
        };
        if let (Some(_), Some(event)) = (claim, event) {
            touch.flags.extend(of_event(event).unwrap().flags);
        }
        let mut told: BTreeSet<IdentityId> = BTreeSet::new();
        if let Some(Body::Click(body) | Body::Impression(body)) = event.map(|e| &e.body) {
            told.extend(&body.ids);
        }
        for e in &landings {
            let Body::Landing(l) = &e.body else { continue };
            told.extend(&l.ids);
            told.extend(l.click.visitor.map(IdentityId::Visitor));
        }
        let reached = told.iter().any(|id| people.contains(id));
        let in_horizon = touch.occurred >= t.0 - 90 * DAY && touch.occurred <= t.0 + DAY;
        let activated = world
            .events
            .iter()
            .filter(read)
            .any(|e| matches!(&e.body, Body::Activation(a) if a.click.id == id));
        let ahead = touch.flags.iter().any(|f| [Flag::Prefetch, Flag::Prerender].contains(f));
        if !(reached || linked(id))
            || !in_horizon
            || touch.test != record.order.test
            || touch.flags.contains(&Flag::Head)
            || touch.consent == Consent::Denied
            || (ahead && !activated && !linked(id))
        {
            continue;
        }
        // Consent: the latest choice up to the order; what is exempt stays so.
        let mut consent = touch.consent;
        if consent != Consent::Exempt {
            let mut choices: Vec<_> = landings
                .iter()
                .filter(|e| e.occurred_at <= t)
                .filter_map(|e| match &e.body {
                    Body::Landing(l) => l.consent.map(|c| (e.occurred_at, e.id, c)),
                    _ => None,
                })
                .filter(|(_, _, c)| *c != Consent::Unknown)
                .collect();
            choices.sort();
            if let Some((_, _, last)) = choices.last() {
                consent = *last;
            }
        }
        let judged = world.events.iter().filter(read).any(|e| {
            matches!(&e.body, Body::Flag(f) if f.touch == id)
                && terms.flag_grace_ms.is_none_or(|grace| e.received_at.0 <= t.0 + grace)
        });
        touch.consent = consent;
        candidates.push((touch, judged));
    }
    candidates.sort_by_key(|(touch, _)| (touch.occurred, touch.id));

    // What becomes of each.
    let denied = record.consent == Consent::Denied;
    let mut verdicts: Vec<Option<&str>> = Vec::new();
    for (touch, judged) in &candidates {
        let partner = touch.partner.as_deref();
        let at = Millis(touch.occurred);
        let promised = program.touch_terms(partner, at);
        let window =
            if touch.click { promised.lookback_click } else { promised.lookback_impression };
        assert!(window.level != Level::Default, "the world's program has terms");
        let linked = linked(touch.id);
        let mut age = t.0 - touch.occurred;
        if linked && (-2_000..0).contains(&age) {
            age = 0;
        }
        let attributes = match touch.consent {
            Consent::Exempt => linked,
            Consent::Denied => false,
            Consent::Granted => !denied,
            Consent::Unknown => linked && !denied,
        };
        let standing = partner.map_or(Standing::Active, |partner| program.standing(partner, at, t));
        let excluded = touch.flags.iter().any(|flag| terms.excluded_flags.contains(flag));
        let min = promised.min_click_to_conversion_ms.value;
        verdicts.push(if touch.received - touch.occurred > lateness {
            Some("LATE")
        } else if excluded || *judged {
            Some("INVALID_TRAFFIC")
        } else if !attributes {
            Some("NO_CONSENT")
        } else if standing != Standing::Active {
            Some("PARTNER_INACTIVE")
        } else if window.value == Lookback::Off {
            Some("TYPE_DISABLED")
        } else if age < 0 {
            Some("AFTER_CONVERSION")
        } else if matches!(window.value, Lookback::Within(ms) if age > ms) {
            Some("OUT_OF_WINDOW")
        } else if touch.click && age < min {
            Some("TOO_FAST")
        } else {
            None
        });
    }
    let channel = record.channel.as_deref();
    let treat = |partner: Option<&str>| program.channel_treatment(partner, channel, t).treatment;
    let mut lost = treat(None) == Treatment::None;
    for ((touch, _), verdict) in candidates.iter().zip(&mut verdicts) {
        let Some(partner) = &touch.partner else { continue };
        if verdict.is_some() {
            continue;
        }
        let out = match treat(Some(partner)) {
            Treatment::Any => false,
            Treatment::None => {
                lost = true;
                true
            }
            Treatment::ClickOnly => !touch.click,
            Treatment::ImpressionOnly => touch.click,
        };
        if out {
            *verdict = Some("CHANNEL_EXCLUDED");
        }
    }
    let direct = |touch: &Known| {
        touch.channel.as_ref().is_some_and(|channel| {
            terms.non_credit_channels.iter().any(|name| name.as_str() == channel)
        })
    };
    let better = |of: &dyn Fn(&Known) -> bool, verdicts: &[Option<&str>]| {
        candidates.iter().zip(verdicts).any(|((touch, _), v)| v.is_none() && of(touch))
    };
    if better(&|touch| !direct(touch), &verdicts) {
        for ((touch, _), verdict) in candidates.iter().zip(&mut verdicts) {
            if verdict.is_none() && direct(touch) {
                *verdict = Some("NON_CREDIT_CHANNEL");
            }
        }
    }
    if terms.click_over_impression && better(&|touch| touch.click, &verdicts) {
        for ((touch, _), verdict) in candidates.iter().zip(&mut verdicts) {
            if verdict.is_none() && !touch.click {
                *verdict = Some("OUTRANKED_CLASS");
            }
        }
    }
    let last = verdicts.iter().rposition(Option::is_none);
    let mut told = Vec::new();
    let mut credits = Vec::new();
    let mut status = if lost { "LOST_TO_CHANNEL" } else { "UNATTRIBUTED" };
    for (n, ((touch, _), verdict)) in candidates.iter().zip(verdicts).enumerate().rev() {
        let verdict = match verdict {
            Some(verdict) => verdict,
            None if Some(n) == last => {
                credits.push((touch.id, record.amount.0));
                status = if touch.partner.is_some() { "ATTRIBUTED" } else { "LOST_TO_CHANNEL" };
                "CREDITED"
            }
            None => "NOT_SELECTED",
        };
        told.push((touch.id, verdict.to_owned()));
    }
    (status.to_owned(), credits, told)
}

fn of_decision(decision: &Decision) -> Outcome {
    (
        decision.status.as_str().to_owned(),
        decision.credits.iter().map(|credit| (credit.touch, credit.amount.0)).collect(),
        decision
            .trace
            .candidates
            .iter()
            .map(|candidate| (candidate.touch, candidate.verdict.as_str().to_owned()))
            .collect(),
    )
}

#[test]
fn the_engine_agrees_with_brute_force_on_random_worlds() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for seed in 0..2_000 {
        let script = script(seed);
        let world = World::read(&script);
        let snapshot = world.snapshot();
        let program = snapshot.program("shop").unwrap();
        for (record, decision) in world.orders.iter().zip(world.decisions()) {
            let expected = outcome(&world, record, program);
            assert_eq!(of_decision(&decision), expected, "seed {seed}: {script}");
            seen.extend(expected.2.into_iter().map(|(_, verdict)| verdict));
            seen.insert(expected.0);
        }
    }
    // The worlds reach every verdict and status there is.
    let all = [
        "AFTER_CONVERSION",
        "ATTRIBUTED",
        "CHANNEL_EXCLUDED",
        "CREDITED",
        "INVALID_TRAFFIC",
        "LATE",
        "LOST_TO_CHANNEL",
        "NON_CREDIT_CHANNEL",
        "NOT_SELECTED",
        "NO_CONSENT",
        "OUTRANKED_CLASS",
        "OUT_OF_WINDOW",
        "PARTNER_INACTIVE",
        "TOO_FAST",
        "TYPE_DISABLED",
        "UNATTRIBUTED",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}
