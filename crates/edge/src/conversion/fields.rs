//! What a caller sent, by name: the fields of a conversion, their aliases, and what two names for one field mean.

use std::borrow::Cow;

use event::Micros;
use event::money::{AmountFault, DecimalMark};
use serde_json::value::RawValue;

use self::names::{FIELD_COUNT, Target, target};
pub(crate) use self::names::{Field, LineFamily, LinePart, SUBS, line_part, shown_name};

mod names;

/// Most names that one call may carry; a cart of 200 lines in a query has about 1,000.
pub(crate) const FIELDS_MAX: usize = 2_048;
/// Longest text of what was sent that is kept beside a refusal.
pub(crate) const SENT_BYTES_MAX: usize = 4_096;
/// Most unknown names that an answer lists.
const UNKNOWN_MAX: usize = 16;

/// One parameter of one order line.
#[derive(Debug)]
pub(crate) struct LineValue<'a> {
    /// The family of its name.
    pub(crate) family: LineFamily,
    /// The line.
    pub(crate) index: u16,
    /// What it says.
    pub(crate) part: LinePart,
    /// The value.
    pub(crate) value: Value<'a>,
}

/// A value as it came.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// Text, or the word of a JSON boolean.
    Text(Cow<'a, str>),
    /// The text of a JSON number, whose decimal mark is always a dot.
    Number(&'a str),
    /// A JSON list or object.
    Json(&'a RawValue),
}

impl Value<'_> {
    /// The text; none for a list or object.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(text) => Some(text),
            Self::Json(_) => None,
        }
    }

    /// The value as an amount of money.
    ///
    /// # Errors
    /// [`AmountFault`] names the rule that it breaks.
    pub(crate) fn amount(&self, mark: DecimalMark) -> Result<Micros, AmountFault> {
        match self {
            Self::Text(text) => Micros::parse(text.trim(), mark),
            Self::Number(text) => Micros::parse(text, DecimalMark::Dot),
            Self::Json(_) => Err(AmountFault::NotDecimal),
        }
    }

    /// The text that stands for it: trimmed, or the JSON itself.
    pub(crate) fn raw(&self) -> &str {
        match self {
            Self::Text(text) => text.trim(),
            Self::Number(text) => text,
            Self::Json(raw) => raw.get(),
        }
    }
}

/// How much a call may contradict itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Two names of one field with different values are a fault.
    Refuse,
    /// The first value counts and the report is flagged: pages cannot correct themselves.
    Flag,
}

/// The call carries more than [`FIELDS_MAX`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyFields;

/// Everything that one call said, in the order in which it came.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    slots: [Option<Value<'a>>; FIELD_COUNT],
    lines: Vec<LineValue<'a>>,
    conflicts: Vec<Field>,
    garbled: Vec<Field>,
    unknown: Vec<String>,
    names: usize,
    repeated: bool,
    sent: String,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Self {
            slots: [const { None }; FIELD_COUNT],
            lines: Vec::new(),
            conflicts: Vec::new(),
            garbled: Vec::new(),
            unknown: Vec::new(),
            names: 0,
            repeated: false,
            sent: String::new(),
        }
    }
}

impl<'a> Fields<'a> {
    /// Adds one name and its value. Empty values count as absent.
    ///
    /// # Errors
    /// [`TooManyFields`] beyond [`FIELDS_MAX`] names.
    pub(crate) fn add(
        &mut self,
        name: Cow<'a, str>,
        value: Value<'a>,
    ) -> Result<(), TooManyFields> {
        self.add_replaced(name, value, false)
    }

    /// The same for a value in which bytes that are no UTF-8 were perhaps replaced.
    ///
    /// # Errors
    /// [`TooManyFields`] beyond [`FIELDS_MAX`] names.
    pub(super) fn add_replaced(
        &mut self,
        name: Cow<'a, str>,
        value: Value<'a>,
        replaced: bool,
    ) -> Result<(), TooManyFields> {
        self.names += 1;
        if self.names > FIELDS_MAX {
            return Err(TooManyFields);
        }
        let target = target(&name);
        self.note(&name, &target, &value);
        match target {
            Target::Unknown => {
                if self.unknown.len() < UNKNOWN_MAX {
                    self.unknown.push(shown_name(&name).to_owned());
                }
            }
            Target::Line(family, index, part) => {
                if !value.raw().is_empty() {
                    self.lines.push(LineValue { family, index, part, value });
                }
            }
            Target::Field(field) => {
                if value.raw().is_empty() {
                    return Ok(());
                }
                if replaced {
                    self.garbled.push(field);
                }
                let Some(slot) = self.slots.get_mut(field as usize) else {
                    return Ok(());
                };
                match slot {
                    None => *slot = Some(value),
                    Some(first) => {
                        self.repeated = true;
                        if first.raw() != value.raw() && !self.conflicts.contains(&field) {
                            self.conflicts.push(field);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, name: &str, target: &Target, value: &Value<'_>) {
        if self.sent.len() >= SENT_BYTES_MAX {
            return;
        }
        if !self.sent.is_empty() {
            self.sent.push('&');
        }
        self.sent.push_str(match target {
            Target::Unknown => shown_name(name),
            Target::Field(_) | Target::Line(..) => name,
        });
        self.sent.push('=');
        let shown = match target {
            Target::Field(field) if field.is_private() => "…",
            Target::Unknown => "…",
            Target::Field(_) | Target::Line(..) => value.raw(),
        };
        let shown = if shown.contains('@') { "…" } else { shown };
        self.sent.push_str(cut(shown, 512));
    }

    /// The value of a field.
    pub(crate) fn value(&self, field: Field) -> Option<&Value<'a>> {
        self.slots.get(field as usize)?.as_ref()
    }

    /// The trimmed text of a field; none if it is absent, or a list or object.
    pub(crate) fn text(&self, field: Field) -> Option<&str> {
        self.value(field)?.text().map(str::trim)
    }

    /// Parameters of order lines.
    pub(crate) fn lines(&self) -> &[LineValue<'a>] {
        &self.lines
    }

    /// Fields that came with two different values; the first one is kept.
    pub(crate) fn conflicts(&self) -> &[Field] {
        &self.conflicts
    }

    /// Fields whose bytes were no UTF-8; characters were replaced.
    pub(crate) fn garbled(&self) -> &[Field] {
        &self.garbled
    }

    /// Whether a field came more than once.
    pub(crate) const fn is_repeated(&self) -> bool {
        self.repeated
    }

    /// Names that are no field of a conversion, as far as they are listed; `…` in place of one that may be personal.
    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// What was sent, as `name=value&…`, at most [`SENT_BYTES_MAX`] bytes. Values of private and of unknown fields,
    /// whatever looks like an e-mail address, and names that a program would not choose are cut.
    pub(crate) fn sent(&self) -> &str {
        cut(&self.sent, SENT_BYTES_MAX)
    }
}

/// The first `bytes` bytes of a text, or a little less, so that no character is split.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests;
