//! The consumers of a node: one named thread each, over its own state folder, tried again when it fails.
//!
//! A stage that fails does not end the process: the edge goes on answering and recording, and the stage catches up from
//! its last committed batch.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use catalog::Handle;
use dedup::FjallStore;
use eventlog::Log;
use metrics::Gauge;
use telemetry::Metric;
use telemetry::task::{self, Thread};

use crate::config::Config;

/// Pause before a failed stage is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(10);

const RUNNING: Metric = Metric::gauge(
    "stage_running",
    "1 while the stage works, 0 after it failed and until it is tried again. Alert below 1.",
)
.labels(&["stage"]);

/// What the stages' threads measure.
pub(crate) const METRICS: &[Metric] = &[RUNNING];

/// The running consumers.
pub(crate) struct Stages {
    stop: Arc<AtomicBool>,
    threads: Vec<Thread<()>>,
}

/// Folder of a stage's state in the data folder.
pub(crate) fn state_folder(data_folder: &Path, stage: &str) -> PathBuf {
    data_folder.join("state").join(stage)
}

/// The state of dedup, empty if there is none.
pub(crate) fn open_dedup(config: &Config) -> anyhow::Result<FjallStore> {
    let folder = make(state_folder(&config.node.data_folder, "dedup"))?;
    FjallStore::open(&folder, config.dedup.cache_bytes)
        .with_context(|| format!("open the state of dedup in {}", folder.display()))
}

fn make(folder: PathBuf) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

impl Stages {
    /// No consumers: the node is an edge.
    pub(crate) fn none() -> Self {
        Self { stop: Arc::default(), threads: Vec::new() }
    }

    /// Opens the state of every stage and starts them.
    pub(crate) fn start(config: &Config, log: &Log, catalog: &Arc<Handle>) -> anyhow::Result<Self> {
        let mut stages = Self::none();
        let deps = dedup::Deps {
            log: Arc::new(log.clone()),
            store: open_dedup(config)?,
            catalog: Arc::clone(catalog),
        };
        let worker = dedup::Worker::new(config.dedup.clone(), deps);
        stages.spawn("dedup", move |stop| Ok(worker.run(stop)?))?;
        Ok(stages)
    }

    fn spawn(
        &mut self,
        name: &'static str,
        run: impl Fn(&AtomicBool) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let stop = Arc::clone(&self.stop);
        let running = RUNNING.gauge_of(&[name]);
        self.threads.push(task::thread(name, move || keep_running(name, &stop, &running, run))?);
        Ok(())
    }

    /// Lets each stage finish its batch, and waits for them.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.unpark();
            thread.join()?;
        }
        Ok(())
    }
}

fn keep_running(
    name: &'static str,
    stop: &AtomicBool,
    running: &Gauge,
    run: impl Fn(&AtomicBool) -> anyhow::Result<()>,
) {
    while !stop.load(Ordering::Acquire) {
        running.set(1.0);
        if let Err(error) = run(stop) {
            running.set(0.0);
            tracing::error!(
                stage = name,
                error = format!("{error:#}"),
                retry_after = ?RETRY_AFTER,
                "stage failed; what it has not decided yet waits in the log"
            );
            std::thread::park_timeout(RETRY_AFTER);
        }
    }
}
