//! Content hashes: BLAKE3 over a fixed binary encoding of the fields that decisions read, never over JSON text.

use crate::id::digits;

/// Feeds fields in a fixed order: integers big-endian, texts length-prefixed, options with a leading 0 or 1.
#[derive(Clone, Debug)]
pub struct ContentHasher(blake3::Hasher);

impl ContentHasher {
    /// A hasher for one kind of record; two kinds never give the same hash for the same fields.
    #[must_use]
    pub fn new(domain: &'static str) -> Self {
        Self(blake3::Hasher::new_derive_key(domain))
    }

    /// Feeds a signed number.
    pub fn number(&mut self, value: i64) -> &mut Self {
        self.0.update(&value.to_be_bytes());
        self
    }

    /// Feeds an unsigned number or a length.
    pub fn count(&mut self, value: u64) -> &mut Self {
        self.0.update(&value.to_be_bytes());
        self
    }

    /// Feeds a yes or no.
    pub fn yes(&mut self, value: bool) -> &mut Self {
        self.0.update(&[u8::from(value)]);
        self
    }

    /// Feeds bytes or text with their length.
    pub fn bytes(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        let value = value.as_ref();
        self.count(value.len() as u64);
        self.0.update(value);
        self
    }

    /// Feeds an optional text.
    pub fn option(&mut self, value: Option<impl AsRef<[u8]>>) -> &mut Self {
        match value {
            None => self.yes(false),
            Some(value) => self.yes(true).bytes(value),
        }
    }

    /// The first 16 bytes of the hash.
    #[must_use]
    pub fn finish(&self) -> ContentHash {
        let mut out = [0; 16];
        self.0.finalize_xof().fill(&mut out);
        ContentHash(out)
    }
}

/// Hash of what decisions read of one record. Text form: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 16]);

impl ContentHash {
    fn text(&self) -> [u8; 32] {
        let number = u128::from_be_bytes(self.0);
        let low = u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
        let mut out = [0; 32];
        out[..16].copy_from_slice(&digits((number >> 64) as u64));
        out[16..].copy_from_slice(&digits(low));
        out
    }
}

impl std::fmt::Display for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl std::fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl<'de> serde::Deserialize<'de> for ContentHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a content hash is 32 hexadecimal digits"))
    }
}
