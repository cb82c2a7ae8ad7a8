//! What days are booked at.

use event::body::posting::{PayDay, Posting, Purpose};
use event::body::{Account, Subject};
use event::{Body, Currency, Envelope, EventId, Micros, Millis, ProgramName};
use rusqlite::{Connection, Params, params};

use crate::days::{self, Day};
use crate::store::{During as _, StoreError, Writing};

/// Balances of days: one member counts all touches.
const PARTITION: u32 = 0;

/// A day in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DayRow {
    id: Option<i64>,
    pub(crate) key: PayDay,
    /// How often it changed.
    pub(crate) number: u64,
    /// What it is booked at.
    pub(crate) amount: Micros,
    pub(crate) currency: Currency,
    pub(crate) purpose: Purpose,
}

impl DayRow {
    /// A day that nothing was booked of.
    pub(crate) const fn new(key: PayDay, currency: Currency, purpose: Purpose) -> Self {
        Self { id: None, key, number: 0, amount: Micros(0), currency, purpose }
    }
}

impl Writing<'_> {
    /// What is booked of a program's day.
    pub(crate) fn booked_days(
        &self,
        program: &ProgramName,
        day: Day,
    ) -> Result<Vec<DayRow>, StoreError> {
        self.day_rows("program = ? AND day = ?", params![program.as_str(), day.number()])
    }

    /// What is booked of one rule on one day.
    pub(crate) fn day(&self, key: &PayDay) -> Result<Option<DayRow>, StoreError> {
        let found = self.day_rows("key = ?", params![key.to_string()])?;
        Ok(found.into_iter().next())
    }

    fn day_rows(&self, which: &str, values: impl Params) -> Result<Vec<DayRow>, StoreError> {
        const DOING: &str = "read a day of the book";
        let sql = format!(
            "SELECT id, subject, number, amount, currency, purpose FROM days WHERE {which} ORDER BY key"
        );
        let mut found = self.connection.prepare_cached(&sql).during(DOING)?;
        let mut rows = found.query(values).during(DOING)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().during(DOING)? {
            let columns = || -> rusqlite::Result<(Option<i64>, i64, i64)> {
                Ok((row.get(0)?, row.get(2)?, row.get(3)?))
            };
            let (id, number, amount) = columns().during(DOING)?;
            let text = |place| row.get_ref(place).during(DOING)?.as_str().during(DOING);
            all.push(DayRow {
                id,
                key: serde_json::from_str(text(1)?).during(DOING)?,
                number: u64::try_from(number).unwrap_or(0),
                amount: Micros(amount),
                currency: text(4)?.parse().during(DOING)?,
                purpose: serde_json::from_str(text(5)?).during(DOING)?,
            });
        }
        Ok(all)
    }

    fn put_day(&self, row: &mut DayRow) -> Result<(), StoreError> {
        const DOING: &str = "write a day of the book";
        let number = i64::try_from(row.number).unwrap_or(i64::MAX);
        if let Some(id) = row.id {
            let change = params![id, number, row.amount.0];
            return self
                .run("UPDATE days SET number = ?2, amount = ?3 WHERE id = ?1", change)
                .map(drop);
        }
        let day: Day = row.key.day.parse().during(DOING)?;
        let (subject, purpose) =
            (serde_json::to_string(&row.key), serde_json::to_string(&row.purpose));
        self.run(
            "INSERT INTO days (key, program, day, subject, number, amount, currency, purpose)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                row.key.to_string(),
                row.key.program.as_str(),
                day.number(),
                subject.during(DOING)?,
                number,
                row.amount.0,
                row.currency.as_str(),
                purpose.during(DOING)?
            ],
        )?;
        row.id = Some(self.connection.last_insert_rowid());
        Ok(())
    }

    /// Books another amount of a day, and says so. Whether it is another one.
    pub(crate) fn book_day(
        &mut self,
        row: &mut DayRow,
        amount: Micros,
        at: (Millis, Millis),
    ) -> Result<bool, StoreError> {
        let (number, amounts) = (row.number.saturating_add(1), (row.amount, amount));
        let of = (row.currency, row.purpose);
        let Some(transfer) = days::transfer(&row.key, number, amounts, of) else {
            return Ok(false);
        };
        let (day_at, changed_at) = at;
        let id = days::posting_id(&row.key, number, amounts);
        let posting = Posting {
            subject: Subject::Day(row.key.clone()),
            number,
            source: id,
            actor: None,
            changed_at,
            booked: None,
            transfers: vec![transfer],
        };
        (row.number, row.amount) = (number, amount);
        self.put_day(row)?;
        let key = row.key.to_string();
        self.apply((row.id.map(i64::wrapping_neg), &key, PARTITION), id, &posting)?;
        let envelope = Envelope {
            id,
            occurred_at: day_at,
            received_at: changed_at,
            program: Some(row.key.program.clone()),
            test: false,
            key,
            body: Body::Posting(Box::new(posting)),
        };
        self.say(&envelope, row.key.key_hash())?;
        Ok(true)
    }

    /// Takes a posting of a day back that this book does not know; whether it did not.
    pub(crate) fn restore_day(
        &mut self,
        key: &PayDay,
        id: EventId,
        posting: &Posting,
    ) -> Result<bool, StoreError> {
        const DOING: &str = "take a day back";
        let Some(first) = posting.transfers.first() else { return Ok(false) };
        let known = self.day(key)?;
        let mut row =
            known.unwrap_or_else(|| DayRow::new(key.clone(), first.currency, first.purpose));
        if posting.number <= row.number {
            return Ok(false);
        }
        let day: Day = key.day.parse().during(DOING)?;
        self.day_changed(&key.program, day)?;
        let follows = row.number.checked_add(1) == Some(posting.number);
        row.number = posting.number;
        if !follows {
            tracing::error!(
                day = %key,
                number = posting.number,
                "a posting does not follow from those before it and moves nothing; the day is booked anew behind it"
            );
            self.put_day(&mut row)?;
            return Ok(true);
        }
        for transfer in &posting.transfers {
            let owed = match (&transfer.debit, &transfer.credit) {
                (Account::Expense(_), _) => row.amount.0.checked_add(transfer.amount.0),
                (_, Account::Expense(_)) => row.amount.0.checked_sub(transfer.amount.0),
                _ => Some(row.amount.0),
            };
            row.amount = Micros(owed.ok_or("an amount beyond all bounds").during(DOING)?);
        }
        self.put_day(&mut row)?;
        self.apply((row.id.map(i64::wrapping_neg), &key.to_string(), PARTITION), id, posting)?;
        Ok(true)
    }
}

/// The lines of a program's days in `sillage books`, sorted.
pub(in crate::store) fn lines(
    connection: &Connection,
    program: &str,
) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "read the days of the book";
    let mut found = connection
        .prepare_cached("SELECT subject, amount, currency FROM days WHERE program = ?")
        .during(DOING)?;
    let mut rows = found.query(params![program]).during(DOING)?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next().during(DOING)? {
        let text = |place| row.get_ref(place).during(DOING)?.as_str().during(DOING);
        let key = serde_json::from_str(text(0)?).during(DOING)?;
        let amount = Micros(row.get(1).during(DOING)?);
        lines.extend(days::line(&key, amount, text(2)?.parse().during(DOING)?));
    }
    lines.sort_unstable();
    Ok(lines)
}

/// The programs of which days are booked.
pub(in crate::store) fn programs(connection: &Connection) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "read the programs of the book";
    let mut found = connection.prepare_cached("SELECT DISTINCT program FROM days").during(DOING)?;
    let rows = found.query_map([], |row| row.get(0)).during(DOING)?;
    rows.collect::<Result<_, _>>().during(DOING)
}
