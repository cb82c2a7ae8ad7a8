//! The demo's node: `serve` in a temporary folder on the sample catalog and a scaled clock.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use event::Clock as _;
use eventlog::{ClockKind, LogReader};
use telemetry::recorder;
use tempfile::TempDir;

use super::HOURS_PER_SECOND;
use super::drive::Stage;
use crate::clock::{ScaledClock, SystemClock};
use crate::config::Config;
use crate::node::{Node, Roles, Setup};
use crate::signals::Listener;
use crate::{COMMIT, METRICS, VERSION};

/// The sample catalog; its token for the shop's server is [`TOKEN`].
const CATALOG: &str = include_str!("../../../../config/sample-catalog.toml");
const PROGRAM: &str = "boutique";
const TOKEN: &str = "boutique-demo-token";
const SHOP_ORIGIN: &str = "http://shop.localhost";

/// Rules given in minutes, stretched so that a real second of delay changes no truth: page evidence half an hour from the
/// server's report is a day here.
const STRETCHED: (&str, &str) =
    ("lateness = \"7d\"\n", "lateness = \"7d\"\nevidence_window = \"24h\"\n");

/// A node that plays.
pub(super) struct Running {
    node: Node,
    signals: Listener,
    _folder: TempDir,
}

impl Running {
    /// Starts the node; returns when it answers.
    pub(super) fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sillage-demo-").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        if !CATALOG.contains(STRETCHED.0) {
            bail!("the sample catalog has no line {:?}", STRETCHED.0);
        }
        fs::write(at("catalog.toml"), CATALOG.replace(STRETCHED.0, STRETCHED.1))?;
        let clock = ScaledClock::new(HOURS_PER_SECOND * 3600, SystemClock.now());
        crate::keygen::make_or_rotate(&at("keys.toml"), clock.now()).context("make keys")?;
        let config = config(&folder);
        telemetry::log::init(&config.log)?;
        let recorder = recorder::install(METRICS, VERSION, COMMIT)?;
        let signals = Listener::start()?;
        let clock = Arc::new(clock);
        let setup =
            Setup { config, clock, clock_kind: ClockKind::Scaled, recorder, roles: Roles::All };
        let node = Node::start(setup)?;
        Ok(Self { node, signals, _folder: folder })
    }

    pub(super) fn stage(&self, hours_per_second: f64) -> Stage {
        Stage {
            edge: self.edge_url(),
            program: PROGRAM,
            token: TOKEN.to_owned(),
            shop_origin: SHOP_ORIGIN.to_owned(),
            hours_per_second,
        }
    }

    pub(super) fn log(&self) -> &LogReader {
        self.node.log_reader()
    }

    pub(super) fn edge_url(&self) -> String {
        self.node.edge_addresses().first().map_or_else(String::new, |a| format!("http://{a}"))
    }

    pub(super) fn admin_url(&self) -> String {
        format!("http://{}", self.node.admin_address())
    }

    pub(super) const fn zone(&self) -> &'static str {
        "Europe/Paris"
    }

    pub(super) const fn token(&self) -> &'static str {
        TOKEN
    }

    pub(super) fn wait_for_signal(&self) -> Result<()> {
        self.signals.requests().recv().context("listen to signals")?;
        Ok(())
    }

    pub(super) fn stop(self) -> Result<()> {
        self.node.stop(self.signals.requests())
    }
}

fn config(folder: &TempDir) -> Config {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = Config::default();
    config.edge.node = "demo".to_owned();
    config.node.data_folder = folder.path().join("data");
    config.node.catalog_file = folder.path().join("catalog.toml");
    config.node.key_file = folder.path().join("keys.toml");
    config.node.drain_delay = Duration::ZERO;
    config.admin.listen = local;
    config.edge.listen = vec![local];
    config.edge.trusted_proxies =
        vec![ipnet::IpNet::from(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST))];
    config.edge.country_header = Some("x-country".to_owned());
    config.edge.public_scheme = edge::Scheme::Http;
    config.log.filter = "warn".to_owned();
    config
}
