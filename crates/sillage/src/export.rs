//! `sillage export`: a topic's records as JSON lines, as they stand on it. Reads beside a running node and holds no more
//! than a batch in memory.

use std::io::{BufWriter, ErrorKind, Write};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use event::envelope::CODEC_JSON;
use event::{Millis, Topic};
use eventlog::{Disk, LogReader, RealDisk, Record};
use serde::Deserialize;

use crate::books::day;
use crate::cli::{ExportArguments, Exported};
use crate::config::{self, Faults};

/// Days of `--since` begin in this zone: a topic has several programs.
const ZONE: &str = "UTC";

/// Prints the records.
pub(crate) fn run(arguments: &ExportArguments) -> anyhow::Result<()> {
    let since = arguments.since.as_deref().map(|text| day::start(text, ZONE)).transpose();
    let since = since.map_err(|text| Faults::one(format!("--since {text}")))?;
    let config = config::from_environment(&arguments.config.config)?;
    let folder = &config.node.data_folder;
    if !folder.join("FORMAT").exists() {
        bail!(
            "{} holds no data: has `sillage serve` run with this configuration?",
            folder.display()
        );
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let reader = LogReader::open(&disk, folder)
        .with_context(|| format!("read the data folder {}", folder.display()))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written = write(&reader, arguments.what, since, &mut out);
    match written.and_then(|()| Ok(out.flush()?)) {
        // `… | head` has read enough.
        Err(error) if closed(&error) => Ok(()),
        done => done,
    }
}

fn closed(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

const fn topics(what: Exported) -> &'static [Topic] {
    match what {
        Exported::Events => &[Topic::Touches, Topic::Conversions, Topic::Rejected],
        Exported::Decisions => &[Topic::Attributed],
        Exported::Transfers => &[Topic::Transfers],
    }
}

fn write(
    reader: &LogReader,
    what: Exported,
    since: Option<Millis>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    for topic in topics(what) {
        for batch in reader.scan(*topic, reader.first_offset(*topic)) {
            let batch = batch.with_context(|| format!("read {topic}"))?;
            for record in batch.records.iter().filter(|record| record.codec == CODEC_JSON) {
                if since.is_none_or(|since| received_at(record) >= since) {
                    out.write_all(&record.payload)?;
                    out.write_all(b"\n")?;
                }
            }
        }
    }
    Ok(())
}

/// When a record was received: told by the id of an event, else by its envelope. One that does not say is not left out.
fn received_at(record: &Record) -> Millis {
    #[derive(Deserialize)]
    struct Received {
        received_at: Millis,
    }
    if record.id.is_minted() {
        return record.id.time();
    }
    let read = serde_json::from_slice::<Received>(&record.payload);
    read.map_or(Millis(i64::MAX), |envelope| envelope.received_at)
}
