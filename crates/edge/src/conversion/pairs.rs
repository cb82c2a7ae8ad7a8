//! The pairs of a query or a form as callers write them: repairs are made, and told.

use std::borrow::Cow;

use super::fields::{Fields, TooManyFields, Value};

/// Percent-decodes; `+` is a space and a stray `%` stays. The second value tells whether the bytes were no UTF-8 and
/// characters were replaced.
fn decode(text: &str) -> (Cow<'_, str>, bool) {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return (Cow::Borrowed(text), false);
    }
    let spaced: Cow<'_, str> =
        if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(&spaced).collect();
    match String::from_utf8(bytes) {
        Ok(text) => (text.into(), false),
        Err(e) => (String::from_utf8_lossy(e.as_bytes()).into_owned().into(), true),
    }
}

impl<'a> Fields<'a> {
    /// Adds the pairs of a query (without `?`) or of a form. A second `?` and `&amp;` separate pairs too; parts without
    /// a name are skipped.
    ///
    /// # Errors
    /// [`TooManyFields`] beyond the limit of names.
    pub(crate) fn add_encoded(&mut self, raw: &'a str) -> Result<(), TooManyFields> {
        for part in raw.split(['&', '?']) {
            let part = part.strip_prefix("amp;").unwrap_or(part);
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if name.is_empty() {
                continue;
            }
            let (name, _) = decode(name);
            let (value, replaced) = decode(value);
            self.add_replaced(name, Value::Text(value), replaced)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use crate::conversion::fields::{Field, Fields};

    fn read(raw: &str) -> Fields<'_> {
        let mut fields = Fields::default();
        fields.add_encoded(raw).unwrap();
        fields
    }

    #[test]
    fn pairs_are_decoded() {
        let fields = read("order_id=a%20b%2Bc+d&coupon=%C3%A9t%C3%A9&s1=100%&=x&&test");
        assert_eq!(fields.text(Field::OrderId), Some("a b+c d"));
        assert_eq!(fields.text(Field::Coupon), Some("été"));
        assert_eq!(fields.text(Field::S1), Some("100%"));
        assert!(fields.value(Field::Test).is_none());
    }

    #[test]
    fn marks_of_badly_escaped_pages_separate_too() {
        let fields = read("order_id=1&amp;amount=2?currency=EUR");
        assert_eq!(fields.text(Field::Amount), Some("2"));
        assert_eq!(fields.text(Field::Currency), Some("EUR"));
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced_and_told() {
        let fields = read("order_id=%E9t%E9&coupon=%C3%A9");
        assert_eq!(fields.garbled(), [Field::OrderId]);
        assert_eq!(fields.text(Field::OrderId), Some("\u{fffd}t\u{fffd}"));
    }

    proptest! {
        #[test]
        fn hostile_pairs_are_no_panic(raw in any::<String>(), tidy in "[a-z0-9%&?=+;\\[\\]]{0,80}") {
            let _seen = Fields::default().add_encoded(&raw);
            let _seen = Fields::default().add_encoded(&tidy);
        }
    }
}
