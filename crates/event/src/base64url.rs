//! Base64url without padding (RFC 4648, section 5): the text form of every id, token, tag and sealed block.
//!
//! One text for one value: padding, white space and leftover bits are refused, so that no two texts decode to the
//! same bytes.

use std::fmt;
use std::sync::LazyLock;

use base64::engine::general_purpose::NO_PAD;
use base64::engine::simd::Simd;
use base64::{Engine, encoded_len};

/// Picks the instructions of this processor once.
static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));

/// Characters of the text of `bytes` bytes.
#[must_use]
pub const fn len_of(bytes: usize) -> usize {
    match encoded_len(bytes, false) {
        Some(len) => len,
        None => usize::MAX, // more than a slice can hold
    }
}

/// The text of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

/// Appends the text of `bytes` to `out`.
pub fn append(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + len_of(bytes.len()), 0);
    fill(bytes, out.get_mut(start..).unwrap_or_default());
}

/// Writes the text of `bytes` into `out`, which is [`len_of`] it long; a shorter one stays as it is.
pub fn fill(bytes: &[u8], out: &mut [u8]) {
    if bytes.len() > SHORT_BYTES_MAX {
        let _fits = ENGINE.encode_slice(bytes, out);
    } else if out.len() >= len_of(bytes.len()) {
        fill_short(bytes, out);
    }
}

/// Bytes up to which one character after the other is faster than the engine, which makes ready first: all ids and tokens.
const SHORT_BYTES_MAX: usize = 64;

fn fill_short(bytes: &[u8], out: &mut [u8]) {
    let (threes, rest) = bytes.as_chunks::<3>();
    let (fours, tail) = out.as_chunks_mut::<4>();
    for ([a, b, c], four) in threes.iter().zip(&mut *fours) {
        *four = quartet(*a, *b, *c);
    }
    let (quartet, len) = match *rest {
        [a] => (quartet(a, 0, 0), 2),
        [a, b] => (quartet(a, b, 0), 3),
        _ => return,
    };
    let tail = fours.get_mut(threes.len()).map_or(tail, |four| four.as_mut_slice());
    for (place, character) in tail.iter_mut().zip(quartet).take(len) {
        *place = character;
    }
}

/// The four characters of three bytes.
const fn quartet(a: u8, b: u8, c: u8) -> [u8; 4] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = u32::from_be_bytes([0, a, b, c]);
    #[expect(clippy::indexing_slicing, reason = "six bits are below 64")]
    [
        ALPHABET[(bits >> 18) as usize & 63],
        ALPHABET[(bits >> 12) as usize & 63],
        ALPHABET[(bits >> 6) as usize & 63],
        ALPHABET[bits as usize & 63],
    ]
}

/// The bytes of `text`; [`None`] if it is not such a text.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    ENGINE.decode(text).ok()
}

/// The `N` bytes of `text`; [`None`] if it is not such a text or of another length.
#[must_use]
pub fn decode_exactly<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let fits = text.len() == len_of(N) && ENGINE.decode_slice(text, &mut bytes).ok()? == N;
    fits.then_some(bytes)
}

/// Shows bytes as their text.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&base64::display::Base64Display::new(self.0, &*ENGINE), f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{Text, append, decode, decode_exactly, encode, len_of};

    proptest! {
        #[test]
        fn every_way_to_write_gives_one_text_that_reads_back(bytes in any::<Vec<u8>>()) {
            let text = encode(&bytes);
            prop_assert_eq!(text.len(), len_of(bytes.len()));
            prop_assert_eq!(&Text(&bytes).to_string(), &text);
            let mut out = b"x".to_vec();
            append(&bytes, &mut out);
            prop_assert_eq!(out, [b"x", text.as_bytes()].concat());
            prop_assert_eq!(decode(text.as_bytes()), Some(bytes));
        }

        #[test]
        fn what_decodes_is_the_text_of_its_bytes(text in "[-_A-Za-z0-9=+/ ]{0,200}") {
            if let Some(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }

    #[test]
    fn padding_other_alphabets_and_leftover_bits_are_refused() {
        assert_eq!(decode(b"_-8"), Some(vec![0xff, 0xef]));
        for wrong in ["_-8=", "/+8", "_-9", "_-8 ", "_", "_-8\n"] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_text_of_another_length_is_refused() {
        assert_eq!(decode_exactly(b"_-8"), Some([0xff, 0xef]));
        assert_eq!(decode_exactly::<1>(b"_-8"), None);
        assert_eq!(decode_exactly::<3>(b"_-8"), None);
    }
}
