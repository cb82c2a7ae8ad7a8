//! Redis, alone and as a cluster of three. Nothing is written to disk and nothing is evicted.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::server;
use crate::suite::finds;

const NODES: usize = 3;

/// What is missing on this machine, and how to get it.
pub(super) fn missing() -> Option<String> {
    let there = finds("redis-server") && finds("redis-cli");
    (!there).then(|| "redis-server not found: apt-get install redis-server".to_owned())
}

/// Starts one server.
pub(super) fn start_one(
    folder: &Path,
    announce: &mut dyn FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ports = server::spare_ports(1)?;
    let port = ports.first().copied().context("a spare port")?;
    announce(format!("redis://127.0.0.1:{port}"))?;
    server::start(&mut redis(folder, port), folder, "redis")?;
    server::wait(folder, "redis", || says(port, "PING", "+PONG"))
}

/// Starts three servers that share the slots.
pub(super) fn start_cluster(
    folder: &Path,
    announce: &mut dyn FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ports = server::spare_ports(NODES * 2)?;
    let (public, bus) = ports.split_at(NODES);
    let urls: Vec<String> = public.iter().map(|port| format!("redis://127.0.0.1:{port}")).collect();
    announce(urls.join(","))?;
    for (port, bus) in public.iter().zip(bus) {
        let mut node = redis(folder, *port);
        node.args(["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()]);
        node.args(["--cluster-config-file", &format!("nodes-{port}.conf")]);
        let name = format!("redis-{port}");
        server::start(&mut node, folder, &name)?;
        server::wait(folder, &name, || says(*port, "PING", "+PONG"))?;
    }
    let mut create = Command::new("redis-cli");
    create
        .args(["--cluster", "create"])
        .args(public.iter().map(|port| format!("127.0.0.1:{port}")));
    create.args(["--cluster-replicas", "0", "--cluster-yes"]).stdin(Stdio::null());
    let output = create.output().context("start redis-cli")?;
    if !output.status.success() {
        bail!("join the nodes: {}", String::from_utf8_lossy(&output.stdout).trim());
    }
    let ready = |port: &u16| says(*port, "CLUSTER INFO", "cluster_state:ok");
    server::wait(folder, "redis", || public.iter().all(ready))
}

fn redis(folder: &Path, port: u16) -> Command {
    let mut redis = Command::new("redis-server");
    redis.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(folder);
    redis.args(["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]);
    redis
}

fn says(port: u16, command: &str, expected: &str) -> bool {
    let answer = server::ask(port, format!("{command}\r\n").as_bytes(), 1024);
    answer.is_some_and(|answer| String::from_utf8_lossy(&answer).contains(expected))
}
