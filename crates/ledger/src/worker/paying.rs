//! Payouts: payments written when they are asked for, and days booked when they are paid.

use catalog::Snapshot;
use event::body::{Closed, Closing};
use event::{EventId, Millis};

use super::{Outputs, Session};
use crate::days::{Day, Zone};
use crate::error::Error;
use crate::payout::{Payout, Statement};
use crate::store::Writing;

/// Days of which payments are booked in one transaction. Count.
const STEP_PAID: u32 = if cfg!(test) { 2 } else { 500 };

impl Session<'_> {
    /// Pays what was asked for; whether there was something.
    pub(super) fn pay(&mut self) -> Result<bool, Error> {
        let worker = self.worker;
        let Some(asked) = worker.deps.desk.take() else { return Ok(false) };
        let now = worker.deps.clock.now();
        let catalog = worker.deps.catalog.snapshot();
        let statements = worker.deps.store.begin()?.statements(&catalog, &asked.payout)?;
        let mut outputs = Outputs::begin(&mut *self.consumer).map_err(Error::Write)?;
        let mut count = 0_u64;
        for statement in statements.iter().filter(|one| one.is_to_pay()) {
            for (id, closed) in payments(statement, &asked.payout, now) {
                count = count.saturating_add(1);
                outputs.closed(id, (now, now), closed).map_err(Error::Write)?;
            }
        }
        outputs.commit(&[]).map_err(Error::Write)?;
        worker.metrics.paid.increment(count);
        let paid = statements.into_iter().map(Statement::now_paid).collect();
        asked.answer(Ok(paid));
        Ok(true)
    }

    /// Books payments of days that came before the book had caught up, or before their days; whether there were any.
    pub(super) fn book_paid_days(&mut self) -> Result<bool, Error> {
        let worker = self.worker;
        let mut writing = worker.deps.store.begin()?;
        let catalog = worker.deps.catalog.snapshot();
        if book_paid(&mut writing, &catalog, worker.deps.clock.now())? == 0 {
            return Ok(false);
        }
        self.commit(writing)?;
        self.say(&[])?;
        Ok(true)
    }
}

/// Books what was paid of some days; of how many.
pub(super) fn book_paid(
    writing: &mut Writing<'_>,
    catalog: &Snapshot,
    now: Millis,
) -> Result<usize, Error> {
    let days = writing.unbooked_days(STEP_PAID)?;
    for mut day in days.iter().cloned() {
        let key = day.row.key.clone();
        let zone = catalog.program(key.program.as_str()).map(|program| program.time_zone());
        let begun = key.day.parse::<Day>().map(|day| Zone::named(zone.unwrap_or("UTC")).start(day));
        let earned = day.row.amount;
        let times = (begun.unwrap_or(now), now);
        writing.book_day(&mut day.row, (earned, day.paid), Some(day.cause), times)?;
        writing.day_booked(&key)?;
    }
    Ok(days.len())
}

/// The payments of a statement with their event ids: one for each line that is not paid.
pub(super) fn payments<'a>(
    statement: &'a Statement,
    payout: &'a Payout,
    now: Millis,
) -> impl Iterator<Item = (EventId, Closed)> + 'a {
    statement.unpaid().map(move |line| {
        let (subject, key) = (line.subject.clone(), line.subject.to_string());
        let parts = [statement.id.as_bytes(), key.as_bytes()];
        let id = EventId::derived("sillage payment v1", &parts);
        let payment = statement.payment(line, now, payout.actor.as_deref());
        (id, Closed { subject, closing: Closing::Pay(payment) })
    })
}
