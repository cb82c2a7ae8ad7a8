//! What each step does, by example.

use event::Code;
use expect_test::expect;

use super::check;
use crate::build::World;

#[test]
fn an_order_without_any_touch_is_decided() {
    check(
        &["order @1d", "click A @0d by=stranger; order @1d"],
        expect![[r#"
        order @1d
            UNATTRIBUTED 201
        click A @0d by=stranger; order @1d
            UNATTRIBUTED 201
    "#]],
    );
}

#[test]
fn a_window_is_the_partners_else_its_segments_else_the_programs() {
    check(
        &[
            r#"lookback 10d; segment s lookback_click = "5d"; partner A in s; partner A lookback_click = "2d"; click A @0d; order @3d"#,
            r#"lookback 10d; segment s lookback_click = "5d"; partner A in s; click A @0d; order @5d+1ms"#,
            r#"lookback 10d; segment s lookback_click = "5d"; click A @0d; order @6d"#,
            r#"lookback 1d; segment s lookback_click = "5d"; partner A in s; click A @0d; order @4d"#,
        ],
        expect![[r#"
            lookback 10d; segment s lookback_click = "5d"; partner A in s; partner A lookback_click = "2d"; click A @0d; order @3d
                UNATTRIBUTED 401; A OUT_OF_WINDOW 401, age 3d
            lookback 10d; segment s lookback_click = "5d"; partner A in s; click A @0d; order @5d+1ms
                UNATTRIBUTED 401; A OUT_OF_WINDOW 401, age 5d1ms
            lookback 10d; segment s lookback_click = "5d"; click A @0d; order @6d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 6d
            lookback 1d; segment s lookback_click = "5d"; partner A in s; click A @0d; order @4d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 4d
        "#]],
    );
}

#[test]
fn off_stops_the_search_for_a_window() {
    check(
        &[
            r#"partner A lookback_impression = "off"; view A @0d; order @1h"#,
            r#"segment s lookback_click = "off"; partner A in s; click A @0d; order @1h"#,
        ],
        expect![[r#"
            partner A lookback_impression = "off"; view A @0d; order @1h
                UNATTRIBUTED 413; A TYPE_DISABLED 413, age 1h
            segment s lookback_click = "off"; partner A in s; click A @0d; order @1h
                UNATTRIBUTED 413; A TYPE_DISABLED 413, age 1h
        "#]],
    );
}

#[test]
fn own_channels_use_the_programs_window_and_take_the_order_like_any_other() {
    check(
        &[
            "click A @0d; own search @1h; order @1d",
            "own search @0d; click A @1h; order @1d",
            "lookback 1h; own search @0d; order @1h+1ms",
        ],
        expect![[r#"
            click A @0d; own search @1h; order @1d
                LOST_TO_CHANNEL search gets 10000000; search CREDITED 0, age 23h; A NOT_SELECTED 404, age 1d
            own search @0d; click A @1h; order @1d
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 23h; search NOT_SELECTED 404, age 1d
            lookback 1h; own search @0d; order @1h+1ms
                UNATTRIBUTED 401; search OUT_OF_WINDOW 401, age 1h1ms
        "#]],
    );
}

#[test]
fn a_channel_without_credit_gives_way_unless_it_is_alone() {
    check(
        &[
            "click A @0d; own direct @1h; order @1d",
            "own direct @0d; own direct#2 @1h; order @1d",
            "click A @0d channel=direct; own direct @1h; order @1d",
        ],
        expect![[r#"
            click A @0d; own direct @1h; order @1d
                ATTRIBUTED A gets 10000000; direct NON_CREDIT_CHANNEL 408, age 23h; A CREDITED 0, age 1d
            own direct @0d; own direct#2 @1h; order @1d
                LOST_TO_CHANNEL direct#2 gets 10000000; direct#2 CREDITED 0, age 23h; direct NOT_SELECTED 404, age 1d
            click A @0d channel=direct; own direct @1h; order @1d
                LOST_TO_CHANNEL direct gets 10000000; direct CREDITED 0, age 23h; A NOT_SELECTED 404, age 1d
        "#]],
    );
}

#[test]
fn any_eligible_click_excludes_impressions_unless_switched_off() {
    check(
        &[
            "click A @0h; view B @1h; order @2h",
            "terms click_over_impression = false; click A @0h; view B @1h; order @2h",
            "lookback 1h; click A @0h; view B @1h; order @2h",
        ],
        expect![[r#"
            click A @0h; view B @1h; order @2h
                ATTRIBUTED A gets 10000000; B OUTRANKED_CLASS 405, age 1h; A CREDITED 0, age 2h
            terms click_over_impression = false; click A @0h; view B @1h; order @2h
                ATTRIBUTED B gets 10000000; B CREDITED 0, age 1h; A NOT_SELECTED 404, age 2h
            lookback 1h; click A @0h; view B @1h; order @2h
                ATTRIBUTED B gets 10000000; B CREDITED 0, age 1h; A OUT_OF_WINDOW 401, age 2h
        "#]],
    );
}

#[test]
fn the_orders_channel_excludes_what_the_merchant_says() {
    check(
        &[
            r#"terms channel_map = { ads = "none" }; click A @0d; order @1d channel=ads"#,
            r#"terms channel_map = { ads = "none" }; order @1d channel=ads"#,
            r#"terms channel_map = { ads = "none" }; click A @0d; own search @1h; order @1d channel=Ads"#,
            r#"terms channel_map = { d = "click_only" }; click A @0h; view B @1h; order @2h channel=d"#,
            r#"terms channel_map = { d = "impression_only" }; click A @0h; view B @1h; order @2h channel=d"#,
            r#"terms channel_map = { d = "impression_only" }; click A @0h; order @2h channel=d"#,
            r#"terms channel_map = { d = "none" }; click A @0h; order @2h channel=e"#,
            r#"terms channel_map = { d = "none" }; partner A channel_map = { d = "any" }; click A @0h; click B @1h; order @2h channel=d"#,
            r#"partner A channel_map = { d = "none" }; click A @0h; order @2h channel=d"#,
        ],
        expect![[r#"
            terms channel_map = { ads = "none" }; click A @0d; order @1d channel=ads
                LOST_TO_CHANNEL 408; A CHANNEL_EXCLUDED 408, age 1d
            terms channel_map = { ads = "none" }; order @1d channel=ads
                LOST_TO_CHANNEL 408
            terms channel_map = { ads = "none" }; click A @0d; own search @1h; order @1d channel=Ads
                LOST_TO_CHANNEL search gets 10000000; search CREDITED 0, age 23h; A CHANNEL_EXCLUDED 408, age 1d
            terms channel_map = { d = "click_only" }; click A @0h; view B @1h; order @2h channel=d
                ATTRIBUTED A gets 10000000; B CHANNEL_EXCLUDED 408, age 1h; A CREDITED 0, age 2h
            terms channel_map = { d = "impression_only" }; click A @0h; view B @1h; order @2h channel=d
                ATTRIBUTED B gets 10000000; B CREDITED 0, age 1h; A CHANNEL_EXCLUDED 408, age 2h
            terms channel_map = { d = "impression_only" }; click A @0h; order @2h channel=d
                UNATTRIBUTED 408; A CHANNEL_EXCLUDED 408, age 2h
            terms channel_map = { d = "none" }; click A @0h; order @2h channel=e
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
            terms channel_map = { d = "none" }; partner A channel_map = { d = "any" }; click A @0h; click B @1h; order @2h channel=d
                ATTRIBUTED A gets 10000000; B CHANNEL_EXCLUDED 408, age 1h; A CREDITED 0, age 2h
            partner A channel_map = { d = "none" }; click A @0h; order @2h channel=d
                LOST_TO_CHANNEL 408; A CHANNEL_EXCLUDED 408, age 2h
        "#]],
    );
}

#[test]
fn flags_that_the_program_excludes_are_invalid_traffic_and_others_are_not() {
    check(
        &[
            "click A @0h; click B @1h flags=bot_ua; order @2h",
            "click A @0h; click B @1h flags=query_repaired; order @2h",
            "click A @0h; click B @1h; flag B @5d; order @2h",
        ],
        expect![[r#"
            click A @0h; click B @1h flags=bot_ua; order @2h
                ATTRIBUTED A gets 10000000; B INVALID_TRAFFIC 417, age 1h; A CREDITED 0, age 2h
            click A @0h; click B @1h flags=query_repaired; order @2h
                ATTRIBUTED B gets 10000000; B CREDITED 0, age 1h; A NOT_SELECTED 404, age 2h
            click A @0h; click B @1h; flag B @5d; order @2h
                ATTRIBUTED A gets 10000000; B INVALID_TRAFFIC 417, age 1h; A CREDITED 0, age 2h
        "#]],
    );
}

#[test]
fn head_requests_tests_and_denied_clicks_are_no_candidates() {
    check(
        &[
            "click A @0h flags=head; order @2h",
            "click A @0h test; order @2h",
            "click A @0h; order @2h test",
            "click A @0h test; order @2h test",
            "click A @0h test; order @2h click=A",
            "click A @0h consent=denied; order @2h",
        ],
        expect![[r#"
            click A @0h flags=head; order @2h
                UNATTRIBUTED 201
            click A @0h test; order @2h
                UNATTRIBUTED 201
            click A @0h; order @2h test
                UNATTRIBUTED 201
            click A @0h test; order @2h test
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
            click A @0h test; order @2h click=A
                UNATTRIBUTED 201
            click A @0h consent=denied; order @2h
                UNATTRIBUTED 201
        "#]],
    );
}

#[test]
fn a_prefetched_click_needs_its_activation_or_an_order_with_its_id() {
    check(
        &[
            "click A @0h flags=prefetch; order @2h",
            "click A @0h flags=prefetch; activate A @5m; order @2h",
            "click A @0h flags=prefetch; order @2h click=A",
            "click A @0h flags=prerender; order @2h",
            "click A @0h flags=prefetch claim; order @2h click=A",
        ],
        expect![[r#"
            click A @0h flags=prefetch; order @2h
                UNATTRIBUTED 201
            click A @0h flags=prefetch; activate A @5m; order @2h
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
            click A @0h flags=prefetch; order @2h click=A
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h, LINKED
            click A @0h flags=prerender; order @2h
                UNATTRIBUTED 201
            click A @0h flags=prefetch claim; order @2h click=A
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h, LINKED, CLAIM_ONLY
        "#]],
    );
}

#[test]
fn consent_of_touch_and_order_says_which_evidence_attributes() {
    check(
        &[
            "click A @0h consent=granted; order @2h",
            "click A @0h consent=granted; order @2h consent=denied",
            "click A @0h consent=granted; order @2h consent=denied click=A",
            "click A @0h consent=unknown; order @2h",
            "click A @0h consent=unknown none; order @2h click=A",
            "click A @0h consent=unknown none; order @2h click=A consent=denied",
            "click A @0h consent=exempt none; order @2h exempt=A consent=denied",
            "click A @0h consent=exempt none; order @2h click=A consent=denied",
            "click A @0h consent=exempt; order @2h",
            "click A @0h consent=granted by=kate; order @2h by=kate",
            "click A @0h consent=granted by=kate; order @2h by=kate consent=denied",
        ],
        expect![[r#"
            click A @0h consent=granted; order @2h
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
            click A @0h consent=granted; order @2h consent=denied
                UNATTRIBUTED 411; A NO_CONSENT 411, age 2h
            click A @0h consent=granted; order @2h consent=denied click=A
                UNATTRIBUTED 411; A NO_CONSENT 411, age 2h, LINKED
            click A @0h consent=unknown; order @2h
                UNATTRIBUTED 411; A NO_CONSENT 411, age 2h
            click A @0h consent=unknown none; order @2h click=A
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h, LINKED
            click A @0h consent=unknown none; order @2h click=A consent=denied
                UNATTRIBUTED 411; A NO_CONSENT 411, age 2h, LINKED
            click A @0h consent=exempt none; order @2h exempt=A consent=denied
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h, LINKED
            click A @0h consent=exempt none; order @2h click=A consent=denied
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h, LINKED
            click A @0h consent=exempt; order @2h
                UNATTRIBUTED 411; A NO_CONSENT 411, age 2h
            click A @0h consent=granted by=kate; order @2h by=kate
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
            click A @0h consent=granted by=kate; order @2h by=kate consent=denied
                UNATTRIBUTED 411; A NO_CONSENT 411, age 2h
        "#]],
    );
}

#[test]
fn the_latest_choice_at_a_landing_replaces_the_clicks_own() {
    check(
        &[
            "click A @0h consent=unknown none; land A @1h consent=granted by=x; order @2h",
            "click A @0h consent=unknown none; land A @1h by=x; order @2h",
            "click A @0h; land A @1h consent=denied; order @2h",
            "click A @0h; land A @1h consent=denied; land A @90m consent=granted; order @2h",
            "click A @0h; land A @90m consent=granted; land A @1h consent=denied; order @2h",
            "click A @0h; land A @1h consent=granted; land A @1h consent=unknown; order @2h",
            "click A @0h consent=exempt none; land A @1h consent=denied; order @2h exempt=A",
        ],
        expect![[r#"
            click A @0h consent=unknown none; land A @1h consent=granted by=x; order @2h
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
            click A @0h consent=unknown none; land A @1h by=x; order @2h
                UNATTRIBUTED 411; A NO_CONSENT 411, age 2h
            click A @0h; land A @1h consent=denied; order @2h
                UNATTRIBUTED 411; A NO_CONSENT 411, age 2h
            click A @0h; land A @1h consent=denied; land A @90m consent=granted; order @2h
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
            click A @0h; land A @90m consent=granted; land A @1h consent=denied; order @2h
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
            click A @0h; land A @1h consent=granted; land A @1h consent=unknown; order @2h
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
            click A @0h consent=exempt none; land A @1h consent=denied; order @2h exempt=A
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h, LINKED
        "#]],
    );
}

#[test]
fn a_click_is_known_from_its_id_alone() {
    check(
        &[
            "click A @0h claim; order @2h click=A",
            "click A @0h; order @2h click=A",
            "click A @0h claim none; land A @1h by=x; order @2h",
            "click A @0h claim; click B @1h; order @2h click=A",
            "click A @0h none; order @2h click=A",
        ],
        expect![[r#"
            click A @0h claim; order @2h click=A
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h, LINKED, CLAIM_ONLY
            click A @0h; order @2h click=A
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h, LINKED
            click A @0h claim none; land A @1h by=x; order @2h
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h, CLAIM_ONLY
            click A @0h claim; click B @1h; order @2h click=A
                ATTRIBUTED B gets 10000000; B CREDITED 0, age 1h; A NOT_SELECTED 404, age 2h, LINKED, CLAIM_ONLY
            click A @0h none; order @2h click=A
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h, LINKED
        "#]],
    );
}

#[test]
fn merges_join_people_in_any_number_of_steps() {
    check(
        &[
            "click A @0h by=y; merge x z @1h; merge z y @1h; order @2h",
            "click A @0h by=y; order @2h by=x,y",
            "click A @0h by=y,x; merge x y @1h; order @2h",
            "click A @0h by=y; merge x y @1h test; order @2h",
        ],
        expect![[r#"
            click A @0h by=y; merge x z @1h; merge z y @1h; order @2h
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h, VIA_MERGE
            click A @0h by=y; order @2h by=x,y
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
            click A @0h by=y,x; merge x y @1h; order @2h
                ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
            click A @0h by=y; merge x y @1h test; order @2h
                UNATTRIBUTED 201
        "#]],
    );
}

#[test]
fn an_identity_above_its_maximum_is_ignored() {
    check(
        &[
            "terms identity_max = 3; click A @0h by=y; click B @1h; merge x y @1h; merge y z @1h; order @2h",
            "terms identity_max = 3; click A @0h by=y; click B @1h; merge x y @1h; merge y z @1h; merge z w @1h; order @2h",
        ],
        expect![[r#"
            terms identity_max = 3; click A @0h by=y; click B @1h; merge x y @1h; merge y z @1h; order @2h
                ATTRIBUTED B gets 10000000; B CREDITED 0, age 1h; A NOT_SELECTED 404, age 2h, VIA_MERGE
            terms identity_max = 3; click A @0h by=y; click B @1h; merge x y @1h; merge y z @1h; merge z w @1h; order @2h
                ATTRIBUTED B gets 10000000; B CREDITED 0, age 1h
        "#]],
    );
}

#[test]
fn a_touch_is_never_consumed() {
    check(
        &["click A @0h; order @2h; order @3h id=P"],
        expect![[r#"
        click A @0h; order @2h; order @3h id=P
            ATTRIBUTED A gets 10000000; A CREDITED 0, age 2h
    "#]],
    );
}

#[test]
fn a_lead_of_nothing_is_credited_as_any_other() {
    check(
        &["click A @0h; order @2h amount=0"],
        expect![[r#"
        click A @0h; order @2h amount=0
            ATTRIBUTED A gets 0; A CREDITED 0, age 2h
    "#]],
    );
}

#[test]
fn a_channel_that_the_program_does_not_map_is_noted() {
    let map = r#"terms channel_map = { ads = "click_only" }; click A @0d; order @1d"#;
    for (channel, noted) in [("", false), (" channel=ads", false), (" channel=unheard-of", true)] {
        let decision = &World::read(&format!("{map}{channel}")).decisions()[0];
        let notes = &decision.trace.notes;
        assert_eq!(notes.contains(&Code::ChannelUnmapped), noted, "{channel}: {notes:?}");
        assert!(decision.winner.is_some(), "{channel}");
    }
}

#[test]
fn whether_a_partner_is_active_is_part_of_what_was_read() {
    let decided = |state: &str| {
        let world = World::read(&format!("state A \"{state}\"; click A @0d; order @1d"));
        world.decisions().remove(0)
    };
    let (approved, suspended) = (decided("approved"), decided("suspended"));
    assert_eq!(approved.version, suspended.version);
    assert_ne!(approved.inputs_hash, suspended.inputs_hash);
    assert_eq!(approved.inputs_hash, decided("approved").inputs_hash);
}
