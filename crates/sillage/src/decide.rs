//! `sillage decide`: the engines of dedup and attribution over a file of events, without a server.
//!
//! The same functions as in the running stages, over everything that is known instead of over what came so far; so the
//! output is what a node that has read these events would have decided last. The format is in `docs/decide-format.md`.

mod check;
mod events;
mod field;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use attribution::noted::{Noted, noted};
use attribution::store::memory::Memory;
use catalog::{Format, Snapshot, snapshot_of};
use dedup::member::Reading;
use dedup::{Members, Rules};
use event::body::OrderRecord;
use event::body::decision::Decision;
use event::{Body, Envelope, Millis, OrderKey};

use crate::catalog_file;
use crate::cli::DecideArguments;
use crate::config::Faults;
use check::Checks;
use events::Taken;

/// Decides the events of a file and prints one JSON line per order.
pub(crate) fn run(arguments: &DecideArguments) -> anyhow::Result<()> {
    let (decisions, notes) = decide_file(&arguments.events, &arguments.catalog)?;
    for note in notes {
        eprintln!("sillage: {note}");
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let written = decisions.iter().try_for_each(|decision| {
        serde_json::to_writer(&mut out, decision)?;
        out.write_all(b"\n")
    });
    match written.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("print the decisions"),
    }
}

/// The decisions about the orders in `events`, sorted by key, under the terms in `catalog`; and what is to be said
/// about the file.
fn decide_file(events: &Path, catalog: &Path) -> anyhow::Result<(Vec<Decision>, Vec<String>)> {
    // Names are those of the whole file; from when on its terms hold is known with the last event.
    let named = snapshot(catalog, Millis(0));
    let mut known = Known::default();
    let mut checks = Checks::new(named.as_ref().ok());
    let read = events::read(events, |line, envelope| {
        if !is_read(&envelope.body) {
            return Ok(Taken::NotWanted);
        }
        let faults = checks.faults(line, &envelope);
        if !faults.is_empty() {
            return Err(faults);
        }
        known.take(envelope);
        Ok(Taken::Yes)
    })?;
    let mut faults = read.faults;
    match named.and_then(|_| snapshot(catalog, known.latest)) {
        Ok(snapshot) if faults.is_empty() => {
            let skipped = read.skipped.iter().map(|(kind, count)| {
                let kind = kind.as_str();
                format!("skipped, since decisions do not read it: {kind}, {count} times")
            });
            return Ok((known.decide(&snapshot), skipped.collect()));
        }
        Ok(_) => {}
        Err(error) => faults.extend(error.downcast::<Faults>()?.0),
    }
    Err(Faults(faults).into())
}

/// The catalog as if its file had been loaded when the last event came.
fn snapshot(file: &Path, at: Millis) -> anyhow::Result<Snapshot> {
    let text = catalog_file::read(file)?;
    snapshot_of(&text, Format::of(file), at)
        .map_err(|faults| catalog_file::faults(file, &faults).into())
}

/// Everything that the events say.
#[derive(Default)]
struct Known {
    evidence: Memory,
    /// Reports by the text of their order's key, which is what the output is sorted by.
    orders: BTreeMap<String, (OrderKey, Members)>,
    latest: Millis,
}

impl Known {
    fn take(&mut self, envelope: Envelope) {
        self.latest = self.latest.max(envelope.received_at);
        if let Some(noted) = noted(&envelope) {
            self.evidence.add(&noted);
        } else if let Reading::Row(key, row) = Reading::of(envelope) {
            self.orders
                .entry(key.to_string())
                .or_insert_with(|| (key, Members::default()))
                .1
                .insert(row);
        }
    }

    /// Decides every order, sorted by the text of its key.
    fn decide(mut self, catalog: &Snapshot) -> Vec<Decision> {
        let records: Vec<OrderRecord> = self
            .orders
            .values()
            .filter_map(|(order, members)| {
                let program = catalog.program(order.program.as_str())?;
                let rules_at = |time| Rules::of(&program.terms_at(time).terms);
                dedup::decide(order, &members.considered().at_close(rules_at)?)
            })
            .collect();
        // Merges that one order implies count for all of them.
        for record in &records {
            self.evidence.add(&Noted::Order(Box::new(record.clone())));
        }
        records
            .iter()
            .filter_map(|record| {
                let program = catalog.program(record.order.program.as_str())?;
                let Ok(decision) = attribution::decide(record, &self.evidence, program);
                Some(decision)
            })
            .collect()
    }
}

/// Whether decisions read this kind of event.
const fn is_read(body: &Body) -> bool {
    match body {
        Body::Click(_)
        | Body::Impression(_)
        | Body::Landing(_)
        | Body::Activation(_)
        | Body::Flag(_)
        | Body::Merge(_)
        | Body::Conversion(_)
        | Body::Evidence(_) => true,
        Body::Validation(_)
        | Body::Rejected(_)
        | Body::Order(_)
        | Body::Duplicate(_)
        | Body::Decision(_)
        | Body::Closed(_)
        | Body::Posting(_)
        | Body::CatalogVersion(_)
        | Body::LaneStarted(_)
        | Body::LaneStopped(_)
        | Body::LaneLost(_) => false,
    }
}
