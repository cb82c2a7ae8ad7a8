//! Journeys of shoppers, and the truth about each order, written down before anything is sent.
//!
//! Times are hours since the play began. Every time that a rule compares keeps [`SLACK_H`] from the rule's bound, so
//! that a second of delay (12 hours of the play) at any step changes no truth; a draw that comes closer is drawn again.
//! Delays from click to order: 0.45 · Exp(0.20) + 0.50 · Exp(30.2) + 0.05 · Uniform(0, 720), fitted to figures that
//! partner networks publish.

use event::Code;
use fastrand::Rng;

use super::cast::{CASHBACK, ENDED, PAID_SEARCH, PLAYERS, Player};

/// Distance that every age keeps from its window's end, in hours: 1.5 real seconds at 12 hours a second.
pub(super) const SLACK_H: f64 = 18.0;

/// Draws before a journey of one kind is given up for a plain click.
const DRAWS_MAX: u32 = 200;

/// One thing that a shopper, a program or the shop does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// A click on a player's link.
    Click { player: usize, consent: ClickConsent, agent: Agent },
    /// A HEAD request for a player's link.
    Head { player: usize },
    /// A browser fetches the link ahead, and nobody follows.
    Prefetch { player: usize },
    /// An impression on a player's page.
    Impression { player: usize },
    /// The landing page's consent banner is answered.
    Landing { granted: bool },
    /// A click on a link that does not exist.
    UnknownLink,
    /// A server call with an amount that is none.
    WrongAmount,
    /// One report of an order.
    Report { order: usize, by: Reporter, amount_cents: u64, click: CarriedClick, denied: bool },
    /// The shop says what became of an order.
    Act { order: usize, act: Act },
}

/// What the shop does to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Approve,
    /// Declined as cancelled.
    Cancel,
    Reopen,
    /// The first line came back, all of it.
    ReturnFirstLine,
}

/// What becomes of an order in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// Nobody acts.
    Open,
    Approved,
    Cancelled,
    /// Its first line came back.
    PartReturned,
}

/// One line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BasketLine {
    pub category: &'static str,
    pub cents: u64,
}

/// What the shop's server tells of an order beside its amount.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Basket {
    /// May be less than the amount: the rest has no category.
    pub lines: Vec<BasketLine>,
    /// New (true) or returning, if the shop says it.
    pub new_customer: Option<bool>,
}

/// What the link says of consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClickConsent {
    Granted,
    Unknown,
    Denied,
    /// The browser sends `Sec-GPC: 1`.
    GlobalPrivacyControl,
}

/// Who sends the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agent {
    Person,
    Bot,
}

/// Which way an order is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reporter {
    Pixel,
    Server,
}

/// Which click id a report carries as a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CarriedClick {
    None,
    /// The last one that the shop saw on a landing, kept in its session.
    Session,
    /// The same, with one character changed.
    Altered,
}

/// A step and when it is due.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Due {
    pub at_h: f64,
    pub step: Step,
}

/// Who must be credited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    /// This player (a partner or the merchant's own channel).
    Player(usize),
    Nobody,
}

/// One order and the truth about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    pub truth: Truth,
    /// The amount that counts.
    pub amount_cents: u64,
    /// Reports of it that are accepted.
    pub reports: u64,
    pub kind: Kind,
    /// Whether the shop's server confirmed it; only then is the basket known.
    pub confirmed: bool,
    pub basket: Basket,
    pub fate: Fate,
    /// When it was ordered, in hours of the play.
    pub at_h: f64,
}

/// What a journey shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Clicks, no order.
    Browsing,
    /// Clicks of one or more players by cookie, then an order.
    Path,
    /// Consent not asked: the click id travels with the shop's session.
    SessionOnly,
    /// A window ended before the order.
    Expired,
    /// An exempt cashback journey; the order says denied.
    Exempt,
    /// A click on a link of a partner whose part has ended.
    Ended,
    /// Refused, by parameter or by signal.
    Denied,
    /// The banner is answered with no after a consented click.
    Withdrawn,
    /// The click id was altered on the way.
    Altered,
    /// An automated agent clicked and ordered.
    Bot,
    /// The click came after the order.
    ClickAfterOrder,
    /// An order without any touch.
    Direct,
    /// HEAD and prefetch, no click of a person.
    Preview,
    /// A broken link and a wrong call, then the right one.
    Mistaken,
}

impl Kind {
    /// All kinds with their share of the journeys, in thousandths.
    pub(super) const SHARES: [(Self, u32); 14] = [
        (Self::Browsing, 550),
        (Self::Path, 190),
        (Self::SessionOnly, 50),
        (Self::Expired, 25),
        (Self::Exempt, 20),
        (Self::Ended, 15),
        (Self::Denied, 25),
        (Self::Withdrawn, 10),
        (Self::Altered, 10),
        (Self::Bot, 30),
        (Self::ClickAfterOrder, 15),
        (Self::Direct, 30),
        (Self::Preview, 20),
        (Self::Mistaken, 10),
    ];

    /// In words, for tables.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Browsing => "clicks without order",
            Self::Path => "one or more partners, cookie",
            Self::SessionOnly => "consent unknown, shop's session",
            Self::Expired => "window ended before the order",
            Self::Exempt => "cashback, exempt link",
            Self::Ended => "partner ended before the click",
            Self::Denied => "consent refused",
            Self::Withdrawn => "consent withdrawn on landing",
            Self::Altered => "click id altered",
            Self::Bot => "automated agent",
            Self::ClickAfterOrder => "click after the order",
            Self::Direct => "no touch at all",
            Self::Preview => "HEAD and prefetch only",
            Self::Mistaken => "wrong calls, then the right one",
        }
    }
}

/// What one shopper does, and the truth about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Journey {
    pub steps: Vec<Due>,
    pub orders: Vec<Order>,
    /// Clicks of people by player, as the report must count them.
    pub valid_clicks: Vec<usize>,
    /// Codes of the requests that must be refused.
    pub refused: Vec<u16>,
}

/// Draws a journey that fits between `from_h` and `until_h`.
pub(super) fn draw(rng: &mut Rng, from_h: f64, until_h: f64) -> Journey {
    let kind = draw_kind(rng);
    (0..DRAWS_MAX)
        .find_map(|_| attempt(kind, rng, from_h, until_h))
        .unwrap_or_else(|| browsing(rng, from_h, until_h))
}

fn draw_kind(rng: &mut Rng) -> Kind {
    let mut rest = rng.u32(0..1000);
    for (kind, share) in Kind::SHARES {
        if rest < share {
            return kind;
        }
        rest -= share;
    }
    Kind::Browsing
}

/// One draw of a kind; none if it does not fit the time or comes too close to a bound.
fn attempt(kind: Kind, rng: &mut Rng, from_h: f64, until_h: f64) -> Option<Journey> {
    let start_h = from_h + rng.f64() * (until_h - from_h);
    let mut play = Play::new(kind, start_h);
    match kind {
        Kind::Browsing => return Some(browsing(rng, from_h, until_h)),
        Kind::Path => {
            let clicks = clicks_of_a_path(rng);
            play.touches(rng, clicks, ClickConsent::Granted);
            play.wait(delay_h(rng));
            play.order_by_cookie(rng)?;
            if rng.u32(0..100) < 15 {
                play.wait(24.0 + rng.f64() * 96.0);
                play.order_by_cookie(rng)?;
            }
        }
        Kind::SessionOnly => {
            let clicks = clicks_of_a_path(rng).min(3);
            play.touches(rng, clicks, ClickConsent::Unknown);
            play.wait(delay_h(rng));
            play.order_by_session(rng)?;
        }
        Kind::Expired => {
            let player = rng.usize(2..5);
            play.click(player, ClickConsent::Granted);
            let window_h = PLAYERS.get(player)?.click_window_h;
            play.wait(window_h + SLACK_H + 12.0 + rng.f64() * 48.0);
            play.order_by_cookie(rng)?;
        }
        Kind::Exempt => {
            play.click(CASHBACK, ClickConsent::Denied);
            play.wait(delay_h(rng));
            play.order(
                rng,
                Truth::Player(CASHBACK),
                &[(Reporter::Pixel, CarriedClick::None)],
                true,
            )?;
            play.within_window(CASHBACK)?;
        }
        Kind::Ended => {
            play.click(ENDED, ClickConsent::Granted);
            play.wait(delay_h(rng));
            play.order(rng, Truth::Nobody, &[(Reporter::Server, CarriedClick::Session)], false)?;
        }
        Kind::Denied => {
            let consent =
                if rng.bool() { ClickConsent::Denied } else { ClickConsent::GlobalPrivacyControl };
            let player = rng.usize(0..3);
            play.click(player, consent);
            play.wait(delay_h(rng));
            play.order(rng, Truth::Nobody, &[(Reporter::Server, CarriedClick::Session)], false)?;
        }
        Kind::Withdrawn => {
            play.click(rng.usize(0..3), ClickConsent::Granted);
            play.wait(1.0);
            play.push(Step::Landing { granted: false });
            play.wait(delay_h(rng));
            play.order(rng, Truth::Nobody, &[(Reporter::Server, CarriedClick::Session)], true)?;
        }
        Kind::Altered => {
            play.click(rng.usize(0..3), ClickConsent::Unknown);
            play.wait(delay_h(rng));
            play.order(rng, Truth::Nobody, &[(Reporter::Server, CarriedClick::Altered)], false)?;
        }
        Kind::Bot => {
            let player = rng.usize(0..3);
            for _ in 0..rng.usize(1..6) {
                let consent = ClickConsent::Granted;
                play.push(Step::Click { player, consent, agent: Agent::Bot });
                play.wait(0.1);
            }
            if rng.u32(0..100) < 30 {
                play.order(
                    rng,
                    Truth::Nobody,
                    &[(Reporter::Server, CarriedClick::Session)],
                    false,
                )?;
            }
        }
        Kind::ClickAfterOrder => {
            play.order(rng, Truth::Nobody, &[(Reporter::Server, CarriedClick::None)], false)?;
            play.wait(6.0);
            play.click(rng.usize(0..3), ClickConsent::Granted);
            play.wait(0.1);
            // The same order again, now with the later click: it must not win.
            let last = play.journey.orders.len() - 1;
            play.again(last, CarriedClick::Session);
        }
        Kind::Direct => {
            play.order(rng, Truth::Nobody, &[(Reporter::Server, CarriedClick::None)], false)?;
        }
        Kind::Mistaken => {
            play.push(Step::UnknownLink);
            play.push(Step::WrongAmount);
            play.journey.refused = vec![Code::UnknownLink.number(), Code::Malformed.number()];
            play.order(rng, Truth::Nobody, &[(Reporter::Server, CarriedClick::None)], false)?;
        }
        Kind::Preview => {
            let player = rng.usize(0..3);
            play.push(Step::Head { player });
            play.push(Step::Prefetch { player });
            play.wait(2.0);
            play.order(rng, Truth::Nobody, &[(Reporter::Server, CarriedClick::None)], false)?;
        }
    }
    (play.now_h <= until_h).then(|| play.finished(until_h))
}

fn browsing(rng: &mut Rng, from_h: f64, until_h: f64) -> Journey {
    let mut play = Play::new(Kind::Browsing, from_h + rng.f64() * (until_h - from_h).max(0.0));
    let consent = if rng.bool() { ClickConsent::Granted } else { ClickConsent::Unknown };
    for _ in 0..clicks_of_a_path(rng) {
        if play.now_h > until_h {
            break;
        }
        let player = draw_player(rng);
        play.push(Step::Impression { player });
        play.click(player, consent);
        play.wait(rng.f64() * 40.0);
    }
    play.journey
}

/// A journey in the making.
struct Play {
    kind: Kind,
    now_h: f64,
    clicks: Vec<(f64, usize)>,
    /// When, which order, what.
    acts: Vec<(f64, usize, Act)>,
    journey: Journey,
}

impl Play {
    fn new(kind: Kind, now_h: f64) -> Self {
        let journey = Journey {
            steps: Vec::new(),
            orders: Vec::new(),
            valid_clicks: Vec::new(),
            refused: Vec::new(),
        };
        Self { kind, now_h, clicks: Vec::new(), acts: Vec::new(), journey }
    }

    /// The journey with what the shop does until the end of the play.
    fn finished(mut self, until_h: f64) -> Journey {
        for (at_h, order, act) in self.acts {
            if at_h <= until_h
                && let Some(known) = self.journey.orders.get_mut(order)
            {
                known.fate = fate_after(act);
                self.journey.steps.push(Due { at_h, step: Step::Act { order, act } });
            }
        }
        self.journey.steps.sort_by(|a, b| a.at_h.total_cmp(&b.at_h));
        self.journey
    }

    fn wait(&mut self, hours: f64) {
        self.now_h += hours;
    }

    fn push(&mut self, step: Step) {
        self.journey.steps.push(Due { at_h: self.now_h, step });
    }

    fn click(&mut self, player: usize, consent: ClickConsent) {
        self.push(Step::Click { player, consent, agent: Agent::Person });
        self.clicks.push((self.now_h, player));
        self.journey.valid_clicks.push(player);
    }

    fn touches(&mut self, rng: &mut Rng, count: usize, consent: ClickConsent) {
        let mut player = draw_player(rng);
        for i in 0..count {
            if i > 0 {
                self.wait(0.2 + rng.f64() * 60.0);
                if rng.u32(0..100) < 60 {
                    player = draw_player(rng);
                }
            }
            self.click(player, consent);
        }
    }

    /// The age in hours of a click, if it is surely inside or surely outside of its player's window.
    fn surely_in(&self, at_h: f64, player: usize) -> Option<bool> {
        let window_h = PLAYERS.get(player)?.click_window_h;
        let age_h = self.now_h - at_h;
        ((age_h - window_h).abs() >= SLACK_H).then_some(age_h < window_h)
    }

    /// The last click inside its window wins: the rule of the play, for journeys whose every click is known by cookie.
    fn last_click_in_window(&self) -> Option<Truth> {
        let mut truth = Truth::Nobody;
        for (at_h, player) in &self.clicks {
            if self.surely_in(*at_h, *player)? {
                truth = Truth::Player(*player);
            }
        }
        Some(truth)
    }

    fn within_window(&self, player: usize) -> Option<()> {
        let (at_h, _) = self.clicks.last()?;
        self.surely_in(*at_h, player)?.then_some(())
    }

    fn order_by_cookie(&mut self, rng: &mut Rng) -> Option<()> {
        let truth = self.last_click_in_window()?;
        let pixel = (Reporter::Pixel, CarriedClick::None);
        let server = (Reporter::Server, CarriedClick::Session);
        match rng.u32(0..100) {
            0..60 => self.order(rng, truth, &[pixel, server], false),
            60..70 => self.order(rng, truth, &[server, pixel, server], false),
            _ => self.order(rng, truth, &[pixel], false),
        }
    }

    /// Only the last click id is known to the shop's server.
    fn order_by_session(&mut self, rng: &mut Rng) -> Option<()> {
        let (at_h, player) = *self.clicks.last()?;
        let truth =
            if self.surely_in(at_h, player)? { Truth::Player(player) } else { Truth::Nobody };
        self.order(rng, truth, &[(Reporter::Server, CarriedClick::Session)], false)
    }

    fn order(
        &mut self,
        rng: &mut Rng,
        truth: Truth,
        reports: &[(Reporter, CarriedClick)],
        denied: bool,
    ) -> Option<()> {
        let order = self.journey.orders.len();
        let amount_cents = rng.u64(1_500..25_000);
        let by_server = reports.iter().any(|(by, _)| *by == Reporter::Server);
        let basket = if by_server { draw_basket(rng, amount_cents) } else { Basket::default() };
        let acts = if by_server { draw_acts(rng, &basket) } else { Vec::new() };
        let at_h = self.now_h;
        for (by, click) in reports {
            // One pixel in ten tells another amount; the server's counts.
            let wrong = by_server && *by == Reporter::Pixel && rng.u32(0..10) == 0;
            let amount_cents = if wrong { amount_cents + 100 } else { amount_cents };
            let (by, click) = (*by, *click);
            self.push(Step::Report { order, by, amount_cents, click, denied });
        }
        let reports = u64::try_from(reports.len()).ok()?;
        let (kind, confirmed, fate) = (self.kind, by_server, Fate::Open);
        let known = Order { truth, amount_cents, reports, kind, confirmed, basket, fate, at_h };
        self.journey.orders.push(known);
        self.acts.extend(acts.into_iter().map(|(after_h, act)| (at_h + after_h, order, act)));
        Some(())
    }

    /// One more report of order `index` by the server.
    fn again(&mut self, index: usize, click: CarriedClick) {
        let Some(order) = self.journey.orders.get_mut(index) else { return };
        order.reports += 1;
        let amount_cents = order.amount_cents;
        let by = Reporter::Server;
        self.push(Step::Report { order: index, by, amount_cents, click, denied: false });
    }
}

/// Categories of the shop; what the catalog pays for them: `money.rs`.
const CATEGORIES: [&str; 4] = ["shoes", "electronics", "travel", "gift-card"];

/// One order in three tells no lines; of the others, one in four tells less than its amount.
fn draw_basket(rng: &mut Rng, amount_cents: u64) -> Basket {
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
fn draw_acts(rng: &mut Rng, basket: &Basket) -> Vec<(f64, Act)> {
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
const fn fate_after(act: Act) -> Fate {
    match act {
        Act::Approve => Fate::Approved,
        Act::Cancel => Fate::Cancelled,
        Act::ReturnFirstLine => Fate::PartReturned,
        Act::Reopen => Fate::Open,
    }
}

/// Mostly 1 to 8, with a tail to 40.
fn clicks_of_a_path(rng: &mut Rng) -> usize {
    let mut count = 1;
    while count < 40 && rng.u32(0..100) < 48 {
        count += 1;
    }
    count
}

/// By share; the own channel one time in fifteen or so.
fn draw_player(rng: &mut Rng) -> usize {
    let total: f64 = PLAYERS.iter().map(|player: &Player| player.share).sum();
    let mut rest = rng.f64() * total;
    for (index, player) in PLAYERS.iter().enumerate() {
        rest -= player.share;
        if rest < 0.0 {
            return index;
        }
    }
    PAID_SEARCH
}

fn delay_h(rng: &mut Rng) -> f64 {
    let exponential = |rng: &mut Rng, mean: f64| -mean * (1.0 - rng.f64()).ln();
    match rng.u32(0..100) {
        0..45 => exponential(rng, 0.20),
        45..95 => exponential(rng, 30.2),
        _ => rng.f64() * 720.0,
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::{Kind, Truth, draw};
    use crate::demo::cast::PAID_SEARCH;

    #[test]
    fn one_seed_gives_one_play() {
        let play = |seed| {
            let mut rng = Rng::with_seed(seed);
            (0..50).map(|_| draw(&mut rng, 0.0, 720.0)).collect::<Vec<_>>()
        };
        assert_eq!(play(7), play(7));
        assert_ne!(play(7), play(8));
    }

    #[test]
    fn every_kind_occurs_and_ends_in_time() {
        let mut rng = Rng::with_seed(1);
        let journeys: Vec<_> = (0..5_000).map(|_| draw(&mut rng, 0.0, 720.0)).collect();
        assert!(journeys.iter().flat_map(|j| &j.steps).all(|due| due.at_h <= 760.0));
        for (kind, _) in Kind::SHARES {
            let orders = journeys.iter().flat_map(|j| &j.orders).filter(|o| o.kind == kind);
            assert_eq!(orders.count() > 0, kind != Kind::Browsing, "{kind:?}");
        }
        let own = Truth::Player(PAID_SEARCH);
        assert!(journeys.iter().flat_map(|j| &j.orders).any(|o| o.truth == own));
    }

    #[test]
    fn a_play_of_two_days_has_no_order_after_the_end_of_a_window() {
        let mut rng = Rng::with_seed(2);
        let journeys: Vec<_> = (0..2_000).map(|_| draw(&mut rng, 0.0, 48.0)).collect();
        assert!(journeys.iter().flat_map(|j| &j.orders).all(|o| o.kind != Kind::Expired));
    }
}
