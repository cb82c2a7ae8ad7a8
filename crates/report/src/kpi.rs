//! Key figures: exact sums, and ratios of sums.
//!
//! *C* valid clicks · *I* valid impressions · *N* orders credited (pending, approved, locked, paid) · *V* their net amount ·
//! *K* their commission · with a small a: the same without pending · *F* fees and pay for clicks and impressions.

use std::collections::BTreeMap;

use event::body::OrderState;
use event::{Code, Currency};

/// A whole order in credits.
const CREDIT: i128 = 1_000_000;
/// Micros of a unit of money.
const MICROS: i128 = 1_000_000;

/// Credits and money of some orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Credit shares, millionths.
    pub credit: i128,
    /// Net amount that stayed, micros.
    pub net: i128,
    /// Commission, micros.
    pub commission: i128,
}

impl Part {
    fn plus(self, other: Self) -> Self {
        Self {
            credit: self.credit + other.credit,
            net: self.net + other.net,
            commission: self.commission + other.commission,
        }
    }
}

/// What a group of a report sums up, in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// *C*.
    pub clicks: i128,
    /// All clicks.
    pub clicks_gross: i128,
    /// Clicks that do not count, by reason.
    pub invalid: BTreeMap<&'static str, i128>,
    /// *I*.
    pub impressions: i128,
    /// Orders by state, in the order of [`OrderState::ALL`].
    pub states: [Part; 7],
    /// Declined orders by reason.
    pub declined: BTreeMap<Code, Part>,
    /// Margin before commission of approved orders, of lines with a known rate.
    pub margin: i128,
    /// Net amount of lines without a known rate, of approved orders.
    pub margin_unknown: i128,
    /// Credits of orders of new, returning and unknown customers.
    pub customers: [i128; 3],
    /// Of orders older than their lock: what came back.
    pub returned: i128,
    /// Of orders older than their lock: net amount before returns.
    pub before_returns: i128,
    /// Of orders older than their lock: credits of those with a return.
    pub with_return: i128,
    /// Credits of orders older than their lock.
    pub old: i128,
    /// *F*.
    pub fees: i128,
    /// Orders in whose journey the group had an eligible touch.
    pub journeys: i128,
    /// Those of them in which it was not credited.
    pub uncredited: i128,
    /// Those in which it had the first eligible touch.
    pub introducer: i128,
    /// Those in which it had one that was neither first nor last.
    pub between: i128,
    /// Those in which it had the last one.
    pub closer: i128,
    /// Distinct reports of orders.
    pub reports: i128,
    /// Orders of these reports.
    pub reported: i128,
}

impl Figures {
    fn sum(&self, of: &[OrderState]) -> Part {
        let known = OrderState::ALL.iter().zip(self.states);
        let parts = known.filter(|(state, _)| of.contains(state)).map(|(_, part)| part);
        parts.fold(Part::default(), Part::plus)
    }

    /// Orders in one state.
    #[must_use]
    pub fn of(&self, state: OrderState) -> Part {
        self.sum(&[state])
    }

    /// *N*, *V* and *K*.
    #[must_use]
    pub fn credited(&self) -> Part {
        self.approved().plus(self.of(OrderState::Pending))
    }

    /// *Nₐ*, *Vₐ* and *Kₐ*.
    #[must_use]
    pub fn approved(&self) -> Part {
        self.sum(&[OrderState::Approved, OrderState::Locked, OrderState::Paid])
    }

    /// Orders that are neither pending nor held.
    #[must_use]
    pub fn decided(&self) -> Part {
        self.approved().plus(self.sum(&[OrderState::Declined, OrderState::Reversed]))
    }

    /// What the program spends on approved orders and fees.
    #[must_use]
    pub fn spent(&self) -> i128 {
        self.approved().commission + self.fees
    }

    /// *M*: margin after returns, commission and fees.
    #[must_use]
    pub fn margin_left(&self) -> i128 {
        self.margin - self.spent()
    }

    /// Adds what is of no currency: touches and journeys.
    pub fn add_counts(&mut self, other: &Self) {
        self.clicks += other.clicks;
        self.clicks_gross += other.clicks_gross;
        for (reason, n) in &other.invalid {
            *self.invalid.entry(reason).or_default() += n;
        }
        self.impressions += other.impressions;
        self.journeys += other.journeys;
        self.uncredited += other.uncredited;
        self.introducer += other.introducer;
        self.between += other.between;
        self.closer += other.closer;
        self.reports += other.reports;
        self.reported += other.reported;
    }

    /// Adds orders and money of the same currency.
    pub fn add_money(&mut self, other: &Self) {
        for (own, part) in self.states.iter_mut().zip(other.states) {
            *own = own.plus(part);
        }
        for (code, part) in &other.declined {
            let own = self.declined.entry(*code).or_default();
            *own = own.plus(*part);
        }
        self.margin += other.margin;
        self.margin_unknown += other.margin_unknown;
        for (own, n) in self.customers.iter_mut().zip(other.customers) {
            *own += n;
        }
        self.returned += other.returned;
        self.before_returns += other.before_returns;
        self.with_return += other.with_return;
        self.old += other.old;
        self.fees += other.fees;
    }
}

/// Decimal text of `value` millionths with at least `least` decimals, exact.
#[must_use]
pub fn exact(value: i128, least: u8) -> String {
    let unit = MICROS.unsigned_abs();
    let magnitude = value.unsigned_abs();
    let mut decimals = format!("{:06}", magnitude % unit);
    while decimals.len() > usize::from(least) && decimals.ends_with('0') {
        decimals.pop();
    }
    let sign = if value < 0 { "-" } else { "" };
    let dot = if decimals.is_empty() { "" } else { "." };
    format!("{sign}{}{dot}{decimals}", magnitude / unit)
}

/// Decimal text of numerator / denominator with so many decimals, rounded half-even; nothing where there is nothing to
/// divide by.
#[must_use]
pub fn ratio(numerator: i128, denominator: i128, decimals: u8) -> Option<String> {
    if denominator == 0 {
        return None;
    }
    let scale = 10_i128.pow(u32::from(decimals.min(6)));
    let negative = (numerator < 0) != (denominator < 0);
    let numerator = numerator.unsigned_abs().checked_mul(scale.unsigned_abs())?;
    let denominator = denominator.unsigned_abs();
    let (mut quotient, rest) = (numerator / denominator, numerator % denominator);
    let twice = rest.checked_mul(2)?;
    if twice > denominator || (twice == denominator && quotient % 2 == 1) {
        quotient += 1;
    }
    let sign = if negative && quotient > 0 { "-" } else { "" };
    let (units, fraction) = (quotient / scale.unsigned_abs(), quotient % scale.unsigned_abs());
    if decimals == 0 {
        return Some(format!("{sign}{units}"));
    }
    Some(format!("{sign}{units}.{fraction:0width$}", width = usize::from(decimals.min(6))))
}

fn percent(part: i128, of: i128) -> Option<String> {
    ratio(part * 100, of, 2)
}

/// A column of a report.
#[derive(Clone, Copy)]
pub struct Column {
    /// Its name in JSON and CSV.
    pub name: &'static str,
    /// Its heading in a table on a terminal; none: not in the table.
    pub heading: Option<&'static str>,
    /// Its text is an amount of money, exact.
    pub is_money: bool,
    of: fn(&Figures, Currency) -> Option<String>,
}

impl Column {
    /// Its text for people: money rounded to the minor unit.
    #[must_use]
    pub fn rounded(&self, figures: &Figures, currency: Currency) -> Option<String> {
        let text = self.text(figures, currency)?;
        let exact = text.replace('.', "").parse::<i128>().ok().filter(|_| self.is_money);
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        match exact {
            Some(whole) => {
                ratio(whole, 10_i128.pow(u32::try_from(decimals).unwrap_or(0)), currency.exponent())
            }
            None => Some(text),
        }
    }

    /// Its text; none where there is nothing to divide by.
    #[must_use]
    pub fn text(&self, figures: &Figures, currency: Currency) -> Option<String> {
        (self.of)(figures, currency)
    }
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! columns {
    ($($name:literal, $heading:expr, $of:expr;)*) => {
        /// Every figure of a report, in the order of its columns.
        pub const COLUMNS: &[Column] = &[$(Column { name: $name, heading: $heading, is_money: is_money($name), of: $of },)*];
    };
}

/// Amounts; the other columns with money in them are ratios, and rounded already.
const fn is_money(name: &str) -> bool {
    matches!(name.as_bytes(), b"net_sales" | b"commission")
}

fn orders(part: Part) -> Option<String> {
    Some(exact(part.credit, 0))
}

fn money(amount: i128, currency: Currency) -> Option<String> {
    Some(exact(amount, currency.exponent()))
}

columns! {
    "clicks", Some("clicks"), |f, _| Some(f.clicks.to_string());
    "clicks_gross", None, |f, _| Some(f.clicks_gross.to_string());
    "clicks_invalid", None, |f, _| Some((f.clicks_gross - f.clicks).to_string());
    "invalid_percent", None, |f, _| percent(f.clicks_gross - f.clicks, f.clicks_gross);
    "impressions", None, |f, _| Some(f.impressions.to_string());
    "orders", Some("orders"), |f, _| orders(f.credited());
    "orders_pending", Some("pending"), |f, _| orders(f.of(OrderState::Pending));
    "orders_held", None, |f, _| orders(f.of(OrderState::Held));
    "orders_approved", None, |f, _| orders(f.approved());
    "orders_declined", Some("declined"), |f, _| orders(f.of(OrderState::Declined));
    "orders_reversed", None, |f, _| orders(f.of(OrderState::Reversed));
    "net_sales", Some("net sales"), |f, c| money(f.credited().net, c);
    "net_sales_approved", None, |f, c| money(f.approved().net, c);
    "net_sales_declined", None, |f, c| money(f.of(OrderState::Declined).net, c);
    "commission", Some("commission"), |f, c| money(f.credited().commission, c);
    "commission_approved", None, |f, c| money(f.approved().commission, c);
    "fees", None, |f, c| money(f.fees, c);
    "conversion_rate_percent", Some("CR %"), |f, _| ratio(f.credited().credit * 100, f.clicks * CREDIT, 2);
    "average_order_value", Some("AOV"), |f, c| ratio(f.credited().net, f.credited().credit, c.exponent());
    "earnings_per_click", Some("EPC"), |f, _| ratio(f.credited().commission, f.clicks * MICROS, 4);
    "effective_cost_per_order", None, |f, c| ratio(f.spent(), f.approved().credit, c.exponent());
    "effective_cost_per_1000_impressions", None, |f, _| ratio(f.credited().commission * 1_000, f.impressions * MICROS, 4);
    "return_on_spend", None, |f, _| ratio(f.approved().net, f.spent(), 2);
    "margin", None, |f, c| money(f.margin_left(), c);
    "margin_unknown_net", None, |f, c| money(f.margin_unknown, c);
    "return_on_investment", None, |f, _| ratio(f.margin_left(), f.spent(), 2);
    "approval_percent", None, |f, _| percent(f.approved().credit, f.decided().credit);
    "decline_percent", None, |f, _| percent(f.of(OrderState::Declined).credit, f.decided().credit);
    "decline_percent_of_value", None, |f, _| percent(f.of(OrderState::Declined).net, f.decided().net);
    "return_percent_of_value", None, |f, _| percent(f.returned, f.before_returns);
    "return_percent_of_orders", None, |f, _| percent(f.with_return, f.old);
    "new_customer_percent", None, |f, _| { let [_, new, returning] = f.customers; percent(new, new + returning) };
    "unknown_customer_percent", None, |f, _| { let [unknown, new, returning] = f.customers; percent(unknown, unknown + new + returning) };
    "journeys", None, |f, _| Some(f.journeys.to_string());
    "journeys_uncredited", None, |f, _| Some(f.uncredited.to_string());
    "introducer_percent", None, |f, _| percent(f.introducer, f.journeys);
    "in_between_percent", None, |f, _| percent(f.between, f.journeys);
    "closer_percent", None, |f, _| percent(f.closer, f.journeys);
    "duplicate_percent", None, |f, _| percent(f.reports - f.reported, f.reports);
}

#[cfg(test)]
mod tests {
    use event::Currency;

    use super::{COLUMNS, Figures, Part, exact, ratio};

    fn text(figures: &Figures, name: &str) -> Option<String> {
        let eur: Currency = "EUR".parse().unwrap();
        COLUMNS.iter().find(|column| column.name == name).unwrap().text(figures, eur)
    }

    #[test]
    fn the_published_example_comes_out() {
        let pending = Part { credit: 100_000_000, net: 9_000_000_000, commission: 450_000_000 };
        let mut figures = Figures { clicks: 4_000, ..Figures::default() };
        figures.states[0] = pending;
        assert_eq!(text(&figures, "conversion_rate_percent").unwrap(), "2.50");
        assert_eq!(text(&figures, "average_order_value").unwrap(), "90.00");
        assert_eq!(text(&figures, "earnings_per_click").unwrap(), "0.1125");
    }

    #[test]
    fn a_denominator_of_0_gives_nothing() {
        let figures = Figures::default();
        for column in COLUMNS.iter().filter(|c| c.name.contains("percent")) {
            assert_eq!(text(&figures, column.name), None, "{}", column.name);
        }
        assert_eq!(text(&figures, "earnings_per_click"), None);
        assert_eq!(text(&figures, "net_sales").unwrap(), "0.00");
    }

    #[test]
    fn ratios_are_rounded_half_even() {
        let shown = |n, d, places| ratio(n, d, places).unwrap();
        assert_eq!([shown(1, 8, 2), shown(3, 8, 2), shown(5, 8, 2)], ["0.12", "0.38", "0.62"]);
        assert_eq!(
            [shown(-1, 8, 2), shown(1, -3, 2), shown(-1, 1000, 2)],
            ["-0.12", "-0.33", "0.00"]
        );
        assert_eq!([shown(1, 2, 0), shown(3, 2, 0), shown(7, 1, 0)], ["0", "2", "7"]);
    }

    #[test]
    fn people_read_money_rounded_to_the_minor_unit() {
        let eur: Currency = "EUR".parse().unwrap();
        let commission = COLUMNS.iter().find(|column| column.name == "commission").unwrap();
        for (micros, words) in
            [(562_715_200, "562.72"), (5_000, "0.00"), (15_000, "0.02"), (0, "0.00")]
        {
            let mut figures = Figures::default();
            figures.states[0].commission = micros;
            assert_eq!(commission.rounded(&figures, eur).unwrap(), words);
        }
    }

    #[test]
    fn sums_of_money_are_exact() {
        assert_eq!(exact(3_746_000, 2), "3.746");
        assert_eq!(exact(-669_600_000, 2), "-669.60");
        assert_eq!(exact(5_000_000, 0), "5");
        assert_eq!(exact(i128::from(i64::MAX) * 1_000, 2), "9223372036854775.807");
    }
}
