//! One transaction: what a batch changes in the book.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use event::{Currency, Millis};
use eventlog::Cursor;
use rusqlite::{Connection, OptionalExtension as _, Params, params};

use super::chain::Chain;
use super::{During as _, Said, StoreError, accounts, topic_number};

/// A transaction. Dropped without [`Self::commit`], it leaves nothing.
pub(crate) struct Writing<'s> {
    pub(super) connection: MutexGuard<'s, Connection>,
    /// By account, currency and partition: what is added to the balance.
    pub(super) moved: BTreeMap<(String, Currency, u32), i128>,
    pub(super) chain: Option<Chain>,
    /// What is to be said of it.
    pub(super) said: Vec<Said>,
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

    /// How far a partition is read.
    pub(crate) fn cursor(&self, cursor: Cursor) -> Result<(), StoreError> {
        let next = i64::try_from(cursor.next).unwrap_or(i64::MAX);
        self.run(
            "INSERT OR REPLACE INTO cursors (topic, partition, next) VALUES (?, ?, ?)",
            params![topic_number(cursor.partition.topic), cursor.partition.index, next],
        )
        .map(drop)
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
        let said = self.put_outbox()?;
        if cfg!(any(test, debug_assertions)) {
            self.assert_balanced()?;
        }
        self.connection.execute_batch("COMMIT").map_err(StoreError::of("commit a batch"))?;
        self.ended = true;
        Ok(said)
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

pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
