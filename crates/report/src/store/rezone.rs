//! Sums by day, made anew when a program's time zone is another.

use rusqlite::{Error, params};

use super::touches::{TouchKey, day_of_slot};
use super::write::Writer;
use crate::days::Zone;

impl Writer<'_> {
    pub(super) fn rezone(&mut self, program: i64, zone: &Zone) -> Result<(), Error> {
        for table in ["touch_day", "order_day", "journey_day"] {
            self.db
                .execute(&format!("DELETE FROM {table} WHERE program = ?1"), params![program])?;
        }
        self.touch_days(program, zone)?;
        for id in self.ids("SELECT id FROM orders WHERE program = ?1", program)? {
            self.add_order_days(&self.held(id)?, zone, 1)?;
        }
        for id in self.ids("SELECT id FROM journey WHERE program = ?1", program)? {
            self.add_journey_days(&self.journey(id)?, zone, 1)?;
        }
        Ok(())
    }

    fn touch_days(&self, program: i64, zone: &Zone) -> Result<(), Error> {
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
            self.add_touch_day(key, row.get(6)?)?;
        }
        Ok(())
    }

    fn ids(&self, sql: &str, program: i64) -> Result<Vec<i64>, Error> {
        let mut select = self.db.prepare_cached(sql)?;
        select.query_map([program], |row| row.get(0))?.collect()
    }
}
