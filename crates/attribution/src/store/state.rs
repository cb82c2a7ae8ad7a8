//! The state of attribution over any backend: evidence, orders, and which orders an event bears on.

mod adding;
mod evidence;
mod keys;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use event::body::OrderRecord;
use event::hash::ContentHash;
use event::{EventId, GoalName, IdentityId, Millis, OrderKey, ProgramName};
use eventlog::{Offset, Partition};
use foldhash::fast::RandomState;

use self::adding::Adding;
use self::keys::{
    about_key, click_key, cursor_key, dirty, fingerprint, id_epoch, id_key, open_key, open_parts,
    order_key,
};
use super::StoreError;
use super::codec::{EventRow, Reader, damaged, facts, facts_row, put_key_millis, read_event};
use super::kv::{Changes, Kv, Table};
use super::names::Names;
use super::recent::{RECENT_BYTES_MAX, Recent, bounded_epoch};
use crate::decide::{AFTER_MS, HORIZON_MS};
use crate::evidence::Scope;
use crate::facts::FactSet;
use crate::noted::{Noted, implied_merges};

/// State over a backend. Belongs to all workers of a process.
pub struct State<K> {
    kv: K,
    names: Names,
    recent: RwLock<Recent>,
    recent_bytes_max: usize,
    /// Fingerprints of ids and click ids under which orders are registered: most touches bear on no order.
    open: RwLock<HashSet<u64, RandomState>>,
    /// Names get numbers, facts are read and written again: one writer at a time.
    writing: Mutex<()>,
    /// Count of times that orders were deferred.
    tickets: AtomicU64,
}

impl<K> std::fmt::Debug for State<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}

/// Records of orders.
pub type Records = HashMap<OrderKey, OrderRecord, RandomState>;

/// Orders to decide, with the latest receipt of what bears on them.
pub type Affected = BTreeMap<OrderKey, Millis>;

/// What is durable on the topics and may therefore be remembered.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// The decision last emitted for each order, by its inputs.
    pub emitted: Vec<(OrderKey, ContentHash)>,
    /// Orders that need no decision now, unless they were deferred after `began`.
    pub clean: Vec<OrderKey>,
    /// [`State::ticket`] before anything was read.
    pub began: u64,
    /// How far the topics are read.
    pub cursor: Option<(Partition, Offset)>,
}

/// Beside the cursors: number of the next row of touches that came lately.
const NEXT_ROW: &[u8] = b"recent";

impl<K: Kv> State<K> {
    /// The state that stands in `kv`.
    ///
    /// # Errors
    /// The backend cannot be read, or holds a row that is not one of ours.
    pub fn open(kv: K) -> Result<Self, StoreError> {
        Self::open_packing(kv, RECENT_BYTES_MAX)
    }

    /// Opens it so that touches are packed when they are `recent_bytes_max` bytes or more.
    pub(crate) fn open_packing(kv: K, recent_bytes_max: usize) -> Result<Self, StoreError> {
        let names = Names::default();
        kv.scan(Table::Names, &[], &[], &mut |key, value| {
            let number = key.try_into().map(u32::from_be_bytes).map_err(|_| damaged())?;
            let text = std::str::from_utf8(value).map_err(|_| damaged())?;
            names.restore(number, text)?;
            Ok(true)
        })?;
        let mut open = HashSet::default();
        kv.scan(Table::Open, &[], &[], &mut |key, _| {
            open.insert(fingerprint(open_parts(key)?.0));
            Ok(true)
        })?;
        let mut ticket = 0;
        kv.scan(Table::Dirty, &[], &[], &mut |_, row| {
            ticket = dirty(row)?.1.max(ticket);
            Ok(true)
        })?;
        let mut recent = Recent::default();
        if let Some(next) = kv.get(Table::Cursors, NEXT_ROW)? {
            recent.begin(next.try_into().map(u64::from_be_bytes).map_err(|_| damaged())?);
        }
        kv.scan(Table::Recent, &[], &[], &mut |key, row| {
            let number = key.try_into().map(u64::from_be_bytes).map_err(|_| damaged())?;
            recent.take(number, row)?;
            Ok(true)
        })?;
        Ok(Self {
            kv,
            names,
            recent: RwLock::new(recent),
            recent_bytes_max,
            open: RwLock::new(open),
            writing: Mutex::new(()),
            tickets: AtomicU64::new(ticket),
        })
    }

    /// A number that grows whenever orders are deferred. Take it before reading what decisions are made of: an order that
    /// somebody defers meanwhile stays deferred. Waits for a write at hand, since what defers an order may stand in it.
    pub fn ticket(&self) -> u64 {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.tickets.load(Ordering::Acquire)
    }

    /// Adds evidence and orders, in one step. What is there already stays as it is; of two records of one order the one
    /// with more members stands, of equal ones the later delivered, and the merges of both. Answers the records that
    /// stand now for orders of `noted` where they are new.
    ///
    /// # Errors
    /// The backend fails. All of it was added or nothing; adding it again is safe.
    pub fn add(&self, noted: &[Noted]) -> Result<Records, StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut adding = Adding {
            state: self,
            changes: Changes::default(),
            touches: Vec::new(),
            facts: HashMap::default(),
            orders: HashMap::default(),
            opened: Vec::new(),
        };
        for one in noted {
            adding.add(one)?;
        }
        let Adding { mut changes, touches, facts, orders, opened, .. } = adding;
        let row = self.recent.read().unwrap_or_else(PoisonError::into_inner).rows().end;
        if !touches.is_empty() {
            changes.put(Table::Recent, row.to_be_bytes().to_vec(), touches.clone());
        }
        for ((table, key), facts) in facts {
            changes.put(table, key, facts_row(&facts));
        }
        for (order, record) in &orders {
            let json = serde_json::to_vec(record).map_err(StoreError::of("write a record"))?;
            changes.put(Table::Orders, order.to_string().into_bytes(), json);
        }
        if changes.is_empty() {
            return Ok(orders);
        }
        // First what lets touches find an order, then the order: a touch written meanwhile is found by one of the two.
        self.open.write().unwrap_or_else(PoisonError::into_inner).extend(opened);
        self.kv.write(changes)?;
        if touches.is_empty() {
            return Ok(orders);
        }
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.take(row, &touches)?;
        let full = recent.bytes() >= self.recent_bytes_max;
        drop(recent);
        if full {
            self.pack()?;
        }
        Ok(orders)
    }

    /// Writes what came lately to where it stays. Readers find it in one of the two places, or in both; a crash before
    /// the end leaves it in the first, and it is written again to the same rows.
    fn pack(&self) -> Result<(), StoreError> {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let rows = recent.rows();
        for people in recent.people().chunk_by(|(a, _), (b, _)| a.epoch() == b.epoch()) {
            let Some((first, _)) = people.first() else { continue };
            let mut packed = people.iter().map(|(person, last)| {
                let mut key = Vec::with_capacity(32);
                key.extend_from_slice(person.prefix());
                key.extend_from_slice(&rows.start.to_be_bytes());
                Ok((key, recent.packed(*last)?))
            });
            self.kv.fill(Table::Touches(first.epoch()), &mut packed)?;
        }
        let mut events = recent.events();
        events.sort_by_key(|(_, id)| id_epoch(*id));
        for events in events.chunk_by(|(_, a), (_, b)| id_epoch(*a) == id_epoch(*b)) {
            let Some((_, first)) = events.first() else { continue };
            let mut packed = events.iter().map(|(program, id)| {
                let row = recent.event(*program, *id)?.ok_or_else(damaged)?;
                Ok((about_key(*program, *id), row.to_vec()))
            });
            self.kv.fill(Table::Events(id_epoch(*first)), &mut packed)?;
        }
        drop(recent);
        let mut changes = Changes::default();
        changes.put(Table::Cursors, NEXT_ROW.to_vec(), rows.end.to_be_bytes().to_vec());
        for row in rows.clone() {
            changes.remove(Table::Recent, row.to_be_bytes().to_vec());
        }
        self.kv.write(changes)?;
        self.recent.write().unwrap_or_else(PoisonError::into_inner).begin(rows.end);
        Ok(())
    }

    fn number(&self, text: &str, changes: &mut Changes) -> u32 {
        let (number, new) = self.names.number_or_new(text);
        if new {
            changes.put(Table::Names, number.to_be_bytes().to_vec(), text.as_bytes().to_vec());
        }
        number
    }

    /// Orders that `noted` bears on, with when it was received.
    ///
    /// # Errors
    /// The backend cannot be read.
    pub fn affected(&self, noted: &Noted, out: &mut Affected) -> Result<(), StoreError> {
        match noted {
            Noted::Touch { scope, touch, ids, .. } => {
                if self.open.read().unwrap_or_else(PoisonError::into_inner).is_empty() {
                    return Ok(());
                }
                // Landing reports of this touch may have come before it: it is reached by their ids too.
                let key = self.touch_key(&scope.program, touch.id);
                let said = key.map(|key| self.fact_set(touch.id, &key)).transpose()?;
                let told = said.iter().flat_map(FactSet::entries).flat_map(|(_, ids)| ids);
                for id in ids.iter().chain(told) {
                    let around = Some(touch.occurred_at);
                    self.open_orders(&self.id_prefix(scope, id), around, touch.received_at, out)?;
                }
                let prefix = self.click_prefix(&scope.program, touch.id);
                self.open_orders(&prefix, None, touch.received_at, out)
            }
            Noted::Fact { program, touch, fact, landed } => {
                let at = fact.stamp.received_at;
                self.open_orders(&self.click_prefix(program, *touch), None, at, out)?;
                let mut ids: HashSet<IdentityId, RandomState> = HashSet::default();
                let mut test = None;
                let event = self.event(program, *touch, |row| Ok((row.touch.test, row.ids)))?;
                if let Some((known, reached)) = event {
                    ids.extend(reached);
                    test = Some(known);
                }
                if let Some(key) = self.touch_key(program, *touch) {
                    let said = self.fact_set(*touch, &key)?;
                    ids.extend(said.entries().flat_map(|(_, ids)| ids.iter().copied()));
                }
                if let Some((click, told)) = landed.as_deref() {
                    ids.extend(told.iter().copied());
                    test = test.or(Some(click.test));
                }
                let tests = test.map_or([false, true].to_vec(), |test| vec![test]);
                for test in tests {
                    let scope = Scope { program: program.clone(), test };
                    for id in &ids {
                        self.open_orders(&self.id_prefix(&scope, id), None, at, out)?;
                    }
                }
                Ok(())
            }
            Noted::Merge { scope, id, edge } => {
                for id in [id, &edge.other] {
                    let prefix = self.id_prefix(scope, id);
                    self.open_orders(&prefix, None, edge.stamp.received_at, out)?;
                }
                Ok(())
            }
            Noted::Order(record) => {
                let newest = newest_receipt(record);
                let at = out.entry(record.order.clone()).or_insert(newest);
                *at = newest.max(*at);
                let order = &record.order;
                let scope = Scope { program: order.program.clone(), test: order.test };
                for (id, edge) in implied_merges(record) {
                    for id in [&id, &edge.other] {
                        let prefix = self.id_prefix(&scope, id);
                        self.open_orders(&prefix, None, edge.stamp.received_at, out)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Orders registered under `prefix` whose time lets a touch at `around` be a candidate.
    fn open_orders(
        &self,
        prefix: &[u8],
        around: Option<Millis>,
        received_at: Millis,
        out: &mut Affected,
    ) -> Result<(), StoreError> {
        if prefix.is_empty() {
            return Ok(());
        }
        let print = fingerprint(prefix);
        if !self.open.read().unwrap_or_else(PoisonError::into_inner).contains(&print) {
            return Ok(());
        }
        let (from, to) = around.map_or((i64::MIN, i64::MAX), |at| {
            (at.0.saturating_sub(AFTER_MS), at.0.saturating_add(HORIZON_MS))
        });
        let mut start = prefix.to_vec();
        put_key_millis(&mut start, Millis(from));
        self.kv.scan(Table::Open, prefix, &start, &mut |key, value| {
            let rest = key.get(prefix.len()..).ok_or_else(damaged)?;
            if Reader(rest).key_millis()?.0 > to {
                return Ok(false);
            }
            let order = order_key(value)?;
            let at = out.entry(order).or_insert(received_at);
            *at = received_at.max(*at);
            Ok(true)
        })
    }

    /// Empty if the program is not known: then nothing is.
    fn id_prefix(&self, scope: &Scope, id: &IdentityId) -> Vec<u8> {
        let Some(program) = self.names.number(scope.program.as_str()) else { return Vec::new() };
        id_key(program, scope.test, id)
    }

    fn click_prefix(&self, program: &ProgramName, touch: EventId) -> Vec<u8> {
        let Some(program) = self.names.number(program.as_str()) else { return Vec::new() };
        click_key(program, touch)
    }

    fn touch_key(&self, program: &ProgramName, touch: EventId) -> Option<Vec<u8>> {
        let program = self.names.number(program.as_str())?;
        Some(about_key(program, touch))
    }

    fn fact_set(&self, touch: EventId, key: &[u8]) -> Result<FactSet, StoreError> {
        match self.kv.get(Table::Facts(id_epoch(touch)), key)? {
            Some(row) => facts(&row),
            None => Ok(FactSet::default()),
        }
    }

    fn event<T>(
        &self,
        program: &ProgramName,
        id: EventId,
        read: impl FnOnce(EventRow<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let Some(program) = self.names.number(program.as_str()) else { return Ok(None) };
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = recent.event(program, id)? {
            return read(read_event(row, &self.names.known())?).map(Some);
        }
        drop(recent);
        match self.kv.get(Table::Events(id_epoch(id)), &about_key(program, id))? {
            Some(row) => read(read_event(&row, &self.names.known())?).map(Some),
            None => Ok(None),
        }
    }

    /// The record of an order.
    ///
    /// # Errors
    /// The backend cannot be read.
    pub fn record(&self, order: &OrderKey) -> Result<Option<OrderRecord>, StoreError> {
        let row = self.kv.get(Table::Orders, order.to_string().as_bytes())?;
        row.map(|row| serde_json::from_slice(&row).map_err(StoreError::of("read a record")))
            .transpose()
    }

    /// Inputs of the decision last emitted for an order, as far as the state was told.
    ///
    /// # Errors
    /// The backend cannot be read.
    pub fn emitted(&self, order: &OrderKey) -> Result<Option<ContentHash>, StoreError> {
        let row = self.kv.get(Table::Emitted, order.to_string().as_bytes())?;
        row.map(|row| row.try_into().map(ContentHash).map_err(|_| damaged())).transpose()
    }

    /// The goals of all orders of a program that are or were known, also those that the catalog no longer lists.
    ///
    /// # Errors
    /// The backend cannot be read.
    pub fn goals(&self, program: &ProgramName) -> Result<BTreeSet<GoalName>, StoreError> {
        let prefix = format!("{program}/");
        let mut goals = BTreeSet::new();
        for table in [Table::Orders, Table::Emitted] {
            let mut from = prefix.clone();
            loop {
                let mut next = None;
                self.kv.scan(table, prefix.as_bytes(), from.as_bytes(), &mut |key, _| {
                    next = Some(order_key(key)?.goal);
                    Ok(false)
                })?;
                let Some(goal) = next else { break };
                // Behind all keys of this goal: `0` follows `/`.
                from = format!("{prefix}{goal}0");
                goals.insert(goal);
            }
        }
        Ok(goals)
    }

    /// Registers an order under ids that it reaches by merges, so that what happens to them finds it. Says whether one
    /// of them is new: then touches may have been written that neither side has seen, and the order must be decided
    /// again.
    ///
    /// # Errors
    /// The backend fails.
    pub fn register(&self, record: &OrderRecord, ids: &[IdentityId]) -> Result<bool, StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let order = &record.order;
        let mut changes = Changes::default();
        let program = self.number(order.program.as_str(), &mut changes);
        let text = order.to_string();
        let mut opened = Vec::new();
        for id in ids {
            let prefix = id_key(program, order.test, id);
            let key = open_key(&prefix, record.converted_at, &text);
            if self.kv.get(Table::Open, &key)?.is_none() {
                opened.push(fingerprint(&prefix));
                changes.put(Table::Open, key, text.clone().into_bytes());
            }
        }
        let new = !opened.is_empty();
        if new {
            self.open.write().unwrap_or_else(PoisonError::into_inner).extend(opened);
            self.kv.write(changes)?;
        }
        Ok(new)
    }

    /// Remembers orders that must be decided later.
    ///
    /// # Errors
    /// The backend fails.
    pub fn defer<'a>(
        &self,
        orders: impl IntoIterator<Item = (&'a OrderKey, Millis)>,
    ) -> Result<(), StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changes = Changes::default();
        for (order, received_at) in orders {
            self.put_dirty(order, received_at, &mut changes)?;
        }
        if changes.is_empty() { Ok(()) } else { self.kv.write(changes) }
    }

    /// The caller holds `writing`.
    fn put_dirty(
        &self,
        order: &OrderKey,
        received_at: Millis,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        let key = order.to_string().into_bytes();
        let known = self.kv.get(Table::Dirty, &key)?.map(|row| dirty(&row)).transpose()?;
        let latest = known.map_or(received_at, |(at, _)| at.max(received_at));
        let ticket = self.tickets.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        let mut row = Vec::with_capacity(16);
        put_key_millis(&mut row, latest);
        row.extend_from_slice(&ticket.to_be_bytes());
        changes.put(Table::Dirty, key, row);
        Ok(())
    }

    /// Orders that must be decided later, at most `most`, those after `after`.
    ///
    /// # Errors
    /// The backend cannot be read.
    pub fn deferred(
        &self,
        after: Option<&OrderKey>,
        most: usize,
    ) -> Result<Vec<(OrderKey, Millis)>, StoreError> {
        let mut out = Vec::new();
        let mut from = after.map(|order| order.to_string().into_bytes()).unwrap_or_default();
        if after.is_some() {
            from.push(0);
        }
        self.kv.scan(Table::Dirty, &[], &from, &mut |key, value| {
            out.push((order_key(key)?, dirty(value)?.0));
            Ok(out.len() < most)
        })?;
        Ok(out)
    }

    /// Remembers what is durable on the topics.
    ///
    /// # Errors
    /// The backend cannot be written.
    pub fn settle(&self, settled: &Settled) -> Result<(), StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changes = Changes::default();
        for (order, hash) in &settled.emitted {
            changes.put(Table::Emitted, order.to_string().into_bytes(), hash.0.to_vec());
        }
        for order in &settled.clean {
            let key = order.to_string().into_bytes();
            let row = self.kv.get(Table::Dirty, &key)?;
            if row.map(|row| dirty(&row)).transpose()?.is_some_and(|(_, at)| at <= settled.began) {
                changes.remove(Table::Dirty, key);
            }
        }
        if let Some((partition, offset)) = settled.cursor {
            changes.put(Table::Cursors, cursor_key(partition), offset.to_be_bytes().to_vec());
        }
        if changes.is_empty() { Ok(()) } else { self.kv.write(changes) }
    }

    /// Whether no topic was read yet.
    ///
    /// # Errors
    /// The backend cannot be read.
    pub fn is_new(&self) -> Result<bool, StoreError> {
        let mut new = true;
        self.kv.scan(Table::Cursors, &[], &[], &mut |key, _| {
            new &= key == NEXT_ROW;
            Ok(new)
        })?;
        Ok(new)
    }

    /// From where to read a partition: 0 for one that this state knows nothing of, so that a new or deleted state is
    /// filled from the topic.
    ///
    /// # Errors
    /// The backend cannot be read.
    pub fn resume(&self, partition: Partition) -> Result<Offset, StoreError> {
        match self.kv.get(Table::Cursors, &cursor_key(partition))? {
            Some(row) => row.try_into().map(Offset::from_be_bytes).map_err(|_| damaged()),
            None => Ok(0),
        }
    }

    /// Drops touches of the epochs that ended before `before`, and merges that occurred and orders that converted before
    /// it. Orders that must be decided later stay, and so do inputs hashes of emitted decisions.
    ///
    /// # Errors
    /// The backend fails.
    pub fn expire(&self, before: Millis) -> Result<(), StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = bounded_epoch(before);
        // What came lately goes with its epoch once it is packed.
        let oldest = self.recent.read().unwrap_or_else(PoisonError::into_inner).oldest();
        if oldest.is_some_and(|at| bounded_epoch(at) < epoch) {
            self.pack()?;
        }
        self.kv.expire(epoch)?;
        let mut changes = Changes::default();
        let mut open = HashSet::default();
        self.kv.scan(Table::Open, &[], &[], &mut |key, order| {
            let (prefix, time) = open_parts(key)?;
            if Reader(time).key_millis()? < before && self.kv.get(Table::Dirty, order)?.is_none() {
                changes.remove(Table::Open, key.to_vec());
                changes.remove(Table::Orders, order.to_vec());
            } else {
                open.insert(fingerprint(prefix));
            }
            Ok(true)
        })?;
        self.kv.scan(Table::Merges, &[], &[], &mut |key, value| {
            if Reader(value).millis()? < before {
                changes.remove(Table::Merges, key.to_vec());
            }
            Ok(true)
        })?;
        if !changes.is_empty() {
            self.kv.write(changes)?;
        }
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = open;
        Ok(())
    }
}

/// When the newest report of an order was received.
fn newest_receipt(record: &OrderRecord) -> Millis {
    let listed = record.listed.iter().map(|member| member.received_at);
    listed.max().unwrap_or(record.received_at)
}

#[cfg(test)]
mod tests;
