//! Reads tables of the tree field by field. A fault never stops the reading: the field counts as absent, and the
//! whole file is refused at the end.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use event::money::{AmountFault, DecimalMark};
use event::{Micros, Millis};

use super::duration::{self, NotADuration};
use super::tree::{Entry, Node, Value};
use crate::fault::Sink;
use crate::limits;

/// A key that a later version will have, and what it is for.
pub(super) type LaterKey = (&'static str, &'static str);
/// A key that belongs elsewhere, and what to do with it.
pub(super) type MisplacedKey = (&'static str, &'static str);

/// One table.
pub(super) struct Section<'a> {
    entries: &'a [Entry],
    pub(super) at: usize,
    pub(super) path: String,
    pub(super) sink: &'a Sink,
    asked: RefCell<Vec<&'static str>>,
}

/// One value with its path.
pub(super) struct Field<'a> {
    node: &'a Node,
    pub(super) path: String,
    pub(super) sink: &'a Sink,
}

impl<'a> Section<'a> {
    pub(super) fn new(entries: &'a [Entry], at: usize, path: String, sink: &'a Sink) -> Self {
        Self { entries, at, path, sink, asked: RefCell::default() }
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.into() } else { format!("{}.{key}", self.path) }
    }

    /// The field of this name, if the file has it.
    pub(super) fn field(&self, key: &'static str) -> Option<Field<'a>> {
        self.asked.borrow_mut().push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Field { node: &entry.node, path: self.below(key), sink: self.sink })
    }

    /// The field of this name; its absence is a fault.
    pub(super) fn required(&self, key: &'static str, example: &str) -> Option<Field<'a>> {
        let field = self.field(key);
        if field.is_none() {
            let remedy = format!("add `{key} = {example}`");
            self.sink.push(self.at, self.below(key), "is missing", remedy);
        }
        field
    }

    /// Every entry of a table of named objects, with the key's place; keys that are no names are faults.
    pub(super) fn objects<N: FromStr<Err: fmt::Display>>(&self) -> Vec<(N, Section<'a>)> {
        let mut objects = Vec::with_capacity(self.entries.len());
        for entry in self.entries {
            let path = self.below(&entry.key);
            let name = match entry.key.parse() {
                Ok(name) => Some(name),
                Err(problem) => {
                    let problem: N::Err = problem;
                    self.sink.push(
                        entry.at,
                        path.as_str(),
                        format!("{:?} is not a name: {problem}", entry.key),
                        "choose another name",
                    );
                    None
                }
            };
            let field = Field { node: &entry.node, path, sink: self.sink };
            if let (Some(name), Some(mut section)) = (name, field.table()) {
                section.at = entry.at;
                objects.push((name, section));
            }
        }
        objects
    }

    /// Every entry as key and field.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'a str, usize, Field<'a>)> {
        self.entries.iter().map(|entry| {
            let path = self.below(&entry.key);
            (&*entry.key, entry.at, Field { node: &entry.node, path, sink: self.sink })
        })
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self, later: &[LaterKey]) {
        self.finish_with(later, &[]);
    }

    /// The same where keys may stand that belong elsewhere.
    pub(super) fn finish_with(self, later: &[LaterKey], misplaced: &[MisplacedKey]) {
        let asked = self.asked.borrow();
        for entry in self.entries {
            if asked.iter().any(|key| *key == entry.key) {
                continue;
            }
            let path = self.below(&entry.key);
            if let Some((key, what)) = later.iter().find(|(key, _)| *key == entry.key) {
                self.sink.push(
                    entry.at,
                    path,
                    format!("`{key}` ({what}) is not part of this version yet"),
                    "remove it; a later version will have it",
                );
                continue;
            }
            if let Some((key, remedy)) = misplaced.iter().find(|(key, _)| *key == entry.key) {
                self.sink.push(entry.at, path, format!("`{key}` has no place here"), *remedy);
                continue;
            }
            let remedy = match nearest(&entry.key, asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let mut known = asked.clone();
                    known.sort_unstable();
                    known.dedup();
                    format!("remove it; known here: {}", known.join(", "))
                }
            };
            self.sink.push(entry.at, path, format!("`{}` is an unknown key", entry.key), remedy);
        }
    }
}

impl<'a> Field<'a> {
    pub(super) const fn at(&self) -> usize {
        self.node.at
    }

    pub(super) fn fault(&self, problem: impl Into<String>, remedy: impl Into<String>) {
        self.sink.push(self.node.at, self.path.as_str(), problem, remedy);
    }

    fn expected<T>(&self, what: &str, example: &str) -> Option<T> {
        let problem = format!("is {}, but {what} is expected", self.node.value.noun());
        self.fault(problem, format!("write it as {example}"));
        None
    }

    pub(super) const fn is_text(&self) -> bool {
        matches!(self.node.value, Value::Text(_))
    }

    pub(super) const fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// Text that is not empty, has no control characters and at most `max` bytes.
    pub(super) fn text(&self, max: usize) -> Option<&'a str> {
        let Value::Text(text) = &self.node.value else {
            return self.expected("text", "\"…\"");
        };
        if text.trim().is_empty() {
            self.fault("is empty", "write something or remove the key");
            return None;
        }
        if text.len() > max {
            self.fault(
                format!("has {} bytes, above the limit of {max}", text.len()),
                format!("shorten it to {max} bytes"),
            );
            return None;
        }
        if text.contains(char::is_control) {
            self.fault("has a control character", "remove it");
            return None;
        }
        Some(text)
    }

    /// Text that parses.
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(&self, remedy: &str) -> Option<T> {
        let text = self.text(limits::TEXT_BYTES_MAX)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(problem) => {
                let problem: T::Err = problem;
                self.fault(format!("{text:?} does not fit: {problem}"), remedy);
                None
            }
        }
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        if let (false, Some((first, _))) = (self.is_text(), words.first()) {
            return self.expected("text", &format!("{first:?}"));
        }
        let text = self.text(limits::TEXT_BYTES_MAX)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        self.fault(format!("{text:?} is not a value of it"), format!("use {}", known.join(", ")));
        None
    }

    pub(super) fn bool(&self) -> Option<bool> {
        let Value::Bool(on) = self.node.value else {
            return self.expected("true or false", "true");
        };
        Some(on)
    }

    pub(super) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let Value::Integer(n) = self.node.value else {
            return self.expected("a whole number", &range.end().to_string());
        };
        if range.contains(&n) {
            return Some(n);
        }
        let (low, high) = range.into_inner();
        self.fault(
            format!("is {n}, outside {low} to {high}"),
            format!("use a number from {low} to {high}"),
        );
        None
    }

    /// A decimal number, exact: text or a whole number.
    pub(super) fn decimal(&self) -> Option<Micros> {
        let read = |text: &str| Micros::parse(text, DecimalMark::Dot);
        let written = match &self.node.value {
            Value::Text(text) => Cow::Borrowed(text.as_str()),
            Value::Integer(n) => Cow::Owned(n.to_string()),
            Value::Number(written) => {
                let remedy = match read(written) {
                    Ok(_) => format!("write it as text: \"{written}\""),
                    Err(_) => "write it as text, such as \"7.5\"".into(),
                };
                self.fault(format!("is the number {written}, which is not exact"), remedy);
                return None;
            }
            Value::Bool(_) | Value::Time(_) | Value::Null | Value::List(_) | Value::Table(_) => {
                return self.expected("a decimal number as text", "\"7.5\"");
            }
        };
        let problem = match read(&written) {
            Ok(number) => return Some(number),
            Err(problem) => problem,
        };
        let likely = written.replace(',', ".");
        let likely = likely.trim_matches(|c: char| c.is_whitespace() || c == '%');
        let remedy = match (problem, read(likely)) {
            (AmountFault::NotDecimal, Ok(_)) => format!("write it as \"{likely}\""),
            (AmountFault::TooPrecise, _) => "round it to 6 decimals".into(),
            (AmountFault::TooLarge, _) => "write a smaller number".into(),
            _ => "write a number such as \"7.5\"".into(),
        };
        self.fault(format!("{written:?} {problem}"), remedy);
        None
    }

    /// A duration of at most `max` milliseconds.
    pub(super) fn duration(&self, max: i64) -> Option<i64> {
        let text = match &self.node.value {
            Value::Text(text) => text,
            Value::Integer(n) => {
                let problem = format!("is {n} without a unit");
                self.fault(
                    problem,
                    format!("write it as \"{n}d\", \"{n}h\", \"{n}m\" or \"{n}s\""),
                );
                return None;
            }
            Value::Number(_)
            | Value::Bool(_)
            | Value::Time(_)
            | Value::Null
            | Value::List(_)
            | Value::Table(_) => return self.expected("a duration", "\"30d\""),
        };
        let limit = duration::text(max);
        match duration::milliseconds(text) {
            Ok(ms) if ms <= max => Some(ms),
            Ok(_) | Err(NotADuration::TooLong) => {
                let problem = format!("is {text}, above the limit of {limit}");
                self.fault(problem, format!("shorten it to at most \"{limit}\""));
                None
            }
            Err(NotADuration::Shape) => {
                self.fault(
                    format!("{text:?} is not a duration"),
                    "write whole numbers with d, h, m, s or ms, such as \"30d\", \"24h\" or \"90m\"",
                );
                None
            }
        }
    }

    /// An instant: a time with offset, to the millisecond.
    pub(super) fn time(&self) -> Option<Millis> {
        const EXAMPLE: &str = "2026-01-31T00:00:00Z or 2026-01-31T01:00:00+01:00";
        let (Value::Text(text) | Value::Time(text)) = &self.node.value else {
            return self.expected("a time", EXAMPLE);
        };
        let Ok(instant) = text.parse::<jiff::Timestamp>() else {
            let has_offset = text.contains(['T', ' ', 't']) && text.ends_with(['Z', 'z']);
            let problem = if has_offset { "is not a time" } else { "is not a time with an offset" };
            self.fault(format!("{text:?} {problem}"), format!("write it as {EXAMPLE}"));
            return None;
        };
        if instant.subsec_nanosecond() % 1_000_000 != 0 {
            self.fault(
                format!("{text:?} is finer than a millisecond"),
                "write at most three decimals",
            );
            return None;
        }
        Some(Millis(instant.as_millisecond()))
    }

    pub(super) fn table(&self) -> Option<Section<'a>> {
        let Value::Table(entries) = &self.node.value else {
            return self.expected("a table", "{ … }");
        };
        Some(Section::new(entries, self.node.at, self.path.clone(), self.sink))
    }

    /// The entries of a list, whose paths count from 1.
    pub(super) fn list(&self) -> Option<Vec<Field<'a>>> {
        let Value::List(list) = &self.node.value else {
            return self.expected("a list", "[ … ]");
        };
        if list.len() > limits::LIST_MAX {
            self.fault(
                format!("has {} entries, above the limit of {}", list.len(), limits::LIST_MAX),
                "shorten the list",
            );
            return None;
        }
        let entry = |(node, n): (&'a Node, usize)| Field {
            node,
            path: format!("{}[{n}]", self.path),
            sink: self.sink,
        };
        Some(list.iter().zip(1..).map(entry).collect())
    }

    /// The entries of a list that `read` accepts, without repetition.
    pub(super) fn set<T: PartialEq>(
        &self,
        read: impl Fn(&Field<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut set = Vec::new();
        for field in self.list()? {
            let Some(value) = read(&field) else { continue };
            if set.contains(&value) {
                field.fault("stands in the list twice", "keep one of the two");
            } else {
                set.push(value);
            }
        }
        Some(set)
    }
}

/// The known word that a mistyped one most likely means.
pub(super) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let best = known.map(|other| (distance(word, other), other)).min();
    best.filter(|(steps, other)| *steps <= (other.len().min(word.len()) / 3).max(1))
        .map(|(_, other)| other)
}

/// Levenshtein distance, by rows.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (place, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *place;
            *place = replaced.min(left + 1).min(diagonal + 1);
            left = *place;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn the_distance_counts_changed_missing_and_additional_letters() {
        for (a, b, steps) in
            [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("lookback", "lookbak", 1)]
        {
            assert_eq!(distance(a, b), steps);
            assert_eq!(distance(b, a), steps);
        }
    }

    #[test]
    fn a_mistyped_key_finds_its_neighbor_and_a_foreign_one_none() {
        let known = || ["lookback_click", "home", "sites"].into_iter();
        assert_eq!(nearest("lookback_clicks", known()), Some("lookback_click"));
        assert_eq!(nearest("hom", known()), Some("home"));
        assert_eq!(nearest("colour", known()), None);
    }
}
