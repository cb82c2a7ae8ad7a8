//! Records of the topics: what they add to what is known, and what becomes of those that cannot be read.

use std::borrow::Cow;
use std::error::Error as _;

use event::body::Rejected;
use event::body::decision::Dimensions;
use event::body::touch::{DeviceClass, SubIds, TouchKind};
use event::envelope::{CODEC_JSON, VERSION};
use event::{
    Body, ChannelName, Code, Consent, Envelope, EventId, EventType, Flag, IdentityId, LinkName,
    Millis, PartnerName, ProgramName,
};
use eventlog::Record;
use serde::Deserialize;

use crate::evidence::{Flags, KnownTouch, Scope};
use crate::noted::{Noted, noted};

/// Most bytes of an unreadable record that are kept with its rejection.
const SENT_BYTES_MAX: usize = 4_096;

/// What a record is to attribution.
pub(super) enum Read {
    /// An addition to what is known.
    Noted(Noted),
    /// For other stages.
    Skipped,
    /// Not readable by this version, and why.
    Unreadable(String),
}

/// The envelope of a touch, with no more than decisions read of it: most records are touches.
#[derive(Deserialize)]
struct TouchEnvelope<'a> {
    v: u16,
    id: EventId,
    occurred_at: Millis,
    received_at: Millis,
    program: ProgramName,
    #[serde(default)]
    test: bool,
    #[serde(borrow)]
    body: TouchBody<'a>,
}

#[derive(Deserialize)]
struct TouchBody<'a> {
    #[serde(default)]
    partner: Option<PartnerName>,
    link: LinkName,
    #[serde(default)]
    channel: Option<ChannelName>,
    #[serde(default)]
    ids: Vec<IdentityId>,
    #[serde(default)]
    flags: Vec<Flag>,
    #[serde(default)]
    consent: Consent,
    #[serde(default)]
    subs: SubIds,
    #[serde(default, borrow)]
    pcid: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    creative: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    country: Option<Cow<'a, str>>,
    #[serde(default)]
    device: DeviceClass,
}

pub(super) fn read(record: &Record) -> Read {
    if record.codec != CODEC_JSON {
        return Read::Unreadable(format!("codec {} is not known to this version", record.codec));
    }
    let kind = match EventType::from_number(record.kind) {
        Some(EventType::Click) => Some(TouchKind::Click),
        Some(EventType::Impression) => Some(TouchKind::Impression),
        _ => None,
    };
    if let Some(read) = kind.and_then(|kind| touch(record, kind)) {
        return Read::Noted(read);
    }
    let envelope = match Envelope::read(&record.payload) {
        Ok(envelope) => envelope,
        Err(fault) => {
            let source = fault.source().map(|source| format!(": {source}")).unwrap_or_default();
            return Read::Unreadable(format!("{fault}{source}"));
        }
    };
    match noted(&envelope) {
        Some(noted) => Read::Noted(noted),
        None if envelope.program.is_none() => Read::Unreadable("no program".into()),
        None => Read::Skipped,
    }
}

/// None for what does not read in the short way; then the long way says what is wrong.
fn touch(record: &Record, kind: TouchKind) -> Option<Noted> {
    let text = std::str::from_utf8(&record.payload).ok()?;
    let envelope: TouchEnvelope<'_> = serde_json::from_str(text).ok()?;
    if envelope.v != VERSION {
        return None;
    }
    let TouchEnvelope { id, occurred_at, received_at, program, test, body, .. } = envelope;
    let mut ids = body.ids;
    if ids.len() > 1 {
        ids.sort_unstable();
        ids.dedup();
    }
    let touch = KnownTouch {
        id,
        kind,
        occurred_at,
        received_at,
        partner: body.partner,
        link: body.link,
        channel: body.channel,
        consent: body.consent,
        flags: Flags::of(&body.flags),
        test,
    };
    let dimensions = Dimensions {
        creative: body.creative.map(Cow::into_owned),
        subs: body.subs,
        pcid: body.pcid.map(Cow::into_owned),
        country: body.country.map(Cow::into_owned),
        device: body.device,
    };
    let scope = Scope { program, test };
    Some(Noted::Touch { scope, touch, ids, dimensions: Box::new(dimensions) })
}

/// What stands on `events.rejected` for a record that cannot be read. Nothing in it depends on when it was read.
pub(super) fn parked(record: &Record, why: &str) -> Envelope {
    let id = EventId::derived("sillage attribution parked v1", &[record.id.as_bytes()]);
    let at = if record.id.is_minted() { record.id.time() } else { Millis(0) };
    let sent = record.payload.get(..SENT_BYTES_MAX).unwrap_or(&record.payload);
    Envelope {
        id,
        occurred_at: at,
        received_at: at,
        program: None,
        test: false,
        key: record.id.to_string(),
        body: Body::Rejected(Rejected {
            code: Code::UnknownSchema,
            event_type: EventType::from_number(record.kind),
            by: "attribution".into(),
            field: None,
            message: why.to_owned(),
            sent: Some(String::from_utf8_lossy(sent).into_owned()),
        }),
    }
}
