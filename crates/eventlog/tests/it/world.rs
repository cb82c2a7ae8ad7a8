//! What the tests share: records, settings and an opened log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::topic::KeyHash;
use event::{EventId, LaneId, Millis, Sequence, Topic};
use eventlog::{ClockKind, Config, Disk, Error, Header, Log, Record, Recovery};
use testkit::SteppedClock;

/// The data folder on a disk of a test.
pub(crate) const DATA: &str = "/data";

/// The record with this number and a payload of about `length` bytes.
pub(crate) fn sized(n: u64, length: usize) -> Record {
    let id = EventId::minted(Millis(1), Sequence(n), LaneId::from_random(7));
    let header = Header { codec: 1, kind: 2, id, key_hash: KeyHash(n) };
    Record::new(header, Bytes::from(format!("payload {n} {}", "x".repeat(length))))
}

/// The record with this number.
pub(crate) fn record(n: u64) -> Record {
    sized(n, 0)
}

/// Small segments, short waits; rejected events are kept six hours.
pub(crate) fn small() -> Config {
    Config {
        segment_bytes_max: 4096,
        touch_commit_interval: Duration::ZERO,
        memory_folder: PathBuf::new(),
        probe_interval: Duration::from_millis(1),
        keep_rejected: Duration::from_hours(6),
        batch_records_max: 5,
        ..Config::default()
    }
}

pub(crate) fn open_with(
    disk: Arc<dyn Disk>,
    config: Config,
    clock: &SteppedClock,
) -> Result<(Log, Recovery), Error> {
    Log::open(disk, Path::new(DATA), config, Arc::new(clock.clone()), ClockKind::Real)
}

/// The log on this disk, with small settings.
pub(crate) fn open(disk: &testkit::CrashDisk) -> (Log, Recovery) {
    open_with(disk.process(), small(), &SteppedClock::default()).unwrap()
}

/// All records of a topic, in order.
pub(crate) fn all(log: &Log, topic: Topic) -> Vec<Record> {
    log.reader().scan(topic, 0).flat_map(|batch| batch.unwrap().records).collect()
}
