//! Sums of orders as figures.

use std::collections::BTreeMap;

use event::body::OrderState;
use event::{Code, Currency};

use crate::kpi::{Figures, Part};
use crate::store::sums::{Amounts, Like, Returns, Row, Sums};
use crate::store::{state_number, state_of};

/// The figures of each currency; what may come back counts once its lock lies before `today`.
pub(super) fn figures(sums: &Sums, today: i64) -> BTreeMap<Currency, Figures> {
    let mut money: BTreeMap<Currency, Figures> = BTreeMap::new();
    for row in sums.rows() {
        let currency = match &row {
            Row::Orders(like, _) => like.currency,
            Row::Returns(lock, _) => lock.currency,
        };
        let currency = str::from_utf8(&currency).ok().and_then(|text| text.parse().ok());
        let Some(currency) = currency else { continue };
        let figures = money.entry(currency).or_default();
        match row {
            Row::Orders(like, amounts) => add_orders(figures, like, amounts),
            Row::Returns(lock, returns) if lock.day <= today => add_returns(figures, returns),
            Row::Returns(..) => {}
        }
    }
    money
}

pub(super) fn code(number: u16) -> Code {
    Code::from_number(number).unwrap_or(Code::Ok)
}

fn add_orders(figures: &mut Figures, like: Like, amounts: Amounts) {
    let Amounts { credit, net, commission, margin, margin_unknown, .. } = amounts;
    let part = Part { credit, net, commission };
    let state = state_of(like.state.into());
    let mut own = Figures::default();
    let place = usize::try_from(state_number(state)).unwrap_or(0);
    if let Some(of_state) = own.states.get_mut(place) {
        *of_state = part;
    }
    let (pending, approved) = match state {
        OrderState::Pending => (true, false),
        OrderState::Approved | OrderState::Locked | OrderState::Paid => (false, true),
        OrderState::Held | OrderState::Declined | OrderState::Reversed => (false, false),
    };
    if state == OrderState::Declined {
        own.declined.insert(code(like.code), part);
    }
    if approved {
        own.margin = margin;
        own.margin_unknown = margin_unknown;
    }
    let customer = own.customers.get_mut(usize::from(like.customer));
    if let (true, Some(of_kind)) = (pending || approved, customer) {
        *of_kind = credit;
    }
    figures.add_money(&own);
}

fn add_returns(figures: &mut Figures, returns: Returns) {
    figures.returned += returns.returned;
    figures.before_returns += returns.before;
    figures.with_return += returns.with_return;
    figures.old += returns.credit;
}
