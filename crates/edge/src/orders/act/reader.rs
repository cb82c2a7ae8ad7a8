//! The rules of every field of an act.

use std::borrow::Cow;

use event::body::validation::NOTE_BYTES_MAX;
use event::body::{Action, Item, ReturnedLine};
use event::order::{ORDER_ID_BYTES_MAX, cleaned};
use event::{Code, Currency, GoalName, Micros, Millis};

use super::{Given, NAMES};
use crate::conversion::fault::FieldFault;
use crate::conversion::fields::shown_name;
use crate::conversion::instant;
use crate::conversion::parse::{GOAL_DEFAULT, Shop, plain_text};
use crate::orders::lines;

/// Why an order may be declined.
const DECLINE_CODES: [Code; 8] = [
    Code::Cancelled,
    Code::ReturnedFull,
    Code::ReturnedPart,
    Code::PaymentFailed,
    Code::Fraud,
    Code::TermsBreach,
    Code::OutOfStock,
    Code::Other,
];

/// What an act says of money.
#[derive(Default)]
pub(super) struct Money {
    pub(super) returned: Vec<ReturnedLine>,
    pub(super) items: Vec<Item>,
    pub(super) amount: Option<Micros>,
    pub(super) currency: Option<Currency>,
}

/// Reads fields and collects what is wrong with them.
pub(super) struct Reader<'v, 'a> {
    pub(super) given: &'v Given<'a>,
    pub(super) faults: Vec<FieldFault>,
    pub(super) warnings: Vec<String>,
}

impl Reader<'_, '_> {
    fn fault(&mut self, field: &'static str, why: impl Into<Cow<'static, str>>) {
        self.faults.push(FieldFault::of(field, why));
    }

    pub(super) fn unknown_names(&mut self) {
        for (name, _) in &self.given.0 {
            if !NAMES.contains(&&**name) {
                let why = "is no field of an act on an order";
                self.faults.push(FieldFault::of(shown_name(name).to_owned(), why));
            }
        }
    }

    fn text(&mut self, field: &'static str) -> Option<String> {
        let text = self.given.value(field)?.text().map(|text| text.trim().to_owned());
        if text.is_none() {
            self.fault(field, "is not text or a number");
        }
        text
    }

    pub(super) fn limited(&mut self, field: &'static str, bytes_max: usize) -> Option<String> {
        let text = self.text(field)?;
        match plain_text(&text, bytes_max) {
            Ok(plain) => Some(plain.to_owned()),
            Err(why) => {
                self.fault(field, why);
                None
            }
        }
    }

    /// An id: inner white space is one space, case stays.
    pub(super) fn id(&mut self, field: &'static str) -> Option<String> {
        let text = cleaned(&self.text(field)?);
        match plain_text(&text, ORDER_ID_BYTES_MAX) {
            Ok(_) => (!text.is_empty()).then_some(text),
            Err(why) => {
                self.fault(field, why);
                None
            }
        }
    }

    pub(super) fn order(&mut self) -> (Option<String>, Option<String>) {
        let faults = self.faults.len();
        let ids = (self.id("order_id"), self.id("order_client_event_id"));
        match ids {
            (None, None) if self.faults.len() == faults => self.fault(
                "order_id",
                "is required; of an order without one give order_client_event_id, the client_event_id of its report",
            ),
            (Some(_), Some(_)) => self.fault(
                "order_client_event_id",
                "stands beside order_id: an order that has an order_id is known by it alone",
            ),
            _ => {}
        }
        ids
    }

    pub(super) fn goal(&mut self, shop: Shop<'_>) -> Option<GoalName> {
        let text = self.text("goal").unwrap_or_else(|| GOAL_DEFAULT.to_owned());
        let goal = shop.goals.get_key_value(text.as_str()).map(|(goal, _)| goal.clone());
        if goal.is_none() {
            let known = shop.goals.keys().map(GoalName::as_str).take(10).collect::<Vec<_>>();
            let (shown, known) = (shown_name(&text), known.join(", "));
            self.fault("goal", format!("{shown:?} is not a goal of this program; it has: {known}"));
        }
        goal
    }

    pub(super) fn action(&mut self) -> Option<Action> {
        let Some(text) = self.text("action") else {
            if self.given.value("action").is_none() {
                self.fault("action", "is required: approve, decline, reopen, return or amend");
            }
            return None;
        };
        let action = Action::ALL.into_iter().find(|a| a.as_str().eq_ignore_ascii_case(&text));
        if action.is_none() {
            self.fault("action", "is not one of approve, decline, reopen, return, amend");
        }
        action
    }

    pub(super) fn reason(&mut self, action: Option<Action>) -> (Option<Code>, Option<String>) {
        let note = self.limited("note", NOTE_BYTES_MAX).filter(|note| !note.is_empty());
        let code = self.text("code").map(|text| decline_code(&text));
        match (action, code) {
            (Some(Action::Decline), None) if self.given.value("code").is_none() => {
                self.fault("code", format!("is required for a decline: {}", decline_codes()));
            }
            (Some(Action::Decline) | None, Some(None)) => {
                self.fault("code", format!("is no reason of a decline: give {}", decline_codes()));
            }
            (Some(Action::Decline), Some(Some(Code::Other)))
                if note.is_none() && self.given.value("note").is_none() =>
            {
                self.fault("note", "is required for code 708: say what it was");
            }
            (Some(action), Some(_)) if action != Action::Decline => {
                self.fault(
                    "code",
                    format!("stands only with a decline, not with {}", action.as_str()),
                );
            }
            _ => {}
        }
        (code.flatten(), note)
    }

    pub(super) fn at(&mut self, shop: Shop<'_>, received_at: Millis) -> Option<Millis> {
        let text = self.text("at")?;
        match instant::read(&text, shop.time_zone) {
            Ok(at) if at < 0 => self.fault("at", "is before 1970"),
            Ok(at) if at > received_at.0 => {
                self.warnings.push("at lies in the future: stored as the time of receipt".into());
                return Some(received_at);
            }
            Ok(at) => return Some(Millis(at)),
            Err(why) => self.fault("at", why),
        }
        None
    }

    pub(super) fn revision(&mut self) -> Option<u64> {
        let text = self.text("revision")?;
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        if number.is_none() {
            self.fault("revision", "is not a whole number");
        }
        number
    }

    pub(super) fn test(&mut self) -> bool {
        match self.text("test").map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("0" | "false" | "no") => false,
            Some("1" | "true" | "yes") => true,
            Some(_) => {
                self.fault("test", "is not one of 1, 0");
                false
            }
        }
    }

    pub(super) fn money(&mut self, action: Option<Action>, shop: Shop<'_>) -> Money {
        let Some(action) = action else { return Money::default() };
        match action {
            Action::Approve | Action::Decline | Action::Reopen => {
                for field in ["items", "amount", "currency"] {
                    if self.given.value(field).is_some() {
                        let why = format!(
                            "has no meaning with {}: what came back is a return, other values are an amend",
                            action.as_str()
                        );
                        self.fault(field, why);
                    }
                }
                Money::default()
            }
            Action::Return => self.returned(shop),
            Action::Amend => self.amended(shop),
        }
    }

    fn returned(&mut self, shop: Shop<'_>) -> Money {
        let amount = self.amount(shop);
        let currency = self.currency();
        let items = self.given.value("items");
        match (items, self.given.value("amount")) {
            (Some(_), Some(_)) => {
                let why = "stands beside items: give the lines that came back, or the total without lines";
                self.fault("amount", why);
            }
            (None, None) => {
                let why = "or items is required: all that came back so far, not only this time";
                self.fault("amount", why);
            }
            _ => {}
        }
        let mark = shop.decimal_mark;
        let returned = items.map(|given| lines::returned(given, mark, &mut self.faults));
        Money { returned: returned.unwrap_or_default(), amount, currency, ..Money::default() }
    }

    fn amended(&mut self, shop: Shop<'_>) -> Money {
        let amount = self.amount(shop);
        let currency = self.currency();
        let given = self.given.value("items");
        if given.is_none() && self.given.value("amount").is_none() {
            let why = "or items is required: the values that the order has from its beginning";
            self.fault("amount", why);
        }
        let mark = shop.decimal_mark;
        let mut faults = Vec::new();
        let items = given.map(|given| lines::amended(given, amount, mark, &mut faults));
        self.faults.append(&mut faults);
        let (items, differ) = items.unwrap_or_default();
        if differ {
            let why = "the lines do not sum up to amount: the rest is a line of its own, or the lines are scaled down";
            self.warnings.push(why.into());
        }
        Money { items, amount, currency, ..Money::default() }
    }

    fn amount(&mut self, shop: Shop<'_>) -> Option<Micros> {
        match self.given.value("amount")?.amount(shop.decimal_mark) {
            Ok(amount) => Some(amount),
            Err(why) => {
                self.fault("amount", why.to_string());
                None
            }
        }
    }

    fn currency(&mut self) -> Option<Currency> {
        let text = self.text("currency")?;
        match text.parse() {
            Ok(currency) => Some(currency),
            Err(why) => {
                self.fault("currency", format!("{why}"));
                None
            }
        }
    }
}

fn decline_code(text: &str) -> Option<Code> {
    let is_it =
        |code: &Code| text.parse() == Ok(code.number()) || code.slug().eq_ignore_ascii_case(text);
    DECLINE_CODES.into_iter().find(is_it)
}

fn decline_codes() -> String {
    let one = |code: Code| format!("{} {}", code.number(), code.slug());
    DECLINE_CODES.map(one).join(", ")
}
