//! Tests of every field's rules, both sides of each limit.

use std::collections::BTreeMap;

use catalog::program::Goal;
use event::body::{CustomerType, OrderStatus};
use event::money::DecimalMark;
use event::{Consent, Flag, GoalName, Micros, Millis};
use proptest::prelude::{any, prop_assert, proptest};

use super::{COUPONS_MAX, ParsedConversion, Shop, TC_BYTES_MAX, read};
use crate::conversion::fault::FieldFault;
use crate::conversion::fields::{Fields, Strictness, Value};

const RECEIVED: Millis = Millis(1_793_888_525_000);

fn goals() -> BTreeMap<GoalName, Goal> {
    [("sale", true), ("lead", true), ("newsletter", false)]
        .into_iter()
        .map(|(name, paid)| (name.parse().unwrap(), Goal { paid }))
        .collect()
}

fn read_pairs(
    pairs: &[(&str, &str)],
    strictness: Strictness,
) -> Result<ParsedConversion, Vec<FieldFault>> {
    let mut fields = Fields::default();
    for (name, value) in pairs {
        fields.add((*name).into(), Value::Text((*value).into())).unwrap();
    }
    let goals = goals();
    let shop = Shop {
        goals: &goals,
        currency: "EUR".parse().unwrap(),
        decimal_mark: DecimalMark::Dot,
        time_zone: "Europe/Paris",
    };
    read(&fields, shop, RECEIVED, strictness)
}

/// Reads the pairs beside an order id and an amount.
fn ok(pairs: &[(&str, &str)]) -> ParsedConversion {
    let base = [("client_event_id", "c1")];
    read_pairs(&[&base, pairs].concat(), Strictness::Refuse).unwrap()
}

fn faults(pairs: &[(&str, &str)]) -> String {
    let base = [("client_event_id", "c1")];
    let faults = read_pairs(&[&base, pairs].concat(), Strictness::Refuse).unwrap_err();
    faults.iter().map(FieldFault::message).collect::<Vec<_>>().join("; ")
}

#[test]
fn an_order_id_is_cleaned_and_keeps_its_case() {
    assert_eq!(ok(&[("order_id", "  bX \t  1 ")]).order_id.as_deref(), Some("bX 1"));
    let longest = "é".repeat(64);
    assert_eq!(ok(&[("order_id", &longest)]).order_id, Some(longest.clone()));
    assert_eq!(
        faults(&[("order_id", &format!("{longest}x"))]),
        "order_id is longer than 128 bytes"
    );
    assert_eq!(faults(&[("order_id", "a\u{0}b")]), "order_id has a control character");
    let spread = format!("{}{}x", "a".repeat(126), " ".repeat(50));
    assert_eq!(ok(&[("order_id", &spread)]).order_id.map(|id| id.len()), Some(128));
}

#[test]
fn a_paid_goal_needs_an_id_and_an_unpaid_one_does_not() {
    let strict = |pairs: &[(&str, &str)]| read_pairs(pairs, Strictness::Refuse);
    let fault = strict(&[("amount", "1")]).unwrap_err();
    assert_eq!(fault.len(), 1);
    assert_eq!(fault[0].field, "order_id");
    assert!(fault[0].message().contains("client_event_id is required"));
    assert!(strict(&[("order_id", " "), ("goal", "lead")]).is_err());
    assert!(strict(&[("order_id", "1")]).is_ok());
    assert!(strict(&[("client_event_id", "1")]).is_ok());
    assert!(strict(&[("goal", "newsletter")]).is_ok());
    let page = read_pairs(&[("amount", "1")], Strictness::Flag).unwrap();
    assert!(!page.is_named(), "a pixel without an id is stored");
}

#[test]
fn the_goal_is_sale_unless_the_program_has_the_one_named() {
    assert_eq!(ok(&[]).goal.as_str(), "sale");
    assert_eq!(ok(&[("eventname", "lead")]).goal.as_str(), "lead");
    assert_eq!(
        faults(&[("goal", "Sale")]),
        "goal \"Sale\" is not a goal of this program; it has: lead, newsletter, sale"
    );
}

#[test]
fn amounts_are_exact_and_everything_else_is_refused() {
    let amount = |text: &str| ok(&[("amount", text)]).amount.0;
    assert_eq!(amount("74.92"), 74_920_000);
    assert_eq!(amount("0.000001"), 1);
    assert_eq!(amount("100000000000"), 100_000_000_000_000_000);
    for (text, why) in [
        ("0.0000001", "has more than 6 decimals"),
        ("100000000000.000001", "is above 100000000000"),
        ("1e3", "is not a decimal number"),
        ("-1", "is not a decimal number"),
        ("1,5", "is not a decimal number"),
        ("1 000", "is not a decimal number"),
        ("€5", "is not a decimal number"),
    ] {
        let fault = faults(&[("amount", text)]);
        assert!(fault.starts_with(&format!("amount {why}")), "{fault}");
    }
}

#[test]
fn an_absent_amount_is_the_sum_of_the_lines_else_zero_with_a_warning() {
    let lines = ok(&[("items", r#"[{"amount":1.5},{"amount":2}]"#)]);
    assert_eq!((lines.amount, lines.flags.len()), (Micros(3_500_000), 0));
    let none = ok(&[]);
    assert_eq!(
        (none.amount, none.warnings),
        (Micros(0), vec!["amount is absent: stored as 0".into()])
    );
}

#[test]
fn lines_and_amount_are_made_to_agree_with_a_flag() {
    let rest = ok(&[("amount", "5"), ("items", r#"[{"amount":3,"category":"x"}]"#)]);
    assert_eq!(rest.flags, [Flag::ItemsSumDiffers]);
    let amounts: Vec<i64> = rest.items.iter().map(|item| item.amount.0).collect();
    assert_eq!(amounts, [3_000_000, 2_000_000]);
    assert_eq!(rest.items[1].category, None);
    let same = ok(&[("amount", "3"), ("items", r#"[{"amount":3}]"#)]);
    assert!(same.flags.is_empty());
}

#[test]
fn a_currency_is_iso_4217_or_the_programs() {
    assert_eq!(ok(&[("amount", "1"), ("cur", "usd")]).currency.unwrap().as_str(), "USD");
    assert_eq!(ok(&[("amount", "1")]).currency.unwrap().as_str(), "EUR");
    assert_eq!(faults(&[("currency", "EURO")]), "currency is not an ISO 4217 currency code in use");
}

#[test]
fn closed_words_are_read_in_their_maps() {
    for (word, kind) in [
        ("new", CustomerType::New),
        ("1", CustomerType::New),
        ("NEW", CustomerType::New),
        ("existing", CustomerType::Returning),
        ("return", CustomerType::Returning),
        ("returning", CustomerType::Returning),
        ("0", CustomerType::Returning),
    ] {
        assert_eq!(ok(&[("newcustomer", word)]).customer_type, Some(kind));
    }
    assert_eq!(faults(&[("customer_type", "vip")]), "customer_type is not one of new, returning");
    for (word, consent) in [
        ("granted", Consent::Granted),
        ("1", Consent::Granted),
        ("denied", Consent::Denied),
        ("0", Consent::Denied),
        ("unknown", Consent::Unknown),
        ("exempt", Consent::Unknown),
    ] {
        assert_eq!(ok(&[("consent", word)]).consent, Some(consent), "{word}");
    }
    assert_eq!(ok(&[]).consent, None);
    assert_eq!(faults(&[("consent", "maybe")]), "consent is not one of granted, denied, unknown");
    assert_eq!(ok(&[("status", "Approved")]).status, OrderStatus::Approved);
    assert_eq!(ok(&[]).status, OrderStatus::Pending);
    assert_eq!(faults(&[("status", "paid")]), "status is not one of pending, approved, declined");
    assert!(ok(&[("testmode", "1")]).test && ok(&[("test", "true")]).test);
    assert!(!ok(&[("test", "0")]).test);
    assert_eq!(faults(&[("test", "on")]), "test is not one of 1, 0");
}

#[test]
fn texts_end_at_their_limits() {
    let (fits, long) = ("x".repeat(128), "x".repeat(129));
    for name in ["coupon", "customer_id", "channel", "client_event_id"] {
        let only =
            |value: &str| read_pairs(&[("order_id", "1"), (name, value)], Strictness::Refuse);
        assert!(only(&fits).is_ok(), "{name}");
        let faults = only(&long).unwrap_err();
        assert_eq!(faults[0].message(), format!("{name} is longer than 128 bytes"));
        assert!(only("a\u{7}b").is_err(), "{name}");
    }
    let (fits, long) = ("C".repeat(TC_BYTES_MAX), "C".repeat(TC_BYTES_MAX + 1));
    assert!(ok(&[("gdpr_consent", &fits)]).gdpr_consent.is_some());
    assert_eq!(faults(&[("gdpr_consent", &long)]), "gdpr_consent is longer than 4096 bytes");
}

#[test]
fn sub_ids_are_cut_at_a_character_with_a_flag() {
    let fits = "é".repeat(127); // 254 bytes
    let sub = ok(&[("s10", &fits)]);
    assert_eq!((sub.subs.get(10), sub.flags.len()), (Some(&*fits), 0));
    let sub = ok(&[("s10", &format!("{fits}é"))]);
    assert_eq!((sub.subs.get(10), sub.flags), (Some(&*fits), vec![Flag::SubidTruncated]));
}

#[test]
fn coupons_come_alone_or_as_a_list_each_once() {
    assert_eq!(ok(&[("vc", "LEA10"), ("coupons", "LEA10, X ,,Y")]).coupons, ["LEA10", "X", "Y"]);
    assert_eq!(ok(&[("coupons", r#"["A,B","C"]"#)]).coupons, ["A,B", "C"]);
    let list = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(ok(&[("coupons", &list(COUPONS_MAX))]).coupons.len(), COUPONS_MAX);
    assert_eq!(faults(&[("coupons", &list(COUPONS_MAX + 1))]), "coupons has more than 10 codes");
    let mut fields = Fields::default();
    fields.add_json(br#"{"order_id":1,"coupon":["A","B"],"coupons":["B","C"]}"#).unwrap();
    let goals = goals();
    let shop = Shop {
        goals: &goals,
        currency: "EUR".parse().unwrap(),
        decimal_mark: DecimalMark::Dot,
        time_zone: "UTC",
    };
    let parsed = read(&fields, shop, RECEIVED, Strictness::Refuse).unwrap();
    assert_eq!(parsed.coupons, ["A", "B", "C"]);
    assert_eq!(parsed.order_id.as_deref(), Some("1"));
}

#[test]
fn a_claimed_time_is_kept_and_clamped() {
    let plain = ok(&[]);
    assert_eq!((plain.claimed_at, plain.occurred_at), (None, RECEIVED));
    let earlier = ok(&[("ts", "1793888520")]);
    assert_eq!(earlier.claimed_at, Some(1_793_888_520_000));
    assert_eq!((earlier.occurred_at, earlier.flags.len()), (Millis(1_793_888_520_000), 0));
    let future = ok(&[("ts", "1793888526")]);
    assert_eq!((future.occurred_at, &*future.flags), (RECEIVED, &[Flag::TimeClamped][..]));
    assert_eq!(future.claimed_at, Some(1_793_888_526_000));
    assert!(faults(&[("ts", "2026-11-05")]).starts_with("ts is not a time"));
}

#[test]
fn a_revision_is_a_whole_number() {
    assert_eq!(ok(&[("revision", "18446744073709551615")]).revision, Some(u64::MAX));
    for bad in ["18446744073709551616", "-1", "1.0", "x"] {
        assert_eq!(faults(&[("revision", bad)]), "revision is not a whole number", "{bad}");
    }
}

#[test]
fn two_names_for_one_field_with_two_values_are_refused_or_flagged() {
    let pairs = [("order_id", "A"), ("invoice_id", "B"), ("amount", "1")];
    let refused = read_pairs(&pairs, Strictness::Refuse).unwrap_err();
    assert_eq!(
        refused[0].message(),
        "order_id came twice (perhaps by two names) with different values"
    );
    let flagged = read_pairs(&pairs, Strictness::Flag).unwrap();
    assert_eq!(flagged.flags, [Flag::ParamConflict, Flag::ParamDuplicate]);
    assert_eq!(flagged.order_id.as_deref(), Some("A"));
    let same = read_pairs(&[("order_id", "A"), ("txid", "A")], Strictness::Refuse).unwrap();
    assert_eq!(same.flags, [Flag::ParamDuplicate]);
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = faults(&[("amount", "x"), ("currency", "x"), ("ts", "x"), ("goal", "x")]);
    assert_eq!(faults.split("; ").filter(|f| !f.starts_with("it has")).count(), 4, "{faults}");
}

#[test]
fn a_name_that_is_none_of_ours_is_ignored_and_told() {
    let parsed = ok(&[("amount", "1"), ("ammount", "2")]);
    assert_eq!(parsed.warnings, ["ammount is no field of a conversion: ignored"]);
}

#[test]
fn a_dialect_is_refused_and_not_guessed() {
    assert!(faults(&[("compat", "tune")]).starts_with("compat is not supported"));
}

#[test]
fn a_list_where_text_belongs_is_refused() {
    for name in ["order_id", "currency", "goal", "ts", "customer_id", "s1", "test"] {
        let mut fields = Fields::default();
        let json = format!(r#"{{"client_event_id":"1","{name}":["x"]}}"#);
        fields.add_json(json.as_bytes()).unwrap();
        let goals = goals();
        let shop = Shop {
            goals: &goals,
            currency: "EUR".parse().unwrap(),
            decimal_mark: DecimalMark::Dot,
            time_zone: "UTC",
        };
        let faults = read(&fields, shop, RECEIVED, Strictness::Refuse).unwrap_err();
        assert_eq!(faults[0].message(), format!("{name} is not text or a number"));
    }
}

proptest! {
    #[test]
    fn hostile_fields_are_a_conversion_or_faults_and_never_a_panic(
        raw in any::<String>(),
        pairs in proptest::collection::vec(("[a-z_]{1,12}(\\[[0-9]{1,4}\\])?", any::<String>()), 0..12),
        known in proptest::collection::vec((0_usize..40, "[0-9A-Za-z.,:|{}\\[\\]\" -]{0,20}"), 0..12),
        strict in any::<bool>(),
    ) {
        let mut fields = Fields::default();
        fields.add_encoded(&raw).unwrap();
        for (name, value) in &pairs {
            fields.add(name.as_str().into(), Value::Text(value.as_str().into())).unwrap();
        }
        for (field, value) in &known {
            let all = crate::conversion::fields::Field::ALL;
            let name = all[field % all.len()].name();
            fields.add(name.into(), Value::Text(value.as_str().into())).unwrap();
        }
        let goals = goals();
        let shop = Shop { goals: &goals, currency: "EUR".parse().unwrap(), decimal_mark: DecimalMark::Dot, time_zone: "UTC" };
        let strictness = if strict { Strictness::Refuse } else { Strictness::Flag };
        match read(&fields, shop, RECEIVED, strictness) {
            Ok(parsed) => {
                let sum: i128 = parsed.items.iter().map(|item| i128::from(item.amount.0)).sum();
                prop_assert!(sum <= i128::from(parsed.amount.0));
                prop_assert!(parsed.occurred_at <= RECEIVED);
            }
            Err(faults) => prop_assert!(!faults.is_empty()),
        }
    }
}
