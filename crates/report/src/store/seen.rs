//! Which event ids were counted: a bitmap of sequences for each lane.

use event::EventId;
use event::time::DAY_MS;
use rusqlite::{Error, OptionalExtension as _, params};

use super::write::Writer;

/// Sequences of a row.
const BLOCK: i64 = 32_768;
/// How long a row is kept behind the newest event: a record that comes again later than that counts again.
const KEPT_MS: i64 = 14 * DAY_MS;

/// Sequences of one lane, and the time of the newest event among them.
pub(super) struct Block {
    bits: Vec<u8>,
    newest: i64,
    new: bool,
}

impl Writer<'_> {
    /// Whether this event is seen for the first time; it is seen from now on.
    pub(super) fn first_seen(&mut self, id: EventId) -> Result<bool, Error> {
        if !id.is_minted() {
            let sql = "INSERT OR IGNORE INTO seen_other VALUES (?1, 0)";
            return Ok(self.db.prepare_cached(sql)?.execute([&id.as_bytes()[..]])? == 1);
        }
        let lane = i64::try_from(id.lane().get()).unwrap_or(0);
        let sequence = i64::try_from(id.sequence().0).unwrap_or(0);
        let key = (lane, sequence.div_euclid(BLOCK));
        if !self.seen.contains_key(&key) {
            let sql = "SELECT bits, newest FROM seen WHERE lane = ?1 AND block = ?2";
            let known = self.db.prepare_cached(sql)?.query_row([key.0, key.1], |row| {
                Ok(Block { bits: row.get(0)?, newest: row.get(1)?, new: false })
            });
            let fresh = || Block { bits: vec![0; 4_096], newest: 0, new: true };
            self.seen.insert(key, known.optional()?.unwrap_or_else(fresh));
        }
        let place = sequence.rem_euclid(BLOCK);
        let Some(block) = self.seen.get_mut(&key) else { return Ok(false) };
        block.newest = block.newest.max(id.time().0);
        let at = usize::try_from(place / 8).unwrap_or(0);
        let Some(byte) = block.bits.get_mut(at) else { return Ok(false) };
        let bit = 1_u8 << (place % 8);
        let first = *byte & bit == 0;
        *byte |= bit;
        Ok(first)
    }

    pub(super) fn flush_seen(&mut self) -> Result<(), Error> {
        let mut newest = None;
        for ((lane, block), held) in self.seen.drain() {
            let sql = "INSERT OR REPLACE INTO seen VALUES (?1, ?2, ?3, ?4)";
            let row = params![lane, block, held.newest, held.bits];
            self.db.prepare_cached(sql)?.execute(row)?;
            if held.new {
                newest = newest.max(Some(held.newest));
            }
        }
        let Some(newest) = newest else { return Ok(()) };
        let oldest = newest.saturating_sub(KEPT_MS);
        self.db.prepare_cached("DELETE FROM seen WHERE newest < ?1")?.execute([oldest])?;
        self.db.prepare_cached("DELETE FROM ahead WHERE at < ?1")?.execute([oldest])?;
        Ok(())
    }
}
