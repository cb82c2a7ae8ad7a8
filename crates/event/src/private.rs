//! The private block: user agent, referrer and cut address of an event, sealed with the private key of its day.
//!
//! Destroying a day's key destroys the blocks of that day; no segment is ever rewritten. Cipher: ChaCha20-Poly1305
//! (RFC 8439). The nonce is the last 12 bytes of the event id, which hold sequence and lane: no two events share one.

mod poly1305;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::id::EventId;
use crate::keys::Secret;

use poly1305::Poly1305;

/// Bytes before a text that is sealed in place: room for the key stream's first block, which keys the tag.
pub const SEAL_ROOM: usize = 64;
const TAG_BYTES: usize = 16;

/// What is personal about a request, and only kept sealed.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Private<'a> {
    /// `User-Agent`, at most 1,024 bytes.
    #[serde(rename = "ua", borrow, default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<std::borrow::Cow<'a, str>>,
    /// Referrer URL, at most 2,048 bytes.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<std::borrow::Cow<'a, str>>,
    /// Address cut to /24 or /48, as text.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub address: Option<std::borrow::Cow<'a, str>>,
}

/// A sealed private block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Day of the key, in days since 1970-01-01.
    pub day: u32,
    /// Cipher text and tag, base64url without padding.
    pub sealed: String,
}

/// Why a block cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the private block does not open with this key")]
pub struct SealFault;

/// Seals and opens the blocks of one day.
pub struct DaySeal {
    day: u32,
    key: [u8; 32],
}

impl std::fmt::Debug for DaySeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DaySeal(day {})", self.day)
    }
}

fn nonce(id: EventId) -> [u8; 12] {
    id.as_bytes().last_chunk().copied().unwrap_or_default()
}

impl DaySeal {
    /// With the private key of `day`.
    #[must_use]
    pub fn new(day: u32, secret: &Secret) -> Self {
        Self { day, key: secret.0 }
    }

    /// The day of the key.
    #[must_use]
    pub const fn day(&self) -> u32 {
        self.day
    }

    /// Seals the block of event `id`.
    ///
    /// # Errors
    /// Never for the types of this crate; serde's signature has it.
    pub fn seal(&self, id: EventId, block: &Private<'_>) -> Result<Sealed, SealFault> {
        let mut bytes = vec![0; SEAL_ROOM];
        serde_json::to_writer(&mut bytes, block).map_err(|_| SealFault)?;
        let sealed = self.seal_in_place(id, &mut bytes);
        Ok(Sealed { day: self.day, sealed: BASE64URL_NOPAD.encode(sealed) })
    }

    /// Seals what stands after the first [`SEAL_ROOM`] bytes, which are overwritten; gives cipher text and tag.
    pub fn seal_in_place<'b>(&self, id: EventId, bytes: &'b mut Vec<u8>) -> &'b [u8] {
        if bytes.len() < SEAL_ROOM {
            bytes.resize(SEAL_ROOM, 0);
        }
        if let Some(room) = bytes.get_mut(..SEAL_ROOM) {
            room.fill(0);
        }
        // Four blocks of key stream are made at once; a whole number of fours needs no second run for the rest.
        let length = bytes.len();
        bytes.resize(length.next_multiple_of(4 * 64), 0);
        self.stream(id).apply_keystream(bytes);
        bytes.truncate(length);
        let (room, text) = bytes.split_at(SEAL_ROOM);
        let tag = tag(room, id, text);
        bytes.extend_from_slice(&tag);
        bytes.get(SEAL_ROOM..).unwrap_or_default()
    }

    fn stream(&self, id: EventId) -> ChaCha20 {
        ChaCha20::new(&self.key.into(), &nonce(id).into())
    }

    /// Opens a block of event `id`.
    ///
    /// # Errors
    /// [`SealFault`] if the block is of another day, key or event, or was altered.
    pub fn open(&self, id: EventId, sealed: &Sealed) -> Result<Private<'static>, SealFault> {
        let mut bytes = vec![0; SEAL_ROOM];
        bytes.extend(BASE64URL_NOPAD.decode(sealed.sealed.as_bytes()).map_err(|_| SealFault)?);
        let end = bytes.len().saturating_sub(TAG_BYTES);
        let given = bytes.split_off(end.max(SEAL_ROOM));
        let mut stream = self.stream(id);
        let (room, text) = bytes.split_at_mut(SEAL_ROOM);
        stream.apply_keystream(room);
        if !bool::from(tag(room, id, text).as_slice().ct_eq(&given)) {
            return Err(SealFault);
        }
        stream.apply_keystream(text);
        let bytes = text;
        let block: Private<'_> = serde_json::from_slice(bytes).map_err(|_| SealFault)?;
        let own = |text: Option<std::borrow::Cow<'_, str>>| text.map(|t| t.into_owned().into());
        Ok(Private {
            user_agent: own(block.user_agent),
            referrer: own(block.referrer),
            address: own(block.address),
        })
    }
}

/// The tag of RFC 8439, 2.8: over the event id as associated data (one block), the cipher text padded with zeros, and
/// both lengths.
fn tag(first_block: &[u8], id: EventId, text: &[u8]) -> [u8; TAG_BYTES] {
    let mut poly = Poly1305::new(first_block.first_chunk().unwrap_or(&[0; 32]));
    poly.block(id.as_bytes());
    let (blocks, rest) = text.as_chunks::<16>();
    for block in blocks {
        poly.block(block);
    }
    if !rest.is_empty() {
        let mut last = [0; 16];
        for (place, byte) in last.iter_mut().zip(rest) {
            *place = *byte;
        }
        poly.block(&last);
    }
    let lengths = (id.as_bytes().len() as u128) | ((text.len() as u128) << 64);
    poly.block(&lengths.to_le_bytes());
    poly.finish()
}

#[cfg(test)]
mod tests {
    use super::{DaySeal, Private, SealFault};
    use crate::id::{EventId, LaneId, Sequence};
    use crate::keys::Secret;
    use crate::time::Millis;

    proptest::proptest! {
        /// The standard's own words, by an implementation that is not ours.
        #[test]
        fn a_sealed_text_is_that_of_rfc_8439(
            text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400),
            key in proptest::prelude::any::<[u8; 32]>(), id in proptest::prelude::any::<[u8; 16]>())
        {
            use chacha20poly1305::aead::{Aead, KeyInit, Payload};
            let id = EventId::from_bytes(id);
            let mut ours = vec![7; super::SEAL_ROOM];
            ours.extend_from_slice(&text);
            let ours = DaySeal::new(3, &Secret(key)).seal_in_place(id, &mut ours).to_vec();
            let payload = Payload { msg: &text, aad: id.as_bytes() };
            let theirs = chacha20poly1305::ChaCha20Poly1305::new(&key.into());
            let theirs = theirs.encrypt(&super::nonce(id).into(), payload).unwrap();
            proptest::prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn the_edges_of_the_prime_are_reduced_as_rfc_8439_says() {
        // RFC 8439, A.3, vectors 7 to 9: sums at and around 2^130 − 5.
        let tag = |r: u8, blocks: &[[u8; 16]]| {
            let mut key = [0; 32];
            key[0] = r;
            let mut poly = super::Poly1305::new(&key);
            blocks.iter().for_each(|block| poly.block(block));
            u128::from_le_bytes(poly.finish())
        };
        let block = |first: u8, rest: u8| {
            let mut block = [rest; 16];
            block[0] = first;
            block
        };
        assert_eq!(tag(1, &[[0xff; 16], block(0xf0, 0xff), block(0x11, 0)]), 5);
        assert_eq!(tag(1, &[[0xff; 16], block(0xfb, 0xfe), [0x01; 16]]), 0);
        assert_eq!(tag(2, &[block(0xfd, 0xff)]), u128::MAX - 5);
    }

    #[test]
    fn a_block_opens_with_its_key_and_event_and_with_no_other() {
        let id = |seq| EventId::minted(Millis(1), Sequence(seq), LaneId::from_random(1));
        let block = Private { user_agent: Some("Firefox \"é\"".into()), ..Private::default() };
        let seal = DaySeal::new(3, &Secret([1; 32]));
        let sealed = seal.seal(id(1), &block).unwrap();
        assert_eq!(seal.open(id(1), &sealed), Ok(block));
        assert_eq!(seal.open(id(2), &sealed), Err(SealFault));
        assert_eq!(DaySeal::new(3, &Secret([2; 32])).open(id(1), &sealed), Err(SealFault));
    }
}
