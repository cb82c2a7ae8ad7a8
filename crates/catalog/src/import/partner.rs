//! Partners, as the file writes them.

use std::collections::{BTreeMap, HashMap};

use event::{Currency, PartnerName, ProgramName, SegmentName};

use super::program::{level_terms, title};
use super::section::{Field, LaterKey, Section};
use super::terms::{BESIDE_TERMS, Dated};
use crate::limits;
use crate::partner::{End, EndMode, Membership, Partner, PartnerKind, PartnerState};
use crate::program::Program;

type Currencies<'a> = HashMap<&'a str, Currency>;

const LATER: [LaterKey; 4] = [
    ("postback", "outbound postbacks"),
    ("payout", "payouts"),
    ("tax", "payouts"),
    ("site_verified", "proof that a site is the partner's"),
];
const MEMBER_LATER: [LaterKey; 3] = [
    ("tier", "ranked classes of partners"),
    ("coupons", "coupon codes with owners"),
    ("accepted", "acceptance of terms by the partner"),
];

pub(super) fn read_all(
    all: &Section<'_>,
    programs: &[(ProgramName, Program)],
) -> Vec<(PartnerName, Partner)> {
    let currencies =
        programs.iter().map(|(name, program)| (name.as_str(), program.currency)).collect();
    let objects = all.objects::<PartnerName>().into_iter();
    objects.map(|(name, section)| (name, read(section, &currencies))).collect()
}

/// A faulty field refuses the file; what stands in its place is only there so that the rest can be checked.
fn read(section: Section<'_>, currencies: &Currencies<'_>) -> Partner {
    let title = title(&section);
    let kind = section
        .required("kind", "\"content\"")
        .and_then(|field| field.word(&PartnerKind::ALL.map(|kind| (kind.as_str(), kind))));
    let programs = section
        .required("program", "{ NAME = { state = \"approved\" } }")
        .and_then(|field| field.table());
    let mut memberships = BTreeMap::new();
    for (name, part) in programs.iter().flat_map(Section::objects::<ProgramName>) {
        // A part in a program that does not exist refuses the file by itself.
        let currency = currencies.get(name.as_str()).copied();
        memberships.insert(name, membership(part, currency));
    }
    section.finish(&LATER);
    Partner {
        title: title.unwrap_or_default(),
        kind: kind.unwrap_or(PartnerKind::Cashback),
        programs: memberships,
    }
}

fn membership(section: Section<'_>, currency: Option<Currency>) -> Membership {
    let state = section.required("state", "\"approved\"").and_then(|field| {
        let dated = Dated { ends: false };
        dated.read(&field, state, &[], &[])
    });
    let segment = section.field("segment").and_then(|field| {
        let dated = Dated { ends: true };
        dated.read(&field, segment, &[], &[])
    });
    let currency = currency.or_else(|| "EUR".parse().ok());
    let terms = currency.map(|currency| level_terms(&section, currency)).unwrap_or_default();
    section.finish_with(&MEMBER_LATER, &BESIDE_TERMS);
    Membership { state: state.unwrap_or_default(), segment: segment.unwrap_or_default(), terms }
}

fn state(version: &Section<'_>, word: Option<&Field<'_>>) -> Option<PartnerState> {
    const STATES: [(&str, Word); 6] = [
        ("invited", Word::Invited),
        ("applied", Word::Applied),
        ("approved", Word::Approved),
        ("rejected", Word::Rejected),
        ("suspended", Word::Suspended),
        ("ended", Word::Ended),
    ];
    let value = match word {
        Some(word) => word.word(&STATES)?,
        None => version.required("value", "\"approved\"")?.word(&STATES)?,
    };
    let [mode, reason, evidence] = ["mode", "reason", "evidence"].map(|key| version.field(key));
    let plain = match value {
        Word::Ended => {
            return ended(version, mode.as_ref(), reason.as_ref(), evidence.as_ref());
        }
        Word::Invited => PartnerState::Invited,
        Word::Applied => PartnerState::Applied,
        Word::Approved => PartnerState::Approved,
        Word::Rejected => PartnerState::Rejected,
        Word::Suspended => PartnerState::Suspended,
    };
    for field in [mode, reason, evidence].into_iter().flatten() {
        field.fault("belongs to the state \"ended\" only", "remove it");
    }
    Some(plain)
}

#[derive(Clone, Copy)]
enum Word {
    Invited,
    Applied,
    Approved,
    Rejected,
    Suspended,
    Ended,
}

fn ended(
    version: &Section<'_>,
    mode: Option<&Field<'_>>,
    reason: Option<&Field<'_>>,
    evidence: Option<&Field<'_>>,
) -> Option<PartnerState> {
    const MODES: [(&str, EndMode); 3] =
        [("freeze", EndMode::Freeze), ("run_off", EndMode::RunOff), ("forfeit", EndMode::Forfeit)];
    let mode = match mode {
        Some(field) => field.word(&MODES)?,
        None => EndMode::RunOff,
    };
    let text = |field: Option<&Field<'_>>| {
        field.and_then(|field| field.text(limits::TEXT_BYTES_MAX)).map(Into::into)
    };
    let end = End { mode, reason: text(reason), evidence: text(evidence) };
    if mode == EndMode::Forfeit {
        for (key, given) in [("reason", &end.reason), ("evidence", &end.evidence)] {
            if given.is_none() {
                version.sink.push(
                    version.at,
                    format!("{}.{key}", version.path),
                    "is missing: open orders are taken away only with a reason and evidence",
                    format!("add `{key} = \"…\"`, or end it by \"freeze\" or \"run_off\""),
                );
            }
        }
    }
    Some(PartnerState::Ended(end))
}

fn segment(version: &Section<'_>, word: Option<&Field<'_>>) -> Option<SegmentName> {
    const REMEDY: &str = "write the name of a segment of the program";
    match word {
        Some(word) => word.parsed(REMEDY),
        None => version.required("value", "\"…\"")?.parsed(REMEDY),
    }
}
