//! Shares of an amount in whole micros: largest remainder, so that they sum to the amount exactly.

#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

use crate::Micros;

/// Splits `amount` by `weights` of touches in total order, the nearest to the conversion last.
///
/// Share i is floor(amount · wᵢ / Σw); the units left over, fewer than there are weights, go one each to the largest
/// remainders, ties to the touch nearest to the conversion. Without a positive weight, or for a negative amount, every
/// share is 0.
#[must_use]
pub fn split(amount: Micros, weights: &[u64]) -> Vec<Micros> {
    let none = || vec![Micros(0); weights.len()];
    let sum = weights.iter().fold(0_u128, |sum, w| sum.saturating_add(u128::from(*w)));
    let Ok(value) = u128::try_from(amount.0) else { return none() };
    // Each product is below 2⁶³ · 2⁶⁴, so it fits; a sum of 0 gives nobody anything.
    let parts: Option<Vec<(u128, u128)>> = weights
        .iter()
        .map(|w| {
            let product = value.checked_mul(u128::from(*w))?;
            Some((product.checked_div(sum)?, product.checked_rem(sum)?))
        })
        .collect();
    let Some(parts) = parts else { return none() };
    let given = parts.iter().fold(0_u128, |given, (floor, _)| given.saturating_add(*floor));
    let left = usize::try_from(value.saturating_sub(given)).unwrap_or(0);
    let mut order: Vec<usize> = (0..parts.len()).rev().collect();
    order.sort_by_key(|i| std::cmp::Reverse(parts.get(*i).map(|(_, remainder)| *remainder)));
    let mut shares: Vec<u128> = parts.into_iter().map(|(floor, _)| floor).collect();
    for i in order.into_iter().take(left) {
        if let Some(share) = shares.get_mut(i) {
            *share = share.saturating_add(1);
        }
    }
    shares.into_iter().map(|share| Micros(i64::try_from(share).unwrap_or(i64::MAX))).collect()
}

#[cfg(test)]
mod tests {
    use crate::Micros;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::split;

    fn shares(amount: i64, weights: &[u64]) -> Vec<i64> {
        split(Micros(amount), weights).into_iter().map(|m| m.0).collect()
    }

    #[test]
    fn three_touches_of_ten_euros_sum_to_ten_euros() {
        assert_eq!(shares(10_000_000, &[1, 1, 1]), [3_333_333, 3_333_333, 3_333_334]);
    }

    #[test]
    fn a_tie_goes_to_the_touch_nearest_to_the_conversion() {
        assert_eq!(shares(1, &[1, 1]), [0, 1]);
        assert_eq!(shares(2, &[1, 1, 1]), [0, 1, 1]);
    }

    #[test]
    fn the_largest_remainder_comes_before_the_nearest_touch() {
        assert_eq!(shares(1, &[2, 1]), [1, 0]);
    }

    #[test]
    fn a_time_decay_of_four_channels_is_split_as_published() {
        // 2^(−9/7), 2^(−6/7), 1, 1 as fixed point of 62 bits.
        let weights = [1_891_564_545_861_038_778, 2_545_857_086_650_907_337, 1 << 62, 1 << 62];
        assert_eq!(shares(50_000_000, &weights), [6_923_333, 9_318_116, 16_879_275, 16_879_276]);
    }

    #[test]
    fn nothing_is_given_without_weight() {
        assert_eq!(shares(5, &[]), [0; 0]);
        assert_eq!(shares(5, &[0, 0]), [0, 0]);
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_amount_and_none_is_negative(
            amount in 0..=i64::MAX, weights in proptest::collection::vec(any::<u64>(), 1..20)
        ) {
            let shares = shares(amount, &weights);
            prop_assert!(shares.iter().all(|s| *s >= 0));
            let sum: i128 = shares.iter().map(|s| i128::from(*s)).sum();
            let expected = if weights.iter().all(|w| *w == 0) { 0 } else { i128::from(amount) };
            prop_assert_eq!(sum, expected);
        }

        #[test]
        fn one_weight_takes_all(amount in 0..=i64::MAX, at in 0usize..5) {
            let mut weights = [0; 5];
            weights[at] = 7;
            prop_assert_eq!(shares(amount, &weights)[at], amount);
        }
    }
}
