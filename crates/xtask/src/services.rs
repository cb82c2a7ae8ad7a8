//! `cargo xtask services`: real servers for the tests, on spare ports, each in a temporary folder of its own.
//!
//! What runs stands in one file in the target folder, `services.txt`: a line for each part with its name, how to reach
//! it and its folder, between tabs. Tests read it through `testkit::services`. A line is written before the first
//! process of its part is started, so that whatever ends this program, the next `down` or `up` finds what it left.

mod kafka;
mod postgres;
mod record;
mod redis;
mod server;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};

use crate::in_ci;
use record::{Entry, Record};

/// A server, or a few that work together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Apache Kafka, one broker.
    Kafka,
    /// Apache Kafka, three brokers.
    Kafka3,
    /// Redis, one server.
    Redis,
    /// Redis Cluster of three nodes.
    RedisCluster,
    /// PostgreSQL, as a user who is not root.
    Postgres,
}

impl Part {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Kafka, Self::Kafka3, Self::Redis, Self::RedisCluster, Self::Postgres];

    /// The name on the command line and in the file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Kafka3 => "kafka3",
            Self::Redis => "redis",
            Self::RedisCluster => "redis-cluster",
            Self::Postgres => "postgres",
        }
    }

    /// What this machine lacks for the part, and how to get it.
    fn missing(self) -> Option<String> {
        match self {
            Self::Kafka | Self::Kafka3 => kafka::missing(),
            Self::Redis | Self::RedisCluster => redis::missing(),
            Self::Postgres => postgres::missing(),
        }
    }

    /// Starts the part in `folder` and waits until it answers. `announce` is told how to reach it before anything runs.
    fn start(
        self,
        folder: &Path,
        announce: &mut dyn FnMut(String) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Kafka => kafka::start(folder, 1, announce),
            Self::Kafka3 => kafka::start(folder, 3, announce),
            Self::Redis => redis::start_one(folder, announce),
            Self::RedisCluster => redis::start_cluster(folder, announce),
            Self::Postgres => postgres::start(folder, announce),
        }
    }
}

/// What to do with the servers.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Starts servers, waits until they answer, and says how to reach them.
    Up {
        /// Only these parts, such as `kafka,redis`.
        #[arg(long, value_delimiter = ',')]
        only: Vec<Part>,
    },
    /// Stops servers and removes their folders.
    Down {
        /// Only these parts.
        #[arg(long, value_delimiter = ',')]
        only: Vec<Part>,
        /// Waits first until this process has ended, however it ended.
        #[arg(long, hide = true)]
        after: Option<u32>,
    },
    /// Says which servers run and how to reach them.
    Status,
}

/// `cargo xtask services`.
pub(crate) fn run(action: Action) -> anyhow::Result<()> {
    let record = Record::here()?;
    match action {
        Action::Up { only } => {
            let lacking = up(&record, &chosen(only))?;
            print(&record)?;
            if lacking.is_empty() { Ok(()) } else { bail!("not started: {}", lacking.join(", ")) }
        }
        Action::Down { only, after } => {
            after.map_or(Ok(()), wait_for_end)?;
            down(&record, &chosen(only))
        }
        Action::Status => print(&record),
    }
}

fn chosen(only: Vec<Part>) -> Vec<Part> {
    if only.is_empty() { Part::ALL.to_vec() } else { only }
}

/// Starts the parts that do not run. Those that this machine has no program for come back by name.
fn up(record: &Record, parts: &[Part]) -> anyhow::Result<Vec<&'static str>> {
    let mut lacking = Vec::new();
    for part in parts {
        let name = part.name();
        if let Some(entry) = record.entry(name)? {
            if server::runs(&entry.folder)? {
                continue;
            }
            remove(record, &entry)?; // what a crash has left
        }
        if let Some(missing) = part.missing() {
            println!("    {name}: {missing}");
            lacking.push(name);
            continue;
        }
        let began = Instant::now();
        let folder = new_folder(name)?;
        let entry = |address| Entry { name: name.to_owned(), address, folder: folder.clone() };
        let started = part.start(&folder, &mut |address| record.put(entry(address)));
        if let Err(error) = started {
            let stopped = remove(record, &entry(String::new()));
            stopped.with_context(|| format!("stop what was started of {name}"))?;
            return Err(error.context(format!("start {name}")));
        }
        println!("    {name}: started in {:.1} s", began.elapsed().as_secs_f64());
    }
    Ok(lacking)
}

fn down(record: &Record, parts: &[Part]) -> anyhow::Result<()> {
    for part in parts {
        if let Some(entry) = record.entry(part.name())? {
            remove(record, &entry)?;
            println!("    {}: stopped", entry.name);
        }
    }
    Ok(())
}

fn remove(record: &Record, entry: &Entry) -> anyhow::Result<()> {
    server::stop(&entry.folder)?;
    match fs::remove_dir_all(&entry.folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(e).with_context(|| format!("remove {}", entry.folder.display()));
        }
        _ => {}
    }
    record.remove(&entry.name)
}

fn print(record: &Record) -> anyhow::Result<()> {
    for part in Part::ALL {
        let name = part.name();
        match record.entry(name)? {
            Some(entry) if server::runs(&entry.folder)? => {
                println!("    {name}: {}    ({})", entry.address, entry.folder.display());
            }
            Some(_) => println!("    {name}: ended without `services down`"),
            None => println!("    {name}: down"),
        }
    }
    println!("    written to {}", record.path().display());
    Ok(())
}

fn new_folder(name: &str) -> anyhow::Result<PathBuf> {
    let folder = env::temp_dir().join(format!("sillage-{name}-{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

fn wait_for_end(process: u32) -> anyhow::Result<()> {
    let process = PathBuf::from(format!("/proc/{process}"));
    while process.try_exists()? {
        thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// Servers that run for one command, besides those that ran before: stopped when this is dropped, and by a second process
/// if this one is killed.
pub(crate) struct Running {
    record: Record,
    started: Vec<Part>,
    watch: Option<Child>,
}

impl Running {
    /// Starts what does not run yet. Parts that this machine lacks are named; in CI that is a failure.
    pub(crate) fn start(parts: &[Part]) -> anyhow::Result<Self> {
        let mut running = Self { record: Record::here()?, started: Vec::new(), watch: None };
        let new =
            |part: &&Part| running.record.entry(part.name()).is_ok_and(|entry| entry.is_none());
        running.started = parts.iter().filter(new).copied().collect();
        let only: Vec<&str> = running.started.iter().map(|part| part.name()).collect();
        if !only.is_empty() {
            let process = std::process::id().to_string();
            let mut watch = Command::new(env::current_exe()?);
            watch.args(["services", "down", "--after", &process, "--only", &only.join(",")]);
            watch.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let watch = server::apart(&mut watch).spawn();
            running.watch = Some(watch.context("start the watch over the servers")?);
        }
        let lacking = up(&running.record, parts)?;
        if !lacking.is_empty() && in_ci() {
            bail!("{} not found, and CI is set: every test must run", lacking.join(", "));
        }
        Ok(running)
    }

    /// Stops what [`Running::start`] started.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.end()
    }

    fn end(&mut self) -> anyhow::Result<()> {
        let stopped = down(&self.record, &std::mem::take(&mut self.started));
        if let Some(mut watch) = self.watch.take() {
            watch.kill().and_then(|()| watch.wait()).context("end the watch over the servers")?;
        }
        stopped
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            println!("    {error:#}");
        }
    }
}
