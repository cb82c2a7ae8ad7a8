//! The keys that the edge uses, with their subkeys derived once per load of the key file.

use event::keys::{KeyFile, ProgramKey, Secret};
use event::token::TokenKeys;
use event::{CustomerKey, ProgramName};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::cookie::CookieKeys;

/// Keys made ready for use.
pub(crate) struct Keys {
    /// Signs and checks click ids.
    pub clicks: TokenKeys,
    /// Signs and checks the visitor cookie.
    pub cookies: CookieKeys,
    file: KeyFile,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// The keys of a file.
    pub(crate) fn new(file: KeyFile) -> Self {
        Self { clicks: TokenKeys::new(&file.click), cookies: CookieKeys::new(&file.identity), file }
    }

    /// The key with this id that signs server calls.
    pub(crate) fn call(&self, id: &str) -> Option<&ProgramKey> {
        self.file.call.iter().find(|key| key.id == id)
    }

    /// The secrets that sign deep links of `program`, of the ids that its catalog entry lists.
    pub(crate) fn link<'a>(
        &'a self,
        program: &'a ProgramName,
        ids: &'a [Box<str>],
    ) -> impl Iterator<Item = &'a Secret> {
        self.file
            .link
            .iter()
            .filter(move |key| key.program == *program && ids.iter().any(|id| **id == *key.id))
            .map(|key| &key.secret)
    }

    /// The customer key of a customer id that is cleaned and hashed already (`edge.md`, §2.6): HMAC-SHA256 under the
    /// program's key, cut to 16 bytes.
    pub(crate) fn customer(&self, program: &ProgramName, sha256: &[u8; 32]) -> CustomerKey {
        let secret = self.file.customer_secret_of(program);
        CustomerKey(hmac_cut(&secret, sha256))
    }
}

/// HMAC-SHA256, cut to its first `N` bytes (at most 32).
pub(crate) fn hmac_cut<const N: usize>(secret: &Secret, message: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&secret.0) {
        mac.update(message);
        for (place, byte) in out.iter_mut().zip(mac.finalize().into_bytes()) {
            *place = byte;
        }
    }
    out
}
