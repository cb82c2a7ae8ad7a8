//! Whether the clock is believed. A clock that is years ahead makes every order due, and locks and payments are for ever.
//!
//! Once a minute the book notes what time it is. A session begins by comparing the clock with that note; from then on it is
//! enough that the clock is watched ([`event::WatchedClock`]), so a shop in which nothing happens for weeks needs nothing.
//! What is compared is no record of the topics: a process whose clock is wrong writes those with that clock.

use std::time::{Duration, Instant};

use event::{Clock as _, Millis};

use super::Session;
use crate::error::Error;
use crate::metrics::Held;
use crate::payout::Doubt;

/// By how much the clock may be ahead of what is known to have passed. Three days: a node that stood still over a weekend
/// goes on by itself, and a clock that is wrong by less locks orders of a month at most three days early.
pub(super) const AHEAD_MAX: Duration = Duration::from_hours(72);

/// Time between two notes in the book. A minute: a note is an fsync.
const NOTE_EVERY: Duration = Duration::from_mins(1);

/// What a session thinks of the clock.
#[derive(Default)]
pub(super) struct Watch {
    /// It was compared with the book and found right.
    believed: bool,
    /// Since when it is not believed, and why.
    doubted: Option<(Held, Instant)>,
    noted_at: Option<Instant>,
    /// The last time of receipt among what the book read first, until it is noted.
    pub(super) newest: Option<Millis>,
}

impl Session<'_> {
    /// Why the clock may not say what is due; none: it may.
    pub(super) fn doubt(&mut self) -> Result<Option<Doubt>, Error> {
        let now = self.worker.deps.clock.now();
        let doubt = if self.worker.deps.clock.is_astray() {
            Some(Doubt::Jumped { now })
        } else if self.watch.believed {
            None
        } else {
            self.ahead(now)?
        };
        self.tell_of_clock(doubt);
        if doubt.is_some() {
            return Ok(doubt);
        }
        self.watch.believed = true;
        if self.watch.noted_at.is_none_or(|at| at.elapsed() >= NOTE_EVERY) {
            self.watch.noted_at = Some(Instant::now());
            let writing = self.worker.deps.store.begin()?;
            writing.set_passed(now)?;
            self.commit(writing)?;
        }
        Ok(None)
    }

    /// Notes the last receipt among what was read first, in a book that has no note: that time has passed, whatever the clock
    /// says now and whichever session compares with it.
    pub(super) fn note_newest(&mut self) -> Result<(), Error> {
        if self.goal.is_some() {
            return Ok(());
        }
        let Some(newest) = self.watch.newest.take() else { return Ok(()) };
        let writing = self.worker.deps.store.begin()?;
        if writing.passed()?.is_some() {
            return Ok(());
        }
        writing.set_passed(newest)?;
        self.commit(writing)
    }

    /// Whether more time would have passed since what is known than can be believed. Where nothing is known there is nothing
    /// to lock, either.
    fn ahead(&self, now: Millis) -> Result<Option<Doubt>, Error> {
        let noted = self.worker.deps.store.begin()?.passed()?;
        let known = noted.max(noted.and(self.worker.config.checked_at()));
        let is_ahead = |noted: &Millis| {
            let ahead = now.since(*noted).max(0).unsigned_abs();
            Duration::from_millis(ahead) > AHEAD_MAX
        };
        Ok(known.filter(is_ahead).map(|noted| Doubt::Ahead { now, noted }))
    }

    fn tell_of_clock(&mut self, doubt: Option<Doubt>) {
        let metrics = &self.worker.metrics;
        let before = self.watch.doubted;
        let why = doubt.map(|doubt| match doubt {
            Doubt::Jumped { .. } => Held::ClockJumped,
            Doubt::Ahead { .. } => Held::ClockAhead,
        });
        if let Some((reason, since)) = before {
            metrics
                .held(reason, if why == Some(reason) { since.elapsed() } else { Duration::ZERO });
        }
        if before.map(|(reason, _)| reason) == why {
            return;
        }
        self.watch.doubted = why.map(|reason| (reason, Instant::now()));
        match doubt {
            Some(doubt) => tracing::error!("{doubt}"),
            None => tracing::info!("the clock is right again; orders are locked"),
        }
    }
}
