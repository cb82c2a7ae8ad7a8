//! What every log must do for its consumers, whatever it is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use event::topic::KeyHash;
use event::{EventId, LaneId, Millis, Sequence, Topic};
use eventlog::{Backend, Batch, Consumer, Cursor, Delivery, Group, Header, Partition, Record};

/// A log under test.
pub trait Candidate {
    /// The log.
    fn backend(&self) -> &dyn Backend;
    /// Appends durably, as a producer.
    fn append(&self, topic: Topic, record: &Record);
    /// Ends the process without notice and starts it again; what is not durable is gone.
    fn restart(&mut self);
}

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);
const GROUP: Group = Group("conformance");
const OTHER: Group = Group("other");

/// The record with this number; seven keys.
#[must_use]
pub fn numbered(n: u64) -> Record {
    let id = EventId::minted(Millis(1), Sequence(n), LaneId::from_random(1));
    let header = Header { codec: 1, kind: 2, id, key_hash: KeyHash(n % 7) };
    Record::new(header, Bytes::from(format!("{{\"n\":{n}}}")))
}

/// Checks each promise of [`Consumer`] and [`eventlog::Unit`] on a fresh log.
///
/// # Panics
/// A promise is not kept.
pub fn check<C: Candidate>(mut fresh: impl FnMut() -> C) {
    records_come_in_order_with_their_content(&fresh());
    a_consumer_that_waits_is_woken(&fresh());
    an_uncommitted_batch_comes_again(&mut fresh());
    a_committed_batch_does_not(&mut fresh());
    outputs_are_there_once_the_cursor_moved(&mut fresh());
    a_dropped_unit_leaves_nothing(&fresh());
    seek_goes_back_and_forth(&fresh());
    groups_do_not_see_each_other(&fresh());
    several_topics_all_come(&fresh());
    ends_and_committed_cursors_are_told_to_anybody(&mut fresh());
    whoever_reads_on_reaches_the_ends(&fresh());
}

/// Batches until `count` records came, in order of arrival.
fn take(consumer: &mut dyn Consumer, count: usize) -> Vec<Batch> {
    let started = Instant::now();
    let mut batches: Vec<Batch> = Vec::new();
    while batches.iter().map(|batch| batch.records.len()).sum::<usize>() < count {
        assert!(started.elapsed() < PATIENCE, "records do not come: {batches:?}");
        match consumer.next(PATIENCE) {
            Ok(Delivery::Batch(batch)) => batches.push(batch),
            Ok(Delivery::Revoking(_, ack)) => ack.done(),
            Ok(Delivery::Assigned(_) | Delivery::Idle) => {}
            Err(e) => fail(&e),
        }
    }
    batches
}

#[expect(clippy::panic, reason = "this is a test")]
fn fail(e: &eventlog::Error) -> ! {
    panic!("{e}")
}

fn must<T>(result: Result<T, eventlog::Error>) -> T {
    result.unwrap_or_else(|e| fail(&e))
}

fn cursors(batches: &[Batch]) -> Vec<Cursor> {
    let mut last: BTreeMap<Partition, Cursor> = BTreeMap::new();
    for batch in batches {
        last.insert(batch.partition, batch.cursor());
    }
    last.into_values().collect()
}

fn commit(consumer: &mut dyn Consumer, batches: &[Batch]) {
    let unit = must(consumer.unit());
    must(unit.commit(&cursors(batches)));
}

fn ids(batches: &[Batch]) -> BTreeSet<EventId> {
    batches.iter().flat_map(|batch| batch.records.iter().map(|record| record.id)).collect()
}

fn fill(candidate: &impl Candidate, topic: Topic, numbers: std::ops::Range<u64>) {
    for n in numbers {
        candidate.append(topic, &numbered(n));
    }
}

fn subscribe(candidate: &impl Candidate, group: Group, topics: &[Topic]) -> Box<dyn Consumer> {
    must(candidate.backend().subscribe(group, topics))
}

fn records_come_in_order_with_their_content(candidate: &impl Candidate) {
    fill(candidate, Topic::Conversions, 0..50);
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    let mut by_key: BTreeMap<KeyHash, Vec<Record>> = BTreeMap::new();
    for batch in take(&mut *consumer, 50) {
        assert!(batch.next_offset <= batch.high_watermark, "nothing above the high watermark");
        for record in batch.records {
            by_key.entry(record.key_hash).or_default().push(record);
        }
    }
    for (key, records) in by_key {
        let sent: Vec<Record> = (0..50).map(numbered).filter(|r| r.key_hash == key).collect();
        assert_eq!(records, sent, "records of one key come in order, unchanged");
    }
}

fn a_consumer_that_waits_is_woken(candidate: &impl Candidate) {
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    while !matches!(must(consumer.next(Duration::ZERO)), Delivery::Idle) {}
    fill(candidate, Topic::Conversions, 0..1);
    assert_eq!(take(&mut *consumer, 1).len(), 1);
}

fn an_uncommitted_batch_comes_again(candidate: &mut impl Candidate) {
    fill(candidate, Topic::Conversions, 0..20);
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    let first = ids(&take(&mut *consumer, 20));
    drop(consumer);
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    assert_eq!(ids(&take(&mut *consumer, 20)), first, "after a new subscription");
    drop(consumer);
    candidate.restart();
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    assert_eq!(ids(&take(&mut *consumer, 20)), first, "after a restart");
}

fn a_committed_batch_does_not(candidate: &mut impl Candidate) {
    fill(candidate, Topic::Conversions, 0..20);
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    let batches = take(&mut *consumer, 20);
    commit(&mut *consumer, &batches);
    drop(consumer);
    candidate.restart();
    fill(candidate, Topic::Conversions, 20..21);
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    let next = take(&mut *consumer, 1);
    assert_eq!(ids(&next), BTreeSet::from([numbered(20).id]));
}

fn outputs_are_there_once_the_cursor_moved(candidate: &mut impl Candidate) {
    fill(candidate, Topic::Conversions, 0..10);
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    let batches = take(&mut *consumer, 10);
    let mut unit = must(consumer.unit());
    for n in 100..110 {
        must(unit.append(Topic::Unique, &numbered(n)));
    }
    must(unit.append(Topic::Duplicate, &numbered(110)));
    must(unit.commit(&cursors(&batches)));
    drop(consumer);
    candidate.restart();
    let mut reader = subscribe(candidate, OTHER, &[Topic::Unique, Topic::Duplicate]);
    let found = ids(&take(&mut *reader, 11));
    assert_eq!(found, (100..111).map(|n| numbered(n).id).collect());
}

fn a_dropped_unit_leaves_nothing(candidate: &impl Candidate) {
    fill(candidate, Topic::Conversions, 0..1);
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    let batches = take(&mut *consumer, 1);
    let mut unit = must(consumer.unit());
    must(unit.append(Topic::Unique, &numbered(100)));
    drop(unit);
    let mut unit = must(consumer.unit());
    must(unit.append(Topic::Unique, &numbered(101)));
    must(unit.commit(&cursors(&batches)));
    let mut reader = subscribe(candidate, OTHER, &[Topic::Unique]);
    assert_eq!(ids(&take(&mut *reader, 1)), BTreeSet::from([numbered(101).id]));
}

fn seek_goes_back_and_forth(candidate: &impl Candidate) {
    fill(candidate, Topic::Conversions, 0..30);
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    let batches = take(&mut *consumer, 30);
    for Cursor { partition, next } in cursors(&batches) {
        must(consumer.seek(partition, next - 1));
        let again = take(&mut *consumer, 1);
        let last = batches.iter().rfind(|batch| batch.partition == partition);
        let last = last.and_then(|batch| batch.records.last());
        assert_eq!(again.first().and_then(|batch| batch.records.first()), last);
        must(consumer.seek(partition, 0));
        let count = usize::try_from(next).unwrap_or(0);
        assert_eq!(ids(&take(&mut *consumer, count)).len(), count);
        must(consumer.seek(partition, u64::MAX));
    }
    assert!(matches!(must(consumer.next(Duration::ZERO)), Delivery::Idle));
    let foreign = Partition { topic: Topic::Node, index: 0 };
    assert!(consumer.seek(foreign, 0).is_err(), "a partition of a topic not subscribed to");
}

fn groups_do_not_see_each_other(candidate: &impl Candidate) {
    fill(candidate, Topic::Conversions, 0..10);
    let mut one = subscribe(candidate, GROUP, &[Topic::Conversions]);
    let batches = take(&mut *one, 10);
    commit(&mut *one, &batches);
    let mut other = subscribe(candidate, OTHER, &[Topic::Conversions]);
    assert_eq!(ids(&take(&mut *other, 10)), ids(&batches));
}

fn several_topics_all_come(candidate: &impl Candidate) {
    let topics = [Topic::Touches, Topic::Conversions, Topic::Unique];
    for (nth, topic) in (0..).zip(topics) {
        fill(candidate, topic, nth * 100..nth * 100 + 20);
    }
    let mut consumer = subscribe(candidate, GROUP, &topics);
    let batches = take(&mut *consumer, 60);
    for topic in topics {
        let of_topic = batches.iter().filter(|batch| batch.partition.topic == topic);
        assert_eq!(of_topic.map(|batch| batch.records.len()).sum::<usize>(), 20, "{topic}");
    }
}

fn ends_and_committed_cursors_are_told_to_anybody(candidate: &mut impl Candidate) {
    let topics = [Topic::Conversions, Topic::Unique];
    let sum = |cursors: &[Cursor]| cursors.iter().map(|cursor| cursor.next).sum::<u64>();
    let ends = |candidate: &dyn Candidate| must(candidate.backend().ends(&topics));
    let committed = |candidate: &dyn Candidate, group| {
        let committed = must(candidate.backend().committed(group, &topics));
        let partitions = |cursors: &[Cursor]| -> BTreeSet<Partition> {
            cursors.iter().map(|cursor| cursor.partition).collect()
        };
        assert_eq!(partitions(&committed), partitions(&ends(candidate)), "the same partitions");
        committed
    };
    assert_eq!(sum(&committed(candidate, GROUP)), 0, "a group that nobody has heard of");
    fill(candidate, Topic::Conversions, 0..20);
    assert_eq!(sum(&ends(candidate)), 20, "without any consumer");
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    let batches = take(&mut *consumer, 20);
    assert_eq!(sum(&committed(candidate, GROUP)), 0, "read and not committed");
    let mut unit = must(consumer.unit());
    must(unit.append(Topic::Unique, &numbered(100)));
    must(unit.commit(&cursors(&batches)));
    let told = |candidate: &dyn Candidate| {
        assert_eq!(sum(&committed(candidate, GROUP)), 20);
        assert_eq!(sum(&committed(candidate, OTHER)), 0, "of one group alone");
        // The end of what a group has made may have an offset of its own.
        assert!(sum(&ends(candidate)) > 20, "with what the group made of it");
    };
    told(candidate);
    drop(consumer);
    told(candidate);
    candidate.restart();
    told(candidate);
}

fn whoever_reads_on_reaches_the_ends(candidate: &impl Candidate) {
    fill(candidate, Topic::Conversions, 0..10);
    let mut consumer = subscribe(candidate, GROUP, &[Topic::Conversions]);
    let batches = take(&mut *consumer, 10);
    let mut unit = must(consumer.unit());
    for n in 100..110 {
        must(unit.append(Topic::Unique, &numbered(n)));
    }
    must(unit.commit(&cursors(&batches)));
    let mut unit = must(consumer.unit());
    must(unit.append(Topic::Unique, &numbered(110)));
    drop(unit);
    let goal = must(candidate.backend().ends(&[Topic::Unique]));
    let mut reader = subscribe(candidate, OTHER, &[Topic::Unique]);
    let (mut found, mut read) = (BTreeSet::new(), BTreeMap::new());
    let started = Instant::now();
    let reached = |read: &BTreeMap<Partition, u64>| {
        goal.iter().all(|end| read.get(&end.partition).copied().unwrap_or(0) >= end.next)
    };
    while !reached(&read) {
        assert!(started.elapsed() < PATIENCE, "{read:?} does not come to {goal:?}");
        match must(reader.next(Duration::from_millis(100))) {
            Delivery::Batch(batch) => {
                found.extend(ids(std::slice::from_ref(&batch)));
                read.insert(batch.partition, batch.next_offset);
            }
            Delivery::Revoking(_, ack) => ack.done(),
            Delivery::Assigned(_) | Delivery::Idle => {}
        }
    }
    assert_eq!(found, (100..110).map(|n| numbered(n).id).collect(), "all of it and no more");
}
