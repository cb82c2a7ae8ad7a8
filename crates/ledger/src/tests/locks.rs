//! When an order is locked, and what still moves money after that.

use expect_test::expect;

use super::check;
use crate::Outcome;
use crate::build::World;

#[test]
fn an_order_is_locked_from_its_time_on_and_not_before() {
    check(
        &[
            "rule 5%; sale 100.00; locked @30d-1ms; locked @30d",
            "rule 5%; lock 14d; sale 100.00; locked @14d-1ms; locked @14d",
            "rule 5%; lock 14d; lateness 2d; sale 100.00 lag=12d; locked @14d",
            "rule 5%; lock 14d; lateness 2d; sale 100.00 lag=12d+1ms; locked @14d; locked @14d+1ms",
            "rule 5%; sale 100.00; approve @1d; locked @30d-1ms; locked @30d",
            "rule 5%; sale 100.00; decline 705 @1d; locked @30d-1ms; locked @30d",
        ],
        expect![[r#"
            rule 5%; sale 100.00; locked @30d-1ms; locked @30d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @30d-1ms
                pending 0, A 100 earns 5; nothing posted
              locked @30d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; lock 14d; sale 100.00; locked @14d-1ms; locked @14d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @14d-1ms
                pending 0, A 100 earns 5; nothing posted
              locked @14d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; lock 14d; lateness 2d; sale 100.00 lag=12d; locked @14d
              sale 100.00 lag=12d
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @14d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; lock 14d; lateness 2d; sale 100.00 lag=12d+1ms; locked @14d; locked @14d+1ms
              sale 100.00 lag=12d+1ms
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @14d
                pending 0, A 100 earns 5; nothing posted
              locked @14d+1ms
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; sale 100.00; approve @1d; locked @30d-1ms; locked @30d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              approve @1d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
              locked @30d-1ms
                approved 0, A 100 earns 5; nothing posted
              locked @30d
                locked 0, A 100 earns 5; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; sale 100.00; decline 705 @1d; locked @30d-1ms; locked @30d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              decline 705 @1d
                declined 705, A 100 earns 0; decline 5 pending:A→expense:shop
              locked @30d-1ms
                declined 705, A 100 earns 0; nothing posted
              locked @30d
                declined 705, A 100 earns 0
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 705
        "#]],
    );
}

#[test]
fn the_end_of_the_month_locks_in_place_of_a_time_after_the_order() {
    check(
        &[
            "month_end_plus 3; rule 5%; sale 100.00; locked @31d-1ms; locked @31d",
            "month_end_plus 0; lateness 1d; rule 5%; sale 100.00 lag=1h; locked @28d-1ms; locked @28d",
            "month_end_plus 3; rule 5%; sale 100.00 lag=24d+1ms; locked @31d; locked @31d+1ms",
            "month_end_plus 3; rule 5%; forfeit A @31d-1ms; sale 100.00",
            "month_end_plus 3; rule 5%; forfeit A @31d; sale 100.00",
        ],
        expect![[r#"
            month_end_plus 3; rule 5%; sale 100.00; locked @31d-1ms; locked @31d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @31d-1ms
                pending 0, A 100 earns 5; nothing posted
              locked @31d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            month_end_plus 0; lateness 1d; rule 5%; sale 100.00 lag=1h; locked @28d-1ms; locked @28d
              sale 100.00 lag=1h
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @28d-1ms
                pending 0, A 100 earns 5; nothing posted
              locked @28d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            month_end_plus 3; rule 5%; sale 100.00 lag=24d+1ms; locked @31d; locked @31d+1ms
              sale 100.00 lag=24d+1ms
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @31d
                pending 0, A 100 earns 5; nothing posted
              locked @31d+1ms
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            month_end_plus 3; rule 5%; forfeit A @31d-1ms; sale 100.00
              sale 100.00
                declined 804, A 100 earns 0
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 804
            month_end_plus 3; rule 5%; forfeit A @31d; sale 100.00
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 100000000 5000000 0
        "#]],
    );
}

#[test]
fn a_decline_after_the_lock_takes_back_and_an_approval_gives_nothing() {
    check(
        &[
            "rule 5%; sale 100.00; locked @30d; decline 705 @31d; approve @32d; decline 701 @33d",
            "rule 5%; sale 100.00; decline 705 @1d; locked @30d; approve @31d; reopen @32d",
            "rule 5%; sale 100.00; approve @1d; locked @30d; reopen @31d",
        ],
        expect![[r#"
            rule 5%; sale 100.00; locked @30d; decline 705 @31d; approve @32d; decline 701 @33d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @30d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
              decline 705 @31d
                reversed 803, A 100 earns 0; clawback 5 clawback:A→expense:shop
              approve @32d
                locked 0, A 100 earns 5; adjust 5 expense:shop→clawback:A
              decline 701 @33d
                reversed 803, A 100 earns 0; clawback 5 clawback:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR reversed 100000000 0 803
            rule 5%; sale 100.00; decline 705 @1d; locked @30d; approve @31d; reopen @32d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              decline 705 @1d
                declined 705, A 100 earns 0; decline 5 pending:A→expense:shop
              locked @30d
                declined 705, A 100 earns 0
              approve @31d
                declined 705, A 100 earns 0, act_after_lock 5 EUR; nothing posted
              reopen @32d
                declined 705, A 100 earns 0, act_after_lock 5 EUR; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR declined 100000000 0 705
            rule 5%; sale 100.00; approve @1d; locked @30d; reopen @31d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              approve @1d
                approved 0, A 100 earns 5; approve 5 pending:A→approved:A
              locked @30d
                locked 0, A 100 earns 5; lock 5 approved:A→payable:A
              reopen @31d
                locked 0, A 100 earns 5, act_after_lock 5 EUR; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
        "#]],
    );
}

#[test]
fn acts_after_the_lock_price_again_by_the_difference() {
    check(
        &[
            "rule 5%; sale 100.00; locked @30d; return 40.00 @31d; return 0.00 @32d",
            "rule 5%; sale 100.00; locked @30d; amend 120.00 @31d",
            "rule 5%; sale 100.00; locked @30d; return 100.00 @31d",
            "rule 5%; sale 100.00; return 40.00 @1d; locked @30d; return 50.00 @31d",
            "rule 5% cap=1.00; sale 100.00; locked @30d; return 40.00 @31d",
        ],
        expect![[r#"
            rule 5%; sale 100.00; locked @30d; return 40.00 @31d; return 0.00 @32d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @30d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
              return 40.00 @31d
                locked 803 (40 of 100 back), A 60 earns 3; clawback 2 clawback:A→expense:shop
              return 0.00 @32d
                locked 0, A 100 earns 5; adjust 2 expense:shop→clawback:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; sale 100.00; locked @30d; amend 120.00 @31d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @30d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
              amend 120.00 @31d
                locked 0, A 120 earns 6; adjust 1 expense:shop→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 120000000 6000000 0
            rule 5%; sale 100.00; locked @30d; return 100.00 @31d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @30d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
              return 100.00 @31d
                reversed 803 (100 of 100 back), A 0 earns 0; clawback 5 clawback:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR reversed 0 0 803
            rule 5%; sale 100.00; return 40.00 @1d; locked @30d; return 50.00 @31d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              return 40.00 @1d
                pending 703 (40 of 100 back), A 60 earns 3; return 2 pending:A→expense:shop
              locked @30d
                locked 703 (40 of 100 back), A 60 earns 3; approve 3 pending:A→approved:A; lock 3 approved:A→payable:A
              return 50.00 @31d
                locked 803 (50 of 100 back), A 50 earns 2.5; clawback 0.5 clawback:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR locked 50000000 2500000 803
            rule 5% cap=1.00; sale 100.00; locked @30d; return 40.00 @31d
              sale 100.00
                pending 0, A 100 earns 1 503; accrue 1 expense:shop→pending:A
              locked @30d
                locked 0, A 100 earns 1 503; approve 1 pending:A→approved:A; lock 1 approved:A→payable:A
              return 40.00 @31d
                locked 0 (40 of 100 back), A 60 earns 1 503
                = shop shop/sale/real/o:BX-1 A EUR locked 60000000 1000000 0,503
        "#]],
    );
}

#[test]
fn an_act_that_was_no_act_of_its_own_prices_again() {
    check(
        &["rule 5%; sale 100.00; return 40.00 @7d id=X; locked @30d; reopen @2d id=X"],
        expect![[r#"
            rule 5%; sale 100.00; return 40.00 @7d id=X; locked @30d; reopen @2d id=X
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              return 40.00 @7d id=X
                pending 703 (40 of 100 back), A 60 earns 3; return 2 pending:A→expense:shop
              locked @30d
                locked 703 (40 of 100 back), A 60 earns 3; approve 3 pending:A→approved:A; lock 3 approved:A→payable:A
              reopen @2d id=X
                locked 703, A 100 earns 5, act_after_lock 5 EUR; adjust 2 expense:shop→payable:A
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 703
        "#]],
    );
}

/// The lock is the answer: a catalog or an engine that would say something else changes it by acts alone.
#[test]
fn a_locked_order_keeps_its_prices_until_an_act_changes_it() {
    let (mut world, _) = World::run("rule 5%; sale 100.00; locked @30d");
    world.catalog = World::run("rule 7%; sale 100.00").0.catalog;
    let earned = |world: &World| {
        let Outcome::Booked(booked) = world.outcome() else { panic!("an order") };
        booked.order.shares[0].commission.0
    };
    assert_eq!(earned(&world), 5_000_000);
    world.clause("return 10.00 @31d");
    assert_eq!(earned(&world), 6_300_000);
}

#[test]
fn a_payment_pays_what_is_payable_less_what_is_taken_back() {
    check(
        &[
            "rule 5%; sale 100.00; locked @30d; pay A; return 40.00 @41d; pay A",
            "rule 5%; sale 100.00; locked @30d; return 40.00 @31d; pay A",
            "rule 5%; sale 100.00; locked @30d; pay A; decline 705 @41d; pay A",
            "rule 5%; sale 100.00; locked @30d; pay A; amend 200.00 @41d; pay A",
            "rule 5%; sale 100.00 to=A,B,own; locked @30d; pay B",
        ],
        expect![[r#"
            rule 5%; sale 100.00; locked @30d; pay A; return 40.00 @41d; pay A
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @30d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
              pay A
                locked 0, A 100 earns 5 paid 5; pay 5 payable:A→paid:A
              return 40.00 @41d
                locked 803 (40 of 100 back), A 60 earns 3 paid 5; clawback 2 clawback:A→expense:shop
              pay A
                locked 803 (40 of 100 back), A 60 earns 3 paid 3; pay 2 paid:A→clawback:A
                = shop shop/sale/real/o:BX-1 A EUR paid 60000000 3000000 803
            rule 5%; sale 100.00; locked @30d; return 40.00 @31d; pay A
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @30d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
              return 40.00 @31d
                locked 803 (40 of 100 back), A 60 earns 3; clawback 2 clawback:A→expense:shop
              pay A
                locked 803 (40 of 100 back), A 60 earns 3 paid 3; pay 2 payable:A→clawback:A; pay 3 payable:A→paid:A
                = shop shop/sale/real/o:BX-1 A EUR paid 60000000 3000000 803
            rule 5%; sale 100.00; locked @30d; pay A; decline 705 @41d; pay A
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @30d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
              pay A
                locked 0, A 100 earns 5 paid 5; pay 5 payable:A→paid:A
              decline 705 @41d
                reversed 803, A 100 earns 0; clawback 5 clawback:A→expense:shop
              pay A
                reversed 803, A 100 earns 0; pay 5 paid:A→clawback:A
                = shop shop/sale/real/o:BX-1 A EUR reversed 100000000 0 803
            rule 5%; sale 100.00; locked @30d; pay A; amend 200.00 @41d; pay A
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @30d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
              pay A
                locked 0, A 100 earns 5 paid 5; pay 5 payable:A→paid:A
              amend 200.00 @41d
                locked 0, A 200 earns 10 paid 5; adjust 5 expense:shop→payable:A
              pay A
                locked 0, A 200 earns 10 paid 10; pay 5 payable:A→paid:A
                = shop shop/sale/real/o:BX-1 A EUR paid 200000000 10000000 0
            rule 5%; sale 100.00 to=A,B,own; locked @30d; pay B
              sale 100.00 to=A,B,own
                pending 0, A 33.333334 earns 1.666666, B 33.333333 earns 1.666666, - 33.333333 earns 0; accrue 1.666666 expense:shop→pending:A; accrue 1.666666 expense:shop→pending:B
              locked @30d
                locked 0, A 33.333334 earns 1.666666, B 33.333333 earns 1.666666, - 33.333333 earns 0; approve 1.666666 pending:A→approved:A; lock 1.666666 approved:A→payable:A; approve 1.666666 pending:B→approved:B; lock 1.666666 approved:B→payable:B
              pay B
                locked 0, A 33.333334 earns 1.666666, B 33.333333 earns 1.666666 paid 1.666666, - 33.333333 earns 0; pay 1.666666 payable:B→paid:B
                = shop shop/sale/real/o:BX-1 - EUR locked 33333333 0 0
                = shop shop/sale/real/o:BX-1 A EUR locked 33333334 1666666 0
                = shop shop/sale/real/o:BX-1 B EUR paid 33333333 1666666 0
        "#]],
    );
}

#[test]
fn a_decision_after_the_lock_moves_nothing() {
    check(
        &[
            "rule 5%; sale 100.00; locked @30d; sale 100.00 to=B v=2; return 40.00 @31d",
            "rule 5%; sale 100.00; locked @30d; sale 100.00 v=2",
            "rule 5%; sale 100.00 to=A,B; locked @30d; sale 100.00 to=A v=2",
        ],
        expect![[r#"
            rule 5%; sale 100.00; locked @30d; sale 100.00 to=B v=2; return 40.00 @31d
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @30d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
              sale 100.00 to=B v=2
                locked 0, A 100 earns 5, decision_after_lock 100 EUR; nothing posted
              return 40.00 @31d
                locked 803 (40 of 100 back), A 60 earns 3, decision_after_lock 100 EUR; clawback 2 clawback:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR locked 60000000 3000000 803
            rule 5%; sale 100.00; locked @30d; sale 100.00 v=2
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
              locked @30d
                locked 0, A 100 earns 5; approve 5 pending:A→approved:A; lock 5 approved:A→payable:A
              sale 100.00 v=2
                locked 0, A 100 earns 5; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR locked 100000000 5000000 0
            rule 5%; sale 100.00 to=A,B; locked @30d; sale 100.00 to=A v=2
              sale 100.00 to=A,B
                pending 0, A 50 earns 2.5, B 50 earns 2.5; accrue 2.5 expense:shop→pending:A; accrue 2.5 expense:shop→pending:B
              locked @30d
                locked 0, A 50 earns 2.5, B 50 earns 2.5; approve 2.5 pending:A→approved:A; lock 2.5 approved:A→payable:A; approve 2.5 pending:B→approved:B; lock 2.5 approved:B→payable:B
              sale 100.00 to=A v=2
                locked 0, A 50 earns 2.5, B 50 earns 2.5, decision_after_lock 50 EUR; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR locked 50000000 2500000 0
                = shop shop/sale/real/o:BX-1 B EUR locked 50000000 2500000 0
        "#]],
    );
}
