//! An order's life in a few words, for tests: `rule 5%; sale 74.92; decline 701 @2d`.
//!
//! Clauses, separated by `;`. Of the catalog (read first, in any place): `rule PAYS KEY=VALUE…` (`5%`, `3.00` per order,
//! `none`; `in=NAME`: of that partner or segment; `cap=`), `from @T` (the program's rules that follow hold from then on),
//! `lock 30d`, `month_end_plus 3`, `lateness 7d`, `auto on|off NAME`, `margins TOML`, `member A SEGMENT`, `forfeit|freeze|run_off A @T`,
//! `observe`. Of the order: `sale AMOUNT …`, `approve`, `decline CODE`, `reopen`, `return …`, `amend …`, `lock @T` is
//! spelled `locked @T` (the lock job at that time), `pay A`, `unlisted` (nothing: decides again), `now @T` (else the end of time).
//!
//! Options of a sale: `USD`, `item=CATEGORY/SKU/GROUP*QTY:AMOUNT` (`-`: none), `to=A:3,own:1` (weights, the newest first;
//! `-`: nobody), `coupon=X`, `new`, `returning`, `page`, `note=609`, `lag=1d`, `v=2`, `link=`, `channel=`. Of a return:
//! an amount, or entries `1`, `1*2` (pieces), `1=3.00`, `S1*2` by article. Of an amendment: an amount, `item=…`. Of acts:
//! `rev=2`, `id=X`, `USD`.

use std::collections::BTreeMap;

use catalog::{Format, Snapshot};
use event::body::decision::Credit;
use event::body::{
    Action, ActionKind, BookedOrder, CustomerType, DecisionStatus, DecisionVersion, Item,
    OrderState, Payment, Posting, ReturnedLine, TouchKind, Trust, Validation,
};
use event::hash::ContentHash;
use event::money::DecimalMark;
use event::{Code, Currency, EventId, LaneId, Micros, Millis, OrderKey, Sequence};

use crate::{Act, Booked, Cause, Decided, Fact, Facts, Outcome, books_lines, decide, lock_of};

pub(crate) const START: Millis = Millis(1_793_664_000_000);

/// The catalog's part of a script.
#[derive(Default)]
struct Terms {
    /// Program's versions: when they begin, and their rules.
    versions: Vec<(Option<Millis>, Vec<String>)>,
    /// Rules and `auto_approve` of segments and partners.
    levels: BTreeMap<String, (Vec<String>, Option<&'static str>)>,
    keys: Vec<String>,
    members: BTreeMap<String, String>,
    ends: Vec<(String, String, Millis)>,
    observe: bool,
}

/// A script on its way.
pub(crate) struct World {
    pub(crate) catalog: Snapshot,
    pub(crate) facts: Facts,
    /// Every fact that was joined.
    pub(crate) all: Vec<Fact>,
    pub(crate) book: Option<BookedOrder>,
    pub(crate) postings: Vec<(EventId, Posting)>,
    now: Millis,
    sequence: u64,
}

pub(crate) fn key() -> OrderKey {
    "shop/sale/real/o:BX-1".parse().unwrap()
}

pub(crate) fn money(text: &str) -> Micros {
    Micros::parse(text, DecimalMark::Dot).unwrap_or_else(|fault| panic!("{text:?} {fault}"))
}

pub(crate) fn duration(text: &str) -> i64 {
    const UNITS: [(&str, i64); 5] =
        [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let mut total = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let sign = if rest.starts_with('-') { -1 } else { 1 };
        rest = rest.trim_start_matches(['+', '-']);
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: i64 = rest[..end].parse().unwrap_or_else(|_| panic!("duration {text:?}"));
        rest = &rest[end..];
        let (unit, ms) = UNITS
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit))
            .unwrap_or_else(|| panic!("unit in {text:?}"));
        rest = &rest[unit.len()..];
        total += sign * number * ms;
    }
    total
}

fn at(words: &[&str]) -> Millis {
    let told = words.iter().find_map(|word| word.strip_prefix('@'));
    Millis(START.0 + told.map_or(0, duration))
}

fn quoted(values: &str) -> String {
    values.split(',').map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(", ")
}

impl Terms {
    /// Reads a clause of the catalog; false if it is none.
    fn clause(&mut self, clause: &str) -> bool {
        let words: Vec<&str> = clause.split_whitespace().collect();
        let rest = clause.split_once(' ').map_or("", |(_, rest)| rest.trim());
        match words[0] {
            "rule" => self.rule(&words[1..]),
            "from" => self.versions.push((Some(at(&words)), Vec::new())),
            "lock" => self.keys.push(format!("lock_after = \"{rest}\"")),
            "month_end_plus" => self.keys.push(format!("lock = {{ month_end_plus = {rest} }}")),
            "lateness" => self.keys.push(format!("lateness = \"{rest}\"")),
            "margins" => self.keys.push(format!("margins = {rest}")),
            "auto" => {
                let on = if words[1] == "on" { "true" } else { "false" };
                match words.get(2) {
                    Some(name) => self.levels.entry((*name).into()).or_default().1 = Some(on),
                    None => self.keys.push(format!("auto_approve = {on}")),
                }
            }
            "member" => {
                self.members.insert(words[1].into(), words[2].into());
            }
            "forfeit" | "freeze" | "run_off" => {
                self.ends.push((words[1].into(), words[0].into(), at(&words)));
            }
            "observe" => self.observe = true,
            _ => return false,
        }
        true
    }

    fn rule(&mut self, words: &[&str]) {
        let mut parts = vec![match words[0] {
            "none" => "excluded = true".to_owned(),
            pays => match pays.strip_suffix('%') {
                Some(percent) => format!("percent = \"{percent}\""),
                None => format!("per_order = \"{pays}\""),
            },
        }];
        let mut level = None;
        for word in &words[1..] {
            let (name, value) = word.split_once('=').unwrap();
            parts.push(match name {
                "in" => {
                    level = Some(value);
                    continue;
                }
                "cap" => format!("cap_per_order = \"{value}\""),
                "from" | "until" => {
                    format!("{name} = {}", Millis(START.0 + duration(value)).rfc3339())
                }
                "name" | "currency" | "customer" => format!("{name} = \"{value}\""),
                _ => format!("{name} = [{}]", quoted(value)),
            });
        }
        let rule = format!("{{ {} }}", parts.join(", "));
        match level {
            Some(name) => self.levels.entry(name.into()).or_default().0.push(rule),
            None => {
                if self.versions.is_empty() {
                    self.versions.push((None, Vec::new()));
                }
                self.versions.last_mut().unwrap().1.push(rule);
            }
        }
    }

    fn toml(&self) -> String {
        let mut text = format!(
            "[program.shop]\ntitle = \"Shop\"\nhome = \"https://shop.example/\"\n\
             sites = [\"https://shop.example\"]\ncurrency = \"EUR\"\ntime_zone = \"UTC\"\n\
             mode = \"{}\"\n[program.shop.goal.sale]\n[program.shop.goal.lead]\n[program.shop.channel.own]\n\
             title = \"Own\"\n",
            if self.observe { "observe" } else { "live" }
        );
        let always = [(None, Vec::new())];
        let versions = if self.versions.is_empty() { &always[..] } else { &self.versions };
        for (from, rules) in versions {
            text.push_str("[[program.shop.terms]]\n");
            if let Some(from) = from {
                text.push_str(&format!("valid_from = {}\n", from.rfc3339()));
            }
            let keys = self.keys.join("\n");
            text.push_str(&format!("{keys}\ncommission = [{}]\n", rules.join(", ")));
        }
        let level = |name: &str| -> String {
            let Some((rules, auto)) = self.levels.get(name) else { return String::new() };
            let auto = auto.map_or(String::new(), |auto| format!("auto_approve = {auto}\n"));
            let rules = match rules.is_empty() {
                true => String::new(),
                false => format!("commission = [{}]\n", rules.join(", ")),
            };
            format!("{auto}{rules}")
        };
        text.push_str("[program.shop.segment.social]\ntitle = \"Social\"\n");
        if self.levels.contains_key("social") {
            text.push_str(&format!("[[program.shop.segment.social.terms]]\n{}", level("social")));
        }
        for (name, kind) in [("A", "content"), ("B", "cashback"), ("C", "content")] {
            let mut state = vec!["{ value = \"approved\" }".to_owned()];
            for (_, mode, at) in self.ends.iter().filter(|(partner, _, _)| partner == name) {
                state.push(format!(
                    "{{ value = \"ended\", mode = \"{mode}\", reason = \"over\", evidence = \"case 7\", valid_from = {} }}",
                    at.rfc3339()
                ));
            }
            text.push_str(&format!(
                "[partner.{name}]\ntitle = \"{name}\"\nkind = \"{kind}\"\n\
                 [partner.{name}.program.shop]\nstate = [{}]\n",
                state.join(", ")
            ));
            if let Some(segment) = self.members.get(name) {
                text.push_str(&format!("segment = \"{segment}\"\n"));
            }
            if self.levels.contains_key(name) {
                text.push_str(&format!("[[partner.{name}.program.shop.terms]]\n{}", level(name)));
            }
            for link in ["link", "other"] {
                text.push_str(&format!(
                    "[link.{name}-{link}]\nprogram = \"shop\"\npartner = \"{name}\"\nchannel = \"blog\"\n\
                     destination = \"https://shop.example/\"\n"
                ));
            }
        }
        text
    }
}

/// The facts of a script before any lock or payment, and its catalog.
fn read(script: &str) -> (Snapshot, Vec<&str>) {
    let mut terms = Terms::default();
    let clauses = script.split(';').map(str::trim).filter(|clause| !clause.is_empty());
    let facts: Vec<&str> = clauses.filter(|clause| !terms.clause(clause)).collect();
    let text = terms.toml();
    let catalog = catalog::snapshot_of(&text, Format::Toml, Millis(0)).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{text}\n{}", faults.join("\n"))
    });
    (catalog, facts)
}

impl World {
    /// The world after the whole script, and what each clause changed in words.
    pub(crate) fn run(script: &str) -> (Self, String) {
        let (catalog, clauses) = read(script);
        let mut world = Self {
            catalog,
            facts: Facts::default(),
            all: Vec::new(),
            book: None,
            postings: Vec::new(),
            now: Millis(i64::MAX),
            sequence: 0,
        };
        let mut told = String::new();
        for clause in clauses {
            world.clause(clause);
            told.push_str(&format!("  {clause}\n    {}\n", world.book()));
        }
        (world, told)
    }

    pub(crate) fn next_id(&mut self, at: Millis) -> EventId {
        self.sequence += 1;
        EventId::minted(at, Sequence(self.sequence), LaneId::from_random(1))
    }

    pub(crate) fn join(&mut self, fact: Fact) {
        self.all.push(fact.clone());
        self.facts.join(fact);
    }

    pub(crate) fn outcome(&self) -> Outcome {
        decide(&key(), &self.facts, &self.catalog, self.now)
    }

    fn booked(&self) -> Option<Box<Booked>> {
        match self.outcome() {
            Outcome::Booked(booked) => Some(booked),
            Outcome::Unknown | Outcome::Waiting(_) => None,
        }
    }

    /// Decides and posts; what that changed, in words.
    fn book(&mut self) -> String {
        let booked = match self.outcome() {
            Outcome::Booked(booked) => booked,
            other @ (Outcome::Unknown | Outcome::Waiting(_)) => return format!("{other:?}"),
        };
        let source = EventId::from_bytes([7; 16]);
        let cause = Cause { source, actor: None, changed_at: START };
        let number = self.postings.len() as u64 + 1;
        let posted = crate::posting(&key(), self.book.as_ref(), &booked.order, cause, number);
        let mut text = tell(&booked);
        match posted {
            None => text.push_str("; nothing posted"),
            Some((id, posting)) => {
                for transfer in &posting.transfers {
                    text.push_str(&format!(
                        "; {} {} {}→{}",
                        transfer.purpose.as_str(),
                        transfer.amount.decimal(0),
                        transfer.debit,
                        transfer.credit
                    ));
                }
                self.postings.push((id, posting));
            }
        }
        self.book = Some(booked.order);
        text
    }

    pub(crate) fn clause(&mut self, clause: &str) {
        let words: Vec<&str> = clause.split_whitespace().collect();
        match words[0] {
            "sale" => self.sale(&words[1..]),
            "approve" => self.act(Action::Approve, &words[1..]),
            "decline" => self.act(Action::Decline, &words[1..]),
            "reopen" => self.act(Action::Reopen, &words[1..]),
            "return" => self.act(Action::Return, &words[1..]),
            "amend" => self.act(Action::Amend, &words[1..]),
            "locked" => {
                let booked = self.booked().expect("an order to lock");
                if booked.is_due(at(&words)).is_some() {
                    let lock = lock_of(&self.facts, &booked).unwrap();
                    let id = EventId::derived("lock", &[&[1]]);
                    self.join(Fact::Lock(id, Box::new(lock)));
                }
            }
            "pay" => self.pay(words[1]),
            "now" => self.now = at(&words),
            _ => panic!("clause {clause:?}"),
        }
    }

    fn pay(&mut self, partner: &str) {
        let booked = self.booked().expect("an order to pay").order;
        let program = "shop".parse().unwrap();
        let due = crate::balances(&program, &booked).into_iter().filter(|(account, _, _)| {
            [format!("payable:{partner}"), format!("clawback:{partner}")]
                .contains(&account.to_string())
        });
        let amount = Micros(due.map(|(_, _, amount)| amount.0).sum());
        let count = self.facts.payments.len() as u64 + 1;
        let payment = Payment {
            statement: format!("S{count}"),
            partner: partner.parse().unwrap(),
            amount,
            currency: booked.currency,
            actor: None,
            whole: None,
            at: None,
            line: None,
        };
        let id = EventId::derived("pay", &[&count.to_be_bytes(), partner.as_bytes()]);
        self.join(Fact::Payment(id, payment));
    }

    fn sale(&mut self, words: &[&str]) {
        let decided = decided(at(words), words);
        self.join(Fact::Decision(Box::new(decided)));
    }

    fn act(&mut self, action: Action, words: &[&str]) {
        let at = at(words);
        let id = self.next_id(at);
        let validation = validation(action, words);
        self.join(Fact::Act(Box::new(Act { id, at, received_at: at, validation })));
    }
}

fn item(text: &str) -> Item {
    let (what, amount) = text.split_once(':').unwrap();
    let (what, qty) = what.split_once('*').unwrap_or((what, "1"));
    let mut names = what.split('/').map(|name| (name != "-").then(|| name.replace('+', " ")));
    Item {
        category: names.next().flatten(),
        sku: names.next().flatten(),
        group: names.next().flatten(),
        qty: qty.parse().unwrap(),
        amount: money(amount),
        ..Item::default()
    }
}

pub(crate) fn touch(label: &str) -> EventId {
    EventId::derived("touch", &[label.as_bytes()])
}

fn credits(text: &str, amount: Micros, words: &[&str]) -> Vec<Credit> {
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let named: Vec<(&str, u64)> = text
        .split(',')
        .filter(|name| *name != "-")
        .map(|name| name.split_once(':').map_or((name, 1), |(name, n)| (name, n.parse().unwrap())))
        .collect();
    let weights: Vec<u64> = named.iter().rev().map(|(_, weight)| *weight).collect();
    let amounts = event::split(amount, &weights);
    let one = |((label, weight), amount): (&(&str, u64), &Micros)| {
        let name = label.split('#').next().unwrap();
        Credit {
            touch: touch(label),
            kind: TouchKind::Click,
            touched_at: Millis(START.0 - 1),
            partner: (name != "own").then(|| name.parse().unwrap()),
            link: option("link=").map_or(format!("{name}-link"), Into::into).parse().unwrap(),
            channel: Some(option("channel=").unwrap_or("partner").parse().unwrap()),
            amount: *amount,
            weight: *weight,
            weight_sum: weights.iter().sum(),
            dimensions: Default::default(),
        }
    };
    named.iter().zip(amounts.iter().rev()).map(one).collect()
}

/// The decision that a sale's options tell.
pub(crate) fn decided(at: Millis, words: &[&str]) -> Decided {
    // What was read is what was told: equal hashes mean equal decisions.
    let id = EventId::derived("decision", &[words.join(" ").as_bytes()]);
    let amount = money(words[0]);
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let all = |name: &'static str| words.iter().filter_map(move |word| word.strip_prefix(name));
    let credits = credits(option("to=").unwrap_or("A"), amount, words);
    let (status, code) = match (credits.is_empty(), crate::base::winner(&credits)) {
        (true, _) => (DecisionStatus::Unattributed, Code::WindowExpired),
        (false, None) => (DecisionStatus::LostToChannel, Code::PaidChannelWon),
        (false, Some(_)) => (DecisionStatus::Attributed, Code::Ok),
    };
    let version = option("v=").map_or(1, |v| v.parse().unwrap());
    let customer_type = match () {
        () if words.contains(&"new") => Some(CustomerType::New),
        () if words.contains(&"returning") => Some(CustomerType::Returning),
        () => None,
    };
    Decided {
        id,
        version: DecisionVersion { semantics: 1, members: 1, known: version },
        inputs_hash: ContentHash(*id.as_bytes()),
        status,
        code,
        notes: all("note=").map(|note| Code::from_number(note.parse().unwrap()).unwrap()).collect(),
        trust: if words.contains(&"page") { Trust::Page } else { Trust::Token },
        order_id: Some("bx-1".into()),
        amount,
        currency: currency(words),
        items: all("item=").map(item).collect(),
        coupons: all("coupon=").map(Into::into).collect(),
        customer_type,
        channel: None,
        converted_at: at,
        received_at: Millis(at.0 + option("lag=").map_or(0, duration)),
        credits,
    }
}

fn currency(words: &[&str]) -> Option<Currency> {
    words.iter().find_map(|word| word.parse().ok())
}

/// The act that its options tell.
pub(crate) fn validation(action: Action, words: &[&str]) -> Validation {
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let mut act = Validation::plain(key(), action);
    act.currency = currency(words);
    act.revision = option("rev=").map(|rev| rev.parse().unwrap());
    act.client_event_id = option("id=").map(Into::into);
    act.items = words.iter().filter_map(|word| word.strip_prefix("item=")).map(item).collect();
    let plain = words.iter().filter(|word| {
        !word.starts_with('@')
            && !["rev=", "id=", "item="].iter().any(|option| word.starts_with(option))
            && word.parse::<Currency>().is_err()
    });
    for word in plain {
        match action.kind() {
            ActionKind::Validation => act.code = Code::from_number(word.parse().unwrap()),
            ActionKind::Return if !word.contains('.') || word.contains('=') => {
                act.returned.push(returned(word));
            }
            ActionKind::Return | ActionKind::Amend => act.amount = Some(money(word)),
        }
    }
    act
}

fn returned(word: &str) -> ReturnedLine {
    let (what, amount) = word.split_once('=').unwrap_or((word, ""));
    let (what, qty) = what.split_once('*').unwrap_or((what, ""));
    let line = what.parse().ok();
    ReturnedLine {
        line,
        sku: line.is_none().then(|| what.into()),
        qty: qty.parse().ok(),
        amount: (!amount.is_empty()).then(|| money(amount)),
    }
}

/// An order in words: state, code, what came back, shares, findings.
pub(crate) fn tell(booked: &Booked) -> String {
    let order = &booked.order;
    let mut text = format!("{} {}", order.state, order.code.number());
    if order.observed {
        text.push_str(" observed");
    }
    if order.returned.0 != 0 {
        text.push_str(&format!(
            " ({} of {} back)",
            order.returned.decimal(0),
            order.amount.decimal(0)
        ));
    }
    for share in &order.shares {
        let name = share.partner.as_ref().map_or("-", |name| name.as_str());
        text.push_str(&format!(
            ", {name} {} earns {}",
            share.net.decimal(0),
            share.commission.decimal(0)
        ));
        if share.state == OrderState::Paid {
            text.push_str(&format!(" paid {}", share.paid.decimal(0)));
        }
        for code in &share.codes {
            text.push_str(&format!(" {}", code.number()));
        }
    }
    for finding in &booked.findings {
        text.push_str(&format!(
            ", {} {} {}",
            finding.kind.as_str(),
            finding.amount.decimal(0),
            finding.currency
        ));
    }
    text
}

/// The order's lines of `sillage books`, fields separated by blanks.
pub(crate) fn lines(world: &World) -> Vec<String> {
    let lines = books_lines(&key(), world.book.as_ref().unwrap());
    lines.into_iter().map(|line| line.replace('\t', " ")).collect()
}
