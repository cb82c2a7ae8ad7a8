//! Touches counted as they come, by place and minute.

use std::collections::{BTreeMap, HashMap};

use event::{EventId, Flag, Millis, ProgramName};
use rusqlite::{OptionalExtension as _, params};

use super::{kind_number, kind_of};
use crate::days::{MINUTE_MS, Place, Tally, Zone};
use crate::store::{During as _, StoreError, Writing};

/// What is said of a touch by another record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// It was not made by a person.
    Judged,
    /// It was fetched ahead, and then really happened.
    Activated,
}

impl Note {
    const ALL: [Self; 2] = [Self::Judged, Self::Activated];

    const fn number(self) -> i64 {
        match self {
            Self::Judged => 0,
            Self::Activated => 1,
        }
    }
}

/// What one batch of touches adds; written when it ends.
pub(crate) struct Counting<'w, 's> {
    writing: &'w Writing<'s>,
    zones: &'w BTreeMap<ProgramName, Zone>,
    places: HashMap<Place, i64>,
    programs: HashMap<i64, ProgramName>,
    counts: BTreeMap<(i64, i64), i64>,
    /// Touches of before are forgotten, whether they were counted or not.
    kept_since: Option<Millis>,
}

impl<'w, 's> Counting<'w, 's> {
    pub(crate) fn new(
        writing: &'w Writing<'s>,
        zones: &'w BTreeMap<ProgramName, Zone>,
    ) -> Result<Self, StoreError> {
        let (places, programs) = (HashMap::new(), HashMap::new());
        let kept_since = writing.touches_kept_since()?;
        Ok(Self { writing, zones, places, programs, counts: BTreeMap::new(), kept_since })
    }

    fn is_forgotten(&self, touch: EventId) -> bool {
        touch.is_minted() && self.kept_since.is_some_and(|since| touch.time() < since)
    }

    /// Counts a touch, unless it was seen before; whether it is new.
    pub(crate) fn touch(
        &mut self,
        id: EventId,
        at: Millis,
        (place, ahead): (Place, bool),
    ) -> Result<bool, StoreError> {
        if self.is_forgotten(id) {
            return Ok(false);
        }
        let minute = at.0.div_euclid(MINUTE_MS);
        let place = self.place(place)?;
        let row = params![id.as_bytes(), place, minute, ahead];
        if self.writing.run("INSERT OR IGNORE INTO day_touches VALUES (?, ?, ?, ?)", row)? == 0 {
            return Ok(false);
        }
        let said = self.notes(id)?;
        if counts(ahead, said) {
            self.add(place, minute, 1);
        }
        Ok(true)
    }

    /// Takes down what is said of a touch, known or not.
    pub(crate) fn note(&mut self, touch: EventId, note: Note) -> Result<(), StoreError> {
        if self.is_forgotten(touch) {
            return Ok(());
        }
        let before = self.notes(touch)?;
        let row = params![touch.as_bytes(), note.number()];
        if self.writing.run("INSERT OR IGNORE INTO day_notes VALUES (?, ?)", row)? == 0 {
            return Ok(());
        }
        let found = self
            .writing
            .connection
            .prepare_cached("SELECT place, minute, ahead FROM day_touches WHERE id = ?")
            .and_then(|mut found| {
                let columns = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
                found.query_row(params![touch.as_bytes()], columns).optional()
            })
            .during("look for a touch of the book")?;
        let Some((place, minute, ahead)) = found else { return Ok(()) };
        let after = self.notes(touch)?;
        match (counts(ahead, before), counts(ahead, after)) {
            (false, true) => self.add(place, minute, 1),
            (true, false) => self.add(place, minute, -1),
            (true, true) | (false, false) => {}
        }
        Ok(())
    }

    /// Whether it is judged, and whether it is activated.
    fn notes(&self, touch: EventId) -> Result<[bool; 2], StoreError> {
        const DOING: &str = "read what is said of a touch";
        let mut found = self
            .writing
            .connection
            .prepare_cached("SELECT note FROM day_notes WHERE touch = ?")
            .during(DOING)?;
        let rows = found.query_map(params![touch.as_bytes()], |row| row.get(0)).during(DOING)?;
        let said: Vec<i64> = rows.collect::<Result<_, _>>().during(DOING)?;
        Ok(Note::ALL.map(|note| said.contains(&note.number())))
    }

    fn add(&mut self, place: i64, minute: i64, by: i64) {
        let sum = self.counts.entry((place, minute)).or_default();
        *sum = sum.saturating_add(by);
    }

    fn place(&mut self, place: Place) -> Result<i64, StoreError> {
        const DOING: &str = "look for a place of touches";
        if let Some(known) = self.places.get(&place) {
            return Ok(*known);
        }
        let flags: Vec<&str> = place.flags.iter().map(|flag| flag.as_str()).collect();
        let Place { program, kind, partner, link, channel, .. } = &place;
        let (kind, flags) = (kind_number(*kind), flags.join(","));
        let key = params![program.as_str(), kind, partner, link, channel, flags];
        let known: Option<i64> = self
            .writing
            .connection
            .prepare_cached(
                "SELECT id FROM day_places WHERE program = ? AND kind = ? AND partner = ? AND link = ?
                   AND channel = ? AND flags = ?",
            )
            .and_then(|mut found| found.query_row(key, |row| row.get(0)).optional())
            .during(DOING)?;
        let id = match known {
            Some(id) => id,
            None => {
                self.writing.run(
                    "INSERT INTO day_places (program, kind, partner, link, channel, flags)
                     VALUES (?, ?, ?, ?, ?, ?)",
                    key,
                )?;
                self.writing.connection.last_insert_rowid()
            }
        };
        self.programs.insert(id, program.clone());
        self.places.insert(place, id);
        Ok(id)
    }

    /// Writes the counts, and that their days are to be looked at.
    pub(crate) fn finish(mut self) -> Result<(), StoreError> {
        for ((place, minute), by) in std::mem::take(&mut self.counts) {
            if by == 0 {
                continue;
            }
            self.writing.run(
                "INSERT INTO day_counts VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET n = n + excluded.n",
                params![place, minute, by],
            )?;
            let program = match self.programs.get(&place) {
                Some(known) => known.clone(),
                None => self.writing.program_of(place)?,
            };
            let zone = self.zones.get(&program).cloned().unwrap_or_else(|| Zone::named("UTC"));
            let day = zone.day(Millis(minute.saturating_mul(MINUTE_MS)));
            self.writing.day_changed(&program, day)?;
        }
        Ok(())
    }
}

/// Whether a touch counts, of which this is said.
const fn counts(ahead: bool, [judged, activated]: [bool; 2]) -> bool {
    (!ahead || activated) && !judged
}

impl Writing<'_> {
    fn program_of(&self, place: i64) -> Result<ProgramName, StoreError> {
        const DOING: &str = "read a place of touches";
        let name: String = self
            .connection
            .prepare_cached("SELECT program FROM day_places WHERE id = ?")
            .and_then(|mut found| found.query_row(params![place], |row| row.get(0)))
            .during(DOING)?;
        name.parse().during(DOING)
    }

    /// The counts of a program from one minute up to another.
    pub(crate) fn tallies(
        &self,
        program: &ProgramName,
        (from, until): (Millis, Millis),
    ) -> Result<Vec<Tally>, StoreError> {
        const DOING: &str = "read the touches of a day";
        let mut found = self
            .connection
            .prepare_cached(
                "SELECT p.kind, p.partner, p.link, p.channel, p.flags, c.minute, c.n
                 FROM day_places p JOIN day_counts c ON c.place = p.id
                 WHERE p.program = ? AND c.minute >= ? AND c.minute < ? AND c.n > 0",
            )
            .during(DOING)?;
        let (from, until) = (from.0.div_euclid(MINUTE_MS), until.0.div_euclid(MINUTE_MS));
        let read = |row: &rusqlite::Row<'_>| {
            let flags: String = row.get(4)?;
            let place = Place {
                program: program.clone(),
                kind: kind_of(row.get(0)?),
                partner: row.get(1)?,
                link: row.get(2)?,
                channel: row.get(3)?,
                flags: flags.split(',').filter_map(Flag::from_word).collect(),
            };
            let count: i64 = row.get(6)?;
            Ok(Tally { place, minute: row.get(5)?, count: u64::try_from(count).unwrap_or(0) })
        };
        let rows = found.query_map(params![program.as_str(), from, until], read).during(DOING)?;
        rows.collect::<Result<_, _>>().during(DOING)
    }
}
