//! Faults of a catalog file: what is wrong, where, and what to do.

use std::cell::RefCell;
use std::fmt;

use crate::limits;

/// One thing wrong with a catalog file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line, counted from 1.
    pub line: u32,
    /// Character in the line, counted from 1.
    pub column: u32,
    /// Path of the field, such as `program.boutique.terms[1].lookback_click` (list entries count from 1, as the
    /// versions in traces do). Empty if the file as a whole cannot be read.
    pub field: String,
    /// What is wrong, so that it reads on from the field's name.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// `line:column field: problem; remedy`, in one line.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ", self.line, self.column)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

/// Collects faults by byte offset while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Sink(RefCell<Vec<(usize, Fault)>>);

impl Sink {
    pub(crate) fn push(
        &self,
        at: usize,
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (field, problem, remedy) = (field.into(), problem.into(), remedy.into());
        self.0.borrow_mut().push((at, Fault { line: 0, column: 0, field, problem, remedy }));
    }

    pub(crate) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The faults in the order of the file, at most [`limits::FAULTS_MAX`] and one that counts the others.
    pub(crate) fn into_faults(self, lines: &Lines) -> Vec<Fault> {
        let mut found = self.0.into_inner();
        found.sort_by_key(|(at, _)| *at);
        let more = found.len().saturating_sub(limits::FAULTS_MAX);
        found.truncate(limits::FAULTS_MAX);
        let mut faults: Vec<_> = found
            .into_iter()
            .map(|(at, fault)| {
                let (line, column) = lines.position(at);
                Fault { line, column, ..fault }
            })
            .collect();
        if let (Some(last), 1..) = (faults.last(), more) {
            faults.push(Fault {
                field: String::new(),
                problem: format!("{more} more faults are not listed"),
                remedy: "mend those above first".into(),
                ..*last
            });
        }
        faults
    }
}

/// Where the lines of a text start.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    /// Kept because columns count characters, not bytes.
    text: Box<str>,
    starts: Vec<usize>,
}

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text: text.into(), starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn position(&self, at: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.as_bytes().get(start..at.min(self.text.len())).unwrap_or_default();
        let column = 1 + String::from_utf8_lossy(before).chars().count();
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
}
