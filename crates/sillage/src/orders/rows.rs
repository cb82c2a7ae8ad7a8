//! From the rows of a file to acts: what every cell means, and every fault by its line.

use std::borrow::Cow;
use std::collections::HashMap;

use catalog::ProgramRef;
use event::Millis;
use event::body::Action;
use event::order::normalized;
use serde::Serialize;
use serde_json::value::RawValue;

use super::amount::{self, Mark};
use super::sheet::{self, Row};

/// Most rows of a file.
pub(super) const ROWS_MAX: usize = 200_000;

/// Every column that a file may have.
const COLUMNS: [&str; 13] = [
    "order_id", "goal", "code", "note", "amount", "currency", "line", "sku", "category", "group",
    "qty", "at", "revision",
];
/// Columns that tell of one line of an order.
const LINE_COLUMNS: [&str; 5] = ["line", "sku", "category", "group", "qty"];

/// One act of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Act {
    /// The line of its first row.
    pub(super) line: usize,
    /// The order as the file calls it.
    pub(super) order: String,
    /// The object that is sent.
    pub(super) json: String,
    /// A hash of all that the act says. Equal ones mean the same, however the file writes it.
    pub(super) meaning: String,
}

/// A fault of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowFault {
    /// The line of the row.
    pub(super) line: usize,
    /// Which field: what is wrong; what to do.
    pub(super) text: String,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Acts {
    /// Rows below the header.
    pub(super) rows: usize,
    /// Id of the batch: as it was given, else made of what is done and of all that the acts say, in whatever order.
    pub(super) batch: String,
    /// Acts that are good, in the order of their first rows.
    pub(super) acts: Vec<Act>,
    /// Faults, by line.
    pub(super) faults: Vec<RowFault>,
    /// Why no row may be sent, not even those without a fault of their own.
    pub(super) barred: Option<Bar>,
}

/// A fault of one row that puts all of them in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    /// A row cannot be read as far as its order, in an act whose orders may have several rows: it might belong to any.
    Stray,
    /// Amounts have two kinds of decimal marks.
    Marks,
}

/// What is done, to what, as part of which batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job<'a> {
    /// What is done.
    pub(super) action: Action,
    /// The program.
    pub(super) program: ProgramRef<'a>,
    /// Id of the batch; none: made of what the acts say.
    pub(super) batch: Option<&'a str>,
    /// What stands before the decimals, where the file does not show it.
    pub(super) mark: Option<Mark>,
    /// Now.
    pub(super) now: Millis,
}

/// One object, as `POST /v1/orders` takes it.
#[derive(Serialize)]
struct Line<'a> {
    program: &'a str,
    order_id: &'a str,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Item<'a>>>,
}

#[derive(Serialize)]
struct Item<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qty: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Box<RawValue>>,
}

/// A row whose cells have names.
struct Named<'a> {
    line: usize,
    cells: HashMap<&'static str, Cow<'a, str>>,
}

impl Named<'_> {
    /// The trimmed text of a cell that is not empty.
    fn get(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
    }
}

/// Reads a file.
pub(super) fn read(text: &str, job: Job<'_>) -> Acts {
    let separator = sheet::separator(text);
    let mut read = Acts::default();
    let mut rows = sheet::rows(text, separator).into_iter();
    let columns = match rows.next() {
        Some(Ok(header)) => columns(&header, &mut read.faults),
        Some(Err(torn)) => {
            read.fault(torn.line, torn.why);
            return read;
        }
        None => {
            let why = "the file is empty; begin it with a header such as order_id,code, then a row for each order";
            read.fault(1, why);
            return read;
        }
    };
    if !read.faults.is_empty() {
        return read; // without its header no row means anything
    }
    let mut orders: Vec<Vec<Named<'_>>> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    for row in rows {
        read.rows += 1;
        if read.rows > ROWS_MAX {
            let line = row.map_or_else(|torn| torn.line, |row| row.line);
            read.fault(line, format!("the file has more than {ROWS_MAX} rows: split it here"));
            return read;
        }
        let row = match row {
            Ok(row) => named(row, &columns),
            Err(torn) => Err(RowFault { line: torn.line, text: torn.why.to_owned() }),
        };
        match row {
            Err(fault) => {
                read.stray(job.action);
                read.faults.push(fault);
            }
            Ok(row) => {
                let id = normalized(row.get("order_id").unwrap_or_default());
                if id.is_empty() {
                    let why = "order_id: is empty; give the order id as the shop reported it";
                    read.fault(row.line, why);
                    read.stray(job.action);
                    continue;
                }
                let goal = row.get("goal").unwrap_or("sale").to_owned(); // the edge's default
                let place = *places.entry((id, goal)).or_insert(orders.len());
                match orders.get_mut(place) {
                    Some(rows) => rows.push(row),
                    None => orders.push(vec![row]),
                }
            }
        }
    }
    if job.mark.is_none()
        && let Some(fault) = two_marks(&orders)
    {
        read.faults.push(fault);
        read.barred = Some(Bar::Marks);
    }
    for rows in &orders {
        match act(rows, job) {
            Ok(act) => read.acts.push(act),
            Err(faults) => read.faults.extend(faults),
        }
    }
    read.faults.sort();
    read.name(job);
    read
}

impl Acts {
    /// Gives each act its id: the batch, what is done, and what the row means. So neither another place of an order in the file, nor
    /// another spelling of the same, nor a file saved anew makes another act, and another meaning always does.
    fn name(&mut self, job: Job<'_>) {
        self.batch = job.batch.map_or_else(
            || {
                let mut meanings: Vec<&str> =
                    self.acts.iter().map(|act| act.meaning.as_str()).collect();
                meanings.sort_unstable();
                short_hash(&[job.action.as_str(), &meanings.join("\n")])
            },
            str::to_owned,
        );
        for act in &mut self.acts {
            let id = format!("{}:{}:{}", self.batch, job.action.as_str(), act.meaning);
            // Graphic ASCII, whose only characters that JSON escapes are these two.
            let id = id.replace('\\', "\\\\").replace('"', "\\\"");
            let open = act.json.strip_suffix('}').unwrap_or(&act.json);
            act.json = format!("{open},\"client_event_id\":\"{id}\"}}");
        }
    }

    fn stray(&mut self, action: Action) {
        if takes_lines(action) {
            self.barred = Some(Bar::Stray);
        }
    }

    fn fault(&mut self, line: usize, text: impl Into<String>) {
        self.faults.push(RowFault { line, text: text.into() });
    }
}

/// The column of each place; none for a place that has no name.
fn columns(header: &Row<'_>, faults: &mut Vec<RowFault>) -> Vec<Option<&'static str>> {
    let mut columns: Vec<Option<&'static str>> = Vec::new();
    let mut fault = |text: String| faults.push(RowFault { line: header.line, text });
    for cell in &header.cells {
        let name = cell.trim();
        let known = COLUMNS.into_iter().find(|known| known.eq_ignore_ascii_case(name));
        match known {
            Some(known) if columns.contains(&Some(known)) => {
                fault(format!("{known}: the header names it twice; remove one of the columns"));
            }
            None if !name.is_empty() => {
                fault(format!(
                    "{name}: is no column of an act on an order; rename or remove it ({})",
                    COLUMNS.join(", ")
                ));
            }
            _ => {}
        }
        columns.push(known);
    }
    if !columns.contains(&Some("order_id")) {
        fault("order_id: the header has no such column; name the one with the order ids so".into());
    }
    columns
}

fn named<'a>(row: Row<'a>, columns: &[Option<&'static str>]) -> Result<Named<'a>, RowFault> {
    let line = row.line;
    let fault = |text: String| Err(RowFault { line, text });
    let mut cells = HashMap::new();
    let count = row.cells.len();
    for (i, cell) in row.cells.into_iter().enumerate() {
        match columns.get(i) {
            Some(Some(column)) => {
                cells.insert(*column, cell);
            }
            _ if cell.trim().is_empty() => {}
            _ => {
                return fault(format!(
                    "the row has a cell at place {} that the header does not name: \
                     is a text with a separator not in quotation marks?",
                    i + 1
                ));
            }
        }
    }
    let wanted = columns.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    if count < wanted {
        return fault(format!(
            "the row has {count} cells, the header {wanted}: is a separator missing?"
        ));
    }
    Ok(Named { line, cells })
}

/// All amounts of a file have the same mark before their decimals: two kinds in one file are two sources, of which one may
/// mean something else.
fn two_marks(orders: &[Vec<Named<'_>>]) -> Option<RowFault> {
    let amounts = orders.iter().flatten().filter_map(|row| {
        let read = amount::read(row.get("amount")?, None).ok()?;
        Some((row.line, read.mark?))
    });
    let (mut dot, mut comma): (Option<usize>, Option<usize>) = (None, None);
    for (line, mark) in amounts {
        let first = match mark {
            Mark::Dot => &mut dot,
            Mark::Comma => &mut comma,
        };
        *first = Some(first.map_or(line, |known| known.min(line)));
    }
    let (dot, comma) = (dot?, comma?);
    let text = format!(
        "amount: has another decimal mark than line {}; write all amounts of a file alike",
        comma.min(dot)
    );
    Some(RowFault { line: comma.max(dot), text })
}

/// The JSON number of an amount.
fn number(text: &str, mark: Option<Mark>) -> Result<Box<RawValue>, String> {
    let read = amount::read(text, mark).map_err(|why| format!("amount: {why}"))?;
    RawValue::from_string(read.amount.decimal(0)).map_err(|error| format!("amount: {error}"))
}

fn act(rows: &[Named<'_>], job: Job<'_>) -> Result<Act, Vec<RowFault>> {
    let Some(first) = rows.first() else { return Err(Vec::new()) };
    let order = first.get("order_id").unwrap_or_default();
    let mut faults = Vec::new();
    let takes_lines = takes_lines(job.action);
    if let (false, Some(again)) = (takes_lines, rows.get(1..).filter(|rows| !rows.is_empty())) {
        let text = || {
            format!("order_id: {order} stands at line {} already; remove one of them", first.line)
        };
        return Err(again.iter().map(|row| RowFault { line: row.line, text: text() }).collect());
    }
    let of_line = |row: &Named<'_>| LINE_COLUMNS.iter().any(|column| row.get(column).is_some());
    let by_line = takes_lines && (rows.len() > 1 || of_line(first));
    let mut numbers = Vec::with_capacity(rows.len());
    for row in rows {
        for column in LINE_COLUMNS {
            if row.get(column).is_some() && !means(job.action, column) {
                let text = format!("{column}: means nothing in {}; empty it", job.action.as_str());
                faults.push(RowFault { line: row.line, text });
            }
        }
        numbers.push(
            row.get("amount").map(|text| number(text, job.mark)).transpose().unwrap_or_else(
                |text| {
                    faults.push(RowFault { line: row.line, text });
                    None
                },
            ),
        );
    }
    let mut of_order = |column: &'static str| {
        let (line, value) = rows.iter().find_map(|row| Some((row.line, row.get(column)?)))?;
        for row in rows {
            if row.get(column).is_some_and(|other| other != value) {
                let text = format!(
                    "{column}: differs from line {line} of the same order; write it once, or alike in all its rows"
                );
                faults.push(RowFault { line: row.line, text });
            }
        }
        Some(value)
    };
    let mut line = Line {
        program: job.program.name().as_str(),
        order_id: order,
        action: job.action.as_str(),
        goal: of_order("goal"),
        code: of_order("code"),
        note: of_order("note"),
        currency: of_order("currency"),
        at: of_order("at"),
        revision: of_order("revision"),
        amount: None,
        items: None,
    };
    if by_line {
        let items = rows.iter().zip(numbers).map(|(row, amount)| Item {
            line: row.get("line"),
            sku: row.get("sku"),
            category: row.get("category"),
            group: row.get("group"),
            qty: row.get("qty"),
            amount,
        });
        line.items = Some(items.collect());
    } else {
        line.amount = numbers.into_iter().next().flatten();
        if takes_lines && line.amount.is_none() && faults.is_empty() {
            let text = match job.action {
                Action::Return => {
                    "amount: is empty; give all that came back so far, or what came back in line or sku"
                }
                Action::Approve | Action::Decline | Action::Reopen | Action::Amend => {
                    "amount: is empty; give the new amount, or the new lines with sku and amount"
                }
            };
            faults.push(RowFault { line: first.line, text: text.to_owned() });
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let json = serde_json::to_string(&line)
        .map_err(|error| vec![RowFault { line: first.line, text: error.to_string() }])?;
    match edge::read_act(json.as_bytes(), job.program, job.now) {
        Ok(read) => {
            let meaning = serde_json::to_string(&read.validation)
                .map_err(|error| vec![RowFault { line: first.line, text: error.to_string() }])?;
            // As it is written: one that lies in the future is read as now, which is never the same again.
            let meaning = short_hash(&[&meaning, line.at.unwrap_or_default()]);
            Ok(Act { line: first.line, order: order.to_owned(), json, meaning })
        }
        Err(faults) => Err(faults.into_iter().map(|fault| of_row(fault, rows)).collect()),
    }
}

/// 64 bits in hexadecimal: acts are told apart within one order and one batch.
fn short_hash(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    hasher.finalize().to_hex().chars().take(16).collect()
}

/// Whether several rows of one order are its lines.
const fn takes_lines(action: Action) -> bool {
    matches!(action, Action::Return | Action::Amend)
}

/// Whether a column of a line has a meaning in this action.
fn means(action: Action, column: &str) -> bool {
    match action {
        Action::Return => matches!(column, "line" | "sku" | "qty"),
        Action::Amend => matches!(column, "sku" | "category" | "group" | "qty"),
        Action::Approve | Action::Decline | Action::Reopen => false,
    }
}

/// A fault of the object as one of the row that it comes from.
fn of_row(fault: edge::ActFault, rows: &[Named<'_>]) -> RowFault {
    let first = rows.first().map_or(1, |row| row.line);
    let Some(field) = fault.field else { return RowFault { line: first, text: fault.why } };
    let item = field.strip_prefix("items[").and_then(|rest| rest.split_once(']'));
    match item.and_then(|(i, part)| Some((rows.get(i.parse::<usize>().ok()?)?, part))) {
        Some((row, part)) => {
            let part = part.strip_prefix('.').unwrap_or("line");
            RowFault { line: row.line, text: format!("{part}: {}", fault.why) }
        }
        None => RowFault { line: first, text: format!("{field}: {}", fault.why) },
    }
}

#[cfg(test)]
mod tests;
