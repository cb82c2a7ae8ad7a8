//! Where the reports of orders are kept, for ever.

pub mod fjall;
pub mod memory;

use std::error::Error as StdError;

use event::{EventId, OrderKey};
use eventlog::{Cursor, Offset, Partition};

use crate::member::{Considered, Row, RowKind};

/// 16 bytes of BLAKE3 of an order key's text: what state knows an order by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderHash(pub [u8; 16]);

impl OrderHash {
    /// The hash of this key.
    #[must_use]
    pub fn of(order: &OrderKey) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("sillage dedup order key v1");
        hasher.update(order.to_string().as_bytes());
        let mut out = [0; 16];
        hasher.finalize_xof().fill(&mut out);
        Self(out)
    }
}

/// Why a store could not do something.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// The operation that failed.
    pub what: &'static str,
    /// Why.
    #[source]
    pub source: Box<dyn StdError + Send + Sync>,
}

impl StoreError {
    /// Makes an error of `what` out of its source.
    pub fn of<E: StdError + Send + Sync + 'static>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self { what, source: Box::new(source) }
    }
}

/// What is known to be durable on the topics, and may therefore be remembered.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// The record last emitted for each order.
    pub emitted: Vec<(OrderHash, EventId)>,
    /// Orders that no longer wait.
    pub ended: Vec<OrderHash>,
    /// How far the topics are read.
    pub cursors: Vec<Cursor>,
}

/// The reports of all orders. Belongs to all workers of the group: those of one process share one folder, those of
/// several machines one server.
///
/// Everything but [`Settled`] is a set that only grows, so that doing it twice changes nothing. What a store may lose
/// at a power cut is the newest of what it was told, never something in between.
pub trait MemberStore: Send + Sync {
    /// Adds rows to the sets of their orders, and counts the new ones, in one step. Rows that are there stay as they
    /// are.
    ///
    /// # Errors
    /// The store cannot be read or written; nothing was added.
    fn add(&self, rows: &[(OrderHash, Row)]) -> Result<(), StoreError>;

    /// What a decision about this order looks at.
    ///
    /// # Errors
    /// The store cannot be read, or a row of it is damaged.
    fn considered(&self, order: OrderHash) -> Result<Considered, StoreError>;

    /// The record last emitted for this order, as far as the store was told.
    ///
    /// # Errors
    /// The store cannot be read.
    fn emitted(&self, order: OrderHash) -> Result<Option<EventId>, StoreError>;

    /// Remembers orders whose program is not known yet.
    ///
    /// # Errors
    /// The store cannot be written.
    fn wait(&self, orders: &[OrderKey]) -> Result<(), StoreError>;

    /// Orders that wait, at most `most`, by hash, those after `after`.
    ///
    /// # Errors
    /// The store cannot be read, or a row of it is damaged.
    fn waiting(&self, after: Option<OrderHash>, most: usize) -> Result<Vec<OrderKey>, StoreError>;

    /// Remembers what is durable on the topics.
    ///
    /// # Errors
    /// The store cannot be written.
    fn settle(&self, settled: &Settled) -> Result<(), StoreError>;

    /// From where to read a partition: everything before it is in the store, and what followed from it is durable.
    /// 0 for a partition that this store knows nothing of, so that a new or deleted store is filled from the topic.
    ///
    /// # Errors
    /// The store cannot be read.
    fn resume(&self, partition: Partition) -> Result<Offset, StoreError>;
}

/// A shared store.
impl<S: MemberStore + ?Sized> MemberStore for std::sync::Arc<S> {
    fn add(&self, rows: &[(OrderHash, Row)]) -> Result<(), StoreError> {
        (**self).add(rows)
    }

    fn considered(&self, order: OrderHash) -> Result<Considered, StoreError> {
        (**self).considered(order)
    }

    fn emitted(&self, order: OrderHash) -> Result<Option<EventId>, StoreError> {
        (**self).emitted(order)
    }

    fn wait(&self, orders: &[OrderKey]) -> Result<(), StoreError> {
        (**self).wait(orders)
    }

    fn waiting(&self, after: Option<OrderHash>, most: usize) -> Result<Vec<OrderKey>, StoreError> {
        (**self).waiting(after, most)
    }

    fn settle(&self, settled: &Settled) -> Result<(), StoreError> {
        (**self).settle(settled)
    }

    fn resume(&self, partition: Partition) -> Result<Offset, StoreError> {
        (**self).resume(partition)
    }
}

impl RowKind {
    /// All of them, in the order of their bytes.
    pub(crate) const ALL: [Self; 3] = [Self::Credentialed, Self::Page, Self::Later];

    /// The byte in keys.
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Credentialed => b'c',
            Self::Page => b'p',
            Self::Later => b'v',
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }
}

#[cfg(test)]
mod tests;
