//! The log on a real Kafka: the promises of every log, and what only several processes can show.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use event::{EventId, Topic};
use eventlog::kafka::{Config, KafkaLog, Producer, topics};
use eventlog::{Backend, Consumer, Cursor, Delivery, Error, Group, Partition, Record, Refused};
use testkit::Service;
use testkit::conformance::{self, Candidate, numbered};

const GROUP: Group = Group("stage");
const PATIENCE: Duration = Duration::from_secs(60);
const TURN: Duration = Duration::from_millis(100);

/// Settings of a cluster's corner that no other test uses, with its topics made.
fn corner(brokers: &str, partitions: u32) -> Config {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nth = COUNT.fetch_add(1, Ordering::Relaxed);
    let brokers: Vec<String> = brokers.split(',').map(str::to_owned).collect();
    let count = u32::try_from(brokers.len()).unwrap();
    let config = Config {
        prefix: format!("t{}-{nth}.", std::process::id()),
        instance: "a".to_owned(),
        partitions: NonZeroU32::new(partitions).unwrap(),
        replication: NonZeroU32::new(count).unwrap(),
        min_insync_replicas: NonZeroU32::new(count.min(2)).unwrap(),
        session_timeout: Duration::from_secs(6),
        brokers,
        ..Config::default()
    };
    let log = eventlog::Config { kafka: config.clone(), ..eventlog::Config::default() };
    let mut plans = topics::plans(&log);
    plans.retain(|plan| {
        matches!(plan.topic, Topic::Touches | Topic::Conversions | Topic::Unique | Topic::Duplicate)
    });
    let made = topics::create(&log, &plans).unwrap();
    assert!(made.iter().all(|(_, made)| *made == topics::Made::New), "{made:?}");
    let began = Instant::now();
    while topics::check(&log, &plans).map_or(true, |findings| !findings.is_empty()) {
        assert!(began.elapsed() < PATIENCE, "{:?}", topics::check(&log, &plans));
        std::thread::sleep(TURN);
    }
    config
}

fn send(producer: &Producer, topic: Topic, records: &[Record]) {
    for (number, record) in records.iter().enumerate() {
        producer.send(topic, record, number).unwrap();
    }
    let (began, mut reported) = (Instant::now(), 0);
    while reported < records.len() {
        assert!(began.elapsed() < PATIENCE, "{reported} of {} reports", records.len());
        for report in producer.reports(TURN) {
            report.outcome.unwrap();
            reported += 1;
        }
    }
}

struct OnKafka {
    config: Config,
    log: KafkaLog,
    producer: Producer,
}

impl OnKafka {
    fn new(config: Config) -> Self {
        let log = KafkaLog::new(config.clone()).unwrap();
        let producer = log.producer().unwrap();
        Self { config, log, producer }
    }

    fn instance(&self, name: &str) -> KafkaLog {
        KafkaLog::new(Config { instance: name.to_owned(), ..self.config.clone() }).unwrap()
    }
}

impl Candidate for OnKafka {
    fn backend(&self) -> &dyn Backend {
        &self.log
    }

    fn append(&self, topic: Topic, record: &Record) {
        send(&self.producer, topic, std::slice::from_ref(record));
    }

    fn restart(&mut self) {
        *self = Self::new(self.config.clone());
    }
}

#[test]
fn on_one_broker() {
    let Some(brokers) = Service::Kafka.find() else { return };
    conformance::check(|| OnKafka::new(corner(&brokers, 3)));
}

#[test]
fn on_three_brokers() {
    let Some(brokers) = Service::Kafka3.find() else { return };
    conformance::check(|| OnKafka::new(corner(&brokers, 2)));
}

/// The next delivery that is neither idle nor a record.
fn turn(consumer: &mut dyn Consumer) -> Option<Vec<Partition>> {
    match consumer.next(TURN).unwrap() {
        Delivery::Assigned(partitions) => Some(partitions),
        Delivery::Revoking(_, ack) => {
            ack.done();
            None
        }
        Delivery::Batch(_) | Delivery::Idle => None,
    }
}

/// Reads `count` records.
fn take(consumer: &mut dyn Consumer, count: usize) -> (BTreeSet<EventId>, Vec<Cursor>) {
    let (began, mut ids, mut cursors) = (Instant::now(), BTreeSet::new(), Vec::new());
    while ids.len() < count {
        assert!(began.elapsed() < PATIENCE, "{} of {count} records", ids.len());
        if let Delivery::Batch(batch) = consumer.next(TURN).unwrap() {
            ids.extend(batch.records.iter().map(|record| record.id));
            cursors.push(batch.cursor());
        }
    }
    (ids, cursors)
}

fn ids(numbers: std::ops::Range<u64>) -> BTreeSet<EventId> {
    numbers.map(|n| numbered(n).id).collect()
}

#[test]
fn a_second_process_takes_partitions_over_once_they_are_let_go() {
    let Some(brokers) = Service::Kafka.find() else { return };
    let cluster = OnKafka::new(corner(&brokers, 4));
    let mut one = cluster.log.subscribe(GROUP, &[Topic::Conversions]).unwrap();
    let began = Instant::now();
    while turn(&mut *one).is_none_or(|partitions| partitions.len() < 4) {
        assert!(began.elapsed() < PATIENCE);
    }
    let other = cluster.instance("b");
    let mut two = other.subscribe(GROUP, &[Topic::Conversions]).unwrap();
    // Both are asked in turn; the first one holds what it was asked for until it says so.
    let (mut asked, mut held) = (Vec::new(), None);
    let mut came = Vec::new();
    while came.is_empty() {
        assert!(began.elapsed() < PATIENCE, "asked for {asked:?}");
        match one.next(TURN).unwrap() {
            Delivery::Revoking(partitions, ack) => {
                asked = partitions;
                held = Some((ack, Instant::now()));
            }
            Delivery::Assigned(partitions) => assert!(partitions.is_empty(), "{partitions:?}"),
            Delivery::Batch(_) | Delivery::Idle => {}
        }
        let now = turn(&mut *two).unwrap_or_default();
        assert!(now.is_empty() || held.is_none(), "{now:?} came before it was let go");
        if held.as_ref().is_some_and(|(_, since)| since.elapsed() > TURN * 10) {
            held = None;
        }
        came.extend(now);
    }
    assert_eq!(came, asked);
    assert_eq!(came.len(), 2, "half of four");
    let unit = one.unit().unwrap();
    let moved = Cursor { partition: came[0], next: 0 };
    assert!(matches!(unit.commit(&[moved]), Err(Error::NotAssigned { .. })));
    // Whoever has a partition reads it, and together they read everything once.
    send(&cluster.producer, Topic::Conversions, &(0..100).map(numbered).collect::<Vec<_>>());
    let mut seen = Vec::new();
    while seen.len() < 100 {
        assert!(began.elapsed() < PATIENCE * 2, "{} of 100", seen.len());
        for consumer in [&mut one, &mut two] {
            if let Delivery::Batch(batch) = consumer.next(TURN).unwrap() {
                seen.extend(batch.records.iter().map(|record| record.id));
            }
        }
    }
    assert_eq!(seen.iter().copied().collect::<BTreeSet<_>>(), ids(0..100));
    assert_eq!(seen.len(), 100);
}

#[test]
fn a_process_that_was_taken_for_dead_commits_nothing() {
    let Some(brokers) = Service::Kafka.find() else { return };
    let cluster = OnKafka::new(corner(&brokers, 1));
    send(&cluster.producer, Topic::Conversions, &[numbered(0)]);
    let mut zombie = cluster.log.subscribe(GROUP, &[Topic::Conversions]).unwrap();
    let (_, cursors) = take(&mut *zombie, 1);
    let mut unit = zombie.unit().unwrap();
    unit.append(Topic::Unique, &numbered(100)).unwrap();
    // The same instance, started anew while the old process still believes to be it.
    let again = cluster.instance("a");
    let mut heir = again.subscribe(GROUP, &[Topic::Conversions]).unwrap();
    let (_, inherited) = take(&mut *heir, 1);
    assert_eq!(inherited, cursors, "what was not committed comes again");
    let refused = unit.commit(&cursors);
    assert!(refused.is_err(), "the old process committed");
    let mut unit = heir.unit().unwrap();
    unit.append(Topic::Unique, &numbered(101)).unwrap();
    unit.commit(&inherited).unwrap();
    let mut reader = again.subscribe(Group("reader"), &[Topic::Unique]).unwrap();
    assert_eq!(take(&mut *reader, 1).0, ids(101..102));
    assert!(matches!(reader.next(TURN).unwrap(), Delivery::Idle | Delivery::Batch(_)));
}

#[test]
fn a_full_queue_is_said_and_empties_into_the_topic() {
    let Some(brokers) = Service::Kafka.find() else { return };
    let config = Config { queue_records_max: 1_000, ..corner(&brokers, 1) };
    let cluster = OnKafka::new(config);
    let (mut sent, mut full, mut reported) = (0, 0, BTreeSet::new());
    let began = Instant::now();
    while reported.len() < 5_000 {
        assert!(began.elapsed() < PATIENCE, "{} of {sent} reported", reported.len());
        if sent < 5_000 {
            let record = numbered(u64::try_from(sent).unwrap());
            match cluster.producer.send(Topic::Touches, &record, sent) {
                Ok(()) => {
                    sent += 1;
                    continue;
                }
                Err(Error::Append { source: Refused::Full(_), .. }) => full += 1,
                Err(error) => panic!("{error}"),
            }
        }
        for report in cluster.producer.reports(TURN) {
            report.outcome.unwrap();
            assert!(reported.insert(report.number), "{} was reported twice", report.number);
        }
    }
    assert!(full > 0, "5,000 records fit into a queue of 1,000");
    assert_eq!(cluster.producer.in_flight(), 0);
    let mut reader = cluster.log.subscribe(GROUP, &[Topic::Touches]).unwrap();
    assert_eq!(take(&mut *reader, 5_000).0, ids(0..5_000));
}

#[test]
fn a_topic_that_is_not_as_it_must_be_is_named_with_what_differs() {
    let Some(brokers) = Service::Kafka.find() else { return };
    let kafka = corner(&brokers, 3);
    let kafka = Config { partitions: NonZeroU32::new(4).unwrap(), ..kafka };
    let config = eventlog::Config {
        keep_touches: Duration::from_hours(24 * 200),
        kafka,
        ..eventlog::Config::default()
    };
    let mut plans = topics::plans(&config);
    plans.retain(|plan| matches!(plan.topic, Topic::Touches | Topic::Node));
    let findings = topics::check(&config, &plans).unwrap();
    let text = findings.join("\n").replace(&config.kafka.prefix, "");
    assert_eq!(
        text,
        "events.touches: partitions 3, must be 4\n\
         node.log: is not there\n\
         events.touches: retention.ms 11664000000, must be 17280000000"
    );
}
