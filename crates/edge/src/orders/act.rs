//! From one JSON object to an act: every rule of every field, all faults at once, nothing guessed.

use std::borrow::Cow;

use catalog::ProgramRef;
use event::body::validation::{ACTOR_BYTES_MAX, NOTE_BYTES_MAX};
use event::body::{Action, Item, ReturnedLine, Validation};
use event::order::{ORDER_ID_BYTES_MAX, cleaned};
use event::{Code, Currency, GoalName, Micros, Millis, OrderKey, ProgramName};

use super::lines;
use crate::conversion::fault::FieldFault;
use crate::conversion::fields::{SENT_BYTES_MAX, Value, cut, shown_name};
use crate::conversion::instant;
use crate::conversion::json::{JsonFault, Object, value};
use crate::conversion::parse::{GOAL_DEFAULT, Shop, plain_text};

/// Every field of an act.
const NAMES: [&str; 15] = [
    "program",
    "order_id",
    "order_client_event_id",
    "goal",
    "action",
    "code",
    "note",
    "at",
    "revision",
    "client_event_id",
    "actor",
    "test",
    "items",
    "amount",
    "currency",
];
/// Longest value of a field in what is kept of a call.
const SHOWN_BYTES_MAX: usize = 512;
/// Why an order may be declined.
pub(super) const DECLINE_CODES: [Code; 8] = [
    Code::Cancelled,
    Code::ReturnedFull,
    Code::ReturnedPart,
    Code::PaymentFailed,
    Code::Fraud,
    Code::TermsBreach,
    Code::OutOfStock,
    Code::Other,
];

/// What an act says, every field checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParsedAct {
    /// The goal of the order.
    pub(super) goal: GoalName,
    /// Order id, white space cleaned, case kept.
    pub(super) order_id: Option<String>,
    /// The `client_event_id` of an order that has no order id.
    pub(super) order_client_event_id: Option<String>,
    /// Of the test order of this id.
    pub(super) test: bool,
    /// What was done.
    pub(super) action: Action,
    /// Why, of a decline.
    pub(super) code: Option<Code>,
    /// In words.
    pub(super) note: Option<String>,
    /// When it happened, if the call says so; never later than its receipt.
    pub(super) at: Option<Millis>,
    /// The caller's revision.
    pub(super) revision: Option<u64>,
    /// The caller's id of the act.
    pub(super) client_event_id: Option<String>,
    /// Who acted, if the call says so.
    pub(super) actor: Option<String>,
    /// Lines that came back.
    pub(super) returned: Vec<ReturnedLine>,
    /// New lines.
    pub(super) items: Vec<Item>,
    /// What came back in all, or the new amount.
    pub(super) amount: Option<Micros>,
    /// Currency of the amounts.
    pub(super) currency: Option<Currency>,
    /// What the caller should know although nothing is refused.
    pub(super) warnings: Vec<String>,
}

impl ParsedAct {
    /// The order.
    pub(super) fn key(&self, program: &ProgramName) -> OrderKey {
        // One of the two is there, so the id of the event is never looked at.
        OrderKey::of_report(
            (program.clone(), self.goal.clone(), self.test),
            self.order_id.as_deref(),
            self.order_client_event_id.as_deref(),
            event::EventId::from_bytes([0; 16]),
        )
    }

    /// The order as the caller calls it.
    pub(super) fn order(&self) -> &str {
        self.order_id.as_deref().or(self.order_client_event_id.as_deref()).unwrap_or_default()
    }

    /// What is stored, but for who acted.
    pub(super) fn validation(&self, order: OrderKey) -> Validation {
        Validation {
            code: self.code,
            note: self.note.clone(),
            revision: self.revision,
            client_event_id: self.client_event_id.clone(),
            returned: self.returned.clone(),
            items: self.items.clone(),
            amount: self.amount,
            currency: self.currency,
            ..Validation::plain(order, self.action)
        }
    }
}

/// Names and values of one object, in the order in which they came.
pub(super) struct Given<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Given<'a> {
    /// The fields of a JSON object. `null` and empty text count as absent.
    ///
    /// # Errors
    /// [`JsonFault`] names what is wrong with the object as a whole.
    pub(super) fn read(json: &'a [u8]) -> Result<Self, JsonFault> {
        let text = std::str::from_utf8(json).map_err(|_| JsonFault::NotUtf8)?;
        let mut fields = Vec::new();
        for (name, raw) in Object::read(text)?.0 {
            let value = value(raw)?.filter(|value| !value.raw().is_empty());
            if let Some(value) = value {
                fields.push((name, value));
            } else if !NAMES.contains(&&*name) {
                fields.push((name, Value::Text("".into()))); // a wrong name is wrong without a value too
            }
        }
        Ok(Self(fields))
    }

    fn value(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Whether the act names this program, or none.
    pub(super) fn is_of(&self, program: &ProgramName) -> bool {
        let named = self.value("program").map(|value| value.text().map_or("", str::trim));
        named.is_none_or(|named| named == program.as_str())
    }

    /// What was sent, as `name=value&…`. Notes, values of unknown names and what looks like an e-mail address are cut.
    pub(super) fn sent(&self) -> String {
        let mut sent = String::new();
        for (name, value) in &self.0 {
            if sent.len() >= SENT_BYTES_MAX {
                break;
            }
            let is_shown = NAMES.contains(&&**name) && name != "note";
            let shown = if is_shown { value.raw() } else { "…" };
            let shown = if shown.contains('@') { "…" } else { cut(shown, SHOWN_BYTES_MAX) };
            let between = if sent.is_empty() { "" } else { "&" };
            sent.push_str(&format!("{between}{}={shown}", shown_name(name)));
        }
        cut(&sent, SENT_BYTES_MAX).to_owned()
    }

    /// Reads an act of this program.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub(super) fn act(
        &self,
        program: ProgramRef<'_>,
        received_at: Millis,
    ) -> Result<ParsedAct, Vec<FieldFault>> {
        let settings = program.body();
        let shop = Shop {
            goals: &settings.goals,
            currency: settings.currency,
            decimal_mark: settings.decimal_mark,
            time_zone: &settings.time_zone,
        };
        let mut reader = Reader { given: self, faults: Vec::new(), warnings: Vec::new() };
        reader.unknown_names();
        let (order_id, order_client_event_id) = reader.order();
        let goal = reader.goal(shop);
        let action = reader.action();
        let (code, note) = reader.reason(action);
        let at = reader.at(shop, received_at);
        let revision = reader.revision();
        let client_event_id = reader.id("client_event_id");
        let actor = reader.limited("actor", ACTOR_BYTES_MAX);
        let test = reader.test();
        let money = reader.money(action, shop);
        let Reader { faults, warnings, .. } = reader;
        match (goal, action) {
            (Some(goal), Some(action)) if faults.is_empty() => Ok(ParsedAct {
                goal,
                order_id,
                order_client_event_id,
                test,
                action,
                code,
                note,
                at,
                revision,
                client_event_id,
                actor,
                returned: money.returned,
                items: money.items,
                amount: money.amount,
                currency: money.currency,
                warnings,
            }),
            _ => Err(faults),
        }
    }
}

#[derive(Default)]
struct Money {
    returned: Vec<ReturnedLine>,
    items: Vec<Item>,
    amount: Option<Micros>,
    currency: Option<Currency>,
}

struct Reader<'v, 'a> {
    given: &'v Given<'a>,
    faults: Vec<FieldFault>,
    warnings: Vec<String>,
}

impl Reader<'_, '_> {
    fn fault(&mut self, field: &'static str, why: impl Into<Cow<'static, str>>) {
        self.faults.push(FieldFault::of(field, why));
    }

    fn unknown_names(&mut self) {
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

    fn limited(&mut self, field: &'static str, bytes_max: usize) -> Option<String> {
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
    fn id(&mut self, field: &'static str) -> Option<String> {
        let text = cleaned(&self.text(field)?);
        match plain_text(&text, ORDER_ID_BYTES_MAX) {
            Ok(_) => (!text.is_empty()).then_some(text),
            Err(why) => {
                self.fault(field, why);
                None
            }
        }
    }

    fn order(&mut self) -> (Option<String>, Option<String>) {
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

    fn goal(&mut self, shop: Shop<'_>) -> Option<GoalName> {
        let text = self.text("goal").unwrap_or_else(|| GOAL_DEFAULT.to_owned());
        let goal = shop.goals.get_key_value(text.as_str()).map(|(goal, _)| goal.clone());
        if goal.is_none() {
            let known = shop.goals.keys().map(GoalName::as_str).take(10).collect::<Vec<_>>();
            let (shown, known) = (shown_name(&text), known.join(", "));
            self.fault("goal", format!("{shown:?} is not a goal of this program; it has: {known}"));
        }
        goal
    }

    fn action(&mut self) -> Option<Action> {
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

    fn reason(&mut self, action: Option<Action>) -> (Option<Code>, Option<String>) {
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

    fn at(&mut self, shop: Shop<'_>, received_at: Millis) -> Option<Millis> {
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

    fn revision(&mut self) -> Option<u64> {
        let text = self.text("revision")?;
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        if number.is_none() {
            self.fault("revision", "is not a whole number");
        }
        number
    }

    fn test(&mut self) -> bool {
        match self.text("test").map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("0" | "false" | "no") => false,
            Some("1" | "true" | "yes") => true,
            Some(_) => {
                self.fault("test", "is not one of 1, 0");
                false
            }
        }
    }

    fn money(&mut self, action: Option<Action>, shop: Shop<'_>) -> Money {
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
