//! Terms: the windows and rules that decisions read, by program, segment and partner.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use event::body::conversion::{CustomerType, Source};
use event::{ChannelName, Flag, GoalName, LinkName, Millis, PartnerName, SegmentName};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::commission::{CommissionRule, Conditions, Margins, Pays, Period};
use crate::limits;

/// How long after a touch an order may follow and still count for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lookback {
    /// Touches of this kind do not count. Resolution stops here.
    Off,
    /// At most this many milliseconds, inclusive.
    Within(i64),
}

/// `"off"`, or the milliseconds as a number.
impl Serialize for Lookback {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => s.serialize_str("off"),
            Self::Within(ms) => s.serialize_i64(*ms),
        }
    }
}

impl<'de> Deserialize<'de> for Lookback {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Ms(i64),
            Word(Box<str>),
        }
        match Wire::deserialize(d)? {
            Wire::Ms(ms) => Ok(Self::Within(ms)),
            Wire::Word(word) if &*word == "off" => Ok(Self::Off),
            Wire::Word(_) => Err(serde::de::Error::custom("a lookback is milliseconds or \"off\"")),
        }
    }
}

/// What a value of `conversion.channel` says about the touches of partners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// No touch of a partner counts.
    None,
    /// Every touch counts.
    Any,
    /// Only clicks count.
    ClickOnly,
    /// Only impressions count.
    ImpressionOnly,
}

/// What happens when the same order comes with another amount or currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DedupConflict {
    /// The canonical report's values stand; the conflict is shown.
    Reject,
    /// The values of the newest report of the canonical one's source are taken.
    Amend,
}

/// Values of `conversion.channel`, trimmed and in lower case, and their treatment.
pub type ChannelMap = BTreeMap<Box<str>, Treatment>;

/// Terms of a segment or of a partner in a program: what is absent is looked up one level higher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LevelTerms {
    /// Lookback window of clicks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookback_click: Option<Lookback>,
    /// Lookback window of impressions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookback_impression: Option<Lookback>,
    /// Shortest time from click to order, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_click_to_conversion_ms: Option<i64>,
    /// Values of `conversion.channel` that this level treats in its own way.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub channel_map: ChannelMap,
    /// Ranked commission rules, read before those of the level above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commission: Vec<CommissionRule>,
    /// Whether orders that nobody acted on are validated when their time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_approve: Option<bool>,
}

/// Terms of a program: complete, since the file's gaps are filled with the defaults when it is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramTerms {
    /// Lookback window of clicks. Default 30 d.
    pub lookback_click: Lookback,
    /// Lookback window of impressions. Default 24 h.
    pub lookback_impression: Lookback,
    /// Shortest time from click to order, in milliseconds. Default 0.
    pub min_click_to_conversion_ms: i64,
    /// Treatment by value of `conversion.channel`. A value that no level maps is `any`.
    pub channel_map: ChannelMap,
    /// Channels that get no credit while any other touch is eligible. Default `direct`.
    pub non_credit_channels: Vec<ChannelName>,
    /// Whether an eligible click excludes all impressions. Default on.
    pub click_over_impression: bool,
    /// What a conflicting duplicate does. Default `reject`.
    pub dedup_conflict: DedupConflict,
    /// Longest time from happening to receipt with which an event still counts, in milliseconds, inclusive.
    /// Default 7 d.
    pub lateness_ms: i64,
    /// Longest time from the order to a later judgement about a touch, in milliseconds; none: until the lock.
    pub flag_grace_ms: Option<i64>,
    /// Longest time from the order to a merge of two ids, in milliseconds. Default: `lateness_ms`.
    pub merge_grace_ms: i64,
    /// Longest distance in receipt between a page's report and the canonical one with which its ids, click ids and
    /// coupons count, in milliseconds. Default 30 min.
    pub evidence_window_ms: i64,
    /// Sources from the most to the least trusted; all of them, each once.
    pub source_ranks: Vec<Source>,
    /// Ids of one person above which the identity is ignored. Default 64.
    pub identity_max: u32,
    /// Flags whose touches are invalid traffic. Default: automated agents, data centers, images and frames.
    pub excluded_flags: Vec<Flag>,
    /// Time from the order to its lock, in milliseconds. Default 30 d.
    pub lock_after_ms: i64,
    /// Days from the end of the order's month, in the program's zone, to its lock; in place of `lock_after_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_month_end_plus: Option<u8>,
    /// Ranked commission rules, read after the partner's and its segment's. Default: none, so nothing is paid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commission: Vec<CommissionRule>,
    /// Margin rates of the goods. Default: unknown.
    #[serde(default, skip_serializing_if = "Margins::is_empty")]
    pub margins: Margins,
    /// Whether orders that nobody acted on are validated when their time is over. Default on.
    #[serde(default = "on")]
    pub auto_approve: bool,
    /// Number of the rules by which the engine decides. Default 1.
    pub semantics: u16,
}

const fn on() -> bool {
    true
}

/// The defaults of every field.
impl Default for ProgramTerms {
    fn default() -> Self {
        Self {
            lookback_click: Lookback::Within(30 * event::time::DAY_MS),
            lookback_impression: Lookback::Within(event::time::DAY_MS),
            min_click_to_conversion_ms: 0,
            channel_map: ChannelMap::new(),
            non_credit_channels: ChannelName::new("direct").into_iter().collect(),
            click_over_impression: true,
            dedup_conflict: DedupConflict::Reject,
            lateness_ms: limits::LATENESS_MAX_MS,
            flag_grace_ms: None,
            merge_grace_ms: limits::LATENESS_MAX_MS,
            evidence_window_ms: 30 * 60_000,
            source_ranks: vec![Source::S2s, Source::Tag, Source::Pixel, Source::Import],
            identity_max: 64,
            excluded_flags: vec![
                Flag::BotUa,
                Flag::NoUa,
                Flag::Datacenter,
                Flag::ImageLoad,
                Flag::Iframe,
            ],
            lock_after_ms: 30 * event::time::DAY_MS,
            lock_month_end_plus: None,
            commission: Vec::new(),
            margins: Margins::default(),
            auto_approve: true,
            semantics: limits::SEMANTICS,
        }
    }
}

impl ProgramTerms {
    /// Position of `source` among the trusted ones; 0 is the most trusted.
    #[must_use]
    pub fn rank(&self, source: Source) -> usize {
        self.source_ranks.iter().position(|s| *s == source).unwrap_or(self.source_ranks.len())
    }
}

/// BLAKE3 over a fixed binary encoding of a terms version's values and start, cut to 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermsHash(pub [u8; 16]);

/// 32 hexadecimal digits.
impl fmt::Display for TermsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TermsHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TermsHash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TermsHash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        let read = |text: &str| -> Option<[u8; 16]> {
            let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            let number = u128::from_str_radix(text, 16).ok()?;
            (text.len() == 32 && plain).then(|| number.to_be_bytes())
        };
        let wrong = || serde::de::Error::custom("a terms hash is 32 hexadecimal digits");
        read(&text).map(Self).ok_or_else(wrong)
    }
}

/// Name and content hash of a terms version, as traces carry them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TermsRef {
    /// Such as `program/boutique/terms/2`: the object and the version's place, counted from 1. Place 0 stands for the
    /// built-in defaults, which hold while the program has no version in force.
    pub id: Arc<str>,
    /// Hash of its content.
    pub hash: TermsHash,
}

/// One version of terms in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermsVersion<T> {
    /// First instant at which it holds; none: since ever.
    pub valid_from: Option<Millis>,
    /// First instant at which it no longer holds; none: until the next version starts.
    pub valid_to: Option<Millis>,
    /// Name and content hash.
    pub reference: TermsRef,
    /// The terms.
    pub terms: T,
}

/// Bytes of a terms version for its hash: never JSON text, so that a change of formatting is no change of terms.
pub(crate) struct Encoder(blake3::Hasher);

impl Encoder {
    fn new(valid_from: Option<Millis>) -> Self {
        let mut encoder = Self(blake3::Hasher::new_derive_key("sillage terms v1"));
        encoder.optional(valid_from.map(|t| t.0));
        encoder
    }

    fn number(&mut self, n: i64) {
        self.0.update(&n.to_be_bytes());
    }

    fn optional(&mut self, n: Option<i64>) {
        self.0.update(&[u8::from(n.is_some())]);
        self.number(n.unwrap_or(0));
    }

    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    fn list<'a>(&mut self, words: impl ExactSizeIterator<Item = &'a str>) {
        self.0.update(&(words.len() as u64).to_be_bytes());
        words.for_each(|word| self.text(word));
    }

    fn lookback(&mut self, lookback: Option<Lookback>) {
        let (tag, ms) = match lookback {
            None => (0, 0),
            Some(Lookback::Off) => (1, 0),
            Some(Lookback::Within(ms)) => (2, ms),
        };
        self.0.update(&[tag]);
        self.number(ms);
    }

    fn channel_map(&mut self, map: &ChannelMap) {
        self.0.update(&(map.len() as u64).to_be_bytes());
        for (channel, treatment) in map {
            self.text(channel);
            self.0.update(&[match treatment {
                Treatment::None => 0,
                Treatment::Any => 1,
                Treatment::ClickOnly => 2,
                Treatment::ImpressionOnly => 3,
            }]);
        }
    }

    fn rules(&mut self, rules: &[CommissionRule]) {
        self.0.update(&(rules.len() as u64).to_be_bytes());
        for rule in rules {
            self.list(rule.name.iter().map(|name| &**name));
            self.conditions(&rule.when);
            let (tag, amount) = match rule.pays {
                Pays::Percent(rate) => (0, i64::from(rate.0)),
                Pays::PerOrder(amount) => (1, amount.0),
                Pays::Excluded => (2, 0),
                Pays::PerClick(amount) => (3, amount.0),
                Pays::PerThousandImpressions(amount) => (4, amount.0),
                Pays::PerPeriod { period: Period::Day, amount } => (5, amount.0),
                Pays::PerPeriod { period: Period::Week, amount } => (6, amount.0),
                Pays::PerPeriod { period: Period::Month, amount } => (7, amount.0),
            };
            self.0.update(&[tag]);
            self.number(amount);
            self.text(rule.currency.as_str());
            self.optional(rule.cap_per_order.map(|cap| cap.0));
        }
    }

    fn conditions(&mut self, when: &Conditions) {
        self.list(when.goal.iter().map(GoalName::as_str));
        self.list(when.partner.iter().map(PartnerName::as_str));
        self.list(when.segment.iter().map(SegmentName::as_str));
        self.list(when.partner_kind.iter().map(|kind| kind.as_str()));
        self.list(when.category.iter().map(|text| &**text));
        self.list(when.sku.iter().map(|text| &**text));
        self.list(when.group.iter().map(|text| &**text));
        self.optional(when.customer.map(|customer| match customer {
            CustomerType::New => 0,
            CustomerType::Returning => 1,
        }));
        self.list(when.coupon.iter().map(|text| &**text));
        self.list(when.channel.iter().map(ChannelName::as_str));
        self.list(when.link.iter().map(LinkName::as_str));
        self.optional(when.from.map(|t| t.0));
        self.optional(when.until.map(|t| t.0));
    }

    fn margins(&mut self, margins: &Margins) {
        self.optional(margins.default.map(|rate| i64::from(rate.0)));
        self.0.update(&(margins.category.len() as u64).to_be_bytes());
        for (category, rate) in &margins.category {
            self.text(category);
            self.number(i64::from(rate.0));
        }
    }

    fn finish(self) -> TermsHash {
        let mut out = [0; 16];
        self.0.finalize_xof().fill(&mut out);
        TermsHash(out)
    }
}

/// The word of a source in the encoding and in the file.
pub(crate) const fn source_word(source: Source) -> &'static str {
    match source {
        Source::S2s => "s2s",
        Source::Tag => "tag",
        Source::Pixel => "pixel",
        Source::Import => "import",
    }
}

/// Terms that have a content hash. The end of a version is no part of it: it may be set later, and what was decided
/// before stays decided.
pub(crate) trait Hashed {
    /// Hash of these terms as a version that starts at `valid_from`.
    fn content_hash(&self, valid_from: Option<Millis>) -> TermsHash;
}

impl Hashed for LevelTerms {
    fn content_hash(&self, valid_from: Option<Millis>) -> TermsHash {
        let Self {
            lookback_click,
            lookback_impression,
            min_click_to_conversion_ms,
            channel_map,
            commission,
            auto_approve,
        } = self;
        let mut encoder = Encoder::new(valid_from);
        encoder.lookback(*lookback_click);
        encoder.lookback(*lookback_impression);
        encoder.optional(*min_click_to_conversion_ms);
        encoder.channel_map(channel_map);
        encoder.rules(commission);
        encoder.optional(auto_approve.map(i64::from));
        encoder.finish()
    }
}

impl Hashed for ProgramTerms {
    fn content_hash(&self, valid_from: Option<Millis>) -> TermsHash {
        let mut encoder = Encoder::new(valid_from);
        encoder.lookback(Some(self.lookback_click));
        encoder.lookback(Some(self.lookback_impression));
        encoder.number(self.min_click_to_conversion_ms);
        encoder.channel_map(&self.channel_map);
        encoder.list(self.non_credit_channels.iter().map(ChannelName::as_str));
        encoder.number(i64::from(self.click_over_impression));
        encoder.number(match self.dedup_conflict {
            DedupConflict::Reject => 0,
            DedupConflict::Amend => 1,
        });
        encoder.number(self.lateness_ms);
        encoder.optional(self.flag_grace_ms);
        encoder.number(self.merge_grace_ms);
        encoder.number(self.evidence_window_ms);
        encoder.list(self.source_ranks.iter().map(|source| source_word(*source)));
        encoder.number(i64::from(self.identity_max));
        encoder.list(self.excluded_flags.iter().map(|flag| flag.as_str()));
        encoder.number(self.lock_after_ms);
        encoder.rules(&self.commission);
        encoder.margins(&self.margins);
        encoder.number(i64::from(self.auto_approve));
        encoder.number(i64::from(self.semantics));
        if let Some(days) = self.lock_month_end_plus {
            encoder.number(i64::from(days)); // terms without it keep the hash that they had before it was there
        }
        encoder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Hashed, LevelTerms, Lookback, ProgramTerms, TermsRef};

    #[test]
    fn a_reference_survives_its_json() {
        let hash = ProgramTerms::default().content_hash(None);
        let reference = TermsRef { id: "program/shop/terms/0".into(), hash };
        let text = serde_json::to_string(&reference).unwrap();
        assert_eq!(serde_json::from_str::<TermsRef>(&text).unwrap(), reference);
        for bad in ["\"\"", "\"00\"", "\"+0000000000000000000000000000000\""] {
            assert!(serde_json::from_str::<super::TermsHash>(bad).is_err());
        }
    }

    #[test]
    fn off_and_absent_and_zero_have_hashes_of_their_own() {
        let with = |lookback_click| {
            LevelTerms { lookback_click, ..LevelTerms::default() }.content_hash(None)
        };
        let all = [None, Some(Lookback::Off), Some(Lookback::Within(0))].map(with);
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        assert_ne!(all[0], LevelTerms::default().content_hash(Some(event::Millis(0))));
    }

    /// The default terms are what a program without any has: their hash stands in traces.
    #[test]
    fn the_hash_of_the_defaults_is_fixed() {
        let hash = ProgramTerms::default().content_hash(None).to_string();
        expect_test::expect!["22337203bed83f4e6cd65f75c36a1fe1"].assert_eq(&hash);
    }
}
