//! Payments of days, until they are booked.

use event::EventId;
use event::Micros;
use event::body::posting::PayDay;
use event::body::{Payment, Subject};
use rusqlite::params;

use super::{Cause, DayRow};
use crate::amount;
use crate::store::{During as _, StoreError, Writing};

/// A day that is to be booked again because it was paid.
#[derive(Clone, Debug)]
pub(crate) struct PaidDay {
    /// As it is booked.
    pub(crate) row: DayRow,
    /// Sum of its payments; none: there is none.
    pub(crate) paid: Option<Micros>,
    /// The last payment that came, who had it paid, and the last statement.
    pub(crate) cause: Cause,
}

impl Writing<'_> {
    /// Notes a payment of a day, whether or not the day is in the book by now.
    pub(crate) fn day_paid(
        &self,
        day: &PayDay,
        id: EventId,
        payment: &Payment,
    ) -> Result<(), StoreError> {
        if self.note_payment(&Subject::Day(day.clone()), payment)? {
            self.day_unbooked(day, (id, payment.actor.as_deref()))?;
        }
        Ok(())
    }

    /// What was paid of a day is to be booked.
    pub(super) fn day_unbooked(
        &self,
        day: &PayDay,
        (source, actor): (EventId, Option<&str>),
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT OR REPLACE INTO days_unbooked VALUES (?, ?, ?)",
            params![day.to_string(), source.as_bytes(), actor],
        )
        .map(drop)
    }

    /// Days of which payments are to be booked, at most `most`.
    pub(crate) fn unbooked_days(&self, most: u32) -> Result<Vec<PaidDay>, StoreError> {
        const DOING: &str = "look for days that were paid";
        let mut found = self
            .connection
            .prepare_cached(
                "SELECT u.key, u.source, u.actor FROM days_unbooked u JOIN days d ON d.key = u.key
                 ORDER BY u.key LIMIT ?",
            )
            .during(DOING)?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, String>(0)?, row.get(1).map(EventId::from_bytes)?, row.get(2)?))
        };
        let mut all = Vec::new();
        for row in found.query_map(params![most], read).during(DOING)? {
            let (key, source, actor) = row.during(DOING)?;
            let Some(row) = super::by_key(&self.connection, &key)? else { continue };
            let (paid, statement) = self.payments_of(&key)?;
            all.push(PaidDay { row, paid, cause: Cause { source, actor, statement } });
        }
        Ok(all)
    }

    /// What was paid of a day is booked.
    pub(crate) fn day_booked(&self, day: &PayDay) -> Result<(), StoreError> {
        self.run("DELETE FROM days_unbooked WHERE key = ?", params![day.to_string()]).map(drop)
    }

    /// What was paid of a day, and the last statement that did.
    fn payments_of(&self, key: &str) -> Result<(Option<Micros>, Option<String>), StoreError> {
        const DOING: &str = "read the payments of a day";
        let mut found = self
            .connection
            .prepare_cached(
                "SELECT p.amount, p.statement FROM payments p JOIN statements s ON s.id = p.statement
                 WHERE p.day = 1 AND p.subject = ? ORDER BY s.until, s.id",
            )
            .during(DOING)?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0).map(Micros)?, row.get(1)?));
        let rows = found.query_map(params![key], read).during(DOING)?;
        let all: Vec<(Micros, String)> = rows.collect::<Result<_, _>>().during(DOING)?;
        let (amounts, mut statements): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        Ok(((!amounts.is_empty()).then(|| amount::sum(amounts)), statements.pop()))
    }
}
