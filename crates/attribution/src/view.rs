//! Decisions for those who ask: made again from the state, so that none has to be kept.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use event::body::Decision;
use event::order::OrderRef;
use event::{Clock, GoalName, OrderKey, ProgramName};

use crate::decide::decide_under;
use crate::error::Error;
use crate::store::{Kv, State};
use crate::worker::evidence_is_kept;

/// Looks decisions up in the state that is open now. Clones share it.
pub struct View<K> {
    state: Arc<ArcSwapOption<State<K>>>,
    catalog: Arc<catalog::Handle>,
    clock: Arc<dyn Clock>,
}

impl<K> Clone for View<K> {
    fn clone(&self) -> Self {
        let Self { state, catalog, clock } = self;
        Self { state: Arc::clone(state), catalog: Arc::clone(catalog), clock: Arc::clone(clock) }
    }
}

impl<K> std::fmt::Debug for View<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("View")
    }
}

impl<K: Kv> View<K> {
    /// A view under this catalog, of no state yet. The clock says only what is too old to be decided again.
    #[must_use]
    pub fn new(catalog: Arc<catalog::Handle>, clock: Arc<dyn Clock>) -> Self {
        Self { state: Arc::default(), catalog, clock }
    }

    /// From now on decisions are looked up in this state.
    pub fn open(&self, state: Arc<State<K>>) {
        self.state.store(Some(state));
    }

    /// Lets go of the state, so that its folder can be opened again as soon as nobody reads it. No order is known then.
    pub fn close(&self) {
        self.state.store(None);
    }

    /// The decision about an order on everything known now. None if the order is not known, so old that something about
    /// it may not be, or waits for a newer catalog.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn decision(&self, order: &OrderKey) -> Result<Option<Decision>, Error> {
        let catalog = self.catalog.snapshot();
        let Some(state) = self.state.load_full() else { return Ok(None) };
        let Some(record) = state.record(order)? else { return Ok(None) };
        if !evidence_is_kept(record.converted_at, self.clock.now()) {
            return Ok(None);
        }
        Ok(decide_under(&record, &*state, &catalog)?)
    }

    /// The decisions about all orders with one of these references: of one program or of all, of one goal or of all,
    /// real, test or both. None while no state is open.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn find(
        &self,
        (program, goal, test): (Option<&ProgramName>, Option<&GoalName>, Option<bool>),
        references: &[OrderRef],
    ) -> Result<Option<Found>, Error> {
        let Some(state) = self.state.load_full() else { return Ok(None) };
        let catalog = self.catalog.snapshot();
        let mut found = Found::default();
        for of in catalog.programs().filter(|of| program.is_none_or(|name| name == of.name())) {
            let goals = state.goals(of.name())?.into_iter();
            for name in goals.filter(|name| goal.is_none_or(|goal| goal == name)) {
                for test in [false, true].into_iter().filter(|t| test.is_none_or(|test| test == *t))
                {
                    for reference in references {
                        let key = OrderKey {
                            program: of.name().clone(),
                            goal: name.clone(),
                            test,
                            reference: reference.clone(),
                        };
                        match self.decision(&key)? {
                            Some(decision) => found.decisions.push(decision),
                            None if state.emitted(&key)?.is_some() => found.earlier.push(key),
                            None => {}
                        }
                    }
                }
            }
        }
        Ok(Some(found))
    }
}

/// What is known of the orders that somebody looks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Decisions on everything known now.
    pub decisions: Vec<Decision>,
    /// Orders that were decided and are too old to be decided again: the topic has their last decision.
    pub earlier: Vec<OrderKey>,
}
