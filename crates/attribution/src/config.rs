//! What an operator may set.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use telemetry::Fault;

/// Settings of attribution. What decisions depend on is in the catalog, not here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Longest wait for a batch before the worker looks whether it should stop and whether waiting orders can go on.
    /// Range 1 ms to 10 s; default 100 ms, so that a stop is not felt.
    #[serde(with = "humantime_serde")]
    pub idle_wait: Duration,
    /// Pause after the log could not be read or written, before the same is tried again. Range 1 ms to 1 m; default 1 s.
    #[serde(with = "humantime_serde")]
    pub retry_wait: Duration,
    /// Shortest time between two decisions of one order. Range 0 to 1 m; default 1 s: a visitor who clicks on and on
    /// after an order makes one new version a second, not one a click.
    #[serde(with = "humantime_serde")]
    pub redecide_wait: Duration,
    /// How long an order may wait for a program or partner that the catalog of this node does not know yet before that
    /// is told; it is decided as soon as the catalog names them. Range 0 to 10 m; default 10 s: the catalog is seldom
    /// seconds behind.
    #[serde(with = "humantime_serde")]
    pub catalog_wait: Duration,
    /// Cache of the state. Bytes, 1 MiB to 64 GiB; default 64 MiB: a visitor's touches lie side by side, and most
    /// orders follow their clicks within a day.
    pub cache_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            idle_wait: Duration::from_millis(100),
            retry_wait: Duration::from_secs(1),
            redecide_wait: Duration::from_secs(1),
            catalog_wait: Duration::from_secs(10),
            cache_bytes: 64 << 20,
        }
    }
}

impl Config {
    /// Settings for tests: nothing waits.
    #[must_use]
    pub fn for_tests() -> Self {
        Self {
            idle_wait: Duration::from_millis(1),
            retry_wait: Duration::from_millis(1),
            redecide_wait: Duration::ZERO,
            catalog_wait: Duration::ZERO,
            ..Self::default()
        }
    }

    /// Every rule that this configuration breaks.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let faults = [
            Fault::time("idle_wait", self.idle_wait, 1..=10_000),
            Fault::time("retry_wait", self.retry_wait, 1..=60_000),
            Fault::time("redecide_wait", self.redecide_wait, 0..=60_000),
            Fault::time("catalog_wait", self.catalog_wait, 0..=600_000),
            Fault::bytes("cache_bytes", self.cache_bytes, 1 << 20..=64 << 30),
        ];
        faults.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Duration};

    #[test]
    fn the_defaults_have_no_fault() {
        assert_eq!(Config::default().faults(), []);
        assert_eq!(Config::for_tests().faults(), []);
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let config = Config {
            idle_wait: Duration::ZERO,
            retry_wait: Duration::from_secs(61),
            redecide_wait: Duration::from_secs(61),
            catalog_wait: Duration::from_secs(601),
            cache_bytes: 1,
        };
        let faults: Vec<_> = config.faults().iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "idle_wait is 0ns; give 1ms to 10000ms",
                "retry_wait is 61s; give 1ms to 60000ms",
                "redecide_wait is 61s; give 0ms to 60000ms",
                "catalog_wait is 601s; give 0ms to 600000ms",
                "cache_bytes is 1 bytes; give 1048576 to 68719476736 bytes",
            ]
        );
    }
}
