//! The feed: nothing missed, nothing doubled, no other partner.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::Handle;
use event::body::posting::{BookedOrder, PayDay, Purpose, Share, Transfer};
use event::body::{Account, Decision, OrderState, Posting, Subject};
use event::{Code, EventId, Micros, Millis};
use rusqlite::StatementStatus;
use serde_json::{Value, json};
use telemetry::admin::Query;
use testkit::{Dice, SteppedClock};

use super::{feed_sql, feed_values};
use crate::build::{DAY, HOUR, SHOP, T, booked, catalog, decision, in_state, posting, share};
use crate::query::View;
use crate::store::{Fact, Store};

struct Bed {
    _folder: tempfile::TempDir,
    catalog: Arc<Handle>,
    store: Store,
    view: View,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, catalog) = (Store::open(folder.path()).unwrap(), catalog(SHOP));
        let clock = Arc::new(SteppedClock::at(Millis(T + DAY)));
        let view = View::new(folder.path(), Arc::clone(&catalog), clock);
        Self { _folder: folder, catalog, store, view }
    }

    fn apply(&self, facts: &[Fact]) {
        self.store.apply(facts, None, &self.catalog.snapshot()).unwrap();
    }

    fn ask(&self, query: &str) -> Value {
        let reply = self.view.answer_transactions(&Query::parse(query));
        assert_eq!(reply.status.as_u16(), 200, "{query}: {:?}", reply.body);
        serde_json::from_slice(&reply.body).unwrap()
    }
}

fn order(id: &str, number: u64, booked: BookedOrder) -> Fact {
    Fact::Posting(Box::new(posting(id, number, T + i64::try_from(number).unwrap() * HOUR, booked)))
}

fn of_lea(net: i64) -> Share {
    let mut share = share(Some("lea"), (T - 2 * HOUR, 1), net, net / 10);
    share.dimensions.subs.set(1, "post-42");
    share.dimensions.pcid = Some("xyz".to_owned());
    share
}

fn only(answer: &Value) -> &Value {
    let rows = answer["transactions"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{answer:#}");
    &rows[0]
}

#[test]
fn a_row_tells_what_a_cashback_site_needs() {
    let bed = Bed::new();
    bed.apply(&[order("BX-1", 1, booked(T, vec![of_lea(50)]))]);
    let answer = bed.ask("partner=lea");
    let mut row = only(&answer).clone();
    let id = row.as_object_mut().unwrap().remove("transaction").unwrap();
    assert!(!id.as_str().unwrap().is_empty());
    assert_eq!(
        row,
        json!({
            "kind": "order", "goal": "sale", "status": "pending", "status_text": "pending", "code": 0,
            "reason": "Waits for validation, until 2026-12-03 13:00 at the latest.",
            "click_time": "2026-11-03T10:00:00.000Z", "order_time": "2026-11-03T12:00:00.000Z",
            "link": "lea-1", "pcid": "xyz", "s1": "post-42", "net": "50.00", "commission": "5.00",
            "currency": "EUR", "statement": null, "changed_at": "2026-11-03T13:00:00.000Z",
        })
    );
    assert!(!answer.to_string().contains("BX-1"));
}

#[test]
fn reasons_are_told_in_both_languages() {
    let bed = Bed::new();
    let mut returned =
        in_state(booked(T, vec![of_lea(30)]), OrderState::Approved, Code::ReturnedPart);
    returned.amount = Micros(50_000_000);
    returned.returned = Micros(20_000_000);
    returned.shares[0].codes = vec![Code::CappedPartial];
    bed.apply(&[order("BX-1", 1, returned)]);
    assert_eq!(
        only(&bed.ask("partner=lea&lang=fr"))["reason"],
        "20,00 EUR sur 50,00 EUR ont été retournés. Validée ; définitive à partir du 2026-12-03 13:00. \
         Le plafond de vos conditions a été atteint ; 3,00 EUR est payé."
    );
    bed.apply(&[order(
        "BX-1",
        2,
        in_state(booked(T, vec![of_lea(0)]), OrderState::Declined, Code::Cancelled),
    )]);
    let answer = bed.ask("partner=lea&lang=fr");
    let row = only(&answer);
    assert_eq!((&row["reason"], &row["status_text"]), (&"Annulée.".into(), &"refusée".into()));
    assert_eq!(only(&bed.ask("partner=lea"))["reason"], "Cancelled.");
}

#[test]
fn an_order_that_went_to_another_is_told_as_declined_and_names_nobody() {
    let bed = Bed::new();
    bed.apply(&[order("BX-1", 1, booked(T, vec![of_lea(50)]))]);
    let other = share(Some("comparo"), (T - HOUR, 2), 50, 5);
    bed.apply(&[order("BX-1", 2, booked(T, vec![other]))]);
    let mut won: Decision = decision(
        "BX-1",
        2,
        T,
        &[("comparo", T - HOUR, "CREDITED"), ("lea", T - 2 * HOUR, "NOT_SELECTED")],
    );
    won.credits = serde_json::from_value(json!([{
        "touch": crate::build::event(T - HOUR, 2).to_string(), "kind": "click", "touched_at": T - HOUR,
        "partner": "comparo", "link": "comparo-1", "amount": 50_000_000, "weight": 1, "weight_sum": 1,
    }]))
    .unwrap();
    bed.apply(&[Fact::Decision(Box::new(won))]);
    let answer = bed.ask("partner=lea");
    let row = only(&answer);
    assert_eq!(row["status"], "declined");
    assert_eq!(
        (&row["net"], &row["commission"], &row["code"]),
        (&"0.00".into(), &"0.00".into(), &404.into())
    );
    assert_eq!(
        row["reason"],
        "Your click of 2026-11-03 11:00 was valid; a later eligible touch of 2026-11-03 was credited."
    );
    assert!(!answer.to_string().contains("comparo"), "{answer:#}");
    // And back again.
    bed.apply(&[order("BX-1", 3, booked(T, vec![of_lea(50)]))]);
    assert_eq!(only(&bed.ask("partner=lea"))["net"], "50.00");
}

#[test]
fn whoever_reads_on_misses_nothing_and_is_told_each_change_once_while_orders_change() {
    for seed in 0..8 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let bed = Bed::new();
        let (mut after, mut held) = (String::new(), BTreeMap::new());
        let mut numbers = [0_u64; 12];
        let mut told = Vec::new();
        for _ in 0..120 {
            for _ in 0..dice.below(4) {
                let at = dice.index(numbers.len());
                numbers[at] += 1;
                let state = [OrderState::Pending, OrderState::Approved, OrderState::Declined]
                    [dice.index(3)];
                let share = of_lea(i64::try_from(dice.below(9)).unwrap());
                let partner = if dice.chance(80) { vec![share] } else { Vec::new() };
                let booked = in_state(booked(T, partner), state, Code::Ok);
                // Causes do not come in the order of their times.
                let changed_at = T + i64::try_from(dice.below(50)).unwrap() * HOUR;
                bed.apply(&[Fact::Posting(Box::new(posting(
                    &format!("BX-{at}"),
                    numbers[at],
                    changed_at,
                    booked,
                )))]);
            }
            let limit = 1 + dice.below(3);
            let query = format!("partner=lea&limit={limit}{after}");
            let answer = bed.ask(&query);
            after = format!("&after={}", answer["next"].as_str().unwrap());
            for row in answer["transactions"].as_array().unwrap() {
                told.push(row.to_string());
                held.insert(row["transaction"].to_string(), row.clone());
            }
        }
        loop {
            let answer = bed.ask(&format!("partner=lea{after}"));
            after = format!("&after={}", answer["next"].as_str().unwrap());
            for row in answer["transactions"].as_array().unwrap() {
                held.insert(row["transaction"].to_string(), row.clone());
            }
            if answer["more"] == false {
                break;
            }
        }
        let all = bed.ask("partner=lea&limit=1000");
        let whole: BTreeMap<String, Value> = all["transactions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["transaction"].to_string(), row.clone()))
            .collect();
        assert_eq!(held, whole, "seed {seed}");
        assert!(told.len() > whole.len(), "changes were told as well");
    }
}

#[test]
fn a_change_of_which_a_partner_sees_nothing_is_not_told_again() {
    let bed = Bed::new();
    bed.apply(&[order("BX-1", 1, booked(T, vec![of_lea(50)]))]);
    let before = bed.ask("partner=lea");
    let mut second = booked(T, vec![of_lea(50)]);
    second.margin = Micros(1);
    bed.apply(&[order("BX-1", 2, second)]);
    assert_eq!(bed.ask("partner=lea"), before);
    let after = before["next"].as_str().unwrap();
    let none = bed.ask(&format!("partner=lea&after={after}"));
    assert_eq!((&none["transactions"], &none["next"]), (&json!([]), &before["next"]));
}

#[test]
fn what_a_program_only_observed_is_not_told_to_partners() {
    let bed = Bed::new();
    let mut observed = booked(T, vec![of_lea(50)]);
    observed.observed = true;
    bed.apply(&[order("BX-1", 1, observed.clone())]);
    let before = bed.ask("partner=lea");
    assert_eq!(before["transactions"], json!([]));
    // The same, no longer only observed: told from then on, also to those who have read on.
    observed.observed = false;
    bed.apply(&[order("BX-1", 2, observed)]);
    let after = before["next"].as_str().unwrap();
    assert_eq!(only(&bed.ask(&format!("partner=lea&after={after}")))["net"], "50.00");
}

#[test]
fn a_share_that_is_gone_is_told_if_it_was_not_only_observed_whichever_posting_comes_first() {
    for (observed, told) in [(true, 0), (false, 1)] {
        for late in [false, true] {
            let bed = Bed::new();
            let with = |observed| {
                let mut booked = booked(T, vec![of_lea(50)]);
                booked.observed = observed;
                booked
            };
            let mut postings = [
                order("BX-1", 1, with(true)),
                order("BX-1", 2, with(observed)),
                order("BX-1", 3, booked(T, Vec::new())),
            ];
            if late {
                postings.rotate_right(1);
            }
            bed.apply(&postings);
            let rows = bed.ask("partner=lea")["transactions"].as_array().unwrap().len();
            assert_eq!(rows, told, "observed {observed}, late {late}");
        }
    }
}

/// Steps that the database takes for a page of ten, and its rows.
fn steps(bed: &Bed, query: &str) -> (i32, usize) {
    let query = Query::parse(query);
    let given = |name: &str| query.get(name).map(str::to_owned);
    let request = bed.view.transactions_request(&given).unwrap();
    let db = bed.view.db().unwrap();
    let mut select = db.prepare(&feed_sql()).unwrap();
    let rows = select.query_map(feed_values(&request), |_| Ok(())).unwrap().count();
    (select.get_status(StatementStatus::VmStep), rows)
}

#[test]
fn a_page_costs_its_size_wherever_it_stands() {
    let bed = Bed::new();
    let minute = |n: i64| T + n * 60_000;
    let orders = (0..4_000).map(|n| {
        let mut booked = booked(T, vec![of_lea(50)]);
        booked.observed = n % 1_000 < 900;
        Fact::Posting(Box::new(posting(&format!("BX-{n}"), 1, minute(n), booked)))
    });
    bed.apply(&orders.collect::<Vec<_>>());
    let (alone, _) = {
        let small = Bed::new();
        let orders = (0..11).map(|n| {
            let booked = booked(T, vec![of_lea(50)]);
            Fact::Posting(Box::new(posting(&format!("BX-{n}"), 1, minute(n), booked)))
        });
        small.apply(&orders.collect::<Vec<_>>());
        steps(&small, "partner=lea&limit=10")
    };
    for (place, rows) in [
        (String::new(), 11),
        (format!("&after={}-2950", minute(2_949)), 11),
        (format!("&changed_since={}", Millis(minute(2_500)).rfc3339()), 11),
        (format!("&changed_since={}&after=1-1", Millis(minute(3_995)).rfc3339()), 5),
        (format!("&after={}-4000", minute(3_999)), 0),
    ] {
        let (taken, found) = steps(&bed, &format!("partner=lea&limit=10{place}"));
        assert_eq!(found, rows, "{place}");
        assert!(taken <= alone + 20, "{place}: {taken} steps, where {alone} are needed");
    }
    let db = bed.view.db().unwrap();
    let mut explained = db.prepare(&format!("EXPLAIN QUERY PLAN {}", feed_sql())).unwrap();
    let values = rusqlite::params!["shop", "lea", 0, 0, 10];
    let plan: Vec<String> =
        explained.query_map(values, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
    let plan = plan.join("; ");
    assert!(
        plan.contains("INDEX share_by_change (program=? AND partner=? AND (changed_at"),
        "{plan}"
    );
    assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
}

#[test]
fn changed_since_is_inclusive_and_takes_an_instant_or_a_day() {
    let bed = Bed::new();
    bed.apply(&[order("BX-1", 1, booked(T, vec![of_lea(50)]))]);
    for (since, rows) in [
        ("2026-11-03T13:00:00Z", 1),
        ("2026-11-03T14:00:00%2B01:00", 1),
        ("2026-11-03T13:00:00.001Z", 0),
        ("2026-11-03", 1),
        ("2026-11-04", 0),
    ] {
        let answer = bed.ask(&format!("partner=lea&changed_since={since}"));
        assert_eq!(answer["transactions"].as_array().unwrap().len(), rows, "{since}");
    }
}

#[test]
fn what_is_asked_wrongly_is_named() {
    let bed = Bed::new();
    for (query, words) in [
        ("", "say which partner"),
        ("partner=nope", "there is no partner \"nope\""),
        ("partner=lea&changed_since=monday", "changed_since=\"monday\" is no time"),
        ("partner=lea&changed_since=2026-11-03T14:22", "is no time"),
        ("partner=lea&after=12", "after=\"12\" is no place"),
        ("partner=lea&after=-1-5", "is no place"),
        ("partner=lea&limit=0", "limit=\"0\": give 1 to 1000"),
        ("partner=lea&limit=1001", "give 1 to 1000"),
        ("partner=lea&lang=de", "lang=\"de\": give fr or en"),
        ("partner=lea&format=xml", "format=\"xml\": give one of json, csv"),
        ("partner=lea&since=1", "there is no parameter \"since\""),
    ] {
        let reply = bed.view.answer_transactions(&Query::parse(query));
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert_eq!(reply.status.as_u16(), 400, "{query}: {text}");
        assert!(text.contains(words), "{query}: {text}");
    }
}

#[test]
fn csv_has_the_same_rows() {
    let bed = Bed::new();
    bed.apply(&[order("BX-1", 1, booked(T, vec![of_lea(50)]))]);
    let reply = bed.view.answer_transactions(&Query::parse("partner=lea&format=csv"));
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].split(',').count(), 27);
    assert!(lines[1].contains(",lea-1,xyz,post-42,,,,,,,,,,50.00,5.00,EUR,,"), "{}", lines[1]);
}

#[test]
fn an_empty_answer_leads_on_from_where_it_was_asked() {
    let bed = Bed::new();
    let since = "2026-11-03T15:00:00Z"; // three hours after T
    let empty = bed.ask(&format!("partner=lea&changed_since={since}"));
    assert_eq!(empty["next"], format!("{}-0", T + 3 * HOUR));
    assert_eq!(bed.ask("partner=lea")["next"], "0-0", "from the beginning on");
    bed.apply(&[order("BX-2", 2, booked(T, vec![of_lea(20)]))]);
    bed.apply(&[order("BX-3", 3, booked(T, vec![of_lea(30)]))]);
    let after = empty["next"].as_str().unwrap();
    let told = bed.ask(&format!("partner=lea&after={after}"));
    assert_eq!(only(&told)["net"], "30.00", "what changed an hour before is not told");
    assert_eq!(bed.ask("partner=lea&after=0-0")["transactions"].as_array().unwrap().len(), 2);
}

/// A posting of clicks of lea on 3 November: these transfers, each from account to account.
fn day(number: u64, moved: &[(&str, &str, i64)], statement: Option<&str>) -> Fact {
    let account = |name: &str| match name {
        "expense" => Account::Expense("shop".parse().unwrap()),
        "payable" => Account::Payable("lea".parse().unwrap()),
        "clawback" => Account::Clawback("lea".parse().unwrap()),
        _ => Account::Paid("lea".parse().unwrap()),
    };
    let transfer = |(from, to, amount): &(&str, &str, i64)| Transfer {
        id: EventId::derived("test", &[from.as_bytes(), to.as_bytes()]),
        purpose: if [*from, *to].contains(&"expense") { Purpose::Click } else { Purpose::Pay },
        debit: account(from),
        credit: account(to),
        amount: Micros(*amount),
        currency: "EUR".parse().unwrap(),
    };
    Fact::Posting(Box::new(Posting {
        subject: Subject::Day(PayDay {
            program: "shop".parse().unwrap(),
            partner: "lea".parse().unwrap(),
            terms: "program/shop/terms/1".into(),
            rank: 2,
            day: "2026-11-03".into(),
        }),
        number,
        source: EventId::derived("test", &[]),
        actor: None,
        changed_at: Millis(T + i64::try_from(number).unwrap() * HOUR),
        booked: None,
        statement: statement.map(str::to_owned),
        transfers: moved.iter().map(transfer).collect(),
    }))
}

#[test]
fn pay_for_a_day_is_a_row_of_its_kind_told_again_as_it_is_corrected_and_paid() {
    let bed = Bed::new();
    let first = day(1, &[("expense", "payable", 1_200_000)], None);
    bed.apply(std::slice::from_ref(&first));
    let mut row = only(&bed.ask("partner=lea")).clone();
    let id = row.as_object_mut().unwrap().remove("transaction").unwrap();
    assert_eq!(
        row,
        json!({
            "kind": "click", "day": "2026-11-03", "goal": null, "status": "locked", "status_text": "locked", "code": 0,
            "reason": "Clicks of 2026-11-03. To be paid.", "click_time": null, "order_time": null, "link": null,
            "pcid": null, "net": "0.00", "commission": "1.20", "currency": "EUR", "statement": null,
            "changed_at": "2026-11-03T13:00:00.000Z",
        })
    );
    let told = |lang: &str| {
        let answer = bed.ask(&format!("partner=lea&lang={lang}"));
        let row = only(&answer);
        assert_eq!(row["transaction"], id);
        [&row["commission"], &row["status"], &row["reason"]]
            .map(|it| it.as_str().unwrap().to_owned())
    };
    let paid = day(2, &[("payable", "paid", 1_200_000)], Some("S1"));
    bed.apply(&[paid.clone(), first, paid]);
    assert_eq!(told("en"), ["1.20", "paid", "Clicks of 2026-11-03. Paid in statement S1."]);
    bed.apply(&[day(3, &[("clawback", "expense", 200_000)], None)]);
    assert_eq!(
        told("fr"),
        [
            "1.00",
            "paid",
            "Clics du 2026-11-03. Corrigé depuis. Payé avec le relevé S1. 0,20 EUR payés en trop seront déduits du prochain relevé."
        ]
    );
    bed.apply(&[day(
        4,
        &[("expense", "clawback", 200_000), ("expense", "payable", 300_000)],
        None,
    )]);
    assert_eq!(
        told("en"),
        [
            "1.50",
            "paid",
            "Clicks of 2026-11-03. Corrected since. Paid in statement S1. 0.30 EUR more is to be paid."
        ]
    );
    bed.apply(&[day(5, &[("payable", "paid", 300_000)], Some("S2"))]);
    assert_eq!(told("en")[2], "Clicks of 2026-11-03. Corrected since. Paid in statement S2.");
}

#[test]
fn orders_and_days_come_in_one_order_of_changes_and_in_the_same_columns() {
    let bed = Bed::new();
    bed.apply(&[order("BX-1", 1, booked(T, vec![of_lea(50)]))]);
    bed.apply(&[day(2, &[("expense", "payable", 1_200_000)], None)]);
    bed.apply(&[order("BX-3", 3, booked(T, vec![of_lea(30)]))]);
    let (mut kinds, mut after) = (Vec::new(), "0-0".to_owned());
    for _ in 0..3 {
        let answer = bed.ask(&format!("partner=lea&limit=1&after={after}"));
        kinds.push(only(&answer)["kind"].as_str().unwrap().to_owned());
        after = answer["next"].as_str().unwrap().to_owned();
        assert_eq!(answer["more"], kinds.len() < 3);
    }
    assert_eq!(kinds, ["order", "click", "order"]);
    assert_eq!(bed.ask(&format!("partner=lea&after={after}"))["next"], after.as_str());
    let reply = bed.view.answer_transactions(&Query::parse("partner=lea&format=csv"));
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    let columns: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(columns, [27, 28, 27, 28], "one comma in each reason of an order");
    assert!(text.lines().next().unwrap().ends_with(",changed_at,place,kind,day"));
    assert!(text.lines().nth(2).unwrap().ends_with(",click,2026-11-03"));
}
