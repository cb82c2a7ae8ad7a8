//! How long touches are kept by their ids, and counts by their minutes.

use event::{EventId, LaneId, Millis, Sequence};
use rusqlite::{OptionalExtension as _, params};

use crate::days::MINUTE_MS;
use crate::store::{During as _, StoreError, Writing};

impl Writing<'_> {
    /// Touches received before this instant are forgotten: they are not counted, and nothing said of them bears on a count. None:
    /// none are.
    pub(crate) fn touches_kept_since(&self) -> Result<Option<Millis>, StoreError> {
        self.connection
            .prepare_cached("SELECT since FROM day_kept")
            .and_then(|mut found| found.query_row([], |row| row.get(0).map(Millis)).optional())
            .map_err(StoreError::of("read since when touches are kept"))
    }

    /// Whether a day that begins before this one, by number, is still to be looked at.
    pub(crate) fn is_day_due_before(&self, day: i64) -> Result<bool, StoreError> {
        self.connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM day_due WHERE day < ?)")
            .and_then(|mut found| found.query_row(params![day], |row| row.get(0)))
            .map_err(StoreError::of("look for days of the book"))
    }

    /// From now on touches are kept that were received at `since` or later. Counts of before go at once: they are few.
    pub(crate) fn keep_touches_since(&self, since: Millis) -> Result<(), StoreError> {
        self.run("INSERT OR REPLACE INTO day_kept VALUES (1, ?)", params![since.0])?;
        let minute = since.0.div_euclid(MINUTE_MS);
        self.run("DELETE FROM day_counts WHERE minute < ?", params![minute]).map(drop)
    }

    /// Takes touches away that are forgotten, and what is said of them, at most `most` of each; whether there may be more.
    pub(crate) fn forget_touches(&self, most: u32) -> Result<bool, StoreError> {
        let Some(since) = self.touches_kept_since()? else { return Ok(false) };
        let first = EventId::minted(since, Sequence(0), LaneId::from_random(0));
        let mut more = false;
        // Ids of touches begin with their time; the seventh byte tells those that no edge minted.
        for sql in [
            "DELETE FROM day_touches WHERE id IN (
               SELECT id FROM day_touches WHERE id < ? AND substr(hex(id), 13, 1) = '7' LIMIT ?)",
            "DELETE FROM day_notes WHERE (touch, note) IN (
               SELECT touch, note FROM day_notes
               WHERE touch < ? AND substr(hex(touch), 13, 1) = '7' LIMIT ?)",
        ] {
            let gone = self.run(sql, params![first.as_bytes(), most]).map(u32::try_from)?;
            more |= gone.during("count touches")? >= most;
        }
        Ok(more)
    }
}
