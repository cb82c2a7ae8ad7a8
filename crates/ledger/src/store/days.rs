//! Touches that are paid, counted by minute, and what days were booked at.

use std::collections::{BTreeMap, HashMap};

use event::body::posting::{PayDay, Posting, Purpose};
use event::body::{Account, Subject, TouchKind};
use event::{Body, Currency, Envelope, EventId, Flag, Micros, Millis, ProgramName, Topic};
use rusqlite::{Connection, OptionalExtension as _, Params, params};

use super::write::Writing;
use super::{During as _, StoreError, topic_number};
use crate::days::{self, Day, MINUTE_MS, Place, Scopes, Tally, Zone};

/// Balances of days: one member counts all touches.
const PARTITION: u32 = 0;

/// A touch is kept by its id with where it counts: a later judgement names nothing but the id, and a repeated touch is
/// found. Ids begin with their time, so the newest lie side by side.
///
/// `day_notes`: what is said of touches; 0 judged, 1 activated. `day_due`: days of which something changed since they were
/// last looked at. `day_programs`: the zone that days were counted in, and the next day whose periods are to be looked at.
pub(super) const TABLES: &str = "
CREATE TABLE day_scopes (
  program TEXT NOT NULL,
  kind INTEGER NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (program, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE day_places (
  id INTEGER PRIMARY KEY,
  program TEXT NOT NULL,
  kind INTEGER NOT NULL,
  partner TEXT NOT NULL,
  link TEXT NOT NULL,
  channel TEXT NOT NULL,
  flags TEXT NOT NULL,
  UNIQUE (program, kind, partner, link, channel, flags)
) STRICT;
CREATE TABLE day_touches (
  id BLOB PRIMARY KEY,
  place INTEGER NOT NULL,
  minute INTEGER NOT NULL,
  ahead INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE day_notes (
  touch BLOB NOT NULL,
  note INTEGER NOT NULL,
  PRIMARY KEY (touch, note)
) STRICT, WITHOUT ROWID;
CREATE TABLE day_counts (
  place INTEGER NOT NULL,
  minute INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (place, minute)
) STRICT, WITHOUT ROWID;
CREATE TABLE day_due (
  program TEXT NOT NULL,
  day INTEGER NOT NULL,
  PRIMARY KEY (program, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE day_programs (
  program TEXT PRIMARY KEY,
  zone TEXT NOT NULL,
  next INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE days (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  program TEXT NOT NULL,
  day INTEGER NOT NULL,
  subject TEXT NOT NULL,
  number INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  currency TEXT NOT NULL,
  purpose TEXT NOT NULL
) STRICT;
CREATE INDEX days_program ON days(program, day);
";

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

/// A day in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DayRow {
    id: Option<i64>,
    pub(crate) key: PayDay,
    /// How often it changed.
    pub(crate) number: u64,
    /// What it is booked at.
    pub(crate) amount: Micros,
    pub(crate) currency: Currency,
    pub(crate) purpose: Purpose,
}

impl DayRow {
    /// A day that nothing was booked of.
    pub(crate) const fn new(key: PayDay, currency: Currency, purpose: Purpose) -> Self {
        Self { id: None, key, number: 0, amount: Micros(0), currency, purpose }
    }
}

const fn kind_number(kind: TouchKind) -> i64 {
    match kind {
        TouchKind::Click => 0,
        TouchKind::Impression => 1,
    }
}

const fn kind_of(number: i64) -> TouchKind {
    match number {
        0 => TouchKind::Click,
        _ => TouchKind::Impression,
    }
}

/// What one batch of touches adds; written when it ends.
pub(crate) struct Counting<'w, 's> {
    writing: &'w Writing<'s>,
    zones: &'w BTreeMap<ProgramName, Zone>,
    places: HashMap<Place, i64>,
    programs: HashMap<i64, ProgramName>,
    counts: BTreeMap<(i64, i64), i64>,
}

impl<'w, 's> Counting<'w, 's> {
    pub(crate) fn new(writing: &'w Writing<'s>, zones: &'w BTreeMap<ProgramName, Zone>) -> Self {
        let (places, programs) = (HashMap::new(), HashMap::new());
        Self { writing, zones, places, programs, counts: BTreeMap::new() }
    }

    /// Counts a touch, unless it was seen before; whether it is new.
    pub(crate) fn touch(
        &mut self,
        id: EventId,
        at: Millis,
        (place, ahead): (Place, bool),
    ) -> Result<bool, StoreError> {
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

    /// A day is to be looked at.
    pub(crate) fn day_changed(&self, program: &ProgramName, day: Day) -> Result<(), StoreError> {
        self.run(
            "INSERT OR IGNORE INTO day_due VALUES (?, ?)",
            params![program.as_str(), day.number()],
        )
        .map(drop)
    }

    /// A day was looked at.
    pub(crate) fn day_settled(&self, program: &ProgramName, day: Day) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM day_due WHERE program = ? AND day = ?",
            params![program.as_str(), day.number()],
        )
        .map(drop)
    }

    /// Days up to `last` that are to be looked at, at most `most`.
    pub(crate) fn days_due(
        &self,
        program: &ProgramName,
        last: Day,
        most: u32,
    ) -> Result<Vec<Day>, StoreError> {
        self.numbers(
            "SELECT day FROM day_due WHERE program = ? AND day <= ? ORDER BY day LIMIT ?",
            params![program.as_str(), last.number(), most],
        )
    }

    fn numbers(&self, sql: &str, values: impl Params) -> Result<Vec<Day>, StoreError> {
        const DOING: &str = "look for days of the book";
        let mut statement = self.connection.prepare_cached(sql).during(DOING)?;
        let rows =
            statement.query_map(values, |row| row.get(0).map(Day::of_number)).during(DOING)?;
        rows.collect::<Result<_, _>>().during(DOING)
    }

    /// Widens what is counted to these; whether touches that were passed over before are to be read again. What was
    /// counted once is always counted, so that nothing is missing if it is paid again.
    pub(crate) fn widen(&self, scopes: &Scopes) -> Result<bool, StoreError> {
        let known = self.scopes()?;
        let mut wider = false;
        for ((program, kind), since) in scopes {
            let key = (program.clone(), *kind);
            if known.get(&key).is_some_and(|known| known <= since) {
                continue;
            }
            wider = true;
            self.run(
                "INSERT OR REPLACE INTO day_scopes VALUES (?, ?, ?)",
                params![program.as_str(), kind_number(*kind), since.0],
            )?;
        }
        if wider {
            let touches = topic_number(Topic::Touches);
            self.run("DELETE FROM cursors WHERE topic = ?", params![touches])?;
        }
        Ok(wider)
    }

    /// What is counted.
    pub(crate) fn scopes(&self) -> Result<Scopes, StoreError> {
        const DOING: &str = "read which touches are paid";
        let mut found = self
            .connection
            .prepare_cached("SELECT program, kind, since FROM day_scopes")
            .during(DOING)?;
        let mut rows = found.query([]).during(DOING)?;
        let mut scopes = Scopes::new();
        while let Some(row) = rows.next().during(DOING)? {
            let program: String = row.get(0).during(DOING)?;
            let kind = kind_of(row.get(1).during(DOING)?);
            let since = Millis(row.get(2).during(DOING)?);
            scopes.insert((program.parse().during(DOING)?, kind), since);
        }
        Ok(scopes)
    }

    /// The days of a program are those of `zone`. In another one than before, all of them are to be looked at.
    pub(crate) fn zone_of_days(
        &self,
        program: &ProgramName,
        (name, zone): (&str, &Zone),
    ) -> Result<(), StoreError> {
        const DOING: &str = "read the zone of a program's days";
        let known: Option<String> = self
            .connection
            .prepare_cached("SELECT zone FROM day_programs WHERE program = ?")
            .and_then(|mut found| {
                found.query_row(params![program.as_str()], |row| row.get(0)).optional()
            })
            .during(DOING)?;
        if known.as_deref() == Some(name) {
            return Ok(());
        }
        self.run(
            "INSERT OR REPLACE INTO day_programs VALUES (?, ?, NULL)",
            params![program.as_str(), name],
        )?;
        self.run(
            "INSERT OR IGNORE INTO day_due SELECT program, day FROM days WHERE program = ?",
            params![program.as_str()],
        )?;
        let mut minutes = self
            .connection
            .prepare_cached(
                "SELECT DISTINCT c.minute FROM day_places p JOIN day_counts c ON c.place = p.id
                 WHERE p.program = ?",
            )
            .during(DOING)?;
        let mut rows = minutes.query(params![program.as_str()]).during(DOING)?;
        while let Some(row) = rows.next().during(DOING)? {
            let minute: i64 = row.get(0).during(DOING)?;
            self.day_changed(program, zone.day(Millis(minute.saturating_mul(MINUTE_MS))))?;
        }
        Ok(())
    }

    /// The next day of which periods are to be looked at; none: from the first on.
    pub(crate) fn next_period(&self, program: &ProgramName) -> Result<Option<Day>, StoreError> {
        self.connection
            .prepare_cached("SELECT next FROM day_programs WHERE program = ?")
            .and_then(|mut found| {
                found
                    .query_row(params![program.as_str()], |row| row.get::<_, Option<i64>>(0))
                    .optional()
            })
            .map(|next| next.flatten().map(Day::of_number))
            .during("read which periods are booked")
    }

    /// Periods that begin before `next` were looked at.
    pub(crate) fn set_next_period(
        &self,
        program: &ProgramName,
        next: Day,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE day_programs SET next = ? WHERE program = ?",
            params![next.number(), program.as_str()],
        )
        .map(drop)
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

    /// What is booked of a program's day.
    pub(crate) fn booked_days(
        &self,
        program: &ProgramName,
        day: Day,
    ) -> Result<Vec<DayRow>, StoreError> {
        self.day_rows("program = ? AND day = ?", params![program.as_str(), day.number()])
    }

    /// What is booked of one rule on one day.
    pub(crate) fn day(&self, key: &PayDay) -> Result<Option<DayRow>, StoreError> {
        let found = self.day_rows("key = ?", params![key.to_string()])?;
        Ok(found.into_iter().next())
    }

    fn day_rows(&self, which: &str, values: impl Params) -> Result<Vec<DayRow>, StoreError> {
        const DOING: &str = "read a day of the book";
        let sql = format!(
            "SELECT id, subject, number, amount, currency, purpose FROM days WHERE {which} ORDER BY key"
        );
        let mut found = self.connection.prepare_cached(&sql).during(DOING)?;
        let mut rows = found.query(values).during(DOING)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().during(DOING)? {
            let columns = || -> rusqlite::Result<(Option<i64>, i64, i64)> {
                Ok((row.get(0)?, row.get(2)?, row.get(3)?))
            };
            let (id, number, amount) = columns().during(DOING)?;
            let text = |place| row.get_ref(place).during(DOING)?.as_str().during(DOING);
            all.push(DayRow {
                id,
                key: serde_json::from_str(text(1)?).during(DOING)?,
                number: u64::try_from(number).unwrap_or(0),
                amount: Micros(amount),
                currency: text(4)?.parse().during(DOING)?,
                purpose: serde_json::from_str(text(5)?).during(DOING)?,
            });
        }
        Ok(all)
    }

    fn put_day(&self, row: &mut DayRow) -> Result<(), StoreError> {
        const DOING: &str = "write a day of the book";
        let number = i64::try_from(row.number).unwrap_or(i64::MAX);
        if let Some(id) = row.id {
            let change = params![id, number, row.amount.0];
            return self
                .run("UPDATE days SET number = ?2, amount = ?3 WHERE id = ?1", change)
                .map(drop);
        }
        let day: Day = row.key.day.parse().during(DOING)?;
        let (subject, purpose) =
            (serde_json::to_string(&row.key), serde_json::to_string(&row.purpose));
        self.run(
            "INSERT INTO days (key, program, day, subject, number, amount, currency, purpose)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                row.key.to_string(),
                row.key.program.as_str(),
                day.number(),
                subject.during(DOING)?,
                number,
                row.amount.0,
                row.currency.as_str(),
                purpose.during(DOING)?
            ],
        )?;
        row.id = Some(self.connection.last_insert_rowid());
        Ok(())
    }

    /// Books another amount of a day, and says so. Whether it is another one.
    pub(crate) fn book_day(
        &mut self,
        row: &mut DayRow,
        amount: Micros,
        at: (Millis, Millis),
    ) -> Result<bool, StoreError> {
        let (number, amounts) = (row.number.saturating_add(1), (row.amount, amount));
        let of = (row.currency, row.purpose);
        let Some(transfer) = days::transfer(&row.key, number, amounts, of) else {
            return Ok(false);
        };
        let (day_at, changed_at) = at;
        let id = days::posting_id(&row.key, number, amounts);
        let posting = Posting {
            subject: Subject::Day(row.key.clone()),
            number,
            source: id,
            actor: None,
            changed_at,
            booked: None,
            transfers: vec![transfer],
        };
        (row.number, row.amount) = (number, amount);
        self.put_day(row)?;
        let key = row.key.to_string();
        self.apply((row.id.map(i64::wrapping_neg), &key, PARTITION), id, &posting)?;
        let envelope = Envelope {
            id,
            occurred_at: day_at,
            received_at: changed_at,
            program: Some(row.key.program.clone()),
            test: false,
            key,
            body: Body::Posting(Box::new(posting)),
        };
        self.say(&envelope, row.key.key_hash())?;
        Ok(true)
    }

    /// Takes a posting of a day back that this book does not know; whether it did not.
    pub(crate) fn restore_day(
        &mut self,
        key: &PayDay,
        id: EventId,
        posting: &Posting,
    ) -> Result<bool, StoreError> {
        const DOING: &str = "take a day back";
        let Some(first) = posting.transfers.first() else { return Ok(false) };
        let known = self.day(key)?;
        let mut row =
            known.unwrap_or_else(|| DayRow::new(key.clone(), first.currency, first.purpose));
        if posting.number <= row.number {
            return Ok(false);
        }
        let day: Day = key.day.parse().during(DOING)?;
        self.day_changed(&key.program, day)?;
        let follows = row.number.checked_add(1) == Some(posting.number);
        row.number = posting.number;
        if !follows {
            tracing::error!(
                day = %key,
                number = posting.number,
                "a posting does not follow from those before it and moves nothing; the day is booked anew behind it"
            );
            self.put_day(&mut row)?;
            return Ok(true);
        }
        for transfer in &posting.transfers {
            let owed = match (&transfer.debit, &transfer.credit) {
                (Account::Expense(_), _) => row.amount.0.checked_add(transfer.amount.0),
                (_, Account::Expense(_)) => row.amount.0.checked_sub(transfer.amount.0),
                _ => Some(row.amount.0),
            };
            row.amount = Micros(owed.ok_or("an amount beyond all bounds").during(DOING)?);
        }
        self.put_day(&mut row)?;
        self.apply((row.id.map(i64::wrapping_neg), &key.to_string(), PARTITION), id, posting)?;
        Ok(true)
    }
}

/// The lines of a program's days in `sillage books`, sorted.
pub(super) fn lines(connection: &Connection, program: &str) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "read the days of the book";
    let mut found = connection
        .prepare_cached("SELECT subject, amount, currency FROM days WHERE program = ?")
        .during(DOING)?;
    let mut rows = found.query(params![program]).during(DOING)?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next().during(DOING)? {
        let text = |place| row.get_ref(place).during(DOING)?.as_str().during(DOING);
        let key = serde_json::from_str(text(0)?).during(DOING)?;
        let amount = Micros(row.get(1).during(DOING)?);
        lines.extend(days::line(&key, amount, text(2)?.parse().during(DOING)?));
    }
    lines.sort_unstable();
    Ok(lines)
}

/// The programs of which days are booked.
pub(super) fn programs(connection: &Connection) -> Result<Vec<String>, StoreError> {
    const DOING: &str = "read the programs of the book";
    let mut found = connection.prepare_cached("SELECT DISTINCT program FROM days").during(DOING)?;
    let rows = found.query_map([], |row| row.get(0)).during(DOING)?;
    rows.collect::<Result<_, _>>().during(DOING)
}
