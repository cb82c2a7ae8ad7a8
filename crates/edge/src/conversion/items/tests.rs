//! Tests of order lines.

use event::Micros;
use event::body::Item;
use event::body::conversion::ITEMS_MAX;
use event::money::DecimalMark;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::{Lines, read, settle, sum};
use crate::conversion::fault::FieldFault;
use crate::conversion::fields::{Fields, Value};

fn fields<'a>(pairs: &'a [(&'a str, &'a str)]) -> Fields<'a> {
    let mut fields = Fields::default();
    for (name, value) in pairs {
        fields.add((*name).into(), Value::Text((*value).into())).unwrap();
    }
    fields
}

fn lines(pairs: &[(&str, &str)]) -> Result<Vec<Item>, String> {
    let mut faults = Vec::new();
    let Lines { items, conflict } = read(&fields(pairs), DecimalMark::Dot, &mut faults);
    assert!(!conflict);
    match faults.first() {
        None => Ok(items),
        Some(_) => Err(faults.iter().map(FieldFault::message).collect::<Vec<_>>().join("; ")),
    }
}

fn item(sku: &str, qty: u32, units: i64) -> Item {
    let sku = (!sku.is_empty()).then(|| sku.to_owned());
    Item { sku, qty, amount: Micros(units * 1_000_000), ..Item::default() }
}

#[test]
fn one_line_is_read_in_all_its_forms() {
    let plain = item("A", 2, 20);
    for pairs in [
        &[("items", r#"[{"sku":"A","qty":2,"amount":20}]"#)][..],
        &[("items", r#"[{"SKU":"A","quantity":"2","unit_amount":"10.00","x":[1]}]"#)],
        &[("cart_detail", r#"[{"id":"A","name":"Axe","price":10,"quantity":2}]"#)],
        &[("items[0][sku]", "A"), ("items[0][qty]", "2.0"), ("items[0][amount]", "20")],
        &[("itemsku[0]", "A"), ("itemquantity[0]", "2"), ("itemsubtotal[0]", "20")],
        &[("item1", "A"), ("amt1", "10"), ("qty1", "2")],
    ] {
        assert_eq!(lines(pairs), Ok(vec![plain.clone()]), "{pairs:?}");
    }
    let grouped = Item { group: Some("GAMES".into()), ..item("", 1, 20) };
    assert_eq!(lines(&[("parts", "GAMES:20|")]), Ok(vec![grouped]));
    let basket =
        Item { group: Some("G".into()), category: Some("Toys".into()), ..item("A", 2, 20) };
    assert_eq!(
        lines(&[("bd[0]", "AW:P|1|BX|77|Axe|10|2|A|G|Toys"), ("parts", "G:20")]),
        Ok(vec![basket])
    );
}

#[test]
fn a_line_needs_its_total_or_its_price_and_not_both() {
    for (json, fault) in [
        (
            r#"[{"sku":"A"}]"#,
            "items[0].amount is missing: give the total of the line, or unit_amount",
        ),
        (
            r#"[{"amount":1,"unit_amount":1}]"#,
            "items[0].amount stands beside unit_amount: give the total of the line or the price of a piece",
        ),
    ] {
        assert_eq!(lines(&[("items", json)]), Err(fault.to_owned()));
    }
}

#[test]
fn wrong_lines_are_named_all_at_once() {
    let json =
        r#"[{"amount":"1e3","qty":0},{"amount":1,"qty":1000001},{"amount":1,"sku":"\u0000"}]"#;
    let faults = lines(&[("items", json)]).unwrap_err();
    assert_eq!(
        faults,
        "items[0].qty is not a whole number from 1 to 1000000; \
         items[0].amount is not a decimal number (digits, then at most one decimal mark and digits); \
         items[1].qty is not a whole number from 1 to 1000000; items[2].sku has a control character"
    );
}

#[test]
fn what_is_no_list_of_objects_is_refused() {
    for bad in ["{}", "x", "[1]", "[[]]", r#"[{"amount":[1]}]"#, r#"[{"amount":1,"amount":2}]"#] {
        assert!(lines(&[("items", bad)]).is_err(), "{bad}");
    }
    for pairs in [("parts", "12.50"), ("bd[0]", "AW:P|1|2"), ("bd[0]", "XX|1|BX|77|Axe|10|2|A|G|T")]
    {
        assert!(lines(&[pairs]).is_err(), "{pairs:?}");
    }
}

#[test]
fn two_hundred_lines_are_read_and_one_more_is_not() {
    let json = |n| format!("[{}]", vec![r#"{"amount":1}"#; n].join(","));
    assert_eq!(lines(&[("items", &json(ITEMS_MAX))]).unwrap().len(), ITEMS_MAX);
    assert_eq!(
        lines(&[("items", &json(ITEMS_MAX + 1))]).unwrap_err(),
        "items has more than 200 lines"
    );
}

#[test]
fn a_price_times_pieces_that_no_order_holds_is_refused() {
    let fault = lines(&[("items", r#"[{"unit_amount":100000000000,"qty":1000}]"#)]).unwrap_err();
    assert_eq!(fault, "items[0].unit_amount is too large for its qty");
    assert!(lines(&[("items", r#"[{"unit_amount":100000000000,"qty":92}]"#)]).is_ok());
}

#[test]
fn lines_in_two_ways_conflict_and_the_first_way_counts() {
    let both = fields(&[("items", r#"[{"amount":1}]"#), ("item1", "A"), ("amt1", "2")]);
    let mut faults = Vec::new();
    let lines = read(&both, DecimalMark::Dot, &mut faults);
    assert_eq!((lines.items, lines.conflict, faults.len()), (vec![item("", 1, 1)], true, 0));
}

#[test]
fn lines_in_a_json_body_are_read() {
    let mut fields = Fields::default();
    fields.add_json(br#"{"items":[{"sku":"A","amount":7.5},{"amount":"7,5"}]}"#).unwrap();
    let mut faults = Vec::new();
    let lines = read(&fields, DecimalMark::Comma, &mut faults);
    let amounts: Vec<i64> = lines.items.iter().map(|item| item.amount.0).collect();
    assert_eq!(amounts, [7_500_000, 7_500_000], "a number has a dot, a text the program's mark");
}

fn settled(amounts: &[i64], amount: i64) -> (Vec<i64>, bool) {
    let mut items: Vec<Item> =
        amounts.iter().map(|a| Item { amount: Micros(*a), qty: 1, ..Item::default() }).collect();
    let differs = settle(&mut items, Micros(amount));
    (items.iter().map(|item| item.amount.0).collect(), differs)
}

#[test]
fn lines_that_sum_up_stay_as_they_are() {
    assert_eq!(settled(&[3, 7], 10), (vec![3, 7], false));
    assert_eq!(settled(&[], 10), (vec![], false));
}

#[test]
fn a_rest_becomes_a_line_without_category() {
    assert_eq!(settled(&[3, 6], 10), (vec![3, 6, 1], true));
    assert_eq!(settled(&[0; ITEMS_MAX], 10), (vec![0; ITEMS_MAX], true), "no room for one");
}

#[test]
fn lines_above_the_amount_are_scaled_down_by_largest_remainder() {
    assert_eq!(settled(&[10, 10, 10], 10), (vec![4, 3, 3], true));
    assert_eq!(settled(&[1, 2, 3], 5), (vec![1, 2, 2], true)); // 5/6, 10/6, 15/6: remainders 5, 4, 3
    assert_eq!(settled(&[5, 5], 0), (vec![0, 0], true));
}

proptest! {
    #[test]
    fn settled_lines_never_exceed_the_amount_and_meet_it(
        amounts in proptest::collection::vec(0_i64..=100_000_000_000_000_000, 1..60),
        amount in 0_i64..=100_000_000_000_000_000,
    ) {
        let (lines, _) = settled(&amounts, amount);
        prop_assert_eq!(lines.iter().map(|a| i128::from(*a)).sum::<i128>(), i128::from(amount));
        prop_assert!(lines.iter().all(|line| *line >= 0));
        let sum: i128 = amounts.iter().map(|a| i128::from(*a)).sum();
        if sum > i128::from(amount) {
            for (before, after) in amounts.iter().zip(&lines) {
                let exact = i128::from(*before) * i128::from(amount) / sum;
                prop_assert!(*after <= *before);
                prop_assert!((exact..=exact + 1).contains(&i128::from(*after)));
            }
        }
    }

    #[test]
    fn hostile_lines_are_no_panic(
        pairs in proptest::collection::vec(
            ("(items|bd|itemsku|amt|qty|parts|cart_detail)(\\[[0-9]{0,5}\\])?(\\[[a-z]{0,6}\\])?[0-9]{0,5}",
             "[0-9a-z|:.\\[\\]{}\",-]{0,40}"), 0..20),
    ) {
        let mut fields = Fields::default();
        for (name, value) in &pairs {
            fields.add(name.as_str().into(), Value::Text(value.as_str().into())).unwrap();
        }
        let mut faults = Vec::new();
        let mut lines = read(&fields, DecimalMark::Comma, &mut faults);
        let total = sum(&lines.items);
        let _differs = settle(&mut lines.items, total.unwrap_or_default());
    }
}

#[test]
fn a_sum_that_no_order_holds_is_none() {
    let line = |amount| Item { amount: Micros(amount), ..Item::default() };
    assert_eq!(sum(&[line(i64::MAX), line(1)]), None);
    assert_eq!(sum(&[line(1), line(2)]), Some(Micros(3)));
}
