//! Faults of programs.

use expect_test::expect;

use super::check;

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
        26:1 program.shop.goal.signup.value: `value` (values of goals) is not part of this version yet; remove it; a later version will have it
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
