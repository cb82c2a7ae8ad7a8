//! From an order to its candidates: identity, touches inside the horizon, and what was said about each.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use catalog::{ProgramRef, ProgramTerms};
use event::body::OrderRecord;
use event::body::decision::{IdentityTrace, Judged};
use event::{Consent, EventId, Flag, IdentityId, Millis};
use foldhash::fast::RandomState;
use smallvec::{SmallVec, smallvec};

use super::inputs::{Input, Inputs, Reaches};
use super::{AFTER_MS, DISPLACED_KNOWN, HORIZON_MS, OVERSIZE_KNOWN, closes_at};
use crate::evidence::{
    Evidence, Fact, FactKind, Flags, KnownTouch, LANDINGS_PER_TOUCH_MAX, Scope, Stamp, epoch_of,
};

/// Collects what `record` may read.
pub(super) fn gather<E: Evidence>(
    record: &OrderRecord,
    known: &E,
    program: ProgramRef<'_>,
) -> Result<Inputs, E::Error> {
    let converted_at = record.converted_at;
    let mut gathering = Gathering {
        record,
        known,
        scope: Scope { program: record.order.program.clone(), test: record.order.test },
        terms: &program.terms_at(converted_at).terms,
        closes_at: closes_at(converted_at, record.received_at, program),
        from: Millis(converted_at.0.saturating_sub(HORIZON_MS)),
        to: Millis(converted_at.0.saturating_add(AFTER_MS)),
        found: Vec::new(),
        facts: HashMap::default(),
        units: Vec::new(),
        displaced: Vec::new(),
    };
    gathering.run()
}

struct Gathering<'a, E> {
    record: &'a OrderRecord,
    known: &'a E,
    scope: Scope,
    terms: &'a ProgramTerms,
    closes_at: Millis,
    from: Millis,
    to: Millis,
    /// Touches found, at last each once and in total order.
    found: Vec<Found>,
    /// What was said about the touches that landing reports tell of.
    facts: HashMap<EventId, Vec<Fact>, RandomState>,
    /// Of each touch found: its id, the components it is reached from, and the count of known events about it.
    units: Vec<(EventId, Components, u64)>,
    /// For each landing report that is not among the first of its touch: the component whose id it told.
    displaced: Vec<usize>,
}

/// Places of components, each once.
type Components = SmallVec<[usize; 2]>;

/// A touch on its way to being a candidate.
struct Found {
    touch: KnownTouch,
    /// Its own event was seen.
    event: bool,
    /// The landing whose claim `touch` is, while the event was not seen.
    landing: Option<EventId>,
    reaches: Reaches,
    components: Components,
}

impl Found {
    const fn key(&self) -> (Millis, EventId) {
        (self.touch.occurred_at, self.touch.id)
    }

    /// Takes what a further way to the same touch tells. Its own event tells more than a landing's claim; of several
    /// claims the one of the smallest landing stands.
    fn join(&mut self, other: Self) {
        let better = match (other.event, self.event) {
            (true, false) => true,
            (false, false) => other.landing < self.landing,
            (true | false, true) => false,
        };
        self.reaches.shared_id |= other.reaches.shared_id;
        self.reaches.merge |= other.reaches.merge;
        for place in other.components {
            if !self.components.contains(&place) {
                self.components.push(place);
            }
        }
        if better {
            self.touch = other.touch;
            self.event = other.event;
            self.landing = other.landing;
        }
    }
}

/// Ids of one person, as this order may know it.
struct Component {
    ids: BTreeSet<IdentityId>,
    own: u64,
    merges: u64,
    oversize: bool,
}

impl<E: Evidence> Gathering<'_, E> {
    fn run(&mut self) -> Result<Inputs, E::Error> {
        let own: BTreeSet<IdentityId> = self.record.ids.iter().copied().collect();
        let components = self.components(&own)?;
        let mut identity =
            IdentityTrace { ids: own.iter().copied().collect(), ..Default::default() };
        for (place, component) in components.iter().enumerate() {
            for id in component.ids.iter().copied() {
                let direct = own.contains(&id);
                if !direct {
                    identity.merged.push(id);
                }
                self.touches_of(id, direct, place, &mut identity)?;
            }
            if component.oversize {
                identity.oversize.extend(component.ids.iter().copied());
            }
        }
        for part in [&mut identity.merged, &mut identity.oversize] {
            part.sort_unstable();
            part.dedup();
        }
        identity.crowded.sort_unstable();
        identity.crowded.dedup();
        self.sort();
        self.claims()?;
        self.events_behind_landings()?;
        let candidates = self.candidates()?;
        let known = self.count(&components, &identity);
        Ok(Inputs { candidates, identity, known })
    }

    fn admissible(&self, stamp: &Stamp) -> bool {
        stamp.lag_ms() <= self.terms.lateness_ms && stamp.received_at <= self.closes_at
    }

    /// A merge older than the horizon joins nothing: the state keeps it no longer than touches.
    fn joins(&self, stamp: &Stamp) -> bool {
        let until = self.record.converted_at.0.saturating_add(self.terms.merge_grace_ms);
        self.admissible(stamp) && (self.from.0..=until).contains(&stamp.occurred_at.0)
    }

    /// Components of the order's own ids. One with too many ids is ignored: then only the order's own id counts.
    fn components(&self, own: &BTreeSet<IdentityId>) -> Result<Vec<Component>, E::Error> {
        let mut components: Vec<Component> = Vec::new();
        for id in own {
            let joined = components.iter_mut().find(|c| !c.oversize && c.ids.contains(id));
            if let Some(component) = joined {
                component.own = component.own.saturating_add(1);
                continue;
            }
            components.push(self.component(*id)?);
        }
        Ok(components)
    }

    fn component(&self, start: IdentityId) -> Result<Component, E::Error> {
        let ids_max = usize::try_from(self.terms.identity_max).unwrap_or(usize::MAX);
        let mut ids = BTreeSet::from([start]);
        let mut merges: HashSet<(EventId, IdentityId, IdentityId), RandomState> =
            HashSet::default();
        let mut open = vec![start];
        let mut edges = Vec::new();
        let mut oversize = false;
        while let Some(id) = open.pop() {
            edges.clear();
            self.known.merges(&self.scope, &id, &|stamp| self.joins(stamp), &mut edges)?;
            for edge in &edges {
                merges.insert((edge.stamp.id, id.min(edge.other), id.max(edge.other)));
                if ids.insert(edge.other) {
                    open.push(edge.other);
                }
            }
            oversize |= ids.len() > ids_max;
            if oversize {
                break;
            }
        }
        let merges = if oversize { 0 } else { merges.len() as u64 };
        if oversize {
            ids = BTreeSet::from([start]);
        }
        Ok(Component { ids, own: 1, merges, oversize })
    }

    fn touches_of(
        &mut self,
        id: IdentityId,
        direct: bool,
        component: usize,
        identity: &mut IdentityTrace,
    ) -> Result<(), E::Error> {
        let mut reached = Vec::new();
        for epoch in epoch_of(self.from)..=epoch_of(self.to) {
            reached.clear();
            if !self.known.touches(&self.scope, &id, epoch, &mut reached)? {
                identity.crowded.push((id, epoch));
                continue;
            }
            for one in reached.drain(..) {
                let counts = match &one.landing {
                    Some(stamp) => self.admissible(stamp),
                    None => one.touch.received_at <= self.closes_at,
                };
                if !counts || !self.in_horizon(one.touch.occurred_at) {
                    continue;
                }
                if let Some(stamp) = &one.landing
                    && !self.reaches(one.touch.id, stamp)?
                {
                    self.displaced.push(component);
                    continue;
                }
                let reaches = Reaches { shared_id: direct, merge: !direct, ..Reaches::default() };
                self.found.push(Found {
                    event: one.landing.is_none(),
                    landing: one.landing.map(|stamp| stamp.id),
                    touch: one.touch,
                    reaches,
                    components: smallvec![component],
                });
            }
        }
        Ok(())
    }

    /// Whether a touch is reached by the ids that this landing report told.
    fn reaches(&mut self, touch: EventId, landing: &Stamp) -> Result<bool, E::Error> {
        let facts = match self.facts.entry(touch) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let mut facts = Vec::new();
                self.known.facts(&self.scope.program, touch, &mut facts)?;
                place.insert(facts)
            }
        };
        let landings = facts.iter().filter(|fact| matches!(fact.kind, FactKind::Landing(_)));
        Ok(landings.take(LANDINGS_PER_TOUCH_MAX).any(|fact| fact.stamp.id == landing.id))
    }

    /// Puts what was found into total order, each touch once.
    fn sort(&mut self) {
        self.found.sort_by_key(Found::key);
        let mut once: Vec<Found> = Vec::with_capacity(self.found.len());
        for found in self.found.drain(..) {
            match once.last_mut() {
                Some(last) if last.key() == found.key() => last.join(found),
                _ => once.push(found),
            }
        }
        self.found = once;
    }

    fn in_horizon(&self, at: Millis) -> bool {
        self.from <= at && at <= self.to
    }

    /// The touches of the order's own click ids. What the claim says stands; the event adds flags.
    fn claims(&mut self) -> Result<(), E::Error> {
        let claims = [(&self.record.click, false), (&self.record.exempt_click, true)];
        for (claim, exempt) in claims {
            let Some(claim) = claim else { continue };
            let mut touch = KnownTouch::claimed(claim);
            let place = self.found.iter().position(|found| found.touch.id == touch.id);
            let (mut reaches, mut components) = (Reaches::default(), Components::new());
            let mut event = None;
            if let Some(place) = place {
                let found = self.found.remove(place);
                reaches = found.reaches;
                components = found.components;
                event = found.event.then_some(found.touch);
            }
            if event.is_none() {
                event = self.known.touch(&self.scope.program, touch.id)?;
            }
            let event = event.filter(|event| event.received_at <= self.closes_at);
            if let Some(event) = &event {
                touch.flags = touch.flags.union(event.flags);
                touch.test |= event.test;
                if !claim.id.is_minted() {
                    // An id made elsewhere holds no time.
                    touch.occurred_at = event.occurred_at;
                    touch.received_at = event.received_at;
                }
            }
            if !self.in_horizon(touch.occurred_at) {
                continue;
            }
            reaches.click_id |= !exempt;
            reaches.exempt_click_id |= exempt;
            let found = Found { event: event.is_some(), landing: None, touch, reaches, components };
            let place = self.found.partition_point(|other| other.key() < found.key());
            self.found.insert(place, found);
        }
        Ok(())
    }

    /// A touch that was reached by a landing's ids may have its own event under other ids, or none.
    fn events_behind_landings(&mut self) -> Result<(), E::Error> {
        for found in &mut self.found {
            if found.event || found.landing.is_none() {
                continue;
            }
            let event = self.known.touch(&self.scope.program, found.touch.id)?;
            if let Some(event) = event.filter(|event| {
                event.received_at <= self.closes_at && event.occurred_at == found.touch.occurred_at
            }) {
                found.touch = event;
                found.event = true;
            }
        }
        Ok(())
    }

    fn candidates(&mut self) -> Result<Vec<Input>, E::Error> {
        let mut inputs = Vec::with_capacity(self.found.len());
        let mut buffer = Vec::new();
        for found in std::mem::take(&mut self.found) {
            let Found { touch, event, reaches, components, .. } = found;
            let facts = match self.facts.get(&touch.id) {
                Some(facts) => facts,
                None => {
                    buffer.clear();
                    self.known.facts(&self.scope.program, touch.id, &mut buffer)?;
                    &buffer
                }
            };
            let said = self.fold(facts, touch.consent);
            // Counted also if it is no candidate (now): the count must only grow.
            let judgements = said.judged.as_ref().map_or(0, |judged| u64::from(judged.count));
            let units = u64::from(event) + judgements + u64::from(said.reports);
            self.units.push((touch.id, components, units));
            let no_touch = touch.test != self.scope.test
                || touch.consent == Consent::Denied
                || touch.flags.meets(Flags::of(&[Flag::Head]));
            let ahead = touch.flags.meets(Flags::of(&[Flag::Prefetch, Flag::Prerender]));
            if no_touch || (ahead && !said.activated && !reaches.linked()) {
                continue;
            }
            inputs.push(Input {
                id: touch.id,
                kind: touch.kind,
                occurred_at: touch.occurred_at,
                received_at: touch.received_at,
                partner: touch.partner,
                link: touch.link,
                channel: touch.channel,
                consent: said.consent,
                flags: touch.flags,
                judged: said.judged,
                reports: said.reports,
                reaches,
                claim_only: !event,
            });
        }
        Ok(inputs)
    }

    fn fold(&self, facts: &[Fact], own_consent: Consent) -> Said {
        let mut said = Said { consent: own_consent, judged: None, reports: 0, activated: false };
        let mut chosen: Option<(Millis, EventId)> = None;
        for Fact { stamp, kind } in facts.iter().filter(|fact| self.admissible(&fact.stamp)) {
            match kind {
                FactKind::Landing(choice) => {
                    said.reports = said.reports.saturating_add(1);
                    // Nobody chooses to be unknown, and what is exempt rests on no choice.
                    let Some(choice) = choice.filter(|choice| *choice != Consent::Unknown) else {
                        continue;
                    };
                    let at = (stamp.occurred_at, stamp.id);
                    if stamp.occurred_at <= self.record.converted_at
                        && own_consent != Consent::Exempt
                        && chosen.is_none_or(|last| last < at)
                    {
                        chosen = Some(at);
                        said.consent = choice;
                    }
                }
                FactKind::Activation => {
                    said.reports = said.reports.saturating_add(1);
                    said.activated = true;
                }
                FactKind::Judgement(reason) => {
                    let grace = self.terms.flag_grace_ms;
                    let until = grace.map(|ms| self.record.converted_at.0.saturating_add(ms));
                    if until.is_none_or(|until| stamp.received_at.0 <= until) {
                        said.judge(stamp.id, reason);
                    }
                }
            }
        }
        said
    }

    /// Count of distinct events known, by each id of the order and by its click ids: grows with the set.
    fn count(&self, components: &[Component], identity: &IdentityTrace) -> u64 {
        let mut known: u64 = 0;
        for component in components {
            let crowded = identity.crowded.iter().any(|(id, _)| component.ids.contains(id));
            let ignored = if component.oversize || crowded { OVERSIZE_KNOWN } else { 0 };
            let one = component.merges.saturating_add(ignored);
            known = known.saturating_add(one.saturating_mul(component.own));
        }
        for component in self.displaced.iter().filter_map(|place| components.get(*place)) {
            known = known.saturating_add(DISPLACED_KNOWN.saturating_mul(component.own));
        }
        let clicks = [&self.record.click, &self.record.exempt_click];
        for (id, places, units) in &self.units {
            let own = places.iter().filter_map(|place| components.get(*place));
            let own = own.fold(0_u64, |sum, component| sum.saturating_add(component.own));
            let claims = clicks.iter().filter(|c| c.as_ref().is_some_and(|c| c.id == *id)).count();
            let times = own.saturating_add(claims as u64);
            known = known.saturating_add(units.saturating_mul(times));
        }
        known
    }
}

/// What was said about one touch.
struct Said {
    consent: Consent,
    judged: Option<Judged>,
    reports: u32,
    activated: bool,
}

impl Said {
    fn judge(&mut self, id: EventId, reason: &str) {
        let new = || Judged { count: 0, first: id, reason: reason.to_owned() };
        let judged = self.judged.get_or_insert_with(new);
        judged.count = judged.count.saturating_add(1);
        if id < judged.first {
            judged.first = id;
            reason.clone_into(&mut judged.reason);
        }
    }
}
