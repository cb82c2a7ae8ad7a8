//! `sillage payout`: a statement for each partner and currency, with its orders and days, as a table, CSV and JSON; with `--apply` marked as paid.
//!
//! The money itself is moved by whoever pays. The same payout again shows the same statements and pays nothing.
//! Without a day it lists the statements that were made, and gives one of them again by its id.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use event::body::{PayDay, Subject};
use event::{Currency, Micros, Millis};
use ledger::Statement;
use ledger::payout::{Line, Status};
use serde::de::DeserializeOwned;
use telemetry::admin::{self, Answer};

use super::routes::{MadeList, PAYOUTS, Statements, Wanted};
use crate::cli::PayoutArguments;
use crate::config::{self, Faults};

/// Asks the running node, prints what it says and writes statements into files.
pub(crate) fn run(arguments: &PayoutArguments) -> anyhow::Result<()> {
    let config = config::from_environment(&arguments.config.config)?;
    let address = config.admin.listen;
    let Statements { statements } = match (&arguments.until, &arguments.statement) {
        (Some(until), _) => {
            let program = &arguments.program;
            let wanted = Wanted {
                program: program
                    .parse()
                    .map_err(|error| Faults::one(format!("program {program:?}: {error}")))?,
                until: until.clone(),
                actor: arguments.actor.clone(),
                apply: arguments.apply,
            };
            let answer = admin::post(address, PAYOUTS, &[], &serde_json::to_vec(&wanted)?);
            read(&body(address, answer)?)?
        }
        (None, Some(id)) => {
            let asked = [("program", arguments.program.as_str()), ("statement", id)];
            read(&body(address, admin::get(address, PAYOUTS, &asked))?)?
        }
        (None, None) => {
            let limit = arguments.limit.to_string();
            let mut asked = vec![("program", arguments.program.as_str()), ("limit", &limit)];
            asked.extend(arguments.partner.as_deref().map(|name| ("partner", name)));
            asked.extend(arguments.after.as_deref().map(|place| ("after", place)));
            let list = read(&body(address, admin::get(address, PAYOUTS, &asked))?)?;
            print!("{}", made_table(&list, &arguments.program));
            return Ok(());
        }
    };
    if let Some(file) = &arguments.json {
        let mut text = serde_json::to_string_pretty(&statements)?;
        text.push('\n');
        write(file, &text)?;
    }
    if let Some(file) = &arguments.csv {
        write(file, &csv(&statements))?;
    }
    print!("{}", table(&statements));
    let pays = |one: &Statement| matches!(one.status, Status::Payable | Status::CutOff);
    if arguments.until.is_some() && !arguments.apply && statements.iter().any(pays) {
        println!("nothing was marked as paid. To do so: the same command with --apply");
    }
    Ok(())
}

/// What the node answered, unless it refused.
fn body(address: SocketAddr, answer: Result<Answer, telemetry::Error>) -> anyhow::Result<Vec<u8>> {
    let answer = answer.with_context(|| format!("nothing answers at admin.listen = {address}: is `sillage serve` running with this configuration?"))?;
    match answer.status {
        200 => Ok(answer.body),
        400 => Err(Faults::one(String::from_utf8_lossy(&answer.body).trim_end().to_owned()).into()),
        _ => bail!("{}", String::from_utf8_lossy(&answer.body).trim_end()),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(body).context("read the answer of the running node")
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

/// An amount with the digits that it needs, at least those of its currency.
fn money(amount: Micros, currency: Currency) -> String {
    amount.decimal(currency.exponent())
}

const fn word(status: Status) -> &'static str {
    match status {
        Status::Payable => "to pay",
        Status::Paid => "paid",
        Status::CarriedForward => "carried forward",
        Status::CutOff => "cut off",
    }
}

/// One row for each statement.
pub(crate) fn table(statements: &[Statement]) -> String {
    let mut text = String::new();
    let mut row = |cells: [&str; 6]| {
        let [partner, orders, days, amount, status, id] = cells;
        // Writing to a String does not fail.
        let _written =
            writeln!(text, "{partner:<20} {orders:>7} {days:>6} {amount:>18}  {status:<15}  {id}");
    };
    if statements.is_empty() {
        return "nothing is due and not paid\n".to_owned();
    }
    row(["partner", "orders", "days", "amount", "", "statement"]);
    for one in statements {
        let amount = format!("{} {}", money(one.amount_micros, one.currency), one.currency);
        let of_day = |line: &&Line| matches!(line.subject, Subject::Day(_));
        let days = one.lines.iter().filter(of_day).count();
        let (orders, days) = (one.lines.len().saturating_sub(days).to_string(), days.to_string());
        row([one.partner.as_str(), &orders, &days, &amount, word(one.status), &one.id]);
    }
    if statements.iter().any(|one| one.status == Status::CutOff) {
        text.push_str(
            "cut off: a crash came between its payments. --apply pays what is still due of it, and nothing twice\n",
        );
    }
    text
}

/// One row for each statement that was made, the newest first, and how to go on.
fn made_table(list: &MadeList, program: &str) -> String {
    if list.statements.is_empty() {
        return "no statement was made\n".to_owned();
    }
    let mut text = String::new();
    let mut row = |cells: [&str; 7]| {
        let [at, until, partner, lines, amount, status, id] = cells;
        // Writing to a String does not fail.
        let _written = writeln!(
            text,
            "{at:<24}  {until:<24}  {partner:<20} {lines:>7} {amount:>18}  {status:<8}  {id}"
        );
    };
    row(["made", "due before", "partner", "lines", "amount", "", "statement"]);
    for one in &list.statements {
        let time = |at: Option<Millis>| at.map_or_else(|| "-".to_owned(), Millis::rfc3339);
        let amount = format!("{} {}", money(one.amount_micros, one.currency), one.currency);
        let (at, until, lines) = (time(one.made_at), time(one.until), one.lines.to_string());
        row([&at, &until, one.partner.as_str(), &lines, &amount, word(one.status), &one.id]);
    }
    let _written = match &list.next {
        Some(next) => {
            writeln!(text, "there may be older ones: the same command with --after {next}")
        }
        None => writeln!(
            text,
            "one of them again: sillage payout --program {program} --statement ID --csv FILE"
        ),
    };
    text
}

const HEADER: &str = "statement,partner,status,order,order_id,converted_at,currency,net,commission,paid_before,amount,state,code,for";

/// What a line is about: an order key, or a day as `sillage books` writes it.
fn subject(line: &Line) -> String {
    match &line.subject {
        Subject::Order(order) => order.to_string(),
        Subject::Day(PayDay { terms, rank, day, .. }) => format!("day:{day}/{terms}/{rank}"),
    }
}

/// One row for each statement and order or day.
pub(crate) fn csv(statements: &[Statement]) -> String {
    let mut text = format!("{HEADER}\n");
    for one in statements {
        let currency = one.currency;
        for line in &one.lines {
            let cells = [
                one.id.clone(),
                one.partner.to_string(),
                word(one.status).to_owned(),
                subject(line),
                line.order_id.clone().unwrap_or_default(),
                line.converted_at.map(Millis::rfc3339).unwrap_or_default(),
                currency.to_string(),
                money(line.net_micros, currency),
                money(line.commission_micros, currency),
                money(line.paid_before_micros, currency),
                money(line.amount_micros, currency),
                line.state.to_string(),
                line.code.number().to_string(),
                line.purpose.map_or("order", |purpose| purpose.as_str()).to_owned(),
            ];
            let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
            text.push_str(&cells.join(","));
            text.push('\n');
        }
    }
    text
}

/// A cell as RFC 4180 has it. A leading sign that a spreadsheet would take for a formula is quoted with an apostrophe,
/// unless the cell is a number.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
        && !cell.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::{csv, made_table, quoted, table};

    #[test]
    fn a_statement_is_a_row_and_its_orders_and_days_are_lines() {
        let statement = serde_json::json!([{
            "id": "s1", "program": "shop", "partner": "lea", "currency": "EUR", "until": 0, "status": "payable",
            "amount_micros": 4_986_000,
            "lines": [{
                "order": "shop/sale/real/o:BX-1", "order_id": "=BX,1", "converted_at": 0, "net_micros": 74_920_000,
                "commission_micros": 3_746_000, "paid_before_micros": 0, "amount_micros": 3_746_000,
                "state": "locked", "code": 0,
            }, {
                "day": { "program": "shop", "partner": "lea", "terms": "program/shop/terms/1", "rank": 2, "day": "2026-11-03" },
                "purpose": "click", "net_micros": 0, "commission_micros": 1_240_000, "paid_before_micros": 0,
                "amount_micros": 1_240_000, "state": "locked", "code": 0,
            }],
        }]);
        let statements: Vec<_> = serde_json::from_value(statement).unwrap();
        expect_test::expect![[r#"
            partner               orders   days             amount                   statement
            lea                        1      1          4.986 EUR  to pay           s1
        "#]]
        .assert_eq(&table(&statements));
        expect_test::expect![[r#"
            statement,partner,status,order,order_id,converted_at,currency,net,commission,paid_before,amount,state,code,for
            s1,lea,to pay,shop/sale/real/o:BX-1,"'=BX,1",1970-01-01T00:00:00.000Z,EUR,74.92,3.746,0.00,3.746,locked,0,order
            s1,lea,to pay,day:2026-11-03/program/shop/terms/1/2,,,EUR,0.00,1.24,0.00,1.24,locked,0,click
        "#]]
        .assert_eq(&csv(&statements));
        assert_eq!(table(&[]), "nothing is due and not paid\n");
    }

    #[test]
    fn the_list_says_when_for_what_and_how_to_go_on() {
        let one = serde_json::json!({
            "id": "s1", "program": "shop", "partner": "lea", "currency": "EUR", "until": 0, "status": "cut_off",
            "amount_micros": 4_986_000, "lines": 2, "made_at": 86_400_000,
        });
        let list = |next: Option<&str>| {
            let list = serde_json::json!({ "statements": [one], "next": next });
            made_table(&serde_json::from_value(list).unwrap(), "shop")
        };
        expect_test::expect![[r#"
            made                      due before                partner                lines             amount            statement
            1970-01-02T00:00:00.000Z  1970-01-01T00:00:00.000Z  lea                        2          4.986 EUR  cut off   s1
            one of them again: sillage payout --program shop --statement ID --csv FILE
        "#]].assert_eq(&list(None));
        assert!(list(Some("1.s1")).ends_with("with --after 1.s1\n"));
        let none = serde_json::from_str(r#"{"statements":[],"next":null}"#).unwrap();
        assert_eq!(made_table(&none, "shop"), "no statement was made\n");
    }

    #[test]
    fn numbers_stay_numbers_and_formulas_become_text() {
        assert_eq!([quoted("-3.00"), quoted("-x"), quoted("a\"b")], ["-3.00", "'-x", "\"a\"\"b\""]);
    }
}
