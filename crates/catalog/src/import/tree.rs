//! A file as a tree of values with their places: the same for TOML and JSON, so that one reader serves both.

use std::borrow::Cow;

/// A value and the byte offset at which it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Value,
}

impl Node {
    /// Whether the table of this name has this key.
    pub(super) fn has(&self, table: &str, key: &str) -> bool {
        self.entry(table).is_some_and(|table| table.node.entry(key).is_some())
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        let Value::Table(entries) = &self.value else { return None };
        entries.iter().find(|entry| entry.key == key)
    }

    /// Where the value of this path stands, or the nearest one above it: keys of tables, values of everything else.
    pub(super) fn place(&self, path: &str) -> usize {
        let mut at = self.at;
        let mut node = self;
        for step in path.split('.') {
            let (key, place) = match step.split_once('[') {
                Some((key, place)) => (key, place.trim_end_matches(']').parse::<usize>().ok()),
                None => (step, None),
            };
            let Some(entry) = node.entry(key) else { break };
            node = &entry.node;
            at = if matches!(node.value, Value::Table(_)) { entry.at } else { node.at };
            let Some(place) = place else { continue };
            let Value::List(list) = &node.value else { continue };
            let Some(member) = list.get(place.saturating_sub(1)) else { break };
            node = member;
            at = node.at;
        }
        at
    }
}

/// A value of the file.
#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    /// A number that is no `i64`, as written.
    Number(String),
    Bool(bool),
    /// A date or time of TOML, as written.
    Time(String),
    Null,
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key with its value; the offset is the key's.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: usize,
    pub(super) node: Node,
}

impl Value {
    /// What it is, for a sentence.
    pub(super) fn noun(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a number",
            Self::Number(written) => return Cow::Owned(format!("the number {written}")),
            Self::Bool(_) => "true or false",
            Self::Time(_) => "a time",
            Self::Null => "null",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        })
    }
}
