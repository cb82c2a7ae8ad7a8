//! What stands on the accounts. A balance may outgrow 64 bits where each of its transfers fits, so it is kept as the text
//! of its digits and summed here, not by the database.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};

use super::{During, StoreError};

const DOING: &str = "read balances";

/// Every account with its currency and balance, over all partitions.
pub(super) fn all(connection: &Connection) -> Result<BTreeMap<(String, String), i128>, StoreError> {
    let mut found = connection
        .prepare_cached("SELECT amount, account, currency FROM balances")
        .during(DOING)?;
    let mut rows = found.query([]).during(DOING)?;
    let mut sums = BTreeMap::new();
    while let Some(row) = rows.next().during(DOING)? {
        let key = (row.get(1).during(DOING)?, row.get(2).during(DOING)?);
        let sum: &mut i128 = sums.entry(key).or_default();
        *sum = sum.saturating_add(amount(row)?);
    }
    Ok(sums)
}

/// What stands on an account, over all partitions.
pub(super) fn of(
    connection: &Connection,
    account: &str,
    currency: &str,
) -> Result<i128, StoreError> {
    let mut found = connection
        .prepare_cached("SELECT amount FROM balances WHERE account = ? AND currency = ?")
        .during(DOING)?;
    let mut rows = found.query(params![account, currency]).during(DOING)?;
    let mut sum = 0_i128;
    while let Some(row) = rows.next().during(DOING)? {
        sum = sum.saturating_add(amount(row)?);
    }
    Ok(sum)
}

/// The balance in the first column of a row.
pub(super) fn amount(row: &Row<'_>) -> Result<i128, StoreError> {
    row.get_ref(0).during(DOING)?.as_str().during(DOING)?.parse().during(DOING)
}
