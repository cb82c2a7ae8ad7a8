//! Reads what a TC string (IAB TCF 2) says about one vendor, or about the publisher itself.
//!
//! Layout: IAB Tech Lab, "Consent string and vendor list formats v2.3". Purposes 1 (storage) and 7 (measurement of
//! advertising) are those that attribution needs.

use event::Consent;
use event::base64url;

use crate::consent::{Page, Signals};

/// Longest TC string that is looked at, in bytes.
pub(crate) const TC_STRING_BYTES_MAX: usize = 4096;

/// The string cannot be read, or lacks what its version makes mandatory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

const PURPOSES_AT: usize = 152;
const VENDORS_AT: usize = 213;
const POLICY_VERSION_AT: usize = 132;
/// Policy version from which the segment of disclosed vendors is mandatory (TCF 2.3).
const DISCLOSED_MANDATORY_FROM: u64 = 5;
const DISCLOSED_VENDORS: u64 = 1;
const PUBLISHER_TC: u64 = 3;

/// The choice that the TC string holds: for the program's vendor id, or on the merchant's own page for the publisher.
///
/// # Errors
/// [`Unreadable`]; then the string is no choice.
pub(crate) fn read(
    signals: &Signals<'_>,
    vendor: Option<u16>,
) -> Result<Option<Consent>, Unreadable> {
    let Some(text) = signals.tc_string.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.len() > TC_STRING_BYTES_MAX {
        return Err(Unreadable);
    }
    let string = TcString::parse(text)?;
    if signals.gdpr != Some("1") {
        return Ok(None);
    }
    let granted = match (vendor, signals.page) {
        (Some(vendor), _) => Some(string.allows_vendor(vendor)?),
        (None, Page::Merchant) => string.publisher_allows()?,
        (None, Page::Partner) => None, // evidence only
    };
    Ok(granted.map(|yes| if yes { Consent::Granted } else { Consent::Denied }))
}

struct TcString {
    core: Vec<u8>,
    disclosed: Option<Vec<u8>>,
    publisher: Option<Vec<u8>>,
}

impl TcString {
    fn parse(text: &str) -> Result<Self, Unreadable> {
        let mut segments = text.split('.');
        let decode = |segment: &str| {
            base64url::decode(segment.as_bytes()).map_or_else(|| pad_bits(segment), Ok)
        };
        let core = decode(segments.next().unwrap_or_default())?;
        if bits(&core, 0, 6)? != 2 {
            return Err(Unreadable);
        }
        let mut string = Self { core, disclosed: None, publisher: None };
        for segment in segments {
            let segment = decode(segment)?;
            match bits(&segment, 0, 3)? {
                DISCLOSED_VENDORS => string.disclosed = Some(segment),
                PUBLISHER_TC => string.publisher = Some(segment),
                _ => {} // allowed vendors (2): meaningful in out-of-band signals alone
            }
        }
        let policy = bits(&string.core, POLICY_VERSION_AT, 6)?;
        if policy >= DISCLOSED_MANDATORY_FROM && string.disclosed.is_none() {
            return Err(Unreadable);
        }
        Ok(string)
    }

    fn allows_vendor(&self, vendor: u16) -> Result<bool, Unreadable> {
        let disclosed = match &self.disclosed {
            Some(segment) => vendor_in(segment, 3, vendor)?,
            None => true,
        };
        Ok(disclosed
            && purposes(&self.core, PURPOSES_AT)?
            && vendor_in(&self.core, VENDORS_AT, vendor)?)
    }

    fn publisher_allows(&self) -> Result<Option<bool>, Unreadable> {
        self.publisher.as_ref().map(|segment| purposes(segment, 3)).transpose()
    }
}

/// Segments whose last character carries bits beyond whole bytes, as some consent tools write them.
fn pad_bits(segment: &str) -> Result<Vec<u8>, Unreadable> {
    let mut out = Vec::with_capacity(segment.len());
    let (mut held, mut count) = (0_u32, 0_u32);
    for byte in segment.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return Err(Unreadable),
        };
        held = (held << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((held >> count) & 0xff).unwrap_or(0));
            held &= (1 << count) - 1;
        }
    }
    Ok(out)
}

fn bits(bytes: &[u8], at: usize, count: usize) -> Result<u64, Unreadable> {
    let mut value = 0;
    for bit in at..at + count {
        let byte = bytes.get(bit / 8).ok_or(Unreadable)?;
        value = (value << 1) | u64::from((byte >> (7 - bit % 8)) & 1);
    }
    Ok(value)
}

fn purposes(bytes: &[u8], at: usize) -> Result<bool, Unreadable> {
    Ok(bits(bytes, at, 1)? == 1 && bits(bytes, at + 6, 1)? == 1)
}

fn vendor_in(bytes: &[u8], at: usize, vendor: u16) -> Result<bool, Unreadable> {
    let vendor = u64::from(vendor);
    let most = bits(bytes, at, 16)?;
    if bits(bytes, at + 16, 1)? == 0 {
        let place = usize::try_from(vendor.wrapping_sub(1)).map_err(|_| Unreadable)?;
        return Ok(vendor >= 1 && vendor <= most && bits(bytes, at + 17 + place, 1)? == 1);
    }
    let entries = bits(bytes, at + 17, 12)?;
    let mut at = at + 29;
    for _ in 0..entries {
        let range = bits(bytes, at, 1)? == 1;
        let first = bits(bytes, at + 1, 16)?;
        let last = if range { bits(bytes, at + 17, 16)? } else { first };
        if (first..=last).contains(&vendor) {
            return Ok(true);
        }
        at += if range { 33 } else { 17 };
    }
    Ok(false)
}

#[cfg(test)]
pub(crate) mod tests;
