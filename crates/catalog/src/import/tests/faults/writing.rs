//! Faults of how a file is written: syntax, keys, names, texts.

use expect_test::expect;

use super::check;

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
