//! Names that people choose, and the numbers that stand for them in tokens, record headers and state.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 32;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 32 of the characters 0-9 A-Z a-z _ -")]
pub struct NotAName;

/// Whether `text` matches `[0-9A-Za-z_-]{1,32}`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text (case-sensitive, `[0-9A-Za-z_-]{1,32}`).
            ///
            /// # Errors
            /// [`NotAName`] if it is empty, too long or has another character.
            pub fn new(text: &str) -> Result<Self, NotAName> {
                if is_name(text) { Ok(Self(text.into())) } else { Err(NotAName) }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

names! {
    /// A merchant's partner program.
    ProgramName;
    /// A partner of a program.
    PartnerName;
    /// A group of partners with shared terms.
    SegmentName;
    /// A tracking link of one partner (or own channel) in one program.
    LinkName;
    /// A marketing channel, the merchant's own (`paid-search`) or a partner's kind of traffic.
    ChannelName;
    /// What a conversion is: `sale`, `lead`, `signup` …
    GoalName;
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )*};
}

numbers! {
    /// Number of a program, given on first sight and never reused. Never 0.
    ProgramId;
    /// Number of a partner, given on first sight and never reused. In a token, 0 stands for the merchant's own channel.
    PartnerId;
    /// Number of a link, given on first sight and never reused. Never 0.
    LinkId;
}

#[cfg(test)]
mod tests {
    use super::{PartnerName, is_name};

    #[test]
    fn a_name_has_1_to_32_plain_characters() {
        assert!(is_name("a") && is_name("Lea_voyage-2") && is_name(&"x".repeat(32)));
    }

    #[test]
    fn empty_long_or_other_characters_are_no_name() {
        for bad in ["", "é", "a b", "a/b", "a.b", "a\n", &"x".repeat(33)] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(serde_json::from_str::<PartnerName>("\"a/b\"").is_err());
    }
}
