//! `sillage orders` against a whole node: what it previews is what the books then say.

use std::thread::sleep;
use std::time::{Duration, Instant};

use expect_test::expect;

use crate::orders::{said_of, with_key};
use crate::serving::Node;
use crate::stages::{click, order};
use crate::{CATALOG, Place};

/// Orders that Léa brought.
const ORDERS: usize = 40;

/// A running node with [`ORDERS`] booked orders of 74.92 EUR, 5 % of them Léa's.
fn booked() -> (Place, Node) {
    let place = with_key();
    let reports = "reports = { hmac_keys = [\"shop-orders\"], ";
    let catalog = CATALOG.replace("reports = { ", reports)
        + "\n[[program.shop.terms]]\ncommission = [{ percent = \"5\" }]\n";
    place.write("catalog.toml", &catalog);
    let node = Node::start(&place, "serve");
    let click = click(&node);
    for n in 0..ORDERS {
        order(&node, &format!("BX-{n}"), &click);
    }
    wait_for(&node, &(0..ORDERS).collect::<Vec<_>>(), "\tpending\t74920000\t3746000\t");
    (place, node)
}

fn books(node: &Node) -> String {
    node.get("/v1/books?program=shop").1
}

/// Waits until the books say this of each of these orders.
fn wait_for(node: &Node, orders: &[usize], what: &str) {
    let asked = Instant::now();
    loop {
        let books = books(node);
        let line = |n: &usize| {
            let key = format!("/o:BX-{n}\t");
            books.lines().find(|line| line.contains(&key)).is_some_and(|line| line.contains(what))
        };
        if orders.iter().all(line) {
            return;
        }
        assert!(asked.elapsed() < Duration::from_secs(60), "not {what:?}:\n{books}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_wrong_file_of_declines_is_undone_to_the_books_as_before_and_stays_undone() {
    let (place, node) = booked();
    let all: Vec<usize> = (0..ORDERS).collect();
    let rows = |row: &dyn Fn(usize) -> String| (0..ORDERS - 1).map(row).collect::<String>();
    place.write("wrong.csv", &format!("order_id,code\n{}", rows(&|n| format!("bx-{n},701\n"))));
    place.write("undo.csv", &format!("order_id\n{}", rows(&|n| format!("BX-{n}\n"))));
    place.write("last.csv", &format!("order_id,code\nBX-{},705\n", ORDERS - 1));
    let edge = format!("--edge http://{}", node.edge);
    let run = |words: &str| {
        let (code, out, err) = said_of(&place, node.admin, &format!("{words} {edge}"));
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        out
    };
    let before = books(&node);
    let out = run("decline --program shop --csv wrong.csv");
    assert!(out.contains("       39  pending → declined\ncommission: -146.094 EUR\n"), "{out}");
    assert_eq!(books(&node), before, "a dry run changes nothing");
    run("decline --program shop --csv wrong.csv --apply");
    wait_for(&node, &all[..ORDERS - 1], "\tdeclined\t");
    let out = run("decline --program shop --csv wrong.csv");
    assert!(
        out.contains("       39  were applied before in this batch: not sent again\ncommission: no difference\n"),
        "{out}"
    );
    assert!(out.ends_with("nothing to send\n"), "{out}");
    let out = run("reopen --program shop --csv undo.csv --apply");
    assert!(out.contains("       39  declined → pending\ncommission: +146.094 EUR\n"), "{out}");
    wait_for(&node, &all, "\tpending\t");
    assert_eq!(books(&node), before);
    let out = run("decline --program shop --csv wrong.csv --apply");
    let told = "       39  were applied before in this batch: not sent again\n       39  of these do not hold any more: to \
                apply them anew, give another --batch\ncommission: no difference\nnothing to send\n";
    assert!(out.contains(told), "{out}");
    run("decline --program shop --csv last.csv --apply");
    wait_for(&node, &[ORDERS - 1], "\tdeclined\t");
    wait_for(&node, &all[..ORDERS - 1], "\tpending\t");
    let (_, listed, _) =
        said_of(&place, node.admin, "list --program shop --state declined --code 705");
    assert!(
        listed.contains("\nBX-39                declined  lea ") && listed.ends_with("1 order\n"),
        "{listed}"
    );
    node.stop();
}

#[test]
fn one_batch_name_serves_for_a_wrong_file_its_undoing_and_the_file_mended() {
    let (place, node) = booked();
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
    let (place, node) = booked();
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
