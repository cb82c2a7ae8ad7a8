//! What an order counts for in the rollups: of the rows that the file has, each share in its places.

use event::body::touch::SubIds;
use event::body::{OrderState, TouchKind};
use event::time::DAY_MS;
use event::{Code, Millis};
use rusqlite::Error;

use super::orders::{CREDIT, state_of};
use super::rollup::{Cut, Of, OrderPlace};
use super::subs::own_value;
use super::sums::{Amounts, Like, Lock, Returns, Sums};
use super::touches::kind_number;
use super::write::Writer;
use super::{NOBODY, OWN};
use crate::days::Zone;

/// Basis of a sum by day: everything on its own day.
pub(crate) const BY_EVENT: i64 = 0;
/// Basis of a sum by day: an order on the day of its credited touch.
pub(crate) const BY_CLICK: i64 = 1;

/// Ends of the buckets of time from touch to order, and their names.
pub(crate) const BUCKETS: [(i64, &str); 11] = [
    (5_000, "under 5 s"),
    (15_000, "under 15 s"),
    (60_000, "under 1 min"),
    (600_000, "under 10 min"),
    (3_600_000, "under 1 h"),
    (DAY_MS, "under 24 h"),
    (2 * DAY_MS, "under 2 d"),
    (7 * DAY_MS, "under 7 d"),
    (14 * DAY_MS, "under 14 d"),
    (30 * DAY_MS, "under 30 d"),
    (i64::MAX, "30 d and more"),
];

/// An order as far as rollups need it.
pub(super) struct Held {
    program: i64,
    goal: i64,
    converted_at: i64,
    currency: String,
    code: i64,
    customer: i64,
    lock_at: i64,
    /// What stayed and came back of the whole order, and its state: for one that nobody brought.
    whole: (i64, i64, i64),
    shares: Vec<HeldShare>,
}

#[derive(Default)]
pub(super) struct HeldShare {
    partner: i64,
    kind: i64,
    touched_at: i64,
    link: i64,
    channel: i64,
    credit: i64,
    net: i64,
    returned: i64,
    margin: i64,
    margin_unknown: i64,
    commission: i64,
    currency: String,
    state: i64,
    subs: String,
}

impl Writer<'_> {
    /// An order as the file has it.
    pub(super) fn held(&mut self, id: i64) -> Result<Held, Error> {
        let goal: String = self
            .db
            .prepare_cached("SELECT goal FROM orders WHERE id = ?1")?
            .query_row([id], |row| row.get(0))?;
        let goal = self.name(&goal)?;
        let sql = "SELECT program, converted_at, currency, code, customer, lock_at, amount, returned, state \
                   FROM orders WHERE id = ?1";
        let mut held = self.db.prepare_cached(sql)?.query_row([id], |row| {
            let (amount, returned): (i64, i64) = (row.get(6)?, row.get(7)?);
            Ok(Held {
                program: row.get(0)?,
                goal,
                converted_at: row.get(1)?,
                currency: row.get(2)?,
                code: row.get(3)?,
                customer: row.get(4)?,
                lock_at: row.get(5)?,
                whole: (amount.saturating_sub(returned), returned, row.get(8)?),
                shares: Vec::new(),
            })
        })?;
        let sql = "SELECT partner, touched_at, link, channel, credit, net, returned, margin, margin_unknown, \
                   commission, currency, state, kind, subs FROM share WHERE ord = ?1 AND gone = 0";
        let mut select = self.db.prepare_cached(sql)?;
        let shares = select.query_map([id], |row| {
            Ok(HeldShare {
                partner: row.get(0)?,
                touched_at: row.get(1)?,
                link: row.get(2)?,
                channel: row.get(3)?,
                credit: row.get(4)?,
                net: row.get(5)?,
                returned: row.get(6)?,
                margin: row.get(7)?,
                margin_unknown: row.get(8)?,
                commission: row.get(9)?,
                currency: row.get(10)?,
                state: row.get(11)?,
                kind: row.get(12)?,
                subs: row.get(13)?,
            })
        })?;
        held.shares = shares.collect::<Result<_, _>>()?;
        Ok(held)
    }

    /// Adds an order to the rollups, or takes it away (`sign` −1).
    pub(super) fn add_order_days(
        &mut self,
        order: &Held,
        zone: &Zone,
        sign: i128,
    ) -> Result<(), Error> {
        if order.shares.is_empty() {
            let (net, returned, state) = order.whole;
            let nobody = HeldShare {
                partner: self.name(NOBODY)?,
                credit: CREDIT,
                net,
                returned,
                state,
                touched_at: order.converted_at,
                currency: order.currency.clone(),
                ..HeldShare::default()
            };
            return self.add_share_days(order, &nobody, zone, sign);
        }
        order.shares.iter().try_for_each(|share| self.add_share_days(order, share, zone, sign))
    }

    fn add_share_days(
        &mut self,
        order: &Held,
        share: &HeldShare,
        zone: &Zone,
        sign: i128,
    ) -> Result<(), Error> {
        let mut cuts = vec![(Cut::All, Of::Number(0))];
        // Only partners have more than one row in a report.
        if share.partner != self.name(OWN)? && share.partner != self.name(NOBODY)? {
            cuts.push((Cut::Link, Of::Number(share.link)));
            cuts.push((Cut::Channel, Of::Number(share.channel)));
            if share.kind == kind_number(TouchKind::Click) {
                let age = order.converted_at.saturating_sub(share.touched_at);
                cuts.push((Cut::Time, Of::Number(bucket(age))));
            }
            let subs: SubIds = serde_json::from_str(&share.subs).unwrap_or_default();
            let subs = subs.iter().map(|(number, value)| (Cut::Sub(number), own_value(value)));
            cuts.extend(subs);
        }
        let part = order.part(share);
        let change = |sums: &mut Sums| part.sum_up(sums, sign);
        for (basis, at) in [(BY_EVENT, order.converted_at), (BY_CLICK, share.touched_at)] {
            for (cut, of) in &cuts {
                let place = OrderPlace {
                    program: order.program,
                    goal: order.goal,
                    basis,
                    cut: *cut,
                    grain: 1,
                    at: zone.day(Millis(at)),
                    partner: share.partner,
                    of: of.clone(),
                };
                self.add_order(&place, &change)?;
            }
        }
        Ok(())
    }
}

impl Held {
    fn part(&self, share: &HeldShare) -> OrderPart {
        OrderPart {
            currency: letters(&self.currency),
            code: self.code,
            customer: self.customer,
            lock_at: self.lock_at,
            paid_in: letters(&share.currency),
            state: share.state,
            credit: share.credit,
            net: share.net,
            returned: share.returned,
            margin: share.margin,
            margin_unknown: share.margin_unknown,
            commission: share.commission,
        }
    }
}

pub(crate) fn letters(currency: &str) -> [u8; 3] {
    currency.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// A share of an order as reports sum it up.
pub(crate) struct OrderPart {
    pub(crate) currency: [u8; 3],
    pub(crate) code: i64,
    pub(crate) customer: i64,
    pub(crate) lock_at: i64,
    /// Currency of the commission.
    pub(crate) paid_in: [u8; 3],
    pub(crate) state: i64,
    pub(crate) credit: i64,
    pub(crate) net: i64,
    pub(crate) returned: i64,
    pub(crate) margin: i64,
    pub(crate) margin_unknown: i64,
    pub(crate) commission: i64,
}

impl OrderPart {
    /// Adds it to sums, or takes it away (`sign` −1).
    pub(crate) fn sum_up(&self, sums: &mut Sums, sign: i128) {
        let code = u16::try_from(self.code).unwrap_or(0);
        let customer = u8::try_from(self.customer).unwrap_or(0);
        let (currency, state) = (self.currency, u8::try_from(self.state).unwrap_or(0));
        let like = Like { currency, state, code, customer };
        let same = self.paid_in == currency;
        let commission = self.commission.into();
        let amounts = Amounts {
            parts: 1,
            credit: self.credit.into(),
            net: self.net.into(),
            commission: if same { commission } else { 0 },
            margin: self.margin.into(),
            margin_unknown: self.margin_unknown.into(),
        };
        sums.orders(like, &amounts, sign);
        if !same {
            let amounts = Amounts { parts: 1, commission, ..Amounts::default() };
            sums.orders(Like { currency: self.paid_in, ..like }, &amounts, sign);
        }
        // Declined for another reason than that it came back: nothing was sold that could.
        let unsold = matches!(state_of(self.state), OrderState::Declined | OrderState::Held);
        if unsold && code != Code::ReturnedFull.number() {
            return;
        }
        // Rounded up: an order counts as older than its lock from the day after.
        let day = self.lock_at.div_euclid(DAY_MS).saturating_add(1);
        let returns = Returns {
            parts: 1,
            credit: self.credit.into(),
            with_return: if self.returned > 0 { self.credit.into() } else { 0 },
            before: i128::from(self.net) + i128::from(self.returned),
            returned: self.returned.into(),
        };
        sums.returns(Lock { day, currency, code, customer }, &returns, sign);
    }
}

/// The bucket of a time from touch to order.
fn bucket(age: i64) -> i64 {
    let place = BUCKETS.iter().position(|(end, _)| age.max(0) < *end);
    place.and_then(|place| i64::try_from(place).ok()).unwrap_or(10)
}
