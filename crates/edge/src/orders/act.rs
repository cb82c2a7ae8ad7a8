//! From one JSON object to an act: every rule of every field, all faults at once, nothing guessed.

use std::borrow::Cow;

use catalog::ProgramRef;
use event::body::validation::ACTOR_BYTES_MAX;
use event::body::{Action, Item, ReturnedLine, Validation};
use event::{Code, Currency, GoalName, Micros, Millis, OrderKey, ProgramName};

use crate::conversion::fault::FieldFault;
use crate::conversion::fields::{SENT_BYTES_MAX, Value, cut, shown_name};
use crate::conversion::json::{JsonFault, Object, value};
use crate::conversion::parse::Shop;
use reader::Reader;

mod reader;

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
