//! A cut through all topics, for a copy: files and how many bytes of each.

use std::path::{Path, PathBuf};

use event::Topic;

use crate::damage::Reporter;
use crate::disk::Disk;
use crate::error::Error;
use crate::record::Offset;
use crate::recover::{Finder, read_format};
use crate::segment::file_name;

/// The order in which ends are looked up while a process goes on writing: what follows from a topic's records before that topic,
/// so that of all that stands in the cut the causes stand there too.
const ORDER: [Topic; 10] = [
    Topic::Transfers,
    Topic::Closed,
    Topic::Attributed,
    Topic::Duplicate,
    Topic::Unique,
    Topic::Rejected,
    Topic::Conversions,
    Topic::Touches,
    Topic::Node,
    Topic::Catalog,
];

/// What is to be copied of a data folder: `FORMAT` as it is, and of these files these bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Segments.
    pub files: Vec<CutFile>,
    /// Where each topic ends in the cut.
    pub ends: Vec<(Topic, Offset)>,
}

/// A segment, up to a byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutFile {
    /// Path in the data folder.
    pub path: PathBuf,
    /// Bytes from its start.
    pub bytes: u64,
}

impl Cut {
    /// Cuts through the data folder as it is now. Takes no lock and writes nothing, so it can be used beside the process that has the
    /// folder open. A file that retention deletes before it is copied makes the cut worthless; make another.
    ///
    /// # Errors
    /// The folder has no FORMAT file, or one of a newer format; the disk fails.
    pub fn through(disk: &dyn Disk, folder: &Path) -> Result<Self, Error> {
        let path = folder.join("FORMAT");
        if read_format(disk, &path)?.is_none() {
            return Err(Error::FormatFile { path, fault: "there is none: this is no data folder" });
        }
        let reporter = Reporter::new(None);
        let mut cut = Self::default();
        for topic in ORDER {
            let (stream, quarantine) = (folder.join(topic.name()), folder.join("quarantine"));
            let reporter = &reporter;
            let finder =
                Finder { disk, topic, folder: stream, quarantine, reporter, writes: false };
            let extent = finder.find()?.extent;
            cut.ends.push((topic, extent.next_offset));
            cut.files.extend(extent.segments.iter().map(|segment| CutFile {
                path: Path::new(topic.name()).join(file_name(segment.number, segment.id)),
                bytes: segment.end,
            }));
        }
        Ok(cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_names_each_topic_once_and_effects_before_causes() {
        let place = |topic| ORDER.iter().position(|one| *one == topic).expect("each topic");
        for topic in Topic::ALL {
            assert_eq!(ORDER.iter().filter(|one| **one == topic).count(), 1, "{topic}");
        }
        for (effect, cause) in [
            (Topic::Transfers, Topic::Closed),
            (Topic::Transfers, Topic::Attributed),
            (Topic::Closed, Topic::Attributed),
            (Topic::Attributed, Topic::Unique),
            (Topic::Attributed, Topic::Touches),
            (Topic::Unique, Topic::Conversions),
            (Topic::Duplicate, Topic::Conversions),
            (Topic::Touches, Topic::Catalog),
        ] {
            assert!(place(effect) < place(cause), "{effect} follows from {cause}");
        }
    }
}
