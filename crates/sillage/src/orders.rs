//! `sillage orders`: what became of orders, by hand. A dry run shows first what a file would do; then it goes through the
//! same public door as the calls of a shop.

mod amount;
pub(crate) mod arguments;
mod batches;
mod encoding;
mod key;
mod list;
mod preview;
mod rows;
mod send;
mod sheet;

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use catalog::import::{Format, snapshot_of};
use catalog::{ProgramRef, Snapshot};
use event::Clock;
use event::body::Action;

use crate::clock::SystemClock;
use crate::config::{self, Config, Faults};
use crate::{catalog_file, keys};
use arguments::{FileArguments, OrdersArguments, OrdersCommand, Rows};
use key::Files;
use preview::{Outlook, grouped};
use rows::{Act, Bar, Job, RowFault};
use send::{Door, Sent};

/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Longest id of a batch: what is done and a hash fit behind it.
const BATCH_BYTES_MAX: usize = 96;
/// Faults that are printed; a wrong file has as many as rows.
const FAULTS_SHOWN: usize = 1_000;

/// Runs `sillage orders`.
pub(crate) fn run(arguments: &OrdersArguments) -> anyhow::Result<ExitCode> {
    match (&arguments.command, arguments.command.act()) {
        (_, Some((action, file))) => act(action, file),
        (OrdersCommand::List(list), _) => list::run(list).map(|()| ExitCode::SUCCESS),
        (_, None) => Ok(ExitCode::FAILURE),
    }
}

fn act(action: Action, arguments: &FileArguments) -> anyhow::Result<ExitCode> {
    let config = config::from_environment(&arguments.config.config)?;
    let catalog = catalog_of(&config)?;
    let program = program_of(&catalog, &arguments.program)?;
    let text = text_of(&arguments.csv)?;
    let batch = arguments.batch.as_deref().map(checked).transpose().map_err(Faults::one)?;
    let job = Job { action, program, batch, mark: arguments.decimal_mark, now: SystemClock.now() };
    let read = rows::read(&text, job);
    let batch = read.batch.clone();
    let outlook = match read.acts.as_slice() {
        [] => Outlook::default(),
        acts => {
            preview::ask(config.admin.listen, &arguments.program, acts, |word| eprintln!("{word}"))
                .inspect_err(|_| _ = show_faults(&arguments.csv, &read.faults))?
        }
    };
    let mut faults = read.faults;
    faults.extend(outlook.faults.iter().cloned());
    faults.sort();
    let faulty = show_faults(&arguments.csv, &faults);
    if read.rows == 0 && faulty > 0 {
        println!("nothing was sent: correct the file (above) first");
        return Ok(ExitCode::from(crate::USAGE));
    }
    if read.rows == 0 {
        println!("{}: a header and no rows: nothing to do", arguments.csv.display());
        return Ok(ExitCode::SUCCESS);
    }
    let refused: HashSet<usize> = outlook.faults.iter().map(|fault| fault.line).collect();
    let orders = read.acts.len();
    let is_new = |act: &Act| !refused.contains(&act.line) && !outlook.done.contains(&act.line);
    let good: Vec<Act> = read.acts.into_iter().filter(is_new).collect();
    println!(
        "{}: {}, {}, batch {batch}",
        arguments.csv.display(),
        counted(read.rows, "row"),
        counted(orders, "order"),
    );
    if orders > 0 {
        for line in outlook.words() {
            println!("{line}");
        }
    }
    if faulty > 0 && arguments.rows == Rows::All {
        println!(
            "nothing was sent: {} with a fault (above). Correct the file, or apply the others with --rows each",
            counted(faulty, "row")
        );
        return Ok(ExitCode::from(crate::USAGE));
    }
    if let Some(bar) = read.barred {
        let why = match bar {
            Bar::Stray => "a row (above) names no order, and might be a line of any of them",
            Bar::Marks => "amounts with two kinds of decimal marks (above) may mean two things",
        };
        println!("nothing was sent: {why}; correct it first");
        return Ok(ExitCode::from(crate::USAGE));
    }
    if good.is_empty() {
        println!("nothing to send");
        return Ok(exit(faulty == 0));
    }
    let keys = keys::read(&config.node.key_file)?;
    let files = Files { keys: &config.node.key_file, catalog: &config.node.catalog_file };
    let key = key::signing(&keys, program, files);
    if !arguments.apply {
        println!("nothing was sent. To apply it: the same command with --apply");
        if let Err(steps) = key {
            println!("before that: {steps}");
        }
        return Ok(exit(faulty == 0));
    }
    let key = key.map_err(Faults::one)?;
    let (base, host) = edge_of(arguments.edge.as_deref(), &config)?;
    let sent = Door::of(&base, host, key).send(&good, |word| eprintln!("{word}"));
    show_faults(&arguments.csv, &sent.refused);
    conclude(&sent, good.len(), &batch);
    Ok(exit(faulty == 0 && sent.stored == good.len()))
}

const fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was stored, what not, and how to go on.
fn conclude(sent: &Sent, all: usize, batch: &str) {
    println!("stored {} of {}", grouped(sent.stored), counted(all, "order"));
    if let Some(error) = &sent.stopped {
        println!(
            "stopped: {error:#}\n\
             The same command goes on: what is stored already (batch {batch}) counts once"
        );
    } else if sent.stored == all {
        println!(
            "the books follow within seconds: see `sillage orders list` and `sillage trace ORDER`"
        );
    }
}

/// The catalog as its file says now.
fn catalog_of(config: &Config) -> anyhow::Result<Snapshot> {
    let file = &config.node.catalog_file;
    let text = catalog_file::read(file)?;
    snapshot_of(&text, Format::of(file), SystemClock.now())
        .map_err(|faults| catalog_file::faults(file, &faults).into())
}

/// The program of this name.
fn program_of<'a>(catalog: &'a Snapshot, name: &str) -> Result<ProgramRef<'a>, Faults> {
    catalog.program(name).ok_or_else(|| {
        let names: Vec<&str> =
            catalog.programs().map(|program| program.name().as_str()).take(20).collect();
        let names = names.join(", ");
        Faults::one(format!("there is no program {name:?}; the catalog has {names}"))
    })
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    let name = file.display();
    let unread = |error: std::io::Error| {
        let text = "give --csv a file with a header such as order_id,code and a row for each order";
        Faults::one(format!("{name}: cannot read it: {error}; {text}"))
    };
    let bytes = std::fs::metadata(file).map_err(unread)?.len();
    if bytes > FILE_BYTES_MAX {
        let text = format!("{name} has {bytes} bytes, more than {FILE_BYTES_MAX}: split it");
        return Err(Faults::one(text).into());
    }
    let bytes = std::fs::read(file).map_err(unread)?;
    encoding::text(bytes).map_err(|(line, why)| Faults::one(format!("{name}:{line}: {why}")).into())
}

fn checked(id: &str) -> Result<&str, String> {
    if id.is_empty() || id.len() > BATCH_BYTES_MAX || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!(
            "--batch {id:?}: give 1 to {BATCH_BYTES_MAX} visible ASCII characters"
        ));
    }
    Ok(id)
}

/// Where the edge is, and what it calls itself.
fn edge_of<'a>(
    given: Option<&str>,
    config: &'a Config,
) -> anyhow::Result<(String, Option<&'a str>)> {
    if let Some(url) = given {
        if !url.starts_with("http://") || url::Url::parse(url).is_err() {
            let text = format!(
                "--edge {url:?}: give http://HOST:PORT of the node itself, behind what ends TLS"
            );
            return Err(Faults::one(text).into());
        }
        return Ok((url.to_owned(), None));
    }
    let mut address = *config.edge.listen.first().context("edge.listen names no address")?;
    if address.ip().is_unspecified() {
        let local: std::net::IpAddr = match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(local);
    }
    if address.port() == 0 {
        let text = "edge.listen takes any free port: name the one that it got with --edge http://HOST:PORT";
        return Err(Faults::one(text.to_owned()).into());
    }
    Ok((format!("http://{address}"), config.edge.hosts.first().map(String::as_str)))
}

/// Prints one line per faulty row; how many rows that are.
fn show_faults(file: &Path, faults: &[RowFault]) -> usize {
    let by_row: Vec<&[RowFault]> = faults.chunk_by(|a, b| a.line == b.line).collect();
    for row in by_row.iter().take(FAULTS_SHOWN) {
        let texts: Vec<&str> = row.iter().map(|fault| fault.text.as_str()).collect();
        let line = row.first().map_or(0, |fault| fault.line);
        eprintln!("{}:{line}: {}", file.display(), texts.join(" · "));
    }
    if by_row.len() > FAULTS_SHOWN {
        eprintln!("and {} more rows with a fault", grouped(by_row.len() - FAULTS_SHOWN));
    }
    by_row.len()
}

fn counted(count: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}
