//! Logs: one subscriber per process, on standard error, for people or for machines.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::{Error, Fault};

/// Where detail is cut and how lines look.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Form of a line: `"human"` or `"json"` (one object a line, for collectors). Default `"human"`.
    pub format: Format,
    /// Least severity that is written, also per crate, such as `"info,edge=debug"`. Severities: `error`, `warn`,
    /// `info`, `debug`, `trace`. Default `"info"`: starts, stops, reloads and faults, and nothing per request.
    pub filter: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: Format::Human, filter: "info".to_owned() }
    }
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Every rule this configuration breaks.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        match filter(&self.filter) {
            Ok(_) => Vec::new(),
            Err(_) => {
                let text = format!(
                    "is {:?}: write for example \"info\" or \"info,edge=debug\"",
                    self.filter
                );
                vec![Fault::new("filter", text)]
            }
        }
    }
}

fn filter(text: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .parse(text)
        .map_err(|source| Error::LogFilter { filter: text.to_owned(), source })
}

/// Installs the subscriber of this process.
///
/// # Errors
/// [`Error::LogFilter`] if the filter is not understood (a caller exits with 64), [`Error::LogInstalled`] on a second
/// call.
pub fn init(config: &Config) -> Result<(), Error> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(&config.filter)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.format {
        Format::Human => lines.try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(|_| Error::LogInstalled)
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn a_filter_per_crate_is_understood() {
        let config = Config { filter: "info,edge=debug".into(), ..Config::default() };
        assert_eq!(config.faults(), []);
    }

    #[test]
    fn a_filter_with_an_unknown_severity_is_a_fault() {
        let config = Config { filter: "edge=loud".into(), ..Config::default() };
        assert_eq!(config.faults().len(), 1);
    }
}
