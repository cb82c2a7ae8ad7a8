//! What an event must not say, though it reads: values that contradict each other, and names that the catalog lacks.

use std::collections::HashSet;

use catalog::Snapshot;
use event::body::conversion::{ClaimedTouch, ClickEvidence, ClickVerdict, Conversion};
use event::{Body, Envelope, EventId, LinkName, Micros, PartnerName};

use super::events::LineFault;

/// Looks at one event after the other.
pub(super) struct Checks<'a> {
    catalog: Option<&'a Snapshot>,
    /// Clicks whose ids tell another time than their events.
    odd: HashSet<EventId>,
    /// Clicks that click ids stand for: their time is that of the id.
    claimed: HashSet<EventId>,
}

impl<'a> Checks<'a> {
    /// Without a catalog, names are not looked at.
    pub(super) fn new(catalog: Option<&'a Snapshot>) -> Self {
        Self { catalog, odd: HashSet::new(), claimed: HashSet::new() }
    }

    /// Every fault of what `envelope`, read from `line`, says.
    pub(super) fn faults(&mut self, line: &str, envelope: &Envelope) -> Vec<LineFault> {
        let mut check = Check { line, known: self, faults: Vec::new() };
        check.envelope(envelope);
        check.faults
    }
}

struct Check<'c, 'a> {
    line: &'c str,
    known: &'c mut Checks<'a>,
    faults: Vec<LineFault>,
}

impl Check<'_, '_> {
    fn fault(&mut self, field: &str, text: impl Into<String>) {
        self.faults.push(LineFault::of_field(self.line, field, text));
    }

    fn envelope(&mut self, envelope: &Envelope) {
        if envelope.occurred_at > envelope.received_at {
            self.fault(
                "occurred_at",
                "is after received_at: nothing is received before it happens",
            );
        }
        match &envelope.program {
            None => {
                self.fault(
                    "program",
                    "is missing: every event of a touch or an order names its program",
                );
            }
            Some(program) if self.lacks(|catalog| catalog.program(program.as_str()).is_some()) => {
                self.fault("program", format!("the catalog has no program {program:?}"));
            }
            Some(_) => {}
        }
        match &envelope.body {
            Body::Click(touch) => {
                self.names("body", touch.partner.as_ref(), &touch.link);
                self.time_of_click(envelope);
            }
            Body::Impression(touch) => self.names("body", touch.partner.as_ref(), &touch.link),
            Body::Landing(landing) => self.claim("body.click", &landing.click),
            Body::Activation(activation) => self.claim("body.click", &activation.click),
            Body::Conversion(conversion) => self.conversion(envelope, conversion),
            Body::Evidence(evidence) => self.click("body.click", &evidence.click),
            Body::Flag(_)
            | Body::Merge(_)
            | Body::Validation(_)
            | Body::Rejected(_)
            | Body::Order(_)
            | Body::Duplicate(_)
            | Body::Decision(_)
            | Body::Closed(_)
            | Body::Posting(_)
            | Body::CatalogVersion(_)
            | Body::LaneStarted(_)
            | Body::LaneStopped(_)
            | Body::LaneLost(_) => {}
        }
    }

    fn lacks(&self, has: impl FnOnce(&Snapshot) -> bool) -> bool {
        self.known.catalog.is_some_and(|catalog| !has(catalog))
    }

    fn names(&mut self, at: &str, partner: Option<&PartnerName>, link: &LinkName) {
        if let Some(partner) = partner
            && self.lacks(|catalog| catalog.partner(partner.as_str()).is_some())
        {
            self.fault(&format!("{at}.partner"), format!("the catalog has no partner {partner:?}"));
        }
        if self.lacks(|catalog| catalog.link(link.as_str()).is_some()) {
            self.fault(&format!("{at}.link"), format!("the catalog has no link {link:?}"));
        }
    }

    /// A click that nobody claims may have any id.
    fn time_of_click(&mut self, envelope: &Envelope) {
        if envelope.id.is_minted() && envelope.id.time() != envelope.occurred_at {
            self.known.odd.insert(envelope.id);
            if self.known.claimed.contains(&envelope.id) {
                self.fault("occurred_at", "is not the time in the id, which a click id claims");
            }
        }
    }

    fn claim(&mut self, at: &str, claim: &ClaimedTouch) {
        self.names(at, claim.partner.as_ref(), &claim.link);
        self.known.claimed.insert(claim.id);
        if self.known.odd.contains(&claim.id) {
            self.fault(&format!("{at}.id"), "holds another time than the event of the click");
        }
    }

    fn click(&mut self, at: &str, click: &ClickEvidence) {
        match (click.verdict == ClickVerdict::Valid, &click.claim) {
            (true, Some(claim)) => self.claim(&format!("{at}.claim"), claim),
            (false, None) => {}
            (true, None) => {
                self.fault(
                    &format!("{at}.claim"),
                    "is missing: a valid click id stands for its click",
                );
            }
            (false, Some(_)) => {
                self.fault(&format!("{at}.claim"), "stands beside a verdict that is not `valid`");
            }
        }
    }

    fn conversion(&mut self, envelope: &Envelope, conversion: &Conversion) {
        let goal = conversion.goal.as_str();
        let program =
            envelope.program.as_ref().and_then(|name| self.known.catalog?.program(name.as_str()));
        if program.is_some_and(|program| !program.body().goals.contains_key(goal)) {
            self.fault("body.goal", format!("the program has no goal {goal:?}"));
        }
        self.amount("body.amount", conversion.amount);
        for (item, n) in conversion.items.iter().zip(1..) {
            self.amount(&format!("body.items[{n}].amount"), item.amount);
        }
        for (click, n) in conversion.clicks.iter().zip(1..) {
            self.click(&format!("body.clicks[{n}]"), click);
        }
    }

    fn amount(&mut self, field: &str, amount: Micros) {
        if amount < Micros(0) {
            self.fault(field, "is negative; what is given back is a return, not a conversion");
        }
    }
}
