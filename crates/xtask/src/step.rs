//! Steps with a name, a duration and, on failure, the command that failed.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// A run of several steps; it stops at the first that fails.
pub(crate) struct Steps {
    total: usize,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// A run of `total` steps.
    pub(crate) const fn new(total: usize) -> Self {
        Self { total, done: Vec::new() }
    }

    /// Runs `step` and prints how long it took.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        println!("\n==> [{}/{}] {name}", self.done.len() + 1, self.total);
        let start = Instant::now();
        let result = step();
        let took = start.elapsed();
        let word = if result.is_ok() { "done" } else { "FAILED" };
        println!("<== {name}: {word} in {}", seconds(took));
        self.done.push((name, took));
        result.with_context(|| format!("step `{name}`"))
    }

    /// Prints the durations.
    pub(crate) fn finish(self) {
        println!("\nall {} steps passed:", self.total);
        for (name, took) in &self.done {
            println!("  {:>9}  {name}", seconds(*took));
        }
        println!("  {:>9}  in all", seconds(self.done.iter().map(|(_, took)| *took).sum()));
    }
}

fn seconds(took: Duration) -> String {
    let s = took.as_secs();
    if s < 60 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {:02} s", s / 60, s % 60)
    }
}

/// Runs `cargo` with the same toolchain as this process.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a prepared command; its failure names the command line.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = line(command);
    println!("    {line}");
    let status = command.status().with_context(|| format!("start `{line}`"))?;
    if status.success() { Ok(()) } else { bail!("`{line}` failed with {status}") }
}

fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    let mut line = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
