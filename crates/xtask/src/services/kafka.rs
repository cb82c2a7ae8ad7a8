//! Apache Kafka in KRaft mode, from its own jars: those of `KAFKA_HOME`, else resolved with Maven into a cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context as _, bail};

use super::server;
use crate::step;
use crate::suite::finds;

/// The release that Maven resolves.
const VERSION: &str = "4.3.0";

/// Written when all jars are there, so that a run that was cut off is done again.
const COMPLETE: &str = "complete";

/// Any 16 bytes, in base64url: a cluster that lives for one run needs no random id.
const CLUSTER_ID: &str = "c2lsbGFnZS1zZXJ2aWNlcw";

const HEAP: &str = "-Xmx512m";

/// What is missing on this machine, and how to get it.
pub(super) fn missing() -> Option<String> {
    if !finds("java") {
        return Some("java not found: apt-get install default-jre-headless".to_owned());
    }
    let there = env::var_os("KAFKA_HOME").is_some()
        || cache().is_ok_and(|cache| cache.join(COMPLETE).is_file());
    (!there && !finds("mvn")).then(|| {
        format!(
            "its jars are not here: apt-get install maven, or set KAFKA_HOME to an unpacked Apache Kafka {VERSION}"
        )
    })
}

/// Starts this many brokers, each a controller too.
pub(super) fn start(
    folder: &Path,
    brokers: usize,
    announce: &mut dyn FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let classes = format!("{}/*", jars()?.display());
    let ports = server::spare_ports(brokers * 2)?;
    let (public, control) = ports.split_at(brokers);
    let address: Vec<String> = public.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let voters: Vec<String> =
        (1..).zip(control).map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
    announce(address.join(","))?;
    let java = |class: &str| {
        let mut java = Command::new("java");
        java.args([HEAP, "-cp", &classes, class]);
        java
    };
    let mut formats = Vec::new();
    for (id, (public, control)) in (1..).zip(public.iter().zip(control)) {
        let file = folder.join(format!("{id}.properties"));
        let text = properties(&folder.join(id.to_string()), id, (*public, *control), &voters);
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        let mut format = java("kafka.tools.StorageTool");
        format.args(["format", "-t", CLUSTER_ID, "-c"]).arg(&file);
        format.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        formats.push(format.spawn().context("start java")?);
    }
    for format in formats {
        let output = format.wait_with_output().context("wait for java")?;
        if !output.status.success() {
            bail!(
                "format the brokers' folders: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
    }
    for id in 1..=brokers {
        let file = folder.join(format!("{id}.properties"));
        server::start(java("kafka.Kafka").arg(&file), folder, &format!("broker-{id}"))?;
    }
    let answers = || public.iter().all(|port| known_brokers(*port) == Some(brokers));
    server::wait(folder, "broker-1", answers)
}

fn properties(data: &Path, id: usize, (public, control): (u16, u16), voters: &[String]) -> String {
    let brokers = voters.len();
    let in_sync = brokers.min(2);
    format!(
        "process.roles=broker,controller\n\
         node.id={id}\n\
         controller.quorum.voters={voters}\n\
         listeners=PLAINTEXT://127.0.0.1:{public},CONTROLLER://127.0.0.1:{control}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{public}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={data}\n\
         auto.create.topics.enable=false\n\
         # Nobody else joins a group in a test's first three seconds.\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=1000\n\
         offsets.topic.num.partitions=4\n\
         offsets.topic.replication.factor={brokers}\n\
         transaction.state.log.num.partitions=4\n\
         transaction.state.log.replication.factor={brokers}\n\
         transaction.state.log.min.isr={in_sync}\n\
         log.cleaner.dedupe.buffer.size=4194304\n",
        voters = voters.join(","),
        data = data.display(),
    )
}

/// How many brokers the one at `port` knows; none while it does not answer.
fn known_brokers(port: u16) -> Option<usize> {
    // Metadata, version 1, correlation 1, no client id, no topics.
    const REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0];
    let answer = server::ask(port, &REQUEST, 1024)?;
    // Length, correlation, then the number of brokers.
    let count = answer.get(8..12)?.first_chunk().copied()?;
    usize::try_from(i32::from_be_bytes(count)).ok()
}

/// The folder with the jars.
fn jars() -> anyhow::Result<PathBuf> {
    if let Some(home) = env::var_os("KAFKA_HOME") {
        return Ok(PathBuf::from(home).join("libs"));
    }
    let cache = cache()?;
    let jars = cache.join("jars");
    if cache.join(COMPLETE).is_file() {
        return Ok(jars);
    }
    fs::create_dir_all(&cache).with_context(|| format!("make {}", cache.display()))?;
    let pom = cache.join("pom.xml");
    fs::write(&pom, pom_text()).with_context(|| format!("write {}", pom.display()))?;
    let mut maven = Command::new("mvn");
    maven.args([
        "--quiet",
        "--batch-mode",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
    ]);
    maven.arg(format!("-DoutputDirectory={}", jars.display())).arg("--file").arg(&pom);
    step::run(&mut maven)?;
    fs::write(cache.join(COMPLETE), "").context("mark the jars as complete")?;
    Ok(jars)
}

/// Outside of the repository: it outlives every target folder.
fn cache() -> anyhow::Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache.filter(|path| path.is_absolute()).or_else(home).context("HOME is not set")?;
    Ok(cache.join("sillage").join(format!("kafka-{VERSION}")))
}

fn pom_text() -> String {
    let dependency = |artifact: &str| {
        format!(
            "    <dependency><groupId>org.apache.kafka</groupId><artifactId>{artifact}</artifactId>\
             <version>{VERSION}</version></dependency>\n"
        )
    };
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
         <groupId>sillage</groupId><artifactId>services</artifactId><version>1</version>\n  \
         <packaging>pom</packaging>\n  <dependencies>\n{}{}  </dependencies>\n</project>\n",
        dependency("kafka_2.13"),
        dependency("kafka-tools"),
    )
}
