//! What shops tell of their orders, made of dice: reports twice and otherwise, acts before and after, all on the
//! boundaries of the terms.

use event::token::{Claim, TokenKeys};
use event::{Consent, EventId, LaneId, LinkId, Millis, PartnerId, ProgramId, Sequence};
use serde_json::{Map, Value, json};
use tests::http::query;
use tests::load::Dice;

use crate::calls::now;
use crate::shops::{CHANGES, DAY, PARTNERS, PROGRAMS};

/// Longest time back that a report may claim, less what a test takes.
const BACK_MAX: i64 = 30 * DAY - 600_000;

/// One call.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A signed report, as JSON.
    Report(&'static str, Value),
    /// A page's report: path and query.
    Pixel(String),
    /// Signed acts on orders, one or a batch.
    Acts(&'static str, Vec<Value>),
}

/// An order that was made, for later calls about it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    program: &'static str,
    currency: &'static str,
    id: String,
    lead: bool,
    lines: u64,
}

/// The maker of one seed's stream.
#[derive(Debug)]
pub(crate) struct Maker<'a> {
    dice: Dice,
    now: i64,
    keys: &'a TokenKeys,
    lane: LaneId,
    touches: u64,
}

impl<'a> Maker<'a> {
    /// The stream of this seed. `now` is when it begins.
    pub(crate) fn new(seed: u64, now: i64, keys: &'a TokenKeys) -> Self {
        let mut dice = Dice::new(seed);
        let lane = LaneId::from_random(dice.below(u64::MAX));
        Self { dice, now, keys, lane, touches: 0 }
    }

    /// Whether something happens that does so `percent` times in a hundred.
    fn chance(&mut self, percent: u64) -> bool {
        self.dice.below(100) < percent
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.dice.below(end)
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.place(of.len())].clone()
    }

    fn place(&mut self, end: usize) -> usize {
        usize::try_from(self.dice.below(end as u64)).unwrap()
    }

    fn up_to(&mut self, end: i64) -> i64 {
        i64::try_from(self.dice.below(end.unsigned_abs())).unwrap()
    }

    /// All in another order.
    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for end in (1..all.len()).rev() {
            all.swap(end, self.place(end + 1));
        }
    }

    /// Decimal text with so many decimals at most.
    fn amount(&mut self, currency: &str) -> String {
        let cents = [0, 1, 1_000, 1_000, 2_999, 10_000, 9_999_999][self.place(7)];
        match (currency, self.dice.below(4)) {
            ("JPY", _) => (cents + self.dice.below(20_000)).to_string(),
            (_, 0) => format!("{}.{:06}", self.dice.below(500), self.dice.below(1_000_000)),
            ("KWD", 1) => format!("{}.{:03}", self.dice.below(90), self.dice.below(1_000)),
            (_, 1) => {
                let cents = self.dice.below(50_000);
                format!("{}.{:02}", cents / 100, cents % 100)
            }
            _ => format!("{}.{:02}", cents / 100, cents % 100),
        }
    }

    /// Lines that sum up to less than an amount, to more, or to it (the amount is left out).
    fn items(&mut self, currency: &str) -> Vec<Value> {
        let count = match self.dice.below(40) {
            0 => 200,
            n => n % 5,
        };
        (0..count).map(|_| self.item(currency)).collect()
    }

    fn item(&mut self, currency: &str) -> Value {
        let mut item = Map::new();
        for (name, values) in [
            ("sku", &["A1", "a1", "B2", "C3", ""][..]),
            ("category", &["Shoes", " shoes ", "SHOES", "gift", "Hats", "", ""]),
            ("group", &["g1", "G2", "", ""]),
        ] {
            let value = self.one(values);
            if !value.is_empty() {
                item.insert(name.into(), value.into());
            }
        }
        if self.chance(60) {
            item.insert("qty".into(), (1 + self.dice.below(7)).into());
        }
        item.insert("amount".into(), self.amount(currency).into());
        Value::Object(item)
    }

    /// A click id of a touch at this time.
    fn click(&mut self, program: usize, at: i64) -> String {
        let own = self.chance(8);
        let partner = self.place(PARTNERS.len());
        let (partner, link) = if own {
            (None, PARTNERS.len() * PROGRAMS.len() + program)
        } else {
            (Some(partner + 1), partner * PROGRAMS.len() + program)
        };
        let number = |n: usize| u32::try_from(n).unwrap();
        self.touches += 1;
        let claim = Claim {
            consent: Consent::Granted,
            test: false,
            prefetch: false,
            program: ProgramId(number(program + 1)),
            partner: partner.map(|partner| PartnerId(number(partner))),
            link: LinkId(number(link + 1)),
            id: EventId::minted(Millis(at), Sequence(self.touches), self.lane),
            visitor: None,
        };
        self.keys.mint(&claim, Millis(now())).unwrap().to_string()
    }

    /// When an order happened: at a change or beside it, somewhere, or now.
    fn time(&mut self) -> i64 {
        match self.dice.below(10) {
            0..4 => self.now - self.one(&CHANGES) + self.up_to(3) - 1,
            4..6 => self.now - self.up_to(3_600_000),
            _ => self.now - self.up_to(BACK_MAX),
        }
    }

    /// An order with its reports and its first acts, in any order.
    pub(crate) fn order(&mut self, n: usize) -> (Order, Vec<Message>) {
        let mut of = self.dice.below(100);
        let program = PROGRAMS.iter().position(|(.., share)| {
            let here = of < *share;
            of = of.wrapping_sub(if here { 0 } else { *share });
            here
        });
        let place = program.unwrap();
        let (program, own, _) = PROGRAMS[place];
        let lead = self.chance(5);
        let id = if self.chance(10) { format!("b  x-{n}") } else { format!("BX-{n}") };
        let currency = if self.chance(85) { own } else { self.one(&["EUR", "USD", "JPY", "KWD"]) };
        // Some shops leave the time to whoever receives the report.
        let (tells_time, at) =
            if self.chance(80) { (true, self.time()) } else { (false, self.now) };
        let items = self.items(currency);
        let lines = items.len() as u64;
        let mut report = Map::new();
        report.insert("goal".into(), if lead { "lead" } else { "sale" }.into());
        report.insert(if lead { "client_event_id" } else { "order_id" }.into(), id.clone().into());
        if tells_time {
            report.insert("ts".into(), at.into());
        }
        if lines == 0 || self.chance(60) {
            report.insert("amount".into(), self.amount(currency).into());
        }
        if lines > 0 {
            report.insert("items".into(), items.into());
        }
        if currency != own || self.chance(60) {
            report.insert("currency".into(), currency.into());
        }
        if self.chance(40) {
            let coupons = [json!("LEA10"), json!(["x", "lea10"]), json!("SPRING"), json!("other")];
            report.insert("coupon".into(), self.one(&coupons));
        }
        if self.chance(50) {
            let customer = self.one(&["new", "returning"]);
            report.insert("customer_type".into(), customer.into());
        }
        if self.chance(85) {
            let back = self.one(&[1, 1_000, 600_000, DAY, 6 * DAY, 29 * DAY]);
            let back = 1 + self.up_to(back);
            report.insert("click_id".into(), self.click(place, at - back).into());
        }
        if self.chance(2) {
            report.insert("test".into(), 1.into());
        }
        let order = Order { program, currency, id: id.clone(), lead, lines };
        let mut messages = Vec::new();
        let page_only = !lead && self.chance(12);
        if !page_only {
            let mut first = report.clone();
            if self.chance(20) {
                let status = self.one(&["approved", "approved", "declined"]);
                first.insert("status".into(), status.into());
            }
            messages.push(Message::Report(program, first.into()));
        }
        let copies = if page_only { 0 } else { self.dice.below(3) };
        for _ in 0..copies {
            messages.push(self.again(program, currency, &report));
        }
        let pixels = if page_only { 1 + self.dice.below(4).min(1) } else { self.dice.below(6) / 5 };
        for pixel in 0..pixels {
            let told = report.get("click_id").and_then(Value::as_str).map(str::to_owned);
            let click = told
                .filter(|_| pixel == 0 && self.chance(60))
                .unwrap_or_else(|| self.click(place, at));
            let amount = self.amount(currency);
            let fields = [
                ("order_id", &*id),
                ("amount", &amount),
                ("currency", currency),
                ("click_id", &click),
            ];
            messages.push(Message::Pixel(format!("/p/{program}.gif?{}", query(&fields))));
        }
        let acts = [0, 0, 1, 1, 2, 3, 5][self.place(7)];
        for _ in 0..acts {
            messages.push(self.acts(&order));
        }
        (order, messages)
    }

    /// The same order again: as it was, with another amount, or with a later word about it.
    fn again(
        &mut self,
        program: &'static str,
        currency: &str,
        report: &Map<String, Value>,
    ) -> Message {
        let mut again = report.clone();
        if self.chance(40) {
            again.insert("amount".into(), self.amount(currency).into());
        }
        if self.chance(30) {
            again.insert("revision".into(), self.dice.below(4).into());
        }
        if self.chance(10) {
            again.insert("status".into(), self.one(&["approved", "declined"]).into());
        }
        Message::Report(program, again.into())
    }

    /// A report of an order that came long ago.
    pub(crate) fn late_report(&mut self, order: &Order) -> Message {
        let mut report = Map::new();
        let goal = if order.lead { "lead" } else { "sale" };
        report.insert("goal".into(), goal.into());
        let name = if order.lead { "client_event_id" } else { "order_id" };
        report.insert(name.into(), order.id.clone().into());
        report.insert("currency".into(), order.currency.into());
        report.insert("ts".into(), self.time().into());
        self.again(order.program, order.currency, &report)
    }

    /// An act on the order, or a batch of acts.
    pub(crate) fn acts(&mut self, order: &Order) -> Message {
        let count = if self.chance(20) { 3 } else { 1 };
        Message::Acts(order.program, (0..count).map(|_| self.act(order)).collect())
    }

    /// An act on an order that nobody reports.
    pub(crate) fn stray(&mut self, n: usize) -> Message {
        let (program, currency, _) = self.one(&PROGRAMS);
        let id = format!("GHOST-{n}");
        self.acts(&Order { program, currency, id, lead: false, lines: 1 })
    }

    fn act(&mut self, order: &Order) -> Value {
        let mut act = Map::new();
        if order.lead {
            act.insert("goal".into(), "lead".into());
            act.insert("order_client_event_id".into(), order.id.clone().into());
        } else {
            // The same order, however it is written.
            act.insert("order_id".into(), order.id.to_lowercase().into());
        }
        // Few values, so that acts are equal in one and differ in the next.
        if self.chance(30) {
            act.insert("revision".into(), self.one(&[0, 1, 1, 2, 7]).into());
        }
        if self.chance(60) {
            act.insert("at".into(), (self.now - DAY * self.one(&[1, 1, 2, 3])).into());
        }
        if self.chance(40) {
            act.insert("client_event_id".into(), self.one(&["x", "y", "z"]).into());
        }
        let kinds =
            ["approve", "approve", "decline", "reopen", "return", "return", "return", "amend"];
        let action = self.one(&kinds);
        act.insert("action".into(), action.into());
        match action {
            "decline" => {
                act.insert("code".into(), self.one(&[701, 704, 705, 706, 707, 708]).into());
                act.insert("note".into(), "told".into());
            }
            "return" if self.chance(70) => {
                let count = 1 + self.dice.below(3);
                let items: Vec<Value> = (0..count).map(|_| self.returned(order)).collect();
                act.insert("items".into(), items.into());
            }
            "amend" if self.chance(50) => {
                let mut items = self.items(order.currency);
                items.push(self.item(order.currency));
                items.truncate(200);
                act.insert("items".into(), items.into());
                if self.chance(50) {
                    act.insert("amount".into(), self.amount(order.currency).into());
                }
            }
            "return" | "amend" => {
                act.insert("amount".into(), self.amount(order.currency).into());
            }
            _ => {}
        }
        if matches!(action, "return" | "amend") && self.chance(30) {
            let other = self.chance(20);
            let currency = if other { "CHF" } else { order.currency };
            act.insert("currency".into(), currency.into());
        }
        Value::Object(act)
    }

    fn returned(&mut self, order: &Order) -> Value {
        let mut entry = Map::new();
        if self.chance(70) {
            let place = 1 + self.dice.below(order.lines.min(5) + 1);
            entry.insert("line".into(), place.into());
        } else {
            entry.insert("sku".into(), self.one(&["A1", "B2", "none"]).into());
        }
        match self.dice.below(3) {
            0 => {
                entry.insert("qty".into(), (1 + self.dice.below(9)).into());
            }
            1 => {
                entry.insert("amount".into(), self.amount(order.currency).into());
            }
            _ => {}
        }
        Value::Object(entry)
    }
}
