//! Pay for a day as it stands on the accounts, and the transfers that lead from one standing to the next.

use std::collections::BTreeMap;

use event::body::posting::{PayDay, Purpose, Transfer};
use event::body::{Account, Posting};
use event::{Currency, EventId, Micros};

use crate::post;

/// What a day earned, and what statements paid of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pay {
    /// Earned by now.
    pub earned: Micros,
    /// Sum of its payments.
    pub paid: Micros,
}

impl Pay {
    /// What is due and not paid, or paid and not due.
    #[must_use]
    pub fn outstanding(self) -> i128 {
        i128::from(self.earned.0).saturating_sub(i128::from(self.paid.0))
    }

    /// What each account has of it.
    fn balances(self, key: &PayDay) -> BTreeMap<Account, i128> {
        let partner = || key.partner.clone();
        let (earned, paid) = (i128::from(self.earned.0), i128::from(self.paid.0));
        let open = self.outstanding();
        [
            (Account::Payable(partner()), open.max(0)),
            (Account::Clawback(partner()), open.min(0)),
            (Account::Paid(partner()), paid),
            (Account::Expense(key.program.clone()), earned.saturating_neg()),
        ]
        .into()
    }

    /// What a posting of the day leads to from here. None: it leads nowhere that a day can be.
    #[must_use]
    pub fn after(self, key: &PayDay, posting: &Posting) -> Option<Self> {
        let mut balances = self.balances(key);
        for Transfer { debit, credit, amount, .. } in &posting.transfers {
            let amount = i128::from(amount.0);
            let from = balances.get_mut(debit).filter(|_| amount > 0)?;
            *from = from.saturating_sub(amount);
            let to = balances.get_mut(credit)?;
            *to = to.saturating_add(amount);
        }
        let of = |account: Account| balances.get(&account).copied();
        let micros = |amount: i128| i64::try_from(amount).ok().map(Micros);
        let after = Self {
            earned: micros(of(Account::Expense(key.program.clone()))?.checked_neg()?)?,
            paid: micros(of(Account::Paid(key.partner.clone()))?)?,
        };
        (after.balances(key) == balances).then_some(after)
    }

    fn parts(self) -> [[u8; 8]; 2] {
        [self.earned.0.to_be_bytes(), self.paid.0.to_be_bytes()]
    }
}

/// The transfers of the `number`th posting of a day. None if nothing moves.
#[must_use]
pub fn transfers(
    key: &PayDay,
    number: u64,
    (before, after): (Pay, Pay),
    (currency, purpose): (Currency, Purpose),
) -> Vec<Transfer> {
    let subject = key.to_string();
    let ([earned, paid], [earned_then, paid_then]) = (before.parts(), after.parts());
    let standing = |pay: Pay| (pay.earned, pay.paid);
    let moves = post::settled((&key.program, &key.partner), standing(before), standing(after));
    let transfer = |(is_pay, debit, credit, amount): (bool, Account, Account, Micros)| {
        let purpose = if is_pay { Purpose::Pay } else { purpose };
        let (from, to) = (debit.to_string(), credit.to_string());
        let parts: [&[u8]; 9] = [
            subject.as_bytes(),
            &number.to_be_bytes(),
            &earned,
            &paid,
            &earned_then,
            &paid_then,
            from.as_bytes(),
            to.as_bytes(),
            purpose.as_str().as_bytes(),
        ];
        let id = EventId::derived("sillage day transfer v1", &parts);
        Transfer { id, purpose, debit, credit, amount, currency }
    };
    moves.into_iter().map(transfer).collect()
}

/// The id of the `number`th posting of a day.
#[must_use]
pub fn posting_id(key: &PayDay, number: u64, (before, after): (Pay, Pay)) -> EventId {
    let key = key.to_string();
    let ([earned, paid], [earned_then, paid_then]) = (before.parts(), after.parts());
    let parts: [&[u8]; 6] =
        [key.as_bytes(), &number.to_be_bytes(), &earned, &paid, &earned_then, &paid_then];
    EventId::derived("sillage day posting v1", &parts)
}

/// The line of `sillage books`; `paid` if there is a payment of it. None: nothing is left of it, and nothing was paid.
#[must_use]
pub fn line(key: &PayDay, earned: Micros, currency: Currency, paid: bool) -> Option<String> {
    let PayDay { program, partner, terms, rank, day } = key;
    let Micros(micros) = earned;
    let state = if paid { "paid" } else { "locked" };
    (micros != 0 || paid).then(|| {
        format!(
            "{program}\tday:{day}/{terms}/{rank}\t{partner}\t{currency}\t{state}\t0\t{micros}\t"
        )
    })
}
