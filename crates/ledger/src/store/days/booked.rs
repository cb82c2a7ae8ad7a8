//! What days are booked at.

use event::body::posting::{PayDay, Posting, Purpose, Transfer};
use event::body::{Account, Subject};
use event::{Body, Currency, Envelope, EventId, Micros, Millis, ProgramName};
use rusqlite::{Connection, Params, params};

use crate::days::{self, Day, Pay};
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
    /// What is booked of its payments; none: there was none.
    pub(crate) paid: Option<Micros>,
    pub(crate) currency: Currency,
    pub(crate) purpose: Purpose,
}

/// The payment that a day is booked again for.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) source: EventId,
    /// Who had it paid.
    pub(crate) actor: Option<String>,
    pub(crate) statement: Option<String>,
}

impl DayRow {
    /// A day that nothing was booked of.
    pub(crate) const fn new(key: PayDay, currency: Currency, purpose: Purpose) -> Self {
        Self { id: None, key, number: 0, amount: Micros(0), paid: None, currency, purpose }
    }

    /// As it stands on the accounts.
    pub(crate) fn pay(&self) -> Pay {
        Pay { earned: self.amount, paid: self.paid.unwrap_or_default() }
    }
}

impl Writing<'_> {
    /// What is booked of a program's day.
    pub(crate) fn booked_days(
        &self,
        program: &ProgramName,
        day: Day,
    ) -> Result<Vec<DayRow>, StoreError> {
        let values = params![program.as_str(), day.number()];
        rows(&self.connection, "program = ? AND day = ?", values)
    }

    /// What is booked of one rule on one day.
    pub(crate) fn day(&self, key: &PayDay) -> Result<Option<DayRow>, StoreError> {
        by_key(&self.connection, &key.to_string())
    }

    fn put_day(&self, row: &mut DayRow) -> Result<(), StoreError> {
        const DOING: &str = "write a day of the book";
        let number = i64::try_from(row.number).unwrap_or(i64::MAX);
        if let Some(id) = row.id {
            let change = params![id, number, row.amount.0, row.paid.map(|paid| paid.0)];
            return self
                .run("UPDATE days SET number = ?2, amount = ?3, paid = ?4 WHERE id = ?1", change)
                .map(drop);
        }
        let day: Day = row.key.day.parse().during(DOING)?;
        let (subject, purpose) =
            (serde_json::to_string(&row.key), serde_json::to_string(&row.purpose));
        self.run(
            "INSERT INTO days (key, program, day, subject, number, amount, paid, currency, purpose)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                row.key.to_string(),
                row.key.program.as_str(),
                day.number(),
                subject.during(DOING)?,
                number,
                row.amount.0,
                row.paid.map(|paid| paid.0),
                row.currency.as_str(),
                purpose.during(DOING)?
            ],
        )?;
        row.id = Some(self.connection.last_insert_rowid());
        Ok(())
    }

    /// Books what a day earned and what was paid of it, and says so. Whether money moved.
    pub(crate) fn book_day(
        &mut self,
        row: &mut DayRow,
        (earned, paid): (Micros, Option<Micros>),
        cause: Option<Cause>,
        (day_at, changed_at): (Millis, Millis),
    ) -> Result<bool, StoreError> {
        let (number, before) = (row.number.saturating_add(1), row.pay());
        let leads = (before, Pay { earned, paid: paid.unwrap_or_default() });
        let transfers = days::transfers(&row.key, number, leads, (row.currency, row.purpose));
        if transfers.is_empty() {
            if row.paid != paid {
                row.paid = paid;
                self.put_day(row)?;
            }
            return Ok(false);
        }
        let id = days::posting_id(&row.key, number, leads);
        let Cause { source, actor, statement } =
            cause.unwrap_or(Cause { source: id, actor: None, statement: None });
        let posting = Posting {
            subject: Subject::Day(row.key.clone()),
            number,
            source,
            actor,
            changed_at,
            booked: None,
            statement,
            transfers,
        };
        assert!(
            before.after(&row.key, &posting) == Some(leads.1),
            "transfers of {} lead elsewhere",
            row.key
        );
        (row.number, row.amount, row.paid) = (number, earned, paid);
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
        self.say(&envelope, row.key.key_hash());
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
        let of_expense = |one: &&Transfer| {
            [&one.debit, &one.credit].into_iter().any(|side| matches!(side, Account::Expense(_)))
        };
        let first = posting.transfers.iter().find(of_expense).or(posting.transfers.first());
        let Some(first) = first else { return Ok(false) };
        let known = self.day(key)?;
        let mut row =
            known.unwrap_or_else(|| DayRow::new(key.clone(), first.currency, first.purpose));
        if posting.number <= row.number {
            return Ok(false);
        }
        let day: Day = key.day.parse().during(DOING)?;
        self.day_changed(&key.program, day)?;
        self.day_unbooked(key, (posting.source, posting.actor.as_deref()))?;
        let follows = row.number.checked_add(1) == Some(posting.number);
        let after = row.pay().after(key, posting).filter(|_| follows);
        row.number = posting.number;
        let Some(after) = after else {
            tracing::error!(
                day = %key,
                number = posting.number,
                "a posting does not follow from those before it and moves nothing; the day is booked anew behind it"
            );
            self.put_day(&mut row)?;
            return Ok(true);
        };
        let paid = row.pay().paid;
        row.amount = after.earned;
        if row.paid.is_some() || after.paid != paid {
            row.paid = Some(after.paid);
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
    let mut lines = Vec::new();
    for DayRow { key, amount, paid, currency, .. } in
        rows(connection, "program = ?", params![program])?
    {
        lines.extend(days::line(&key, amount, currency, paid.is_some()));
    }
    lines.sort_unstable();
    Ok(lines)
}

/// Days of a program that are not paid as they are booked, by key.
pub(in crate::store) fn owed(
    connection: &Connection,
    program: &ProgramName,
) -> Result<Vec<DayRow>, StoreError> {
    let values = params![program.as_str()];
    rows(connection, "program = ? AND amount <> coalesce(paid, 0)", values)
}

/// The day with this key.
pub(in crate::store) fn by_key(
    connection: &Connection,
    key: &str,
) -> Result<Option<DayRow>, StoreError> {
    Ok(rows(connection, "key = ?", params![key])?.into_iter().next())
}

fn rows(
    connection: &Connection,
    which: &str,
    values: impl Params,
) -> Result<Vec<DayRow>, StoreError> {
    const DOING: &str = "read a day of the book";
    let sql = format!(
        "SELECT id, subject, number, amount, paid, currency, purpose FROM days WHERE {which} ORDER BY key"
    );
    let mut found = connection.prepare_cached(&sql).during(DOING)?;
    let mut rows = found.query(values).during(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().during(DOING)? {
        let columns = || -> rusqlite::Result<(Option<i64>, i64, i64, Option<i64>)> {
            Ok((row.get(0)?, row.get(2)?, row.get(3)?, row.get(4)?))
        };
        let (id, number, amount, paid) = columns().during(DOING)?;
        let text = |place| row.get_ref(place).during(DOING)?.as_str().during(DOING);
        all.push(DayRow {
            id,
            key: serde_json::from_str(text(1)?).during(DOING)?,
            number: u64::try_from(number).unwrap_or(0),
            amount: Micros(amount),
            paid: paid.map(Micros),
            currency: text(5)?.parse().during(DOING)?,
            purpose: serde_json::from_str(text(6)?).during(DOING)?,
        });
    }
    Ok(all)
}

/// The programs of which days are booked.
pub(in crate::store) fn programs(connection: &Connection) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "read the programs of the book";
    let mut found = connection.prepare_cached("SELECT DISTINCT program FROM days").during(DOING)?;
    let rows = found.query_map([], |row| row.get(0)).during(DOING)?;
    rows.collect::<Result<_, _>>().during(DOING)
}
