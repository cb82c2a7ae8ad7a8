//! A log in memory that does everything a log may do to its consumers: several partitions, batches of any size in
//! any order of partitions, rebalances between any two batches, repeats, fenced members, crashes between the steps.
//!
//! The same seed and the same calls give the same behavior. After [`Weather::adversities`] of them it behaves well, so
//! that every test comes to an end.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::Topic;
use eventlog::{
    Ack, Backend, Batch, Consumer, Cursor, Delivery, Error, Group, Header, Offset, Partition,
    Record, Refused, Unit,
};

use crate::dice::Dice;

/// What the log does to its consumers.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Seed of everything random.
    pub seed: u64,
    /// Partitions of each topic.
    pub partitions: NonZeroU32,
    /// Most records of a batch.
    pub batch_records_max: usize,
    /// How many rebalances, repeats, fencings and random crashes there are in all.
    pub adversities: u32,
    /// Chance of one of them at each opportunity. Percent.
    pub percent: u32,
}

impl Weather {
    /// Nothing bad happens: one partition, batches of any size up to 100.
    #[must_use]
    pub const fn fair(seed: u64) -> Self {
        Self {
            seed,
            partitions: NonZeroU32::MIN,
            batch_records_max: 100,
            adversities: 0,
            percent: 0,
        }
    }

    /// Everything bad happens: four partitions, small batches, 40 adversities.
    #[must_use]
    pub const fn foul(seed: u64) -> Self {
        let partitions = NonZeroU32::MIN.saturating_add(3);
        Self { seed, partitions, batch_records_max: 8, adversities: 40, percent: 20 }
    }
}

/// Where a worker may crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CrashPoint {
    /// Evidence is in the store. Called by the test's wrapper of a store, not by the log.
    AfterEvidence,
    /// The decisions are made, no output is begun.
    BeforeOutputs,
    /// Some outputs are durable, others are not.
    AmidOutputs,
    /// All outputs are durable, the cursor has not moved.
    BeforeCursor,
    /// The cursor has moved, the worker does not know it.
    AfterCursor,
}

impl CrashPoint {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AfterEvidence,
        Self::BeforeOutputs,
        Self::AmidOutputs,
        Self::BeforeCursor,
        Self::AfterCursor,
    ];
}

/// The log. Clones share it.
#[derive(Clone, Debug)]
pub struct AdversarialLog(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    weather: Weather,
    dice: Dice,
    left: u32,
    planned: Option<(CrashPoint, u32)>,
    crashes: u32,
    topics: BTreeMap<(Topic, u32), Vec<Record>>,
    groups: BTreeMap<Group, Members>,
    next_member: u64,
}

#[derive(Debug, Default)]
struct Members {
    all: Vec<u64>,
    topics: BTreeSet<Topic>,
    /// By index of partition, the same for all topics.
    seats: BTreeMap<u32, Seat>,
    committed: BTreeMap<Partition, Offset>,
    position: BTreeMap<Partition, Offset>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seat {
    owner: Option<u64>,
    /// Whether the owner knows.
    told: bool,
    /// Who gets it next, once the owner has let it go.
    moving: Option<u64>,
    /// Whether the owner was asked to.
    asked: bool,
}

impl AdversarialLog {
    /// An empty log in this weather.
    #[must_use]
    pub fn new(weather: Weather) -> Self {
        Self(Arc::new(Mutex::new(State {
            weather,
            dice: Dice::new(weather.seed),
            left: weather.adversities,
            planned: None,
            crashes: 0,
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            next_member: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends as a producer does: the partition is the key's.
    pub fn append(&self, topic: Topic, record: &Record) {
        self.state().append(topic, record);
    }

    /// All records of a topic, partition by partition in order of offset.
    #[must_use]
    pub fn records(&self, topic: Topic) -> Vec<Record> {
        let state = self.state();
        let of_topic = state.topics.iter().filter(|((t, _), _)| *t == topic);
        of_topic.flat_map(|(_, records)| records.iter().cloned()).collect()
    }

    /// Whether the group has committed everything there is in the topics that it reads.
    #[must_use]
    pub fn is_drained(&self, group: Group) -> bool {
        let state = self.state();
        let Some(members) = state.groups.get(&group) else { return false };
        state.topics.iter().filter(|((topic, _), _)| members.topics.contains(topic)).all(
            |((topic, index), records)| {
                let partition = Partition { topic: *topic, index: *index };
                members.committed.get(&partition).copied().unwrap_or(0) == records.len() as u64
            },
        )
    }

    /// Where a group stands in one partition.
    #[must_use]
    pub fn stands_at(&self, group: Group, partition: Partition) -> Offset {
        let state = self.state();
        let members = state.groups.get(&group);
        members.and_then(|m| m.committed.get(&partition).copied()).unwrap_or(0)
    }

    /// Makes every group read everything again.
    pub fn forget_cursors(&self) {
        for members in self.state().groups.values_mut() {
            members.committed.clear();
            members.position.clear();
        }
    }

    /// Crashes at the `nth` (from 0) passing of `point`, once, besides the random crashes of the weather.
    pub fn crash_at(&self, point: CrashPoint, nth: u32) {
        self.state().planned = Some((point, nth));
    }

    /// Passes a point where a crash may be. For wrappers of stores; the log itself calls it for its own points.
    ///
    /// # Errors
    /// [`Error::Crashed`]: the caller must behave as a process that ended here.
    pub fn pass(&self, point: CrashPoint) -> Result<(), Error> {
        self.state().pass(point)
    }

    /// Partitions of each topic.
    #[must_use]
    pub fn partitions(&self) -> NonZeroU32 {
        self.state().weather.partitions
    }

    /// How many crashes there were.
    #[must_use]
    pub fn crashes(&self) -> u32 {
        self.state().crashes
    }
}

impl State {
    /// The cursor of each partition of these topics.
    fn each(&self, topics: &[Topic], next: impl Fn(Partition) -> Offset) -> Vec<Cursor> {
        let indexes = 0..self.weather.partitions.get();
        let partitions = topics
            .iter()
            .flat_map(|topic| indexes.clone().map(|index| Partition { topic: *topic, index }));
        partitions.map(|partition| Cursor { partition, next: next(partition) }).collect()
    }

    fn append(&mut self, topic: Topic, record: &Record) {
        let index = record.key_hash.partition(self.weather.partitions);
        self.topics.entry((topic, index)).or_default().push(record.clone());
    }

    fn pass(&mut self, point: CrashPoint) -> Result<(), Error> {
        let planned = match &mut self.planned {
            Some((at, nth)) if *at == point => match nth.checked_sub(1) {
                Some(fewer) => {
                    *nth = fewer;
                    false
                }
                None => true,
            },
            _ => false,
        };
        if planned {
            self.planned = None;
        }
        // Five points per batch share the chance of one.
        if planned || (self.dice.chance(30) && self.adversity()) {
            self.crashes += 1;
            return Err(Error::Crashed);
        }
        Ok(())
    }

    fn adversity(&mut self) -> bool {
        let happens = self.left > 0 && self.dice.chance(self.weather.percent);
        if happens {
            self.left -= 1;
        }
        happens
    }

    /// The next thing for `member`, but for waiting.
    fn next(&mut self, group: Group, member: u64, log: &AdversarialLog) -> Delivery {
        let adversity = self.adversity();
        let Some(members) = self.groups.get_mut(&group) else { return Delivery::Idle };
        for index in 0..self.weather.partitions.get() {
            let seat = members.seats.entry(index).or_default();
            if seat.owner.is_none() {
                let owner = members.all.get(self.dice.index(members.all.len())).copied();
                *seat = Seat { owner, ..Seat::default() };
            }
        }
        let new: Vec<u32> = members.indexes(|s| s.owner == Some(member) && !s.told);
        if !new.is_empty() {
            let partitions = members.partitions(&new);
            for index in &new {
                if let Some(seat) = members.seats.get_mut(index) {
                    seat.told = true;
                }
            }
            for partition in &partitions {
                let committed = members.committed.get(partition).copied().unwrap_or(0);
                members.position.insert(*partition, committed);
            }
            return Delivery::Assigned(partitions);
        }
        let mine = members.indexes(|s| s.owner == Some(member) && !s.asked);
        if adversity && self.dice.chance(50) && !mine.is_empty() {
            let index = mine.get(self.dice.index(mine.len())).copied().unwrap_or(0);
            let target = members.all.get(self.dice.index(members.all.len())).copied();
            if let Some(seat) = members.seats.get_mut(&index) {
                seat.moving = target;
                seat.asked = true;
            }
            let log = log.clone();
            let ack = Ack::new(move || log.state().let_go(group, index, member));
            return Delivery::Revoking(members.partitions(&[index]), ack);
        }
        let mut mine = members.partitions(&mine);
        if adversity {
            // A repeat, from anywhere before.
            if let Some(partition) = mine.get(self.dice.index(mine.len()))
                && let Some(position) = members.position.get_mut(partition)
            {
                *position = self.dice.below(*position + 1);
            }
        }
        self.dice.shuffle(&mut mine);
        for partition in mine {
            let records = self.topics.get(&(partition.topic, partition.index));
            let records = records.map(Vec::as_slice).unwrap_or_default();
            let position = members.position.entry(partition).or_default();
            let Some(rest) = usize::try_from(*position).ok().and_then(|at| records.get(at..))
            else {
                continue;
            };
            if rest.is_empty() {
                continue;
            }
            let most = self.weather.batch_records_max.clamp(1, rest.len());
            let count = 1 + self.dice.index(most);
            let records_taken: Vec<Record> = rest.iter().take(count).cloned().collect();
            *position += records_taken.len() as u64;
            return Delivery::Batch(Batch {
                partition,
                records: records_taken,
                next_offset: *position,
                high_watermark: records.len() as u64,
            });
        }
        Delivery::Idle
    }

    fn let_go(&mut self, group: Group, index: u32, member: u64) {
        let Some(members) = self.groups.get_mut(&group) else { return };
        let Some(seat) = members.seats.get_mut(&index) else { return };
        if seat.owner == Some(member) && seat.asked {
            let owner = seat.moving.filter(|target| members.all.contains(target));
            *seat = Seat { owner, ..Seat::default() };
        }
    }

    fn commit(
        &mut self,
        group: Group,
        member: u64,
        outputs: &[(Topic, Record)],
        cursors: &[Cursor],
    ) -> Result<(), Error> {
        let fenced = self.adversity() && self.dice.chance(30);
        if fenced && let Some(members) = self.groups.get_mut(&group) {
            match cursors.first() {
                Some(cursor) => {
                    members.seats.insert(cursor.partition.index, Seat::default());
                }
                // Nothing but outputs: all of them are gone with the fenced unit.
                None => {
                    let mine = members.indexes(|seat| seat.owner == Some(member) && seat.told);
                    for index in &mine {
                        members.seats.insert(*index, Seat::default());
                    }
                    if let Some(index) = mine.first().copied() {
                        let topic = members.topics.first().copied().unwrap_or(Topic::Touches);
                        return Err(Error::NotAssigned { topic, index });
                    }
                }
            }
        }
        let members = self.groups.entry(group).or_default();
        let foreign = cursors.iter().find(|cursor| {
            let seat = members.seats.get(&cursor.partition.index);
            seat.is_none_or(|seat| seat.owner != Some(member))
        });
        let foreign = foreign.map(|cursor| cursor.partition);
        for (nth, (topic, record)) in outputs.iter().enumerate() {
            if nth == outputs.len() / 2 {
                self.pass(CrashPoint::AmidOutputs)?;
            }
            self.append(*topic, record);
        }
        self.pass(CrashPoint::BeforeCursor)?;
        if let Some(Partition { topic, index }) = foreign {
            return Err(Error::NotAssigned { topic, index });
        }
        let members = self.groups.entry(group).or_default();
        for Cursor { partition, next } in cursors {
            members.committed.insert(*partition, *next);
        }
        self.pass(CrashPoint::AfterCursor)
    }
}

impl Members {
    fn indexes(&self, of: impl Fn(&Seat) -> bool) -> Vec<u32> {
        self.seats.iter().filter(|(_, seat)| of(seat)).map(|(index, _)| *index).collect()
    }

    fn partitions(&self, indexes: &[u32]) -> Vec<Partition> {
        let of_index = |index: &u32| {
            let index = *index;
            self.topics.iter().map(move |topic| Partition { topic: *topic, index })
        };
        indexes.iter().flat_map(of_index).collect()
    }
}

impl Backend for AdversarialLog {
    fn subscribe(&self, group: Group, topics: &[Topic]) -> Result<Box<dyn Consumer>, Error> {
        let mut state = self.state();
        let member = state.next_member;
        state.next_member += 1;
        let members = state.groups.entry(group).or_default();
        members.all.push(member);
        members.topics.extend(topics);
        drop(state);
        Ok(Box::new(Member { log: self.clone(), group, member }))
    }

    fn ends(&self, topics: &[Topic]) -> Result<Vec<Cursor>, Error> {
        let state = self.state();
        Ok(state.each(topics, |partition| {
            state.topics.get(&(partition.topic, partition.index)).map_or(0, Vec::len) as u64
        }))
    }

    fn committed(&self, group: Group, topics: &[Topic]) -> Result<Vec<Cursor>, Error> {
        let state = self.state();
        let members = state.groups.get(&group);
        Ok(state.each(topics, |partition| {
            members.and_then(|members| members.committed.get(&partition).copied()).unwrap_or(0)
        }))
    }
}

struct Member {
    log: AdversarialLog,
    group: Group,
    member: u64,
}

/// As when a member's session ends: its partitions are free.
impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.log.state();
        let Some(members) = state.groups.get_mut(&self.group) else { return };
        members.all.retain(|member| *member != self.member);
        for seat in members.seats.values_mut().filter(|seat| seat.owner == Some(self.member)) {
            *seat = Seat::default();
        }
    }
}

impl Consumer for Member {
    /// Does not wait: when there is nothing, it says so at once.
    fn next(&mut self, _: Duration) -> Result<Delivery, Error> {
        let delivery = self.log.state().next(self.group, self.member, &self.log);
        if matches!(delivery, Delivery::Idle) {
            std::thread::yield_now();
        }
        Ok(delivery)
    }

    fn seek(&mut self, partition: Partition, offset: Offset) -> Result<(), Error> {
        let mut state = self.log.state();
        let end = state.topics.get(&(partition.topic, partition.index)).map_or(0, Vec::len);
        let Partition { topic, index } = partition;
        let members = state.groups.get_mut(&self.group);
        let members = members.filter(|members| {
            members.topics.contains(&topic)
                && members
                    .seats
                    .get(&index)
                    .is_some_and(|seat| seat.owner == Some(self.member) && seat.told)
        });
        let members = members.ok_or(Error::NotAssigned { topic, index })?;
        members.position.insert(partition, offset.min(end as u64));
        Ok(())
    }

    fn ends(&mut self) -> Result<Vec<Cursor>, Error> {
        let state = self.log.state();
        let Some(members) = state.groups.get(&self.group) else { return Ok(Vec::new()) };
        let mine = members.indexes(|seat| seat.owner == Some(self.member) && seat.told);
        let end = |partition: Partition| {
            let records = state.topics.get(&(partition.topic, partition.index));
            Cursor { partition, next: records.map_or(0, Vec::len) as u64 }
        };
        Ok(members.partitions(&mine).into_iter().map(end).collect())
    }

    fn unit(&mut self) -> Result<Box<dyn Unit + '_>, Error> {
        self.log.pass(CrashPoint::BeforeOutputs)?;
        Ok(Box::new(Outputs { member: self, outputs: Vec::new() }))
    }
}

struct Outputs<'a> {
    member: &'a Member,
    outputs: Vec<(Topic, Record)>,
}

impl Unit for Outputs<'_> {
    fn append_with(
        &mut self,
        topic: Topic,
        header: Header,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), Error> {
        let mut payload = Vec::new();
        write(&mut payload);
        if payload.len() > eventlog::PAYLOAD_BYTES_MAX {
            return Err(Error::Append { topic, source: Refused::Oversize(topic) });
        }
        self.outputs.push((topic, Record::new(header, payload.into())));
        Ok(())
    }

    fn send(&mut self) -> Result<(), Error> {
        let Member { log, group, member } = self.member;
        let outputs = std::mem::take(&mut self.outputs);
        log.state().commit(*group, *member, &outputs, &[])
    }

    fn commit(self: Box<Self>, cursors: &[Cursor]) -> Result<(), Error> {
        let Member { log, group, member } = self.member;
        log.state().commit(*group, *member, &self.outputs, cursors)
    }
}

#[cfg(test)]
mod tests;
