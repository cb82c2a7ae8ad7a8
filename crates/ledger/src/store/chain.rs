//! The hash chain over all changes: proof that nobody edited this book.

use std::collections::BTreeMap;

use event::EventId;
use event::body::posting::{Posting, Transfer};
use event::hash::{ContentHash, ContentHasher};
use rusqlite::{Connection, OptionalExtension as _};

use super::{During as _, StoreError, accounts};

/// What is wrong with a book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// A change, or a transfer of it, is not what was booked.
    #[error("change {0} of the book was edited, or one before it was deleted")]
    Change(i64),
    /// A balance is not the sum of its transfers.
    #[error(
        "the balance of {account} in {currency} is {found} and not {summed}, the sum of its transfers"
    )]
    Balance {
        /// The account.
        account: String,
        /// The currency.
        currency: String,
        /// What stands in the book.
        found: i128,
        /// What the transfers sum to.
        summed: i128,
    },
    /// A transfer belongs to no change.
    #[error("{0} transfers of the book belong to no change")]
    Stray(i64),
}

/// The end of the chain.
pub(super) struct Chain {
    n: i64,
    hash: [u8; 16],
}

/// A link of the chain.
pub(super) struct Link {
    pub(super) n: i64,
    pub(super) hash: [u8; 16],
}

impl Chain {
    /// Where the chain of a book ends.
    pub(super) fn end(connection: &Connection) -> Result<Self, StoreError> {
        let end = connection
            .prepare_cached("SELECT n, hash FROM changes ORDER BY n DESC LIMIT 1")
            .and_then(|mut last| {
                last.query_row([], |row| Ok(Self { n: row.get(0)?, hash: row.get(1)? })).optional()
            })
            .map_err(StoreError::of("read the end of the chain"))?;
        Ok(end.unwrap_or(Self { n: 0, hash: [0; 16] }))
    }

    /// Adds a change.
    pub(super) fn add(&mut self, key: &str, id: EventId, posting: &Posting) -> Link {
        let booked = posting.booked.as_deref();
        let mut transfers: Vec<_> = posting.transfers.iter().map(Entry::of).collect();
        transfers.sort_by_key(|transfer| transfer.id);
        let change = Change {
            key,
            number: i64::try_from(posting.number).unwrap_or(i64::MAX),
            id: *id.as_bytes(),
            source: *posting.source.as_bytes(),
            actor: posting.actor.as_deref(),
            changed_at: posting.changed_at.0,
            state: booked.map_or("pending", |booked| booked.state.as_str()),
            code: booked.map_or(0, |booked| i64::from(booked.code.number())),
        };
        self.n = self.n.saturating_add(1);
        self.hash = change.hash(self.hash, &transfers).0;
        Link { n: self.n, hash: self.hash }
    }
}

struct Change<'a> {
    key: &'a str,
    number: i64,
    id: [u8; 16],
    source: [u8; 16],
    actor: Option<&'a str>,
    changed_at: i64,
    state: &'a str,
    code: i64,
}

impl Change<'_> {
    fn hash(&self, before: [u8; 16], transfers: &[Entry]) -> ContentHash {
        let mut hasher = ContentHasher::new("sillage ledger chain v1");
        hasher.bytes(before).bytes(self.key).number(self.number).bytes(self.id).bytes(self.source);
        hasher.option(self.actor).number(self.changed_at).bytes(self.state).number(self.code);
        hasher.count(transfers.len() as u64);
        for entry in transfers {
            hasher.bytes(entry.id).bytes(&entry.purpose).bytes(&entry.debit).bytes(&entry.credit);
            hasher.number(entry.amount).bytes(&entry.currency);
        }
        hasher.finish()
    }
}

struct Entry {
    id: [u8; 16],
    purpose: String,
    debit: String,
    credit: String,
    amount: i64,
    currency: String,
}

impl Entry {
    fn of(transfer: &Transfer) -> Self {
        Self {
            id: *transfer.id.as_bytes(),
            purpose: transfer.purpose.as_str().to_owned(),
            debit: transfer.debit.to_string(),
            credit: transfer.credit.to_string(),
            amount: transfer.amount.0,
            currency: transfer.currency.to_string(),
        }
    }
}

/// The number of changes, or the first fault.
pub(super) fn verify(connection: &Connection) -> Result<Result<u64, ChainFault>, StoreError> {
    const DOING: &str = "go through the changes of the book";
    let mut transfers = connection
        .prepare(
            "SELECT id, purpose, debit, credit, amount, currency FROM transfers
             WHERE order_id = ? AND n = ? ORDER BY id",
        )
        .during(DOING)?;
    let mut changes = connection
        .prepare(
            "SELECT n, coalesce((SELECT key FROM orders WHERE id = order_id),
               (SELECT key FROM days WHERE id = -order_id)), number, id, source, actor, changed_at, state, code,
               hash, order_id
             FROM changes ORDER BY n",
        )
        .during(DOING)?;
    let mut rows = changes.query([]).during(DOING)?;
    let (mut end, mut count, mut entries_seen) = ([0; 16], 0_u64, 0_i64);
    let mut sums: BTreeMap<(String, String), i128> = BTreeMap::new();
    while let Some(row) = rows.next().during(DOING)? {
        let read = || -> rusqlite::Result<_> {
            let n: i64 = row.get(0)?;
            let key: String = row.get(1)?;
            let actor: Option<String> = row.get(5)?;
            let state: String = row.get(7)?;
            let hash: [u8; 16] = row.get(9)?;
            let order: i64 = row.get(10)?;
            Ok((n, key, actor, state, hash, order))
        };
        let (n, key, actor, state, hash, order) = read().during(DOING)?;
        let entries = transfers
            .query_map((order, n), |row| {
                Ok(Entry {
                    id: row.get(0)?,
                    purpose: row.get(1)?,
                    debit: row.get(2)?,
                    credit: row.get(3)?,
                    amount: row.get(4)?,
                    currency: row.get(5)?,
                })
            })
            .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
            .during(DOING)?;
        let change = Change {
            key: &key,
            number: row.get(2).during(DOING)?,
            id: row.get(3).during(DOING)?,
            source: row.get(4).during(DOING)?,
            actor: actor.as_deref(),
            changed_at: row.get(6).during(DOING)?,
            state: &state,
            code: row.get(8).during(DOING)?,
        };
        count = count.saturating_add(1);
        if i64::try_from(count) != Ok(n) || change.hash(end, &entries).0 != hash {
            return Ok(Err(ChainFault::Change(n)));
        }
        end = hash;
        for entry in entries {
            entries_seen = entries_seen.saturating_add(1);
            let amount = i128::from(entry.amount);
            for (account, amount) in
                [(entry.debit, amount.saturating_neg()), (entry.credit, amount)]
            {
                let sum = sums.entry((account, entry.currency.clone())).or_default();
                *sum = sum.saturating_add(amount);
            }
        }
    }
    let all: i64 = connection
        .query_row("SELECT count(*) FROM transfers", [], |row| row.get(0))
        .during(DOING)?;
    if all != entries_seen {
        return Ok(Err(ChainFault::Stray(all.saturating_sub(entries_seen))));
    }
    Ok(balances_are_sums(connection, sums)?.map_or(Ok(count), Err))
}

fn balances_are_sums(
    connection: &Connection,
    mut sums: BTreeMap<(String, String), i128>,
) -> Result<Option<ChainFault>, StoreError> {
    for (key, found) in accounts::all(connection)? {
        let summed = sums.remove(&key).unwrap_or(0);
        if found != summed {
            let (account, currency) = key;
            return Ok(Some(ChainFault::Balance { account, currency, found, summed }));
        }
    }
    let gone = sums.into_iter().find(|(_, summed)| *summed != 0);
    Ok(gone.map(|((account, currency), summed)| ChainFault::Balance {
        account,
        currency,
        found: 0,
        summed,
    }))
}
