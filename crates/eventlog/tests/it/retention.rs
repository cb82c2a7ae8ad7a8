//! What is deleted, and when.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, io};

use event::{LaneId, Millis, Sequence, Topic};
use eventlog::disk::Mode;
use eventlog::{Backend, Class, Config, Delivery, Disk, DiskFile, Group, Log, SyncPoint};
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

/// A disk on which something happens between the removal of a segment and the end of its deletion.
struct Between<F> {
    disk: Arc<dyn Disk>,
    between: F,
    /// Whether somebody looked for a file that is not there.
    missed: Arc<AtomicBool>,
}

impl<F> fmt::Debug for Between<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Between")
    }
}

fn until(what: &AtomicBool) {
    let started = Instant::now();
    while !what.load(Ordering::Acquire) {
        assert!(started.elapsed() < Duration::from_secs(10), "nobody came");
        std::thread::yield_now();
    }
}

impl<F: Fn() + Send + Sync + 'static> Disk for Between<F> {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn DiskFile>> {
        let opened = self.disk.open(path, mode);
        let gone = |e: &io::Error| mode == Mode::Read && e.kind() == io::ErrorKind::NotFound;
        if opened.as_ref().is_err_and(gone) {
            self.missed.store(true, Ordering::Release);
        }
        opened
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.create_folder(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_folder(&self, path: &Path, point: SyncPoint) -> io::Result<()> {
        if point == SyncPoint::Removal {
            (self.between)();
        }
        self.disk.sync_folder(path, point)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.disk.lock(path)
    }
}

#[test]
fn a_segment_that_several_threads_want_to_delete_while_others_are_made_is_deleted_and_counted_once()
{
    let disk = CrashDisk::new(1);
    let config = Config { keep_rejected: Duration::ZERO, bytes_max: 1 << 20, ..small() };
    let between = || std::thread::sleep(Duration::from_millis(1));
    let slow = Between { disk: disk.process(), between, missed: Arc::default() };
    let (log, _) = open_with(Arc::new(slow), config, &SteppedClock::default()).unwrap();
    let writing = AtomicBool::new(true);
    let trimmed: usize = std::thread::scope(|scope| {
        let trim = || {
            let mut trimmed = 0;
            while writing.load(Ordering::Acquire) {
                trimmed += log.trim();
            }
            trimmed + log.trim()
        };
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(trim)).collect();
        for _ in 0..20 {
            fill(&log, Topic::Rejected);
        }
        writing.store(false, Ordering::Release);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // Eight records of 400 bytes fill a segment.
    let created = 600 / 8;
    let left = disk.names(&Path::new(DATA).join("events.rejected")).len();
    assert_eq!((trimmed, left), (created - 1, 1), "the segment that is written stays");
    assert_eq!(disk.synced(SyncPoint::Removal), trimmed as u64);
    assert!(!log.sheds(Class::Essential), "its bytes are taken off once");
}

#[test]
fn who_reads_without_a_group_while_a_segment_is_deleted_goes_on_at_the_first_one_kept() {
    let removed = Arc::new(AtomicBool::new(false));
    let missed = Arc::new(AtomicBool::new(false));
    let between = {
        let (removed, missed) = (Arc::clone(&removed), Arc::clone(&missed));
        move || {
            removed.store(true, Ordering::Release);
            until(&missed);
            // Who missed it looks again before the deletion is over.
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let disk = Between { disk: CrashDisk::new(1).process(), between, missed };
    let clock = SteppedClock::default();
    let (log, _) = open_with(Arc::new(disk), small(), &clock).unwrap();
    fill(&log, Topic::Rejected);
    clock.step(HOUR * 6);
    let (trimmed, read) = std::thread::scope(|scope| {
        let trimming = scope.spawn(|| log.trim());
        until(&removed);
        let read = all(&log, Topic::Rejected);
        (trimming.join().unwrap(), read)
    });
    assert!(trimmed > 1);
    let first = log.reader().first_offset(Topic::Rejected);
    assert_eq!(read, (first..30).map(|n| sized(n, 400)).collect::<Vec<_>>());
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
