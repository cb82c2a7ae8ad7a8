//! One broken rule of a configuration.

use std::fmt;

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
