//! What a report is asked for, and its rows.

pub(crate) mod answer;
mod rows;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use catalog::Snapshot;
use event::{Clock, Currency, GoalName, PartnerName, ProgramName};
use rusqlite::Connection;

use crate::days::{Day, Zone};
use crate::kpi::Figures;
use crate::language::Language;
use crate::store::{self, StoreError};

pub use answer::{REPORTS, csv, json, table};

/// Most days of a report. Count: three years.
pub const DAYS_MAX: i64 = 1_098;
/// Days of a report that says no `from`.
pub const DAYS_DEFAULT: i64 = 30;

/// What rows are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// All in one row.
    Total,
    /// The partner.
    Partner,
    /// The partner's segment on that day.
    Segment,
    /// The link.
    Link,
    /// The link's channel.
    Channel,
    /// The day.
    Day,
    /// New or returning, as reported; clicks have none.
    Customer,
    /// The order's reason code; clicks have none.
    Code,
    /// Time from the credited touch to the order; clicks have none.
    Time,
    /// A sub id, 1 to 10.
    Sub(u8),
}

impl By {
    /// Every word, in the order of the documentation.
    const WORDS: [(&'static str, Self); 19] = [
        ("total", Self::Total),
        ("partner", Self::Partner),
        ("segment", Self::Segment),
        ("link", Self::Link),
        ("channel", Self::Channel),
        ("day", Self::Day),
        ("customer", Self::Customer),
        ("code", Self::Code),
        ("time", Self::Time),
        ("s1", Self::Sub(1)),
        ("s2", Self::Sub(2)),
        ("s3", Self::Sub(3)),
        ("s4", Self::Sub(4)),
        ("s5", Self::Sub(5)),
        ("s6", Self::Sub(6)),
        ("s7", Self::Sub(7)),
        ("s8", Self::Sub(8)),
        ("s9", Self::Sub(9)),
        ("s10", Self::Sub(10)),
    ];

    /// The word in requests, and the name of the column.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, by)| *by == self).map_or("total", |(word, _)| word)
    }
}

/// Which day an order belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Its own.
    Event,
    /// That of its credited touch.
    Click,
}

impl Basis {
    /// The word in requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Click => "click",
        }
    }
}

/// What a report is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The program.
    pub program: ProgramName,
    /// One partner only.
    pub partner: Option<PartnerName>,
    /// Orders of this goal; none: of all.
    pub goal: Option<GoalName>,
    /// The groups.
    pub by: By,
    /// The day of an order.
    pub basis: Basis,
    /// First day.
    pub from: Day,
    /// Last day.
    pub to: Day,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    /// The group; none where orders or touches have none.
    pub group: Option<String>,
    /// Currency of all its money. A group with several has a row for each; each of these has all of the group's clicks.
    pub currency: Currency,
    /// The sums.
    pub figures: Figures,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it was asked for.
    pub request: Request,
    /// Time zone of its days.
    pub time_zone: String,
    /// The rows: most net sales first; days, buckets of time and sub ids in their order.
    pub rows: Vec<ReportRow>,
    /// One row per currency over all partners; own channels and orders that nobody brought are not among them.
    pub total: Vec<ReportRow>,
}

/// Why something cannot be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// What was asked for is written wrongly, or there is no such thing.
    #[error("{0}")]
    Asked(Asked),
    /// The store is not open yet.
    #[error("the report is not ready yet; try again in a few seconds")]
    NotReady,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with a question, in the words of interfaces; and in French where the page may show it.
#[derive(Debug)]
pub struct Asked {
    english: String,
    french: Option<String>,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.english)
    }
}

impl Refused {
    pub(crate) fn asked(text: impl fmt::Display) -> Self {
        Self::Asked(Asked { english: text.to_string(), french: None })
    }

    pub(crate) fn asked_in(english: impl fmt::Display, french: impl fmt::Display) -> Self {
        let french = Some(french.to_string());
        Self::Asked(Asked { english: english.to_string(), french })
    }

    /// What the page says.
    pub(crate) fn words(&self, language: Language) -> String {
        let text = match self {
            Self::Asked(asked) => match (language, &asked.french) {
                (Language::English, _) => return asked.english.clone(),
                (Language::French, Some(french)) => return french.clone(),
                (Language::French, None) => "La demande n'a pas pu être lue.",
            },
            Self::NotReady => language.of(
                "The report is not ready yet; try again in a few seconds.",
                "Le rapport n'est pas encore prêt ; réessayez dans quelques secondes.",
            ),
            Self::Store(_) => language.of(
                "The report cannot be read; see the log.",
                "Le rapport ne peut être lu ; voir le journal.",
            ),
        };
        text.to_owned()
    }
}

/// Answers from the store while the worker writes it. Clones share it.
#[derive(Clone)]
pub struct View {
    path: Arc<PathBuf>,
    catalog: Arc<catalog::Handle>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What a request may name, as text.
pub(crate) type Given<'a> = &'a dyn Fn(&str) -> Option<String>;

impl View {
    /// Answers from the store in `folder`, under this catalog. The clock says which days are over.
    #[must_use]
    pub fn new(
        folder: &std::path::Path,
        catalog: Arc<catalog::Handle>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { path: Arc::new(store::file(folder)), catalog, clock }
    }

    pub(crate) fn catalog(&self) -> Arc<Snapshot> {
        self.catalog.snapshot()
    }

    pub(crate) fn now(&self) -> event::Millis {
        self.clock.now()
    }

    pub(crate) fn db(&self) -> Result<Connection, Refused> {
        store::read_only(&self.path)?.ok_or(Refused::NotReady)
    }

    /// The program that `program=` names; the only one if it names none.
    pub(crate) fn program(&self, given: Option<&str>) -> Result<ProgramName, Refused> {
        let catalog = self.catalog();
        let mut names: Vec<&ProgramName> =
            catalog.programs().map(|program| program.name()).collect();
        names.sort();
        let listed = || names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        match given {
            Some(text) => match names.iter().find(|name| name.as_str() == text) {
                Some(name) => Ok((*name).clone()),
                None => Err(Refused::asked(format_args!(
                    "there is no program {text:?}; there are: {}",
                    listed()
                ))),
            },
            None => match &names[..] {
                [only] => Ok((*only).clone()),
                _ => Err(Refused::asked(format_args!("say which program: {}", listed()))),
            },
        }
    }

    /// A partner that `partner=` names.
    pub(crate) fn partner(&self, given: Option<&str>) -> Result<Option<PartnerName>, Refused> {
        let Some(text) = given else { return Ok(None) };
        let catalog = self.catalog();
        let partner = catalog.partner(text).map(|partner| partner.name().clone());
        partner
            .map(Some)
            .ok_or_else(|| Refused::asked(format_args!("there is no partner {text:?}")))
    }

    pub(crate) fn zone(&self, program: &ProgramName) -> Zone {
        let catalog = self.catalog();
        Zone::named(catalog.program(program.as_str()).map_or("UTC", |program| program.time_zone()))
    }

    /// Reads a request; without dates it is about the last 30 days up to today.
    ///
    /// # Errors
    /// [`Refused::Asked`] names what is wrong.
    pub fn request(&self, given: Given<'_>) -> Result<Request, Refused> {
        let program = self.program(given("program").as_deref())?;
        let partner = self.partner(given("partner").as_deref())?;
        let by = match given("by") {
            None => By::Partner,
            Some(text) => {
                let known = By::WORDS.iter().find(|(word, _)| *word == text).map(|(_, by)| *by);
                known.ok_or_else(|| {
                    let words: Vec<&str> = By::WORDS.iter().map(|(word, _)| *word).collect();
                    Refused::asked(format_args!("by={text:?}: give one of {}", words.join(", ")))
                })?
            }
        };
        let basis = match given("basis").as_deref() {
            None | Some("event") => Basis::Event,
            Some("click") => Basis::Click,
            Some(text) => {
                return Err(Refused::asked_in(
                    format_args!("basis={text:?}: give event or click"),
                    format_args!("basis={text:?} : donnez event ou click"),
                ));
            }
        };
        let goal = match given("goal").as_deref() {
            None => "sale".parse().ok(),
            Some("*") => None,
            Some(text) => match text.parse() {
                Ok(goal) => Some(goal),
                Err(_) => {
                    return Err(Refused::asked(format_args!(
                        "goal={text:?} is no name of a goal; * means all"
                    )));
                }
            },
        };
        let zone = self.zone(&program);
        let day = |name: &str| match given(name) {
            None => Ok(None),
            Some(text) => {
                let read = Day::parse(&text).map(Some);
                read.map_err(|why| {
                    Refused::asked_in(
                        format_args!("{name}={text:?} {why}"),
                        format_args!(
                            "{name}={text:?} n'est pas un jour ; écrivez-le comme 2026-11-03"
                        ),
                    )
                })
            }
        };
        let (from, to) = (day("from")?, day("to")?);
        let today = Day::of_number(zone.day(self.now()));
        let to = to.unwrap_or_else(|| from.map_or(today, |from| today.max(from)));
        let from = from.unwrap_or_else(|| to.plus(1 - DAYS_DEFAULT));
        let days = to.number() - from.number() + 1;
        if days < 1 {
            return Err(Refused::asked_in(
                format_args!("from {from} is after to {to}"),
                format_args!("le début, {from}, est après la fin, {to}"),
            ));
        }
        if days > DAYS_MAX {
            return Err(Refused::asked_in(
                format_args!("{from} to {to} are {days} days; at most {DAYS_MAX} at once"),
                format_args!(
                    "du {from} au {to}, cela fait {days} jours ; {DAYS_MAX} au plus à la fois"
                ),
            ));
        }
        Ok(Request { program, partner, goal, by, basis, from, to })
    }

    /// The report that was asked for.
    ///
    /// # Errors
    /// The store is not ready or cannot be read.
    pub fn report(&self, request: &Request) -> Result<Report, Refused> {
        let (db, catalog) = (self.db()?, self.catalog());
        rows::report(&db, &catalog, self.now(), request)
    }
}
