//! What is in an order, and what the shop makes of it later.

use fastrand::Rng;

use super::{Act, Basket, BasketLine, Fate};

/// Categories of the shop; what the catalog pays for them: `money.rs`.
const CATEGORIES: [&str; 4] = ["shoes", "electronics", "travel", "gift-card"];

/// One order in three tells no lines; of the others, one in four tells less than its amount.
pub(super) fn draw_basket(rng: &mut Rng, amount_cents: u64) -> Basket {
    let new_customer = match rng.u32(0..10) {
        0..4 => Some(true),
        4..8 => Some(false),
        _ => None,
    };
    let mut left =
        if rng.u32(0..4) == 0 { amount_cents - rng.u64(1..amount_cents) } else { amount_cents };
    let mut lines = Vec::new();
    if rng.u32(0..3) > 0 {
        for _ in 0..rng.usize(0..3) {
            let cents = rng.u64(0..left);
            left -= cents;
            lines.push(BasketLine { category: draw_category(rng), cents });
        }
        lines.push(BasketLine { category: draw_category(rng), cents: left });
        lines.retain(|line| line.cents > 0);
    }
    Basket { lines, new_customer }
}

fn draw_category(rng: &mut Rng) -> &'static str {
    CATEGORIES.get(rng.usize(0..CATEGORIES.len())).copied().unwrap_or_default()
}

/// What the shop does, in hours from the order. The last word on validation holds, whenever the order came.
pub(super) fn draw_acts(rng: &mut Rng, basket: &Basket) -> Vec<(f64, Act)> {
    let later = |rng: &mut Rng| 36.0 + rng.f64() * 120.0;
    match rng.u32(0..100) {
        0..15 => vec![(later(rng), Act::Approve)],
        15..23 => vec![(later(rng), Act::Cancel)],
        // The shop's warehouse is quicker than its order system.
        23..26 => vec![(-0.5, Act::Cancel)],
        26..29 => vec![(24.0, Act::Cancel), (24.0 + later(rng), Act::Reopen)],
        29..41 if !basket.lines.is_empty() => vec![(later(rng), Act::ReturnFirstLine)],
        _ => Vec::new(),
    }
}

/// No order has acts of two kinds, so the last one says it all.
pub(super) const fn fate_after(act: Act) -> Fate {
    match act {
        Act::Approve => Fate::Approved,
        Act::Cancel => Fate::Cancelled,
        Act::ReturnFirstLine => Fate::PartReturned,
        Act::Reopen => Fate::Open,
    }
}
