//! `sillage orders` against a whole node: what it previews is what the books then say.

use std::collections::{HashMap, HashSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use expect_test::expect;
use serde_json::Value;

use crate::orders::{said_of, with_key};
use crate::serving::Node;
use crate::stages::{click, order};
use crate::{CATALOG, Place};

/// Orders that Léa brought.
const ORDERS: usize = 40;

/// Orders of the wrong file, unless `SILLAGE_DECLINES` says otherwise.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of the product")]
fn declines() -> usize {
    std::env::var("SILLAGE_DECLINES").map_or(ORDERS, |text| text.parse().unwrap())
}

/// A running node with so many booked orders of 74.92 EUR, 5 % of them Léa's.
fn booked(orders: usize) -> (Place, Node) {
    let place = with_key();
    let reports = "mode = \"live\"\nreports = { hmac_keys = [\"shop-orders\"], ";
    let catalog = CATALOG.replace("reports = { ", reports)
        + "\n[[program.shop.terms]]\ncommission = [{ percent = \"5\" }]\n";
    place.write("catalog.toml", &catalog);
    let node = Node::start(&place, "serve");
    let click = click(&node);
    for n in 0..orders {
        order(&node, &format!("BX-{n}"), &click);
    }
    wait_for(&node, &(0..orders).collect::<Vec<_>>(), "\tpending\t74920000\t3746000\t");
    (place, node)
}

fn books(node: &Node) -> String {
    let (mut books, mut after) = (String::new(), String::new());
    loop {
        let (status, page) = node.get(&format!("/v1/books?program=shop{after}"));
        assert_eq!(status, 200, "{page}");
        let Some(at) = page.find("next\t") else { return books + &page };
        books.push_str(&page[..at]);
        after = format!("&after={}", page[at + 5..].trim_end().replace(' ', "%20"));
    }
}

/// Waits until the books say this of each of these orders.
fn wait_for(node: &Node, orders: &[usize], what: &str) {
    let (mut asked, mut reached) = (Instant::now(), 0);
    loop {
        let books = books(node);
        let number = |line: &str| line.split("/o:BX-").nth(1)?.split('\t').next()?.parse().ok();
        let there: HashSet<usize> =
            books.lines().filter(|line| line.contains(what)).filter_map(number).collect();
        let count = orders.iter().filter(|n| there.contains(n)).count();
        if count == orders.len() {
            return;
        }
        if count > reached {
            (asked, reached) = (Instant::now(), count);
        }
        assert!(asked.elapsed() < Duration::from_secs(60), "not {what:?}:\n{books}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_wrong_file_of_declines_is_undone_to_the_books_as_before_and_stays_undone() {
    let count = declines();
    let (place, node) = booked(count);
    let all: Vec<usize> = (0..count).collect();
    let wrong = count - 1;
    let rows = |row: &dyn Fn(usize) -> String| (0..wrong).map(row).collect::<String>();
    place.write("wrong.csv", &format!("order_id,code\n{}", rows(&|n| format!("bx-{n},701\n"))));
    place.write("undo.csv", &format!("order_id\n{}", rows(&|n| format!("BX-{n}\n"))));
    place.write("last.csv", &format!("order_id,code\nBX-{},705\n", wrong));
    let edge = format!("--edge http://{}", node.edge);
    let run = |words: &str| {
        let (code, out, err) = said_of(&place, node.admin, &format!("{words} {edge}"));
        assert_eq!(code, 0, "{out}{err}"); // a slow machine is told of the progress
        out
    };
    let before = books(&node);
    let out = run("decline --program shop --csv wrong.csv");
    // 5 % of 74.92 each.
    assert!(told(&out, wrong, "pending → declined"), "{out}");
    let money = |sign: &str| {
        let micros = wrong * 3_746_000;
        format!(
            "commission: {sign}{}.{:03} EUR\n",
            grouped(micros / 1_000_000),
            micros / 1_000 % 1_000
        )
    };
    assert!(out.contains(&money("-")), "{out}");
    assert_eq!(books(&node), before, "a dry run changes nothing");
    run("decline --program shop --csv wrong.csv --apply");
    wait_for(&node, &all[..wrong], "\tdeclined\t");
    let out = run("decline --program shop --csv wrong.csv");
    assert!(told(&out, wrong, "were applied before in this batch: not sent again"), "{out}");
    assert!(out.contains("commission: no difference\n"), "{out}");
    assert!(out.ends_with("nothing to send\n"), "{out}");
    let out = run("reopen --program shop --csv undo.csv --apply");
    assert!(told(&out, wrong, "declined → pending") && out.contains(&money("+")), "{out}");
    wait_for(&node, &all, "\tpending\t");
    assert_eq!(books(&node), before);
    let out = run("decline --program shop --csv wrong.csv --apply");
    assert!(told(&out, wrong, "were applied before in this batch: not sent again"), "{out}");
    assert!(told(
        &out,
        wrong,
        "of these do not hold any more: to apply them anew, give another --batch"
    ));
    assert!(out.contains("commission: no difference\nnothing to send\n"), "{out}");
    run("decline --program shop --csv last.csv --apply");
    wait_for(&node, &[wrong], "\tdeclined\t");
    wait_for(&node, &all[..wrong], "\tpending\t");
    let (_, listed, _) =
        said_of(&place, node.admin, "list --program shop --state declined --code 705");
    assert!(
        listed.contains(&format!("\nBX-{wrong} ")) && listed.ends_with("1 order\n"),
        "{listed}"
    );
    node.stop();

    // History shows both: the order as it was booked, its decline, and that it was undone, each with its money and actor.
    let (_, exported, _) = place.said(&["export", "transfers"]);
    let mut history: HashMap<String, Vec<Value>> = HashMap::new();
    for line in exported.lines() {
        let mut posting: Value = serde_json::from_str(line).unwrap();
        let order = posting["body"]["order"].as_str().unwrap().to_owned();
        history.entry(order).or_default().push(posting["body"].take());
    }
    assert_eq!(history.len(), count);
    for n in 0..wrong {
        let postings = &history[&format!("shop/sale/real/o:BX-{n}")];
        let states = postings.iter().map(|posting| posting["booked"]["state"].as_str().unwrap());
        let mut states: Vec<_> = states.collect();
        states.dedup(); // a decision that learned more of the click comes before
        assert_eq!(states, ["pending", "declined", "pending"], "BX-{n}");
        let declined = postings.iter().find(|one| one["booked"]["state"] == "declined").unwrap();
        let of = |posting: &Value, name: &str| posting["transfers"][0][name].clone();
        let undone = postings.last().unwrap();
        for (posting, debit) in [(declined, "pending:lea"), (undone, "expense:shop")] {
            assert_eq!(of(posting, "debit"), debit, "BX-{n}");
            assert_eq!(of(posting, "amount"), 3_746_000, "BX-{n}");
            assert!(posting["actor"].is_string(), "BX-{n}");
        }
    }
}

/// Whether a line of a preview says so many of this.
fn told(out: &str, count: usize, what: &str) -> bool {
    out.contains(&format!("{:>9}  {what}\n", grouped(count)))
}

/// Commas between thousands.
fn grouped(n: usize) -> String {
    if n < 1_000 { n.to_string() } else { format!("{},{:03}", grouped(n / 1_000), n % 1_000) }
}

#[test]
fn one_batch_name_serves_for_a_wrong_file_its_undoing_and_the_file_mended() {
    let (place, node) = booked(ORDERS);
    let all: Vec<usize> = (0..ORDERS).collect();
    let rows: String = (0..ORDERS).map(|n| format!("BX-{n},701\n")).collect();
    place.write("file.csv", &format!("order_id,code\n{rows}"));
    let ids: String = (0..ORDERS).map(|n| format!("BX-{n}\n")).collect();
    place.write("ids.csv", &format!("order_id\n{ids}"));
    let run = |words: &str| {
        let words =
            format!("{words} --program shop --batch oct --apply --edge http://{}", node.edge);
        let (code, out, err) = said_of(&place, node.admin, &words);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        out
    };
    run("approve --csv ids.csv");
    wait_for(&node, &all, "\tapproved\t");
    let approved = books(&node);
    assert!(run("decline --csv file.csv").contains("       40  approved → declined\n"));
    wait_for(&node, &all, "\tdeclined\t");
    assert!(run("reopen --csv ids.csv").contains("stored 40 of 40 orders"));
    wait_for(&node, &all, "\tpending\t");
    // One line mended: it alone is an act that was not said yet.
    place.write("file.csv", &format!("order_id,code\n{rows}").replace("BX-7,701", "BX-7,705"));
    let out = run("decline --csv file.csv");
    assert!(out.contains("        1  pending → declined\n       39  were applied before"), "{out}");
    assert!(out.contains("stored 1 of 1 order\n"), "{out}");
    wait_for(&node, &[7], "\tdeclined\t");
    let out = run("reopen --csv ids.csv");
    assert!(out.contains("nothing to send"), "said before under this name: {out}");
    let others: Vec<usize> = all.iter().copied().filter(|n| *n != 7).collect();
    wait_for(&node, &others, "\tpending\t");
    let out = said_of(
        &place,
        node.admin,
        &format!(
            "approve --csv ids.csv --program shop --batch nov --apply --edge http://{}",
            node.edge
        ),
    );
    assert_eq!(out.0, 0, "{out:?}");
    wait_for(&node, &all, "\tapproved\t");
    assert_eq!(books(&node), approved);
    node.stop();
}

#[test]
fn what_only_the_books_know_is_told_by_the_line() {
    let (place, node) = booked(ORDERS);
    place.write(
        "back.csv",
        "order_id,amount,currency,sku\nBX-1,20,,\nBX-2,80,,\nBX-99,1,,\nBX-3,1,USD,\nBX-4,,,no-such\n",
    );
    let (code, out, err) = said_of(&place, node.admin, "return --program shop --csv back.csv");
    expect![[r#"
        64
        back.csv:3: order BX-2: 5.08 EUR more comes back than was bought: give what came back so far in all, at most the order
        back.csv:4: order BX-99: no order shop/sale/real/o:BX-99 is booked; check its id, goal and program (by POST /v1/orders the act is kept until it is booked)
        back.csv:5: order BX-3: the order is in EUR, not in USD: give the amounts in the order's currency
        back.csv:6: order BX-4: the order has no such line or article: give its place in the order (line) or its sku as it was reported
        back.csv: 5 rows, 5 orders, batch b2841fdbd5632599
                1  stay in their state, with other money
                4  with a fault
        commission: -1.00 EUR
        nothing was sent: 4 rows with a fault (above). Correct the file, or apply the others with --rows each
    "#]].assert_eq(&format!("{code}\n{err}{out}"));
    node.stop();
}
