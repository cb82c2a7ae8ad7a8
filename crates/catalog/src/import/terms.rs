//! Terms and other values with a start, as the file writes them.

use event::body::conversion::Source;
use event::{ChannelName, Currency, Flag, Millis};

use super::commission;
use super::section::{Field, LaterKey, MisplacedKey, Section};
use crate::limits;
use crate::snapshot::channel_key;
use crate::terms::{
    ChannelMap, DedupConflict, LevelTerms, Lookback, ProgramTerms, Treatment, source_word,
};
use crate::timeline::{Timeline, Version};

const LATER: [LaterKey; 21] = [
    ("dedup_window", "a time window of dedup"),
    ("dedup_scope", "dedup over all programs of the installation"),
    ("in_cart_window", "clicks in the cart"),
    ("in_cart_evidence", "clicks in the cart"),
    ("in_cart_solo", "clicks in the cart"),
    ("in_cart_exempt", "clicks in the cart"),
    ("visit_gap", "touches of the last visit only"),
    ("collapse", "counting neighboring touches together"),
    ("collapse_gap", "counting neighboring touches together"),
    ("tiers", "ranked classes of partners"),
    ("tier", "ranked classes of partners"),
    ("preferred", "a preferred partner"),
    ("binding", "customers bound to a partner"),
    ("pin", "the order's own click id before all others"),
    ("click_id", "the order's own click id before all others"),
    ("max_touches", "the newest touches only"),
    ("position", "weights by position"),
    ("decay", "weights by age"),
    ("coupons", "coupon codes with owners"),
    ("rates", "exchange rates"),
    ("payout_currency", "exchange rates"),
];
/// Keys that somebody may try in terms.
const MISPLACED: [MisplacedKey; 3] = [
    ("rules", "call it `commission`"),
    ("caps", "write `cap_per_order` in a rule of `commission`"),
    ("margins", "write it in the program's terms: margins are the merchant's"),
];
/// Keys of terms that stand beside them.
pub(super) const BESIDE_TERMS: [MisplacedKey; 5] = [
    ("commission", "write it in the terms: terms = [{ commission = [ … ] }]"),
    ("rules", "call it `commission` and write it in the terms: terms = [{ commission = [ … ] }]"),
    ("caps", "write `cap_per_order` in a rule: terms = [{ commission = [{ … }] }]"),
    ("margins", "write it in the program's terms: terms = [{ margins = { … } }]"),
    ("auto_approve", "write it in the terms: terms = [{ auto_approve = true }]"),
];

/// A table with `valid_from`, `valid_to` and what `read` takes from it; or one word for a value since ever.
pub(super) struct Dated {
    /// Whether a version may end before the next one starts.
    pub(super) ends: bool,
}

impl Dated {
    /// The versions of a list, in the order of their start.
    pub(super) fn read<'a, T>(
        self,
        field: &Field<'a>,
        read: impl Fn(&Section<'a>, Option<&Field<'a>>) -> Option<T>,
        later: &[LaterKey],
        misplaced: &[MisplacedKey],
    ) -> Option<Timeline<T>> {
        if field.is_text() {
            // A single word: this value since ever.
            let section = Section::new(&[], field.at(), field.path.clone(), field.sink);
            return read(&section, Some(field)).map(Timeline::always);
        }
        let mut versions: Vec<Version<T>> = Vec::new();
        let mut whole = true;
        for (position, entry) in field.list()?.iter().enumerate() {
            let Some(section) = entry.table() else {
                whole = false;
                continue;
            };
            let from = section.field("valid_from");
            let valid_from = from.as_ref().and_then(Field::time);
            let to = if self.ends { section.field("valid_to") } else { None };
            let valid_to = to.as_ref().and_then(Field::time);
            if from.is_none() && position > 0 {
                section.sink.push(
                    section.at,
                    format!("{}.valid_from", section.path),
                    "is missing",
                    "add `valid_from = 2026-01-31T00:00:00Z`; only the first version may go without",
                );
                whole = false;
            }
            whole &= from.is_none() || valid_from.is_some();
            if let (Some(start), Some(end), Some(to)) = (valid_from, valid_to, &to)
                && end <= start
            {
                to.fault(
                    format!("is not after its start {start}"),
                    "a version holds from valid_from until just before valid_to",
                );
                whole = false;
            }
            if let (Some(before), Some(start), Some(from)) = (versions.last(), valid_from, &from) {
                whole &= follows(before, start, from, position);
            }
            let value = read(&section, None);
            section.finish_with(later, misplaced);
            match value {
                Some(value) => versions.push(Version { valid_from, valid_to, value }),
                None => whole = false,
            }
        }
        whole.then(|| Timeline::new(versions))
    }
}

/// Whether a version that starts at `start` may stand behind `before`.
fn follows<T>(before: &Version<T>, start: Millis, from: &Field<'_>, position: usize) -> bool {
    if before.valid_from.is_some_and(|earlier| start <= earlier) {
        from.fault(
            format!("is not after the start of version {position} before it"),
            "put the versions in the order of their start",
        );
        return false;
    }
    if let Some(end) = before.valid_to.filter(|end| start < *end) {
        from.fault(
            format!("overlaps version {position}, which ends at {end}"),
            "start it at that time or later",
        );
        return false;
    }
    true
}

/// Terms of a segment or partner.
fn level(section: &Section<'_>, currency: Currency) -> Option<LevelTerms> {
    let faults = section.sink.count();
    let terms = LevelTerms {
        lookback_click: lookback(section, "lookback_click"),
        lookback_impression: lookback(section, "lookback_impression"),
        min_click_to_conversion_ms: min_click_to_conversion(section),
        channel_map: channel_map(section),
        commission: commission::rules(section, currency),
        auto_approve: commission::auto_approve(section),
    };
    (faults == section.sink.count()).then_some(terms)
}

fn lookback(section: &Section<'_>, key: &'static str) -> Option<Lookback> {
    let field = section.field(key)?;
    if field.is_null() || field.is_text() && field.text(limits::TEXT_BYTES_MAX) == Some("off") {
        return Some(Lookback::Off);
    }
    field.duration(limits::HORIZON_MS).map(Lookback::Within)
}

fn min_click_to_conversion(section: &Section<'_>) -> Option<i64> {
    section.field("min_click_to_conversion")?.duration(limits::HORIZON_MS)
}

fn channel_map(section: &Section<'_>) -> ChannelMap {
    const WORDS: [(&str, Treatment); 4] = [
        ("none", Treatment::None),
        ("any", Treatment::Any),
        ("click_only", Treatment::ClickOnly),
        ("impression_only", Treatment::ImpressionOnly),
    ];
    let mut map = ChannelMap::new();
    let Some(table) = section.field("channel_map").and_then(|field| field.table()) else {
        return map;
    };
    for (channel, at, field) in table.fields() {
        let key = channel_key(channel);
        if key.is_empty() || key.len() > 128 {
            table.sink.push(
                at,
                field.path.as_str(),
                format!("{channel:?} is not a value of conversion.channel"),
                "write 1 to 128 bytes",
            );
        }
        if let Some(treatment) = field.word(&WORDS)
            && map.insert(key, treatment).is_some()
        {
            table.sink.push(
                at,
                field.path.as_str(),
                "is mapped twice (values compare trimmed and without regard to case)",
                "keep one of the two",
            );
        }
    }
    map
}

/// Terms of a program; gaps are filled with the defaults.
fn program(section: &Section<'_>, currency: Currency) -> Option<ProgramTerms> {
    const CONFLICTS: [(&str, DedupConflict); 2] =
        [("reject", DedupConflict::Reject), ("amend", DedupConflict::Amend)];
    let faults = section.sink.count();
    let mut terms = ProgramTerms::default();
    if let Some(found) = lookback(section, "lookback_click") {
        terms.lookback_click = found;
    }
    if let Some(found) = lookback(section, "lookback_impression") {
        terms.lookback_impression = found;
    }
    if let Some(found) = min_click_to_conversion(section) {
        terms.min_click_to_conversion_ms = found;
    }
    terms.channel_map = channel_map(section);
    let channels = section.field("non_credit_channels");
    if let Some(found) = channels.and_then(|f| f.set(|f| f.parsed("write a channel's name"))) {
        terms.non_credit_channels = found;
    }
    if let Some(found) = section.field("click_over_impression").and_then(|f| f.bool()) {
        terms.click_over_impression = found;
    }
    if let Some(field) = section.field("dedup_conflict") {
        match field.is_text().then(|| field.text(limits::TEXT_BYTES_MAX)).flatten() {
            Some(word @ ("increment" | "new")) => field.fault(
                format!("\"{word}\" is not part of this version yet"),
                "use \"reject\" or \"amend\"; a later version will have it",
            ),
            _ => terms.dedup_conflict = field.word(&CONFLICTS).unwrap_or(terms.dedup_conflict),
        }
    }
    let lateness = section.field("lateness").and_then(|f| f.duration(limits::LATENESS_MAX_MS));
    terms.lateness_ms = lateness.unwrap_or(terms.lateness_ms);
    terms.merge_grace_ms = section
        .field("merge_grace")
        .and_then(|f| f.duration(limits::HORIZON_MS))
        .unwrap_or(terms.lateness_ms);
    terms.flag_grace_ms = flag_grace(section);
    let evidence = section.field("evidence_window");
    if let Some(found) = evidence.and_then(|f| f.duration(limits::EVIDENCE_WINDOW_MAX_MS)) {
        terms.evidence_window_ms = found;
    }
    let lock_after = section.field("lock_after");
    if let Some(found) = lock_after.as_ref().and_then(|f| f.duration(limits::LOCK_AFTER_MAX_MS)) {
        terms.lock_after_ms = found;
    }
    if let Some(field) = section.field("lock") {
        terms.lock_month_end_plus = month_end_plus(&field);
        if lock_after.is_some() {
            field.fault("stands beside `lock_after`", "keep one of the two");
        }
    }
    if let Some(found) = source_ranks(section) {
        terms.source_ranks = found;
    }
    if let Some(found) = excluded_flags(section) {
        terms.excluded_flags = found;
    }
    let identity_max = section.field("identity_max");
    if let Some(found) = identity_max.and_then(|f| f.integer(1..=limits::IDENTITY_MAX.into())) {
        terms.identity_max = u32::try_from(found).unwrap_or(terms.identity_max);
    }
    terms.commission = commission::rules(section, currency);
    terms.margins = commission::margins(section);
    terms.auto_approve = commission::auto_approve(section).unwrap_or(terms.auto_approve);
    semantics(section);
    model(section);
    (faults == section.sink.count()).then_some(terms)
}

/// Days after the end of the order's month.
fn month_end_plus(field: &Field<'_>) -> Option<u8> {
    const LATER: [LaterKey; 1] = [("days_after", "locks by shipping or service date")];
    if field.is_text() {
        field.fault("is no table", "write lock = { month_end_plus = 3 }, or lock_after = \"30d\"");
        return None;
    }
    let table = field.table()?;
    let range = 0..=limits::LOCK_MONTH_END_PLUS_MAX.into();
    let days = table.required("month_end_plus", "3").and_then(|days| days.integer(range));
    table.finish(&LATER);
    days.and_then(|days| u8::try_from(days).ok())
}

fn flag_grace(section: &Section<'_>) -> Option<i64> {
    let field = section.field("flag_grace")?;
    if field.is_text() && field.text(limits::TEXT_BYTES_MAX) == Some("until_lock") {
        return None;
    }
    field.duration(limits::HORIZON_MS)
}

fn source_ranks(section: &Section<'_>) -> Option<Vec<Source>> {
    const ALL: [Source; 4] = [Source::S2s, Source::Tag, Source::Pixel, Source::Import];
    let field = section.field("source_ranks")?;
    let words = ALL.map(|source| (source_word(source), source));
    let before = section.sink.count();
    let ranks = field.set(|entry| entry.word(&words))?;
    if ranks.len() != ALL.len() && before == section.sink.count() {
        field.fault(
            "does not rank every source",
            "name each of s2s, tag, pixel and import once, the most trusted first",
        );
    }
    Some(ranks)
}

fn excluded_flags(section: &Section<'_>) -> Option<Vec<Flag>> {
    const WITH_A_RULE: [Flag; 5] =
        [Flag::Head, Flag::Prefetch, Flag::Prerender, Flag::Test, Flag::ConsentDenied];
    let free = Flag::ALL.iter().filter(|flag| !WITH_A_RULE.contains(flag));
    let words: Vec<_> = free.map(|flag| (flag.as_str(), *flag)).collect();
    section.field("excluded_flags")?.set(|entry| {
        let word = entry.is_text().then(|| entry.text(limits::TEXT_BYTES_MAX)).flatten();
        if word.and_then(Flag::from_word).is_some_and(|flag| WITH_A_RULE.contains(&flag)) {
            entry.fault("has a rule of its own, whatever the terms say", "remove it from the list");
            return None;
        }
        entry.word(&words)
    })
}

fn semantics(section: &Section<'_>) {
    let Some(field) = section.field("semantics") else { return };
    if let Some(number) = field.integer(1..=i64::from(u16::MAX))
        && number != i64::from(limits::SEMANTICS)
    {
        field.fault(
            format!(
                "is {number}, but this version decides by the rules {} only",
                limits::SEMANTICS
            ),
            format!("write {}, or install a version that knows {number}", limits::SEMANTICS),
        );
    }
}

fn model(section: &Section<'_>) {
    let Some(field) = section.field("model") else { return };
    match field.text(limits::TEXT_BYTES_MAX) {
        None | Some("last") => {}
        Some(other) => field.fault(
            format!("the model {other:?} is not part of this version yet"),
            "use \"last\" or remove the key; a later version will have other models",
        ),
    }
}

/// The versions of the terms of a segment or partner.
pub(super) fn levels(field: &Field<'_>, currency: Currency) -> Option<Timeline<LevelTerms>> {
    versions(field, |section| level(section, currency))
}

/// The versions of the terms of a program.
pub(super) fn programs(field: &Field<'_>, currency: Currency) -> Option<Timeline<ProgramTerms>> {
    versions(field, |section| program(section, currency))
}

fn versions<T>(field: &Field<'_>, read: impl Fn(&Section<'_>) -> Option<T>) -> Option<Timeline<T>> {
    if field.is_text() {
        // Terms are no single word.
        field.list()?;
    }
    Dated { ends: true }.read(field, |section, _| read(section), &LATER, &MISPLACED)
}

/// Names of channels, for the cross-checks.
pub(super) fn is_default_non_credit(channel: &ChannelName) -> bool {
    channel.as_str() == "direct"
}
