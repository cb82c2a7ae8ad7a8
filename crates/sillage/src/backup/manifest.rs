//! The list of what a copy holds: text, one file or topic a line, closed by a digest of itself.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};
use event::{Millis, Topic};

/// First line.
const TITLE: &str = "sillage backup";

/// Format of the list and of the folder around it.
const FORMAT: u32 = 1;

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// When it was taken.
    pub(super) taken_at: Millis,
    /// Where each topic ends in it.
    pub(super) ends: Vec<(Topic, u64)>,
    /// Its files.
    pub(super) files: Vec<Copied>,
}

/// A file of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copied {
    /// Path in the copy and in the data folder.
    pub(super) path: PathBuf,
    /// Its length.
    pub(super) bytes: u64,
    /// BLAKE3 of its bytes, as hexadecimal digits.
    pub(super) digest: String,
}

impl Manifest {
    /// As it is written.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{TITLE}\nformat = {FORMAT}\ntaken_at = {}\n", self.taken_at.0);
        for (topic, end) in &self.ends {
            // Writing to a String does not fail.
            let _written = writeln!(text, "end {end} {topic}");
        }
        for Copied { path, bytes, digest } in &self.files {
            let _written = writeln!(text, "file {digest} {bytes} {}", path.display());
        }
        let digest = blake3::hash(text.as_bytes()).to_hex();
        text + &format!("whole {digest}\n")
    }

    /// Reads one; what is wrong is told by name.
    pub(super) fn read(text: &str) -> anyhow::Result<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            bail!("its first line is not `{TITLE}`: this is no list of a copy");
        }
        let format = lines.next().and_then(|line| line.strip_prefix("format = "));
        let format: u32 = format.and_then(|n| n.parse().ok()).context("its format is missing")?;
        if format != FORMAT {
            bail!("the copy is of format {format}; this version reads format {FORMAT}");
        }
        let (body, whole) =
            text.rsplit_once("whole ").context("its last line is missing: it was cut off")?;
        if whole.trim_end() != blake3::hash(body.as_bytes()).to_hex().as_str() {
            bail!("the list is damaged: it is not what was written");
        }
        let taken_at = lines.next().and_then(|line| line.strip_prefix("taken_at = "));
        let taken_at = taken_at.and_then(|n| n.parse().ok()).context("its time is missing")?;
        let (mut ends, mut files) = (Vec::new(), Vec::new());
        for line in lines {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("end"), Some(end), Some(name), None) => {
                    let topic = Topic::ALL.into_iter().find(|topic| topic.name() == name);
                    ends.push((topic.with_context(|| line.to_owned())?, end.parse()?));
                }
                (Some("file"), Some(digest), Some(bytes), Some(path)) => {
                    let path = inside(path).with_context(|| line.to_owned())?;
                    files.push(Copied { path, bytes: bytes.parse()?, digest: digest.to_owned() });
                }
                (Some("whole"), ..) => {}
                _ => bail!("a line is not understood: {line}"),
            }
        }
        Ok(Self { taken_at: Millis(taken_at), ends, files })
    }
}

/// A path that stays in the folder.
fn inside(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let file = |path: &str| Copied { path: path.into(), bytes: 7, digest: "ab".repeat(32) };
        Manifest {
            taken_at: Millis(1_793_664_000_000),
            ends: vec![(Topic::Transfers, 5), (Topic::Touches, 9)],
            files: vec![file("FORMAT"), file("events.touches/1-2.seg")],
        }
    }

    #[test]
    fn it_reads_what_it_wrote() {
        assert_eq!(Manifest::read(&manifest().text()).unwrap(), manifest());
    }

    #[test]
    fn what_is_wrong_is_told_by_name() {
        let text = manifest().text();
        let said = |text: &str| format!("{:#}", Manifest::read(text).unwrap_err());
        assert!(said("").contains("no list of a copy"));
        assert!(said(&text.replace("format = 1", "format = 2")).contains("of format 2"));
        assert!(said(&text.replace(" 7 ", " 8 ")).contains("the list is damaged"));
        assert!(said(text.split("whole").next().unwrap()).contains("cut off"));
        let digest = |body: &str| blake3::hash(body.as_bytes()).to_hex().to_string();
        let body = text.split("whole").next().unwrap().replace("FORMAT", "../FORMAT");
        assert!(said(&format!("{body}whole {}\n", digest(&body))).contains("../FORMAT"));
    }
}
