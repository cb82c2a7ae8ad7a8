//! Which metrics and labels a query names, and whether the program has them.

use std::collections::{BTreeMap, BTreeSet};

use crate::text;

/// Labels that the scrape itself adds.
const OF_THE_SCRAPE: [&str; 2] = ["instance", "job"];

/// Words of the language before a list of labels.
const LABEL_LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Words of the language that name nothing.
const WORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// A metric with its matchers, as it stands in a query.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) labels: Vec<String>,
    /// The whole of it, which is a query of its own.
    pub(crate) text: String,
}

/// What a query names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) selectors: BTreeSet<Selector>,
    /// Labels that results are grouped or matched by.
    pub(crate) grouped: BTreeSet<String>,
    /// Texts: among them the labels that `label_replace` makes.
    pub(crate) texts: BTreeSet<String>,
}

/// The first `n` bytes of `rest`, which is then what follows.
fn take<'a>(rest: &mut &'a str, n: usize) -> &'a str {
    let (taken, behind) = rest.split_at(n);
    *rest = behind;
    taken
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len())
}

fn closed(text: &str, by: char) -> usize {
    text.find(by).unwrap_or_else(|| panic!("no {by} in {text}")) + 1
}

/// Whether the word before is a function: `rate(…)`, `sum by (…) (…)`.
fn calls(behind: &str) -> bool {
    behind.starts_with('(') || LABEL_LISTS[..2].contains(&&behind[..word_length(behind)])
}

/// Reads a query; no regular expression in it may hold a brace or a quote.
pub(crate) fn names(query: &str) -> Named {
    let mut named = Named::default();
    let mut rest = query;
    while let Some(next) = rest.chars().next() {
        match next {
            '"' => {
                take(&mut rest, 1);
                let length = closed(rest, '"');
                named.texts.insert(take(&mut rest, length).trim_end_matches('"').to_owned());
            }
            '[' => {
                let length = closed(rest, ']');
                take(&mut rest, length);
            }
            // A number or a duration.
            '0'..='9' => {
                let length = word_length(rest);
                take(&mut rest, length);
            }
            'a'..='z' | 'A'..='Z' | '_' | ':' => {
                let length = word_length(rest);
                let word = take(&mut rest, length);
                let behind = rest.trim_start();
                if LABEL_LISTS.contains(&word) {
                    rest = behind;
                    let length = closed(rest, ')');
                    let list = take(&mut rest, length).trim_matches(['(', ')']);
                    named.grouped.extend(list.split(',').map(|label| label.trim().to_owned()));
                } else if behind.starts_with('{') {
                    rest = behind;
                    let length = closed(rest, '}');
                    let matchers = take(&mut rest, length);
                    named.selectors.insert(Selector {
                        metric: word.to_owned(),
                        labels: labels(matchers),
                        text: format!("{word}{matchers}"),
                    });
                } else if !WORDS.contains(&word) && !calls(behind) {
                    named.selectors.insert(Selector {
                        metric: word.to_owned(),
                        text: word.to_owned(),
                        ..Selector::default()
                    });
                }
            }
            other => {
                take(&mut rest, other.len_utf8());
            }
        }
    }
    named
}

/// The labels of `{a="x",b=~"y"}`.
fn labels(matchers: &str) -> Vec<String> {
    let inside = matchers.trim_matches(['{', '}']);
    let pieces = inside.split('"').step_by(2);
    let names = pieces.map(|piece| piece.trim_matches([',', ' ', '=', '~', '!']).to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// The metrics of the program and their labels, by every name under which they are scraped.
pub(crate) struct Metrics(BTreeMap<String, BTreeSet<String>>);

impl Metrics {
    /// As `docs/metrics.md` lists them, which is written from the code.
    pub(crate) fn read() -> Self {
        let mut all = BTreeMap::from([("up".to_owned(), BTreeSet::new())]);
        for line in text("docs/metrics.md").lines() {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let name = cells.next().and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
            let (Some(name), Some(kind), Some(list)) = (name, cells.next(), cells.next()) else {
                continue;
            };
            let of = list.split(", ").filter(|label| !label.is_empty());
            let of: BTreeSet<String> = of.map(ToOwned::to_owned).collect();
            if kind.starts_with("histogram") {
                let mut buckets = of.clone();
                buckets.insert("le".to_owned());
                all.insert(format!("{name}_bucket"), buckets);
                all.insert(format!("{name}_sum"), of.clone());
                all.insert(format!("{name}_count"), of);
            } else {
                all.insert(name.to_owned(), of);
            }
        }
        assert!(all.len() > 80, "the list of metrics is read: {}", all.len());
        Self(all)
    }

    /// What `query` names that the program does not have.
    pub(crate) fn unknown(&self, query: &str) -> Vec<String> {
        let named = names(query);
        let mut unknown = Vec::new();
        let mut known: BTreeSet<&str> = OF_THE_SCRAPE.into();
        known.extend(named.texts.iter().map(String::as_str));
        for selector in &named.selectors {
            let Some(of) = self.0.get(&selector.metric) else {
                unknown.push(format!("metric {}", selector.metric));
                continue;
            };
            known.extend(of.iter().map(String::as_str));
            for label in &selector.labels {
                if !of.contains(label) && !OF_THE_SCRAPE.contains(&label.as_str()) {
                    unknown.push(format!("label {label} of {}", selector.metric));
                }
            }
        }
        let grouped = named.grouped.iter().filter(|label| !known.contains(label.as_str()));
        unknown.extend(grouped.map(|label| format!("label {label}")));
        unknown
    }
}

#[test]
fn a_query_names_its_metrics_labels_and_groups() {
    let named = names(
        r#"histogram_quantile(0.99, sum by (le, kind) (rate(a_bucket{kind="x y", code!~"1|2"}[5m]))) > 1e3 and on (instance) b_total offset 1h or label_replace(c, "stage", "d", "", "")"#,
    );
    let said: Vec<_> =
        named.selectors.iter().map(|s| (s.metric.as_str(), s.labels.join(" "))).collect();
    assert_eq!(
        said,
        [("a_bucket", "kind code".to_owned()), ("b_total", String::new()), ("c", String::new())]
    );
    assert_eq!(named.grouped.into_iter().collect::<Vec<_>>(), ["instance", "kind", "le"]);
}

#[test]
fn what_the_program_does_not_have_is_told() {
    let metrics = Metrics::read();
    assert_eq!(metrics.unknown("sum by (code) (rate(edge_events_rejected_total[5m]))"), [""; 0]);
    assert_eq!(metrics.unknown("rate(edge_request_seconds_bucket[5m])"), [""; 0]);
    assert_eq!(metrics.unknown("edge_request_seconds"), ["metric edge_request_seconds"]);
    assert_eq!(metrics.unknown("edge_hits_total"), ["metric edge_hits_total"]);
    assert_eq!(
        metrics.unknown(r#"sum by (country) (edge_connections{core="1"})"#),
        ["label core of edge_connections", "label country"]
    );
}
