//! Where evidence and orders are kept: tables of bytes behind one trait, and what stands in them.

mod codec;
pub mod fjall;
pub mod kv;
pub mod memory;
mod names;
pub(crate) mod recent;
pub mod state;

use std::error::Error as StdError;

pub use self::fjall::FjallKv;
pub use kv::{Changes, Each, Kv, MemoryKv, Rows, Table};
pub use state::{Settled, State};

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

    /// A row that is not one of ours.
    pub(crate) fn damaged(what: &'static str) -> Self {
        let kind = std::io::ErrorKind::InvalidData;
        Self::of(what)(std::io::Error::new(kind, "the row is not one of ours"))
    }
}
