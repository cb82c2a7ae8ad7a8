//! JSON objects read without a float and without surprises: numbers stay text, a name that occurs twice is refused,
//! nesting is bounded.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::fields::{FIELDS_MAX, Fields, Value};

/// Deepest nesting of a body.
pub(crate) const DEPTH_MAX: usize = 32;

/// Why a body is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonFault {
    /// Not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// Not JSON; with the place.
    #[error("the body is not JSON: {0}")]
    Syntax(String),
    /// JSON, but not an object.
    #[error("the body is not one JSON object")]
    NotAnObject,
    /// Deeper than [`DEPTH_MAX`].
    #[error("the body is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// A name occurs twice in one object.
    #[error("{0} occurs twice in one object")]
    Repeated(String),
    /// More than [`FIELDS_MAX`] names.
    #[error("the body has more than {FIELDS_MAX} fields")]
    TooManyFields,
}

/// Names and values of an object, in order.
pub(crate) struct Object<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

/// Elements of a list.
pub(crate) struct List<'a>(pub(crate) Vec<&'a RawValue>);

#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut entries = Vec::with_capacity(16);
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            entries.push((name, value));
        }
        Ok(Object(entries))
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(ObjectVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = List<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<'de>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(List(elements))
    }
}

impl<'de> Deserialize<'de> for List<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_seq(ListVisitor)
    }
}

fn syntax(error: &serde_json::Error) -> JsonFault {
    JsonFault::Syntax(if error.is_data() {
        format!("line {} column {}", error.line(), error.column()) // the parser's own text quotes what was sent
    } else {
        error.to_string()
    })
}

/// Deepest nesting of brackets outside of texts. Right for valid JSON; for anything else the parser speaks later.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn kind(raw: &str) -> u8 {
    raw.bytes().next().unwrap_or(b'n')
}

impl<'a> Object<'a> {
    /// The object in a text of at most [`DEPTH_MAX`] levels. Names occur once, in every object inside as well.
    ///
    /// # Errors
    /// [`JsonFault`] names what is wrong.
    pub(crate) fn read(text: &'a str) -> Result<Self, JsonFault> {
        if depth(text) > DEPTH_MAX {
            return Err(JsonFault::TooDeep);
        }
        Self::read_shallow(text)
    }

    /// The same for a part of a text that has been read: its depth is known.
    fn read_shallow(text: &'a str) -> Result<Self, JsonFault> {
        if kind(text.trim_start()) != b'{' {
            serde_json::from_str::<&RawValue>(text).map_err(|e| syntax(&e))?;
            return Err(JsonFault::NotAnObject);
        }
        let object: Self = serde_json::from_str(text).map_err(|e| syntax(&e))?;
        if object.0.len() > FIELDS_MAX {
            return Err(JsonFault::TooManyFields);
        }
        let mut names: smallset::Names<'_> = smallset::Names::default();
        for (name, value) in &object.0 {
            if !names.insert(name) {
                return Err(JsonFault::Repeated(super::fields::shown_name(name).to_owned()));
            }
            check_inside(value)?;
        }
        Ok(object)
    }
}

fn check_inside(value: &RawValue) -> Result<(), JsonFault> {
    match kind(value.get()) {
        b'{' => Object::read_shallow(value.get()).map(|_| ()),
        b'[' => {
            let list: List<'_> = serde_json::from_str(value.get()).map_err(|e| syntax(&e))?;
            list.0.into_iter().try_for_each(check_inside)
        }
        _ => Ok(()),
    }
}

/// Names seen in one object: compared one by one while they are few, hashed when they are many.
mod smallset {
    use std::collections::HashSet;

    const FEW: usize = 24;

    #[derive(Default)]
    pub(super) struct Names<'a> {
        few: Vec<&'a str>,
        many: HashSet<&'a str, foldhash::quality::RandomState>,
    }

    impl<'a> Names<'a> {
        /// Whether the name is new.
        pub(super) fn insert(&mut self, name: &'a str) -> bool {
            if self.few.contains(&name) {
                return false;
            }
            if self.few.len() < FEW {
                self.few.push(name);
                return true;
            }
            self.many.insert(name)
        }
    }
}

/// The text of a JSON text, number or boolean; lists and objects as they are; none for `null`.
///
/// # Errors
/// A text with half a surrogate pair is no text.
pub(crate) fn value(raw: &RawValue) -> Result<Option<Value<'_>>, JsonFault> {
    let text = raw.get();
    Ok(match kind(text) {
        b'n' => None,
        b'{' | b'[' => Some(Value::Json(raw)),
        b'"' => Some(Value::Text(match text.get(1..text.len().saturating_sub(1)) {
            Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
            _ => Cow::Owned(serde_json::from_str(text).map_err(|e| syntax(&e))?),
        })),
        b't' | b'f' => Some(Value::Text(Cow::Borrowed(text))),
        _ => Some(Value::Number(text)),
    })
}

impl<'a> Fields<'a> {
    /// Adds the names and values of a JSON object.
    ///
    /// # Errors
    /// [`JsonFault`] names what is wrong with the body as a whole.
    pub(crate) fn add_json(&mut self, body: &'a [u8]) -> Result<(), JsonFault> {
        let text = std::str::from_utf8(body).map_err(|_| JsonFault::NotUtf8)?;
        for (name, raw) in Object::read(text)?.0 {
            if let Some(value) = value(raw)? {
                self.add(name, value).map_err(|_| JsonFault::TooManyFields)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{DEPTH_MAX, JsonFault};
    use crate::conversion::fields::{Field, Fields};

    fn read(json: &str) -> Result<Fields<'_>, JsonFault> {
        let mut fields = Fields::default();
        fields.add_json(json.as_bytes()).map(|()| fields)
    }

    #[test]
    fn numbers_stay_the_text_they_are() {
        for number in ["74.92", "0.1", "100000000000.000001", "-0", "1e400", "12345678901234567890"]
        {
            let json = format!(r#"{{"amount":{number}}}"#);
            assert_eq!(read(&json).unwrap().text(Field::Amount), Some(number));
        }
    }

    #[test]
    fn texts_booleans_and_null_are_read() {
        let fields = read(r#"{"order_id":"a\u00e9\n\"","test":true,"coupon":null}"#).unwrap();
        assert_eq!(fields.text(Field::OrderId), Some("aé\n\""));
        assert_eq!(fields.text(Field::Test), Some("true"));
        assert!(fields.value(Field::Coupon).is_none());
    }

    #[test]
    fn a_name_twice_is_refused_at_every_depth() {
        for json in [
            r#"{"amount":1,"amount":1}"#,
            r#"{"items":[{"sku":"a","sku":"b"}]}"#,
            r#"{"metadata":{"a":[[{"b":1,"b":2}]]}}"#,
            r#"{"amount":1,"\u0061mount":2}"#,
        ] {
            assert!(matches!(read(json), Err(JsonFault::Repeated(_))), "{json}");
        }
        assert!(read(r#"{"a":{"x":1},"b":{"x":1}}"#).is_ok());
    }

    #[test]
    fn thirty_two_levels_are_read_and_one_more_is_not() {
        let nested = |n: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(n - 1), "]".repeat(n - 1));
        assert!(read(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(read(&nested(DEPTH_MAX + 1)).unwrap_err(), JsonFault::TooDeep);
        assert!(read(&format!(r#"{{"a":"{}"}}"#, "[".repeat(100))).is_ok(), "brackets in a text");
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        assert_eq!(read("[]").unwrap_err(), JsonFault::NotAnObject);
        assert_eq!(read("\"x\"").unwrap_err(), JsonFault::NotAnObject);
        assert!(matches!(read(""), Err(JsonFault::Syntax(_))));
        let fault = read("{\"amount\": 1,}").unwrap_err().to_string();
        assert_eq!(fault, "the body is not JSON: trailing comma at line 1 column 14");
        for bad in ["{", "{}{}", "{\"a\":01}", "{\"a\":NaN}", "{'a':1}", "{\"a\":\"\u{1}\"}"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert!(matches!(read(r#"{"order_id":"\ud800"}"#), Err(JsonFault::Syntax(_))));
        assert_eq!(Fields::default().add_json(b"{\"a\":\"\xff\"}"), Err(JsonFault::NotUtf8));
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_no_panic(bytes in any::<Vec<u8>>(), text in "[\\[\\]{}\",:0-9a\\\\u ]{0,80}") {
            let _seen = Fields::default().add_json(&bytes);
            let _seen = Fields::default().add_json(text.as_bytes());
        }
    }
}
