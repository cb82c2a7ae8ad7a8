//! The catalog as decisions and redirects read it: immutable, with a generation number.

use std::collections::HashMap;
use std::sync::Arc;

use event::{LinkId, Millis, PartnerId, PartnerName, ProgramId, ProgramName, SegmentName};
use foldhash::fast::RandomState;

use crate::error::Error;
use crate::limits;
use crate::partner::{Membership, Partner};
use crate::program::{Program, TokenHash};
use crate::record::{Kind, Known, Recorded, State};
use crate::terms::{Hashed, LevelTerms, Lookback, ProgramTerms, TermsRef, TermsVersion};
use crate::timeline::Timeline;

mod commission;
mod links;
mod lock;
mod resolve;
#[cfg(test)]
mod tests;

pub use commission::{CommissionTerms, Forfeit, Occasion, RankedRule};
pub use links::{LinkRef, Unavailable};
pub use resolve::{ChannelTreatment, Level, Resolved, Standing, TouchTerms};

use links::LinkTable;
pub(crate) use resolve::channel_key;

type Map<K, V> = HashMap<K, V, RandomState>;

/// The whole catalog at one generation.
#[derive(Debug)]
pub struct Snapshot {
    generation: u64,
    recorded_at: Option<Millis>,
    programs: Vec<ProgramEntry>,
    program_names: Map<ProgramName, usize>,
    program_numbers: Map<u32, usize>,
    partners: Vec<PartnerEntry>,
    partner_names: Map<PartnerName, usize>,
    partner_numbers: Map<u32, usize>,
    tokens: Map<TokenHash, usize>,
    report_keys: Map<Box<str>, usize>,
    links: LinkTable,
}

#[derive(Debug)]
struct ProgramEntry {
    id: ProgramId,
    name: ProgramName,
    retired: bool,
    known: Known,
    body: Arc<Program>,
    defaults: TermsVersion<ProgramTerms>,
    terms: Vec<TermsVersion<ProgramTerms>>,
    segments: Map<SegmentName, Vec<TermsVersion<LevelTerms>>>,
    members: Map<PartnerName, Member>,
    cookie_max_age_ms: i64,
}

#[derive(Debug)]
struct Member {
    partner: Arc<Partner>,
    terms: Vec<TermsVersion<LevelTerms>>,
}

#[derive(Debug)]
struct PartnerEntry {
    id: PartnerId,
    name: PartnerName,
    retired: bool,
    known: Known,
    body: Arc<Partner>,
}

/// A program in a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct ProgramRef<'a> {
    entry: &'a ProgramEntry,
}

/// A partner in a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct PartnerRef<'a> {
    entry: &'a PartnerEntry,
}

impl Snapshot {
    /// The snapshot of a state.
    ///
    /// # Errors
    /// [`Error::Dangling`] if an object names one that is not there, [`Error::NumberTaken`] if two objects share a
    /// number, [`Error::TooManyLinks`].
    pub fn build(state: &State) -> Result<Self, Error> {
        let mut snapshot = Self {
            generation: state.generation,
            recorded_at: state.recorded_at,
            programs: Vec::with_capacity(state.programs.len()),
            program_names: Map::default(),
            program_numbers: Map::default(),
            partners: Vec::with_capacity(state.partners.len()),
            partner_names: Map::default(),
            partner_numbers: Map::default(),
            tokens: Map::default(),
            report_keys: Map::default(),
            links: LinkTable::default(),
        };
        for (name, recorded) in &state.programs {
            snapshot.add_program(name, recorded)?;
        }
        for (name, recorded) in &state.partners {
            snapshot.add_partner(name, recorded)?;
        }
        if state.links.len() > limits::LINKS_MAX {
            return Err(Error::TooManyLinks { max: limits::LINKS_MAX });
        }
        snapshot.links = LinkTable::build(state, &snapshot)?;
        Ok(snapshot)
    }

    fn add_program(
        &mut self,
        name: &ProgramName,
        recorded: &Recorded<Program>,
    ) -> Result<(), Error> {
        let index = self.programs.len();
        if self.program_numbers.insert(recorded.number, index).is_some() {
            return Err(taken(Kind::Program, name.as_str(), recorded.number));
        }
        self.program_names.insert(name.clone(), index);
        let body = Arc::clone(&recorded.body);
        if !recorded.retired {
            self.tokens.extend(body.reports.token_sha256.iter().map(|hash| (*hash, index)));
            self.report_keys.extend(body.reports.hmac_keys.iter().map(|id| (id.clone(), index)));
        }
        let object = format!("program/{name}");
        let terms = named(&object, &body.terms);
        let segments: Map<_, _> = body
            .segments
            .iter()
            .map(|(segment, part)| {
                (segment.clone(), named(&format!("{object}/segment/{segment}"), &part.terms))
            })
            .collect();
        let built_in = ProgramTerms::default();
        let id = format!("{object}/terms/0").into();
        let reference = TermsRef { id, hash: built_in.content_hash(None) };
        let defaults =
            TermsVersion { valid_from: None, valid_to: None, reference, terms: built_in };
        let own = std::iter::once(&defaults)
            .chain(&terms)
            .flat_map(|version| [version.terms.lookback_click, version.terms.lookback_impression]);
        let cookie_max_age_ms = own
            .chain(segments.values().flatten().flat_map(lookbacks))
            .fold(0, |longest, lookback| longest.max(milliseconds(lookback)));
        self.programs.push(ProgramEntry {
            id: ProgramId(recorded.number),
            name: name.clone(),
            retired: recorded.retired,
            known: recorded.known(),
            body,
            defaults,
            terms,
            segments,
            members: Map::default(),
            cookie_max_age_ms,
        });
        Ok(())
    }

    fn add_partner(
        &mut self,
        name: &PartnerName,
        recorded: &Recorded<Partner>,
    ) -> Result<(), Error> {
        let index = self.partners.len();
        if self.partner_numbers.insert(recorded.number, index).is_some() {
            return Err(taken(Kind::Partner, name.as_str(), recorded.number));
        }
        self.partner_names.insert(name.clone(), index);
        for (program, membership) in &recorded.body.programs {
            let entry = self
                .program_names
                .get(program)
                .and_then(|at| self.programs.get_mut(*at))
                .ok_or_else(|| {
                dangling(&format!("partner/{name}"), "program", program.as_str())
            })?;
            let terms = named(&format!("partner/{name}/program/{program}"), &membership.terms);
            entry.cookie_max_age_ms = terms
                .iter()
                .flat_map(lookbacks)
                .fold(entry.cookie_max_age_ms, |longest, l| longest.max(milliseconds(l)));
            let partner = Arc::clone(&recorded.body);
            entry.members.insert(name.clone(), Member { partner, terms });
        }
        self.partners.push(PartnerEntry {
            id: PartnerId(recorded.number),
            name: name.clone(),
            retired: recorded.retired,
            known: recorded.known(),
            body: Arc::clone(&recorded.body),
        });
        Ok(())
    }

    /// Count of versions it is made of; grows with each change, and is the same on every node.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// When its newest version was recorded; none: it is empty.
    #[must_use]
    pub const fn recorded_at(&self) -> Option<Millis> {
        self.recorded_at
    }

    /// The live link with this name. Deleted ones are not found by name.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<LinkRef<'_>> {
        self.links.by_name(name).and_then(|row| LinkRef::new(self, row))
    }

    /// The link with this number, deleted or not: a token may name it for long.
    #[must_use]
    pub fn link_by_id(&self, id: LinkId) -> Option<LinkRef<'_>> {
        self.links.by_number(id.0).and_then(|row| LinkRef::new(self, row))
    }

    /// All links, deleted ones too, in the order of their numbers.
    pub fn links(&self) -> impl Iterator<Item = LinkRef<'_>> {
        (0..self.links.len()).filter_map(|row| LinkRef::new(self, row))
    }

    /// Count of links that are found by name.
    #[must_use]
    pub const fn link_count(&self) -> usize {
        self.links.found_by_name()
    }

    /// Bytes that the table of links takes.
    #[must_use]
    pub const fn link_bytes(&self) -> usize {
        self.links.bytes()
    }

    /// The program with this name. Deleted ones are found too ([`ProgramRef::is_retired`]): past orders name them.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<ProgramRef<'_>> {
        self.program_at(*self.program_names.get(name)?)
    }

    /// The program with this number, deleted or not.
    #[must_use]
    pub fn program_by_id(&self, id: ProgramId) -> Option<ProgramRef<'_>> {
        self.program_at(*self.program_numbers.get(&id.0)?)
    }

    /// The program whose token has this hash.
    #[must_use]
    pub fn program_by_token(&self, hash: &TokenHash) -> Option<ProgramRef<'_>> {
        self.program_at(*self.tokens.get(hash)?)
    }

    /// The program whose server calls the key with this id signs.
    #[must_use]
    pub fn program_by_report_key(&self, key_id: &str) -> Option<ProgramRef<'_>> {
        self.program_at(*self.report_keys.get(key_id)?)
    }

    /// All programs, deleted ones too, by name.
    pub fn programs(&self) -> impl Iterator<Item = ProgramRef<'_>> {
        self.programs.iter().map(|entry| ProgramRef { entry })
    }

    /// The partner with this name, deleted or not.
    #[must_use]
    pub fn partner(&self, name: &str) -> Option<PartnerRef<'_>> {
        self.partner_at(*self.partner_names.get(name)?)
    }

    /// The partner with this number, deleted or not. 0, the merchant's own channel, is none.
    #[must_use]
    pub fn partner_by_id(&self, id: PartnerId) -> Option<PartnerRef<'_>> {
        self.partner_at(*self.partner_numbers.get(&id.0)?)
    }

    /// All partners, deleted ones too, by name.
    pub fn partners(&self) -> impl Iterator<Item = PartnerRef<'_>> {
        self.partners.iter().map(|entry| PartnerRef { entry })
    }

    fn program_at(&self, index: usize) -> Option<ProgramRef<'_>> {
        self.programs.get(index).map(|entry| ProgramRef { entry })
    }

    fn partner_at(&self, index: usize) -> Option<PartnerRef<'_>> {
        self.partners.get(index).map(|entry| PartnerRef { entry })
    }
}

impl<'a> ProgramRef<'a> {
    /// Its number.
    #[must_use]
    pub const fn id(&self) -> ProgramId {
        self.entry.id
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'a ProgramName {
        &self.entry.name
    }

    /// Whether it was deleted: nothing new may name it.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        self.entry.retired
    }

    /// Since when the catalog has it, and until when.
    #[must_use]
    pub const fn known(&self) -> Known {
        self.entry.known
    }

    /// Its last version.
    #[must_use]
    pub fn body(&self) -> &'a Program {
        &self.entry.body
    }

    /// Life of its cookies, in milliseconds: as set, else its longest lookback window.
    #[must_use]
    pub fn cookie_max_age_ms(&self) -> i64 {
        self.entry.body.cookie.max_age_ms.unwrap_or(self.entry.cookie_max_age_ms)
    }

    /// Names of the partners that have a part in it, in no particular order.
    pub fn members(&self) -> impl Iterator<Item = &'a PartnerName> {
        self.entry.members.keys()
    }

    /// The part of a partner in it.
    #[must_use]
    pub fn membership(&self, partner: &str) -> Option<&'a Membership> {
        let member = self.entry.members.get(partner)?;
        member.partner.programs.get(self.entry.name.as_str())
    }
}

impl<'a> PartnerRef<'a> {
    /// Its number.
    #[must_use]
    pub const fn id(&self) -> PartnerId {
        self.entry.id
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'a PartnerName {
        &self.entry.name
    }

    /// Whether it was deleted.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        self.entry.retired
    }

    /// Since when the catalog has it, and until when.
    #[must_use]
    pub const fn known(&self) -> Known {
        self.entry.known
    }

    /// Its last version.
    #[must_use]
    pub fn body(&self) -> &'a Partner {
        &self.entry.body
    }
}

fn lookbacks(version: &TermsVersion<LevelTerms>) -> [Lookback; 2] {
    let LevelTerms { lookback_click, lookback_impression, .. } = version.terms;
    [lookback_click, lookback_impression].map(|lookback| lookback.unwrap_or(Lookback::Off))
}

const fn milliseconds(lookback: Lookback) -> i64 {
    match lookback {
        Lookback::Off => 0,
        Lookback::Within(ms) => ms,
    }
}

/// The versions of a timeline with their names (`object/terms/1` …) and hashes.
fn named<T: Hashed + Clone>(object: &str, timeline: &Timeline<T>) -> Vec<TermsVersion<T>> {
    let versions = timeline.versions().iter().zip(1_usize..);
    versions
        .map(|(version, place)| TermsVersion {
            valid_from: version.valid_from,
            valid_to: version.valid_to,
            reference: TermsRef {
                id: format!("{object}/terms/{place}").into(),
                hash: version.value.content_hash(version.valid_from),
            },
            terms: version.value.clone(),
        })
        .collect()
}

fn taken(kind: Kind, name: &str, number: u32) -> Error {
    Error::NumberTaken { object: format!("{}/{name}", kind.as_str()).into(), number }
}

fn dangling(object: &str, kind: &str, name: &str) -> Error {
    Error::Dangling { object: object.into(), missing: format!("{kind}/{name}").into() }
}
