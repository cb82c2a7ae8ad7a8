//! Which crate may name which: the walls of the design.
//!
//! `event ← {catalog, eventlog} ← {edge, dedup, attribution, ledger, report} ← sillage`; `telemetry` is a leaf that any but `event`
//! may use; `testkit` is for tests; stages never import each other.

use serde::Deserialize;

/// What `cargo metadata` says, as far as the rules need it.
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
}

#[derive(Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    /// Absent for members of this workspace.
    pub(super) source: Option<String>,
    #[serde(default)]
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// Absent for a normal dependency, else `dev` or `build`.
    pub(super) kind: Option<String>,
    /// Present if it stands in this repository.
    pub(super) path: Option<String>,
}

impl Metadata {
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }
}

struct Rule {
    name: &'static str,
    /// Edges that must exist: without them the crate is not what its place in the picture says.
    must: &'static [&'static str],
    /// Edges that may exist besides.
    may: &'static [&'static str],
    /// Edges that may exist in tests besides.
    tests: &'static [&'static str],
}

const RULES: [Rule; 14] = [
    Rule { name: "event", must: &[], may: &[], tests: &[] },
    Rule { name: "telemetry", must: &[], may: &[], tests: &[] },
    Rule {
        name: "catalog",
        must: &["event"],
        may: &["eventlog", "telemetry"],
        tests: &["testkit"],
    },
    Rule { name: "eventlog", must: &["event"], may: &["telemetry"], tests: &["testkit"] },
    Rule { name: "edge", must: STAGE, may: &["telemetry"], tests: &["testkit"] },
    Rule { name: "dedup", must: STAGE, may: &["telemetry"], tests: &["testkit"] },
    Rule { name: "attribution", must: STAGE, may: &["telemetry"], tests: &["testkit"] },
    Rule { name: "ledger", must: STAGE, may: &["telemetry"], tests: &["testkit"] },
    Rule { name: "report", must: STAGE, may: &["telemetry"], tests: &["testkit"] },
    Rule {
        name: "sillage",
        must: &[
            "attribution",
            "catalog",
            "dedup",
            "edge",
            "event",
            "eventlog",
            "ledger",
            "report",
            "telemetry",
        ],
        may: &[],
        tests: &["testkit"],
    },
    Rule { name: "testkit", must: &["event", "eventlog"], may: &["catalog"], tests: &[] },
    Rule { name: "xtask", must: &[], may: &[], tests: &[] },
    Rule { name: "tests", must: &[], may: EVERY_LIBRARY, tests: EVERY_LIBRARY },
    Rule { name: "benches", must: &[], may: EVERY_LIBRARY, tests: EVERY_LIBRARY },
];

const STAGE: &[&str] = &["catalog", "event", "eventlog"];

const EVERY_LIBRARY: &[&str] = &[
    "attribution",
    "catalog",
    "dedup",
    "edge",
    "event",
    "eventlog",
    "ledger",
    "report",
    "telemetry",
    "testkit",
];

/// Foreign crates that only these members may name, so that a change of library stays in one place.
const OWNERS: [(&str, &[&str]); 8] = [
    ("anyhow", &["sillage", "xtask", "tests", "benches"]),
    ("clap", &["sillage", "xtask", "tests", "benches"]),
    ("fjall", &["dedup", "attribution"]),
    ("hyper", &["edge", "telemetry"]),
    ("hyper-util", &["edge", "telemetry"]),
    ("metrics-exporter-prometheus", &["telemetry"]),
    ("tracing-subscriber", &["telemetry"]),
    ("toml_edit", &["catalog", "sillage"]),
];

/// Edges between members that the picture does not have, and edges of the picture that are gone.
pub(super) fn edges(metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    for package in metadata.members() {
        let Some(rule) = RULES.iter().find(|rule| rule.name == package.name) else {
            findings.push(format!("{}: this crate has no place in tidy's graph yet", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|edge| edge.path.is_some()) {
            let name = dependency.name.as_str();
            let in_tests = dependency.kind.as_deref() == Some("dev");
            let allowed = rule.must.contains(&name)
                || rule.may.contains(&name)
                || in_tests && rule.tests.contains(&name);
            if !allowed {
                let what = if in_tests { "in tests" } else { "at all" };
                findings.push(format!("{}: must not depend on {name} {what}", package.name));
            }
        }
        for must in rule.must {
            let has = |edge: &Dependency| edge.name == *must && edge.kind.is_none();
            if !package.dependencies.iter().any(has) {
                findings.push(format!("{}: is expected to depend on {must}", package.name));
            }
        }
    }
    findings
}

/// Foreign crates named outside of their owners.
pub(super) fn owners(metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    for package in metadata.members() {
        for (foreign, owners) in OWNERS {
            let named = package
                .dependencies
                .iter()
                .any(|edge| edge.name == foreign && edge.kind.as_deref() != Some("dev"));
            if named && !owners.contains(&package.name.as_str()) {
                let owners = owners.join(" and ");
                findings.push(format!("{}: only {owners} may name {foreign}", package.name));
            }
        }
    }
    findings
}
