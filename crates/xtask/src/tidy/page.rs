//! Rules for pages: one title each, and an architecture page that names every crate.

use super::File;
use super::graph::Metadata;

/// A page without exactly one title of the first level.
pub(super) fn one_title(file: &File) -> Option<String> {
    let mut in_code = false;
    let mut titles = 0;
    for line in file.text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if !in_code && line.starts_with("# ") {
            titles += 1;
        }
    }
    (titles != 1).then(|| format!("{}: has {titles} titles (`# …`), needs one", file.path))
}

/// Crates that ARCHITECTURE.md does not name.
pub(super) fn architecture(files: &[File], metadata: &Metadata) -> Vec<String> {
    let Some(page) = files.iter().find(|file| file.path == "ARCHITECTURE.md") else {
        return vec!["ARCHITECTURE.md: is missing".to_owned()];
    };
    metadata
        .members()
        .filter(|package| {
            let names = [format!("`{}`", package.name), format!("`crates/{}`", package.name)];
            !names.iter().any(|name| page.text.contains(name))
        })
        .map(|package| format!("ARCHITECTURE.md: does not name the crate `{}`", package.name))
        .collect()
}
