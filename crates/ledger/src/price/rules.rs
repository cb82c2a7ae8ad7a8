//! Which commission rule a line of a partner's share takes.

use catalog::commission::{CommissionRule, Conditions};
use catalog::{CommissionTerms, RankedRule};
use event::body::CustomerType;
use event::body::decision::Credit;
use event::{Currency, GoalName, Millis, PartnerName};

use super::lines::Line;

/// What conditions read of an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) goal: &'a GoalName,
    pub(crate) coupons: &'a [String],
    pub(crate) customer: Option<CustomerType>,
    pub(crate) at: Millis,
    pub(crate) currency: Currency,
}

/// The rule of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    /// It prices the line.
    Rule(RankedRule<'a>),
    /// Only rules in other currencies match.
    NoRate,
    /// None matches.
    NoRule,
}

/// The rules that may price the lines of a share: those whose conditions on the order, its partner and touch hold.
pub(crate) fn eligible<'a>(
    terms: &CommissionTerms<'a>,
    asked: &Asked<'_>,
    credit: &Credit,
    partner: &PartnerName,
) -> Vec<RankedRule<'a>> {
    let may = |rule: &CommissionRule| {
        rule.pays.prices_orders() && of_order(&rule.when, asked, credit, partner, terms)
    };
    terms.rules.iter().filter(|ranked| may(ranked.rule)).copied().collect()
}

/// The first of the eligible rules that matches the line and is in the order's currency.
pub(crate) fn first<'a>(
    eligible: &[RankedRule<'a>],
    line: &Line<'_>,
    currency: Currency,
) -> Found<'a> {
    let mut found = Found::NoRule;
    for ranked in eligible.iter().filter(|ranked| of_line(&ranked.rule.when, line)) {
        if ranked.rule.currency == currency {
            return Found::Rule(*ranked);
        }
        found = Found::NoRate;
    }
    found
}

fn of_order(
    when: &Conditions,
    asked: &Asked<'_>,
    credit: &Credit,
    partner: &PartnerName,
    terms: &CommissionTerms<'_>,
) -> bool {
    let coupon = || asked.coupons.iter().any(|coupon| listed(&when.coupon, coupon));
    given(&when.goal, || when.goal.contains(asked.goal))
        && given(&when.partner, || when.partner.contains(partner))
        && given(&when.segment, || terms.segment.is_some_and(|name| when.segment.contains(name)))
        && given(&when.partner_kind, || {
            terms.kind.is_some_and(|kind| when.partner_kind.contains(&kind))
        })
        && when.customer.is_none_or(|customer| asked.customer == Some(customer))
        && given(&when.coupon, coupon)
        && given(&when.channel, || {
            credit.channel.as_ref().is_some_and(|channel| when.channel.contains(channel))
        })
        && given(&when.link, || when.link.contains(&credit.link))
        && when.from.is_none_or(|from| from <= asked.at)
        && when.until.is_none_or(|until| asked.at < until)
}

fn of_line(when: &Conditions, line: &Line<'_>) -> bool {
    let item = line.item;
    given(&when.category, || line.category().is_some_and(|text| listed(&when.category, text)))
        && given(&when.sku, || {
            let sku = item.and_then(|item| item.sku.as_deref());
            sku.is_some_and(|sku| when.sku.iter().any(|asked| **asked == *sku))
        })
        && given(&when.group, || {
            let group = item.and_then(|item| item.group.as_deref());
            group.is_some_and(|text| listed(&when.group, text))
        })
}

fn given<T>(values: &[T], holds: impl FnOnce() -> bool) -> bool {
    values.is_empty() || holds()
}

/// Whether a text is among those of a condition: trimmed, without regard to case.
fn listed(values: &[Box<str>], text: &str) -> bool {
    values.iter().any(|value| same(value, text))
}

fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim(), b.trim());
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.to_lowercase() == b.to_lowercase()
}
