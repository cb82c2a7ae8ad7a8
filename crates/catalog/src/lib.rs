//! Programs, segments, partners, links and their terms as immutable snapshots with a generation number.
//!
//! Every version of every object is a record on [`Topic::Catalog`](event::Topic::Catalog); [`State`] is what the
//! records fold to, [`Snapshot`] what redirects and decisions read.

pub mod error;
pub mod handle;
pub mod host;
pub mod limits;
pub mod link;
pub mod partner;
pub mod program;
pub mod record;
pub mod snapshot;
pub mod terms;
pub mod timeline;

pub use error::{Error, ErrorKind};
pub use handle::Handle;
pub use record::{State, VersionRecord};
pub use snapshot::{
    ChannelTreatment, Level, LinkRef, PartnerRef, ProgramRef, Resolved, Snapshot, Standing,
    TouchTerms, Unavailable,
};
pub use terms::{Lookback, ProgramTerms, TermsHash, TermsRef, TermsVersion, Treatment};
