//! Orders in the book: what is known of each and how it is booked, and which are to be looked at again.

use event::body::posting::BookedOrder;
use event::{Millis, OrderKey, ProgramName};
use rusqlite::{Params, params};

use super::write::unsigned;
use super::{During as _, StoreError, Writing};
use crate::facts::Facts;
use crate::payout;

/// Orders that are to be decided. `dirty > 0` is what their index is found by.
const UNDECIDED: &str = "SELECT id FROM orders WHERE dirty > 0 AND dirty = 1 LIMIT ?";
/// From now on those that wait are to be decided.
const WAKE_WAITING: &str = "UPDATE orders SET dirty = 1 WHERE dirty > 0 AND dirty = 2";
/// How many wait.
const WAITING: &str = "SELECT count(*) FROM orders WHERE dirty > 0 AND dirty = 2";
/// Orders that may be locked or change by themselves.
const DUE: &str = "SELECT id FROM orders WHERE due IS NOT NULL AND due <= ? AND (? OR due < lock_at) \
                   ORDER BY due, id LIMIT ?";
/// When the first one is due.
const FIRST_DUE: &str = "SELECT min(due) FROM orders WHERE due IS NOT NULL";

/// What the worker asks again and again, however many orders there are.
#[cfg(test)]
pub(super) const AT_EVERY_TURN: [&str; 5] = [UNDECIDED, WAKE_WAITING, WAITING, DUE, FIRST_DUE];

/// What still has to be done about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Dirty {
    /// Nothing.
    #[default]
    No,
    /// To be decided.
    Undecided,
    /// Waits for a newer catalog.
    Waiting,
}

impl Dirty {
    const fn number(self) -> i64 {
        match self {
            Self::No => 0,
            Self::Undecided => 1,
            Self::Waiting => 2,
        }
    }

    const fn of(number: i64) -> Self {
        match number {
            0 => Self::No,
            2 => Self::Waiting,
            _ => Self::Undecided,
        }
    }
}

/// An order in the book.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(super) id: Option<i64>,
    pub(crate) key: OrderKey,
    /// The key in words.
    pub(super) name: String,
    pub(crate) partition: u32,
    pub(crate) facts: Facts,
    pub(crate) booked: Option<Box<BookedOrder>>,
    /// How often it changed.
    pub(crate) number: u64,
    pub(crate) dirty: Dirty,
    /// When it may be locked, if nothing but the time is missing.
    pub(crate) due: Option<Millis>,
    pub(crate) changed_at: Option<Millis>,
    /// Findings as JSON; none: as they were.
    pub(crate) findings: Option<Vec<String>>,
    has_findings: bool,
}

impl Row {
    /// An order of which nothing is known.
    fn new(key: OrderKey, name: String, partition: u32) -> Self {
        Self {
            id: None,
            key,
            name,
            partition,
            facts: Facts::default(),
            booked: None,
            number: 0,
            dirty: Dirty::No,
            due: None,
            changed_at: None,
            findings: None,
            has_findings: false,
        }
    }

    /// ` lea comparo `: so that one is found by its name between spaces.
    fn partners(&self) -> String {
        let Some(booked) = &self.booked else { return String::new() };
        let mut text = String::new();
        for name in booked.shares.iter().filter_map(|share| share.partner.as_ref()) {
            let name = format!(" {name} ");
            if !text.contains(&name) {
                text.push_str(&name);
            }
        }
        text
    }

    fn is_open(&self) -> bool {
        self.facts.decided.is_some() && self.facts.lock.is_none()
    }

    fn is_owed(&self) -> bool {
        self.facts.lock.is_some() && self.booked.as_deref().is_some_and(payout::is_owed)
    }
}

/// Which open orders are gone through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sweep<'a> {
    /// All.
    All,
    /// Those of a program.
    Program(&'a ProgramName),
}

impl Writing<'_> {
    /// The order with this key, a new one if it is not known.
    pub(crate) fn order(&self, key: &OrderKey, partition: u32) -> Result<Row, StoreError> {
        let name = key.to_string();
        let found = self.find("o.key = ?", params![name])?;
        Ok(found.unwrap_or_else(|| Row::new(key.clone(), name, partition)))
    }

    /// The order with this number of the table.
    pub(crate) fn order_by_id(&self, id: i64) -> Result<Option<Row>, StoreError> {
        self.find("o.id = ?", params![id])
    }

    fn find(&self, which: &str, values: impl Params) -> Result<Option<Row>, StoreError> {
        const DOING: &str = "read an order of the book";
        let sql = format!(
            "SELECT o.id, o.key, o.partition, c.facts, c.booked, o.number, o.dirty, o.due, o.changed_at,
               EXISTS (SELECT 1 FROM findings f WHERE f.order_id = o.id)
             FROM orders o JOIN contents c ON c.id = o.id WHERE {which}"
        );
        let mut statement = self.connection.prepare_cached(&sql).during(DOING)?;
        let mut rows = statement.query(values).during(DOING)?;
        let Some(row) = rows.next().during(DOING)? else { return Ok(None) };
        let text = |place| row.get_ref(place)?.as_str().map_err(rusqlite::Error::from);
        let time = |place| row.get(place).map(|at: Option<i64>| at.map(Millis));
        let columns = || -> rusqlite::Result<_> {
            let numbers = (row.get(0)?, row.get(2)?, unsigned(row.get(5)?), Dirty::of(row.get(6)?));
            Ok((numbers, text(1)?, text(3)?, row.get_ref(4)?.as_str_or_null()?))
        };
        let times = || -> rusqlite::Result<_> { Ok((time(7)?, time(8)?, row.get(9)?)) };
        let ((id, partition, number, dirty), key, facts, booked) = columns().during(DOING)?;
        let (due, changed_at, has_findings) = times().during(DOING)?;
        Ok(Some(Row {
            id: Some(id),
            key: key.parse().during(DOING)?,
            name: key.to_owned(),
            partition,
            facts: serde_json::from_str(facts).during(DOING)?,
            booked: booked.map(serde_json::from_str).transpose().during(DOING)?,
            number,
            dirty,
            due,
            changed_at,
            findings: None,
            has_findings,
        }))
    }

    /// Writes what is now known of an order.
    pub(crate) fn put(&mut self, row: &mut Row) -> Result<(), StoreError> {
        const DOING: &str = "write an order of the book";
        let facts = serde_json::to_string(&row.facts).during(DOING)?;
        let booked = row.booked.as_ref().map(serde_json::to_string).transpose().during(DOING)?;
        let of = row.booked.as_deref();
        let (state, code) = (of.map(|b| b.state.as_str()), of.map(|b| b.code.number()));
        let (lock_at, converted_at) = (of.map(|b| b.lock_at.0), of.map(|b| b.converted_at.0));
        let number = i64::try_from(row.number).unwrap_or(i64::MAX);
        let (due, changed_at) = (row.due.map(|at| at.0), row.changed_at.map(|at| at.0));
        let (open, owed, dirty) = (row.is_open(), row.is_owed(), row.dirty.number());
        let partners = row.partners();
        match row.id {
            Some(id) => {
                self.run(
                    "UPDATE orders SET state = ?2, code = ?3, partners = ?4, number = ?5, open = ?6, owed = ?7,
                       dirty = ?8, due = ?9, lock_at = ?10, converted_at = ?11, changed_at = ?12
                     WHERE id = ?1",
                    params![
                        id, state, code, partners, number, open, owed, dirty, due, lock_at,
                        converted_at, changed_at
                    ],
                )?;
                self.run(
                    "UPDATE contents SET facts = ?2, booked = ?3 WHERE id = ?1",
                    params![id, facts, booked],
                )?;
            }
            None => {
                self.run(
                    "INSERT INTO orders (state, code, partners, number, open, owed, dirty, due, lock_at,
                       converted_at, changed_at, key, program, partition)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                    params![
                        state, code, partners, number, open, owed, dirty, due, lock_at,
                        converted_at, changed_at, row.name, row.key.program.as_str(),
                        row.partition
                    ],
                )?;
                let id = self.connection.last_insert_rowid();
                row.id = Some(id);
                self.run(
                    "INSERT INTO contents (id, facts, booked) VALUES (?1, ?2, ?3)",
                    params![id, facts, booked],
                )?;
            }
        }
        self.put_findings(row)
    }

    fn put_findings(&self, row: &mut Row) -> Result<(), StoreError> {
        let Some(findings) = row.findings.take() else { return Ok(()) };
        if row.has_findings {
            self.run("DELETE FROM findings WHERE order_id = ?", params![row.id])?;
        }
        row.has_findings = !findings.is_empty();
        for (place, finding) in (0_i64..).zip(findings) {
            self.run(
                "INSERT INTO findings (order_id, place, finding) VALUES (?, ?, ?)",
                params![row.id, place, finding],
            )?;
        }
        Ok(())
    }

    /// Orders that are booked. Count.
    pub(crate) fn booked(&self) -> Result<u64, StoreError> {
        self.connection
            .query_row("SELECT count(*) FROM orders WHERE state IS NOT NULL", [], |row| row.get(0))
            .map(unsigned)
            .map_err(StoreError::of("count the orders of the book"))
    }

    /// Orders that are to be decided, at most `most`.
    pub(crate) fn undecided(&self, most: u32) -> Result<Vec<i64>, StoreError> {
        self.ids(UNDECIDED, params![most])
    }

    /// Whether an open order was decided, by this session or one before it, and is not to be decided again anyway.
    pub(crate) fn is_any_decided(&self) -> Result<bool, StoreError> {
        self.connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM orders WHERE open = 1 AND dirty = 0)",
                [],
                |row| row.get(0),
            )
            .map_err(StoreError::of("look for a decided order of the book"))
    }

    /// From now on the orders that wait for a newer catalog are to be decided.
    pub(crate) fn wake_waiting(&self) -> Result<usize, StoreError> {
        self.run(WAKE_WAITING, [])
    }

    /// Orders that wait for a newer catalog. Count.
    pub(crate) fn waiting(&self) -> Result<u32, StoreError> {
        self.connection
            .prepare_cached(WAITING)
            .and_then(|mut count| count.query_row([], |row| row.get(0)))
            .map_err(StoreError::of("count the orders that wait"))
    }

    /// Open orders behind `after`, at most `most`.
    pub(crate) fn open_orders(
        &self,
        sweep: Sweep<'_>,
        after: i64,
        most: u32,
    ) -> Result<Vec<i64>, StoreError> {
        match sweep {
            Sweep::All => self.ids(
                "SELECT id FROM orders WHERE id > ? AND open = 1 ORDER BY id LIMIT ?",
                params![after, most],
            ),
            Sweep::Program(program) => self.ids(
                "SELECT id FROM orders WHERE id > ? AND open = 1 AND program = ? ORDER BY id LIMIT ?",
                params![after, program.as_str(), most],
            ),
        }
    }

    /// Orders that at `now` may be locked or change by themselves, those due first, at most `most`. Without `locks` only
    /// those that change.
    pub(crate) fn due(&self, now: Millis, locks: bool, most: u32) -> Result<Vec<i64>, StoreError> {
        self.ids(DUE, params![now.0, locks, most])
    }

    /// When the first order is due.
    pub(crate) fn first_due(&self) -> Result<Option<Millis>, StoreError> {
        self.connection
            .prepare_cached(FIRST_DUE)
            .and_then(|mut first| first.query_row([], |row| row.get::<_, Option<i64>>(0)))
            .map(|due| due.map(Millis))
            .map_err(StoreError::of("read when the first order is due"))
    }

    fn ids(&self, sql: &str, values: impl Params) -> Result<Vec<i64>, StoreError> {
        const DOING: &str = "look for orders of the book";
        let mut statement = self.connection.prepare_cached(sql).during(DOING)?;
        let rows = statement.query_map(values, |row| row.get(0)).during(DOING)?;
        rows.collect::<Result<_, _>>().during(DOING)
    }
}
