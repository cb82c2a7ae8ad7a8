//! The agents that a core saw lately, with what they said.

use std::hash::BuildHasher;
use std::rc::Rc;

use foldhash::fast::RandomState;

use super::Agent;
use crate::evidence::cut;
use crate::json;

/// Agents that one core keeps. Count; a busy shop sees ~1,000 different ones an hour. With [`AGENT_KEPT_BYTES_MAX`] it
/// bounds the memory to ~4.5 MB a core.
const AGENTS_KEPT_MAX: usize = SETS * WAYS;
/// Sets of the cache; a power of two, so that a mask finds the set.
const SETS: usize = 1_024;
/// Agents that share a set.
const WAYS: usize = 4;
/// Longest agent that is kept, in bytes; a longer one is read again each time.
const AGENT_KEPT_BYTES_MAX: usize = 512;
/// Longest text of an agent in a private block, in bytes.
const AGENT_TEXT_BYTES_MAX: usize = 1024;

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
    json: Rc<[u8]>,
}

/// The text of an agent as private blocks have it: JSON, not longer than they take.
fn json_of(text: &[u8]) -> Rc<[u8]> {
    let mut out = Vec::with_capacity(text.len() + 2);
    json::string(&mut out, cut(&String::from_utf8_lossy(text), AGENT_TEXT_BYTES_MAX));
    out.into()
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
        self.read_with_json(text).0
    }

    /// The same, and the text of the agent as JSON.
    pub(crate) fn read_with_json(&mut self, text: &[u8]) -> (Agent, Rc<[u8]>) {
        if text.len() > AGENT_KEPT_BYTES_MAX || text.is_empty() {
            return (Agent::read(text), json_of(text));
        }
        let hash = self.hasher.hash_one(text);
        #[expect(clippy::cast_possible_truncation, reason = "the low bits choose the set")]
        let first = (hash as usize & (SETS - 1)) * WAYS;
        let set = self.kept.get_mut(first..first + WAYS).unwrap_or_default();
        let found = set.iter().flatten().find(|kept| kept.hash == hash && *kept.text == *text);
        if let Some(kept) = found {
            return (kept.agent, Rc::clone(&kept.json));
        }
        let (agent, json) = (Agent::read(text), json_of(text));
        let free = set.iter().position(Option::is_none);
        self.turn = self.turn.wrapping_add(1);
        if let Some(slot) = set.get_mut(free.unwrap_or(self.turn % WAYS)) {
            *slot = Some(Kept { hash, text: text.into(), agent, json: Rc::clone(&json) });
        }
        (agent, json)
    }

    /// How many agents are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.iter().flatten().count()
    }
}
