//! What one batch adds to the state.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use event::body::OrderRecord;
use event::{EventId, IdentityId};
use foldhash::fast::RandomState;

use super::keys::{
    NOBODY, about_key, click_key, fingerprint, id_epoch, id_key, merge_keys, open_key,
};
use super::{Records, State};
use crate::evidence::{Fact, KnownTouch, MergeEdge};
use crate::facts::FactSet;
use crate::noted::{Noted, implied_merges};
use crate::store::StoreError;
use crate::store::codec::{names_of, put_times};
use crate::store::kv::{Changes, Kv, Table};
use crate::store::recent::Arrived;

/// What one call adds, before it is written.
pub(super) struct Adding<'a, K> {
    pub(super) state: &'a State<K>,
    pub(super) changes: Changes,
    /// Records of the touches.
    pub(super) touches: Vec<u8>,
    pub(super) facts: HashMap<(Table, Vec<u8>), FactSet, RandomState>,
    pub(super) orders: Records,
    pub(super) opened: Vec<u64>,
}

impl<K: Kv> Adding<'_, K> {
    fn number(&mut self, text: &str) -> u32 {
        self.state.number(text, &mut self.changes)
    }

    fn numbers(&mut self, touch: &KnownTouch) -> [u32; 3] {
        names_of(touch).map(|name| name.map_or(0, |name| self.number(name)))
    }

    pub(super) fn add(&mut self, noted: &Noted) -> Result<(), StoreError> {
        match noted {
            Noted::Touch { scope, touch, ids, dimensions } => {
                let program = self.number(scope.program.as_str());
                let numbers = self.numbers(touch);
                let arrived = Arrived { program, touch, numbers, ids };
                arrived.put_event(&mut self.touches, dimensions);
            }
            Noted::Fact { program, touch, fact, landed } => {
                let program = self.number(program.as_str());
                let told = landed.as_deref().map(|(_, ids)| ids.as_slice()).unwrap_or_default();
                let key = about_key(program, *touch);
                self.say(key, *touch, fact, told)?;
                if let Some((click, ids)) = landed.as_deref() {
                    let claimed = KnownTouch::claimed(click);
                    let numbers = self.numbers(&claimed);
                    let arrived = Arrived { program, touch: &claimed, numbers, ids };
                    arrived.put_landing(&mut self.touches, &fact.stamp);
                }
            }
            Noted::Merge { scope, id, edge } => {
                let program = self.number(scope.program.as_str());
                self.merge((program, scope.test), *id, *edge);
            }
            Noted::Order(record) => self.order(record)?,
        }
        Ok(())
    }

    /// Adds a fact, with the ids that it told.
    fn say(
        &mut self,
        key: Vec<u8>,
        touch: EventId,
        fact: &Fact,
        told: &[IdentityId],
    ) -> Result<(), StoreError> {
        let facts = match self.facts.entry((Table::Facts(id_epoch(touch)), key)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let known = self.state.fact_set(touch, &place.key().1)?;
                place.insert(known)
            }
        };
        facts.add(fact.clone(), told.to_vec());
        Ok(())
    }

    fn merge(&mut self, place: (u32, bool), id: IdentityId, edge: MergeEdge) {
        let mut times = Vec::with_capacity(16);
        put_times(&mut times, &edge.stamp);
        for key in merge_keys(place, id, &edge) {
            self.changes.put(Table::Merges, key, times.clone());
        }
    }

    fn order(&mut self, record: &OrderRecord) -> Result<(), StoreError> {
        let known = match self.orders.get(&record.order) {
            Some(record) => Some(record.clone()),
            None => self.state.record(&record.order)?,
        };
        let program = self.number(record.order.program.as_str());
        // Also those of an older record: other orders may have been decided by them, and must not know less.
        for (id, edge) in implied_merges(record) {
            self.merge((program, record.order.test), id, edge);
        }
        if known.as_ref().is_some_and(|known| known.members > record.members) {
            return Ok(());
        }
        let ids = record.ids.iter().map(|id| id_key(program, record.order.test, id));
        let clicks = [&record.click, &record.exempt_click].into_iter().flatten();
        let clicks = clicks.map(|claim| click_key(program, claim.id));
        let mut prefixes: Vec<Vec<u8>> = ids.chain(clicks).collect();
        if prefixes.is_empty() {
            // Nothing can find it; what is too old is found by its registrations.
            prefixes.push([&program.to_be_bytes()[..], &[NOBODY]].concat());
        }
        let text = record.order.to_string();
        for prefix in prefixes {
            self.opened.push(fingerprint(&prefix));
            let key = open_key(&prefix, record.converted_at, &text);
            self.changes.put(Table::Open, key, text.clone().into_bytes());
        }
        self.orders.insert(record.order.clone(), record.clone());
        Ok(())
    }
}
