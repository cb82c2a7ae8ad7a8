//! `sillage trace` and the admin route behind it: finds the decision of an order and shows why it is what it is.
//!
//! A running node answers for its decisions; where none runs, the topic `conversions.attributed` does.

mod lookup;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use attribution::decide::Verification;
use catalog::Snapshot;
use event::OrderKey;
use event::body::decision::Decision;
use eventlog::{Disk, LogReader, RealDisk};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use telemetry::admin::{self, Answer, Reply};

use crate::cli::{Reader, TraceArguments};
use crate::{catalog_file, config};
pub(crate) use lookup::{Wanted, find, in_topic};

/// Where the admin listener answers for decisions.
pub(crate) const ROUTE: &str = "/v1/trace";

/// Answer to an order id that several orders have.
#[derive(Debug, Serialize, Deserialize)]
struct Several {
    /// Their keys.
    orders: Vec<OrderKey>,
}

/// Answers [`ROUTE`]: 200 with the decision as JSON, 300 with the keys of several orders, 404, or 400.
pub(crate) fn answer(
    query: &admin::Query,
    find: impl FnOnce(&Wanted) -> anyhow::Result<Vec<Decision>>,
) -> Reply {
    let wanted = match Wanted::of(|name| query.get(name)) {
        Ok(wanted) => wanted,
        Err(text) => return Reply::text(StatusCode::BAD_REQUEST, text + "\n"),
    };
    let (status, body) = match find(&wanted) {
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "cannot look a decision up");
            let text = format!("cannot look it up: {error:#}\n");
            return Reply::text(StatusCode::INTERNAL_SERVER_ERROR, text);
        }
        Ok(found) => match &found[..] {
            [] => return Reply::text(StatusCode::NOT_FOUND, format!("{}\n", wanted.not_found())),
            [decision] => (StatusCode::OK, serde_json::to_string(decision)),
            several => {
                let orders = several.iter().map(|decision| decision.order.clone()).collect();
                (StatusCode::MULTIPLE_CHOICES, serde_json::to_string(&Several { orders }))
            }
        },
    };
    match body {
        Ok(body) => Reply::json(status, body + "\n"),
        Err(error) => Reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

/// Finds the order and prints its trace for the reader.
pub(crate) fn run(arguments: &TraceArguments) -> anyhow::Result<()> {
    let (reader, order) = arguments.reader_and_order().map_err(config::Faults::one)?;
    let config = config::from_environment(&arguments.config.config)?;
    let parameters = arguments.parameters(&order);
    let wanted = Wanted::of(|name| {
        parameters.iter().find(|(given, _)| *given == name).map(|(_, value)| *value)
    })
    .map_err(config::Faults::one)?;
    let folder = &config.node.data_folder;
    let decision = match admin::get(config.admin.listen, ROUTE, &parameters) {
        Ok(answer) => of_answer(answer)?,
        Err(_) => {
            let reader = open(folder).context("nothing runs here that could be asked")?;
            let found = in_topic(&reader, &wanted)?;
            match &found[..] {
                [] => bail!("{}", wanted.not_found()),
                [decision] => decision.clone(),
                several => bail!("{}", ambiguous(several.iter().map(|found| &found.order))),
            }
        }
    };
    print!("{}", rendered(&decision, &reader)?);
    if arguments.verify {
        verify(&decision, folder)?;
    }
    Ok(())
}

fn open(folder: &Path) -> anyhow::Result<LogReader> {
    if !folder.join("FORMAT").exists() {
        bail!(
            "{} holds no data: has `sillage serve` run with this configuration?",
            folder.display()
        );
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    LogReader::open(&disk, folder)
        .with_context(|| format!("read the data folder {}", folder.display()))
}

fn of_answer(answer: Answer) -> anyhow::Result<Decision> {
    match answer.status {
        200 => serde_json::from_slice(&answer.body).context("read the answer of the running node"),
        300 => {
            let several: Several = serde_json::from_slice(&answer.body)
                .context("read the answer of the running node")?;
            bail!("{}", ambiguous(several.orders.iter()))
        }
        _ => bail!("{}", String::from_utf8_lossy(&answer.body).trim_end()),
    }
}

/// What to type instead, for each of the orders.
fn ambiguous<'a>(orders: impl Iterator<Item = &'a OrderKey>) -> String {
    let mut text = String::from("several orders have this id; say which:");
    for order in orders {
        let test = if order.test { " --test" } else { "" };
        text.push_str(&format!("\n  --program {} --goal {}{test}", order.program, order.goal));
    }
    text
}

/// The trace in words, for one kind of reader.
pub(crate) fn rendered(decision: &Decision, reader: &Reader) -> anyhow::Result<String> {
    let reader = match reader {
        Reader::Ops => attribution::Reader::Ops,
        Reader::Manager => attribution::Reader::Manager,
        Reader::Partner(name) => attribution::Reader::Partner(
            name.parse().with_context(|| format!("{name:?} is no name of a partner"))?,
        ),
    };
    Ok(attribution::render(
        decision,
        &reader,
        attribution::Language::English,
        &attribution::utc_day,
    ))
}

/// Decides again from the trace and the recorded terms, and says what came out.
fn verify(decision: &Decision, folder: &Path) -> anyhow::Result<()> {
    let state = catalog_file::recorded(&open(folder)?)?;
    let catalog = Snapshot::build(&state).context("read the recorded catalog")?;
    let name = decision.order.program.as_str();
    let program = catalog
        .program(name)
        .with_context(|| format!("program {name} is not in the recorded catalog"))?;
    match attribution::decide::verify(decision, program) {
        Verification::Same => {
            println!(
                "\nverified: decided again from this trace, it comes out the same, bit for bit"
            );
            Ok(())
        }
        Verification::TermsGone(ids) => {
            bail!("not verified: terms that it read are gone or changed: {}", ids.join(", "))
        }
        Verification::CandidatesNotListed(count) => bail!(
            "not verified: {count} candidates are counted and not listed in the trace; \
             `sillage decide` over the events decides it anew"
        ),
        Verification::Differs(again) => bail!(
            "not verified: decided again it comes out otherwise, as {}",
            serde_json::to_string(&again)?
        ),
        other => bail!("not verified: {other:?}"),
    }
}
