//! The dashboards: every query names what the program has, and every panel says what it shows.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::query::Metrics;
use crate::text;

/// The dashboards, by the names of their files.
const NAMES: [&str; 3] = ["edge", "pipeline", "ledger"];

/// A panel and its queries.
#[derive(Debug)]
pub(crate) struct Panel {
    /// Dashboard and title.
    pub(crate) name: String,
    pub(crate) queries: Vec<String>,
    panel: Value,
}

fn dashboard(name: &str) -> Value {
    let file = format!("deploy/grafana/{name}.json");
    serde_json::from_str(&text(&file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Every panel that asks something.
pub(crate) fn panels() -> Vec<Panel> {
    let mut panels = Vec::new();
    for name in NAMES {
        let dashboard = dashboard(name);
        for panel in dashboard["panels"].as_array().expect("panels") {
            let title = panel["title"].as_str().expect("a title");
            let targets = panel["targets"].as_array().into_iter().flatten();
            let query = |target: &Value| target["expr"].as_str().expect("a query").to_owned();
            let queries: Vec<String> = targets.map(query).collect();
            if panel["type"] != "row" {
                assert!(!queries.is_empty(), "{name}: {title} asks nothing");
                let name = format!("{name}: {title}");
                panels.push(Panel { name, queries, panel: panel.clone() });
            }
        }
    }
    assert!(panels.len() > 40, "the dashboards are read: {}", panels.len());
    panels
}

#[test]
fn every_query_names_metrics_and_labels_that_the_program_has() {
    let metrics = Metrics::read();
    for Panel { name, queries, .. } in panels() {
        for query in queries {
            assert_eq!(metrics.unknown(&query), [""; 0], "{name}: {query}");
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() {
    for Panel { name, panel, .. } in panels() {
        assert!(panel["description"].as_str().is_some_and(|text| text.len() > 5), "{name}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}");
    }
}

#[test]
fn panels_have_numbers_of_their_own_and_none_lies_on_another() {
    for name in NAMES {
        let dashboard = dashboard(name);
        assert_eq!(dashboard["uid"], format!("sillage-{name}"));
        let (mut numbers, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard["panels"].as_array().expect("panels") {
            assert!(numbers.insert(panel["id"].as_u64()), "{name}: {}", panel["title"]);
            let of = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
            assert!(of("x") + of("w") <= 24, "{name}: {} is too wide", panel["title"]);
            for place in (of("x")..of("x") + of("w"))
                .flat_map(|x| (of("y")..of("y") + of("h")).map(move |y| (x, y)))
            {
                assert!(taken.insert(place), "{name}: {} lies on another", panel["title"]);
            }
        }
    }
}
