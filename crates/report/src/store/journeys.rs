//! Journeys: which partners had an eligible touch before an order, in which place. The highest decision holds.

use event::body::Decision;
use event::body::decision::Verdict;
use event::{Millis, PartnerName};
use rusqlite::{Error, OptionalExtension as _, params};

use super::counted::{BY_CLICK, BY_EVENT};
use super::rollup::GRAINS;
use super::write::Writer;
use crate::days::Zone;

/// The partner's touch was the first eligible one.
const INTRODUCER: i64 = 1;
/// One that was neither first nor last.
const BETWEEN: i64 = 2;
/// The last one.
const CLOSER: i64 = 4;

/// What became of a partner's touches before an order.
struct Place {
    partner: PartnerName,
    /// The newest one's reason code.
    code: u16,
    touched_at: i64,
    roles: i64,
    credited: bool,
}

/// A journey as far as rollups need it.
pub(super) struct Journey {
    program: i64,
    goal: String,
    converted_at: i64,
    reports: i64,
    /// Partner, newest touch, roles, credited.
    places: Vec<(i64, i64, i64, bool)>,
}

impl Writer<'_> {
    pub(super) fn decision(&mut self, decision: &Decision) -> Result<(), Error> {
        if decision.order.test {
            return Ok(());
        }
        let (program, zone) = self.zone(decision.order.program.as_str())?;
        let key = decision.order.to_string();
        let version = version(decision);
        let find = "SELECT id, version FROM journey WHERE key = ?1";
        let known: Option<(i64, Vec<u8>)> = self
            .db
            .prepare_cached(find)?
            .query_row([&key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let id = match known {
            Some((_, held)) if held >= version => return Ok(()),
            Some((id, _)) => {
                let held = self.journey(id)?;
                self.add_journey_days(&held, &zone, -1)?;
                self.db
                    .prepare_cached("DELETE FROM journey_partner WHERE journey = ?1")?
                    .execute([id])?;
                id
            }
            None => {
                let sql = "INSERT INTO journey (key, program, goal, version, converted_at, reports) \
                           VALUES (?1, ?2, ?3, x'', 0, 0)";
                let goal = decision.order.goal.as_str();
                self.db.prepare_cached(sql)?.insert(params![key, program, goal])?
            }
        };
        let sql = "UPDATE journey SET version = ?2, converted_at = ?3, winner_at = ?4, reports = ?5 WHERE id = ?1";
        let winner_at = decision.credits.first().map(|credit| credit.touched_at.0);
        let reports = i64::try_from(decision.version.members).unwrap_or(i64::MAX);
        let row = params![id, version, decision.converted_at.0, winner_at, reports];
        self.db.prepare_cached(sql)?.execute(row)?;
        for place in places(decision) {
            let partner = self.name(place.partner.as_str())?;
            let sql = "INSERT INTO journey_partner VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let Place { code, touched_at, roles, credited, .. } = place;
            let row = params![id, partner, code, touched_at, roles, credited];
            self.db.prepare_cached(sql)?.execute(row)?;
        }
        let journey = self.journey(id)?;
        self.add_journey_days(&journey, &zone, 1)
    }

    /// A journey as the file has it.
    pub(super) fn journey(&self, id: i64) -> Result<Journey, Error> {
        let sql = "SELECT program, goal, converted_at, reports FROM journey WHERE id = ?1";
        let mut journey = self.db.prepare_cached(sql)?.query_row([id], |row| {
            Ok(Journey {
                program: row.get(0)?,
                goal: row.get(1)?,
                converted_at: row.get(2)?,
                reports: row.get(3)?,
                places: Vec::new(),
            })
        })?;
        let sql = "SELECT partner, touched_at, roles, credited FROM journey_partner WHERE journey = ?1 AND roles > 0";
        let mut select = self.db.prepare_cached(sql)?;
        let places = select
            .query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        journey.places = places.collect::<Result<_, _>>()?;
        Ok(journey)
    }

    /// Adds a journey to the rollups, or takes it away (`sign` −1).
    pub(super) fn add_journey_days(
        &mut self,
        journey: &Journey,
        zone: &Zone,
        sign: i64,
    ) -> Result<(), Error> {
        let Journey { program, converted_at, reports, places, .. } = journey;
        let goal = self.name(&journey.goal)?;
        let own_day = zone.day(Millis(*converted_at));
        for basis in [BY_EVENT, BY_CLICK] {
            let place = |day, partner| [*program, goal, basis, day, partner];
            self.add_journey(place(own_day, 0), [sign, 0, 0, 0, 0, reports * sign])?;
            for (partner, touched_at, roles, credited) in places {
                let day = if basis == BY_EVENT { own_day } else { zone.day(Millis(*touched_at)) };
                let role = |role: i64| if roles & role == 0 { 0 } else { sign };
                let uncredited = if *credited { 0 } else { sign };
                let (first, between, last) = (role(INTRODUCER), role(BETWEEN), role(CLOSER));
                let counts = [sign, uncredited, first, between, last, 0];
                self.add_journey(place(day, *partner), counts)?;
            }
        }
        Ok(())
    }

    fn add_journey(&self, place: [i64; 5], counts: [i64; 6]) -> Result<(), Error> {
        let [program, goal, basis, day, partner] = place;
        let [orders, uncredited, introducer, middle, closer, reports] = counts;
        let sql = "INSERT INTO journey_sum VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
                   ON CONFLICT DO UPDATE SET orders = orders + excluded.orders, \
                   uncredited = uncredited + excluded.uncredited, introducer = introducer + excluded.introducer, \
                   middle = middle + excluded.middle, closer = closer + excluded.closer, \
                   reports = reports + excluded.reports";
        let mut insert = self.db.prepare_cached(sql)?;
        let sql = "DELETE FROM journey_sum WHERE program = ?1 AND goal = ?2 AND basis = ?3 AND grain = ?4 AND at = ?5 \
                   AND partner = ?6 AND orders = 0";
        for grain in GRAINS {
            let at = day.div_euclid(grain);
            insert.execute(params![
                program, goal, basis, grain, at, partner, orders, uncredited, introducer, middle,
                closer, reports
            ])?;
            if orders < 0 {
                let key = [program, goal, basis, grain, at, partner];
                self.db.prepare_cached(sql)?.execute(key)?;
            }
        }
        Ok(())
    }
}

/// Bytes that compare as the versions do.
fn version(decision: &Decision) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(50);
    bytes.extend_from_slice(&decision.version.semantics.to_be_bytes());
    bytes.extend_from_slice(&decision.version.members.to_be_bytes());
    bytes.extend_from_slice(&decision.version.known.to_be_bytes());
    bytes.extend_from_slice(decision.inputs_hash.to_string().as_bytes());
    bytes
}

/// Each partner once. Eligible are the touches that were credited, and those that only the model passed over.
fn places(decision: &Decision) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let candidates = &decision.trace.candidates; // the newest first
    let eligible = |verdict| matches!(verdict, Verdict::Credited | Verdict::NotSelected);
    let mut journey =
        candidates.iter().enumerate().filter(|(_, c)| eligible(c.verdict)).map(|(at, _)| at);
    let last = journey.next();
    let first = journey.next_back().or(last);
    for (at, candidate) in candidates.iter().enumerate() {
        let Some(partner) = &candidate.partner else { continue };
        let role = match () {
            () if !eligible(candidate.verdict) => 0,
            () if Some(at) == last && Some(at) == first => CLOSER | INTRODUCER,
            () if Some(at) == last => CLOSER,
            () if Some(at) == first => INTRODUCER,
            () => BETWEEN,
        };
        let credited = candidate.verdict == Verdict::Credited;
        match places.iter_mut().find(|place| place.partner == *partner) {
            Some(place) => {
                place.roles |= role;
                place.credited |= credited;
            }
            None => places.push(Place {
                partner: partner.clone(),
                code: candidate.code.number(),
                touched_at: candidate.touched_at.0,
                roles: role,
                credited,
            }),
        }
    }
    places
}
