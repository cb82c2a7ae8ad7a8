//! Bits that change on the disk: each is found, costs its frame only, is reported once, and reading goes on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use event::Topic;
use eventlog::{Class, Log, LogReader, Record};
use testkit::CrashDisk;

use crate::world::{DATA, all, open, record, sized};

const TOPIC: Topic = Topic::Conversions;
const SEGMENT_HEADER_BYTES: usize = 64;

fn fill(log: &Log, records: &[Record]) {
    for record in records {
        let one = std::slice::from_ref(record);
        let durable = log.appender(TOPIC).unwrap().append_durable(Class::Conversion, one);
        durable.unwrap().wait().unwrap();
    }
}

fn segments(disk: &CrashDisk) -> Vec<PathBuf> {
    let folder = Path::new(DATA).join(TOPIC.name());
    let mut names = disk.names(&folder);
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// A closed log with these records, and its only segment.
fn one_segment(records: &[Record]) -> (CrashDisk, PathBuf) {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    fill(&log, records);
    log.close();
    let segments = segments(&disk);
    assert_eq!(segments.len(), 1);
    (disk.clone(), segments[0].clone())
}

fn flip(disk: &CrashDisk, path: &Path, bit: usize) {
    disk.tamper(path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
}

#[test]
fn every_flipped_bit_of_a_segment_costs_at_most_its_own_frame() {
    let records: Vec<_> = (0..4).map(record).collect();
    let (disk, path) = one_segment(&records);
    let bytes = disk.content(&path).unwrap();
    let frame_bytes = (bytes.len() - SEGMENT_HEADER_BYTES) / records.len();
    for bit in 0..bytes.len() * 8 {
        flip(&disk, &path, bit);
        let reader = LogReader::open(&disk.process(), Path::new(DATA)).unwrap();
        let read: Vec<_> = reader.scan(TOPIC, 0).flat_map(|b| b.unwrap().records).collect();
        let expected: Vec<_> = match (bit / 8).checked_sub(SEGMENT_HEADER_BYTES) {
            Some(at) => {
                let lost = record(u64::try_from(at / frame_bytes).unwrap());
                records.iter().filter(|r| **r != lost).cloned().collect()
            }
            None => records.clone(),
        };
        assert_eq!(read, expected, "bit {bit}");
        flip(&disk, &path, bit);
    }
}

#[test]
fn a_flipped_bit_in_the_middle_is_reported_at_the_start_once_and_kept_for_people() {
    let records: Vec<_> = (0..5).map(record).collect();
    let (disk, path) = one_segment(&records);
    let bytes = disk.content(&path).unwrap().len();
    flip(&disk, &path, bytes / 2 * 8);
    let (log, recovery) = open(&disk);
    let [damage] = &recovery.damage[..] else { panic!("{recovery:?}") };
    assert_eq!((damage.topic, damage.offsets.clone(), damage.known), (TOPIC, 2..3, false));
    assert!(recovery.torn.is_empty());
    let kept = disk.names(&Path::new(DATA).join("quarantine"));
    let [kept] = &kept[..] else { panic!("{kept:?}") };
    let kept = disk.content(&Path::new(DATA).join("quarantine").join(kept)).unwrap();
    assert_eq!(kept.len() as u64, damage.bytes.end - damage.bytes.start);
    let ids: Vec<_> = all(&log, TOPIC);
    assert_eq!(ids, [record(0), record(1), record(3), record(4)]);
    // The log goes on behind it, at the offsets after it.
    fill(&log, &[record(5)]);
    assert_eq!(log.reader().high_watermark(TOPIC), 6);
    log.close();
    // The next start no longer reads this segment to its end, and does not report it again.
    assert_eq!(open(&disk).1.damage, []);
}

#[test]
fn a_flipped_bit_in_an_older_segment_is_reported_when_it_is_read() {
    let disk = CrashDisk::new(1);
    let records: Vec<_> = (0..30).map(|n| sized(n, 400)).collect();
    let (log, _) = open(&disk);
    fill(&log, &records);
    log.close();
    let segments = segments(&disk);
    assert!(segments.len() > 2);
    // In the first frame of the second segment, in the last of the first one, and in a header.
    let first_bytes = disk.content(&segments[0]).unwrap().len();
    flip(&disk, &segments[0], (first_bytes - 1) * 8);
    flip(&disk, &segments[1], (SEGMENT_HEADER_BYTES + 100) * 8);
    flip(&disk, &segments[2], 70);
    let (log, recovery) = open(&disk);
    assert_eq!(recovery.damage, []);
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    log.on_damage(move |damage| tell.lock().unwrap().push(damage.clone()));
    for _ in 0..2 {
        let read: Vec<u64> = all(&log, TOPIC).iter().map(|r| r.id.sequence().0).collect();
        let lost: Vec<u64> = (0..30).filter(|n| !read.contains(n)).collect();
        assert_eq!(read.len(), 28);
        assert_eq!(lost[0] + 1, lost[1], "the last of one segment and the first of the next");
    }
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 2, "each once: {told:?}");
    assert!(told.iter().all(|damage| damage.offsets.end - damage.offsets.start == 1));
}

#[test]
fn a_segment_of_which_nothing_is_left_is_reported_by_its_numbers() {
    let disk = CrashDisk::new(1);
    let records: Vec<_> = (0..30).map(|n| sized(n, 400)).collect();
    let (log, _) = open(&disk);
    fill(&log, &records);
    log.close();
    let second = segments(&disk)[1].clone();
    disk.tamper(&second, |bytes| bytes.fill(0xaa));
    let (log, _) = open(&disk);
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    log.on_damage(move |damage| tell.lock().unwrap().push(damage.clone()));
    let read = all(&log, TOPIC);
    let lost: u64 = told.lock().unwrap().iter().map(|d| d.offsets.end - d.offsets.start).sum();
    assert!(lost > 1);
    assert_eq!(read.len() as u64 + lost, 30);
    assert_eq!(disk.names(&Path::new(DATA).join("quarantine")).len(), 2, "file and report");
}

#[test]
fn garbage_behind_the_last_frame_is_a_torn_tail_and_costs_nothing() {
    let records: Vec<_> = (0..3).map(record).collect();
    let (disk, path) = one_segment(&records);
    let whole = disk.content(&path).unwrap();
    let frame_bytes = (whole.len() - SEGMENT_HEADER_BYTES) / records.len();
    for kept in 0..frame_bytes {
        disk.tamper(&path, |bytes| {
            bytes.clone_from(&whole);
            bytes.truncate(whole.len() - frame_bytes + kept);
            bytes.resize(4096, 0);
        });
        let (log, recovery) = open(&disk);
        assert_eq!(recovery.damage, []);
        assert_eq!(recovery.torn.len(), usize::from(kept > 0), "{kept} bytes of the last frame");
        assert_eq!(all(&log, TOPIC), records[..2]);
        assert_eq!(log.reader().high_watermark(TOPIC), 2);
        log.close();
    }
}
