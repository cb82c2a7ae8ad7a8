//! Writes JSON text into a buffer, for the two kinds of event that come a hundred thousand times a second. What it
//! writes is byte for byte what `event`'s own codec writes; a test compares them.

use crate::every::every;

/// Whether `text` needs no escape: no control, no quote, no backslash. Nearly none does.
fn is_plain(text: &[u8]) -> bool {
    every(text, |b| (b >= 0x20) & (b != b'"') & (b != b'\\'))
}

/// Appends `"text"`, escaped as serde_json does.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    let special = |b: &u8| *b < 0x20 || *b == b'"' || *b == b'\\';
    if is_plain(rest) {
        out.reserve(rest.len() + 2);
        out.push(b'"');
        out.extend_from_slice(rest);
        out.push(b'"');
        return;
    }
    out.push(b'"');
    while let Some(at) = rest.iter().position(special) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, tail)) = special.split_first() else { break };
        rest = tail;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            control => {
                let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + n - 10 };
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(control >> 4), digit(control & 15)]);
            }
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends `name` (with its comma, quotes and colon) and the text.
pub(crate) fn member(out: &mut Vec<u8>, name: &str, text: &str) {
    out.extend_from_slice(name.as_bytes());
    string(out, text);
}

/// Appends `name` and the text, if there is one.
pub(crate) fn optional(out: &mut Vec<u8>, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        member(out, name, text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn text_is_written_as_serde_writes_it(text in any::<String>()) {
            let mut out = Vec::new();
            super::string(&mut out, &text);
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn every_control_is_escaped_as_serde_does() {
        let text: String = (0..=0x80_u8).map(char::from).collect();
        let mut out = Vec::new();
        super::string(&mut out, &text);
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
    }
}
