//! Settings of the log.

use std::path::PathBuf;
use std::time::Duration;

use event::Topic;
use serde::{Deserialize, Serialize};
use telemetry::Fault;

const MIB: u64 = 1 << 20;
const DAY: Duration = Duration::from_hours(24);

/// Which clock a folder is written with. Mixing them would put a month into a minute, so it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClockKind {
    /// The wall clock.
    #[default]
    Real,
    /// The demo's clock, which runs faster.
    Scaled,
}

impl ClockKind {
    /// The word in the FORMAT file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Scaled => "scaled",
        }
    }
}

/// Settings of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Bytes of all segments at which the log is full: impressions are refused from 90 % of it, clicks from 95 %,
    /// conversions from 99 %. Bytes, 1 MiB and more; default 16 GiB: an hour at 5,000 events/s of 600 bytes, times 1.5.
    pub bytes_max: u64,
    /// Size at which a stream goes on in a new segment. Bytes, 4 KiB to 1 GiB; default 64 MiB.
    pub segment_bytes_max: u64,
    /// Longest wait of a touch or a rejected event for company before its commit begins. Range 0 to 1 s; default 5 ms: with a
    /// disk that needs 5 ms for an fdatasync it is durable after 10. All other topics commit as soon as the commit
    /// before returned.
    #[serde(with = "humantime_serde")]
    pub touch_commit_interval: Duration,
    /// Folder in memory (a tmpfs) that outlives the process: touches and rejected events that wait for their commit stand
    /// there too, so that a killed process loses none that was answered. It needs no more space than `queue_bytes_max` four
    /// times. Default `/dev/shm`; where there is none, a kill may cost the commit interval, as a power cut does.
    pub memory_folder: PathBuf,
    /// Records that may wait for a commit, per topic; above this they are refused. Count, 4,096 (several of the largest
    /// appends of the edge itself) to 1,048,576; default 65,536.
    pub queue_records_max: u32,
    /// Bytes that may wait for a commit, per topic. Bytes, 2 MiB to 1 GiB; default 32 MiB.
    pub queue_bytes_max: u32,
    /// Pause between attempts to write after the disk failed or was full. Range 1 ms to 1 min; default 1 s.
    #[serde(with = "humantime_serde")]
    pub probe_interval: Duration,
    /// Most records in a batch of a consumer. Count, 1 to 65,536; default 4,096.
    pub batch_records_max: u32,
    /// Bytes at which a batch of a consumer is closed. Bytes, 1 KiB to 64 MiB; default 4 MiB.
    pub batch_bytes_max: u32,
    /// Age from which segments of `events.touches` that every group has read are deleted. At least 75 days: for so long
    /// days that are paid by touches may be corrected. Default 135 days: the horizon plus everything that may come late.
    #[serde(with = "humantime_serde")]
    pub keep_touches: Duration,
    /// The same for `events.rejected`. Default 30 days.
    #[serde(with = "humantime_serde")]
    pub keep_rejected: Duration,
    /// The same for `conversions.duplicate`. Default 90 days. All other topics are kept for ever.
    #[serde(with = "humantime_serde")]
    pub keep_duplicate: Duration,
    /// The same topics on Apache Kafka. Default none.
    pub kafka: crate::kafka::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bytes_max: 16 << 30,
            segment_bytes_max: 64 * MIB,
            touch_commit_interval: Duration::from_millis(5),
            memory_folder: PathBuf::from("/dev/shm"),
            queue_records_max: 65_536,
            queue_bytes_max: 32 << 20,
            probe_interval: Duration::from_secs(1),
            batch_records_max: 4_096,
            batch_bytes_max: 4 << 20,
            keep_touches: DAY * 135,
            keep_rejected: DAY * 30,
            keep_duplicate: DAY * 90,
            kafka: crate::kafka::Config::default(),
        }
    }
}

impl Config {
    /// Every rule that this configuration breaks.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut range = |name: &str, value: u64, least: u64, most: u64, unit: &str| {
            if value < least || value > most {
                let most =
                    if most == u64::MAX { " or more".to_owned() } else { format!(" to {most}") };
                faults
                    .push(Fault::new(name, format!("is {value}{unit}; give {least}{most}{unit}")));
            }
        };
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        range("bytes_max", self.bytes_max, MIB, u64::MAX, " bytes");
        range("segment_bytes_max", self.segment_bytes_max, 4096, 1 << 30, " bytes");
        range("touch_commit_interval", ms(self.touch_commit_interval), 0, 1000, " ms");
        range("queue_records_max", self.queue_records_max.into(), 4096, 1 << 20, "");
        range("queue_bytes_max", self.queue_bytes_max.into(), 2 * MIB, 1 << 30, " bytes");
        range("probe_interval", ms(self.probe_interval), 1, 60_000, " ms");
        range("batch_records_max", self.batch_records_max.into(), 1, 65_536, "");
        range("batch_bytes_max", self.batch_bytes_max.into(), 1024, 64 * MIB, " bytes");
        faults.extend(self.kafka.faults().into_iter().map(|fault| fault.within("kafka")));
        faults
    }

    /// How long the first record after the last commit may wait for company.
    #[must_use]
    pub(crate) fn commit_interval(&self, topic: Topic) -> Duration {
        match topic {
            Topic::Touches | Topic::Rejected => self.touch_commit_interval,
            Topic::Conversions
            | Topic::Unique
            | Topic::Duplicate
            | Topic::Attributed
            | Topic::Closed
            | Topic::Transfers
            | Topic::Catalog
            | Topic::Node => Duration::ZERO,
        }
    }

    /// How long a topic's records are kept; `None`: for ever.
    #[must_use]
    pub(crate) fn keep(&self, topic: Topic) -> Option<Duration> {
        match topic {
            Topic::Touches => Some(self.keep_touches),
            Topic::Rejected => Some(self.keep_rejected),
            Topic::Duplicate => Some(self.keep_duplicate),
            Topic::Conversions
            | Topic::Unique
            | Topic::Attributed
            | Topic::Closed
            | Topic::Transfers
            | Topic::Catalog
            | Topic::Node => None,
        }
    }
}
