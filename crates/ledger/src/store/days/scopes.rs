//! Which touches are counted, since when.

use event::{Millis, Topic};
use rusqlite::params;

use super::{kind_number, kind_of};
use crate::days::Scopes;
use crate::store::{During as _, StoreError, Writing, topic_number};

impl Writing<'_> {
    /// Widens what is counted to these; whether touches that were passed over before are to be read again. What was
    /// counted once is always counted, so that nothing is missing if it is paid again.
    pub(crate) fn widen(&self, scopes: &Scopes) -> Result<bool, StoreError> {
        let known = self.scopes()?;
        let mut wider = false;
        for ((program, kind), since) in scopes {
            let key = (program.clone(), *kind);
            if known.get(&key).is_some_and(|known| known <= since) {
                continue;
            }
            wider = true;
            self.run(
                "INSERT OR REPLACE INTO day_scopes VALUES (?, ?, ?)",
                params![program.as_str(), kind_number(*kind), since.0],
            )?;
        }
        if wider {
            let touches = topic_number(Topic::Touches);
            self.run("DELETE FROM cursors WHERE topic = ?", params![touches])?;
        }
        Ok(wider)
    }

    /// What is counted.
    pub(crate) fn scopes(&self) -> Result<Scopes, StoreError> {
        const DOING: &str = "read which touches are paid";
        let mut found = self
            .connection
            .prepare_cached("SELECT program, kind, since FROM day_scopes")
            .during(DOING)?;
        let mut rows = found.query([]).during(DOING)?;
        let mut scopes = Scopes::new();
        while let Some(row) = rows.next().during(DOING)? {
            let program: String = row.get(0).during(DOING)?;
            let kind = kind_of(row.get(1).during(DOING)?);
            let since = Millis(row.get(2).during(DOING)?);
            scopes.insert((program.parse().during(DOING)?, kind), since);
        }
        Ok(scopes)
    }
}
