//! What an order is worth to whom: its lines, the rules that price them, and the shares of its credits.

mod lines;
mod rules;

use std::sync::Arc;

use catalog::commission::{Pays, RATE_UNIT};
use catalog::{ProgramRef, RankedRule};
use event::body::decision::Credit;
use event::body::{CustomerType, OrderState, RuleUsed, Share, Validation};
use event::money::MICROS_PER_UNIT;
use event::{Code, Currency, Micros, OrderKey, split};

use crate::amount::{AMOUNT_MAX, clamped, plus, share_of, sum};
use crate::base::Base;

pub(crate) use lines::Excess;
use lines::{Line, Lines};
use rules::{Asked, Found};

/// A priced order.
#[derive(Clone, Debug)]
pub(crate) struct Priced {
    /// What was bought, after an amendment.
    pub(crate) amount: Micros,
    /// What came back.
    pub(crate) returned: Micros,
    /// Margin of the lines whose rate is known.
    pub(crate) margin: Micros,
    /// What stayed of the others.
    pub(crate) margin_unknown: Micros,
    /// One for each credit, in the same order; pending, not locked, not paid.
    pub(crate) shares: Vec<Share>,
    /// A line of a share with a partner has no rate.
    pub(crate) no_rate: bool,
    /// Versions of terms that priced it, each once.
    pub(crate) terms: Vec<Arc<str>>,
    /// What of the return was not to be had.
    pub(crate) excess: Excess,
}

impl Priced {
    /// What stayed of the order.
    pub(crate) fn kept(&self) -> Micros {
        crate::amount::minus(self.amount, self.returned)
    }

    /// Commission of all shares.
    pub(crate) fn commission(&self) -> Micros {
        sum(self.shares.iter().map(|share| share.commission))
    }
}

/// The acts that change what an order is worth, where they count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changes<'a> {
    pub(crate) amendment: Option<&'a Validation>,
    pub(crate) give_back: Option<&'a Validation>,
}

/// Prices an order by the terms in force at its time.
///
/// # Panics
/// If the shares of a line do not sum to it: a book that loses or makes money must stop.
pub(crate) fn price(
    order: &OrderKey,
    base: &Base<'_>,
    changes: Changes<'_>,
    program: ProgramRef<'_>,
    currency: Currency,
) -> Priced {
    let mut lines = Lines::new(base.amount, base.items, changes.amendment);
    let excess = changes.give_back.map(|act| lines.give_back(act)).unwrap_or_default();
    let in_force = program.terms_at(base.converted_at);
    let mut priced = Priced {
        amount: lines.amount,
        returned: lines.returned(),
        margin: Micros(0),
        margin_unknown: Micros(0),
        shares: Vec::with_capacity(base.credits.len()),
        no_rate: false,
        terms: vec![Arc::clone(&in_force.reference.id)],
        excess,
    };
    for line in &lines.lines {
        let kept = line.kept();
        match in_force.terms.margins.rate(line.category()) {
            Some(rate) => priced.margin = plus(priced.margin, rated(i128::from(kept.0), rate.0)),
            None => priced.margin_unknown = plus(priced.margin_unknown, kept),
        }
    }
    let asked = Asked {
        goal: &order.goal,
        coupons: base.coupons,
        customer: base.customer_type,
        at: base.converted_at,
        currency,
    };
    let parts = Parts::new(&lines, base.credits);
    for (place, credit) in base.credits.iter().enumerate() {
        let pricing = Pricing { lines: &lines, parts: &parts, place, asked, credit };
        let share = pricing.share(program, &mut priced);
        priced.shares.push(share);
    }
    let given = sum(priced.shares.iter().map(|share| share.net));
    let somebody = parts.weights.iter().any(|weight| *weight > 0);
    assert!(
        given == if somebody { lines.kept() } else { Micros(0) },
        "the shares of an order must sum to what is kept of it"
    );
    priced
}

/// floor(`amount` · `rate` / 1,000,000).
fn rated(amount: i128, rate: u32) -> Micros {
    share_of(amount, u64::from(rate), u64::from(RATE_UNIT))
}

/// Each line's kept amount, split over all credits.
struct Parts {
    /// Of the credits, the oldest first.
    weights: Vec<u64>,
    /// By line, then by credit, the oldest first. Empty with a single credit: it has every line.
    parts: Vec<Vec<Micros>>,
}

impl Parts {
    fn new(lines: &Lines<'_>, credits: &[Credit]) -> Self {
        let weights: Vec<u64> = credits.iter().rev().map(|credit| credit.weight).collect();
        let parts = match weights.as_slice() {
            [] => Vec::new(),
            [only] if *only > 0 => Vec::new(),
            _ => lines.lines.iter().map(|line| split(line.kept(), &weights)).collect(),
        };
        Self { weights, parts }
    }

    /// Part of a line that the credit at `place`, from the newest, has.
    fn of(&self, line: usize, kept: Micros, place: usize) -> Micros {
        if self.parts.is_empty() {
            return kept;
        }
        let part = self.parts.get(line).and_then(|parts| parts.get(self.place_from_oldest(place)));
        part.copied().unwrap_or_default()
    }

    /// Part of an amount for the whole order that the credit at `place` has.
    fn of_order(&self, amount: Micros, place: usize) -> Micros {
        if self.parts.is_empty() {
            return amount;
        }
        split(amount, &self.weights).get(self.place_from_oldest(place)).copied().unwrap_or_default()
    }

    fn place_from_oldest(&self, place: usize) -> usize {
        self.weights.len().saturating_sub(place).saturating_sub(1)
    }
}

/// One rule and its lines in a share.
struct Used<'a> {
    ranked: RankedRule<'a>,
    lines: u32,
    /// What was bought of the lines.
    bought: i128,
    /// What is left of them.
    kept: i128,
    /// The share's part of that.
    net: i128,
}

/// One credit on its way to being a share.
struct Pricing<'a> {
    lines: &'a Lines<'a>,
    parts: &'a Parts,
    place: usize,
    asked: Asked<'a>,
    credit: &'a Credit,
}

impl Pricing<'_> {
    fn share(&self, program: ProgramRef<'_>, priced: &mut Priced) -> Share {
        let credit = self.credit;
        let net = self.lines.lines.iter().enumerate();
        let net = sum(net.map(|(at, line)| self.parts.of(at, line.kept(), self.place)));
        let mut share = Share {
            partner: credit.partner.clone(),
            touch: credit.touch,
            kind: credit.kind,
            touched_at: credit.touched_at,
            link: credit.link.clone(),
            channel: credit.channel.clone(),
            net,
            commission: Micros(0),
            currency: self.asked.currency,
            locked: None,
            paid: Micros(0),
            state: OrderState::Pending,
            codes: Vec::new(),
            rules: Vec::new(),
            statement: None,
            dimensions: credit.dimensions.clone(),
        };
        let Some(partner) = &credit.partner else { return share };
        let terms = program.commission(partner.as_str(), self.asked.at);
        let of = u32::try_from(terms.rules.len()).unwrap_or(u32::MAX);
        let eligible = rules::eligible(&terms, &self.asked, credit, partner);
        let mut used: Vec<Used<'_>> = Vec::new();
        let (mut without_rule, mut without_rate) = (0_usize, false);
        for (at, line) in self.lines.lines.iter().enumerate() {
            match rules::first(&eligible, line, self.asked.currency) {
                Found::Rule(ranked) => self.use_rule(ranked, (at, line), &mut used),
                Found::NoRate => without_rate = true,
                Found::NoRule => without_rule = without_rule.saturating_add(1),
            }
        }
        used.sort_by_key(|used| used.ranked.rank);
        let mut capped = false;
        for one in &used {
            let (earned, cut) = self.earned(one);
            let earned = if without_rate { Micros(0) } else { earned };
            capped |= cut;
            share.commission = plus(share.commission, earned).min(Micros(AMOUNT_MAX));
            priced.note_terms(&one.ranked);
            share.rules.push(in_words(one, of, earned));
        }
        priced.no_rate |= without_rate;
        let asks_returning =
            |used: &Used<'_>| used.ranked.rule.when.customer == Some(CustomerType::Returning);
        let excludes = |used: &Used<'_>| used.ranked.rule.pays == Pays::Excluded;
        let said = [
            (Code::NoRule, without_rule == self.lines.lines.len()),
            (Code::ExcludedItem, used.iter().any(excludes)),
            (Code::CappedPartial, capped),
            (Code::ReturningCustomerRate, used.iter().any(asks_returning)),
            (Code::BelowUnit, is_below_unit(share.commission, share.currency)),
            (Code::NoRate, without_rate),
        ];
        share.codes = said.into_iter().filter(|(_, holds)| *holds).map(|(code, _)| code).collect();
        share
    }

    fn use_rule<'a>(
        &self,
        ranked: RankedRule<'a>,
        (at, line): (usize, &Line<'_>),
        used: &mut Vec<Used<'a>>,
    ) {
        let kept = line.kept();
        let part = self.parts.of(at, kept, self.place);
        let known = used.iter().position(|used| used.ranked.rank == ranked.rank);
        let known = known.unwrap_or_else(|| {
            used.push(Used { ranked, lines: 0, bought: 0, kept: 0, net: 0 });
            used.len().saturating_sub(1)
        });
        if let Some(used) = used.get_mut(known) {
            used.lines = used.lines.saturating_add(1);
            used.bought = used.bought.saturating_add(i128::from(line.amount.0));
            used.kept = used.kept.saturating_add(i128::from(kept.0));
            used.net = used.net.saturating_add(i128::from(part.0));
        }
    }

    /// What the lines of a rule earn, and whether its cap cut that.
    fn earned(&self, used: &Used<'_>) -> (Micros, bool) {
        let rule = used.ranked.rule;
        let earned = match rule.pays {
            Pays::Percent(rate) => rated(used.net, rate.0),
            Pays::PerOrder(amount) if used.bought == 0 || used.kept > 0 => {
                self.parts.of_order(crate::amount::bounded(amount), self.place)
            }
            Pays::PerOrder(_)
            | Pays::Excluded
            | Pays::PerClick(_)
            | Pays::PerThousandImpressions(_)
            | Pays::PerPeriod { .. } => Micros(0),
        };
        let cap = rule.cap_per_order.map(|cap| self.parts.of_order(cap, self.place));
        match cap {
            Some(cap) if cap < earned => (cap.max(Micros(0)), true),
            Some(_) | None => (earned, false),
        }
    }
}

impl Priced {
    fn note_terms(&mut self, ranked: &RankedRule<'_>) {
        if !self.terms.contains(&ranked.terms.id) {
            self.terms.push(Arc::clone(&ranked.terms.id));
        }
    }
}

fn in_words(used: &Used<'_>, of: u32, commission: Micros) -> RuleUsed {
    let rule = used.ranked.rule;
    RuleUsed {
        terms: Arc::clone(&used.ranked.terms.id),
        rank: used.ranked.rank,
        of,
        name: rule.name.as_deref().map(Arc::from),
        pays: rule.pays_in_words().into(),
        lines: used.lines,
        net: clamped(used.net),
        commission,
    }
}

/// Above nothing and below the smallest unit of the currency.
fn is_below_unit(commission: Micros, currency: Currency) -> bool {
    let parts = 10_i64.saturating_pow(u32::from(currency.exponent()));
    let unit = MICROS_PER_UNIT.checked_div(parts).unwrap_or(1);
    0 < commission.0 && commission.0 < unit
}
