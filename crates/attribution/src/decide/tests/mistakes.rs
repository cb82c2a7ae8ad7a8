//! Mistakes of other systems, each a test that ours is not made.

use expect_test::expect;

use super::check;

#[test]
fn days_are_not_the_grain() {
    check(
        &[
            "lookback 30d; click A @0d; order @30d",
            "lookback 30d; click A @0d; order @30d+1ms",
            "click A @1d+1h; order @1d",
        ],
        expect![[r#"
            lookback 30d; click A @0d; order @30d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 30d
            lookback 30d; click A @0d; order @30d+1ms
                UNATTRIBUTED 401; A OUT_OF_WINDOW 401, age 30d1ms
            click A @1d+1h; order @1d
                UNATTRIBUTED 205; A AFTER_CONVERSION 205, age -1h
        "#]],
    );
}

#[test]
fn a_click_after_the_order_does_not_hide_the_valid_one_before() {
    check(
        &["click A @0d; click B @1d+1h; order @1d"],
        expect![[r#"
        click A @0d; click B @1d+1h; order @1d
            ATTRIBUTED A gets 10000000; B AFTER_CONVERSION 205, age -1h; A CREDITED 0, age 1d
    "#]],
    );
}

#[test]
fn a_touch_of_one_kind_is_not_counted_again_as_nobody() {
    check(
        &["view A @0h; order @1h"],
        expect![[r#"
        view A @0h; order @1h
            ATTRIBUTED A gets 10000000; A CREDITED 0, age 1h
    "#]],
    );
}

#[test]
fn tied_touches_have_one_first_and_one_last() {
    check(
        &["click A @0d; click B @0d; click C @0d; order @1d"],
        expect![[r#"
        click A @0d; click B @0d; click C @0d; order @1d
            ATTRIBUTED C gets 10000000; C CREDITED 0, age 1d; B NOT_SELECTED 404, age 1d; A NOT_SELECTED 404, age 1d
    "#]],
    );
}

#[test]
fn a_later_order_finds_the_touch_again() {
    check(
        &["click A @0d; order @1d"],
        expect![[r#"
        click A @0d; order @1d
            ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d
    "#]],
    );
}

#[test]
fn a_new_click_does_not_overwrite_the_path() {
    check(
        &[r#"lookback 2d; partner B lookback_click = "1h"; click A @0d; click B @1d; order @2d"#],
        expect![[r#"
            lookback 2d; partner B lookback_click = "1h"; click A @0d; click B @1d; order @2d
                ATTRIBUTED A gets 10000000; B OUT_OF_WINDOW 401, age 1d; A CREDITED 0, age 2d
        "#]],
    );
}

#[test]
fn shortening_a_window_on_monday_does_not_unpay_sundays_click() {
    check(
        &[
            r#"terms [{ lookback_click = "10d" }, { valid_from = 2026-11-05T00:00:00Z, lookback_click = "1d" }]; click A @1d; order @9d"#,
        ],
        expect![[r#"
            terms [{ lookback_click = "10d" }, { valid_from = 2026-11-05T00:00:00Z, lookback_click = "1d" }]; click A @1d; order @9d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 8d
        "#]],
    );
}

#[test]
fn todays_partner_state_is_not_read() {
    check(
        &[
            r#"state A [{ value = "approved" }, { value = "suspended", valid_from = 2026-11-10T00:00:00Z }]; click A @1d; order @2d"#,
        ],
        expect![[r#"
            state A [{ value = "approved" }, { value = "suspended", valid_from = 2026-11-10T00:00:00Z }]; click A @1d; order @2d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d
        "#]],
    );
}
