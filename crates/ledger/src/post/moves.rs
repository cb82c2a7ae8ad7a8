//! How money of one partner moves from one state of an order to the next.

use event::body::{Account, Purpose};
use event::{Micros, PartnerName, ProgramName};

use super::{Held, Stage};
use crate::amount::{minus, plus};

/// An account of one partner and program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Expense,
    Pending,
    Approved,
    Payable,
    Clawback,
    Paid,
}

impl Side {
    pub(super) fn account(self, program: &ProgramName, partner: &PartnerName) -> Account {
        match self {
            Self::Expense => Account::Expense(program.clone()),
            Self::Pending => Account::Pending(partner.clone()),
            Self::Approved => Account::Approved(partner.clone()),
            Self::Payable => Account::Payable(partner.clone()),
            Self::Clawback => Account::Clawback(partner.clone()),
            Self::Paid => Account::Paid(partner.clone()),
        }
    }
}

/// One movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) purpose: Purpose,
    pub(super) debit: Side,
    pub(super) credit: Side,
    pub(super) amount: Micros,
}

/// The movements from `from` to `to`: first the change of the amount where it stood, then from account to account, one
/// state after the other. `returned`: goods came back.
pub(super) fn moves(from: Held, to: Held, returned: bool) -> Vec<Move> {
    let mut path = Path { at: from, moves: Vec::new(), returned };
    match to.stage {
        Stage::Out => path.leave(Purpose::Adjust),
        Stage::Refused => path.leave(Purpose::Decline),
        Stage::Pending => path.rest_pending(to.due),
        Stage::Approved => path.rest_approved(to.due),
        Stage::Closed => {
            if path.at.stage != Stage::Closed {
                path.lock(to.locked);
            }
            path.settle(to);
        }
    }
    path.moves
}

/// Where the money is on its way.
struct Path {
    at: Held,
    moves: Vec<Move>,
    returned: bool,
}

impl Path {
    fn add(&mut self, purpose: Purpose, debit: Side, credit: Side, amount: Micros) {
        if amount.0 <= 0 {
            return;
        }
        // Two of one kind are one: an id names a transfer by its accounts and purpose.
        let same =
            |one: &&mut Move| (one.purpose, one.debit, one.credit) == (purpose, debit, credit);
        match self.moves.iter_mut().find(same) {
            Some(one) => one.amount = plus(one.amount, amount),
            None => self.moves.push(Move { purpose, debit, credit, amount }),
        }
    }

    /// Everything back to the program.
    fn leave(&mut self, purpose: Purpose) {
        match self.at.stage {
            Stage::Out | Stage::Refused => {}
            Stage::Pending => self.add(purpose, Side::Pending, Side::Expense, self.at.due),
            Stage::Approved => self.add(purpose, Side::Approved, Side::Expense, self.at.due),
            Stage::Closed => self.settle(Held::default()),
        }
        self.at = Held::default();
    }

    /// Brings what is due to `due`, where it stands; from nowhere it comes to pending.
    fn change(&mut self, due: Micros) {
        let came_back = self.at.stage == Stage::Refused;
        match self.at.stage {
            Stage::Out | Stage::Refused => {
                self.at = Held { stage: Stage::Pending, ..Held::default() };
            }
            Stage::Closed => {
                // Locks stand for good; should one be gone, what it made is undone first.
                self.leave(Purpose::Adjust);
                self.at.stage = Stage::Pending;
            }
            Stage::Pending | Stage::Approved => {}
        }
        let approved = self.at.stage == Stage::Approved;
        let side = if approved { Side::Approved } else { Side::Pending };
        let first = self.at.due.0 == 0 && !approved;
        let more = match (came_back, first) {
            (true, _) => Purpose::Reopen,
            (false, true) => Purpose::Accrue,
            (false, false) => Purpose::Adjust,
        };
        let less = if self.returned { Purpose::Return } else { Purpose::Adjust };
        self.add(more, Side::Expense, side, minus(due, self.at.due));
        self.add(less, side, Side::Expense, minus(self.at.due, due));
        self.at.due = due;
    }

    fn rest_pending(&mut self, due: Micros) {
        self.change(due);
        if self.at.stage == Stage::Approved {
            self.add(Purpose::Reopen, Side::Approved, Side::Pending, due);
            self.at.stage = Stage::Pending;
        }
    }

    fn rest_approved(&mut self, due: Micros) {
        self.change(due);
        if self.at.stage == Stage::Pending {
            self.add(Purpose::Approve, Side::Pending, Side::Approved, due);
            self.at.stage = Stage::Approved;
        }
    }

    fn lock(&mut self, due: Micros) {
        self.rest_approved(due);
        self.add(Purpose::Lock, Side::Approved, Side::Payable, due);
        self.at = Held { stage: Stage::Closed, locked: due, payable: due, ..Held::default() };
    }

    /// After the lock: what changed comes from the program or goes back to it, then the rest moves between the accounts.
    fn settle(&mut self, to: Held) {
        let at = self.at;
        let mut needs = [
            (Side::Payable, minus(to.payable, at.payable)),
            (Side::Clawback, minus(to.clawback, at.clawback)),
            (Side::Paid, minus(to.paid, at.paid)),
        ];
        let mut change = crate::amount::sum(needs.iter().map(|(_, need)| *need));
        // Less is due: it is taken back where most can be, from clawback first. More is due: payable first.
        if change.0 < 0 {
            needs.swap(0, 1);
        }
        for (side, need) in &mut needs {
            if change.0 < 0 && need.0 < 0 {
                let part = (*need).max(change);
                self.add(Purpose::Clawback, *side, Side::Expense, minus(Micros(0), part));
                (*need, change) = (minus(*need, part), minus(change, part));
            } else if change.0 > 0 && need.0 > 0 {
                let part = (*need).min(change);
                self.add(Purpose::Adjust, Side::Expense, *side, part);
                (*need, change) = (minus(*need, part), minus(change, part));
            }
        }
        // The needs that are left sum to 0.
        while let Some((giver, taker)) = pair(&needs) {
            let (Some((debit, less)), Some((credit, more))) =
                (needs.get(giver).copied(), needs.get(taker).copied())
            else {
                break;
            };
            let part = minus(Micros(0), less).min(more);
            self.add(Purpose::Pay, debit, credit, part);
            if let Some((_, need)) = needs.get_mut(giver) {
                *need = plus(*need, part);
            }
            if let Some((_, need)) = needs.get_mut(taker) {
                *need = minus(*need, part);
            }
        }
        self.at = to;
    }
}

/// An account that has too much and one that has too little.
fn pair(needs: &[(Side, Micros); 3]) -> Option<(usize, usize)> {
    let giver = needs.iter().position(|(_, need)| need.0 < 0)?;
    let taker = needs.iter().position(|(_, need)| need.0 > 0)?;
    Some((giver, taker))
}
