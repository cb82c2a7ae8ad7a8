//! A file as a tree of values with their places: the same for TOML and JSON, so that one reader serves both.

use std::borrow::Cow;

/// A value and the byte offset at which it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Value,
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
