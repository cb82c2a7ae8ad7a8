//! Records of the topics: what there is to count.

use catalog::{ProgramTerms, Snapshot};
use event::body::{Touch, TouchKind};
use event::envelope::CODEC_JSON;
use event::{Body, Envelope, EventType, Flag};
use eventlog::Record;

use crate::store::{Fact, Reason, Waiting};

/// What a record is to the report.
pub(super) enum Read {
    /// To be counted.
    Fact(Fact),
    /// Nothing of it is counted.
    Skipped,
    /// Not readable by this version, and why.
    Unreadable(String),
}

pub(super) fn read(record: &Record, catalog: &Snapshot) -> Read {
    if record.codec != CODEC_JSON {
        return Read::Unreadable(format!("codec {} is not known to this version", record.codec));
    }
    let counted = [
        EventType::Click,
        EventType::Impression,
        EventType::Activation,
        EventType::Decision,
        EventType::Posting,
    ];
    if EventType::from_number(record.kind).is_some_and(|kind| !counted.contains(&kind)) {
        return Read::Skipped;
    }
    let envelope = match Envelope::read(&record.payload) {
        Ok(envelope) => envelope,
        Err(fault) => return Read::Unreadable(fault.in_words()),
    };
    fact(envelope, catalog).map_or(Read::Skipped, Read::Fact)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is counted is listed above")]
fn fact(envelope: Envelope, catalog: &Snapshot) -> Option<Fact> {
    let Envelope { id, occurred_at: at, program, test, body, .. } = envelope;
    let (kind, touch) = match body {
        Body::Click(touch) => (TouchKind::Click, touch),
        Body::Impression(touch) => (TouchKind::Impression, touch),
        Body::Activation(activation) => {
            return Some(Fact::Activation { click: activation.click.id, at });
        }
        Body::Decision(decision) => return Some(Fact::Decision(decision)),
        Body::Posting(posting) => return Some(Fact::Posting(posting)),
        _ => return None,
    };
    let waiting = Waiting { id, at, program: program?, kind, test, touch };
    Some(judged(&waiting, catalog).unwrap_or_else(|| Fact::Waiting(Box::new(waiting))))
}

/// A touch with why it does not count; none while the catalog does not name its program.
pub(super) fn judged(waiting: &Waiting, catalog: &Snapshot) -> Option<Fact> {
    let Waiting { id, at, program, kind, test, touch } = waiting;
    let terms = catalog.program(program.as_str())?.terms_at(*at);
    let reason = reason(&terms.terms, touch, *test);
    let touch = Box::new(touch.clone());
    Some(Fact::Touch { id: *id, at: *at, program: program.clone(), kind: *kind, touch, reason })
}

/// Why a touch does not count, the first reason that applies.
fn reason(terms: &ProgramTerms, touch: &Touch, test: bool) -> Reason {
    let has = |flags: &[Flag]| touch.flags.iter().any(|flag| flags.contains(flag));
    let unavailable =
        [Flag::LinkDisabled, Flag::LinkExpired, Flag::ProgramPaused, Flag::PartnerEnded];
    if test || has(&[Flag::Test]) {
        return Reason::Test;
    }
    if has(&[Flag::Head]) {
        return Reason::Head;
    }
    if has(&unavailable) {
        return Reason::Unavailable;
    }
    if let Some(flag) = touch.flags.iter().find(|flag| terms.excluded_flags.contains(flag)) {
        return excluded_by(*flag);
    }
    if has(&[Flag::Prefetch, Flag::Prerender]) { Reason::Ahead } else { Reason::Valid }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "terms may exclude any flag")]
const fn excluded_by(flag: Flag) -> Reason {
    match flag {
        Flag::BotUa | Flag::NoUa => Reason::Automated,
        Flag::Datacenter => Reason::Datacenter,
        Flag::ImageLoad | Flag::Iframe => Reason::NotNavigation,
        _ => Reason::Excluded,
    }
}
