//! Journeys of shoppers, and the truth about each order, written down before anything is sent.

mod basket;
mod draw;
mod making;

pub(super) use draw::draw;

/// One thing that a shopper, a program or the shop does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// A click on a player's link.
    Click { player: usize, consent: ClickConsent, agent: Agent },
    /// A HEAD request for a player's link.
    Head { player: usize },
    /// A browser fetches the link ahead, and nobody follows.
    Prefetch { player: usize },
    /// An impression on a player's page.
    Impression { player: usize },
    /// The landing page's consent banner is answered.
    Landing { granted: bool },
    /// A click on a link that does not exist.
    UnknownLink,
    /// A server call with an amount that is none.
    WrongAmount,
    /// One report of an order.
    Report { order: usize, by: Reporter, amount_cents: u64, click: CarriedClick, denied: bool },
    /// The shop says what became of an order.
    Act { order: usize, act: Act },
}

/// What the shop does to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Approve,
    /// Declined as cancelled.
    Cancel,
    Reopen,
    /// The first line came back, all of it.
    ReturnFirstLine,
}

/// What becomes of an order in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// Nobody acts.
    Open,
    Approved,
    Cancelled,
    /// Its first line came back.
    PartReturned,
}

/// One line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BasketLine {
    pub category: &'static str,
    pub cents: u64,
}

/// What the shop's server tells of an order beside its amount.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Basket {
    /// May be less than the amount: the rest has no category.
    pub lines: Vec<BasketLine>,
    /// New (true) or returning, if the shop says it.
    pub new_customer: Option<bool>,
}

/// What the link says of consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClickConsent {
    Granted,
    Unknown,
    Denied,
    /// The browser sends `Sec-GPC: 1`.
    GlobalPrivacyControl,
}

/// Who sends the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agent {
    Person,
    Bot,
}

/// Which way an order is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reporter {
    Pixel,
    Server,
}

/// Which click id a report carries as a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CarriedClick {
    None,
    /// The last one that the shop saw on a landing, kept in its session.
    Session,
    /// The same, with one character changed.
    Altered,
}

/// A step and when it is due.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Due {
    pub at_h: f64,
    pub step: Step,
}

/// Who must be credited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    /// This player (a partner or the merchant's own channel).
    Player(usize),
    Nobody,
}

/// One order and the truth about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    pub truth: Truth,
    /// The amount that counts.
    pub amount_cents: u64,
    /// Reports of it that are accepted.
    pub reports: u64,
    pub kind: Kind,
    /// Whether the shop's server confirmed it; only then is the basket known.
    pub confirmed: bool,
    pub basket: Basket,
    pub fate: Fate,
    /// When it was ordered, in hours of the play.
    pub at_h: f64,
}

/// What a journey shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Clicks, no order.
    Browsing,
    /// Clicks of one or more players by cookie, then an order.
    Path,
    /// Consent not asked: the click id travels with the shop's session.
    SessionOnly,
    /// A window ended before the order.
    Expired,
    /// An exempt cashback journey; the order says denied.
    Exempt,
    /// A click on a link of a partner whose part has ended.
    Ended,
    /// Refused, by parameter or by signal.
    Denied,
    /// The banner is answered with no after a consented click.
    Withdrawn,
    /// The click id was altered on the way.
    Altered,
    /// An automated agent clicked and ordered.
    Bot,
    /// The click came after the order.
    ClickAfterOrder,
    /// An order without any touch.
    Direct,
    /// HEAD and prefetch, no click of a person.
    Preview,
    /// A broken link and a wrong call, then the right one.
    Mistaken,
}

impl Kind {
    /// All kinds with their share of the journeys, in thousandths.
    pub(super) const SHARES: [(Self, u32); 14] = [
        (Self::Browsing, 550),
        (Self::Path, 190),
        (Self::SessionOnly, 50),
        (Self::Expired, 25),
        (Self::Exempt, 20),
        (Self::Ended, 15),
        (Self::Denied, 25),
        (Self::Withdrawn, 10),
        (Self::Altered, 10),
        (Self::Bot, 30),
        (Self::ClickAfterOrder, 15),
        (Self::Direct, 30),
        (Self::Preview, 20),
        (Self::Mistaken, 10),
    ];

    /// In words, for tables.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Browsing => "clicks without order",
            Self::Path => "one or more partners, cookie",
            Self::SessionOnly => "consent unknown, shop's session",
            Self::Expired => "window ended before the order",
            Self::Exempt => "cashback, exempt link",
            Self::Ended => "partner ended before the click",
            Self::Denied => "consent refused",
            Self::Withdrawn => "consent withdrawn on landing",
            Self::Altered => "click id altered",
            Self::Bot => "automated agent",
            Self::ClickAfterOrder => "click after the order",
            Self::Direct => "no touch at all",
            Self::Preview => "HEAD and prefetch only",
            Self::Mistaken => "wrong calls, then the right one",
        }
    }
}

/// What one shopper does, and the truth about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Journey {
    pub steps: Vec<Due>,
    pub orders: Vec<Order>,
    /// Clicks of people by player, as the report must count them.
    pub valid_clicks: Vec<usize>,
    /// Codes of the requests that must be refused.
    pub refused: Vec<u16>,
}
