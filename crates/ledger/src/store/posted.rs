//! Changes of orders as they are booked: their transfers, their links of the chain, and what is to be said of them.

use std::collections::BTreeMap;

use event::body::posting::{BookedOrder, Posting, Transfer};
use event::body::{Account, OrderState};
use event::{Body, Currency, Envelope, EventId, OrderKey};
use rusqlite::params;

use super::chain::Chain;
use super::{Row, StoreError, Writing};
use crate::balances;

impl Writing<'_> {
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
        self.apply((row.id, &row.name, row.partition), id, &posting)?;
        let envelope = Envelope {
            id,
            occurred_at: posting.booked.as_ref().map_or(posting.changed_at, |b| b.converted_at),
            received_at: posting.changed_at,
            program: Some(row.key.program.clone()),
            test: row.key.test,
            key: row.name.clone(),
            body: Body::Posting(Box::new(posting)),
        };
        self.say(&envelope, row.key.key_hash());
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
        self.apply((row.id, &row.name, row.partition), id, posting)
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
