//! What a user agent says: bot or person, class of device, family of browser, operating system.
//!
//! An agent is a bot if it carries one of ~2,900 texts of the published crawler lists (`assets/agents/`), or if nothing
//! in it looks like a browser. The answer is kept per agent in a small cache that each core owns, so the lists are
//! searched once per agent and not once per request.

mod bot;
mod cache;
mod family;
#[cfg(test)]
mod tests;

use event::Flag;
use event::body::DeviceClass;

pub use cache::Agents;
pub use family::{Browser, Os};

/// Bytes of a user agent that are read. Count; far above any browser (the longest in-app browsers send ~700), and what
/// stands behind it can only be noise.
pub const AGENT_BYTES_MAX: usize = 2_048;

/// What a user agent says about its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    /// `bot_ua` or `no_ua`, where one of them holds.
    pub flag: Option<Flag>,
    /// Class of the device.
    pub device: DeviceClass,
    /// Family of the browser.
    pub browser: Browser,
    /// Operating system.
    pub os: Os,
}

impl Agent {
    /// No user agent was sent, or an empty one.
    pub const NONE: Self = Self {
        flag: Some(Flag::NoUa),
        device: DeviceClass::Unknown,
        browser: Browser::Other,
        os: Os::Other,
    };

    /// Reads an agent without a cache, in microseconds. Any bytes are fine.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Self::NONE;
        }
        let mut lower = text.get(..AGENT_BYTES_MAX).unwrap_or(text).to_vec();
        lower.make_ascii_lowercase();
        let (browser, os) = (family::browser(&lower), family::os(&lower));
        if bot::is_bot(&lower) {
            return Self { flag: Some(Flag::BotUa), device: DeviceClass::Bot, browser, os };
        }
        Self { flag: None, device: family::device(&lower), browser, os }
    }
}

/// Makes the crawler lists ready (milliseconds), so that the first request does not wait for them.
pub fn warm() {
    bot::warm();
}

/// Whether `needle` occurs in `text`.
fn has(text: &[u8], needle: &str) -> bool {
    memchr::memmem::find(text, needle.as_bytes()).is_some()
}

/// Whether any of `needles` occurs in `text`.
fn has_any(text: &[u8], needles: &[&str]) -> bool {
    needles.iter().any(|needle| has(text, needle))
}
