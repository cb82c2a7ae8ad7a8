//! `sillage serve` and `sillage edge`: a node until a signal ends it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use event::WatchedClock;
use eventlog::ClockKind;
use telemetry::recorder;

use crate::clock::SystemClock;
use crate::config;
use crate::node::{Node, Roles, Setup};
use crate::signals::{Listener, Request};
use crate::{COMMIT, METRICS, VERSION};

/// Runs a node with the configuration in `file`.
pub(crate) fn run(file: &Path, roles: Roles) -> anyhow::Result<()> {
    let started = Instant::now();
    let config = config::from_environment(file)?;
    telemetry::log::init(&config.log)?;
    tracing::info!(version = VERSION, commit = COMMIT, ?roles, "sillage starts");
    let recorder = recorder::install(METRICS, VERSION, COMMIT)?;
    // Before anything is open: a signal during the start stops the node in good order as well.
    let signals = Listener::start()?;
    let setup = Setup {
        config,
        clock: Arc::new(WatchedClock::new(SystemClock)),
        clock_kind: ClockKind::Real,
        recorder,
        roles,
    };
    let node = Node::start(setup)?;
    for address in node.edge_addresses() {
        tracing::info!(%address, "edge listener");
    }
    tracing::info!(address = %node.admin_address(), "admin listener");
    tracing::info!(took_ms = started.elapsed().as_millis(), "ready");
    loop {
        match signals.requests().recv().context("listen to signals")? {
            Request::Reload => node.reload(),
            Request::Stop | Request::StopNow => return node.stop(signals.requests()),
        }
    }
}
