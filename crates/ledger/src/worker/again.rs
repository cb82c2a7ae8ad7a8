//! Orders decided again: because the book had to catch up first, or because the catalog changed.

use std::collections::VecDeque;
use std::sync::Arc;

use catalog::Snapshot;
use event::ProgramName;

use super::booking::{Accountant, last_source};
use super::{STEP_ORDERS, Session};
use crate::error::Error;
use crate::store::Sweep;

/// Going through the open orders of some programs.
pub(super) struct Sweeping {
    catalog: Arc<Snapshot>,
    /// None: of all.
    programs: Option<VecDeque<ProgramName>>,
    after: i64,
}

impl Session<'_> {
    /// Decides orders of which facts came before the book had caught up; whether there were any.
    pub(super) fn decide_undecided(&mut self) -> Result<bool, Error> {
        let ids = self.worker.deps.store.begin()?.undecided(STEP_ORDERS)?;
        let catalog = self.worker.deps.catalog.snapshot();
        self.decide_again(&ids, &catalog)
    }

    fn decide_again(&mut self, ids: &[i64], catalog: &Arc<Snapshot>) -> Result<bool, Error> {
        if ids.is_empty() {
            return Ok(false);
        }
        let worker = self.worker;
        let now = worker.deps.clock.now();
        let mut desk = Accountant { worker, catalog, now, writing: worker.deps.store.begin()? };
        for id in ids {
            if let Some(mut row) = desk.writing.order_by_id(*id)? {
                let cause = last_source(&row.facts);
                desk.book(&mut row, cause)?;
            }
        }
        let waiting = desk.writing.waiting()?;
        let writing = desk.writing;
        self.commit(writing)?;
        worker.metrics.waiting.set(f64::from(waiting));
        self.say(&[])?;
        Ok(true)
    }

    /// Notices a new catalog: what waited for one is to be decided, and open orders that it may bear on are gone through.
    pub(super) fn look_at_catalog(&mut self) -> Result<bool, Error> {
        let catalog = self.worker.deps.catalog.snapshot();
        let known = self.swept.as_ref().map(|swept| swept.generation());
        if self.sweep.is_some() || known == Some(catalog.generation()) {
            return Ok(false);
        }
        let writing = self.worker.deps.store.begin()?;
        let programs = match (&self.swept, writing.generation()?) {
            (Some(before), _) => Some(changed_programs(before, &catalog)),
            (None, Some(known)) if known == catalog.generation() => Some(VecDeque::new()),
            // A book that is made anew: its orders are decided now, for the first time.
            (None, None) if !writing.is_any_decided()? => Some(VecDeque::new()),
            (None, _) => None,
        };
        let woken = writing.wake_waiting()?;
        self.commit(writing)?;
        self.sweep = Some(Sweeping { catalog, programs, after: 0 });
        Ok(woken > 0)
    }

    /// Decides some of the open orders that a new catalog may bear on; whether there are any left.
    pub(super) fn go_through_open(&mut self) -> Result<bool, Error> {
        let Some(sweeping) = &mut self.sweep else { return Ok(false) };
        let store = &self.worker.deps.store;
        let sweep = match sweeping.programs.as_ref().map(VecDeque::front) {
            None => Some(Sweep::All),
            Some(front) => front.map(Sweep::Program),
        };
        let ids = match sweep {
            Some(sweep) => store.begin()?.open_orders(sweep, sweeping.after, STEP_ORDERS)?,
            None => Vec::new(),
        };
        if let Some(last) = ids.last() {
            sweeping.after = *last;
            let catalog = self.worker.deps.catalog.snapshot();
            return self.decide_again(&ids, &catalog);
        }
        if let Some(left) = sweeping.programs.as_mut().filter(|left| left.len() > 1) {
            left.pop_front();
            sweeping.after = 0;
            return Ok(true);
        }
        let swept = Arc::clone(&sweeping.catalog);
        self.sweep = None;
        let writing = store.begin()?;
        writing.set_generation(swept.generation())?;
        self.swept = Some(swept);
        self.commit(writing)?;
        Ok(true)
    }
}

/// Programs of which something changed that orders may be priced or taken away by: their own part, or one of their
/// partners'. What did not change is shared by both catalogs.
fn changed_programs(before: &Snapshot, after: &Snapshot) -> VecDeque<ProgramName> {
    let partner = |catalog: &Snapshot, name: &str| {
        catalog.partner(name).map(|partner| std::ptr::from_ref(partner.body()))
    };
    let changed = |program: &catalog::ProgramRef<'_>| {
        let name = program.name().as_str();
        let known = before.program(name).map(|program| std::ptr::from_ref(program.body()));
        known != Some(std::ptr::from_ref(program.body()))
            || program
                .members()
                .any(|name| partner(before, name.as_str()) != partner(after, name.as_str()))
    };
    after.programs().filter(changed).map(|program| program.name().clone()).collect()
}
