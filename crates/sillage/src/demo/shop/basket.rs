//! What the shop sells, and what it keeps of each visitor.

use std::collections::VecDeque;

use super::words::Language;

/// Visitors that are kept; the oldest gives way.
const SESSIONS_MAX: usize = 256;
/// Orders of one visitor that are kept.
const ORDERS_MAX: usize = 20;
/// Pieces of one product in a basket.
const PIECES_MAX: u64 = 9;
/// The first order's number.
const FIRST_ORDER: u64 = 1001;

/// A product; its names are words.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) id: &'static str,
    /// As the catalog's commission rules name it.
    pub(super) category: &'static str,
    pub(super) cents: u64,
    /// Drawn as one letter.
    pub(super) picture: &'static str,
    name: &'static str,
    text: &'static str,
}

impl Product {
    pub(super) fn name(&self, language: Language) -> &'static str {
        language.say(self.name)
    }

    pub(super) fn text(&self, language: Language) -> &'static str {
        language.say(self.text)
    }
}

/// All that there is.
pub(super) const PRODUCTS: [Product; 3] = [
    Product {
        id: "walker",
        category: "shoes",
        cents: 8_900,
        picture: include_str!("../pages/walker.svg"),
        name: "walker",
        text: "walker_text",
    },
    Product {
        id: "headphones",
        category: "electronics",
        cents: 12_900,
        picture: include_str!("../pages/headphones.svg"),
        name: "headphones",
        text: "headphones_text",
    },
    Product {
        id: "card",
        category: "gift-card",
        cents: 3_000,
        picture: include_str!("../pages/card.svg"),
        name: "card",
        text: "card_text",
    },
];

/// What the visitor answered to the banner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Consent {
    /// Not asked yet.
    #[default]
    Unasked,
    /// Closed the banner.
    Closed,
    Granted,
    Denied,
}

impl Consent {
    /// As reports say it.
    pub(super) const fn word(self) -> Option<&'static str> {
        match self {
            Self::Unasked | Self::Closed => None,
            Self::Granted => Some("granted"),
            Self::Denied => Some("denied"),
        }
    }
}

/// One line of an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) product: &'static Product,
    pub(super) count: u64,
    pub(super) returned: bool,
}

impl Line {
    pub(super) const fn cents(&self) -> u64 {
        self.product.cents * self.count
    }
}

/// An order.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) lines: Vec<Line>,
    /// Reported by an image in its page.
    pub(super) pixel: bool,
    /// The page with that image was shown.
    pub(super) pixel_shown: bool,
    /// Reported by the shop's server.
    pub(super) server: bool,
    pub(super) cancelled: bool,
}

impl Order {
    pub(super) fn cents(&self) -> u64 {
        self.lines.iter().map(Line::cents).sum()
    }
}

/// One visitor.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// From the address of the last landing.
    pub(super) click_id: Option<String>,
    pub(super) consent: Consent,
    /// Pieces of each product.
    counts: [u64; PRODUCTS.len()],
    orders: VecDeque<Order>,
}

impl Session {
    /// What is in the basket.
    pub(super) fn lines(&self) -> Vec<Line> {
        let pairs = PRODUCTS.iter().zip(self.counts).filter(|(_, count)| *count > 0);
        pairs.map(|(product, count)| Line { product, count, returned: false }).collect()
    }

    pub(super) fn pieces(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// One piece more, or one line less; what is not sold changes nothing.
    pub(super) fn change(&mut self, product: &str, add: bool) {
        let found = PRODUCTS.iter().zip(&mut self.counts).find(|(known, _)| known.id == product);
        if let Some((_, count)) = found {
            *count = if add { (*count + 1).min(PIECES_MAX) } else { 0 };
        }
    }

    pub(super) fn order(&mut self, id: &str) -> Option<&mut Order> {
        self.orders.iter_mut().find(|order| order.id == id)
    }
}

/// All visitors.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    kept: VecDeque<(String, Session)>,
    ordered: u64,
}

impl Sessions {
    pub(super) fn known(&self, id: &str) -> bool {
        self.kept.iter().any(|(known, _)| known == id)
    }

    /// The visitor of this id, made if new.
    pub(super) fn of(&mut self, id: &str) -> &mut Session {
        let at = self.kept.iter().position(|(known, _)| known == id).unwrap_or_else(|| {
            if self.kept.len() == SESSIONS_MAX {
                self.kept.pop_front();
            }
            self.kept.push_back((id.to_owned(), Session::default()));
            self.kept.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or made above")]
        &mut self.kept[at].1
    }

    /// Turns a basket into an order; nothing if it is empty.
    pub(super) fn buy(&mut self, session: &str, pixel: bool, server: bool) -> Option<Order> {
        let id = format!("BD-{}", FIRST_ORDER + self.ordered);
        let session = self.of(session);
        let lines = session.lines();
        if lines.is_empty() {
            return None;
        }
        session.counts = Default::default();
        let order = Order { id, lines, pixel, pixel_shown: false, server, cancelled: false };
        if session.orders.len() == ORDERS_MAX {
            session.orders.pop_front();
        }
        session.orders.push_back(order.clone());
        self.ordered += 1;
        Some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECES_MAX, SESSIONS_MAX, Sessions};

    #[test]
    fn an_empty_basket_is_no_order_and_a_bought_one_is_empty() {
        let mut sessions = Sessions::default();
        assert!(sessions.buy("a", true, true).is_none());
        sessions.of("a").change("walker", true);
        sessions.of("a").change("no-such-thing", true);
        let order = sessions.buy("a", true, false).expect("an order");
        assert_eq!((&*order.id, order.cents(), order.lines.len()), ("BD-1001", 8_900, 1));
        assert_eq!(sessions.of("a").pieces(), 0);
        assert!(sessions.of("b").order("BD-1001").is_none(), "another visitor's");
        assert!(sessions.of("a").order("BD-1001").is_some());
    }

    #[test]
    fn baskets_and_visitors_are_bounded() {
        let mut sessions = Sessions::default();
        for _ in 0..PIECES_MAX + 5 {
            sessions.of("0").change("card", true);
        }
        assert_eq!(sessions.of("0").pieces(), PIECES_MAX);
        for visitor in 1..=SESSIONS_MAX {
            sessions.of(&visitor.to_string());
        }
        assert!(!sessions.known("0"));
        assert_eq!(sessions.kept.len(), SESSIONS_MAX);
    }
}
