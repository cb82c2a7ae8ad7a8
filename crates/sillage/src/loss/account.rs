//! The account itself, without log or threads.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use event::{EventId, LaneId, Millis};
use serde::Serialize;

use super::GRACE;
use super::ranges::Ranges;

/// Lanes that are accounted for. A process has one per core; a lane is replaced only when its sequences run out.
const LANES_MAX: usize = 4096;

/// For how long a clock skew is shown.
const SKEW_SHOWN: Duration = Duration::from_secs(60);

/// What became of every sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// Lanes seen.
    pub(crate) lanes: u64,
    /// Sequences up to the highest one seen of each lane.
    pub(crate) minted: u64,
    /// Found durable, apart from rejected ones.
    pub(crate) stored: u64,
    /// Found durable on `events.rejected`.
    pub(crate) rejected: u64,
    /// In no file and declared lost.
    pub(crate) declared: u64,
    /// Not found yet, minted within the last seconds.
    pub(crate) in_flight: u64,
    /// In no file and not declared: tracking loss.
    pub(crate) undeclared: u64,
    /// Largest step back in time between two lanes in log order, lately. Milliseconds.
    pub(crate) clock_skew_ms: i64,
}

#[derive(Debug, Default)]
pub(super) struct Account {
    lanes: BTreeMap<LaneId, Lane>,
    stored: u64,
    rejected: u64,
    newest: Option<(LaneId, Millis)>,
    skew_ms: i64,
    skew_before_ms: i64,
    skew_since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Lane {
    found: Ranges,
    declared: Ranges,
    /// First sequence not minted yet, as far as the log shows.
    end: u64,
    /// `end` at past looks; those older than the grace tell what must be there by now.
    ends: VecDeque<(Instant, u64)>,
}

impl Account {
    /// Notes a durable record.
    pub(super) fn found(&mut self, is_rejection: bool, id: EventId) {
        if !id.is_minted() {
            return; // a derived record, such as parked poison, has no sequence
        }
        self.note_time(id.lane(), id.time());
        let sequence = id.sequence().0;
        let Some(lane) = self.lane(id.lane()) else { return };
        lane.end = lane.end.max(sequence + 1);
        // A batch may be in the log twice after a failed fsync.
        if lane.found.add(sequence, sequence + 1) > 0 {
            if is_rejection {
                self.rejected += 1;
            } else {
                self.stored += 1;
            }
        }
    }

    /// Notes a declared hole.
    pub(super) fn declared(&mut self, lane: LaneId, from: u64, to: u64) {
        // Lanes of an earlier process are declared in doubt by the next one; they are not of this account.
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.end = lane.end.max(to);
            lane.declared.add(from, to);
        }
    }

    /// Moves time on: what was minted before the grace must be there by now.
    pub(super) fn tick(&mut self, now: Instant) {
        for lane in self.lanes.values_mut() {
            lane.ends.push_back((now, lane.end));
            while lane.ends.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= GRACE) {
                lane.ends.pop_front();
            }
        }
        if self.skew_since.is_none_or(|since| now.duration_since(since) >= SKEW_SHOWN) {
            self.skew_since = Some(now);
            self.skew_before_ms = std::mem::take(&mut self.skew_ms);
        }
    }

    pub(super) fn summary(&self, now: Instant) -> Summary {
        let mut sum = Summary {
            lanes: self.lanes.len() as u64,
            stored: self.stored,
            rejected: self.rejected,
            clock_skew_ms: self.skew_ms.max(self.skew_before_ms),
            ..Summary::default()
        };
        for lane in self.lanes.values() {
            let mut known = lane.found.clone();
            sum.declared += lane.declared.iter().map(|(from, to)| known.add(from, to)).sum::<u64>();
            let due = match lane.ends.front() {
                Some((at, end)) if now.duration_since(*at) >= GRACE => *end,
                _ => 0,
            };
            let undeclared = due - known.count_below(due);
            sum.minted += lane.end;
            sum.undeclared += undeclared;
            sum.in_flight += lane.end - known.count() - undeclared;
        }
        sum
    }

    fn lane(&mut self, id: LaneId) -> Option<&mut Lane> {
        if self.lanes.len() >= LANES_MAX && !self.lanes.contains_key(&id) {
            return None;
        }
        Some(self.lanes.entry(id).or_default())
    }

    fn note_time(&mut self, lane: LaneId, time: Millis) {
        match self.newest {
            Some((other, newest)) if newest > time => {
                if other != lane {
                    self.skew_ms = self.skew_ms.max(newest.since(time));
                }
            }
            _ => self.newest = Some((lane, time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use event::{EventId, LaneId, Millis, Sequence};

    use super::{Account, Summary};
    use crate::loss::GRACE;

    fn id(lane: u64, sequence: u64, time: i64) -> EventId {
        EventId::minted(Millis(time), Sequence(sequence), LaneId::from_random(lane))
    }

    #[test]
    fn stored_rejected_and_declared_add_up_to_what_was_minted() {
        let mut account = Account::default();
        let start = Instant::now();
        for sequence in [0, 1, 2, 2, 6] {
            account.found(false, id(1, sequence, 5));
        }
        account.found(true, id(1, 3, 5));
        account.declared(LaneId::from_random(1), 4, 6);
        account.tick(start);
        let sum = account.summary(start + GRACE);
        let expected = Summary {
            lanes: 1,
            minted: 7,
            stored: 4,
            rejected: 1,
            declared: 2,
            in_flight: 0,
            undeclared: 0,
            clock_skew_ms: 0,
        };
        assert_eq!(sum, expected);
    }

    #[test]
    fn a_hole_is_in_flight_within_the_grace_and_loss_from_then_on() {
        let mut account = Account::default();
        let start = Instant::now();
        account.found(false, id(1, 1, 5));
        account.tick(start);
        let before = account.summary(start + GRACE.checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!((before.in_flight, before.undeclared), (1, 0));
        let after = account.summary(start + GRACE);
        assert_eq!((after.in_flight, after.undeclared), (0, 1));
        account.found(false, id(1, 0, 5));
        assert_eq!(account.summary(start + GRACE).undeclared, 0, "late is not lost");
    }

    #[test]
    fn a_declared_hole_that_is_found_after_all_is_stored() {
        let mut account = Account::default();
        account.found(false, id(1, 2, 5));
        account.declared(LaneId::from_random(1), 0, 2);
        account.found(false, id(1, 0, 5));
        let sum = account.summary(Instant::now());
        assert_eq!((sum.minted, sum.stored, sum.declared), (3, 2, 1));
    }

    #[test]
    fn skew_is_between_lanes_and_never_within_one() {
        let mut account = Account::default();
        account.found(false, id(1, 0, 100));
        account.found(false, id(1, 1, 90));
        assert_eq!(account.summary(Instant::now()).clock_skew_ms, 0);
        account.found(false, id(2, 0, 70));
        assert_eq!(account.summary(Instant::now()).clock_skew_ms, 30);
    }
}
