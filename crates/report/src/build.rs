//! Events for tests.

use std::sync::Arc;

use catalog::{CatalogFile, Format, Handle, State};
use event::body::posting::{BookedOrder, BookedVersion, Posting, Share, Subject};
use event::body::{
    Activation, Body, CustomerType, Decision, DecisionStatus, DecisionVersion, OrderState, Touch,
    TouchKind,
};
use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Code, Envelope, EventId, LaneId, Micros, Millis, OrderKey, Sequence};
use eventlog::{Header, Record};
use serde_json::json;

/// 2026-11-03T12:00:00Z.
pub(crate) const T: i64 = 1_793_707_200_000;
pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) const SHOP: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
time_zone = "Europe/Paris"
currency = "EUR"
terms = [{ }]

[partner.lea]
title = "Léa"
kind = "content"
program.shop = { state = "approved" }

[partner.comparo]
title = "Comparo"
kind = "content"
program.shop = { state = "approved" }
"#;

/// A catalog of this file, recorded long before the first event.
pub(crate) fn catalog(text: &str) -> Arc<Handle> {
    let file = CatalogFile::parse(text, Format::Toml).unwrap();
    let records = file.plan(&State::default(), Millis(T - 1_000 * DAY)).unwrap();
    Arc::new(Handle::new(State::fold(&records).unwrap()).unwrap())
}

/// The id of event `n`, received at `at`.
pub(crate) fn event(at: i64, n: u64) -> EventId {
    EventId::minted(Millis(at), Sequence(n), LaneId::from_random(7))
}

pub(crate) fn touch(partner: Option<&str>) -> Touch {
    let link = partner.unwrap_or("seo");
    Touch::plain(partner.map(|name| name.parse().unwrap()), format!("{link}-1").parse().unwrap())
}

/// A click or impression of `shop`.
pub(crate) fn touched(at: i64, n: u64, kind: TouchKind, touch: Touch) -> Envelope {
    let id = event(at, n);
    let body = match kind {
        TouchKind::Click => Body::Click(touch),
        TouchKind::Impression => Body::Impression(touch),
    };
    about(id, at, id.to_string(), body)
}

pub(crate) fn activated(at: i64, n: u64, click: EventId) -> Envelope {
    let click =
        serde_json::from_value(json!({ "id": click.to_string(), "link": "lea-1" })).unwrap();
    let id = event(at, n);
    about(id, at, id.to_string(), Body::Activation(Activation { click }))
}

fn about(id: EventId, at: i64, key: String, body: Body) -> Envelope {
    let program = Some("shop".parse().unwrap());
    Envelope {
        id,
        occurred_at: Millis(at),
        received_at: Millis(at),
        program,
        test: false,
        key,
        body,
    }
}

pub(crate) fn order_key(id: &str) -> OrderKey {
    format!("shop/sale/real/o:{id}").parse().unwrap()
}

/// A share of `net` and `commission` euros for the click `n` at `at`.
pub(crate) fn share(
    partner: Option<&str>,
    (at, n): (i64, u64),
    net: i64,
    commission: i64,
) -> Share {
    let touch = touch(partner);
    Share {
        partner: touch.partner,
        touch: event(at, n),
        kind: TouchKind::Click,
        touched_at: Millis(at),
        link: touch.link,
        channel: None,
        net: Micros(net * 1_000_000),
        commission: Micros(commission * 1_000_000),
        currency: "EUR".parse().unwrap(),
        locked: None,
        paid: Micros(0),
        state: OrderState::Pending,
        codes: Vec::new(),
        rules: Vec::new(),
        statement: None,
        dimensions: event::body::decision::Dimensions::default(),
    }
}

/// An order at `at` with these shares, pending.
pub(crate) fn booked(at: i64, shares: Vec<Share>) -> BookedOrder {
    let amount = Micros(shares.iter().map(|share| share.net.0).sum());
    let decision = DecisionVersion { semantics: 1, members: 1, known: 1 };
    BookedOrder {
        order_id: Some("BX-1".to_owned()),
        converted_at: Millis(at),
        currency: "EUR".parse().unwrap(),
        amount,
        returned: Micros(0),
        margin: Micros(amount.0 / 4),
        margin_unknown: Micros(0),
        status: DecisionStatus::Attributed,
        code: Code::Ok,
        note: None,
        state: OrderState::Pending,
        observed: false,
        customer_type: Some(CustomerType::New),
        lock_at: Millis(at + 30 * DAY),
        version: BookedVersion {
            decision,
            inputs_hash: serde_json::from_value(json!("00".repeat(16))).unwrap(),
            acts: Vec::new(),
        },
        shares,
    }
}

/// The order in another state, with all its shares.
pub(crate) fn in_state(mut booked: BookedOrder, state: OrderState, code: Code) -> BookedOrder {
    booked.state = state;
    booked.code = code;
    for share in &mut booked.shares {
        share.state = state;
        if matches!(state, OrderState::Declined | OrderState::Reversed) {
            share.commission = Micros(0);
        }
    }
    booked
}

pub(crate) fn posting(id: &str, number: u64, changed_at: i64, booked: BookedOrder) -> Posting {
    Posting {
        subject: Subject::Order(order_key(id)),
        number,
        source: event(changed_at, 999_999),
        actor: None,
        changed_at: Millis(changed_at),
        booked: Some(Box::new(booked)),
        statement: None,
        transfers: Vec::new(),
    }
}

pub(crate) fn posted(posting: Posting) -> Envelope {
    let Subject::Order(key) = &posting.subject else { panic!("pay without an order") };
    let text = key.to_string();
    let id = EventId::derived("test", &[text.as_bytes(), &posting.number.to_be_bytes()]);
    let at = posting.changed_at.0;
    about(id, at, text, Body::Posting(Box::new(posting)))
}

/// A decision of version `known` at `at`, with candidates of (partner, click, verdict), the newest first.
pub(crate) fn decision(
    id: &str,
    known: u64,
    at: i64,
    candidates: &[(&str, i64, &str)],
) -> Decision {
    let key = order_key(id);
    let listed: Vec<_> = candidates
        .iter()
        .zip(1..)
        .map(|((partner, touched_at, verdict), n)| {
            let code = match *verdict {
                "CREDITED" => 0,
                "NOT_SELECTED" => 404,
                _ => 401,
            };
            json!({
                "touch": event(*touched_at, n).to_string(), "touched_at": touched_at, "partner": partner,
                "link": format!("{partner}-1"), "verdict": verdict, "code": code, "step": 11,
            })
        })
        .collect();
    let hash = "00".repeat(16);
    serde_json::from_value(json!({
        "order": key.to_string(), "status": "ATTRIBUTED", "code": 0, "winner": null, "amount": 0,
        "converted_at": at, "version": { "semantics": 1, "members": 2, "known": known }, "inputs_hash": hash,
        "credits": [],
        "trace": {
            "canonical": event(at, 1).to_string(), "received_at": at, "source": "s2s", "trust": "signed",
            "consent": "granted", "policy": "reject", "members": [], "terms": [], "identity": { "ids": [] },
            "channel": { "treatment": "any" }, "lateness_ms": 0, "model": "last", "candidates": listed,
        },
    }))
    .unwrap()
}

pub(crate) fn decided(decision: Decision) -> Envelope {
    let text = decision.order.to_string();
    let id =
        EventId::derived("test", &[text.as_bytes(), &decision.version.known.to_be_bytes(), b"d"]);
    let at = decision.converted_at.0;
    about(id, at, text, Body::Decision(Box::new(decision)))
}

/// The record of an envelope, under the partition of its key.
pub(crate) fn record_of(envelope: &Envelope) -> Record {
    let kind = envelope.body.event_type().number();
    let key_hash = match envelope.key.parse::<OrderKey>() {
        Ok(order) => order.key_hash(),
        Err(_) => KeyHash::of(envelope.key.as_bytes()),
    };
    let header = Header { codec: CODEC_JSON, kind, id: envelope.id, key_hash };
    Record::new(header, envelope.to_json().into())
}
