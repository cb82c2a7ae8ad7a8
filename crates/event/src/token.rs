//! The click id: a signed claim of 56 bytes, 75 characters of base64url without padding.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | version, 1 |
//! | 1 | key id |
//! | 2–3 | flags, big-endian: bits 0–1 consent, bit 2 test, bit 3 prefetch, the rest 0 |
//! | 4–15 | program, partner, link: `u32` big-endian each; partner 0 is the merchant's own channel |
//! | 16–31 | event id of the click |
//! | 32–43 | visitor tag XOR a pad made from the event id; 12 zero bytes stand for no visitor before the XOR |
//! | 44–55 | MAC: keyed BLAKE3 over bytes 0–43, first 96 bits |
//!
//! Only the edge checks click ids; it writes verdict and claim into the event.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::base64url;
use crate::consent::Consent;
use crate::id::EventId;
use crate::identity::VisitorTag;
use crate::keys::{Key, KeyId, KeySet};
use crate::name::{LinkId, PartnerId, ProgramId};
use crate::time::Millis;

/// Version in the first byte.
pub const VERSION: u8 = 1;
/// Bytes of a token.
pub const TOKEN_BYTES: usize = 56;
/// Characters of a click id.
pub const TOKEN_CHARS: usize = 75;
/// A token dated further ahead of its receipt than this is refused: 5 minutes, the tolerance of signed calls too.
pub const FUTURE_MAX_MS: i64 = 300_000;
const SIGNED_BYTES: usize = 44;
const TEST_BIT: u16 = 1 << 2;
const PREFETCH_BIT: u16 = 1 << 3;
const KNOWN_BITS: u16 = 0b1111;

/// What a click id claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Consent at the click; never [`Consent::Denied`], which has no click id.
    pub consent: Consent,
    /// A test click.
    pub test: bool,
    /// Fetched ahead of a navigation.
    pub prefetch: bool,
    /// The program.
    pub program: ProgramId,
    /// The partner; none is the merchant's own channel.
    pub partner: Option<PartnerId>,
    /// The link.
    pub link: LinkId,
    /// The click's event id, its time inside.
    pub id: EventId,
    /// The visitor, where one is known.
    pub visitor: Option<VisitorTag>,
}

/// A minted click id: 75 characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClickId([u8; TOKEN_CHARS]);

impl ClickId {
    /// The characters as bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for ClickId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ClickId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not one of our click ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// Length, alphabet, version or unknown flags.
    #[error("the click id is malformed")]
    Malformed,
    /// No key with this id verifies now.
    #[error("the click id is signed with a key that is not in use")]
    UnknownKey,
    /// The MAC is wrong.
    #[error("the click id was altered or not made by us")]
    BadMac,
    /// Dated more than [`FUTURE_MAX_MS`] after its receipt.
    #[error("the click id is dated after it was received")]
    FromFuture,
}

struct Ring {
    id: KeyId,
    sign_from: Millis,
    verify_until: Option<Millis>,
    mac: [u8; 32],
    pad: [u8; 32],
}

/// Mints and verifies click ids with the keys of a set; subkeys are derived once.
pub struct TokenKeys(Vec<Ring>);

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKeys({} keys)", self.0.len())
    }
}

impl TokenKeys {
    /// Subkeys of each key of the set.
    #[must_use]
    pub fn new(set: &KeySet) -> Self {
        let ring = |key: &Key| Ring {
            id: key.id,
            sign_from: key.sign_from,
            verify_until: key.verify_until,
            mac: blake3::derive_key("sillage click id v1 mac", &key.secret.0),
            pad: blake3::derive_key("sillage click id v1 visitor pad", &key.secret.0),
        };
        Self(set.0.iter().map(ring).collect())
    }

    /// The click id of a claim, signed with the key that signs at `now`.
    ///
    /// # Errors
    /// [`TokenFault::UnknownKey`] if no key signs now; [`TokenFault::Malformed`] for a denied claim.
    pub fn mint(&self, claim: &Claim, now: Millis) -> Result<ClickId, TokenFault> {
        let ring = self
            .0
            .iter()
            .filter(|ring| {
                ring.sign_from <= now && ring.verify_until.is_none_or(|until| now < until)
            })
            .max_by_key(|ring| (ring.sign_from, ring.id))
            .ok_or(TokenFault::UnknownKey)?;
        let mut flags = claim.consent.token_bits().ok_or(TokenFault::Malformed)?;
        if claim.test {
            flags |= TEST_BIT;
        }
        if claim.prefetch {
            flags |= PREFETCH_BIT;
        }
        let mut bytes = [0; TOKEN_BYTES];
        let visitor = claim.visitor.map_or([0; 12], |tag| tag.0);
        let rest = &mut bytes.as_mut_slice();
        put(rest, [VERSION, ring.id.0]);
        put(rest, flags.to_be_bytes());
        put(rest, claim.program.0.to_be_bytes());
        put(rest, claim.partner.map_or(0, |partner| partner.0).to_be_bytes());
        put(rest, claim.link.0.to_be_bytes());
        put(rest, *claim.id.as_bytes());
        put(rest, xor(visitor, ring.pad_of(claim.id)));
        let mac = ring.mac_of(bytes.first_chunk::<SIGNED_BYTES>());
        if let Some(place) = bytes.last_chunk_mut::<12>() {
            *place = mac;
        }
        let mut text = [0; TOKEN_CHARS];
        base64url::fill(&bytes, &mut text);
        Ok(ClickId(text))
    }

    /// The claim of a click id received at `received_at`. Takes the same time for every wrong MAC.
    ///
    /// # Errors
    /// [`TokenFault`] names what is wrong; faults are looked for in the order of its variants.
    pub fn verify(&self, text: &str, received_at: Millis) -> Result<Claim, TokenFault> {
        let bytes: [u8; TOKEN_BYTES] =
            base64url::decode_exactly(text.as_bytes()).ok_or(TokenFault::Malformed)?;
        let [version, key_id, f0, f1, rest @ ..] = bytes;
        let flags = u16::from_be_bytes([f0, f1]);
        let consent = Consent::from_token_bits(flags & 0b11);
        let (Some(consent), true) = (consent, version == VERSION && flags & !KNOWN_BITS == 0)
        else {
            return Err(TokenFault::Malformed);
        };
        let ring = self
            .0
            .iter()
            .find(|ring| ring.id == KeyId(key_id))
            .filter(|ring| ring.verify_until.is_none_or(|until| received_at < until))
            .ok_or(TokenFault::UnknownKey)?;
        let expected = ring.mac_of(bytes.first_chunk::<SIGNED_BYTES>());
        let given = bytes.last_chunk::<12>().copied().unwrap_or_default();
        if !bool::from(expected.ct_eq(&given)) {
            return Err(TokenFault::BadMac);
        }
        let mut rest = rest.as_slice();
        let program = take(&mut rest).map(u32::from_be_bytes).ok_or(TokenFault::Malformed)?;
        let partner = take(&mut rest).map(u32::from_be_bytes).ok_or(TokenFault::Malformed)?;
        let link = take(&mut rest).map(u32::from_be_bytes).ok_or(TokenFault::Malformed)?;
        let id = take(&mut rest).map(EventId::from_bytes).ok_or(TokenFault::Malformed)?;
        let padded = take::<12>(&mut rest).ok_or(TokenFault::Malformed)?;
        if id.time().since(received_at) > FUTURE_MAX_MS {
            return Err(TokenFault::FromFuture);
        }
        let visitor = xor(padded, ring.pad_of(id));
        Ok(Claim {
            consent,
            test: flags & TEST_BIT != 0,
            prefetch: flags & PREFETCH_BIT != 0,
            program: ProgramId(program),
            partner: (partner != 0).then_some(PartnerId(partner)),
            link: LinkId(link),
            id,
            visitor: (visitor != [0; 12]).then_some(VisitorTag(visitor)),
        })
    }
}

impl Ring {
    fn mac_of(&self, signed: Option<&[u8; SIGNED_BYTES]>) -> [u8; 12] {
        let hash = blake3::keyed_hash(&self.mac, signed.map_or(&[][..], |bytes| bytes));
        hash.as_bytes().first_chunk().copied().unwrap_or_default()
    }

    fn pad_of(&self, id: EventId) -> [u8; 12] {
        let hash = blake3::keyed_hash(&self.pad, id.as_bytes());
        hash.as_bytes().first_chunk().copied().unwrap_or_default()
    }
}

fn put<const N: usize>(rest: &mut &mut [u8], part: [u8; N]) {
    if let Some((place, tail)) = std::mem::take(rest).split_first_chunk_mut() {
        *place = part;
        *rest = tail;
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (part, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*part)
}

fn xor(a: [u8; 12], b: [u8; 12]) -> [u8; 12] {
    let mut out = a;
    for (x, y) in out.iter_mut().zip(b) {
        *x ^= y;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

    use super::{Claim, FUTURE_MAX_MS, TOKEN_CHARS, TokenFault, TokenKeys};
    use crate::consent::Consent;
    use crate::id::{EventId, LaneId, Sequence};
    use crate::identity::VisitorTag;
    use crate::keys::{Key, KeyId, KeySet, Secret};
    use crate::name::{LinkId, PartnerId, ProgramId};
    use crate::time::Millis;

    const NOW: Millis = Millis(1_790_000_000_000);

    fn keys(secret: u8) -> TokenKeys {
        let key = Key {
            id: KeyId(7),
            secret: Secret([secret; 32]),
            sign_from: Millis(0),
            verify_until: Some(Millis(NOW.0 + 1000)),
        };
        TokenKeys::new(&KeySet(vec![key]))
    }

    fn claim() -> Claim {
        Claim {
            consent: Consent::Granted,
            test: false,
            prefetch: false,
            program: ProgramId(1),
            partner: Some(PartnerId(2)),
            link: LinkId(3),
            id: EventId::minted(NOW, Sequence(5), LaneId::from_random(6)),
            visitor: Some(VisitorTag([9; 12])),
        }
    }

    fn claims() -> impl Strategy<Value = Claim> {
        (any::<(u32, u32, u32, bool, bool)>(), 0u16..3, any::<Option<[u8; 12]>>(), 0u64..1 << 40)
            .prop_map(|((program, partner, link, test, prefetch), consent, visitor, seq)| Claim {
                consent: Consent::from_token_bits(consent).unwrap(),
                test,
                prefetch,
                program: ProgramId(program),
                partner: (partner != 0).then_some(PartnerId(partner)),
                link: LinkId(link),
                id: EventId::minted(NOW, Sequence(seq), LaneId::from_random(seq)),
                visitor: visitor.filter(|v| *v != [0; 12]).map(VisitorTag),
            })
    }

    proptest! {
        #[test]
        fn a_click_id_gives_back_its_claim(claim in claims()) {
            let id = keys(1).mint(&claim, NOW).unwrap();
            prop_assert_eq!(id.as_str().len(), TOKEN_CHARS);
            prop_assert_eq!(keys(1).verify(id.as_str(), NOW), Ok(claim));
            prop_assert_eq!(keys(2).verify(id.as_str(), NOW), Err(TokenFault::BadMac));
        }

        #[test]
        fn hostile_text_is_refused_without_panic(text in any::<String>()) {
            prop_assert!(keys(1).verify(&text, NOW).is_err());
        }
    }

    #[test]
    fn the_wire_form_of_version_1_is_fixed() {
        let id = keys(1).mint(&claim(), NOW).unwrap();
        expect_test::expect![
            "AQcAAQAAAAEAAAACAAAAAwGgxFBsAHAAgAAAFAAAAAabglPi_Ad7wcorIf2ojNFLDRuv9SYczqs"
        ]
        .assert_eq(id.as_str());
    }

    #[test]
    fn every_single_character_change_is_refused() {
        let good = keys(1).mint(&claim(), NOW).unwrap();
        for at in 0..TOKEN_CHARS {
            for other in b"ABCxyz019-_=.%" {
                let mut bytes = good.as_str().as_bytes().to_vec();
                if bytes[at] == *other {
                    continue;
                }
                bytes[at] = *other;
                let text = String::from_utf8(bytes).unwrap();
                assert!(keys(1).verify(&text, NOW).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn a_token_up_to_five_minutes_ahead_is_taken() {
        let id = keys(1).mint(&claim(), NOW).unwrap();
        assert!(keys(1).verify(id.as_str(), Millis(NOW.0 - FUTURE_MAX_MS)).is_ok());
    }

    #[test]
    fn a_token_further_ahead_is_from_the_future() {
        let id = keys(1).mint(&claim(), NOW).unwrap();
        let early = Millis(NOW.0 - FUTURE_MAX_MS - 1);
        assert_eq!(keys(1).verify(id.as_str(), early), Err(TokenFault::FromFuture));
    }

    #[test]
    fn a_key_past_its_end_is_unknown() {
        let id = keys(1).mint(&claim(), NOW).unwrap();
        assert!(keys(1).verify(id.as_str(), Millis(NOW.0 + 999)).is_ok());
        let late = Millis(NOW.0 + 1000);
        assert_eq!(keys(1).verify(id.as_str(), late), Err(TokenFault::UnknownKey));
    }

    #[test]
    fn two_click_ids_of_one_visitor_share_nothing_visible_of_it() {
        let other =
            Claim { id: EventId::minted(NOW, Sequence(6), LaneId::from_random(6)), ..claim() };
        let visitor = |c: &Claim| keys(1).mint(c, NOW).unwrap().as_str()[43..58].to_owned();
        assert_ne!(visitor(&claim()), visitor(&other));
    }

    #[test]
    fn a_denied_click_has_no_id() {
        let denied = Claim { consent: Consent::Denied, ..claim() };
        assert_eq!(keys(1).mint(&denied, NOW), Err(TokenFault::Malformed));
    }
}
