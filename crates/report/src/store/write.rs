//! One transaction: what is shared by everything that counts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use catalog::Snapshot;
use eventlog::Cursor;
use rusqlite::{Connection, Error, OptionalExtension as _, params};

use super::rollup::Pending;
use super::seen::Block;
use super::touches::TouchKey;
use super::{Fact, Inner};
use crate::days::Zone;

/// Names whose numbers are kept in memory. Count; a catalog has fewer.
const NAMES_MAX: usize = 1_000_000;

/// What one transaction writes.
pub(super) struct Writer<'a> {
    pub(super) db: &'a Connection,
    names: &'a mut HashMap<Box<str>, i64>,
    pub(super) catalog: &'a Snapshot,
    zones: HashMap<Box<str>, (i64, Zone)>,
    /// Touches that are not in the file yet.
    pub(super) touches: HashMap<TouchKey, i64>,
    pub(super) pending: Pending,
    pub(super) seen: HashMap<(i64, i64), Block>,
    pub(super) feed: Option<Feed>,
}

/// Where the feed of transactions stands.
#[derive(Clone, Copy)]
pub(super) struct Feed {
    pub(super) seq: i64,
    pub(super) changed_at: i64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        db: &'a Connection,
        names: &'a mut HashMap<Box<str>, i64>,
        catalog: &'a Snapshot,
    ) -> Self {
        if names.len() > NAMES_MAX {
            names.clear();
        }
        Self {
            db,
            names,
            catalog,
            zones: HashMap::new(),
            touches: HashMap::new(),
            pending: Pending::default(),
            seen: HashMap::new(),
            feed: None,
        }
    }

    pub(super) fn fact(&mut self, fact: &Fact) -> Result<(), Error> {
        match fact {
            Fact::Touch { id, at, program, kind, touch, reason } => {
                self.touch(*id, *at, (program.as_str(), *kind, *reason), touch)
            }
            Fact::Waiting(waiting) => self.wait(waiting),
            Fact::Activation { click, at } => self.activation(*click, *at),
            Fact::Posting(posting) => self.posting(posting),
            Fact::Decision(decision) => self.decision(decision),
        }
    }

    /// Writes what was gathered.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.flush_touches()?;
        self.flush_rollups()?;
        self.flush_seen()?;
        let Some(Feed { seq, changed_at }) = self.feed else { return Ok(()) };
        let sql = "UPDATE feed SET seq = ?1, changed_at = ?2";
        self.db.prepare_cached(sql)?.execute([seq, changed_at]).map(drop)
    }

    /// Never backwards: a batch that comes again stands behind what is counted.
    pub(super) fn move_cursor(&self, cursor: Cursor) -> Result<(), Error> {
        let sql = "INSERT INTO cursor VALUES (?1, ?2, ?3) \
                   ON CONFLICT DO UPDATE SET next = max(next, excluded.next)";
        let next = i64::try_from(cursor.next).unwrap_or(i64::MAX);
        let key = params![cursor.partition.topic.name(), cursor.partition.index, next];
        self.db.prepare_cached(sql)?.execute(key).map(drop)
    }

    /// The number of a name, given on first sight.
    pub(super) fn name(&mut self, text: &str) -> Result<i64, Error> {
        if let Some(id) = self.names.get(text) {
            return Ok(*id);
        }
        let find = "SELECT id FROM name WHERE text = ?1";
        let known = self.db.prepare_cached(find)?.query_row([text], |row| row.get(0)).optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                self.db.prepare_cached("INSERT INTO name (text) VALUES (?1)")?.insert([text])?
            }
        };
        self.names.insert(text.into(), id);
        Ok(id)
    }

    /// A program's number and zone. If its zone is another than the sums by day were made with, they are made anew.
    pub(super) fn zone(&mut self, program: &str) -> Result<(i64, Zone), Error> {
        if let Some((id, zone)) = self.zones.get(program) {
            return Ok((*id, zone.clone()));
        }
        let id = self.name(program)?;
        let find = "SELECT zone FROM zone WHERE program = ?1";
        let known: Option<String> =
            self.db.prepare_cached(find)?.query_row([id], |row| row.get(0)).optional()?;
        let named = self.catalog.program(program).map(|program| program.time_zone());
        let zone = Zone::named(named.or(known.as_deref()).unwrap_or("UTC"));
        if known.as_deref() != Some(zone.name()) {
            let sql = "INSERT OR REPLACE INTO zone VALUES (?1, ?2)";
            self.db.prepare_cached(sql)?.execute(params![id, zone.name()])?;
        }
        if known.is_some_and(|known| known != zone.name()) {
            self.flush_touches()?;
            self.flush_rollups()?;
            self.rezone(id, &zone)?;
        }
        match self.zones.entry(program.into()) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(new) => Ok(new.insert((id, zone)).clone()),
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inner")
    }
}
