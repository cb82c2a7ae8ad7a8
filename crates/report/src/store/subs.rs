//! Touches by sub id, with a limit: many partners put a unique click id into `s1`.
//!
//! Of the values of one sub id of a partner on a day (UTC) those with the smallest hashes are kept, the others summed up:
//! a choice that does not depend on which came first. A value that once had to go never comes back, so what is kept is whole.

use rusqlite::{Error, OptionalExtension as _, params};

use super::rollup::{Cut, Of, TouchPlace};
use super::touches::{TouchKey, day_of_slot};
use super::write::Writer;
use crate::days::{SLOTS_PER_DAY, Zone};

/// Most values of one sub id of a partner on a day. Count.
pub const SUB_VALUES_MAX: i64 = 10_000;

/// A value as rollups have it.
pub(super) fn own_value(value: &str) -> Of {
    Of::Text(format!("={value}").into())
}

/// The values beyond the limit.
fn others() -> Of {
    Of::Text("*".into())
}

/// The place of a value among all.
pub(crate) fn hash_of(value: &str) -> i64 {
    let hash = blake3::hash(value.as_bytes());
    i64::from_be_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default())
}

/// Program, sub id, partner, day: what the limit is for.
type Scope = [i64; 4];

impl Writer<'_> {
    pub(super) fn count_sub(
        &mut self,
        ((key, number), zone): ((TouchKey, u8), &Zone),
        value: &str,
        by: i64,
    ) -> Result<(), Error> {
        let TouchKey { program, slot, partner, kind, reason, .. } = key;
        let day = slot.div_euclid(SLOTS_PER_DAY);
        let scope = [program, i64::from(number), partner, day];
        let value = if self.keep((scope, zone), value)? { own_value(value) } else { others() };
        self.add_sub((key, number), &value, by)?;
        let sql = "INSERT INTO sub_slot VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                   ON CONFLICT DO UPDATE SET n = n + excluded.n";
        let row = params![program, number, partner, day, value, slot, kind, reason, by];
        self.db.prepare_cached(sql)?.execute(row).map(drop)
    }

    fn add_sub(&mut self, (key, number): (TouchKey, u8), of: &Of, n: i64) -> Result<(), Error> {
        let TouchKey { program, day: at, partner, kind, reason, .. } = key;
        let (cut, of) = (Cut::Sub(number), of.clone());
        self.add_touch(&TouchPlace { program, cut, grain: 1, at, partner, of, kind, reason }, n)
    }

    /// Whether this value has a row of its own.
    fn keep(&mut self, (scope, zone): (Scope, &Zone), value: &str) -> Result<bool, Error> {
        let [program, number, partner, day] = scope;
        let hash = hash_of(value);
        let find = "SELECT 1 FROM sub_kept WHERE program = ?1 AND number = ?2 AND partner = ?3 AND day = ?4 \
                    AND hash = ?5 AND value = ?6";
        let key = params![program, number, partner, day, hash, value];
        if self.db.prepare_cached(find)?.exists(key)? {
            return Ok(true);
        }
        let count = "SELECT n FROM sub_count WHERE program = ?1 AND number = ?2 AND partner = ?3 AND day = ?4";
        let n: Option<i64> =
            self.db.prepare_cached(count)?.query_row(scope, |row| row.get(0)).optional()?;
        if n.unwrap_or(0) >= SUB_VALUES_MAX {
            let last = "SELECT hash, value FROM sub_kept WHERE program = ?1 AND number = ?2 AND partner = ?3 \
                        AND day = ?4 ORDER BY hash DESC, value DESC LIMIT 1";
            let last: (i64, String) = self
                .db
                .prepare_cached(last)?
                .query_row(scope, |row| Ok((row.get(0)?, row.get(1)?)))?;
            if (hash, value) > (last.0, last.1.as_str()) {
                return Ok(false);
            }
            self.give_up((scope, zone), last.0, &last.1)?;
        } else {
            let sql = "INSERT INTO sub_count VALUES (?1, ?2, ?3, ?4, 1) ON CONFLICT DO UPDATE SET n = n + 1";
            self.db.prepare_cached(sql)?.execute(scope)?;
        }
        let sql = "INSERT INTO sub_kept VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.db.prepare_cached(sql)?.execute(key)?;
        Ok(true)
    }

    /// Sums a kept value up with the others.
    fn give_up(
        &mut self,
        (scope, zone): (Scope, &Zone),
        hash: i64,
        value: &str,
    ) -> Result<(), Error> {
        let [program, number, partner, day] = scope;
        let own = own_value(value);
        self.move_days((scope, zone), &own)?;
        let sql = "INSERT INTO sub_slot \
                   SELECT program, number, partner, day, '*', slot, kind, reason, n FROM sub_slot \
                   WHERE program = ?1 AND number = ?2 AND partner = ?3 AND day = ?4 AND value = ?5 \
                   ON CONFLICT DO UPDATE SET n = n + excluded.n";
        self.db.prepare_cached(sql)?.execute(params![program, number, partner, day, own])?;
        let sql = "DELETE FROM sub_slot \
                   WHERE program = ?1 AND number = ?2 AND partner = ?3 AND day = ?4 AND value = ?5";
        self.db.prepare_cached(sql)?.execute(params![program, number, partner, day, own])?;
        let sql = "DELETE FROM sub_kept \
                   WHERE program = ?1 AND number = ?2 AND partner = ?3 AND day = ?4 AND hash = ?5 AND value = ?6";
        let key = params![program, number, partner, day, hash, value];
        self.db.prepare_cached(sql)?.execute(key).map(drop)
    }

    /// The same in the rollups.
    fn move_days(&mut self, (scope, zone): (Scope, &Zone), own: &Of) -> Result<(), Error> {
        let [program, number, partner, day] = scope;
        let sql = "SELECT slot, kind, reason, n FROM sub_slot \
                   WHERE program = ?1 AND number = ?2 AND partner = ?3 AND day = ?4 AND value = ?5";
        let db = self.db;
        let mut select = db.prepare_cached(sql)?;
        let mut rows = select.query(params![program, number, partner, day, own])?;
        while let Some(row) = rows.next()? {
            let (slot, n): (i64, i64) = (row.get(0)?, row.get(3)?);
            let key = TouchKey {
                program,
                slot,
                day: day_of_slot(zone, slot),
                partner,
                link: 0,
                channel: 0,
                kind: row.get(1)?,
                reason: row.get(2)?,
            };
            let sub = (key, u8::try_from(number).unwrap_or(0));
            self.add_sub(sub, own, -n)?;
            self.add_sub(sub, &others(), n)?;
        }
        Ok(())
    }
}
