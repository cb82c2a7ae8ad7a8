//! Which journeys there are, each drawn by its share.
//!
//! Times are hours since the play began. Every time that a rule compares keeps a distance from the rule's bound, so
//! that a second of delay (12 hours of the play) at any step changes no truth; a draw that comes closer is drawn again.
//! Delays from click to order: 0.45 · Exp(0.20) + 0.50 · Exp(30.2) + 0.05 · Uniform(0, 720), fitted to figures that
//! partner networks publish.

use event::Code;
use fastrand::Rng;

use super::making::{Play, SLACK_H};
use super::{Agent, CarriedClick, ClickConsent, Journey, Kind, Reporter, Step, Truth};
use crate::demo::cast::{BANNERS, CASHBACK, ENDED, PAID_SEARCH, PLAYERS, Player};

/// Draws before a journey of one kind is given up for a plain click.
const DRAWS_MAX: u32 = 200;

/// Draws a journey that fits between `from_h` and `until_h`.
pub(in super::super) fn draw(rng: &mut Rng, from_h: f64, until_h: f64) -> Journey {
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
    for nth in 0..clicks_of_a_path(rng) {
        if play.now_h > until_h {
            break;
        }
        let player = draw_player(rng);
        // A banner leads to the first page.
        let shown = if nth == 0 { BANNERS } else { player };
        play.push(Step::Impression { player: shown });
        play.click(player, consent);
        play.wait(rng.f64() * 40.0);
    }
    play.journey
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
pub(super) fn draw_player(rng: &mut Rng) -> usize {
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

    use super::super::{Kind, Truth};
    use super::draw;
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
