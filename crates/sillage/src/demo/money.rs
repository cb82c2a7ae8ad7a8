//! What each order must earn: the truth about money, from the facts of the play alone.
//!
//! The shop's commissions stand here a second time, in basis points by category, so that nothing is learned from the
//! system that is checked; a test holds them against the catalog. One basis point of a cent is a micro: 0.01 % of 0.01 is
//! 0.000001.

use super::cast::PLAYERS;
use super::journey::{Basket, BasketLine, Fate, Order, Truth};

/// Micros in a cent.
pub(super) const MICROS_PER_CENT: i64 = 10_000;

/// What lines pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pay {
    /// Only lines of this category.
    pub category: Option<&'static str>,
    /// Only lines of orders of new customers.
    pub new_customers: bool,
    /// Basis points of what stayed of them.
    pub points: u64,
    /// Most for one order.
    pub cap_cents: Option<u64>,
}

impl Pay {
    /// So many basis points of every line.
    pub(super) const fn of_everything(points: u64) -> Self {
        Self { category: None, new_customers: false, points, cap_cents: None }
    }

    fn takes(&self, line: &BasketLine, basket: &Basket) -> bool {
        self.category.is_none_or(|category| category == line.category)
            && (!self.new_customers || basket.new_customer == Some(true))
    }
}

/// What an order is worth to the partner who is credited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Earned {
    /// Index of the player.
    pub player: usize,
    /// Net amount that stayed.
    pub net_micros: i64,
    /// Commission on it.
    pub commission_micros: i64,
    /// Refused, cancelled or all returned: nothing is due.
    pub declined: bool,
}

/// What the order must earn; none if no partner is credited.
pub(super) fn earned(order: &Order) -> Option<Earned> {
    let Truth::Player(player) = order.truth else { return None };
    PLAYERS.get(player)?.partner?; // an own channel earns nothing
    let kept = kept_lines(order);
    let net_cents: u64 = kept.iter().map(|line| line.cents).sum();
    Some(Earned {
        player,
        net_micros: micros(net_cents),
        commission_micros: commission(player, &kept, &order.basket),
        declined: order.fate == Fate::Cancelled || net_cents == 0,
    })
}

/// Net amount that stayed, whoever is credited, in cents.
pub(super) fn net_cents(order: &Order) -> u64 {
    kept_lines(order).iter().map(|line| line.cents).sum()
}

/// The lines that stayed; what the lines leave of the amount is one more, without category.
pub(super) fn kept_lines(order: &Order) -> Vec<BasketLine> {
    let told: u64 = order.basket.lines.iter().map(|line| line.cents).sum();
    let rest = BasketLine { category: "", cents: order.amount_cents.saturating_sub(told) };
    let returned = usize::from(order.fate == Fate::PartReturned);
    let lines = order.basket.lines.iter().skip(returned).copied();
    lines.chain([rest]).filter(|line| line.cents > 0).collect()
}

/// What this player would earn with these lines, in micros.
pub(super) fn commission(player: usize, lines: &[BasketLine], basket: &Basket) -> i64 {
    let pay = PLAYERS.get(player).map_or(&[][..], |player| player.pay);
    let mut left = lines.to_vec();
    let mut earned = 0_u64;
    for pay in pay {
        let (taken, others): (Vec<_>, _) =
            left.into_iter().partition(|line| pay.takes(line, basket));
        left = others;
        let cents: u64 = taken.iter().map(|line| line.cents).sum();
        let cap = pay.cap_cents.map_or(u64::MAX, |cents| cents * MICROS_PER_CENT.unsigned_abs());
        earned += (cents * pay.points).min(cap);
    }
    i64::try_from(earned).unwrap_or(i64::MAX)
}

fn micros(cents: u64) -> i64 {
    i64::try_from(cents).unwrap_or(i64::MAX).saturating_mul(MICROS_PER_CENT)
}
