//! The lines of an order: as bought, after an amendment, and what is left of them after a return.

use event::body::{Item, ReturnedLine, Validation};
use event::{Micros, split};

use crate::amount::{AMOUNT_MAX, bounded, clamped, minus, plus, share_of, sum, total};

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// What the report says of it; none: the rest that no item covers.
    pub(crate) item: Option<&'a Item>,
    /// What was bought.
    pub(crate) amount: Micros,
    /// What came back of it.
    pub(crate) returned: Micros,
    /// Pieces that came back.
    pieces_gone: u64,
}

impl<'a> Line<'a> {
    const fn new(item: Option<&'a Item>, amount: Micros) -> Self {
        Self { item, amount, returned: Micros(0), pieces_gone: 0 }
    }

    /// What stayed.
    pub(crate) fn kept(&self) -> Micros {
        minus(self.amount, self.returned)
    }

    pub(crate) fn category(&self) -> Option<&'a str> {
        self.item?.category.as_deref()
    }

    fn pieces(&self) -> u64 {
        self.item.map_or(1, |item| u64::from(item.qty.max(1)))
    }

    fn pieces_left(&self) -> u64 {
        self.pieces().saturating_sub(self.pieces_gone)
    }

    /// Takes at most what is left; what it took.
    fn take(&mut self, amount: Micros) -> Micros {
        let taken = amount.min(self.kept());
        self.returned = plus(self.returned, taken);
        taken
    }

    /// Takes these pieces of those that are left; by how much their price is more than the money that is left.
    fn take_pieces(&mut self, pieces: u64) -> Micros {
        let price = |gone| share_of(i128::from(self.amount.0), gone, self.pieces());
        let after = self.pieces_gone.saturating_add(pieces);
        let wanted = minus(price(after), price(self.pieces_gone));
        self.pieces_gone = after;
        let taken = self.take(wanted);
        minus(wanted, taken)
    }
}

/// An order's lines and what they sum to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lines<'a> {
    /// What was bought, after an amendment.
    pub(crate) amount: Micros,
    /// Items in their order, then the rest. At least one line; they sum to the amount.
    pub(crate) lines: Vec<Line<'a>>,
}

/// What of a return was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Excess {
    /// More than what was bought.
    pub(crate) too_much: Option<Micros>,
    /// Of lines that are not there; the amount that was named.
    pub(crate) unknown: Option<Micros>,
}

impl<'a> Lines<'a> {
    /// The lines of an order of `amount` with these items, as the amendment that holds has them.
    pub(crate) fn new(
        amount: Micros,
        items: &'a [Item],
        amendment: Option<&'a Validation>,
    ) -> Self {
        let Some(act) = amendment else { return Self::bought(amount, items) };
        if !act.items.is_empty() {
            let summed = || clamped(total(act.items.iter().map(|item| bounded(item.amount))));
            return Self::bought(act.amount.unwrap_or_else(summed), &act.items);
        }
        let mut lines = Self::bought(amount, items);
        if let Some(amount) = act.amount {
            lines.scale(bounded(amount));
        }
        lines
    }

    fn bought(amount: Micros, items: &'a [Item]) -> Self {
        let amount = bounded(amount);
        let mut lines: Vec<Line<'a>> =
            items.iter().map(|item| Line::new(Some(item), bounded(item.amount))).collect();
        let rest = i128::from(amount.0).saturating_sub(total(lines.iter().map(|l| l.amount)));
        if rest > 0 || lines.is_empty() {
            lines.push(Line::new(None, clamped(rest)));
        } else if rest < 0 {
            spread(amount, &mut lines);
        }
        Self { amount, lines }
    }

    /// The same lines in proportion to another amount.
    fn scale(&mut self, amount: Micros) {
        self.amount = amount;
        if self.lines.iter().all(|line| line.amount.0 == 0) {
            self.lines = vec![Line::new(None, amount)];
        } else {
            spread(amount, &mut self.lines);
        }
    }

    /// Takes out what came back.
    pub(crate) fn give_back(&mut self, act: &Validation) -> Excess {
        let mut excess = Excess::default();
        if act.returned.is_empty() {
            self.give_back_total(act.amount.unwrap_or_default(), &mut excess);
        }
        for entry in &act.returned {
            self.give_back_line(entry, &mut excess);
        }
        excess
    }

    fn give_back_total(&mut self, amount: Micros, excess: &mut Excess) {
        let wanted = bounded(amount);
        let taken = wanted.min(self.amount);
        note(&mut excess.too_much, minus(wanted, taken));
        let weights: Vec<u64> = self.lines.iter().map(|line| weight(line.amount)).collect();
        for (line, part) in self.lines.iter_mut().zip(split(taken, &weights)) {
            line.returned = part;
        }
    }

    fn give_back_line(&mut self, entry: &ReturnedLine, excess: &mut Excess) {
        let wanted = |line: &Line<'_>| match (entry.line, &entry.sku, line.item) {
            (Some(_), _, Some(_)) => true,
            (None, Some(sku), Some(item)) => item.sku.as_ref() == Some(sku),
            (None, None, _) | (_, _, None) => false,
        };
        let place = entry.line.map(|line| usize::try_from(line).unwrap_or(usize::MAX));
        let mut found = false;
        let mut money = entry.amount.map(bounded);
        let mut pieces = entry.qty.map(u64::from);
        let mut last_price = (Micros(0), 1);
        let mut too_much = Micros(0);
        for (line, at) in self.lines.iter_mut().zip(1_usize..) {
            if place.is_some_and(|place| place != at) || !wanted(line) {
                continue;
            }
            found = true;
            match (&mut money, &mut pieces) {
                (Some(money), _) => *money = minus(*money, line.take(*money)),
                (None, Some(pieces)) => {
                    let here = (*pieces).min(line.pieces_left());
                    too_much = plus(too_much, line.take_pieces(here));
                    *pieces = pieces.saturating_sub(here);
                    last_price = (line.amount, line.pieces());
                }
                (None, None) => {
                    line.pieces_gone = line.pieces();
                    line.take(line.kept());
                }
            }
        }
        if !found {
            let named = plus(excess.unknown.unwrap_or_default(), money.unwrap_or_default());
            excess.unknown = Some(named);
            return;
        }
        note(&mut excess.too_much, plus(too_much, money.unwrap_or_default()));
        if money.is_none() && pieces.is_some_and(|left| left > 0) {
            let (amount, of) = last_price;
            let worth = share_of(i128::from(amount.0), pieces.unwrap_or(0), of);
            let so_far = excess.too_much.unwrap_or_default();
            excess.too_much = Some(plus(so_far, worth));
        }
    }

    /// What came back of all lines.
    pub(crate) fn returned(&self) -> Micros {
        sum(self.lines.iter().map(|line| line.returned))
    }

    /// What stayed of all lines.
    pub(crate) fn kept(&self) -> Micros {
        minus(self.amount, self.returned())
    }
}

fn note(excess: &mut Option<Micros>, more: Micros) {
    if more.0 > 0 {
        *excess = Some(plus(excess.unwrap_or_default(), more));
    }
}

/// Gives each line its part of `amount` in proportion to what it has.
fn spread(amount: Micros, lines: &mut [Line<'_>]) {
    let weights: Vec<u64> = lines.iter().map(|line| weight(line.amount)).collect();
    for (line, part) in lines.iter_mut().zip(split(amount, &weights)) {
        line.amount = part;
    }
}

fn weight(amount: Micros) -> u64 {
    u64::try_from(amount.0.min(AMOUNT_MAX)).unwrap_or(0)
}
