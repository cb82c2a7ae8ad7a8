//! The consumers of a node: one named thread each, over its own state folder, tried again when it fails.
//!
//! A stage that fails does not end the process: the edge goes on answering and recording. Each try opens the state anew
//! (one that met a full disk takes no more writes for as long as it is open) and catches up from the last committed
//! batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use attribution::{FjallKv, State, View};
use catalog::Handle;
use dedup::FjallStore;
use event::Clock;
use eventlog::Log;
use metrics::Gauge;
use telemetry::Metric;
use telemetry::task::{self, Thread};

use crate::config::Config;
use crate::reports;

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
    view: Option<View<FjallKv>>,
    books: Option<ledger::View>,
    report: Option<report::View>,
}

/// What the stages stand on.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) config: Config,
    pub(crate) log: Log,
    pub(crate) catalog: Arc<Handle>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A worker on its state, which is closed when this is dropped.
type Run = Box<dyn FnOnce(&AtomicBool) -> anyhow::Result<()> + Send>;

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

/// The state of attribution, empty if there is none.
pub(crate) fn open_attribution(config: &Config) -> anyhow::Result<State<FjallKv>> {
    let folder = make(state_folder(&config.node.data_folder, "attribution"))?;
    let context = || format!("open the state of attribution in {}", folder.display());
    let tables = FjallKv::open(&folder, config.attribution.cache_bytes).with_context(context)?;
    State::open(tables).with_context(context)
}

/// The book of the ledger, empty if there is none.
pub(crate) fn open_ledger(config: &Config) -> anyhow::Result<ledger::Store> {
    let folder = make(state_folder(&config.node.data_folder, "ledger"))?;
    ledger::Store::open(&folder, config.ledger.cache_bytes)
        .with_context(|| format!("open the book in {}", folder.display()))
}

fn make(folder: PathBuf) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// The worker of dedup over `store`.
pub(crate) fn dedup_worker(base: &Base, store: FjallStore) -> dedup::Worker<FjallStore> {
    let deps =
        dedup::Deps { log: Arc::new(base.log.clone()), store, catalog: Arc::clone(&base.catalog) };
    dedup::Worker::new(base.config.dedup.clone(), deps)
}

/// The worker of attribution over `state`.
pub(crate) fn attribution_worker(
    base: &Base,
    state: Arc<State<FjallKv>>,
) -> attribution::Worker<FjallKv> {
    let deps = attribution::Deps {
        log: Arc::new(base.log.clone()),
        state,
        catalog: Arc::clone(&base.catalog),
        clock: Arc::clone(&base.clock),
    };
    attribution::Worker::new(base.config.attribution.clone(), deps)
}

/// The worker of the ledger over `store`.
pub(crate) fn ledger_worker(
    base: &Base,
    store: ledger::Store,
    desk: Arc<ledger::Desk>,
) -> ledger::Worker {
    let deps = ledger::Deps {
        log: Arc::new(base.log.clone()),
        store: Arc::new(store),
        catalog: Arc::clone(&base.catalog),
        clock: Arc::clone(&base.clock),
        desk,
        stages: vec![
            ledger::Stage { group: dedup::GROUP, topics: dedup::TOPICS },
            ledger::Stage { group: attribution::GROUP, topics: attribution::TOPICS },
        ],
    };
    ledger::Worker::new(base.config.ledger.clone(), deps)
}

/// The worker of the report over its state, empty if there is none.
pub(crate) fn report_worker(base: &Base) -> anyhow::Result<report::Worker> {
    let folder = make(state_folder(&base.config.node.data_folder, "report"))?;
    let store = report::Store::open(&folder)
        .with_context(|| format!("open the state of the report in {}", folder.display()))?;
    let deps = report::Deps {
        log: Arc::new(base.log.clone()),
        store: Arc::new(store),
        catalog: Arc::clone(&base.catalog),
    };
    Ok(report::Worker::new(base.config.report.clone(), deps))
}

impl Stages {
    /// No consumers: the node is an edge.
    pub(crate) fn none() -> Self {
        Self { stop: Arc::default(), threads: Vec::new(), view: None, books: None, report: None }
    }

    /// Starts every stage. Each opens its state in its own thread: that takes longer the more there is, and no redirect
    /// waits for it.
    pub(crate) fn start(base: &Base) -> anyhow::Result<Self> {
        let mut stages = Self::none();
        let on = base.clone();
        stages.spawn("dedup", move || {
            let worker = dedup_worker(&on, open_dedup(&on.config)?);
            Ok(Box::new(move |stop| Ok(worker.run(stop)?)))
        })?;
        let view = View::new(Arc::clone(&base.catalog), Arc::clone(&base.clock));
        stages.view = Some(view.clone());
        let on = base.clone();
        stages.spawn("attribution", move || {
            view.close(); // else the folder would stay locked
            let state = Arc::new(open_attribution(&on.config)?);
            let worker = attribution_worker(&on, Arc::clone(&state));
            let (view, topics) = (view.clone(), on.log.reader().clone());
            Ok(Box::new(move |stop| {
                worker.fill(&topics, stop)?;
                view.open(state);
                Ok(worker.run(stop)?)
            }))
        })?;
        let desk = Arc::new(ledger::Desk::default());
        let folder = state_folder(&base.config.node.data_folder, "ledger");
        let books = ledger::View::new(folder, Arc::clone(&base.catalog), Arc::clone(&desk));
        stages.books = Some(books);
        let on = base.clone();
        stages.spawn("ledger", move || {
            let worker = ledger_worker(&on, open_ledger(&on.config)?, Arc::clone(&desk));
            Ok(Box::new(move |stop| Ok(worker.run(stop)?)))
        })?;
        stages.report = Some(reports::view(base));
        let on = base.clone();
        stages.spawn("report", move || {
            let worker = report_worker(&on)?;
            Ok(Box::new(move |stop| Ok(worker.run(stop)?)))
        })?;
        Ok(stages)
    }

    /// Reads the book; none on a node without a ledger.
    pub(crate) fn books(&self) -> Option<ledger::View> {
        self.books.clone()
    }

    /// Looks decisions up; none on a node without attribution.
    pub(crate) fn view(&self) -> Option<View<FjallKv>> {
        self.view.clone()
    }

    /// Answers for the report; none on a node without it.
    pub(crate) fn report(&self) -> Option<report::View> {
        self.report.clone()
    }

    fn spawn(
        &mut self,
        name: &'static str,
        open: impl Fn() -> anyhow::Result<Run> + Send + 'static,
    ) -> anyhow::Result<()> {
        let stop = Arc::clone(&self.stop);
        let running = RUNNING.gauge_of(&[name]);
        let run = move || keep_running(name, &stop, &running, open);
        self.threads.push(task::thread(name, run)?);
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
    open: impl Fn() -> anyhow::Result<Run>,
) {
    while !stop.load(Ordering::Acquire) {
        let run = |run: Run| {
            running.set(1.0);
            run(stop)
        };
        // A panic is an assertion of the stage, such as one of the book's: it is told, and tried again as any failure.
        let worked = catch_unwind(AssertUnwindSafe(|| open().and_then(run)));
        let worked = worked.unwrap_or_else(|_| bail!("it panicked; the log says where"));
        if let Err(error) = worked {
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
