//! What was queued and not committed outlives the process, in order and once; the machine it does not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use event::Topic;
use eventlog::{Class, Config, Log, Record, Refused};
use testkit::{CrashDisk, SteppedClock};

use crate::world::{all, open_with, record, sized, small};

const MEMORY: &str = "/memory";
const TOPIC: Topic = Topic::Touches;

/// A disk with a folder that stands for memory.
fn disk() -> CrashDisk {
    let disk = CrashDisk::new(1);
    disk.process().create_folder(Path::new(MEMORY)).unwrap();
    disk
}

/// A writer that waits for company longer than any test.
fn waiting() -> Config {
    let touch_commit_interval = Duration::from_secs(1);
    Config { memory_folder: PathBuf::from(MEMORY), touch_commit_interval, ..small() }
}

fn open(disk: &CrashDisk) -> (Log, u64) {
    let (log, recovery) = open_with(disk.process(), waiting(), &SteppedClock::default()).unwrap();
    (log, recovery.echoed)
}

fn enqueue(log: &Log, records: &[Record]) {
    let appender = log.appender(TOPIC).unwrap();
    records.iter().for_each(|record| appender.enqueue(Class::Click, record).unwrap());
}

fn commit(log: &Log, record: Record) {
    let appender = log.appender(TOPIC).unwrap();
    appender.append_durable(Class::Essential, &[record]).unwrap().wait().unwrap();
}

fn records(numbers: std::ops::Range<u64>) -> Vec<Record> {
    numbers.map(|n| sized(n, usize::try_from(n % 7).unwrap() * 50)).collect()
}

#[test]
fn a_killed_process_loses_nothing_that_it_had_taken() {
    let disk = disk();
    let (log, _) = open(&disk);
    enqueue(&log, &records(0..100));
    disk.kill();
    let (log, echoed) = open(&disk);
    assert_eq!((all(&log, TOPIC), echoed), (records(0..100), 100));
}

#[test]
fn what_the_log_has_already_is_not_written_again() {
    let disk = disk();
    let (log, _) = open(&disk);
    // Batches of falling size, so that each file of the echo ends in the rest of an older batch.
    let (mut from, mut size) = (0, 9);
    while size > 0 {
        enqueue(&log, &records(from..from + size - 1));
        from += size;
        commit(&log, records(from - 1..from).remove(0));
        size -= 1;
    }
    enqueue(&log, &records(from..from + 2));
    disk.kill();
    let (log, echoed) = open(&disk);
    assert_eq!((all(&log, TOPIC), echoed), (records(0..from + 2), 2));
    // Killed again with nothing new.
    disk.kill();
    let (log, echoed) = open(&disk);
    assert_eq!((all(&log, TOPIC), echoed), (records(0..from + 2), 0));
}

#[test]
fn records_that_were_refused_together_do_not_come_back() {
    let disk = disk();
    let config = Config { queue_records_max: 4_096, ..waiting() };
    let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
    enqueue(&log, &records(0..2));
    let appender = log.appender(TOPIC).unwrap();
    let refused = appender.append_durable(Class::Click, &records(10..4_106)).unwrap_err();
    assert_eq!(refused, Refused::Full(TOPIC));
    enqueue(&log, &records(2..4));
    disk.kill();
    let (log, _) = open(&disk);
    assert_eq!(all(&log, TOPIC), records(0..4));
}

#[test]
fn a_record_that_was_being_written_is_left_out_with_all_behind_it() {
    let disk = disk();
    let (log, _) = open(&disk);
    enqueue(&log, &records(0..5));
    disk.kill();
    for name in disk.names(Path::new(MEMORY)) {
        disk.tamper(&Path::new(MEMORY).join(name), |bytes| {
            let length = bytes.len();
            bytes.truncate(length.saturating_sub(1));
        });
    }
    let (log, echoed) = open(&disk);
    assert_eq!((all(&log, TOPIC), echoed), (records(0..4), 4));
}

#[test]
fn after_a_power_cut_the_log_opens_without_its_echo() {
    for seed in 0..50 {
        let disk = CrashDisk::new(seed);
        disk.process().create_folder(Path::new(MEMORY)).unwrap();
        let (log, _) = open(&disk);
        commit(&log, record(0));
        enqueue(&log, &[record(1), record(2)]);
        disk.crash();
        disk.process().create_folder(Path::new(MEMORY)).ok();
        let (log, _) = open(&disk);
        let found = all(&log, TOPIC);
        let sent = [record(0), record(1), record(2)];
        assert!(!found.is_empty() && sent.starts_with(&found), "seed {seed}: {found:?}");
    }
}

#[test]
fn a_log_that_ends_in_good_order_leaves_no_echo_behind() {
    let disk = disk();
    let (log, _) = open(&disk);
    enqueue(&log, &records(0..3));
    assert_eq!(disk.names(Path::new(MEMORY)).len(), 4);
    log.close();
    assert_eq!(disk.names(Path::new(MEMORY)), [] as [String; 0]);
    let (log, echoed) = open(&disk);
    assert_eq!((all(&log, TOPIC), echoed), (records(0..3), 0));
}

#[test]
fn without_a_folder_in_memory_the_log_works_all_the_same() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    commit(&log, record(0));
    log.close();
    assert_eq!(all(&open(&disk).0, TOPIC), [record(0)]);
}
