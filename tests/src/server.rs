//! `sillage serve` as a process of its own, in a folder of its own, on ports of its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{self, Reply};
use crate::{WAIT_MAX, free_port, wait_for};

/// Lines of a failed server's log that are printed.
const LOG_LINES_SHOWN: usize = 40;

/// Starts that lose the race for a port before giving up.
const STARTS_MAX: usize = 5;

/// Stillness of the stages that shows that they are done: above the second in which an order is decided once.
const STILL: Duration = Duration::from_millis(2_500);

/// What a server is started with.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The catalog file, as TOML.
    pub catalog: String,
    /// More of the configuration file: further keys and sections behind those that the harness writes.
    pub config: String,
    /// Keys of `[edge]` besides the address.
    pub edge: String,
    /// Environment of the process.
    pub environment: Vec<(String, String)>,
    /// Keys that sign calls: name and program.
    pub call_keys: Vec<(String, String)>,
}

/// A running `sillage serve`. Dropped, it is killed; in a test that fails its folder stays.
#[derive(Debug)]
pub struct Server {
    folder: Option<TempDir>,
    setup: Setup,
    child: Child,
    public: SocketAddr,
    admin: SocketAddr,
}

impl Server {
    /// Starts a server in a new folder with new keys and waits until it is ready.
    #[must_use]
    pub fn start(setup: Setup) -> Self {
        let folder = tempfile::Builder::new().prefix("sillage-").tempdir().expect("make a folder");
        fs::write(folder.path().join("catalog.toml"), &setup.catalog).expect("write the catalog");
        let keys = folder.path().join("keys.toml");
        let made = Command::new(binary()).arg("keygen").arg(&keys).output().expect("run keygen");
        assert!(made.status.success(), "keygen: {}", String::from_utf8_lossy(&made.stderr));
        for (name, program) in &setup.call_keys {
            let mut add = Command::new(binary());
            add.arg("keygen").arg(&keys).args(["--name", name, "--program", program]);
            let added = add.output().expect("run keygen");
            assert!(added.status.success(), "keygen: {}", String::from_utf8_lossy(&added.stderr));
        }
        for _ in 0..STARTS_MAX {
            let addresses = [free_port(), free_port()].map(|port| ([127, 0, 0, 1], port).into());
            let [public, admin] = addresses;
            let mut child = launch(folder.path(), &setup, public, admin);
            if ready(&mut child, admin) {
                return Self { folder: Some(folder), setup, child, public, admin };
            }
        }
        let kept = folder.keep();
        panic!("the server does not start:\n{}\nkept: {}", log(&kept), kept.display());
    }

    /// Address of the public listener.
    #[must_use]
    pub const fn public(&self) -> SocketAddr {
        self.public
    }

    /// Address of the admin listener.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The folder with configuration, catalog, keys, data and log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a running server has its folder").path()
    }

    /// What the server wrote to its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        log(self.folder())
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the public listener under this host name.
    #[must_use]
    pub fn call(
        &self,
        method: &str,
        host: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let host = format!("{host}:{}", self.public.port());
        http::call(self.public, method, &host, target, headers, body)
            .unwrap_or_else(|error| panic!("{method} {target}: {error}\n{}", self.log()))
    }

    /// Asks the admin listener.
    #[must_use]
    pub fn admin(&self, target: &str) -> Reply {
        http::call(self.admin, "GET", &self.admin.to_string(), target, &[], &[])
            .unwrap_or_else(|error| panic!("GET {target}: {error}\n{}", self.log()))
    }

    /// The sum of all series of a metric whose labels contain `label` (`kind="click"`; empty: every series).
    #[must_use]
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let page = self.admin("/metrics").text();
        let series = page.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            (labels.is_empty() || labels.starts_with('{') && labels.contains(label))
                .then(|| value.parse::<f64>().ok())?
        });
        series.sum()
    }

    /// Runs a subcommand with this server's configuration.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg("sillage.toml").current_dir(self.folder());
        command.output().expect("run the binary")
    }

    /// Ends the process at once, as a power cut would, without any chance to tidy up.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the server");
        self.child.wait().expect("wait for the server");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), signal).expect("signal the server");
    }

    /// Asks the process to drain and end, and waits for it.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        wait_for("the server's end", || self.child.try_wait().expect("ask for the server's end"))
    }

    /// Starts again in the same folder, on the same ports, after [`kill`](Self::kill) or [`stop`](Self::stop).
    pub fn restart(&mut self) {
        for _ in 0..STARTS_MAX {
            self.child = launch(self.folder(), &self.setup, self.public, self.admin);
            if ready(&mut self.child, self.admin) {
                return;
            }
        }
        panic!("the server does not start again:\n{}", self.log());
    }

    /// Waits until every stage has read what is there for it, and decided: an order is decided at most once a second,
    /// so that stillness counts only if it lasts.
    ///
    /// # Panics
    /// If the stages stand still before they are done.
    pub fn settle(&self) {
        let state = || {
            let lag = self.metric("eventlog_consumer_lag_records", "");
            let read = self.metric("attribution_records_read_total", "");
            let emitted = self.metric("attribution_decisions_emitted_total", "");
            (lag, read, emitted, self.metric("attribution_decisions_unchanged_total", ""))
        };
        let (mut last, mut since) = (state(), Instant::now());
        while since.elapsed() < STILL || last.0 > 0.0 {
            assert!(since.elapsed() < WAIT_MAX, "the stages stand still with {} to read", last.0);
            std::thread::sleep(Duration::from_millis(100));
            let now = state();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
    }

    /// The last decision of an order, if there is one yet.
    #[must_use]
    pub fn decision(&self, program: &str, order: &str) -> Option<Value> {
        let query = http::query(&[("program", program), ("order", order)]);
        let reply = self.admin(&format!("/v1/trace?{query}"));
        (reply.status == 200).then(|| reply.json())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
            if let Some(folder) = self.folder.take() {
                eprintln!("kept: {}", folder.keep().display());
            }
        }
        // It may have ended already; there is nothing left to do then.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn launch(folder: &Path, setup: &Setup, public: SocketAddr, admin: SocketAddr) -> Child {
    let config = format!(
        "[node]\ndata_folder = \"data\"\ncatalog_file = \"catalog.toml\"\nkey_file = \"keys.toml\"\n\
         drain_delay = \"0s\"\n\n[admin]\nlisten = \"{admin}\"\n\n[edge]\nlisten = [\"{public}\"]\n{}\n{}",
        setup.edge, setup.config
    );
    fs::write(folder.join("sillage.toml"), config).expect("write the configuration");
    let log = File::options().create(true).append(true).open(folder.join("serve.log"));
    let log = log.expect("open the log");
    let mut command = Command::new(binary());
    command
        .args(["serve", "--config", "sillage.toml"])
        // In the folder of the test, so that a server killed for good leaves nothing in memory.
        .env("SILLAGE__EVENTLOG__MEMORY_FOLDER", ".")
        .envs(setup.environment.iter().cloned())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("share the log"))
        .stderr(log);
    command.spawn().expect("start the server")
}

/// Waits until the server is ready; false if it ended.
fn ready(child: &mut Child, admin: SocketAddr) -> bool {
    wait_for("the server to be ready", || {
        if child.try_wait().expect("ask for the server's end").is_some() {
            return Some(false);
        }
        let reply = http::call(admin, "GET", &admin.to_string(), "/readyz", &[], &[]).ok()?;
        (reply.status == 200).then_some(true)
    })
}

fn log(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}

/// The binary of this build: built here, so that a test never drives an older one.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let here = std::env::current_exe().expect("the path of this test");
        let folder = here.ancestors().nth(2).expect("the folder of the build");
        let target = folder.parent().expect("the target folder");
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--package",
            "sillage",
            "--bin",
            "sillage",
            "--target-dir",
        ]);
        build.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let built = build.status().expect("run cargo");
        assert!(built.success(), "the binary does not build");
        folder.join("sillage")
    })
}
