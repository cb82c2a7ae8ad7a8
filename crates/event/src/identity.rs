//! Who a visitor is to us: the cookie's random id (never on a topic), its tag, and the customer key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base64url;
use crate::name::ProgramName;

/// The random 128 bits of the visitor cookie. Stays between browser and edge: neither logged nor put into an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VisitorId(pub [u8; 16]);

impl fmt::Debug for VisitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VisitorId(…)")
    }
}

/// What stands for a visitor in events: 12 bytes that differ from program to program. Never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VisitorTag(pub [u8; 12]);

impl VisitorTag {
    /// First 12 bytes of BLAKE3(program ‖ 0 ‖ visitor id).
    #[must_use]
    pub fn of(program: &ProgramName, visitor: VisitorId) -> Self {
        let mut text: smallvec::SmallVec<[u8; 64]> = program.as_str().as_bytes().into();
        text.push(0);
        text.extend_from_slice(&visitor.0);
        let hash = blake3::hash(&text);
        let mut tag: [u8; 12] = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        if tag == [0; 12] {
            tag = [1; 12]; // zero stands for "no visitor" in a token
        }
        Self(tag)
    }
}

/// What stands for a customer in events: HMAC under the program's customer key, cut to 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerKey(pub [u8; 16]);

/// An id that a person is known by in one program. Order: visitors before customers, then by bytes; the smallest id of
/// a component is its root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityId {
    /// A browser.
    Visitor(VisitorTag),
    /// A customer account or e-mail.
    Customer(CustomerKey),
}

impl IdentityId {
    /// The bytes under which state keeps this id: one byte for the kind, then the id.
    #[must_use]
    pub fn key_bytes(&self) -> smallvec::SmallVec<[u8; 17]> {
        let mut out = smallvec::SmallVec::new();
        match self {
            Self::Visitor(tag) => {
                out.push(b'v');
                out.extend_from_slice(&tag.0);
            }
            Self::Customer(key) => {
                out.push(b'c');
                out.extend_from_slice(&key.0);
            }
        }
        out
    }
}

impl fmt::Display for VisitorTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", base64url::Text(&self.0))
    }
}

impl fmt::Debug for VisitorTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", base64url::Text(&self.0))
    }
}

/// `v:` or `c:` and the id in base64url without padding.
impl fmt::Display for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Visitor(tag) => write!(f, "v:{}", base64url::Text(&tag.0)),
            Self::Customer(key) => write!(f, "c:{}", base64url::Text(&key.0)),
        }
    }
}

impl fmt::Debug for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no id of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is `v:` and 16, or `c:` and 22, characters of base64url")]
pub struct NotAnIdentityId;

fn decode<const N: usize>(text: &str) -> Result<[u8; N], NotAnIdentityId> {
    base64url::decode_exactly(text.as_bytes()).ok_or(NotAnIdentityId)
}

impl FromStr for VisitorTag {
    type Err = NotAnIdentityId;
    fn from_str(text: &str) -> Result<Self, NotAnIdentityId> {
        decode(text).map(Self)
    }
}

impl FromStr for IdentityId {
    type Err = NotAnIdentityId;
    fn from_str(text: &str) -> Result<Self, NotAnIdentityId> {
        match text.split_once(':') {
            Some(("v", tag)) => decode(tag).map(|b| Self::Visitor(VisitorTag(b))),
            Some(("c", key)) => decode(key).map(|b| Self::Customer(CustomerKey(b))),
            _ => Err(NotAnIdentityId),
        }
    }
}

impl Serialize for IdentityId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IdentityId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for VisitorTag {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VisitorTag {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{CustomerKey, IdentityId, VisitorId, VisitorTag};
    use crate::name::ProgramName;

    #[test]
    fn one_visitor_has_unlinkable_tags_in_two_programs() {
        let id = VisitorId([7; 16]);
        let tag = |program| VisitorTag::of(&ProgramName::new(program).unwrap(), id);
        assert_eq!(tag("a"), tag("a"));
        assert_ne!(tag("a"), tag("b"));
        assert_eq!(format!("{id:?}"), "VisitorId(…)");
    }

    #[test]
    fn an_identity_id_survives_its_text_and_visitors_sort_first() {
        let visitor = IdentityId::Visitor(VisitorTag([0xff; 12]));
        let customer = IdentityId::Customer(CustomerKey([0; 16]));
        for id in [visitor, customer] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert!(visitor < customer);
        for bad in ["", "v:", "x:AAAA", "v:AAAA", "c:AAAAAAAAAAAAAAAA", "v:AAAAAAAAAAAAAAA="] {
            assert!(bad.parse::<IdentityId>().is_err(), "{bad}");
        }
    }
}
