//! Faults of terms, and versions by time.

use expect_test::expect;

use super::check;

#[test]
fn a_window_above_the_horizon() {
    check(
        r#"lookback_click = "30d""#,
        r#"lookback_click = "91d""#,
        &expect![[r#"
        35:18 program.shop.terms[1].lookback_click: is 91d, above the limit of 90d; shorten it to at most "90d"
    "#]],
    );
}

#[test]
fn a_window_without_unit() {
    check(
        r#"lookback_click = "30d""#,
        "lookback_click = 30",
        &expect![[r#"
        35:18 program.shop.terms[1].lookback_click: is 30 without a unit; write it as "30d", "30h", "30m" or "30s"
    "#]],
    );
}

#[test]
fn a_window_in_weeks() {
    check(
        r#"lookback_click = "30d""#,
        r#"lookback_click = "4w""#,
        &expect![[r#"
        35:18 program.shop.terms[1].lookback_click: "4w" is not a duration; write whole numbers with d, h, m, s or ms, such as "30d", "24h" or "90m"
    "#]],
    );
}

#[test]
fn a_window_that_is_a_fraction() {
    check(
        r#"lookback_click = "30d""#,
        "lookback_click = 1.5",
        &expect![[r#"
        35:18 program.shop.terms[1].lookback_click: is the number 1.5, but a duration is expected; write it as "30d"
    "#]],
    );
}

#[test]
fn an_unknown_key_of_terms() {
    check(
        r#"lookback_click = "30d""#,
        r#"lookback_clicks = "30d""#,
        &expect![[r#"
        35:1 program.shop.terms[1].lookback_clicks: `lookback_clicks` is an unknown key; did you mean `lookback_click`?
    "#]],
    );
}

#[test]
fn a_channel_treatment_that_is_none() {
    check(
        r#"display = "impression_only""#,
        r#"display = "impressions""#,
        &expect![[r#"
        38:27 program.shop.terms[1].channel_map.display: "impressions" is not a value of it; use "none", "any", "click_only", "impression_only"
    "#]],
    );
}

#[test]
fn a_channel_mapped_twice() {
    check(
        r#"display = "impression_only""#,
        r#"display = "any", Display = "none""#,
        &expect![[r#"
        38:34 program.shop.terms[1].channel_map.Display: is mapped twice (values compare trimmed and without regard to case); keep one of the two
    "#]],
    );
}

#[test]
fn a_non_credit_channel_that_nobody_has() {
    check(
        r#"non_credit_channels = ["direct"]"#,
        r#"non_credit_channels = ["paid-serch"]"#,
        &expect![[r#"
            39:23 program.shop.terms[1].non_credit_channels: names "paid-serch", which no link and no own channel has; did you mean "paid-search"?
        "#]],
    );
}

#[test]
fn a_dedup_rule_of_a_later_version() {
    check(
        r#"dedup_conflict = "reject""#,
        r#"dedup_conflict = "increment""#,
        &expect![[r#"
        41:18 program.shop.terms[1].dedup_conflict: "increment" is not part of this version yet; use "reject" or "amend"; a later version will have it
    "#]],
    );
}

#[test]
fn a_dedup_rule_that_is_none() {
    check(
        r#"dedup_conflict = "reject""#,
        r#"dedup_conflict = "ignore""#,
        &expect![[r#"
        41:18 program.shop.terms[1].dedup_conflict: "ignore" is not a value of it; use "reject", "amend"
    "#]],
    );
}

#[test]
fn a_lateness_above_the_limit() {
    check(
        r#"lateness = "7d""#,
        r#"lateness = "8d""#,
        &expect![[r#"
        42:12 program.shop.terms[1].lateness: is 8d, above the limit of 7d; shorten it to at most "7d"
    "#]],
    );
}

#[test]
fn a_lock_above_the_limit() {
    check(
        r#"lock_after = "30d""#,
        r#"lock_after = "38d""#,
        &expect![[r#"
        46:14 program.shop.terms[1].lock_after: is 38d, above the limit of 37d; shorten it to at most "37d"
    "#]],
    );
}

#[test]
fn a_lock_by_the_month_that_is_too_late_or_not_whole_or_beside_another() {
    for (lock, expected) in [
        (
            "lock = { month_end_plus = 6 }",
            expect![[r#"
            46:27 program.shop.terms[1].lock.month_end_plus: is 6, outside 0 to 5; use a number from 0 to 5
        "#]],
        ),
        (
            "lock = { month_end_plus = 3, days_after = \"shipping\" }",
            expect![[r#"
            46:30 program.shop.terms[1].lock.days_after: `days_after` (locks by shipping or service date) is not part of this version yet; remove it; a later version will have it
        "#]],
        ),
        (
            "lock = {}",
            expect![[r#"
            46:8 program.shop.terms[1].lock.month_end_plus: is missing; add `month_end_plus = 3`
        "#]],
        ),
        (
            "lock = \"month_end\"",
            expect![[r#"
            46:8 program.shop.terms[1].lock: is no table; write lock = { month_end_plus = 3 }, or lock_after = "30d"
        "#]],
        ),
        (
            "lock_after = \"30d\"\nlock = { month_end_plus = 3 }",
            expect![[r#"
            47:8 program.shop.terms[1].lock: stands beside `lock_after`; keep one of the two
        "#]],
        ),
    ] {
        check(r#"lock_after = "30d""#, lock, &expected);
    }
}

#[test]
fn an_evidence_window_above_the_limit() {
    check(
        r#"evidence_window = "30m""#,
        r#"evidence_window = "25h""#,
        &expect![[r#"
        45:19 program.shop.terms[1].evidence_window: is 25h, above the limit of 1d; shorten it to at most "1d"
    "#]],
    );
}

#[test]
fn sources_that_are_not_all_ranked() {
    check(
        r#"source_ranks = ["s2s", "tag", "pixel", "import"]"#,
        r#"source_ranks = ["s2s", "tag"]"#,
        &expect![[r#"
            47:16 program.shop.terms[1].source_ranks: does not rank every source; name each of s2s, tag, pixel and import once, the most trusted first
        "#]],
    );
}

#[test]
fn a_source_that_is_none() {
    check(
        r#"source_ranks = ["s2s", "tag", "pixel", "import"]"#,
        r#"source_ranks = ["s2s", "tag", "pixel", "csv"]"#,
        &expect![[r#"
            47:40 program.shop.terms[1].source_ranks[4]: "csv" is not a value of it; use "s2s", "tag", "pixel", "import"
        "#]],
    );
}

#[test]
fn an_identity_that_is_too_large() {
    check(
        "identity_max = 64",
        "identity_max = 1001",
        &expect![[r#"
        48:16 program.shop.terms[1].identity_max: is 1001, outside 1 to 1000; use a number from 1 to 1000
    "#]],
    );
}

#[test]
fn an_excluded_flag_that_is_none() {
    check(
        r#"excluded_flags = ["bot_ua"]"#,
        r#"excluded_flags = ["bot"]"#,
        &expect![[r#"
        49:19 program.shop.terms[1].excluded_flags[1]: "bot" is not a value of it; use "bot_ua", "no_ua", "datacenter", "image_load", "iframe", "gpc", "dnt", "tcf_unreadable", "link_disabled", "link_expired", "program_paused", "partner_ended", "deeplink_refused", "query_repaired", "param_duplicate", "param_conflict", "macro_unexpanded", "subid_truncated", "cookie_bad_mac", "items_sum_differs", "time_clamped"
    "#]],
    );
}

#[test]
fn an_excluded_flag_with_a_rule_of_its_own() {
    check(
        r#"excluded_flags = ["bot_ua"]"#,
        r#"excluded_flags = ["prefetch"]"#,
        &expect![[r#"
        49:19 program.shop.terms[1].excluded_flags[1]: has a rule of its own, whatever the terms say; remove it from the list
    "#]],
    );
}

#[test]
fn semantics_that_nobody_knows() {
    check(
        "semantics = 1",
        "semantics = 2",
        &expect![[r#"
        50:13 program.shop.terms[1].semantics: is 2, but this version decides by the rules 1 only; write 1, or install a version that knows 2
    "#]],
    );
}

#[test]
fn a_model_of_a_later_version() {
    check(
        r#"model = "last""#,
        r#"model = "linear""#,
        &expect![[r#"
        51:9 program.shop.terms[1].model: the model "linear" is not part of this version yet; use "last" or remove the key; a later version will have other models
    "#]],
    );
}

#[test]
fn a_start_without_offset() {
    check(
        "valid_from = 2026-01-01T00:00:00Z",
        "valid_from = 2026-01-01",
        &expect![[r#"
        33:14 program.shop.terms[1].valid_from: "2026-01-01" is not a time with an offset; write it as 2026-01-31T00:00:00Z or 2026-01-31T01:00:00+01:00
    "#]],
    );
}

#[test]
fn a_start_that_is_no_time() {
    check(
        "valid_from = 2026-01-01T00:00:00Z",
        r#"valid_from = "tomorrow""#,
        &expect![[r#"
        33:14 program.shop.terms[1].valid_from: "tomorrow" is not a time with an offset; write it as 2026-01-31T00:00:00Z or 2026-01-31T01:00:00+01:00
    "#]],
    );
}

#[test]
fn a_start_finer_than_a_millisecond() {
    check(
        "valid_from = 2026-01-01T00:00:00Z",
        "valid_from = 2026-01-01T00:00:00.0001Z",
        &expect![[r#"
            33:14 program.shop.terms[1].valid_from: "2026-01-01T00:00:00.0001Z" is finer than a millisecond; write at most three decimals
        "#]],
    );
}

#[test]
fn an_end_before_its_start() {
    check(
        "valid_to = 2026-06-01T00:00:00Z",
        "valid_to = 2026-01-01T00:00:00Z",
        &expect![[r#"
        34:12 program.shop.terms[1].valid_to: is not after its start 2026-01-01T00:00:00.000Z; a version holds from valid_from until just before valid_to
    "#]],
    );
}

#[test]
fn versions_that_overlap() {
    check(
        "valid_to = 2026-06-01T00:00:00Z",
        "valid_to = 2026-07-01T00:00:00.001Z",
        &expect![[r#"
        53:14 program.shop.terms[2].valid_from: overlaps version 1, which ends at 2026-07-01T00:00:00.001Z; start it at that time or later
    "#]],
    );
}

#[test]
fn versions_out_of_order() {
    check(
        "valid_from = 2026-07-01T00:00:00Z",
        "valid_from = 2026-01-01T00:00:00Z",
        &expect![[r#"
        53:14 program.shop.terms[2].valid_from: is not after the start of version 1 before it; put the versions in the order of their start
    "#]],
    );
}

#[test]
fn a_second_version_without_start() {
    check(
        "valid_from = 2026-07-01T00:00:00Z
",
        "",
        &expect![[r#"
            52:1 program.shop.terms[2].valid_from: is missing; add `valid_from = 2026-01-31T00:00:00Z`; only the first version may go without
        "#]],
    );
}

#[test]
fn terms_that_are_a_word() {
    check(
        r#"terms = [{ lookback_impression = "6h" }]"#,
        r#"terms = "6h""#,
        &expect![[r#"
        31:9 program.shop.segment.social.terms: is text, but a list is expected; write it as [ … ]
    "#]],
    );
}
