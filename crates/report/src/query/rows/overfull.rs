//! Orders by sub id of partners with more values on a day than have rows of their own: from the orders themselves, since
//! which values are summed up may change with every click.

use std::collections::HashSet;

use event::time::DAY_MS;
use rusqlite::{Connection, Error, Row, params};

use super::OTHER;
use super::groups::{NONE, Scope};
use crate::query::Basis;
use crate::store::{self, OrderPart, letters};

/// The partners of which some day has too many values.
pub(super) fn partners(
    db: &Connection,
    scope: &Scope<'_>,
    number: u8,
) -> Result<HashSet<i64>, Error> {
    Ok(days(db, scope, number)?.into_iter().map(|(partner, _)| partner).collect())
}

fn days(db: &Connection, scope: &Scope<'_>, number: u8) -> Result<HashSet<(i64, i64)>, Error> {
    let sql = "SELECT partner, day FROM sub_count WHERE program = ?1 AND number = ?2 AND n >= ?3";
    let mut select = db.prepare_cached(sql)?;
    let key = params![scope.program, number, store::SUB_VALUES_MAX];
    select.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn is_kept(
    db: &Connection,
    [program, number, partner, day]: [i64; 4],
    value: &str,
) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM sub_kept WHERE program = ?1 AND number = ?2 AND partner = ?3 AND day = ?4 \
               AND hash = ?5 AND value = ?6";
    let key = params![program, number, partner, day, store::sub_hash(value), value];
    db.prepare_cached(sql)?.exists(key)
}

/// Calls with the group and each share of an order of these partners.
pub(super) fn orders(
    db: &Connection,
    scope: &mut Scope<'_>,
    (number, partners): (u8, &HashSet<i64>),
    found: &mut dyn FnMut(i64, &OrderPart),
) -> Result<(), Error> {
    let full = days(db, scope, number)?;
    let at = match scope.basis_word() {
        Basis::Event => "orders.converted_at",
        Basis::Click => "share.touched_at",
    };
    let sql = format!(
        "SELECT json_extract(share.subs, '$.s{number}'), share.touched_at, share.partner, orders.currency, orders.code, \
         orders.customer, orders.lock_at, share.currency, share.state, share.credit, share.net, share.returned, \
         share.margin, share.margin_unknown, share.commission FROM orders JOIN share ON share.ord = orders.id AND share.gone = 0 \
         WHERE orders.program = ?1 AND {at} >= ?2 AND {at} < ?3 AND (?4 IS NULL OR orders.goal = ?4)"
    );
    let (start, end) = scope.instants();
    let mut select = db.prepare(&sql)?;
    let mut rows = select.query(params![scope.program, start, end, scope.goal()])?;
    while let Some(row) = rows.next()? {
        let partner = row.get(2)?;
        if !partners.contains(&partner) || !scope.has(partner) {
            continue;
        }
        let value: Option<String> = row.get(0)?;
        let day = row.get::<_, i64>(1)?.div_euclid(DAY_MS);
        let group = match value {
            None => NONE,
            Some(value)
                if full.contains(&(partner, day))
                    && !is_kept(db, [scope.program, number.into(), partner, day], &value)? =>
            {
                scope.text(OTHER)
            }
            Some(value) => scope.text(&value),
        };
        found(group, &part(row)?);
    }
    Ok(())
}

fn part(row: &Row<'_>) -> Result<OrderPart, Error> {
    let currency = |at: usize| Ok::<_, Error>(letters(row.get_ref(at)?.as_str()?));
    Ok(OrderPart {
        currency: currency(3)?,
        code: row.get(4)?,
        customer: row.get(5)?,
        lock_at: row.get(6)?,
        paid_in: currency(7)?,
        state: row.get(8)?,
        credit: row.get(9)?,
        net: row.get(10)?,
        returned: row.get(11)?,
        margin: row.get(12)?,
        margin_unknown: row.get(13)?,
        commission: row.get(14)?,
    })
}
