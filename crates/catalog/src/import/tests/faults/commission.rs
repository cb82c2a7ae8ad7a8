//! Faults of commission rules and margins.

use expect_test::expect;

use super::{WHOLE, check};
use crate::import::{CatalogFile, Format};

#[test]
fn a_rule_that_does_not_say_what_it_pays() {
    check(
        ", excluded = true }",
        " }",
        &expect![[r#"
        86:3 program.shop.terms[3].commission[1]: does not say what it pays; add one of percent, per_order, excluded, per_click, per_thousand_impressions, per_day, per_week, per_month
    "#]],
    );
}

#[test]
fn a_rule_that_pays_in_two_ways() {
    check(
        r#"{ percent = "5" }"#,
        r#"{ percent = "5", per_order = "1" }"#,
        &expect![[r#"
        90:32 program.shop.terms[3].commission[5].per_order: stands beside `percent`, but a rule pays in one way; keep one of the two, or make two rules of it
    "#]],
    );
}

#[test]
fn an_exclusion_that_is_false() {
    check(
        "excluded = true",
        "excluded = false",
        &expect![[r#"
        86:63 program.shop.terms[3].commission[1].excluded: is false, which says nothing; write `excluded = true`, or what it pays
    "#]],
    );
}

#[test]
fn a_percentage_that_is_a_float() {
    check(
        r#"{ percent = "5" }"#,
        "{ percent = 7.5 }",
        &expect![[r#"
        90:15 program.shop.terms[3].commission[5].percent: is the number 7.5, which is not exact; write it as text: "7.5"
    "#]],
    );
}

#[test]
fn a_percentage_in_words() {
    check(
        r#"{ percent = "5" }"#,
        r#"{ percent = "five" }"#,
        &expect![[r#"
            90:15 program.shop.terms[3].commission[5].percent: "five" is not a decimal number (digits, then at most one decimal mark and digits); write a number such as "7.5"
        "#]],
    );
}

#[test]
fn a_percentage_with_a_comma_and_a_sign() {
    check(
        r#"{ percent = "5" }"#,
        r#"{ percent = "12,5 %" }"#,
        &expect![[r#"
            90:15 program.shop.terms[3].commission[5].percent: "12,5 %" is not a decimal number (digits, then at most one decimal mark and digits); write it as "12.5"
        "#]],
    );
}

#[test]
fn a_percentage_above_100() {
    check(
        r#"{ percent = "5" }"#,
        r#"{ percent = "100.0001" }"#,
        &expect![[r#"
        90:15 program.shop.terms[3].commission[5].percent: is 100.0001 percent, above 100; write a percentage from 0 to 100
    "#]],
    );
}

#[test]
fn a_percentage_with_five_decimals() {
    check(
        r#"{ percent = "5" }"#,
        r#"{ percent = "5.00001" }"#,
        &expect![[r#"
        90:15 program.shop.terms[3].commission[5].percent: has more than 4 decimals; round it to 4 decimals
    "#]],
    );
}

#[test]
fn a_negative_percentage() {
    check(
        r#"{ percent = "5" }"#,
        "{ percent = -5 }",
        &expect![[r#"
            90:15 program.shop.terms[3].commission[5].percent: "-5" is not a decimal number (digits, then at most one decimal mark and digits); write a number such as "7.5"
        "#]],
    );
}

#[test]
fn a_percentage_that_is_a_list() {
    check(
        r#"{ percent = "5" }"#,
        r#"{ percent = ["5"] }"#,
        &expect![[r#"
        90:15 program.shop.terms[3].commission[5].percent: is a list, but a decimal number as text is expected; write it as "7.5"
    "#]],
    );
}

#[test]
fn an_amount_that_is_a_float() {
    check(
        r#"per_order = "3.00""#,
        "per_order = 3.0",
        &expect![[r#"
        88:102 program.shop.terms[3].commission[3].per_order: is the number 3.0, which is not exact; write it as text: "3.0"
    "#]],
    );
}

#[test]
fn an_amount_finer_than_a_micro() {
    check(
        r#"per_click = "0.04""#,
        r#"per_click = "0.0000001""#,
        &expect![[r#"
            92:17 program.shop.terms[3].commission[7].per_click: "0.0000001" has more than 6 decimals; round it to 6 decimals
        "#]],
    );
}

#[test]
fn an_amount_above_the_limit() {
    check(
        r#"per_month = "50.00""#,
        r#"per_month = "1000000000.01""#,
        &expect![[r#"
        96:17 program.shop.terms[3].commission[11].per_month: is 1000000000.01, above the limit of 1000000000; write a smaller amount
    "#]],
    );
}

#[test]
fn a_click_that_pays_zero() {
    check(
        r#"per_click = "0.04""#,
        r#"per_click = "0""#,
        &expect![[r#"
        92:17 program.shop.terms[3].commission[7].per_click: pays nothing; write an amount, or remove the rule
    "#]],
    );
}

#[test]
fn a_cap_of_zero() {
    check(
        r#"cap_per_order = "40.00""#,
        r#"cap_per_order = "0.00""#,
        &expect![[r#"
        87:71 program.shop.terms[3].commission[2].cap_per_order: caps everything to nothing; write `excluded = true` for what is not paid
    "#]],
    );
}

#[test]
fn a_cap_on_clicks() {
    check(
        r#"per_click = "0.04""#,
        r#"per_click = "0.04", cap_per_order = "1""#,
        &expect![[r#"
        92:41 program.shop.terms[3].commission[7].cap_per_order: caps what an order pays, but per_click pays none; remove it
    "#]],
    );
}

#[test]
fn a_cap_on_an_exclusion() {
    check(
        "excluded = true",
        r#"excluded = true, cap_per_order = "1""#,
        &expect![[r#"
        86:85 program.shop.terms[3].commission[1].cap_per_order: caps what an order pays, but excluded pays none; remove it
    "#]],
    );
}

#[test]
fn a_currency_that_is_none() {
    check(
        r#"currency = "USD""#,
        r#"currency = "USX""#,
        &expect![[r#"
        91:33 program.shop.terms[3].commission[6].currency: "USX" does not fit: is not an ISO 4217 currency code in use; write an ISO 4217 code, such as "EUR"
    "#]],
    );
}

#[test]
fn a_goal_that_nobody_has() {
    check(
        r#"goal = ["sale"]"#,
        r#"goal = ["sal"]"#,
        &expect![[r#"
            87:12 program.shop.terms[3].commission[2].goal: names the goal "sal", which shop does not have; did you mean "sale"?
        "#]],
    );
}

#[test]
fn a_goal_that_is_not_paid() {
    check(
        r#"goal = ["sale"]"#,
        r#"goal = ["sale", "signup"]"#,
        &expect![[r#"
        87:12 program.shop.terms[3].commission[2].goal: names the goal "signup", which is not paid; set [program.shop.goal.signup] paid = true
    "#]],
    );
}

#[test]
fn a_partner_that_nobody_is() {
    check(
        r#"{ partner = "lea""#,
        r#"{ partner = "laa""#,
        &expect![[r#"
            88:15 program.shop.terms[3].commission[3].partner: names the partner "laa", which does not exist; did you mean "lea"?
        "#]],
    );
}

#[test]
fn a_partner_without_a_part_in_the_program() {
    check(
        r#"[[program.shop.terms]]
valid_from = 2027"#,
        r#"[[program.other.terms]]
valid_from = 2027"#,
        &expect![[r#"
            88:15 program.other.terms[1].commission[3].partner: names "lea", who has no part in other; add [partner.lea.program.other], or remove the name
            88:32 program.other.terms[1].commission[3].segment: names the segment "social", which other does not have; add the segment to the program
            92:32 program.other.terms[1].commission[7].link: names the link "lea-home", which other does not have; add the link; one that terms name stays in the file, disabled
        "#]],
    );
}

#[test]
fn a_segment_that_the_program_does_not_have() {
    check(
        r#"segment = ["social"], partner_kind"#,
        r#"segment = ["socail"], partner_kind"#,
        &expect![[r#"
            88:32 program.shop.terms[3].commission[3].segment: names the segment "socail", which shop does not have; did you mean "social"?
        "#]],
    );
}

#[test]
fn a_kind_of_partner_that_is_none() {
    check(
        r#"partner_kind = "content""#,
        r#"partner_kind = "blog""#,
        &expect![[r#"
        88:59 program.shop.terms[3].commission[3].partner_kind: "blog" is not a value of it; use "content", "influencer", "comparison", "coupon", "cashback", "reward", "extension", "email", "brand", "on_site_technology", "sub_network", "media_buyer"
    "#]],
    );
}

#[test]
fn a_channel_that_no_link_has() {
    check(
        r#"channel = "partner""#,
        r#"channel = "partners""#,
        &expect![[r#"
        89:46 program.shop.terms[3].commission[4].channel: names the channel "partners", which no partner's link has; did you mean "partner"?
    "#]],
    );
}

#[test]
fn an_own_channel_in_a_rule() {
    check(
        r#"channel = "partner""#,
        r#"channel = "paid-search""#,
        &expect![[r#"
        89:46 program.shop.terms[3].commission[4].channel: names "paid-search", an own channel, which earns no commission; name a channel of partners' links
    "#]],
    );
}

#[test]
fn a_link_that_nobody_has() {
    check(
        r#"link = ["lea-home"]"#,
        r#"link = ["lea-hone"]"#,
        &expect![[r#"
        92:32 program.shop.terms[3].commission[7].link: names the link "lea-hone", which shop does not have; did you mean "lea-home"?
    "#]],
    );
}

#[test]
fn a_link_of_an_own_channel_in_a_rule() {
    check(
        r#"link = ["lea-home"]"#,
        r#"link = ["search"]"#,
        &expect![[r#"
        92:32 program.shop.terms[3].commission[7].link: names "search", a link of an own channel, which earns no commission; name a link of a partner
    "#]],
    );
}

#[test]
fn a_customer_that_is_neither_new_nor_returning() {
    check(
        r#"customer = "new""#,
        r#"customer = "loyal""#,
        &expect![[r#"
        87:33 program.shop.terms[3].commission[2].customer: "loyal" is not a value of it; use "new", "returning"
    "#]],
    );
}

#[test]
fn a_category_that_is_empty() {
    check(
        r#"category = ["gift-card"]"#,
        r#"category = [" "]"#,
        &expect![[r#"
        86:38 program.shop.terms[3].commission[1].category[1]: is empty; write something or remove the key
    "#]],
    );
}

#[test]
fn a_category_named_twice() {
    check(
        r#"category = ["gift-card"]"#,
        r#"category = ["gift-card", " GIFT-CARD"]"#,
        &expect![[r#"
            86:51 program.shop.terms[3].commission[1].category[2]: stands in the list twice; keep one of the two
        "#]],
    );
}

#[test]
fn a_category_above_the_limit() {
    check(
        r#"category = ["gift-card"]"#,
        r#"category = ["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]"#,
        &expect![[r#"
            86:38 program.shop.terms[3].commission[1].category[1]: has 129 bytes, above the limit of 128; shorten it to 128 bytes
        "#]],
    );
}

#[test]
fn a_condition_without_a_value() {
    check(
        r#"category = ["gift-card"]"#,
        "category = []",
        &expect![[r#"
        86:37 program.shop.terms[3].commission[1].category: is empty, so that nothing matches; name a value, or remove the key
    "#]],
    );
}

#[test]
fn a_start_at_its_end() {
    check(
        "until = 2027-02-01T00:00:00Z",
        "until = 2027-01-01T00:00:00Z",
        &expect![[r#"
        89:94 program.shop.terms[3].commission[4].until: is not after `from`, 2027-01-01T00:00:00.000Z; a rule matches orders from `from` until just before `until`
    "#]],
    );
}

#[test]
fn a_start_of_a_rule_without_offset() {
    check(
        ", from = 2027-01-01T00:00:00Z",
        ", from = 2027-01-01",
        &expect![[r#"
            89:64 program.shop.terms[3].commission[4].from: "2027-01-01" is not a time with an offset; write it as 2026-01-31T00:00:00Z or 2026-01-31T01:00:00+01:00
        "#]],
    );
}

#[test]
fn a_category_of_a_click() {
    check(
        r#"per_click = "0.04""#,
        r#"per_click = "0.04", category = "shoes""#,
        &expect![[r#"
        92:36 program.shop.terms[3].commission[7].category: is about an order, but per_click pays without one; remove it
    "#]],
    );
}

#[test]
fn new_customers_of_impressions() {
    check(
        r#"per_thousand_impressions = "2.00""#,
        r#"per_thousand_impressions = "2.00", customer = "new", goal = "sale""#,
        &expect![[r#"
            93:51 program.shop.terms[3].commission[8].customer: is about an order, but per_thousand_impressions pays without one; remove it
            93:65 program.shop.terms[3].commission[8].goal: is about an order, but per_thousand_impressions pays without one; remove it
        "#]],
    );
}

#[test]
fn a_link_of_a_month() {
    check(
        r#"per_month = "50.00""#,
        r#"per_month = "50.00", link = "lea-home""#,
        &expect![[r#"
        96:33 program.shop.terms[3].commission[11].link: is about a touch, but per_month pays without one; remove it
    "#]],
    );
}

#[test]
fn a_rule_behind_one_that_matches_everything() {
    check(
        r#"{ percent = "5" },"#,
        r#"{ percent = "5" },
  { goal = "sale", percent = "6" },"#,
        &expect![[r#"
            91:3 program.shop.terms[3].commission[6]: is never reached: rule 5 matches all that it matches, and comes first; put it before rule 5, or remove one of the two
        "#]],
    );
}

#[test]
fn a_rule_behind_one_that_matches_more() {
    check(
        r#"{ percent = "5" },"#,
        r#"{ sku = "x", category = "gift-card", percent = "2" },
  { percent = "5" },"#,
        &expect![[r#"
            90:3 program.shop.terms[3].commission[5]: is never reached: rule 1 ("Gift cards") matches all that it matches, and comes first; put it before rule 1, or remove one of the two
        "#]],
    );
}

#[test]
fn a_second_rule_for_clicks_in_whatever_currency() {
    check(
        "{ per_thousand_impressions",
        r#"{ per_click = "0.02", currency = "USD", link = "lea-home" },
  { per_thousand_impressions"#,
        &expect![[r#"
            93:3 program.shop.terms[3].commission[8]: is never reached: rule 7 matches all that it matches, and comes first; put it before rule 7, or remove one of the two
        "#]],
    );
}

#[test]
fn an_unknown_key_of_a_rule() {
    check(
        "cap_per_order",
        "cap_per_oder",
        &expect![[r#"
        87:55 program.shop.terms[3].commission[2].cap_per_oder: `cap_per_oder` is an unknown key; did you mean `cap_per_order`?
    "#]],
    );
}

#[test]
fn a_cap_of_a_later_version() {
    check(
        "cap_per_order",
        "cap_per_month",
        &expect![[r#"
        87:55 program.shop.terms[3].commission[2].cap_per_month: `cap_per_month` (caps over time) is not part of this version yet; remove it; a later version will have it
    "#]],
    );
}

#[test]
fn a_rule_that_is_a_word() {
    check(
        r#"{ percent = "5" }"#,
        r#""5 %""#,
        &expect![[r#"
        90:3 program.shop.terms[3].commission[5]: is text, but a table is expected; write it as { … }
    "#]],
    );
}

#[test]
fn rules_that_are_a_word() {
    check(
        r#"terms = [{ lookback_impression = "6h" }]"#,
        r#"terms = [{ commission = "5 %" }]"#,
        &expect![[r#"
            31:25 program.shop.segment.social.terms[1].commission: is text, but a list is expected; write it as [ … ]
        "#]],
    );
}

#[test]
fn a_margin_that_is_a_float() {
    check(
        r#"shoes = "42.5""#,
        "shoes = 42.5",
        &expect![[r#"
        98:37 program.shop.terms[3].margins.shoes: is the number 42.5, which is not exact; write it as text: "42.5"
    "#]],
    );
}

#[test]
fn a_margin_above_100() {
    check(
        r#"default = "35""#,
        r#"default = "101""#,
        &expect![[r#"
        98:23 program.shop.terms[3].margins.default: is 101 percent, above 100; write a percentage from 0 to 100
    "#]],
    );
}

#[test]
fn a_margin_given_twice() {
    check(
        r#"shoes = "42.5""#,
        r#"shoes = "42.5", Shoes = "40""#,
        &expect![[r#"
        98:45 program.shop.terms[3].margins.Shoes: stands here twice (categories compare trimmed and without regard to case); keep one of the two
    "#]],
    );
}

#[test]
fn a_margin_of_a_segment() {
    check(
        r#"terms = [{ lookback_impression = "6h" }]"#,
        r#"terms = [{ margins = { default = "35" } }]"#,
        &expect![[r#"
            31:12 program.shop.segment.social.terms[1].margins: `margins` has no place here; write it in the program's terms: margins are the merchant's
        "#]],
    );
}

#[test]
fn an_automatic_approval_that_is_a_word() {
    check(
        "auto_approve = true",
        r#"auto_approve = "yes""#,
        &expect![[r#"
        99:16 program.shop.terms[3].auto_approve: is text, but true or false is expected; write it as true
    "#]],
    );
}

#[test]
fn rules_beside_the_terms_of_a_program() {
    check(
        r#"decimal_mark = "dot""#,
        r#"commission = [{ percent = "5" }]"#,
        &expect![[r#"
        13:1 program.shop.commission: `commission` has no place here; write it in the terms: terms = [{ commission = [ … ] }]
    "#]],
    );
}

#[test]
fn rules_beside_the_terms_of_a_segment() {
    check(
        r#"terms = [{ lookback_impression = "6h" }]"#,
        r#"commission = [{ percent = "5" }]"#,
        &expect![[r#"
            31:1 program.shop.segment.social.commission: `commission` has no place here; write it in the terms: terms = [{ commission = [ … ] }]
        "#]],
    );
}

#[test]
fn rules_of_a_link() {
    check(
        r#"creative = "banner""#,
        r#"commission = "5""#,
        &expect![[r#"
        78:1 link.lea-home.commission: `commission` has no place here; write a rule with `link = ["…"]` in the terms of the program, segment or partner
    "#]],
    );
}

#[test]
fn another_segment_in_the_terms_of_a_segment() {
    check(
        r#"terms = [{ lookback_impression = "6h" }]"#,
        r#"terms = [{ commission = [{ segment = "none", percent = "5" }] }]"#,
        &expect![[r#"
            31:38 program.shop.segment.social.terms[1].commission[1].segment: names the segment "none", which shop does not have; add the segment to the program
            31:38 program.shop.segment.social.terms[1].commission[1].segment: never matches: these are the terms of the segment "social"; remove it, or move the rule
        "#]],
    );
}

#[test]
fn another_partner_in_the_terms_of_a_partner() {
    check(
        r#"segment = "social" }"#,
        r#"segment = "social", terms = [{ commission = [{ partner = "old", percent = "5" }] }] }"#,
        &expect![[r#"
            65:95 partner.lea.program.shop.terms[1].commission[1].partner: never matches: these are the terms of the partner "lea"; remove it, or move the rule
        "#]],
    );
}

#[test]
fn another_kind_in_the_terms_of_a_partner() {
    check(
        r#"segment = "social" }"#,
        r#"segment = "social", terms = [{ commission = [{ partner_kind = "coupon", percent = "5" }] }] }"#,
        &expect![[r#"
            65:100 partner.lea.program.shop.terms[1].commission[1].partner_kind: never matches: these are the terms of a partner of the kind "content"; remove it, or move the rule
        "#]],
    );
}

#[test]
fn a_link_of_another_in_the_terms_of_a_partner() {
    check(
        r#"state = [
"#,
        r#"terms = [{ commission = [{ link = "lea-home", percent = "5" }] }]
state = [
"#,
        &expect![[r#"
            70:35 partner.old.program.shop.terms[1].commission[1].link: names "lea-home", a link of lea, in the terms of old; name a link of the partner, or remove it
        "#]],
    );
}

/// The whole file with its list of rules replaced.
fn with_rules(rules: &str) -> Result<CatalogFile, Vec<crate::Fault>> {
    let text = WHOLE.replacen("terms = [{ lookback_impression = \"6h\" }]", rules, 1);
    CatalogFile::parse(&text, Format::Toml)
}

#[test]
fn a_list_of_200_rules_fits_and_one_of_201_does_not() {
    let list = |count: usize| {
        let rules: String =
            (0..count).map(|n| format!("{{ sku = \"{n}\", percent = \"5\" }}, ")).collect();
        with_rules(&format!("terms = [{{ commission = [{rules}] }}]"))
    };
    assert!(list(200).is_ok());
    let faults = list(201).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].problem, "has 201 rules, above the limit of 200");
}

#[test]
fn rules_that_only_look_alike_are_both_reached() {
    for rules in [
        r#"{ percent = "5" }, { percent = "5", currency = "USD" }"#,
        r#"{ category = "a", percent = "5" }, { percent = "5" }"#,
        r#"{ category = ["a", "b"], percent = "5" }, { category = ["b", "c"], percent = "6" }"#,
        r#"{ category = "a", percent = "5" }, { sku = "a", percent = "6" }"#,
        r#"{ customer = "new", percent = "5" }, { customer = "returning", percent = "6" }"#,
        r#"{ from = 2027-01-02T00:00:00Z, percent = "5" }, { from = 2027-01-01T00:00:00Z, percent = "6" }"#,
        r#"{ until = 2027-01-02T00:00:00Z, percent = "5" }, { percent = "6" }"#,
        r#"{ per_click = "1" }, { percent = "5" }"#,
        r#"{ per_day = "1" }, { per_month = "5" }"#,
        r#"{ sku = "a", percent = "5" }, { sku = "A", percent = "6" }"#,
    ] {
        let read = with_rules(&format!("terms = [{{ commission = [{rules}] }}]"));
        assert!(read.is_ok(), "{rules}: {read:?}");
    }
}

#[test]
fn a_hundred_percent_and_four_decimals_fit() {
    for percent in ["\"100\"", "100", "\"0.0001\"", "\"99.9999\"", "\"7.50000\""] {
        let rules = format!("terms = [{{ commission = [{{ percent = {percent} }}] }}]");
        assert!(with_rules(&rules).is_ok(), "{percent}");
    }
}

#[test]
fn rules_read_the_same_from_json() {
    let text = |percent: &str| {
        format!(
            r#"{{"program": {{"shop": {{"title": "S", "home": "https://shop.example/",
            "sites": ["https://shop.example"], "time_zone": "UTC", "currency": "EUR", "terms": [{{"commission": [
            {{"name": "Gifts", "category": "gift-card", "excluded": true}},
            {{"percent": {percent}, "cap_per_order": "40", "from": "2026-01-01T00:00:00Z"}}],
            "margins": {{"default": "35"}}, "auto_approve": false}}]}}}}}}"#
        )
    };
    let read = |percent: &str| CatalogFile::parse(&text(percent), Format::Json);
    let file = read("\"7.5\"").unwrap();
    let terms = &file.programs[0].1.terms.versions()[0].value;
    assert_eq!(terms.commission[1].pays_in_words(), "7.5 %");
    assert_eq!(terms.commission[1].cap_per_order, Some(event::Micros(40_000_000)));
    assert!(!terms.auto_approve && terms.margins.default.is_some());
    assert!(read("7").is_ok());
    for float in ["7.5", "7e0", "1e400"] {
        let faults = read(float).unwrap_err();
        assert_eq!(faults[0].problem, format!("is the number {float}, which is not exact"));
    }
}
