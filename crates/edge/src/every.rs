//! One question about every byte of a text, asked of many bytes at once.

/// Bytes that are asked at once: without an early end among them the compiler uses wide registers.
const RUN: usize = 16;

/// Whether `good` holds for every byte.
pub(crate) fn every(bytes: &[u8], good: impl Fn(u8) -> bool) -> bool {
    let all = |run: &[u8]| run.iter().fold(true, |all, b| all & good(*b));
    // The last run may overlap the one before it.
    if let Some(last) = bytes.last_chunk::<RUN>() {
        bytes.as_chunks::<RUN>().0.iter().all(|run| all(run)) && all(last)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        all(first) && all(last)
    } else {
        all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::every;

    #[test]
    fn one_bad_byte_is_found_at_every_place_of_every_length() {
        for length in 0..70 {
            let mut bytes = vec![b'a'; length];
            assert!(every(&bytes, |b| b == b'a'));
            for at in 0..length {
                bytes[at] = b'b';
                assert!(!every(&bytes, |b| b == b'a'), "{at} of {length}");
                bytes[at] = b'a';
            }
        }
    }
}
