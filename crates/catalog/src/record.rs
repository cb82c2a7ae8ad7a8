//! Version records: what `catalog.versions` carries, and the state that they fold to.

use std::collections::BTreeMap;
use std::sync::Arc;

use event::{Body, Envelope, EventId, LinkName, Millis, PartnerName, ProgramName};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::link::Link;
use crate::partner::Partner;
use crate::program::Program;

#[cfg(test)]
mod tests;

/// Version of the record format that this crate writes.
pub const RECORD_FORMAT: u16 = 1;

/// Kind of a catalog object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A program with its goals, channels, segments and terms.
    Program,
    /// A partner with its part in each program.
    Partner,
    /// A link.
    Link,
}

impl Kind {
    /// The word on the wire and in object names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Partner => "partner",
            Self::Link => "link",
        }
    }
}

/// The object that a record is about, by its name, with what it has become; none: it was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A program.
    Program(ProgramName, Option<Arc<Program>>),
    /// A partner.
    Partner(PartnerName, Option<Arc<Partner>>),
    /// A link.
    Link(LinkName, Option<Arc<Link>>),
}

/// One version of one catalog object, whole. The first one gives the object its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRecord {
    /// Number of the object: given with its first version, never used again.
    pub number: u32,
    /// 1, 2, 3 … for each object.
    pub version: u32,
    /// When the version was recorded.
    pub recorded_at: Millis,
    /// The object.
    pub object: Object,
}

#[derive(Serialize)]
struct WireOut<'a, B> {
    v: u16,
    kind: Kind,
    name: &'a str,
    number: u32,
    version: u32,
    recorded_at: Millis,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a B>,
}

#[derive(Deserialize)]
struct WireIn<'a> {
    v: u16,
    kind: Box<str>,
    name: Box<str>,
    number: u32,
    version: u32,
    recorded_at: Millis,
    #[serde(default)]
    deleted: bool,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

impl VersionRecord {
    /// Kind of the object.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match &self.object {
            Object::Program(..) => Kind::Program,
            Object::Partner(..) => Kind::Partner,
            Object::Link(..) => Kind::Link,
        }
    }

    /// Name of the object.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.object {
            Object::Program(name, _) => name.as_str(),
            Object::Partner(name, _) => name.as_str(),
            Object::Link(name, _) => name.as_str(),
        }
    }

    /// Whether this version deletes the object.
    #[must_use]
    pub const fn is_deletion(&self) -> bool {
        matches!(
            &self.object,
            Object::Program(_, None) | Object::Partner(_, None) | Object::Link(_, None)
        )
    }

    /// Key of the record on the topic, such as `link/lea-home`: versions of one object keep their order.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.kind().as_str(), self.name())
    }

    /// Id of the record: the same for the same version of the same object, recorded at the same time.
    #[must_use]
    pub fn id(&self) -> EventId {
        EventId::derived(
            "sillage catalog version v1",
            &[
                self.key().as_bytes(),
                &self.version.to_be_bytes(),
                &self.recorded_at.0.to_be_bytes(),
            ],
        )
    }

    /// The JSON payload (`docs/catalog.md`).
    ///
    /// # Errors
    /// [`Error::EncodeVersion`] if the body cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        fn wire<B: Serialize>(
            record: &VersionRecord,
            body: Option<&B>,
        ) -> Result<Vec<u8>, serde_json::Error> {
            serde_json::to_vec(&WireOut {
                v: RECORD_FORMAT,
                kind: record.kind(),
                name: record.name(),
                number: record.number,
                version: record.version,
                recorded_at: record.recorded_at,
                deleted: body.is_none(),
                body,
            })
        }
        match &self.object {
            Object::Program(_, body) => wire(self, body.as_deref()),
            Object::Partner(_, body) => wire(self, body.as_deref()),
            Object::Link(_, body) => wire(self, body.as_deref()),
        }
        .map_err(|source| Error::EncodeVersion { object: self.key().into(), source })
    }

    /// Reads a payload. Unknown fields are tolerated; unknown formats and kinds are refused by name.
    ///
    /// # Errors
    /// [`Error::DecodeVersion`] for what is no such payload, [`Error::UnknownFormat`] and [`Error::UnknownKind`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        fn body<B: serde::de::DeserializeOwned>(
            wire: &WireIn<'_>,
        ) -> Result<Option<Arc<B>>, serde_json::Error> {
            match (wire.deleted, wire.body) {
                (true, _) => Ok(None),
                (false, Some(raw)) => serde_json::from_str(raw.get()).map(|b| Some(Arc::new(b))),
                (false, None) => Err(serde::de::Error::missing_field("body")),
            }
        }
        fn name<N: std::str::FromStr<Err: std::fmt::Display>>(
            wire: &WireIn<'_>,
        ) -> Result<N, serde_json::Error> {
            wire.name.parse().map_err(serde::de::Error::custom)
        }
        let decode = |source| Error::DecodeVersion { source };
        let wire: WireIn<'_> = serde_json::from_slice(bytes).map_err(decode)?;
        if wire.v != RECORD_FORMAT {
            return Err(Error::UnknownFormat { format: wire.v });
        }
        let object = match &*wire.kind {
            "program" => {
                Object::Program(name(&wire).map_err(decode)?, body(&wire).map_err(decode)?)
            }
            "partner" => {
                Object::Partner(name(&wire).map_err(decode)?, body(&wire).map_err(decode)?)
            }
            "link" => Object::Link(name(&wire).map_err(decode)?, body(&wire).map_err(decode)?),
            _ => return Err(Error::UnknownKind { kind: wire.kind }),
        };
        let WireIn { number, version, recorded_at, .. } = wire;
        Ok(Self { number, version, recorded_at, object })
    }
}

impl VersionRecord {
    /// The record as it stands on `catalog.versions`.
    ///
    /// # Errors
    /// Those of [`VersionRecord::to_bytes`].
    pub fn to_envelope(&self) -> Result<Envelope, Error> {
        let encode = |source| Error::EncodeVersion { object: self.key().into(), source };
        let text = String::from_utf8_lossy(&self.to_bytes()?).into_owned();
        let program = match &self.object {
            Object::Program(name, _) => Some(name.clone()),
            Object::Link(_, Some(link)) => Some(link.program.clone()),
            Object::Link(_, None) | Object::Partner(..) => None,
        };
        Ok(Envelope {
            id: self.id(),
            occurred_at: self.recorded_at,
            received_at: self.recorded_at,
            program,
            test: false,
            key: self.key(),
            body: Body::CatalogVersion(RawValue::from_string(text).map_err(encode)?),
        })
    }

    /// Reads a record of `catalog.versions`.
    ///
    /// # Errors
    /// [`Error::NotACatalogVersion`] for an envelope of another type, and those of [`VersionRecord::from_bytes`].
    pub fn from_envelope(envelope: &Envelope) -> Result<Self, Error> {
        if let Body::CatalogVersion(raw) = &envelope.body {
            Self::from_bytes(raw.get().as_bytes())
        } else {
            Err(Error::NotACatalogVersion { id: envelope.id })
        }
    }
}

/// An object in the state of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<B> {
    /// Its number.
    pub number: u32,
    /// Its last version.
    pub version: u32,
    /// When that version was recorded.
    pub recorded_at: Millis,
    /// When its first version was recorded.
    pub made_at: Millis,
    /// Whether it was deleted. Name and number stay taken, and decisions about its past still read it.
    pub retired: bool,
    /// Its last body.
    pub body: Arc<B>,
}

impl<B> Recorded<B> {
    /// Since when it is known, and until when.
    #[must_use]
    pub fn known(&self) -> Known {
        Known { from: self.made_at, until: self.retired.then_some(self.recorded_at) }
    }
}

/// The time from an object's first version to its deletion: `from ≤ t < until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// When its first version was recorded.
    pub from: Millis,
    /// When it was deleted; none: it was not.
    pub until: Option<Millis>,
}

impl Known {
    /// Whether it was known at `t`.
    #[must_use]
    pub fn at(&self, t: Millis) -> bool {
        self.from <= t && self.until.is_none_or(|until| t < until)
    }
}

/// What all version records so far come to. Equal records, equal state, whatever is delivered twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub(crate) programs: BTreeMap<ProgramName, Recorded<Program>>,
    pub(crate) partners: BTreeMap<PartnerName, Recorded<Partner>>,
    pub(crate) links: BTreeMap<LinkName, Recorded<Link>>,
    pub(crate) generation: u64,
    pub(crate) recorded_at: Option<Millis>,
}

impl State {
    /// The state after these records.
    ///
    /// # Errors
    /// Those of [`State::apply`], at the first record that has one.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a VersionRecord>) -> Result<Self, Error> {
        let mut state = Self::default();
        for record in records {
            state.apply(record)?;
        }
        Ok(state)
    }

    /// Count of versions applied: the generation of the snapshot made of this state.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// When the newest version was recorded; none: nothing was recorded yet.
    #[must_use]
    pub const fn recorded_at(&self) -> Option<Millis> {
        self.recorded_at
    }

    /// Applies one record and says whether it was new. A version that is known already changes nothing.
    ///
    /// # Errors
    /// [`Error::VersionGap`] if versions of the object are missing before this one, [`Error::NumberMoved`] if it
    /// gives the object another number, [`Error::NumberTaken`] if a new object comes with a number in use or with 0,
    /// [`Error::Retired`] if the object was deleted, [`Error::NeverMade`] if it deletes an unknown object.
    pub fn apply(&mut self, record: &VersionRecord) -> Result<bool, Error> {
        let new = match &record.object {
            Object::Program(name, body) => put(&mut self.programs, name, body.as_ref(), record),
            Object::Partner(name, body) => put(&mut self.partners, name, body.as_ref(), record),
            Object::Link(name, body) => put(&mut self.links, name, body.as_ref(), record),
        }?;
        if new {
            self.generation += 1;
            self.recorded_at = self.recorded_at.max(Some(record.recorded_at));
        }
        Ok(new)
    }
}

fn put<N: Ord + Clone, B>(
    objects: &mut BTreeMap<N, Recorded<B>>,
    name: &N,
    body: Option<&Arc<B>>,
    record: &VersionRecord,
) -> Result<bool, Error> {
    let &VersionRecord { number, version, recorded_at, .. } = record;
    let object = || record.key().into();
    let Some(known) = objects.get_mut(name) else {
        let Some(body) = body else { return Err(Error::NeverMade { object: object() }) };
        if version != 1 {
            return Err(Error::VersionGap { object: object(), expected: 1, found: version });
        }
        if number == 0 {
            return Err(Error::NumberTaken { object: object(), number });
        }
        let body = Arc::clone(body);
        let made_at = recorded_at;
        let made = Recorded { number, version, recorded_at, made_at, retired: false, body };
        objects.insert(name.clone(), made);
        return Ok(true);
    };
    if number != known.number {
        return Err(Error::NumberMoved { object: object(), from: known.number, to: number });
    }
    if version <= known.version {
        return Ok(false);
    }
    if known.retired {
        return Err(Error::Retired { object: object() });
    }
    if version != known.version + 1 {
        let expected = known.version + 1;
        return Err(Error::VersionGap { object: object(), expected, found: version });
    }
    known.version = version;
    known.recorded_at = recorded_at;
    match body {
        Some(body) => known.body = Arc::clone(body),
        None => known.retired = true,
    }
    Ok(true)
}
