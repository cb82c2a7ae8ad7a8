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

#[cfg(test)]
mod tests {
    use event::Millis;

    use super::{Handle, ReloadError};
    use crate::import::Format;
    use crate::record::{State, VersionRecord};

    const TEXT: &str = include_str!("../../../config/minimal-catalog.toml");
    const NOW: Millis = Millis(1_772_323_200_000);

    fn durable(_: &[VersionRecord]) -> Result<(), std::io::Error> {
        Ok(())
    }

    fn loaded() -> Handle {
        let handle = Handle::new(State::default()).unwrap();
        let loaded = handle.reload(TEXT, Format::Toml, NOW, durable).unwrap();
        assert_eq!((loaded.versions, loaded.snapshot.generation()), (3, 3));
        handle
    }

    #[test]
    fn a_good_file_is_in_place_at_once_and_a_reader_keeps_what_it_took() {
        let handle = loaded();
        let before = handle.snapshot();
        let text = TEXT.replace("https://shop.example/", "https://shop.example/new");
        let loaded = handle.reload(&text, Format::Toml, NOW, durable).unwrap();
        assert_eq!((loaded.versions, handle.load().generation()), (2, 5));
        assert_eq!(before.link("first-link").unwrap().destination(), "https://shop.example/");
        let after = handle.snapshot();
        assert_eq!(after.link("first-link").unwrap().destination(), "https://shop.example/new");
    }

    #[test]
    fn the_same_file_again_records_nothing_and_keeps_the_generation() {
        let handle = loaded();
        let never =
            |_: &[VersionRecord]| -> Result<(), std::io::Error> { panic!("nothing is new") };
        let loaded = handle.reload(TEXT, Format::Toml, NOW, never).unwrap();
        assert_eq!((loaded.versions, loaded.snapshot.generation()), (0, 3));
    }

    #[test]
    fn a_bad_file_keeps_the_old_snapshot_and_says_why() {
        let handle = loaded();
        for bad in
            ["", "x", &TEXT.replace("EUR", "EURO"), &TEXT.replace("[link.first", "[lnk.first")]
        {
            let refused = handle.reload(bad, Format::Toml, NOW, durable).unwrap_err();
            assert!(matches!(refused, ReloadError::Faults(faults) if !faults.is_empty()), "{bad}");
            assert_eq!(handle.snapshot().generation(), 3);
        }
        assert_eq!(handle.snapshot().program("shop").unwrap().body().currency.as_str(), "EUR");
    }

    #[test]
    fn what_could_not_be_made_durable_is_not_in_place() {
        let handle = loaded();
        let text = TEXT.replace("My shop", "Our shop");
        let full = |_: &[VersionRecord]| Err(std::io::Error::other("the disk is full"));
        let failed = handle.reload(&text, Format::Toml, NOW, full).unwrap_err();
        assert!(matches!(failed, ReloadError::Failed(crate::Error::Record { .. })));
        assert_eq!(&*handle.snapshot().program("shop").unwrap().body().title, "My shop");
        assert_eq!(handle.reload(&text, Format::Toml, NOW, durable).unwrap().versions, 1);
    }

    #[test]
    fn another_node_s_records_are_applied_once() {
        let (one, other) = (Handle::new(State::default()).unwrap(), loaded());
        let mut records = Vec::new();
        let keep = |planned: &[VersionRecord]| -> Result<(), std::io::Error> {
            records.extend_from_slice(planned);
            Ok(())
        };
        one.reload(TEXT, Format::Toml, NOW, keep).unwrap();
        assert_eq!(other.apply(&records).unwrap().generation(), 3);
        let fresh = Handle::new(State::default()).unwrap();
        assert_eq!(fresh.apply(records.iter().chain(&records)).unwrap().generation(), 3);
        assert!(fresh.apply(&records[2..]).is_ok());
    }
}
