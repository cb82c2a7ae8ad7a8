//! Commission rules and margins: what the terms say of money.

use std::collections::BTreeMap;
use std::fmt;

use event::body::CustomerType;
use event::{ChannelName, Currency, GoalName, LinkName, Micros, Millis, PartnerName, SegmentName};
use serde::{Deserialize, Serialize};

use crate::partner::PartnerKind;

/// Parts in one: a rate of 1,000,000 is 100 %.
pub const RATE_UNIT: u32 = 1_000_000;

/// A share of an amount in millionths: 5 % is 50,000. At most [`RATE_UNIT`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Rate(pub u32);

/// As percent, trailing zeros cut: `5 %`, `7.25 %`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", Micros(i64::from(self.0) * 100).decimal(0))
    }
}

/// A category, commission group or coupon code as rules and margins compare it: trimmed, in lower case.
#[must_use]
pub fn folded(text: &str) -> Box<str> {
    text.trim().to_lowercase().into()
}

/// One rule of a ranked list: the first that matches wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommissionRule {
    /// What partners read as its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// When it matches.
    #[serde(default, skip_serializing_if = "Conditions::is_empty")]
    pub when: Conditions,
    /// What it pays.
    pub pays: Pays,
    /// Currency of its amounts and of what it pays. Default: the program's.
    pub currency: Currency,
    /// Most that it pays for one order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_per_order: Option<Micros>,
}

impl CommissionRule {
    /// What it pays, in words: `5 %`, `3.00 EUR per order`, `nothing`.
    #[must_use]
    pub fn pays_in_words(&self) -> String {
        let money = |amount: Micros| {
            format!("{} {}", amount.decimal(self.currency.exponent()), self.currency)
        };
        match self.pays {
            Pays::Percent(rate) => rate.to_string(),
            Pays::PerOrder(amount) => format!("{} per order", money(amount)),
            Pays::Excluded => "nothing".to_owned(),
            Pays::PerClick(amount) => format!("{} per click", money(amount)),
            Pays::PerThousandImpressions(amount) => {
                format!("{} per thousand impressions", money(amount))
            }
            Pays::PerPeriod { period, amount } => {
                format!("{} per {}", money(amount), period.as_str())
            }
        }
    }
}

/// What a rule asks for: every condition that is given, any of its values. No condition: everything matches.
///
/// Every list is sorted; categories, groups and coupon codes are [`folded`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// Goals of the conversion.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goal: Vec<GoalName>,
    /// Credited partners.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partner: Vec<PartnerName>,
    /// Segments of the partner at the time of the order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segment: Vec<SegmentName>,
    /// Kinds of the partner.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partner_kind: Vec<PartnerKind>,
    /// Categories of the line, without regard to case. A line without category matches none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub category: Vec<Box<str>>,
    /// Articles of the line, as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sku: Vec<Box<str>>,
    /// Commission groups of the line, without regard to case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<Box<str>>,
    /// New or returning, as reported; an order that does not say matches neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerType>,
    /// Coupon codes of the order, without regard to case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coupon: Vec<Box<str>>,
    /// Channels of the credited link.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channel: Vec<ChannelName>,
    /// Credited links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub link: Vec<LinkName>,
    /// Orders from this instant on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Millis>,
    /// Orders before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
}

impl Conditions {
    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether they match everything that `other` matches.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        fn wider<T: Ord>(these: &[T], those: &[T]) -> bool {
            let among = |value| these.binary_search(value).is_ok();
            these.is_empty() || !those.is_empty() && those.iter().all(among)
        }
        wider(&self.goal, &other.goal)
            && wider(&self.partner, &other.partner)
            && wider(&self.segment, &other.segment)
            && wider(&self.partner_kind, &other.partner_kind)
            && wider(&self.category, &other.category)
            && wider(&self.sku, &other.sku)
            && wider(&self.group, &other.group)
            && (self.customer.is_none() || self.customer == other.customer)
            && wider(&self.coupon, &other.coupon)
            && wider(&self.channel, &other.channel)
            && wider(&self.link, &other.link)
            && (self.from.is_none() || other.from >= self.from)
            && self.until.is_none_or(|until| other.until.is_some_and(|other| other <= until))
    }
}

/// What a rule pays. The first three price orders; the others pay what has no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pays {
    /// A share of the net amount of the matching lines.
    Percent(Rate),
    /// A fixed amount for each order of which a line matches.
    PerOrder(Micros),
    /// Nothing: the lines are excluded.
    Excluded,
    /// A fixed amount for each valid click.
    PerClick(Micros),
    /// A fixed amount for a thousand valid impressions.
    PerThousandImpressions(Micros),
    /// A fixed amount for each calendar period in which the partner is approved on its first day.
    PerPeriod {
        /// The period.
        period: Period,
        /// The amount.
        amount: Micros,
    },
}

impl Pays {
    /// Whether it prices orders.
    #[must_use]
    pub const fn prices_orders(self) -> bool {
        matches!(self.paid_for(), PaidFor::Order)
    }

    /// What it pays for.
    #[must_use]
    pub const fn paid_for(self) -> PaidFor {
        match self {
            Self::Percent(_) | Self::PerOrder(_) | Self::Excluded => PaidFor::Order,
            Self::PerClick(_) => PaidFor::Click,
            Self::PerThousandImpressions(_) => PaidFor::Impression,
            Self::PerPeriod { period, .. } => PaidFor::Period(period),
        }
    }
}

/// What is paid for: the first matching rule wins among those that pay for the same. Orders look at the rules in their
/// currency only; what has no order has no currency, and takes the rule's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaidFor {
    /// A line of an order.
    Order,
    /// A valid click.
    Click,
    /// A valid impression.
    Impression,
    /// A calendar period.
    Period(Period),
}

/// A calendar period in the program's time zone; weeks start on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// Monday to Sunday.
    Week,
    /// The month of the calendar.
    Month,
}

impl Period {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// Margin rates of a program, before commission.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Margins {
    /// Rate of lines whose category has none; absent: unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Rate>,
    /// Rates by category, [`folded`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub category: BTreeMap<Box<str>, Rate>,
}

impl Margins {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The rate of a line of this category.
    #[must_use]
    pub fn rate(&self, category: Option<&str>) -> Option<Rate> {
        let own = category.and_then(|name| self.category.get(&folded(name)));
        own.copied().or(self.default)
    }
}

#[cfg(test)]
mod tests;
