//! Hash of everything that a decision read, over a fixed binary encoding.

use event::body::decision::{DecisionVersion, Model, TermsUsed, Verdict};
use event::body::record::{MemberSummary, MemberVerdict};
use event::body::touch::TouchKind;
use event::body::{CustomerType, Item, Source, Trust};
use event::hash::{ContentHash, ContentHasher};
use event::{Consent, Currency, EventId, IdentityId};

use super::inputs::{Input, Inputs, Order};

/// One buffer, hashed once: feeding a hasher a few bytes at a time costs more than all the rest of a decision.
pub(super) struct Encoding(Vec<u8>);

impl Encoding {
    fn with_room_for(candidates: usize) -> Self {
        Self(Vec::with_capacity(512 + candidates * 128))
    }

    fn id(&mut self, id: EventId) {
        self.0.extend_from_slice(id.as_bytes());
    }

    fn number(&mut self, n: i64) {
        self.0.extend_from_slice(&n.to_be_bytes());
    }

    fn count(&mut self, n: u64) {
        self.0.extend_from_slice(&n.to_be_bytes());
    }

    fn length(&mut self, n: usize) {
        self.count(n as u64);
    }

    fn byte(&mut self, n: u8) {
        self.0.push(n);
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn option(&mut self, text: Option<&str>) {
        self.byte(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn currency(&mut self, currency: Option<Currency>) {
        self.option(currency.as_ref().map(Currency::as_str));
    }

    fn person(&mut self, id: &IdentityId) {
        let bytes = id.key_bytes();
        self.length(bytes.len());
        self.0.extend_from_slice(&bytes);
    }

    fn people(&mut self, ids: &[IdentityId]) {
        self.length(ids.len());
        ids.iter().for_each(|id| self.person(id));
    }

    fn member(&mut self, member: &MemberSummary) {
        self.id(member.id);
        self.byte(source(member.source));
        self.byte(trust(member.trust));
        self.number(member.occurred_at.0);
        self.number(member.received_at.0);
        self.number(member.amount.0);
        self.currency(member.currency);
        self.byte(match member.verdict {
            MemberVerdict::Canonical => 0,
            MemberVerdict::DupSame => 1,
            MemberVerdict::DupConflict => 2,
            MemberVerdict::Amends => 3,
            MemberVerdict::Counted => 4,
        });
        self.count(u64::from(member.code.number()));
        self.byte(u8::from(member.items_differ));
        self.byte(u8::from(member.evidence_counts));
    }

    fn item(&mut self, item: &Item) {
        self.option(item.sku.as_deref());
        self.option(item.category.as_deref());
        self.option(item.group.as_deref());
        self.count(u64::from(item.qty));
        self.number(item.amount.0);
        for told in [item.tax, item.shipping, item.discount] {
            self.byte(u8::from(told.is_some()));
            self.number(told.map_or(0, |amount| amount.0));
        }
    }

    fn order(&mut self, order: &Order) {
        self.text(&order.key.to_string());
        self.option(order.order_id.as_deref());
        self.id(order.canonical);
        self.byte(source(order.source));
        self.byte(trust(order.trust));
        self.number(order.converted_at.0);
        self.number(order.received_at.0);
        self.number(order.amount.0);
        self.currency(order.currency);
        self.length(order.items.len());
        order.items.iter().for_each(|item| self.item(item));
        self.length(order.coupons.len());
        order.coupons.iter().for_each(|code| self.text(code));
        self.byte(match order.customer_type {
            None => 0,
            Some(CustomerType::New) => 1,
            Some(CustomerType::Returning) => 2,
        });
        self.option(order.channel.as_deref());
        self.byte(consent(order.consent));
        self.length(order.notes.len());
        for note in &order.notes {
            self.count(u64::from(note.number()));
        }
        self.length(order.listed.len());
        for member in &order.listed {
            self.member(member);
        }
    }

    fn input(&mut self, input: &Input) {
        self.id(input.id);
        self.byte(match input.kind {
            TouchKind::Click => 0,
            TouchKind::Impression => 1,
        });
        self.number(input.occurred_at.0);
        self.number(input.received_at.0);
        self.option(input.partner.as_ref().map(AsRef::as_ref));
        self.text(input.link.as_str());
        self.option(input.channel.as_ref().map(AsRef::as_ref));
        self.byte(consent(input.consent));
        self.count(u64::from(input.flags.bits()));
        self.byte(u8::from(input.judged.is_some()));
        if let Some(judged) = &input.judged {
            self.count(u64::from(judged.count));
            self.id(judged.first);
            self.text(&judged.reason);
        }
        self.count(u64::from(input.reports));
        self.byte(u8::from(input.reaches.click_id));
        self.byte(u8::from(input.reaches.exempt_click_id));
        self.byte(u8::from(input.reaches.shared_id));
        self.byte(u8::from(input.reaches.merge));
        self.byte(u8::from(input.claim_only));
    }

    fn finish(&self, domain: &'static str) -> ContentHash {
        ContentHasher::new(domain).bytes(&self.0).finish()
    }
}

/// Hash of everything that was read; `active` says of each candidate whether its partner may be credited.
pub(super) fn inputs_hash(
    order: &Order,
    inputs: &Inputs,
    active: &[bool],
    terms: &[TermsUsed],
    (version, model): (DecisionVersion, Model),
) -> ContentHash {
    let mut encoding = Encoding::with_room_for(inputs.candidates.len());
    encoding.count(u64::from(version.semantics));
    encoding.count(version.members);
    encoding.count(version.known);
    encoding.byte(match model {
        Model::Last => 0,
    });
    encoding.order(order);
    encoding.people(&inputs.identity.ids);
    encoding.people(&inputs.identity.merged);
    encoding.people(&inputs.identity.oversize);
    encoding.length(inputs.identity.crowded.len());
    for (id, epoch) in &inputs.identity.crowded {
        encoding.person(id);
        encoding.number(*epoch);
    }
    encoding.length(terms.len());
    for used in terms {
        encoding.text(&used.id);
        encoding.0.extend_from_slice(&used.hash.0);
    }
    encoding.length(inputs.candidates.len());
    for (input, active) in inputs.candidates.iter().zip(active) {
        encoding.input(input);
        encoding.byte(u8::from(*active));
    }
    encoding.finish("sillage decision inputs v1")
}

/// Hash of the candidates that a trace does not list, with their verdicts.
pub(super) fn unlisted_hash<'a>(
    unlisted: impl Iterator<Item = (&'a Input, Verdict)>,
) -> ContentHash {
    let mut encoding = Encoding::with_room_for(0);
    for (input, verdict) in unlisted {
        encoding.input(input);
        encoding.text(verdict.as_str());
    }
    encoding.finish("sillage decision unlisted v1")
}

const fn source(source: Source) -> u8 {
    match source {
        Source::S2s => 0,
        Source::Tag => 1,
        Source::Pixel => 2,
        Source::Import => 3,
    }
}

const fn trust(trust: Trust) -> u8 {
    match trust {
        Trust::Page => 0,
        Trust::Token => 1,
        Trust::Signed => 2,
    }
}

const fn consent(consent: Consent) -> u8 {
    match consent {
        Consent::Unknown => 0,
        Consent::Granted => 1,
        Consent::Exempt => 2,
        Consent::Denied => 3,
    }
}
