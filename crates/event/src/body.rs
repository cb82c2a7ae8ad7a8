//! What events say: one type per kind of record, and the list of kinds.

pub mod closed;
pub mod conversion;
pub mod decision;
pub mod node;
pub mod posting;
pub mod record;
pub mod rejected;
pub mod touch;
pub mod validation;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use closed::{Closed, Closing, Lock, PaidLine, Payment, Whole};
pub use conversion::{
    ClaimedTouch, ClickEvidence, ClickSource, ClickVerdict, Conversion, CustomerType, Evidence,
    Item, OrderStatus, Source, Trust,
};
pub use decision::{Credit, Decision, DecisionStatus, DecisionVersion, Trace};
pub use node::{LaneLost, LaneStarted, LaneStopped, LossReason};
pub use posting::{
    Account, BookedOrder, BookedVersion, OrderState, PayDay, Posting, Purpose, RuleUsed, Share,
    Subject, Transfer,
};
pub use record::{DuplicateVerdict, ImpliedMerge, MemberSummary, MemberVerdict, OrderRecord};
pub use rejected::Rejected;
pub use touch::{
    Activation, DeviceClass, InvalidTraffic, Landing, Merge, PageKind, SubIds, Touch, TouchKind,
};
pub use validation::{Action, ActionKind, ReturnedLine, Validation};

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident($body:ty) = $number:literal, $word:literal;)*) => {
        /// The kind of a record: a word in the envelope, a number in the binary header.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl EventType {
            /// Every kind of this version.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word in the envelope.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The number in the record header.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $number,)* }
            }

            /// The kind with this number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// The kind with this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }
        }

        /// The body of an event.
        #[derive(Clone, Debug, Serialize)]
        #[serde(untagged)]
        pub enum Body {
            $($(#[$doc])* $name($body),)*
        }

        impl Body {
            /// Which kind it is.
            #[must_use]
            pub const fn event_type(&self) -> EventType {
                match self { $(Self::$name(_) => EventType::$name,)* }
            }

            /// Reads the body of a known kind.
            ///
            /// # Errors
            /// What serde says of the first field that does not fit.
            pub fn from_json(event_type: EventType, json: &RawValue) -> Result<Self, serde_json::Error> {
                match event_type { $(EventType::$name => serde_json::from_str(json.get()).map(Self::$name),)* }
            }
        }
    };
}

event_types! {
    /// A click on a partner's link or on an own channel's link.
    Click(Touch) = 1, "click";
    /// An impression.
    Impression(Touch) = 2, "impression";
    /// A landing report of the tag.
    Landing(Landing) = 3, "landing";
    /// Activation of a prefetched or prerendered page.
    Activation(Activation) = 4, "activation";
    /// A later judgement about a touch.
    Flag(InvalidTraffic) = 5, "flag";
    /// Two ids seen to belong to one person.
    Merge(Merge) = 6, "merge";
    /// A conversion.
    Conversion(Box<Conversion>) = 16, "conversion";
    /// What became of an order.
    Validation(Box<Validation>) = 17, "validation";
    /// A later verdict about a click id, checked again with more keys.
    Evidence(Evidence) = 18, "evidence";
    /// A refused event.
    Rejected(Rejected) = 32, "rejected";
    /// The record of an order.
    Order(Box<OrderRecord>) = 48, "order";
    /// The verdict about a member that is not canonical.
    Duplicate(DuplicateVerdict) = 49, "duplicate";
    /// A version of a decision with its trace.
    Decision(Box<Decision>) = 50, "decision";
    /// An order was locked, or a share of it paid.
    Closed(Box<Closed>) = 51, "closed";
    /// A change of an order in the book, with its transfers.
    Posting(Box<Posting>) = 52, "posting";
    /// A version of a catalog object. Its shape is the catalog's; read it there.
    CatalogVersion(Box<RawValue>) = 64, "catalog_version";
    /// A lane started.
    LaneStarted(LaneStarted) = 80, "lane_started";
    /// A lane stopped in good order.
    LaneStopped(LaneStopped) = 81, "lane_stopped";
    /// Sequences of a lane that are in no file.
    LaneLost(LaneLost) = 82, "lane_lost";
}
