//! Rows of the state as bytes. Integers are big-endian; instants in keys have their sign bit flipped, so that byte order
//! is their order.

use event::body::decision::Dimensions;
use event::body::touch::{DeviceClass, SubIds, TouchKind};
use event::{Consent, CustomerKey, EventId, IdentityId, Millis, VisitorTag};

use super::StoreError;
use super::names::Known;
use crate::evidence::{Fact, FactKind, Flags, KnownTouch, Stamp};
use crate::facts::{FactSet, kind_number};

const READ: &str = "read a row of the state";

pub(super) fn damaged() -> StoreError {
    StoreError::damaged(READ)
}

/// Bytes that are read from the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], StoreError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn byte(&mut self) -> Result<u8, StoreError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, StoreError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, StoreError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, StoreError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn millis(&mut self) -> Result<Millis, StoreError> {
        self.array().map(|bytes| Millis(i64::from_be_bytes(bytes)))
    }

    pub(super) fn key_millis(&mut self) -> Result<Millis, StoreError> {
        self.array().map(|bytes| Millis(i64::from_be_bytes(bytes) ^ i64::MIN))
    }

    pub(super) fn event_id(&mut self) -> Result<EventId, StoreError> {
        self.array().map(EventId::from_bytes)
    }

    fn text(&mut self) -> Result<&'a str, StoreError> {
        let length = usize::from(self.u16()?);
        let text = self.slice(length)?;
        std::str::from_utf8(text).map_err(|_| damaged())
    }

    fn option(&mut self) -> Result<Option<String>, StoreError> {
        match self.byte()? {
            0 => Ok(None),
            _ => self.text().map(|text| Some(text.to_owned())),
        }
    }

    pub(super) fn person(&mut self) -> Result<IdentityId, StoreError> {
        match self.byte()? {
            b'v' => self.array().map(|tag| IdentityId::Visitor(VisitorTag(tag))),
            b'c' => self.array().map(|key| IdentityId::Customer(CustomerKey(key))),
            _ => Err(damaged()),
        }
    }

    pub(super) fn people(&mut self) -> Result<Vec<IdentityId>, StoreError> {
        let count = self.u16()?;
        (0..count).map(|_| self.person()).collect()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub(super) fn put_key_millis(out: &mut Vec<u8>, at: Millis) {
    out.extend_from_slice(&(at.0 ^ i64::MIN).to_be_bytes());
}

pub(super) fn put_millis(out: &mut Vec<u8>, at: Millis) {
    out.extend_from_slice(&at.0.to_be_bytes());
}

/// Texts are cut at 64 KiB; what comes here is far below.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let text = text.as_bytes().get(..usize::from(length)).unwrap_or_default();
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text);
}

fn put_option(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(out, text);
    }
}

pub(super) fn put_people(out: &mut Vec<u8>, ids: &[IdentityId]) {
    let count = u16::try_from(ids.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_be_bytes());
    for id in ids.iter().take(usize::from(count)) {
        out.extend_from_slice(&id.key_bytes());
    }
}

/// Bytes of [`put_touch`].
pub(super) const FIXED_BYTES: usize = 8 + 16 + 3 * 4 + 4 + 8 + 1;

/// The fields of a touch that are numbers.
pub(super) fn put_touch(out: &mut Vec<u8>, touch: &KnownTouch, numbers: [u32; 3]) {
    put_millis(out, touch.occurred_at);
    out.extend_from_slice(touch.id.as_bytes());
    for number in numbers {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(&touch.flags.bits().to_be_bytes());
    put_millis(out, touch.received_at);
    let kind = match touch.kind {
        TouchKind::Click => 0,
        TouchKind::Impression => 1,
    };
    out.push(kind | consent_bits(touch.consent) << 1 | u8::from(touch.test) << 3);
}

pub(super) fn touch(reader: &mut Reader<'_>, names: &Known<'_>) -> Result<KnownTouch, StoreError> {
    let (occurred_at, id) = (reader.millis()?, reader.event_id()?);
    let [partner, link, channel] = [reader.u32()?, reader.u32()?, reader.u32()?];
    let flags = Flags::from_bits(reader.u32()?);
    let received_at = reader.millis()?;
    let bits = reader.byte()?;
    Ok(KnownTouch {
        id,
        kind: if bits & 1 == 0 { TouchKind::Click } else { TouchKind::Impression },
        occurred_at,
        received_at,
        partner: names.partner(partner)?,
        link: names.link(link)?,
        channel: names.channel(channel)?,
        consent: consent(bits >> 1 & 3),
        flags,
        test: bits & 8 != 0,
    })
}

pub(super) fn put_dimensions(out: &mut Vec<u8>, dimensions: &Dimensions) {
    out.push(dimensions.device as u8);
    put_option(out, dimensions.country.as_deref());
    put_option(out, dimensions.creative.as_deref());
    put_option(out, dimensions.pcid.as_deref());
    for (number, text) in dimensions.subs.iter() {
        out.push(number);
        put_text(out, text);
    }
}

/// A touch by its own event: fixed fields, ids, dimensions.
pub(super) struct EventRow<'a> {
    pub(super) touch: KnownTouch,
    pub(super) ids: Vec<IdentityId>,
    rest: Reader<'a>,
}

pub(super) fn read_event<'a>(row: &'a [u8], names: &Known<'_>) -> Result<EventRow<'a>, StoreError> {
    let mut reader = Reader(row);
    let touch = touch(&mut reader, names)?;
    let ids = reader.people()?;
    Ok(EventRow { touch, ids, rest: reader })
}

impl EventRow<'_> {
    pub(super) fn dimensions(mut self) -> Result<Dimensions, StoreError> {
        let reader = &mut self.rest;
        let device = device(reader.byte()?)?;
        let country = reader.option()?;
        let creative = reader.option()?;
        let pcid = reader.option()?;
        let mut subs = SubIds::default();
        while !reader.is_empty() {
            let number = reader.byte()?;
            subs.set(number, reader.text()?);
        }
        Ok(Dimensions { creative, subs, pcid, country, device })
    }
}

fn device(number: u8) -> Result<DeviceClass, StoreError> {
    const ALL: [DeviceClass; 6] = [
        DeviceClass::Desktop,
        DeviceClass::Mobile,
        DeviceClass::Tablet,
        DeviceClass::Tv,
        DeviceClass::Bot,
        DeviceClass::Unknown,
    ];
    ALL.into_iter().find(|class| *class as u8 == number).ok_or_else(damaged)
}

const fn consent_bits(consent: Consent) -> u8 {
    match consent {
        Consent::Unknown => 0,
        Consent::Granted => 1,
        Consent::Exempt => 2,
        Consent::Denied => 3,
    }
}

const fn consent(bits: u8) -> Consent {
    match bits {
        0 => Consent::Unknown,
        1 => Consent::Granted,
        2 => Consent::Exempt,
        _ => Consent::Denied,
    }
}

/// Bytes of [`put_stamp`].
pub(super) const STAMP_BYTES: usize = 16 + 8 + 8;

pub(super) fn put_stamp(out: &mut Vec<u8>, stamp: &Stamp) {
    out.extend_from_slice(stamp.id.as_bytes());
    put_millis(out, stamp.occurred_at);
    put_millis(out, stamp.received_at);
}

pub(super) fn stamp(reader: &mut Reader<'_>) -> Result<Stamp, StoreError> {
    Ok(Stamp {
        id: reader.event_id()?,
        occurred_at: reader.millis()?,
        received_at: reader.millis()?,
    })
}

pub(super) fn put_times(out: &mut Vec<u8>, stamp: &Stamp) {
    put_millis(out, stamp.occurred_at);
    put_millis(out, stamp.received_at);
}

pub(super) fn times(reader: &mut Reader<'_>, id: EventId) -> Result<Stamp, StoreError> {
    Ok(Stamp { id, occurred_at: reader.millis()?, received_at: reader.millis()? })
}

pub(super) fn facts_row(facts: &FactSet) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for (fact, ids) in facts.entries() {
        out.push(kind_number(&fact.kind));
        put_stamp(&mut out, &fact.stamp);
        match &fact.kind {
            FactKind::Landing(choice) => out.push(choice.map_or(255, consent_bits)),
            FactKind::Activation => {}
            FactKind::Judgement(reason) => put_text(&mut out, reason),
        }
        put_people(&mut out, ids);
    }
    out
}

pub(super) fn facts(row: &[u8]) -> Result<FactSet, StoreError> {
    let mut reader = Reader(row);
    let mut facts = FactSet::default();
    while !reader.is_empty() {
        let number = reader.byte()?;
        let stamp = stamp(&mut reader)?;
        let kind = match number {
            1 => {
                let bits = reader.byte()?;
                FactKind::Landing((bits != 255).then(|| consent(bits)))
            }
            2 => FactKind::Activation,
            3 => FactKind::Judgement(reader.text()?.to_owned()),
            _ => return Err(damaged()),
        };
        let ids = reader.people()?;
        facts.restore(Fact { stamp, kind }, ids);
    }
    Ok(facts)
}

/// The names of a touch that need numbers: partner, link, channel.
pub(super) fn names_of(touch: &KnownTouch) -> [Option<&str>; 3] {
    [
        touch.partner.as_ref().map(AsRef::as_ref),
        Some(touch.link.as_str()),
        touch.channel.as_ref().map(AsRef::as_ref),
    ]
}
