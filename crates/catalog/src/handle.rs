//! The snapshot that everybody reads now, and the one place where it is replaced.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::error::Error;
use crate::record::{State, VersionRecord};
use crate::snapshot::Snapshot;

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

    /// A panic of another holder left the old state whole: it is replaced only after everything else succeeded.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
