//! Pay without an order: each posting adds its difference, once; their sum is a row of the feed.

use event::body::posting::{PayDay, Purpose, Transfer};
use event::body::{Account, Posting};
use rusqlite::{Error, params};

use super::write::{Feed, Writer};
use crate::days::Day;

impl Writer<'_> {
    pub(super) fn day_pay(&mut self, day: &PayDay, posting: &Posting) -> Result<(), Error> {
        let Ok(on) = Day::parse(&day.day).map(Day::number) else { return Ok(()) };
        let Some(first) = posting.transfers.first() else { return Ok(()) };
        let (program, _) = self.zone(day.program.as_str())?;
        let partner = self.name(day.partner.as_str())?;
        let is_paid = |account: &Account| matches!(account, Account::Paid(_));
        let is_expense = |account: &Account| matches!(account, Account::Expense(_));
        let of_expense: Vec<_> =
            posting.transfers.iter().filter(|one| one.purpose != Purpose::Pay).collect();
        let amount = of_expense.iter().map(|one| moved(one, is_expense)).sum::<i128>();
        let amount = i64::try_from(-amount).unwrap_or(i64::MAX);
        let paid = posting.transfers.iter().map(|one| moved(one, is_paid)).sum::<i128>();
        let paid = i64::try_from(paid).unwrap_or(i64::MAX);
        let was_paid =
            posting.transfers.iter().any(|one| is_paid(&one.debit) || is_paid(&one.credit));

        let PayDay { partner: name, terms, rank, day: text, .. } = day;
        let subject = format!("{name}/{terms}/{rank}/{text}");
        let posted = i64::try_from(posting.number).unwrap_or(i64::MAX);
        let currency = first.currency.as_str();
        let sql = "INSERT OR IGNORE INTO day_pay VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let row = params![subject, posted, program, partner, on, currency, amount];
        if self.db.prepare_cached(sql)?.execute(row)? == 0 {
            return Ok(()); // it came before
        }
        let purpose = of_expense.first().map(|one| one.purpose.as_str());
        let Feed { seq, changed_at } = self.next_in_feed(posting.changed_at.0)?;
        let sql = "INSERT INTO day_row (subject, program, partner, day, purpose, currency, amount, paid, changes, \
                   statement, number, seq, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
                   ON CONFLICT (subject) DO UPDATE SET purpose = coalesce(purpose, excluded.purpose), \
                   amount = amount + excluded.amount, \
                   paid = iif(excluded.paid IS NULL, paid, coalesce(paid, 0) + excluded.paid), \
                   changes = changes + excluded.changes, \
                   statement = iif(excluded.statement IS NULL OR excluded.number < number, \
                   coalesce(statement, excluded.statement), excluded.statement), \
                   number = max(number, excluded.number), seq = excluded.seq, changed_at = excluded.changed_at";
        let row = params![
            subject,
            program,
            partner,
            on,
            purpose,
            currency,
            amount,
            was_paid.then_some(paid),
            i64::from(purpose.is_some()),
            posting.statement,
            posted,
            seq,
            changed_at,
        ];
        self.db.prepare_cached(sql)?.execute(row).map(drop)
    }
}

/// By how much a transfer raises the accounts of a kind.
fn moved(transfer: &Transfer, of: impl Fn(&Account) -> bool) -> i128 {
    let amount = i128::from(transfer.amount.0);
    (if of(&transfer.credit) { amount } else { 0 }) - (if of(&transfer.debit) { amount } else { 0 })
}
