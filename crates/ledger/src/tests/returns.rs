//! Amendments and returns: what is left of which line.

use expect_test::expect;

use super::check;

const LINES: &str = "rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00";

/// The scripts, each after an order of three pieces for 6.00, one for 3.00 and a rest of 1.00.
fn after_lines(acts: &[&str], expected: expect_test::Expect) {
    let scripts: Vec<String> = acts.iter().map(|acts| format!("{LINES}; {acts}")).collect();
    check(&scripts.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn a_return_takes_lines_pieces_or_money() {
    after_lines(
        &["return 1", "return 1*1", "return 1*2", "return 1*3", "return 2=1.25", "return S1*1 S2"],
        expect![[r#"
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 1
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 1
                pending 703 (6 of 10 back), A 4 earns 0.4; return 0.6 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 4000000 400000 703
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 1*1
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 1*1
                pending 703 (2 of 10 back), A 8 earns 0.8; return 0.2 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 8000000 800000 703
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 1*2
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 1*2
                pending 703 (4 of 10 back), A 6 earns 0.6; return 0.4 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 6000000 600000 703
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 1*3
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 1*3
                pending 703 (6 of 10 back), A 4 earns 0.4; return 0.6 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 4000000 400000 703
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 2=1.25
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 2=1.25
                pending 703 (1.25 of 10 back), A 8.75 earns 0.875; return 0.125 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 8750000 875000 703
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return S1*1 S2
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return S1*1 S2
                pending 703 (5 of 10 back), A 5 earns 0.5; return 0.5 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 5000000 500000 703
        "#]],
    );
}

#[test]
fn a_return_of_more_than_was_bought_is_cut_and_said() {
    after_lines(
        &[
            "return 1*4",
            "return 2=3.00",
            "return 2=3.000001",
            "return 10.00",
            "return 10.000001",
            "return 1=1.00 1*3",
            "return 1 1*1",
        ],
        expect![[r#"
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 1*4
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 1*4
                pending 703 (6 of 10 back), A 4 earns 0.4, returned_too_much 2 EUR; return 0.6 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 4000000 400000 703
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 2=3.00
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 2=3.00
                pending 703 (3 of 10 back), A 7 earns 0.7; return 0.3 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 7000000 700000 703
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 2=3.000001
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 2=3.000001
                pending 703 (3 of 10 back), A 7 earns 0.7, returned_too_much 0.000001 EUR; return 0.3 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 7000000 700000 703
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 10.00
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 10.00
                declined 702 (10 of 10 back), A 0 earns 0; decline 1 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 0 0 702
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 10.000001
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 10.000001
                declined 702 (10 of 10 back), A 0 earns 0, returned_too_much 0.000001 EUR; decline 1 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 0 0 702
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 1=1.00 1*3
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 1=1.00 1*3
                pending 703 (6 of 10 back), A 4 earns 0.4, returned_too_much 1 EUR; return 0.6 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 4000000 400000 703
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 1 1*1
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 1 1*1
                pending 703 (6 of 10 back), A 4 earns 0.4, returned_too_much 2 EUR; return 0.6 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 4000000 400000 703
        "#]],
    );
}

#[test]
fn a_return_names_lines_that_are_there() {
    after_lines(
        &["return 2", "return 3", "return 0", "return S1", "return s1", "return 9=1.00 2"],
        expect![[r#"
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 2
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 2
                pending 703 (3 of 10 back), A 7 earns 0.7; return 0.3 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 7000000 700000 703
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 3
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 3
                pending 0, A 10 earns 1, returned_unknown_line 0 EUR; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 1000000 0
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 0
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 0
                pending 0, A 10 earns 1, returned_unknown_line 0 EUR; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 1000000 0
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return S1
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return S1
                pending 703 (6 of 10 back), A 4 earns 0.4; return 0.6 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 4000000 400000 703
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return s1
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return s1
                pending 0, A 10 earns 1, returned_unknown_line 0 EUR; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 1000000 0
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; return 9=1.00 2
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 9=1.00 2
                pending 703 (3 of 10 back), A 7 earns 0.7, returned_unknown_line 1 EUR; return 0.3 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 7000000 700000 703
        "#]],
    );
}

#[test]
fn an_order_without_items_has_no_place() {
    check(
        &["rule 10%; sale 10.00; return 1", "rule 10%; sale 10.00; return 4.00"],
        expect![[r#"
        rule 10%; sale 10.00; return 1
          sale 10.00
            pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
          return 1
            pending 0, A 10 earns 1, returned_unknown_line 0 EUR; nothing posted
            = shop shop/sale/real/o:BX-1 A EUR pending 10000000 1000000 0
        rule 10%; sale 10.00; return 4.00
          sale 10.00
            pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
          return 4.00
            pending 703 (4 of 10 back), A 6 earns 0.6; return 0.4 pending:A→expense:shop
            = shop shop/sale/real/o:BX-1 A EUR pending 6000000 600000 703
    "#]],
    );
}

#[test]
fn pieces_of_a_line_cost_the_line_in_all() {
    check(
        &[
            "rule 10%; sale 10.00 item=a*3:10.00; return 1*1; return 1*2 @1d; return 1*3 @2d",
            "rule 10%; sale 10.00 item=a*3:10.00; return 1*1 1*1; return 1*1 1*1 1*1 @1d",
            "rule 10%; sale 10.00 item=a*0:10.00; return 1*1",
        ],
        expect![[r#"
            rule 10%; sale 10.00 item=a*3:10.00; return 1*1; return 1*2 @1d; return 1*3 @2d
              sale 10.00 item=a*3:10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 1*1
                pending 703 (3.333333 of 10 back), A 6.666667 earns 0.666666; return 0.333334 pending:A→expense:shop
              return 1*2 @1d
                pending 703 (6.666666 of 10 back), A 3.333334 earns 0.333333; return 0.333333 pending:A→expense:shop
              return 1*3 @2d
                declined 702 (10 of 10 back), A 0 earns 0; decline 0.333333 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 0 0 702
            rule 10%; sale 10.00 item=a*3:10.00; return 1*1 1*1; return 1*1 1*1 1*1 @1d
              sale 10.00 item=a*3:10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 1*1 1*1
                pending 703 (6.666666 of 10 back), A 3.333334 earns 0.333333; return 0.666667 pending:A→expense:shop
              return 1*1 1*1 1*1 @1d
                declined 702 (10 of 10 back), A 0 earns 0; decline 0.333333 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 0 0 702
            rule 10%; sale 10.00 item=a*0:10.00; return 1*1
              sale 10.00 item=a*0:10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 1*1
                declined 702 (10 of 10 back), A 0 earns 0; decline 1 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 0 0 702
        "#]],
    );
}

#[test]
fn one_article_on_several_lines_comes_back_from_the_first() {
    check(
        &[
            "rule 10%; sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00; return S*2",
            "rule 10%; sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00; return S*3",
            "rule 10%; sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00; return S=4.50",
            "rule 10%; sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00; return S",
        ],
        expect![[r#"
            rule 10%; sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00; return S*2
              sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00
                pending 0, A 9 earns 0.9; accrue 0.9 expense:shop→pending:A
              return S*2
                pending 703 (4 of 9 back), A 5 earns 0.5; return 0.4 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 5000000 500000 703
            rule 10%; sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00; return S*3
              sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00
                pending 0, A 9 earns 0.9; accrue 0.9 expense:shop→pending:A
              return S*3
                declined 702 (9 of 9 back), A 0 earns 0; decline 0.9 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 0 0 702
            rule 10%; sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00; return S=4.50
              sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00
                pending 0, A 9 earns 0.9; accrue 0.9 expense:shop→pending:A
              return S=4.50
                pending 703 (4.5 of 9 back), A 4.5 earns 0.45; return 0.45 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 4500000 450000 703
            rule 10%; sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00; return S
              sale 9.00 item=a/S*2:4.00 item=b/S*1:5.00
                pending 0, A 9 earns 0.9; accrue 0.9 expense:shop→pending:A
              return S
                declined 702 (9 of 9 back), A 0 earns 0; decline 0.9 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 0 0 702
        "#]],
    );
}

#[test]
fn the_newest_return_says_all_that_came_back() {
    check(
        &[
            "rule 10%; sale 10.00; return 4.00 @1d; return 1.00 @2d",
            "rule 10%; sale 10.00; return 4.00 @2d; return 1.00 @1d",
            "rule 10%; sale 10.00; return 4.00 @1d rev=2; return 1.00 @2d rev=1",
            "rule 10%; sale 10.00; return 4.00 @1d; return @2d",
            "rule 10%; sale 10.00; return 4.00 @1d id=X; return 1.00 @2d id=X",
        ],
        expect![[r#"
            rule 10%; sale 10.00; return 4.00 @1d; return 1.00 @2d
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 4.00 @1d
                pending 703 (4 of 10 back), A 6 earns 0.6; return 0.4 pending:A→expense:shop
              return 1.00 @2d
                pending 703 (1 of 10 back), A 9 earns 0.9; adjust 0.3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 9000000 900000 703
            rule 10%; sale 10.00; return 4.00 @2d; return 1.00 @1d
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 4.00 @2d
                pending 703 (4 of 10 back), A 6 earns 0.6; return 0.4 pending:A→expense:shop
              return 1.00 @1d
                pending 703 (4 of 10 back), A 6 earns 0.6; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 6000000 600000 703
            rule 10%; sale 10.00; return 4.00 @1d rev=2; return 1.00 @2d rev=1
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 4.00 @1d rev=2
                pending 703 (4 of 10 back), A 6 earns 0.6; return 0.4 pending:A→expense:shop
              return 1.00 @2d rev=1
                pending 703 (4 of 10 back), A 6 earns 0.6; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 6000000 600000 703
            rule 10%; sale 10.00; return 4.00 @1d; return @2d
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 4.00 @1d
                pending 703 (4 of 10 back), A 6 earns 0.6; return 0.4 pending:A→expense:shop
              return @2d
                pending 0, A 10 earns 1; adjust 0.4 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 1000000 0
            rule 10%; sale 10.00; return 4.00 @1d id=X; return 1.00 @2d id=X
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 4.00 @1d id=X
                pending 703 (4 of 10 back), A 6 earns 0.6; return 0.4 pending:A→expense:shop
              return 1.00 @2d id=X
                pending 703 (4 of 10 back), A 6 earns 0.6; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 6000000 600000 703
        "#]],
    );
}

#[test]
fn everything_returned_declines_an_open_order_and_a_micro_less_does_not() {
    check(
        &[
            "rule 10%; sale 10.00; return 9.999999",
            "rule 10%; sale 10.00; return 10.00",
            "rule 3.00; sale 10.00; return 9.999999",
            "rule 3.00; sale 10.00; return 10.00",
            "rule 3.00; sale 0; return 0.00",
            "rule 3.00 category=a; rule 5%; sale 10.00 item=a:4.00; return 1",
        ],
        expect![[r#"
            rule 10%; sale 10.00; return 9.999999
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 9.999999
                pending 703 (9.999999 of 10 back), A 0.000001 earns 0; return 1 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 1 0 703
            rule 10%; sale 10.00; return 10.00
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 10.00
                declined 702 (10 of 10 back), A 0 earns 0; decline 1 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 0 0 702
            rule 3.00; sale 10.00; return 9.999999
              sale 10.00
                pending 0, A 10 earns 3; accrue 3 expense:shop→pending:A
              return 9.999999
                pending 703 (9.999999 of 10 back), A 0.000001 earns 3
                = shop shop/sale/real/o:BX-1 A EUR pending 1 3000000 703
            rule 3.00; sale 10.00; return 10.00
              sale 10.00
                pending 0, A 10 earns 3; accrue 3 expense:shop→pending:A
              return 10.00
                declined 702 (10 of 10 back), A 0 earns 0; decline 3 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 0 0 702
            rule 3.00; sale 0; return 0.00
              sale 0
                pending 0, A 0 earns 3; accrue 3 expense:shop→pending:A
              return 0.00
                pending 0, A 0 earns 3; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 0 3000000 0
            rule 3.00 category=a; rule 5%; sale 10.00 item=a:4.00; return 1
              sale 10.00 item=a:4.00
                pending 0, A 10 earns 3.3; accrue 3.3 expense:shop→pending:A
              return 1
                pending 703 (4 of 10 back), A 6 earns 0.3; return 3 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 6000000 300000 703
        "#]],
    );
}

#[test]
fn an_amendment_scales_the_lines_or_replaces_them() {
    after_lines(
        &[
            "amend 20.00",
            "amend 5.00",
            "amend 0.000001",
            "amend item=a:4.00",
            "amend item=a:4.00 5.00",
            "amend item=a:4.00 item=a:4.00 5.00",
            "amend",
            "amend 0",
        ],
        expect![[r#"
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; amend 20.00
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              amend 20.00
                pending 0, A 20 earns 2; adjust 1 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 20000000 2000000 0
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; amend 5.00
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              amend 5.00
                pending 0, A 5 earns 0.5; adjust 0.5 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 5000000 500000 0
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; amend 0.000001
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              amend 0.000001
                pending 0, A 0.000001 earns 0; adjust 1 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 1 0 0
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; amend item=a:4.00
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              amend item=a:4.00
                pending 0, A 4 earns 0.4; adjust 0.6 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 4000000 400000 0
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; amend item=a:4.00 5.00
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              amend item=a:4.00 5.00
                pending 0, A 5 earns 0.5; adjust 0.5 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 5000000 500000 0
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; amend item=a:4.00 item=a:4.00 5.00
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              amend item=a:4.00 item=a:4.00 5.00
                pending 0, A 5 earns 0.5; adjust 0.5 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 5000000 500000 0
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; amend
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              amend
                pending 0, A 10 earns 1; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 1000000 0
            rule 10%; sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00; amend 0
              sale 10.00 item=a/S1*3:6.00 item=b/S2:3.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              amend 0
                pending 0, A 0 earns 0; adjust 1 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 0 0 0
        "#]],
    );
}

#[test]
fn an_amendment_of_nothing_is_one_line_without_category() {
    check(
        &[
            "rule 10% category=a; rule 1%; sale 0 item=a:0; amend 10.00",
            "rule 10% category=a; rule 1%; sale 0.000001 item=a:0.000001; amend 10.00",
        ],
        expect![[r#"
            rule 10% category=a; rule 1%; sale 0 item=a:0; amend 10.00
              sale 0 item=a:0
                pending 0, A 0 earns 0
              amend 10.00
                pending 0, A 10 earns 0.1; accrue 0.1 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 100000 0
            rule 10% category=a; rule 1%; sale 0.000001 item=a:0.000001; amend 10.00
              sale 0.000001 item=a:0.000001
                pending 0, A 0.000001 earns 0
              amend 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 1000000 0
        "#]],
    );
}

#[test]
fn a_return_is_of_the_amended_order_whichever_came_first() {
    check(
        &[
            "rule 10%; sale 10.00; return 4.00 @1d; amend 8.00 @2d",
            "rule 10%; sale 10.00; amend 8.00 @2d; return 4.00 @1d",
            "rule 10%; sale 10.00; return 8.00 @1d; amend 8.00 @2d",
            "rule 10%; sale 10.00; return 8.00 @1d; amend 7.00 @2d",
        ],
        expect![[r#"
            rule 10%; sale 10.00; return 4.00 @1d; amend 8.00 @2d
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 4.00 @1d
                pending 703 (4 of 10 back), A 6 earns 0.6; return 0.4 pending:A→expense:shop
              amend 8.00 @2d
                pending 703 (4 of 8 back), A 4 earns 0.4; adjust 0.2 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 4000000 400000 703
            rule 10%; sale 10.00; amend 8.00 @2d; return 4.00 @1d
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              amend 8.00 @2d
                pending 0, A 8 earns 0.8; adjust 0.2 pending:A→expense:shop
              return 4.00 @1d
                pending 703 (4 of 8 back), A 4 earns 0.4; return 0.4 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR pending 4000000 400000 703
            rule 10%; sale 10.00; return 8.00 @1d; amend 8.00 @2d
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 8.00 @1d
                pending 703 (8 of 10 back), A 2 earns 0.2; return 0.8 pending:A→expense:shop
              amend 8.00 @2d
                declined 702 (8 of 8 back), A 0 earns 0; decline 0.2 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 0 0 702
            rule 10%; sale 10.00; return 8.00 @1d; amend 7.00 @2d
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 8.00 @1d
                pending 703 (8 of 10 back), A 2 earns 0.2; return 0.8 pending:A→expense:shop
              amend 7.00 @2d
                declined 702 (7 of 7 back), A 0 earns 0, returned_too_much 1 EUR; decline 0.2 pending:A→expense:shop
                = shop shop/sale/real/o:BX-1 A EUR declined 0 0 702
        "#]],
    );
}

#[test]
fn an_act_in_another_currency_holds_and_does_nothing() {
    check(
        &[
            "rule 10%; sale 10.00; return 4.00 EUR @1d; return 1.00 USD @2d",
            "rule 10%; sale 10.00; amend 4.00 USD @1d",
            "rule 10%; sale 10.00 USD; amend 4.00 EUR @1d",
        ],
        expect![[r#"
            rule 10%; sale 10.00; return 4.00 EUR @1d; return 1.00 USD @2d
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              return 4.00 EUR @1d
                pending 703 (4 of 10 back), A 6 earns 0.6; return 0.4 pending:A→expense:shop
              return 1.00 USD @2d
                pending 0, A 10 earns 1, currency_differs 1 USD; adjust 0.4 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 1000000 0
            rule 10%; sale 10.00; amend 4.00 USD @1d
              sale 10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
              amend 4.00 USD @1d
                pending 0, A 10 earns 1, currency_differs 4 USD; nothing posted
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 1000000 0
            rule 10%; sale 10.00 USD; amend 4.00 EUR @1d
              sale 10.00 USD
                pending 507, A 10 earns 0 507
              amend 4.00 EUR @1d
                pending 507, A 10 earns 0 507, currency_differs 4 EUR; nothing posted
                = shop shop/sale/real/o:BX-1 A USD pending 10000000 0 507
        "#]],
    );
}

#[test]
fn acts_wait_for_the_decision() {
    check(
        &[
            "rule 10%; return 4.00; decline 705; sale 10.00",
            "rule 10%; approve; return 4.00; sale 10.00",
        ],
        expect![[r#"
            rule 10%; return 4.00; decline 705; sale 10.00
              return 4.00
                Unknown
              decline 705
                Unknown
              sale 10.00
                declined 705 (4 of 10 back), A 6 earns 0
                = shop shop/sale/real/o:BX-1 A EUR declined 6000000 0 705
            rule 10%; approve; return 4.00; sale 10.00
              approve
                Unknown
              return 4.00
                Unknown
              sale 10.00
                approved 703 (4 of 10 back), A 6 earns 0.6; accrue 0.6 expense:shop→pending:A; approve 0.6 pending:A→approved:A
                = shop shop/sale/real/o:BX-1 A EUR approved 6000000 600000 703
        "#]],
    );
}
