//! The catalog file (TOML or JSON): read whole, with every fault at once, then compared with what is recorded.
//!
//! 1. A file is taken whole or not at all. The same check serves `serve`, `check-config`, `decide` and a reload.
//! 2. A fault says where (line, column, field), what is wrong and what to do.
//! 3. The file says what is to be; the records say what was. A version that has started is only ever repeated.

use std::path::Path;

use event::{LinkName, Millis, PartnerName, ProgramName};

use crate::fault::{Fault, Lines, Sink};
use crate::limits;
use crate::link::Link;
use crate::partner::Partner;
use crate::program::Program;
use crate::record::{State, VersionRecord};
use crate::snapshot::Snapshot;

mod check;
mod commission;
mod duration;
mod json;
mod link;
mod partner;
mod plan;
mod program;
mod section;
mod terms;
mod toml;
mod tree;

#[cfg(test)]
mod tests;

use section::{LaterKey, Section};
use terms::BESIDE_TERMS;
use tree::{Node, Value};

const LATER: [LaterKey; 4] = [
    ("rates", "exchange rates"),
    ("coupon", "coupon codes with owners"),
    ("coupons", "coupon codes with owners"),
    ("postback", "outbound postbacks"),
];

/// Notation of a catalog file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// TOML 1.
    Toml,
    /// JSON, RFC 8259, with the same keys.
    Json,
}

impl Format {
    /// JSON for `*.json`, else TOML.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("json") => Self::Json,
            _ => Self::Toml,
        }
    }
}

/// A catalog file without faults in itself.
#[derive(Debug)]
pub struct CatalogFile {
    programs: Vec<(ProgramName, Program)>,
    partners: Vec<(PartnerName, Partner)>,
    links: Vec<(LinkName, Link)>,
    root: Node,
    lines: Lines,
}

impl CatalogFile {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every fault in it, in the order of the file.
    pub fn parse(text: &str, format: Format) -> Result<Self, Vec<Fault>> {
        let sink = Sink::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = Lines::new(text);
        if text.len() > limits::FILE_BYTES_MAX {
            sink.push(
                0,
                "",
                format!("the file has {} bytes, above the limit", text.len()),
                format!("keep it below {} bytes", limits::FILE_BYTES_MAX),
            );
            return Err(sink.into_faults(&lines));
        }
        let root = match format {
            Format::Toml => toml::parse(text, &sink),
            Format::Json => json::parse(text, &sink),
        };
        if !sink.is_empty() {
            return Err(sink.into_faults(&lines));
        }
        let Value::Table(entries) = &root.value else {
            sink.push(
                root.at,
                "",
                format!("the file is {}, but a table is expected", root.value.noun()),
                "begin it with { \"program\": { … } }",
            );
            return Err(sink.into_faults(&lines));
        };
        let section = Section::new(entries, 0, String::new(), &sink);
        let named = |key| section.field(key).and_then(|field| field.table());
        let (programs, partners, links) = (named("program"), named("partner"), named("link"));
        let programs = programs.map_or_else(Vec::new, |all| program::read_all(&all));
        let partners = partners.map_or_else(Vec::new, |all| partner::read_all(&all, &programs));
        let links = links.map_or_else(Vec::new, |all| link::read_all(&all, &programs));
        section.finish_with(&LATER, &BESIDE_TERMS);
        let file = Self { programs, partners, links, root, lines };
        check::cross(&file, &sink);
        if sink.is_empty() { Ok(file) } else { Err(sink.into_faults(&file.lines)) }
    }

    /// The versions to record so that the catalog becomes what the file says; none if it is so already. The first
    /// load of all may give versions that start in the past.
    ///
    /// # Errors
    /// Every version that the file changes or deletes although it has started, and every change that does not lie
    /// ahead of `now` by [`limits::CATALOG_LEAD`].
    pub fn plan(&self, recorded: &State, now: Millis) -> Result<Vec<VersionRecord>, Vec<Fault>> {
        let sink = Sink::default();
        let records = plan::plan(self, recorded, now, &sink);
        if sink.is_empty() { Ok(records) } else { Err(sink.into_faults(&self.lines)) }
    }
}

/// The snapshot of a file alone, as if it were the first load at `now`: for `decide` and for tests.
///
/// # Errors
/// Every fault in the file.
pub fn snapshot_of(text: &str, format: Format, now: Millis) -> Result<Snapshot, Vec<Fault>> {
    let file = CatalogFile::parse(text, format)?;
    let records = file.plan(&State::default(), now)?;
    let built = State::fold(&records).and_then(|state| Snapshot::build(&state));
    built.map_err(|error| {
        let fault = Fault {
            line: 1,
            column: 1,
            field: String::new(),
            problem: format!("no snapshot can be made of it: {error}"),
            remedy: "report this file: the checks before should have found it".into(),
        };
        vec![fault]
    })
}
