//! A world in a few words, for tests: `lookback 30d; click A @0d; order @30d`.
//!
//! Clauses, separated by `;`: `terms KEY = VALUE`, `partner A KEY = VALUE`, `partner A in SEGMENT`,
//! `segment S KEY = VALUE`, `state A TOML`, `click A @T …`, `view A @T …`, `own CHANNEL @T …`, `flag A @T …`,
//! `land A @T …`, `activate A @T …`, `merge X Y @T …`, `order @T …`. `A#2` is a second touch of partner `A`. Options:
//! `by=x,y` (ids; touches and orders have `x` by default), `none` (no ids), `lag=1s`, `consent=granted`,
//! `flags=bot_ua`, `channel=c`, `test`, `click=A`, `exempt=A`, `amount=5`, `id=O`, `claim` (no event of its own).
//! Times are sums such as `30d-1ms`, from 2026-11-03.

use std::collections::BTreeMap;

use catalog::{Format, Snapshot};
use event::body::decision::Decision;
use event::body::record::{ImpliedMerge, MemberSummary, MemberVerdict};
use event::body::{
    Activation, Body, ClaimedTouch, InvalidTraffic, Landing, Merge, OrderRecord, PageKind, Source,
    Touch, Trust,
};
use event::{
    Code, Consent, CustomerKey, Envelope, EventId, Flag, IdentityId, LaneId, Micros, Millis,
    Sequence, VisitorTag,
};

use crate::noted::{Noted, noted};
use crate::store::memory::Memory;

pub(crate) const START: Millis = Millis(1_793_664_000_000);

#[derive(Clone, Debug, Default)]
struct Partner {
    terms: Vec<String>,
    segment: Option<String>,
    state: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    terms: Vec<String>,
    partners: BTreeMap<String, Partner>,
    segments: BTreeMap<String, Vec<String>>,
    /// Touches by label.
    pub(crate) touches: BTreeMap<String, Envelope>,
    pub(crate) events: Vec<Envelope>,
    pub(crate) orders: Vec<OrderRecord>,
    sequence: u64,
}

/// `v`-ids for lower case names, customer keys for names that start with `k`.
pub(crate) fn person(name: &str) -> IdentityId {
    let mut bytes = [0_u8; 16];
    for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    if name.starts_with('k') {
        IdentityId::Customer(CustomerKey(bytes))
    } else {
        IdentityId::Visitor(VisitorTag(bytes[..12].try_into().unwrap()))
    }
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

#[derive(Default)]
struct Options {
    ids: Option<Vec<IdentityId>>,
    lag: i64,
    consent: Option<Consent>,
    flags: Vec<Flag>,
    channel: Option<String>,
    test: bool,
    click: Option<String>,
    exempt: Option<String>,
    amount: i64,
    id: Option<String>,
    claim: bool,
}

impl Options {
    fn parse(words: &[&str]) -> Self {
        let mut options = Self { amount: 10_000_000, ..Self::default() };
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            match key {
                "by" => options.ids = Some(value.split(',').map(person).collect()),
                "none" => options.ids = Some(Vec::new()),
                "lag" => options.lag = duration(value),
                "consent" => {
                    options.consent = Some(serde_json::from_str(&format!("\"{value}\"")).unwrap());
                }
                "flags" => {
                    options.flags =
                        value.split(',').map(|word| Flag::from_word(word).unwrap()).collect();
                }
                "channel" => options.channel = Some(value.into()),
                "test" => options.test = true,
                "click" => options.click = Some(value.into()),
                "exempt" => options.exempt = Some(value.into()),
                "amount" => options.amount = value.parse().unwrap(),
                "id" => options.id = Some(value.into()),
                "claim" => options.claim = true,
                _ => panic!("option {word:?}"),
            }
        }
        options
    }

    fn ids(&self) -> Vec<IdentityId> {
        self.ids.clone().unwrap_or_else(|| vec![person("x")])
    }
}

impl World {
    pub(crate) fn read(script: &str) -> Self {
        let mut world = Self::default();
        for clause in script.split(';').map(str::trim).filter(|clause| !clause.is_empty()) {
            world.clause(clause);
        }
        world
    }

    fn clause(&mut self, clause: &str) {
        let (verb, rest) = clause.split_once(' ').unwrap_or((clause, ""));
        let rest = rest.trim();
        let words: Vec<&str> = rest.split_whitespace().collect();
        let at = words.iter().find_map(|word| word.strip_prefix('@'));
        let at = Millis(START.0 + at.map_or(0, duration));
        let options = |words: &[&str]| {
            Options::parse(
                &words.iter().copied().filter(|word| !word.starts_with('@')).collect::<Vec<_>>(),
            )
        };
        match verb {
            "terms" => self.terms.push(rest.into()),
            "lookback" => self.terms.push(format!("lookback_click = \"{rest}\"")),
            "partner" => {
                let (name, value) = rest.split_once(' ').unwrap();
                let entry = self.partners.entry(name.into()).or_default();
                match value.strip_prefix("in ") {
                    Some(segment) => entry.segment = Some(segment.into()),
                    None => entry.terms.push(value.into()),
                }
            }
            "state" => {
                let (name, value) = rest.split_once(' ').unwrap();
                self.partners.entry(name.into()).or_default().state = Some(value.into());
            }
            "segment" => {
                let (name, value) = rest.split_once(' ').unwrap();
                self.segments.entry(name.into()).or_default().push(value.into());
            }
            "click" | "view" | "own" => self.touch(verb, words[0], at, &options(&words[1..])),
            "flag" => {
                let touch = self.touches[words[0]].id;
                let flag = InvalidTraffic { touch, ids: Vec::new(), reason: "review".into() };
                self.push(at, &options(&words[1..]), Body::Flag(flag));
            }
            "land" => {
                let options = options(&words[1..]);
                let landing = Landing {
                    click: self.claim(words[0]),
                    ids: options.ids.clone().unwrap_or_default(),
                    consent: options.consent,
                    page: PageKind::Entry,
                    entered_at: None,
                    referrer_origin: None,
                };
                self.push(at, &options, Body::Landing(landing));
            }
            "activate" => {
                let click = self.claim(words[0]);
                self.push(at, &options(&words[1..]), Body::Activation(Activation { click }));
            }
            "merge" => {
                let merge = Merge { a: person(words[0]), b: person(words[1]) };
                self.push(at, &options(&words[2..]), Body::Merge(merge));
            }
            "order" => self.order(at, &options(&words)),
            _ => panic!("clause {clause:?}"),
        }
    }

    pub(crate) fn next_id(&mut self, received_at: Millis) -> EventId {
        self.sequence += 1;
        EventId::minted(received_at, Sequence(self.sequence), LaneId::from_random(1))
    }

    fn envelope(&mut self, at: Millis, options: &Options, body: Body) -> Envelope {
        let received_at = Millis(at.0 + options.lag);
        Envelope {
            id: self.next_id(received_at),
            occurred_at: at,
            received_at,
            program: Some("shop".parse().unwrap()),
            test: options.test,
            key: "k".into(),
            body,
        }
    }

    fn push(&mut self, at: Millis, options: &Options, body: Body) {
        let envelope = self.envelope(at, options, body);
        self.events.push(envelope);
    }

    fn touch(&mut self, verb: &str, label: &str, at: Millis, options: &Options) {
        let name = label.split('#').next().unwrap();
        let partner = (verb != "own").then(|| name.parse().unwrap());
        let mut touch = Touch::plain(partner, "link".parse().unwrap());
        let own = (verb == "own").then(|| name.to_owned());
        touch.channel = options.channel.clone().or(own).map(|name| name.parse().unwrap());
        touch.ids = options.ids();
        touch.flags.clone_from(&options.flags);
        touch.consent = options.consent.unwrap_or(Consent::Granted);
        touch.subs.set(1, label);
        if verb != "own" {
            self.partners.entry(name.into()).or_default();
        }
        let body = if verb == "view" { Body::Impression(touch) } else { Body::Click(touch) };
        let envelope = self.envelope(at, options, body);
        self.touches.insert(label.into(), envelope.clone());
        if !options.claim {
            self.events.push(envelope);
        }
    }

    pub(crate) fn claim(&self, label: &str) -> ClaimedTouch {
        claim_of(&self.touches[label])
    }

    fn order(&mut self, at: Millis, options: &Options) {
        let mut record = record(at, options.id.as_deref().unwrap_or("O"), options.test);
        record.received_at = Millis(at.0 + options.lag);
        record.ids = options.ids();
        record.ids.sort_unstable();
        record.ids.dedup();
        record.click = options.click.as_deref().map(|label| self.claim(label));
        record.exempt_click = options.exempt.as_deref().map(|label| self.claim(label));
        record.consent = options.consent.unwrap_or_default();
        record.channel.clone_from(&options.channel);
        record.amount = Micros(options.amount);
        let id = self.next_id(record.received_at);
        record.canonical = id;
        for listed in &mut record.listed {
            listed.id = id;
            listed.received_at = record.received_at;
        }
        if let Some((first, rest)) = record.ids.split_first() {
            record.merges = rest
                .iter()
                .map(|b| ImpliedMerge {
                    member: id,
                    a: *first,
                    b: *b,
                    occurred_at: at,
                    received_at: record.received_at,
                })
                .collect();
        }
        self.orders.push(record);
    }

    pub(crate) fn toml(&self) -> String {
        let mut text = String::from(
            "[program.shop]\ntitle = \"Shop\"\nhome = \"https://shop.example/\"\n\
             sites = [\"https://shop.example\"]\ncurrency = \"EUR\"\ntime_zone = \"UTC\"\n\
             [program.shop.goal.sale]\n[program.shop.channel.search]\ntitle = \"Search\"\n\
             [program.shop.channel.direct]\ntitle = \"Direct\"\n",
        );
        let inline = self.terms.iter().any(|terms| terms.starts_with('['));
        if inline {
            text =
                text.replacen("currency", &format!("terms = {}\ncurrency", self.terms.join("")), 1);
        } else {
            text.push_str(&format!("[[program.shop.terms]]\n{}\n", self.terms.join("\n")));
        }
        for (name, terms) in &self.segments {
            text.push_str(&format!("[program.shop.segment.{name}]\ntitle = \"{name}\"\n"));
            text.push_str(&format!(
                "[[program.shop.segment.{name}.terms]]\n{}\n",
                terms.join("\n")
            ));
        }
        for (name, Partner { terms, segment, state }) in &self.partners {
            text.push_str(&format!(
                "[partner.{name}]\ntitle = \"{name}\"\nkind = \"content\"\n\
                 [partner.{name}.program.shop]\nstate = {}\n",
                state.as_deref().unwrap_or("\"approved\""),
            ));
            if let Some(segment) = segment {
                let quoted = segment.starts_with('[');
                let value = if quoted { segment.clone() } else { format!("\"{segment}\"") };
                text.push_str(&format!("segment = {value}\n"));
            }
            match terms.first() {
                Some(first) if first.starts_with('[') => {
                    text.push_str(&format!("terms = {first}\n"));
                }
                Some(_) => text.push_str(&format!(
                    "[[partner.{name}.program.shop.terms]]\n{}\n",
                    terms.join("\n")
                )),
                None => {}
            }
        }
        text
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let text = self.toml();
        catalog::snapshot_of(&text, Format::Toml, Millis(0)).unwrap_or_else(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            panic!("{text}\n{}", faults.join("\n"))
        })
    }

    pub(crate) fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for envelope in &self.events {
            memory.add(&noted(envelope).unwrap());
        }
        for record in &self.orders {
            memory.add(&Noted::Order(Box::new(record.clone())));
        }
        memory
    }

    pub(crate) fn decisions(&self) -> Vec<Decision> {
        let (snapshot, memory) = (self.snapshot(), self.memory());
        let program = snapshot.program("shop").unwrap();
        let decide = |record| match crate::decide(record, &memory, program) {
            Ok(decision) => decision,
            Err(never) => match never {},
        };
        self.orders.iter().map(decide).collect()
    }

    pub(crate) fn label(&self, id: EventId) -> &str {
        self.touches.iter().find(|(_, touch)| touch.id == id).map_or("?", |(label, _)| label)
    }

    /// A decision in words: status, credits, then candidates from the newest on.
    pub(crate) fn tell(&self, decision: &Decision) -> String {
        let mut text = decision.status.as_str().to_owned();
        if decision.credits.is_empty() {
            text.push_str(&format!(" {}", decision.code.number()));
        }
        for credit in &decision.credits {
            text.push_str(&format!(" {} gets {}", self.label(credit.touch), credit.amount.0));
        }
        for candidate in &decision.trace.candidates {
            text.push_str(&format!(
                "; {} {} {}, age {}",
                self.label(candidate.touch),
                candidate.verdict.as_str(),
                candidate.code.number(),
                in_words(decision.age_ms(candidate))
            ));
            for tag in &candidate.tags {
                text.push_str(&format!(", {}", tag.as_str()));
            }
        }
        text
    }
}

pub(crate) fn in_words(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let mut rest = ms.abs();
    let mut out = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
    {
        if rest / size > 0 {
            out.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if out.is_empty() { "0".into() } else { format!("{sign}{out}") }
}

pub(crate) fn claim_of(envelope: &Envelope) -> ClaimedTouch {
    let Body::Click(touch) = &envelope.body else { panic!("only clicks have ids") };
    ClaimedTouch {
        id: envelope.id,
        partner: touch.partner.clone(),
        link: touch.link.clone(),
        channel: touch.channel.clone(),
        consent: touch.consent,
        test: envelope.test,
        prefetch: touch.flags.contains(&Flag::Prefetch),
        visitor: touch.ids.iter().find_map(|id| match id {
            IdentityId::Visitor(tag) => Some(*tag),
            IdentityId::Customer(_) => None,
        }),
    }
}

pub(crate) fn record(at: Millis, id: &str, test: bool) -> OrderRecord {
    let nil = EventId::from_bytes([0; 16]);
    let kind = if test { "test" } else { "real" };
    OrderRecord {
        order: format!("shop/sale/{kind}/o:{id}").parse().unwrap(),
        order_id: Some(id.to_lowercase()),
        members: 1,
        canonical: nil,
        source: Source::S2s,
        trust: Trust::Token,
        converted_at: at,
        received_at: at,
        amount: Micros(10_000_000),
        currency: Some("EUR".parse().unwrap()),
        items: Vec::new(),
        customer_type: None,
        channel: None,
        consent: Consent::Unknown,
        coupons: Vec::new(),
        ids: Vec::new(),
        click: None,
        exempt_click: None,
        refused_clicks: Vec::new(),
        merges: Vec::new(),
        notes: Vec::new(),
        listed: vec![MemberSummary {
            id: nil,
            source: Source::S2s,
            trust: Trust::Token,
            occurred_at: at,
            received_at: at,
            amount: Micros(10_000_000),
            currency: Some("EUR".parse().unwrap()),
            verdict: MemberVerdict::Canonical,
            code: Code::Ok,
            items_differ: false,
            evidence_counts: true,
        }],
    }
}
