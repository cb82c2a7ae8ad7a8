//! The book as it is read beside its worker.

use std::ops::ControlFlow;
use std::path::Path;

use catalog::Snapshot;
use event::body::OrderState;
use event::body::posting::BookedOrder;
use event::{Code, Currency, Micros, Millis, OrderKey, PartnerName, ProgramName};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use super::{ChainFault, During as _, StoreError, accounts, chain, days, open_to_read, pay};
use crate::books_lines;
use crate::facts::Facts;
use crate::payout::{Made, MadeFilter, MadePlace, Payout, Statement};

/// Most orders of one list.
pub const LIST_MAX: u32 = 10_000;

/// A book, open for reading.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

/// Which orders are listed. What is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this program.
    pub program: Option<ProgramName>,
    /// In this state.
    pub state: Option<OrderState>,
    /// With this main reason.
    pub code: Option<Code>,
    /// With a share of this partner.
    pub partner: Option<PartnerName>,
    /// Behind the order that an earlier list ended with.
    pub after: Option<i64>,
    /// At most so many, and at most [`LIST_MAX`].
    pub limit: u32,
}

/// An order in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The order.
    pub order: OrderKey,
    /// The order id as the merchant wrote it.
    pub order_id: Option<String>,
    /// Its state.
    pub state: OrderState,
    /// Its main reason.
    pub code: Code,
    /// The partner with the first share; none: nobody, or an own channel.
    pub partner: Option<PartnerName>,
    /// Its currency.
    pub currency: Currency,
    /// Net amount as it was bought.
    pub amount_micros: Micros,
    /// What stayed of it.
    pub net_micros: Micros,
    /// Commission of all partners.
    pub commission_micros: Micros,
    /// Time of the conversion.
    pub converted_at: Millis,
    /// From when on it may be locked.
    pub lock_at: Millis,
    /// When the book changed last.
    pub changed_at: Option<Millis>,
}

/// An order with all that is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The facts.
    pub facts: Facts,
    /// As it is booked.
    pub booked: Option<Box<BookedOrder>>,
}

impl Listed {
    fn of(order: OrderKey, booked: &BookedOrder, changed_at: Option<Millis>) -> Self {
        let commission = booked
            .shares
            .iter()
            .filter(|share| share.partner.is_some())
            .fold(0_i64, |sum, share| sum.saturating_add(share.commission.0));
        Self {
            order,
            order_id: booked.order_id.clone(),
            state: booked.state,
            code: booked.code,
            partner: booked.shares.iter().find_map(|share| share.partner.clone()),
            currency: booked.currency,
            amount_micros: booked.amount,
            net_micros: Micros(booked.amount.0.saturating_sub(booked.returned.0)),
            commission_micros: Micros(commission),
            converted_at: booked.converted_at,
            lock_at: booked.lock_at,
            changed_at,
        }
    }
}

impl Reader {
    /// Opens the book in `folder`.
    ///
    /// # Errors
    /// There is none, or it is of another format.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: open_to_read(folder)? })
    }

    /// Reads with several statements from the book of one moment, whatever is written in between.
    pub(crate) fn at_once<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let reading = self.connection.unchecked_transaction().during("begin to read the book")?;
        read(&reading) // nothing was written: it ends by being dropped
    }

    /// Orders, the newest in the book first, and where the list goes on.
    ///
    /// # Errors
    /// The book cannot be read.
    pub fn list(&self, filter: &Filter) -> Result<(Vec<Listed>, Option<i64>), StoreError> {
        const DOING: &str = "list the orders of the book";
        let mut found = self
            .connection
            .prepare_cached(
                "SELECT o.id, o.key, c.booked, o.changed_at
                 FROM orders o JOIN contents c ON c.id = o.id
                 WHERE o.id < ?1 AND o.state IS NOT NULL AND (?2 IS NULL OR o.program = ?2)
                   AND (?3 IS NULL OR o.state = ?3) AND (?4 IS NULL OR o.code = ?4)
                   AND (?5 IS NULL OR instr(o.partners, ?5) > 0)
                 ORDER BY o.id DESC LIMIT ?6",
            )
            .during(DOING)?;
        let limit = filter.limit.clamp(1, LIST_MAX);
        let partner = filter.partner.as_ref().map(|name| format!(" {name} "));
        let values = params![
            filter.after.unwrap_or(i64::MAX),
            filter.program.as_ref().map(ProgramName::as_str),
            filter.state.map(OrderState::as_str),
            filter.code.map(Code::number),
            partner,
            limit
        ];
        let mut rows = found.query(values).during(DOING)?;
        let (mut listed, mut last) = (Vec::new(), None);
        while let Some(row) = rows.next().during(DOING)? {
            let id: i64 = row.get(0).during(DOING)?;
            let key: String = row.get(1).during(DOING)?;
            let booked: String = row.get(2).during(DOING)?;
            let changed_at: Option<i64> = row.get(3).during(DOING)?;
            let booked = serde_json::from_str(&booked).during(DOING)?;
            let order = key.parse().during(DOING)?;
            listed.push(Listed::of(order, &booked, changed_at.map(Millis)));
            last = Some(id);
        }
        let full = u32::try_from(listed.len()).is_ok_and(|count| count >= limit);
        Ok((listed, last.filter(|_| full)))
    }

    /// An order; empty if it is not known.
    ///
    /// # Errors
    /// The book cannot be read.
    pub fn order(&self, order: &OrderKey) -> Result<Found, StoreError> {
        const DOING: &str = "read an order of the book";
        let found = self
            .connection
            .prepare_cached(
                "SELECT c.facts, c.booked FROM orders o JOIN contents c ON c.id = o.id WHERE o.key = ?",
            )
            .and_then(|mut found| {
                found
                    .query_row(params![order.to_string()], |row| {
                        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
                    })
                    .optional()
            })
            .during(DOING)?;
        let Some((facts, booked)) = found else { return Ok(Found::default()) };
        Ok(Found {
            facts: serde_json::from_str(&facts).during(DOING)?,
            booked: booked.map(|text| serde_json::from_str(&text)).transpose().during(DOING)?,
        })
    }

    /// The lines of `sillage books`, sorted bytewise: of one program, or of all.
    ///
    /// # Errors
    /// The book cannot be read, or `each` fails.
    pub fn books(
        &self,
        program: Option<&str>,
        each: impl FnMut(&str) -> std::io::Result<()>,
    ) -> Result<(), StoreError> {
        let mut each = each;
        self.at_once(|connection| {
            lines(connection, program, None, |line| each(line).map(ControlFlow::Continue))
        })
    }

    /// At least `limit` lines of `sillage books` behind those that an earlier page ended with, to the end of an order or day,
    /// and where the next page goes on.
    ///
    /// # Errors
    /// The book cannot be read.
    pub fn books_page(
        &self,
        program: Option<&str>,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<(Vec<String>, Option<Place>), StoreError> {
        let limit = usize::try_from(limit.clamp(1, LIST_MAX)).unwrap_or(1);
        let (mut page, mut last, mut next): (Vec<String>, Option<Place>, _) =
            (Vec::new(), None, None);
        self.at_once(|connection| {
            lines(connection, program, after, |line| {
                let place = Place::of(line);
                if page.len() >= limit && last != place {
                    next = last.take();
                    return Ok(ControlFlow::Break(()));
                }
                page.push(line.to_owned());
                last = place;
                Ok(ControlFlow::Continue(()))
            })
        })?;
        Ok((page, next))
    }

    /// Every account with its currency and balance in micros, over all partitions; sorted.
    ///
    /// # Errors
    /// The book cannot be read.
    pub fn accounts(&self) -> Result<Vec<(String, String, i128)>, StoreError> {
        let all = accounts::all(&self.connection)?.into_iter();
        Ok(all.map(|((account, currency), micros)| (account, currency, micros)).collect())
    }

    /// Findings about orders behind `after`, and where the list goes on: each with its order, as JSON.
    ///
    /// # Errors
    /// The book cannot be read.
    #[expect(clippy::type_complexity, reason = "a list, and where it goes on")]
    pub fn findings(
        &self,
        after: (i64, i64),
        limit: u32,
    ) -> Result<(Vec<(String, String)>, Option<(i64, i64)>), StoreError> {
        const DOING: &str = "read the findings of the book";
        let mut found = self
            .connection
            .prepare_cached(
                "SELECT f.order_id, f.place, o.key, f.finding
                 FROM findings f JOIN orders o ON o.id = f.order_id
                 WHERE (f.order_id, f.place) > (?, ?) ORDER BY f.order_id, f.place LIMIT ?",
            )
            .during(DOING)?;
        let limit = limit.clamp(1, LIST_MAX);
        let mut rows = found.query(params![after.0, after.1, limit]).during(DOING)?;
        let (mut listed, mut last) = (Vec::new(), None);
        while let Some(row) = rows.next().during(DOING)? {
            last = Some((row.get(0).during(DOING)?, row.get(1).during(DOING)?));
            listed.push((row.get(2).during(DOING)?, row.get(3).during(DOING)?));
        }
        let full = u32::try_from(listed.len()).is_ok_and(|count| count >= limit);
        Ok((listed, last.filter(|_| full)))
    }

    /// What a payout would pay.
    ///
    /// # Errors
    /// The book cannot be read.
    pub fn statements(
        &self,
        catalog: &Snapshot,
        payout: &Payout,
    ) -> Result<Vec<Statement>, StoreError> {
        self.at_once(|connection| pay::statements(connection, catalog, payout))
    }

    /// Statements that were made, the newest first, and where the list goes on.
    ///
    /// # Errors
    /// The book cannot be read.
    pub fn made(&self, filter: &MadeFilter) -> Result<(Vec<Made>, Option<MadePlace>), StoreError> {
        pay::made(&self.connection, filter)
    }

    /// A statement that was made, as it was given then. None: there is none of this id, or it is of an old version, whose
    /// payments do not say what they paid.
    ///
    /// # Errors
    /// The book cannot be read.
    pub fn statement(&self, id: &str) -> Result<Option<Statement>, StoreError> {
        self.at_once(|connection| pay::statement(connection, id))
    }

    /// As [`Store::verify`](super::Store::verify).
    ///
    /// # Errors
    /// The book cannot be read.
    pub fn verify(&self) -> Result<Result<u64, ChainFault>, StoreError> {
        self.at_once(chain::verify)
    }
}

/// Where a page of the book ended: all lines of this program up to those of this order or day stand before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The program.
    pub program: String,
    /// The order key, or what stands in its place.
    pub key: String,
}

impl Place {
    fn of(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let (program, key) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        Some(Self { program, key })
    }
}

/// The lines of the book behind a place, to the end or until `each` has enough.
fn lines(
    connection: &Connection,
    program: Option<&str>,
    after: Option<&Place>,
    mut each: impl FnMut(&str) -> std::io::Result<ControlFlow<()>>,
) -> Result<(), StoreError> {
    const DOING: &str = "read the lines of the book";
    let mut next = connection
        .prepare("SELECT program FROM orders WHERE key >= ? ORDER BY key LIMIT 1")
        .during(DOING)?;
    let mut found = connection
        .prepare(
            "SELECT o.key, c.booked FROM orders o JOIN contents c ON c.id = o.id
                 WHERE o.key > ? AND o.key < ? ORDER BY o.key",
        )
        .during(DOING)?;
    let mut programs: Vec<String> = Vec::new();
    match program {
        Some(name) => programs.push(name.to_owned()),
        None => {
            // `/` follows the name in each key, and `0` follows `/`.
            let mut from = String::new();
            while let Some(name) = next
                .query_row(params![from], |row| row.get::<_, String>(0))
                .optional()
                .during(DOING)?
            {
                from = format!("{name}0");
                programs.push(name);
            }
            programs.extend(days::programs(connection)?);
            programs.sort_unstable(); // `a-b/` stands before `a/`
            programs.dedup();
        }
    }
    for program in programs {
        if after.is_some_and(|after| program < after.program) {
            continue;
        }
        let orders = format!("{program}/");
        let behind = after.filter(|after| after.program == program).map_or("", |after| &*after.key);
        let mut days = days::lines(connection, &program)?;
        days.retain(|line| Place::of(line).is_some_and(|place| *place.key > *behind));
        // All of them stand on one side of the orders: these begin with the program's name.
        if *"day:" < *orders {
            for line in days.drain(..) {
                if each(&line).during(DOING)?.is_break() {
                    return Ok(());
                }
            }
        }
        let mut rows =
            found.query(params![behind.max(&*orders), format!("{program}0")]).during(DOING)?;
        while let Some(row) = rows.next().during(DOING)? {
            let text = row.get_ref(0).during(DOING)?.as_str().during(DOING)?;
            let order: OrderKey = text.parse().during(DOING)?;
            let booked = row.get_ref(1).during(DOING)?.as_str_or_null().during(DOING)?;
            let Some(booked) = booked else { continue };
            let booked: BookedOrder = serde_json::from_str(booked).during(DOING)?;
            for line in books_lines(&order, &booked) {
                if each(&line).during(DOING)?.is_break() {
                    return Ok(());
                }
            }
        }
        for line in days {
            if each(&line).during(DOING)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}
