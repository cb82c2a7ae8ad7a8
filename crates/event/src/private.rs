//! The private block: user agent, referrer and cut address of an event, sealed with the private key of its day.
//!
//! Destroying a day's key destroys the blocks of that day; no segment is ever rewritten. Cipher: ChaCha20-Poly1305
//! (RFC 8439). The nonce is the last 12 bytes of the event id, which hold sequence and lane: no two events share one.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::id::EventId;
use crate::keys::Secret;

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
    /// "Less safe" since the nonces are ours to keep apart.
    cipher: LessSafeKey,
}

impl std::fmt::Debug for DaySeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DaySeal(day {})", self.day)
    }
}

fn nonce(id: EventId) -> Nonce {
    Nonce::assume_unique_for_key(id.as_bytes().last_chunk::<12>().copied().unwrap_or_default())
}

impl DaySeal {
    /// With the private key of `day`.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a secret has the 32 bytes that this cipher takes")]
    #[expect(clippy::missing_panics_doc, reason = "it cannot")]
    pub fn new(day: u32, secret: &Secret) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &secret.0).expect("32 bytes");
        Self { day, cipher: LessSafeKey::new(key) }
    }

    /// The day of the key.
    #[must_use]
    pub const fn day(&self) -> u32 {
        self.day
    }

    /// Seals the block of event `id`.
    ///
    /// # Errors
    /// [`SealFault`] if the cipher refuses (a block beyond 256 GiB).
    pub fn seal(&self, id: EventId, block: &Private<'_>) -> Result<Sealed, SealFault> {
        let mut bytes = serde_json::to_vec(block).map_err(|_| SealFault)?;
        self.seal_json(id, &mut bytes)?;
        Ok(Sealed { day: self.day, sealed: base64url::encode(&bytes) })
    }

    /// Encrypts `json`, the block of event `id` as JSON text, in place: for a caller that writes text itself.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_json(&self, id: EventId, json: &mut Vec<u8>) -> Result<(), SealFault> {
        let event = Aad::from(id.as_bytes());
        self.cipher.seal_in_place_append_tag(nonce(id), event, json).map_err(|_| SealFault)
    }

    /// Opens a block of event `id`.
    ///
    /// # Errors
    /// [`SealFault`] if the block is of another day, key or event, or was altered.
    pub fn open(&self, id: EventId, sealed: &Sealed) -> Result<Private<'static>, SealFault> {
        let mut bytes = base64url::decode(sealed.sealed.as_bytes()).ok_or(SealFault)?;
        let event = Aad::from(id.as_bytes());
        let json =
            self.cipher.open_in_place(nonce(id), event, &mut bytes).map_err(|_| SealFault)?;
        let block: Private<'_> = serde_json::from_slice(json).map_err(|_| SealFault)?;
        let own = |text: Option<std::borrow::Cow<'_, str>>| text.map(|t| t.into_owned().into());
        Ok(Private {
            user_agent: own(block.user_agent),
            referrer: own(block.referrer),
            address: own(block.address),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{DaySeal, Private, SealFault};
    use crate::id::{EventId, LaneId, Sequence};
    use crate::keys::Secret;
    use crate::time::Millis;

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
