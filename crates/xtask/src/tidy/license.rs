//! What foreign code may enter: licences, sources, banned crates, versions twice.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Metadata;

/// Licences that ask for no more than a notice.
const LICENSES: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The one registry whose crates are taken.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

const BANNED: [(&str, &str); 3] = [
    ("openssl", "TLS is rustls: one implementation, in Rust, without a system library"),
    ("openssl-sys", "TLS is rustls: one implementation, in Rust, without a system library"),
    ("native-tls", "TLS is rustls: one implementation, in Rust, without a system library"),
];

/// Crates that stand in the tree in several versions, and why that is borne. One that no longer does is a finding too.
const DUPLICATES: [(&str, &str); 6] = [
    ("base64", "the metrics exporter is a version behind the demo's HTTP client"),
    ("getrandom", "proptest's and tempfile's random numbers are a version behind ours; tests only"),
    ("hashbrown", "fjall, the metrics exporter and indexmap each pin another one"),
    ("rand", "proptest is a version behind the metrics exporter; tests only"),
    ("rand_core", "comes with rand"),
    ("syn", "derive macros move to version 3 one by one; build time only"),
];

/// Packages whose licence does not allow us to ship them.
pub(super) fn licenses(metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let name = format!("{} {}", package.name, package.version);
        match package.license.as_deref() {
            None => findings.push(format!("{name}: states no licence")),
            Some(text) if !allows(text) => {
                findings.push(format!("{name}: licence {text:?} is not on the list"));
            }
            Some(_) => {}
        }
    }
    findings
}

/// Whether some choice in the SPDX expression needs only listed licences.
pub(super) fn allows(expression: &str) -> bool {
    // `/` is the old way to write OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_ascii_whitespace().collect();
    let mut at = 0;
    let allowed = any_of(&words, &mut at);
    allowed && at == words.len()
}

/// terms joined by `OR`
fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        allowed |= all_of(words, at);
    }
    allowed
}

/// terms joined by `AND`
fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        allowed &= one(words, at);
    }
    allowed
}

/// a licence, with its exception if it has one, or an expression in brackets
fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(&word) = words.get(*at) else { return false };
    *at += 1;
    if word == "(" {
        let allowed = any_of(words, at);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return allowed && closed;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return LICENSES.contains(&format!("{word} WITH {exception}").as_str());
    }
    LICENSES.contains(&word)
}

/// Packages that come from elsewhere than the registry.
pub(super) fn sources(metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    for package in &metadata.packages {
        if let Some(source) = &package.source
            && source != REGISTRY
        {
            findings.push(format!("{} {}: unknown source {source}", package.name, package.version));
        }
    }
    findings
}

/// Banned packages, with the reason.
pub(super) fn bans(metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    for package in &metadata.packages {
        for (banned, reason) in BANNED {
            if package.name == banned {
                findings.push(format!("{banned} is banned: {reason}"));
            }
        }
    }
    findings
}

/// Packages in several versions without a reason, and reasons without such a package.
pub(super) fn duplicates(metadata: &Metadata) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &metadata.packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let mut findings = Vec::new();
    for (name, versions) in &versions {
        let excused = DUPLICATES.iter().any(|(excused, _)| excused == name);
        if versions.len() > 1 && !excused {
            let list: Vec<&str> = versions.iter().copied().collect();
            findings.push(format!(
                "{name}: in versions {}; drop one or give a reason",
                list.join(" and ")
            ));
        }
    }
    for (name, _) in DUPLICATES {
        if versions.get(name).is_none_or(|versions| versions.len() < 2) {
            findings
                .push(format!("{name}: excused as a duplicate, but stands in one version only"));
        }
    }
    findings
}
