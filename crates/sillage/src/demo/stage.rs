//! The demo's node: `serve` in a temporary folder on the sample catalog and a scaled clock.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use event::keys::ProgramKey;
use event::{Clock as _, Millis};
use eventlog::{ClockKind, LogReader};
use telemetry::recorder;
use tempfile::TempDir;

use super::HOURS_PER_SECOND;
use super::browser::Signer;
use super::days::Times;
use super::drive::Stage;
use crate::clock::ScaledClock;
use crate::config::Config;
use crate::node::{Node, Roles, Setup};
use crate::signals::Listener;
use crate::{COMMIT, METRICS, VERSION};

/// The sample catalog; its token for the shop's server is [`TOKEN`].
const CATALOG: &str = include_str!("../../../../config/sample-catalog.toml");
const PROGRAM: &str = "boutique";
const TOKEN: &str = "boutique-demo-token";
/// The shop of the sample catalog, without its port.
const SHOP_ORIGIN: &str = "http://shop.localhost";

const SHOP_KEY: &str = "shop-orders";

/// What the demo changes in the sample catalog. Rules given in minutes are stretched, so that a real second of delay changes
/// no truth: page evidence half an hour from the server's report is a day here. And the shop's order system has a key.
const CHANGED: [(&str, &str); 2] = [
    ("lateness = \"7d\"\n", "lateness = \"7d\"\nevidence_window = \"24h\"\n"),
    ("[program.boutique.reports]\n", "[program.boutique.reports]\nhmac_keys = [\"shop-orders\"]\n"),
];
/// For the same reason: how long a signature holds.
const SIGNATURE_SKEW_MAX: Duration = Duration::from_hours(15 * 24);

/// A node that plays.
pub(super) struct Running {
    node: Node,
    signer: Signer,
    clock: ScaledClock,
    begun: Millis,
    shop_origin: String,
    signals: Listener,
    _folder: TempDir,
}

impl Running {
    /// Starts the node at this time of its own; returns when it answers. The catalog's shop moves to `shop_origin`, if there
    /// is one.
    pub(super) fn start(shop_origin: Option<String>, begin: Millis) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sillage-demo-").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let mut catalog = CATALOG.to_owned();
        for (line, changed) in CHANGED {
            if !catalog.contains(line) {
                bail!("the sample catalog has no line {line:?}");
            }
            catalog = catalog.replacen(line, changed, 1);
        }
        let shop_origin = shop_origin.unwrap_or_else(|| SHOP_ORIGIN.to_owned());
        fs::write(at("catalog.toml"), catalog.replace(SHOP_ORIGIN, &shop_origin))?;
        let clock = ScaledClock::new(HOURS_PER_SECOND * 3600, begin);
        let begun = clock.now();
        let signer = signer(&at("keys.toml"), clock.clone()).context("make keys")?;
        let config = config(&folder);
        telemetry::log::init(&config.log)?;
        let recorder = recorder::install(METRICS, VERSION, COMMIT)?;
        let signals = Listener::start()?;
        let of_node = Arc::new(clock.clone());
        let setup = Setup {
            config,
            clock: of_node,
            clock_kind: ClockKind::Scaled,
            recorder,
            roles: Roles::All,
        };
        let node = Node::start(setup)?;
        Ok(Self { node, signer, clock, begun, shop_origin, signals, _folder: folder })
    }

    pub(super) fn stage(&self, hours_per_second: f64) -> Stage {
        Stage {
            edge: self.edge_url(),
            program: PROGRAM,
            token: TOKEN.to_owned(),
            signer: self.signer.clone(),
            shop_origin: self.shop_origin.clone(),
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

    /// When it began, and now.
    pub(super) fn times(&self) -> Times {
        Times { begun: self.begun, read: self.clock.now(), zone: self.zone() }
    }

    pub(super) const fn token(&self) -> &'static str {
        TOKEN
    }

    /// The play is over: from now on a second is a second.
    pub(super) fn slow_down(&self) {
        self.clock.slow_down();
    }

    pub(super) fn wait_for_signal(&self) -> Result<()> {
        self.signals.requests().recv().context("listen to signals")?;
        Ok(())
    }

    pub(super) fn stop(self) -> Result<()> {
        self.node.stop(self.signals.requests())
    }
}

/// Makes the key file with a key for the shop's order system.
fn signer(file: &Path, clock: ScaledClock) -> Result<Signer> {
    crate::keygen::make_or_rotate(file, clock.now())?;
    let mut kept = crate::keys::read(file)?;
    let secret = crate::keys::random_secret()?;
    let key = ProgramKey { id: SHOP_KEY.to_owned(), program: PROGRAM.parse()?, secret };
    let signer = Signer { key: SHOP_KEY.to_owned(), secret: key.secret.clone(), clock };
    kept.call.push(key);
    crate::keys::write(file, &kept)?;
    Ok(signer)
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
    config.edge.conversions.signature_skew_max = SIGNATURE_SKEW_MAX;
    // Its clock is far ahead of everything on purpose.
    config.ledger.clock_checked = Some("9000-01-01".to_owned());
    config.log.filter = "warn".to_owned();
    config
}
