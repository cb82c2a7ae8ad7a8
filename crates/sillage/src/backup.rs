//! `sillage backup` and `sillage restore`: a copy of the topics from which everything else is made again.
//!
//! The copy is a cut: where each topic ends is looked up first, effects before causes, and then the bytes up to there are copied, also
//! while a node writes. State, book and figures are not copied: `restore` rebuilds them from the topics. Neither are keys (the day
//! keys least of all: a copy would outlive their destruction), the configuration and the catalog's file.

mod manifest;

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use event::Clock as _;
use eventlog::{Cut, RealDisk};

use crate::clock::SystemClock;
use crate::config;
use crate::rebuild;
use manifest::{Copied, Manifest};

/// Name of the list of what was copied. Written last, so that a copy that was cut off has none.
const MANIFEST: &str = "BACKUP";

/// Bytes copied at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Copies the topics of the configuration in `file` into `to`.
pub(crate) fn run(file: &Path, to: &Path) -> anyhow::Result<()> {
    let config = config::from_environment(file)?;
    let from = &config.node.data_folder;
    let cut = Cut::through(&RealDisk, from).context("look up where the topics end")?;
    make_empty(to)?;
    let mut files = vec![copy(from, to, Path::new("FORMAT"), None)?];
    for file in &cut.files {
        files.push(copy(from, to, &file.path, Some(file.bytes))?);
    }
    sync_folders(to)?;
    let taken_at = SystemClock.now();
    let manifest = Manifest { taken_at, ends: cut.ends, files };
    write_new(&to.join(MANIFEST), manifest.text().as_bytes())?;
    sync_folder(to)?;
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let records: u64 = manifest.ends.iter().map(|(_, end)| end).sum();
    println!(
        "{} files, {bytes} bytes, up to record {records} of all topics: {}",
        manifest.files.len(),
        to.display()
    );
    println!(
        "not in it: the key file, the configuration, the catalog's file; keep copies of these too"
    );
    Ok(())
}

/// Checks the copy in `from`, puts it where the configuration in `file` wants its data, and rebuilds the state.
pub(crate) fn restore(file: &Path, from: &Path) -> anyhow::Result<()> {
    let config = config::from_environment(file)?;
    let to = &config.node.data_folder;
    let manifest = read_manifest(from)?;
    for copied in &manifest.files {
        let found = digest(&from.join(&copied.path), copied.bytes)?;
        if found != copied.digest {
            bail!("{} is damaged: it is not what was copied", from.join(&copied.path).display());
        }
    }
    make_empty(to).context("nothing is restored over data that is there")?;
    // FORMAT last: a folder without it is no data folder, so what was cut off is never taken for whole.
    let (format, segments): (Vec<&Copied>, Vec<&Copied>) =
        manifest.files.iter().partition(|copied| copied.path == Path::new("FORMAT"));
    for copied in segments {
        let written = copy(from, to, &copied.path, Some(copied.bytes))?;
        if written.digest != copied.digest {
            bail!("{} changed while it was read", from.join(&copied.path).display());
        }
    }
    sync_folders(to)?;
    for copied in format {
        copy(from, to, &copied.path, Some(copied.bytes))?;
    }
    sync_folder(to)?;
    println!("restored the topics of {} to {}", manifest.taken_at.rfc3339(), to.display());
    rebuild::run(file)
}

fn read_manifest(folder: &Path) -> anyhow::Result<Manifest> {
    let path = folder.join(MANIFEST);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{} is no whole copy: it has no file {MANIFEST}", folder.display())
        }
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    Manifest::read(&text).with_context(|| format!("read {}", path.display()))
}

/// Makes a folder, which may be there if nothing is in it.
fn make_empty(folder: &Path) -> anyhow::Result<()> {
    let context = || format!("make {}", folder.display());
    fs::create_dir_all(folder).with_context(context)?;
    if fs::read_dir(folder).with_context(context)?.next().is_some() {
        bail!("{} is not empty: give a folder that is empty or not there yet", folder.display());
    }
    Ok(())
}

/// Copies the first `bytes` of a file (all of it without a number) and makes them durable.
fn copy(from: &Path, to: &Path, path: &Path, bytes: Option<u64>) -> anyhow::Result<Copied> {
    let (source, target) = (from.join(path), to.join(path));
    let context = || format!("copy {}", source.display());
    let file = File::open(&source).with_context(context)?;
    let bytes = match bytes {
        Some(bytes) => bytes,
        None => file.metadata().with_context(context)?.len(),
    };
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
    }
    let made = File::options().write(true).create_new(true).open(&target);
    let mut out = made.with_context(|| format!("make {}", target.display()))?;
    let digest = pour(file, bytes, |chunk| out.write_all(chunk)).with_context(context)?;
    out.sync_all().with_context(|| format!("sync {}", target.display()))?;
    Ok(Copied { path: path.to_owned(), bytes, digest })
}

/// The digest of a file that must have exactly `bytes`.
fn digest(path: &Path, bytes: u64) -> anyhow::Result<String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("{} is missing", path.display()),
        Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
    };
    let length = file.metadata().with_context(|| format!("measure {}", path.display()))?.len();
    if length != bytes {
        bail!("{} is damaged: it has {length} bytes, not {bytes}", path.display());
    }
    pour(file, bytes, |_| Ok(())).with_context(|| format!("read {}", path.display()))
}

/// Hands the first `bytes` of a file on in pieces; their digest.
fn pour(
    file: File,
    bytes: u64,
    mut into: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<String> {
    let mut left = file.take(bytes);
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut hasher = blake3::Hasher::new();
    loop {
        let read = left.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
        hasher.update(chunk);
        into(chunk)?;
    }
    if left.limit() > 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let context = || format!("write {}", path.display());
    let mut file = File::options().write(true).create_new(true).open(path).with_context(context)?;
    file.write_all(bytes).with_context(context)?;
    file.sync_all().with_context(context)
}

/// Makes the entries of a folder and of those in it durable.
fn sync_folders(folder: &Path) -> anyhow::Result<()> {
    let context = || format!("list {}", folder.display());
    let entries: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(context)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(context)?;
    for path in entries.iter().filter(|path| path.is_dir()) {
        sync_folder(path)?;
    }
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> anyhow::Result<()> {
    let context = || format!("sync {}", folder.display());
    File::open(folder).with_context(context)?.sync_all().with_context(context)
}
