//! Payments as they become known, by statement.

use catalog::Snapshot;
use event::body::{Payment, Subject};
use rusqlite::{OptionalExtension as _, params};

use super::{During as _, StoreError, Writing, pay};
use crate::payout::{Line, Payout, Statement};

impl Writing<'_> {
    /// Notes a payment in its statement; whether it is new.
    pub(crate) fn note_payment(
        &self,
        subject: &Subject,
        payment: &Payment,
    ) -> Result<bool, StoreError> {
        const DOING: &str = "note a payment";
        let Payment { statement, partner, amount, currency, whole, at, .. } = payment;
        let day = matches!(subject, Subject::Day(_));
        let line = Line::of_payment(subject, payment);
        let line = line.map(|line| serde_json::to_string(&line)).transpose().during(DOING)?;
        let row = params![statement, subject.to_string(), day, amount.0, line];
        let new = "INSERT OR IGNORE INTO payments (statement, subject, day, amount, line)
                   VALUES (?, ?, ?, ?, ?)";
        if self.run(new, row)? == 0 {
            return Ok(false);
        }
        let known: Option<(i64, String)> = self
            .connection
            .prepare_cached("SELECT lines, amount FROM statements WHERE id = ?")
            .and_then(|mut found| {
                let columns = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                found.query_row(params![statement], columns).optional()
            })
            .during(DOING)?;
        let (lines, sum) = known.unwrap_or((0, "0".to_owned()));
        let sum: i128 = sum.parse().during(DOING)?;
        let sum = sum.saturating_add(i128::from(amount.0)).to_string();
        let program = subject.program().as_str();
        self.run(
            "INSERT INTO statements (id, program, partner, currency, until, lines, amount, made_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET until = coalesce(until, excluded.until), lines = excluded.lines,
               amount = excluded.amount, made_at = max(made_at, excluded.made_at)",
            params![
                statement,
                program,
                partner.as_str(),
                currency.as_str(),
                whole.map(|whole| whole.until.0),
                lines.saturating_add(1),
                sum,
                at.map_or(0, |at| at.0)
            ],
        )?;
        if let Some(whole) = whole {
            let lines = i64::try_from(whole.lines).unwrap_or(i64::MAX);
            self.run(
                "INSERT OR IGNORE INTO wholes (statement, lines, amount) VALUES (?, ?, ?)",
                params![statement, lines, whole.amount.0],
            )?;
        }
        Ok(true)
    }

    /// The statements of a payout.
    pub(crate) fn statements(
        &self,
        catalog: &Snapshot,
        payout: &Payout,
    ) -> Result<Vec<Statement>, StoreError> {
        pay::statements(&self.connection, catalog, payout)
    }
}
