//! Which statements there are to pay, and which were cut off while they were paid.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use catalog::Snapshot;
use event::body::{BookedOrder, Subject};
use event::{Currency, Micros, Millis, OrderKey, PartnerName, ProgramName};
use rusqlite::{Connection, params};

use super::{During as _, StoreError, accounts, days};
use crate::amount::total;
use crate::days::{Day, Zone, due};
use crate::payout::{
    Line, Made, MadeFilter, MadePlace, Payout, Statement, Status, parts, statement_id,
};

/// The statements of a payout, by partner and currency, and before them those that were cut off. One that was paid before is
/// as it was paid.
///
/// # Panics
/// A statement would pay more than is payable.
pub(super) fn statements(
    connection: &Connection,
    catalog: &Snapshot,
    payout: &Payout,
) -> Result<Vec<Statement>, StoreError> {
    let (mut all, mut cut_off) = (Vec::new(), Vec::new());
    for known in known(connection, &payout.program)? {
        let asked = known.id == statement_id(payout, &known.partner, known.currency);
        match known.cut_off {
            Some(until) => cut_off.push(known.statement(connection, until, Status::CutOff)?),
            None if asked => all.push(known.statement(connection, payout.until, Status::Paid)?),
            None => {}
        }
    }
    cut_off.sort_by_key(|one| one.until);
    let last = cut_off.last().map_or(payout.until, |one| one.until.max(payout.until));
    let mut open = orders_owed(connection, &payout.program, last)?;
    open.extend(days_owed(connection, catalog, &payout.program, last)?);
    for mut statement in cut_off {
        let paid: BTreeSet<Subject> =
            statement.lines.iter().map(|line| line.subject.clone()).collect();
        let lacks = |one: &Owed| {
            (&one.partner, one.currency) == (&statement.partner, statement.currency)
                && one.due < statement.until
                && !paid.contains(&one.line.subject)
        };
        let (lines, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(lacks);
        let amounts = statement.lines.iter().chain(lines.iter().map(|one| &one.line));
        // Of what is not above 0, nothing is paid; its lines are in the statement asked for.
        if total(amounts.map(|line| line.amount_micros)) > 0 {
            statement.lines.extend(lines.into_iter().map(|one| one.line));
            open = rest;
        } else {
            open = lines.into_iter().chain(rest).collect();
        }
        all.push(statement);
    }
    let taken: BTreeSet<String> = all.iter().map(|one| one.id.clone()).collect();
    open.retain(|one| {
        one.due < payout.until && !taken.contains(&statement_id(payout, &one.partner, one.currency))
    });
    all.extend(new_statements(payout, open));
    for statement in &mut all {
        finish(connection, statement)?;
    }
    all.sort_by(|a, b| (&a.partner, a.currency, a.until).cmp(&(&b.partner, b.currency, b.until)));
    Ok(all)
}

/// The statements of what is owed, by partner and currency.
fn new_statements(payout: &Payout, open: Vec<Owed>) -> impl Iterator<Item = Statement> {
    let mut statements: BTreeMap<(PartnerName, Currency), Statement> = BTreeMap::new();
    for Owed { partner, currency, line, .. } in open {
        let statement = match statements.entry((partner, currency)) {
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
    statements.into_values()
}

impl Statement {
    /// Its lines in their order, and their sum.
    fn sum_up(&mut self) -> Result<(), StoreError> {
        self.lines.sort_by(|a, b| a.subject.cmp(&b.subject));
        let sum = total(self.lines.iter().map(|line| line.amount_micros));
        self.amount_micros = Micros(i64::try_from(sum).during("sum a statement")?);
        Ok(())
    }
}

/// Sums a statement up, and says what becomes of it.
fn finish(connection: &Connection, statement: &mut Statement) -> Result<(), StoreError> {
    statement.sum_up()?;
    if statement.status == Status::Payable && statement.amount_micros.0 <= 0 {
        statement.status = Status::CarriedForward;
    }
    if matches!(statement.status, Status::Payable | Status::CutOff) {
        let unpaid = statement.unpaid().map(|line| line.amount_micros);
        let (sum, account) =
            (total(unpaid), event::body::Account::Payable(statement.partner.clone()));
        let payable = accounts::of(connection, &account.to_string(), statement.currency.as_str())?;
        assert!(sum <= payable, "a statement of {sum} pays more than the {payable} payable");
    }
    Ok(())
}

/// A statement of which payments are known.
struct Known {
    id: String,
    program: ProgramName,
    partner: PartnerName,
    currency: Currency,
    /// It was cut off: what it was to pay for was due before this instant.
    cut_off: Option<Millis>,
}

/// Whether a statement is whole: its payments are as many and come to as much as one of them says; payments that say
/// nothing of it are of a time when nobody could tell.
const WHOLE: &str = "s.until IS NULL OR EXISTS (SELECT 1 FROM wholes w
     WHERE w.statement = s.id AND w.lines = s.lines AND CAST(w.amount AS TEXT) = s.amount)";

/// The statements of a program that were paid, wholly or in part.
fn known(connection: &Connection, program: &ProgramName) -> Result<Vec<Known>, StoreError> {
    const DOING: &str = "read the statements that are paid";
    let sql = format!(
        "SELECT s.id, s.partner, s.currency, s.until, {WHOLE} FROM statements s WHERE s.program = ? ORDER BY s.id"
    );
    let mut found = connection.prepare_cached(&sql).during(DOING)?;
    let read = |row: &rusqlite::Row<'_>| {
        let names = (row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?);
        Ok((names, row.get::<_, Option<i64>>(3)?, row.get::<_, bool>(4)?))
    };
    let mut all = Vec::new();
    for row in found.query_map(params![program.as_str()], read).during(DOING)? {
        let ((id, partner, currency), until, whole) = row.during(DOING)?;
        all.push(Known {
            id,
            program: program.clone(),
            partner: partner.parse().during(DOING)?,
            currency: currency.parse().during(DOING)?,
            cut_off: until.filter(|_| !whole).map(Millis),
        });
    }
    Ok(all)
}

const MADE: &str = "s.id, s.program, s.partner, s.currency, s.until, s.lines, s.amount, s.made_at";

/// Statements that were made, the newest first, and where the list goes on.
pub(super) fn made(
    connection: &Connection,
    filter: &MadeFilter,
) -> Result<(Vec<Made>, Option<MadePlace>), StoreError> {
    const DOING: &str = "list the statements that were made";
    let sql = format!(
        "SELECT {MADE}, {WHOLE} FROM statements s WHERE s.program = ?1 AND (s.made_at, s.id) < (?2, ?3)
           AND (?4 IS NULL OR s.partner = ?4)
         ORDER BY s.made_at DESC, s.id DESC LIMIT ?5"
    );
    let mut found = connection.prepare_cached(&sql).during(DOING)?;
    let after = filter.after.as_ref();
    let values = params![
        filter.program.as_str(),
        after.map_or(i64::MAX, |after| after.made_at),
        after.map_or("", |after| &after.id),
        filter.partner.as_ref().map(PartnerName::as_str),
        filter.limit,
    ];
    let mut rows = found.query(values).during(DOING)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().during(DOING)? {
        all.push(one_made(row)?);
    }
    let full = u32::try_from(all.len()).is_ok_and(|count| count >= filter.limit);
    let next = all.last().filter(|_| full).map(|last: &Made| MadePlace {
        made_at: last.made_at.map_or(0, |at| at.0),
        id: last.id.clone(),
    });
    Ok((all, next))
}

fn one_made(row: &rusqlite::Row<'_>) -> Result<Made, StoreError> {
    const DOING: &str = "read a statement that was made";
    let text = |place| row.get_ref(place).during(DOING)?.as_str().during(DOING);
    let made_at: i64 = row.get(7).during(DOING)?;
    let whole: bool = row.get(8).during(DOING)?;
    let amount: i128 = text(6)?.parse().during(DOING)?;
    let lines: i64 = row.get(5).during(DOING)?;
    Ok(Made {
        id: text(0)?.to_owned(),
        program: text(1)?.parse().during(DOING)?,
        partner: text(2)?.parse().during(DOING)?,
        currency: text(3)?.parse().during(DOING)?,
        until: row.get::<_, Option<i64>>(4).during(DOING)?.map(Millis),
        status: if whole { Status::Paid } else { Status::CutOff },
        amount_micros: Micros(i64::try_from(amount).during(DOING)?),
        lines: u64::try_from(lines).unwrap_or(0),
        made_at: (made_at != 0).then_some(Millis(made_at)),
    })
}

/// A statement that was made, as it was given then. None: there is none of this id, or it is of an old version, whose
/// payments do not say what they paid.
pub(super) fn statement(
    connection: &Connection,
    id: &str,
) -> Result<Option<Statement>, StoreError> {
    const DOING: &str = "look for a statement";
    let sql = format!("SELECT {MADE}, {WHOLE} FROM statements s WHERE s.id = ?");
    let mut found = connection.prepare_cached(&sql).during(DOING)?;
    let mut rows = found.query(params![id]).during(DOING)?;
    let Some(row) = rows.next().during(DOING)? else { return Ok(None) };
    let made = one_made(row)?;
    let Some(until) = made.until else { return Ok(None) };
    let Made { id, program, partner, currency, status, .. } = made;
    let known = Known { id, program, partner, currency, cut_off: None };
    let mut statement = known.statement(connection, until, status)?;
    statement.sum_up()?;
    Ok(Some(statement))
}

impl Known {
    /// It with what it has paid.
    fn statement(
        self,
        connection: &Connection,
        until: Millis,
        status: Status,
    ) -> Result<Statement, StoreError> {
        const DOING: &str = "read the payments of a statement";
        let Self { id, program, partner, currency, .. } = self;
        let mut lines = Vec::new();
        let mut found = connection
            .prepare_cached("SELECT line FROM payments WHERE statement = ? AND line IS NOT NULL")
            .during(DOING)?;
        for row in found.query_map(params![id], |row| row.get::<_, String>(0)).during(DOING)? {
            lines.push(serde_json::from_str(&row.during(DOING)?).during(DOING)?);
        }
        // Old payments do not say what they paid: their lines are made of what the book has now.
        each_order(
            connection,
            "SELECT o.key, c.booked, p.amount, 0 FROM payments p JOIN orders o ON o.key = p.subject
               JOIN contents c ON c.id = o.id WHERE p.statement = ?1 AND p.day = 0 AND p.line IS NULL ORDER BY o.key",
            params![id],
            |order, booked, (amount, _)| {
                let part = parts(&booked).remove(&partner).unwrap_or_default();
                lines.push(Line::paid(order, &booked, &part, Micros(amount)));
            },
        )?;
        let mut found = connection
            .prepare_cached(
                "SELECT subject, amount FROM payments
                 WHERE statement = ? AND day = 1 AND line IS NULL",
            )
            .during(DOING)?;
        let read =
            |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1).map(Micros)?));
        for row in found.query_map(params![id], read).during(DOING)? {
            let (key, amount) = row.during(DOING)?;
            let Some(day) = days::by_key(connection, &key)? else { continue };
            lines.push(Line::paid_day(&day, amount));
        }
        let amount_micros = Micros(0);
        Ok(Statement { id, program, partner, currency, until, status, amount_micros, lines })
    }
}

/// What is owed to a partner for an order or a day.
struct Owed {
    partner: PartnerName,
    currency: Currency,
    due: Millis,
    line: Line,
}

/// Locked orders that were due before `until`.
fn orders_owed(
    connection: &Connection,
    program: &ProgramName,
    until: Millis,
) -> Result<Vec<Owed>, StoreError> {
    let mut owed = Vec::new();
    each_order(
        connection,
        "SELECT o.key, c.booked, 0, o.lock_at FROM orders o JOIN contents c ON c.id = o.id
         WHERE o.program = ?1 AND o.owed = 1 AND o.lock_at < ?2 ORDER BY o.key",
        params![program.as_str(), until.0],
        |order, booked, (_, due)| {
            for (partner, part) in parts(&booked) {
                let Some(line) = Line::of(&order, &booked, &part) else { continue };
                let (partner, currency) = (partner.clone(), booked.currency);
                owed.push(Owed { partner, currency, due: Millis(due), line });
            }
        },
    )?;
    Ok(owed)
}

/// Days that were due before `until`.
fn days_owed(
    connection: &Connection,
    catalog: &Snapshot,
    program: &ProgramName,
    until: Millis,
) -> Result<Vec<Owed>, StoreError> {
    let Some(program) = catalog.program(program.as_str()) else { return Ok(Vec::new()) };
    let zone = Zone::named(program.time_zone());
    let mut owed = Vec::new();
    for row in days::owed(connection, program.name())? {
        let day: Day = row.key.day.parse().during("read a day of a statement")?;
        let due = due(program, &zone, day);
        if due < until
            && let Some(line) = Line::of_day(&row)
        {
            let (partner, currency) = (row.key.partner, row.currency);
            owed.push(Owed { partner, currency, due, line });
        }
    }
    Ok(owed)
}

fn each_order(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    mut each: impl FnMut(OrderKey, BookedOrder, (i64, i64)),
) -> Result<(), StoreError> {
    const DOING: &str = "read the orders of a statement";
    let mut found = connection.prepare_cached(sql).during(DOING)?;
    let mut rows = found.query(values).during(DOING)?;
    while let Some(row) = rows.next().during(DOING)? {
        let key: String = row.get(0).during(DOING)?;
        let Some(booked) = row.get::<_, Option<String>>(1).during(DOING)? else { continue };
        let numbers = (row.get(2).during(DOING)?, row.get(3).during(DOING)?);
        let booked = serde_json::from_str(&booked).during(DOING)?;
        each(key.parse().during(DOING)?, booked, numbers);
    }
    Ok(())
}
