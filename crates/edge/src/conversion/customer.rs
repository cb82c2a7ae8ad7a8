//! The hash of a customer id, made before anything is written; the customer key of events is made from it.

use sha2::{Digest, Sha256};

/// SHA-256 of a normalized customer id. Callers may send this in its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CustomerHash([u8; 32]);

impl std::fmt::Debug for CustomerHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CustomerHash(…)")
    }
}

impl CustomerHash {
    /// Of a customer id as it came: trimmed, in lower case if it is an e-mail address; 64 hexadecimal digits are the
    /// hash itself.
    pub(crate) fn of(text: &str) -> Self {
        let text = text.trim();
        if text.len() == 64
            && let Ok(bytes) = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes())
            && let Ok(hash) = bytes.try_into()
        {
            return Self(hash);
        }
        let hash = if text.contains('@') {
            Sha256::digest(text.to_lowercase())
        } else {
            Sha256::digest(text)
        };
        Self(hash.into())
    }

    /// The bytes, from which the program's key makes the customer key.
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::CustomerHash;

    #[test]
    fn an_address_is_one_customer_whatever_its_case_and_margins() {
        assert_eq!(CustomerHash::of(" Lea@Shop.Example "), CustomerHash::of("lea@shop.example"));
        assert_ne!(
            CustomerHash::of("K-a"),
            CustomerHash::of("K-A"),
            "an account id keeps its case"
        );
    }

    #[test]
    fn the_hash_itself_may_be_sent() {
        let hash = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"; // of "foo"
        assert_eq!(CustomerHash::of("foo"), CustomerHash::of(hash));
        assert_eq!(CustomerHash::of("foo"), CustomerHash::of(&hash.to_uppercase()));
        assert_ne!(CustomerHash::of("foo"), CustomerHash::of(&hash[1..]), "63 digits are an id");
    }
}
