//! A partner's feed of transactions adds up to what the book owes and paid: ledger and report on one log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catalog::{CatalogFile, Format, Handle, State};
use event::body::{Action, Body, Decision, InvalidTraffic, Touch, Validation};
use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Envelope, EventId, LaneId, Millis, OrderKey, Sequence, Topic};
use eventlog::stage::{Stage as _, Turn};
use eventlog::{Header, Record};
use ledger::{Desk, Payout, Reader};
use report::transactions::{Told, Transaction};
use testkit::{AdversarialLog, SteppedClock, Weather};

const DAY: i64 = 86_400_000;
/// 2026-11-03T00:00:00Z.
const T: i64 = 1_793_664_000_000;

const SHOP: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
time_zone = "Europe/Paris"
currency = "EUR"
mode = "live"
terms = [{
  lock_after = "30d", lateness = "7d", auto_approve = true,
  commission = [{ percent = "10" }, { per_click = "0.10" }, { per_thousand_impressions = "0.50" }, { per_week = "7.00" }],
}]

[partner.lea]
title = "Lea"
kind = "content"
program.shop = { state = "approved" }

[partner.nina]
title = "Nina"
kind = "influencer"
program.shop = { state = "approved" }
"#;

struct Bed {
    log: AdversarialLog,
    catalog: Arc<Handle>,
    clock: SteppedClock,
    desk: Arc<Desk>,
    folder: tempfile::TempDir,
}

fn id(at: i64, n: u64) -> EventId {
    EventId::minted(Millis(T + at), Sequence(n), LaneId::from_random(5))
}

fn order(name: &str) -> OrderKey {
    format!("shop/sale/real/o:{name}").parse().unwrap()
}

impl Bed {
    fn new() -> Self {
        let file = CatalogFile::parse(SHOP, Format::Toml).unwrap();
        let records = file.plan(&State::default(), Millis(T - DAY)).unwrap();
        let catalog = Arc::new(Handle::new(State::fold(&records).unwrap()).unwrap());
        let (log, clock) = (AdversarialLog::new(Weather::fair(1)), SteppedClock::at(Millis(T)));
        let (desk, folder) = (Arc::default(), tempfile::tempdir().unwrap());
        Self { log, catalog, clock, desk, folder }
    }

    fn append(&self, topic: Topic, (id, at, key): (EventId, i64, String), body: Body) {
        let at = Millis(T + at);
        let program = Some("shop".parse().unwrap());
        let (kind, key_hash) = (body.event_type().number(), KeyHash::of(key.as_bytes()));
        let envelope =
            Envelope { id, occurred_at: at, received_at: at, program, test: false, key, body };
        let header = Header { codec: CODEC_JSON, kind, id, key_hash };
        self.log.append(topic, &Record::new(header, envelope.to_json().into()));
    }

    fn touches(&self, kind: fn(Touch) -> Body, partner: &str, numbers: std::ops::Range<u64>) {
        for n in numbers {
            let at = DAY / 2 + i64::try_from(n % 4).unwrap() * DAY;
            let touch = Touch::plain(Some(partner.parse().unwrap()), "l".parse().unwrap());
            self.append(Topic::Touches, (id(at, n), at, id(at, n).to_string()), kind(touch));
        }
    }

    fn decision(&self, name: &str, known: u64, amount: i64, shares: &[(&str, u64)]) {
        let key = order(name);
        let sum: u64 = shares.iter().map(|(_, weight)| weight).sum();
        let credits = shares.iter().zip(1..).map(|((partner, weight), n)| {
            serde_json::json!({
                "touch": id(0, n), "kind": "click", "touched_at": T, "partner": partner, "link": "l", "amount": 0,
                "weight": weight, "weight_sum": sum,
            })
        });
        let decision: Decision = serde_json::from_value(serde_json::json!({
            "order": key, "status": "ATTRIBUTED", "code": 0, "winner": shares[0].0, "amount": amount, "currency": "EUR",
            "converted_at": T + DAY, "version": { "semantics": 1, "members": 1, "known": known },
            "inputs_hash": format!("{known:032x}"), "credits": credits.collect::<Vec<_>>(),
            "trace": {
                "canonical": id(DAY, 1), "received_at": T + DAY, "source": "s2s", "trust": "signed", "consent": "granted",
                "policy": "reject", "members": [], "terms": [], "identity": { "ids": [] }, "channel": { "treatment": "any" },
                "lateness_ms": 0, "model": "last", "candidates": [],
            },
        }))
        .unwrap();
        let id = EventId::derived("test", &[name.as_bytes(), &known.to_be_bytes()]);
        let body = Body::Decision(Box::new(decision));
        self.append(Topic::Attributed, (id, DAY, key.to_string()), body);
    }

    fn folder(&self, of: &str) -> std::path::PathBuf {
        let folder = self.folder.path().join(of);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Books and counts all that there is on the `day`th day, and pays if asked to.
    fn work(&self, day: i64, pay: bool) {
        self.clock.set(Millis(T + day * DAY));
        let folder = self.folder("ledger");
        let deps = ledger::Deps {
            log: Arc::new(self.log.clone()),
            store: Arc::new(ledger::Store::open(&folder, 1 << 20).unwrap()),
            catalog: Arc::clone(&self.catalog),
            clock: Arc::new(self.clock.clone()),
            desk: Arc::clone(&self.desk),
            stages: Vec::new(),
        };
        let worker = ledger::Worker::new(ledger::Config::for_tests(), deps);
        let mut session = worker.subscribe().unwrap();
        let payout =
            Payout { program: "shop".parse().unwrap(), until: self.clock_now(), actor: None };
        let paid = pay.then(|| self.desk.ask(payout, Duration::from_hours(1)).unwrap());
        let mut idle = 0;
        while idle < 30 {
            idle = if session.turn().unwrap() == Turn::Idle { idle + 1 } else { 0 };
        }
        if let Some(paid) = paid {
            assert!(!paid.try_recv().unwrap().unwrap().is_empty());
        }
        let folder = self.folder("report");
        let deps = report::Deps {
            log: Arc::new(self.log.clone()),
            store: Arc::new(report::Store::open(&folder).unwrap()),
            catalog: Arc::clone(&self.catalog),
        };
        let config = report::Config { idle_wait: Duration::ZERO, ..report::Config::default() };
        report::Worker::new(config, deps).rebuild(&false.into()).unwrap();
    }

    fn clock_now(&self) -> Millis {
        event::Clock::now(&self.clock)
    }

    /// All that a partner is told by now, a few rows at a time, each row once.
    fn told(&self, partner: &str) -> Vec<Told> {
        let clock = Arc::new(self.clock.clone());
        let view = report::View::new(&self.folder("report"), Arc::clone(&self.catalog), clock);
        let (mut rows, mut after) = (Vec::new(), "0-0".to_owned());
        loop {
            let given = |name: &str| match name {
                "partner" => Some(partner.to_owned()),
                "after" => Some(after.clone()),
                "limit" => Some("3".to_owned()),
                _ => None,
            };
            let request = view.transactions_request(&given).unwrap();
            let part = view.transactions(&request).unwrap();
            rows.extend(part.rows);
            after = part.next.to_string();
            if !part.more {
                return rows;
            }
        }
    }
}

/// Micros on the accounts of a partner, in all.
fn of_book(folder: &Path, partner: &str) -> i128 {
    let accounts = Reader::open(folder).unwrap().accounts().unwrap();
    let of = |account: &str| account.split_once(':').is_some_and(|(_, name)| name == partner);
    accounts.iter().filter(|(account, ..)| of(account)).map(|(.., sum)| sum).sum()
}

const fn commission(row: &Told) -> i64 {
    match row {
        Told::Order(Transaction { commission, .. }) => *commission,
        Told::Day(day) => day.commission,
    }
}

#[test]
fn the_feed_of_a_partner_sums_to_its_accounts_whatever_is_open_paid_or_taken_back() {
    let bed = Bed::new();
    bed.decision("BX-1", 1, 10_000_001, &[("lea", 2), ("nina", 1)]);
    bed.decision("BX-2", 1, 20_000_000, &[("lea", 1)]);
    bed.decision("BX-3", 1, 30_000_000, &[("nina", 1)]);
    bed.touches(Body::Click, "lea", 0..10);
    bed.touches(Body::Click, "nina", 20..22);
    bed.touches(Body::Impression, "lea", 30..37);
    let compare = |expected: [i128; 2], kinds: &str| {
        for (partner, expected) in ["lea", "nina"].into_iter().zip(expected) {
            let told = bed.told(partner);
            let sum: i128 = told.iter().map(|row| i128::from(commission(row))).sum();
            assert_eq!(sum, of_book(&bed.folder("ledger"), partner), "{partner} {kinds}");
            assert_eq!(sum, expected, "{partner} {kinds}");
            if partner == "lea" {
                let mut found: Vec<&str> = told
                    .iter()
                    .map(|row| match row {
                        Told::Order(_) => "order",
                        Told::Day(day) => day.kind.as_str(),
                    })
                    .collect();
                found.dedup();
                found.sort_unstable();
                found.dedup();
                assert_eq!(found.join(" "), kinds);
            }
        }
    };
    bed.work(1, false);
    compare([666_666 + 2_000_000, 333_333 + 3_000_000], "order");
    // Days are posted, orders locked. Weeks begin on 9, 16, 23 and 30 November.
    bed.work(36, false);
    let (lea, nina) =
        (2_666_666 + 1_000_000 + 28_000_000 + 3_500, 3_333_333 + 200_000 + 28_000_000);
    compare([lea, nina], "click fee impression order");
    bed.work(36, true);
    compare([lea, nina], "click fee impression order");
    // After the payment an order is declined, a click was no person's, and one more came.
    let validation = Box::new(Validation::plain(order("BX-2"), Action::Decline));
    let at = (id(37 * DAY, 1), 37 * DAY, order("BX-2").to_string());
    bed.append(Topic::Conversions, at, Body::Validation(validation));
    let click = id(DAY / 2, 0);
    let judged = InvalidTraffic { touch: click, ids: Vec::new(), reason: "review".into() };
    bed.append(Topic::Touches, (id(37 * DAY, 2), 37 * DAY, click.to_string()), Body::Flag(judged));
    bed.touches(Body::Click, "nina", 22..23);
    bed.work(38, false);
    compare([lea - 2_100_000, nina + 100_000], "click fee impression order");
    let words: Vec<String> = bed
        .told("lea")
        .into_iter()
        .filter_map(|row| match row {
            Told::Day(day) if day.reason.contains("too much") => Some(day.day),
            Told::Day(_) | Told::Order(_) => None,
        })
        .collect();
    assert_eq!(words, ["2026-11-03"]);
}
