//! Secret keys and the key file: click keys, identity keys, the customer secret. Parsing and printing only.
//!
//! A key verifies from load and signs only from `sign_from`, so that every edge knows it before the first token made
//! with it arrives. Click keys and identity (cookie) keys are separate; day keys live in a file of their own.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base64url;
use crate::name::ProgramName;
use crate::time::Millis;

/// Most keys of one kind in a file; ids are one byte.
pub const KEYS_MAX: usize = 64;
/// Least time between the making of a later key and its first signature.
pub const SIGN_LEAD_MS: i64 = 3_600_000;

/// 32 secret bytes. `Debug` shows nothing of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&base64url::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        let bytes = base64url::decode(text.as_bytes())
            .ok_or_else(|| serde::de::Error::custom("a secret is base64url without padding"))?;
        let bytes = bytes
            .try_into()
            .map_err(|_| serde::de::Error::custom("a secret has 32 bytes (43 characters)"))?;
        Ok(Self(bytes))
    }
}

/// Which key of a set made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub u8);

/// One key of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its id, in every signature.
    pub id: KeyId,
    /// Its secret.
    pub secret: Secret,
    /// From when it signs.
    pub sign_from: Millis,
    /// Until when (exclusive) it verifies; absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_until: Option<Millis>,
}

/// What is wrong with a key file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// A set without keys cannot sign.
    #[error("the key file has no {0} key")]
    Empty(&'static str),
    /// More than [`KEYS_MAX`].
    #[error("the key file has more than 64 {0} keys; remove those past their verify_until")]
    TooMany(&'static str),
    /// Two keys with one id.
    #[error("{0} key id {1} occurs twice")]
    Repeated(&'static str, u8),
    /// All 256 ids are taken.
    #[error("no {0} key id is free; remove a key past its verify_until")]
    NoFreeId(&'static str),
}

/// Keys of one purpose, any order.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeySet(pub Vec<Key>);

impl KeySet {
    /// The key that signs at `now`: among those with `sign_from ≤ now < verify_until` the one with the latest
    /// `sign_from`, ties to the larger id.
    #[must_use]
    pub fn signing(&self, now: Millis) -> Option<&Key> {
        self.0
            .iter()
            .filter(|key| key.sign_from <= now && key.verifies(now))
            .max_by_key(|key| (key.sign_from, key.id))
    }

    /// The key with this id, if it verifies at `now`.
    #[must_use]
    pub fn verifying(&self, id: KeyId, now: Millis) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id).filter(|key| key.verifies(now))
    }

    /// Adds a key with a free id. The first key of a set signs from `now`, a later one from [`SIGN_LEAD_MS`] later.
    ///
    /// # Errors
    /// [`KeyFault::TooMany`] or [`KeyFault::NoFreeId`].
    pub fn add(
        &mut self,
        set: &'static str,
        secret: Secret,
        now: Millis,
    ) -> Result<&Key, KeyFault> {
        if self.0.len() >= KEYS_MAX {
            return Err(KeyFault::TooMany(set));
        }
        let newest = self.0.iter().max_by_key(|key| key.sign_from).map_or(0, |key| key.id.0);
        let first = self.0.is_empty();
        let id = (1..=u8::MAX)
            .map(|step| KeyId(newest.wrapping_add(step)))
            .find(|id| self.0.iter().all(|key| key.id != *id))
            .ok_or(KeyFault::NoFreeId(set))?;
        let sign_from = if first { now } else { Millis(now.0.saturating_add(SIGN_LEAD_MS)) };
        self.0.push(Key { id, secret, sign_from, verify_until: None });
        self.0.last().ok_or(KeyFault::Empty(set))
    }

    fn faults(&self, set: &'static str, faults: &mut Vec<KeyFault>) {
        if self.0.is_empty() {
            faults.push(KeyFault::Empty(set));
        }
        if self.0.len() > KEYS_MAX {
            faults.push(KeyFault::TooMany(set));
        }
        for (i, key) in self.0.iter().enumerate() {
            if self.0.iter().take(i).any(|other| other.id == key.id) {
                faults.push(KeyFault::Repeated(set, key.id.0));
            }
        }
    }
}

impl Key {
    fn verifies(&self, now: Millis) -> bool {
        self.verify_until.is_none_or(|until| now < until)
    }
}

/// A secret that a program's callers sign with, or that signs its deep links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramKey {
    /// The name that the caller sends as `Sillage-Key` and that the catalog refers to.
    pub id: String,
    /// The program it belongs to; it is good for no other.
    pub program: ProgramName,
    /// Its secret.
    pub secret: Secret,
}

/// The key file (TOML): `[[click]]`, `[[identity]]`, `customer_secret`, `[[call]]`, `[[link]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// From this secret the customer key of each program is derived. Never rotates: rotation would break binding.
    pub customer_secret: Secret,
    /// Keys that sign click ids.
    pub click: KeySet,
    /// Keys that sign the visitor cookie.
    pub identity: KeySet,
    /// Keys that server-to-server callers sign with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub call: Vec<ProgramKey>,
    /// Keys that sign deep links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link: Vec<ProgramKey>,
}

impl KeyFile {
    /// Every rule that the file breaks.
    #[must_use]
    pub fn faults(&self) -> Vec<KeyFault> {
        let mut faults = Vec::new();
        self.click.faults("click", &mut faults);
        self.identity.faults("identity", &mut faults);
        faults
    }

    /// The customer key secret of one program, derived by BLAKE3.
    #[must_use]
    pub fn customer_secret_of(&self, program: &ProgramName) -> Secret {
        let mut hasher = blake3::Hasher::new_derive_key("sillage 2026 customer key of a program");
        hasher.update(&self.customer_secret.0).update(program.as_str().as_bytes());
        Secret(*hasher.finalize().as_bytes())
    }
}

/// The two secrets of one day (UTC): for the address hash and for the private block. Destroying them is retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayKeys {
    /// Days since 1970-01-01.
    pub day: u32,
    /// Key of the address hash; destroyed after 7 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Secret>,
    /// Key of the private block; destroyed after 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::{Key, KeyFault, KeyFile, KeyId, KeySet, SIGN_LEAD_MS, Secret};
    use crate::time::Millis;

    fn key(id: u8, sign_from: i64, verify_until: Option<i64>) -> Key {
        let verify_until = verify_until.map(Millis);
        Key { id: KeyId(id), secret: Secret([id; 32]), sign_from: Millis(sign_from), verify_until }
    }

    #[test]
    fn the_newest_key_whose_time_has_come_signs() {
        let set = KeySet(vec![key(1, 0, None), key(2, 100, None)]);
        assert_eq!(set.signing(Millis(99)).unwrap().id, KeyId(1));
        assert_eq!(set.signing(Millis(100)).unwrap().id, KeyId(2));
    }

    #[test]
    fn a_key_verifies_before_it_signs_and_until_its_end() {
        let set = KeySet(vec![key(2, 100, Some(200))]);
        assert!(set.verifying(KeyId(2), Millis(0)).is_some());
        assert!(set.verifying(KeyId(2), Millis(199)).is_some());
        assert!(set.verifying(KeyId(2), Millis(200)).is_none());
        assert!(set.verifying(KeyId(3), Millis(0)).is_none());
    }

    #[test]
    fn the_first_key_signs_at_once_and_a_later_one_an_hour_later() {
        let mut set = KeySet::default();
        assert_eq!(set.add("click", Secret([1; 32]), Millis(5)).unwrap().sign_from, Millis(5));
        let second = set.add("click", Secret([2; 32]), Millis(5)).unwrap();
        assert_eq!((second.id, second.sign_from), (KeyId(2), Millis(5 + SIGN_LEAD_MS)));
    }

    #[test]
    fn every_fault_of_a_key_file_is_reported() {
        let file = KeyFile {
            customer_secret: Secret([0; 32]),
            click: KeySet(vec![key(1, 0, None), key(1, 5, None)]),
            identity: KeySet::default(),
            call: vec![],
            link: vec![],
        };
        assert_eq!(file.faults(), [KeyFault::Repeated("click", 1), KeyFault::Empty("identity")]);
        assert!(!format!("{file:?}").contains("AAAA"), "no secret in debug output");
    }
}
