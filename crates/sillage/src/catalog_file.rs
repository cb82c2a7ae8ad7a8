//! The catalog file as importer: read at start and on SIGHUP, compared with `catalog.versions`, recorded there first.
//!
//! The topic is the truth. A file with faults leaves the last good catalog in place; only a node that never had one
//! refuses to start.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use bytes::Bytes;
use catalog::{Format, Handle, ReloadError, State, VersionRecord};
use event::topic::KeyHash;
use event::{Clock, Envelope, Topic};
use eventlog::{Class, Header, Log, LogReader, Record};
use metrics::{Counter, Gauge};
use telemetry::Metric;

use crate::config::Faults;

/// Versions in one group commit: a million links are recorded in pieces that fit any queue.
const VERSIONS_AT_ONCE: usize = 1_000;

const GENERATION: Metric = Metric::gauge(
    "catalog_generation",
    "Count of catalog versions in force here: differs between nodes that read different catalogs.",
);
const AGE: Metric = Metric::gauge(
    "catalog_age_seconds",
    "Time since the catalog file was last read without a fault. Seconds.",
);
const LINKS: Metric = Metric::gauge("catalog_links", "Links in the catalog in force.");
const LOADS: Metric =
    Metric::counter("catalog_loads_total", "Reads of the catalog file, by outcome.")
        .labels(&["outcome"]);

/// What the catalog's source measures.
pub(crate) const METRICS: &[Metric] = &[GENERATION, AGE, LINKS, LOADS];

/// The catalog of this node, and where its versions come from.
pub(crate) struct Source {
    file: PathBuf,
    log: Log,
    clock: Arc<dyn Clock>,
    handle: Arc<Handle>,
    read_at: Mutex<Instant>,
    generation: Gauge,
    age: Gauge,
    links: Gauge,
    taken: Counter,
    refused: Counter,
}

impl Source {
    /// The recorded catalog with the file's changes. A faulty file is borne if there is a recorded catalog.
    pub(crate) fn open(file: &Path, log: &Log, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let state = recorded(log.reader())?;
        let had_one = state.recorded_at().is_some();
        let handle = Handle::new(state).context("read the recorded catalog")?;
        let source = Self {
            file: file.to_owned(),
            log: log.clone(),
            clock,
            handle: Arc::new(handle),
            read_at: Mutex::new(Instant::now()),
            generation: GENERATION.gauge_of(&[]),
            age: AGE.gauge_of(&[]),
            links: LINKS.gauge_of(&[]),
            taken: LOADS.counter_of(&["taken"]),
            refused: LOADS.counter_of(&["refused"]),
        };
        source.show();
        match source.load() {
            Err(error) if had_one => source.keep_old(&error),
            other => other?,
        }
        Ok(source)
    }

    /// The snapshots that the stages read.
    pub(crate) const fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// Reads the file again; what is wrong with it is logged and counted, and the old catalog stays.
    pub(crate) fn reload(&self) {
        if let Err(error) = self.load() {
            self.keep_old(&error);
        }
    }

    /// Shows how old the catalog is; to be called now and then.
    pub(crate) fn tick(&self) {
        let read_at = *self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.age.set(read_at.elapsed().as_secs_f64());
    }

    fn load(&self) -> anyhow::Result<()> {
        let text = read(&self.file)?;
        let loaded = self
            .handle
            .reload(&text, Format::of(&self.file), self.clock.now(), |records| self.record(records))
            .map_err(|error| explained(&self.file, error))?;
        self.taken.increment(1);
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.show();
        tracing::info!(
            versions = loaded.versions,
            generation = loaded.snapshot.generation(),
            file = %self.file.display(),
            "catalog loaded"
        );
        Ok(())
    }

    fn keep_old(&self, error: &anyhow::Error) {
        self.refused.increment(1);
        let file = self.file.display();
        tracing::error!(%file, "the catalog file is refused; the catalog before it stays in force");
        for line in format!("{error:#}").lines() {
            tracing::error!("{line}");
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    fn show(&self) {
        let snapshot = self.handle.snapshot();
        self.generation.set(snapshot.generation() as f64);
        self.links.set(snapshot.links().count() as f64);
    }

    /// Makes new versions durable on `catalog.versions`.
    fn record(&self, versions: &[VersionRecord]) -> anyhow::Result<()> {
        let appender = self.log.appender(Topic::Catalog)?;
        for some in versions.chunks(VERSIONS_AT_ONCE) {
            let records: Vec<Record> = some.iter().map(record_of).collect::<Result<_, _>>()?;
            appender
                .append_durable(Class::Essential, &records)
                .context("append to catalog.versions")?
                .wait()
                .context("commit to catalog.versions")?;
        }
        Ok(())
    }
}

fn record_of(version: &VersionRecord) -> Result<Record, catalog::Error> {
    let envelope = version.to_envelope()?;
    let header = Header {
        codec: event::envelope::CODEC_JSON,
        kind: envelope.body.event_type().number(),
        id: envelope.id,
        key_hash: KeyHash::of(envelope.key.as_bytes()),
    };
    Ok(Record::new(header, Bytes::from(envelope.to_json())))
}

/// What `catalog.versions` comes to.
pub(crate) fn recorded(reader: &LogReader) -> anyhow::Result<State> {
    let mut state = State::default();
    for batch in reader.scan(Topic::Catalog, 0) {
        for record in batch.context("read catalog.versions")?.records {
            let envelope = Envelope::read(&record.payload)
                .with_context(|| format!("read record {} of catalog.versions", record.id))?;
            let version = VersionRecord::from_envelope(&envelope)?;
            state.apply(&version).context("fold catalog.versions")?;
        }
    }
    Ok(state)
}

/// The text of a catalog file.
pub(crate) fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).map_err(|error| {
        let text =
            format!("{}: cannot read it: {error}; name it in node.catalog_file", file.display());
        Faults::one(text).into()
    })
}

/// The faults of a catalog file as an operator reads them.
pub(crate) fn faults(file: &Path, faults: &[catalog::Fault]) -> Faults {
    let line = |fault: &catalog::Fault| {
        let catalog::Fault { line, column, field, problem, remedy } = fault;
        let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
        format!("{}:{line}:{column}: {field}{problem}; {remedy}", file.display())
    };
    Faults(faults.iter().map(line).collect())
}

fn explained(file: &Path, error: ReloadError) -> anyhow::Error {
    if let ReloadError::Faults(found) = &error {
        return faults(file, found).into();
    }
    error.into()
}
