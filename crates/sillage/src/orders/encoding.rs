//! From the bytes of a file to its text: what spreadsheets write, or which encoding it seems to be in.

/// The text of a file in UTF-8, or in UTF-16 with a byte order mark.
///
/// # Errors
/// The line, what the bytes seem to be, and what to do.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, (usize, String)> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16, name: &str| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|pair| unit(*pair));
        let text: Option<String> = char::decode_utf16(units).map(Result::ok).collect();
        let torn =
            || (1, format!("begins as {name} and cannot be read to its end as that; {SAVE}"));
        text.filter(|_| rest.is_empty()).ok_or_else(torn)
    };
    match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => {
            return utf16(rest, u16::from_le_bytes, "UTF-16 (little-endian)");
        }
        [0xfe, 0xff, rest @ ..] => return utf16(rest, u16::from_be_bytes, "UTF-16 (big-endian)"),
        [b'P', b'K', 3, 4, ..] => {
            return Err((
                1,
                format!("is a workbook (.xlsx, .ods or another zip), not a table in text; {SAVE}"),
            ));
        }
        [0xd0, 0xcf, 0x11, 0xe0, ..] => {
            return Err((1, format!("is a workbook (.xls), not a table in text; {SAVE}")));
        }
        _ => {}
    }
    let line_of = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    if let Some(place) = bytes.iter().position(|byte| *byte == 0) {
        let line = line_of(bytes.get(..place).unwrap_or_default());
        let text = format!(
            "has zero bytes, as UTF-16 without a byte order mark or a file that is no text has them; {SAVE}"
        );
        return Err((line, text));
    }
    String::from_utf8(bytes).map_err(|error| {
        let until = error.utf8_error().valid_up_to();
        let (before, rest) = error.as_bytes().split_at_checked(until).unwrap_or_default();
        let byte = rest.first().copied().unwrap_or_default();
        let text = format!(
            "has the byte 0x{byte:02X}, which is no UTF-8: the file seems to be in Windows-1252 (Latin-1) or another old \
             encoding, which cannot be told apart; {SAVE}, or run: iconv -f WINDOWS-1252 -t UTF-8"
        );
        (line_of(before), text)
    })
}

const SAVE: &str = "save it as \"CSV UTF-8\"";

#[cfg(test)]
mod tests {
    use super::text;

    const TABLE: &str = "order_id;note\r\nBX-1;caf\u{e9} \u{1f600}\r\n";

    #[test]
    fn utf_8_and_utf_16_with_their_marks_are_read() {
        assert_eq!(text(TABLE.into()).as_deref(), Ok(TABLE));
        let units = || format!("\u{feff}{TABLE}").encode_utf16().collect::<Vec<u16>>();
        assert_eq!(
            text(units().into_iter().flat_map(u16::to_le_bytes).collect()).as_deref(),
            Ok(TABLE)
        );
        assert_eq!(
            text(units().into_iter().flat_map(u16::to_be_bytes).collect()).as_deref(),
            Ok(TABLE)
        );
    }

    #[test]
    fn any_other_encoding_is_named_with_its_line() {
        let without_mark = TABLE.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let mut torn: Vec<u8> = [0xff, 0xfe].to_vec();
        torn.extend(&without_mark[..7]);
        for (bytes, line, says) in [
            (
                b"order_id\nBX-1;caf\xe9\n".to_vec(),
                2,
                "0xE9, which is no UTF-8: the file seems to be in Windows-1252",
            ),
            (without_mark, 1, "UTF-16 without a byte order mark"),
            (torn, 1, "begins as UTF-16 (little-endian)"),
            (b"PK\x03\x04\x14\0".to_vec(), 1, "is a workbook"),
            (b"\xd0\xcf\x11\xe0".to_vec(), 1, "is a workbook (.xls)"),
        ] {
            let (at, why) = text(bytes).unwrap_err();
            assert_eq!(at, line, "{why}");
            assert!(why.contains(says) && why.contains("save it as \"CSV UTF-8\""), "{why}");
        }
    }
}
