//! A running node: opens the log, loads the catalog, starts the roles, and stops them in the order that loses nothing.

use std::net::SocketAddr;
use std::process;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use attribution::{FjallKv, View};
use edge::{Edge, Journal, KnownLanes, LogJournal};
use event::{Clock, Topic};
use eventlog::{ClockKind, Disk, Log, LogReader, RealDisk, StreamState};
use http::StatusCode;
use telemetry::Recorder;
use telemetry::admin::{Admin, Class, Draining, Reply, Running};
use telemetry::task::{self, Thread};

use crate::books;
use crate::catalog_file::Source;
use crate::config::{Config, Faults};
use crate::keys;
use crate::loss;
use crate::reports;
use crate::retention::Retention;
use crate::signals::Request;
use crate::stages::{Base, Stages};
use crate::trace;

/// Which roles a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Roles {
    /// Edge, dedup, attribution and ledger.
    All,
    /// The edge alone.
    Edge,
}

/// What a node is made of.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clock_kind: ClockKind,
    pub(crate) recorder: Recorder,
    pub(crate) roles: Roles,
}

/// A node that takes requests.
pub(crate) struct Node {
    config: Config,
    draining: Draining,
    admin: Running,
    edge: Edge,
    doubt: Thread<()>,
    stages: Stages,
    loss: Arc<loss::Watch>,
    catalog: Arc<Source>,
    log: Log,
}

impl Node {
    /// Starts every part; returns when the first request can be answered.
    pub(crate) fn start(setup: Setup) -> anyhow::Result<Self> {
        let Setup { config, clock, clock_kind, recorder, roles } = setup;
        let keys = keys::read(&config.node.key_file).map_err(as_fault)?;
        let folder = &config.node.data_folder;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (log, recovery) =
            Log::open(disk, folder, config.eventlog.clone(), Arc::clone(&clock), clock_kind)
                .context("open the event log")?;
        for damage in &recovery.damage {
            tracing::error!(?damage, "damage in the event log; the range is in quarantine");
        }
        if recovery.echoed > 0 {
            let records = recovery.echoed;
            tracing::info!(
                records,
                "an earlier process was killed; what it had queued is written now"
            );
        }
        log.on_damage(|damage| {
            tracing::error!(?damage, "damage in the event log; the range is in quarantine");
        });
        let catalog = Source::open(&config.node.catalog_file, &log, Arc::clone(&clock))?;
        let catalog = Arc::new(catalog);
        let (aging, of_tick) = (Arc::clone(&catalog), log.clone());
        let mut retention = Retention::new(&log, &clock);
        let tick = move || {
            aging.tick();
            of_tick.measure_lag();
            retention.tick();
        };
        let loss = Arc::new(loss::Watch::start(log.reader(), tick)?);
        let journal: Arc<dyn Journal> =
            Arc::new(LogJournal::new(&log).context("open the journal")?);
        let known = KnownLanes::read(log.reader()).context("read node.log")?;
        let deps = edge::Deps {
            catalog: Arc::clone(catalog.handle()),
            journal: Arc::clone(&journal),
            clock: Arc::clone(&clock),
            keys,
        };
        let stages = match roles {
            Roles::All => Stages::start(&Base {
                config: config.clone(),
                log: log.clone(),
                catalog: Arc::clone(catalog.handle()),
                clock: Arc::clone(&clock),
            })?,
            Roles::Edge => Stages::none(),
        };
        let edge = Edge::start(config.edge.clone(), folder, deps, &|lane| known.contains(lane))?;
        // Beside serving: it reads the end of three topics.
        let (reader, now) = (log.reader().clone(), Arc::clone(&clock));
        let doubt =
            task::thread("doubt", move || declare_doubt(&known, &reader, &*journal, &*now))?;
        let draining = Draining::default();
        let admin = Self::admin(&log, &loss, stages.view(), (recorder, draining.clone()));
        let admin = match stages.books() {
            Some(view) => {
                let handle = Arc::clone(catalog.handle());
                books::mount(admin, view, handle, clock)
            }
            None => admin,
        };
        let beside = reports::Node {
            calls: edge.recent_calls(),
            decisions: stages.view(),
            topics: log.reader().clone(),
        };
        let admin = reports::mount(admin, stages.report(), beside);
        let admin = edge.pulses().iter().cloned().fold(admin, Admin::watch);
        let admin = admin.serve(config.admin.listen)?;
        Ok(Self { config, draining, admin, edge, doubt, stages, loss, catalog, log })
    }

    fn admin(
        log: &Log,
        loss: &Arc<loss::Watch>,
        view: Option<View<FjallKv>>,
        (recorder, draining): (Recorder, Draining),
    ) -> Admin {
        let journal = log.clone();
        let loss = Arc::clone(loss);
        Admin::new(recorder, draining)
            .check("journal", Class::Durable, move || match journal.state(Topic::Conversions) {
                StreamState::Open if journal.sheds(eventlog::Class::Conversion) => {
                    Err("the log is at 99 % of eventlog.bytes_max or above".to_owned())
                }
                StreamState::Open => Ok(()),
                StreamState::DiskFull => Err("the disk is full".to_owned()),
                StreamState::Failed => Err("writes fail; a new segment is tried".to_owned()),
                StreamState::Closed => Err("the log is closed".to_owned()),
            })
            .route(trace::ROUTE, {
                let reader = log.reader().clone();
                move |query| {
                    trace::answer(query, |wanted| trace::find(view.as_ref(), &reader, wanted))
                }
            })
            .route("/v1/loss", move |_| match serde_json::to_string(&loss.summary()) {
                Ok(body) => Reply::json(StatusCode::OK, body + "\n"),
                Err(error) => Reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
            })
    }

    /// Where the admin listener answers.
    pub(crate) const fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// The topics, for reading.
    pub(crate) fn log_reader(&self) -> &LogReader {
        self.log.reader()
    }

    /// Where the edge answers.
    pub(crate) fn edge_addresses(&self) -> &[SocketAddr] {
        self.edge.addresses()
    }

    /// Reads catalog and keys again; what is wrong with the new ones is logged and counted, and the old ones stay.
    pub(crate) fn reload(&self) {
        self.catalog.reload();
        match keys::read(&self.config.node.key_file) {
            Ok(keys) => {
                self.edge.set_keys(keys);
                tracing::info!("keys loaded");
            }
            Err(error) => {
                tracing::error!("{error:#}");
                tracing::error!("the key file is refused; the keys before it stay in use");
            }
        }
    }

    /// Drains and ends: `/readyz` says 503 while requests are still served, then no connection is accepted, then those
    /// under way are finished, then the workers end, then the log is fsynced. Ends the process after `stop_max`.
    pub(crate) fn stop(self, requests: &Receiver<Request>) -> anyhow::Result<()> {
        let started = Instant::now();
        let stop_max = self.config.node.stop_max;
        // Its thread is not joined: it exists for the case that nothing else can be.
        let _watchdog = task::thread("stop-watchdog", move || {
            std::thread::sleep(stop_max);
            tracing::error!(stop_max = ?stop_max, "still not stopped: ending the process");
            process::exit(1);
        })?;
        self.draining.start();
        let delay = self.config.node.drain_delay;
        tracing::info!(drain_delay = ?delay, "draining: /readyz says 503, requests are still served");
        wait_unless_hurried(delay, requests);
        let edge = self.edge.stop().context("stop the edge");
        let stages = self.stages.stop();
        self.doubt.join()?;
        self.log.close();
        drop(self.loss);
        tracing::info!(took_ms = ms(started.elapsed()), "stopped; everything promised is on disk");
        self.admin.stop()?;
        edge.and(stages)
    }
}

/// Says on `node.log` what may be missing of lanes whose process died.
fn declare_doubt(known: &KnownLanes, log: &LogReader, journal: &dyn Journal, clock: &dyn Clock) {
    match known.declare_doubt(log, journal, clock) {
        Ok(0) => {}
        Ok(lanes) => tracing::warn!(
            lanes,
            "an earlier process did not end in good order; its last sequences are in doubt"
        ),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "cannot declare what an earlier process may have lost");
        }
    }
}

/// A wrong key file is the operator's to mend, as a wrong configuration is.
fn as_fault(error: anyhow::Error) -> anyhow::Error {
    Faults::one(format!("{error:#}")).into()
}

/// Waits, unless the operator asks a second time.
fn wait_unless_hurried(delay: Duration, requests: &Receiver<Request>) {
    let end = Instant::now() + delay;
    loop {
        match requests.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Request::Reload) => {}
            Ok(Request::Stop | Request::StopNow) => {
                return tracing::info!("asked again: not waiting for balancers");
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
