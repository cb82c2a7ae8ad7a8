//! The demo, as a newcomer runs it: a short play must end without a difference, and say so by its exit code.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use expect_test::expect_file;
use regex::Regex;
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

/// Ports and the hour of the day differ from run to run; all else follows from the seed.
fn without_hours(said: &str) -> String {
    let masks = [
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"\d{4}-\d{2}-\d{2}T[\d:.]+Z", "INSTANT"),
        (r"\b\d{1,2} [A-Z][a-z]{2}( \d{2}:\d{2})?\b", "DATE"),
        (r"\b\d{4}-\d{2}-\d{2}\b", "DATE"),
    ];
    masks.into_iter().fold(said.to_owned(), |text, (pattern, word)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, word).into_owned()
    })
}

#[test]
fn a_play_prints_what_its_seed_says() {
    let played = Command::new(binary())
        .args(["demo", "--seconds", "10", "--rate", "60"])
        .output()
        .expect("run the demo");
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    let said = String::from_utf8_lossy(&played.stdout);
    // A machine that is too slow for the play is told of, and plays the same.
    let told: Vec<&str> =
        said.lines().filter(|line| !line.contains("began more than a second late")).collect();
    expect_file!["demo/printed.txt"].assert_eq(&without_hours(&format!("{}\n", told.join("\n"))));
}

#[test]
fn days_on_which_the_clocks_change_are_paid_as_the_truth_says() {
    // Twelve days, of which the first four are due: the third has 23 hours.
    let played = Command::new(binary())
        .args(["demo", "--seconds", "24", "--rate", "30", "--begin", "2027-03-26", "--json"])
        .output()
        .expect("run the demo");
    let said = String::from_utf8_lossy(&played.stdout).into_owned();
    let figures: Value = serde_json::from_str(&said).expect("one JSON object");
    assert_eq!(figures["expected_differences"], 0, "{said}");
    for paid in ["click", "impression"] {
        let days = figures["days_paid"][paid].as_array().expect("days");
        assert!(days.iter().any(|day| day == "2027-03-28"), "{paid}: {said}");
    }
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
}

#[test]
fn a_length_that_is_none_is_refused_with_its_range() {
    let refused = Command::new(binary()).args(["demo", "--seconds", "0"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(64));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("5..=3600"), "{said}");
    for (day, why) in [("soon", "give a day"), ("1969-01-01", "give a year of 2025..=2060")] {
        let refused = Command::new(binary()).args(["demo", "--begin", day]).output().unwrap();
        assert_eq!(refused.status.code(), Some(64));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains(why), "{said}");
    }
}
