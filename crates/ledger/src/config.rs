//! What an operator may set.

use std::time::Duration;

use event::Millis;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use telemetry::Fault;

/// Settings of the ledger. What orders earn depends on the catalog, not on anything here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Longest wait for a batch before the worker looks whether it should stop, lock or pay. Range 1 ms to 10 s; default
    /// 100 ms, so that a stop is not felt.
    #[serde(with = "humantime_serde")]
    pub idle_wait: Duration,
    /// Pause after the log could not be read or written, before the same is tried again. Range 1 ms to 1 m; default 1 s.
    #[serde(with = "humantime_serde")]
    pub retry_wait: Duration,
    /// Whether orders are locked when their time is over. Default true; false leaves all of them open, so that nothing
    /// becomes payable: for comparing two books of the same events.
    pub locks: bool,
    /// Shortest time between two looks at which orders are due to be locked. Range 0 to 1 h; default 10 s: an order is
    /// locked after weeks.
    #[serde(with = "humantime_serde")]
    pub lock_wait: Duration,
    /// A day that has surely come, such as `"2026-11-22"`, in UTC. Locks and payments are for ever, so the ledger writes none
    /// while the clock is more than three days ahead of the last time that its book noted (it notes one each minute): it
    /// may be wrong. After a node stood still for longer, or an older copy of the book was put back, look at the clock and
    /// give the day; payouts say so until then. Default none: the book alone is asked.
    pub clock_checked: Option<String>,
    /// Cache of the book. Bytes, 1 MiB to 64 GiB; default 64 MiB: orders change in their first days, and the newest lie
    /// side by side.
    pub cache_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            idle_wait: Duration::from_millis(100),
            retry_wait: Duration::from_secs(1),
            locks: true,
            lock_wait: Duration::from_secs(10),
            clock_checked: None,
            cache_bytes: 64 << 20,
        }
    }
}

impl Config {
    /// Settings for tests: nothing waits, and every clock is believed.
    #[must_use]
    pub fn for_tests() -> Self {
        Self {
            idle_wait: Duration::from_millis(1),
            retry_wait: Duration::from_millis(1),
            lock_wait: Duration::ZERO,
            clock_checked: Some("9000-01-01".to_owned()),
            cache_bytes: 1 << 20,
            ..Self::default()
        }
    }

    /// When the day began that has surely come.
    pub(crate) fn checked_at(&self) -> Option<Millis> {
        let day: Date = self.clock_checked.as_ref()?.parse().ok()?;
        let start = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
        Some(Millis(start.as_millisecond()))
    }

    /// Every rule that this configuration breaks.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let clock_checked = self.clock_checked.as_ref().filter(|_| self.checked_at().is_none());
        let clock_checked = clock_checked.map(|text| {
            let text = format!("is {text:?}; give a day such as \"2026-11-22\"");
            Fault::new("clock_checked", text)
        });
        let faults = [
            Fault::time("idle_wait", self.idle_wait, 1..=10_000),
            Fault::time("retry_wait", self.retry_wait, 1..=60_000),
            Fault::time("lock_wait", self.lock_wait, 0..=3_600_000),
            clock_checked,
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
            lock_wait: Duration::from_secs(3_601),
            clock_checked: Some("soon".to_owned()),
            cache_bytes: 1,
            ..Config::default()
        };
        let faults: Vec<_> = config.faults().iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "idle_wait is 0ns; give 1ms to 10000ms",
                "retry_wait is 61s; give 1ms to 60000ms",
                "lock_wait is 3601s; give 0ms to 3600000ms",
                "clock_checked is \"soon\"; give a day such as \"2026-11-22\"",
                "cache_bytes is 1 bytes; give 1048576 to 68719476736 bytes",
            ]
        );
    }
}
