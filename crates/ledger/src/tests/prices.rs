//! Which rule a line takes, what it pays, caps, splits, currencies, margins.

use expect_test::expect;

use super::check;

#[test]
fn the_first_rule_that_matches_prices_a_line() {
    check(
        &[
            "rule 10% category=shoes; rule 5%; sale 74.92",
            "rule 10% category=shoes; rule 5%; sale 30.00 item=shoes:10.00 item=hats:20.00",
            "rule 5% category=shoes; rule 7% category=shoes,hats; sale 30.00 item=shoes:10.00 item=hats:20.00",
        ],
        expect![[r#"
            rule 10% category=shoes; rule 5%; sale 74.92
              sale 74.92
                pending 0, A 74.92 earns 3.746; accrue 3.746 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 74920000 3746000 0
            rule 10% category=shoes; rule 5%; sale 30.00 item=shoes:10.00 item=hats:20.00
              sale 30.00 item=shoes:10.00 item=hats:20.00
                pending 0, A 30 earns 2; accrue 2 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 2000000 0
            rule 5% category=shoes; rule 7% category=shoes,hats; sale 30.00 item=shoes:10.00 item=hats:20.00
              sale 30.00 item=shoes:10.00 item=hats:20.00
                pending 0, A 30 earns 1.9; accrue 1.9 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 1900000 0
        "#]],
    );
}

#[test]
fn a_line_without_category_takes_the_rule_without_conditions_or_none() {
    check(
        &[
            "rule 10% category=shoes; rule 5%; sale 30.00 item=shoes:10.00",
            "rule 10% category=shoes; sale 30.00 item=shoes:10.00",
            "rule 10% category=shoes; sale 30.00 item=hats:30.00",
            "sale 30.00",
        ],
        expect![[r#"
            rule 10% category=shoes; rule 5%; sale 30.00 item=shoes:10.00
              sale 30.00 item=shoes:10.00
                pending 0, A 30 earns 2; accrue 2 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 2000000 0
            rule 10% category=shoes; sale 30.00 item=shoes:10.00
              sale 30.00 item=shoes:10.00
                pending 0, A 30 earns 1; accrue 1 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 1000000 0
            rule 10% category=shoes; sale 30.00 item=hats:30.00
              sale 30.00 item=hats:30.00
                pending 0, A 30 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 0 0,501
            sale 30.00
              sale 30.00
                pending 0, A 30 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 0 0,501
        "#]],
    );
}

#[test]
fn each_condition_asks_for_what_it_says() {
    check(
        &[
            "rule 10% sku=S1; sale 3.00 item=-/S1:1.00 item=-/s1:2.00",
            "rule 10% group=G1; sale 3.00 item=-/-/g1:1.00 item=-/-/G2:2.00",
            "rule 10% category=Été; sale 3.00 item=+éTÉ:1.00 item=ete:2.00",
            "rule 10% coupon=SAVE; sale 3.00 coupon=save",
            "rule 10% coupon=SAVE; sale 3.00 coupon=save2",
            "rule 10% customer=new; sale 3.00 new",
            "rule 10% customer=new; sale 3.00 returning",
            "rule 10% customer=new; sale 3.00",
            "rule 10% link=A-other; sale 3.00 link=A-other",
            "rule 10% link=A-other; sale 3.00",
            "rule 10% channel=blog; sale 3.00 channel=blog",
            "rule 10% channel=blog; sale 3.00",
            "rule 10% partner_kind=cashback; sale 3.00 to=B",
            "rule 10% partner_kind=cashback; sale 3.00 to=A",
            "rule 10% partner=B; sale 3.00 to=B",
            "rule 10% partner=B; sale 3.00 to=A",
            "rule 10% segment=social; member A social; sale 3.00",
            "rule 10% segment=social; sale 3.00",
            "rule 10% goal=sale; sale 3.00",
            "rule 10% goal=lead; sale 3.00",
        ],
        expect![[r#"
            rule 10% sku=S1; sale 3.00 item=-/S1:1.00 item=-/s1:2.00
              sale 3.00 item=-/S1:1.00 item=-/s1:2.00
                pending 0, A 3 earns 0.1; accrue 0.1 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 100000 0
            rule 10% group=G1; sale 3.00 item=-/-/g1:1.00 item=-/-/G2:2.00
              sale 3.00 item=-/-/g1:1.00 item=-/-/G2:2.00
                pending 0, A 3 earns 0.1; accrue 0.1 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 100000 0
            rule 10% category=Été; sale 3.00 item=+éTÉ:1.00 item=ete:2.00
              sale 3.00 item=+éTÉ:1.00 item=ete:2.00
                pending 0, A 3 earns 0.1; accrue 0.1 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 100000 0
            rule 10% coupon=SAVE; sale 3.00 coupon=save
              sale 3.00 coupon=save
                pending 0, A 3 earns 0.3; accrue 0.3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 300000 0
            rule 10% coupon=SAVE; sale 3.00 coupon=save2
              sale 3.00 coupon=save2
                pending 0, A 3 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 0 0,501
            rule 10% customer=new; sale 3.00 new
              sale 3.00 new
                pending 0, A 3 earns 0.3; accrue 0.3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 300000 0
            rule 10% customer=new; sale 3.00 returning
              sale 3.00 returning
                pending 0, A 3 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 0 0,501
            rule 10% customer=new; sale 3.00
              sale 3.00
                pending 0, A 3 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 0 0,501
            rule 10% link=A-other; sale 3.00 link=A-other
              sale 3.00 link=A-other
                pending 0, A 3 earns 0.3; accrue 0.3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 300000 0
            rule 10% link=A-other; sale 3.00
              sale 3.00
                pending 0, A 3 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 0 0,501
            rule 10% channel=blog; sale 3.00 channel=blog
              sale 3.00 channel=blog
                pending 0, A 3 earns 0.3; accrue 0.3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 300000 0
            rule 10% channel=blog; sale 3.00
              sale 3.00
                pending 0, A 3 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 0 0,501
            rule 10% partner_kind=cashback; sale 3.00 to=B
              sale 3.00 to=B
                pending 0, B 3 earns 0.3; accrue 0.3 expense:shop→pending:B
                = shop shop/sale/real/o:BX-1 B EUR pending 3000000 300000 0
            rule 10% partner_kind=cashback; sale 3.00 to=A
              sale 3.00 to=A
                pending 0, A 3 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 0 0,501
            rule 10% partner=B; sale 3.00 to=B
              sale 3.00 to=B
                pending 0, B 3 earns 0.3; accrue 0.3 expense:shop→pending:B
                = shop shop/sale/real/o:BX-1 B EUR pending 3000000 300000 0
            rule 10% partner=B; sale 3.00 to=A
              sale 3.00 to=A
                pending 0, A 3 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 0 0,501
            rule 10% segment=social; member A social; sale 3.00
              sale 3.00
                pending 0, A 3 earns 0.3; accrue 0.3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 300000 0
            rule 10% segment=social; sale 3.00
              sale 3.00
                pending 0, A 3 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 0 0,501
            rule 10% goal=sale; sale 3.00
              sale 3.00
                pending 0, A 3 earns 0.3; accrue 0.3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 300000 0
            rule 10% goal=lead; sale 3.00
              sale 3.00
                pending 0, A 3 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 0 0,501
        "#]],
    );
}

#[test]
fn dates_of_a_rule_include_the_first_instant_and_not_the_last() {
    check(
        &[
            "rule 10% from=1d until=2d; rule 1%; sale 3.00 @1d-1ms",
            "rule 10% from=1d until=2d; rule 1%; sale 3.00 @1d",
            "rule 10% from=1d until=2d; rule 1%; sale 3.00 @2d-1ms",
            "rule 10% from=1d until=2d; rule 1%; sale 3.00 @2d",
        ],
        expect![[r#"
            rule 10% from=1d until=2d; rule 1%; sale 3.00 @1d-1ms
              sale 3.00 @1d-1ms
                pending 0, A 3 earns 0.03; accrue 0.03 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 30000 0
            rule 10% from=1d until=2d; rule 1%; sale 3.00 @1d
              sale 3.00 @1d
                pending 0, A 3 earns 0.3; accrue 0.3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 300000 0
            rule 10% from=1d until=2d; rule 1%; sale 3.00 @2d-1ms
              sale 3.00 @2d-1ms
                pending 0, A 3 earns 0.3; accrue 0.3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 300000 0
            rule 10% from=1d until=2d; rule 1%; sale 3.00 @2d
              sale 3.00 @2d
                pending 0, A 3 earns 0.03; accrue 0.03 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 3000000 30000 0
        "#]],
    );
}

#[test]
fn a_partner_s_own_rules_rank_before_its_segment_s_and_the_program_s() {
    check(
        &[
            "rule 5%; rule 6% in=social; rule 7% in=A; member A social; sale 100.00",
            "rule 5%; rule 6% in=social; rule 7% category=x in=A; member A social; sale 100.00",
            "rule 5%; rule 6% in=social; rule 7% in=A; member A social; sale 100.00 to=B",
        ],
        expect![[r#"
            rule 5%; rule 6% in=social; rule 7% in=A; member A social; sale 100.00
              sale 100.00
                pending 0, A 100 earns 7; accrue 7 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 100000000 7000000 0
            rule 5%; rule 6% in=social; rule 7% category=x in=A; member A social; sale 100.00
              sale 100.00
                pending 0, A 100 earns 6; accrue 6 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 100000000 6000000 0
            rule 5%; rule 6% in=social; rule 7% in=A; member A social; sale 100.00 to=B
              sale 100.00 to=B
                pending 0, B 100 earns 5; accrue 5 expense:shop→pending:B
                = shop shop/sale/real/o:BX-1 B EUR pending 100000000 5000000 0
        "#]],
    );
}

#[test]
fn an_excluded_line_earns_nothing_and_says_so() {
    check(
        &[
            "rule none category=gift; rule 5%; sale 30.00 item=gift:10.00 item=hats:20.00",
            "rule none category=gift; rule 5%; sale 30.00 item=gift:30.00",
            "rule 5% category=hats; sale 30.00 item=gift:30.00",
        ],
        expect![[r#"
            rule none category=gift; rule 5%; sale 30.00 item=gift:10.00 item=hats:20.00
              sale 30.00 item=gift:10.00 item=hats:20.00
                pending 0, A 30 earns 1 502; accrue 1 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 1000000 0,502
            rule none category=gift; rule 5%; sale 30.00 item=gift:30.00
              sale 30.00 item=gift:30.00
                pending 0, A 30 earns 0 502
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 0 0,502
            rule 5% category=hats; sale 30.00 item=gift:30.00
              sale 30.00 item=gift:30.00
                pending 0, A 30 earns 0 501
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 0 0,501
        "#]],
    );
}

#[test]
fn a_cap_cuts_above_it_and_not_at_it() {
    check(
        &[
            "rule 5% cap=5.00; sale 99.99",
            "rule 5% cap=5.00; sale 100.00",
            "rule 5% cap=5.00; sale 100.01",
            "rule 5% cap=5.00; sale 100.000019",
            "rule 5% cap=5.00; sale 100.00002",
        ],
        expect![[r#"
            rule 5% cap=5.00; sale 99.99
              sale 99.99
                pending 0, A 99.99 earns 4.9995; accrue 4.9995 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 99990000 4999500 0
            rule 5% cap=5.00; sale 100.00
              sale 100.00
                pending 0, A 100 earns 5; accrue 5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 100000000 5000000 0
            rule 5% cap=5.00; sale 100.01
              sale 100.01
                pending 0, A 100.01 earns 5 503; accrue 5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 100010000 5000000 0,503
            rule 5% cap=5.00; sale 100.000019
              sale 100.000019
                pending 0, A 100.000019 earns 5; accrue 5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 100000019 5000000 0
            rule 5% cap=5.00; sale 100.00002
              sale 100.00002
                pending 0, A 100.00002 earns 5 503; accrue 5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 100000020 5000000 0,503
        "#]],
    );
}

#[test]
fn a_fixed_amount_is_paid_once_for_all_lines_of_its_rule() {
    check(
        &[
            "rule 3.00; sale 30.00 item=a:10.00 item=b:20.00",
            "rule 3.00 category=a; rule 5%; sale 30.00 item=a:10.00 item=b:20.00",
            "rule 3.00 cap=2.00; sale 30.00",
            "rule 3.00 cap=3.00; sale 30.00",
        ],
        expect![[r#"
            rule 3.00; sale 30.00 item=a:10.00 item=b:20.00
              sale 30.00 item=a:10.00 item=b:20.00
                pending 0, A 30 earns 3; accrue 3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 3000000 0
            rule 3.00 category=a; rule 5%; sale 30.00 item=a:10.00 item=b:20.00
              sale 30.00 item=a:10.00 item=b:20.00
                pending 0, A 30 earns 4; accrue 4 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 4000000 0
            rule 3.00 cap=2.00; sale 30.00
              sale 30.00
                pending 0, A 30 earns 2 503; accrue 2 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 2000000 0,503
            rule 3.00 cap=3.00; sale 30.00
              sale 30.00
                pending 0, A 30 earns 3; accrue 3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 30000000 3000000 0
        "#]],
    );
}

#[test]
fn a_lead_without_amount_earns_the_fixed_amount_and_no_percentage() {
    check(
        &["rule 3.00; sale 0", "rule 5%; sale 0", "rule 3.00; sale 0 item=a:0 item=b:0"],
        expect![[r#"
            rule 3.00; sale 0
              sale 0
                pending 0, A 0 earns 3; accrue 3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 0 3000000 0
            rule 5%; sale 0
              sale 0
                pending 0, A 0 earns 0
                = shop shop/sale/real/o:BX-1 A EUR pending 0 0 0
            rule 3.00; sale 0 item=a:0 item=b:0
              sale 0 item=a:0 item=b:0
                pending 0, A 0 earns 3; accrue 3 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 0 3000000 0
        "#]],
    );
}

#[test]
fn three_lines_that_share_ten_euros_are_paid_ten_euros() {
    check(
        &[
            "rule 100%; sale 10.00 item=a:5.00 item=b:5.00 item=c:5.00",
            "rule 100% category=a; rule 100% category=b; rule 100%; \
             sale 10.00 item=a:5.00 item=b:5.00 item=c:5.00",
        ],
        expect![[r#"
            rule 100%; sale 10.00 item=a:5.00 item=b:5.00 item=c:5.00
              sale 10.00 item=a:5.00 item=b:5.00 item=c:5.00
                pending 0, A 10 earns 10; accrue 10 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 10000000 0
            rule 100% category=a; rule 100% category=b; rule 100%; sale 10.00 item=a:5.00 item=b:5.00 item=c:5.00
              sale 10.00 item=a:5.00 item=b:5.00 item=c:5.00
                pending 0, A 10 earns 10; accrue 10 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 10000000 0
        "#]],
    );
}

#[test]
fn commission_is_never_of_more_than_the_amount() {
    check(
        &[
            "rule 10% category=a; sale 10.00 item=a:9.00",
            "rule 10% category=a; sale 10.00 item=a:10.00",
            "rule 10% category=a; sale 10.00 item=a:11.00",
            "rule 10% category=a; sale 10.00 item=a:30.00 item=b:10.00",
        ],
        expect![[r#"
            rule 10% category=a; sale 10.00 item=a:9.00
              sale 10.00 item=a:9.00
                pending 0, A 10 earns 0.9; accrue 0.9 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 900000 0
            rule 10% category=a; sale 10.00 item=a:10.00
              sale 10.00 item=a:10.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 1000000 0
            rule 10% category=a; sale 10.00 item=a:11.00
              sale 10.00 item=a:11.00
                pending 0, A 10 earns 1; accrue 1 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 1000000 0
            rule 10% category=a; sale 10.00 item=a:30.00 item=b:10.00
              sale 10.00 item=a:30.00 item=b:10.00
                pending 0, A 10 earns 0.75; accrue 0.75 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 750000 0
        "#]],
    );
}

#[test]
fn shares_split_lines_fixed_amounts_and_caps() {
    check(
        &[
            "rule 5%; sale 10.00 to=A,B,C",
            "rule 1.00; sale 10.00 to=A,B,C",
            "rule 50% cap=1.00; sale 10.00 to=A,B,C",
            "rule 5%; sale 10.00 to=A:3,own:1",
            "rule 5%; sale 10.00 to=own",
            "rule 5%; sale 10.00 to=-",
            "rule 5%; sale 10.00 to=A,B,A#2",
            "rule 5%; sale 0.000001 to=A,B",
            "rule 5%; sale 10.00 to=A:0",
        ],
        expect![[r#"
            rule 5%; sale 10.00 to=A,B,C
              sale 10.00 to=A,B,C
                pending 0, A 3.333334 earns 0.166666, B 3.333333 earns 0.166666, C 3.333333 earns 0.166666; accrue 0.166666 expense:shop→pending:A; accrue 0.166666 expense:shop→pending:B; accrue 0.166666 expense:shop→pending:C
                = shop shop/sale/real/o:BX-1 A EUR pending 3333334 166666 0
                = shop shop/sale/real/o:BX-1 B EUR pending 3333333 166666 0
                = shop shop/sale/real/o:BX-1 C EUR pending 3333333 166666 0
            rule 1.00; sale 10.00 to=A,B,C
              sale 10.00 to=A,B,C
                pending 0, A 3.333334 earns 0.333334, B 3.333333 earns 0.333333, C 3.333333 earns 0.333333; accrue 0.333334 expense:shop→pending:A; accrue 0.333333 expense:shop→pending:B; accrue 0.333333 expense:shop→pending:C
                = shop shop/sale/real/o:BX-1 A EUR pending 3333334 333334 0
                = shop shop/sale/real/o:BX-1 B EUR pending 3333333 333333 0
                = shop shop/sale/real/o:BX-1 C EUR pending 3333333 333333 0
            rule 50% cap=1.00; sale 10.00 to=A,B,C
              sale 10.00 to=A,B,C
                pending 0, A 3.333334 earns 0.333334 503, B 3.333333 earns 0.333333 503, C 3.333333 earns 0.333333 503; accrue 0.333334 expense:shop→pending:A; accrue 0.333333 expense:shop→pending:B; accrue 0.333333 expense:shop→pending:C
                = shop shop/sale/real/o:BX-1 A EUR pending 3333334 333334 0,503
                = shop shop/sale/real/o:BX-1 B EUR pending 3333333 333333 0,503
                = shop shop/sale/real/o:BX-1 C EUR pending 3333333 333333 0,503
            rule 5%; sale 10.00 to=A:3,own:1
              sale 10.00 to=A:3,own:1
                pending 0, A 7.5 earns 0.375, - 2.5 earns 0; accrue 0.375 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 - EUR pending 2500000 0 0
                = shop shop/sale/real/o:BX-1 A EUR pending 7500000 375000 0
            rule 5%; sale 10.00 to=own
              sale 10.00 to=own
                pending 408, - 10 earns 0
                = shop shop/sale/real/o:BX-1 - EUR pending 10000000 0 408
            rule 5%; sale 10.00 to=-
              sale 10.00 to=-
                pending 401
                = shop shop/sale/real/o:BX-1 - EUR pending 10000000 0 401
            rule 5%; sale 10.00 to=A,B,A#2
              sale 10.00 to=A,B,A#2
                pending 0, A 3.333334 earns 0.166666, B 3.333333 earns 0.166666, A 3.333333 earns 0.166666; accrue 0.333332 expense:shop→pending:A; accrue 0.166666 expense:shop→pending:B
                = shop shop/sale/real/o:BX-1 A EUR pending 6666667 333332 0
                = shop shop/sale/real/o:BX-1 B EUR pending 3333333 166666 0
            rule 5%; sale 0.000001 to=A,B
              sale 0.000001 to=A,B
                pending 0, A 0.000001 earns 0, B 0 earns 0
                = shop shop/sale/real/o:BX-1 A EUR pending 1 0 0
                = shop shop/sale/real/o:BX-1 B EUR pending 0 0 0
            rule 5%; sale 10.00 to=A:0
              sale 10.00 to=A:0
                pending 0, A 0 earns 0
                = shop shop/sale/real/o:BX-1 A EUR pending 0 0 0
        "#]],
    );
}

#[test]
fn less_than_a_minor_unit_is_said() {
    check(
        &[
            "rule 1%; sale 0.99",
            "rule 1%; sale 1.00",
            "rule 1% currency=JPY; sale 99 JPY",
            "rule 1% currency=JPY; sale 100 JPY",
            "rule 1% currency=KWD; sale 0.099 KWD",
            "rule 1% currency=KWD; sale 0.100 KWD",
            "rule 1%; sale 0",
        ],
        expect![[r#"
            rule 1%; sale 0.99
              sale 0.99
                pending 0, A 0.99 earns 0.0099 506; accrue 0.0099 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 990000 9900 0,506
            rule 1%; sale 1.00
              sale 1.00
                pending 0, A 1 earns 0.01; accrue 0.01 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 1000000 10000 0
            rule 1% currency=JPY; sale 99 JPY
              sale 99 JPY
                pending 0, A 99 earns 0.99 506; accrue 0.99 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A JPY pending 99000000 990000 0,506
            rule 1% currency=JPY; sale 100 JPY
              sale 100 JPY
                pending 0, A 100 earns 1; accrue 1 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A JPY pending 100000000 1000000 0
            rule 1% currency=KWD; sale 0.099 KWD
              sale 0.099 KWD
                pending 0, A 0.099 earns 0.00099 506; accrue 0.00099 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A KWD pending 99000 990 0,506
            rule 1% currency=KWD; sale 0.100 KWD
              sale 0.100 KWD
                pending 0, A 0.1 earns 0.001; accrue 0.001 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A KWD pending 100000 1000 0
            rule 1%; sale 0
              sale 0
                pending 0, A 0 earns 0
                = shop shop/sale/real/o:BX-1 A EUR pending 0 0 0
        "#]],
    );
}

#[test]
fn the_rate_for_returning_customers_is_said() {
    check(
        &[
            "rule 2% customer=returning; rule 5%; sale 10.00 returning",
            "rule 2% customer=returning; rule 5%; sale 10.00 new",
            "rule none customer=returning; rule 5%; sale 10.00 returning",
        ],
        expect![[r#"
            rule 2% customer=returning; rule 5%; sale 10.00 returning
              sale 10.00 returning
                pending 0, A 10 earns 0.2 505; accrue 0.2 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 200000 0,505
            rule 2% customer=returning; rule 5%; sale 10.00 new
              sale 10.00 new
                pending 0, A 10 earns 0.5; accrue 0.5 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 500000 0
            rule none customer=returning; rule 5%; sale 10.00 returning
              sale 10.00 returning
                pending 0, A 10 earns 0 502 505
                = shop shop/sale/real/o:BX-1 A EUR pending 10000000 0 0,502,505
        "#]],
    );
}

#[test]
fn an_order_waits_while_only_rules_in_other_currencies_match() {
    check(
        &[
            "rule 5%; sale 10.00 USD; approve @1d; locked @40d",
            "rule 5% category=a; sale 10.00 USD",
            "rule 5% category=a; rule 2% currency=USD; sale 10.00 USD item=a:4.00",
            "rule 5%; rule 2% category=a currency=USD; sale 10.00 USD item=a:4.00",
            "rule none category=a; rule 2% category=b currency=USD; \
             sale 10.00 USD item=a:4.00 item=b:6.00",
            "rule 5%; sale 10.00 USD to=A,own; decline 701 @1d",
            "rule 5%; sale 10.00 USD to=own",
        ],
        expect![[r#"
            rule 5%; sale 10.00 USD; approve @1d; locked @40d
              sale 10.00 USD
                pending 507, A 10 earns 0 507
              approve @1d
                pending 507, A 10 earns 0 507; nothing posted
              locked @40d
                pending 507, A 10 earns 0 507; nothing posted
                = shop shop/sale/real/o:BX-1 A USD pending 10000000 0 507
            rule 5% category=a; sale 10.00 USD
              sale 10.00 USD
                pending 0, A 10 earns 0 501
                = shop shop/sale/real/o:BX-1 A USD pending 10000000 0 0,501
            rule 5% category=a; rule 2% currency=USD; sale 10.00 USD item=a:4.00
              sale 10.00 USD item=a:4.00
                pending 0, A 10 earns 0.2; accrue 0.2 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A USD pending 10000000 200000 0
            rule 5%; rule 2% category=a currency=USD; sale 10.00 USD item=a:4.00
              sale 10.00 USD item=a:4.00
                pending 507, A 10 earns 0 507
                = shop shop/sale/real/o:BX-1 A USD pending 10000000 0 507
            rule none category=a; rule 2% category=b currency=USD; sale 10.00 USD item=a:4.00 item=b:6.00
              sale 10.00 USD item=a:4.00 item=b:6.00
                pending 507, A 10 earns 0 507
                = shop shop/sale/real/o:BX-1 A USD pending 10000000 0 507
            rule 5%; sale 10.00 USD to=A,own; decline 701 @1d
              sale 10.00 USD to=A,own
                pending 507, A 5 earns 0 507, - 5 earns 0
              decline 701 @1d
                declined 701, A 5 earns 0 507, - 5 earns 0
                = shop shop/sale/real/o:BX-1 - USD declined 5000000 0 701
                = shop shop/sale/real/o:BX-1 A USD declined 5000000 0 701,507
            rule 5%; sale 10.00 USD to=own
              sale 10.00 USD to=own
                pending 408, - 10 earns 0
                = shop shop/sale/real/o:BX-1 - USD pending 10000000 0 408
        "#]],
    );
}

#[test]
fn a_later_version_prices_orders_from_its_first_instant_on() {
    check(
        &[
            "rule 5%; from @1d; rule 5%; rule 4% currency=USD; sale 10.00 USD @1d-1ms",
            "rule 5%; from @1d; rule 5%; rule 4% currency=USD; sale 10.00 USD @1d",
        ],
        expect![[r#"
            rule 5%; from @1d; rule 5%; rule 4% currency=USD; sale 10.00 USD @1d-1ms
              sale 10.00 USD @1d-1ms
                pending 507, A 10 earns 0 507
                = shop shop/sale/real/o:BX-1 A USD pending 10000000 0 507
            rule 5%; from @1d; rule 5%; rule 4% currency=USD; sale 10.00 USD @1d
              sale 10.00 USD @1d
                pending 0, A 10 earns 0.4; accrue 0.4 expense:shop→pending:A
                = shop shop/sale/real/o:BX-1 A USD pending 10000000 400000 0
        "#]],
    );
}

#[test]
fn an_order_without_currency_is_in_the_program_s() {
    check(
        &["rule 5%; sale 10.00", "rule 5%; sale 10.00 EUR"],
        expect![[r#"
        rule 5%; sale 10.00
          sale 10.00
            pending 0, A 10 earns 0.5; accrue 0.5 expense:shop→pending:A
            = shop shop/sale/real/o:BX-1 A EUR pending 10000000 500000 0
        rule 5%; sale 10.00 EUR
          sale 10.00 EUR
            pending 0, A 10 earns 0.5; accrue 0.5 expense:shop→pending:A
            = shop shop/sale/real/o:BX-1 A EUR pending 10000000 500000 0
    "#]],
    );
}

#[test]
fn two_hundred_lines_are_priced_as_one() {
    let items = |n: usize| " item=shoes/S1:0.33".repeat(n);
    let script = |n| format!("rule 5%; sale 66.00{}", items(n));
    let [few, many] = [199, 200].map(|n| crate::build::World::run(&script(n)).0.book.unwrap());
    for book in [&few, &many] {
        assert_eq!(book.shares[0].net.0, 66_000_000);
        assert_eq!(book.shares[0].commission.0, 3_300_000);
    }
    assert_eq!(few.shares[0].rules[0].lines, 200); // 199 and the rest
    assert_eq!(many.shares[0].rules[0].lines, 200);
}

#[test]
fn margin_counts_lines_whose_rate_is_known_and_the_others_apart() {
    let margin = |script: &str| {
        let book = crate::build::World::run(script).0.book.unwrap();
        (book.margin.0, book.margin_unknown.0)
    };
    let all = "margins { default = \"35\", shoes = \"42.5\" }";
    let some = "margins { shoes = \"42.5\" }";
    let sale = "sale 30.00 item=Shoes:10.00 item=hats:20.00";
    assert_eq!(margin(&format!("{all}; {sale}")), (11_250_000, 0));
    assert_eq!(margin(&format!("{some}; {sale}")), (4_250_000, 20_000_000));
    assert_eq!(margin(sale), (0, 30_000_000));
    assert_eq!(margin(&format!("{all}; {sale}; return 1")), (7_000_000, 0));
    assert_eq!(margin(&format!("{some}; {sale}; return 2*1")), (4_250_000, 0));
}

#[test]
fn a_share_names_its_rules_their_rank_and_what_they_pay() {
    let script = "rule 9% category=x in=A; rule 3.00 category=a name=Fee; rule 5% category=b; \
                  rule none; sale 30.00 item=b:10.00 item=a:20.00";
    let book = crate::build::World::run(script).0.book.unwrap();
    let rules = book.shares[0].rules.iter().map(|rule| {
        format!(
            "{} of {} {} {:?} {}: {} line of {} earns {}",
            rule.rank,
            rule.of,
            rule.terms,
            rule.name,
            rule.pays,
            rule.lines,
            rule.net.0,
            rule.commission.0
        )
    });
    expect![[r#"
        2 of 4 program/shop/terms/1 Some("Fee") 3.00 EUR per order: 1 line of 20000000 earns 3000000
        3 of 4 program/shop/terms/1 None 5 %: 1 line of 10000000 earns 500000"#]]
    .assert_eq(&rules.collect::<Vec<_>>().join("\n"));
}
