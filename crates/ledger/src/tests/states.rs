//! States and their reasons, but for the lock and what comes after it.

use expect_test::expect;

use event::body::OrderState;

use super::check;
use crate::build::World;
use crate::facts::ACTS_MAX;
use crate::{FindingKind, Outcome};

#[test]
fn an_order_is_pending_until_somebody_acts() {
    check(
        &[
            "rule 5%; sale 100.00; approve @1d; decline 704 @2d; reopen @3d; approve @4d",
            "rule 5%; sale 100.00; decline @1d",
            "rule 5%; sale 100.00; approve @2d; decline 701 @1d",
            "rule 5%; sale 100.00; approve @2d; decline 701 @2d",
        ],
        expect![[r#"
            rule 5%; sale 100.00; approve @1d; decline 704 @2d; reopen @3d; approve @4d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              approve @1d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
              decline 704 @2d
                declined 704, A 100 earns 0; decline 5 approved:A→expense:shop
              reopen @3d
                pending 0, A 100 earns 5; reopen 5 expense:shop→pending:A
              approve @4d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
                = shop shop/sale/real/o:BX-1 A EUR approved 100000000 5000000 0
            rule 5%; sale 100.00; decline @1d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              decline @1d
                declined 701, A 100 earns 0; decline 5 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 701
            rule 5%; sale 100.00; approve @2d; decline 701 @1d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              approve @2d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
              decline 701 @1d
                approved 0, A 100 earns 5; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR approved 100000000 5000000 0
            rule 5%; sale 100.00; approve @2d; decline 701 @2d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              approve @2d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
              decline 701 @2d
                declined 701, A 100 earns 0; decline 5 approved:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 701
        "#]],
    );
}

#[test]
fn an_order_known_from_the_page_waits_for_a_person() {
    check(
        &[
            "rule 5%; sale 100.00 page; locked @40d; approve @41d; locked @42d",
            "rule 5%; sale 100.00 page; return 10.00 @1d",
            "rule 5%; sale 100.00 page; sale 100.00 v=2; locked @40d",
            "rule 5%; sale 100.00 page; decline 705 @1d; locked @40d",
        ],
        expect![[r#"
            rule 5%; sale 100.00 page; locked @40d; approve @41d; locked @42d
              sale 100.00 page
                pending 110, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @40d
                pending 110, A 100 earns 5; nothing posted
              approve @41d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
              locked @42d
                locked 0, A 100 earns 5; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; sale 100.00 page; return 10.00 @1d
              sale 100.00 page
                pending 110, A 100 earns 5; accrue 5 expense:shop→pending:A
              return 10.00 @1d
                pending 110 (10 of 100 back), A 90 earns 4.5; return 0.5 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 90000000 4500000 110
            rule 5%; sale 100.00 page; sale 100.00 v=2; locked @40d
              sale 100.00 page
                pending 110, A 100 earns 5; accrue 5 expense:shop→pending:A
              sale 100.00 v=2
                pending 0, A 100 earns 5
              locked @40d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; sale 100.00 page; decline 705 @1d; locked @40d
              sale 100.00 page
                pending 110, A 100 earns 5; accrue 5 expense:shop→pending:A
              decline 705 @1d
                declined 705, A 100 earns 0; decline 5 pending:A→expense:shop
              locked @40d
                declined 705, A 100 earns 0
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 705
        "#]],
    );
}

#[test]
fn a_held_order_waits_for_a_person() {
    check(
        &[
            "rule 5%; sale 100.00 note=609; locked @40d; approve @41d; locked @42d",
            "rule 5%; sale 100.00 note=422; locked @40d",
            "rule 5%; sale 100.00 note=609 page",
            "rule 5%; sale 100.00 note=609; approve @1d; reopen @2d",
        ],
        expect![[r#"
            rule 5%; sale 100.00 note=609; locked @40d; approve @41d; locked @42d
              sale 100.00 note=609
                held 609, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @40d
                held 609, A 100 earns 5; nothing posted
              approve @41d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
              locked @42d
                locked 0, A 100 earns 5; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; sale 100.00 note=422; locked @40d
              sale 100.00 note=422
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @40d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; sale 100.00 note=609 page
              sale 100.00 note=609 page
                held 609, A 100 earns 5; accrue 5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR held 100000000 5000000 609
            rule 5%; sale 100.00 note=609; approve @1d; reopen @2d
              sale 100.00 note=609
                held 609, A 100 earns 5; accrue 5 expense:shop→pending:A
              approve @1d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
              reopen @2d
                held 609, A 100 earns 5; reopen 5 approved:A→pending:A
                = shop shop/sale/real/o:BX-1 A EUR held 100000000 5000000 609
        "#]],
    );
}

#[test]
fn without_automatic_approval_an_order_waits_for_a_person() {
    check(
        &[
            "rule 5%; auto off; sale 100.00; locked @40d; approve @41d; locked @42d",
            "rule 5%; auto off; auto on A; sale 100.00; locked @40d",
            "rule 5%; auto off; auto on social; member A social; sale 100.00; locked @40d",
            "rule 5%; auto off A; sale 100.00; locked @40d",
            "rule 5%; auto off A; sale 100.00 to=A:1,B:2; locked @40d",
            "rule 5%; auto off A; sale 100.00 to=A,B; locked @40d",
            "rule 5%; auto off A; sale 100.00 to=own; locked @40d",
            "rule 5%; auto off; sale 100.00 to=-; locked @40d",
        ],
        expect![[r#"
            rule 5%; auto off; sale 100.00; locked @40d; approve @41d; locked @42d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @40d
                pending 0, A 100 earns 5; nothing posted
              approve @41d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
              locked @42d
                locked 0, A 100 earns 5; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; auto off; auto on A; sale 100.00; locked @40d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @40d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; auto off; auto on social; member A social; sale 100.00; locked @40d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @40d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; auto off A; sale 100.00; locked @40d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @40d
                pending 0, A 100 earns 5; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 100000000 5000000 0
            rule 5%; auto off A; sale 100.00 to=A:1,B:2; locked @40d
              sale 100.00 to=A:1,B:2
                pending 0, A 33.333333 earns 1.666666, B 66.666667 earns 3.333333; accrue 1.666666 expense:shop→pending:A; accrue 3.333333 expense:shop→pending:B
              locked @40d
                locked 0, A 33.333333 earns 1.666666, B 66.666667 earns 3.333333; approve 1.666666 pending:A→approved:A; lock 1.666666 approved:A→payable:A; approve 3.333333 pending:B→approved:B; lock 3.333333 approved:B→payable:B
                = shop shop/sale/real/o:BX-1 A EUR locked 33333333 1666666 0
                = shop shop/sale/real/o:BX-1 B EUR locked 66666667 3333333 0
            rule 5%; auto off A; sale 100.00 to=A,B; locked @40d
              sale 100.00 to=A,B
                pending 0, A 50 earns 2.5, B 50 earns 2.5; accrue 2.5 expense:shop→pending:A; accrue 2.5 expense:shop→pending:B
              locked @40d
                pending 0, A 50 earns 2.5, B 50 earns 2.5; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 50000000 2500000 0
                = shop shop/sale/real/o:BX-1 B EUR pending 50000000 2500000 0
            rule 5%; auto off A; sale 100.00 to=own; locked @40d
              sale 100.00 to=own
                pending 408, - 100 earns 0
              locked @40d
                locked 408, - 100 earns 0
                = shop shop/sale/real/o:BX-1 - EUR locked 100000000 0 408
            rule 5%; auto off; sale 100.00 to=-; locked @40d
              sale 100.00 to=-
                pending 401
              locked @40d
                pending 401; nothing posted
                = shop shop/sale/real/o:BX-1 - EUR pending 100000000 0 401
        "#]],
    );
}

#[test]
fn a_forfeit_takes_what_is_open_and_freeze_and_run_off_do_not() {
    check(
        &[
            "rule 5%; forfeit A @1d; sale 100.00; approve @2d",
            "rule 5%; freeze A @1d; sale 100.00",
            "rule 5%; run_off A @1d; sale 100.00",
            "rule 5%; forfeit A @30d-1ms; sale 100.00; locked @30d",
            "rule 5%; forfeit A @30d; sale 100.00",
            "rule 5%; forfeit A @0d; sale 100.00",
            "rule 5%; forfeit A @1ms; sale 100.00",
            "rule 5%; forfeit B @1d; sale 100.00 to=A:2,B",
            "rule 5%; forfeit A @1d; sale 100.00 to=A:2,B",
            "rule 5%; forfeit A @1d; sale 100.00; decline 701 @2d",
            "rule 5%; forfeit A @1d; sale 100.00 note=609",
            "rule 5%; forfeit A @2d; now @2d-1ms; sale 100.00; approve @1d; now @2d",
        ],
        expect![[r#"
            rule 5%; forfeit A @1d; sale 100.00; approve @2d
              sale 100.00
                declined 804, A 100 earns 0
              approve @2d
                declined 804, A 100 earns 0; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 804
            rule 5%; freeze A @1d; sale 100.00
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 100000000 5000000 0
            rule 5%; run_off A @1d; sale 100.00
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 100000000 5000000 0
            rule 5%; forfeit A @30d-1ms; sale 100.00; locked @30d
              sale 100.00
                declined 804, A 100 earns 0
              locked @30d
                declined 804, A 100 earns 0
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 804
            rule 5%; forfeit A @30d; sale 100.00
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 100000000 5000000 0
            rule 5%; forfeit A @0d; sale 100.00
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 100000000 5000000 0
            rule 5%; forfeit A @1ms; sale 100.00
              sale 100.00
                declined 804, A 100 earns 0
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 804
            rule 5%; forfeit B @1d; sale 100.00 to=A:2,B
              sale 100.00 to=A:2,B
                pending 0, A 66.666667 earns 3.333333, B 33.333333 earns 1.666666; accrue 3.333333 expense:shop→pending:A; accrue 1.666666 expense:shop→pending:B
                = shop shop/sale/real/o:BX-1 A EUR pending 66666667 3333333 0
                = shop shop/sale/real/o:BX-1 B EUR pending 33333333 1666666 0
            rule 5%; forfeit A @1d; sale 100.00 to=A:2,B
              sale 100.00 to=A:2,B
                declined 804, A 66.666667 earns 0, B 33.333333 earns 0
                = shop shop/sale/real/o:BX-1 A EUR declined 66666667 0 804
                = shop shop/sale/real/o:BX-1 B EUR declined 33333333 0 804
            rule 5%; forfeit A @1d; sale 100.00; decline 701 @2d
              sale 100.00
                declined 804, A 100 earns 0
              decline 701 @2d
                declined 701, A 100 earns 0
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 701
            rule 5%; forfeit A @1d; sale 100.00 note=609
              sale 100.00 note=609
                declined 804, A 100 earns 0
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 804
            rule 5%; forfeit A @2d; now @2d-1ms; sale 100.00; approve @1d; now @2d
              now @2d-1ms
                Unknown
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              approve @1d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
              now @2d
                declined 804, A 100 earns 0; decline 5 approved:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 804
        "#]],
    );
}

#[test]
fn an_observed_program_shows_everything_and_moves_nothing() {
    check(
        &["observe; rule 5%; sale 100.00; approve @1d; locked @40d; decline 701 @41d"],
        expect![[r#"
            observe; rule 5%; sale 100.00; approve @1d; locked @40d; decline 701 @41d
              sale 100.00
                pending 0 observed, A 100 earns 5
              approve @1d
                approved 0 observed, A 100 earns 5
              locked @40d
                approved 0 observed, A 100 earns 5; nothing posted
              decline 701 @41d
                declined 701 observed, A 100 earns 0
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 701
        "#]],
    );
}

#[test]
fn a_revised_decision_moves_the_difference() {
    check(
        &[
            "rule 5%; sale 100.00; sale 60.00 v=2",
            "rule 5%; sale 100.00; sale 100.00 to=B v=2",
            "rule 5%; sale 100.00 v=2; sale 60.00 v=1",
            "rule 5%; sale 100.00; approve @1d; sale 160.00 v=2",
            "rule 5%; rule 5% currency=USD; sale 100.00; sale 100.00 USD v=2",
        ],
        expect![[r#"
            rule 5%; sale 100.00; sale 60.00 v=2
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              sale 60.00 v=2
                pending 0, A 60 earns 3; adjust 2 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 60000000 3000000 0
            rule 5%; sale 100.00; sale 100.00 to=B v=2
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              sale 100.00 to=B v=2
                pending 0, B 100 earns 5; adjust 5 pending:A→expense:shop; accrue 5 expense:shop→pending:B
                = shop shop/sale/real/o:BX-1 B EUR pending 100000000 5000000 0
            rule 5%; sale 100.00 v=2; sale 60.00 v=1
              sale 100.00 v=2
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              sale 60.00 v=1
                pending 0, A 100 earns 5; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 100000000 5000000 0
            rule 5%; sale 100.00; approve @1d; sale 160.00 v=2
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              approve @1d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
              sale 160.00 v=2
                approved 0, A 160 earns 8; adjust 3 expense:shop→approved:A
                = shop shop/sale/real/o:BX-1 A EUR approved 160000000 8000000 0
            rule 5%; rule 5% currency=USD; sale 100.00; sale 100.00 USD v=2
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              sale 100.00 USD v=2
                pending 0, A 100 earns 5; adjust 5 pending:A→expense:shop; accrue 5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A USD pending 100000000 5000000 0
        "#]],
    );
}

#[test]
fn a_test_is_not_booked_and_names_that_the_catalog_lacks_are_waited_for() {
    let (mut world, _) = World::run("rule 5%; sale 10.00");
    let test = "shop/sale/test/o:BX-1".parse().unwrap();
    assert_eq!(
        crate::decide(&test, &world.facts, &world.catalog, event::Millis(0)),
        Outcome::Unknown
    );
    let other = "cafe/sale/real/o:BX-1".parse().unwrap();
    assert_eq!(
        crate::decide(&other, &world.facts, &world.catalog, event::Millis(0)),
        Outcome::Waiting(crate::Miss::Program)
    );
    let stranger: event::PartnerName = "Z".parse().unwrap();
    world.facts.decided.as_mut().unwrap().credits[0].partner = Some(stranger.clone());
    assert_eq!(world.outcome(), Outcome::Waiting(crate::Miss::Partner(stranger)));
}

#[test]
fn findings_have_words_of_their_own() {
    let words: std::collections::BTreeSet<_> =
        FindingKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(words.len(), FindingKind::ALL.len());
}

#[test]
fn a_thousand_acts_of_another_kind_leave_the_one_that_holds() {
    let returns: String = (0..1_100).map(|n| format!("; return 1.00 @2d+{n}ms")).collect();
    let script = format!("rule 5%; sale 100.00; decline 704 @1d{returns}");
    let last = |script: &str| {
        let (world, _) = World::run(script);
        assert_eq!(world.facts.acts.len(), ACTS_MAX);
        let Outcome::Booked(booked) = world.outcome() else { panic!("not booked") };
        (booked.order.state, booked.order.code.number())
    };
    assert_eq!(last(&script), (OrderState::Declined, 704));
    assert_eq!(last(&format!("{script}; approve @3d")), (OrderState::Approved, 703));
}
