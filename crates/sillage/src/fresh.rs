//! Pages that are written from the code: the command line and the list of metrics.

use std::fmt::Write as _;

use clap::CommandFactory as _;
use expect_test::expect_file;
use telemetry::{Kind, Metric};

use crate::cli::Arguments;

#[test]
fn the_page_of_the_command_line_is_fresh() {
    let mut command = Arguments::command().term_width(100);
    let mut page = String::from(
        "# The command line\n\nWritten from the code by `cargo xtask docs`.\n\n\
         Exit codes: 0 done; 1 failed; 64 the command line, the configuration or the catalog is wrong and nothing\n\
         was started.\n",
    );
    let mut add = |title: &str, help: &str| {
        write!(page, "\n## {title}\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
    };
    add("sillage", &command.render_long_help().to_string());
    command.build();
    for role in command.get_subcommands_mut().filter(|role| role.get_name() != "help") {
        let title = format!("sillage {}", role.get_name());
        let help = role.clone().term_width(100).render_long_help().to_string();
        add(&title, &help);
        for inner in role.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
            let title = format!("{title} {}", inner.get_name());
            add(&title, &inner.clone().term_width(100).render_long_help().to_string());
        }
    }
    expect_file!["../../../docs/cli.md"].assert_eq(&page);
}

#[test]
fn the_page_of_the_metrics_is_fresh() {
    let mut page = String::from(
        "# Metrics\n\nWhat `/metrics` on the admin listener tells. Labels are closed sets. \
         Written from the code by\n`cargo xtask docs`.\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    let declared = crate::METRICS.iter().copied().flatten();
    for metric in declared.chain(telemetry::recorder::METRICS) {
        let Metric { name, kind, labels, buckets, help } = metric;
        let kind = match kind {
            Kind::Counter => "counter".to_owned(),
            Kind::Gauge => "gauge".to_owned(),
            Kind::Histogram => format!("histogram, {} buckets", buckets.len()),
        };
        writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
    }
    expect_file!["../../../docs/metrics.md"].assert_eq(&page);
}
