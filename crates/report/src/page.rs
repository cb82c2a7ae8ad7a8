//! The one page: last calls, figures by partner, an order's trace as the manager and as a partner see it.
//!
//! Read-only, without script, nothing loaded from elsewhere; every foreign text is escaped.

mod html;
mod parts;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use event::{Code, Millis, OrderKey, PartnerName, ProgramName};
use http::StatusCode;
use telemetry::admin::{Query, Reply};

use crate::days::Zone;
use crate::language::Language;
use crate::query::{Refused, Report, Request, View};
use crate::store::StoreError;
use crate::transactions::Transaction;

/// Where the page is.
pub const PAGE: &str = "/";
/// Another place of it.
pub const PAGE_ALIAS: &str = "/page";
/// Where its style is.
pub const STYLE: &str = "/page.css";

/// Calls on the page. Count.
pub const CALLS_MAX: usize = 50;
/// Orders on the page. Count.
const ORDERS_MAX: i64 = 12;
/// Rows of partners on the page. Count; the report has all.
const PARTNERS_MAX: usize = 200;

/// A call that the edge took or refused.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it came.
    pub at: Millis,
    /// Where, as callers know it.
    pub path: &'static str,
    /// Its method.
    pub method: &'static str,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub code: Code,
    /// Why, in English words.
    pub words: String,
    /// What is wrong with its click id.
    pub click: Option<Code>,
    /// What was sent, personal fields cut.
    pub sent: String,
    /// It was a test.
    pub test: bool,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// On disk.
    Stored,
    /// Refused.
    Rejected,
    /// Good, but it could not be recorded.
    NotStored,
}

/// Which trace is looked at.
#[derive(Clone, Debug)]
pub struct TraceAsked {
    /// The program.
    pub program: ProgramName,
    /// The order id as somebody typed it.
    pub order: String,
    /// The goal, if several orders have this id.
    pub goal: Option<String>,
    /// The partner beside the manager; none: the first that has a part in it.
    pub partner: Option<PartnerName>,
    /// The language.
    pub language: Language,
    /// The zone of its days.
    pub zone: Zone,
}

/// A trace in words.
#[derive(Clone, Debug)]
pub struct Traced {
    /// The order.
    pub order: OrderKey,
    /// As the manager sees it.
    pub manager: String,
    /// The partner beside, and what that partner sees.
    pub partner: Option<(PartnerName, String)>,
    /// All partners with a part in it.
    pub partners: Vec<PartnerName>,
}

/// What the page shows and this crate does not have.
pub trait Beside: Send + Sync {
    /// The last calls of a program, the newest first.
    fn calls(&self, program: &ProgramName) -> Vec<Call>;

    /// The trace of an order.
    ///
    /// # Errors
    /// Why there is none.
    fn trace(&self, asked: &TraceAsked) -> Result<Traced, NoTrace>;
}

/// Why there is no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTrace {
    /// There is no such order.
    NotFound,
    /// It could not be looked up; the log says why.
    Failed,
}

/// The page over a view and what stands beside it.
#[derive(Clone)]
pub struct Page {
    view: View,
    beside: Arc<dyn Beside>,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Page")
    }
}

/// An order in the list of the newest.
struct Newest {
    id: String,
    goal: String,
    converted_at: Millis,
    amount: i64,
    currency: event::Currency,
    state: event::body::OrderState,
    partners: Vec<String>,
}

/// Everything of one view of the page.
struct Shown<'a> {
    language: Language,
    query: &'a Query,
    title: String,
    programs: Vec<ProgramName>,
    zone: Zone,
    request: Request,
    report: Result<Report, String>,
    newest: Vec<Newest>,
    calls: Vec<Call>,
    trace: Option<Result<Traced, NoTrace>>,
    /// Of the traced order: what is booked for each partner.
    booked: Vec<(String, Transaction)>,
    /// What was asked wrongly.
    wrong: Option<String>,
    names: Vec<(PartnerName, String)>,
}

/// The style of the page.
#[must_use]
pub fn style() -> Reply {
    let content_type = "text/css; charset=utf-8";
    Reply { status: StatusCode::OK, content_type, body: include_str!("page/style.css").into() }
}

impl Page {
    /// The page.
    #[must_use]
    pub fn new(view: View, beside: Arc<dyn Beside>) -> Self {
        Self { view, beside }
    }

    /// Answers [`PAGE`].
    #[must_use]
    pub fn answer(&self, query: &Query) -> Reply {
        let asked = query.get("lang").and_then(Language::from_word);
        let language = asked.unwrap_or_else(|| Language::accepted(query.accept_language()));
        let (status, body) = match self.shown(query, language) {
            Ok(shown) => (StatusCode::OK, parts::whole(&shown)),
            Err(why) => {
                let text = why.words(language);
                (StatusCode::SERVICE_UNAVAILABLE, parts::nothing(language, &text))
            }
        };
        Reply::html(status, body.finished())
    }

    fn shown<'a>(&self, query: &'a Query, language: Language) -> Result<Shown<'a>, Refused> {
        let view = &self.view;
        let catalog = view.catalog();
        let mut programs: Vec<ProgramName> =
            catalog.programs().filter(|p| !p.is_retired()).map(|p| p.name().clone()).collect();
        programs.sort();
        let mut wrong = None;
        let named = query
            .get("program")
            .and_then(|text| programs.iter().find(|name| name.as_str() == text));
        if let (Some(text), None) = (query.get("program"), named) {
            let words = language.of("There is no such program: ", "Ce programme n'existe pas : ");
            wrong = Some(format!("{words}{text}"));
        }
        let program = named.or_else(|| programs.first()).cloned();
        let program = program.ok_or_else(|| {
            Refused::asked_in(
                "The catalog has no program yet.",
                "Le catalogue n'a pas encore de programme.",
            )
        })?;
        let given = |name: &str| match name {
            "program" => Some(program.to_string()),
            "from" | "to" | "basis" => {
                query.get(name).filter(|text| !text.is_empty()).map(str::to_owned)
            }
            _ => None,
        };
        let plain = |name: &str| (name == "program").then(|| program.to_string());
        let request = match view.request(&given) {
            Ok(request) => request,
            Err(why) => {
                wrong = Some(why.words(language));
                view.request(&plain)?
            }
        };
        let zone = view.zone(&program);
        let order = query.get("order").map(str::trim).filter(|text| !text.is_empty());
        let partner = query.get("partner").and_then(|text| text.parse().ok());
        let trace = order.map(|order| {
            self.beside.trace(&TraceAsked {
                program: program.clone(),
                order: order.to_owned(),
                goal: query.get("goal").map(str::to_owned),
                partner,
                language,
                zone: zone.clone(),
            })
        });
        let booked = match &trace {
            Some(Ok(traced)) => view.booked(&traced.order, language).unwrap_or_default(),
            _ => Vec::new(),
        };
        let (report, newest) = match (view.report(&request), view.newest(&program)) {
            (Ok(report), Ok(newest)) => (Ok(report), newest),
            (Err(Refused::NotReady), _) | (_, Err(Refused::NotReady)) => {
                (Err(Refused::NotReady.words(language)), Vec::new())
            }
            (Err(why), _) | (_, Err(why)) => return Err(why),
        };
        let mut calls = self.beside.calls(&program);
        calls.truncate(CALLS_MAX);
        let title = catalog.program(program.as_str()).map(|p| p.body().title.to_string());
        let names =
            catalog.partners().map(|p| (p.name().clone(), p.body().title.to_string())).collect();
        let title = title.unwrap_or_default();
        Ok(Shown {
            language,
            query,
            title,
            programs,
            zone,
            request,
            report,
            newest,
            calls,
            trace,
            booked,
            wrong,
            names,
        })
    }
}

impl View {
    /// The newest orders of a program.
    fn newest(&self, program: &ProgramName) -> Result<Vec<Newest>, Refused> {
        let db = self.db()?;
        let read = || -> Result<Vec<Newest>, rusqlite::Error> {
            let sql = "SELECT key, order_id, goal, converted_at, amount - returned, currency, state, \
                       (SELECT group_concat(name.text) FROM share JOIN name ON name.id = share.partner \
                        WHERE share.ord = orders.id AND share.gone = 0) FROM orders \
                       WHERE program = (SELECT id FROM name WHERE text = ?1) ORDER BY converted_at DESC LIMIT ?2";
            let mut select = db.prepare(sql)?;
            let rows =
                select.query_map(rusqlite::params![program.as_str(), ORDERS_MAX], |row| {
                    let (key, id): (String, Option<String>) = (row.get(0)?, row.get(1)?);
                    let partners: Option<String> = row.get(7)?;
                    let id = id.or_else(|| {
                        key.splitn(4, '/').nth(3).map(|text| text.chars().skip(2).collect())
                    });
                    Ok(Newest {
                        id: id.unwrap_or_default(),
                        goal: row.get(2)?,
                        converted_at: Millis(row.get(3)?),
                        amount: row.get(4)?,
                        currency: crate::store::currency(row, 5)?,
                        state: crate::store::state_of(row.get(6)?),
                        partners: partners
                            .unwrap_or_default()
                            .split(',')
                            .filter(|p| !p.is_empty())
                            .map(str::to_owned)
                            .collect(),
                    })
                })?;
            rows.collect()
        };
        read().map_err(StoreError::of("read the newest orders")).map_err(Refused::from)
    }
}
