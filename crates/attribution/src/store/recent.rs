//! Touches that came lately. On disk they stand in the order of arrival, one row for all of a batch; in memory they are
//! found by person and by event. When they are many they are packed: a row per person and epoch, so that an order reads
//! few rows where it would read one per touch, and no touch is written to a place of its own at random.

use std::collections::HashMap;

use event::body::decision::Dimensions;
use event::{EventId, IdentityId, Millis};
use foldhash::fast::RandomState;

use super::StoreError;
use super::codec::{
    FIXED_BYTES, Reader, STAMP_BYTES, damaged, put_dimensions, put_people, put_stamp, put_touch,
    stamp, touch,
};
use super::names::Known;
use crate::evidence::{
    KnownTouch, REACHED_PER_EPOCH_MAX, Reached, Stamp, TOUCHES_PER_EPOCH_MAX, epoch_of,
};

/// Bytes of records from which they are packed. 32 MiB: a quarter of a million touches, which a start reads again in a
/// moment; the indices take about as much memory again.
pub(crate) const RECENT_BYTES_MAX: usize = 32 << 20;

/// Epochs outside of this range are folded to its ends: no hostile time makes more tables.
pub(super) const EPOCH_MAX: u16 = 2_000;

/// Where a record tells its touch from.
const BY_EVENT: u8 = 0;
const BY_LANDING: u8 = 1;

/// The epoch whose tables hold what happened at `at`.
pub(super) fn bounded_epoch(at: Millis) -> u16 {
    u16::try_from(epoch_of(at).clamp(0, i64::from(EPOCH_MAX))).unwrap_or(EPOCH_MAX)
}

/// Where the touches of one person in one epoch are found: epoch, program, test, kind of id and id; the rest zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PersonKey([u8; Self::BYTES]);

impl PersonKey {
    const BYTES: usize = 2 + Self::ID_BYTES_MAX;
    const ID_BYTES_MAX: usize = 4 + 1 + 17;

    pub(super) fn new(epoch: u16, (program, test): (u32, bool), id: &IdentityId) -> Self {
        let mut out = [0; Self::BYTES];
        let parts: [&[u8]; 4] =
            [&epoch.to_be_bytes(), &program.to_be_bytes(), &[u8::from(test)], &id.key_bytes()];
        for (place, byte) in out.iter_mut().zip(parts.into_iter().flatten()) {
            *place = *byte;
        }
        Self(out)
    }

    pub(super) const fn epoch(&self) -> u16 {
        let [high, low, ..] = self.0;
        u16::from_be_bytes([high, low])
    }

    /// What the keys of this person's rows in the table of the epoch begin with.
    pub(super) fn prefix(&self) -> &[u8] {
        let visitor = self.0.get(7) == Some(&b'v');
        let end = if visitor { Self::BYTES - 4 } else { Self::BYTES };
        self.0.get(2..end).unwrap_or_default()
    }
}

/// A record in the order of arrival: its length, the program, where it tells from, the touch, the ids by which it is
/// found; then the dimensions or the stamp of the landing report.
pub(super) struct Arrived<'a> {
    pub(super) program: u32,
    pub(super) touch: &'a KnownTouch,
    pub(super) numbers: [u32; 3],
    pub(super) ids: &'a [IdentityId],
}

impl Arrived<'_> {
    /// A touch by its own event.
    pub(super) fn put_event(&self, out: &mut Vec<u8>, dimensions: &Dimensions) {
        self.put(out, BY_EVENT, |out| put_dimensions(out, dimensions));
    }

    /// A touch told by a landing report.
    pub(super) fn put_landing(&self, out: &mut Vec<u8>, report: &Stamp) {
        self.put(out, BY_LANDING, |out| put_stamp(out, report));
    }

    fn put(&self, out: &mut Vec<u8>, tells: u8, rest: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.program.to_be_bytes());
        out.push(tells);
        put_touch(out, self.touch, self.numbers);
        put_people(out, self.ids);
        rest(out);
        let length = out.len() - start - 4;
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(place) = out.get_mut(start..start + 4) {
            place.copy_from_slice(&length);
        }
    }
}

/// A record, read.
struct Record<'a> {
    program: u32,
    tells: u8,
    /// From the touch on: what the table of events holds of a touch by its own event.
    row: &'a [u8],
}

impl<'a> Record<'a> {
    fn take(reader: &mut Reader<'a>) -> Result<Self, StoreError> {
        let length = reader.u32()?;
        let mut record = Reader(reader.slice(length as usize)?);
        Ok(Self { program: record.u32()?, tells: record.byte()?, row: record.0 })
    }

    fn by_event(&self) -> bool {
        self.tells == BY_EVENT
    }

    /// The touch as a row of its person has it.
    fn entry(&self) -> Result<Entry<'a>, StoreError> {
        let mut reader = Reader(self.row);
        let fixed = reader.slice(FIXED_BYTES)?;
        let report = if self.by_event() {
            &[]
        } else {
            let at = self.row.len().checked_sub(STAMP_BYTES).ok_or_else(damaged)?;
            self.row.get(at..).ok_or_else(damaged)?
        };
        Entry::new(fixed, report)
    }
}

/// A touch under an id: its fixed fields, and the stamp of the landing report that told the id.
#[derive(Clone, Copy)]
struct Entry<'a> {
    at: Millis,
    id: EventId,
    report: Option<EventId>,
    fixed: &'a [u8],
    stamp: &'a [u8],
}

impl<'a> Entry<'a> {
    fn new(fixed: &'a [u8], stamp: &'a [u8]) -> Result<Self, StoreError> {
        let mut reader = Reader(fixed);
        let (at, id) = (reader.millis()?, reader.event_id()?);
        let report = if stamp.is_empty() { None } else { Some(Reader(stamp).event_id()?) };
        Ok(Self { at, id, report, fixed, stamp })
    }

    fn take(reader: &mut Reader<'a>) -> Result<Self, StoreError> {
        let tells = reader.byte()?;
        let fixed = reader.slice(FIXED_BYTES)?;
        let stamp = if tells == BY_EVENT { &[] } else { reader.slice(STAMP_BYTES)? };
        Self::new(fixed, stamp)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.push(if self.stamp.is_empty() { BY_EVENT } else { BY_LANDING });
        out.extend_from_slice(self.fixed);
        out.extend_from_slice(self.stamp);
    }

    const fn key(&self) -> (Millis, EventId, Option<EventId>) {
        (self.at, self.id, self.report)
    }
}

/// Touches of one person in one epoch as they are found, in whatever order and how often.
pub(super) struct Gathered {
    reached: Vec<Reached>,
    /// How many of them, the first, came lately.
    recent: usize,
    /// At how many they are looked at next.
    look_at: usize,
}

impl Gathered {
    pub(super) const fn new() -> Self {
        Self { reached: Vec::new(), recent: 0, look_at: 4 * TOUCHES_PER_EPOCH_MAX }
    }

    /// Adds what a row of the person holds; says whether there may be more of interest.
    pub(super) fn row(&mut self, row: &[u8], names: &Known<'_>) -> Result<bool, StoreError> {
        let mut reader = Reader(row);
        while !reader.is_empty() {
            if !self.add(Entry::take(&mut reader)?, names)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn add(&mut self, entry: Entry<'_>, names: &Known<'_>) -> Result<bool, StoreError> {
        let touch = touch(&mut Reader(entry.fixed), names)?;
        let landing = match entry.report {
            None => None,
            Some(_) => Some(stamp(&mut Reader(entry.stamp))?),
        };
        self.reached.push(Reached { touch, landing });
        if self.reached.len() < self.look_at {
            return Ok(true);
        }
        let few = self.settle();
        self.look_at = 2 * self.reached.len().max(2 * TOUCHES_PER_EPOCH_MAX);
        Ok(few)
    }

    /// Puts them into order, each once. Says whether they are not too many.
    fn settle(&mut self) -> bool {
        let key = |one: &Reached| {
            (one.touch.occurred_at, one.touch.id, one.landing.as_ref().map(|stamp| stamp.id))
        };
        // Most of the time this is their order already.
        self.reached.rotate_left(std::mem::take(&mut self.recent));
        if !self.reached.is_sorted_by(|a, b| key(a) < key(b)) {
            self.reached.sort_unstable_by_key(key);
            self.reached.dedup_by_key(|one| key(one));
        }
        let touches = self.reached.chunk_by(|a, b| {
            (a.touch.occurred_at, a.touch.id) == (b.touch.occurred_at, b.touch.id)
        });
        touches.count() <= TOUCHES_PER_EPOCH_MAX && self.reached.len() <= REACHED_PER_EPOCH_MAX
    }

    /// All of them, each once; none if they are too many.
    pub(super) fn finish(mut self) -> Option<Vec<Reached>> {
        self.settle().then_some(self.reached)
    }
}

/// No further link.
const END: u32 = u32::MAX;

/// One touch under one id, and the link to the one before it under the same id.
#[derive(Clone, Copy, Debug)]
struct Link {
    record: u32,
    before: u32,
}

/// The touches that are not packed yet.
#[derive(Debug, Default)]
pub(super) struct Recent {
    records: Vec<u8>,
    links: Vec<Link>,
    by_person: HashMap<PersonKey, u32, RandomState>,
    by_event: HashMap<(u32, EventId), u32, RandomState>,
    /// When the oldest of them happened.
    oldest: Option<Millis>,
    /// Number of the oldest row, and of the next one: numbers are never used again.
    first: u64,
    next: u64,
}

impl Recent {
    pub(super) const fn bytes(&self) -> usize {
        self.records.len()
    }

    /// When the oldest touch happened.
    pub(super) const fn oldest(&self) -> Option<Millis> {
        self.oldest
    }

    /// Numbers of the rows that hold all this.
    pub(super) const fn rows(&self) -> std::ops::Range<u64> {
        self.first..self.next
    }

    /// Empties it; rows go on from `next`.
    pub(super) fn begin(&mut self, next: u64) {
        self.records.clear();
        self.links.clear();
        self.by_person.clear();
        self.by_event.clear();
        self.oldest = None;
        self.first = next;
        self.next = next;
    }

    /// Takes in row `number`, which stands on disk.
    pub(super) fn take(&mut self, number: u64, row: &[u8]) -> Result<(), StoreError> {
        let start = self.records.len();
        self.records.extend_from_slice(row);
        self.next = number.saturating_add(1);
        let mut reader = Reader(row);
        while !reader.is_empty() {
            let at = start + (row.len() - reader.0.len());
            let record = Record::take(&mut reader)?;
            let at = u32::try_from(at).map_err(|_| damaged())?;
            self.index(at, &record)?;
        }
        Ok(())
    }

    fn index(&mut self, at: u32, record: &Record<'_>) -> Result<(), StoreError> {
        let Entry { at: occurred_at, id, .. } = record.entry()?;
        self.oldest = Some(self.oldest.map_or(occurred_at, |oldest| oldest.min(occurred_at)));
        if record.by_event() && self.by_event.insert((record.program, id), at).is_some() {
            return Ok(()); // it came again
        }
        let mut reader = Reader(record.row);
        let test = reader.slice(FIXED_BYTES)?.last().is_some_and(|bits| bits & 8 != 0);
        let epoch = bounded_epoch(occurred_at);
        for _ in 0..reader.u16()? {
            let key = PersonKey::new(epoch, (record.program, test), &reader.person()?);
            let link = u32::try_from(self.links.len()).map_err(|_| damaged())?;
            let before = self.by_person.insert(key, link).unwrap_or(END);
            self.links.push(Link { record: at, before });
        }
        Ok(())
    }

    fn record(&self, at: u32) -> Result<Record<'_>, StoreError> {
        Record::take(&mut Reader(self.records.get(at as usize..).ok_or_else(damaged)?))
    }

    /// The touches under the last link of a person, from the newest arrival on.
    fn entries(&self, last: u32) -> impl Iterator<Item = Result<Entry<'_>, StoreError>> {
        let mut next = last;
        std::iter::from_fn(move || {
            let Link { record, before } = *self.links.get(next as usize)?;
            next = before;
            Some(self.record(record).and_then(|record| record.entry()))
        })
    }

    /// Gathers the touches of a person; says whether there may be more of interest.
    pub(super) fn touches(
        &self,
        person: &PersonKey,
        names: &Known<'_>,
        out: &mut Gathered,
    ) -> Result<bool, StoreError> {
        let Some(last) = self.by_person.get(person) else { return Ok(true) };
        for entry in self.entries(*last) {
            if !out.add(entry?, names)? {
                return Ok(false);
            }
        }
        out.reached.reverse();
        out.recent = out.reached.len();
        Ok(true)
    }

    /// The row of a touch by its own event.
    pub(super) fn event(&self, program: u32, touch: EventId) -> Result<Option<&[u8]>, StoreError> {
        let at = self.by_event.get(&(program, touch));
        at.map(|at| self.record(*at).map(|record| record.row)).transpose()
    }

    /// The events, by program and id.
    pub(super) fn events(&self) -> Vec<(u32, EventId)> {
        let mut events: Vec<_> = self.by_event.keys().copied().collect();
        events.sort_unstable();
        events
    }

    /// The people, by epoch and key.
    pub(super) fn people(&self) -> Vec<(PersonKey, u32)> {
        let mut people: Vec<_> = self.by_person.iter().map(|(key, last)| (*key, *last)).collect();
        people.sort_unstable();
        people
    }

    /// The row of a person: its touches in order, each once. Of too many as many as show it.
    pub(super) fn packed(&self, last: u32) -> Result<Vec<u8>, StoreError> {
        let mut entries = self.entries(last).collect::<Result<Vec<_>, _>>()?;
        entries.sort_unstable_by_key(Entry::key);
        entries.dedup_by_key(|entry| entry.key());
        let mut out = Vec::with_capacity(entries.len() * (1 + FIXED_BYTES));
        let touches = entries.chunk_by(|a, b| (a.at, a.id) == (b.at, b.id));
        for entry in touches.take(TOUCHES_PER_EPOCH_MAX + 1).flatten() {
            entry.put(&mut out);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
