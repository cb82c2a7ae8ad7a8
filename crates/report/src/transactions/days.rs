//! Rows of the feed about pay for days: clicks, impressions and fixed fees, by the rule that pays them.

use event::body::OrderState;
use event::body::touch::SUB_IDS_MAX;
use event::{Currency, EventId, Millis};
use rusqlite::{Connection, Error, Row};
use serde_json::{Value, json};

use super::{Place, Request, feed_values};
use crate::days::Day;
use crate::kpi::exact;
use crate::language::Language;
use crate::store;

/// What a rule pays a partner for a day, as the partner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayPay {
    /// The same for ever.
    pub id: EventId,
    /// What is paid for: `click`, `impression` or `fee`.
    pub kind: String,
    /// The day in the program's time zone, of a fee the first of its period.
    pub day: String,
    /// Locked, or paid once there is a payment of it.
    pub state: OrderState,
    /// What it is, in words.
    pub reason: String,
    /// What it earned by now, micros.
    pub commission: i64,
    /// Its currency.
    pub currency: Currency,
    /// The last statement that paid some of it.
    pub statement: Option<String>,
    /// Where the change stands in the feed.
    pub place: Place,
}

const SELECT: &str = "SELECT day_row.subject, day_row.day, day_row.purpose, day_row.currency, day_row.amount, day_row.paid, \
     day_row.changes, day_row.statement, day_row.changed_at, day_row.seq FROM day_row \
     WHERE day_row.program = (SELECT id FROM name WHERE text = ?1) AND day_row.partner = (SELECT id FROM name WHERE text = ?2) \
     AND day_row.purpose IS NOT NULL AND (day_row.changed_at, day_row.seq) > (?3, ?4) \
     ORDER BY day_row.changed_at, day_row.seq LIMIT ?5";

/// The rows of days behind the place that is asked for, one more than fit.
pub(super) fn found(db: &Connection, request: &Request) -> Result<Vec<DayPay>, Error> {
    let mut select = db.prepare(SELECT)?;
    let row = |row: &Row<'_>| DayPay::of(row, request);
    select.query_map(feed_values(request), row)?.collect()
}

impl DayPay {
    fn of(row: &Row<'_>, request: &Request) -> Result<Self, Error> {
        let subject: String = row.get(0)?;
        let paid: Option<i64> = row.get(5)?;
        let changes: i64 = row.get(6)?;
        let mut told = Self {
            id: EventId::derived(
                "sillage transaction of a day v1",
                &[request.program.as_str().as_bytes(), subject.as_bytes()],
            ),
            kind: row.get(2)?,
            day: Day::of_number(row.get(1)?).to_string(),
            state: if paid.is_some() { OrderState::Paid } else { OrderState::Locked },
            reason: String::new(),
            commission: row.get(4)?,
            currency: store::currency(row, 3)?,
            statement: row.get(7)?,
            place: Place { changed_at: row.get(8)?, seq: row.get(9)? },
        };
        told.reason = told.words(paid, changes > 1, request.language);
        Ok(told)
    }

    fn words(&self, paid: Option<i64>, corrected: bool, language: Language) -> String {
        let day = &self.day;
        let mut words = match self.kind.as_str() {
            "click" => language.of("Clicks of", "Clics du").to_owned(),
            "impression" => language.of("Impressions of", "Affichages du").to_owned(),
            _ => language
                .of("Fixed pay for the period from", "Forfait de la période commençant le")
                .to_owned(),
        };
        words.push_str(&format!(" {day}. "));
        if corrected {
            words.push_str(language.of("Corrected since. ", "Corrigé depuis. "));
        }
        let open = self.commission.saturating_sub(paid.unwrap_or(0));
        let money = |amount: i64| {
            let text = exact(amount.into(), self.currency.exponent());
            format!("{} {}", text.replace('.', language.of(".", ",")), self.currency)
        };
        let statement = self.statement.as_deref();
        match (paid, open) {
            (None, 0) => words.push_str(language.of("Nothing is due.", "Rien n'est dû.")),
            (None, _) => words.push_str(language.of("To be paid.", "À payer.")),
            (Some(_), open) => {
                words.push_str(language.of("Paid", "Payé"));
                if let Some(statement) = statement {
                    words.push_str(language.of(" in statement ", " avec le relevé "));
                    words.push_str(statement);
                }
                words.push('.');
                if open > 0 {
                    words.push_str(&match language {
                        Language::English => format!(" {} more is to be paid.", money(open)),
                        Language::French => format!(" Restent {} à payer.", money(open)),
                    });
                } else if open < 0 {
                    let back = money(open.saturating_neg());
                    words.push_str(&match language {
                        Language::English => {
                            format!(" {back} too much was paid and lowers the next statement.")
                        }
                        Language::French => {
                            format!(" {back} payés en trop seront déduits du prochain relevé.")
                        }
                    });
                }
            }
        }
        words
    }

    pub(super) fn shown(&self, request: &Request) -> Value {
        let least = self.currency.exponent();
        json!({
            "transaction": self.id.to_string(),
            "kind": self.kind,
            "day": self.day,
            "goal": null,
            "status": self.state.as_str(),
            "status_text": request.language.state(self.state),
            "code": 0,
            "reason": self.reason,
            "click_time": null,
            "order_time": null,
            "link": null,
            "pcid": null,
            "net": exact(0, least),
            "commission": exact(self.commission.into(), least),
            "currency": self.currency.as_str(),
            "statement": self.statement,
            "changed_at": Millis(self.place.changed_at).rfc3339(),
        })
    }

    /// The columns of the CSV.
    pub(super) fn fields(&self) -> Vec<String> {
        let least = self.currency.exponent();
        let mut fields = vec![
            self.id.to_string(),
            String::new(),
            self.state.to_string(),
            "0".to_owned(),
            self.reason.clone(),
        ];
        // Times, link and ids: there was no order.
        fields.resize(fields.len() + 4 + usize::from(SUB_IDS_MAX), String::new());
        fields.extend([
            exact(0, least),
            exact(self.commission.into(), least),
            self.currency.to_string(),
            self.statement.clone().unwrap_or_default(),
            Millis(self.place.changed_at).rfc3339(),
            self.place.to_string(),
            self.kind.clone(),
            self.day.clone(),
        ]);
        fields
    }
}
