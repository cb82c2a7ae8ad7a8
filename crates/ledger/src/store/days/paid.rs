//! Payments of days, until they are booked.

use event::EventId;
use event::Micros;
use event::body::posting::PayDay;
use event::body::{Payment, Subject};
use rusqlite::params;

use super::DayRow;
use crate::amount;
use crate::store::{During as _, StoreError, Writing};

/// A day that is to be booked again because it was paid.
#[derive(Clone, Debug)]
pub(crate) struct PaidDay {
    /// As it is booked.
    pub(crate) row: DayRow,
    /// Sum of its payments; none: there is none.
    pub(crate) paid: Option<Micros>,
    /// The last payment that came, and who had it paid.
    pub(crate) cause: (EventId, Option<String>),
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
            all.push(PaidDay { row, paid: self.payments_of(&key)?, cause: (source, actor) });
        }
        Ok(all)
    }

    /// What was paid of a day is booked.
    pub(crate) fn day_booked(&self, day: &PayDay) -> Result<(), StoreError> {
        self.run("DELETE FROM days_unbooked WHERE key = ?", params![day.to_string()]).map(drop)
    }

    fn payments_of(&self, key: &str) -> Result<Option<Micros>, StoreError> {
        const DOING: &str = "read the payments of a day";
        let mut found = self
            .connection
            .prepare_cached("SELECT amount FROM payments WHERE day = 1 AND subject = ?")
            .during(DOING)?;
        let rows = found.query_map(params![key], |row| row.get(0).map(Micros)).during(DOING)?;
        let all: Vec<Micros> = rows.collect::<Result<_, _>>().during(DOING)?;
        Ok((!all.is_empty()).then(|| amount::sum(all)))
    }
}
