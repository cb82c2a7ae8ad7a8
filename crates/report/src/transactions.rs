//! The feed that a partner lives on: one row per share of an order, and one per rule that pays for a day without any order, told
//! again whenever it changed. So the newest rows of a feed sum to what the partner's accounts have.
//!
//! Rows come in the order of their changes. The place of a change never lies before one that was told, so whoever reads on
//! from `next` misses nothing and is told each change once. Orders of a time when the program only observed are not told.

mod days;
#[cfg(test)]
mod tests;

use event::body::OrderState;
use event::body::touch::SUB_IDS_MAX;
use event::{Code, Currency, EventId, Millis, OrderKey, PartnerName, ProgramName};
use http::StatusCode;
use rusqlite::{Error, Row};
use serde_json::{Map, Value, json};
use telemetry::admin::{Query, Reply};

use crate::days::{Day, Zone};
use crate::kpi::exact;
use crate::language::{Language, Values};
use crate::query::answer::{csv_field, csv_reply, format_of, no_others, refused};
use crate::query::{Given, Refused, View};
use crate::store::{self, StoreError};
pub use days::DayPay;

/// Where the admin listener answers for transactions.
pub const TRANSACTIONS: &str = "/v1/transactions";

/// Rows of an answer that says no limit. Count.
pub const LIMIT_DEFAULT: u32 = 100;
/// Most rows of an answer. Count.
pub const LIMIT_MAX: u32 = 1_000;

/// A place in the feed. Text form: milliseconds and number, `1793707200000-42`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    changed_at: i64,
    seq: i64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.changed_at, self.seq)
    }
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (changed_at, seq) = text.split_once('-')?;
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse().ok()).flatten()
        };
        Some(Self { changed_at: number(changed_at)?, seq: number(seq)? })
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The program.
    pub program: ProgramName,
    /// The partner.
    pub partner: PartnerName,
    /// Changes from this instant on.
    pub changed_since: Millis,
    /// Changes after this place.
    pub after: Place,
    /// Most rows.
    pub limit: u32,
    /// Language of the words.
    pub language: Language,
}

impl Request {
    /// The place behind which the answer begins: an empty answer leads on from there.
    fn begins(&self) -> Place {
        // The first change has number 1.
        self.after.max(Place { changed_at: self.changed_since.0, seq: 0 })
    }
}

/// One share of an order as its partner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The same for ever; not the order's own id.
    pub id: EventId,
    /// Goal of the order.
    pub goal: String,
    /// State of the share; one that was credited and no longer is reads as declined.
    pub state: OrderState,
    /// The main reason.
    pub code: Code,
    /// All reasons in words.
    pub reason: String,
    /// The credited touch.
    pub click_time: Millis,
    /// The conversion.
    pub order_time: Millis,
    /// The link.
    pub link: String,
    /// The partner's own click id.
    pub pcid: Option<String>,
    /// Sub ids, by name.
    pub subs: Map<String, Value>,
    /// Net amount of the share that stayed, micros.
    pub net: i64,
    /// Commission, micros.
    pub commission: i64,
    /// Currency of both.
    pub currency: Currency,
    /// The statement that paid it.
    pub statement: Option<String>,
    /// Where the change stands in the feed.
    pub place: Place,
}

/// A row of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Of an order.
    Order(Transaction),
    /// Of a day.
    Day(DayPay),
}

impl Told {
    const fn place(&self) -> Place {
        match self {
            Self::Order(row) => row.place,
            Self::Day(row) => row.place,
        }
    }
}

/// Some of the feed.
#[derive(Clone, Debug)]
pub struct Part {
    /// The rows, the earliest change first.
    pub rows: Vec<Told>,
    /// Where to read on.
    pub next: Place,
    /// Whether there was more when this was read.
    pub more: bool,
}

/// Columns of an order and share as the file has them.
struct Found {
    key: String,
    goal: String,
    converted_at: i64,
    amount: i64,
    returned: i64,
    code: i64,
    note: Option<String>,
    lock_at: i64,
    touch: Vec<u8>,
    touched_at: i64,
    link: String,
    net: i64,
    commission: i64,
    currency: Currency,
    order_currency: Currency,
    state: i64,
    codes: String,
    statement: Option<String>,
    subs: String,
    pcid: Option<String>,
    gone: bool,
    place: Place,
    /// What the order's decision says of the partner's newest touch, and of the credited one.
    lost: Option<(i64, i64)>,
    winner_at: Option<i64>,
}

const SELECT: &str = "SELECT orders.key, orders.goal, orders.converted_at, orders.amount, orders.returned, orders.code, \
     orders.note, orders.lock_at, share.touch, share.touched_at, link.text, share.net, share.commission, share.currency, \
     orders.currency, share.state, share.codes, share.statement, share.subs, share.pcid, share.gone, share.changed_at, \
     share.seq, lost.code, lost.touched_at, journey.winner_at, \
     partner.text FROM share JOIN orders ON orders.id = share.ord JOIN name AS link ON link.id = share.link \
     JOIN name AS partner ON partner.id = share.partner \
     LEFT JOIN journey ON share.gone AND journey.key = orders.key \
     LEFT JOIN journey_partner AS lost ON lost.journey = journey.id AND lost.partner = share.partner \
     WHERE ";

/// Which rows the feed has.
const FEED: &str = "share.program = (SELECT id FROM name WHERE text = ?1) AND share.partner = (SELECT id FROM name WHERE text = ?2) \
     AND share.observed = 0 AND (share.changed_at, share.seq) > (?3, ?4) ORDER BY share.changed_at, share.seq LIMIT ?5";

fn feed_sql() -> String {
    format!("{SELECT}{FEED}")
}

/// Program, partner, the place behind which the page begins, and how many rows it takes to know whether there are more.
fn feed_values(request: &Request) -> (&str, &str, i64, i64, i64) {
    let Place { changed_at, seq } = request.begins();
    let rows = i64::from(request.limit) + 1;
    (request.program.as_str(), request.partner.as_str(), changed_at, seq, rows)
}

impl Found {
    fn of(row: &Row<'_>) -> Result<Self, Error> {
        let lost: Option<i64> = row.get(23)?;
        let lost_at: Option<i64> = row.get(24)?;
        Ok(Self {
            key: row.get(0)?,
            goal: row.get(1)?,
            converted_at: row.get(2)?,
            amount: row.get(3)?,
            returned: row.get(4)?,
            code: row.get(5)?,
            note: row.get(6)?,
            lock_at: row.get(7)?,
            touch: row.get(8)?,
            touched_at: row.get(9)?,
            link: row.get(10)?,
            net: row.get(11)?,
            commission: row.get(12)?,
            currency: store::currency(row, 13)?,
            order_currency: store::currency(row, 14)?,
            state: row.get(15)?,
            codes: row.get(16)?,
            statement: row.get(17)?,
            subs: row.get(18)?,
            pcid: row.get(19)?,
            gone: row.get(20)?,
            place: Place { changed_at: row.get(21)?, seq: row.get(22)? },
            lost: lost.zip(lost_at),
            winner_at: row.get(25)?,
        })
    }

    fn values(&self, zone: &Zone, language: Language) -> Values {
        let money = |amount: i64, currency: Currency| {
            let text = exact(amount.into(), currency.exponent());
            format!("{} {currency}", text.replace('.', language.of(".", ",")))
        };
        let touched_at = self.lost.map_or(self.touched_at, |(_, at)| at);
        let mut values = Values::new();
        values.insert("click_time", zone.minute(Millis(touched_at)));
        values.insert("order_time", zone.minute(Millis(self.converted_at)));
        values.insert("order_day", zone.day_text(Millis(self.converted_at)));
        values.insert("until", zone.minute(Millis(self.lock_at)));
        values.insert("age", age(self.converted_at.saturating_sub(touched_at)));
        values.insert("currency", self.order_currency.to_string());
        values.insert("commission", money(self.commission, self.currency));
        if self.returned > 0 {
            values.insert("returned", money(self.returned, self.order_currency));
            values.insert("amount", money(self.amount, self.order_currency));
        }
        values.extend(self.note.clone().map(|note| ("note", note)));
        values.extend(self.statement.clone().map(|statement| ("statement", statement)));
        values.extend(self.winner_at.map(|at| ("winner_day", zone.day_text(Millis(at)))));
        values
    }

    fn shown(self, zone: &Zone, language: Language) -> Transaction {
        let values = self.values(zone, language);
        let known = |number: i64| u16::try_from(number).ok().and_then(Code::from_number);
        let mut state = store::state_of(self.state);
        let (code, reason) = if self.gone {
            state = OrderState::Declined;
            let code = match self.lost.and_then(|(code, _)| known(code)) {
                // Another touch of the same partner has it now.
                Some(Code::Ok) => Code::Collapsed,
                Some(code) => code,
                None => Code::LaterTouchWon,
            };
            (code, language.sentence(code, &values))
        } else {
            let code = known(self.code).unwrap_or(Code::Ok);
            let mut reasons = Vec::new();
            if code != Code::Ok {
                reasons.push(language.sentence(code, &values));
            }
            let said_by_code =
                matches!(state, OrderState::Declined | OrderState::Held | OrderState::Reversed);
            if code == Code::Ok || !said_by_code {
                reasons.push(language.about_state(state, &values));
            }
            let own = self.codes.split(',').filter_map(|text| text.parse().ok()).filter_map(known);
            reasons
                .extend(own.filter(|own| *own != code).map(|own| language.sentence(own, &values)));
            (code, reasons.join(" "))
        };
        Transaction {
            id: EventId::derived("sillage transaction v1", &[self.key.as_bytes(), &self.touch]),
            goal: self.goal,
            state,
            code,
            reason,
            click_time: Millis(self.touched_at),
            order_time: Millis(self.converted_at),
            link: self.link,
            pcid: self.pcid,
            subs: serde_json::from_str(&self.subs).unwrap_or_default(),
            net: self.net,
            commission: self.commission,
            currency: self.currency,
            statement: self.statement,
            place: self.place,
        }
    }
}

/// A time span in words of both languages.
fn age(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

impl View {
    /// Reads a request for transactions.
    ///
    /// # Errors
    /// [`Refused::Asked`] names what is wrong.
    pub fn transactions_request(&self, given: Given<'_>) -> Result<Request, Refused> {
        let program = self.program(given("program").as_deref())?;
        let partner = self.partner(given("partner").as_deref())?;
        let partner = partner.ok_or_else(|| Refused::asked("say which partner: partner=NAME"))?;
        let zone = self.zone(&program);
        let changed_since = match given("changed_since") {
            None => Millis(0),
            Some(text) => instant(&text, &zone).ok_or_else(|| {
                Refused::asked(format_args!(
                    "changed_since={text:?} is no time; write it as 2026-11-03T14:22:05Z or 2026-11-03"
                ))
            })?,
        };
        let after = match given("after") {
            None => Place::default(),
            Some(text) => Place::parse(&text).ok_or_else(|| {
                Refused::asked(format_args!(
                    "after={text:?} is no place; give the `next` of an answer"
                ))
            })?,
        };
        let limit = match given("limit") {
            None => LIMIT_DEFAULT,
            Some(text) => {
                let read = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                read.ok_or_else(|| {
                    Refused::asked(format_args!("limit={text:?}: give 1 to {LIMIT_MAX}"))
                })?
            }
        };
        let language = match given("lang") {
            None => Language::English,
            Some(text) => Language::from_word(&text)
                .ok_or_else(|| Refused::asked(format_args!("lang={text:?}: give fr or en")))?,
        };
        Ok(Request { program, partner, changed_since, after, limit, language })
    }

    /// What is booked of an order, with the partner's name, the newest touch first; own channels too.
    pub(crate) fn booked(
        &self,
        order: &OrderKey,
        language: Language,
    ) -> Result<Vec<(String, Transaction)>, Refused> {
        let (db, zone) = (self.db()?, self.zone(&order.program));
        let read = || -> Result<Vec<(String, Found)>, Error> {
            let of = "orders.key = ?1 AND share.gone = 0 ORDER BY share.touched_at DESC";
            let mut select = db.prepare(&format!("{SELECT}{of}"))?;
            let row = |row: &Row<'_>| Ok((row.get(26)?, Found::of(row)?));
            select.query_map([order.to_string()], row)?.collect()
        };
        let found = read().map_err(StoreError::of("read what is booked of an order"))?;
        Ok(found.into_iter().map(|(name, found)| (name, found.shown(&zone, language))).collect())
    }

    /// Some of a partner's feed.
    ///
    /// # Errors
    /// The store is not ready or cannot be read.
    pub fn transactions(&self, request: &Request) -> Result<Part, Refused> {
        let (db, zone) = (self.db()?, self.zone(&request.program));
        let read = || -> Result<Vec<Found>, Error> {
            let mut select = db.prepare(&feed_sql())?;
            select.query_map(feed_values(request), Found::of)?.collect()
        };
        let orders = read().map_err(StoreError::of("read the transactions"))?;
        let days = days::found(&db, request).map_err(StoreError::of("read the pay of days"))?;
        let orders =
            orders.into_iter().map(|found| Told::Order(found.shown(&zone, request.language)));
        let mut rows: Vec<Told> = orders.chain(days.into_iter().map(Told::Day)).collect();
        rows.sort_by_key(Told::place);
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map_or_else(|| request.begins(), Told::place);
        Ok(Part { rows, next, more })
    }

    /// Answers [`TRANSACTIONS`].
    #[must_use]
    pub fn answer_transactions(&self, query: &Query) -> Reply {
        let given = |name: &str| query.get(name).map(str::to_owned);
        let known = ["program", "partner", "changed_since", "after", "limit", "lang", "format"];
        let format = given("format");
        let answered = no_others(query, &known)
            .and_then(|()| format_of(format.as_deref(), &["json", "csv"]))
            .and_then(|format| {
                let request = self.transactions_request(&given)?;
                let part = self.transactions(&request)?;
                Ok((format, request, part))
            });
        match answered {
            Ok(("csv", _, part)) => csv_reply(csv(&part)),
            Ok((_, request, part)) => {
                Reply::json(StatusCode::OK, format!("{}\n", document(&request, &part)))
            }
            Err(why) => refused(&why),
        }
    }
}

/// An instant in UTC, or the start of a day in the zone.
fn instant(text: &str, zone: &Zone) -> Option<Millis> {
    if let Ok(day) = Day::parse(text) {
        return Some(zone.start(day));
    }
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Millis(at.as_millisecond()))
}

fn document(request: &Request, part: &Part) -> Value {
    let rows = part.rows.iter().map(|row| match row {
        Told::Order(row) => shown(request, row),
        Told::Day(row) => row.shown(request),
    });
    json!({
        "program": request.program.as_str(),
        "partner": request.partner.as_str(),
        "transactions": rows.collect::<Vec<_>>(),
        "next": part.next.to_string(),
        "more": part.more,
    })
}

fn shown(request: &Request, row: &Transaction) -> Value {
    let least = row.currency.exponent();
    let mut shown = json!({
        "transaction": row.id.to_string(),
        "kind": ORDER,
        "goal": row.goal,
        "status": row.state.as_str(),
        "status_text": request.language.state(row.state),
        "code": row.code.number(),
        "reason": row.reason,
        "click_time": row.click_time.rfc3339(),
        "order_time": row.order_time.rfc3339(),
        "link": row.link,
        "pcid": row.pcid,
        "net": exact(row.net.into(), least),
        "commission": exact(row.commission.into(), least),
        "currency": row.currency.as_str(),
        "statement": row.statement,
        "changed_at": Millis(row.place.changed_at).rfc3339(),
    });
    if let Some(shown) = shown.as_object_mut() {
        shown.extend(row.subs.clone());
    }
    shown
}

/// The kind of a row that is about an order.
const ORDER: &str = "order";

/// The rows as CSV with a heading; `place` is where to read on from.
fn csv(part: &Part) -> String {
    let mut out =
        String::from("transaction,goal,status,code,reason,click_time,order_time,link,pcid");
    for number in 1..=SUB_IDS_MAX {
        out.push_str(&format!(",s{number}"));
    }
    out.push_str(",net,commission,currency,statement,changed_at,place,kind,day\r\n");
    for row in &part.rows {
        let fields = match row {
            Told::Order(row) => fields(row),
            Told::Day(row) => row.fields(),
        };
        let fields: Vec<String> = fields.iter().map(|field| csv_field(field)).collect();
        out.push_str(&fields.join(","));
        out.push_str("\r\n");
    }
    out
}

fn fields(row: &Transaction) -> Vec<String> {
    let least = row.currency.exponent();
    let mut fields = vec![
        row.id.to_string(),
        row.goal.clone(),
        row.state.to_string(),
        row.code.number().to_string(),
        row.reason.clone(),
        row.click_time.rfc3339(),
        row.order_time.rfc3339(),
        row.link.clone(),
        row.pcid.clone().unwrap_or_default(),
    ];
    for number in 1..=SUB_IDS_MAX {
        let sub = row.subs.get(&format!("s{number}")).and_then(Value::as_str);
        fields.push(sub.unwrap_or_default().to_owned());
    }
    fields.extend([
        exact(row.net.into(), least),
        exact(row.commission.into(), least),
        row.currency.to_string(),
        row.statement.clone().unwrap_or_default(),
        Millis(row.place.changed_at).rfc3339(),
        row.place.to_string(),
        ORDER.to_owned(),
        String::new(),
    ]);
    fields
}
