//! One broken rule of a configuration.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A rule that a configuration breaks: where, and what to do about it. Key and text make one sentence.
///
/// Every crate's `Config::faults()` returns all of them at once; the binary puts the section before the key and the
/// position in the file before both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Key inside the section, such as `drain_delay` or `limits.body_bytes_max`.
    pub key: String,
    /// What is wrong and what would be right, such as `is 0s; give 1ms to 1m`.
    pub text: String,
}

impl Fault {
    /// A fault at `key`.
    pub fn new(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key: key.into(), text: text.into() }
    }

    /// The fault of a time outside of this range of milliseconds.
    #[must_use]
    pub fn time(key: &str, value: Duration, range_ms: RangeInclusive<u64>) -> Option<Self> {
        let (least, most) = range_ms.into_inner();
        let range = Duration::from_millis(least)..=Duration::from_millis(most);
        let text = || format!("is {value:?}; give {least}ms to {most}ms");
        (!range.contains(&value)).then(|| Self::new(key, text()))
    }

    /// The fault of a number of bytes outside of this range.
    #[must_use]
    pub fn bytes(key: &str, value: u64, range: RangeInclusive<u64>) -> Option<Self> {
        let text = || format!("is {value} bytes; give {} to {} bytes", range.start(), range.end());
        (!range.contains(&value)).then(|| Self::new(key, text()))
    }

    /// The same fault seen from the section around it.
    #[must_use]
    pub fn within(self, section: &str) -> Self {
        Self { key: format!("{section}.{}", self.key), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.text)
    }
}
