//! What earlier lanes of this node's log left open: a lane that started and never stopped died with its process, and
//! what may be missing of it is declared in doubt.

use std::collections::{HashMap, HashSet};

use event::body::LossReason;
use event::{Body, Clock, Envelope, LaneId, Millis, Topic};
use eventlog::{Class, LogReader};
use tokio::runtime;

use crate::core::record_of;
use crate::error::Error;
use crate::journal::Journal;
use crate::lane::{self, Hole};

/// Records of a topic, counted from its end, in which the sequences of an open lane are looked for. More than what all
/// cores of a node can have in their queues at once.
const RECORDS_MAX: u64 = 262_144;
/// Sequences that a lane can have had in its queues when its process died: the bound of one queue.
pub(crate) const IN_DOUBT_MAX: u64 = 65_536;
/// Topics that carry events of lanes.
const TOPICS: [Topic; 3] = [Topic::Touches, Topic::Conversions, Topic::Rejected];

/// The lanes that `node.log` knows.
#[derive(Clone, Debug, Default)]
pub struct KnownLanes {
    all: HashSet<LaneId>,
    open: Vec<LaneId>,
}

impl KnownLanes {
    /// Reads `node.log`. A record that cannot be read is skipped: others report it.
    ///
    /// # Errors
    /// The disk fails.
    pub fn read(log: &LogReader) -> Result<Self, eventlog::Error> {
        let mut known = Self::default();
        for batch in log.scan(Topic::Node, log.first_offset(Topic::Node)) {
            for record in batch?.records {
                match Envelope::read(&record.payload).map(|envelope| envelope.body) {
                    Ok(Body::LaneStarted(started)) => {
                        if known.all.insert(started.lane) {
                            known.open.push(started.lane);
                        }
                    }
                    Ok(Body::LaneStopped(stopped)) => known.close(stopped.lane),
                    Ok(Body::LaneLost(lost)) if lost.reason == LossReason::InDoubt => {
                        // Written once per dead lane, together with its end.
                        if lost.to.0.saturating_sub(lost.from.0) == IN_DOUBT_MAX {
                            known.close(lost.lane);
                        }
                    }
                    Ok(_) | Err(_) => {}
                }
            }
        }
        Ok(known)
    }

    fn close(&mut self, lane: LaneId) {
        self.open.retain(|open| *open != lane);
    }

    /// Whether a lane of this id ever started.
    #[must_use]
    pub fn contains(&self, lane: LaneId) -> bool {
        self.all.contains(&lane)
    }

    /// Lanes that started and did not stop.
    #[must_use]
    pub fn open(&self) -> &[LaneId] {
        &self.open
    }

    /// Declares in doubt what may be missing of the open lanes: the gaps in what is on disk of their last
    /// [`IN_DOUBT_MAX`] sequences, and as many after the highest. Call it once per start, before or beside serving: the
    /// lanes are those of earlier processes. Returns the number of lanes.
    ///
    /// # Errors
    /// The disk fails, or the journal does not take the declaration.
    pub fn declare_doubt(
        &self,
        log: &LogReader,
        journal: &dyn Journal,
        clock: &dyn Clock,
    ) -> Result<usize, Error> {
        if self.open.is_empty() {
            return Ok(0);
        }
        let mut seen: HashMap<LaneId, Vec<u64>> =
            self.open.iter().map(|lane| (*lane, Vec::new())).collect();
        for topic in TOPICS {
            let from = log.high_watermark(topic).saturating_sub(RECORDS_MAX);
            for batch in log.scan(topic, from.max(log.first_offset(topic))) {
                let records = batch.map_err(Error::ReadLog)?.records;
                for record in records.iter().filter(|record| record.id.is_minted()) {
                    if let Some(sequences) = seen.get_mut(&record.id.lane()) {
                        sequences.push(record.id.sequence().0);
                    }
                }
            }
        }
        let mut holes = Vec::new();
        for lane in &self.open {
            let sequences = seen.remove(lane).unwrap_or_default();
            holes.extend(gaps(*lane, sequences));
        }
        let now = clock.now();
        declare(&holes, now, journal)?;
        Ok(self.open.len())
    }
}

/// The gaps among the last [`IN_DOUBT_MAX`] sequences, and what may follow the highest.
fn gaps(lane: LaneId, mut sequences: Vec<u64>) -> Vec<Hole> {
    let reason = LossReason::InDoubt;
    sequences.sort_unstable();
    let next = sequences.last().map_or(0, |last| last + 1);
    let mut from = next.saturating_sub(IN_DOUBT_MAX - 1);
    let mut holes = Vec::new();
    for sequence in sequences {
        if sequence < from {
            continue;
        }
        if sequence > from {
            holes.push(Hole { lane, reason, from, to: sequence });
        }
        from = sequence + 1;
    }
    // Last, and of a length that no gap above can have: it marks the lane as dealt with.
    holes.push(Hole { lane, reason, from: next, to: next + IN_DOUBT_MAX });
    holes
}

fn declare(holes: &[Hole], now: Millis, journal: &dyn Journal) -> Result<(), Error> {
    let runtime = runtime::Builder::new_current_thread()
        .build()
        .map_err(|source| Error::Runtime { core: 0, source })?;
    let records = holes.iter().map(|hole| {
        let envelope = lane::lost(hole, now);
        record_of(&envelope, envelope.key.as_bytes())
    });
    let durable = journal.durable(Topic::Node, Class::Essential, records.collect());
    runtime.block_on(durable).map_err(Error::Announce)
}

#[cfg(test)]
mod tests {
    use event::LaneId;

    use super::{IN_DOUBT_MAX, gaps};

    fn ranges(sequences: Vec<u64>) -> Vec<(u64, u64)> {
        gaps(LaneId::from_random(1), sequences).iter().map(|h| (h.from, h.to)).collect()
    }

    #[test]
    fn gaps_and_the_tail_are_in_doubt() {
        assert_eq!(ranges(vec![]), [(0, IN_DOUBT_MAX)]);
        assert_eq!(ranges(vec![0, 1, 4, 2]), [(3, 4), (5, 5 + IN_DOUBT_MAX)]);
        assert_eq!(ranges(vec![2]), [(0, 2), (3, 3 + IN_DOUBT_MAX)]);
    }

    #[test]
    fn a_gap_further_back_than_the_queues_reach_is_not_in_doubt_but_lost() {
        let far = IN_DOUBT_MAX * 3;
        let sequences: Vec<u64> = (0..far).filter(|n| *n != 5 && *n != far - 5).collect();
        assert_eq!(ranges(sequences), [(far - 5, far - 4), (far, far + IN_DOUBT_MAX)]);
    }
}
