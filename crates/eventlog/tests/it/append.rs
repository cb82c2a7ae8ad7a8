//! Appending and reading back: futures, waiting consumers, groups, cursors.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use event::Topic;
use eventlog::{
    Backend, Class, CommitError, Config, Consumer, Delivery, Error, Group, Log, Offset, Scan,
    SyncPoint,
};
use testkit::{CrashDisk, Dice, SteppedClock};

use crate::world::{DATA, all, open, open_with, record, sized, small};

const GROUP: Group = Group("dedup");
const TOPIC: Topic = Topic::Conversions;

fn append(log: &Log, n: u64) {
    let appender = log.appender(TOPIC).unwrap();
    appender.append_durable(Class::Conversion, &[record(n)]).unwrap().wait().unwrap();
}

/// The first offset of the next batch and its length.
fn next(consumer: &mut dyn Consumer) -> Option<(Offset, usize)> {
    loop {
        match consumer.next(Duration::ZERO).unwrap() {
            Delivery::Batch(batch) => {
                return Some((batch.next_offset - batch.records.len() as u64, batch.records.len()));
            }
            Delivery::Idle => return None,
            Delivery::Assigned(_) | Delivery::Revoking(..) => {}
        }
    }
}

/// Reads one batch and commits it.
fn advance(log: &Log) -> Offset {
    let mut consumer = log.subscribe(GROUP, &[TOPIC]).unwrap();
    consumer.next(Duration::ZERO).unwrap();
    let Delivery::Batch(batch) = consumer.next(Duration::ZERO).unwrap() else { panic!() };
    consumer.unit().unwrap().commit(&[batch.cursor()]).unwrap();
    batch.next_offset
}

fn position(log: &Log) -> Option<Offset> {
    let mut consumer = log.subscribe(GROUP, &[TOPIC]).unwrap();
    next(&mut *consumer).map(|(offset, _)| offset)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        // Twice, as executors may: the second poll takes the place of the first.
        for _ in 0..2 {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
        }
        std::thread::park_timeout(Duration::from_secs(10));
    }
}

#[test]
fn a_future_resolves_after_the_sync_or_with_the_reason() {
    let disk = CrashDisk::new(1);
    let config = Config { probe_interval: Duration::from_millis(1), ..small() };
    let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
    let appender = log.appender(TOPIC).unwrap();
    for n in 0..100 {
        let synced = disk.synced(SyncPoint::Frame);
        let durable = appender.append_durable(Class::Conversion, &[record(n)]).unwrap();
        block_on(durable).unwrap();
        assert!(disk.synced(SyncPoint::Frame) > synced);
        assert_eq!(log.reader().high_watermark(TOPIC), n + 1, "readers see it by then");
    }
    disk.fail_syncs(SyncPoint::Frame, 2);
    let durable = appender.append_durable(Class::Conversion, &[record(100)]).unwrap();
    assert_eq!(block_on(durable), Err(CommitError::Failed));
}

#[test]
fn a_dropped_future_changes_nothing_about_its_records() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    let appender = log.appender(TOPIC).unwrap();
    for n in 0..10 {
        drop(appender.append_durable(Class::Conversion, &[record(n)]).unwrap());
    }
    log.close();
    assert_eq!(all(&open(&disk).0, TOPIC).len(), 10);
}

#[test]
fn many_threads_share_commits_and_nothing_is_mixed_up() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    let appender = log.appender(TOPIC).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let appender = appender.clone();
            scope.spawn(move || {
                let mut dice = Dice::new(thread);
                for n in 0..50 {
                    let records: Vec<_> = (0..1 + dice.below(3))
                        .map(|k| sized(thread * 1000 + n * 3 + k, dice.index(500)))
                        .collect();
                    appender.append_durable(Class::Conversion, &records).unwrap().wait().unwrap();
                }
            });
        }
    });
    let read = all(&log, TOPIC);
    for thread in 0..4 {
        let of_thread = read.iter().map(|r| r.id.sequence().0).filter(|n| n / 1000 == thread);
        assert!(of_thread.is_sorted(), "records of one thread stand in its order");
    }
    for record in read {
        let text = std::str::from_utf8(&record.payload).unwrap();
        assert!(text.starts_with(&format!("payload {} ", record.id.sequence().0)), "{text}");
    }
}

#[test]
fn a_consumer_that_waits_is_woken_by_the_commit() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    let mut consumer = log.subscribe(GROUP, &[TOPIC]).unwrap();
    assert_eq!(next(&mut *consumer), None);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let started = Instant::now();
            let delivery = consumer.next(Duration::from_secs(60)).unwrap();
            assert!(matches!(delivery, Delivery::Batch(_)));
            started.elapsed()
        });
        append(&log, 0);
        assert!(waiting.join().unwrap() < Duration::from_secs(30));
    });
}

#[test]
fn a_batch_has_its_most_records_and_no_more() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    let records: Vec<_> = (0..12).map(record).collect();
    let appender = log.appender(TOPIC).unwrap();
    appender.append_durable(Class::Conversion, &records).unwrap().wait().unwrap();
    let mut consumer = log.subscribe(GROUP, &[TOPIC]).unwrap();
    // One frame of 12 is three batches of at most 5.
    let batches: Vec<_> = std::iter::from_fn(|| next(&mut *consumer)).collect();
    assert_eq!(batches, [(0, 5), (5, 5), (10, 2)]);
}

#[test]
fn a_scan_ends_at_the_watermark_of_its_beginning_and_resumes_from_there() {
    let (log, _) = open(&CrashDisk::new(1));
    append(&log, 0);
    let mut scan = log.reader().scan(TOPIC, 0);
    append(&log, 1);
    let ids = |scan: &mut Scan| -> Vec<_> { scan.flat_map(|b| b.unwrap().records).collect() };
    assert_eq!(ids(&mut scan), [record(0)]);
    assert_eq!(ids(&mut scan), []);
    scan.resume();
    assert_eq!(ids(&mut scan), [record(1)]);
    // Over the border of segments too.
    let many: Vec<_> = (2..40).map(|n| sized(n, 400)).collect();
    for one in &many {
        let appender = log.appender(TOPIC).unwrap();
        let durable = appender.append_durable(Class::Conversion, std::slice::from_ref(one));
        durable.unwrap().wait().unwrap();
    }
    scan.resume();
    assert_eq!(ids(&mut scan), many);
}

#[test]
fn a_group_has_one_member_at_a_time() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    let first = log.subscribe(GROUP, &[TOPIC]).unwrap();
    let second = log.subscribe(GROUP, &[TOPIC]).err();
    assert!(matches!(second, Some(Error::GroupTaken { group: "dedup" })));
    assert!(log.subscribe(Group("attribution"), &[TOPIC]).is_ok());
    drop(first);
    assert!(log.subscribe(GROUP, &[TOPIC]).is_ok());
}

#[test]
fn a_cursor_survives_the_damage_of_one_slot_and_starts_anew_without_both() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    for n in 0..20 {
        append(&log, n);
    }
    assert_eq!((advance(&log), advance(&log), advance(&log)), (5, 10, 15));
    log.close();
    let path = Path::new(DATA).join("cursors").join("dedup");
    let bytes = disk.content(&path).unwrap();
    assert_eq!(bytes.len(), 8192);
    // Sequence 1 registered the group, so 15 has sequence 4 and stands in slot 0.
    disk.tamper(&path, |bytes| bytes[30] ^= 1);
    let (log, _) = open(&disk);
    assert_eq!(position(&log), Some(10), "the slot before");
    log.close();
    disk.tamper(&path, |bytes| bytes[4096 + 30] ^= 1);
    let (log, _) = open(&disk);
    assert_eq!(position(&log), Some(0), "repeats everything, loses nothing");
    assert_eq!(advance(&log), 5);
    log.close();
    disk.crash();
    assert_eq!(position(&open(&disk).0), Some(5));
}

#[test]
fn a_cursor_whose_sync_failed_has_not_moved_and_moves_the_next_time() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    for n in 0..20 {
        append(&log, n);
    }
    assert_eq!(advance(&log), 5);
    disk.fail_syncs(SyncPoint::Cursor, 1);
    let mut consumer = log.subscribe(GROUP, &[TOPIC]).unwrap();
    consumer.next(Duration::ZERO).unwrap();
    let Delivery::Batch(batch) = consumer.next(Duration::ZERO).unwrap() else { panic!() };
    let fault = consumer.unit().unwrap().commit(&[batch.cursor()]).unwrap_err();
    assert!(fault.retry(), "{fault}");
    drop(consumer);
    assert_eq!(position(&log), Some(5));
    assert_eq!(advance(&log), 10);
    log.close();
    disk.crash();
    assert_eq!(position(&open(&disk).0), Some(10));
}

#[test]
fn a_folder_that_lost_its_format_file_is_refused() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    append(&log, 0);
    log.close();
    disk.process().remove(&Path::new(DATA).join("FORMAT")).unwrap();
    let fault = open_with(disk.process(), small(), &SteppedClock::default()).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "/data/FORMAT is damaged: it is missing, but the folder has segments"
    );
}
