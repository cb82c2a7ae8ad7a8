//! From a file and the environment to a [`Config`], or to every fault with its place.
//!
//! Every key is tried alone on top of the defaults, so that one wrong value does not hide the next.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::Config;
use super::suggest::nearest;

/// What overrides a key from the environment: `SILLAGE__SECTION__KEY`.
const PREFIX: &str = "SILLAGE__";

/// A fault with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Where it is.
    pub(crate) place: Place,
    /// What is wrong and what to do.
    pub(crate) text: String,
}

/// Where a setting, or a fault, comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file as a whole: the key is not in it.
    File(PathBuf),
    /// Line and column in a file, from 1.
    At(PathBuf, usize, usize),
    /// A variable of the environment.
    Environment(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(file) => write!(f, "{}", file.display())?,
            Place::At(file, line, column) => write!(f, "{}:{line}:{column}", file.display())?,
            Place::Environment(name) => write!(f, "{name}")?,
        }
        write!(f, ": {}", self.text)
    }
}

/// One setting.
struct Leaf {
    path: Vec<String>,
    value: Value,
    place: Place,
}

/// Reads `file`, lets `environment` override it, and checks everything.
pub(crate) fn load(
    file: &Path,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, Vec<Finding>> {
    let place = || Place::File(file.to_owned());
    let text = std::fs::read_to_string(file).map_err(|error| {
        let text = format!("cannot read it: {error}; start from config/minimal.toml");
        vec![Finding { place: place(), text }]
    })?;
    let mut leaves = in_file(file, &text)?;
    let mut findings = Vec::new();
    for (name, text) in environment {
        if let Some(keys) = name.strip_prefix(PREFIX) {
            let path: Vec<String> = keys.split("__").map(str::to_ascii_lowercase).collect();
            leaves.retain(|leaf| leaf.path != path);
            leaves.push(from_environment(name, path, text));
        }
    }
    leaves.retain(|leaf| match fault_alone(leaf) {
        None => true,
        Some(text) => {
            let text = format!("{}: {text}", leaf.path.join("."));
            findings.push(Finding { place: leaf.place.clone(), text });
            false
        }
    });
    match deserialize(leaves.iter()) {
        Err(error) => {
            findings.push(Finding { place: place(), text: error.message().to_owned() });
        }
        Ok(config) => {
            for fault in config.faults() {
                // A key that was refused above has its fault already.
                let refused =
                    findings.iter().any(|f| f.text.starts_with(&format!("{}:", fault.key)));
                if !refused {
                    let place = place_of(&leaves, &fault.key).unwrap_or_else(place);
                    findings.push(Finding { place, text: fault.to_string() });
                }
            }
            if findings.is_empty() {
                return Ok(config);
            }
        }
    }
    findings.sort_by_key(|finding| match &finding.place {
        Place::File(_) => (0, 0, 0),
        Place::At(_, line, column) => (1, *line, *column),
        Place::Environment(_) => (2, 0, 0),
    });
    Err(findings)
}

/// The settings of the file, or every mistake in its syntax.
fn in_file(file: &Path, text: &str) -> Result<Vec<Leaf>, Vec<Finding>> {
    let at = |offset: usize| {
        let (line, column) = position(text, offset);
        Place::At(file.to_owned(), line, column)
    };
    let (spanned, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let finding = |error: &toml::de::Error| Finding {
            place: at(error.span().map_or(0, |span| span.start)),
            text: error.message().to_owned(),
        };
        return Err(errors.iter().map(finding).collect());
    }
    let values: Table = toml::from_str(text).map_err(|error| {
        let place = at(error.span().map_or(0, |span| span.start));
        vec![Finding { place, text: error.message().to_owned() }]
    })?;
    let mut leaves = Vec::new();
    collect(spanned.get_ref(), &values, &mut Vec::new(), &at, &mut leaves);
    Ok(leaves)
}

fn collect(
    spanned: &DeTable<'_>,
    values: &Table,
    path: &mut Vec<String>,
    at: &impl Fn(usize) -> Place,
    leaves: &mut Vec<Leaf>,
) {
    for (key, value) in spanned {
        path.push(key.get_ref().to_string());
        if let Some(plain) = values.get(key.get_ref().as_ref()) {
            match (value.get_ref(), plain) {
                (DeValue::Table(inner), Value::Table(plain)) if !plain.is_empty() => {
                    collect(inner, plain, path, at, leaves);
                }
                _ => leaves.push(Leaf {
                    path: path.clone(),
                    value: plain.clone(),
                    place: at(key.span().start),
                }),
            }
        }
        path.pop();
    }
}

/// A variable is text; it is taken as a number, a truth value or a list where the key wants one.
fn from_environment(name: String, path: Vec<String>, text: String) -> Leaf {
    let typed =
        toml::from_str::<Table>(&format!("x = {text}")).ok().and_then(|mut t| t.remove("x"));
    let place = Place::Environment(name);
    let plain = Leaf { path, value: Value::String(text), place };
    match typed {
        Some(value) if fault_alone(&plain).is_some() => Leaf { value, ..plain },
        _ => plain,
    }
}

/// What is wrong with one setting on top of the defaults.
fn fault_alone(leaf: &Leaf) -> Option<String> {
    let error = deserialize(std::iter::once(leaf)).err()?;
    let message = error.message().lines().next().unwrap_or_default();
    match message.strip_prefix("unknown field `") {
        Some(rest) => {
            let mut names = rest.split('`').step_by(2);
            let given = names.next().unwrap_or_default();
            let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
            Some(match nearest(given, &known) {
                Some(near) => format!("there is no key {given:?} here; did you mean {near:?}?"),
                None => format!("there is no key {given:?} here; there are {}", known.join(", ")),
            })
        }
        // Another key of the same section is required; the whole file is judged later.
        None if message.starts_with("missing field") => None,
        None => Some(message.to_owned()),
    }
}

fn deserialize<'a>(leaves: impl Iterator<Item = &'a Leaf>) -> Result<Config, toml::de::Error> {
    let mut table = Table::new();
    for leaf in leaves {
        insert(&mut table, &leaf.path, leaf.value.clone());
    }
    Config::deserialize(table)
}

fn insert(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let inner = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// The place of `key`, or of the nearest setting around or below it.
fn place_of(leaves: &[Leaf], key: &str) -> Option<Place> {
    let below = format!("{key}.");
    let exact = |leaf: &&Leaf| leaf.path.join(".") == key;
    let around = |leaf: &&Leaf| {
        let path = leaf.path.join(".");
        path.starts_with(&below) || key.starts_with(&format!("{path}."))
    };
    leaves.iter().find(exact).or_else(|| leaves.iter().find(around)).map(|leaf| leaf.place.clone())
}

/// Line and column (in characters) of a byte, from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
    (before.matches('\n').count() + 1, column)
}
