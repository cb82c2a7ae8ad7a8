//! Reads the rollups, from the coarsest spans that the days of a report are made of.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, params};

use super::groups::{Group, NONE, Scope};
use super::{money, overfull};
use crate::kpi::Figures;
use crate::query::By;
use crate::store::sums::{Lock, Row, Sums, rows};
use crate::store::{self, Cut, Reason};

/// What is read of one group.
#[derive(Default)]
struct Found {
    counts: Figures,
    orders: Sums,
    fees: BTreeMap<event::Currency, i128>,
}

/// Sums by group.
pub(super) struct Reading<'a> {
    db: &'a Connection,
    scope: Scope<'a>,
    /// A day of UTC.
    today: i64,
    groups: HashMap<i64, Found>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(db: &'a Connection, scope: Scope<'a>, today: i64) -> Self {
        Self { db, scope, today, groups: HashMap::new() }
    }

    pub(super) fn touches(&mut self) -> Result<(), Error> {
        if matches!(self.scope.by(), By::Customer | By::Code | By::Time) {
            return Ok(());
        }
        let sql = "SELECT at, partner, value, kind, reason, n FROM touch_sum \
                   WHERE program = ?1 AND cut = ?2 AND grain = ?3 AND at BETWEEN ?4 AND ?5";
        let mut select = self.db.prepare_cached(sql)?;
        let cut = self.scope.cut().number();
        for (grain, first, last) in self.scope.spans() {
            let mut rows = select.query([self.scope.program, cut, grain, first, last])?;
            while let Some(row) = rows.next()? {
                let partner = row.get(1)?;
                if !self.scope.has(partner) {
                    continue;
                }
                let group = self.scope.group(row.get(0)?, partner, row.get_ref(2)?)?;
                let figures = &mut self.groups.entry(group).or_default().counts;
                add_touches(figures, row.get(3)?, row.get(4)?, row.get(5)?);
            }
        }
        Ok(())
    }

    pub(super) fn orders(&mut self) -> Result<(), Error> {
        let cut = self.scope.cut();
        let Cut::Sub(number) = cut else { return self.sums(cut, &HashSet::new()) };
        let overfull = overfull::partners(self.db, &self.scope, number)?;
        self.sums(cut, &overfull)?;
        // What has no value of this sub id is all the rest.
        let mut rest = Sums::default();
        let of_values: Vec<i64> = self.groups.keys().copied().collect();
        self.all(&overfull, &mut rest)?;
        for group in of_values {
            if let Some(found) = self.groups.get(&group) {
                rest.add(&found.orders, -1);
            }
        }
        if !rest.is_empty() {
            self.groups.entry(NONE).or_default().orders = rest;
        }
        if overfull.is_empty() {
            return Ok(());
        }
        let groups = &mut self.groups;
        overfull::orders(self.db, &mut self.scope, (number, &overfull), &mut |group, part| {
            part.sum_up(&mut groups.entry(group).or_default().orders, 1);
        })
    }

    /// The orders of a cut, of all partners but these.
    fn sums(&mut self, cut: Cut, without: &HashSet<i64>) -> Result<(), Error> {
        let (by, today, groups) = (self.scope.by(), self.today, &mut self.groups);
        each(self.db, &mut self.scope, cut, &mut |scope, (at, partner, value), sums| {
            if without.contains(&partner) {
                return Ok(());
            }
            let group = scope.group(at, partner, value)?;
            if matches!(by, By::Customer | By::Code) {
                for row in counted(sums, today) {
                    let (customer, code) = match &row {
                        Row::Orders(like, _) => (like.customer, like.code),
                        Row::Returns(lock, _) => (lock.customer, lock.code),
                    };
                    let group = if by == By::Code { code.into() } else { customer.into() };
                    groups.entry(group).or_default().orders.add_row(row);
                }
            } else {
                let orders = &mut groups.entry(group).or_default().orders;
                counted(sums, today).for_each(|row| orders.add_row(row));
            }
            Ok(())
        })
    }

    /// All orders together, of all partners but these.
    fn all(&mut self, without: &HashSet<i64>, all: &mut Sums) -> Result<(), Error> {
        let today = self.today;
        each(self.db, &mut self.scope, Cut::All, &mut |_, (_, partner, _), sums| {
            if !without.contains(&partner) {
                counted(sums, today).for_each(|row| all.add_row(row));
            }
            Ok(())
        })
    }

    /// Pay that has no order belongs to a partner and a day, and to no link.
    pub(super) fn fees(&mut self) -> Result<(), Error> {
        if !matches!(self.scope.by(), By::Total | By::Partner | By::Segment | By::Day) {
            return Ok(());
        }
        let (from, to) = self.scope.days();
        let sql = "SELECT day, partner, currency, amount FROM day_pay WHERE program = ?1 AND day BETWEEN ?2 AND ?3";
        let mut select = self.db.prepare_cached(sql)?;
        let mut rows = select.query([self.scope.program, from, to])?;
        while let Some(row) = rows.next()? {
            let partner = row.get(1)?;
            if self.scope.has(partner) {
                let group = self.scope.group(row.get(0)?, partner, ValueRef::Null)?;
                let fees = &mut self.groups.entry(group).or_default().fees;
                *fees.entry(store::currency(row, 2)?).or_default() +=
                    i128::from(row.get::<_, i64>(3)?);
            }
        }
        Ok(())
    }

    /// Journeys by partner; reports of orders by day and in all, which belong to no partner.
    pub(super) fn journeys(&mut self) -> Result<Figures, Error> {
        let by = self.scope.by();
        let sql = "SELECT at, partner, orders, uncredited, introducer, middle, closer, reports FROM journey_sum \
                   WHERE program = ?1 AND goal = ?2 AND basis = ?3 AND grain = ?4 AND at BETWEEN ?5 AND ?6";
        let mut select = self.db.prepare_cached(sql)?;
        let mut reports = Figures::default();
        for goal in self.scope.goals("journey_sum")? {
            for (grain, first, last) in self.scope.spans() {
                let basis = self.scope.basis();
                let mut rows =
                    select.query([self.scope.program, goal, basis, grain, first, last])?;
                while let Some(row) = rows.next()? {
                    let (at, partner): (i64, i64) = (row.get(0)?, row.get(1)?);
                    let n = |at: usize| row.get::<_, i64>(at).map(i128::from);
                    if partner == 0 {
                        if !self.scope.is_of_one() {
                            let (reported, reports_of) = (n(2)?, n(7)?);
                            let found =
                                Figures { reported, reports: reports_of, ..Figures::default() };
                            reports.add_counts(&found);
                            if by == By::Day {
                                self.groups.entry(at).or_default().counts.add_counts(&found);
                            }
                        }
                    } else if by == By::Partner && self.scope.has(partner) {
                        let found = Figures {
                            journeys: n(2)?,
                            uncredited: n(3)?,
                            introducer: n(4)?,
                            between: n(5)?,
                            closer: n(6)?,
                            ..Figures::default()
                        };
                        self.groups.entry(partner).or_default().counts.add_counts(&found);
                    }
                }
            }
        }
        Ok(reports)
    }

    /// The groups by name, with figures of each currency.
    pub(super) fn finished(mut self) -> Result<BTreeMap<Option<String>, Group>, Error> {
        let mut named: BTreeMap<Option<String>, Group> = BTreeMap::new();
        for (group, found) in self.groups {
            let group = named.entry(self.scope.called(group)?).or_default();
            group.counts.add_counts(&found.counts);
            for (currency, figures) in money::figures(&found.orders, self.today) {
                group.money.entry(currency).or_default().add_money(&figures);
            }
            for (currency, fees) in found.fees {
                group.money.entry(currency).or_default().fees += fees;
            }
        }
        Ok(named)
    }
}

/// What counts of sums today, without the day of the lock: it would tell a thousand rows apart that a report adds up.
fn counted(sums: &[u8], today: i64) -> impl Iterator<Item = Row> {
    rows(sums).filter_map(move |row| match row {
        Row::Returns(lock, _) if lock.day > today => None,
        Row::Returns(lock, returns) => Some(Row::Returns(Lock { day: i64::MIN, ..lock }, returns)),
        orders @ Row::Orders(..) => Some(orders),
    })
}

/// Day or span, partner and value of a row.
type Place<'a> = (i64, i64, ValueRef<'a>);
/// What is done with a row and its sums.
type Each<'f> = &'f mut dyn FnMut(&mut Scope<'_>, Place<'_>, &[u8]) -> Result<(), Error>;

/// Calls with every row of a cut that the report is about, and its sums.
fn each(db: &Connection, scope: &mut Scope<'_>, cut: Cut, found: Each<'_>) -> Result<(), Error> {
    let sql = "SELECT at, partner, value, sums FROM order_sum \
               WHERE program = ?1 AND goal = ?2 AND basis = ?3 AND cut = ?4 AND grain = ?5 AND at BETWEEN ?6 AND ?7";
    let mut select = db.prepare_cached(sql)?;
    for goal in scope.goals("order_sum")? {
        for (grain, first, last) in scope.spans() {
            let basis = scope.basis();
            let key = params![scope.program, goal, basis, cut.number(), grain, first, last];
            let mut rows = select.query(key)?;
            while let Some(row) = rows.next()? {
                let partner = row.get(1)?;
                if scope.has(partner) {
                    let place = (row.get(0)?, partner, row.get_ref(2)?);
                    found(scope, place, row.get_ref(3)?.as_blob()?)?;
                }
            }
        }
    }
    Ok(())
}

fn add_touches(figures: &mut Figures, kind: i64, reason: i64, n: i64) {
    let reason = Reason::ALL.iter().find(|known| known.number() == reason);
    let (n, valid) = (i128::from(n), reason == Some(&Reason::Valid));
    match (kind, valid) {
        (0, true) => {
            figures.clicks += n;
            figures.clicks_gross += n;
        }
        (0, false) => {
            figures.clicks_gross += n;
            let reason = reason.map_or("excluded", |reason| reason.as_str());
            *figures.invalid.entry(reason).or_default() += n;
        }
        (_, true) => figures.impressions += n,
        (_, false) => {}
    }
}
