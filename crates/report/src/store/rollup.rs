//! Rollups: the same sums by spans of one, 8 and 64 days, and each by several cuts. A report reads the coarsest spans that
//! its days are made of.

use std::collections::HashMap;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Error, OptionalExtension as _, ToSql, params};

use super::sums::Sums;
use super::write::Writer;

/// Days of a span, from the finest. A span has the number of its first day divided by its length.
pub(crate) const GRAINS: [i64; 3] = [1, 8, 64];

/// Places that wait to be written. Count; of a change of zone there may be many.
const PENDING_MAX: usize = 100_000;

/// By what sums of a partner's days are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cut {
    /// By nothing.
    All,
    /// By link.
    Link,
    /// By channel.
    Channel,
    /// Orders only: by time from the click to the order.
    Time,
    /// By a sub id, 1 to 10.
    Sub(u8),
}

impl Cut {
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::All => 0,
            Self::Link => 1,
            Self::Channel => 2,
            Self::Time => 3,
            Self::Sub(number) => 10 + i64::from(number),
        }
    }
}

/// The value of a cut.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Of {
    /// The number of a name, a bucket, or 0 for all.
    Number(i64),
    /// A sub id: "=" and the text, or "*" for those beyond the limit; nothing for orders without one.
    Text(Box<str>),
}

impl ToSql for Of {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>, Error> {
        Ok(match self {
            Self::Number(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// Where orders are summed up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct OrderPlace {
    pub(super) program: i64,
    pub(super) goal: i64,
    pub(super) basis: i64,
    pub(super) cut: Cut,
    pub(super) grain: i64,
    pub(super) at: i64,
    pub(super) partner: i64,
    pub(super) of: Of,
}

/// Where touches are summed up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TouchPlace {
    pub(super) program: i64,
    pub(super) cut: Cut,
    pub(super) grain: i64,
    pub(super) at: i64,
    pub(super) partner: i64,
    pub(super) of: Of,
    pub(super) kind: i64,
    pub(super) reason: i64,
}

/// What waits to be added to the rollups.
#[derive(Default)]
pub(super) struct Pending {
    orders: HashMap<OrderPlace, Sums>,
    touches: HashMap<TouchPlace, i64>,
}

/// The spans that make up the days `from` to `to`, both included: grain, first and last number.
pub(crate) fn spans(from: i64, to: i64) -> Vec<(i64, i64, i64)> {
    let mut spans = Vec::new();
    cover(&GRAINS, from, to.saturating_add(1), &mut spans);
    spans
}

fn cover(grains: &[i64], from: i64, end: i64, spans: &mut Vec<(i64, i64, i64)>) {
    let Some((grain, finer)) = grains.split_last() else { return };
    let first = from.saturating_add(grain - 1).div_euclid(*grain);
    let last = end.div_euclid(*grain);
    if first < last {
        cover(finer, from, first * grain, spans);
        spans.push((*grain, first, last - 1));
        cover(finer, last * grain, end, spans);
    } else if from < end {
        cover(finer, from, end, spans);
    }
}

impl Writer<'_> {
    /// Adds to what waits for a place of the day `at` and for the spans that the day lies in.
    pub(super) fn add_order(
        &mut self,
        day: &OrderPlace,
        change: &dyn Fn(&mut Sums),
    ) -> Result<(), Error> {
        for grain in GRAINS {
            let place = OrderPlace { grain, at: day.at.div_euclid(grain), ..day.clone() };
            change(self.pending.orders.entry(place).or_default());
        }
        if self.pending.orders.len() < PENDING_MAX { Ok(()) } else { self.flush_orders() }
    }

    pub(super) fn add_touch(&mut self, day: &TouchPlace, n: i64) -> Result<(), Error> {
        for grain in GRAINS {
            let place = TouchPlace { grain, at: day.at.div_euclid(grain), ..day.clone() };
            *self.pending.touches.entry(place).or_insert(0) += n;
        }
        if self.pending.touches.len() < PENDING_MAX { Ok(()) } else { self.flush_touch_sums() }
    }

    pub(super) fn flush_rollups(&mut self) -> Result<(), Error> {
        self.flush_orders()?;
        self.flush_touch_sums()
    }

    fn flush_orders(&mut self) -> Result<(), Error> {
        let mut pending: Vec<_> = std::mem::take(&mut self.pending.orders).into_iter().collect();
        pending.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let same = "program = ?1 AND goal = ?2 AND basis = ?3 AND cut = ?4 AND grain = ?5 AND at = ?6 \
                    AND partner = ?7 AND value = ?8";
        let mut select =
            self.db.prepare_cached(&format!("SELECT sums FROM order_sum WHERE {same}"))?;
        let mut delete = self.db.prepare_cached(&format!("DELETE FROM order_sum WHERE {same}"))?;
        let sql = "INSERT OR REPLACE INTO order_sum VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let mut insert = self.db.prepare_cached(sql)?;
        for (place, mut sums) in pending.into_iter().filter(|(_, sums)| !sums.is_empty()) {
            let OrderPlace { program, goal, basis, cut, grain, at, partner, of } = place;
            let cut = cut.number();
            let key = params![program, goal, basis, cut, grain, at, partner, of];
            let held = select.query_row(key, |row| {
                sums.add_value(row.get_ref(0)?.as_blob()?);
                Ok(())
            });
            held.optional()?;
            if sums.is_empty() {
                delete.execute(params![program, goal, basis, cut, grain, at, partner, of])?;
            } else {
                let value = sums.value();
                insert
                    .execute(params![program, goal, basis, cut, grain, at, partner, of, value])?;
            }
        }
        Ok(())
    }

    fn flush_touch_sums(&mut self) -> Result<(), Error> {
        let mut pending: Vec<_> = std::mem::take(&mut self.pending.touches).into_iter().collect();
        pending.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let sql = "INSERT INTO touch_sum VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                   ON CONFLICT DO UPDATE SET n = n + excluded.n";
        let mut insert = self.db.prepare_cached(sql)?;
        let sql = "DELETE FROM touch_sum WHERE program = ?1 AND cut = ?2 AND grain = ?3 AND at = ?4 AND partner = ?5 \
                   AND value = ?6 AND kind = ?7 AND reason = ?8 AND n = 0";
        let mut delete = self.db.prepare_cached(sql)?;
        for (place, n) in pending.into_iter().filter(|(_, n)| *n != 0) {
            let TouchPlace { program, cut, grain, at, partner, of, kind, reason } = place;
            let cut = cut.number();
            insert.execute(params![program, cut, grain, at, partner, of, kind, reason, n])?;
            if n < 0 {
                delete.execute(params![program, cut, grain, at, partner, of, kind, reason])?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{GRAINS, spans};

    #[test]
    fn spans_are_exactly_the_days_asked_for_and_few() {
        for from in -70..70 {
            for days in [0, 1, 2, 7, 8, 9, 15, 16, 63, 64, 65, 90, 128, 365, 1_098] {
                let to = from + days - 1;
                let mut told: Vec<i64> = Vec::new();
                let mut read = 0;
                for (grain, first, last) in spans(from, to) {
                    assert!(GRAINS.contains(&grain) && first <= last);
                    read += last - first + 1;
                    told.extend(first * grain..(last + 1) * grain);
                }
                assert_eq!(told, (from..=to).collect::<Vec<_>>(), "{from} {days}");
                assert!(read <= 7 + 7 + 7 + 7 + days / 64 + 1, "{from} {days}: {read}");
            }
        }
    }

    #[test]
    fn a_whole_span_is_read_as_one_and_what_lacks_a_day_is_not() {
        assert_eq!(spans(64, 127), [(64, 1, 1)]);
        assert_eq!(spans(64, 126), [(8, 8, 14), (1, 120, 126)]);
        assert_eq!(spans(63, 127), [(1, 63, 63), (64, 1, 1)]);
        assert_eq!(spans(-8, -1), [(8, -1, -1)]);
        assert_eq!(spans(5, 4), []);
    }
}
