//! What the steps read: the order's own values, and its candidates in total order.

use event::body::decision::{Decision, IdentityTrace, Judged, Reach};
use event::body::record::MemberSummary;
use event::body::touch::TouchKind;
use event::body::{CustomerType, Item, OrderRecord, Source, Trust};
use event::{
    ChannelName, Code, Consent, Currency, EventId, LinkName, Micros, Millis, OrderKey, PartnerName,
};

use crate::evidence::Flags;

/// The order, as the steps read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its key.
    pub key: OrderKey,
    /// The order id as written.
    pub order_id: Option<String>,
    /// Count of distinct reports.
    pub members: u64,
    /// The canonical report.
    pub canonical: EventId,
    /// Its way.
    pub source: Source,
    /// Highest trust.
    pub trust: Trust,
    /// Time of the conversion.
    pub converted_at: Millis,
    /// When the canonical report was received.
    pub received_at: Millis,
    /// Amount.
    pub amount: Micros,
    /// Currency.
    pub currency: Option<Currency>,
    /// Order lines; with the coupon codes and the kind of customer handed on to whoever prices the order.
    pub items: Vec<Item>,
    /// Coupon codes.
    pub coupons: Vec<String>,
    /// New or returning.
    pub customer_type: Option<CustomerType>,
    /// Channel as the merchant sees it.
    pub channel: Option<String>,
    /// Consent.
    pub consent: Consent,
    /// Notes, sorted, each once.
    pub notes: Vec<Code>,
    /// Reports with verdicts.
    pub listed: Vec<MemberSummary>,
}

impl Order {
    /// The order of a record; refused click ids leave their notes.
    #[must_use]
    pub fn of_record(record: &OrderRecord) -> Self {
        let refused = record.refused_clicks.iter().filter_map(|(_, click)| click.verdict.code());
        let mut notes: Vec<Code> = record.notes.iter().copied().chain(refused).collect();
        notes.sort_unstable();
        notes.dedup();
        Self {
            key: record.order.clone(),
            order_id: record.order_id.clone(),
            members: record.members,
            canonical: record.canonical,
            source: record.source,
            trust: record.trust,
            converted_at: record.converted_at,
            received_at: record.received_at,
            amount: record.amount,
            currency: record.currency,
            items: record.items.clone(),
            coupons: record.coupons.clone(),
            customer_type: record.customer_type,
            channel: record.channel.clone(),
            consent: record.consent,
            notes,
            listed: record.listed.clone(),
        }
    }

    /// The order of a decision made earlier.
    #[must_use]
    pub fn of_decision(decision: &Decision) -> Self {
        let trace = &decision.trace;
        Self {
            key: decision.order.clone(),
            order_id: decision.order_id.clone(),
            members: decision.version.members,
            canonical: trace.canonical,
            source: trace.source,
            trust: trace.trust,
            converted_at: decision.converted_at,
            received_at: trace.received_at,
            amount: decision.amount,
            currency: decision.currency,
            items: decision.items.clone(),
            coupons: decision.coupons.clone(),
            customer_type: decision.customer_type,
            channel: trace.channel.value.clone(),
            consent: trace.consent,
            notes: trace.notes.clone(),
            listed: trace.members.clone(),
        }
    }
}

/// What connects a candidate with its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reaches {
    /// The order carries its click id.
    pub click_id: bool,
    /// The order carries its click id in the cookie of an exempt journey.
    pub exempt_click_id: bool,
    /// They share an id.
    pub shared_id: bool,
    /// Their ids belong to one person.
    pub merge: bool,
}

impl Reaches {
    /// Whether the order carries its click id.
    #[must_use]
    pub const fn linked(self) -> bool {
        self.click_id || self.exempt_click_id
    }

    /// As a trace lists it.
    #[must_use]
    pub fn list(self) -> event::body::decision::Reaches {
        [
            (self.click_id, Reach::ClickId),
            (self.exempt_click_id, Reach::ExemptClickId),
            (self.shared_id, Reach::SharedId),
            (self.merge, Reach::Merge),
        ]
        .into_iter()
        .filter_map(|(yes, reach)| yes.then_some(reach))
        .collect()
    }

    /// As a trace lists it, read back.
    #[must_use]
    pub fn of(list: &[Reach]) -> Self {
        Self {
            click_id: list.contains(&Reach::ClickId),
            exempt_click_id: list.contains(&Reach::ExemptClickId),
            shared_id: list.contains(&Reach::SharedId),
            merge: list.contains(&Reach::Merge),
        }
    }
}

/// One candidate, with everything that was said about it folded in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The touch.
    pub id: EventId,
    /// Its kind.
    pub kind: TouchKind,
    /// When it happened.
    pub occurred_at: Millis,
    /// When it was received.
    pub received_at: Millis,
    /// The partner.
    pub partner: Option<PartnerName>,
    /// The link.
    pub link: LinkName,
    /// The link's channel.
    pub channel: Option<ChannelName>,
    /// Consent that counts.
    pub consent: Consent,
    /// What is odd about it.
    pub flags: Flags,
    /// Judgements that count.
    pub judged: Option<Judged>,
    /// Count of landing reports and activations that count.
    pub reports: u32,
    /// What connects it with the order.
    pub reaches: Reaches,
    /// Its own event is not known.
    pub claim_only: bool,
}

/// What one decision reads beside the order and the terms.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Inputs {
    /// Candidates in total order, the newest last.
    pub candidates: Vec<Input>,
    /// Identity of the buyer.
    pub identity: IdentityTrace,
    /// Count of distinct events known.
    pub known: u64,
}
