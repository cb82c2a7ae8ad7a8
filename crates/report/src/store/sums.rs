//! What orders sum up to: a small table in one value, so that a row of a report is one read.
//!
//! A place of the rollup is a program, a goal, a basis, a cut, a span of days and a partner. Its value holds the sums of all
//! orders that stand there, by what tells them apart in a report. Sums of the same orders are the same bytes, whatever was
//! added and taken away before.

use std::collections::BTreeMap;

/// What tells orders of one place apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Like {
    /// Three letters.
    pub(crate) currency: [u8; 3],
    pub(crate) state: u8,
    pub(crate) code: u16,
    pub(crate) customer: u8,
}

/// Sums of shares of orders that are alike. Amounts are micros, credits millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    /// How many there are: nothing is kept of none.
    pub(crate) parts: i128,
    pub(crate) credit: i128,
    pub(crate) net: i128,
    pub(crate) commission: i128,
    pub(crate) margin: i128,
    pub(crate) margin_unknown: i128,
}

/// What tells orders apart of which something may come back until their lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lock {
    /// The first day, of UTC, on which they are older than their lock.
    pub(crate) day: i64,
    /// Three letters.
    pub(crate) currency: [u8; 3],
    pub(crate) code: u16,
    pub(crate) customer: u8,
}

/// Sums of what was sold and came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Returns {
    /// How many there are: nothing is kept of none.
    pub(crate) parts: i128,
    pub(crate) credit: i128,
    pub(crate) with_return: i128,
    pub(crate) before: i128,
    pub(crate) returned: i128,
}

/// One row of a value.
pub(crate) enum Row {
    Orders(Like, Amounts),
    Returns(Lock, Returns),
}

/// The sums of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    orders: BTreeMap<Like, Amounts>,
    returns: BTreeMap<Lock, Returns>,
}

impl Amounts {
    fn plus(&mut self, other: &Self, sign: i128) {
        self.parts += other.parts * sign;
        self.credit += other.credit * sign;
        self.net += other.net * sign;
        self.commission += other.commission * sign;
        self.margin += other.margin * sign;
        self.margin_unknown += other.margin_unknown * sign;
    }
}

impl Returns {
    fn plus(&mut self, other: &Self, sign: i128) {
        self.parts += other.parts * sign;
        self.credit += other.credit * sign;
        self.with_return += other.with_return * sign;
        self.before += other.before * sign;
        self.returned += other.returned * sign;
    }
}

impl Sums {
    /// Adds orders that are alike (`sign` 1), or takes them away (−1).
    pub(crate) fn orders(&mut self, like: Like, amounts: &Amounts, sign: i128) {
        let held = self.orders.entry(like).or_default();
        held.plus(amounts, sign);
        if *held == Amounts::default() {
            self.orders.remove(&like);
        }
    }

    /// Adds what may come back, or takes it away.
    pub(crate) fn returns(&mut self, lock: Lock, returns: &Returns, sign: i128) {
        let held = self.returns.entry(lock).or_default();
        held.plus(returns, sign);
        if *held == Returns::default() {
            self.returns.remove(&lock);
        }
    }

    /// Adds all of other sums, or takes it away.
    pub(crate) fn add(&mut self, other: &Self, sign: i128) {
        other.orders.iter().for_each(|(like, amounts)| self.orders(*like, amounts, sign));
        other.returns.iter().for_each(|(lock, returns)| self.returns(*lock, returns, sign));
    }

    /// Its rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        let orders = self.orders.iter().map(|(like, amounts)| Row::Orders(*like, *amounts));
        let returns = self.returns.iter().map(|(lock, returns)| Row::Returns(*lock, *returns));
        orders.chain(returns)
    }

    /// Adds a row.
    pub(crate) fn add_row(&mut self, row: Row) {
        match row {
            Row::Orders(like, amounts) => self.orders(like, &amounts, 1),
            Row::Returns(lock, returns) => self.returns(lock, &returns, 1),
        }
    }

    /// Adds all that a value holds.
    pub(crate) fn add_value(&mut self, value: &[u8]) {
        rows(value).for_each(|row| self.add_row(row));
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.returns.is_empty()
    }

    /// As the file has it: how many rows of orders, these, then those of returns.
    pub(crate) fn value(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + 24 * self.orders.len() + 16 * self.returns.len());
        write(&mut out, i128::try_from(self.orders.len()).unwrap_or(0));
        for (like, a) in &self.orders {
            out.extend_from_slice(&like.currency);
            out.extend_from_slice(&[like.state, like.customer]);
            let rest = [a.parts, a.credit, a.net, a.commission, a.margin, a.margin_unknown];
            std::iter::once(like.code.into()).chain(rest).for_each(|n| write(&mut out, n));
        }
        for (lock, r) in &self.returns {
            out.extend_from_slice(&lock.currency);
            out.push(lock.customer);
            let rest = [r.parts, r.credit, r.with_return, r.before, r.returned];
            let key = [lock.day.into(), lock.code.into()];
            key.into_iter().chain(rest).for_each(|n| write(&mut out, n));
        }
        out
    }
}

/// Seven bits a byte, the lowest first; the sign in the lowest bit.
fn write(out: &mut Vec<u8>, number: i128) {
    let mut rest = ((number << 1) ^ (number >> 127)).cast_unsigned();
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or(0);
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// The rows of a value; what cannot be read ends them.
pub(crate) fn rows(value: &[u8]) -> Rows<'_> {
    let mut rows = Rows { rest: value, orders: 0 };
    rows.orders = rows.number().unwrap_or(0);
    rows
}

/// Reads a value row by row.
pub(crate) struct Rows<'a> {
    rest: &'a [u8],
    /// Rows of orders to come.
    orders: i128,
}

impl Rows<'_> {
    fn number(&mut self) -> Option<i128> {
        // Nearly all fit into 63 bits.
        let (mut low, mut shift) = (0_u64, 0_u32);
        while shift < 63 {
            let byte = self.byte()?;
            low |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let half = i128::from(low >> 1);
                return Some(if low & 1 == 0 { half } else { -half - 1 });
            }
            shift += 7;
        }
        let mut whole = u128::from(low);
        loop {
            let byte = self.byte()?;
            whole |= u128::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                let half = (whole >> 1).cast_signed();
                return Some(if whole & 1 == 0 { half } else { -half - 1 });
            }
            shift += 7;
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    fn row(&mut self) -> Option<Row> {
        if self.orders > 0 {
            self.orders -= 1;
            let [a, b, c, state, customer] = self.bytes()?;
            let code = u16::try_from(self.number()?).ok()?;
            let like = Like { currency: [a, b, c], state, code, customer };
            let amounts = Amounts {
                parts: self.number()?,
                credit: self.number()?,
                net: self.number()?,
                commission: self.number()?,
                margin: self.number()?,
                margin_unknown: self.number()?,
            };
            return Some(Row::Orders(like, amounts));
        }
        let [a, b, c, customer] = self.bytes()?;
        let day = i64::try_from(self.number()?).ok()?;
        let code = u16::try_from(self.number()?).ok()?;
        let lock = Lock { day, currency: [a, b, c], code, customer };
        let returns = Returns {
            parts: self.number()?,
            credit: self.number()?,
            with_return: self.number()?,
            before: self.number()?,
            returned: self.number()?,
        };
        Some(Row::Returns(lock, returns))
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        self.row()
    }
}

#[cfg(test)]
mod tests {
    use testkit::Dice;

    use super::{Amounts, Like, Lock, Returns, Sums, rows};

    fn amounts(net: i128) -> Amounts {
        Amounts { parts: 1, credit: 1_000_000, net, ..Amounts::default() }
    }

    const LIKE: Like = Like { currency: *b"EUR", state: 0, code: 0, customer: 2 };
    const LOCK: Lock = Lock { day: -3, currency: *b"JPY", code: 702, customer: 0 };

    #[test]
    fn a_value_reads_as_it_was_written_also_beyond_64_bits() {
        for net in [0, 1, -1, 63, 64, -64, -65, i64::MAX.into(), i64::MIN.into(), 1 << 62, 1 << 63]
        {
            for net in [net, net << 60, -net << 62] {
                let mut sums = Sums::default();
                sums.orders(LIKE, &amounts(net), 1);
                sums.orders(Like { code: 999, ..LIKE }, &amounts(-net), 1);
                sums.returns(LOCK, &Returns { before: net, parts: 1, ..Returns::default() }, 1);
                let mut again = Sums::default();
                again.add_value(&sums.value());
                assert_eq!(again, sums, "{net}");
                assert_eq!(rows(&sums.value()).count(), 3, "{net}");
            }
        }
    }

    #[test]
    fn sums_of_the_same_orders_are_the_same_bytes_whatever_was_added_and_taken_away() {
        for seed in 0..50 {
            println!("seed {seed}");
            let mut dice = Dice::new(seed);
            let orders: Vec<(Like, Lock, i128)> = (0..20)
                .map(|_| {
                    let code = u16::try_from(dice.below(3)).unwrap();
                    let day = i64::try_from(dice.below(3)).unwrap();
                    (Like { code, ..LIKE }, Lock { day, ..LOCK }, i128::from(dice.below(1_000)))
                })
                .collect();
            let add = |sums: &mut Sums, (like, lock, net): (Like, Lock, i128), sign| {
                sums.orders(like, &amounts(net), sign);
                let returns = Returns { parts: 1, returned: net, ..Returns::default() };
                sums.returns(lock, &returns, sign);
            };
            let (mut straight, mut crooked) = (Sums::default(), Sums::default());
            for order in &orders {
                add(&mut straight, *order, 1);
            }
            let mut steps: Vec<_> = orders.iter().map(|order| (*order, 1)).collect();
            let extra: Vec<_> = orders.iter().map(|(a, b, net)| (*a, *b, net * 7 + 1)).collect();
            steps.extend(extra.iter().flat_map(|order| [(*order, 1), (*order, -1)]));
            dice.shuffle(&mut steps);
            for (order, sign) in steps {
                add(&mut crooked, order, sign);
            }
            assert_eq!(crooked.value(), straight.value(), "seed {seed}");
            for (order, sign) in orders.iter().map(|order| (*order, -1)) {
                add(&mut crooked, order, sign);
            }
            assert!(crooked.is_empty(), "seed {seed}");
        }
    }

    #[test]
    fn a_value_that_is_cut_short_ends_where_it_ends() {
        let mut sums = Sums::default();
        sums.orders(LIKE, &amounts(1 << 80), 1);
        let value = sums.value();
        for end in 0..value.len() {
            assert_eq!(rows(&value[..end]).count(), 0, "{end}");
        }
        assert_eq!(rows(&[0xff; 64]).count(), 0);
    }
}
