//! The configuration: every component's section in one file, overridden by the environment, all faults at once.

mod read;
#[cfg(test)]
mod reference;
mod suggest;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use humantime::format_duration;
use serde::{Deserialize, Serialize};
use telemetry::Fault;

pub(crate) use read::Finding;

/// Everything that is wrong with what the operator wrote: nothing was started.
#[derive(Debug)]
pub(crate) struct Faults(pub(crate) Vec<String>);

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Faults {
    /// A single fault.
    pub(crate) fn one(text: String) -> Self {
        Self(vec![text])
    }
}

impl From<Vec<Finding>> for Faults {
    fn from(findings: Vec<Finding>) -> Self {
        Self(findings.iter().map(ToString::to_string).collect())
    }
}

/// The configuration in `file`, overridden by this process's environment.
pub(crate) fn from_environment(file: &Path) -> Result<Config, Faults> {
    Ok(read::load(file, environment())?)
}

/// Keys that name a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKey {
    DataFolder,
    CatalogFile,
    KeyFile,
}

/// One path of the section `node`, whatever else is wrong with `file`.
pub(crate) fn path(file: &Path, key: PathKey) -> Option<PathBuf> {
    let key = match key {
        PathKey::DataFolder => "data_folder",
        PathKey::CatalogFile => "catalog_file",
        PathKey::KeyFile => "key_file",
    };
    let variable = format!("SILLAGE__NODE__{}", key.to_ascii_uppercase());
    let text = match environment().find(|(name, _)| *name == variable) {
        Some((_, text)) => text,
        None => {
            let table: toml::Table = toml::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
            table.get("node")?.get(key)?.as_str()?.to_owned()
        }
    };
    (!text.is_empty()).then(|| text.into())
}

/// This process's environment, as far as it is text.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The whole configuration file. Each section belongs to the crate of its name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// This node: its folders and files, and how it stops.
    pub(crate) node: NodeConfig,
    /// The public listener.
    pub(crate) edge: edge::Config,
    /// The event log on disk.
    pub(crate) eventlog: eventlog::Config,
    /// The stage that makes one record of the reports of an order.
    pub(crate) dedup: dedup::Config,
    /// The stage that decides who brought an order.
    pub(crate) attribution: attribution::Config,
    /// The stage that keeps the book.
    pub(crate) ledger: ledger::Config,
    /// The stage that sums up what managers and partners look at.
    pub(crate) report: report::Config,
    /// Probes, metrics and traces, for operators.
    pub(crate) admin: telemetry::admin::Config,
    /// What is written to standard error.
    pub(crate) log: telemetry::log::Config,
}

/// This node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NodeConfig {
    /// Folder of the event log and of the state. Relative to the folder in which the process was started, like all
    /// paths here. No default: events must not land where nobody looks for them.
    pub(crate) data_folder: PathBuf,
    /// Catalog file (TOML or JSON): programs, partners, links, terms. Read at start and on SIGHUP. No default.
    pub(crate) catalog_file: PathBuf,
    /// Key file, made by `sillage keygen`, readable by its owner only (mode 0600). No default.
    pub(crate) key_file: PathBuf,
    /// How long a stopping node still takes requests after `/readyz` has begun to answer 503, so that balancers
    /// look away first. Range 0 to 1 min; default 4 s: two probes of a usual balancer.
    #[serde(with = "humantime_serde")]
    pub(crate) drain_delay: Duration,
    /// From the signal on, the time after which the process ends whatever is left. At least `drain_delay` +
    /// `edge.drain_timeout` + 1 s for the last fsync, at most 5 min; default 10 s.
    #[serde(with = "humantime_serde")]
    pub(crate) stop_max: Duration,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            data_folder: PathBuf::new(),
            catalog_file: PathBuf::new(),
            key_file: PathBuf::new(),
            drain_delay: Duration::from_secs(4),
            stop_max: Duration::from_secs(10),
        }
    }
}

/// Longest drain delay.
const DRAIN_DELAY_MAX: Duration = Duration::from_secs(60);

/// What the last fsync may take.
const LAST_FSYNC: Duration = Duration::from_secs(1);

/// Longest stop of all.
const STOP_MAX: Duration = Duration::from_secs(300);

impl NodeConfig {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (key, path, what) in [
            ("data_folder", &self.data_folder, "the folder for events and state"),
            ("catalog_file", &self.catalog_file, "the file with programs, partners and links"),
            ("key_file", &self.key_file, "the file that `sillage keygen` makes"),
        ] {
            if path.as_os_str().is_empty() {
                faults.push(Fault::new(key, format!("is missing: give {what}")));
            }
        }
        if self.drain_delay > DRAIN_DELAY_MAX {
            let text = format!("is {}: give 0s to 1m", format_duration(self.drain_delay));
            faults.push(Fault::new("drain_delay", text));
        }
        faults
    }
}

impl Config {
    /// Every rule this configuration breaks, with the section before each key.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let within = |section: &'static str| move |fault: Fault| fault.within(section);
        let mut faults = Vec::new();
        faults.extend(self.node.faults().into_iter().map(within("node")));
        let stop_max = self.node.stop_max;
        let (delay, edge) = (self.node.drain_delay, self.edge.drain_timeout);
        let least = delay.saturating_add(edge).saturating_add(LAST_FSYNC);
        if stop_max < least || stop_max > STOP_MAX {
            let text = format!(
                "is {}: give drain_delay + edge.drain_timeout + 1s = {} to 5m",
                format_duration(stop_max),
                format_duration(least)
            );
            faults.push(Fault::new("node.stop_max", text));
        }
        faults.extend(self.edge.faults().into_iter().map(within("edge")));
        faults.extend(self.eventlog.faults().into_iter().map(within("eventlog")));
        if self.eventlog.keep_touches < ledger::TOUCHES_KEPT {
            let days = ledger::TOUCHES_KEPT.as_secs() / 86_400;
            let text = format!(
                "is less than {days} days: a book that is made anew counts the touches again that days are paid for"
            );
            faults.push(Fault::new("eventlog.keep_touches", text));
        }
        faults.extend(self.dedup.faults().into_iter().map(within("dedup")));
        faults.extend(self.attribution.faults().into_iter().map(within("attribution")));
        faults.extend(self.ledger.faults().into_iter().map(within("ledger")));
        faults.extend(self.report.faults().into_iter().map(within("report")));
        faults.extend(self.admin.faults().into_iter().map(within("admin")));
        faults.extend(self.log.faults().into_iter().map(within("log")));
        faults
    }
}
