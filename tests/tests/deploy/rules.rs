//! The alert rules: each is right in itself, fires and does not fire, and leads to what is to be done.

use std::collections::BTreeSet;
use std::process::Command;

use tests::skip;

use crate::query::Metrics;
use crate::{path, text};

const RULES: &str = "deploy/prometheus/rules.yml";
const CASES: &str = "deploy/prometheus/rules.test.yml";
const RUNBOOK: &str = "docs/runbook.md";

/// A rule, as it stands in the file: one field a line, or a query folded over several.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) alert: String,
    pub(crate) query: String,
    annotations: Vec<(String, String)>,
}

/// Every rule of the file.
pub(crate) fn rules() -> Vec<Rule> {
    let file = text(RULES);
    let blocks = file.split("- alert: ").skip(1);
    let read = |block: &str| {
        let (alert, fields) = block.split_once('\n').expect("an alert has fields");
        let (_, behind) = fields.split_once("expr: ").expect("an alert has a query");
        let (query, _) = behind.split_once("labels:").expect("an alert has labels");
        let query = query.split("for: ").next().unwrap_or(query).trim_start_matches(">-");
        let (_, behind) = fields.split_once("annotations:\n").expect("an alert has annotations");
        let annotations = behind.lines().map_while(|line| line.trim().split_once(": "));
        Rule {
            alert: alert.to_owned(),
            query: query.split_whitespace().collect::<Vec<_>>().join(" "),
            annotations: annotations.map(|(name, text)| (name.into(), text.into())).collect(),
        }
    };
    let rules: Vec<Rule> = blocks.map(read).collect();
    assert!(rules.len() > 20, "the rules are read: {}", rules.len());
    rules
}

/// The anchors of a page's titles.
fn anchors(page: &str) -> BTreeSet<String> {
    let titles = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |title: &str| {
        let words = title.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
    };
    titles.map(anchor).collect()
}

#[test]
fn every_alert_says_what_it_means_for_pay_and_leads_to_a_section_of_the_runbook() {
    let anchors = anchors(&text(RUNBOOK));
    for rule in rules() {
        let of = |name| rule.annotations.iter().find(|(known, _)| known == name);
        for name in ["summary", "pay"] {
            assert!(of(name).is_some_and(|(_, text)| text.len() > 20), "{name} of {}", rule.alert);
        }
        let (_, url) = of("runbook_url").unwrap_or_else(|| panic!("runbook of {}", rule.alert));
        let (page, anchor) = url.split_once('#').expect("a section");
        assert_eq!(page, RUNBOOK, "{}", rule.alert);
        assert!(anchors.contains(anchor), "{}: no section #{anchor} in {anchors:?}", rule.alert);
    }
}

#[test]
fn every_alert_asks_for_metrics_and_labels_that_the_program_has() {
    let metrics = Metrics::read();
    for rule in rules() {
        assert_eq!(metrics.unknown(&rule.query), [""; 0], "{}: {}", rule.alert, rule.query);
    }
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_on_one_node_and_not_on_the_other() {
    let cases = text(CASES);
    for rule in rules() {
        let fires = format!("alertname=\"{}\",instance=\"bad\"", rule.alert);
        assert!(cases.contains(&fires), "{} never fires in {CASES}", rule.alert);
    }
    for case in cases.split("  - name: ").skip(1) {
        let name = case.lines().next().unwrap_or_default();
        let full = name.contains("in full");
        assert!(full || case.contains("instance=\"good\""), "no node that is well in {name}");
    }
}

#[test]
fn promtool_finds_the_rules_right_and_every_case_as_expected() {
    for (what, file) in [("check", RULES), ("test", CASES)] {
        let mut promtool = Command::new("promtool");
        let Ok(said) = promtool.args([what, "rules"]).arg(path(file)).output() else {
            skip("promtool");
            return;
        };
        let (out, err) =
            (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        assert!(said.status.success(), "promtool {what} rules {file}\n{out}\n{err}");
    }
}
