//! Rules for single files: first line, names, no machine's paths, no test switched off.

use super::File;

/// Module names that say nothing, and words of the field that we do not use.
const REFUSED_MODULES: [&str; 19] = [
    "mod",
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "misc",
    "types",
    "consts",
    "manager",
    "processor",
    "data",
    "info",
    "hit",
    "tap",
    "affiliate",
    "publisher",
    "offer",
    "campaign",
];

/// Endings of type names that say nothing, and words of the field that we do not use.
const REFUSED_TYPES: [&str; 10] = [
    "Manager",
    "Processor",
    "Data",
    "Info",
    "Util",
    "Helper",
    "Affiliate",
    "Publisher",
    "Offer",
    "Campaign",
];

/// A source file that does not say what it is for.
pub(super) fn first_line(file: &File) -> Option<String> {
    let opens =
        file.text.lines().next().is_some_and(|line| {
            line.strip_prefix("//! ").is_some_and(|text| !text.trim().is_empty())
        });
    (!opens).then(|| format!("{}: the first line must be `//! …`", file.path))
}

/// Refused names of modules and types.
pub(super) fn names(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    let stem = file.path.rsplit('/').next().and_then(|name| name.strip_suffix(".rs"));
    if let Some(stem) = stem
        && REFUSED_MODULES.contains(&stem)
    {
        findings.push(format!("{}: `{stem}` is refused as a module name", file.path));
    }
    for (index, line) in file.text.lines().enumerate() {
        if let Some(name) = declared(line)
            && let Some(refused) = REFUSED_TYPES.iter().find(|refused| name.ends_with(**refused))
        {
            let number = index + 1;
            findings.push(format!("{}:{number}: `{refused}` is refused in `{name}`", file.path));
        }
    }
    findings
}

/// The name of the type that a line declares.
fn declared(line: &str) -> Option<&str> {
    let mut words = line.split_ascii_whitespace();
    let mut word = words.next()?;
    if word.starts_with("pub") {
        word = words.next()?;
    }
    if !matches!(word, "struct" | "enum" | "trait" | "type" | "union") {
        return None;
    }
    words.next()?.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// Tests that do not run, or that pass by failing.
pub(super) fn switched_off(file: &File) -> Vec<String> {
    let refused = [concat!("#[ig", "nore"), concat!("#[should_", "panic")];
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for refused in refused {
            if line.trim_start().starts_with(refused) {
                findings.push(format!("{}:{}: `{refused}` is refused", file.path, index + 1));
            }
        }
    }
    findings
}

/// Paths that exist on one machine only.
pub(super) fn machine_paths(file: &File) -> Vec<String> {
    // In pieces, so that this file passes.
    let refused = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/Us", "ers/"),
    ];
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for refused in refused {
            let absolute = line.match_indices(refused).any(|(at, _)| {
                // `a/home/b` is a relative path or a URL's.
                let before = line.get(..at).and_then(|before| before.chars().next_back());
                !before.is_some_and(|c| c.is_alphanumeric() || "._-/}*".contains(c))
            });
            if absolute {
                findings.push(format!(
                    "{}:{}: a path below {refused} exists on one machine only",
                    file.path,
                    index + 1
                ));
            }
        }
    }
    findings
}
