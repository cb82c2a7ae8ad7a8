//! The report and the page on the admin listener, and the commands that ask it.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use attribution::{FjallKv, Reader};
use event::{PartnerName, ProgramName};
use eventlog::LogReader;
use report::View;
use report::language::Language;
use report::page::{
    Beside, Call, NoTrace, Outcome, PAGE, PAGE_ALIAS, Page, STYLE, TraceAsked, Traced,
};
use report::query::REPORTS;
use report::transactions::TRANSACTIONS;
use telemetry::admin::{self, Admin};

use crate::cli::{ReportArguments, TransactionsArguments};
use crate::config;
use crate::stages::{Base, state_folder};
use crate::trace::{self, Wanted};

/// What answers for the report of a node.
pub(crate) fn view(base: &Base) -> View {
    let folder = state_folder(&base.config.node.data_folder, "report");
    View::new(&folder, Arc::clone(&base.catalog), Arc::clone(&base.clock))
}

/// What the page shows of other parts of the node.
pub(crate) struct Node {
    pub(crate) calls: edge::RecentCalls,
    pub(crate) decisions: Option<attribution::View<FjallKv>>,
    pub(crate) topics: LogReader,
}

impl Beside for Node {
    fn calls(&self, program: &ProgramName) -> Vec<Call> {
        let outcome = |call: &edge::RecentCall| match (call.accepted, call.stored) {
            (false, _) => Outcome::Rejected,
            (true, true) => Outcome::Stored,
            (true, false) => Outcome::NotStored,
        };
        let calls = self.calls.of(program.as_str()).into_iter();
        calls
            .map(|call| Call {
                at: call.at,
                path: call.path,
                method: call.method,
                outcome: outcome(&call),
                code: call.code,
                words: call.words,
                click: call.click,
                sent: call.sent,
                test: call.test,
            })
            .collect()
    }

    fn trace(&self, asked: &TraceAsked) -> Result<Traced, NoTrace> {
        let wanted = Wanted::of(|name| match name {
            "order" => Some(asked.order.as_str()),
            "program" => Some(asked.program.as_str()),
            "goal" => asked.goal.as_deref().filter(|goal| !goal.is_empty()),
            _ => None,
        });
        let Ok(wanted) = wanted else { return Err(NoTrace::NotFound) };
        let found =
            trace::find(self.decisions.as_ref(), &self.topics, &wanted).map_err(|error| {
                tracing::error!(error = format!("{error:#}"), "cannot look a decision up");
                NoTrace::Failed
            })?;
        // A real order before a test of the same id.
        let decision = found.into_iter().min_by_key(|decision| decision.order.clone());
        let decision = decision.ok_or(NoTrace::NotFound)?;
        let mut partners: Vec<PartnerName> = Vec::new();
        let credited = decision.credits.iter().filter_map(|credit| credit.partner.as_ref());
        let all = decision.trace.candidates.iter().filter_map(|c| c.partner.as_ref());
        for partner in credited.chain(all) {
            if !partners.contains(partner) {
                partners.push(partner.clone());
            }
        }
        // Beside the manager most is to be learned by one who did not get it.
        let lost = partners.iter().find(|name| Some(*name) != decision.winner.as_ref());
        let asked_for = asked.partner.as_ref().filter(|name| partners.contains(name));
        let shown = asked_for.or(lost).or_else(|| partners.first()).cloned();
        let language = match asked.language {
            Language::English => attribution::Language::English,
            Language::French => attribution::Language::French,
        };
        let day_of = |at| asked.zone.day_text(at);
        let text = |reader: &Reader| attribution::render(&decision, reader, language, &day_of);
        let partner = shown.map(|name| {
            let seen = text(&Reader::Partner(name.clone()));
            (name, seen)
        });
        let manager = text(&Reader::Manager);
        Ok(Traced { order: decision.order.clone(), manager, partner, partners })
    }
}

/// Mounts everything that the report answers.
pub(crate) fn mount(admin: Admin, view: Option<View>, node: Node) -> Admin {
    let Some(view) = view else { return admin };
    let page = Page::new(view.clone(), Arc::new(node));
    let (of_report, again) = (view.clone(), page.clone());
    admin
        .route(PAGE, move |query| page.answer(query))
        .route(PAGE_ALIAS, move |query| again.answer(query))
        .route(STYLE, |_| report::page::style())
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
