//! Faults of links.

use expect_test::expect;

use super::check;

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
            92:32 program.shop.terms[3].commission[7].link: names the link "lea-home", which shop does not have; add the link; one that terms name stays in the file, disabled
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
