//! Names, aliases, lines, and what is kept of a call.

use super::{FIELDS_MAX, Field, Fields, LineFamily, LinePart, SENT_BYTES_MAX, Value, cut};

fn fields(pairs: &[(&'static str, &'static str)]) -> Fields<'static> {
    let mut fields = Fields::default();
    for (name, value) in pairs {
        fields.add((*name).into(), Value::Text((*value).into())).unwrap();
    }
    fields
}

#[test]
fn names_and_aliases_are_read_whatever_their_case() {
    for (name, field) in [
        ("order_id", Field::OrderId),
        ("OrderRef", Field::OrderId),
        ("AWC", Field::ClickId),
        ("Montant", Field::Amount),
        ("CurrencyCode", Field::Currency),
        ("vc", Field::Coupon),
        ("newcustomer", Field::CustomerType),
        ("adv_sectkn", Field::Token),
        ("consent_performance", Field::Consent),
        ("eventDate", Field::Ts),
        ("S10", Field::S10),
    ] {
        assert_eq!(fields(&[(name, " x ")]).text(field), Some("x"), "{name}");
    }
}

#[test]
fn ambiguous_names_are_no_fields() {
    for name in
        ["clickref", "transaction_id", "subid", "cid", "tid", "oid", "ref", "payout", "t", "cr"]
    {
        let fields = fields(&[(name, "x")]);
        assert_eq!(fields.unknown(), [name]);
    }
}

#[test]
fn two_names_with_one_value_agree_and_with_two_values_conflict() {
    let same = fields(&[("order_id", "A"), ("orderref", " A")]);
    assert!(same.conflicts().is_empty() && same.is_repeated());
    let other = fields(&[("order_id", "A"), ("orderref", "B")]);
    assert_eq!(other.conflicts(), [Field::OrderId]);
    assert_eq!(other.text(Field::OrderId), Some("A"));
}

#[test]
fn an_empty_value_is_absent() {
    let fields = fields(&[("order_id", "  "), ("orderref", "B")]);
    assert_eq!(fields.text(Field::OrderId), Some("B"));
    assert!(!fields.is_repeated());
}

#[test]
fn lines_are_known_by_their_families() {
    for (name, family, part) in [
        ("items[3][unit_amount]", LineFamily::Items, LinePart::UnitAmount),
        ("bd[3]", LineFamily::Basket, LinePart::Basket),
        ("ItemSubTotal[3]", LineFamily::Bracketed, LinePart::Amount),
        ("AMT3", LineFamily::Numbered, LinePart::UnitAmount),
    ] {
        let fields = fields(&[(name, "1")]);
        let line = &fields.lines()[0];
        assert_eq!((line.family, line.index, line.part), (family, 3, part), "{name}");
    }
    for name in ["items[x][sku]", "items[1]", "bd[]", "bd[10000]", "amt", "amt99999", "items[1][x]"]
    {
        assert!(fields(&[(name, "1")]).lines().is_empty(), "{name}");
    }
}

#[test]
fn what_is_kept_of_a_call_holds_nothing_personal() {
    let fields = fields(&[
        ("order_id", "A1"),
        ("customer_id", "x1"),
        ("token", "secret"),
        ("email", "lea"),
        ("coupon", "lea@shop.example"),
    ]);
    assert_eq!(fields.sent(), "order_id=A1&customer_id=…&token=…&email=…&coupon=…");
}

#[test]
fn a_name_is_kept_only_where_a_program_would_choose_it() {
    for (name, kept) in [
        ("ammount", true),
        ("custom_field15", true),
        ("Order-Total[3]", true),
        ("_ga", true),
        ("lea@shop.example", false),
        ("Léa", false),
        ("jean.dupont", false),
        ("Lea Martin", false),
        ("0612345678", false),
        ("tel0612345678", false),
        ("a1234", true),
        ("a12345", false),
        ("abcdefghijklmnopqrstuvwxyz_abcde", true),
        ("abcdefghijklmnopqrstuvwxyz_abcdef", false),
        ("<script>", false),
        ("", false),
    ] {
        let fields = fields(&[(name, "1")]);
        let shown = if kept { name } else { "…" };
        assert_eq!(fields.unknown(), [shown], "{name}");
        assert_eq!(fields.sent(), format!("{shown}=…"), "{name}");
    }
}

#[test]
fn what_is_kept_of_a_call_is_bounded() {
    let mut fields = Fields::default();
    for _ in 0..FIELDS_MAX {
        fields.add("channel".into(), Value::Text("é".repeat(700).into())).unwrap();
    }
    assert!(fields.sent().len() <= SENT_BYTES_MAX);
    assert!(fields.add("channel".into(), Value::Text("x".into())).is_err());
    assert_eq!(cut("aé", 2), "a");
}
