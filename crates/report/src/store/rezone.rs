//! Sums by day, made anew when a program's time zone is another.

use rusqlite::{Error, params};

use super::rollup::{Cut, Of, TouchPlace};
use super::touches::{TouchKey, day_of_slot};
use super::write::Writer;
use crate::days::Zone;

impl Writer<'_> {
    pub(super) fn rezone(&mut self, program: i64, zone: &Zone) -> Result<(), Error> {
        for table in ["touch_sum", "order_sum", "journey_sum"] {
            self.db
                .execute(&format!("DELETE FROM {table} WHERE program = ?1"), params![program])?;
        }
        self.touch_days(program, zone)?;
        self.sub_days(program, zone)?;
        for id in
            self.ids("SELECT id FROM orders WHERE program = ?1 ORDER BY converted_at", program)?
        {
            let held = self.held(id)?;
            self.add_order_days(&held, zone, 1)?;
        }
        for id in self.ids("SELECT id FROM journey WHERE program = ?1", program)? {
            let journey = self.journey(id)?;
            self.add_journey_days(&journey, zone, 1)?;
        }
        self.flush_rollups()
    }

    fn touch_days(&mut self, program: i64, zone: &Zone) -> Result<(), Error> {
        let sql = "SELECT slot, partner, link, channel, kind, reason, n FROM touch_slot WHERE program = ?1";
        let mut select = self.db.prepare_cached(sql)?;
        let mut rows = select.query([program])?;
        while let Some(row) = rows.next()? {
            let slot = row.get(0)?;
            let key = TouchKey {
                program,
                slot,
                day: day_of_slot(zone, slot),
                partner: row.get(1)?,
                link: row.get(2)?,
                channel: row.get(3)?,
                kind: row.get(4)?,
                reason: row.get(5)?,
            };
            self.add_touch_days(&key, row.get(6)?)?;
        }
        Ok(())
    }

    fn sub_days(&mut self, program: i64, zone: &Zone) -> Result<(), Error> {
        let sql =
            "SELECT number, slot, partner, value, kind, reason, n FROM sub_slot WHERE program = ?1";
        let mut select = self.db.prepare_cached(sql)?;
        let mut rows = select.query([program])?;
        while let Some(row) = rows.next()? {
            let value: String = row.get(3)?;
            let place = TouchPlace {
                program,
                cut: Cut::Sub(row.get(0)?),
                grain: 1,
                at: day_of_slot(zone, row.get(1)?),
                partner: row.get(2)?,
                of: Of::Text(value.into()),
                kind: row.get(4)?,
                reason: row.get(5)?,
            };
            self.add_touch(&place, row.get(6)?)?;
        }
        Ok(())
    }

    fn ids(&self, sql: &str, program: i64) -> Result<Vec<i64>, Error> {
        let mut select = self.db.prepare_cached(sql)?;
        select.query_map([program], |row| row.get(0))?.collect()
    }
}
