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
    /// Whether the clock may say what is due.
    pub(super) fn clock_is_believed(&mut self) -> Result<bool, Error> {
        let now = self.worker.deps.clock.now();
        let why = if self.worker.deps.clock.is_astray() {
            Some(Held::ClockJumped)
        } else if self.watch.believed || self.is_near(now)? {
            None
        } else {
            Some(Held::ClockAhead)
        };
        self.tell_of_clock(why, now);
        if why.is_some() {
            return Ok(false);
        }
        self.watch.believed = true;
        if self.watch.noted_at.is_none_or(|at| at.elapsed() >= NOTE_EVERY) {
            self.watch.noted_at = Some(Instant::now());
            let writing = self.worker.deps.store.begin()?;
            writing.set_passed(now)?;
            self.commit(writing)?;
        }
        Ok(true)
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

    /// Whether so much time can have passed since what is known. Where nothing is known there is nothing to lock, either.
    fn is_near(&self, now: Millis) -> Result<bool, Error> {
        let noted = self.worker.deps.store.begin()?.passed()?;
        let known = noted.max(noted.and(self.worker.config.checked_at()));
        let ahead = known.map_or(0, |known| now.since(known).max(0));
        Ok(Duration::from_millis(ahead.unsigned_abs()) <= AHEAD_MAX)
    }

    fn tell_of_clock(&mut self, why: Option<Held>, now: Millis) {
        let metrics = &self.worker.metrics;
        let before = self.watch.doubted;
        if let Some((reason, since)) = before {
            metrics
                .held(reason, if why == Some(reason) { since.elapsed() } else { Duration::ZERO });
        }
        if before.map(|(reason, _)| reason) == why {
            return;
        }
        self.watch.doubted = why.map(|reason| (reason, Instant::now()));
        match why {
            Some(Held::ClockAhead) => tracing::error!(
                %now,
                "the clock is more than three days ahead of the last time that the book noted: no order is locked and nothing \
                 is paid. If it is wrong, set it and start anew; if it is right, give today as ledger.clock_checked"
            ),
            Some(_) => tracing::error!(
                %now,
                "the clock jumped: no order is locked and nothing is paid until it is right again or the process starts anew"
            ),
            None => tracing::info!("the clock is right again; orders are locked"),
        }
    }
}
