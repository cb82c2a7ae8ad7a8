//! `cargo xtask tidy`: rules that no compiler checks, each a pure function from text to findings.

mod graph;
mod license;
mod manifest;
mod page;
mod source;
#[cfg(test)]
mod tests;

use std::fs;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::step::cargo;
use graph::Metadata;

/// The platform whose dependencies are judged: the one we ship.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// How many of the longest source files are named.
const LONGEST: usize = 10;

/// A file of the repository: its path from the root, with `/`, and its text.
struct File {
    path: String,
    text: String,
}

/// Checks every rule and prints every finding.
pub(crate) fn run() -> anyhow::Result<()> {
    let metadata = metadata()?;
    let files = tracked()?;
    let mut findings = Vec::new();
    findings.extend(graph::edges(&metadata));
    findings.extend(graph::owners(&metadata));
    findings.extend(license::licenses(&metadata));
    findings.extend(license::sources(&metadata));
    findings.extend(license::bans(&metadata));
    findings.extend(license::duplicates(&metadata));
    findings.extend(page::architecture(&files, &metadata));
    for file in &files {
        findings.extend(source::machine_paths(file));
        if file.path.ends_with(".rs") {
            findings.extend(source::first_line(file));
            findings.extend(source::names(file));
            findings.extend(source::switched_off(file));
        } else if file.path.ends_with("Cargo.toml") {
            findings.extend(manifest::inherits(file));
        } else if file.path.ends_with(".md") {
            findings.extend(page::one_title(file));
        }
    }
    longest(&files);
    if findings.is_empty() {
        println!(
            "    tidy: {} files, {} packages, nothing found",
            files.len(),
            metadata.packages.len()
        );
        return Ok(());
    }
    for finding in &findings {
        println!("    {finding}");
    }
    bail!("tidy found {} broken rules", findings.len())
}

fn metadata() -> anyhow::Result<Metadata> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("start `cargo metadata`")?;
    if !output.status.success() {
        bail!("`cargo metadata --locked` failed: is Cargo.lock committed and up to date?");
    }
    serde_json::from_slice(&output.stdout).context("read what `cargo metadata` says")
}

/// Every text file that is tracked or would be.
fn tracked() -> anyhow::Result<Vec<File>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("start `git ls-files`")?;
    if !output.status.success() {
        bail!("`git ls-files` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let paths = String::from_utf8(output.stdout).context("read what `git ls-files` says")?;
    let mut files = Vec::new();
    for path in paths.split_terminator('\0') {
        // Binary fixtures and files deleted from the work tree are not text.
        if let Ok(text) = fs::read_to_string(path) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

fn longest(files: &[File]) {
    let mut sources: Vec<(usize, &str)> = files
        .iter()
        .filter(|file| file.path.ends_with(".rs"))
        .map(|file| (file.text.lines().count(), file.path.as_str()))
        .collect();
    sources.sort_unstable_by(|a, b| b.cmp(a));
    println!("    longest source files (past 500 lines, ask which second meaning moved in):");
    for (lines, path) in sources.iter().take(LONGEST) {
        println!("    {lines:>6} {path}");
    }
}
