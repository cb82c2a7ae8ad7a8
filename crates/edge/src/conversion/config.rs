//! Settings of conversions.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telemetry::Fault;

/// Settings of conversions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Calls per second that one signing key or token may make to `/v1/conversions`; above it 429. Count, 1 to
    /// 1,000,000; default 2,000: no shop sells faster, and one key in a loop leaves room for the others.
    pub calls_per_second_per_key: NonZeroU32,
    /// Calls that one key or token may make at once. Count, 1 to 1,000,000; default 2,000.
    pub calls_burst_per_key: NonZeroU32,
    /// Calls per second of pages (pixel and tag) that one client address may make; IPv6: one /64. Count, 1 to
    /// 1,000,000; default 100: many buyers may stand behind one address.
    pub page_calls_per_second_per_address: NonZeroU32,
    /// Calls of pages that one client address may make at once. Count, 1 to 1,000,000; default 500.
    pub page_calls_burst_per_address: NonZeroU32,
    /// How far the time of a signed call may lie from ours, before or after. Range 1 s to 400 days; default 5 min.
    /// Longer only with a clock that runs faster than the world's.
    #[serde(with = "humantime_serde")]
    pub signature_skew_max: Duration,
}

const fn count(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => NonZeroU32::MIN,
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            calls_per_second_per_key: count(2_000),
            calls_burst_per_key: count(2_000),
            page_calls_per_second_per_address: count(100),
            page_calls_burst_per_address: count(500),
            signature_skew_max: Duration::from_mins(5),
        }
    }
}

impl Config {
    /// Every rule that this configuration breaks.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (key, value) in [
            ("calls_per_second_per_key", self.calls_per_second_per_key),
            ("calls_burst_per_key", self.calls_burst_per_key),
            ("page_calls_per_second_per_address", self.page_calls_per_second_per_address),
            ("page_calls_burst_per_address", self.page_calls_burst_per_address),
        ] {
            if value.get() > 1_000_000 {
                faults.push(Fault::new(key, format!("is {value}; give 1 to 1000000")));
            }
        }
        let skew = self.signature_skew_max;
        if skew < Duration::from_secs(1) || skew > Duration::from_hours(400 * 24) {
            let text = format!("is {} s; give 1s to 400days", skew.as_secs());
            faults.push(Fault::new("signature_skew_max", text));
        }
        faults
    }

    /// [`Self::signature_skew_max`] in milliseconds.
    pub(crate) fn signature_skew_ms(&self) -> i64 {
        i64::try_from(self.signature_skew_max.as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::Config;

    #[test]
    fn the_default_is_good_and_every_limit_is_checked() {
        assert!(Config::default().faults().is_empty());
        let many = NonZeroU32::new(1_000_001).unwrap();
        let bad = Config {
            calls_per_second_per_key: many,
            calls_burst_per_key: many,
            page_calls_per_second_per_address: many,
            page_calls_burst_per_address: many,
            signature_skew_max: Duration::ZERO,
        };
        assert_eq!(bad.faults().len(), 5);
        let edge = Config {
            calls_burst_per_key: NonZeroU32::new(1_000_000).unwrap(),
            signature_skew_max: Duration::from_secs(1),
            ..Config::default()
        };
        assert!(edge.faults().is_empty());
    }
}
