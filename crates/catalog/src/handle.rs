//! The snapshot that everybody reads now, and the one place where it is replaced.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use event::Millis;

use crate::error::Error;
use crate::fault::Fault;
use crate::import::{CatalogFile, Format};
use crate::record::{State, VersionRecord};
use crate::snapshot::Snapshot;

/// What a load came to.
#[derive(Debug)]
pub struct Reloaded {
    /// Count of versions recorded; 0: the file says what was recorded already.
    pub versions: usize,
    /// The snapshot in place now.
    pub snapshot: Arc<Snapshot>,
}

/// Why a load left everything as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The file has faults.
    #[error("the catalog file has {} faults", .0.len())]
    Faults(Vec<Fault>),
    /// Something else failed.
    #[error("load the catalog")]
    Failed(#[source] Error),
}

/// Holds the current snapshot. Readers take it with one atomic load; it is replaced as a whole.
#[derive(Debug)]
pub struct Handle {
    current: ArcSwap<Snapshot>,
    state: Mutex<State>,
}

impl Handle {
    /// A handle on the snapshot of `state`.
    ///
    /// # Errors
    /// Those of [`Snapshot::build`].
    pub fn new(state: State) -> Result<Self, Error> {
        let current = ArcSwap::from_pointee(Snapshot::build(&state)?);
        Ok(Self { current, state: Mutex::new(state) })
    }

    /// The current snapshot. Take it once per request or batch, so that one decision reads one catalog.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The current snapshot without counting a reference, for the shortest of uses.
    pub fn load(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Applies records read from `catalog.versions`; what is known already changes nothing.
    ///
    /// # Errors
    /// Those of [`State::apply`] and [`Snapshot::build`]; state and snapshot stay as they were.
    pub fn apply<'a>(
        &self,
        records: impl IntoIterator<Item = &'a VersionRecord>,
    ) -> Result<Arc<Snapshot>, Error> {
        let mut state = self.lock();
        let mut next = state.clone();
        let mut changed = false;
        for record in records {
            changed |= next.apply(record)?;
        }
        if changed {
            self.current.store(Arc::new(Snapshot::build(&next)?));
            *state = next;
        }
        Ok(self.snapshot())
    }

    /// Loads a changed file: reads and checks it, compares it with what is recorded, hands the new versions to
    /// `record`, which returns when they are durable on `catalog.versions`, and puts the new snapshot in place. Does
    /// not block readers.
    ///
    /// # Errors
    /// [`ReloadError::Faults`] if the file cannot be taken, [`ReloadError::Failed`] if recording fails. State and
    /// snapshot stay as they were.
    pub fn reload<E>(
        &self,
        text: &str,
        format: Format,
        now: Millis,
        record: impl FnOnce(&[VersionRecord]) -> Result<(), E>,
    ) -> Result<Reloaded, ReloadError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let file = CatalogFile::parse(text, format).map_err(ReloadError::Faults)?;
        let mut state = self.lock();
        let records = file.plan(&state, now).map_err(ReloadError::Faults)?;
        if !records.is_empty() {
            let mut next = state.clone();
            for version in &records {
                next.apply(version).map_err(ReloadError::Failed)?;
            }
            let snapshot = Snapshot::build(&next).map_err(ReloadError::Failed)?;
            record(&records)
                .map_err(|source| ReloadError::Failed(Error::Record { source: source.into() }))?;
            self.current.store(Arc::new(snapshot));
            *state = next;
        }
        Ok(Reloaded { versions: records.len(), snapshot: self.snapshot() })
    }

    /// A panic of another holder left the old state whole: it is replaced only after everything else succeeded.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
