//! The words of Sillage: ids, the click id token, events and their envelope, money, time, reason codes.
//!
//! 1. Everything here is pure: no IO, no clock, no async runtime. A caller hands in the time and the randomness.
//! 2. Stages meet in these types on a topic ([`Topic`]); none of them imports another stage.
//! 3. What is written to a topic is fixed by golden files under `golden/`: a change there is a new version.
//! 4. Money is `i64` micros of a currency. No float type occurs in this crate.
//!
//! This crate does not read files, does not decide anything and does not know HTTP.

pub mod base64url;
pub mod body;
pub mod code;
pub mod consent;
pub mod envelope;
pub mod flag;
pub mod hash;
pub mod id;
pub mod identity;
pub mod keys;
pub mod money;
pub mod name;
pub mod order;
pub mod private;
pub mod split;
pub mod time;
pub mod token;
pub mod topic;

pub use body::{Body, EventType};
pub use code::Code;
pub use consent::Consent;
pub use envelope::Envelope;
pub use flag::Flag;
pub use id::{EventId, Lane, LaneId, Sequence};
pub use identity::{CustomerKey, IdentityId, VisitorId, VisitorTag};
pub use money::{Currency, Micros};
pub use name::{
    ChannelName, GoalName, LinkId, LinkName, PartnerId, PartnerName, ProgramId, ProgramName,
    SegmentName,
};
pub use order::OrderKey;
pub use split::split;
pub use time::{Clock, Millis, WatchedClock};
pub use token::{Claim, ClickId};
pub use topic::Topic;
