//! Everything known, in memory: for `decide` over a file, and for tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;

use event::body::decision::Dimensions;
use event::{EventId, IdentityId, Millis, ProgramName};

use crate::evidence::{
    Evidence, Fact, KnownTouch, MERGES_PER_PAIR_MAX, MergeEdge, REACHED_PER_EPOCH_MAX, Reached,
    Scope, Stamp, TOUCHES_PER_EPOCH_MAX, epoch_of,
};
use crate::facts::FactSet;
use crate::noted::{Noted, implied_merges};

/// Evidence in memory. Grows without bound: the caller bounds what it feeds.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    reached: HashMap<(Scope, IdentityId), Epochs>,
    touches: HashMap<(ProgramName, EventId), (KnownTouch, Dimensions)>,
    facts: HashMap<(ProgramName, EventId), FactSet>,
    merges: HashMap<(Scope, IdentityId), BTreeSet<MergeEdge>>,
}

type Epochs = BTreeMap<i64, BTreeMap<(Millis, EventId, Option<EventId>), Reached>>;

impl Memory {
    /// Adds what an event says. Of an order record only the merges that it implies are kept.
    pub fn add(&mut self, noted: &Noted) {
        match noted {
            Noted::Touch { scope, touch, ids, dimensions } => {
                for id in ids {
                    self.reach(scope, *id, Reached { touch: touch.clone(), landing: None });
                }
                self.touches
                    .entry((scope.program.clone(), touch.id))
                    .or_insert_with(|| (touch.clone(), (**dimensions).clone()));
            }
            Noted::Fact { program, touch, fact, landed } => {
                let facts = self.facts.entry((program.clone(), *touch)).or_default();
                facts.add(fact.clone(), Vec::new());
                if let Some((click, ids)) = landed.as_deref() {
                    let claimed = KnownTouch::claimed(click);
                    let scope = Scope { program: program.clone(), test: click.test };
                    for id in ids {
                        let touch = claimed.clone();
                        self.reach(&scope, *id, Reached { touch, landing: Some(fact.stamp) });
                    }
                }
            }
            Noted::Merge { scope, id, edge } => self.merge(scope, *id, *edge),
            Noted::Order(record) => {
                let order = &record.order;
                let scope = Scope { program: order.program.clone(), test: order.test };
                for (id, edge) in implied_merges(record) {
                    self.merge(&scope, id, edge);
                }
            }
        }
    }

    fn reach(&mut self, scope: &Scope, id: IdentityId, reached: Reached) {
        let at = reached.touch.occurred_at;
        let key = (at, reached.touch.id, reached.landing.map(|stamp| stamp.id));
        let epochs = self.reached.entry((scope.clone(), id)).or_default();
        epochs.entry(epoch_of(at)).or_default().entry(key).or_insert(reached);
    }

    fn merge(&mut self, scope: &Scope, id: IdentityId, edge: MergeEdge) {
        self.merges.entry((scope.clone(), id)).or_default().insert(edge);
        let back = MergeEdge { other: id, stamp: edge.stamp };
        self.merges.entry((scope.clone(), edge.other)).or_default().insert(back);
    }
}

impl Evidence for Memory {
    type Error = Infallible;

    fn merges(
        &self,
        scope: &Scope,
        id: &IdentityId,
        joins: &dyn Fn(&Stamp) -> bool,
        out: &mut Vec<MergeEdge>,
    ) -> Result<(), Infallible> {
        let edges = self.merges.get(&(scope.clone(), *id));
        let (mut last, mut of_pair) = (None, 0);
        for edge in edges.into_iter().flatten().filter(|edge| joins(&edge.stamp)) {
            of_pair = if last == Some(edge.other) { of_pair + 1 } else { 1 };
            last = Some(edge.other);
            if of_pair <= MERGES_PER_PAIR_MAX {
                out.push(*edge);
            }
        }
        Ok(())
    }

    fn touches(
        &self,
        scope: &Scope,
        id: &IdentityId,
        epoch: i64,
        out: &mut Vec<Reached>,
    ) -> Result<bool, Infallible> {
        let epochs = self.reached.get(&(scope.clone(), *id));
        let Some(found) = epochs.and_then(|epochs| epochs.get(&epoch)) else { return Ok(true) };
        let mut distinct = 0_usize;
        let mut last = None;
        for (at, touch, _) in found.keys() {
            distinct += usize::from(last != Some((*at, *touch)));
            last = Some((*at, *touch));
        }
        if distinct > TOUCHES_PER_EPOCH_MAX || found.len() > REACHED_PER_EPOCH_MAX {
            return Ok(false);
        }
        out.extend(found.values().cloned());
        Ok(true)
    }

    fn touch(
        &self,
        program: &ProgramName,
        touch: EventId,
    ) -> Result<Option<KnownTouch>, Infallible> {
        Ok(self.touches.get(&(program.clone(), touch)).map(|(touch, _)| touch.clone()))
    }

    fn dimensions(
        &self,
        program: &ProgramName,
        touch: EventId,
    ) -> Result<Option<Dimensions>, Infallible> {
        Ok(self.touches.get(&(program.clone(), touch)).map(|(_, dimensions)| dimensions.clone()))
    }

    fn facts(
        &self,
        program: &ProgramName,
        touch: EventId,
        out: &mut Vec<Fact>,
    ) -> Result<(), Infallible> {
        let facts = self.facts.get(&(program.clone(), touch));
        out.extend(facts.into_iter().flat_map(FactSet::facts).cloned());
        Ok(())
    }
}
