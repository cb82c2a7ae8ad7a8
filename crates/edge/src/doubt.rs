//! What earlier lanes of this node's log left open: a lane that started and never stopped died with its process, and
//! what may be missing of it is declared in doubt.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

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
/// Records of one commit: a quarter of what the smallest queue takes, as many gaps as there may be.
const COMMIT_RECORDS_MAX: usize = 1_024;
/// Topics that carry events of lanes.
const TOPICS: [Topic; 3] = [Topic::Touches, Topic::Conversions, Topic::Rejected];

/// The lanes that `node.log` knows.
#[derive(Clone, Debug, Default)]
pub struct KnownLanes {
    all: HashSet<LaneId>,
    open: Vec<LaneId>,
    /// Sequences of open lanes that are declared already.
    declared: HashMap<LaneId, Vec<Range<u64>>>,
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
                    Ok(Body::LaneLost(lost)) => {
                        let range = lost.from.0..lost.to.0;
                        // Written once per dead lane, after everything else about it.
                        let length = range.end.saturating_sub(range.start);
                        if lost.reason == LossReason::InDoubt && length == IN_DOUBT_MAX {
                            known.close(lost.lane);
                        } else {
                            known.declared.entry(lost.lane).or_default().push(range);
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
        self.declared.remove(&lane);
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

    /// Declares in doubt what may be missing of the open lanes: the gaps in what is on disk or declared of their last
    /// [`IN_DOUBT_MAX`] sequences, and as many after the highest. If it ends half way, the next start goes on. Call it once per start, before or beside serving: the
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
        let declared = |lane| self.declared.get(lane).cloned().unwrap_or_default();
        let mut known: HashMap<LaneId, Vec<Range<u64>>> =
            self.open.iter().map(|lane| (*lane, declared(lane))).collect();
        for topic in TOPICS {
            let from = log.high_watermark(topic).saturating_sub(RECORDS_MAX);
            for batch in log.scan(topic, from.max(log.first_offset(topic))) {
                let records = batch.map_err(Error::ReadLog)?.records;
                for record in records.iter().filter(|record| record.id.is_minted()) {
                    if let Some(ranges) = known.get_mut(&record.id.lane()) {
                        let at = record.id.sequence().0;
                        ranges.push(at..at + 1);
                    }
                }
            }
        }
        let mut holes = Vec::new();
        for lane in &self.open {
            holes.extend(gaps(*lane, known.remove(lane).unwrap_or_default()));
        }
        let now = clock.now();
        declare(&holes, now, journal)?;
        Ok(self.open.len())
    }
}

/// The gaps between what is known of the last [`IN_DOUBT_MAX`] sequences, and what may follow the highest.
fn gaps(lane: LaneId, mut known: Vec<Range<u64>>) -> Vec<Hole> {
    let reason = LossReason::InDoubt;
    known.sort_unstable_by_key(|range| range.start);
    let next = known.iter().map(|range| range.end).max().unwrap_or(0);
    let mut from = next.saturating_sub(IN_DOUBT_MAX - 1);
    let mut holes = Vec::new();
    for range in known {
        if range.start > from {
            holes.push(Hole { lane, reason, from, to: range.start });
        }
        from = from.max(range.end);
    }
    // Last, and of a length that no gap above can have: it marks the lane as dealt with.
    holes.push(Hole { lane, reason, from: next, to: next + IN_DOUBT_MAX });
    holes
}

fn declare(holes: &[Hole], now: Millis, journal: &dyn Journal) -> Result<(), Error> {
    let runtime = runtime::Builder::new_current_thread()
        .build()
        .map_err(|source| Error::Runtime { core: 0, source })?;
    for holes in holes.chunks(COMMIT_RECORDS_MAX) {
        let records = holes.iter().map(|hole| {
            let envelope = lane::lost(hole, now);
            record_of(&envelope, envelope.key.as_bytes())
        });
        let durable = journal.durable(Topic::Node, Class::Essential, records.collect());
        runtime.block_on(durable).map_err(Error::Announce)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
