//! Records of the topics: what they add to what is known, and what becomes of those that cannot be read.

use std::borrow::Cow;
use std::fmt;

use event::body::Rejected;
use event::body::decision::Dimensions;
use event::body::touch::{DeviceClass, SubIds, TouchKind};
use event::envelope::{CODEC_JSON, VERSION};
use event::{
    ChannelName, Consent, Envelope, EventId, EventType, Flag, IdentityId, LinkName, Millis,
    PartnerName, ProgramName,
};
use eventlog::Record;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use crate::evidence::{Flags, KnownTouch, Scope};
use crate::noted::{Noted, noted};

/// What a record is to attribution.
pub(crate) enum Read {
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
    #[serde(rename = "type", borrow)]
    event_type: Cow<'a, str>,
    #[serde(rename = "key")]
    _key: AnyText,
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
    // What is not read must be what a touch may hold all the same.
    #[serde(default, rename = "deep_link_host")]
    _deep_link_host: Option<AnyText>,
    #[serde(default, rename = "browser")]
    _browser: Option<AnyText>,
    #[serde(default, rename = "os")]
    _os: Option<AnyText>,
    #[serde(default, rename = "referrer_host")]
    _referrer_host: Option<AnyText>,
    #[serde(default, rename = "address_hash")]
    _address_hash: Option<AnyText>,
    #[serde(default, rename = "gdpr")]
    _gdpr: Option<AnyText>,
    #[serde(default, rename = "gdpr_consent")]
    _gdpr_consent: Option<AnyText>,
    #[serde(default, rename = "private")]
    _private: Option<AnySealed>,
}

#[derive(Deserialize)]
struct AnySealed {
    #[serde(rename = "day")]
    _day: u32,
    #[serde(rename = "sealed")]
    _sealed: AnyText,
}

/// A text, whatever it says.
struct AnyText;

impl<'de> Deserialize<'de> for AnyText {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Texts;
        impl Visitor<'_> for Texts {
            type Value = AnyText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E>(self, _: &str) -> Result<AnyText, E> {
                Ok(AnyText)
            }
        }
        d.deserialize_str(Texts)
    }
}

pub(crate) fn read(record: &Record) -> Read {
    if record.codec != CODEC_JSON {
        return Read::Unreadable(format!("codec {} is not known to this version", record.codec));
    }
    if let Some(read) = touch(record) {
        return Read::Noted(read);
    }
    let envelope = match Envelope::read(&record.payload) {
        Ok(envelope) => envelope,
        Err(fault) => return Read::Unreadable(fault.in_words()),
    };
    match noted(&envelope) {
        Some(noted) => Read::Noted(noted),
        None if envelope.program.is_none() => Read::Unreadable("no program".into()),
        None => Read::Skipped,
    }
}

/// None for what is no touch or does not read as one; then the long way says what it is.
fn touch(record: &Record) -> Option<Noted> {
    const KINDS: [(EventType, TouchKind); 2] =
        [(EventType::Click, TouchKind::Click), (EventType::Impression, TouchKind::Impression)];
    let told = |(event_type, _): &(EventType, TouchKind)| event_type.number() == record.kind;
    let (event_type, kind) = KINDS.into_iter().find(told)?;
    let text = std::str::from_utf8(&record.payload).ok()?;
    let envelope: TouchEnvelope<'_> = serde_json::from_str(text).ok()?;
    if envelope.v != VERSION || envelope.event_type != event_type.as_str() {
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

/// The event on `events.rejected` that keeps an unreadable record.
pub(super) fn parked(record: &Record, why: &str) -> Envelope {
    let id = EventId::derived("sillage attribution parked v1", &[record.id.as_bytes()]);
    Rejected::unreadable("attribution", id, (record.id, record.kind, &record.payload), why)
}

#[cfg(test)]
mod tests {
    use event::envelope::CODEC_JSON;
    use event::topic::KeyHash;
    use event::{Body, Envelope, EventType};
    use eventlog::Record;
    use serde_json::{Value, json};
    use testkit::Dice;

    use super::touch;
    use crate::build::World;
    use crate::noted::noted;

    const FIELDS: [&str; 32] = [
        "v",
        "id",
        "type",
        "occurred_at",
        "received_at",
        "program",
        "test",
        "key",
        "body",
        "partner",
        "link",
        "channel",
        "ids",
        "flags",
        "consent",
        "subs",
        "pcid",
        "creative",
        "deep_link_host",
        "country",
        "device",
        "browser",
        "os",
        "referrer_host",
        "address_hash",
        "gdpr",
        "gdpr_consent",
        "private",
        "day",
        "sealed",
        "s1",
        "unknown",
    ];

    fn value(dice: &mut Dice) -> Value {
        let values = [
            json!(null),
            json!(1),
            json!(-1),
            json!(true),
            json!("click"),
            json!("impression"),
            json!("x y"),
            json!("granted"),
            json!([]),
            json!(["head", "prefetch"]),
            json!(["v:eAAAAAAAAAAAAAAA", "v:eAAAAAAAAAAAAAAA"]),
            json!({}),
            json!({"s1": "é\"", "s2": ""}),
            json!({"day": 1, "sealed": "x"}),
            json!({"day": 1, "sealed": 2}),
        ];
        values[dice.index(values.len())].clone()
    }

    #[test]
    fn the_short_way_takes_what_the_long_way_takes_and_reads_the_same() {
        let (mut taken, mut refused) = (0, 0);
        for seed in 0..20_000 {
            let dice = &mut Dice::new(seed);
            let verb = ["click", "view"][dice.index(2)];
            let world = World::read(&format!("{verb} A @1d by=x,y flags=bot_ua channel=c"));
            let mut json: Value = serde_json::from_slice(&world.events[0].to_json()).unwrap();
            for _ in 0..dice.below(3) {
                let field = FIELDS[dice.index(FIELDS.len())];
                let place = if dice.chance(50) { &mut json } else { &mut json["body"] };
                let Some(fields) = place.as_object_mut() else { continue };
                if dice.chance(30) {
                    fields.remove(field);
                } else {
                    fields.insert(field.into(), value(dice));
                }
            }
            let kind = [EventType::Click, EventType::Impression][dice.index(2)];
            let record = Record {
                codec: CODEC_JSON,
                kind: kind.number(),
                id: world.events[0].id,
                key_hash: KeyHash::of(b"k"),
                payload: json.to_string().into(),
            };
            let long = Envelope::read(&record.payload).ok().filter(|envelope| {
                let touch = matches!(envelope.body, Body::Click(_) | Body::Impression(_));
                touch && envelope.body.event_type() == kind
            });
            let short = touch(&record);
            assert_eq!(short, long.and_then(|envelope| noted(&envelope)), "seed {seed}: {json}");
            if short.is_some() { taken += 1 } else { refused += 1 }
        }
        assert!(taken > 3_000 && refused > 3_000, "{taken} taken, {refused} refused");
    }
}
