//! Event ids: who minted an event (lane), which of its events it is (sequence) and when, in 16 bytes.
//!
//! Shape of a UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds, version, 12 bits, variant, 62 bits. The 74 free bits
//! are the lane sequence (40, high) and the lane id (34, low), so that byte order is (receipt, sequence, lane).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::Millis;

/// Bits of a lane id.
pub const LANE_BITS: u32 = 34;
/// Bits of a lane sequence: 85 days at 150,000 events a second.
pub const SEQUENCE_BITS: u32 = 40;
const LANE_MASK: u64 = (1 << LANE_BITS) - 1;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;
const MILLIS_MASK: u64 = (1 << 48) - 1;

/// One core of one process start. Random at start, announced on `node.log`, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaneId(u64);

impl LaneId {
    /// The lane made of the low 34 bits of `random`.
    #[must_use]
    pub const fn from_random(random: u64) -> Self {
        Self(random & LANE_MASK)
    }

    /// The lane as a number below 2³⁴.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The number as nine hexadecimal digits.
impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:09x}", self.0)
    }
}

impl fmt::Debug for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lane {self}")
    }
}

/// Position of an event in its lane: 0, 1, 2 … without gaps, below 2⁴⁰.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// Identity of an event. Text form: the hyphenated UUID in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 16]);

impl EventId {
    /// The id of the event with this receipt time, sequence and lane. Times outside 0 … 2⁴⁸−1 ms are clamped.
    #[must_use]
    pub fn minted(received_at: Millis, sequence: Sequence, lane: LaneId) -> Self {
        let ms = u64::try_from(received_at.0).unwrap_or(0).min(MILLIS_MASK);
        let seq = sequence.0 & SEQUENCE_MASK;
        let high = (ms << 16) | (7 << 12) | (seq >> 28);
        let low = (0b10 << 62) | ((seq & 0x0fff_ffff) << LANE_BITS) | lane.0;
        Self(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
    }

    /// The id (shape of a UUIDv8) of a record derived from `parts`, by BLAKE3 with domain separation. Each part is
    /// length-prefixed, so no two lists of parts collide by concatenation.
    #[must_use]
    pub fn derived(domain: &'static str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(domain);
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        let n = u128::from_be_bytes(bytes);
        let n = (n & !(0xf << 76)) | (8 << 76);
        let n = (n & !(0b11 << 62)) | (0b10 << 62);
        Self(n.to_be_bytes())
    }

    /// The id with exactly these bytes, whatever minted it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes; their order is the order of ids.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn halves(self) -> (u64, u64) {
        let n = u128::from_be_bytes(self.0);
        ((n >> 64) as u64, u64::try_from(n & u128::from(u64::MAX)).unwrap_or(u64::MAX))
    }

    /// Whether this id was minted at an edge (version 7), not derived (version 8).
    #[must_use]
    pub fn is_minted(self) -> bool {
        let (high, low) = self.halves();
        (high >> 12) & 0xf == 7 && low >> 62 == 0b10
    }

    /// `received_at` of a minted event.
    #[must_use]
    pub fn time(self) -> Millis {
        Millis(i64::try_from(self.halves().0 >> 16).unwrap_or(i64::MAX))
    }

    /// Sequence of a minted event in its lane.
    #[must_use]
    pub fn sequence(self) -> Sequence {
        let (high, low) = self.halves();
        Sequence(((high & 0xfff) << 28) | ((low >> LANE_BITS) & 0x0fff_ffff))
    }

    /// Lane of a minted event.
    #[must_use]
    pub fn lane(self) -> LaneId {
        LaneId(self.halves().1 & LANE_MASK)
    }

    /// The 36 characters of the text form, without allocation.
    #[must_use]
    pub fn text(self) -> [u8; 36] {
        let (high, low) = self.halves();
        let (high, low) = (digits(high), digits(low));
        let mut out = [b'-'; 36];
        out[..8].copy_from_slice(&high[..8]);
        out[9..13].copy_from_slice(&high[8..12]);
        out[14..18].copy_from_slice(&high[12..]);
        out[19..23].copy_from_slice(&low[..4]);
        out[24..].copy_from_slice(&low[4..]);
        out
    }
}

/// Sixteen hexadecimal digits, eight at a time: traces are full of ids.
pub(crate) fn digits(number: u64) -> [u8; 16] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let half = |number: u64| {
        // Each nibble into a byte of its own, then into its character.
        let n = (number | (number << 16)) & 0x0000_ffff_0000_ffff;
        let n = (n | (n << 8)) & 0x00ff_00ff_00ff_00ff;
        let n = (n | (n << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
        let letters = ((n + 6 * ONES) >> 4) & ONES;
        (n + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
    };
    let mut out = [0; 16];
    out[..8].copy_from_slice(&half(number >> 32));
    out[8..].copy_from_slice(&half(number & 0xffff_ffff));
    out
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event id is a UUID in lower case with hyphens")]
pub struct NotAnEventId;

impl FromStr for EventId {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, NotAnEventId> {
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return Err(NotAnEventId);
        }
        let mut n: u128 = 0;
        for (i, &b) in bytes.iter().enumerate() {
            if matches!(i, 8 | 13 | 18 | 23) {
                if b != b'-' {
                    return Err(NotAnEventId);
                }
                continue;
            }
            let digit = match b {
                b'0'..=b'9' => b - b'0',
                b'a'..=b'f' => b - b'a' + 10,
                _ => return Err(NotAnEventId),
            };
            n = (n << 4) | u128::from(digit);
        }
        Ok(Self(n.to_be_bytes()))
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Mints the ids of one lane: sequences without gaps, time that never runs backwards.
#[derive(Debug)]
pub struct Lane {
    id: LaneId,
    next: u64,
    last: Millis,
}

/// The lane's 2⁴⁰ sequences are used up; a new lane must be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sequences of lane {0} are used up")]
pub struct LaneExhausted(pub LaneId);

impl Lane {
    /// A lane that has minted nothing yet.
    #[must_use]
    pub const fn new(id: LaneId) -> Self {
        Self { id, next: 0, last: Millis(0) }
    }

    /// The lane's id.
    #[must_use]
    pub const fn id(&self) -> LaneId {
        self.id
    }

    /// The sequence that the next event gets; all below it are minted.
    #[must_use]
    pub const fn next_sequence(&self) -> Sequence {
        Sequence(self.next)
    }

    /// Milliseconds by which `now` lies before the lane's own time (a clock that stepped back), else 0.
    #[must_use]
    pub fn behind_ms(&self, now: Millis) -> i64 {
        self.last.since(now).max(0)
    }

    /// Mints the next id. If `now` is before the last one's time, the last time is used again.
    ///
    /// # Errors
    /// [`LaneExhausted`] after 2⁴⁰ ids.
    pub fn mint(&mut self, now: Millis) -> Result<EventId, LaneExhausted> {
        if self.next > SEQUENCE_MASK {
            return Err(LaneExhausted(self.id));
        }
        self.last = self.last.max(now);
        let id = EventId::minted(self.last, Sequence(self.next), self.id);
        self.next += 1;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{EventId, Lane, LaneExhausted, LaneId, SEQUENCE_MASK, Sequence};
    use crate::time::Millis;

    proptest! {
        #[test]
        fn an_id_gives_back_what_it_was_minted_from(
            ms in 0i64..(1 << 48), seq in 0u64..(1 << 40), lane in 0u64..(1 << 34)
        ) {
            let id = EventId::minted(Millis(ms), Sequence(seq), LaneId::from_random(lane));
            prop_assert!(id.is_minted());
            prop_assert_eq!(id.time(), Millis(ms));
            prop_assert_eq!(id.sequence(), Sequence(seq));
            prop_assert_eq!(id.lane().get(), lane);
            prop_assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        }

        #[test]
        fn byte_order_is_receipt_then_sequence_then_lane(
            a in (0i64..4, 0u64..4, 0u64..4), b in (0i64..4, 0u64..4, 0u64..4)
        ) {
            let id = |(ms, seq, lane)| EventId::minted(Millis(ms), Sequence(seq), LaneId::from_random(lane));
            prop_assert_eq!(a.cmp(&b), id(a).cmp(&id(b)));
        }

        #[test]
        fn hostile_text_is_refused_without_panic(text in any::<String>()) {
            prop_assert!(text.parse::<EventId>().is_err() || text.len() == 36);
        }
    }

    #[test]
    fn an_id_has_the_shape_of_a_uuid_of_version_7() {
        let id = EventId::minted(Millis(0x0192_3456_789a), Sequence(1), LaneId::from_random(2));
        assert_eq!(id.to_string(), "01923456-789a-7000-8000-000400000002");
    }

    #[test]
    fn a_derived_id_is_of_version_8_and_depends_on_how_parts_are_cut() {
        let a = EventId::derived("sillage test", &[b"ab", b"c"]);
        assert_eq!(a, EventId::derived("sillage test", &[b"ab", b"c"]));
        assert_ne!(a, EventId::derived("sillage test", &[b"a", b"bc"]));
        assert_eq!(a.to_string().as_bytes()[14], b'8');
        assert!(!a.is_minted());
    }

    #[test]
    fn lane_time_never_runs_backwards() {
        let mut lane = Lane::new(LaneId::from_random(9));
        let a = lane.mint(Millis(1000)).unwrap();
        assert_eq!(lane.behind_ms(Millis(400)), 600);
        let b = lane.mint(Millis(400)).unwrap();
        assert!(a < b);
        assert_eq!(b.time(), Millis(1000));
    }

    #[test]
    fn a_lane_ends_when_its_sequences_are_used_up() {
        let mut lane = Lane { next: SEQUENCE_MASK, ..Lane::new(LaneId::from_random(9)) };
        assert!(lane.mint(Millis(1)).is_ok());
        assert_eq!(lane.mint(Millis(1)), Err(LaneExhausted(lane.id())));
    }
}
