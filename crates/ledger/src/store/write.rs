//! One transaction: what a batch changes in the book.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use event::body::posting::{BookedOrder, Posting, Transfer};
use event::body::{Account, OrderState};
use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Body, Currency, Envelope, EventId, Millis, OrderKey, ProgramName};
use eventlog::{Cursor, Header};
use rusqlite::{Connection, OptionalExtension as _, Params, params};

use super::chain::Chain;
use super::{During as _, StoreError, accounts, topic_number};
use crate::balances;
use crate::facts::Facts;
use crate::payout;

/// What still has to be done about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Dirty {
    /// Nothing.
    #[default]
    No,
    /// To be decided.
    Undecided,
    /// Waits for a newer catalog.
    Waiting,
}

impl Dirty {
    const fn number(self) -> i64 {
        match self {
            Self::No => 0,
            Self::Undecided => 1,
            Self::Waiting => 2,
        }
    }

    const fn of(number: i64) -> Self {
        match number {
            0 => Self::No,
            2 => Self::Waiting,
            _ => Self::Undecided,
        }
    }
}

/// An order in the book.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    id: Option<i64>,
    pub(crate) key: OrderKey,
    pub(crate) partition: u32,
    pub(crate) facts: Facts,
    pub(crate) booked: Option<Box<BookedOrder>>,
    /// How often it changed.
    pub(crate) number: u64,
    pub(crate) dirty: Dirty,
    /// When it may be locked, if nothing but the time is missing.
    pub(crate) due: Option<Millis>,
    pub(crate) changed_at: Option<Millis>,
    /// Findings as JSON; none: as they were.
    pub(crate) findings: Option<Vec<String>>,
    has_findings: bool,
}

impl Row {
    /// An order of which nothing is known.
    pub(crate) fn new(key: OrderKey, partition: u32) -> Self {
        Self {
            id: None,
            key,
            partition,
            facts: Facts::default(),
            booked: None,
            number: 0,
            dirty: Dirty::No,
            due: None,
            changed_at: None,
            findings: None,
            has_findings: false,
        }
    }

    /// ` lea comparo `: so that one is found by its name between spaces.
    fn partners(&self) -> String {
        let Some(booked) = &self.booked else { return String::new() };
        let mut text = String::new();
        for name in booked.shares.iter().filter_map(|share| share.partner.as_ref()) {
            let name = format!(" {name} ");
            if !text.contains(&name) {
                text.push_str(&name);
            }
        }
        text
    }

    fn is_open(&self) -> bool {
        self.facts.decided.is_some() && self.facts.lock.is_none()
    }

    fn is_owed(&self) -> bool {
        self.facts.lock.is_some() && self.booked.as_deref().is_some_and(payout::is_owed)
    }
}

/// A posting that is to be said on `ledger.transfers`.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) n: i64,
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
}

/// Which open orders are gone through.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sweep<'a> {
    /// All.
    All,
    /// Those of a program.
    Program(&'a ProgramName),
}

/// A transaction. Dropped without [`Self::commit`], it leaves nothing.
pub(crate) struct Writing<'s> {
    pub(super) connection: MutexGuard<'s, Connection>,
    /// By account, currency and partition: what is added to the balance.
    moved: BTreeMap<(String, Currency, u32), i128>,
    chain: Option<Chain>,
    said: Vec<Said>,
    ended: bool,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.ended
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction of the book could not be rolled back");
        }
    }
}

impl<'s> Writing<'s> {
    pub(super) fn begin(connection: MutexGuard<'s, Connection>) -> Result<Self, StoreError> {
        connection.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::of("begin a batch"))?;
        Ok(Self { connection, moved: BTreeMap::new(), chain: None, said: Vec::new(), ended: false })
    }

    pub(super) fn run(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values))
            .map_err(StoreError::of("write the book"))
    }

    /// The order with this key, a new one if it is not known.
    pub(crate) fn order(&self, key: &OrderKey, partition: u32) -> Result<Row, StoreError> {
        let found = self.find("o.key = ?", params![key.to_string()])?;
        Ok(found.unwrap_or_else(|| Row::new(key.clone(), partition)))
    }

    /// The order with this number of the table.
    pub(crate) fn order_by_id(&self, id: i64) -> Result<Option<Row>, StoreError> {
        self.find("o.id = ?", params![id])
    }

    fn find(&self, which: &str, values: impl Params) -> Result<Option<Row>, StoreError> {
        const DOING: &str = "read an order of the book";
        let sql = format!(
            "SELECT o.id, o.key, o.partition, c.facts, c.booked, o.number, o.dirty, o.due, o.changed_at,
               EXISTS (SELECT 1 FROM findings f WHERE f.order_id = o.id)
             FROM orders o JOIN contents c ON c.id = o.id WHERE {which}"
        );
        let mut statement = self.connection.prepare_cached(&sql).during(DOING)?;
        let mut rows = statement.query(values).during(DOING)?;
        let Some(row) = rows.next().during(DOING)? else { return Ok(None) };
        let text = |place| row.get_ref(place)?.as_str().map_err(rusqlite::Error::from);
        let time = |place| row.get(place).map(|at: Option<i64>| at.map(Millis));
        let columns = || -> rusqlite::Result<_> {
            let numbers = (row.get(0)?, row.get(2)?, unsigned(row.get(5)?), Dirty::of(row.get(6)?));
            Ok((numbers, text(1)?, text(3)?, row.get_ref(4)?.as_str_or_null()?))
        };
        let times = || -> rusqlite::Result<_> { Ok((time(7)?, time(8)?, row.get(9)?)) };
        let ((id, partition, number, dirty), key, facts, booked) = columns().during(DOING)?;
        let (due, changed_at, has_findings) = times().during(DOING)?;
        Ok(Some(Row {
            id: Some(id),
            key: key.parse().during(DOING)?,
            partition,
            facts: serde_json::from_str(facts).during(DOING)?,
            booked: booked.map(serde_json::from_str).transpose().during(DOING)?,
            number,
            dirty,
            due,
            changed_at,
            findings: None,
            has_findings,
        }))
    }

    /// Writes what is now known of an order.
    pub(crate) fn put(&mut self, row: &mut Row) -> Result<(), StoreError> {
        const DOING: &str = "write an order of the book";
        let facts = serde_json::to_string(&row.facts).during(DOING)?;
        let booked = row.booked.as_ref().map(serde_json::to_string).transpose().during(DOING)?;
        let of = row.booked.as_deref();
        let (state, code) = (of.map(|b| b.state.as_str()), of.map(|b| b.code.number()));
        let (lock_at, converted_at) = (of.map(|b| b.lock_at.0), of.map(|b| b.converted_at.0));
        let number = i64::try_from(row.number).unwrap_or(i64::MAX);
        let (due, changed_at) = (row.due.map(|at| at.0), row.changed_at.map(|at| at.0));
        let (open, owed, dirty) = (row.is_open(), row.is_owed(), row.dirty.number());
        let partners = row.partners();
        match row.id {
            Some(id) => {
                self.run(
                    "UPDATE orders SET state = ?2, code = ?3, partners = ?4, number = ?5, open = ?6, owed = ?7,
                       dirty = ?8, due = ?9, lock_at = ?10, converted_at = ?11, changed_at = ?12
                     WHERE id = ?1",
                    params![
                        id, state, code, partners, number, open, owed, dirty, due, lock_at,
                        converted_at, changed_at
                    ],
                )?;
                self.run(
                    "UPDATE contents SET facts = ?2, booked = ?3 WHERE id = ?1",
                    params![id, facts, booked],
                )?;
            }
            None => {
                self.run(
                    "INSERT INTO orders (state, code, partners, number, open, owed, dirty, due, lock_at,
                       converted_at, changed_at, key, program, partition)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                    params![
                        state, code, partners, number, open, owed, dirty, due, lock_at,
                        converted_at, changed_at, row.key.to_string(), row.key.program.as_str(),
                        row.partition
                    ],
                )?;
                let id = self.connection.last_insert_rowid();
                row.id = Some(id);
                self.run(
                    "INSERT INTO contents (id, facts, booked) VALUES (?1, ?2, ?3)",
                    params![id, facts, booked],
                )?;
            }
        }
        self.put_findings(row)
    }

    fn put_findings(&self, row: &mut Row) -> Result<(), StoreError> {
        let Some(findings) = row.findings.take() else { return Ok(()) };
        if row.has_findings {
            self.run("DELETE FROM findings WHERE order_id = ?", params![row.id])?;
        }
        row.has_findings = !findings.is_empty();
        for (place, finding) in (0_i64..).zip(findings) {
            self.run(
                "INSERT INTO findings (order_id, place, finding) VALUES (?, ?, ?)",
                params![row.id, place, finding],
            )?;
        }
        Ok(())
    }

    /// Books a change of an order that was [`put`](Self::put), for the first time. Its posting is to be said.
    ///
    /// # Panics
    /// The transfers do not lead from what the order's accounts were to what they are.
    pub(crate) fn post(
        &mut self,
        row: &Row,
        before: Option<&BookedOrder>,
        (id, posting): (EventId, Posting),
    ) -> Result<(), StoreError> {
        assert!(leads(&row.key, before, &posting), "transfers of {} lead elsewhere", row.key);
        self.apply((row.id, &row.key.to_string(), row.partition), id, &posting)?;
        let envelope = Envelope {
            id,
            occurred_at: posting.booked.as_ref().map_or(posting.changed_at, |b| b.converted_at),
            received_at: posting.changed_at,
            program: Some(row.key.program.clone()),
            test: row.key.test,
            key: row.key.to_string(),
            body: Body::Posting(Box::new(posting)),
        };
        self.say(&envelope, row.key.key_hash())
    }

    /// Puts a posting where it waits to be said.
    pub(super) fn say(&mut self, envelope: &Envelope, key_hash: KeyHash) -> Result<(), StoreError> {
        let (id, kind) = (envelope.id, envelope.body.event_type().number());
        let header = Header { codec: CODEC_JSON, kind, id, key_hash };
        let payload = envelope.to_json();
        self.run(
            "INSERT INTO outbox (id, key_hash, payload) VALUES (?, ?, ?)",
            params![id.as_bytes(), header.key_hash.0.to_be_bytes(), payload],
        )?;
        self.said.push(Said { n: self.connection.last_insert_rowid(), header, payload });
        Ok(())
    }

    /// Whether a posting leads on from what is booked of an order.
    pub(crate) fn leads(key: &OrderKey, before: Option<&BookedOrder>, posting: &Posting) -> bool {
        leads(key, before, posting)
    }

    /// Books a change that stands on `ledger.transfers` already.
    pub(crate) fn restore(
        &mut self,
        row: &Row,
        id: EventId,
        posting: &Posting,
    ) -> Result<(), StoreError> {
        self.apply((row.id, &row.key.to_string(), row.partition), id, posting)
    }

    /// Books the transfers of a change of what has this row, key and partition.
    pub(super) fn apply(
        &mut self,
        (row, key, partition): (Option<i64>, &str, u32),
        id: EventId,
        posting: &Posting,
    ) -> Result<(), StoreError> {
        if self.chain.is_none() {
            self.chain = Some(Chain::end(&self.connection)?);
        }
        let Some(chain) = &mut self.chain else { return Ok(()) };
        let hash = chain.add(key, id, posting);
        let (state, code) = posting
            .booked
            .as_deref()
            .map_or((OrderState::Pending, 0), |booked| (booked.state, booked.code.number()));
        let number = i64::try_from(posting.number).unwrap_or(i64::MAX);
        self.run(
            "INSERT INTO changes (n, order_id, number, id, source, actor, changed_at, state, code, hash)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                hash.n,
                row,
                number,
                id.as_bytes(),
                posting.source.as_bytes(),
                posting.actor,
                posting.changed_at.0,
                state.as_str(),
                code,
                hash.hash
            ],
        )?;
        for transfer in &posting.transfers {
            self.transfer((row, partition), hash.n, transfer)?;
        }
        Ok(())
    }

    fn transfer(
        &mut self,
        (row, partition): (Option<i64>, u32),
        n: i64,
        transfer: &Transfer,
    ) -> Result<(), StoreError> {
        let Transfer { id, purpose, debit, credit, amount, currency } = transfer;
        let (debit, credit) = (debit.to_string(), credit.to_string());
        self.run(
            "INSERT INTO transfers (order_id, id, n, purpose, debit, credit, amount, currency)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                row,
                id.as_bytes(),
                n,
                purpose.as_str(),
                debit,
                credit,
                amount.0,
                currency.as_str()
            ],
        )?;
        let amount = i128::from(amount.0);
        for (account, amount) in [(debit, amount.saturating_neg()), (credit, amount)] {
            let sum = self.moved.entry((account, *currency, partition)).or_default();
            *sum = sum.saturating_add(amount);
        }
        Ok(())
    }

    /// Orders that are booked. Count.
    pub(crate) fn booked(&self) -> Result<u64, StoreError> {
        self.connection
            .query_row("SELECT count(*) FROM orders WHERE state IS NOT NULL", [], |row| row.get(0))
            .map(unsigned)
            .map_err(StoreError::of("count the orders of the book"))
    }

    /// What is still to be said from before, in its order.
    pub(crate) fn unsaid(&self) -> Result<Vec<Said>, StoreError> {
        const DOING: &str = "read the outbox of the book";
        let mut statement = self
            .connection
            .prepare_cached("SELECT n, id, key_hash, payload FROM outbox ORDER BY n")
            .during(DOING)?;
        let read = |row: &rusqlite::Row<'_>| {
            let kind = event::EventType::Posting.number();
            let key_hash = KeyHash(u64::from_be_bytes(row.get(2)?));
            let header =
                Header { codec: CODEC_JSON, kind, id: EventId::from_bytes(row.get(1)?), key_hash };
            Ok(Said { n: row.get(0)?, header, payload: row.get(3)? })
        };
        let rows = statement.query_map([], read).during(DOING)?;
        rows.collect::<Result<_, _>>().during(DOING)
    }

    /// Forgets postings that are durable on their topic.
    pub(crate) fn said(&self, up_to: i64) -> Result<(), StoreError> {
        self.run("DELETE FROM outbox WHERE n <= ?", params![up_to]).map(drop)
    }

    /// How far a partition is read.
    pub(crate) fn cursor(&self, cursor: Cursor) -> Result<(), StoreError> {
        let next = i64::try_from(cursor.next).unwrap_or(i64::MAX);
        self.run(
            "INSERT OR REPLACE INTO cursors (topic, partition, next) VALUES (?, ?, ?)",
            params![topic_number(cursor.partition.topic), cursor.partition.index, next],
        )
        .map(drop)
    }

    /// Orders that are to be decided, at most `most`. Asked at every turn: `dirty > 0` is what the index is found by.
    pub(crate) fn undecided(&self, most: u32) -> Result<Vec<i64>, StoreError> {
        self.ids("SELECT id FROM orders WHERE dirty > 0 AND dirty = 1 LIMIT ?", params![most])
    }

    /// From now on the orders that wait for a newer catalog are to be decided.
    pub(crate) fn wake_waiting(&self) -> Result<usize, StoreError> {
        self.run("UPDATE orders SET dirty = 1 WHERE dirty > 0 AND dirty = 2", [])
    }

    /// Orders that wait for a newer catalog. Count.
    pub(crate) fn waiting(&self) -> Result<u32, StoreError> {
        self.connection
            .prepare_cached("SELECT count(*) FROM orders WHERE dirty > 0 AND dirty = 2")
            .and_then(|mut count| count.query_row([], |row| row.get(0)))
            .map_err(StoreError::of("count the orders that wait"))
    }

    /// Open orders behind `after`, at most `most`.
    pub(crate) fn open_orders(
        &self,
        sweep: Sweep<'_>,
        after: i64,
        most: u32,
    ) -> Result<Vec<i64>, StoreError> {
        match sweep {
            Sweep::All => self.ids(
                "SELECT id FROM orders WHERE id > ? AND open = 1 ORDER BY id LIMIT ?",
                params![after, most],
            ),
            Sweep::Program(program) => self.ids(
                "SELECT id FROM orders WHERE id > ? AND open = 1 AND program = ? ORDER BY id LIMIT ?",
                params![after, program.as_str(), most],
            ),
        }
    }

    /// Orders that at `now` may be locked or change by themselves, those due first, at most `most`. Without `locks` only
    /// those that change.
    pub(crate) fn due(&self, now: Millis, locks: bool, most: u32) -> Result<Vec<i64>, StoreError> {
        self.ids(
            "SELECT id FROM orders WHERE due IS NOT NULL AND due <= ? AND (? OR due < lock_at) \
             ORDER BY due, id LIMIT ?",
            params![now.0, locks, most],
        )
    }

    /// When the first order is due.
    pub(crate) fn first_due(&self) -> Result<Option<Millis>, StoreError> {
        self.connection
            .prepare_cached("SELECT min(due) FROM orders WHERE due IS NOT NULL")
            .and_then(|mut first| first.query_row([], |row| row.get::<_, Option<i64>>(0)))
            .map(|due| due.map(Millis))
            .map_err(StoreError::of("read when the first order is due"))
    }

    fn ids(&self, sql: &str, values: impl Params) -> Result<Vec<i64>, StoreError> {
        const DOING: &str = "look for orders of the book";
        let mut statement = self.connection.prepare_cached(sql).during(DOING)?;
        let rows = statement.query_map(values, |row| row.get(0)).during(DOING)?;
        rows.collect::<Result<_, _>>().during(DOING)
    }

    /// The generation of the catalog under which the open orders were decided.
    pub(crate) fn generation(&self) -> Result<Option<u64>, StoreError> {
        self.connection
            .prepare_cached("SELECT generation FROM catalog")
            .and_then(|mut found| found.query_row([], |row| row.get(0).map(unsigned)).optional())
            .map_err(StoreError::of("read the generation of the catalog"))
    }

    /// Every open order is decided under this generation or a newer one.
    pub(crate) fn set_generation(&self, generation: u64) -> Result<(), StoreError> {
        let generation = i64::try_from(generation).unwrap_or(i64::MAX);
        self.run("INSERT OR REPLACE INTO catalog VALUES (1, ?)", params![generation]).map(drop)
    }

    /// A time that has passed, as a clock said that was believed.
    pub(crate) fn passed(&self) -> Result<Option<Millis>, StoreError> {
        self.connection
            .prepare_cached("SELECT passed FROM clock")
            .and_then(|mut found| found.query_row([], |row| row.get(0).map(Millis)).optional())
            .map_err(StoreError::of("read the time that has passed"))
    }

    /// This time has passed.
    pub(crate) fn set_passed(&self, at: Millis) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO clock VALUES (1, ?1) ON CONFLICT DO UPDATE SET passed = max(passed, ?1)";
        self.run(sql, params![at.0]).map(drop)
    }

    /// Ends the transaction: everything is durable, or nothing was done. What is now to be said, in its order.
    ///
    /// # Panics
    /// Debits are not credits.
    pub(crate) fn commit(mut self) -> Result<Vec<Said>, StoreError> {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for ((_, currency, _), amount) in &self.moved {
            let sum = sums.entry(*currency).or_default();
            *sum = sum.saturating_add(*amount);
        }
        assert!(sums.values().all(|sum| *sum == 0), "debits are not credits: {sums:?}");
        for ((account, currency, partition), amount) in std::mem::take(&mut self.moved) {
            self.add(&account, currency, partition, amount)?;
        }
        if cfg!(any(test, debug_assertions)) {
            self.assert_balanced()?;
        }
        self.connection.execute_batch("COMMIT").map_err(StoreError::of("commit a batch"))?;
        self.ended = true;
        Ok(std::mem::take(&mut self.said))
    }

    fn add(
        &self,
        account: &str,
        currency: Currency,
        partition: u32,
        amount: i128,
    ) -> Result<(), StoreError> {
        const DOING: &str = "read a balance";
        let mut found = self
            .connection
            .prepare_cached(
                "SELECT amount FROM balances WHERE account = ? AND currency = ? AND partition = ?",
            )
            .during(DOING)?;
        let mut rows = found.query(params![account, currency.as_str(), partition]).during(DOING)?;
        let known = rows.next().during(DOING)?.map(accounts::amount).transpose()?;
        let sum = known.unwrap_or(0).saturating_add(amount).to_string();
        self.run(
            "INSERT OR REPLACE INTO balances (account, currency, partition, amount) VALUES (?, ?, ?, ?)",
            params![account, currency.as_str(), partition, sum],
        )
        .map(drop)
    }

    /// # Panics
    /// The balances of a currency do not sum to 0.
    pub(crate) fn assert_balanced(&self) -> Result<(), StoreError> {
        let mut sums: BTreeMap<String, i128> = BTreeMap::new();
        for ((_, currency), amount) in accounts::all(&self.connection)? {
            let sum = sums.entry(currency).or_default();
            *sum = sum.saturating_add(amount);
        }
        for (currency, sum) in sums {
            assert!(sum == 0, "the accounts in {currency} do not balance: {sum}");
        }
        Ok(())
    }
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Whether the transfers of a posting lead from the order's accounts before to those after.
fn leads(key: &OrderKey, before: Option<&BookedOrder>, posting: &Posting) -> bool {
    let mut sums: BTreeMap<(Account, Currency), i128> = BTreeMap::new();
    let mut add = |account: Account, currency: Currency, amount: i128| {
        let sum = sums.entry((account, currency)).or_default();
        *sum = sum.saturating_add(amount);
    };
    for Transfer { debit, credit, amount, currency, .. } in &posting.transfers {
        if amount.0 <= 0 {
            return false;
        }
        add(debit.clone(), *currency, i128::from(amount.0));
        add(credit.clone(), *currency, i128::from(amount.0).saturating_neg());
    }
    for (booked, sign) in [(before, -1_i128), (posting.booked.as_deref(), 1)] {
        let balances = booked.map(|booked| balances(&key.program, booked)).unwrap_or_default();
        for (account, currency, amount) in balances {
            add(account, currency, i128::from(amount.0).saturating_mul(sign));
        }
    }
    sums.values().all(|sum| *sum == 0)
}
