//! TOML to the tree.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::{Entry, Node, Value};
use crate::fault::Sink;

/// The tree of a TOML text; every syntax fault goes to the sink.
pub(super) fn parse(text: &str, sink: &Sink) -> Node {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        sink.push(
            error.span().map_or(0, |span| span.start),
            "",
            format!("the file is not valid TOML: {}", error.message().replace('\n', ", ")),
            "mend the syntax here; the content is checked after that",
        );
    }
    Node { at: 0, value: Value::Table(table(document.into_inner())) }
}

/// Entries in the order of the file: new objects get their numbers in it.
fn table(table: DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(key, value)| Entry {
            at: key.span().start,
            key: key.into_inner().into_owned(),
            node: node(value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

fn node(value: Spanned<DeValue<'_>>) -> Node {
    let at = value.span().start;
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| Value::Number(integer.to_string()), Value::Integer),
        DeValue::Float(float) => Value::Number(float.to_string()),
        DeValue::Boolean(on) => Value::Bool(on),
        DeValue::Datetime(time) => Value::Time(time.to_string()),
        DeValue::Array(list) => Value::List(list.into_iter().map(node).collect()),
        DeValue::Table(inner) => Value::Table(table(inner)),
    };
    Node { at, value }
}
