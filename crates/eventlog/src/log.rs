//! The embedded log: one folder, one stream per topic.

use std::any::Any;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use event::{Clock, Topic};

use crate::appender::Appender;
use crate::config::{ClockKind, Config};
use crate::consume::{Backend, Consumer, Cursor, Group, Partition};
use crate::cursor::Groups;
use crate::damage::{Damage, Reporter, TornTail};
use crate::disk::Disk;
use crate::echo::Room;
use crate::embedded::EmbeddedConsumer;
use crate::error::Error;
use crate::frame::stream_number;
use crate::metrics::{LogMetrics, WriterMetrics};
use crate::queue::{Fill, Packed, Queue, State};
use crate::reader::Bounds;
use crate::record::{Class, Offset};
use crate::recover::{claim, io_at};
use crate::retention;
use crate::signal::lock;
use crate::stream::Stream;
use crate::writer::Writer;

mod scan;

pub use self::scan::{LogReader, Scan};

/// What a start found besides good records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Damage in the last segment of each stream; damage in earlier ones comes up when they are read.
    pub damage: Vec<Damage>,
    /// Records that a killed process had queued and not committed, now written.
    pub echoed: u64,
    /// Tails that were being written when the process or the machine stopped.
    pub torn: Vec<TornTail>,
}

/// Whether a stream takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamState {
    /// It does.
    Open,
    /// The disk is full; heals by itself.
    DiskFull,
    /// Writes fail; a probe tries a new segment at each `probe_interval`.
    Failed,
    /// The log is closed.
    Closed,
}

/// An open log. Clones share it; it is closed by [`Log::close`], or when the last clone is dropped.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    config: Config,
    clock: Arc<dyn Clock>,
    fill: Arc<Fill>,
    metrics: LogMetrics,
    groups: Arc<Groups>,
    reporter: Arc<Reporter>,
    reader: LogReader,
    writers: Mutex<Vec<Slot>>,
    /// Held until the writers have ended.
    lock: Mutex<Option<Box<dyn Any + Send + Sync>>>,
}

/// A stream's queue and its writer, started with the first appender.
struct Slot {
    topic: Topic,
    queue: Arc<Queue>,
    next_segment: u64,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

impl Log {
    /// Opens the data folder, making it if needed, for this process alone. A scaled clock and a real one do not share
    /// a folder.
    ///
    /// # Errors
    /// The configuration has faults; the folder is locked, of a newer format or of another clock; the disk fails.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        config: Config,
        clock: Arc<dyn Clock>,
        kind: ClockKind,
    ) -> Result<(Self, Recovery), Error> {
        let faults = config.faults();
        if !faults.is_empty() {
            return Err(Error::Config(faults.iter().map(ToString::to_string).collect()));
        }
        let held = claim(&*disk, folder, kind)?;
        let metrics = LogMetrics::new(config.bytes_max);
        let quarantine = (Arc::clone(&disk), folder.join("quarantine"), metrics.corrupt.clone());
        let reporter = Arc::new(Reporter::new(Some(quarantine)));
        let groups = Arc::new(Groups::load(Arc::clone(&disk), folder.join("cursors"))?);
        let (reader, found) = LogReader::find(&disk, folder, &reporter, true)?;
        let bytes: u64 = reader.streams.iter().map(|s| s.extent().bytes()).sum();
        let fill = Fill { bytes: AtomicU64::new(bytes), bytes_max: config.bytes_max };
        let fill = Arc::new(fill);
        let mut recovery = Recovery::default();
        let mut slots = Vec::new();
        let queue_bytes_max = usize::try_from(config.queue_bytes_max).unwrap_or(usize::MAX);
        for (topic, found) in Topic::ALL.into_iter().zip(found) {
            recovery.damage.extend(found.damage);
            recovery.torn.extend(found.torn);
            let (records_max, fill) = (config.queue_records_max, Arc::clone(&fill));
            let queue = Arc::new(Queue::new(topic, records_max, queue_bytes_max, fill));
            slots.push(Slot { topic, queue, next_segment: found.next_segment, thread: None });
        }
        let inner = Inner {
            config,
            clock,
            fill,
            metrics,
            groups,
            reporter,
            reader,
            writers: Mutex::new(slots),
            lock: Mutex::new(Some(held)),
        };
        let log = Self(Arc::new(inner));
        match log.echo(&disk, folder) {
            Ok(echoed) => recovery.echoed = echoed,
            // What may be missing is declared in doubt, as after a power cut.
            Err(e) => tracing::warn!(error = &e as &dyn std::error::Error, "no echo of the log"),
        }
        Ok((log, recovery))
    }

    /// Writes what a killed process had queued and not committed, and keeps an echo from now on; the records written.
    fn echo(&self, disk: &Arc<dyn Disk>, data: &Path) -> Result<u64, Error> {
        let memory = &self.0.config.memory_folder;
        if memory.as_os_str().is_empty() {
            return Ok(0);
        }
        let room = Room { disk, data, memory };
        let mut written = 0;
        for (topic, records) in room.left().map_err(io_at("read the echo in", memory))? {
            let next = self.stream(topic).high_watermark();
            let mut missing = Packed::default();
            for (_, record) in records.iter().filter(|(offset, _)| *offset >= next) {
                let payload = |buffer: &mut Vec<u8>| buffer.extend_from_slice(&record.payload);
                missing
                    .push(topic, record.header(), &mut { payload })
                    .map_err(|source| Error::Append { topic, source })?;
            }
            let queue = if missing.len() > 0 { self.appender(topic)?.0 } else { continue };
            let mut from = 0;
            while from < missing.len() {
                let pushed = queue.push_packed(&missing, &mut from);
                let ticket = pushed.map_err(|source| Error::Append { topic, source })?;
                ticket.wait().map_err(|source| Error::Commit { topic, source })?;
            }
            written += missing.len() as u64;
        }
        let slots = lock(&self.0.writers);
        for (topic, echo) in room.begin().map_err(io_at("begin the echo in", memory))? {
            let next = self.stream(topic).high_watermark();
            if let Some(slot) = slots.iter().find(|slot| slot.topic == topic) {
                slot.queue.echo_in(echo, next);
            }
        }
        Ok(written)
    }

    /// What appends to `topic`. Starts the topic's writer thread at the first call.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn appender(&self, topic: Topic) -> Result<Appender, Error> {
        let inner = &*self.0;
        let mut slots = lock(&inner.writers);
        let Some(slot) = slots.iter_mut().find(|slot| slot.topic == topic) else {
            let path = std::path::PathBuf::from(topic.name());
            return Err(Error::Io {
                what: "find",
                path,
                source: std::io::ErrorKind::NotFound.into(),
            });
        };
        if slot.thread.is_none() && slot.queue.state() != State::Closed {
            let writer = Writer {
                stream: self.stream(topic),
                queue: Arc::clone(&slot.queue),
                fill: Arc::clone(&inner.fill),
                clock: Arc::clone(&inner.clock),
                segment_bytes_max: inner.config.segment_bytes_max,
                interval: inner.config.commit_interval(topic),
                probe_interval: inner.config.probe_interval,
                log_metrics: inner.metrics.clone(),
                metrics: WriterMetrics::new(topic),
                next_segment: slot.next_segment,
                active: None,
            };
            let thread = std::thread::Builder::new()
                .name(format!("log {topic}"))
                .spawn(move || writer.run())
                .map_err(|source| Error::Thread { topic, source })?;
            slot.thread = Some(thread);
        }
        Ok(Appender(Arc::clone(&slot.queue)))
    }

    /// Whether `topic` takes records now.
    #[must_use]
    pub fn state(&self, topic: Topic) -> StreamState {
        let slots = lock(&self.0.writers);
        let state = slots.iter().find(|s| s.topic == topic).map(|s| s.queue.state());
        match state {
            Some(State::Open) => StreamState::Open,
            Some(State::DiskFull) => StreamState::DiskFull,
            Some(State::Failed) => StreamState::Failed,
            Some(State::Closed) | None => StreamState::Closed,
        }
    }

    /// Whether the folder is so full that records of `class` are refused.
    #[must_use]
    pub fn sheds(&self, class: Class) -> bool {
        self.0.fill.refuses(class)
    }

    /// Calls `listener` for each damaged range that is found while reading, once per range and folder; in the thread
    /// that found it, so it should only hand it on.
    pub fn on_damage(&self, listener: impl Fn(&Damage) + Send + Sync + 'static) {
        self.0.reporter.listen(Box::new(listener));
    }

    /// Deletes segments that are old enough and read by every group; the number deleted. Nothing else deletes: whoever
    /// has the log open calls this now and then, as long as the clock is to be believed. Does nothing once the log is
    /// closed.
    pub fn trim(&self) -> usize {
        let inner = &*self.0;
        let held = lock(&inner.lock);
        if held.is_none() {
            return 0; // the folder may be another process's by now
        }
        let now = inner.clock.now();
        let trim = |s: &Arc<Stream>| {
            retention::trim(s, &inner.groups, inner.config.keep(s.topic), now, &inner.fill)
        };
        inner.reader.streams.iter().map(trim).sum()
    }

    /// Measures where each topic ends and how far each group is behind, those of earlier processes too. To be called now
    /// and then, since a group falls behind also while nobody reads for it.
    pub fn measure_lag(&self) {
        self.0.groups.measure_lag(&self.0.reader.streams, std::time::Instant::now());
    }

    /// What reads topics without a group.
    #[must_use]
    pub fn reader(&self) -> &LogReader {
        &self.0.reader
    }

    /// Commits what is queued, ends the writers and lets the folder go. Further appends are refused as closed.
    pub fn close(&self) {
        self.0.close();
    }

    pub(crate) fn stream(&self, topic: Topic) -> Arc<Stream> {
        self.0.reader.stream(topic)
    }

    /// Where `topic` ends. Unknown while records of which somebody was told that they failed may be written yet.
    pub(crate) fn end(&self, topic: Topic) -> Result<Cursor, Error> {
        // Before the end is read: what is no longer owed stands before it.
        let owes = |slot: &Slot| slot.topic == topic && slot.queue.owes();
        if lock(&self.0.writers).iter().any(owes) {
            return Err(Error::Unsettled { topic });
        }
        Ok(at(topic, self.stream(topic).high_watermark()))
    }
}

impl Inner {
    fn close(&self) {
        let mut threads = Vec::new();
        for slot in lock(&self.writers).iter_mut() {
            slot.queue.close();
            match slot.thread.take() {
                Some(thread) => threads.push((Arc::clone(&slot.queue), thread)),
                None => {
                    slot.queue.set_state(State::Closed);
                    slot.queue.remove_echo();
                }
            }
        }
        for (queue, thread) in threads {
            match thread.join() {
                Ok(()) => queue.remove_echo(),
                Err(_) => tracing::error!("a writer of the log panicked"),
            }
        }
        lock(&self.lock).take();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Backend for Log {
    fn subscribe(&self, group: Group, topics: &[Topic]) -> Result<Box<dyn Consumer>, Error> {
        let config = &self.0.config;
        let bounds = Bounds {
            records: usize::try_from(config.batch_records_max).unwrap_or(usize::MAX),
            bytes: usize::try_from(config.batch_bytes_max).unwrap_or(usize::MAX),
        };
        let cursors = self.0.groups.group(group.0)?;
        Ok(Box::new(EmbeddedConsumer::new(self.clone(), group, topics, cursors, bounds)?))
    }

    fn ends(&self, topics: &[Topic]) -> Result<Vec<Cursor>, Error> {
        topics.iter().map(|topic| self.end(*topic)).collect()
    }

    fn committed(&self, group: Group, topics: &[Topic]) -> Result<Vec<Cursor>, Error> {
        let file = self.0.groups.group(group.0)?;
        let file = lock(&file);
        let next = |topic: Topic| file.next_offset(stream_number(topic)).unwrap_or(0);
        Ok(topics.iter().map(|topic| at(*topic, next(*topic))).collect())
    }
}

/// A cursor of a topic's one partition.
fn at(topic: Topic, next: Offset) -> Cursor {
    Cursor { partition: Partition { topic, index: 0 }, next }
}
