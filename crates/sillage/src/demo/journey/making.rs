//! A journey in the making: its steps, one after the other, and what must come of them.

use fastrand::Rng;

use super::basket::{draw_acts, draw_basket, fate_after};
use super::draw::draw_player;
use super::{
    Act, Agent, Basket, CarriedClick, ClickConsent, Due, Fate, Journey, Kind, Order, Reporter,
    Step, Truth,
};
use crate::demo::cast::PLAYERS;

/// Distance that every age keeps from its window's end, in hours: 1.5 real seconds at 12 hours a second.
pub(super) const SLACK_H: f64 = 18.0;

/// A journey in the making.
pub(super) struct Play {
    kind: Kind,
    pub(super) now_h: f64,
    clicks: Vec<(f64, usize)>,
    /// When, which order, what.
    acts: Vec<(f64, usize, Act)>,
    pub(super) journey: Journey,
}

impl Play {
    pub(super) fn new(kind: Kind, now_h: f64) -> Self {
        let journey = Journey {
            steps: Vec::new(),
            orders: Vec::new(),
            valid_clicks: Vec::new(),
            refused: Vec::new(),
        };
        Self { kind, now_h, clicks: Vec::new(), acts: Vec::new(), journey }
    }

    /// The journey with what the shop does until the end of the play.
    pub(super) fn finished(mut self, until_h: f64) -> Journey {
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

    pub(super) fn wait(&mut self, hours: f64) {
        self.now_h += hours;
    }

    pub(super) fn push(&mut self, step: Step) {
        self.journey.steps.push(Due { at_h: self.now_h, step });
    }

    pub(super) fn click(&mut self, player: usize, consent: ClickConsent) {
        self.push(Step::Click { player, consent, agent: Agent::Person });
        self.clicks.push((self.now_h, player));
        self.journey.valid_clicks.push(player);
    }

    pub(super) fn touches(&mut self, rng: &mut Rng, count: usize, consent: ClickConsent) {
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

    pub(super) fn within_window(&self, player: usize) -> Option<()> {
        let (at_h, _) = self.clicks.last()?;
        self.surely_in(*at_h, player)?.then_some(())
    }

    pub(super) fn order_by_cookie(&mut self, rng: &mut Rng) -> Option<()> {
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
    pub(super) fn order_by_session(&mut self, rng: &mut Rng) -> Option<()> {
        let (at_h, player) = *self.clicks.last()?;
        let truth =
            if self.surely_in(at_h, player)? { Truth::Player(player) } else { Truth::Nobody };
        self.order(rng, truth, &[(Reporter::Server, CarriedClick::Session)], false)
    }

    pub(super) fn order(
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
    pub(super) fn again(&mut self, index: usize, click: CarriedClick) {
        let Some(order) = self.journey.orders.get_mut(index) else { return };
        order.reports += 1;
        let amount_cents = order.amount_cents;
        let by = Reporter::Server;
        self.push(Step::Report { order: index, by, amount_cents, click, denied: false });
    }
}
