//! Reports for tests, in a few words each.

use event::body::conversion::{
    ClaimedTouch, ClickEvidence, ClickSource, ClickVerdict, Conversion, Item, Source, Trust,
};
use event::id::{LaneId, Sequence};
use event::{
    Body, Consent, CustomerKey, Envelope, EventId, GoalName, IdentityId, Micros, Millis, OrderKey,
    VisitorTag,
};

use crate::member::{Member, Row};

/// 2026-11-03T00:00:00Z.
pub(crate) const T: i64 = 1_793_664_000_000;

pub(crate) fn order() -> OrderKey {
    "shop/sale/real/o:A1".parse().unwrap()
}

pub(crate) fn event(received_ms: i64, sequence: u64) -> EventId {
    EventId::minted(Millis(T + received_ms), Sequence(sequence), LaneId::from_random(7))
}

pub(crate) fn visitor(n: u8) -> IdentityId {
    IdentityId::Visitor(VisitorTag([n; 12]))
}

pub(crate) fn customer(n: u8) -> IdentityId {
    IdentityId::Customer(CustomerKey([n; 16]))
}

/// Report `n`, as a pixel from a page received at `ms` after [`T`], about one unit of money.
pub(crate) fn pixel(n: u64, ms: i64) -> Member {
    let goal = GoalName::new("sale").unwrap();
    Member {
        id: event(ms, n),
        occurred_at: Millis(T + ms),
        received_at: Millis(T + ms),
        conversion: Conversion {
            order_id: Some("A1".into()),
            amount: Micros(1_000_000),
            currency: "EUR".parse().ok(),
            ..Conversion::plain(goal, Source::Pixel, Trust::Page)
        },
    }
}

/// Report `n`, as a signed server call.
pub(crate) fn server(n: u64, ms: i64) -> Member {
    pixel(n, ms).by(Source::S2s, Trust::Signed)
}

/// The click with this number.
pub(crate) fn claim(n: u64) -> ClaimedTouch {
    ClaimedTouch {
        id: event(-3_600_000, n),
        partner: Some("blog".parse().unwrap()),
        link: "l1".parse().unwrap(),
        channel: None,
        consent: Consent::Granted,
        test: false,
        prefetch: false,
        visitor: None,
    }
}

pub(crate) fn click_id(n: u64, source: ClickSource, verdict: ClickVerdict) -> ClickEvidence {
    let claim = (verdict == ClickVerdict::Valid).then(|| claim(n));
    ClickEvidence { raw: format!("click{n}"), source, verdict, claim }
}

impl Member {
    pub(crate) fn by(mut self, source: Source, trust: Trust) -> Self {
        (self.conversion.source, self.conversion.trust) = (source, trust);
        self
    }

    /// Claims to have happened `ms` before it was received.
    pub(crate) fn late_by(mut self, ms: i64) -> Self {
        self.occurred_at = Millis(self.received_at.0 - ms);
        self
    }

    pub(crate) fn amount(mut self, units: i64) -> Self {
        self.conversion.amount = Micros(units * 1_000_000);
        self
    }

    pub(crate) fn revision(mut self, revision: u64) -> Self {
        self.conversion.revision = Some(revision);
        self
    }

    pub(crate) fn ids(mut self, ids: &[IdentityId]) -> Self {
        self.conversion.ids = ids.to_vec();
        self
    }

    pub(crate) fn coupon(mut self, code: &str) -> Self {
        self.conversion.coupons.push(code.into());
        self
    }

    pub(crate) fn channel(mut self, channel: &str) -> Self {
        self.conversion.channel = Some(channel.into());
        self
    }

    pub(crate) fn consent(mut self, consent: Consent) -> Self {
        self.conversion.consent = consent;
        self
    }

    pub(crate) fn item(mut self, sku: &str) -> Self {
        let sku = Some(sku.into());
        self.conversion.items.push(Item { sku, qty: 1, ..Item::default() });
        self
    }

    pub(crate) fn click(self, n: u64) -> Self {
        self.click_of(click_id(n, ClickSource::Parameter, ClickVerdict::Valid))
    }

    pub(crate) fn click_of(mut self, click: ClickEvidence) -> Self {
        self.conversion.clicks.push(click);
        self
    }

    pub(crate) fn row(self) -> Row {
        Row::Report(Box::new(self))
    }

    /// The event that this report came with.
    pub(crate) fn envelope(self, order: &OrderKey) -> Envelope {
        Envelope {
            id: self.id,
            occurred_at: self.occurred_at,
            received_at: self.received_at,
            program: Some(order.program.clone()),
            test: order.test,
            key: order.to_string(),
            body: Body::Conversion(Box::new(self.conversion)),
        }
    }
}
