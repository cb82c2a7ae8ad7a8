//! The binary: one subcommand per role; wiring only.
//!
//! Exit codes: 0 done, 1 failed, 64 the command line, the configuration or the catalog is wrong and nothing was started.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line answers on the terminal"
)]

mod backup;
mod books;
mod catalog_file;
mod check_config;
mod cli;
mod clock;
mod config;
mod decide;
mod demo;
mod export;
#[cfg(test)]
mod fresh;
mod keygen;
mod keys;
mod loss;
mod node;
mod orders;
mod rebuild;
mod reports;
mod retention;
mod serve;
mod signals;
mod stages;
mod topics;
mod trace;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Arguments, Command};
use config::Faults;
use node::Roles;

/// Version of this binary.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Commit it was built from, if the build says so.
const COMMIT: &str = match option_env!("SILLAGE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// What every part measures; the recorder takes buckets and help texts from here.
const METRICS: &[&[telemetry::Metric]] = &[
    edge::METRICS,
    eventlog::METRICS,
    catalog_file::METRICS,
    dedup::METRICS,
    attribution::METRICS,
    ledger::METRICS,
    report::METRICS,
    stages::METRICS,
    loss::METRICS,
    retention::METRICS,
];

/// The command line, the configuration or the catalog is wrong (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
            // Standard error may be closed: there is nobody left to tell.
            return error.print().map_or(ExitCode::FAILURE, |()| code);
        }
    };
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            if let Some(Faults(lines)) = error.downcast_ref() {
                let count = match lines.len() {
                    1 => "1 fault".to_owned(),
                    more => format!("{more} faults"),
                };
                eprintln!("{error}\nsillage: {count}; nothing was started");
                return ExitCode::from(USAGE);
            }
            eprintln!("sillage: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let ran = match command {
        Command::Demo(arguments) => return demo::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments.config, Roles::All),
        Command::Edge(arguments) => serve::run(&arguments.config, Roles::Edge),
        Command::CheckConfig(arguments) => check_config::run(&arguments.config),
        Command::Keygen(arguments) => keygen::run(arguments),
        Command::Orders(arguments) => return orders::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Decide(arguments) => decide::run(&arguments),
        Command::Books(arguments) => books::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Payout(arguments) => books::pay(&arguments),
        Command::Report(arguments) => reports::run(&arguments),
        Command::Transactions(arguments) => reports::run_transactions(&arguments),
        Command::Topics(arguments) => return topics::run(&arguments),
        Command::Rebuild(arguments) => rebuild::run(&arguments.config),
        Command::Backup(arguments) => backup::run(&arguments.config.config, &arguments.folder),
        Command::Restore(arguments) => backup::restore(&arguments.config.config, &arguments.folder),
    };
    ran.map(|()| ExitCode::SUCCESS)
}
