//! The envelope around every record: `{v, id, type, occurred_at, received_at, program, test, key, body}` in JSON.
//!
//! Unknown fields are tolerated; unknown versions and types are refused by name, so that a stage can park them.
//! Times are milliseconds UTC as integers.

use std::error::Error as _;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::body::{Body, EventType};
use crate::id::EventId;
use crate::name::ProgramName;
use crate::time::Millis;

/// Version of the envelope that this code writes and reads.
pub const VERSION: u16 = 1;
/// Codec number of JSON in record headers.
pub const CODEC_JSON: u8 = 1;
/// Largest record on the log, in bytes; checked before anything is promised.
pub const ENVELOPE_BYTES_MAX: usize = 256 * 1024;

/// One event or derived record.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Identity.
    pub id: EventId,
    /// When it happened, as far as that is believed.
    pub occurred_at: Millis,
    /// When the edge received it; stamped once, never again.
    pub received_at: Millis,
    /// The program; none for node records and for calls whose program is unknown.
    pub program: Option<ProgramName>,
    /// A test: never attributed to real orders, never paid.
    pub test: bool,
    /// Key on its topic, as text.
    pub key: String,
    /// What it says.
    pub body: Body,
}

/// Why a line is no envelope.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeFault {
    /// The JSON does not parse, or a field of the envelope does not fit.
    #[error("read envelope")]
    Read(#[source] serde_json::Error),
    /// A version that this code does not know.
    #[error("envelope version {0} is not known to this version")]
    UnknownVersion(u16),
    /// A type that this code does not know.
    #[error("event type `{0}` is not known to this version")]
    UnknownType(String),
    /// The body does not fit its type. Line and column count from the start of the body.
    #[error("read body of type `{event_type}`")]
    Body {
        /// The type.
        event_type: &'static str,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
        /// Byte offset of the body in the text.
        body_at: usize,
    },
}

impl EnvelopeFault {
    /// The fault with its cause.
    #[must_use]
    pub fn in_words(&self) -> String {
        let source = self.source().map(|source| format!(": {source}"));
        format!("{self}{}", source.unwrap_or_default())
    }
}

#[derive(Serialize)]
struct Written<'a> {
    v: u16,
    id: EventId,
    #[serde(rename = "type")]
    event_type: EventType,
    occurred_at: Millis,
    received_at: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<&'a ProgramName>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    key: &'a str,
    body: &'a Body,
}

#[derive(Deserialize)]
struct VersionOnly {
    v: u16,
}

#[derive(Deserialize)]
struct Read<'a> {
    id: EventId,
    #[serde(rename = "type", borrow)]
    event_type: std::borrow::Cow<'a, str>,
    occurred_at: Millis,
    received_at: Millis,
    #[serde(default)]
    program: Option<ProgramName>,
    #[serde(default)]
    test: bool,
    key: String,
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(rename = "v")]
    _version: IgnoredAny,
}

impl Envelope {
    /// Appends the JSON text, without line end.
    ///
    /// # Errors
    /// Never for the types of this crate; serde's signature has it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let written = Written {
            v: VERSION,
            id: self.id,
            event_type: self.body.event_type(),
            occurred_at: self.occurred_at,
            received_at: self.received_at,
            program: self.program.as_ref(),
            test: self.test,
            key: &self.key,
            body: &self.body,
        };
        serde_json::to_writer(out, &written)
    }

    /// The JSON text, without line end.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        match self.write(&mut out) {
            Ok(()) => out,
            Err(_) => Vec::new(),
        }
    }

    /// Reads one envelope.
    ///
    /// # Errors
    /// [`EnvelopeFault`]; version and type are looked at before the body, so an unknown one is named.
    pub fn read(json: &[u8]) -> Result<Self, EnvelopeFault> {
        let text = std::str::from_utf8(json)
            .map_err(|e| EnvelopeFault::Read(serde::de::Error::custom(e)))?;
        let version: VersionOnly = serde_json::from_str(text).map_err(EnvelopeFault::Read)?;
        if version.v != VERSION {
            return Err(EnvelopeFault::UnknownVersion(version.v));
        }
        let read: Read<'_> = serde_json::from_str(text).map_err(EnvelopeFault::Read)?;
        let event_type = EventType::from_word(&read.event_type)
            .ok_or_else(|| EnvelopeFault::UnknownType(read.event_type.clone().into_owned()))?;
        let body = Body::from_json(event_type, read.body).map_err(|source| {
            let body_at =
                (read.body.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
            EnvelopeFault::Body { event_type: event_type.as_str(), source, body_at }
        })?;
        Ok(Self {
            id: read.id,
            occurred_at: read.occurred_at,
            received_at: read.received_at,
            program: read.program,
            test: read.test,
            key: read.key,
            body,
        })
    }
}

#[cfg(test)]
mod tests;
