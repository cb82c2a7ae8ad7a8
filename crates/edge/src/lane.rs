//! The lane of one core: sequences without gaps, and the holes that must be declared.

use std::collections::VecDeque;

use event::body::{LaneLost, LaneStarted, LaneStopped, LossReason};
use event::{Body, Envelope, EventId, Lane, LaneId, Millis, Sequence};

/// Most ranges of holes that a lane keeps apart; above it the two oldest of a reason become one that is in doubt.
const RANGES_MAX: usize = 256;

/// Sequences that are in no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub lane: LaneId,
    pub reason: LossReason,
    pub from: u64,
    pub to: u64,
}

/// The holes of a core that are not declared yet.
#[derive(Debug, Default)]
pub(crate) struct Holes(VecDeque<Hole>);

impl Holes {
    /// Notes that the event `id` is in no file.
    pub(crate) fn add(&mut self, id: EventId, reason: LossReason) {
        let at = id.sequence().0;
        self.add_range(Hole { lane: id.lane(), reason, from: at, to: at + 1 });
    }

    /// Notes a range.
    pub(crate) fn add_range(&mut self, hole: Hole) {
        if let Some(last) = self.0.back_mut()
            && (last.lane, last.reason, last.to) == (hole.lane, hole.reason, hole.from)
        {
            last.to = hole.to;
            return;
        }
        self.0.push_back(hole);
        if self.0.len() > RANGES_MAX {
            self.narrow();
        }
    }

    /// Joins the two oldest ranges of one lane: what lies between them is then in doubt, not lost.
    fn narrow(&mut self) {
        let Some(first) = self.0.pop_front() else { return };
        match self.0.iter_mut().find(|other| other.lane == first.lane) {
            Some(other) => {
                other.from = other.from.min(first.from);
                other.to = other.to.max(first.to);
                other.reason = LossReason::InDoubt;
            }
            None => self.0.push_front(first),
        }
    }

    /// Takes all of them, to declare them. What could not be declared comes back through [`Self::add_range`].
    pub(crate) fn take(&mut self) -> Vec<Hole> {
        self.0.drain(..).collect()
    }
}

/// Mints the ids of one core.
#[derive(Debug)]
pub(crate) struct CoreLane {
    lane: Lane,
    ended: Vec<(LaneId, Sequence)>,
}

impl CoreLane {
    /// A core that mints from this lane.
    pub(crate) const fn new(id: LaneId) -> Self {
        Self { lane: Lane::new(id), ended: Vec::new() }
    }

    /// The id of the event received at `now`. A lane whose sequences are used up ends, and `next_lane` starts.
    pub(crate) fn mint(&mut self, now: Millis, next_lane: impl FnOnce() -> LaneId) -> EventId {
        if let Ok(id) = self.lane.mint(now) {
            return id;
        }
        self.ended.push((self.lane.id(), self.lane.next_sequence()));
        self.lane = Lane::new(next_lane());
        self.lane.mint(now).unwrap_or_else(|_| EventId::minted(now, Sequence(0), self.lane.id()))
    }

    /// The lane's id.
    pub(crate) const fn id(&self) -> LaneId {
        self.lane.id()
    }

    /// The sequence that the next event gets.
    pub(crate) const fn next_sequence(&self) -> Sequence {
        self.lane.next_sequence()
    }

    /// Milliseconds by which `now` lies before the lane's own time.
    pub(crate) fn behind_ms(&self, now: Millis) -> i64 {
        self.lane.behind_ms(now)
    }

    /// Lanes that ended because their sequences were used up, to be announced; the present one replaced the last.
    pub(crate) fn take_ended(&mut self) -> Vec<(LaneId, Sequence)> {
        std::mem::take(&mut self.ended)
    }

    /// What could not be announced.
    pub(crate) fn put_back_ended(&mut self, ended: Vec<(LaneId, Sequence)>) {
        self.ended.extend(ended);
    }
}

/// The record that announces a lane.
pub(crate) fn started(lane: LaneId, node: &str, now: Millis) -> Envelope {
    let body =
        LaneStarted { lane, node: node.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    node_record(lane, "started", 0, Body::LaneStarted(body), now)
}

/// The record that ends a lane in good order.
pub(crate) fn stopped(lane: LaneId, next: Sequence, now: Millis) -> Envelope {
    node_record(lane, "stopped", next.0, Body::LaneStopped(LaneStopped { lane, next }), now)
}

/// The record that declares a hole.
pub(crate) fn lost(hole: &Hole, now: Millis) -> Envelope {
    let &Hole { lane, reason, from, to } = hole;
    let body = LaneLost { lane, reason, from: Sequence(from), to: Sequence(to) };
    node_record(lane, "lost", from, Body::LaneLost(body), now)
}

/// Records about lanes take no sequence of the lane: their ids are derived from what they say.
fn node_record(lane: LaneId, what: &str, at: u64, body: Body, now: Millis) -> Envelope {
    let id = EventId::derived(
        "sillage node record v1",
        &[&lane.get().to_be_bytes(), what.as_bytes(), &at.to_be_bytes()],
    );
    Envelope {
        id,
        occurred_at: now,
        received_at: now,
        program: None,
        test: false,
        key: lane.to_string(),
        body,
    }
}

#[cfg(test)]
mod tests {
    use event::body::LossReason;
    use event::{EventId, LaneId, Millis, Sequence};

    use super::{CoreLane, Hole, Holes, RANGES_MAX};

    fn id(sequence: u64) -> EventId {
        EventId::minted(Millis(5), Sequence(sequence), LaneId::from_random(1))
    }

    #[test]
    fn neighbors_are_one_range_and_a_gap_begins_another() {
        let mut holes = Holes::default();
        for sequence in [3, 4, 5, 9] {
            holes.add(id(sequence), LossReason::QueueFull);
        }
        let ranges: Vec<_> = holes.take().iter().map(|h| (h.from, h.to)).collect();
        assert_eq!(ranges, [(3, 6), (9, 10)]);
        assert!(holes.take().is_empty());
    }

    #[test]
    fn the_number_of_ranges_is_bounded_and_no_hole_is_forgotten() {
        let mut holes = Holes::default();
        let many = RANGES_MAX as u64 * 3;
        for n in 0..many {
            holes.add(id(n * 2), LossReason::QueueFull);
        }
        let ranges = holes.take();
        assert!(ranges.len() <= RANGES_MAX);
        for n in 0..many {
            assert!(ranges.iter().any(|Hole { from, to, .. }| (*from..*to).contains(&(n * 2))));
        }
    }

    #[test]
    fn ids_of_one_core_follow_each_other() {
        let mut lane = CoreLane::new(LaneId::from_random(1));
        let next = || LaneId::from_random(2);
        let (a, b) = (lane.mint(Millis(7), next), lane.mint(Millis(7), next));
        assert_eq!((a.sequence(), b.sequence()), (Sequence(0), Sequence(1)));
        assert!(a < b);
    }
}
