//! Appending and reading back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::topic::KeyHash;
use event::{EventId, LaneId, Millis, Sequence, Topic};
use eventlog::{Backend, Class, ClockKind, Config, Delivery, Group, Header, Log, RealDisk, Record};
use testkit::SteppedClock;

fn record(n: u64) -> Record {
    let id = EventId::minted(Millis(1), Sequence(n), LaneId::from_random(7));
    Record::new(
        Header { codec: 1, kind: 2, id, key_hash: KeyHash(n) },
        Bytes::from(format!("payload {n}")),
    )
}

#[test]
fn what_is_appended_is_read_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let open = || {
        let clock = Arc::new(SteppedClock::default());
        Log::open(Arc::new(RealDisk), &path, Config::default(), clock, ClockKind::Real).unwrap().0
    };
    let log = open();
    let appender = log.appender(Topic::Conversions).unwrap();
    for n in 0..10 {
        appender.append_durable(Class::Conversion, &[record(n)]).unwrap().wait().unwrap();
    }
    let mut consumer = log.subscribe(Group("dedup"), &[Topic::Conversions]).unwrap();
    assert!(matches!(consumer.next(Duration::ZERO).unwrap(), Delivery::Assigned(_)));
    let Delivery::Batch(batch) = consumer.next(Duration::from_secs(1)).unwrap() else { panic!() };
    assert_eq!(batch.records, (0..10).map(record).collect::<Vec<_>>());
    assert_eq!((batch.next_offset, batch.high_watermark), (10, 10));
    let mut unit = consumer.unit().unwrap();
    unit.append(Topic::Unique, &record(77)).unwrap();
    unit.commit(&[batch.cursor()]).unwrap();
    assert!(matches!(consumer.next(Duration::ZERO).unwrap(), Delivery::Idle));
    drop(consumer);
    drop(appender);
    log.close();
    drop(log);

    let log = open();
    let batches: Vec<_> = log.reader().scan(Topic::Unique, 0).map(Result::unwrap).collect();
    assert_eq!(batches[0].records, vec![record(77)]);
    let appender = log.appender(Topic::Conversions).unwrap();
    appender.append_durable(Class::Conversion, &[record(10)]).unwrap().wait().unwrap();
    let mut consumer = log.subscribe(Group("dedup"), &[Topic::Conversions]).unwrap();
    assert!(matches!(consumer.next(Duration::ZERO).unwrap(), Delivery::Assigned(_)));
    let Delivery::Batch(batch) = consumer.next(Duration::from_secs(1)).unwrap() else { panic!() };
    assert_eq!(batch.records, vec![record(10)]);
    let all: Vec<_> =
        log.reader().scan(Topic::Conversions, 0).flat_map(|b| b.unwrap().records).collect();
    assert_eq!(all, (0..11).map(record).collect::<Vec<_>>());
}
