//! `sillage books`: the book as sorted lines, its accounts, and whether anybody edited it. Reads the file of the ledger, also
//! while a node keeps it.

pub(crate) mod day;
#[cfg(test)]
mod feed;
mod payout;
mod routes;

use std::io::{BufWriter, Write as _};

use anyhow::{Context as _, bail};
use ledger::Reader;

use crate::cli::BooksArguments;
use crate::{config, stages};
pub(crate) use payout::run as pay;
pub(crate) use routes::mount;

/// Prints the book of the configuration.
pub(crate) fn run(arguments: &BooksArguments) -> anyhow::Result<()> {
    let config = config::from_environment(&arguments.config.config)?;
    let folder = stages::state_folder(&config.node.data_folder, "ledger");
    let reader = Reader::open(&folder).with_context(|| {
        format!(
            "read the book in {}: has `sillage serve` run with this configuration?",
            folder.display()
        )
    })?;
    if arguments.verify {
        return match reader.verify()? {
            Ok(changes) => {
                println!(
                    "the book is whole: {changes} changes, each hangs together with the one before"
                );
                Ok(())
            }
            Err(fault) => bail!("{fault}"),
        };
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    if arguments.accounts {
        for (account, currency, amount) in reader.accounts()? {
            writeln!(out, "{account}\t{currency}\t{amount}")?;
        }
    } else {
        reader.books(arguments.program.as_deref(), |line| writeln!(out, "{line}"))?;
    }
    Ok(out.flush()?)
}
