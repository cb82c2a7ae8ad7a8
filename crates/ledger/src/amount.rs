//! Arithmetic of amounts: sums in 128 bits, results within what a report may carry.

use event::Micros;
use event::money::{AMOUNT_UNITS_MAX, MICROS_PER_UNIT};

/// Largest amount of an order and largest commission of a share, in micros: 10¹¹ units, as reports are bounded. Thus every
/// sum over an order's shares and payments stays far below what `i64` holds.
pub(crate) const AMOUNT_MAX: i64 = AMOUNT_UNITS_MAX.saturating_mul(MICROS_PER_UNIT);
/// Largest sum over the shares or payments of one partner in one order, in micros.
const SUM_MAX: i128 = 8 * AMOUNT_MAX as i128;

/// An amount of a report or an act: never negative, never above [`AMOUNT_MAX`].
pub(crate) fn bounded(amount: Micros) -> Micros {
    Micros(amount.0.clamp(0, AMOUNT_MAX))
}

/// A sum of amounts of either sign.
pub(crate) fn sum(amounts: impl IntoIterator<Item = Micros>) -> Micros {
    clamped(total(amounts))
}

/// A sum of amounts in 128 bits: 2⁶⁴ of them fit.
pub(crate) fn total(amounts: impl IntoIterator<Item = Micros>) -> i128 {
    amounts.into_iter().fold(0, |sum: i128, amount| sum.saturating_add(i128::from(amount.0)))
}

/// A sum as an amount, within what the sums of an order's amounts may be.
pub(crate) fn clamped(sum: i128) -> Micros {
    Micros(i64::try_from(sum.clamp(-SUM_MAX, SUM_MAX)).unwrap_or(0)) // SUM_MAX is below i64::MAX
}

/// `a − b`.
pub(crate) fn minus(a: Micros, b: Micros) -> Micros {
    clamped(i128::from(a.0).saturating_sub(i128::from(b.0)))
}

/// `a + b`.
pub(crate) fn plus(a: Micros, b: Micros) -> Micros {
    sum([a, b])
}

/// floor(`amount` · `part` / `whole`) of an amount that is not negative; 0 of no whole.
pub(crate) fn share_of(amount: i128, part: u64, whole: u64) -> Micros {
    let product = amount.max(0).saturating_mul(i128::from(part));
    clamped(product.checked_div(i128::from(whole)).unwrap_or(0))
}
