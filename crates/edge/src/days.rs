//! The keys of the day: for address hashes and for private blocks. Destroying old ones is retention.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use event::keys::{DayKeys, Secret};
use event::private::DaySeal;
use event::time::DAY_MS;
use event::{Clock, Millis};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How long before midnight the next day's keys are made, so that they are on disk before the first use.
const AHEAD_MS: i64 = 3_600_000;
/// Time between two looks of [`Days::keep`] at the day.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    day: Vec<DayKeys>,
}

/// Keys of one day, ready for use.
#[derive(Debug)]
pub(crate) struct Today {
    /// Days since 1970-01-01.
    pub day: u32,
    /// Seals private blocks.
    pub seal: Option<DaySeal>,
    /// Keys address hashes.
    pub address: Option<Secret>,
}

/// The day keys of this node, in memory and in their file. Requests see the memory alone: only [`Days::open`] and
/// [`Days::keep`] wait for the disk.
#[derive(Debug)]
pub(crate) struct Days {
    path: Option<PathBuf>,
    address_days: u32,
    private_days: u32,
    keys: ArcSwap<Vec<DayKeys>>,
    /// Held while keys are made, never while the disk works.
    making: Mutex<()>,
    /// Whether the file lacks something of what is in memory.
    unsaved: AtomicBool,
}

/// The day of an instant, since 1970-01-01 UTC.
pub(crate) fn day_of(now: Millis) -> u32 {
    u32::try_from(now.0.div_euclid(DAY_MS)).unwrap_or(0)
}

impl Days {
    /// Reads the file, destroys what is too old, and makes the keys of today. Without a path the keys live in memory.
    ///
    /// # Errors
    /// The file cannot be read or written, or there is no randomness.
    pub(crate) fn open(
        path: Option<PathBuf>,
        address_days: u32,
        private_days: u32,
        now: Millis,
    ) -> Result<Self, Error> {
        let keys = match &path {
            None => Vec::new(),
            Some(path) => read(path)?,
        };
        let days = Self {
            path,
            address_days,
            private_days,
            keys: ArcSwap::from_pointee(keys),
            making: Mutex::default(),
            unsaved: AtomicBool::default(),
        };
        days.turn(now)?;
        days.save()?;
        Ok(days)
    }

    /// Keeps memory and file up to date until the other end of `stop` is gone. Waits for the disk: a thread of its own
    /// runs it.
    pub(crate) fn keep(&self, clock: &dyn Clock, stop: &Receiver<()>) {
        loop {
            let ended = stop.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout);
            if let Err(error) = self.turn(clock.now()).and_then(|()| self.save()) {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "day keys are not on disk");
            }
            if ended {
                return;
            }
        }
    }

    /// Makes the keys of today and, shortly before midnight, of tomorrow; destroys the ones whose time is over. In
    /// memory: [`Self::save`] does the same to the file.
    ///
    /// # Errors
    /// There is no randomness.
    fn turn(&self, now: Millis) -> Result<(), Error> {
        let today = day_of(now);
        let next = day_of(Millis(now.0.saturating_add(AHEAD_MS)));
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = Vec::clone(&self.keys.load());
        let before = keys.clone();
        for day in [today, next] {
            if !keys.iter().any(|known| known.day == day) {
                keys.push(DayKeys { day, address: Some(secret()?), private: Some(secret()?) });
            }
        }
        for key in &mut keys {
            if key.day.saturating_add(self.address_days) < today {
                key.address = None;
            }
            if key.day.saturating_add(self.private_days) < today {
                key.private = None;
            }
        }
        keys.retain(|key| key.address.is_some() || key.private.is_some());
        keys.sort_by_key(|key| key.day);
        if keys != before {
            self.keys.store(Arc::new(keys));
            self.unsaved.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Writes the file, if it lacks something.
    ///
    /// # Errors
    /// The file cannot be written; the next call tries again.
    fn save(&self) -> Result<(), Error> {
        let Some(path) = &self.path else { return Ok(()) };
        // Before the keys are read: what is made from here on is for the next call.
        if !self.unsaved.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let written = write(path, &File { day: Vec::clone(&self.keys.load()) });
        if written.is_err() {
            self.unsaved.store(true, Ordering::Release);
        }
        written
    }

    /// The keys of `day`, made now if the clock jumped over the time at which they should have been made.
    pub(crate) fn of(&self, day: u32, now: Millis) -> Today {
        let find = || self.keys.load().iter().find(|key| key.day == day).cloned();
        let keys = find().or_else(|| {
            if let Err(error) = self.turn(now) {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "there are no day keys");
            }
            find()
        });
        let (address, private) = keys.map_or((None, None), |key| (key.address, key.private));
        Today { day, seal: private.map(|secret| DaySeal::new(day, &secret)), address }
    }
}

fn secret() -> Result<Secret, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(Secret(bytes))
}

fn fault(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::DayKeys { what, path, source }
}

fn read(path: &Path) -> Result<Vec<DayKeys>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault("read", path)(error)),
    };
    let file: File = serde_json::from_str(&text)
        .map_err(|error| fault("parse", path)(std::io::Error::other(error)))?;
    Ok(file.day)
}

/// Replaces the file: new content, fsync, rename, fsync of the folder.
fn write(path: &Path, file: &File) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(file)
        .map_err(|error| fault("encode", path)(std::io::Error::other(error)))?;
    let temporary = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut out = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        out.write_all(&text)?;
        out.sync_all()?;
        fs::rename(&temporary, path)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(fault("write", path))
}

#[cfg(test)]
mod tests {
    use event::Millis;
    use event::time::DAY_MS;

    use super::{Days, day_of};

    #[test]
    fn keys_survive_a_restart_and_are_destroyed_by_age() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("days.json");
        let at = |day: i64| Millis(day * DAY_MS + 5);
        let open = |day| Days::open(Some(path.clone()), 7, 30, at(day)).unwrap();
        let secret = open(100).of(100, at(100)).address.unwrap();
        assert_eq!(open(107).of(100, at(107)).address, Some(secret));
        let today = open(108).of(100, at(108));
        assert!(today.address.is_none() && today.seal.is_some());
        assert!(open(130).of(100, at(130)).seal.is_some());
        assert!(open(131).of(100, at(131)).seal.is_none());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("\"day\": 100,"), "{text}");
    }

    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("days.json");
        Days::open(Some(path.clone()), 7, 30, Millis(0)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn tomorrows_keys_are_there_an_hour_early() {
        let days = Days::open(None, 7, 30, Millis(DAY_MS - 3_600_000)).unwrap();
        let next = day_of(Millis(DAY_MS));
        assert!(days.keys.load().iter().any(|key| key.day == next));
    }
}
