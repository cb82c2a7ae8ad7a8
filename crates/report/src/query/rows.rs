//! The rows of a report, from the sums by day; by sub id and by time from the orders themselves.

#![expect(clippy::wildcard_enum_match_arm, reason = "a table has columns for some groups only")]

use std::collections::{BTreeMap, HashMap, HashSet};

use catalog::{ProgramRef, Snapshot};
use event::body::OrderState;
use event::time::DAY_MS;
use event::{Code, Currency, Millis};
use rusqlite::types::Value;
use rusqlite::{Connection, Error, OptionalExtension as _, Row, params, params_from_iter};

use super::{Basis, By, Refused, Report, ReportRow, Request};
use crate::days::{Day, SLOT_MS, Zone};
use crate::kpi::Figures;
use crate::store::{self, NOBODY, OWN, Reason, StoreError};

/// Most values of a sub id in a report; those with the least sales are summed up. Count.
const SUB_ROWS_MAX: usize = 10_000;

/// What is summed up as one value.
pub(super) const OTHER: &str = "(other)";

/// Ends of the buckets of time from touch to order, and their names.
const BUCKETS: [(i64, &str); 11] = [
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

/// Figures of one group: those of no currency, and those of each.
#[derive(Default)]
struct Group {
    counts: Figures,
    money: BTreeMap<Currency, Figures>,
}

struct Sums<'a> {
    db: &'a Connection,
    request: &'a Request,
    program: i64,
    partner: Option<i64>,
    zone: &'a Zone,
    today: i64,
    terms: Option<ProgramRef<'a>>,
    names: HashMap<i64, String>,
    groups: BTreeMap<Option<String>, Group>,
}

/// One row of sums of orders.
struct MoneyRow {
    currency: Currency,
    commission_currency: Currency,
    state: OrderState,
    code: Code,
    customer: usize,
    old: bool,
    credit: i128,
    with_return: i128,
    net: i128,
    commission: i128,
    returned: i128,
    margin: i128,
    unknown: i128,
}

pub(super) fn report(
    db: &Connection,
    catalog: &Snapshot,
    now: Millis,
    request: &Request,
) -> Result<Report, Refused> {
    let terms = catalog.program(request.program.as_str());
    let zone = Zone::named(terms.map_or("UTC", |program| program.time_zone()));
    let currency = terms.map(|program| program.currency());
    let read = || -> Result<(Vec<ReportRow>, Vec<ReportRow>), Error> {
        // One state of the store for all sums.
        let db = db.unchecked_transaction()?;
        let id = |name: &str| {
            let sql = "SELECT id FROM name WHERE text = ?1";
            db.query_row(sql, [name], |row| row.get(0)).optional().map(|id| id.unwrap_or(-1))
        };
        let partner = request.partner.as_ref().map(|name| id(name.as_str())).transpose()?;
        let mut sums = Sums {
            db: &db,
            request,
            program: id(request.program.as_str())?,
            partner,
            zone: &zone,
            today: now.0.div_euclid(DAY_MS),
            terms,
            names: HashMap::new(),
            groups: BTreeMap::new(),
        };
        sums.touches()?;
        match request.by {
            By::Sub(_) | By::Time => sums.shares()?,
            _ => sums.orders()?,
        }
        sums.fees()?;
        let reports = sums.journeys()?;
        Ok(sums.finished(currency, reports))
    };
    let (rows, total) = read().map_err(StoreError::of("read the report"))?;
    let time_zone = zone.name().to_owned();
    Ok(Report { request: request.clone(), time_zone, rows, total })
}

impl Sums<'_> {
    fn days(&self) -> (i64, i64) {
        (self.request.from.number(), self.request.to.number())
    }

    fn name(&mut self, id: i64) -> Result<String, Error> {
        if let Some(name) = self.names.get(&id) {
            return Ok(name.clone());
        }
        let sql = "SELECT text FROM name WHERE id = ?1";
        let name: Option<String> =
            self.db.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
        let name = name.unwrap_or_default();
        self.names.insert(id, name.clone());
        Ok(name)
    }

    /// The partners that a report is about: by partner all, own channels and nobody too; else partners only.
    fn partners(&self, sql: &mut String, values: &mut Vec<Value>) {
        if let Some(partner) = self.partner {
            sql.push_str(" AND partner = ?");
            values.push(partner.into());
        } else if self.request.by != By::Partner {
            sql.push_str(" AND partner NOT IN (SELECT id FROM name WHERE text IN (?, ?))");
            values.extend([OWN.to_owned().into(), NOBODY.to_owned().into()]);
        }
    }

    /// What sums by day are grouped by, in SQL.
    const fn columns(&self) -> &'static str {
        match self.request.by {
            By::Partner => "partner, 0",
            By::Segment => "partner, day",
            By::Link => "link, 0",
            By::Channel => "channel, 0",
            By::Day => "day, 0",
            By::Total | By::Customer | By::Code | By::Time | By::Sub(_) => "0, 0",
        }
    }

    const fn fine(&self) -> i64 {
        match self.request.by {
            By::Link | By::Channel => 1,
            _ => 0,
        }
    }

    /// The group of a row of sums by day.
    fn group(&mut self, (a, b): (i64, i64)) -> Result<Option<String>, Error> {
        Ok(match self.request.by {
            By::Partner | By::Link | By::Channel => {
                Some(self.name(a)?).filter(|name| !name.is_empty())
            }
            By::Day => Some(Day::of_number(a).to_string()),
            By::Segment => {
                let partner = self.name(a)?;
                let start = self.zone.start(Day::of_number(b));
                let member = self.terms.and_then(|program| program.membership(&partner));
                member.and_then(|member| member.segment.at(start)).map(ToString::to_string)
            }
            By::Total | By::Customer | By::Code | By::Time | By::Sub(_) => None,
        })
    }

    fn counts(&mut self, group: Option<String>) -> &mut Figures {
        &mut self.groups.entry(group).or_default().counts
    }

    fn touches(&mut self) -> Result<(), Error> {
        let (from, to) = self.days();
        let (mut sql, mut values, tail): (String, Vec<Value>, _) = match self.request.by {
            By::Customer | By::Code | By::Time => return Ok(()),
            By::Sub(number) => {
                let start = self.zone.start(self.request.from).0.div_euclid(SLOT_MS);
                let end = self.zone.start(self.request.to.plus(1)).0.div_euclid(SLOT_MS);
                let sql = "SELECT value, 0, kind, reason, SUM(n) FROM sub_slot \
                           WHERE program = ? AND number = ? AND slot >= ? AND slot < ?";
                let values = [self.program, i64::from(number), start, end];
                (sql.to_owned(), values.map(Value::from).into(), " GROUP BY value, kind, reason")
            }
            _ => {
                let sql = format!(
                    "SELECT {}, kind, reason, SUM(n) FROM touch_day WHERE program = ? AND fine = ? \
                     AND day BETWEEN ? AND ?",
                    self.columns()
                );
                let values = [self.program, self.fine(), from, to].map(Value::from);
                (sql, values.into(), " GROUP BY 1, 2, kind, reason")
            }
        };
        self.partners(&mut sql, &mut values);
        sql.push_str(tail);
        let mut select = self.db.prepare(&sql)?;
        let mut rows = select.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let group = match self.request.by {
                By::Sub(_) => {
                    let value: String = row.get(0)?;
                    Some(value.strip_prefix('=').unwrap_or(OTHER).to_owned())
                }
                _ => self.group((row.get(0)?, row.get(1)?))?,
            };
            let (kind, reason, n): (i64, i64, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
            let reason = Reason::ALL.iter().find(|known| known.number() == reason);
            let (n, valid) = (i128::from(n), reason == Some(&Reason::Valid));
            let figures = self.counts(group);
            match (kind, valid) {
                (0, true) => {
                    figures.clicks += n;
                    figures.clicks_gross += n;
                }
                (0, false) => {
                    figures.clicks_gross += n;
                    let reason = reason.map_or("excluded", |reason| reason.as_str());
                    if n != 0 {
                        *figures.invalid.entry(reason).or_default() += n;
                    }
                }
                (_, true) => figures.impressions += n,
                (_, false) => {}
            }
        }
        Ok(())
    }

    const fn basis(&self) -> i64 {
        match self.request.basis {
            Basis::Event => store::BY_EVENT,
            Basis::Click => store::BY_CLICK,
        }
    }

    fn orders(&mut self) -> Result<(), Error> {
        let (from, to) = self.days();
        let goals = match &self.request.goal {
            Some(goal) => vec![goal.as_str().to_owned()],
            None => {
                let mut select =
                    self.db.prepare("SELECT DISTINCT goal FROM orders WHERE program = ?1")?;
                select.query_map([self.program], |row| row.get(0))?.collect::<Result<_, _>>()?
            }
        };
        for goal in goals {
            let mut sql = format!(
                "SELECT {}, currency, currency, state, code, customer, lock_day <= ?, credit, with_return, net_high, \
                 net_low, commission_high, commission_low, returned_high, returned_low, margin_high, margin_low, \
                 unknown_high, unknown_low \
                 FROM order_day WHERE program = ? AND goal = ? AND basis = ? AND fine = ? AND day BETWEEN ? AND ?",
                self.columns()
            );
            let mut values: Vec<Value> = vec![
                self.today.into(),
                self.program.into(),
                goal.into(),
                self.basis().into(),
                self.fine().into(),
                from.into(),
                to.into(),
            ];
            self.partners(&mut sql, &mut values);
            // Summed up here: sorting them into groups first takes the database several times as long.
            let mut select = self.db.prepare(&sql)?;
            let mut rows = select.query(params_from_iter(values))?;
            let mut sums: HashMap<Like, (i64, i64, [i64; 12])> = HashMap::new();
            while let Some(row) = rows.next()? {
                let (a, b): (i64, i64) = (row.get(0)?, row.get(1)?);
                let currency = row.get_ref(2)?.as_bytes().ok().and_then(|text| text.first_chunk());
                let like = (
                    a,
                    b,
                    currency.copied().unwrap_or_default(),
                    row.get(4)?,
                    row.get(5)?,
                    [row.get(6)?, row.get(7)?],
                );
                let (_, _, sum) = sums.entry(like).or_insert((a, b, [0; 12]));
                for (at, sum) in sum.iter_mut().enumerate() {
                    *sum = sum.saturating_add(row.get(8 + at)?);
                }
            }
            for (like, (a, b, sum)) in sums {
                let money = MoneyRow::summed(&like, sum)?;
                let group = match self.request.by {
                    By::Customer => Some(customer(money.customer).to_owned()),
                    By::Code => Some(money.code.to_string()),
                    _ => self.group((a, b))?,
                };
                self.add(group, &money);
            }
        }
        Ok(())
    }

    /// From the orders themselves: for groups that sums by day do not have.
    fn shares(&mut self) -> Result<(), Error> {
        let number = if let By::Sub(number) = self.request.by { number } else { 0 };
        let group = match self.request.by {
            By::Sub(number) => format!("json_extract(share.subs, '$.s{number}')"),
            _ => {
                let age = "max(orders.converted_at - share.touched_at, 0)";
                let mut case = String::from("CASE");
                for (place, (end, _)) in BUCKETS.iter().enumerate() {
                    case.push_str(&format!(" WHEN {age} < {end} THEN {place}"));
                }
                case + " ELSE 10 END"
            }
        };
        let at = match self.request.basis {
            Basis::Event => "orders.converted_at",
            Basis::Click => "share.touched_at",
        };
        let start = self.zone.start(self.request.from).0;
        let end = self.zone.start(self.request.to.plus(1)).0;
        let scope =
            if number == 0 { "0".to_owned() } else { format!("share.touched_at / {DAY_MS}") };
        let pair = |column: &str| format!("SUM({column} >> 32), SUM({column} & 4294967295)");
        let mut sql = format!(
            "SELECT {group}, {scope}, orders.currency, share.currency, share.state, orders.code, orders.customer, \
             orders.lock_at / {DAY_MS} + 1 <= ?, SUM(share.credit), SUM((share.returned > 0) * share.credit), {}, {}, {}, \
             {}, {}, partner FROM orders JOIN share ON share.ord = orders.id AND share.gone = 0 \
             WHERE orders.program = ? AND {at} >= ? AND {at} < ?",
            pair("share.net"),
            pair("share.commission"),
            pair("share.returned"),
            pair("share.margin"),
            pair("share.margin_unknown"),
        );
        let mut values: Vec<Value> =
            vec![self.today.into(), self.program.into(), start.into(), end.into()];
        if let Some(goal) = &self.request.goal {
            sql.push_str(" AND orders.goal = ?");
            values.push(goal.as_str().to_owned().into());
        }
        if self.request.by == By::Time {
            sql.push_str(" AND share.kind = 0");
        }
        self.partners(&mut sql, &mut values);
        let partner = if number == 0 { "" } else { ", partner" };
        sql.push_str(&format!(
            " GROUP BY 1, 2, orders.currency, share.currency, share.state, orders.code, orders.customer, 8{partner}"
        ));
        let full = self.full_scopes(number)?;
        let mut select = self.db.prepare(&sql)?;
        let mut rows = select.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let group = if number == 0 {
                let place = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
                BUCKETS.get(place).map(|(_, name)| format!("{place:02} {name}"))
            } else {
                let value: Option<String> = row.get(0)?;
                let (day, partner): (i64, i64) = (row.get(1)?, row.get(20)?);
                match value {
                    Some(value)
                        if full.contains(&(partner, day))
                            && !self.is_kept([number.into(), partner, day], &value)? =>
                    {
                        Some(OTHER.to_owned())
                    }
                    value => value,
                }
            };
            let money = MoneyRow::of(row)?;
            self.add(group, &money);
        }
        Ok(())
    }

    /// Partners and days with more values of a sub id than have rows of their own.
    fn full_scopes(&self, number: u8) -> Result<HashSet<(i64, i64)>, Error> {
        let sql =
            "SELECT partner, day FROM sub_count WHERE program = ?1 AND number = ?2 AND n >= ?3";
        let mut select = self.db.prepare_cached(sql)?;
        let key = params![self.program, number, store::SUB_VALUES_MAX];
        select.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    fn is_kept(&self, [number, partner, day]: [i64; 3], value: &str) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM sub_kept WHERE program = ?1 AND number = ?2 AND partner = ?3 AND day = ?4 \
                   AND hash = ?5 AND value = ?6";
        let key = params![self.program, number, partner, day, store::sub_hash(value), value];
        self.db.prepare_cached(sql)?.exists(key)
    }

    fn add(&mut self, group: Option<String>, row: &MoneyRow) {
        let group = self.groups.entry(group).or_default();
        let figures = group.money.entry(row.currency).or_default();
        let commission = if row.currency == row.commission_currency { row.commission } else { 0 };
        row.add_to(figures, commission);
        if row.currency != row.commission_currency {
            let figures = group.money.entry(row.commission_currency).or_default();
            let alone = MoneyRow {
                credit: 0,
                with_return: 0,
                net: 0,
                returned: 0,
                margin: 0,
                unknown: 0,
                ..*row
            };
            alone.add_to(figures, row.commission);
        }
    }

    /// Pay that has no order belongs to a partner and a day, and to no link.
    fn fees(&mut self) -> Result<(), Error> {
        if !matches!(self.request.by, By::Total | By::Partner | By::Segment | By::Day) {
            return Ok(());
        }
        let (from, to) = self.days();
        let mut sql = format!(
            "SELECT {}, currency, SUM(amount >> 32), SUM(amount & 4294967295) FROM day_pay \
             WHERE program = ? AND day BETWEEN ? AND ?",
            self.columns()
        );
        let mut values: Vec<Value> = vec![self.program.into(), from.into(), to.into()];
        self.partners(&mut sql, &mut values);
        sql.push_str(" GROUP BY 1, 2, currency");
        let mut select = self.db.prepare(&sql)?;
        let mut rows = select.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let group = self.group((row.get(0)?, row.get(1)?))?;
            let currency = store::currency(row, 2)?;
            let group = self.groups.entry(group).or_default();
            let figures = group.money.entry(currency).or_default();
            figures.fees += store::whole(row.get(3)?, row.get(4)?);
        }
        Ok(())
    }

    /// Journeys by partner; reports of orders by day and in all, which belong to no partner.
    fn journeys(&mut self) -> Result<Figures, Error> {
        let (from, to) = self.days();
        let goal = self.request.goal.as_ref().map(|goal| goal.as_str());
        let sql = "SELECT partner, day, SUM(orders), SUM(uncredited), SUM(introducer), SUM(middle), SUM(closer), \
                   SUM(reports) FROM journey_day WHERE program = ?1 AND (?2 IS NULL OR goal = ?2) AND basis = ?3 \
                   AND day BETWEEN ?4 AND ?5 GROUP BY 1, CASE WHEN ?6 THEN day END";
        let by_day = self.request.by == By::Day;
        let mut select = self.db.prepare(sql)?;
        let mut rows = select.query(params![self.program, goal, self.basis(), from, to, by_day])?;
        let mut reports = Figures::default();
        while let Some(row) = rows.next()? {
            let (partner, day): (i64, i64) = (row.get(0)?, row.get(1)?);
            let n = |at: usize| row.get::<_, i64>(at).map(i128::from);
            if partner == 0 {
                if self.partner.is_none() {
                    let found = Figures { reported: n(2)?, reports: n(7)?, ..Figures::default() };
                    reports.add_counts(&found);
                    if by_day {
                        self.counts(Some(Day::of_number(day).to_string())).add_counts(&found);
                    }
                }
            } else if self.request.by == By::Partner
                && self.partner.is_none_or(|only| only == partner)
            {
                let found = Figures {
                    journeys: n(2)?,
                    uncredited: n(3)?,
                    introducer: n(4)?,
                    between: n(5)?,
                    closer: n(6)?,
                    ..Figures::default()
                };
                let name = self.name(partner)?;
                self.counts(Some(name)).add_counts(&found);
            }
        }
        Ok(reports)
    }

    fn finished(self, own: Option<Currency>, reports: Figures) -> (Vec<ReportRow>, Vec<ReportRow>) {
        let by = self.request.by;
        let own = own.or_else(|| "EUR".parse().ok());
        let mut all = Group { counts: reports, money: BTreeMap::new() };
        let mut rows = Vec::new();
        for (group, Group { counts, mut money }) in self.groups {
            if let (true, Some(own)) = (money.is_empty(), own) {
                money.insert(own, Figures::default());
            }
            let partners = !matches!(group.as_deref(), Some(OWN | NOBODY));
            if partners {
                // What a group of a day knows of reports stands in the total already.
                let counted = Figures { reports: 0, reported: 0, ..counts.clone() };
                all.counts.add_counts(&counted);
            }
            for (currency, mut figures) in money {
                if partners {
                    all.money.entry(currency).or_default().add_money(&figures);
                }
                figures.add_counts(&counts);
                rows.push(ReportRow { group: group.clone(), currency, figures });
            }
        }
        if let (true, Some(own)) = (all.money.is_empty(), own) {
            all.money.insert(own, Figures::default());
        }
        if !matches!(by, By::Day | By::Time) {
            rows.sort_by_key(|row| {
                let special = matches!(row.group.as_deref(), Some(OWN | NOBODY | OTHER) | None);
                (
                    special,
                    std::cmp::Reverse(row.figures.credited().net),
                    std::cmp::Reverse(row.figures.clicks),
                )
            });
        }
        if matches!(by, By::Sub(_)) && rows.len() > SUB_ROWS_MAX {
            rows = cut(rows);
        }
        if by == By::Time {
            for group in rows.iter_mut().filter_map(|row| row.group.as_mut()) {
                group.drain(..3);
            }
        }
        let total = all.money.into_iter().map(|(currency, mut figures)| {
            figures.add_counts(&all.counts);
            ReportRow { group: None, currency, figures }
        });
        (rows, total.collect())
    }
}

/// The first rows; the others summed up by currency.
fn cut(mut rows: Vec<ReportRow>) -> Vec<ReportRow> {
    let rest = rows.split_off(SUB_ROWS_MAX);
    let mut others: BTreeMap<Currency, Figures> = BTreeMap::new();
    for row in rest {
        let other = others.entry(row.currency).or_default();
        other.add_money(&row.figures);
        other.add_counts(&row.figures);
    }
    let group = || Some(OTHER.to_owned());
    rows.extend(others.into_iter().map(|(currency, figures)| ReportRow {
        group: group(),
        currency,
        figures,
    }));
    rows
}

const fn customer(number: usize) -> &'static str {
    match number {
        1 => "new",
        2 => "returning",
        _ => "unknown",
    }
}

/// What rows of sums by day have in common that are one: two columns of the group, currency, state, code, customer and
/// whether they are older than the lock.
type Like = (i64, i64, [u8; 3], i64, i64, [i64; 2]);

impl MoneyRow {
    fn summed(like: &Like, sum: [i64; 12]) -> Result<Self, Error> {
        let (_, _, currency, state, code, [customer, old]) = *like;
        let text = str::from_utf8(&currency).unwrap_or_default();
        let kind = rusqlite::types::Type::Text;
        let currency: Currency =
            text.parse().map_err(|why| Error::FromSqlConversionFailure(2, kind, Box::new(why)))?;
        let [credit, with_return, a, b, c, d, e, f, g, h, i, j] = sum;
        Ok(Self {
            currency,
            commission_currency: currency,
            state: store::state_of(state),
            code: u16::try_from(code).ok().and_then(Code::from_number).unwrap_or(Code::Ok),
            customer: usize::try_from(customer).unwrap_or(0),
            old: old != 0,
            credit: credit.into(),
            with_return: with_return.into(),
            net: store::whole(a, b),
            commission: store::whole(c, d),
            returned: store::whole(e, f),
            margin: store::whole(g, h),
            unknown: store::whole(i, j),
        })
    }

    /// The columns from the third on.
    fn of(row: &Row<'_>) -> Result<Self, Error> {
        let sum = |at: usize| Ok::<_, Error>(store::whole(row.get(at)?, row.get(at + 1)?));
        let code = u16::try_from(row.get::<_, i64>(5)?).ok().and_then(Code::from_number);
        Ok(Self {
            currency: store::currency(row, 2)?,
            commission_currency: store::currency(row, 3)?,
            state: store::state_of(row.get(4)?),
            code: code.unwrap_or(Code::Ok),
            customer: usize::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
            old: row.get(7)?,
            credit: row.get::<_, i64>(8)?.into(),
            with_return: row.get::<_, i64>(9)?.into(),
            net: sum(10)?,
            commission: sum(12)?,
            returned: sum(14)?,
            margin: sum(16)?,
            unknown: sum(18)?,
        })
    }

    fn add_to(&self, figures: &mut Figures, commission: i128) {
        let part = crate::kpi::Part { credit: self.credit, net: self.net, commission };
        let place = usize::try_from(store::state_number(self.state)).unwrap_or(0);
        let mut own = Figures::default();
        if let Some(of_state) = own.states.get_mut(place) {
            *of_state = part;
        }
        let (pending, approved) = match self.state {
            OrderState::Pending => (true, false),
            OrderState::Approved | OrderState::Locked | OrderState::Paid => (false, true),
            OrderState::Held | OrderState::Declined | OrderState::Reversed => (false, false),
        };
        if self.state == OrderState::Declined {
            own.declined.insert(self.code, part);
        }
        if approved {
            own.margin = self.margin;
            own.margin_unknown = self.unknown;
        }
        if let (true, Some(of_kind)) = (pending || approved, own.customers.get_mut(self.customer)) {
            *of_kind = self.credit;
        }
        // Declined for another reason than that it came back: nothing was sold that could.
        let sold = !matches!(self.state, OrderState::Declined | OrderState::Held)
            || self.code == Code::ReturnedFull;
        if self.old && sold {
            own.returned = self.returned;
            own.before_returns = self.net + self.returned;
            own.with_return = self.with_return;
            own.old = self.credit;
        }
        figures.add_money(&own);
    }
}
