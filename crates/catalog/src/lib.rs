//! Programs, segments, partners, links and their terms as immutable snapshots with a generation number.
//!
//! Every version of every object is a record on [`Topic::Catalog`](event::Topic::Catalog): [`State`] is what the
//! records fold to, [`Snapshot`] what redirects and decisions read, [`CatalogFile`] the importer that plans new records.
//!
//! 1. The records are the truth and the file is an importer: a node without the file decides the same.
//! 2. A version that has started never changes. What was promised at a click is kept, whatever the file says later.
//! 3. A change lies ahead by [`limits::CATALOG_LEAD`], so that every node knows it before it holds; a new object starts
//!    at once.
//! 4. Numbers are given once and never again: a token may name one for years.
//! 5. A file is taken whole or not at all, with every fault at once, by line and column.
//! 6. Everything is pure: no clock, no log, no async. The caller hands in time and text, and makes records durable.
//!
//! This crate does not decide who is credited (see `attribution`), and holds no secret: tokens stand as hashes, keys as
//! ids of the key file.

pub mod commission;
pub mod destination;
pub mod error;
pub mod fault;
pub mod handle;
pub mod host;
pub mod import;
pub mod limits;
pub mod link;
pub mod partner;
pub mod program;
pub mod record;
pub mod snapshot;
pub mod terms;
pub mod timeline;

pub use error::{Error, ErrorKind};
pub use fault::Fault;
pub use handle::{Handle, ReloadError, Reloaded};
pub use import::{CatalogFile, Format, snapshot_of};
pub use record::{Known, State, VersionRecord};
pub use snapshot::{
    ChannelTreatment, CommissionTerms, Forfeit, Level, LinkRef, Occasion, PartnerRef, ProgramRef,
    RankedRule, Resolved, Snapshot, Standing, TouchTerms, Unavailable,
};
pub use terms::{Lookback, ProgramTerms, TermsHash, TermsRef, TermsVersion, Treatment};
