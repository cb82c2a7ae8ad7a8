//! The commands of `docs/orders.md`, run against a real edge; their answers are those that the page prints.

use event::{Body, Topic};

use crate::conversion::recipes::run;
use crate::harness::Starting;

const PAGE: &str = include_str!("../../../../../docs/orders.md");

#[test]
fn every_command_of_the_page_answers_what_the_page_says() {
    let edge = Starting::default().start();
    let Some(commands) = run(PAGE, &edge) else { return };
    assert!(commands >= 4, "{commands}");
    let events = edge.events(Topic::Conversions, 4);
    assert!(events.iter().all(|event| matches!(event.body, Body::Validation(_))));
}
