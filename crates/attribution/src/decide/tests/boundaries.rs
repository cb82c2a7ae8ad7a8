//! Every boundary on both sides, side by side.

use expect_test::expect;

use super::check;

#[test]
fn a_click_as_old_as_the_window_is_in_and_a_millisecond_more_is_out() {
    check(
        &["lookback 1d; click A @0d; order @1d", "lookback 1d; click A @0d; order @1d+1ms"],
        expect![[r#"
            lookback 1d; click A @0d; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d
            lookback 1d; click A @0d; order @1d+1ms
                UNATTRIBUTED 401; A OUT_OF_WINDOW 401, age 1d1ms
        "#]],
    );
}

#[test]
fn a_click_in_the_same_millisecond_is_in_also_in_a_window_of_nothing() {
    check(
        &[
            "click A @1d; order @1d",
            "lookback 0s; click A @1d; order @1d",
            "lookback 0s; click A @1d-1ms; order @1d",
        ],
        expect![[r#"
            click A @1d; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 0
            lookback 0s; click A @1d; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 0
            lookback 0s; click A @1d-1ms; order @1d
                UNATTRIBUTED 401; A OUT_OF_WINDOW 401, age 1ms
        "#]],
    );
}

#[test]
fn a_click_after_the_order_is_corrected_by_its_click_id_up_to_two_seconds() {
    check(
        &[
            "click A @1d+1500ms; order @1d click=A",
            "click A @1d+1500ms; order @1d",
            "click A @1d+2000ms; order @1d click=A",
            "click A @1d+2001ms; order @1d click=A",
            "click A @1d+1ms; order @1d",
            "click A @1d+2s; order @1d exempt=A",
        ],
        expect![[r#"
            click A @1d+1500ms; order @1d click=A
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 0, LINKED, SKEW_CORRECTED
            click A @1d+1500ms; order @1d
                UNATTRIBUTED 205; A AFTER_CONVERSION 205, age -1s500ms
            click A @1d+2000ms; order @1d click=A
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 0, LINKED, SKEW_CORRECTED
            click A @1d+2001ms; order @1d click=A
                UNATTRIBUTED 205; A AFTER_CONVERSION 205, age -2s1ms, LINKED
            click A @1d+1ms; order @1d
                UNATTRIBUTED 205; A AFTER_CONVERSION 205, age -1ms
            click A @1d+2s; order @1d exempt=A
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 0, LINKED, SKEW_CORRECTED
        "#]],
    );
}

#[test]
fn a_corrected_click_can_still_be_too_fast() {
    check(
        &[r#"terms min_click_to_conversion = "1s"; click A @1d+1500ms; order @1d click=A"#],
        expect![[r#"
            terms min_click_to_conversion = "1s"; click A @1d+1500ms; order @1d click=A
                UNATTRIBUTED 402; A TOO_FAST 402, age 0, LINKED, SKEW_CORRECTED
        "#]],
    );
}

#[test]
fn a_click_as_old_as_the_minimum_time_is_in_and_a_millisecond_less_is_not() {
    check(
        &[
            r#"terms min_click_to_conversion = "5s"; click A @1d-5s; order @1d"#,
            r#"terms min_click_to_conversion = "5s"; click A @1d-4999ms; order @1d"#,
        ],
        expect![[r#"
            terms min_click_to_conversion = "5s"; click A @1d-5s; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 5s
            terms min_click_to_conversion = "5s"; click A @1d-4999ms; order @1d
                UNATTRIBUTED 402; A TOO_FAST 402, age 4s999ms
        "#]],
    );
}

#[test]
fn the_minimum_time_is_for_clicks_alone() {
    check(
        &[r#"terms min_click_to_conversion = "5s"; view A @1d-1s; order @1d"#],
        expect![[r#"
        terms min_click_to_conversion = "5s"; view A @1d-1s; order @1d
            ATTRIBUTED A gets 10000000; A CREDITED 0, age 1s
    "#]],
    );
}

#[test]
fn a_touch_received_as_late_as_allowed_is_admissible_and_a_millisecond_later_is_not() {
    check(
        &[
            r#"terms lateness = "1h"; click A @0d; click B @1h lag=1h; order @1d"#,
            r#"terms lateness = "1h"; click A @0d; click B @1h lag=1h+1ms; order @1d"#,
        ],
        expect![[r#"
            terms lateness = "1h"; click A @0d; click B @1h lag=1h; order @1d
                ATTRIBUTED B gets 10000000; B CREDITED 0, age 23h; A NOT_SELECTED 404, age 1d
            terms lateness = "1h"; click A @0d; click B @1h lag=1h+1ms; order @1d
                ATTRIBUTED A gets 10000000; B LATE 412, age 23h; A CREDITED 0, age 1d
        "#]],
    );
}

#[test]
fn a_touch_as_far_as_the_horizon_is_a_candidate_and_a_millisecond_further_is_none() {
    check(
        &["lookback 90d; click A @0d; order @90d", "lookback 90d; click A @0d; order @90d+1ms"],
        expect![[r#"
            lookback 90d; click A @0d; order @90d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 90d
            lookback 90d; click A @0d; order @90d+1ms
                UNATTRIBUTED 201
        "#]],
    );
}

#[test]
fn a_click_a_day_after_the_order_is_told_and_a_millisecond_later_is_no_candidate() {
    check(
        &["click A @1d; order @0d", "click A @1d+1ms; order @0d"],
        expect![[r#"
        click A @1d; order @0d
            UNATTRIBUTED 205; A AFTER_CONVERSION 205, age -1d
        click A @1d+1ms; order @0d
            UNATTRIBUTED 201
    "#]],
    );
}

#[test]
fn an_impression_has_its_own_window() {
    check(
        &["view A @0d; order @24h", "view A @0d; order @24h+1ms"],
        expect![[r#"
        view A @0d; order @24h
            ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d
        view A @0d; order @24h+1ms
            UNATTRIBUTED 401; A OUT_OF_WINDOW 401, age 1d1ms
    "#]],
    );
}

#[test]
fn a_flag_counts_up_to_its_grace_and_not_a_millisecond_later() {
    check(
        &[
            r#"terms flag_grace = "1h"; click A @0d; flag A @1d+1h; order @1d"#,
            r#"terms flag_grace = "1h"; click A @0d; flag A @1d+1h+1ms; order @1d"#,
            "click A @0d; flag A @20d; order @1d",
            r#"terms lateness = "1h"; click A @0d; flag A @1d lag=1h; order @1d"#,
            r#"terms lateness = "1h"; click A @0d; flag A @1d lag=1h+1ms; order @1d"#,
        ],
        expect![[r#"
            terms flag_grace = "1h"; click A @0d; flag A @1d+1h; order @1d
                UNATTRIBUTED 417; A INVALID_TRAFFIC 417, age 1d
            terms flag_grace = "1h"; click A @0d; flag A @1d+1h+1ms; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d
            click A @0d; flag A @20d; order @1d
                UNATTRIBUTED 417; A INVALID_TRAFFIC 417, age 1d
            terms lateness = "1h"; click A @0d; flag A @1d lag=1h; order @1d
                UNATTRIBUTED 417; A INVALID_TRAFFIC 417, age 1d
            terms lateness = "1h"; click A @0d; flag A @1d lag=1h+1ms; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d
        "#]],
    );
}

#[test]
fn a_merge_counts_up_to_its_grace_and_not_a_millisecond_later() {
    check(
        &[
            r#"terms merge_grace = "1h"; click A @0d by=y; merge x y @1d+1h; order @1d"#,
            r#"terms merge_grace = "1h"; click A @0d by=y; merge x y @1d+1h+1ms; order @1d"#,
            r#"terms lateness = "1h"; click A @0d by=y; merge x y @1d lag=1h; order @1d"#,
            r#"terms lateness = "1h"; click A @0d by=y; merge x y @1d lag=1h+1ms; order @1d"#,
            "click A @0d by=y; merge x y @8d; order @1d",
            "click A @0d by=y; merge x y @8d+1ms; order @1d",
        ],
        expect![[r#"
            terms merge_grace = "1h"; click A @0d by=y; merge x y @1d+1h; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d, VIA_MERGE
            terms merge_grace = "1h"; click A @0d by=y; merge x y @1d+1h+1ms; order @1d
                UNATTRIBUTED 201
            terms lateness = "1h"; click A @0d by=y; merge x y @1d lag=1h; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d, VIA_MERGE
            terms lateness = "1h"; click A @0d by=y; merge x y @1d lag=1h+1ms; order @1d
                UNATTRIBUTED 201
            click A @0d by=y; merge x y @8d; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d, VIA_MERGE
            click A @0d by=y; merge x y @8d+1ms; order @1d
                UNATTRIBUTED 201
        "#]],
    );
}

#[test]
fn a_landings_choice_counts_at_the_order_and_not_a_millisecond_after() {
    check(
        &[
            "click A @0d consent=unknown; land A @1d consent=granted; order @1d",
            "click A @0d consent=unknown; land A @1d+1ms consent=granted; order @1d",
        ],
        expect![[r#"
            click A @0d consent=unknown; land A @1d consent=granted; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d
            click A @0d consent=unknown; land A @1d+1ms consent=granted; order @1d
                UNATTRIBUTED 411; A NO_CONSENT 411, age 1d
        "#]],
    );
}

#[test]
fn terms_hold_from_their_first_millisecond_at_the_touch() {
    check(
        &[
            r#"terms [{ lookback_click = "1d" }, { valid_from = 2026-11-05T00:00:00Z, lookback_click = "10d" }]; click A @2d; order @7d"#,
            r#"terms [{ lookback_click = "1d" }, { valid_from = 2026-11-05T00:00:00Z, lookback_click = "10d" }]; click A @2d-1ms; order @7d"#,
        ],
        expect![[r#"
            terms [{ lookback_click = "1d" }, { valid_from = 2026-11-05T00:00:00Z, lookback_click = "10d" }]; click A @2d; order @7d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 5d
            terms [{ lookback_click = "1d" }, { valid_from = 2026-11-05T00:00:00Z, lookback_click = "10d" }]; click A @2d-1ms; order @7d
                UNATTRIBUTED 401; A OUT_OF_WINDOW 401, age 5d1ms
        "#]],
    );
}

#[test]
fn the_channel_map_holds_from_its_first_millisecond_at_the_order() {
    check(
        &[
            r#"terms [{ channel_map = { ads = "any" } }, { valid_from = 2026-11-05T00:00:00Z, channel_map = { ads = "none" } }]; click A @0d; order @2d-1ms channel=ads"#,
            r#"terms [{ channel_map = { ads = "any" } }, { valid_from = 2026-11-05T00:00:00Z, channel_map = { ads = "none" } }]; click A @0d; order @2d channel=ads"#,
        ],
        expect![[r#"
            terms [{ channel_map = { ads = "any" } }, { valid_from = 2026-11-05T00:00:00Z, channel_map = { ads = "none" } }]; click A @0d; order @2d-1ms channel=ads
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d23h59m59s999ms
            terms [{ channel_map = { ads = "any" } }, { valid_from = 2026-11-05T00:00:00Z, channel_map = { ads = "none" } }]; click A @0d; order @2d channel=ads
                LOST_TO_CHANNEL 408; A CHANNEL_EXCLUDED 408, age 2d
        "#]],
    );
}

#[test]
fn a_partner_is_active_from_the_millisecond_of_its_approval() {
    check(
        &[
            r#"state A [{ value = "applied" }, { value = "approved", valid_from = 2026-11-05T00:00:00Z }]; click A @2d; order @3d"#,
            r#"state A [{ value = "applied" }, { value = "approved", valid_from = 2026-11-05T00:00:00Z }]; click A @2d-1ms; order @3d"#,
        ],
        expect![[r#"
            state A [{ value = "applied" }, { value = "approved", valid_from = 2026-11-05T00:00:00Z }]; click A @2d; order @3d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d
            state A [{ value = "applied" }, { value = "approved", valid_from = 2026-11-05T00:00:00Z }]; click A @2d-1ms; order @3d
                UNATTRIBUTED 410; A PARTNER_INACTIVE 410, age 1d1ms
        "#]],
    );
}

#[test]
fn a_freeze_takes_what_is_open_from_its_millisecond_on_and_run_off_does_not() {
    check(
        &[
            r#"state A [{ value = "approved" }, { value = "ended", mode = "freeze", valid_from = 2026-11-05T00:00:00Z }]; click A @0d; order @2d-1ms"#,
            r#"state A [{ value = "approved" }, { value = "ended", mode = "freeze", valid_from = 2026-11-05T00:00:00Z }]; click A @0d; order @2d"#,
            r#"state A [{ value = "approved" }, { value = "ended", mode = "run_off", valid_from = 2026-11-05T00:00:00Z }]; click A @2d-1ms; order @3d"#,
            r#"state A [{ value = "approved" }, { value = "ended", mode = "run_off", valid_from = 2026-11-05T00:00:00Z }]; click A @2d; order @3d"#,
        ],
        expect![[r#"
            state A [{ value = "approved" }, { value = "ended", mode = "freeze", valid_from = 2026-11-05T00:00:00Z }]; click A @0d; order @2d-1ms
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d23h59m59s999ms
            state A [{ value = "approved" }, { value = "ended", mode = "freeze", valid_from = 2026-11-05T00:00:00Z }]; click A @0d; order @2d
                UNATTRIBUTED 410; A PARTNER_INACTIVE 410, age 2d
            state A [{ value = "approved" }, { value = "ended", mode = "run_off", valid_from = 2026-11-05T00:00:00Z }]; click A @2d-1ms; order @3d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d1ms
            state A [{ value = "approved" }, { value = "ended", mode = "run_off", valid_from = 2026-11-05T00:00:00Z }]; click A @2d; order @3d
                UNATTRIBUTED 410; A PARTNER_INACTIVE 410, age 1d
        "#]],
    );
}

#[test]
fn equal_times_are_broken_by_sequence_so_exactly_one_is_last() {
    check(
        &["click A @0d; click B @0d; order @1d", "click B @0d; click A @0d; order @1d"],
        expect![[r#"
            click A @0d; click B @0d; order @1d
                ATTRIBUTED B gets 10000000; B CREDITED 0, age 1d; A NOT_SELECTED 404, age 1d
            click B @0d; click A @0d; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 1d; B NOT_SELECTED 404, age 1d
        "#]],
    );
}
