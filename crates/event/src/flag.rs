//! Flags: what is odd about a touch or a report. Flagged events are stored and counted apart, never dropped.

use serde::{Deserialize, Serialize};

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Something odd about an event, seen at the edge.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Flag {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Flag {
            /// Every flag, in wire order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The flag with this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|flag| flag.as_str() == word)
            }
        }
    };
}

flags! {
    /// HEAD request: never a touch.
    Head = "head";
    /// Fetched ahead of a navigation that may never happen.
    Prefetch = "prefetch";
    /// Rendered ahead of a navigation that may never happen.
    Prerender = "prerender";
    /// The user agent is on the list of automated ones.
    BotUa = "bot_ua";
    /// No user agent at all.
    NoUa = "no_ua";
    /// The address is on the operator's list of data centers.
    Datacenter = "datacenter";
    /// A click link loaded as an image.
    ImageLoad = "image_load";
    /// A click link loaded in a frame.
    Iframe = "iframe";
    /// Global Privacy Control was set.
    Gpc = "gpc";
    /// Do Not Track was set, and the program honors it.
    Dnt = "dnt";
    /// The visitor refused.
    ConsentDenied = "consent_denied";
    /// The TC string could not be read.
    TcfUnreadable = "tcf_unreadable";
    /// The link is disabled.
    LinkDisabled = "link_disabled";
    /// The link is past its end.
    LinkExpired = "link_expired";
    /// The program is paused.
    ProgramPaused = "program_paused";
    /// The partner's part in the program is over (or not yet approved).
    PartnerEnded = "partner_ended";
    /// The deep link was refused; the stored destination was used.
    DeeplinkRefused = "deeplink_refused";
    /// The query needed repair to be read.
    QueryRepaired = "query_repaired";
    /// A parameter came more than once; the first one counts.
    ParamDuplicate = "param_duplicate";
    /// Two names of one field carry different values; the first one counts.
    ParamConflict = "param_conflict";
    /// A macro of the partner's platform was left unexpanded.
    MacroUnexpanded = "macro_unexpanded";
    /// A sub id was cut at 255 bytes.
    SubidTruncated = "subid_truncated";
    /// One of our cookies carried a wrong signature and was ignored.
    CookieBadMac = "cookie_bad_mac";
    /// Σ lines differs from the order's amount.
    ItemsSumDiffers = "items_sum_differs";
    /// A claimed time lay outside the allowed range and was clamped.
    TimeClamped = "time_clamped";
    /// Asked to be a test.
    Test = "test";
}

#[cfg(test)]
mod tests {
    use super::Flag;

    #[test]
    fn a_flag_is_its_word() {
        for &flag in Flag::ALL {
            assert_eq!(Flag::from_word(flag.as_str()), Some(flag));
            assert_eq!(serde_json::to_string(&flag).unwrap(), format!("\"{}\"", flag.as_str()));
        }
    }
}
