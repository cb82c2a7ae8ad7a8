//! Which days are to be looked at.

use event::{Millis, ProgramName};
use rusqlite::{OptionalExtension as _, Params, params};

use crate::days::{Day, MINUTE_MS, Zone};
use crate::store::{During as _, StoreError, Writing};

impl Writing<'_> {
    /// A day is to be looked at.
    pub(crate) fn day_changed(&self, program: &ProgramName, day: Day) -> Result<(), StoreError> {
        self.run(
            "INSERT OR IGNORE INTO day_due VALUES (?, ?)",
            params![program.as_str(), day.number()],
        )
        .map(drop)
    }

    /// A day was looked at.
    pub(crate) fn day_settled(&self, program: &ProgramName, day: Day) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM day_due WHERE program = ? AND day = ?",
            params![program.as_str(), day.number()],
        )
        .map(drop)
    }

    /// Days up to `last` that are to be looked at, at most `most`.
    pub(crate) fn days_due(
        &self,
        program: &ProgramName,
        last: Day,
        most: u32,
    ) -> Result<Vec<Day>, StoreError> {
        self.numbers(
            "SELECT day FROM day_due WHERE program = ? AND day <= ? ORDER BY day LIMIT ?",
            params![program.as_str(), last.number(), most],
        )
    }

    fn numbers(&self, sql: &str, values: impl Params) -> Result<Vec<Day>, StoreError> {
        const DOING: &str = "look for days of the book";
        let mut statement = self.connection.prepare_cached(sql).during(DOING)?;
        let rows =
            statement.query_map(values, |row| row.get(0).map(Day::of_number)).during(DOING)?;
        rows.collect::<Result<_, _>>().during(DOING)
    }

    /// The days of a program are those of `zone`. In another one than before, all of them are to be looked at.
    pub(crate) fn zone_of_days(
        &self,
        program: &ProgramName,
        (name, zone): (&str, &Zone),
    ) -> Result<(), StoreError> {
        const DOING: &str = "read the zone of a program's days";
        let known: Option<String> = self
            .connection
            .prepare_cached("SELECT zone FROM day_programs WHERE program = ?")
            .and_then(|mut found| {
                found.query_row(params![program.as_str()], |row| row.get(0)).optional()
            })
            .during(DOING)?;
        if known.as_deref() == Some(name) {
            return Ok(());
        }
        self.run(
            "INSERT OR REPLACE INTO day_programs VALUES (?, ?, NULL)",
            params![program.as_str(), name],
        )?;
        self.run(
            "INSERT OR IGNORE INTO day_due SELECT program, day FROM days WHERE program = ?",
            params![program.as_str()],
        )?;
        let mut minutes = self
            .connection
            .prepare_cached(
                "SELECT DISTINCT c.minute FROM day_places p JOIN day_counts c ON c.place = p.id
                 WHERE p.program = ?",
            )
            .during(DOING)?;
        let mut rows = minutes.query(params![program.as_str()]).during(DOING)?;
        while let Some(row) = rows.next().during(DOING)? {
            let minute: i64 = row.get(0).during(DOING)?;
            self.day_changed(program, zone.day(Millis(minute.saturating_mul(MINUTE_MS))))?;
        }
        Ok(())
    }

    /// The next day of which periods are to be looked at; none: from the first on.
    pub(crate) fn next_period(&self, program: &ProgramName) -> Result<Option<Day>, StoreError> {
        self.connection
            .prepare_cached("SELECT next FROM day_programs WHERE program = ?")
            .and_then(|mut found| {
                found
                    .query_row(params![program.as_str()], |row| row.get::<_, Option<i64>>(0))
                    .optional()
            })
            .map(|next| next.flatten().map(Day::of_number))
            .during("read which periods are booked")
    }

    /// Periods that begin before `next` were looked at.
    pub(crate) fn set_next_period(
        &self,
        program: &ProgramName,
        next: Day,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE day_programs SET next = ? WHERE program = ?",
            params![next.number(), program.as_str()],
        )
        .map(drop)
    }
}
