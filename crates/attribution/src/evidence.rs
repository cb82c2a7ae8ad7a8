//! What is known that may bear on an order, and the one trait through which decisions read it.

use event::body::ClaimedTouch;
use event::body::decision::Dimensions;
use event::body::touch::TouchKind;
use event::time::DAY_MS;
use event::{
    ChannelName, Consent, EventId, Flag, IdentityId, LinkName, Millis, PartnerName, ProgramName,
};

/// Length of an epoch of touches, in milliseconds: 30 days.
pub const EPOCH_MS: i64 = 30 * DAY_MS;

/// Touches of one id in one epoch above which they are no longer evidence (421). Count; far above any person, low
/// enough to bound what one decision reads.
pub const TOUCHES_PER_EPOCH_MAX: usize = 1_000;

/// Ways to touches of one id in one epoch, by their own events and by landing reports, above which they are no longer
/// evidence either. Count; a click that is landed on again and again has many.
pub const REACHED_PER_EPOCH_MAX: usize = 16 * TOUCHES_PER_EPOCH_MAX;

/// Ids that merges join with one id directly, above which no more are read. Count; low enough to bound what one decision
/// reads, and above any `identity_max`: the component is oversize.
pub const MERGED_IDS_MAX: usize = 4_096;
const _: () = assert!(MERGED_IDS_MAX >= catalog::limits::IDENTITY_MAX as usize);

/// Merges joining one pair of ids that are read: the first by event id. Count; one is enough to join them, a few more are
/// counted as known.
pub const MERGES_PER_PAIR_MAX: usize = 16;

/// Landing reports by which one touch is reached: the first by event id. Count; a page reports its landing once or
/// twice, and whoever repeats the report a thousand times is found as before.
pub const LANDINGS_PER_TOUCH_MAX: usize = 16;

/// The epoch of an instant.
#[must_use]
pub const fn epoch_of(at: Millis) -> i64 {
    at.0.div_euclid(EPOCH_MS)
}

/// Where evidence meets: one program, real or test. Nothing crosses from one scope into another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The program.
    pub program: ProgramName,
    /// Tests never meet real orders, and the reverse.
    pub test: bool,
}

/// A set of flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Flags(u32);

impl Flags {
    /// The set of these flags.
    #[must_use]
    pub fn of(flags: &[Flag]) -> Self {
        Self(flags.iter().fold(0, |bits, flag| bits | 1_u32.wrapping_shl(*flag as u32)))
    }

    /// The set with these bits; unknown ones are kept.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits: flag `n` of [`Flag::ALL`] is bit `n`.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether a flag is in both sets.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags, in wire order.
    #[must_use]
    pub fn to_vec(self) -> Vec<Flag> {
        if self.0 == 0 {
            return Vec::new();
        }
        Flag::ALL.iter().copied().filter(|flag| self.meets(Self::of(&[*flag]))).collect()
    }
}

/// A touch, as far as decisions read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTouch {
    /// Identity.
    pub id: EventId,
    /// Click or impression.
    pub kind: TouchKind,
    /// When it happened.
    pub occurred_at: Millis,
    /// When it was received.
    pub received_at: Millis,
    /// The partner; none: the merchant's own channel.
    pub partner: Option<PartnerName>,
    /// The link.
    pub link: LinkName,
    /// The link's channel.
    pub channel: Option<ChannelName>,
    /// Consent at the touch.
    pub consent: Consent,
    /// What is odd about it.
    pub flags: Flags,
    /// A test.
    pub test: bool,
}

impl KnownTouch {
    /// The click that a valid click id stands for: received when it happened.
    #[must_use]
    pub fn claimed(claim: &ClaimedTouch) -> Self {
        Self {
            id: claim.id,
            kind: TouchKind::Click,
            occurred_at: claim.id.time(),
            received_at: claim.id.time(),
            partner: claim.partner.clone(),
            link: claim.link.clone(),
            channel: claim.channel.clone(),
            consent: claim.consent,
            flags: if claim.prefetch { Flags::of(&[Flag::Prefetch]) } else { Flags::default() },
            test: claim.test,
        }
    }
}

/// An event's identity and its two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Identity.
    pub id: EventId,
    /// When it happened.
    pub occurred_at: Millis,
    /// When it was received.
    pub received_at: Millis,
}

impl Stamp {
    /// Time from happening to receipt, in milliseconds.
    #[must_use]
    pub const fn lag_ms(&self) -> i64 {
        self.received_at.since(self.occurred_at)
    }
}

/// A touch found under an id of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The touch.
    pub touch: KnownTouch,
    /// The landing report that told this id; none: the touch's own event carries it.
    pub landing: Option<Stamp>,
}

/// Something said about a touch later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Identity and times.
    pub stamp: Stamp,
    /// What was said.
    pub kind: FactKind,
}

/// What can be said about a touch later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// The visitor landed, and perhaps chose.
    Landing(Option<Consent>),
    /// A page that was fetched ahead was really shown.
    Activation,
    /// Not made by a person, for this reason.
    Judgement(String),
}

/// One merge seen from one of its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MergeEdge {
    /// The other id.
    pub other: IdentityId,
    /// Identity and times of the merge, or of the report that implies it.
    pub stamp: Stamp,
}

/// What is known, by the ways in which decisions look for it. A union of events: reading it tells nothing about the
/// order in which they came.
pub trait Evidence {
    /// Why it could not be read.
    type Error;

    /// Appends the merges of `id` that `joins` accepts, each once: of each other id the first [`MERGES_PER_PAIR_MAX`] by
    /// event id. Need not go on after more than [`MERGED_IDS_MAX`] other ids. What `joins` refuses counts nowhere, so that
    /// it makes no difference whether it is still kept.
    ///
    /// # Errors
    /// The store cannot be read.
    fn merges(
        &self,
        scope: &Scope,
        id: &IdentityId,
        joins: &dyn Fn(&Stamp) -> bool,
        out: &mut Vec<MergeEdge>,
    ) -> Result<(), Self::Error>;

    /// Appends the touches of `id` in `epoch`. If there are more than [`TOUCHES_PER_EPOCH_MAX`] distinct ones, or more than
    /// [`REACHED_PER_EPOCH_MAX`] ways to them, answers false and appends none.
    ///
    /// # Errors
    /// The store cannot be read.
    fn touches(
        &self,
        scope: &Scope,
        id: &IdentityId,
        epoch: i64,
        out: &mut Vec<Reached>,
    ) -> Result<bool, Self::Error>;

    /// The touch with this id, if its own event is known.
    ///
    /// # Errors
    /// The store cannot be read.
    fn touch(
        &self,
        program: &ProgramName,
        touch: EventId,
    ) -> Result<Option<KnownTouch>, Self::Error>;

    /// Dimensions of the touch with this id, if its own event is known.
    ///
    /// # Errors
    /// The store cannot be read.
    fn dimensions(
        &self,
        program: &ProgramName,
        touch: EventId,
    ) -> Result<Option<Dimensions>, Self::Error>;

    /// Appends what was said about a touch, each once.
    ///
    /// # Errors
    /// The store cannot be read.
    fn facts(
        &self,
        program: &ProgramName,
        touch: EventId,
        out: &mut Vec<Fact>,
    ) -> Result<(), Self::Error>;
}
