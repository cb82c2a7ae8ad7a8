//! The report on the admin listener, and the commands that ask it.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use report::View;
use report::query::REPORTS;
use report::transactions::TRANSACTIONS;
use telemetry::admin::{self, Admin};

use crate::cli::{ReportArguments, TransactionsArguments};
use crate::config;
use crate::stages::{Base, state_folder};

/// What answers for the report of a node.
pub(crate) fn view(base: &Base) -> View {
    let folder = state_folder(&base.config.node.data_folder, "report");
    View::new(&folder, Arc::clone(&base.catalog), Arc::clone(&base.clock))
}

/// Mounts everything that the report answers.
pub(crate) fn mount(admin: Admin, view: Option<View>) -> Admin {
    let Some(view) = view else { return admin };
    let of_report = view.clone();
    admin
        .route(REPORTS, move |query| of_report.answer_report(query))
        .route(TRANSACTIONS, move |query| view.answer_transactions(query))
}

/// Prints a report of the running node.
pub(crate) fn run(arguments: &ReportArguments) -> anyhow::Result<()> {
    let mut parameters = vec![("by", arguments.by.as_str()), ("basis", arguments.basis.as_str())];
    for (name, value) in [
        ("program", &arguments.program),
        ("partner", &arguments.partner),
        ("goal", &arguments.goal),
        ("from", &arguments.from),
        ("to", &arguments.to),
    ] {
        parameters.extend(value.as_deref().map(|value| (name, value)));
    }
    parameters.push(("format", &arguments.format));
    ask(&arguments.config.config, REPORTS, &parameters)
}

/// Prints transactions of a partner as the running node tells them.
pub(crate) fn run_transactions(arguments: &TransactionsArguments) -> anyhow::Result<()> {
    let limit = arguments.limit.to_string();
    let mut parameters = vec![("partner", arguments.partner.as_str()), ("limit", &limit)];
    for (name, value) in [
        ("program", &arguments.program),
        ("changed_since", &arguments.changed_since),
        ("after", &arguments.after),
    ] {
        parameters.extend(value.as_deref().map(|value| (name, value)));
    }
    parameters.extend([("lang", arguments.lang.as_str()), ("format", &arguments.format)]);
    ask(&arguments.config.config, TRANSACTIONS, &parameters)
}

/// Prints what the running node answers.
fn ask(file: &std::path::Path, path: &str, parameters: &[(&str, &str)]) -> anyhow::Result<()> {
    let config = config::from_environment(file)?;
    let answer = admin::get(config.admin.listen, path, parameters)
        .context("the report is asked of a running node: start `sillage serve` first")?;
    let text = String::from_utf8_lossy(&answer.body);
    match answer.status {
        200 => {
            print!("{text}");
            Ok(())
        }
        400 => Err(config::Faults::one(text.trim_end().to_owned()).into()),
        _ => bail!("{}", text.trim_end()),
    }
}
