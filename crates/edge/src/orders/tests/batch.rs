//! Batches: one commit, one answer a line.

use http::StatusCode;

use super::{acts, answer, batch, rejections, signed_head};
use crate::orders::call::BATCH_LINES_MAX;
use crate::testbed::Testbed;

fn approve(order: &str) -> String {
    format!(r#"{{"order_id":"{order}","action":"approve"}}"#)
}

#[test]
fn each_line_is_answered_in_the_order_of_the_body() {
    let bed = Testbed::new();
    let body = [
        approve("A"),
        r#"{"order_id":"B","action":"decline"}"#.into(),
        "not json".into(),
        approve("A"),
        r#"{"order_id":"C","action":"approve","program":"other"}"#.into(),
    ]
    .join("\n");
    let told = batch(&bed, &body);
    assert_eq!(told.status, StatusCode::MULTI_STATUS);
    assert_eq!(told.headers["content-type"], "application/x-ndjson");
    assert_eq!(told.column("line"), ["1", "2", "3", "4", "5"]);
    let results = ["stored", "rejected", "rejected", "stored", "rejected"];
    assert_eq!(told.column("result"), results);
    assert_eq!(told.column("code"), ["0", "101", "101", "0", "109"]);
    assert_eq!(told.column("field"), ["null", "code", "null", "null", "program"]);
    assert_eq!(told.column("order_id"), ["A", "null", "null", "A", "null"]);
    let stored = acts(&bed);
    assert_eq!(stored.len(), 2, "the same line twice is two events");
    assert_eq!(stored[0].0.key, stored[1].0.key);
    assert_eq!(told.column("event_id")[0], stored[0].0.id.to_string());
    assert_eq!(told.column("event_id")[3], stored[1].0.id.to_string());
    let refused = rejections(&bed);
    assert_eq!(refused.len(), 3, "each refused line is an event");
    assert_eq!(told.column("event_id")[4], refused[2].0.id.to_string());
}

#[test]
fn all_lines_stored_is_200_however_lines_end_and_empty_ones_count_as_places_only() {
    let bed = Testbed::new();
    let (a, b) = (approve("A"), approve("B"));
    for (body, lines) in [
        (format!("{a}\n{b}"), ["1", "2"]),
        (format!("{a}\n{b}\n"), ["1", "2"]),
        (format!("{a}\r\n{b}\r\n"), ["1", "2"]),
        (format!("\n{a}\n \t\r\n{b}\n\n\n"), ["2", "4"]),
    ] {
        let told = batch(&bed, &body);
        assert_eq!(told.status, StatusCode::OK, "{body:?}: {}", told.body);
        assert_eq!(told.column("line"), lines);
        assert_eq!(acts(&bed).len(), 2);
    }
}

#[test]
fn a_body_without_lines_is_refused() {
    let bed = Testbed::new();
    for body in ["", "\n", "\r\n \n"] {
        let told = batch(&bed, body);
        let seen = (told.status.as_u16(), told.text("message"));
        assert_eq!(seen, (400, "the body has no line"), "{body:?}");
    }
    assert_eq!(rejections(&bed).len(), 3);
}

#[test]
fn a_thousand_lines_are_taken_and_of_one_more_none() {
    let bed = Testbed::new();
    let lines = |n: usize| vec![approve("A"); n].join("\n");
    let told = batch(&bed, &lines(BATCH_LINES_MAX));
    assert_eq!((told.status, told.lines.len()), (StatusCode::OK, 1_000));
    assert_eq!(acts(&bed).len(), 1_000);
    let told = batch(&bed, &lines(BATCH_LINES_MAX + 1));
    assert_eq!((told.status.as_u16(), told.code()), (413, 106));
    assert!(acts(&bed).is_empty());
}

#[test]
fn a_line_that_is_too_long_is_refused_and_the_rest_goes_on() {
    let bed = Testbed::new();
    let of = |bytes: usize| {
        let act = approve("A");
        format!("{}{}}}", &act[..act.len() - 1], " ".repeat(bytes - act.len()))
    };
    let told = batch(&bed, &[of(64 * 1024), of(64 * 1024 + 1), approve("B")].join("\n"));
    assert_eq!(told.status, StatusCode::MULTI_STATUS);
    assert_eq!(told.column("code"), ["0", "106", "0"]);
    assert_eq!(told.column("message")[1], "the line is longer than 64 KiB");
}

#[test]
fn a_batch_may_be_gzip() {
    use std::io::Write;
    let bed = Testbed::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all((approve("A") + "\n" + &approve("B")).as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let mut head = signed_head(&bed, super::BATCH, &body, "shop-1", 0);
    head.headers.insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(answer(&bed, &head, body).status, StatusCode::OK, "signed as it is sent");
    assert_eq!(acts(&bed).len(), 2);
}
