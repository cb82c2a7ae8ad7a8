//! Records of `node.log`: lanes that started, stopped, and what they lost.

use serde::{Deserialize, Serialize};

use crate::id::{LaneId, Sequence};

/// A lane starts; its first sequence is 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneStarted {
    /// The lane.
    pub lane: LaneId,
    /// The node's name, as configured.
    pub node: String,
    /// Version of the program.
    pub version: String,
}

/// A lane stopped in good order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneStopped {
    /// The lane.
    pub lane: LaneId,
    /// The sequence that the next event would have had: all below it are minted.
    pub next: Sequence,
}

/// Why sequences of a lane are in no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// The queue before the journal was full.
    QueueFull,
    /// The journal could not write.
    JournalFailed,
    /// The disk was full.
    DiskFull,
    /// Shed because the journal was nearly full.
    Shed,
    /// The process died; at most this much may be missing.
    InDoubt,
    /// The frame that held them was damaged.
    Corrupt,
    /// The request ended (client gone, commit failed) before the event was written.
    Abandoned,
}

/// Sequences of a lane that are in no file, declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneLost {
    /// The lane.
    pub lane: LaneId,
    /// Why.
    pub reason: LossReason,
    /// First lost sequence.
    pub from: Sequence,
    /// First sequence after the lost ones.
    pub to: Sequence,
}
