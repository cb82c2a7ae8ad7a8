//! Faults of files, one for each way to be wrong, by their messages.
//!
//! Each test changes one place of a file without faults (`whole.toml`) and shows what is said about it.

use expect_test::{Expect, expect};
use proptest::prelude::{prop_assert, proptest};

use super::super::{CatalogFile, Format};
use super::printed;

const WHOLE: &str = include_str!("whole.toml");

/// The faults of the whole file with `old` replaced by `new`.
#[track_caller]
fn check(old: &str, new: &str, said: &Expect) {
    assert!(WHOLE.contains(old), "{old:?} is not in whole.toml");
    let faults = CatalogFile::parse(&WHOLE.replacen(old, new, 1), Format::Toml).unwrap_err();
    said.assert_eq(&printed(&faults));
}

#[test]
fn the_whole_file_has_no_faults() {
    assert!(CatalogFile::parse(WHOLE, Format::Toml).is_ok());
}

#[test]
fn a_file_that_is_no_toml() {
    check(
        r#"title = "Shop""#,
        r#"title = "Shop"#,
        &expect![[r#"
        2:14 the file is not valid TOML: invalid basic string, expected `"`; mend the syntax here; the content is checked after that
    "#]],
    );
}

#[test]
fn an_unknown_top_level_key() {
    check(
        "[program.shop]
",
        "[progam.shop]
",
        &expect![[r#"
            1:2 progam: `progam` is an unknown key; did you mean `program`?
            19:10 program.shop.title: is missing; add `title = "…"`
            19:10 program.shop.home: is missing; add `home = "https://shop.example/"`
            19:10 program.shop.sites: is missing; add `sites = ["https://shop.example"]`
            19:10 program.shop.currency: is missing; add `currency = "EUR"`
            19:10 program.shop.time_zone: is missing; add `time_zone = "Europe/Paris"`
        "#]],
    );
}

#[test]
fn a_mistyped_key() {
    check(
        "landing_parameter =",
        "landing_paramter =",
        &expect![[r#"
        7:1 program.shop.landing_paramter: `landing_paramter` is an unknown key; did you mean `landing_parameter`?
    "#]],
    );
}

#[test]
fn a_key_that_is_like_none() {
    check(
        "afsrc = true",
        r#"colour = "red""#,
        &expect![[r#"
        9:1 program.shop.colour: `colour` is an unknown key; remove it; known here: afsrc, channel, consent, cookie, currency, decimal_mark, deep_link_hosts, fallback, forward_parameters, goal, home, landing_parameter, link_keys, mode, referrer_policy, reports, segment, sites, state, terms, time_zone, title
    "#]],
    );
}

#[test]
fn a_missing_title() {
    check(
        r#"title = "Shop"
"#,
        "",
        &expect![[r#"
            1:10 program.shop.title: is missing; add `title = "…"`
        "#]],
    );
}

#[test]
fn a_missing_home() {
    check(
        r#"home = "https://shop.example/"
"#,
        "",
        &expect![[r#"
            1:10 program.shop.home: is missing; add `home = "https://shop.example/"`
        "#]],
    );
}

#[test]
fn a_name_with_a_space() {
    check(
        "[program.shop]
",
        r#"[program."my shop"]
"#,
        &expect![[r#"
            1:10 program.my shop: "my shop" is not a name: a name is 1 to 32 of the characters 0-9 A-Z a-z _ -; choose another name
            19:10 program.shop.title: is missing; add `title = "…"`
            19:10 program.shop.home: is missing; add `home = "https://shop.example/"`
            19:10 program.shop.sites: is missing; add `sites = ["https://shop.example"]`
            19:10 program.shop.currency: is missing; add `currency = "EUR"`
            19:10 program.shop.time_zone: is missing; add `time_zone = "Europe/Paris"`
        "#]],
    );
}

#[test]
fn an_empty_title() {
    check(
        r#"title = "Shop""#,
        r#"title = " ""#,
        &expect![[r#"
        2:9 program.shop.title: is empty; write something or remove the key
    "#]],
    );
}

#[test]
fn a_title_with_a_control_character() {
    check(
        r#"title = "Shop""#,
        r#"title = "Sh\u0007op""#,
        &expect![[r#"
        2:9 program.shop.title: has a control character; remove it
    "#]],
    );
}

#[test]
fn a_title_that_is_a_number() {
    check(
        r#"title = "Shop""#,
        "title = 7",
        &expect![[r#"
        2:9 program.shop.title: is a number, but text is expected; write it as "…"
    "#]],
    );
}

#[test]
fn a_home_page_that_is_no_address() {
    check(
        r#"home = "https://shop.example/""#,
        r#"home = "shop.example""#,
        &expect![[r#"
        3:8 program.shop.home: is not a URL: relative URL without a base; write a whole address without macros, such as "https://shop.example/"
    "#]],
    );
}

#[test]
fn a_home_page_of_another_scheme() {
    check(
        r#"home = "https://shop.example/""#,
        r#"home = "ftp://shop.example/""#,
        &expect![[r#"
        3:8 program.shop.home: has the scheme ftp; only http and https are followed; write a whole address without macros, such as "https://shop.example/"
    "#]],
    );
}

#[test]
fn a_home_page_with_a_macro() {
    check(
        r#"home = "https://shop.example/""#,
        r#"home = "https://shop.example/{s1}""#,
        &expect![[r#"
            3:8 program.shop.home: has a macro, which is not filled in here; write a whole address without macros, such as "https://shop.example/"
        "#]],
    );
}

#[test]
fn a_site_with_a_path() {
    check(
        r#"sites = ["https://shop.example"]"#,
        r#"sites = ["https://shop.example/a"]"#,
        &expect![[r#"
            4:10 program.shop.sites[1]: "https://shop.example/a" has a path, which no origin has; write scheme and host alone, such as "https://shop.example"
        "#]],
    );
}

#[test]
fn a_site_that_is_a_host() {
    check(
        r#"sites = ["https://shop.example"]"#,
        r#"sites = ["shop.example"]"#,
        &expect![[r#"
        4:10 program.shop.sites[1]: "shop.example" is not an origin: relative URL without a base; write scheme and host alone, such as "https://shop.example"
    "#]],
    );
}

#[test]
fn a_site_with_a_star() {
    check(
        r#"sites = ["https://shop.example"]"#,
        r#"sites = ["https://*.shop.example"]"#,
        &expect![[r#"
            4:10 program.shop.sites[1]: "https://*.shop.example" does not name one host; write scheme and host alone, such as "https://shop.example"
        "#]],
    );
}

#[test]
fn a_site_named_twice() {
    check(
        r#"sites = ["https://shop.example"]"#,
        r#"sites = ["https://shop.example", "https://SHOP.example:443"]"#,
        &expect![[r#"
            4:34 program.shop.sites[2]: stands in the list twice; keep one of the two
        "#]],
    );
}

#[test]
fn a_list_that_is_text() {
    check(
        r#"sites = ["https://shop.example"]"#,
        r#"sites = "https://shop.example""#,
        &expect![[r#"
            4:9 program.shop.sites: is text, but a list is expected; write it as [ … ]
        "#]],
    );
}

#[test]
fn a_deep_link_host_above_a_public_suffix() {
    check(
        r#"["shop.example", "*.shop.example"]"#,
        r#"["*.co.uk"]"#,
        &expect![[r#"
        5:20 program.shop.deep_link_hosts[1]: "*.co.uk" does not fit: *.co.uk would cover the sites of many owners; write shop.example or *.shop.example
    "#]],
    );
}

#[test]
fn a_deep_link_host_with_a_scheme() {
    check(
        r#"["shop.example", "*.shop.example"]"#,
        r#"["https://shop.example"]"#,
        &expect![[r#"
        5:20 program.shop.deep_link_hosts[1]: "https://shop.example" does not fit: a host alone is expected, without scheme and path; write shop.example or *.shop.example
    "#]],
    );
}

#[test]
fn a_deep_link_host_with_a_bad_port() {
    check(
        r#"["shop.example", "*.shop.example"]"#,
        r#"["shop.example:99999"]"#,
        &expect![[r#"
        5:20 program.shop.deep_link_hosts[1]: "shop.example:99999" does not fit: "99999" is not a port; write shop.example or *.shop.example
    "#]],
    );
}

#[test]
fn a_fallback_with_a_user() {
    check(
        r#"fallback = "https://shop.example/old""#,
        r#"fallback = "https://me:pw@shop.example/old""#,
        &expect![[r#"
            6:12 program.shop.fallback: carries a user name or password; write a whole address without macros, such as "https://shop.example/"
        "#]],
    );
}

#[test]
fn a_landing_parameter_with_a_space() {
    check(
        r#"landing_parameter = "sl_click""#,
        r#"landing_parameter = "my click""#,
        &expect![[r#"
        7:21 program.shop.landing_parameter: "my click" is not the name of a parameter; use 1 to 64 of the characters 0-9 A-Z a-z _ - .
    "#]],
    );
}

#[test]
fn a_landing_parameter_that_is_the_marker() {
    check(
        r#"landing_parameter = "sl_click""#,
        r#"landing_parameter = "AFSRC""#,
        &expect![[r#"
        7:21 program.shop.landing_parameter: is the name of the stand-down marker; choose another name
    "#]],
    );
}

#[test]
fn a_forwarded_parameter_in_no_form() {
    check(
        r#"["utm_*", "lang"]"#,
        r#"["utm_*x"]"#,
        &expect![[r#"
        8:23 program.shop.forward_parameters[1]: "utm_*x" is neither the name of a parameter nor a prefix with * at its end; write it as "utm_*" or "ref"
    "#]],
    );
}

#[test]
fn a_forwarded_parameter_that_covers_ours() {
    check(
        r#"["utm_*", "lang"]"#,
        r#"["sl_*"]"#,
        &expect![[r#"
        8:23 program.shop.forward_parameters[1]: "sl_*" covers sl_click, which the redirect sets itself; narrow it
    "#]],
    );
}

#[test]
fn a_forwarded_parameter_that_covers_the_marker() {
    check(
        r#"["utm_*", "lang"]"#,
        r#"["afsrc"]"#,
        &expect![[r#"
        8:23 program.shop.forward_parameters[1]: "afsrc" covers afsrc, which the redirect sets itself; narrow it
    "#]],
    );
}

#[test]
fn a_switch_that_is_text() {
    check(
        "afsrc = true",
        r#"afsrc = "yes""#,
        &expect![[r#"
        9:9 program.shop.afsrc: is text, but true or false is expected; write it as true
    "#]],
    );
}

#[test]
fn an_unknown_referrer_policy() {
    check(
        r#"referrer_policy = "origin""#,
        r#"referrer_policy = "unsafe-url""#,
        &expect![[r#"
        10:19 program.shop.referrer_policy: "unsafe-url" is not a value of it; use "strict-origin-when-cross-origin", "no-referrer", "origin", "strict-origin", "same-origin", "no-referrer-when-downgrade"
    "#]],
    );
}

#[test]
fn an_unknown_time_zone() {
    check(
        r#"time_zone = "Europe/Paris""#,
        r#"time_zone = "Europe/Pariss""#,
        &expect![[r#"
        11:13 program.shop.time_zone: "Europe/Pariss" is not a time zone; write a name of the IANA list, such as "Europe/Paris" or "UTC"
    "#]],
    );
}

#[test]
fn an_unknown_currency() {
    check(
        r#"currency = "EUR""#,
        r#"currency = "EURO""#,
        &expect![[r#"
        12:12 program.shop.currency: "EURO" does not fit: is not an ISO 4217 currency code in use; write an ISO 4217 code, such as "EUR"
    "#]],
    );
}

#[test]
fn an_unknown_decimal_mark() {
    check(
        r#"decimal_mark = "dot""#,
        r#"decimal_mark = ".""#,
        &expect![[r#"
        13:16 program.shop.decimal_mark: "." is not a value of it; use "dot", "comma"
    "#]],
    );
}

#[test]
fn a_link_key_that_is_a_secret() {
    check(
        r#"link_keys = ["shop-links-1"]"#,
        r#"link_keys = ["p4ss w0rd!"]"#,
        &expect![[r#"
        14:14 program.shop.link_keys[1]: is not the id of a key; write the id under which the secret stands in the key file; never the secret itself
    "#]],
    );
}

#[test]
fn a_cookie_domain_that_is_a_public_suffix() {
    check(
        r#"domain = "shop.example""#,
        r#"domain = "co.uk""#,
        &expect![[r#"
        17:21 program.shop.cookie.domain: "co.uk" is a public suffix: browsers refuse cookies for all its sites; write the registrable domain that shop and edge share, such as "shop.example"
    "#]],
    );
}

#[test]
fn a_cookie_domain_that_is_an_address() {
    check(
        r#"domain = "shop.example""#,
        r#"domain = "192.0.2.1""#,
        &expect![[r#"
        17:21 program.shop.cookie.domain: "192.0.2.1" is not a domain; write the registrable domain that shop and edge share, such as "shop.example"
    "#]],
    );
}

#[test]
fn an_unknown_third_party_rule() {
    check(
        r#"third_party = "off""#,
        r#"third_party = "partitioned""#,
        &expect![[r#"
        17:51 program.shop.cookie.third_party: "partitioned" is not a value of it; use "off", "unpartitioned"
    "#]],
    );
}

#[test]
fn a_path_prefix_without_slash() {
    check(
        r#"path_prefix = "/sl""#,
        r#"path_prefix = "sl/""#,
        &expect![[r#"
        17:72 program.shop.cookie.path_prefix: "sl/" is not a path prefix; begin it with / and end it without, such as "/sl"
    "#]],
    );
}

#[test]
fn a_cookie_that_lives_too_long() {
    check(
        r#"max_age = "30d""#,
        r#"max_age = "401d""#,
        &expect![[r#"
        17:89 program.shop.cookie.max_age: is 401d, above the limit of 400d; shorten it to at most "400d"
    "#]],
    );
}

#[test]
fn an_unknown_consent_default() {
    check(
        r#"unknown = "click_id""#,
        r#"unknown = "maybe""#,
        &expect![[r#"
        18:23 program.shop.consent.unknown: "maybe" is not a value of it; use "denied", "click_id", "granted"
    "#]],
    );
}

#[test]
fn an_unknown_answer_to_gpc() {
    check(
        r#"gpc = "deny""#,
        "gpc = true",
        &expect![[r#"
        18:41 program.shop.consent.gpc: is true or false, but text is expected; write it as "deny"
    "#]],
    );
}

#[test]
fn a_vendor_out_of_range() {
    check(
        "tcf_vendor = 755",
        "tcf_vendor = 70000",
        &expect![[r#"
        18:96 program.shop.consent.tcf_vendor: is 70000, outside 1 to 65535; use a number from 1 to 65535
    "#]],
    );
}

#[test]
fn an_unknown_trust_of_pages() {
    check(
        r#"page = "require_click_id""#,
        r#"page = "yes""#,
        &expect![[r#"
        20:8 program.shop.reports.page: "yes" is not a value of it; use "off", "require_click_id", "allow"
    "#]],
    );
}

#[test]
fn a_token_instead_of_its_hash() {
    check(
        "token_sha256 = [",
        r#"token = "s3cret"
token_sha256 = ["#,
        &expect![[r#"
            21:9 program.shop.reports.token: would put a secret into the catalog, which is copied to every node and kept for ever; write its hash: token_sha256 = ["…"], from `printf %s TOKEN | sha256sum`
        "#]],
    );
}

#[test]
fn a_token_hash_that_is_none() {
    check(
        r#"token_sha256 = ["0000000000000000000000000000000000000000000000000000000000000000"]"#,
        r#"token_sha256 = ["s3cret"]"#,
        &expect![[r#"
            21:17 program.shop.reports.token_sha256[1]: is not a SHA-256 hash; write the 64 hexadecimal digits of `printf %s TOKEN | sha256sum`; never the token itself
        "#]],
    );
}

#[test]
fn three_signing_keys() {
    check(
        r#"hmac_keys = ["shop-1"]"#,
        r#"hmac_keys = ["a", "b", "c"]"#,
        &expect![[r#"
        22:13 program.shop.reports.hmac_keys: names 3 keys, above the limit of 2; keep the key in use and the next one
    "#]],
    );
}

#[test]
fn a_network_that_is_none() {
    check(
        r#"source_networks = ["192.0.2.0/24"]"#,
        r#"source_networks = ["192.0.2.0/33"]"#,
        &expect![[r#"
            23:20 program.shop.reports.source_networks[1]: "192.0.2.0/33" is no address and no network; write it as "192.0.2.7", "192.0.2.0/24" or "2001:db8::/32"
        "#]],
    );
}

#[test]
fn a_goal_with_a_bad_switch() {
    check(
        "paid = false",
        "paid = 0",
        &expect![[r#"
        26:8 program.shop.goal.signup.paid: is a number, but true or false is expected; write it as true
    "#]],
    );
}

#[test]
fn a_goal_with_a_value() {
    check(
        "paid = false",
        "value = 5",
        &expect![[r#"
        26:1 program.shop.goal.signup.value: `value` (commission rules) is not part of this version yet; remove it; a later version will have it
    "#]],
    );
}

#[test]
fn a_program_state_that_is_none() {
    check(
        r#"state = "live""#,
        r#"state = "off""#,
        &expect![[r#"
        15:9 program.shop.state: "off" is not a value of it; use "live", "paused"
    "#]],
    );
}

#[test]
fn a_mode_by_time_without_value() {
    check(
        r#"mode = "observe""#,
        "mode = [{ valid_from = 2026-01-01T00:00:00Z }]",
        &expect![[r#"
        16:9 program.shop.mode[1].value: is missing; add `value = "…"`
    "#]],
    );
}

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

#[test]
fn an_unknown_kind_of_partner() {
    check(
        r#"kind = "content""#,
        r#"kind = "blog""#,
        &expect![[r#"
        64:8 partner.lea.kind: "blog" is not a value of it; use "content", "influencer", "comparison", "coupon", "cashback", "reward", "extension", "email", "brand", "on_site_technology", "sub_network", "media_buyer"
    "#]],
    );
}

#[test]
fn a_partner_without_program() {
    check(
        r#"program.shop = { state = "approved", segment = "social" }
"#,
        "",
        &expect![[r#"
            62:10 partner.lea.program: is missing; add `program = { NAME = { state = "approved" } }`
            75:11 link.lea-home.partner: names "lea", who has no part in shop; add [partner.lea.program.shop]
        "#]],
    );
}

#[test]
fn a_partner_in_an_unknown_program() {
    check(
        r#"program.shop = { state = "approved""#,
        r#"program.shpo = { state = "approved""#,
        &expect![[r#"
            65:9 partner.lea.program.shpo: names the program "shpo", which does not exist; add the program, or name one that exists
            76:11 link.lea-home.partner: names "lea", who has no part in shop; add [partner.lea.program.shop]
        "#]],
    );
}

#[test]
fn a_partner_in_an_unknown_segment() {
    check(
        r#"segment = "social" }"#,
        r#"segment = "socail" }"#,
        &expect![[r#"
        65:48 partner.lea.program.shop.segment[1]: names the segment "socail", which shop does not have; did you mean "social"?
    "#]],
    );
}

#[test]
fn a_partner_state_that_is_none() {
    check(
        r#"program.shop = { state = "approved""#,
        r#"program.shop = { state = "active""#,
        &expect![[r#"
            65:26 partner.lea.program.shop.state: "active" is not a value of it; use "invited", "applied", "approved", "rejected", "suspended", "ended"
        "#]],
    );
}

#[test]
fn a_partner_without_state() {
    check(
        r#"program.shop = { state = "approved", "#,
        "program.shop = { ",
        &expect![[r#"
        65:9 partner.lea.program.shop.state: is missing; add `state = "approved"`
    "#]],
    );
}

#[test]
fn an_end_in_an_unknown_mode() {
    check(
        r#"mode = "run_off""#,
        r#"mode = "stop""#,
        &expect![[r#"
        72:29 partner.old.program.shop.state[2].mode: "stop" is not a value of it; use "freeze", "run_off", "forfeit"
    "#]],
    );
}

#[test]
fn a_forfeit_without_evidence() {
    check(
        r#"mode = "run_off""#,
        r#"mode = "forfeit", reason = "fake orders""#,
        &expect![[r#"
        72:3 partner.old.program.shop.state[2].evidence: is missing: open orders are taken away only with a reason and evidence; add `evidence = "…"`, or end it by "freeze" or "run_off"
    "#]],
    );
}

#[test]
fn an_end_mode_without_end() {
    check(
        r#"{ value = "approved" },"#,
        r#"{ value = "approved", mode = "freeze" },"#,
        &expect![[r#"
            71:32 partner.old.program.shop.state[1].mode: belongs to the state "ended" only; remove it
        "#]],
    );
}

#[test]
fn a_link_without_program() {
    check(
        r#"program = "shop"
partner = "lea"
"#,
        r#"partner = "lea"
"#,
        &expect![[r#"
            74:7 link.lea-home.program: is missing; add `program = "…"`
        "#]],
    );
}

#[test]
fn a_link_of_an_unknown_program() {
    check(
        r#"program = "shop"
partner = "lea"
"#,
        r#"program = "shops"
partner = "lea"
"#,
        &expect![[r#"
            75:11 link.lea-home.program: names the program "shops", which does not exist; did you mean "shop"?
        "#]],
    );
}

#[test]
fn a_link_of_an_unknown_partner() {
    check(
        r#"partner = "lea"
"#,
        r#"partner = "leo"
"#,
        &expect![[r#"
            76:11 link.lea-home.partner: names the partner "leo", which does not exist; did you mean "lea"?
        "#]],
    );
}

#[test]
fn a_link_of_a_partner_elsewhere() {
    check(
        r#"program = "shop"
partner = "lea"
"#,
        r#"program = "other"
partner = "lea"
"#,
        &expect![[r#"
            76:11 link.lea-home.partner: names "lea", who has no part in other; add [partner.lea.program.other]
        "#]],
    );
}

#[test]
fn a_link_of_nobody() {
    check(
        r#"partner = "lea"
"#,
        "",
        &expect![[r#"
            74:7 link.lea-home: has neither a partner nor a channel; add `partner = "…"`, or `channel = "…"` for one of the merchant's own channels
        "#]],
    );
}

#[test]
fn a_link_of_a_partner_on_an_own_channel() {
    check(
        r#"partner = "lea"
"#,
        r#"partner = "lea"
channel = "paid-search"
"#,
        &expect![[r#"
            77:11 link.lea-home.channel: is "paid-search", an own channel, but the link has a partner; choose another channel, or remove the partner
        "#]],
    );
}

#[test]
fn a_link_of_an_unknown_own_channel() {
    check(
        r#"channel = "paid-search"
dest"#,
        r#"channel = "paid_search"
dest"#,
        &expect![[r#"
            81:11 link.search.channel: names "paid_search", which is no own channel of shop; did you mean "paid-search"?
        "#]],
    );
}

#[test]
fn a_destination_with_an_unknown_macro() {
    check(
        "?s={s1}",
        "?s={s11}",
        &expect![[r#"
        77:15 link.lea-home.destination: has the unknown macro {s11}; did you mean {s1}?
    "#]],
    );
}

#[test]
fn a_destination_with_a_near_macro() {
    check(
        "?s={s1}",
        "?s={clik_id}",
        &expect![[r#"
        77:15 link.lea-home.destination: has the unknown macro {clik_id}; did you mean {click_id}?
    "#]],
    );
}

#[test]
fn a_destination_with_a_macro_of_orders() {
    check(
        "?s={s1}",
        "?s={sale_amount}",
        &expect![[r#"
        77:15 link.lea-home.destination: has the macro {sale_amount}, whose value is known only after an order; remove it
    "#]],
    );
}

#[test]
fn a_destination_with_a_macro_in_its_host() {
    check(
        "https://shop.example/?s={s1}",
        "https://{s1}.shop.example/",
        &expect![[r#"
        77:15 link.lea-home.destination: has a macro before its path; scheme, host and port are fixed; remove it
    "#]],
    );
}

#[test]
fn a_destination_with_an_open_brace() {
    check(
        "?s={s1}",
        "?s={s1",
        &expect![[r#"
        77:15 link.lea-home.destination: has a brace that belongs to no macro; write a literal brace as %7B or %7D
    "#]],
    );
}

#[test]
fn a_destination_that_sets_the_click_id() {
    check(
        "?s={s1}",
        "?sl_click=1",
        &expect![[r#"
        77:15 link.lea-home.destination: carries the parameter sl_click, which the redirect sets itself; remove the parameter
    "#]],
    );
}

#[test]
fn a_destination_that_is_too_long() {
    check(
        "?s={s1}",
        "?s=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        &expect![[r#"
            77:15 link.lea-home.destination: is longer than 2048 bytes; shorten it
        "#]],
    );
}

#[test]
fn a_creative_that_is_too_long() {
    check(
        r#"creative = "banner""#,
        r#"creative = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#,
        &expect![[r#"
            78:12 link.lea-home.creative: has 65 bytes, above the limit of 64; shorten it to 64 bytes
        "#]],
    );
}

#[test]
fn an_exempt_link_of_a_content_partner() {
    check(
        r#"creative = "banner""#,
        "exempt = true",
        &expect![[r#"
        78:10 link.lea-home.exempt: is set, but "lea" is neither a cashback nor a reward partner; remove it: only their visitors asked for a service that needs the tracker
    "#]],
    );
}

#[test]
fn an_exempt_link_of_an_own_channel() {
    check(
        r#"channel = "paid-search"
dest"#,
        r#"exempt = true
channel = "paid-search"
dest"#,
        &expect![[r#"
            81:10 link.search.exempt: is set on a link of an own channel; remove it: only links of cashback and reward partners may be exempt
        "#]],
    );
}

#[test]
fn a_link_state_that_is_none() {
    check(
        r#"creative = "banner""#,
        r#"state = "paused""#,
        &expect![[r#"
        78:9 link.lea-home.state: "paused" is not a value of it; use "live", "disabled"
    "#]],
    );
}

#[test]
fn an_expiry_that_is_no_time() {
    check(
        r#"creative = "banner""#,
        "expires = 20261231",
        &expect![[r#"
        78:11 link.lea-home.expires: is a number, but a time is expected; write it as 2026-01-31T00:00:00Z or 2026-01-31T01:00:00+01:00
    "#]],
    );
}

#[test]
fn two_programs_with_one_token() {
    check(
        r#"page = "allow""#,
        r#"token_sha256 = ["0000000000000000000000000000000000000000000000000000000000000000"]"#,
        &expect![[r#"
            61:16 program.other.reports.token_sha256: has a token that program shop has as well; give each program tokens of its own: a token names its program
        "#]],
    );
}

#[test]
fn two_programs_with_one_key() {
    check(
        r#"page = "allow""#,
        r#"hmac_keys = ["shop-1"]"#,
        &expect![[r#"
        61:13 program.other.reports.hmac_keys: names the key "shop-1", which program shop names as well; give each program keys of its own: a key names its program
    "#]],
    );
}

/// Keys of later versions are refused by name, wherever somebody may try them.
#[test]
fn a_key_of_a_later_version_is_refused_by_name() {
    let places = [
        ("program.shop", "afsrc = true\n", "coupons dialect compat commission rules always_200"),
        (
            "program.shop.terms[1]",
            "semantics = 1\n",
            "dedup_window dedup_scope in_cart_window in_cart_evidence in_cart_solo visit_gap collapse \
             collapse_gap tiers pin click_id max_touches binding preferred coupons commission rules caps",
        ),
        ("partner.lea", "kind = \"content\"\n", "postback payout"),
        ("link.lea-home", "creative = \"banner\"\n", "coupon commission split"),
    ];
    for (path, before, keys) in places {
        for key in keys.split_whitespace() {
            let text = WHOLE.replacen(before, &format!("{before}{key} = 1\n"), 1);
            let faults = CatalogFile::parse(&text, Format::Toml).unwrap_err();
            let said = printed(&faults);
            assert_eq!(faults.len(), 1, "{said}");
            assert_eq!(faults[0].field, format!("{path}.{key}"));
            assert!(said.contains(&format!("`{key}` (")), "{said}");
            assert!(said.contains("is not part of this version yet"), "{said}");
        }
    }
}

#[test]
fn all_faults_come_at_once_in_the_order_of_the_file() {
    let text = WHOLE
        .replacen("lookback_click = \"30d\"", "lookback_click = \"91d\"", 1)
        .replacen("currency = \"EUR\"", "currency = \"EURO\"", 1)
        .replacen("kind = \"content\"", "kind = \"blog\"", 1)
        .replacen("segment = \"social\"", "segment = \"socail\"", 1)
        .replacen("?s={s1}", "?s={s11}", 1)
        .replacen("channel = \"paid-search\"\ndest", "channel = \"search\"\ndest", 1);
    let faults = CatalogFile::parse(&text, Format::Toml).unwrap_err();
    let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "program.shop.currency",
            "program.shop.terms[1].lookback_click",
            "partner.lea.kind",
            "partner.lea.program.shop.segment[1]",
            "link.lea-home.destination",
            "link.search.channel",
        ]
    );
}

#[test]
fn more_faults_than_a_screen_can_hold_are_counted() {
    let keys: String = (0..1_200).map(|n| format!("unknown-{n} = 1\n")).collect();
    let faults = CatalogFile::parse(&format!("{keys}{WHOLE}"), Format::Toml).unwrap_err();
    assert_eq!(faults.len(), crate::limits::FAULTS_MAX + 1);
    assert_eq!(faults.last().unwrap().problem, "200 more faults are not listed");
}

#[test]
fn columns_count_characters_not_bytes() {
    let faults =
        CatalogFile::parse("program = { \"é\" = 1, \"ü\" = 2 }", Format::Toml).unwrap_err();
    assert_eq!((faults[1].line, faults[1].column), (1, 19));
}

/// The faults of a JSON text.
#[track_caller]
fn check_json(text: &str, said: &Expect) {
    let faults = CatalogFile::parse(text, Format::Json).unwrap_err();
    said.assert_eq(&printed(&faults));
}

#[test]
fn json_has_the_same_faults_with_its_own_places() {
    check_json(
        "{\"program\": {\n  \"shop\": {\"title\": \"Shop\", \"home\": \"x\", \"sites\": [],\n    \"currency\": \"EUR\", \"time_zone\": \"UTC\",\n    \"terms\": [{\"lookback_click\": \"91d\", \"lookback_impression\": null,\n      \"lateness\": null}]}}}",
        &expect![[r#"
            2:37 program.shop.home: is not a URL: relative URL without a base; write a whole address without macros, such as "https://shop.example/"
            4:34 program.shop.terms[1].lookback_click: is 91d, above the limit of 90d; shorten it to at most "90d"
            5:19 program.shop.terms[1].lateness: is null, but a duration is expected; write it as "30d"
        "#]],
    );
}

#[test]
fn json_that_is_none_says_where_it_breaks() {
    check_json(
        "",
        &expect![[r#"
        1:1 the file is not valid JSON: it ends too early; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "[]",
        &expect![[r#"
        1:1 the file is a list, but a table is expected; begin it with { "program": { … } }
    "#]],
    );
    check_json(
        "{\"program\": {},}",
        &expect![[r#"
        1:16 the file is not valid JSON: a key in double quotes is expected; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\" {}}",
        &expect![[r#"
        1:12 the file is not valid JSON: a colon is expected after a key; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\": {}} x",
        &expect![[r#"
        1:17 the file is not valid JSON: there is text after its end; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\": {\"shop\": 01}}",
        &expect![[r#"
        1:22 the file is not valid JSON: a number is malformed; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\": \"a\nb\"}",
        &expect![[r#"
        1:13 the file is not valid JSON: a text has a wrong escape or a control character; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\": \"abc",
        &expect![[r#"
        1:17 the file is not valid JSON: a text does not end; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\": {}, \"program\": {}}",
        &expect![[r#"
        1:17 the key "program" stands twice in one object; keep one of the two
    "#]],
    );
    check_json(
        &"[".repeat(100),
        &expect![[r#"
        1:18 the file is not valid JSON: it is nested too deeply; mend the syntax here; the content is checked after that
    "#]],
    );
}

#[test]
fn a_file_that_is_nested_without_end_is_refused() {
    for text in [format!("a = {}", "[".repeat(100_000)), format!("{}a = 1", "a.".repeat(100_000))] {
        assert!(CatalogFile::parse(&text, Format::Toml).is_err());
    }
}

proptest! {
    /// Whatever is cut out of the whole file, or put into it, is read or refused, never more.
    #[test]
    fn a_damaged_file_is_refused_without_panic(
        from in 0..WHOLE.len(), length in 0..200_usize, put in "[\\[\\]{}\"\\\\'=,.#a-z0-9\n é]{0,12}"
    ) {
        let ends = |at: usize| WHOLE.char_indices().map(|(i, _)| i).find(|i| *i >= at).unwrap_or(WHOLE.len());
        let mut text = WHOLE.to_owned();
        text.replace_range(ends(from)..ends(from + length), &put);
        for format in [Format::Toml, Format::Json] {
            if let Err(faults) = CatalogFile::parse(&text, format) {
                for fault in faults {
                    prop_assert!(fault.line >= 1 && fault.column >= 1 && !fault.problem.is_empty());
                }
            }
        }
        let quoted = format!("{{\"program\": {{\"shop\": {{\"title\": \"{put}\", \"sites\": [{put}]}}}}}}");
        drop(CatalogFile::parse(&quoted, Format::Json));
    }
}
