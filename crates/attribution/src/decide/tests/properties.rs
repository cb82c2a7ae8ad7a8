//! What holds in every world, on random ones. That any permutation, partition and crash ends in the same decisions is
//! shown through the real workers (`worker::tests`).
#![expect(clippy::wildcard_enum_match_arm, reason = "tests ask for single kinds of events")]

use catalog::Snapshot;
use event::body::decision::{Decision, DecisionStatus, Verdict};
use event::body::{Body, OrderRecord};
use testkit::Dice;

use crate::build::World;
use crate::decide::{Verification, verify};
use crate::noted::{Noted, noted};
use crate::random::script;
use crate::store::memory::Memory;

const SEEDS: std::ops::Range<u64> = 10_000..10_300;

fn decided(world: &World, record: &OrderRecord, snapshot: &Snapshot) -> Decision {
    let program = snapshot.program("shop").unwrap();
    let Ok(decision) = crate::decide(record, &world.memory(), program);
    decision
}

fn each(check: impl Fn(u64, &World, &[Decision])) {
    for seed in SEEDS {
        let world = World::read(&script(seed));
        check(seed, &world, &world.decisions());
    }
}

#[test]
fn credits_sum_to_the_amount_or_to_nothing_and_none_is_negative() {
    each(|seed, _, decisions| {
        for decision in decisions {
            let sum: i64 = decision.credits.iter().map(|credit| credit.amount.0).sum();
            let expected = if decision.credits.is_empty() { 0 } else { decision.amount.0 };
            assert_eq!(sum, expected, "seed {seed}");
            assert!(decision.credits.iter().all(|credit| credit.amount.0 >= 0), "seed {seed}");
        }
    });
}

#[test]
fn every_trace_verifies_and_an_altered_one_does_not() {
    each(|seed, world, decisions| {
        let snapshot = world.snapshot();
        let program = snapshot.program("shop").unwrap();
        for decision in decisions {
            assert_eq!(verify(decision, program), Verification::Same, "seed {seed}");
            let mut altered = decision.clone();
            match altered.trace.candidates.first_mut() {
                Some(candidate) => candidate.touched_at.0 += 1,
                None => altered.amount.0 += 1,
            }
            assert_ne!(verify(&altered, program), Verification::Same, "seed {seed}");
        }
    });
}

#[test]
fn a_trace_under_other_terms_names_the_terms_that_are_gone() {
    let decision = &World::read("lookback 2d; click A @0d; order @1d").decisions()[0];
    let other = World::read("lookback 3d; click A @0d; order @1d").snapshot();
    let gone = verify(decision, other.program("shop").unwrap());
    assert_eq!(gone, Verification::TermsGone(vec!["program/shop/terms/1".into()]));
}

#[test]
fn versions_only_grow_with_the_set_and_are_equal_for_equal_sets() {
    each(|seed, world, _| {
        let snapshot = world.snapshot();
        let program = snapshot.program("shop").unwrap();
        let mut events = world.events.clone();
        Dice::new(seed).shuffle(&mut events);
        for record in &world.orders {
            let mut memory = Memory::default();
            for order in &world.orders {
                memory.add(&Noted::Order(Box::new(order.clone())));
            }
            let Ok(mut last) = crate::decide(record, &memory, program);
            for event in &events {
                memory.add(&noted(event).unwrap());
                let Ok(next) = crate::decide(record, &memory, program);
                assert!(last.version <= next.version, "seed {seed}");
                // What reads differently has another hash, and the newer one a higher version.
                if last.inputs_hash != next.inputs_hash {
                    assert!(last.version < next.version, "seed {seed}");
                } else {
                    assert_eq!(last, next, "seed {seed}");
                }
                memory.add(&noted(event).unwrap());
                let Ok(again) = crate::decide(record, &memory, program);
                assert_eq!(again, next, "seed {seed}");
                last = next;
            }
            assert_eq!(last, decided(world, record, &snapshot), "seed {seed}");
        }
    });
}

#[test]
fn a_larger_window_never_takes_an_order_from_all_partners() {
    for seed in SEEDS {
        let text = script(seed);
        if !text.contains("lookback_click = \"1d\";") {
            continue;
        }
        let wider = text.replace("lookback_click = \"1d\";", "lookback_click = \"30d\";");
        let (before, after) = (World::read(&text), World::read(&wider));
        for (a, b) in before.decisions().iter().zip(after.decisions()) {
            if a.status != DecisionStatus::Unattributed {
                assert_ne!(b.status, DecisionStatus::Unattributed, "seed {seed}");
            }
        }
    }
}

#[test]
fn a_touch_that_was_not_credited_changes_no_credit_by_going() {
    each(|seed, world, decisions| {
        for (n, decision) in decisions.iter().enumerate() {
            for candidate in &decision.trace.candidates {
                // A click or a touch with credit keeps others out; the losers of the last step, and those that a filter
                // took, do not.
                let loser = !matches!(
                    candidate.verdict,
                    Verdict::Credited | Verdict::ChannelExcluded | Verdict::NonCreditChannel
                );
                let about = |body: &Body| match body {
                    Body::Landing(landing) => landing.click.id == candidate.touch,
                    Body::Activation(activation) => activation.click.id == candidate.touch,
                    Body::Flag(flag) => flag.touch == candidate.touch,
                    _ => false,
                };
                if !loser {
                    continue;
                }
                let mut without = world.clone();
                without.events.retain(|e| e.id != candidate.touch && !about(&e.body));
                for order in &mut without.orders {
                    order.click = order.click.take().filter(|c| c.id != candidate.touch);
                    order.exempt_click =
                        order.exempt_click.take().filter(|c| c.id != candidate.touch);
                }
                let again = &without.decisions()[n];
                assert_eq!(credited(again), credited(decision), "seed {seed}");
            }
        }
    });
}

fn credited(decision: &Decision) -> Vec<(event::EventId, i64)> {
    decision.credits.iter().map(|credit| (credit.touch, credit.amount.0)).collect()
}

#[test]
fn a_click_known_from_its_id_only_credits_the_same_as_with_its_unflagged_event() {
    each(|seed, world, decisions| {
        for (n, record) in world.orders.iter().enumerate() {
            let Some(claim) = record.click.as_ref().or(record.exempt_click.as_ref()) else {
                continue;
            };
            let id = claim.id;
            let flagged = world.events.iter().any(|e| {
                e.id == id && matches!(&e.body, Body::Click(touch) if !touch.flags.is_empty())
            });
            if flagged {
                continue;
            }
            let mut without = world.clone();
            without.events.retain(|e| e.id != id);
            assert_eq!(credited(&without.decisions()[n]), credited(&decisions[n]), "seed {seed}");
        }
    });
}

#[test]
fn terms_that_begin_after_the_order_change_nothing() {
    let terms = "lookback_click = \"10d\"";
    let later = "valid_from = 2026-11-20T00:00:00Z, lookback_click = \"1h\"";
    let journey = "click A @0d; view B @6d; click C @7d lag=8d; order @8d";
    let short = World::read(&format!("terms [{{ {terms} }}]; {journey}")).decisions();
    let long = World::read(&format!("terms [{{ {terms} }}, {{ {later} }}]; {journey}")).decisions();
    assert_eq!(short, long);
}

#[test]
fn an_inadmissible_event_changes_only_its_own_verdict() {
    each(|seed, world, decisions| {
        let mut less = world.clone();
        less.events.retain(|e| e.received_at.since(e.occurred_at) <= 7 * 86_400_000);
        let late: Vec<_> = world.events.iter().map(|e| e.id).collect();
        for (more, less) in decisions.iter().zip(less.decisions()) {
            let verdicts = |decision: &Decision| -> Vec<_> {
                decision.trace.candidates.iter().map(|c| (c.touch, c.verdict)).collect()
            };
            let mut kept = verdicts(more);
            kept.retain(|(touch, _)| less.trace.candidates.iter().any(|c| c.touch == *touch));
            assert_eq!(kept, verdicts(&less), "seed {seed}");
            assert_eq!(credited(more), credited(&less), "seed {seed}");
            let added = more
                .trace
                .candidates
                .iter()
                .filter(|c| !less.trace.candidates.iter().any(|known| known.touch == c.touch));
            for candidate in added {
                assert_eq!(candidate.verdict, Verdict::Late, "seed {seed}");
                assert!(late.contains(&candidate.touch));
            }
        }
    });
}

#[test]
fn merges_commute_associate_and_repeat_harmlessly() {
    let base = "click A @0d by=w; order @2d by=x";
    let merges = ["merge x y @1d", "merge z y @1d", "merge w z @1d"];
    let mut told = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        let list: Vec<&str> = order.iter().map(|n| merges[*n]).collect();
        let world = World::read(&format!("{base}; {}", list.join("; ")));
        told.push(world.tell(&world.decisions()[0]));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("ATTRIBUTED A"), "{told:?}");
}
