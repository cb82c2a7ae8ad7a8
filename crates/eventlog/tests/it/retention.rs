//! What is deleted, and when.

use std::path::Path;
use std::time::Duration;

use event::{LaneId, Millis, Sequence, Topic};
use eventlog::{Backend, Class, Delivery, Group, Log};
use testkit::{CrashDisk, SteppedClock};

use crate::world::{DATA, all, open_with, sized, small};

const HOUR: Duration = Duration::from_hours(1);

fn fill(log: &Log, topic: Topic) {
    for n in 0..30 {
        let durable =
            log.appender(topic).unwrap().append_durable(Class::Essential, &[sized(n, 400)]);
        durable.unwrap().wait().unwrap();
    }
}

/// Reads and commits everything.
fn drain(log: &Log, topic: Topic) {
    let mut consumer = log.subscribe(Group("drain"), &[topic]).unwrap();
    loop {
        match consumer.next(Duration::ZERO).unwrap() {
            Delivery::Batch(batch) => {
                consumer.unit().unwrap().commit(&[batch.cursor()]).unwrap();
            }
            Delivery::Idle => return,
            Delivery::Assigned(_) | Delivery::Revoking(..) => {}
        }
    }
}

#[test]
fn a_segment_goes_when_it_is_old_enough_and_not_a_millisecond_before() {
    let disk = CrashDisk::new(1);
    let clock = SteppedClock::default();
    let (log, _) = open_with(disk.process(), small(), &clock).unwrap();
    fill(&log, Topic::Rejected);
    clock.step(HOUR * 6 - Duration::from_millis(1));
    assert_eq!(log.trim(), 0);
    clock.step(Duration::from_millis(1));
    assert!(log.trim() > 1);
    let first = log.reader().first_offset(Topic::Rejected);
    assert!(first > 0);
    let left = all(&log, Topic::Rejected);
    assert_eq!(left.first(), Some(&sized(first, 400)), "what is left is whole");
    assert_eq!(log.reader().high_watermark(Topic::Rejected), 30);
}

#[test]
fn a_segment_that_a_group_has_not_read_stays_however_old() {
    let disk = CrashDisk::new(1);
    let clock = SteppedClock::default();
    let (log, _) = open_with(disk.process(), small(), &clock).unwrap();
    drop(log.subscribe(Group("drain"), &[Topic::Rejected]).unwrap());
    fill(&log, Topic::Rejected);
    clock.step(HOUR * 1000);
    assert_eq!(log.trim(), 0);
    log.close();
    // The group is known after a restart too.
    let (log, _) = open_with(disk.process(), small(), &clock).unwrap();
    assert_eq!(log.trim(), 0);
    drain(&log, Topic::Rejected);
    assert!(log.trim() > 1);
}

#[test]
fn a_segment_that_two_threads_want_to_delete_is_deleted_and_counted_once() {
    let disk = CrashDisk::new(1);
    let clock = SteppedClock::default();
    let (log, _) = open_with(disk.process(), small(), &clock).unwrap();
    fill(&log, Topic::Rejected);
    let before = disk.names(&Path::new(DATA).join("events.rejected")).len();
    clock.step(HOUR * 6);
    let trimmed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| log.trim())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let left = disk.names(&Path::new(DATA).join("events.rejected")).len();
    assert_eq!((trimmed, left), (before - 1, 1), "the segment that is written stays");
}

#[test]
fn a_closed_log_deletes_nothing() {
    let disk = CrashDisk::new(1);
    let clock = SteppedClock::default();
    let (log, _) = open_with(disk.process(), small(), &clock).unwrap();
    fill(&log, Topic::Rejected);
    clock.step(HOUR * 6);
    log.close();
    assert_eq!(log.trim(), 0, "the folder may be another process's by now");
}

#[test]
fn topics_that_are_kept_for_ever_stay() {
    let disk = CrashDisk::new(1);
    let clock = SteppedClock::default();
    let (log, _) = open_with(disk.process(), small(), &clock).unwrap();
    fill(&log, Topic::Conversions);
    clock.step(HOUR * 1_000_000);
    assert_eq!(log.trim(), 0);
}

#[test]
fn a_group_that_stands_before_the_first_kept_record_goes_on_there() {
    let disk = CrashDisk::new(1);
    let clock = SteppedClock::default();
    let (log, _) = open_with(disk.process(), small(), &clock).unwrap();
    fill(&log, Topic::Rejected);
    clock.step(HOUR * 6);
    log.trim();
    let mut consumer = log.subscribe(Group("late"), &[Topic::Rejected]).unwrap();
    consumer.next(Duration::ZERO).unwrap();
    let Delivery::Batch(batch) = consumer.next(Duration::ZERO).unwrap() else { panic!() };
    let first = log.reader().first_offset(Topic::Rejected);
    assert_eq!(batch.records[0], sized(first, 400));
    assert_eq!(batch.next_offset, first + batch.records.len() as u64);
}

#[test]
fn the_highest_sequence_of_each_lane_is_found_from_headers() {
    let disk = CrashDisk::new(1);
    let (log, _) = open_with(disk.process(), small(), &SteppedClock::default()).unwrap();
    fill(&log, Topic::Touches);
    let found = log.reader().highest_sequences(Topic::Touches, Millis(0)).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found.get(&LaneId::from_random(7)), Some(&Sequence(29)));
    let late = log.reader().highest_sequences(Topic::Touches, Millis(i64::MAX)).unwrap();
    assert_eq!(late, found, "the last segment is always looked at");
    assert!(log.reader().highest_sequences(Topic::Rejected, Millis(0)).unwrap().is_empty());
}
