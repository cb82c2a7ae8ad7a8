//! Reading a file of events: every fault by line, column and field, and nothing taken from a file that has one.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use anyhow::Context as _;
use event::envelope::{ENVELOPE_BYTES_MAX, EnvelopeFault};
use event::{Envelope, EventId, EventType};

use super::field::{field_at, place_of};
use crate::config::Faults;

/// Faults listed of one file; the rest is counted.
const FAULTS_MAX: usize = 1_000;

/// What a fault of one line is: byte offset in it, field, and what is wrong.
pub(super) struct LineFault {
    pub(super) at: usize,
    pub(super) field: String,
    pub(super) text: String,
}

impl LineFault {
    /// A fault of the field with this path, such as `body.items[2].amount`; of one that is missing, at what should hold
    /// it.
    pub(super) fn of_field(line: &str, field: &str, text: impl Into<String>) -> Self {
        let mut place = field;
        let at = loop {
            match (place_of(line, place), place.rsplit_once('.')) {
                (Some(at), _) => break at,
                (None, Some((around, _))) => place = around,
                (None, None) => break line.len() - line.trim_start().len(),
            }
        };
        Self { at, field: field.to_owned(), text: text.into() }
    }
}

/// What a file of events was found to hold.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Every fault, in the order of the lines.
    pub(super) faults: Vec<String>,
    /// Lines whose kind decisions do not read.
    pub(super) skipped: BTreeMap<EventType, u64>,
}

/// Reads `path` line by line and hands each event to `take` once, however often it is in the file, with its line.
pub(super) fn read(
    path: &Path,
    mut take: impl FnMut(&str, Envelope) -> Result<Taken, Vec<LineFault>>,
) -> anyhow::Result<Read> {
    let file = File::open(path)
        .map_err(|error| Faults::one(format!("{}: cannot read it: {error}", path.display())))?;
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut seen = HashMap::new();
    let mut found = Read::default();
    let mut more = 0_u64;
    let mut line = Vec::new();
    let longest = u64::try_from(ENVELOPE_BYTES_MAX + b"\r\n".len())?;
    for number in 1.. {
        line.clear();
        let context = || format!("read line {number} of {}", path.display());
        if file.by_ref().take(longest).read_until(b'\n', &mut line).with_context(context)? == 0 {
            break;
        }
        let ended = line.last() == Some(&b'\n');
        let text = line.trim_ascii_end();
        let result = if text.len() > ENVELOPE_BYTES_MAX {
            if !ended {
                file.skip_until(b'\n').with_context(context)?;
            }
            let text = format!("the line is longer than {ENVELOPE_BYTES_MAX} bytes");
            Err(vec![LineFault { at: 0, field: String::new(), text }])
        } else {
            one(text, number, &mut seen).map_err(|fault| vec![fault]).and_then(|event| {
                let Some((text, envelope)) = event else { return Ok(()) };
                let kind = envelope.body.event_type();
                if take(text, envelope)? == Taken::NotWanted {
                    *found.skipped.entry(kind).or_default() += 1;
                }
                Ok(())
            })
        };
        for fault in result.err().into_iter().flatten() {
            if found.faults.len() < FAULTS_MAX {
                let text = String::from_utf8_lossy(text);
                found.faults.push(shown(path, number, &text, &fault));
            } else {
                more += 1;
            }
        }
    }
    if more > 0 {
        let text = format!("{}: {more} more faults are not listed", path.display());
        found.faults.push(text);
    }
    Ok(found)
}

/// Whether an event means something to decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    NotWanted,
}

/// The event of a line; none for an empty line and for one that was in the file before.
fn one<'a>(
    line: &'a [u8],
    number: usize,
    seen: &mut HashMap<EventId, (usize, u64)>,
) -> Result<Option<(&'a str, Envelope)>, LineFault> {
    if line.is_empty() {
        return Ok(None);
    }
    let text = str::from_utf8(line).map_err(|error| LineFault {
        at: error.valid_up_to(),
        field: String::new(),
        text: "is not UTF-8".to_owned(),
    })?;
    if !text.trim_start().starts_with('{') {
        return Err(LineFault::of_field(text, "", "an event is a JSON object in one line"));
    }
    let envelope = Envelope::read(line).map_err(|fault| explained(text, &fault))?;
    let content = event::topic::KeyHash::of(&envelope.to_json()).0;
    match seen.entry(envelope.id) {
        Entry::Vacant(place) => {
            place.insert((number, content));
            Ok(Some((text, envelope)))
        }
        Entry::Occupied(known) if known.get().1 == content => Ok(None),
        Entry::Occupied(known) => {
            let first = known.get().0;
            let fault = format!("stands on line {first} with other content; an id names one event");
            Err(LineFault::of_field(text, "id", fault))
        }
    }
}

fn explained(line: &str, fault: &EnvelopeFault) -> LineFault {
    let of_json = |source: &serde_json::Error, from: usize| {
        let at = from + source.column().saturating_sub(1);
        let message = source.to_string();
        let text = message.split(" at line ").next().unwrap_or_default();
        let field = field_at(line, at);
        match text.strip_prefix("missing field `") {
            // Noticed at the end of what should hold it, behind the last field there.
            Some(rest) => {
                let around =
                    field.rsplit_once('.').map_or(String::new(), |(path, _)| path.to_owned() + ".");
                let field = around + rest.trim_end_matches('`');
                LineFault { at, field, text: "is missing".to_owned() }
            }
            None => LineFault { at, field, text: text.to_owned() },
        }
    };
    match fault {
        EnvelopeFault::Read(source) => of_json(source, 0),
        EnvelopeFault::Body { source, body_at, .. } => of_json(source, *body_at),
        EnvelopeFault::UnknownVersion(_) => LineFault::of_field(line, "v", fault.to_string()),
        EnvelopeFault::UnknownType(_) => LineFault::of_field(line, "type", fault.to_string()),
        other => LineFault { at: 0, field: String::new(), text: other.to_string() },
    }
}

/// `file:line:column: field: what`, with the column in characters.
fn shown(path: &Path, number: usize, line: &str, fault: &LineFault) -> String {
    let column = line.get(..fault.at).map_or(0, |before| before.chars().count()) + 1;
    let field = if fault.field.is_empty() { String::new() } else { format!("{}: ", fault.field) };
    format!("{}:{number}:{column}: {field}{}", path.display(), fault.text)
}
