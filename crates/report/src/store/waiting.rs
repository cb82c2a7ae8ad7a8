//! Touches of programs that the catalog does not name yet.

use catalog::Snapshot;
use event::body::{Touch, TouchKind};
use event::{EventId, Millis};
use rusqlite::{Error, Row, params};

use super::touches::kind_number;
use super::write::Writer;
use super::{Fact, Waiting};

/// Touches that are judged in one transaction. Count.
const AT_ONCE: i64 = 10_000;

impl Writer<'_> {
    /// Keeps a touch until its program is known.
    pub(super) fn wait(&self, waiting: &Waiting) -> Result<(), Error> {
        let Waiting { id, at, program, kind, test, touch } = waiting;
        let sql = "INSERT OR IGNORE INTO waiting (program, touch, at, kind, test, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let body = serde_json::to_string(touch).unwrap_or_default();
        let touch = &id.as_bytes()[..];
        let row = params![program.as_str(), touch, at.0, kind_number(*kind), test, body];
        self.db.prepare_cached(sql)?.execute(row).map(drop)
    }

    /// Counts some of what waits for programs that are known now. Returns whether there may be more, and how many others
    /// wait.
    pub(super) fn settle(
        &mut self,
        judge: &dyn Fn(&Waiting) -> Option<Fact>,
    ) -> Result<(bool, u64), Error> {
        let catalog: &Snapshot = self.catalog;
        let programs: Vec<String> = {
            let mut select = self.db.prepare_cached("SELECT DISTINCT program FROM waiting")?;
            select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        for program in programs.iter().filter(|name| catalog.program(name).is_some()) {
            let sql = "SELECT touch, at, kind, test, body FROM waiting WHERE program = ?1 LIMIT ?2";
            let found: Vec<(Vec<u8>, Option<Waiting>)> = {
                let mut select = self.db.prepare_cached(sql)?;
                let rows = select.query_map(params![program, AT_ONCE], |row| read(program, row))?;
                rows.collect::<Result<_, _>>()?
            };
            for (key, waiting) in &found {
                if let Some(fact) = waiting.as_ref().and_then(judge) {
                    self.fact(&fact)?;
                }
                let sql = "DELETE FROM waiting WHERE program = ?1 AND touch = ?2";
                self.db.prepare_cached(sql)?.execute(params![program, key])?;
            }
            if !found.is_empty() {
                return Ok((true, 0));
            }
        }
        let mut count = self.db.prepare_cached("SELECT count(*) FROM waiting")?;
        let waiting: i64 = count.query_row([], |row| row.get(0))?;
        Ok((false, u64::try_from(waiting).unwrap_or(0)))
    }
}

/// The key of a row, and the touch; none if it was written by a version that says more.
fn read(program: &str, row: &Row<'_>) -> Result<(Vec<u8>, Option<Waiting>), Error> {
    let key: Vec<u8> = row.get(0)?;
    let (at, kind, test): (i64, i64, bool) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let touch: Option<Touch> = serde_json::from_str(row.get_ref(4)?.as_str()?).ok();
    let id = <[u8; 16]>::try_from(&key[..]).ok().map(EventId::from_bytes);
    let kind = if kind == 0 { TouchKind::Click } else { TouchKind::Impression };
    let waiting = id.zip(touch).zip(program.parse().ok()).map(|((id, touch), program)| Waiting {
        id,
        at: Millis(at),
        program,
        kind,
        test,
        touch,
    });
    Ok((key, waiting))
}
