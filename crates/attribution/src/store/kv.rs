//! Ordered tables of bytes: what every backend of the state offers.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use super::StoreError;

/// A table of the state. Those with an epoch are dropped as a whole when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// number → name
    Names,
    /// number → touches that came together and are not packed yet
    Recent,
    /// scope ‖ id ‖ number of the oldest row that was packed → touches of the id
    Touches(u16),
    /// program ‖ touch → fixed fields, ids, dimensions
    Events(u16),
    /// program ‖ touch → facts
    Facts(u16),
    /// scope ‖ id ‖ other ‖ event → times
    Merges,
    /// order key → record
    Orders,
    /// order key → inputs hash of the decision last emitted
    Emitted,
    /// scope ‖ id ‖ time ‖ order hash → order key; and program ‖ touch … for click ids
    Open,
    /// order key → latest receipt, ticket: to be decided
    Dirty,
    /// topic ‖ partition → offset
    Cursors,
}

impl Table {
    /// The epoch of a table that has one.
    #[must_use]
    pub const fn epoch(self) -> Option<u16> {
        match self {
            Self::Touches(epoch) | Self::Events(epoch) | Self::Facts(epoch) => Some(epoch),
            Self::Names
            | Self::Recent
            | Self::Merges
            | Self::Orders
            | Self::Emitted
            | Self::Open
            | Self::Dirty
            | Self::Cursors => None,
        }
    }
}

/// Changes that are made in one step.
#[derive(Clone, Debug, Default)]
pub struct Changes(pub(crate) Vec<(Table, Vec<u8>, Option<Vec<u8>>)>);

impl Changes {
    /// Sets a row.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.0.push((table, key, Some(value)));
    }

    /// Removes a row.
    pub fn remove(&mut self, table: Table, key: Vec<u8>) {
        self.0.push((table, key, None));
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Is shown key and value of a row; answers whether it wants to see more.
pub type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<bool, StoreError>;

/// Keys and values of many rows.
pub type Rows<'a> = &'a mut dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>), StoreError>>;

/// Ordered tables. What a backend may lose at a power cut is the newest of what it was told, never something in
/// between: then the topics are read again from where it stands.
pub trait Kv: Send + Sync {
    /// The value of a row.
    ///
    /// # Errors
    /// The backend cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whether there may be rows in a table: a quick no spares the making of keys.
    ///
    /// # Errors
    /// The backend cannot be read.
    fn has(&self, table: Table) -> Result<bool, StoreError>;

    /// Shows the rows whose keys start with `prefix`, ascending from `from` on, until `each` answers false.
    ///
    /// # Errors
    /// The backend cannot be read, or what `each` says.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        each: Each<'_>,
    ) -> Result<(), StoreError>;

    /// Makes changes in one step: a reader sees all or none, whoever answered sees all.
    ///
    /// # Errors
    /// The backend cannot be written; nothing was changed.
    fn write(&self, changes: Changes) -> Result<(), StoreError>;

    /// Adds many rows, whose keys ascend, at less cost than by [`Kv::write`] and not in one step: after an error any
    /// of them may be there. They survive what happens after the answer, a power cut too, and so does all that was
    /// written before: rows point to one another.
    ///
    /// # Errors
    /// The backend cannot be written, or what `rows` says.
    fn fill(&self, table: Table, rows: Rows<'_>) -> Result<(), StoreError>;

    /// Drops the tables of epochs before `epoch`.
    ///
    /// # Errors
    /// The backend cannot be written.
    fn expire(&self, epoch: u16) -> Result<(), StoreError>;
}

impl<K: Kv + ?Sized> Kv for std::sync::Arc<K> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).get(table, key)
    }

    fn has(&self, table: Table) -> Result<bool, StoreError> {
        (**self).has(table)
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        each: Each<'_>,
    ) -> Result<(), StoreError> {
        (**self).scan(table, prefix, from, each)
    }

    fn write(&self, changes: Changes) -> Result<(), StoreError> {
        (**self).write(changes)
    }

    fn fill(&self, table: Table, rows: Rows<'_>) -> Result<(), StoreError> {
        (**self).fill(table, rows)
    }

    fn expire(&self, epoch: u16) -> Result<(), StoreError> {
        (**self).expire(epoch)
    }
}

type Sorted = BTreeMap<Vec<u8>, Vec<u8>>;

/// Tables in memory.
#[derive(Debug, Default)]
pub struct MemoryKv(RwLock<BTreeMap<Table, Sorted>>);

impl Kv for MemoryKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn has(&self, table: Table) -> Result<bool, StoreError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(&table))
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        each: Each<'_>,
    ) -> Result<(), StoreError> {
        let found: Vec<(Vec<u8>, Vec<u8>)> = {
            let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let Some(rows) = tables.get(&table) else { return Ok(()) };
            let start = Bound::Included(from.max(prefix));
            let rows = rows.range::<[u8], _>((start, Bound::Unbounded));
            let rows = rows.take_while(|(key, _)| key.starts_with(prefix));
            rows.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        for (key, value) in &found {
            if !each(key, value)? {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, changes: Changes) -> Result<(), StoreError> {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (table, key, value) in changes.0 {
            let rows = tables.entry(table).or_default();
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn fill(&self, table: Table, rows: Rows<'_>) -> Result<(), StoreError> {
        for row in rows {
            let (key, value) = row?;
            let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
            tables.entry(table).or_default().insert(key, value);
        }
        Ok(())
    }

    fn expire(&self, epoch: u16) -> Result<(), StoreError> {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        tables.retain(|table, _| table.epoch().is_none_or(|of| of >= epoch));
        Ok(())
    }
}
