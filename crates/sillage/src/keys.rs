//! The key file on disk: read with its permissions checked, written so that a crash leaves the old one.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use event::keys::{KeyFile, Secret};

/// Owner reads and writes, nobody else does either.
const MODE: u32 = 0o600;

/// Reads a key file that only its owner can read.
///
/// Error texts never hold a line of the file: it is secret.
pub(crate) fn read(path: &Path) -> anyhow::Result<KeyFile> {
    let mode = fs::metadata(path)
        .with_context(|| {
            let file = path.display();
            format!("read the key file {file} (make one with `sillage keygen {file}`)")
        })?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        let file = path.display();
        bail!("others may read the key file {file} (mode {:03o}): chmod 600 {file}", mode & 0o777);
    }
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let keys: KeyFile = match toml::from_str(&text) {
        Ok(keys) => keys,
        Err(error) => {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            bail!("{}:{line}: {}", path.display(), error.message());
        }
    };
    let faults: Vec<String> = keys.faults().iter().map(ToString::to_string).collect();
    if !faults.is_empty() {
        bail!("{}: {}", path.display(), faults.join("; "));
    }
    Ok(keys)
}

/// Writes the key file in place of what is there.
pub(crate) fn write(path: &Path, keys: &KeyFile) -> anyhow::Result<()> {
    let mut text = String::from(
        "# Made by `sillage keygen`. Secret: copy it to every node, show it to nobody.\n",
    );
    text.push_str(&toml::to_string(keys).context("write down the keys")?);
    let mut name = path.file_name().context("the key file needs a file name")?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    written().with_context(|| {
        format!("write the key file {} (by way of {})", path.display(), new.display())
    })
}

/// 32 bytes of the system's randomness.
pub(crate) fn random_secret() -> anyhow::Result<Secret> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("get randomness from the system")?;
    Ok(Secret(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::read;

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("mode 640") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_broken_key_file_is_named_by_line_without_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        fs::write(&path, "# first\ncustomer_secret = \"sesame\"\nclick = []\nidentity = []\n")
            .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("keys.toml:2: "), "{error}");
        assert!(!error.contains("sesame"), "{error}");
    }
}
