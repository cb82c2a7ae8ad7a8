//! The demo, as a newcomer runs it: a short play must end without a difference, and say so by its exit code.

use std::process::Command;

use serde_json::Value;
use tests::server::binary;

#[test]
fn a_short_play_agrees_with_its_truth_and_says_all_figures() {
    let played = Command::new(binary())
        .args(["demo", "--seconds", "10", "--rate", "60", "--json"])
        .output()
        .expect("run the demo");
    let said = String::from_utf8_lossy(&played.stdout).into_owned();
    let figures: Value = serde_json::from_str(&said).expect("one JSON object");
    println!("{said}");
    assert_eq!(figures["expected_differences"], 0, "{said}");
    assert_eq!(figures["in_flight"], 0, "{said}");
    assert_eq!(figures["books_balanced"], true, "{said}");
    assert_eq!(figures["recomputed_difference_micros"], 0, "{said}");
    assert!(figures["commission_micros"]["EUR"].as_i64().is_some_and(|n| n > 0), "{said}");
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    for figure in ["accepted", "stored", "conversions_unique", "duplicates", "attributed"] {
        assert!(figures[figure].as_u64().is_some_and(|n| n > 0), "{figure}: {said}");
    }
    let rejected = figures["rejected"].as_object().expect("counts by code");
    let rejected: u64 = rejected.values().filter_map(Value::as_u64).sum();
    assert_eq!(figures["accepted"], figures["stored"].as_u64().unwrap() + rejected, "{said}");
}

#[test]
fn a_length_that_is_none_is_refused_with_its_range() {
    let refused = Command::new(binary()).args(["demo", "--seconds", "0"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(64));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("5..=3600"), "{said}");
}
