//! What a report says of known events.

use std::path::Path;
use std::sync::Arc;

use catalog::Handle;
use event::body::posting::{PayDay, Posting, Purpose, Subject, Transfer};
use event::body::{Account, BookedOrder, CustomerType, OrderState, TouchKind};
use event::{Code, Micros, Millis};
use serde_json::Value;
use telemetry::admin::Query;
use testkit::SteppedClock;

use super::{View, json};
use crate::build::{
    DAY, HOUR, SHOP, T, booked, catalog, decision, event, in_state, posting, share, touch,
};
use crate::store::{Fact, Reason, SUB_VALUES_MAX, Store};

struct Bed {
    folder: tempfile::TempDir,
    catalog: Arc<Handle>,
    store: Store,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        Self { folder, catalog: catalog(SHOP), store }
    }

    fn apply(&self, facts: &[Fact]) {
        self.store.apply(facts, None, &self.catalog.snapshot()).unwrap();
    }

    fn view(&self) -> View {
        view(self.folder.path(), &self.catalog, T + 2 * DAY)
    }

    fn ask(&self, query: &str) -> Value {
        ask(&self.view(), query)
    }
}

fn view(folder: &Path, catalog: &Arc<Handle>, now: i64) -> View {
    View::new(folder, Arc::clone(catalog), Arc::new(SteppedClock::at(Millis(now))))
}

fn ask(view: &View, query: &str) -> Value {
    let query = Query::parse(query);
    let given = |name: &str| query.get(name).map(str::to_owned);
    json(&view.report(&view.request(&given).unwrap()).unwrap())
}

fn click(at: i64, n: u64, partner: Option<&str>, reason: Reason) -> Fact {
    let touch = Box::new(touch(partner));
    let program = "shop".parse().unwrap();
    Fact::Touch { id: event(at, n), at: Millis(at), program, kind: TouchKind::Click, touch, reason }
}

fn order(id: &str, number: u64, booked: BookedOrder) -> Fact {
    Fact::Posting(Box::new(posting(id, number, booked.converted_at.0 + HOUR, booked)))
}

fn row<'a>(report: &'a Value, group: &str) -> &'a Value {
    let by = report["by"].as_str().unwrap();
    let rows = report["rows"].as_array().unwrap();
    rows.iter().find(|row| row[by] == group).unwrap_or_else(|| panic!("no {group} in {report:#}"))
}

#[test]
fn figures_are_those_of_the_published_example() {
    let bed = Bed::new();
    let clicks: Vec<Fact> = (0..4_000).map(|n| click(T, n, Some("lea"), Reason::Valid)).collect();
    bed.apply(&clicks);
    let orders = (0..100).map(|n| {
        let mut share = share(Some("lea"), (T, n), 90, 0);
        share.commission = Micros(4_500_000);
        order(&format!("BX-{n}"), 1, booked(T, vec![share]))
    });
    bed.apply(&orders.collect::<Vec<_>>());
    let report = bed.ask("");
    let lea = row(&report, "lea");
    for (name, text) in [
        ("clicks", "4000"),
        ("orders", "100"),
        ("net_sales", "9000.00"),
        ("commission", "450.00"),
        ("conversion_rate_percent", "2.50"),
        ("average_order_value", "90.00"),
        ("earnings_per_click", "0.1125"),
        ("new_customer_percent", "100.00"),
    ] {
        assert_eq!(lea[name], text, "{name}");
    }
    assert_eq!(lea["approval_percent"], Value::Null);
}

#[test]
fn only_valid_clicks_count_and_the_others_are_told_by_reason() {
    let bed = Bed::new();
    let reasons = [
        Reason::Valid,
        Reason::Test,
        Reason::Head,
        Reason::Automated,
        Reason::Ahead,
        Reason::Ahead,
    ];
    let facts: Vec<Fact> =
        reasons.iter().zip(0..).map(|(reason, n)| click(T, n, Some("lea"), *reason)).collect();
    bed.apply(&facts);
    bed.apply(&facts); // the same again
    let told = |clicks: &str, ahead: Value| {
        let report = bed.ask("");
        let lea = row(&report, "lea");
        assert_eq!((&lea["clicks"], &lea["clicks_gross"]), (&clicks.into(), &"6".into()));
        assert_eq!(lea["clicks_invalid_by_reason"]["unconfirmed_prefetch"], ahead);
    };
    told("1", "2".into());
    let activation = Fact::Activation { click: event(T, 4), at: Millis(T) };
    bed.apply(&[activation.clone(), activation]);
    told("2", "1".into());
    // Told before the click is known.
    bed.apply(&[Fact::Activation { click: event(T, 9), at: Millis(T) }]);
    bed.apply(&[click(T, 9, Some("lea"), Reason::Ahead)]);
    let report = bed.ask("");
    assert_eq!(row(&report, "lea")["clicks"], "3");
}

#[test]
fn an_order_counts_on_its_own_day_or_on_that_of_its_click() {
    let bed = Bed::new();
    bed.apply(&[order("BX-1", 1, booked(T, vec![share(Some("lea"), (T - 2 * DAY, 1), 10, 1)]))]);
    let by_event = bed.ask("by=day");
    assert_eq!(row(&by_event, "2026-11-03")["orders"], "1");
    assert_eq!(by_event["rows"].as_array().unwrap().len(), 1);
    let by_click = bed.ask("by=day&basis=click");
    assert_eq!(row(&by_click, "2026-11-01")["orders"], "1");
    assert_eq!(by_click["rows"].as_array().unwrap().len(), 1);
}

#[test]
fn days_are_those_of_the_programs_zone_also_when_they_have_23_or_25_hours() {
    // The first and last milliseconds of the day in Paris, and those beside them.
    let spring = (1_774_738_800_000, 23); // 2026-03-29T00:00+01:00
    let autumn = (1_792_879_200_000, 25); // 2026-10-25T00:00+02:00
    for (day, (start, hours)) in [("2026-03-29", spring), ("2026-10-25", autumn)] {
        let bed = Bed::new();
        let end = start + hours * HOUR;
        let times = [start - 1, start, end - 1, end];
        let clicks = times.iter().zip(0..).map(|(at, n)| click(*at, n, Some("lea"), Reason::Valid));
        bed.apply(&clicks.collect::<Vec<_>>());
        let orders = times.iter().zip(0..).map(|(at, n)| {
            order(&format!("BX-{n}"), 1, booked(*at, vec![share(Some("lea"), (*at, n), 10, 1)]))
        });
        bed.apply(&orders.collect::<Vec<_>>());
        for by in ["day", "total", "s1", "time"] {
            let report = bed.ask(&format!("by={by}&from={day}&to={day}"));
            assert_eq!(report["total"][0]["orders"], "2", "{day} by {by}");
        }
        let report = bed.ask(&format!("by=day&from={day}&to={day}"));
        assert_eq!(row(&report, day)["clicks"], "2", "{day}");
    }
}

#[test]
fn another_time_zone_makes_the_days_anew() {
    let bed = Bed::new();
    let late = T + 10 * HOUR + 30 * 60_000; // 23:30 in Paris, 07:30 of the next day in Tokyo
    bed.apply(&[
        click(late, 1, Some("lea"), Reason::Valid),
        order("BX-1", 1, booked(late, vec![share(Some("lea"), (late, 1), 10, 1)])),
        Fact::Decision(Box::new(decision("BX-1", 1, late, &[("lea", late, "CREDITED")]))),
    ]);
    let paris = bed.ask("by=day");
    assert_eq!(row(&paris, "2026-11-03")["clicks"], "1");
    let moved = catalog(&SHOP.replace("Europe/Paris", "Asia/Tokyo"));
    bed.store.follow_zones(&moved.snapshot()).unwrap();
    let tokyo = ask(&view(bed.folder.path(), &moved, T + 2 * DAY), "by=day");
    let day = row(&tokyo, "2026-11-04");
    assert_eq!((&day["clicks"], &day["orders"]), (&"1".into(), &"1".into()));
    assert_eq!(tokyo["rows"].as_array().unwrap().len(), 1);
}

#[test]
fn a_posting_of_a_lower_number_that_comes_late_changes_nothing() {
    let bed = Bed::new();
    let first = booked(T, vec![share(Some("lea"), (T, 1), 10, 1)]);
    let second = in_state(
        booked(T, vec![share(Some("comparo"), (T, 2), 20, 2)]),
        OrderState::Approved,
        Code::Ok,
    );
    bed.apply(&[order("BX-1", 2, second)]);
    let before = bed.ask("");
    bed.apply(&[order("BX-1", 1, first)]);
    assert_eq!(bed.ask(""), before);
    assert_eq!(row(&before, "comparo")["net_sales_approved"], "20.00");
}

#[test]
fn states_returns_declines_and_margin_come_from_the_posting_that_holds() {
    let bed = Bed::new();
    let one = |n: u64, net| {
        booked(T - 40 * DAY, vec![share(Some("lea"), (T - 40 * DAY, n), net, net / 10)])
    };
    let mut returned = in_state(one(1, 60), OrderState::Locked, Code::ReturnedPart);
    returned.returned = Micros(40_000_000);
    returned.amount = Micros(100_000_000);
    let mut returning = in_state(one(2, 100), OrderState::Approved, Code::Ok);
    returning.customer_type = Some(CustomerType::Returning);
    bed.apply(&[
        order("A", 1, returned),
        order("B", 1, returning),
        order("C", 1, in_state(one(3, 50), OrderState::Declined, Code::Cancelled)),
        order("D", 1, in_state(one(4, 10), OrderState::Held, Code::EvidenceConflict)),
        order("E", 1, one(5, 30)),
    ]);
    let report = bed.ask("from=2026-09-01");
    let lea = row(&report, "lea");
    for (name, text) in [
        ("orders", "3"),
        ("orders_pending", "1"),
        ("orders_approved", "2"),
        ("orders_declined", "1"),
        ("orders_held", "1"),
        ("net_sales", "190.00"),
        ("net_sales_approved", "160.00"),
        ("commission", "19.00"),
        ("commission_approved", "16.00"),
        // (60 + 100) / 4 − 16
        ("margin", "24.00"),
        ("approval_percent", "66.67"),
        ("decline_percent", "33.33"),
        // 40 of 100 + 100 + 30: neither declined nor held ones
        ("return_percent_of_value", "17.39"),
        ("return_percent_of_orders", "33.33"),
        ("new_customer_percent", "66.67"),
        ("return_on_spend", "10.00"),
    ] {
        assert_eq!(lea[name], text, "{name}");
    }
    assert_eq!(lea["declined_by_code"][0]["code"], 701);
    assert_eq!(lea["declined_by_code"][0]["net"], "50.00");
}

#[test]
fn an_order_is_in_return_figures_once_it_is_older_than_its_lock() {
    let bed = Bed::new();
    let mut booked = booked(T, vec![share(Some("lea"), (T, 1), 60, 6)]);
    booked.returned = Micros(40_000_000);
    let lock_day = booked.lock_at.0.div_euclid(DAY) + 1;
    bed.apply(&[order("A", 1, booked)]);
    for (now, percent) in [(lock_day * DAY - 1, Value::Null), (lock_day * DAY, "40.00".into())] {
        let view = view(bed.folder.path(), &bed.catalog, now);
        let report = ask(&view, "from=2026-11-01");
        assert_eq!(row(&report, "lea")["return_percent_of_value"], percent, "{now}");
    }
}

#[test]
fn currencies_are_never_added_to_each_other() {
    let bed = Bed::new();
    let mut yen = booked(T, vec![share(Some("lea"), (T, 1), 1_000, 50)]);
    yen.currency = "JPY".parse().unwrap();
    yen.shares[0].currency = yen.currency;
    bed.apply(&[
        order("A", 1, booked(T, vec![share(Some("lea"), (T, 2), 10, 1)])),
        order("B", 1, yen),
        click(T, 3, Some("lea"), Reason::Valid),
    ]);
    let report = bed.ask("");
    let told: Vec<_> = report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (&r["currency"], &r["net_sales"]))
        .collect();
    assert_eq!(told, [(&"JPY".into(), &"1000".into()), (&"EUR".into(), &"10.00".into())]);
    assert_eq!(report["total"].as_array().unwrap().len(), 2);
    assert_eq!(report["total"][0]["clicks"], "1");
}

#[test]
fn sums_above_what_64_bits_hold_are_exact() {
    let bed = Bed::new();
    let largest = event::money::AMOUNT_UNITS_MAX;
    let orders = (0..200).map(|n| {
        order(&format!("BX-{n}"), 1, booked(T, vec![share(Some("lea"), (T, n), largest, 0)]))
    });
    bed.apply(&orders.collect::<Vec<_>>());
    for by in ["partner", "link", "day", "s1", "time"] {
        assert_eq!(
            bed.ask(&format!("by={by}"))["total"][0]["net_sales"],
            "20000000000000.00",
            "{by}"
        );
    }
}

#[test]
fn own_channels_and_nobody_stand_beside_the_partners_and_not_in_their_total() {
    let bed = Bed::new();
    bed.apply(&[
        order("A", 1, booked(T, vec![share(None, (T, 1), 30, 0)])),
        order("B", 1, {
            let mut b = booked(T, Vec::new());
            b.amount = Micros(40_000_000);
            b
        }),
        order("C", 1, booked(T, vec![share(Some("lea"), (T, 2), 10, 1)])),
    ]);
    let report = bed.ask("");
    assert_eq!(row(&report, "(own)")["net_sales"], "30.00");
    assert_eq!(row(&report, "(nobody)")["net_sales"], "40.00");
    assert_eq!(report["total"][0]["net_sales"], "10.00");
    assert_eq!(bed.ask("by=day")["total"][0]["net_sales"], "10.00");
}

#[test]
fn an_order_shared_by_two_counts_once_in_all() {
    let bed = Bed::new();
    let shares =
        vec![share(Some("lea"), (T, 1), 30, 3), share(Some("comparo"), (T - HOUR, 2), 10, 1)];
    bed.apply(&[order("A", 1, booked(T, shares))]);
    let report = bed.ask("");
    assert_eq!(row(&report, "lea")["orders"], "0.75");
    assert_eq!(row(&report, "comparo")["orders"], "0.25");
    assert_eq!(report["total"][0]["orders"], "1");
}

#[test]
fn pay_without_an_order_is_a_fee_of_its_partner_and_day() {
    let bed = Bed::new();
    let pay = |number, amount: i64, back: bool| {
        let (expense, payable) =
            (Account::Expense("shop".parse().unwrap()), Account::Payable("lea".parse().unwrap()));
        let (debit, credit) = if back { (payable, expense) } else { (expense, payable) };
        Fact::Posting(Box::new(Posting {
            subject: Subject::Day(PayDay {
                program: "shop".parse().unwrap(),
                partner: "lea".parse().unwrap(),
                terms: "program/shop/terms/1".into(),
                rank: 1,
                day: "2026-11-03".into(),
            }),
            number,
            source: event(T, 1),
            actor: None,
            changed_at: Millis(T),
            booked: None,
            statement: None,
            transfers: vec![Transfer {
                id: event(T, 2),
                purpose: Purpose::Click,
                debit,
                credit,
                amount: Micros(amount),
                currency: "EUR".parse().unwrap(),
            }],
        }))
    };
    bed.apply(&[pay(1, 5_000_000, false), pay(2, 1_500_000, true), pay(1, 5_000_000, false)]);
    let report = bed.ask("by=day");
    assert_eq!(row(&report, "2026-11-03")["fees"], "3.50");
    assert_eq!(row(&bed.ask(""), "lea")["fees"], "3.50");
}

#[test]
fn a_journey_tells_who_introduced_who_was_in_between_and_who_closed() {
    let bed = Bed::new();
    let one = decision(
        "A",
        1,
        T,
        &[
            ("lea", T - HOUR, "CREDITED"),
            ("comparo", T - 2 * HOUR, "NOT_SELECTED"),
            ("lea", T - 3 * HOUR, "NOT_SELECTED"),
            ("comparo", T - DAY, "OUT_OF_WINDOW"),
        ],
    );
    let two = decision("B", 1, T, &[("comparo", T - HOUR, "CREDITED")]);
    bed.apply(&[Fact::Decision(Box::new(one)), Fact::Decision(Box::new(two))]);
    let report = bed.ask("");
    let told = |group: &str| {
        let row = row(&report, group);
        [
            "journeys",
            "journeys_uncredited",
            "introducer_percent",
            "in_between_percent",
            "closer_percent",
        ]
        .map(|name| row[name].as_str().unwrap().to_owned())
    };
    assert_eq!(told("lea"), ["1", "0", "100.00", "0.00", "100.00"]);
    assert_eq!(told("comparo"), ["2", "1", "50.00", "50.00", "50.00"]);
    // Two reports of each order.
    assert_eq!(report["total"][0]["duplicate_percent"], "50.00");
}

#[test]
fn time_to_convert_is_told_in_buckets() {
    let bed = Bed::new();
    let ages = [4_999, 5_000, 59_999, 60_000, DAY - 1, DAY, 30 * DAY - 1, 30 * DAY];
    let orders = ages.iter().zip(0..).map(|(age, n)| {
        order(&format!("BX-{n}"), 1, booked(T, vec![share(Some("lea"), (T - age, n), 10, 1)]))
    });
    bed.apply(&orders.collect::<Vec<_>>());
    let report = bed.ask("by=time");
    let told: Vec<_> = report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["time"].as_str().unwrap(), r["orders"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("under 5 s", "1"),
            ("under 15 s", "1"),
            ("under 1 min", "1"),
            ("under 10 min", "1"),
            ("under 24 h", "1"),
            ("under 2 d", "1"),
            ("under 30 d", "1"),
            ("30 d and more", "1"),
        ]
    );
}

#[test]
fn beyond_10000_values_of_a_sub_id_the_others_are_summed_up_with_right_totals() {
    let with = |n: u64| {
        let mut touch = touch(Some("lea"));
        touch.subs.set(1, &format!("click-{n}"));
        let program = "shop".parse().unwrap();
        let (kind, reason) = (TouchKind::Click, Reason::Valid);
        Fact::Touch {
            id: event(T, n),
            at: Millis(T),
            program,
            kind,
            touch: Box::new(touch),
            reason,
        }
    };
    let most = u64::try_from(SUB_VALUES_MAX).unwrap();
    let sum = |report: &Value| -> u64 {
        let rows = report["rows"].as_array().unwrap();
        rows.iter().map(|row| row["clicks"].as_str().unwrap().parse::<u64>().unwrap()).sum()
    };
    let mut told = Vec::new();
    for reversed in [false, true] {
        let bed = Bed::new();
        let mut facts: Vec<Fact> = (0..most + 3).map(with).collect();
        let rest = facts.split_off(usize::try_from(most).unwrap());
        if reversed {
            bed.apply(&rest);
        }
        bed.apply(&facts);
        if !reversed {
            let full = bed.ask("by=s1&partner=lea");
            assert_eq!((full["rows"].as_array().unwrap().len() as u64, sum(&full)), (most, most));
            bed.apply(&rest);
        }
        // An order of a value that has no row of its own stands where its clicks stand.
        let orders = (0..most + 3).step_by(500).map(|n| {
            let mut share = share(Some("lea"), (T, n), 1, 0);
            share.dimensions.subs.set(1, &format!("click-{n}"));
            order(&format!("BX-{n}"), 1, booked(T, vec![share]))
        });
        bed.apply(&orders.collect::<Vec<_>>());
        let report = bed.ask("by=s1&partner=lea");
        assert_eq!(sum(&report), most + 3);
        assert_eq!(row(&report, "(other)")["clicks"], "3");
        told.push(report);
    }
    assert_eq!(told[0]["rows"], told[1]["rows"]);
}

#[test]
fn what_is_asked_wrongly_is_named() {
    let bed = Bed::new();
    let told = |query: &str| {
        let reply = bed.view().answer_report(&Query::parse(query));
        (reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).unwrap())
    };
    for (query, words) in [
        ("program=nope", "there is no program \"nope\"; there are: shop"),
        ("partner=nope", "there is no partner \"nope\""),
        ("by=colour", "by=\"colour\": give one of total, partner"),
        ("basis=x", "basis=\"x\": give event or click"),
        ("from=yesterday", "from=\"yesterday\" is no day; write it as 2026-11-03"),
        ("to=2026-11-31", "to=\"2026-11-31\" is no day"),
        ("from=2026-11-04&to=2026-11-03", "from 2026-11-04 is after to 2026-11-03"),
        ("from=2020-01-01&to=2026-11-03", "at most 1098 at once"),
        ("form=2026-01-01", "there is no parameter \"form\""),
        ("format=pdf", "format=\"pdf\": give one of json, csv, table"),
        ("goal=two words", "goal=\"two words\" is no name of a goal"),
    ] {
        let (status, text) = told(query);
        assert_eq!(status, 400, "{query}: {text}");
        assert!(text.contains(words), "{query}: {text}");
    }
    assert_eq!(told("from=2026-11-03&to=2026-11-03&by=s10&basis=click&format=csv").0, 200);
}

#[test]
fn a_field_that_a_spreadsheet_would_run_is_disarmed() {
    let field = super::answer::csv_field;
    assert_eq!(field("=1+1"), "'=1+1");
    assert_eq!(field("-cmd"), "'-cmd");
    assert_eq!(field("-12.50"), "-12.50");
    assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
    assert_eq!(field("\u{1b}[2Jx"), "\u{fffd}[2Jx");
}
