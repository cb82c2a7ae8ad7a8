//! The embedded log keeps the promises of a log, on both disks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::Topic;
use eventlog::{Backend, Class, ClockKind, Config, Disk, Log, RealDisk, Record};
use testkit::conformance::{self, Candidate};
use testkit::{CrashDisk, SteppedClock};

use crate::world::{DATA, small};

struct Embedded<P: Fn(&Option<Log>) -> Log> {
    log: Option<Log>,
    start: P,
}

impl<P: Fn(&Option<Log>) -> Log> Candidate for Embedded<P> {
    fn backend(&self) -> &dyn Backend {
        self.log.as_ref().unwrap()
    }

    fn append(&self, topic: Topic, record: &Record) {
        let appender = self.log.as_ref().unwrap().appender(topic).unwrap();
        let records = std::slice::from_ref(record);
        appender.append_durable(Class::Essential, records).unwrap().wait().unwrap();
    }

    fn restart(&mut self) {
        self.log = Some((self.start)(&self.log));
    }
}

fn embedded<P: Fn(&Option<Log>) -> Log>(start: P) -> Embedded<P> {
    let log = Some(start(&None));
    Embedded { log, start }
}

fn open(disk: Arc<dyn Disk>, folder: &Path, config: Config) -> Log {
    let clock = Arc::new(SteppedClock::default());
    Log::open(disk, folder, config, clock, ClockKind::Real).unwrap().0
}

#[test]
fn on_the_disk_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    conformance::check(|| {
        count += 1;
        let path: PathBuf = folder.path().join(count.to_string());
        embedded(move |before| {
            if let Some(log) = before {
                log.close();
            }
            open(Arc::new(RealDisk), &path, Config::default())
        })
    });
}

#[test]
fn on_a_disk_that_loses_power_at_each_restart() {
    for seed in 0..20 {
        conformance::check(|| {
            let disk = CrashDisk::new(seed);
            embedded(move |_| {
                disk.crash();
                open(disk.process(), Path::new(DATA), small())
            })
        });
    }
}
