//! Whether the stages before have read what was there at a moment: what waits before them may still change an order that is
//! due.

use std::time::{Duration, Instant};

use event::{Millis, Topic};
use eventlog::{Cursor, Group};

use super::Session;
use crate::error::Error;
use crate::metrics::Held;

/// How long a stage may be behind before it is told. Five minutes: a stage that fails is tried again many times before.
const PATIENCE: Duration = Duration::from_mins(5);

/// A stage before the ledger. Its group commits a cursor once all that it made of the records before it is durable.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Its consumer group.
    pub group: Group,
    /// What it reads.
    pub topics: &'static [Topic],
}

/// A moment, and how far the stages are with what was there then.
pub(super) struct Passing {
    at: Millis,
    /// Stages that have read it. Count.
    passed: usize,
    /// Where the topics of the next one ended when those before had read it.
    ends: Option<Vec<Cursor>>,
    since: Instant,
    told: bool,
}

impl Session<'_> {
    /// The last moment whose records have come through all stages before, with what these made of them, since it was last
    /// asked; none: one of them is not there yet.
    pub(super) fn come_through(&mut self) -> Result<Option<Millis>, Error> {
        let super::Worker { deps, metrics, .. } = self.worker;
        let mut passing = self.passing.take().unwrap_or_else(|| Passing {
            at: deps.clock.now(),
            passed: 0,
            ends: None,
            since: Instant::now(),
            told: false,
        });
        while let Some(stage) = deps.stages.get(passing.passed) {
            let ends = match passing.ends.take() {
                Some(ends) => ends,
                None => deps.log.ends(stage.topics).map_err(Error::Read)?,
            };
            let committed = deps.log.committed(stage.group, stage.topics).map_err(Error::Read)?;
            let behind = behind(&ends, &committed);
            if behind == 0 {
                passing.passed = passing.passed.saturating_add(1);
                continue;
            }
            let waited = passing.since.elapsed();
            metrics.held(Held::Stages, waited);
            if waited >= PATIENCE && !passing.told {
                passing.told = true;
                tracing::error!(
                    stage = %stage.group,
                    behind,
                    since = %passing.at,
                    "no order is locked until this stage has read what was received before"
                );
            }
            passing.ends = Some(ends);
            self.passing = Some(passing);
            return Ok(None);
        }
        metrics.held(Held::Stages, Duration::ZERO);
        if passing.told {
            tracing::info!(
                "the stages before have read what was received; orders are locked again"
            );
        }
        Ok(Some(passing.at))
    }
}

/// Records between cursors and ends, damaged ones included.
fn behind(ends: &[Cursor], committed: &[Cursor]) -> u64 {
    let next = |end: &Cursor| {
        let of = committed.iter().find(|cursor| cursor.partition == end.partition);
        of.map_or(0, |cursor| cursor.next)
    };
    ends.iter().fold(0, |sum, end| sum.saturating_add(end.next.saturating_sub(next(end))))
}
