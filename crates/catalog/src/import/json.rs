//! JSON (RFC 8259) to the tree, with the place of every value, which `serde_json` does not keep.

use std::collections::HashSet;

use super::tree::{Entry, Node, Value};
use crate::fault::Sink;
use crate::limits;

/// The tree of a JSON text; the first syntax fault and every duplicate key go to the sink.
pub(super) fn parse(text: &str, sink: &Sink) -> Node {
    let mut reader = Reader { text, at: 0, sink };
    let parsed = reader.value(0).and_then(|node| {
        reader.white_space();
        if reader.at == text.len() { Ok(node) } else { Err("there is text after its end") }
    });
    parsed.unwrap_or_else(|problem| {
        sink.push(
            reader.at,
            "",
            format!("the file is not valid JSON: {problem}"),
            "mend the syntax here; the content is checked after that",
        );
        Node { at: 0, value: Value::Table(Vec::new()) }
    })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    sink: &'a Sink,
}

type Read<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn white_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Read<Node> {
        if depth > limits::DEPTH_MAX {
            return Err("it is nested too deeply");
        }
        self.white_space();
        let at = self.at;
        let value = match self.peek() {
            None => return Err("it ends too early"),
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => self.word()?,
        };
        Ok(Node { at, value })
    }

    fn word(&mut self) -> Read<Value> {
        let words =
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)];
        for (word, value) in words {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err("a value is expected")
    }

    fn object(&mut self, depth: usize) -> Read<Value> {
        self.at += 1;
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        self.white_space();
        if self.take(b'}') {
            return Ok(Value::Table(entries));
        }
        loop {
            self.white_space();
            let at = self.at;
            if self.peek() != Some(b'"') {
                return Err("a key in double quotes is expected");
            }
            let key = self.string()?;
            self.white_space();
            if !self.take(b':') {
                return Err("a colon is expected after a key");
            }
            let node = self.value(depth + 1)?;
            if seen.insert(key.clone()) {
                entries.push(Entry { key, at, node });
            } else {
                self.sink.push(
                    at,
                    "",
                    format!("the key {key:?} stands twice in one object"),
                    "keep one of the two",
                );
            }
            self.white_space();
            if self.take(b'}') {
                return Ok(Value::Table(entries));
            }
            if !self.take(b',') {
                return Err("a comma or } is expected");
            }
        }
    }

    fn array(&mut self, depth: usize) -> Read<Value> {
        self.at += 1;
        let mut list = Vec::new();
        self.white_space();
        if self.take(b']') {
            return Ok(Value::List(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            self.white_space();
            if self.take(b']') {
                return Ok(Value::List(list));
            }
            if !self.take(b',') {
                return Err("a comma or ] is expected");
            }
        }
    }

    /// Finds the end of the string and leaves its escapes to `serde_json`.
    fn string(&mut self) -> Read<String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err("a text does not end"),
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(quoted).map_err(|_| {
            self.at = start;
            "a text has a wrong escape or a control character"
        })
    }

    fn number(&mut self) -> Read<Value> {
        let start = self.at;
        let rest = self.rest();
        let of_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let written = rest.get(..rest.len() - rest.trim_start_matches(of_number).len());
        let written = written.unwrap_or_default();
        if serde_json::from_str::<&serde_json::value::RawValue>(written).is_err() {
            self.at = start;
            return Err("a number is malformed");
        }
        self.at += written.len();
        Ok(written.parse().map_or_else(|_| Value::Number(written.into()), Value::Integer))
    }
}
