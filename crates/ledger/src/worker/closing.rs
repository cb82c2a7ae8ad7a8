//! Locks what is due, always on the knowledge of everything that stood on the topics at a moment before. An order is locked
//! once what was received by its time has come through the stages before, too.

use std::time::Instant;

use event::body::{Closed, Closing, Subject};
use event::{EventId, Millis};
use eventlog::Cursor;

use super::{Outputs, Session};
use crate::error::Error;
use crate::store::Dirty;
use crate::{Outcome, decide, lock_of};

/// Orders that are locked together. Count.
const LOCKS_MAX: u32 = 1_000;

/// A moment, and where the topics ended then. Once everything before is read, an order that was due then can be locked,
/// and every lock and payment that this worker wrote before is known.
pub(super) struct Mark {
    at: Millis,
    /// What was received before this has come through the stages before and stands before the ends; none: orders wait.
    locks: Option<Millis>,
    ends: Vec<Cursor>,
    touches: Vec<Cursor>,
}

impl Session<'_> {
    /// Locks and pays if it is time; whether there is more to do at once.
    pub(super) fn close(&mut self) -> Result<bool, Error> {
        if !self.closes {
            return Ok(false);
        }
        if let Some(doubt) = self.doubt()? {
            while let Some(asked) = self.worker.deps.desk.take() {
                asked.answer(Err(doubt));
            }
            return Ok(false);
        }
        let reached = self.mark.as_ref().is_some_and(|mark| {
            self.has_reached(&mark.ends) && self.days.has_reached(&mark.touches)
        });
        if let Some(mark) = self.mark.take_if(|_| reached) {
            self.closed_at = Some(Instant::now());
            self.measure_lag(mark.at)?;
            let locked = self.lock_due(mark.locks.unwrap_or(mark.at), mark.locks.is_some())?;
            let posted = self.post_days(mark.at)?;
            if posted {
                self.closed_at = None;
            }
            if locked || posted {
                return Ok(true); // a payout waits until all of that is read back
            }
            return self.pay();
        }
        let waited = |at: Instant| at.elapsed() >= self.worker.config.lock_wait;
        if self.mark.is_none()
            && (self.closed_at.is_none_or(waited) || self.worker.deps.desk.is_asked())
        {
            let Some(touches) = self.days.ends()? else { return Ok(false) };
            let locks = if self.worker.config.locks { self.come_through()? } else { None };
            let at = self.worker.deps.clock.now();
            let ends = self.consumer.ends().map_err(Error::Read)?;
            self.mark = Some(Mark { at, locks, ends, touches });
        }
        Ok(false)
    }

    fn measure_lag(&self, at: Millis) -> Result<(), Error> {
        let first = self.worker.deps.store.begin()?.first_due()?;
        let late = first.map_or(0, |due| at.since(due).max(0));
        #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
        let late_s = (late / 1000) as f64;
        self.worker.metrics.lock_lag.set(late_s);
        Ok(())
    }

    /// Locks what may be locked at `at`, or only books anew what changes by itself.
    fn lock_due(&mut self, at: Millis, locks_now: bool) -> Result<bool, Error> {
        let worker = self.worker;
        let mut writing = worker.deps.store.begin()?;
        let catalog = worker.deps.catalog.snapshot();
        let due = writing.due(at, locks_now, LOCKS_MAX)?;
        let mut locks = Vec::with_capacity(due.len());
        let mut stale = false;
        for id in &due {
            let Some(mut row) = writing.order_by_id(*id)? else { continue };
            let booked = match decide(&row.key, &row.facts, &catalog, at) {
                Outcome::Booked(booked) if locks_now && booked.is_due(at).is_some() => booked,
                Outcome::Booked(_) | Outcome::Unknown | Outcome::Waiting(_) => {
                    // An announced end is there, or the catalog is a newer one: the order is booked anew.
                    (row.due, row.dirty, stale) = (None, Dirty::Undecided, true);
                    writing.put(&mut row)?;
                    continue;
                }
            };
            if let Some(lock) = lock_of(&row.facts, &booked) {
                locks.push((row.key, lock));
            }
        }
        if stale {
            self.commit(writing)?;
        } else {
            drop(writing);
        }
        if locks.is_empty() {
            return Ok(stale);
        }
        let count = u64::try_from(locks.len()).unwrap_or(u64::MAX);
        let mut outputs = Outputs::begin(&mut *self.consumer).map_err(Error::Write)?;
        for (order, lock) in locks {
            let key = order.to_string();
            let id = EventId::derived("sillage lock v1", &[key.as_bytes()]);
            let (times, closing) = ((lock.lock_at, at), Closing::Lock(Box::new(lock)));
            let subject = Subject::Order(order);
            outputs.closed(id, times, Closed { subject, closing }).map_err(Error::Write)?;
        }
        outputs.commit(&[]).map_err(Error::Write)?;
        worker.metrics.locked.increment(count);
        tracing::info!(orders = count, "orders locked");
        if count >= u64::from(LOCKS_MAX) {
            self.closed_at = None;
        }
        Ok(true)
    }
}
