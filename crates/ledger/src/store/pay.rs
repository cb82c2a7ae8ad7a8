//! Which statements there are to pay.

use std::collections::{BTreeMap, btree_map::Entry};

use event::{Currency, Micros, OrderKey, PartnerName};
use rusqlite::{Connection, params};

use super::{During as _, StoreError, accounts};
use crate::payout::{Line, Payout, Statement, Status, parts, statement_id};

/// The statements of a payout, by partner and currency. One that was paid before is as it was paid.
///
/// # Panics
/// A statement would pay more than is payable.
pub(super) fn statements(
    connection: &Connection,
    payout: &Payout,
) -> Result<Vec<Statement>, StoreError> {
    let mut statements: BTreeMap<(PartnerName, Currency), Statement> = BTreeMap::new();
    each_order(
        connection,
        "SELECT o.key, c.booked, '' FROM orders o JOIN contents c ON c.id = o.id
         WHERE o.program = ?1 AND o.owed = 1 AND o.lock_at < ?2 ORDER BY o.key",
        params![payout.program.as_str(), payout.until.0],
        |order, booked, _| {
            for (partner, part) in parts(&booked) {
                let Some(line) = Line::of(&order, &booked, &part) else { continue };
                let statement = match statements.entry((partner.clone(), booked.currency)) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let (partner, currency) = new.key().clone();
                        new.insert(Statement {
                            id: statement_id(payout, &partner, currency),
                            program: payout.program.clone(),
                            partner,
                            currency,
                            until: payout.until,
                            status: Status::Payable,
                            amount_micros: Micros(0),
                            lines: Vec::new(),
                        })
                    }
                };
                statement.lines.push(line);
            }
        },
    )?;
    paid_before(connection, payout, &mut statements)?;
    let mut all = Vec::with_capacity(statements.len());
    for (_, mut statement) in statements {
        let sum: i128 = statement
            .lines
            .iter()
            .fold(0, |sum, line| sum.saturating_add(i128::from(line.amount_micros.0)));
        let sum = i64::try_from(sum).map_err(StoreError::of("sum a statement"))?;
        statement.amount_micros = Micros(sum);
        if statement.status == Status::Payable && sum <= 0 {
            statement.status = Status::CarriedForward;
        }
        if statement.status == Status::Payable {
            let payable = payable(connection, &statement.partner, statement.currency)?;
            assert!(
                i128::from(sum) <= payable,
                "a statement of {sum} pays more than the {payable} payable"
            );
        }
        all.push(statement);
    }
    Ok(all)
}

/// Replaces what would be paid by what was, where a statement of this payout is paid.
fn paid_before(
    connection: &Connection,
    payout: &Payout,
    statements: &mut BTreeMap<(PartnerName, Currency), Statement>,
) -> Result<(), StoreError> {
    const DOING: &str = "read the statements that are paid";
    // A partner of whom nothing is open may have been paid, too.
    let mut found = connection
        .prepare_cached(
            "SELECT DISTINCT statement, partner, currency FROM payments WHERE program = ?",
        )
        .during(DOING)?;
    let rows = found
        .query_map(params![payout.program.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })
        .during(DOING)?;
    for row in rows {
        let (id, partner, currency) = row.during(DOING)?;
        let partner: PartnerName = partner.parse().during(DOING)?;
        let currency: Currency = currency.parse().during(DOING)?;
        if id != statement_id(payout, &partner, currency) {
            continue;
        }
        let mut lines = Vec::new();
        each_order(
            connection,
            "SELECT o.key, c.booked, p.amount FROM payments p JOIN orders o ON o.id = p.order_id
               JOIN contents c ON c.id = o.id WHERE p.statement = ?1 ORDER BY o.key",
            params![id],
            |order, booked, amount| {
                let Some(part) = parts(&booked).remove(&partner) else { return };
                let before = part.paid.saturating_sub(i128::from(amount));
                let micros = |amount: i128| Micros(i64::try_from(amount).unwrap_or(i64::MAX));
                lines.push(Line {
                    order_id: booked.order_id.clone(),
                    converted_at: booked.converted_at,
                    net_micros: micros(part.net),
                    commission_micros: micros(part.commission),
                    paid_before_micros: micros(before),
                    amount_micros: Micros(amount),
                    state: booked.state,
                    code: booked.code,
                    order,
                });
            },
        )?;
        statements.insert(
            (partner.clone(), currency),
            Statement {
                id,
                program: payout.program.clone(),
                partner,
                currency,
                until: payout.until,
                status: Status::Paid,
                amount_micros: Micros(0),
                lines,
            },
        );
    }
    Ok(())
}

fn each_order(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    mut each: impl FnMut(OrderKey, event::body::BookedOrder, i64),
) -> Result<(), StoreError> {
    const DOING: &str = "read the orders of a statement";
    let mut found = connection.prepare_cached(sql).during(DOING)?;
    let mut rows = found.query(values).during(DOING)?;
    while let Some(row) = rows.next().during(DOING)? {
        let key: String = row.get(0).during(DOING)?;
        let Some(booked) = row.get::<_, Option<String>>(1).during(DOING)? else { continue };
        let amount = row.get_ref(2).during(DOING)?.as_i64().unwrap_or(0);
        let booked = serde_json::from_str(&booked).during(DOING)?;
        each(key.parse().during(DOING)?, booked, amount);
    }
    Ok(())
}

fn payable(
    connection: &Connection,
    partner: &PartnerName,
    currency: Currency,
) -> Result<i128, StoreError> {
    let account = event::body::Account::Payable(partner.clone()).to_string();
    accounts::of(connection, &account, currency.as_str())
}
