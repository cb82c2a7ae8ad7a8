//! What was said about one touch, bounded: of each kind the first and the last by event id.

use event::IdentityId;

use crate::evidence::{Fact, FactKind, LANDINGS_PER_TOUCH_MAX};

/// How many facts of one kind are kept from each end of their order. Count: a page reports its landing once or twice;
/// whoever repeats a landing report a thousand times changes nothing.
pub const FACTS_END_MAX: usize = 64;
const _: () = assert!(LANDINGS_PER_TOUCH_MAX <= FACTS_END_MAX, "the first ones must be known");

/// Facts about one touch, by event id, with the ids that landing reports told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactSet(Vec<(Fact, Vec<IdentityId>)>);

impl FactSet {
    /// Adds a fact; says whether the set has changed. What is left out between the ends stays left out whatever comes
    /// later, so the order of additions does not matter.
    pub fn add(&mut self, fact: Fact, ids: Vec<IdentityId>) -> bool {
        let Err(at) = self.0.binary_search_by_key(&fact.stamp.id, |(known, _)| known.stamp.id)
        else {
            return false;
        };
        let id = fact.stamp.id;
        let kind = std::mem::discriminant(&fact.kind);
        self.0.insert(at, (fact, ids));
        let mut same = self.0.iter().enumerate().filter_map(|(place, (known, _))| {
            (std::mem::discriminant(&known.kind) == kind).then_some(place)
        });
        let count = same.clone().count();
        if count <= 2 * FACTS_END_MAX {
            return true;
        }
        // One too many: it is the one behind the first half.
        let Some(place) = same.nth(FACTS_END_MAX) else { return true };
        self.0.remove(place).0.stamp.id != id
    }

    /// The facts, by event id.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.0.iter().map(|(fact, _)| fact)
    }

    /// The facts with the ids that they told, by event id.
    pub fn entries(&self) -> impl Iterator<Item = &(Fact, Vec<IdentityId>)> {
        self.0.iter()
    }

    /// Puts back an entry that was written in order.
    pub(crate) fn restore(&mut self, fact: Fact, ids: Vec<IdentityId>) {
        self.0.push((fact, ids));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Number of a kind of fact in state.
pub(crate) const fn kind_number(kind: &FactKind) -> u8 {
    match kind {
        FactKind::Landing(_) => 1,
        FactKind::Activation => 2,
        FactKind::Judgement(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use event::{EventId, LaneId, Millis, Sequence};

    use super::{FACTS_END_MAX, FactSet};
    use crate::evidence::{Fact, FactKind, Stamp};

    fn fact(n: u64) -> Fact {
        let id = EventId::minted(Millis(5), Sequence(n), LaneId::from_random(1));
        let stamp = Stamp { id, occurred_at: Millis(5), received_at: Millis(5) };
        Fact { stamp, kind: FactKind::Landing(None) }
    }

    #[test]
    fn the_ends_are_kept_in_whatever_order_facts_come() {
        let count = 3 * FACTS_END_MAX as u64;
        let all: Vec<u64> = (0..count).collect();
        let scattered: Vec<u64> = (0..count).map(|n| n * 71 % count).collect();
        let sets = [all.clone(), all.iter().rev().copied().collect(), scattered].map(|order| {
            let mut set = FactSet::default();
            for n in order.iter().chain(&order) {
                set.add(fact(*n), Vec::new());
            }
            set
        });
        assert_eq!(sets[0], sets[1]);
        assert_eq!(sets[0], sets[2]);
        assert_eq!(sets[0].facts().count(), 2 * FACTS_END_MAX);
    }

    #[test]
    fn a_fact_that_is_there_changes_nothing() {
        let mut set = FactSet::default();
        assert!(set.add(fact(1), Vec::new()));
        assert!(!set.add(fact(1), Vec::new()));
    }
}
