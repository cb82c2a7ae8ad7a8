//! Faults of partners.

use expect_test::expect;

use super::check;

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
            87:15 program.shop.terms[3].commission[3].partner: names "lea", who has no part in shop; add [partner.lea.program.shop], or remove the name
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
            88:15 program.shop.terms[3].commission[3].partner: names "lea", who has no part in shop; add [partner.lea.program.shop], or remove the name
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
