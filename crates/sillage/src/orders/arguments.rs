//! The command line of `sillage orders`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use event::Code;
use event::body::{Action, OrderState};

use super::amount::Mark;
use crate::cli::ConfigArgument;

#[derive(Debug, Args)]
pub(crate) struct OrdersArguments {
    #[command(subcommand)]
    pub(crate) command: OrdersCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrdersCommand {
    /// Validates the orders of a file.
    Approve(FileArguments),
    /// Declines the orders of a file, each for a reason: column code, 701 to 708.
    Decline(FileArguments),
    /// Takes approvals and declines of the orders of a file back.
    Reopen(FileArguments),
    /// Says what came back of the orders of a file, in all so far.
    Return(FileArguments),
    /// Gives the orders of a file other values from their beginning.
    Amend(FileArguments),
    /// Lists orders with their state and commission.
    List(ListArguments),
}

impl OrdersCommand {
    /// What is done to the orders of a file; none for the list.
    pub(crate) const fn act(&self) -> Option<(Action, &FileArguments)> {
        match self {
            Self::Approve(file) => Some((Action::Approve, file)),
            Self::Decline(file) => Some((Action::Decline, file)),
            Self::Reopen(file) => Some((Action::Reopen, file)),
            Self::Return(file) => Some((Action::Return, file)),
            Self::Amend(file) => Some((Action::Amend, file)),
            Self::List(_) => None,
        }
    }
}

/// Without `--apply` nothing is changed: the faults of the file, the orders that would change and the difference in
/// commission are shown.
#[derive(Debug, Args)]
pub(crate) struct FileArguments {
    /// Program of the orders.
    #[arg(long, value_name = "NAME")]
    pub(crate) program: String,
    /// File with a header and one order a row (docs/orders.md); several rows of one order are its lines in a return or
    /// an amend. At most 200,000 rows and 64 MiB.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: PathBuf,
    /// Name of this batch: rows that were applied under it before, by the same command and with the same meaning, are
    /// not applied again. Default: made of what is done and of what all rows mean, in whatever order.
    #[arg(long, value_name = "ID")]
    pub(crate) batch: Option<String>,
    /// What stands before the decimals of all amounts; needed only if a file does not show it, as in 1.234.
    #[arg(long, value_enum, value_name = "MARK")]
    pub(crate) decimal_mark: Option<Mark>,
    /// Whether one faulty row keeps all of them from being applied, or only itself.
    #[arg(long, value_enum, default_value_t = Rows::All)]
    pub(crate) rows: Rows,
    /// Applies the file.
    #[arg(long)]
    pub(crate) apply: bool,
    /// Where the edge of the running node is; default: the first of `edge.listen`.
    #[arg(long, value_name = "URL")]
    pub(crate) edge: Option<String>,
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
}

/// What a faulty row does to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rows {
    /// All rows or none.
    All,
    /// Each row that is good.
    Each,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Program of the orders.
    #[arg(long, value_name = "NAME")]
    pub(crate) program: String,
    /// Only orders in this state: pending, approved, declined, held, locked, paid or reversed.
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub(crate) state: Option<OrderState>,
    /// Only orders with this reason code, such as 110.
    #[arg(long, value_name = "CODE", value_parser = code)]
    pub(crate) code: Option<Code>,
    /// Only orders of this partner.
    #[arg(long, value_name = "NAME")]
    pub(crate) partner: Option<String>,
    /// Prints order_id and goal only, as a file for the other commands.
    #[arg(long)]
    pub(crate) ids: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArgument,
}

fn state(word: &str) -> Result<OrderState, String> {
    let words = || OrderState::ALL.map(OrderState::as_str).join(", ");
    OrderState::from_word(word).ok_or_else(|| format!("give one of {}", words()))
}

fn code(text: &str) -> Result<Code, String> {
    let code = text.parse().ok().and_then(Code::from_number);
    code.ok_or_else(|| "give the number of a reason code, such as 110".to_owned())
}
