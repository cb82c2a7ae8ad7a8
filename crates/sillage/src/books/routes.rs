//! Routes of the admin listener about the book.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use catalog::{Handle, ProgramRef, Snapshot};
use event::body::OrderState;
use event::{Clock, Code, Millis, ProgramName};
use http::StatusCode;
use ledger::payout::{Made, MadeFilter};
use ledger::store::{Filter, LIST_MAX, Place};
use ledger::{Payout, Previewer, Statement, StoreError, View};
use serde::{Deserialize, Serialize};
use telemetry::admin::{Admin, Query, Reply};

use super::{day, payout::csv};

/// Orders of a list, unless it says how many.
const LIST_DEFAULT: u32 = 100;
/// Largest body of a preview, in bytes: a batch of the public door.
const PREVIEW_BYTES_MAX: usize = 1 << 20;
/// Largest body of a payout, in bytes.
const PAYOUT_BYTES_MAX: usize = 4_096;
/// Where payouts are asked for.
pub(crate) const PAYOUTS: &str = "/v1/payouts";

/// A payout as it is asked for.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The program.
    pub(crate) program: ProgramName,
    /// First day, or instant, that is not paid.
    pub(crate) until: String,
    /// Who has it paid.
    #[serde(default)]
    pub(crate) actor: Option<String>,
    /// Pays; else only says what would be paid.
    #[serde(default)]
    pub(crate) apply: bool,
}

/// Statements, or why there are none.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Statements {
    /// By partner and currency.
    pub(crate) statements: Vec<Statement>,
}

/// Statements that were made.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct MadeList {
    /// The newest first.
    pub(crate) statements: Vec<Made>,
    /// Where the list goes on.
    pub(crate) next: Option<String>,
}

/// What stands behind the routes.
#[derive(Clone)]
struct Desk {
    view: View,
    catalog: Arc<Handle>,
    clock: Arc<dyn Clock>,
}

/// Mounts the routes of the book.
pub(crate) fn mount(
    admin: Admin,
    view: View,
    catalog: Arc<Handle>,
    clock: Arc<dyn Clock>,
) -> Admin {
    let desk = Desk { view, catalog, clock };
    let (list, preview, books, accounts, findings, made, payouts) =
        (desk.clone(), desk.clone(), desk.clone(), desk.clone(), desk.clone(), desk.clone(), desk);
    admin
        .route("/v1/orders", move |query| reply(list.list(query)))
        .question("/v1/orders/preview", PREVIEW_BYTES_MAX, move |query, body| {
            reply(preview.preview(query, body))
        })
        .route("/v1/books", move |query| reply(books.books(query)))
        .route("/v1/accounts", move |_| reply(accounts.accounts()))
        .route("/v1/findings", move |query| reply(findings.findings(query)))
        .route(PAYOUTS, move |query| reply(made.made(query)))
        .question(PAYOUTS, PAYOUT_BYTES_MAX, move |_, body| reply(payouts.pay(body)))
}

/// Why a route does not answer.
enum Refused {
    /// What was asked for is wrong.
    Wrong(String),
    /// The book cannot be read now.
    Book(StoreError),
    /// The ledger cannot do it now.
    Later(String),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Book(error)
    }
}

fn reply(answered: Result<Reply, Refused>) -> Reply {
    match answered {
        Ok(reply) => reply,
        Err(Refused::Wrong(text)) => Reply::text(StatusCode::BAD_REQUEST, text + "\n"),
        Err(Refused::Later(text)) => Reply::text(StatusCode::SERVICE_UNAVAILABLE, text + "\n"),
        Err(Refused::Book(error)) => {
            let error = anyhow::Error::from(error);
            tracing::warn!(error = format!("{error:#}"), "the book cannot be read");
            let text = format!("the book cannot be read now: {error:#}\n");
            Reply::text(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

fn lines(body: String) -> Reply {
    Reply { status: StatusCode::OK, content_type: "application/x-ndjson", body: body.into() }
}

/// A parameter in its type; absent: none.
fn parameter<T: std::str::FromStr<Err: std::fmt::Display>>(
    query: &Query,
    name: &str,
) -> Result<Option<T>, Refused> {
    let parse = |text: &str| text.parse().map_err(|error| format!("{name} {text:?}: {error}"));
    query.get(name).map(parse).transpose().map_err(Refused::Wrong)
}

/// How many are asked for.
fn limit(query: &Query, unless_said: u32) -> Result<u32, Refused> {
    let limit = parameter(query, "limit")?.unwrap_or(unless_said);
    if (1..=LIST_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Refused::Wrong(format!("limit {limit}: give 1 to {LIST_MAX}")))
}

fn add(body: &mut String, line: &impl Serialize) {
    body.push_str(&serde_json::to_string(line).unwrap_or_default());
    body.push('\n');
}

impl Desk {
    fn list(&self, query: &Query) -> Result<Reply, Refused> {
        let state = query.get("state").map(|word| {
            OrderState::from_word(word).ok_or_else(|| {
                let words = OrderState::ALL.map(OrderState::as_str).join(", ");
                Refused::Wrong(format!("state {word:?}: give one of {words}"))
            })
        });
        let code = parameter::<u16>(query, "code")?.map(|number| {
            Code::from_number(number)
                .ok_or_else(|| Refused::Wrong(format!("code {number} is no reason code")))
        });
        let filter = Filter {
            program: parameter(query, "program")?,
            state: state.transpose()?,
            code: code.transpose()?,
            partner: parameter(query, "partner")?,
            after: parameter(query, "after")?,
            limit: limit(query, LIST_DEFAULT)?,
        };
        let (listed, next) = self.view.reader()?.list(&filter)?;
        let mut body = String::new();
        for order in &listed {
            add(&mut body, order);
        }
        add(&mut body, &serde_json::json!({ "next": next.map(|next| next.to_string()) }));
        Ok(lines(body))
    }

    fn books(&self, query: &Query) -> Result<Reply, Refused> {
        let program: Option<ProgramName> = parameter(query, "program")?;
        let after = match query.get("after").map(|after| after.split_once(' ')) {
            None => None,
            Some(Some((program, key))) => {
                Some(Place { program: program.to_owned(), key: key.to_owned() })
            }
            Some(None) => {
                return Err(Refused::Wrong("after: give what a page ended with".to_owned()));
            }
        };
        let limit = limit(query, LIST_MAX)?;
        let program = program.as_ref().map(ProgramName::as_str);
        let (lines, next) = self.view.reader()?.books_page(program, after.as_ref(), limit)?;
        let mut body = String::new();
        for line in lines {
            body.push_str(&line);
            body.push('\n');
        }
        if let Some(Place { program, key }) = next {
            // Two fields, where each line of the book has more.
            let _written = writeln!(body, "next\t{program} {key}");
        }
        Ok(Reply::text(StatusCode::OK, body))
    }

    fn accounts(&self) -> Result<Reply, Refused> {
        let mut body = String::new();
        for (account, currency, amount) in self.view.reader()?.accounts()? {
            // A number where JSON's readers take it whole, else its digits as text.
            let micros = i64::try_from(amount)
                .map_or_else(|_| serde_json::json!(amount.to_string()), |n| serde_json::json!(n));
            let line = serde_json::json!({
                "account": account, "currency": currency, "balance_micros": micros
            });
            add(&mut body, &line);
        }
        Ok(lines(body))
    }

    fn findings(&self, query: &Query) -> Result<Reply, Refused> {
        let after = match query.get("after") {
            None => (0, 0),
            Some(text) => {
                let parts =
                    text.split_once('.').map(|(order, place)| (order.parse(), place.parse()));
                let Some((Ok(order), Ok(place))) = parts else {
                    return Err(Refused::Wrong("after: give what a list ended with".to_owned()));
                };
                (order, place)
            }
        };
        let limit = limit(query, LIST_DEFAULT)?;
        let (found, next) = self.view.reader()?.findings(after, limit)?;
        let next = next.map(|(order, place)| format!("{order}.{place}"));
        let mut body = String::new();
        for (order, finding) in found {
            // Written by the ledger, so it is JSON.
            let order = serde_json::to_string(&order).unwrap_or_default();
            let _written = writeln!(body, "{{\"order\":{order},\"finding\":{finding}}}");
        }
        add(&mut body, &serde_json::json!({ "next": next }));
        Ok(lines(body))
    }

    fn preview(&self, query: &Query, body: &Bytes) -> Result<Reply, Refused> {
        let catalog = self.catalog.snapshot();
        let name: ProgramName = parameter(query, "program")?
            .ok_or_else(|| Refused::Wrong("program is missing".to_owned()))?;
        let program = program_of(&catalog, &name)?;
        let mut previewer = self.view.preview()?;
        let now = self.clock.now();
        let mut out = String::new();
        let given = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        for (number, line) in (1_usize..).zip(given) {
            if number > edge::BATCH_LINES_MAX {
                let most = edge::BATCH_LINES_MAX;
                return Err(Refused::Wrong(format!("more than {most} lines: send them in parts")));
            }
            add(&mut out, &previewed(&mut previewer, (number, line), program, now)?);
        }
        Ok(lines(out))
    }

    /// The statements that were made, or one of them by its id.
    fn made(&self, query: &Query) -> Result<Reply, Refused> {
        let known = ["program", "statement", "format", "partner", "after", "limit"];
        if let Some(other) = query.names().find(|name| !known.contains(name)) {
            return Err(Refused::Wrong(format!("{other}: give {}", known.join(", "))));
        }
        let name: ProgramName = parameter(query, "program")?
            .ok_or_else(|| Refused::Wrong("program is missing".to_owned()))?;
        let catalog = self.catalog.snapshot();
        let program = program_of(&catalog, &name)?.name().clone();
        let reader = self.view.reader()?;
        if let Some(id) = query.get("statement") {
            let found = reader.statement(id)?.filter(|found| found.program == program);
            let found = found.ok_or_else(|| {
                Refused::Wrong(format!(
                    "program {program} has no statement {id:?}; without an id those that were made are listed"
                ))
            })?;
            let statements = vec![found];
            return match query.get("format").unwrap_or("json") {
                "json" => Ok(statements_reply(statements)),
                "csv" => Ok(Reply {
                    status: StatusCode::OK,
                    content_type: "text/csv; charset=utf-8",
                    body: csv(&statements).into(),
                }),
                other => Err(Refused::Wrong(format!("format {other:?}: give json or csv"))),
            };
        }
        if query.get("format").is_some_and(|format| format != "json") {
            return Err(Refused::Wrong("format: the list is JSON; give statement=ID".to_owned()));
        }
        let filter = MadeFilter {
            program,
            partner: parameter(query, "partner")?,
            after: parameter(query, "after")?,
            limit: limit(query, LIST_DEFAULT)?,
        };
        let (statements, next) = reader.made(&filter)?;
        let list = MadeList { statements, next: next.map(|next| next.to_string()) };
        let body = serde_json::to_string(&list).unwrap_or_default();
        Ok(Reply::json(StatusCode::OK, body + "\n"))
    }

    fn pay(&self, body: &Bytes) -> Result<Reply, Refused> {
        let wanted: Wanted =
            serde_json::from_slice(body).map_err(|error| Refused::Wrong(error.to_string()))?;
        let catalog = self.catalog.snapshot();
        let program = program_of(&catalog, &wanted.program)?;
        let until = day::start(&wanted.until, program.time_zone()).map_err(Refused::Wrong)?;
        let payout = Payout { program: wanted.program, until, actor: wanted.actor };
        let statements = if wanted.apply {
            self.view.pay(payout).map_err(|error| Refused::Later(error.to_string()))?
        } else {
            self.view.reader()?.statements(&catalog, &payout)?
        };
        Ok(statements_reply(statements))
    }
}

fn statements_reply(statements: Vec<Statement>) -> Reply {
    let body = serde_json::to_string(&Statements { statements }).unwrap_or_default();
    Reply::json(StatusCode::OK, body + "\n")
}

fn program_of<'a>(catalog: &'a Snapshot, name: &ProgramName) -> Result<ProgramRef<'a>, Refused> {
    catalog
        .program(name.as_str())
        .ok_or_else(|| Refused::Wrong(format!("there is no program {name}")))
}

/// What one line would do.
fn previewed(
    previewer: &mut Previewer,
    (line, text): (usize, &[u8]),
    program: ProgramRef<'_>,
    now: Millis,
) -> Result<serde_json::Value, StoreError> {
    let act = match edge::read_act(text, program, now) {
        Ok(act) => act,
        Err(faults) => {
            let words = faults.iter().map(|fault| match &fault.field {
                Some(field) => format!("{field} {}", fault.why),
                None => fault.why.clone(),
            });
            let message = words.collect::<Vec<_>>().join("; ");
            return Ok(serde_json::json!({
                "line": line, "order": null, "before": null, "after": null,
                "fault": { "code": "malformed", "message": message },
            }));
        }
    };
    let at = act.at.unwrap_or(now);
    let preview = previewer.act(act.validation, (at, now))?;
    let mut value = serde_json::to_value(&preview).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("line".to_owned(), line.into());
    }
    Ok(value)
}
