//! The key of an order: what makes two reports the same order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::EventId;
use crate::name::{GoalName, ProgramName};
use crate::topic::KeyHash;

/// Longest order id or client event id, in bytes, after normalization of white space.
pub const ORDER_ID_BYTES_MAX: usize = 128;

/// What identifies an order within (program, goal, test).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderRef {
    /// The merchant's order id, normalized.
    Order(String),
    /// The caller's own id of the report, where there is no order id.
    Client(String),
    /// The event itself, where there is neither: never guessed to be the same as another.
    Event(EventId),
}

/// The dedup key: program, goal, real or test, and the reference. Text form, used as message key:
/// `program/goal/real/o:BX-1`, with `test` for tests and `c:` or `e:` for the other kinds of reference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// The program.
    pub program: ProgramName,
    /// The goal.
    pub goal: GoalName,
    /// Real and test conversions never share a key.
    pub test: bool,
    /// The reference.
    pub reference: OrderRef,
}

/// White space trimmed, inner white space to one space; case kept. What is stored and shown.
#[must_use]
pub fn cleaned(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// [`cleaned`], in upper case: what is compared. Leading zeros and dashes stay.
#[must_use]
pub fn normalized(text: &str) -> String {
    cleaned(text).to_uppercase()
}

impl OrderKey {
    /// The key of a report: by order id, else by client event id, else by the event. Ids that are empty after cleaning
    /// count as absent.
    #[must_use]
    pub fn of_report(
        (program, goal, test): (ProgramName, GoalName, bool),
        order_id: Option<&str>,
        client_event_id: Option<&str>,
        event: EventId,
    ) -> Self {
        let present = |id: Option<&str>| id.map(normalized).filter(|id| !id.is_empty());
        let reference = match (present(order_id), present(client_event_id)) {
            (Some(id), _) => OrderRef::Order(id),
            (None, Some(id)) => OrderRef::Client(id),
            (None, None) => OrderRef::Event(event),
        };
        Self { program, goal, test, reference }
    }

    /// What alone decides the partition: the normalized id, whatever program, goal or test flag.
    #[must_use]
    pub fn partition_text(&self) -> String {
        match &self.reference {
            OrderRef::Order(id) | OrderRef::Client(id) => id.clone(),
            OrderRef::Event(id) => id.to_string(),
        }
    }

    /// Hash of [`Self::partition_text`].
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        KeyHash::of(self.partition_text().as_bytes())
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let real = if self.test { "test" } else { "real" };
        write!(f, "{}/{}/{real}/", self.program, self.goal)?;
        match &self.reference {
            OrderRef::Order(id) => write!(f, "o:{id}"),
            OrderRef::Client(id) => write!(f, "c:{id}"),
            OrderRef::Event(id) => write!(f, "e:{id}"),
        }
    }
}

/// Why a text is no order key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order key is program/goal/real|test/o:ID, c:ID or e:EVENT")]
pub struct NotAnOrderKey;

impl FromStr for OrderKey {
    type Err = NotAnOrderKey;

    fn from_str(text: &str) -> Result<Self, NotAnOrderKey> {
        let mut parts = text.splitn(4, '/');
        let mut part = || parts.next().ok_or(NotAnOrderKey);
        let program = part()?.parse().map_err(|_| NotAnOrderKey)?;
        let goal = part()?.parse().map_err(|_| NotAnOrderKey)?;
        let test = match part()? {
            "real" => false,
            "test" => true,
            _ => return Err(NotAnOrderKey),
        };
        let (kind, id) = part()?.split_once(':').ok_or(NotAnOrderKey)?;
        let id_is_normal = !id.is_empty() && normalized(id) == id;
        let reference = match kind {
            "o" if id_is_normal => OrderRef::Order(id.to_owned()),
            "c" if id_is_normal => OrderRef::Client(id.to_owned()),
            "e" => OrderRef::Event(id.parse().map_err(|_| NotAnOrderKey)?),
            _ => return Err(NotAnOrderKey),
        };
        Ok(Self { program, goal, test, reference })
    }
}

impl Serialize for OrderKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OrderKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{OrderKey, cleaned, normalized};
    use crate::id::EventId;

    fn key(order: Option<&str>, client: Option<&str>) -> String {
        let names = ("shop".parse().unwrap(), "sale".parse().unwrap(), false);
        let event = EventId::from_bytes([0; 16]);
        OrderKey::of_report(names, order, client, event).to_string()
    }

    #[test]
    fn case_and_white_space_do_not_make_another_order() {
        assert_eq!(key(Some(" a1\t b "), None), key(Some("A1 B"), None));
        assert_eq!(cleaned(" a1\t b "), "a1 b");
    }

    #[test]
    fn leading_zeros_and_dashes_do() {
        assert_ne!(key(Some("01"), None), key(Some("1"), None));
        assert_ne!(key(Some("B-1"), None), key(Some("B1"), None));
    }

    #[test]
    fn an_order_id_never_equals_a_client_event_id() {
        assert_eq!(key(Some("X"), Some("Y")), "shop/sale/real/o:X");
        assert_eq!(key(None, Some("x")), "shop/sale/real/c:X");
        assert_eq!(key(Some("  "), None), "shop/sale/real/e:00000000-0000-0000-0000-000000000000");
    }

    #[test]
    fn a_key_survives_its_text_also_with_slashes_and_unicode() {
        for id in ["A/B/C", "É:1", "o:o", &normalized("straße")] {
            let text = key(Some(id), None);
            assert_eq!(text.parse::<OrderKey>().unwrap().to_string(), text);
        }
        for bad in
            ["", "shop/sale/real/o:", "shop/sale/o:X", "shop/sale/real/o:x", "a b/sale/real/o:X"]
        {
            assert!(bad.parse::<OrderKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_partition_ignores_program_goal_and_test() {
        let a: OrderKey = "shop/sale/real/o:X".parse().unwrap();
        let b: OrderKey = "other/lead/test/o:X".parse().unwrap();
        assert_eq!(a.key_hash(), b.key_hash());
    }
}
