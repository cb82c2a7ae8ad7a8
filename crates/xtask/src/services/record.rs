//! The file that says which servers run.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use anyhow::Context as _;

/// Its name in the target folder.
const FILE: &str = "services.txt";

/// A part that was started.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) folder: PathBuf,
}

/// The file.
pub(super) struct Record(PathBuf);

impl Record {
    /// The one of the target folder that this program was built in.
    pub(super) fn here() -> anyhow::Result<Self> {
        let here = env::current_exe()?;
        Ok(Self(here.ancestors().nth(2).context("the target folder")?.join(FILE)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn entry(&self, name: &str) -> anyhow::Result<Option<Entry>> {
        Ok(self.read()?.into_iter().find(|entry| entry.name == name))
    }

    pub(super) fn put(&self, entry: Entry) -> anyhow::Result<()> {
        let mut entries = self.read()?;
        entries.retain(|other| other.name != entry.name);
        entries.push(entry);
        self.write(&entries)
    }

    pub(super) fn remove(&self, name: &str) -> anyhow::Result<()> {
        let mut entries = self.read()?;
        entries.retain(|entry| entry.name != name);
        self.write(&entries)
    }

    fn read(&self) -> anyhow::Result<Vec<Entry>> {
        let text = match fs::read_to_string(&self.0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            other => other.with_context(|| format!("read {}", self.0.display()))?,
        };
        let entry = |line: &str| {
            let mut fields = line.split('\t').map(str::to_owned);
            let (name, address) = (fields.next()?, fields.next()?);
            Some(Entry { name, address, folder: fields.next()?.into() })
        };
        Ok(text.lines().filter_map(entry).collect())
    }

    /// Whole or not at all: tests may be reading it.
    fn write(&self, entries: &[Entry]) -> anyhow::Result<()> {
        if entries.is_empty() {
            return match fs::remove_file(&self.0) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    Err(e).with_context(|| format!("remove {}", self.0.display()))
                }
                _ => Ok(()),
            };
        }
        let line = |Entry { name, address, folder }: &Entry| {
            format!("{name}\t{address}\t{}\n", folder.display())
        };
        let text: String = entries.iter().map(line).collect();
        let new = self.0.with_extension("new");
        fs::write(&new, text).with_context(|| format!("write {}", new.display()))?;
        fs::rename(&new, &self.0).with_context(|| format!("write {}", self.0.display()))
    }
}
