//! The agents that a core saw lately, with what they said.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::Agent;

/// Agents that one core keeps. Count; a busy shop sees ~1,000 different ones an hour. With [`AGENT_KEPT_BYTES_MAX`] it
/// bounds the memory to ~2.3 MB a core.
const AGENTS_KEPT_MAX: usize = SETS * WAYS;
/// Sets of the cache; a power of two, so that a mask finds the set.
const SETS: usize = 1_024;
/// Agents that share a set.
const WAYS: usize = 4;
/// Longest agent that is kept, in bytes; a longer one is read again each time.
const AGENT_KEPT_BYTES_MAX: usize = 512;

/// Agents read lately, owned by one core.
///
/// An agent is found by its hash and told by its bytes, so two agents are never taken for each other. A full set drops
/// one of its agents, in turn. The hash is seeded at random: nobody can aim at one set.
pub struct Agents {
    hasher: RandomState,
    kept: Vec<Option<Kept>>,
    turn: usize,
}

struct Kept {
    hash: u64,
    text: Box<[u8]>,
    agent: Agent,
}

impl Default for Agents {
    fn default() -> Self {
        let mut kept = Vec::new();
        kept.resize_with(AGENTS_KEPT_MAX, || None);
        Self { hasher: RandomState::default(), kept, turn: 0 }
    }
}

impl Agents {
    /// What this agent says; `text` is the header's value, empty where there is none.
    pub fn read(&mut self, text: &[u8]) -> Agent {
        if text.len() > AGENT_KEPT_BYTES_MAX || text.is_empty() {
            return Agent::read(text);
        }
        let hash = self.hasher.hash_one(text);
        #[expect(clippy::cast_possible_truncation, reason = "the low bits choose the set")]
        let first = (hash as usize & (SETS - 1)) * WAYS;
        let set = self.kept.get_mut(first..first + WAYS).unwrap_or_default();
        let found = set.iter().flatten().find(|kept| kept.hash == hash && *kept.text == *text);
        if let Some(kept) = found {
            return kept.agent;
        }
        let agent = Agent::read(text);
        let free = set.iter().position(Option::is_none);
        self.turn = self.turn.wrapping_add(1);
        if let Some(slot) = set.get_mut(free.unwrap_or(self.turn % WAYS)) {
            *slot = Some(Kept { hash, text: text.into(), agent });
        }
        agent
    }

    /// How many agents are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.iter().flatten().count()
    }
}
