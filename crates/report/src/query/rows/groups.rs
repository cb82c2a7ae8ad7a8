//! What a report is about, and the groups that its rows belong to.

#![expect(clippy::wildcard_enum_match_arm, reason = "a group is read from one column of a rollup")]

use std::collections::{BTreeMap, HashMap};

use catalog::ProgramRef;
use event::Currency;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, OptionalExtension as _};

use super::OTHER;
use super::money::code;
use crate::days::{Day, Zone};
use crate::kpi::Figures;
use crate::query::{Basis, By, Request};
use crate::store::{self, BUCKETS, Cut, NOBODY, OWN};

/// Figures of one group: those of no currency, and those of each.
#[derive(Default)]
pub(super) struct Group {
    pub(super) counts: Figures,
    pub(super) money: BTreeMap<Currency, Figures>,
}

/// What a report is about, in the numbers of the store.
pub(super) struct Scope<'a> {
    db: &'a Connection,
    request: &'a Request,
    zone: &'a Zone,
    terms: Option<ProgramRef<'a>>,
    pub(super) program: i64,
    partner: Option<i64>,
    /// Own channels, and orders that nobody brought.
    aside: [i64; 2],
    names: HashMap<i64, String>,
    /// Texts that are groups, and their numbers.
    texts: Vec<String>,
    numbers: HashMap<Box<str>, i64>,
    segments: HashMap<(i64, i64), i64>,
}

/// The group of what has none.
pub(super) const NONE: i64 = -1;

fn id(db: &Connection, name: &str) -> Result<i64, Error> {
    let sql = "SELECT id FROM name WHERE text = ?1";
    Ok(db.query_row(sql, [name], |row| row.get(0)).optional()?.unwrap_or(NONE))
}

impl<'a> Scope<'a> {
    pub(super) fn of(
        db: &'a Connection,
        request: &'a Request,
        zone: &'a Zone,
        terms: Option<ProgramRef<'a>>,
    ) -> Result<Self, Error> {
        let partner = request.partner.as_ref().map(|name| id(db, name.as_str())).transpose()?;
        Ok(Self {
            db,
            request,
            zone,
            terms,
            program: id(db, request.program.as_str())?,
            partner,
            aside: [id(db, OWN)?, id(db, NOBODY)?],
            names: HashMap::new(),
            texts: Vec::new(),
            numbers: HashMap::new(),
            segments: HashMap::new(),
        })
    }

    pub(super) const fn by(&self) -> By {
        self.request.by
    }

    /// First and last day.
    pub(super) fn days(&self) -> (i64, i64) {
        (self.request.from.number(), self.request.to.number())
    }

    /// The first instant, and the first one behind the last.
    pub(super) fn instants(&self) -> (i64, i64) {
        (self.zone.start(self.request.from).0, self.zone.start(self.request.to.plus(1)).0)
    }

    /// The spans to read: single days where rows differ by day.
    pub(super) fn spans(&self) -> Vec<(i64, i64, i64)> {
        let (from, to) = self.days();
        match self.request.by {
            By::Day | By::Segment => vec![(1, from, to)],
            _ => store::spans(from, to),
        }
    }

    pub(super) const fn basis(&self) -> i64 {
        match self.request.basis {
            Basis::Event => store::BY_EVENT,
            Basis::Click => store::BY_CLICK,
        }
    }

    pub(super) const fn basis_word(&self) -> Basis {
        self.request.basis
    }

    /// The goal that is asked for; none: all.
    pub(super) fn goal(&self) -> Option<&'a str> {
        self.request.goal.as_ref().map(|goal| goal.as_str())
    }

    /// The cut of the rollups that has this report's groups.
    pub(super) const fn cut(&self) -> Cut {
        match self.request.by {
            By::Link => Cut::Link,
            By::Channel => Cut::Channel,
            By::Time => Cut::Time,
            By::Sub(number) => Cut::Sub(number),
            By::Total | By::Partner | By::Segment | By::Day | By::Customer | By::Code => Cut::All,
        }
    }

    /// The numbers of the goals that are asked for, of those that `table` has.
    pub(super) fn goals(&self, table: &'static str) -> Result<Vec<i64>, Error> {
        if let Some(goal) = &self.request.goal {
            return Ok(vec![id(self.db, goal.as_str())?]);
        }
        let sql = format!("SELECT min(goal) FROM {table} WHERE program = ?1 AND goal > ?2");
        let mut select = self.db.prepare_cached(&sql)?;
        let (mut goals, mut last) = (Vec::new(), i64::MIN);
        while let Some(goal) =
            select.query_row([self.program, last], |row| row.get::<_, Option<i64>>(0))?
        {
            goals.push(goal);
            last = goal;
        }
        Ok(goals)
    }

    /// Whether the report is about this partner: by partner all, own channels and nobody too; else partners only.
    pub(super) fn has(&self, partner: i64) -> bool {
        match self.partner {
            Some(only) => only == partner,
            None => self.request.by == By::Partner || !self.aside.contains(&partner),
        }
    }

    /// Whether it is about one partner only.
    pub(super) const fn is_of_one(&self) -> bool {
        self.partner.is_some()
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

    /// The group of a text.
    pub(super) fn text(&mut self, text: &str) -> i64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = i64::try_from(self.texts.len()).unwrap_or(NONE);
        self.texts.push(text.to_owned());
        self.numbers.insert(text.into(), number);
        number
    }

    fn segment(&mut self, partner: i64, day: i64) -> Result<i64, Error> {
        if let Some(group) = self.segments.get(&(partner, day)) {
            return Ok(*group);
        }
        let (name, start) = (self.name(partner)?, self.zone.start(Day::of_number(day)));
        let member = self.terms.and_then(|program| program.membership(&name));
        let segment = member.and_then(|member| member.segment.at(start)).map(ToString::to_string);
        let group = segment.map_or(NONE, |segment| self.text(&segment));
        self.segments.insert((partner, day), group);
        Ok(group)
    }

    /// The group of a row of a rollup; customers and codes stand in its sums.
    pub(super) fn group(
        &mut self,
        at: i64,
        partner: i64,
        value: ValueRef<'_>,
    ) -> Result<i64, Error> {
        Ok(match self.request.by {
            By::Partner => partner,
            By::Segment => self.segment(partner, at)?,
            By::Day => at,
            By::Link | By::Channel | By::Time => value.as_i64()?,
            By::Sub(_) => {
                let text = value.as_str()?;
                self.text(text.strip_prefix('=').unwrap_or(OTHER))
            }
            By::Total | By::Customer | By::Code => 0,
        })
    }

    /// What a group is called.
    pub(super) fn called(&mut self, group: i64) -> Result<Option<String>, Error> {
        Ok(match self.request.by {
            By::Partner | By::Link | By::Channel => {
                Some(self.name(group)?).filter(|name| !name.is_empty())
            }
            By::Day => Some(Day::of_number(group).to_string()),
            By::Segment | By::Sub(_) => {
                usize::try_from(group).ok().and_then(|group| self.texts.get(group)).cloned()
            }
            By::Customer => Some(customer(group).to_owned()),
            By::Code => Some(code(u16::try_from(group).unwrap_or(0)).to_string()),
            // Numbered, so that they stand in their order.
            By::Time => usize::try_from(group)
                .ok()
                .and_then(|place| BUCKETS.get(place))
                .map(|(_, name)| format!("{group:02} {name}")),
            By::Total => None,
        })
    }
}

const fn customer(number: i64) -> &'static str {
    match number {
        1 => "new",
        2 => "returning",
        _ => "unknown",
    }
}
