//! What an operator may set.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use telemetry::Fault;

/// Settings of the report. What figures depend on is in the catalog, not here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Longest wait for a batch before the worker looks whether it should stop and whether a time zone changed. Range
    /// 1 ms to 10 s; default 100 ms, so that a stop is not felt.
    #[serde(with = "humantime_serde")]
    pub idle_wait: Duration,
    /// Pause after the log could not be read, before the same is tried again. Range 1 ms to 1 m; default 1 s.
    #[serde(with = "humantime_serde")]
    pub retry_wait: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { idle_wait: Duration::from_millis(100), retry_wait: Duration::from_secs(1) }
    }
}

impl Config {
    /// Every rule that this configuration breaks.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let faults = [
            Fault::time("idle_wait", self.idle_wait, 1..=10_000),
            Fault::time("retry_wait", self.retry_wait, 1..=60_000),
        ];
        faults.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Duration};

    #[test]
    fn the_defaults_have_no_fault_and_every_fault_is_told_at_once() {
        assert_eq!(Config::default().faults(), []);
        let config = Config { idle_wait: Duration::ZERO, retry_wait: Duration::from_secs(61) };
        let faults: Vec<_> = config.faults().iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            ["idle_wait is 0ns; give 1ms to 10000ms", "retry_wait is 61s; give 1ms to 60000ms"]
        );
    }
}
