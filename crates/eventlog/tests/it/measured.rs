//! The metrics say what the log did.

use std::path::Path;
use std::time::Duration;

use event::Topic;
use eventlog::{Backend, Class, Config, Delivery, Group, METRICS, Refused, SyncPoint};
use testkit::{CrashDisk, SteppedClock};

use crate::world::{DATA, open, open_with, record, small};

/// The value of one series, by its whole name.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(s, _)| s == series));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{text}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn commits_bytes_refusals_and_lag_are_those_of_the_log() {
    let disk = CrashDisk::new(1);
    let (bytes, text) = telemetry::recorder::local(&[METRICS], || {
        let config = Config { queue_records_max: 4_096, ..small() };
        let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
        let conversions = log.appender(Topic::Conversions).unwrap();
        for n in 0..3 {
            let records = [record(2 * n), record(2 * n + 1)];
            conversions.append_durable(Class::Conversion, &records).unwrap().wait().unwrap();
        }
        let many: Vec<_> = (0..4_097).map(record).collect();
        let refused = conversions.append_durable(Class::Conversion, &many).unwrap_err();
        assert_eq!(refused, Refused::Full(Topic::Conversions));
        let mut consumer = log.subscribe(Group("dedup"), &[Topic::Conversions]).unwrap();
        consumer.next(Duration::ZERO).unwrap();
        let Delivery::Batch(batch) = consumer.next(Duration::ZERO).unwrap() else { panic!() };
        consumer.unit().unwrap().commit(&[batch.cursor()]).unwrap();
        consumer.next(Duration::ZERO).unwrap(); // read, and not committed
        drop(consumer);
        log.measure_lag();
        log.close();
        let folder = Path::new(DATA).join("events.conversions");
        let lengths = disk.names(&folder).into_iter();
        lengths.map(|name| disk.content(&folder.join(name)).unwrap().len()).sum::<usize>()
    })
    .unwrap();
    assert_eq!(value(&text, "journal_commit_records_sum{topic=\"events.conversions\"}"), 6.0);
    assert_eq!(value(&text, "journal_commit_records_count{topic=\"events.conversions\"}"), 3.0);
    assert_eq!(value(&text, "journal_commit_seconds_count{topic=\"events.conversions\"}"), 3.0);
    assert_eq!(value(&text, "journal_refused_total{reason=\"full\"}"), 1.0);
    assert_eq!(value(&text, "journal_bytes"), f64::from(u32::try_from(bytes).unwrap()));
    let max = value(&text, "journal_bytes_max");
    assert_eq!(max, f64::from(1u32 << 31) * 8.0);
    let lag = "eventlog_consumer_lag_records{group=\"dedup\",topic=\"events.conversions\"}";
    assert_eq!(value(&text, lag), 1.0, "six records, a batch of five");
    let end =
        |topic| value(&text, &format!("eventlog_high_watermark_records{{topic=\"{topic}\"}}"));
    assert_eq!((end("events.conversions"), end("events.touches")), (6.0, 0.0));
}

#[test]
fn a_group_of_an_earlier_process_that_nobody_reads_for_is_seen_to_be_behind() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    drop(log.subscribe(Group("dedup"), &[Topic::Conversions]).unwrap());
    log.close();
    let ((), text) = telemetry::recorder::local(&[METRICS], || {
        let (log, _) = open(&disk);
        let appender = log.appender(Topic::Conversions).unwrap();
        appender.append_durable(Class::Conversion, &[record(0)]).unwrap().wait().unwrap();
        log.measure_lag();
        std::thread::sleep(Duration::from_millis(2));
        log.measure_lag();
    })
    .unwrap();
    let lag = |unit| {
        let labels = "{group=\"dedup\",topic=\"events.conversions\"}";
        value(&text, &format!("eventlog_consumer_lag_{unit}{labels}"))
    };
    assert_eq!(lag("records"), 1.0);
    assert!(lag("seconds") >= 0.002, "{}", lag("seconds"));
}

#[test]
fn a_damaged_record_and_a_failed_stream_are_seen() {
    let disk = CrashDisk::new(1);
    let (log, _) = open(&disk);
    for n in 0..3 {
        let appender = log.appender(Topic::Conversions).unwrap();
        appender.append_durable(Class::Conversion, &[record(n)]).unwrap().wait().unwrap();
    }
    log.close();
    let folder = Path::new(DATA).join("events.conversions");
    let name = disk.names(&folder).remove(0);
    disk.tamper(&folder.join(name), |bytes| bytes[64 + 50] ^= 1);
    let ((), text) = telemetry::recorder::local(&[METRICS], || {
        let config = Config { probe_interval: Duration::from_secs(60), ..small() };
        let (log, _) = open_with(disk.process(), config, &SteppedClock::default()).unwrap();
        disk.fail_syncs(SyncPoint::Frame, 2);
        let appender = log.appender(Topic::Conversions).unwrap();
        appender.append_durable(Class::Conversion, &[record(9)]).unwrap().wait().unwrap_err();
    })
    .unwrap();
    assert_eq!(value(&text, "journal_corrupt_records_total"), 1.0);
    let state = |state| {
        value(&text, &format!("journal_state{{topic=\"events.conversions\",state=\"{state}\"}}"))
    };
    // Closing wrote it in the end, so it is open again: the last probe succeeded.
    assert_eq!((state("open"), state("disk_full"), state("failed")), (1.0, 0.0, 0.0));
}
