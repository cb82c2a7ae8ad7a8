//! What a topic's record adds to what is known: the part of an event that decisions may read.

use event::body::decision::Dimensions;
use event::body::touch::TouchKind;
use event::body::{Body, ClaimedTouch, OrderRecord, Touch};
use event::{Consent, Envelope, EventId, IdentityId, ProgramName};

use crate::evidence::{Fact, FactKind, Flags, KnownTouch, MergeEdge, Scope, Stamp};

/// One addition to what is known. Adding it twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// A touch by its own event.
    Touch {
        /// Where it belongs.
        scope: Scope,
        /// The touch.
        touch: KnownTouch,
        /// Ids that it is found by.
        ids: Vec<IdentityId>,
        /// What reports group by.
        dimensions: Box<Dimensions>,
    },
    /// Something said about a touch.
    Fact {
        /// The program.
        program: ProgramName,
        /// The touch.
        touch: EventId,
        /// What was said.
        fact: Fact,
        /// The click that a landing report carries, and the ids by which it makes it reachable.
        landed: Option<Box<(ClaimedTouch, Vec<IdentityId>)>>,
    },
    /// Two ids belong to one person.
    Merge {
        /// Where it holds.
        scope: Scope,
        /// One id.
        id: IdentityId,
        /// The other, with the merge's identity and times.
        edge: MergeEdge,
    },
    /// The record of an order.
    Order(Box<OrderRecord>),
}

/// What `envelope` adds; none for kinds that decisions do not read, and for events without a program.
#[must_use]
pub fn noted(envelope: &Envelope) -> Option<Noted> {
    let program = envelope.program.clone();
    let stamp = Stamp {
        id: envelope.id,
        occurred_at: envelope.occurred_at,
        received_at: envelope.received_at,
    };
    match &envelope.body {
        Body::Click(touch) => of_touch(program?, envelope.test, stamp, TouchKind::Click, touch),
        Body::Impression(touch) => {
            of_touch(program?, envelope.test, stamp, TouchKind::Impression, touch)
        }
        Body::Landing(landing) => {
            Some(of_landing(program?, stamp, &landing.click, landing.ids.clone(), landing.consent))
        }
        Body::Activation(activation) => Some(Noted::Fact {
            program: program?,
            touch: activation.click.id,
            fact: Fact { stamp, kind: FactKind::Activation },
            landed: None,
        }),
        Body::Flag(flag) => Some(Noted::Fact {
            program: program?,
            touch: flag.touch,
            fact: Fact { stamp, kind: FactKind::Judgement(flag.reason.clone()) },
            landed: None,
        }),
        Body::Merge(merge) => Some(Noted::Merge {
            scope: Scope { program: program?, test: envelope.test },
            id: merge.a,
            edge: MergeEdge { other: merge.b, stamp },
        }),
        Body::Order(record) => Some(Noted::Order(record.clone())),
        Body::Conversion(_)
        | Body::Validation(_)
        | Body::Evidence(_)
        | Body::Rejected(_)
        | Body::Duplicate(_)
        | Body::Decision(_)
        | Body::Closed(_)
        | Body::Posting(_)
        | Body::CatalogVersion(_)
        | Body::LaneStarted(_)
        | Body::LaneStopped(_)
        | Body::LaneLost(_) => None,
    }
}

fn of_touch(
    program: ProgramName,
    test: bool,
    stamp: Stamp,
    kind: TouchKind,
    touch: &Touch,
) -> Option<Noted> {
    let known = KnownTouch {
        id: stamp.id,
        kind,
        occurred_at: stamp.occurred_at,
        received_at: stamp.received_at,
        partner: touch.partner.clone(),
        link: touch.link.clone(),
        channel: touch.channel.clone(),
        consent: touch.consent,
        flags: Flags::of(&touch.flags),
        test,
    };
    let mut ids = touch.ids.clone();
    ids.sort_unstable();
    ids.dedup();
    let dimensions = Dimensions {
        creative: touch.creative.clone(),
        subs: touch.subs.clone(),
        pcid: touch.pcid.clone(),
        country: touch.country.clone(),
        device: touch.device,
    };
    let scope = Scope { program, test };
    Some(Noted::Touch { scope, touch: known, ids, dimensions: Box::new(dimensions) })
}

/// A landing report: the visitor named in its click's claim, and the ids seen at the landing, all reach the click.
pub(crate) fn of_landing(
    program: ProgramName,
    stamp: Stamp,
    click: &ClaimedTouch,
    mut ids: Vec<IdentityId>,
    consent: Option<Consent>,
) -> Noted {
    ids.extend(click.visitor.map(IdentityId::Visitor));
    ids.sort_unstable();
    ids.dedup();
    Noted::Fact {
        program,
        touch: click.id,
        fact: Fact { stamp, kind: FactKind::Landing(consent) },
        landed: Some(Box::new((click.clone(), ids))),
    }
}

/// The merges that a record implies.
pub fn implied_merges(record: &OrderRecord) -> impl Iterator<Item = (IdentityId, MergeEdge)> + '_ {
    record.merges.iter().map(|merge| {
        let stamp = Stamp {
            id: merge.member,
            occurred_at: merge.occurred_at,
            received_at: merge.received_at,
        };
        (merge.a, MergeEdge { other: merge.b, stamp })
    })
}
