//! Commission rules and margins, as the file writes them. Exact: never through a float.

use event::body::CustomerType;
use event::{Currency, Micros, Millis};

use super::section::{Field, LaterKey, Section};
use crate::commission::{
    CommissionRule, Conditions, Margins, PaidFor, Pays, Period, RATE_UNIT, Rate, folded,
};
use crate::limits;
use crate::partner::PartnerKind;

const LATER: [LaterKey; 4] = [
    ("cap_per_day", "caps over time"),
    ("cap_per_month", "caps over time"),
    ("tiers", "rates that grow with sales"),
    ("country", "rules by country"),
];
/// What a rule may pay; it says exactly one.
const PAYS: [(&str, Read); 8] = [
    ("percent", percent),
    ("per_order", per_order),
    ("excluded", excluded),
    ("per_click", |field| Some(Pays::PerClick(paid(field)?))),
    ("per_thousand_impressions", |field| Some(Pays::PerThousandImpressions(paid(field)?))),
    ("per_day", |field| per_period(field, Period::Day)),
    ("per_week", |field| per_period(field, Period::Week)),
    ("per_month", |field| per_period(field, Period::Month)),
];
const OF_ORDERS: [&str; 6] = ["goal", "category", "sku", "group", "customer", "coupon"];
const OF_TOUCHES: [&str; 2] = ["channel", "link"];

type Read = fn(&Field<'_>) -> Option<Pays>;

/// The ranked rules of one terms version.
pub(super) fn rules(section: &Section<'_>, currency: Currency) -> Vec<CommissionRule> {
    let Some(field) = section.field("commission") else { return Vec::new() };
    let Some(entries) = field.list() else { return Vec::new() };
    if entries.len() > limits::RULES_MAX {
        field.fault(
            format!("has {} rules, above the limit of {}", entries.len(), limits::RULES_MAX),
            "put rules that differ only in their names into one: a condition takes a list",
        );
        return Vec::new();
    }
    let mut read: Vec<Option<CommissionRule>> = Vec::with_capacity(entries.len());
    for entry in &entries {
        let rule = entry.table().and_then(|table| rule(table, currency));
        if let Some(rule) = &rule {
            never_reached(entry, rule, &read);
        }
        read.push(rule);
    }
    read.into_iter().flatten().collect()
}

fn rule(section: Section<'_>, currency: Currency) -> Option<CommissionRule> {
    let faults = section.sink.count();
    let name = section.field("name").and_then(|field| field.text(limits::TEXT_BYTES_MAX));
    let own = section
        .field("currency")
        .and_then(|field| field.parsed("write an ISO 4217 code, such as \"EUR\""));
    let when = conditions(&section);
    let pays = pays(&section);
    let cap = section.field("cap_per_order");
    if let Some((key, pays)) = pays {
        misfits(&section, key, pays.paid_for());
        if let (Some(cap), false) = (&cap, matches!(pays, Pays::Percent(_) | Pays::PerOrder(_))) {
            cap.fault(format!("caps what an order pays, but {key} pays none"), "remove it");
        }
    }
    let cap_per_order = cap.and_then(|cap| {
        amount(&cap, "caps everything to nothing", "write `excluded = true` for what is not paid")
    });
    let rule = pays.map(|(_, pays)| CommissionRule {
        name: name.map(Into::into),
        when,
        pays,
        currency: own.unwrap_or(currency),
        cap_per_order,
    });
    let sink = section.sink;
    section.finish(&LATER);
    rule.filter(|_| faults == sink.count())
}

/// What it pays, and the key that says so. An excluded line and one that pays zero are the same.
fn pays(section: &Section<'_>) -> Option<(&'static str, Pays)> {
    let mut found: Option<(&'static str, Option<Pays>)> = None;
    for (key, read) in PAYS {
        let Some(field) = section.field(key) else { continue };
        if let Some((first, _)) = found {
            field.fault(
                format!("stands beside `{first}`, but a rule pays in one way"),
                "keep one of the two, or make two rules of it",
            );
            continue;
        }
        found = Some((key, read(&field)));
    }
    if found.is_none() {
        section.sink.push(
            section.at,
            section.path.as_str(),
            "does not say what it pays",
            format!("add one of {}", PAYS.map(|(key, _)| key).join(", ")),
        );
    }
    let (key, pays) = found?;
    Some((key, pays?))
}

fn percent(field: &Field<'_>) -> Option<Pays> {
    let rate = rate(field)?;
    Some(if rate.0 == 0 { Pays::Excluded } else { Pays::Percent(rate) })
}

/// Percent as millionths.
fn rate(field: &Field<'_>) -> Option<Rate> {
    const MICROS_PER_MILLIONTH: i64 = 100;
    let percent = field.decimal()?;
    let parts = u32::try_from(percent.0 / MICROS_PER_MILLIONTH).unwrap_or(u32::MAX);
    if parts >= RATE_UNIT && percent.0 != i64::from(RATE_UNIT) * MICROS_PER_MILLIONTH {
        let problem = format!("is {} percent, above 100", percent.decimal(0));
        field.fault(problem, "write a percentage from 0 to 100");
        return None;
    }
    if percent.0 % MICROS_PER_MILLIONTH != 0 {
        field.fault("has more than 4 decimals", "round it to 4 decimals");
        return None;
    }
    Some(Rate(parts))
}

fn per_order(field: &Field<'_>) -> Option<Pays> {
    let amount = bounded(field)?;
    Some(if amount.0 == 0 { Pays::Excluded } else { Pays::PerOrder(amount) })
}

fn excluded(field: &Field<'_>) -> Option<Pays> {
    if field.bool()? {
        return Some(Pays::Excluded);
    }
    field.fault("is false, which says nothing", "write `excluded = true`, or what it pays");
    None
}

fn per_period(field: &Field<'_>, period: Period) -> Option<Pays> {
    Some(Pays::PerPeriod { period, amount: paid(field)? })
}

fn paid(field: &Field<'_>) -> Option<Micros> {
    amount(field, "pays nothing", "write an amount, or remove the rule")
}

/// An amount that is not zero.
fn amount(field: &Field<'_>, zero: &str, remedy: &str) -> Option<Micros> {
    let amount = bounded(field)?;
    if amount.0 == 0 {
        field.fault(zero, remedy);
        return None;
    }
    Some(amount)
}

fn bounded(field: &Field<'_>) -> Option<Micros> {
    let amount = field.decimal()?;
    let max = Micros(limits::RULE_AMOUNT_UNITS_MAX.saturating_mul(event::money::MICROS_PER_UNIT));
    if amount > max {
        field.fault(
            format!("is {}, above the limit of {}", amount.decimal(0), max.decimal(0)),
            "write a smaller amount",
        );
        return None;
    }
    Some(amount)
}

fn conditions(section: &Section<'_>) -> Conditions {
    const CUSTOMERS: [(&str, CustomerType); 2] =
        [("new", CustomerType::New), ("returning", CustomerType::Returning)];
    let kinds = PartnerKind::ALL.map(|kind| (kind.as_str(), kind));
    let folded = |field: &Field<'_>| text(field).map(folded);
    let instant =
        |key| section.field(key).and_then(|field: Field<'_>| Some((field.time()?, field)));
    let (from, until) = (instant("from"), instant("until"));
    if let (Some((from, _)), Some((until, field))) = (&from, &until)
        && until <= from
    {
        field.fault(
            format!("is not after `from`, {from}"),
            "a rule matches orders from `from` until just before `until`",
        );
    }
    let time = |instant: Option<(Millis, Field<'_>)>| instant.map(|(time, _)| time);
    Conditions {
        goal: values(section, "goal", |field| field.parsed("write the name of a goal")),
        partner: values(section, "partner", |field| field.parsed("write the name of a partner")),
        segment: values(section, "segment", |field| field.parsed("write the name of a segment")),
        partner_kind: values(section, "partner_kind", |field| field.word(&kinds)),
        category: values(section, "category", folded),
        sku: values(section, "sku", |field| text(field).map(Into::into)),
        group: values(section, "group", folded),
        customer: section.field("customer").and_then(|field| field.word(&CUSTOMERS)),
        coupon: values(section, "coupon", folded),
        channel: values(section, "channel", |field| field.parsed("write the name of a channel")),
        link: values(section, "link", |field| field.parsed("write the name of a link")),
        from: time(from),
        until: time(until),
    }
}

fn text<'a>(field: &Field<'a>) -> Option<&'a str> {
    field.text(limits::RULE_TEXT_BYTES_MAX)
}

/// The values of a condition, sorted; a single one needs no list.
fn values<'a, T: Ord>(
    section: &Section<'a>,
    key: &'static str,
    read: impl Fn(&Field<'a>) -> Option<T>,
) -> Vec<T> {
    let Some(field) = section.field(key) else { return Vec::new() };
    let mut values = if field.is_text() {
        read(&field).into_iter().collect()
    } else {
        if field.list().is_some_and(|list| list.is_empty()) {
            field.fault("is empty, so that nothing matches", "name a value, or remove the key");
        }
        field.set(read).unwrap_or_default()
    };
    values.sort_unstable();
    values
}

/// Conditions about what it pays for does not have.
fn misfits(section: &Section<'_>, key: &str, paid_for: PaidFor) {
    let (orders, touches) = match paid_for {
        PaidFor::Order => (false, false),
        PaidFor::Click | PaidFor::Impression => (true, false),
        PaidFor::Period(_) => (true, true),
    };
    let of = |keys: &'static [&'static str], asked: bool| keys.iter().filter(move |_| asked);
    let conditions = of(&OF_ORDERS, orders)
        .map(|condition| (condition, "an order"))
        .chain(of(&OF_TOUCHES, touches).map(|condition| (condition, "a touch")));
    for (condition, of) in conditions {
        if let Some(field) = section.field(condition) {
            field.fault(format!("is about {of}, but {key} pays without one"), "remove it");
        }
    }
}

/// A rule behind one that matches whatever it matches.
fn never_reached(entry: &Field<'_>, rule: &CommissionRule, before: &[Option<CommissionRule>]) {
    let wins = |earlier: &CommissionRule| {
        let paid_for = earlier.pays.paid_for();
        paid_for == rule.pays.paid_for()
            && (paid_for != PaidFor::Order || earlier.currency == rule.currency)
            && earlier.when.cover(&rule.when)
    };
    let first = (1_usize..).zip(before).find(|(_, earlier)| earlier.as_ref().is_some_and(wins));
    if let Some((place, earlier)) = first {
        let name = earlier.as_ref().and_then(|earlier| earlier.name.as_deref());
        let name = name.map(|name| format!(" ({name:?})")).unwrap_or_default();
        entry.fault(
            format!(
                "is never reached: rule {place}{name} matches all that it matches, and comes first"
            ),
            format!("put it before rule {place}, or remove one of the two"),
        );
    }
}

/// Margin rates by category.
pub(super) fn margins(section: &Section<'_>) -> Margins {
    let mut margins = Margins::default();
    let Some(table) = section.field("margins").and_then(|field| field.table()) else {
        return margins;
    };
    for (place, (category, at, field)) in table.fields().enumerate() {
        let fault = |problem: String, remedy| {
            table.sink.push(at, field.path.as_str(), problem, remedy);
        };
        if place == limits::LIST_MAX {
            let problem = format!("stands behind {} others, the limit", limits::LIST_MAX);
            fault(problem, "group the categories");
            break;
        }
        let key = folded(category);
        let bytes = 1..=limits::RULE_TEXT_BYTES_MAX;
        if !bytes.contains(&key.len()) || key.contains(char::is_control) {
            fault(format!("{category:?} is not a category"), "write 1 to 128 bytes of text");
        }
        let Some(rate) = rate(&field) else { continue };
        if &*key == "default" && margins.default.is_none() {
            margins.default = Some(rate);
        } else if &*key == "default" || margins.category.insert(key, rate).is_some() {
            fault(
                "stands here twice (categories compare trimmed and without regard to case)".into(),
                "keep one of the two",
            );
        }
    }
    margins
}

/// Whether orders that nobody acted on are validated when their time is over.
pub(super) fn auto_approve(section: &Section<'_>) -> Option<bool> {
    section.field("auto_approve")?.bool()
}
