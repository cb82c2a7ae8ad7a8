//! A disk that refuses, fails, fills up or lies: typed answers, nothing acknowledged is lost, it heals by itself.

use std::path::Path;
use std::time::{Duration, Instant};

use event::Topic;
use eventlog::{
    Appender, Backend, Class, ClockKind, CommitError, Config, Error, Log, PAYLOAD_BYTES_MAX,
    Refused, StreamState, SyncPoint,
};
use testkit::{CrashDisk, SteppedClock};

use crate::world::{DATA, all, open, open_with, record, sized, small};

const TOPIC: Topic = Topic::Conversions;

fn conversions(log: &Log) -> Appender {
    log.appender(TOPIC).unwrap()
}

fn append(log: &Log, n: u64) -> Result<(), CommitError> {
    conversions(log).append_durable(Class::Conversion, &[record(n)]).unwrap().wait()
}

/// Waits for a state that must come.
fn until(log: &Log, state: StreamState) {
    let started = Instant::now();
    while log.state(TOPIC) != state {
        assert!(started.elapsed() < Duration::from_secs(10), "still {:?}", log.state(TOPIC));
        std::thread::yield_now();
    }
}

fn segments(disk: &CrashDisk) -> Vec<String> {
    disk.names(&Path::new(DATA).join(TOPIC.name()))
}

#[test]
fn after_a_failed_fsync_the_batch_goes_to_a_new_segment_and_is_read_once() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    append(&log, 0).unwrap();
    disk.fail_syncs(SyncPoint::Frame, 1);
    assert_eq!(append(&log, 1), Ok(()), "acknowledged only after the new segment was synced");
    append(&log, 2).unwrap();
    assert_eq!(segments(&disk).len(), 2);
    assert_eq!(all(&log, TOPIC), [record(0), record(1), record(2)]);
    // The batch stands in both files, with the same event ids.
    let id = record(1).id;
    let with_id = |name: &&String| {
        let content = disk.content(&Path::new(DATA).join(TOPIC.name()).join(name)).unwrap();
        content.windows(16).any(|bytes| bytes == id.as_bytes())
    };
    assert_eq!(segments(&disk).iter().filter(with_id).count(), 2);
    drop(log);
    // Killed: the page cache still shows the batch in the first file.
    disk.kill();
    let (log, recovery) = open(&disk);
    assert_eq!(all(&log, TOPIC), [record(0), record(1), record(2)]);
    assert_eq!(recovery, eventlog::Recovery::default());
    drop(log);
    // Power lost: it is gone there, and still in the second.
    disk.crash();
    let (log, recovery) = open(&disk);
    assert_eq!(all(&log, TOPIC), [record(0), record(1), record(2)]);
    assert_eq!(recovery, eventlog::Recovery::default());
}

#[test]
fn when_the_new_segment_fails_too_appends_are_refused_until_a_probe_succeeds() {
    let disk = CrashDisk::new(1);
    let config = Config { probe_interval: Duration::from_millis(50), ..small() };
    let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
    append(&log, 0).unwrap();
    disk.fail_syncs(SyncPoint::Frame, 3);
    assert_eq!(append(&log, 1), Err(CommitError::Failed));
    assert_eq!(log.state(TOPIC), StreamState::Failed);
    let refused = conversions(&log).append_durable(Class::Conversion, &[record(2)]);
    assert_eq!(refused.unwrap_err(), Refused::Failed(TOPIC));
    assert_eq!(
        conversions(&log).enqueue(Class::Conversion, &record(2)),
        Err(Refused::Failed(TOPIC))
    );
    until(&log, StreamState::Open);
    append(&log, 3).unwrap();
    // What was taken before the failure is written in the end, once; the refused one is not.
    assert_eq!(all(&log, TOPIC), [record(0), record(1), record(3)]);
    log.close();
    disk.crash();
    assert_eq!(all(&open(&disk).0, TOPIC), [record(0), record(1), record(3)]);
}

#[test]
fn other_streams_go_on_while_one_fails() {
    let disk = CrashDisk::new(1);
    let config = Config { probe_interval: Duration::from_secs(60), ..small() };
    let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
    append(&log, 0).unwrap();
    disk.fail_syncs(SyncPoint::Frame, 2);
    assert_eq!(append(&log, 1), Err(CommitError::Failed));
    let rejected = log.appender(Topic::Rejected).unwrap();
    rejected.append_durable(Class::Essential, &[record(2)]).unwrap().wait().unwrap();
    // Closing tries once more, so the record that waited is there.
    log.close();
    assert_eq!(all(&open(&disk).0, TOPIC), [record(0), record(1)]);
}

#[test]
fn a_write_that_fails_half_way_is_written_again_elsewhere() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    append(&log, 0).unwrap();
    disk.fail_writes(1);
    append(&log, 1).unwrap();
    assert_eq!(all(&log, TOPIC), [record(0), record(1)]);
    log.close();
    disk.crash();
    assert_eq!(all(&open(&disk).0, TOPIC), [record(0), record(1)]);
}

#[test]
fn short_writes_are_continued() {
    let disk = CrashDisk::new(1);
    disk.short_writes(true);
    let (log, _) = open(&disk);
    for n in 0..20 {
        append(&log, n).unwrap();
    }
    log.close();
    assert_eq!(all(&open(&disk).0, TOPIC), (0..20).map(record).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_refuses_by_name_and_heals_when_there_is_space() {
    for spare in [0, 30, 100, 3000] {
        let disk = CrashDisk::new(1);
        let (log, _) = open(&disk);
        append(&log, 0).unwrap();
        disk.set_capacity(disk.used_bytes() + spare);
        let mut stored = vec![record(0)];
        let mut n = 1;
        let fault = loop {
            let big = sized(n, 300);
            let durable =
                conversions(&log).append_durable(Class::Conversion, std::slice::from_ref(&big));
            stored.push(big);
            n += 1;
            if let Err(e) = durable.unwrap().wait() {
                break e;
            }
        };
        assert_eq!(fault, CommitError::DiskFull);
        assert_eq!(
            conversions(&log).enqueue(Class::Conversion, &record(n)),
            Err(Refused::DiskFull(TOPIC))
        );
        let ends = || Backend::ends(&log, &[TOPIC]);
        assert!(
            matches!(ends(), Err(Error::Unsettled { topic: TOPIC })),
            "the one that failed may come"
        );
        let cursors = Backend::ends(&log, &[Topic::Unique]).unwrap();
        assert_eq!(cursors.first().map(|end| end.next), Some(0), "a topic that owes nothing");
        disk.set_capacity(usize::MAX);
        until(&log, StreamState::Open);
        append(&log, 77).unwrap();
        stored.push(record(77));
        let end = loop {
            match ends() {
                Ok(ends) => break ends.first().map(|end| end.next),
                Err(error) => assert!(error.retry()),
            }
        };
        assert_eq!(end, u64::try_from(stored.len()).ok(), "with the one that had failed");
        assert_eq!(all(&log, TOPIC), stored, "no half record; the one that waited is there");
        log.close();
        disk.crash();
        let (log, recovery) = open(&disk);
        assert_eq!(all(&log, TOPIC), stored);
        assert!(recovery.damage.is_empty());
    }
}

#[test]
fn on_a_disk_that_is_nearly_full_no_stream_keeps_room_that_it_does_not_need() {
    let disk = CrashDisk::new(1);
    let config = Config { segment_bytes_max: 1 << 20, ..small() };
    let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
    let append = |topic: Topic, n: u64| {
        let appender = log.appender(topic).unwrap();
        appender.append_durable(Class::Essential, &[sized(n, 2_000)]).unwrap().wait()
    };
    let topics = [TOPIC, Topic::Touches, Topic::Node];
    disk.set_capacity(64_000);
    for n in 0..9 {
        for topic in topics {
            assert_eq!(append(topic, n), Ok(()), "{topic} {n}: {} bytes used", disk.used_bytes());
        }
    }
    // One that really is full leaves to the others what was not enough for it.
    disk.set_capacity(disk.used_bytes() + 10_000);
    let large = log.appender(TOPIC).unwrap();
    let large = large.append_durable(Class::Essential, &[sized(9, 20_000)]).unwrap().wait();
    assert_eq!(large, Err(CommitError::DiskFull));
    assert_eq!(append(Topic::Touches, 9), Ok(()));
    assert_eq!(all(&log, Topic::Touches).len(), 10);
}

#[test]
fn a_log_that_fills_up_refuses_impressions_then_clicks_then_conversions_then_all() {
    let disk = CrashDisk::new(1);
    let config = Config { bytes_max: 1 << 20, ..small() };
    let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
    let classes = [Class::Impression, Class::Click, Class::Conversion, Class::Essential];
    let mut refused_at = [None; 4];
    let mut n = 0;
    while refused_at.contains(&None) {
        n += 1;
        let big = sized(n, 1000);
        for (class, at) in classes.into_iter().zip(&mut refused_at) {
            if at.is_some() {
                continue;
            }
            match conversions(&log).append_durable(class, std::slice::from_ref(&big)) {
                Ok(durable) => {
                    durable.wait().unwrap();
                    break; // one record each time
                }
                Err(refused) => {
                    assert_eq!(refused, Refused::Shedding(TOPIC));
                    *at = Some(n);
                }
            }
        }
    }
    let [impression, click, conversion, essential] = refused_at.map(Option::unwrap);
    let percent = |n: u64| n * 100 / essential;
    assert_eq!((percent(impression), percent(click), percent(conversion)), (90, 95, 99));
    // Touches have the same limits: it is the folder that is full.
    let touch = log.appender(Topic::Touches).unwrap().enqueue(Class::Essential, &record(0));
    assert_eq!(touch, Err(Refused::Shedding(Topic::Touches)));
}

#[test]
fn a_queue_takes_its_most_records_and_not_one_more() {
    let disk = CrashDisk::new(1);
    let config = Config {
        queue_records_max: 4_096,
        touch_commit_interval: Duration::from_secs(1),
        ..small()
    };
    let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
    let touches = log.appender(Topic::Touches).unwrap();
    for n in 0..4_096 {
        touches.enqueue(Class::Click, &record(n)).unwrap();
    }
    let refused = Err(Refused::Full(Topic::Touches));
    assert_eq!(touches.enqueue(Class::Click, &record(4_096)), refused);
    log.close();
    assert_eq!(all(&open(&disk).0, Topic::Touches).len(), 4_096);
}

#[test]
fn a_queue_takes_its_most_bytes_and_not_more() {
    let disk = CrashDisk::new(1);
    let second = Duration::from_secs(1);
    let config = Config { queue_bytes_max: 2 << 20, touch_commit_interval: second, ..small() };
    let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
    disk.fail_syncs(SyncPoint::Frame, 1000);
    let touches = log.appender(Topic::Touches).unwrap();
    let half = sized(1, 700_000);
    let taken = (0..10).take_while(|_| touches.enqueue(Class::Click, &half).is_ok()).count();
    assert!((2..=3).contains(&taken), "{taken} records of 700,000 bytes fit in 2 MiB");
}

#[test]
fn a_payload_of_the_largest_size_fits_and_one_byte_more_does_not() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    let of = |length: usize| sized(1, length - "payload 1 ".len());
    let largest = of(PAYLOAD_BYTES_MAX);
    let durable =
        conversions(&log).append_durable(Class::Conversion, std::slice::from_ref(&largest));
    durable.unwrap().wait().unwrap();
    let refused = conversions(&log)
        .append_durable(Class::Conversion, &[record(2), of(PAYLOAD_BYTES_MAX + 1)])
        .unwrap_err();
    assert_eq!(refused, Refused::Oversize(TOPIC));
    append(&log, 3).unwrap();
    assert_eq!(all(&log, TOPIC), [largest, record(3)], "nothing of a refused append is written");
}

#[test]
fn a_commit_above_a_mebibyte_is_several_frames_in_order() {
    let disk = CrashDisk::new(1);
    let config = Config { segment_bytes_max: 64 << 20, ..small() };
    let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
    let records: Vec<_> = (0..10).map(|n| sized(n, 400_000)).collect();
    conversions(&log).append_durable(Class::Conversion, &records).unwrap().wait().unwrap();
    assert_eq!(all(&log, TOPIC), records);
    assert!(disk.synced(SyncPoint::Frame) >= 4);
    log.close();
    disk.crash();
    assert_eq!(all(&open(&disk).0, TOPIC), records);
}

#[test]
fn a_payload_that_panics_half_way_leaves_nothing() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    let touches = log.appender(Topic::Touches).unwrap();
    let broken = touches.clone();
    let thread = std::thread::spawn(move || {
        broken.enqueue_with(Class::Click, record(0).header(), |buffer| {
            buffer.extend_from_slice(b"half");
            panic!("a test");
        })
    });
    assert!(thread.join().is_err());
    touches.enqueue(Class::Click, &record(1)).unwrap();
    log.close();
    assert_eq!(all(&open(&disk).0, Topic::Touches), [record(1)]);
}

#[test]
fn a_closed_log_refuses_by_name_and_has_written_what_it_took() {
    let disk = CrashDisk::new(1);
    let config = Config { touch_commit_interval: Duration::from_secs(1), ..small() };
    let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
    let touches = log.appender(Topic::Touches).unwrap();
    touches.enqueue(Class::Click, &record(0)).unwrap();
    log.close();
    assert_eq!(touches.enqueue(Class::Click, &record(1)), Err(Refused::Closed(Topic::Touches)));
    assert_eq!(
        conversions(&log).enqueue(Class::Click, &record(1)),
        Err(Refused::Closed(TOPIC)),
        "a stream without a writer too"
    );
    disk.crash();
    assert_eq!(all(&open(&disk).0, Topic::Touches), [record(0)]);
}

#[test]
fn one_process_has_the_folder_and_a_second_is_refused() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    let second = open_with(disk.process(), small(), &SteppedClock::default());
    assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");
    log.close();
    open(&disk);
}

#[test]
fn a_newer_format_and_another_clock_are_refused_by_name() {
    let disk = CrashDisk::new(1);
    open(&disk).0.close();
    let format = Path::new(DATA).join("FORMAT");
    assert_eq!(disk.content(&format).unwrap(), b"sillage event log\nformat = 1\nclock = real\n");
    let clock = std::sync::Arc::new(SteppedClock::default());
    let scaled =
        Log::open(disk.process(), Path::new(DATA), small(), clock, ClockKind::Scaled).unwrap_err();
    assert_eq!(
        scaled.to_string(),
        "data folder /data/FORMAT was written with a real clock and this run has a scaled clock: use another folder"
    );
    let refused = |text: &str| {
        disk.tamper(&format, |bytes| *bytes = text.as_bytes().to_vec());
        open_with(disk.process(), small(), &SteppedClock::default()).unwrap_err().to_string()
    };
    assert_eq!(
        refused("sillage event log\nformat = 2\nclock = real\n"),
        "data folder /data/FORMAT has format 2; this program knows formats up to 1: use a newer one"
    );
    assert!(refused("something else").contains("is damaged"));
    assert!(refused("sillage event log\nformat = x\n").contains("is damaged"));
    assert!(refused("sillage event log\nformat = 1\n").contains("is damaged"));
}

#[test]
fn wrong_settings_are_all_named_at_once() {
    let disk = CrashDisk::new(1);
    let config = Config { bytes_max: 5, queue_records_max: 4_095, ..small() };
    let fault = open_with(disk.process(), config, &SteppedClock::default()).unwrap_err();
    let text = fault.to_string();
    assert!(text.contains("bytes_max") && text.contains("queue_records_max"), "{text}");
}
