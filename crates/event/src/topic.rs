//! Topics of the event log: their names, what they carry, and how a key chooses a partition.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A topic of the event log. Every arrow between stages is one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Topic {
    /// Clicks, impressions, landings, activations, flags, merges. Key: visitor tag, else event id.
    #[serde(rename = "events.touches")]
    Touches,
    /// Conversions, validations, evidence. Key: order key. Kept for ever.
    #[serde(rename = "events.conversions")]
    Conversions,
    /// Every refused event with its code, and parked poison. Key: event id. Kept 30 days.
    #[serde(rename = "events.rejected")]
    Rejected,
    /// One state record per order. Key: order key. Compacted.
    #[serde(rename = "conversions.unique")]
    Unique,
    /// Verdicts of duplicate members, upserted by member id. Key: order key. Kept 90 days.
    #[serde(rename = "conversions.duplicate")]
    Duplicate,
    /// Decision versions with trace. Key: order key. Compacted, at least the last version is kept.
    #[serde(rename = "conversions.attributed")]
    Attributed,
    /// Locks and payments, written once by the ledger. Key: order key, or that of a day. Kept for ever.
    #[serde(rename = "orders.closed")]
    Closed,
    /// The ledger's outbox: changes of orders with their transfers. Key: order key. Kept for ever.
    #[serde(rename = "ledger.transfers")]
    Transfers,
    /// Every version of every catalog object. Key: object. Kept for ever.
    #[serde(rename = "catalog.versions")]
    Catalog,
    /// Lanes: started, stopped, lost. Key: lane. Kept for ever.
    #[serde(rename = "node.log")]
    Node,
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 10] = [
        Self::Touches,
        Self::Conversions,
        Self::Rejected,
        Self::Unique,
        Self::Duplicate,
        Self::Attributed,
        Self::Closed,
        Self::Transfers,
        Self::Catalog,
        Self::Node,
    ];

    /// The name on disk and on Kafka.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Touches => "events.touches",
            Self::Conversions => "events.conversions",
            Self::Rejected => "events.rejected",
            Self::Unique => "conversions.unique",
            Self::Duplicate => "conversions.duplicate",
            Self::Attributed => "conversions.attributed",
            Self::Closed => "orders.closed",
            Self::Transfers => "ledger.transfers",
            Self::Catalog => "catalog.versions",
            Self::Node => "node.log",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// First 8 bytes of BLAKE3 of a record's partition text, kept in the record header: the partition of a topic with
/// `n` partitions is this value modulo `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub u64);

impl KeyHash {
    /// Hash of `text`: the visitor tag or event id of a touch, or the partition text of an order
    /// ([`crate::OrderKey::partition_text`]).
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let hash = blake3::hash(text);
        Self(u64::from_be_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default()))
    }

    /// The partition among `partitions`.
    #[must_use]
    pub fn partition(self, partitions: std::num::NonZeroU32) -> u32 {
        u32::try_from(self.0 % u64::from(partitions.get())).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::{KeyHash, Topic};

    #[test]
    fn topic_names_are_those_of_the_wire() {
        for topic in Topic::ALL {
            assert_eq!(serde_json::to_string(&topic).unwrap(), format!("\"{topic}\""));
        }
    }

    #[test]
    fn one_key_has_one_partition() {
        let four = NonZeroU32::new(4).unwrap();
        assert_eq!(KeyHash::of(b"BX-1").partition(four), KeyHash::of(b"BX-1").partition(four));
        assert!(KeyHash::of(b"BX-1").partition(four) < 4);
    }
}
