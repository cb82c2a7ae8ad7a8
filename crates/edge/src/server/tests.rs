//! A disk that stalls: what must go on, goes on.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use std::{fs, io};

use event::body::Body;
use event::{Clock, LaneId, Topic};
use eventlog::disk::{Mode, SyncPoint};
use eventlog::{Disk, DiskFile, RealDisk};
use testkit::SteppedClock;

use crate::harness::{Running, Starting};

/// A disk on which nothing becomes durable while it is stalled.
#[derive(Clone, Debug, Default)]
struct StallingDisk {
    stalled: Arc<(Mutex<bool>, Condvar)>,
}

impl StallingDisk {
    fn stall(&self, stalled: bool) {
        *self.stalled.0.lock().unwrap() = stalled;
        self.stalled.1.notify_all();
    }

    fn pass(&self) {
        let stalled = self.stalled.0.lock().unwrap();
        drop(self.stalled.1.wait_while(stalled, |stalled| *stalled).unwrap());
    }
}

#[derive(Debug)]
struct StallingFile {
    file: Box<dyn DiskFile>,
    disk: StallingDisk,
}

impl Disk for StallingDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(StallingFile { file: RealDisk.open(path, mode)?, disk: self.clone() }))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_folder(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_folder(&self, path: &Path, point: SyncPoint) -> io::Result<()> {
        self.pass();
        RealDisk.sync_folder(path, point)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        RealDisk.lock(path)
    }
}

impl DiskFile for StallingFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.file.write_at(bytes, position)
    }

    fn sync(&self, point: SyncPoint) -> io::Result<()> {
        self.disk.pass();
        self.file.sync(point)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }
}

/// Clicks on new connections for as long; the loop must have beaten lately all the time, since `/livez` looks there.
fn goes_on(edge: &Running, time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        assert_eq!(edge.get("/c/l1", &[]).status, 302);
        for pulse in edge.edge.as_ref().unwrap().pulses() {
            assert!(pulse.age() < Duration::from_secs(1), "the event loop stands still");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_disk_that_stalls_stops_neither_redirects_nor_the_event_loop() {
    let ((), counts) = telemetry::recorder::local(&[crate::METRICS], stall).unwrap();
    let declared = |label: &str| {
        let name = format!("edge_sequence_holes_total{{declared=\"{label}\"}} ");
        counts.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse::<u64>().unwrap()
    };
    assert!(declared("yes") > 0 && declared("no") == 0, "{counts}");
}

fn stall() {
    let disk = StallingDisk::default();
    let log = eventlog::Config { queue_records_max: 4_096, ..eventlog::Config::default() };
    let edge = Starting { disk: Arc::new(disk.clone()), log, ..Starting::default() }.start();
    disk.stall(true);
    let lost = || {
        let answer = edge.get("/c/l1", &[]);
        answer.header("sillage-recorded") == Some("no")
    };
    // The queue is full but for what its writer took before the disk stalled.
    let appender = edge.log.appender(Topic::Touches).unwrap();
    let record = crate::core::record_of(
        &crate::lane::started(LaneId::from_random(1), "", edge.clock.now()),
        b"",
    );
    while appender.enqueue(eventlog::Class::Essential, &record).is_ok() {}
    while !lost() {}
    goes_on(&edge, Duration::from_secs(3));
    disk.stall(false);
    let declared = edge.events(Topic::Node, 2);
    assert!(declared.iter().any(|event| matches!(event.body, Body::LaneLost(_))), "{declared:?}");
}

#[test]
fn a_key_file_that_cannot_be_written_stops_neither_redirects_nor_the_event_loop() {
    let folder = tempfile::tempdir().unwrap();
    let mut starting = Starting::default();
    starting.config.day_key_file = folder.path().join("days.json");
    let edge = starting.start();
    let pipe: PathBuf = folder.path().join("days.new"); // who opens it to write waits for a reader
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    edge.clock.step(Duration::from_hours(24));
    goes_on(&edge, Duration::from_secs(3));
    let reader = fs::File::open(&pipe).unwrap();
    fs::remove_file(&pipe).unwrap();
    drop(edge);
    drop(reader);
    let day = crate::days::day_of(SteppedClock::default().now());
    let text = fs::read_to_string(folder.path().join("days.json")).unwrap();
    assert!(text.contains(&format!("\"day\": {}", day + 1)), "{text}");
}
