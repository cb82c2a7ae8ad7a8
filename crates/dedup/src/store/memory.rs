//! The store of tests and of decisions without a server.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use event::{EventId, OrderKey};
use eventlog::{Offset, Partition};

use super::{MemberStore, OrderHash, Settled, StoreError};
use crate::member::{Considered, Members, Row};

/// Everything in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    orders: HashMap<OrderHash, Members>,
    emitted: HashMap<OrderHash, EventId>,
    waiting: BTreeMap<OrderHash, OrderKey>,
    cursors: HashMap<Partition, Offset>,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemberStore for MemoryStore {
    fn add(&self, rows: &[(OrderHash, Row)]) -> Result<(), StoreError> {
        let mut state = self.state();
        for (order, row) in rows {
            state.orders.entry(*order).or_default().insert(row.clone());
        }
        Ok(())
    }

    fn considered(&self, order: OrderHash) -> Result<Considered, StoreError> {
        let state = self.state();
        let members = state.orders.get(&order);
        Ok(members.map_or_else(|| Considered::new(0, Vec::new()), Members::considered))
    }

    fn emitted(&self, order: OrderHash) -> Result<Option<EventId>, StoreError> {
        Ok(self.state().emitted.get(&order).copied())
    }

    fn wait(&self, orders: &[OrderKey]) -> Result<(), StoreError> {
        let rows = orders.iter().map(|order| (OrderHash::of(order), order.clone()));
        self.state().waiting.extend(rows);
        Ok(())
    }

    fn waiting(&self, after: Option<OrderHash>, most: usize) -> Result<Vec<OrderKey>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        let rows = state.waiting.range((from, Bound::Unbounded));
        Ok(rows.take(most).map(|(_, order)| order.clone()).collect())
    }

    fn settle(&self, settled: &Settled) -> Result<(), StoreError> {
        let mut state = self.state();
        state.emitted.extend(settled.emitted.iter().copied());
        for order in &settled.ended {
            state.waiting.remove(order);
        }
        let cursors = settled.cursors.iter().map(|cursor| (cursor.partition, cursor.next));
        state.cursors.extend(cursors);
        Ok(())
    }

    fn resume(&self, partition: Partition) -> Result<Offset, StoreError> {
        Ok(self.state().cursors.get(&partition).copied().unwrap_or(0))
    }
}
