//! A worker that copies what it reads: in any weather everything arrives, and nothing that was not sent.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use event::topic::KeyHash;
use event::{EventId, LaneId, Millis, Sequence, Topic};
use eventlog::{Backend, Delivery, Error, ErrorKind, Group, Header, Record};

use super::{AdversarialLog, CrashPoint, Weather};
use crate::conformance::{self, Candidate};

const COPY: Group = Group("copy");

fn record(n: u64) -> Record {
    let id = EventId::minted(Millis(1), Sequence(n), LaneId::from_random(7));
    let header = Header { codec: 1, kind: 2, id, key_hash: KeyHash(n % 11) };
    Record::new(header, Bytes::from(format!("payload {n}")))
}

fn filled(weather: Weather) -> AdversarialLog {
    let log = AdversarialLog::new(weather);
    for n in 0..200 {
        log.append(Topic::Conversions, &record(n));
    }
    log
}

/// Copies until nothing is left; gives up as a crashed process does.
fn copy(log: &AdversarialLog) -> Result<(), Error> {
    let mut consumer = log.subscribe(COPY, &[Topic::Conversions])?;
    while !log.is_drained(COPY) {
        match consumer.next(Duration::ZERO)? {
            Delivery::Batch(batch) => {
                let mut unit = consumer.unit()?;
                for record in &batch.records {
                    unit.append(Topic::Unique, record)?;
                }
                match unit.commit(&[batch.cursor()]) {
                    Err(e) if e.kind() == ErrorKind::Usage => {}
                    other => other?,
                }
            }
            Delivery::Revoking(_, ack) => ack.done(),
            Delivery::Assigned(_) | Delivery::Idle => {}
        }
    }
    Ok(())
}

fn ids(records: &[Record]) -> BTreeSet<EventId> {
    records.iter().map(|record| record.id).collect()
}

fn copied(log: &AdversarialLog) -> u32 {
    let mut crashes = 0;
    while let Err(e) = copy(log) {
        assert_eq!(e.kind(), ErrorKind::Crashed, "{e}");
        crashes += 1;
    }
    assert_eq!(ids(&log.records(Topic::Unique)), ids(&log.records(Topic::Conversions)));
    assert_eq!(crashes, log.crashes());
    crashes
}

#[test]
fn in_fair_weather_each_record_arrives_once() {
    let log = filled(Weather::fair(1));
    assert_eq!(copied(&log), 0);
    assert_eq!(log.records(Topic::Unique), log.records(Topic::Conversions));
}

#[test]
fn in_foul_weather_each_record_arrives_at_least_once() {
    let mut crashes = 0;
    let mut repeated = 0;
    for seed in 0..100 {
        let log = filled(Weather::foul(seed));
        crashes += copied(&log);
        repeated += log.records(Topic::Unique).len() - 200;
    }
    assert!(crashes > 100 && repeated > 1000, "the weather is foul: {crashes}, {repeated}");
}

#[test]
fn a_planned_crash_comes_at_each_point_of_the_log_once() {
    for point in CrashPoint::ALL.into_iter().filter(|p| *p != CrashPoint::AfterEvidence) {
        let log = filled(Weather::fair(1));
        log.crash_at(point, 1);
        assert_eq!(copied(&log), 1, "{point:?}");
    }
}

#[test]
fn two_members_share_the_partitions() {
    for seed in 0..50 {
        let log = filled(Weather::foul(seed));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| while copy(&log).is_err() {});
            }
        });
        assert_eq!(ids(&log.records(Topic::Unique)), ids(&log.records(Topic::Conversions)));
    }
}

struct InMemory(AdversarialLog);

impl Candidate for InMemory {
    fn backend(&self) -> &dyn Backend {
        &self.0
    }

    fn append(&self, topic: Topic, record: &Record) {
        self.0.append(topic, record);
    }

    /// Members are gone with their consumers; the log itself stays.
    fn restart(&mut self) {}
}

#[test]
fn in_fair_weather_it_keeps_the_promises_of_a_log() {
    for partitions in [1, 4] {
        let partitions = NonZeroU32::new(partitions).unwrap();
        conformance::check(|| {
            InMemory(AdversarialLog::new(Weather { partitions, ..Weather::fair(3) }))
        });
    }
}
