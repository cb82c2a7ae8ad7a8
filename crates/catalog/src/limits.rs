//! Named maxima of the catalog. What is above one of them is refused with its name.

use std::time::Duration;

use event::time::DAY_MS;

/// Longest lookback window of any program; one constant of an installation.
pub const HORIZON_MS: i64 = 90 * DAY_MS;
/// Longest lateness. Longer ones would outlive the state that they need.
pub const LATENESS_MAX_MS: i64 = 7 * DAY_MS;
/// Longest time from order to lock. State is kept for `horizon + lock_after + lateness + 1 d` = 135 d.
pub const LOCK_AFTER_MAX_MS: i64 = 37 * DAY_MS;
/// Most days from the end of a month to a lock: the longest month, an hour of summer time and they stay within
/// [`LOCK_AFTER_MAX_MS`].
pub const LOCK_MONTH_END_PLUS_MAX: u8 = 5;
/// Longest distance of a page's evidence from the canonical report.
pub const EVIDENCE_WINDOW_MAX_MS: i64 = DAY_MS;
/// Longest life of a cookie: the cap of the browsers, 400 days.
pub const COOKIE_AGE_MAX_MS: i64 = 400 * DAY_MS;
/// Time that a change must lie ahead, so that every node knows it before it holds.
pub const CATALOG_LEAD: Duration = Duration::from_secs(60);
/// The number of the rules that this version decides by.
pub const SEMANTICS: u16 = 1;
/// Largest number of ids that may be set as one person's.
pub const IDENTITY_MAX: u32 = 1_000;
/// Longest destination, fallback or home page, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;
/// Longest title, reason or note, in bytes.
pub const TEXT_BYTES_MAX: usize = 200;
/// Longest name of a creative, in bytes.
pub const CREATIVE_BYTES_MAX: usize = 64;
/// Most entries of any list in one object (sites, hosts, goals, versions …).
pub const LIST_MAX: usize = 1_000;
/// Most commission rules of one terms version: an order asks up to three of them.
pub const RULES_MAX: usize = 200;
/// Longest category, article, group or coupon code of a rule, in bytes: what a conversion may carry.
pub const RULE_TEXT_BYTES_MAX: usize = 128;
/// Largest amount of a rule, in units of its currency: room for every currency, and far from what sums can hold.
pub const RULE_AMOUNT_UNITS_MAX: i64 = 1_000_000_000;
/// Most links among which the near one to a mistyped name is searched.
pub const NEAR_LINKS_MAX: usize = 10_000;
/// Most links of a catalog.
pub const LINKS_MAX: usize = 4_000_000;
/// Largest catalog file, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 30;
/// Deepest nesting of a catalog file.
pub const DEPTH_MAX: usize = 16;
/// Most faults that one load reports; the rest is counted.
pub const FAULTS_MAX: usize = 1_000;
