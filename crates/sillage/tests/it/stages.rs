//! From a click to a decision through the running binary, and the same decision made anew.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Place;
use crate::serving::{Node, ask};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                       Chrome/131.0.0.0 Safari/537.36";

/// Clicks on Lea's link; the click id on the way to the shop.
pub(crate) fn click(node: &Node) -> String {
    let request = format!(
        "GET /c/lea-home?consent=granted HTTP/1.1\r\nHost: edge.example\r\nUser-Agent: {BROWSER}\r\n\
         Connection: close\r\n\r\n"
    );
    let answer = ask(node.edge, &request);
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
    let id = answer.split("sl_click=").nth(1).unwrap();
    id.split(['&', '\r']).next().unwrap().to_owned()
}

/// Reports an order of the shop by server.
pub(crate) fn order(node: &Node, id: &str, click_id: &str) {
    let body = format!("program=shop&order_id={id}&amount=74.92&currency=EUR&click_id={click_id}");
    let request = format!(
        "POST /v1/conversions HTTP/1.1\r\nHost: edge.example\r\nAuthorization: Bearer change-me\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(node.edge, &request);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The decision about an order, as soon as there is one.
fn decision(node: &Node, id: &str) -> String {
    decision_with(node, id, "")
}

/// The decision about an order, as soon as its JSON holds `part`.
fn decision_with(node: &Node, id: &str, part: &str) -> String {
    let asked = Instant::now();
    loop {
        let (status, body) = node.get(&format!("/v1/trace?order={id}&program=shop"));
        if status == 200 && body.contains(part) {
            return body;
        }
        assert!([200, 404].contains(&status), "{status} {body}");
        assert!(asked.elapsed() < Duration::from_secs(20), "no decision: {body}");
        sleep(Duration::from_millis(20));
    }
}

/// Bytes of the records of a topic, without the space that was taken ahead.
pub(crate) fn records(place: &Place, topic: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(place.path().join("data").join(topic)).unwrap() {
        bytes.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end);
    bytes
}

#[test]
fn a_click_and_an_order_become_a_decision_that_outlives_the_node_and_its_state() {
    let place = Place::new();
    let node = Node::start(&place, "serve");
    let click_id = click(&node);
    order(&node, "BX-1", &click_id);
    order(&node, "BX-2", "");
    // Decided on the click id first, and on the click's own event as soon as that was read.
    let won = decision_with(&node, "bx-1", "\"known\":1");
    assert!(
        won.contains("\"status\":\"ATTRIBUTED\"") && won.contains("\"winner\":\"lea\""),
        "{won}"
    );
    assert!(decision(&node, "BX-2").contains("\"status\":\"UNATTRIBUTED\""));
    assert_eq!(node.get("/v1/trace?order=BX-3").0, 404);
    assert_eq!(node.get("/v1/trace").0, 400);
    let (code, _, err) = place.said(&["rebuild"]);
    assert_eq!(code, 1, "a node runs: {err}");
    node.stop();

    let (code, out, err) = place.said(&["trace", "BX-1", "--verify"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("lea") && out.contains("bit for bit"), "{out}");

    // A revision that was due when the node stopped may be said by the first one.
    let rebuild = || {
        let (code, out, err) = place.said(&["rebuild"]);
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("2 reports") && out.contains("2 orders"), "{out}");
        records(&place, "conversions.attributed")
    };
    let before = rebuild();
    assert!(rebuild() == before, "nothing is said again");

    let node = Node::start(&place, "serve");
    assert_eq!(decision(&node, "BX-1"), won);
    node.stop();
}

#[test]
fn an_edge_alone_records_and_a_node_decides_later() {
    let place = Place::new();
    let edge = Node::start(&place, "edge");
    order(&edge, "BX-1", &click(&edge));
    assert_eq!(edge.get("/v1/trace?order=BX-1").0, 404);
    edge.stop();
    let node = Node::start(&place, "serve");
    assert!(decision(&node, "BX-1").contains("\"winner\":\"lea\""));
    node.stop();
}

#[test]
fn the_same_order_id_in_two_goals_is_asked_about() {
    let place = Place::new();
    let node = Node::start(&place, "serve");
    for goal in ["sale", "lead"] {
        order(&node, &format!("BX-1&goal={goal}"), "");
    }
    let asked = Instant::now();
    while node.get("/v1/trace?order=BX-1").0 != 300 {
        assert!(asked.elapsed() < Duration::from_secs(20));
        sleep(Duration::from_millis(20));
    }
    node.stop();
    let (code, _, err) = place.said(&["trace", "BX-1"]);
    assert_eq!(code, 1);
    assert!(err.contains("--program shop --goal lead"), "{err}");
    assert!(err.contains("--program shop --goal sale"), "{err}");
    assert_eq!(place.said(&["trace", "BX-1", "--goal", "lead"]).0, 0);
}
