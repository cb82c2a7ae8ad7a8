//! Tests of conditions that cover others, and of rates in words.

use event::Millis;
use event::body::CustomerType;
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::subsequence;

use super::{Conditions, Margins, PaidFor, Pays, Period, Rate};

/// What a line is asked about here: one of four articles and categories, three customers, at seven times.
type Line = (Option<&'static str>, Option<&'static str>, Option<CustomerType>, i64);

const WORDS: [&str; 2] = ["a", "b"];

fn lines() -> Vec<Line> {
    let words = [None, Some("a"), Some("b"), Some("c")];
    let customers = [None, Some(CustomerType::New), Some(CustomerType::Returning)];
    let mut lines = Vec::new();
    for sku in words {
        for category in words {
            for customer in customers {
                lines.extend((-1..6).map(|at| (sku, category, customer, at)));
            }
        }
    }
    lines
}

fn matches(when: &Conditions, (sku, category, customer, at): Line) -> bool {
    let listed = |values: &[Box<str>], value: Option<&str>| {
        values.is_empty() || value.is_some_and(|value| values.iter().any(|one| **one == *value))
    };
    listed(&when.sku, sku)
        && listed(&when.category, category)
        && (when.customer.is_none() || when.customer == customer)
        && when.from.is_none_or(|from| from.0 <= at)
        && when.until.is_none_or(|until| at < until.0)
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let words = || {
        subsequence(WORDS.to_vec(), 0..=2)
            .prop_map(|words| words.into_iter().map(Into::into).collect())
    };
    let customer =
        prop_oneof![Just(None), Just(Some(CustomerType::New)), Just(Some(CustomerType::Returning))];
    let times = (proptest::option::of(0..3_i64), proptest::option::of(3..5_i64));
    (words(), words(), customer, times).prop_map(|(sku, category, customer, (from, until))| {
        let (from, until) = (from.map(Millis), until.map(Millis));
        Conditions { sku, category, customer, from, until, ..Conditions::default() }
    })
}

proptest! {
    /// No rule is refused as never reached that a line could reach, and none is taken that no line can.
    #[test]
    fn conditions_cover_others_exactly_when_they_match_whatever_these_match(a in conditions(), b in conditions()) {
        let all = lines().into_iter().all(|line| !matches(&b, line) || matches(&a, line));
        prop_assert_eq!(a.cover(&b), all);
        prop_assert!(a.cover(&a) && Conditions::default().cover(&a));
    }
}

#[test]
fn every_condition_narrows() {
    let all = Conditions {
        goal: vec!["sale".parse().unwrap()],
        partner: vec!["lea".parse().unwrap()],
        segment: vec!["social".parse().unwrap()],
        partner_kind: vec![crate::partner::PartnerKind::Content],
        category: vec!["a".into()],
        sku: vec!["a".into()],
        group: vec!["a".into()],
        customer: Some(CustomerType::New),
        coupon: vec!["a".into()],
        channel: vec!["partner".parse().unwrap()],
        link: vec!["lea-home".parse().unwrap()],
        from: Some(Millis(1)),
        until: Some(Millis(2)),
    };
    let with = |change: fn(&mut Conditions)| {
        let mut wider = all.clone();
        change(&mut wider);
        wider
    };
    let wider = [
        with(|it| it.goal.clear()),
        with(|it| it.partner.clear()),
        with(|it| it.segment.clear()),
        with(|it| it.partner_kind.clear()),
        with(|it| it.category.clear()),
        with(|it| it.sku.clear()),
        with(|it| it.group.clear()),
        with(|it| it.customer = None),
        with(|it| it.coupon.clear()),
        with(|it| it.channel.clear()),
        with(|it| it.link.clear()),
        with(|it| it.from = None),
        with(|it| it.until = None),
    ];
    for one in &wider {
        assert!(one.cover(&all) && !all.cover(one), "{one:?}");
    }
}

#[test]
fn a_rate_reads_as_percent_without_trailing_zeros() {
    for (parts, said) in
        [(0, "0 %"), (1, "0.0001 %"), (50_000, "5 %"), (72_500, "7.25 %"), (1_000_000, "100 %")]
    {
        assert_eq!(Rate(parts).to_string(), said);
    }
}

#[test]
fn margins_are_by_category_and_else_the_default() {
    let category = [("shoes".into(), Rate(425_000))].into();
    let margins = Margins { default: Some(Rate(350_000)), category };
    for (asked, parts) in [
        (Some("shoes"), 425_000),
        (Some(" SHOES "), 425_000),
        (Some("bags"), 350_000),
        (None, 350_000),
    ] {
        assert_eq!(margins.rate(asked), Some(Rate(parts)), "{asked:?}");
    }
    let margins = Margins { default: None, ..margins };
    assert_eq!(margins.rate(Some("bags")), None);
}

#[test]
fn only_what_pays_for_orders_prices_them() {
    let pays = [Pays::Percent(Rate(1)), Pays::PerOrder(event::Micros(1)), Pays::Excluded];
    assert!(pays.iter().all(|pays| pays.prices_orders()));
    let amount = event::Micros(1);
    for (pays, paid_for) in [
        (Pays::PerClick(amount), PaidFor::Click),
        (Pays::PerThousandImpressions(amount), PaidFor::Impression),
        (Pays::PerPeriod { period: Period::Week, amount }, PaidFor::Period(Period::Week)),
    ] {
        assert!(!pays.prices_orders());
        assert_eq!(pays.paid_for(), paid_for);
    }
}
