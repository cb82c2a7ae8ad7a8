//! What is declared of lanes whose process died, from a log as such a process leaves it.

use std::sync::Arc;

use event::body::LossReason;
use event::{Body, Clock, Envelope, EventId, LaneId, Sequence, Topic};
use eventlog::{Class, ClockKind, Header, Log, RealDisk, Record};
use testkit::SteppedClock;

use super::{COMMIT_RECORDS_MAX, IN_DOUBT_MAX, KnownLanes, gaps};
use crate::core::record_of;
use crate::journal::LogJournal;
use crate::lane::{self, Hole};

const LANE: LaneId = LaneId::from_random(1);

fn ranges(sequences: &[u64]) -> Vec<(u64, u64)> {
    let known = sequences.iter().map(|at| *at..*at + 1).collect();
    gaps(LANE, known).iter().map(|h| (h.from, h.to)).collect()
}

#[test]
fn gaps_and_the_tail_are_in_doubt() {
    assert_eq!(ranges(&[]), [(0, IN_DOUBT_MAX)]);
    assert_eq!(ranges(&[0, 1, 4, 2]), [(3, 4), (5, 5 + IN_DOUBT_MAX)]);
    assert_eq!(ranges(&[2]), [(0, 2), (3, 3 + IN_DOUBT_MAX)]);
}

#[test]
fn a_gap_further_back_than_the_queues_reach_is_not_in_doubt_but_lost() {
    let far = IN_DOUBT_MAX * 3;
    let sequences: Vec<u64> = (0..far).filter(|n| *n != 5 && *n != far - 5).collect();
    assert_eq!(ranges(&sequences), [(far - 5, far - 4), (far, far + IN_DOUBT_MAX)]);
}

#[test]
fn what_is_declared_already_is_no_gap_and_can_be_the_highest() {
    let known = vec![0..1, 5..9, 2..3, 6..7];
    let found: Vec<_> = gaps(LANE, known).iter().map(|h| (h.from, h.to)).collect();
    assert_eq!(found, [(1, 2), (3, 5), (9, 9 + IN_DOUBT_MAX)]);
}

/// A log in which a process died: what it had on disk of its lane, and what it had declared.
struct Dead {
    log: Log,
    clock: SteppedClock,
    _folder: tempfile::TempDir,
}

impl Dead {
    fn new(queue_records_max: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = SteppedClock::default();
        let config = eventlog::Config { queue_records_max, ..eventlog::Config::default() };
        let arc = Arc::new(clock.clone());
        let path = folder.path().join("log");
        let (log, _) = Log::open(Arc::new(RealDisk), &path, config, arc, ClockKind::Real).unwrap();
        let dead = Self { log, clock, _folder: folder };
        let started = lane::started(LANE, "edge", dead.clock.now());
        dead.write(Topic::Node, vec![record_of(&started, b"")]);
        dead
    }

    fn write(&self, topic: Topic, records: Vec<Record>) {
        let appender = self.log.appender(topic).unwrap();
        for records in records.chunks(512) {
            let durable = appender.append_durable(Class::Essential, records).unwrap();
            crate::testbed::block_on(durable).unwrap();
        }
    }

    fn touch(&self, sequence: u64) -> Record {
        let id = EventId::minted(self.clock.now(), Sequence(sequence), LANE);
        let header = Header { codec: 0, kind: 0, id, key_hash: event::topic::KeyHash::of(b"") };
        Record::new(header, bytes::Bytes::from_static(b"{}"))
    }

    /// Declares the doubt as a start does; the lanes that were open.
    fn judge(&self) -> usize {
        let reader = self.log.reader();
        let known = KnownLanes::read(reader).unwrap();
        let journal = LogJournal::new(&self.log).unwrap();
        known.declare_doubt(reader, &journal, &self.clock).unwrap()
    }

    fn declared(&self) -> Vec<(LossReason, u64, u64)> {
        let records =
            self.log.reader().scan(Topic::Node, 0).flat_map(|batch| batch.unwrap().records);
        let lost = |record: Record| {
            let Body::LaneLost(lost) = Envelope::read(&record.payload).unwrap().body else {
                return None;
            };
            Some((lost.reason, lost.from.0, lost.to.0))
        };
        records.filter_map(lost).collect()
    }
}

#[test]
fn a_hole_that_the_dead_process_declared_is_not_declared_in_doubt_as_well() {
    let dead = Dead::new(4_096);
    dead.write(Topic::Touches, [0, 1, 4, 8].map(|n| dead.touch(n)).into());
    let hole = Hole { lane: LANE, reason: LossReason::QueueFull, from: 2, to: 4 };
    let lost = lane::lost(&hole, dead.clock.now());
    dead.write(Topic::Node, vec![record_of(&lost, b"")]);
    assert_eq!(dead.judge(), 1);
    let doubt = LossReason::InDoubt;
    assert_eq!(
        dead.declared(),
        [(LossReason::QueueFull, 2, 4), (doubt, 5, 8), (doubt, 9, 9 + IN_DOUBT_MAX)]
    );
    assert_eq!(dead.judge(), 0, "once per lane");
    dead.log.close();
}

#[test]
fn more_gaps_than_a_queue_takes_are_declared_all_the_same() {
    let queue = 4_096;
    let dead = Dead::new(queue);
    let gaps = u64::from(queue) * 3;
    dead.write(Topic::Touches, (0..gaps).map(|n| dead.touch(n * 2 + 1)).collect());
    assert_eq!(dead.judge(), 1);
    let declared = dead.declared();
    assert_eq!(declared.len() as u64, gaps + 1);
    assert!(declared.iter().take(6 * COMMIT_RECORDS_MAX).all(|(_, from, to)| to - from == 1));
    assert_eq!(dead.judge(), 0);
    dead.log.close();
}
