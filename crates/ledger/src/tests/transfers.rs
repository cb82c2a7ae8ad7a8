//! Ids and the shape of postings.

use std::collections::BTreeSet;

use event::{EventId, Millis};

use crate::build::{START, World, key};
use crate::{Cause, Outcome, posting};

fn cause() -> Cause {
    Cause { source: EventId::from_bytes([7; 16]), actor: Some("desk".into()), changed_at: START }
}

#[test]
fn approve_reopen_approve_posts_twice_with_other_ids() {
    let (world, _) = World::run("rule 5%; sale 100.00; approve @1d; reopen @2d; approve @3d");
    let ids = world.postings.iter().flat_map(|(id, posting)| {
        std::iter::once(*id).chain(posting.transfers.iter().map(|transfer| transfer.id))
    });
    let ids: Vec<EventId> = ids.collect();
    assert_eq!(ids.len(), 8); // four postings of one transfer
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

#[test]
fn the_same_change_has_the_same_ids_whatever_caused_it() {
    let (world, _) = World::run("rule 5%; sale 100.00; approve @1d");
    let (before, after) = (&world.postings[0].1.booked, world.book.as_ref().unwrap());
    let once = posting(&key(), before.as_deref(), after, cause(), 2).unwrap();
    let other = Cause { source: EventId::from_bytes([8; 16]), actor: None, changed_at: Millis(0) };
    let again = posting(&key(), before.as_deref(), after, other, 2).unwrap();
    assert_eq!(once.0, again.0);
    assert_eq!(once.1.transfers, again.1.transfers);
    let later = posting(&key(), before.as_deref(), after, cause(), 3).unwrap();
    assert_ne!(once.0, later.0, "the same way again is another change");
    assert_eq!((once.0, &once.1.transfers), (world.postings[1].0, &world.postings[1].1.transfers));
    assert_eq!(once.1.actor.as_deref(), Some("desk"));
}

/// Whoever computes the books anew derives the same ids.
#[test]
fn ids_are_derived_from_the_order_the_number_both_versions_the_accounts_and_the_purpose() {
    let (world, _) = World::run("rule 5%; sale 100.00; approve @1d");
    let (id, posting) = &world.postings[1];
    let hash = world.facts.decided.as_ref().unwrap().inputs_hash;
    let act = world.facts.acts[0].id;
    let (before, after) = (format!("1.1.1 {hash}"), format!("1.1.1 {hash} {act}"));
    let number = 2_u64.to_be_bytes();
    let parts: [&[u8]; 4] =
        [b"shop/sale/real/o:BX-1", &number, before.as_bytes(), after.as_bytes()];
    assert_eq!(*id, EventId::derived("sillage posting v1", &parts));
    let rest: [&[u8]; 3] = [b"pending:A", b"approved:A", b"approve"];
    let transfer = EventId::derived("sillage transfer v1", &[&parts[..], &rest].concat());
    assert_eq!(posting.transfers[0].id, transfer);
}

#[test]
fn another_version_alone_posts_nothing() {
    let (world, _) = World::run("rule 5%; sale 100.00; sale 100.00 v=2; return @1d; approve @2d");
    assert_eq!(world.postings.len(), 2);
    let Outcome::Booked(booked) = world.outcome() else { panic!("an order") };
    assert_eq!(posting(&key(), Some(&booked.order), &booked.order, cause(), 9), None);
}

#[test]
fn the_lock_of_a_pending_order_approves_and_locks_in_one_posting() {
    let (world, _) = World::run("rule 5%; sale 100.00; locked @30d");
    let purposes: Vec<&str> =
        world.postings[1].1.transfers.iter().map(|transfer| transfer.purpose.as_str()).collect();
    assert_eq!(purposes, ["approve", "lock"]);
}

#[test]
fn a_lock_says_the_whole_priced_decision() {
    let (world, _) = World::run(
        "rule 5% in=A; sale 100.00 item=a:60.00 coupon=X new; return 10.00 @1d; locked @30d",
    );
    let (_, lock) = world.facts.lock.as_ref().unwrap();
    let decided = world.facts.decided.as_ref().unwrap();
    assert_eq!((lock.amount, &lock.items), (decided.amount, &decided.items));
    assert_eq!((&lock.credits, &lock.coupons), (&decided.credits, &decided.coupons));
    assert_eq!((lock.code.number(), lock.automatic), (703, true));
    assert_eq!(lock.acts, [world.facts.acts[0].id]);
    assert_eq!(lock.shares[0].commission.0, 4_500_000);
    let terms: Vec<&str> = lock.terms.iter().map(|id| &**id).collect();
    assert_eq!(terms, ["program/shop/terms/1", "partner/A/program/shop/terms/1"]);
    let text = serde_json::to_string(lock).unwrap();
    assert_eq!(&serde_json::from_str::<event::body::Lock>(&text).unwrap(), &**lock);
}
