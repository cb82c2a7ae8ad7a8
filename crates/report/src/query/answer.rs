//! A report as JSON, as CSV and as a table on a terminal.

use http::StatusCode;
use serde_json::{Map, Value, json as value};
use telemetry::admin::{Query, Reply};

use super::{Refused, Report, ReportRow, View};
use crate::kpi::{COLUMNS, exact};

/// Where the admin listener answers for reports.
pub const REPORTS: &str = "/v1/reports";

impl View {
    /// Answers [`REPORTS`].
    #[must_use]
    pub fn answer_report(&self, query: &Query) -> Reply {
        let given = |name: &str| query.get(name).map(str::to_owned);
        let known = ["program", "partner", "goal", "by", "basis", "from", "to", "format"];
        let format = given("format");
        let answered = no_others(query, &known)
            .and_then(|()| format_of(format.as_deref(), &["json", "csv", "table"]))
            .and_then(|format| Ok((format, self.report(&self.request(&given)?)?)));
        match answered {
            Ok(("csv", report)) => csv_reply(csv(&report)),
            Ok(("table", report)) => Reply::text(StatusCode::OK, table(&report)),
            Ok((_, report)) => Reply::json(StatusCode::OK, format!("{}\n", json(&report))),
            Err(why) => refused(&why),
        }
    }
}

pub(crate) fn csv_reply(text: String) -> Reply {
    Reply { status: StatusCode::OK, content_type: "text/csv; charset=utf-8", body: text.into() }
}

/// Refuses a parameter that nobody reads: it may be one that is misspelled.
pub(crate) fn no_others(query: &Query, known: &[&str]) -> Result<(), Refused> {
    match query.names().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Refused::asked(format_args!(
            "there is no parameter {name:?}; there are: {}",
            known.join(", ")
        ))),
    }
}

/// The format that was asked for; the first one if none was.
pub(crate) fn format_of(
    given: Option<&str>,
    known: &[&'static str],
) -> Result<&'static str, Refused> {
    let found = known.iter().find(|word| given.is_none_or(|given| given == **word));
    found.copied().ok_or_else(|| {
        let given = given.unwrap_or_default();
        Refused::asked(format_args!("format={given:?}: give one of {}", known.join(", ")))
    })
}

pub(crate) fn refused(why: &Refused) -> Reply {
    let status = match why {
        Refused::Asked(_) => StatusCode::BAD_REQUEST,
        Refused::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        Refused::Store(error) => {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, "cannot answer for the report");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    Reply::text(status, format!("{why}\n"))
}

fn fields(row: &ReportRow) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("currency".to_owned(), value!(row.currency.as_str()));
    for column in COLUMNS {
        fields.insert(column.name.to_owned(), value!(column.text(&row.figures, row.currency)));
    }
    let count = |(reason, n): (&&'static str, &i128)| ((*reason).to_owned(), value!(n.to_string()));
    let invalid: Map<String, Value> = row.figures.invalid.iter().map(count).collect();
    fields.insert("clicks_invalid_by_reason".to_owned(), Value::Object(invalid));
    let declined = row.figures.declined.iter().map(|(code, part)| {
        value!({
            "code": code.number(),
            "slug": code.slug(),
            "orders": exact(part.credit, 0),
            "net": exact(part.net, row.currency.exponent()),
        })
    });
    fields.insert("declined_by_code".to_owned(), Value::Array(declined.collect()));
    fields
}

/// The report as a JSON document. Figures are decimal text, since no float may stand between a sum and its reader; null
/// where there is nothing to divide by.
#[must_use]
pub fn json(report: &Report) -> Value {
    let request = &report.request;
    let rows = report.rows.iter().map(|row| {
        let mut shown = Map::new();
        shown.insert(request.by.as_str().to_owned(), value!(row.group));
        shown.extend(fields(row));
        Value::Object(shown)
    });
    value!({
        "program": request.program.as_str(),
        "partner": request.partner.as_ref().map(|name| name.as_str()),
        "goal": request.goal.as_ref().map(|goal| goal.as_str()),
        "by": request.by.as_str(),
        "basis": request.basis.as_str(),
        "from": request.from.to_string(),
        "to": request.to.to_string(),
        "time_zone": report.time_zone,
        "rows": rows.collect::<Vec<_>>(),
        "total": report.total.iter().map(|row| Value::Object(fields(row))).collect::<Vec<_>>(),
    })
}

/// A field of CSV; one that a spreadsheet would take for a formula gets an apostrophe, and nothing that a terminal would
/// obey gets through.
pub(crate) fn csv_field(text: &str) -> String {
    let harmless = |c: char| if c.is_control() && !"\t\r\n".contains(c) { '\u{fffd}' } else { c };
    let text: String = text.chars().map(harmless).collect();
    let number = |rest: &str| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let formula = text.starts_with(['=', '+', '@', '\t', '\r'])
        || text.strip_prefix('-').is_some_and(|rest| !number(rest));
    let text = if formula { format!("'{text}") } else { text };
    if text.contains(['"', ',', ';', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// The rows as CSV with a heading; no total, so that a column can be summed up.
#[must_use]
pub fn csv(report: &Report) -> String {
    let mut out = format!("{},currency", report.request.by.as_str());
    for column in COLUMNS {
        out.push(',');
        out.push_str(column.name);
    }
    out.push_str("\r\n");
    for row in &report.rows {
        out.push_str(&csv_field(row.group.as_deref().unwrap_or_default()));
        out.push(',');
        out.push_str(row.currency.as_str());
        for column in COLUMNS {
            out.push(',');
            out.push_str(&column.text(&row.figures, row.currency).unwrap_or_default());
        }
        out.push_str("\r\n");
    }
    out
}

/// Text without anything that a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The report as a table for a terminal.
#[must_use]
pub fn table(report: &Report) -> String {
    let request = &report.request;
    let columns: Vec<_> = COLUMNS.iter().filter_map(|c| Some((c, c.heading?))).collect();
    let mut lines = vec![vec![request.by.as_str().to_owned(), String::new()]];
    let texts = |row: &ReportRow| {
        columns
            .iter()
            .map(|(c, _)| c.rounded(&row.figures, row.currency).unwrap_or_default())
            .collect::<Vec<_>>()
    };
    if let Some(heading) = lines.first_mut() {
        heading.extend(columns.iter().map(|(_, heading)| (*heading).to_owned()));
    }
    let row = |name: String, row: &ReportRow| {
        let mut line = vec![name, row.currency.to_string()];
        line.extend(texts(row));
        line
    };
    for shown in &report.rows {
        lines.push(row(plain(shown.group.as_deref().unwrap_or("–")), shown));
    }
    for total in &report.total {
        lines.push(row("all partners".to_owned(), total));
    }
    let mut widths = Vec::new();
    for line in &lines {
        widths.resize(line.len(), 0);
        for (width, text) in widths.iter_mut().zip(line) {
            *width = text.chars().count().max(*width);
        }
    }
    let mut out = format!(
        "{} · {} to {}, {} · by {}, orders on the day of their {}\n",
        request.program,
        request.from,
        request.to,
        report.time_zone,
        request.by.as_str(),
        if request.basis == super::Basis::Event { "conversion" } else { "click" },
    );
    for line in lines {
        let mut text = String::new();
        for (at, (field, width)) in line.iter().zip(&widths).enumerate() {
            if at == 0 {
                text.push_str(&format!("{field:<width$}"));
            } else {
                text.push_str(&format!("  {field:>width$}"));
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}
