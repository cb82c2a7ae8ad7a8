//! Golden envelopes: the wire form of version 1, one file per kind of event.

use expect_test::expect_file;
use serde_json::value::RawValue;

use super::{Envelope, EnvelopeFault};
use crate::body::decision::{
    Candidate, ChannelRule, ChannelTrace, ConflictPolicy, Credit, Decision, DecisionStatus,
    DecisionVersion, Dimensions, IdentityTrace, Judged, Model, Reach, Tag, TermsLevel, TermsUsed,
    Trace, Unlisted, Verdict, Window,
};
use crate::body::{
    Action, Activation, Body, BookedOrder, BookedVersion, ClaimedTouch, ClickEvidence, ClickSource,
    ClickVerdict, Closed, Closing, Conversion, CustomerType, DeviceClass, DuplicateVerdict,
    EventType, Evidence, ImpliedMerge, InvalidTraffic, Item, Landing, LaneLost, LaneStarted,
    LaneStopped, Lock, LossReason, MemberSummary, MemberVerdict, Merge, OrderRecord, OrderState,
    PageKind, PaidLine, PayDay, Payment, Posting, Purpose, Rejected, ReturnedLine, RuleUsed, Share,
    Source, SubIds, Subject, Touch, TouchKind, Transfer, Trust, Validation, Whole,
};
use crate::code::Code;
use crate::consent::Consent;
use crate::flag::Flag;
use crate::hash::ContentHash;
use crate::id::{EventId, LaneId, Sequence};
use crate::identity::{CustomerKey, IdentityId, VisitorTag};
use crate::money::Micros;
use crate::private::Sealed;
use crate::time::Millis;

const NOW: Millis = Millis(1_793_715_725_123);

fn id(seq: u64) -> EventId {
    EventId::minted(NOW, Sequence(seq), LaneId::from_random(0x1_2345_6789))
}

fn visitor() -> VisitorTag {
    VisitorTag([0xa5; 12])
}

fn claimed() -> ClaimedTouch {
    ClaimedTouch {
        id: id(1),
        partner: Some("lea-voyage".parse().unwrap()),
        link: "lea-home".parse().unwrap(),
        channel: Some("content".parse().unwrap()),
        consent: Consent::Granted,
        test: false,
        prefetch: false,
        visitor: Some(visitor()),
    }
}

fn touch() -> Touch {
    let mut touch = Touch::plain(Some("lea-voyage".parse().unwrap()), "lea-home".parse().unwrap());
    touch.channel = Some("content".parse().unwrap());
    touch.ids = vec![IdentityId::Visitor(visitor())];
    touch.flags = vec![Flag::QueryRepaired];
    touch.consent = Consent::Granted;
    touch.subs.set(10, "ten");
    touch.subs.set(1, "été \"1\"");
    touch.country = Some("FR".into());
    touch.device = DeviceClass::Mobile;
    touch.private = Some(Sealed { day: 20_760, sealed: "AAEC".into() });
    touch
}

fn conversion() -> Conversion {
    let mut conversion = Conversion::plain("sale".parse().unwrap(), Source::S2s, Trust::Signed);
    conversion.order_id = Some("BX-10231".into());
    conversion.amount = Micros(74_920_000);
    conversion.currency = Some("EUR".parse().unwrap());
    conversion.items = vec![Item {
        sku: Some("A1".into()),
        category: Some("shoes".into()),
        qty: 2,
        amount: Micros(74_920_000),
        ..Item::default()
    }];
    conversion.ids =
        vec![IdentityId::Visitor(visitor()), IdentityId::Customer(CustomerKey([3; 16]))];
    conversion.clicks = vec![
        ClickEvidence {
            raw: "AQ".into(),
            source: ClickSource::Parameter,
            verdict: ClickVerdict::Malformed,
            claim: None,
        },
        ClickEvidence {
            raw: "AQc".into(),
            source: ClickSource::Cookie,
            verdict: ClickVerdict::Valid,
            claim: Some(claimed()),
        },
    ];
    conversion.coupons = vec!["LEA10".into()];
    conversion.channel = Some("aw".into());
    conversion.customer_type = Some(CustomerType::New);
    conversion
}

fn record() -> OrderRecord {
    OrderRecord {
        order: "boutique/sale/real/o:BX-10231".parse().unwrap(),
        order_id: Some("bx-10231".into()),
        members: 2,
        canonical: id(9),
        source: Source::S2s,
        trust: Trust::Signed,
        converted_at: NOW,
        received_at: NOW,
        amount: Micros(74_920_000),
        currency: Some("EUR".parse().unwrap()),
        items: Vec::new(),
        customer_type: None,
        channel: None,
        consent: Consent::Unknown,
        coupons: Vec::new(),
        ids: vec![IdentityId::Visitor(visitor())],
        click: Some(claimed()),
        exempt_click: None,
        refused_clicks: Vec::new(),
        merges: vec![ImpliedMerge {
            member: id(9),
            a: IdentityId::Visitor(visitor()),
            b: IdentityId::Customer(CustomerKey([3; 16])),
            occurred_at: NOW,
            received_at: NOW,
        }],
        notes: vec![Code::EvidenceConflict],
        listed: vec![member()],
    }
}

fn member() -> MemberSummary {
    MemberSummary {
        id: id(9),
        source: Source::Pixel,
        trust: Trust::Page,
        occurred_at: NOW,
        received_at: NOW,
        amount: Micros(1),
        currency: None,
        verdict: MemberVerdict::DupConflict,
        code: Code::ConflictingDuplicate,
        items_differ: true,
        evidence_counts: false,
    }
}

fn decision() -> Decision {
    let partner = || Some("lea-voyage".parse().unwrap());
    let channel = || Some("content".parse().unwrap());
    let mut subs = SubIds::default();
    subs.set(1, "été");
    Decision {
        order: "boutique/sale/real/o:BX-10231".parse().unwrap(),
        order_id: Some("bx-10231".into()),
        status: DecisionStatus::Attributed,
        code: Code::Ok,
        winner: partner(),
        amount: Micros(74_920_000),
        currency: Some("EUR".parse().unwrap()),
        items: conversion().items,
        coupons: vec!["LEA10".into()],
        customer_type: Some(CustomerType::New),
        converted_at: NOW,
        version: DecisionVersion { semantics: 1, members: 2, known: 1 },
        inputs_hash: ContentHash([7; 16]),
        credits: vec![Credit {
            touch: id(1),
            kind: TouchKind::Click,
            touched_at: Millis(NOW.0 - 5),
            partner: partner(),
            link: "lea-home".parse().unwrap(),
            channel: channel(),
            amount: Micros(74_920_000),
            weight: 1,
            weight_sum: 1,
            dimensions: Dimensions { subs, country: Some("FR".into()), ..Dimensions::default() },
        }],
        trace: Trace {
            canonical: id(9),
            received_at: NOW,
            source: Source::S2s,
            trust: Trust::Signed,
            consent: Consent::Granted,
            policy: ConflictPolicy::Reject,
            members: vec![member()],
            notes: vec![Code::ClickUnknownKey],
            terms: vec![TermsUsed {
                id: "program/boutique/terms/1".into(),
                hash: ContentHash([8; 16]),
            }],
            identity: IdentityTrace {
                ids: vec![IdentityId::Visitor(visitor())],
                merged: vec![IdentityId::Customer(CustomerKey([3; 16]))],
                oversize: Vec::new(),
                crowded: vec![(IdentityId::Visitor(visitor()), 692)],
            },
            channel: ChannelTrace { value: None, treatment: ChannelRule::Any, terms: None },
            lateness_ms: 604_800_000,
            model: Model::Last,
            windows: vec![Window {
                lookback_ms: Some(2_592_000_000),
                level: TermsLevel::Program,
                terms: "program/boutique/terms/1".into(),
                min_time_ms: Some(1),
            }],
            candidates: vec![Candidate {
                touch: id(1),
                kind: TouchKind::Click,
                touched_at: Millis(NOW.0 - 5),
                received_at: Some(NOW),
                partner: partner(),
                link: "lea-home".parse().unwrap(),
                channel: channel(),
                consent: Consent::Granted,
                flags: vec![Flag::QueryRepaired],
                judged: Some(Judged { count: 1, first: id(2), reason: "review".into() }),
                reports: 1,
                reached_by: [Reach::ClickId, Reach::SharedId].into_iter().collect(),
                window: 0,
                verdict: Verdict::Credited,
                code: Code::Ok,
                step: 11,
                tags: vec![Tag::Linked],
            }],
            unlisted: Some(Unlisted {
                counts: vec![(Verdict::OutOfWindow, 3)],
                hash: ContentHash([9; 16]),
            }),
        },
    }
}

fn share() -> Share {
    let credit = decision().credits.remove(0);
    Share {
        partner: credit.partner,
        touch: credit.touch,
        kind: credit.kind,
        touched_at: credit.touched_at,
        link: credit.link,
        channel: credit.channel,
        net: Micros(74_920_000),
        commission: Micros(3_746_000),
        currency: "EUR".parse().unwrap(),
        locked: Some(Micros(3_746_000)),
        paid: Micros(0),
        state: OrderState::Locked,
        codes: vec![Code::CappedPartial],
        rules: vec![RuleUsed {
            terms: "program/boutique/terms/1".into(),
            rank: 3,
            of: 7,
            name: Some("Base".into()),
            pays: "5 %".into(),
            lines: 1,
            net: Micros(74_920_000),
            commission: Micros(3_746_000),
        }],
        statement: None,
        dimensions: credit.dimensions,
    }
}

fn lock() -> Lock {
    let decision = decision();
    Lock {
        lock_at: NOW,
        state: OrderState::Locked,
        code: Code::Ok,
        automatic: true,
        converted_at: decision.converted_at,
        order_id: decision.order_id,
        status: decision.status,
        winner: decision.winner,
        version: decision.version,
        inputs_hash: decision.inputs_hash,
        amount: decision.amount,
        currency: decision.currency,
        items: decision.items,
        coupons: decision.coupons,
        customer_type: decision.customer_type,
        channel: None,
        credits: decision.credits,
        acts: vec![id(12)],
        terms: vec!["program/boutique/terms/1".into()],
        shares: vec![share()],
    }
}

fn posting() -> Posting {
    let decision = decision();
    Posting {
        subject: Subject::Order(decision.order),
        number: 2,
        source: id(12),
        actor: Some("key:shop-2026".into()),
        changed_at: NOW,
        booked: Some(Box::new(BookedOrder {
            order_id: decision.order_id,
            converted_at: NOW,
            currency: "EUR".parse().unwrap(),
            amount: decision.amount,
            returned: Micros(0),
            margin: Micros(22_476_000),
            margin_unknown: Micros(0),
            status: decision.status,
            code: Code::Ok,
            note: None,
            state: OrderState::Locked,
            observed: false,
            customer_type: decision.customer_type,
            lock_at: NOW,
            version: BookedVersion {
                decision: decision.version,
                inputs_hash: decision.inputs_hash,
                acts: vec![id(12)],
            },
            shares: vec![share()],
        })),
        statement: None,
        transfers: vec![Transfer {
            id: id(13),
            purpose: Purpose::Lock,
            debit: "approved:lea-voyage".parse().unwrap(),
            credit: "payable:lea-voyage".parse().unwrap(),
            amount: Micros(3_746_000),
            currency: "EUR".parse().unwrap(),
        }],
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn sample(event_type: EventType) -> Body {
    let order = || "boutique/sale/real/o:BX-10231".parse().unwrap();
    let lane = LaneId::from_random(0x1_2345_6789);
    match event_type {
        EventType::Click => Body::Click(touch()),
        EventType::Impression => Body::Impression(Touch::plain(None, "sea".parse().unwrap())),
        EventType::Landing => Body::Landing(Landing {
            click: claimed(),
            ids: vec![IdentityId::Visitor(visitor())],
            consent: Some(Consent::Granted),
            page: PageKind::Entry,
            entered_at: Some(NOW.0 - 5),
            referrer_origin: Some("https://blog.example".into()),
        }),
        EventType::Activation => Body::Activation(Activation { click: claimed() }),
        EventType::Flag => Body::Flag(InvalidTraffic {
            touch: id(1),
            ids: vec![IdentityId::Visitor(visitor())],
            reason: "review".into(),
        }),
        EventType::Merge => Body::Merge(Merge {
            a: IdentityId::Visitor(visitor()),
            b: IdentityId::Customer(CustomerKey([3; 16])),
        }),
        EventType::Conversion => Body::Conversion(Box::new(conversion())),
        EventType::Validation => Body::Validation(Box::new(Validation {
            code: Some(Code::Cancelled),
            note: Some("called".into()),
            revision: Some(2),
            client_event_id: Some("batch-7:12".into()),
            actor: Some("key:shop-2026".into()),
            returned: vec![ReturnedLine { line: Some(1), qty: Some(1), ..Default::default() }],
            ..Validation::plain(order(), Action::Decline)
        })),
        EventType::Evidence => Body::Evidence(Evidence {
            order: order(),
            conversion: id(9),
            click: conversion().clicks.remove(1),
        }),
        EventType::Rejected => Body::Rejected(Rejected {
            code: Code::Malformed,
            event_type: Some(EventType::Conversion),
            by: "conversions".into(),
            field: Some("amount".into()),
            message: "amount is not a decimal number".into(),
            sent: Some("amount=abc".into()),
        }),
        EventType::Order => Body::Order(Box::new(record())),
        EventType::Duplicate => Body::Duplicate(DuplicateVerdict {
            order: order(),
            canonical: id(9),
            members: 2,
            member: member(),
        }),
        EventType::Decision => Body::Decision(Box::new(decision())),
        EventType::Closed => Body::Closed(Box::new(Closed {
            subject: Subject::Order(order()),
            closing: Closing::Lock(Box::new(lock())),
        })),
        EventType::Posting => Body::Posting(Box::new(posting())),
        EventType::CatalogVersion => Body::CatalogVersion(raw(r#"{"object":"program/boutique"}"#)),
        EventType::LaneStarted => {
            Body::LaneStarted(LaneStarted { lane, node: "edge-1".into(), version: "0.0.0".into() })
        }
        EventType::LaneStopped => Body::LaneStopped(LaneStopped { lane, next: Sequence(7) }),
        EventType::LaneLost => Body::LaneLost(LaneLost {
            lane,
            reason: LossReason::QueueFull,
            from: Sequence(7),
            to: Sequence(9),
        }),
    }
}

fn envelope(event_type: EventType) -> Envelope {
    Envelope {
        id: id(9),
        occurred_at: Millis(NOW.0 - 1),
        received_at: NOW,
        program: Some("boutique".parse().unwrap()),
        test: event_type == EventType::Impression,
        key: "boutique/sale/real/o:BX-10231".into(),
        body: sample(event_type),
    }
}

#[test]
fn the_wire_form_of_every_kind_is_fixed_and_reads_back() {
    for &event_type in EventType::ALL {
        let json = String::from_utf8(envelope(event_type).to_json()).unwrap();
        expect_file![format!("../../golden/v1/{}.json", event_type.as_str())].assert_eq(&json);
        let read = Envelope::read(json.as_bytes()).unwrap();
        assert_eq!(read.body.event_type(), event_type);
        assert_eq!(String::from_utf8(read.to_json()).unwrap(), json);
        assert_eq!(EventType::from_number(event_type.number()), Some(event_type));
    }
}

#[test]
fn the_wire_form_of_payments_is_fixed_and_those_that_do_not_tell_of_the_whole_are_read() {
    let payment = Payment {
        statement: "01a1a1c9-e343-7000-8000-004123456789".into(),
        partner: "lea-voyage".parse().unwrap(),
        amount: Micros(3_746_000),
        currency: "EUR".parse().unwrap(),
        actor: Some("ann".into()),
        whole: None,
        at: None,
        line: None,
    };
    let line = PaidLine {
        purpose: None,
        order_id: Some("BX-1".into()),
        converted_at: Some(NOW),
        net: Micros(74_920_000),
        commission: Micros(3_746_000),
        paid_before: Micros(0),
        state: OrderState::Locked,
        code: Code::Ok,
    };
    let whole = Whole { until: NOW, lines: 2, amount: Micros(4_986_000) };
    let day = PayDay {
        program: "boutique".parse().unwrap(),
        partner: "lea-voyage".parse().unwrap(),
        terms: "program/boutique/terms/1".into(),
        rank: 2,
        day: "2026-11-03".into(),
    };
    let paid = |subject: Subject, payment| {
        let key = subject.to_string();
        let body = Body::Closed(Box::new(Closed { subject, closing: Closing::Pay(payment) }));
        Envelope { key, body, ..envelope(EventType::Closed) }
    };
    for (file, written) in [
        ("closed_pay_before_whole", paid(Subject::Order(decision().order), payment.clone())),
        (
            "closed_pay_order",
            paid(
                Subject::Order(decision().order),
                Payment { whole: Some(whole), ..payment.clone() },
            ),
        ),
        (
            "closed_pay_day",
            paid(Subject::Day(day), Payment { whole: Some(whole), ..payment.clone() }),
        ),
        (
            "closed_pay_line",
            paid(
                Subject::Order(decision().order),
                Payment { whole: Some(whole), at: Some(NOW), line: Some(line), ..payment },
            ),
        ),
    ] {
        let json = String::from_utf8(written.to_json()).unwrap();
        expect_file![format!("../../golden/v1/{file}.json")].assert_eq(&json);
        let read = Envelope::read(json.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(read.to_json()).unwrap(), json);
    }
}

#[test]
fn unknown_fields_are_tolerated() {
    let json = String::from_utf8(envelope(EventType::Click).to_json()).unwrap();
    let more = json.replacen("{\"v\"", "{\"later\":[1],\"v\"", 1).replacen(
        "\"body\":{",
        "\"body\":{\"more\":1,",
        1,
    );
    let read = Envelope::read(more.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(read.to_json()).unwrap(), json);
}

#[test]
fn unknown_versions_and_types_are_refused_by_name() {
    let json = String::from_utf8(envelope(EventType::Click).to_json()).unwrap();
    let fault = |text: String| Envelope::read(text.as_bytes()).unwrap_err();
    let version = fault(json.replacen("\"v\":1", "\"v\":2", 1));
    assert!(matches!(version, EnvelopeFault::UnknownVersion(2)), "{version}");
    let kind = fault(json.replacen("\"click\"", "\"clack\"", 1));
    assert!(matches!(&kind, EnvelopeFault::UnknownType(t) if t == "clack"), "{kind}");
    let body = fault(json.replacen("\"lea-home\"", "7", 1));
    assert!(matches!(body, EnvelopeFault::Body { event_type: "click", .. }), "{body}");
    assert!(matches!(fault(String::new()), EnvelopeFault::Read(_)));
}

#[test]
fn the_documented_lines_are_events() {
    let page = include_str!("../../../../docs/decide-format.md");
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("{\"v\"")).collect();
    assert!(lines.len() >= 3, "the page has its example");
    for line in lines {
        let event = Envelope::read(line.as_bytes()).unwrap();
        assert_eq!(event.id.time(), event.received_at, "{line}");
    }
}
