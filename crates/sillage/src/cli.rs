//! The command line: one subcommand per role, and the tools around them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::demo::DemoArguments;
use crate::orders::arguments::OrdersArguments;

/// Tracks which partner brought which sale, and says why.
#[derive(Debug, Parser)]
#[command(name = "sillage", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs every role in this process: edge, dedup, attribution, ledger.
    Serve(ConfigArgument),
    /// Runs the edge alone: answers and records, decides nothing.
    Edge(ConfigArgument),
    /// Reads the configuration and the catalog and lists every fault by file, line and column.
    CheckConfig(ConfigArgument),
    /// Decides the events of a file without a server; prints one JSON line per order.
    Decide(DecideArguments),
    /// Shows why an order was credited as it was.
    Trace(TraceArguments),
    /// Says what became of the orders of a file, and lists orders: dry run first, then --apply.
    Orders(OrdersArguments),
    /// Prints the book: one line per order and partner, sorted, the same for the same facts.
    Books(BooksArguments),
    /// Prints events, decisions or transfers as JSON lines, as they stand on their topics.
    Export(ExportArguments),
    /// Shows what partners are to be paid up to a day, with --apply marks it as paid; without a day, the statements made.
    Payout(PayoutArguments),
    /// Shows clicks, orders, sales and commissions of a running node by partner, link, day …
    Report(ReportArguments),
    /// Shows a partner's orders of a running node as they changed, with status and reason in words.
    Transactions(TransactionsArguments),
    /// Makes the state of dedup, attribution, the ledger and the report anew from the topics; nothing else may run.
    Rebuild(ConfigArgument),
    /// Copies the topics as they are at one moment, also beside a running node: what is needed to restore.
    Backup(CopyArguments),
    /// Checks such a copy, puts it where the data should be and makes the state anew from it.
    Restore(CopyArguments),
    /// Makes the topics of the event log on Kafka, or says what about them is not as it must be.
    Topics(TopicsArguments),
    /// Makes the key file, or adds keys to it that sign an hour from now.
    Keygen(KeygenArguments),
    /// Plays a month of a shop in a minute over real HTTP and compares every decision with the truth.
    Demo(DemoArguments),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgument {
    /// Configuration file; `SILLAGE__SECTION__KEY` in the environment overrides its keys.
    #[arg(short, long, value_name = "FILE", default_value = "sillage.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    /// Folder of the copy.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
}

#[derive(Debug, Args)]
pub(crate) struct DecideArguments {
    /// Events: one envelope a line, as on the topics (docs/decide-format.md).
    #[arg(long, value_name = "FILE.jsonl")]
    pub(crate) events: PathBuf,
    /// Catalog with the terms.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) catalog: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArguments {
    /// Order id as the merchant sent it.
    #[arg(value_name = "ORDER")]
    pub(crate) order: Option<String>,
    /// Program of the order; needed if several have this order id.
    #[arg(long, value_name = "NAME")]
    pub(crate) program: Option<String>,
    /// Goal of the order, such as sale; needed if several have this order id.
    #[arg(long, value_name = "NAME")]
    pub(crate) goal: Option<String>,
    /// The test order of this id, not the real one.
    #[arg(long)]
    pub(crate) test: bool,
    /// For whom: ops, manager, or partner NAME, who sees no other partner.
    #[arg(long = "as", value_names = ["READER", "PARTNER"], num_args = 1..=2, default_value = "manager")]
    pub(crate) reader: Vec<String>,
    /// Decides again from what the trace holds and compares.
    #[arg(long)]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
}

#[derive(Debug, Args)]
pub(crate) struct BooksArguments {
    /// Only orders of this program.
    #[arg(long, value_name = "NAME")]
    pub(crate) program: Option<String>,
    /// Prints each account with its balance instead.
    #[arg(long)]
    pub(crate) accounts: bool,
    /// Goes through the whole book instead: each change hangs together with the one before, balances are the sums of their
    /// transfers. Exit code 1 if not.
    #[arg(long, conflicts_with = "accounts")]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// What to print.
    #[arg(value_enum)]
    pub(crate) what: Exported,
    /// Leaves out what was received before this day (UTC) or instant.
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
}

#[derive(Debug, Args)]
pub(crate) struct TopicsArguments {
    /// What to do.
    #[arg(value_enum)]
    pub(crate) what: TopicsAction,
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
}

/// What can be done about the topics on Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TopicsAction {
    /// Makes those that are not there, then checks all.
    Create,
    /// Names everything that differs from the configuration. Exit code 1 if anything does.
    Check,
}

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Exported {
    /// Touches, conversions, acts on orders, and refused events.
    Events,
    /// Every version of every decision, with its trace.
    Decisions,
    /// Every change in the book, with its transfers.
    Transfers,
}

#[derive(Debug, Args)]
pub(crate) struct PayoutArguments {
    /// The program.
    #[arg(long, value_name = "NAME")]
    pub(crate) program: String,
    /// Orders and days that were due before this day (in the program's time zone) or instant, and that are not paid yet.
    #[arg(long, value_name = "DATE", group = "which")]
    pub(crate) until: Option<String>,
    /// One statement that was made, again, by its id: as it was given then.
    #[arg(long, value_name = "ID", group = "which")]
    pub(crate) statement: Option<String>,
    /// Writes one line per statement and order or day into this file.
    #[arg(long, value_name = "FILE", requires = "which")]
    pub(crate) csv: Option<PathBuf>,
    /// Writes the statements with their orders and days into this file.
    #[arg(long, value_name = "FILE", requires = "which")]
    pub(crate) json: Option<PathBuf>,
    /// Marks the statements as paid. Without it nothing is changed.
    #[arg(long, requires = "until")]
    pub(crate) apply: bool,
    /// Who has it paid, for the books.
    #[arg(long, value_name = "NAME", requires = "apply")]
    pub(crate) actor: Option<String>,
    /// Of the statements made: those of this partner.
    #[arg(long, value_name = "NAME", conflicts_with = "which")]
    pub(crate) partner: Option<String>,
    /// Of the statements made: those behind this place, which a list ends with.
    #[arg(long, value_name = "PLACE", conflicts_with = "which")]
    pub(crate) after: Option<String>,
    /// Of the statements made: at most so many, 1 to 10000.
    #[arg(long, value_name = "COUNT", default_value_t = 100, conflicts_with = "which")]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Program; needed if there are several.
    #[arg(long, value_name = "NAME")]
    pub(crate) program: Option<String>,
    /// One partner only.
    #[arg(long, value_name = "NAME")]
    pub(crate) partner: Option<String>,
    /// Goal of the orders, such as lead; default sale, * for all.
    #[arg(long, value_name = "NAME")]
    pub(crate) goal: Option<String>,
    /// Rows: total, partner, segment, link, channel, day, customer, code, time, s1 … s10.
    #[arg(long, value_name = "GROUP", default_value = "partner")]
    pub(crate) by: String,
    /// The day of an order: its own (event) or that of its credited click (click).
    #[arg(long, value_name = "BASIS", default_value = "event")]
    pub(crate) basis: String,
    /// First day in the program's time zone, such as 2026-11-01; default: 30 days up to the last one.
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<String>,
    /// Last day; default today.
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<String>,
    /// How it is shown: table, csv or json.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: String,
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
}

#[derive(Debug, Args)]
pub(crate) struct TransactionsArguments {
    /// The partner.
    #[arg(long, value_name = "NAME")]
    pub(crate) partner: String,
    /// Program; needed if there are several.
    #[arg(long, value_name = "NAME")]
    pub(crate) program: Option<String>,
    /// Changes from this time on, such as 2026-11-03T14:22:05Z or 2026-11-03; default: all.
    #[arg(long, value_name = "TIME")]
    pub(crate) changed_since: Option<String>,
    /// Reads on behind the last answer: its `next` (JSON) or the last `place` (CSV).
    #[arg(long, value_name = "PLACE")]
    pub(crate) after: Option<String>,
    /// Most rows, 1 to 1000.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub(crate) limit: u32,
    /// Language of the reasons: en or fr.
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    pub(crate) lang: String,
    /// How it is shown: csv or json.
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub(crate) format: String,
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
}

#[derive(Debug, Args)]
pub(crate) struct KeygenArguments {
    /// Key file to make or to add to; default: `node.key_file` of the configuration.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Adds a key of this name for a program's callers or deep links, instead of new click and identity keys.
    #[arg(long, value_name = "NAME", requires = "program")]
    pub(crate) name: Option<String>,
    /// Program of the added key.
    #[arg(long, value_name = "NAME", requires = "name")]
    pub(crate) program: Option<String>,
    /// What the added key signs.
    #[arg(long, value_enum, default_value_t = Purpose::Call, requires = "name")]
    pub(crate) signs: Purpose,
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
}

/// What a program's key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Server-to-server calls.
    Call,
    /// Deep links.
    Link,
}

/// Who reads a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Ops,
    Manager,
    Partner(String),
}

impl TraceArguments {
    /// The reader and the order. `--as` takes one word or two, so it may have swallowed the order id behind it.
    pub(crate) fn reader_and_order(&self) -> Result<(Reader, String), String> {
        let mut words = self.reader.iter();
        let mut order = self.order.clone();
        let reader = match words.next().map(String::as_str) {
            Some("partner") => match words.next() {
                Some(name) => Reader::Partner(name.clone()),
                None => return Err("--as partner needs the partner's name".to_owned()),
            },
            Some(word @ ("ops" | "manager")) => {
                if let Some(swallowed) = words.next()
                    && order.replace(swallowed.clone()).is_some()
                {
                    return Err(format!("--as {word} takes no name: remove {swallowed:?}"));
                }
                if word == "ops" { Reader::Ops } else { Reader::Manager }
            }
            other => {
                let other = other.unwrap_or_default();
                return Err(format!("--as {other:?}: give ops, manager, or partner NAME"));
            }
        };
        let order = order.ok_or("give the order id, as the merchant sent it")?;
        Ok((reader, order))
    }

    /// What the admin listener is asked for.
    pub(crate) fn parameters<'a>(&'a self, order: &'a str) -> Vec<(&'static str, &'a str)> {
        let mut parameters = vec![("order", order)];
        parameters.extend(self.program.as_deref().map(|name| ("program", name)));
        parameters.extend(self.goal.as_deref().map(|name| ("goal", name)));
        parameters.extend(self.test.then_some(("test", "1")));
        parameters
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::{Arguments, Command, Reader};

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    fn trace(line: &str) -> Result<(Reader, String), String> {
        let words = ["sillage", "trace"].into_iter().chain(line.split_ascii_whitespace());
        let Command::Trace(arguments) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("no trace: {line}");
        };
        arguments.reader_and_order()
    }

    #[test]
    fn a_reader_may_stand_before_or_after_the_order() {
        let lea = || Reader::Partner("lea".into());
        assert_eq!(trace("BX-1").unwrap(), (Reader::Manager, "BX-1".into()));
        assert_eq!(trace("BX-1 --as ops").unwrap(), (Reader::Ops, "BX-1".into()));
        assert_eq!(trace("--as ops BX-1").unwrap(), (Reader::Ops, "BX-1".into()));
        assert_eq!(trace("--as partner lea BX-1").unwrap(), (lea(), "BX-1".into()));
        assert_eq!(trace("BX-1 --as partner lea").unwrap(), (lea(), "BX-1".into()));
    }

    #[test]
    fn a_reader_that_is_none_is_refused() {
        for wrong in ["BX-1 --as partner", "BX-1 --as boss", "--as manager", "BX-1 --as ops lea"] {
            assert!(trace(wrong).is_err(), "{wrong}");
        }
    }
}
