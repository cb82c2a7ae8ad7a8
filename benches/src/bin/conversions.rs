//! Conversions fsynced before their 2xx: latency of an open-loop load beside the disk's own fdatasync.
//!
//! Alternates windows: in one the load is sent to a running edge at a fixed rate, each request counted from the moment it
//! was due (so a stall is not hidden by the requests it held back); in the other a prober writes the same bytes per
//! commit, as often, into a preallocated file on the same disk and calls fdatasync. Prints p50, p99 and p99.9 of both by
//! window, the medians over the windows and the bound `3 × p99 of fdatasync + 2 ms`; and, for a disk that others use too,
//! what the prober sees from the moment that each of its commits was due: no log on this disk can be better than that.
#![expect(clippy::print_stdout, reason = "a measurement prints what it measured")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;

/// Measures durable conversions against the disk.
#[derive(Parser, Clone)]
struct Options {
    /// Address of the edge.
    #[arg(long)]
    edge: String,
    /// Address of the admin listener, whose metrics tell the bytes per commit.
    #[arg(long)]
    admin: String,
    /// Program of the calls.
    #[arg(long)]
    program: String,
    /// Token of the program.
    #[arg(long)]
    token: String,
    /// A folder on the disk of the journal, for the prober's file.
    #[arg(long)]
    probe_dir: PathBuf,
    /// Conversions a second.
    #[arg(long, default_value_t = 5_000)]
    rate: u32,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Seconds of each window.
    #[arg(long, default_value_t = 10)]
    window: u32,
    /// Pairs of windows.
    #[arg(long, default_value_t = 5)]
    pairs: u32,
}

/// Latencies in microseconds, and what went wrong.
#[derive(Default)]
struct Window {
    micros: Vec<u64>,
    not_stored: u64,
}

impl Window {
    fn quantile(&self, per_mille: usize) -> u64 {
        let at = self.micros.len().saturating_sub(1) * per_mille / 1000;
        self.micros.get(at).copied().unwrap_or(0)
    }

    fn sorted(mut self) -> Self {
        self.micros.sort_unstable();
        self
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let warm_up = load(&options, "warm", Duration::from_secs(3))?;
    if warm_up.micros.is_empty() {
        bail!(
            "no conversion was stored by {}: is the program, the token and the rate limit right?",
            options.edge
        );
    }
    println!(
        "{:>6} {:>10} {:>8} {:>8} {:>8} {:>8}   {:>10} {:>8} {:>8} {:>8} {:>12}  bytes/commit",
        "pair",
        "stored/s",
        "p50 ms",
        "p99",
        "p99.9",
        "bad",
        "fsyncs/s",
        "p50 ms",
        "p99",
        "p99.9",
        "p99 from due"
    );
    let window = Duration::from_secs(options.window.into());
    let (mut calls_p99, mut disk_p99, mut paced_p99) = (Vec::new(), Vec::new(), Vec::new());
    let mut refused = 0;
    for pair in 0..options.pairs {
        let before = journal(&options)?;
        let calls = load(&options, &format!("w{pair}"), window)?.sorted();
        let after = journal(&options)?;
        let commits = (after.commits - before.commits).max(1.0);
        let bytes_per_commit = (after.bytes - before.bytes).max(512.0) / commits;
        let interval = window.div_f64(commits);
        let (disk, paced) = probe(&options, bytes_per_commit, interval, window)?;
        let seconds = window.as_secs_f64();
        println!(
            "{:>6} {:>10.0} {:>8.2} {:>8.2} {:>8.2} {:>8}   {:>10.0} {:>8.2} {:>8.2} {:>8.2} {:>12.2}  {:.0}",
            pair + 1,
            count(&calls) / seconds,
            ms(calls.quantile(500)),
            ms(calls.quantile(990)),
            ms(calls.quantile(999)),
            calls.not_stored,
            count(&disk) / seconds,
            ms(disk.quantile(500)),
            ms(disk.quantile(990)),
            ms(disk.quantile(999)),
            ms(paced.quantile(990)),
            bytes_per_commit
        );
        refused += calls.not_stored;
        calls_p99.push(calls.quantile(990));
        disk_p99.push(disk.quantile(990));
        paced_p99.push(paced.quantile(990));
    }
    let (calls, disk, paced) = (median(calls_p99), median(disk_p99), median(paced_p99));
    let bound = 3.0 * ms(disk) + 2.0;
    println!(
        "median p99: conversion {:.2} ms, fdatasync {:.2} ms; bound 3 × + 2 ms = {bound:.2} ms: {}",
        ms(calls),
        ms(disk),
        if ms(calls) <= bound { "kept" } else { "MISSED" }
    );
    println!("the prober itself, from when its commits were due: p99 {:.2} ms", ms(paced));
    if refused > 0 || ms(calls) > bound {
        std::process::exit(1);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ms(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn count(window: &Window) -> f64 {
    window.micros.len() as f64
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// Sends the load for `length`, request k of connection c due at (k · connections + c) / rate. Each connection has a thread
/// of its own: a sleeping thread wakes within some 50 µs, the timers of an async runtime within milliseconds.
fn load(options: &Options, name: &str, length: Duration) -> Result<Window> {
    let start = Instant::now() + Duration::from_millis(200);
    thread::scope(|scope| {
        let sender = |connection| {
            let name = format!("{name}-{}-{connection}", std::process::id());
            scope.spawn(move || sender(options, &name, connection, (start, length)))
        };
        let senders: Vec<_> = (0..options.connections).map(sender).collect();
        let mut all = Window::default();
        for sender in senders {
            let window = sender.join().map_err(|_| anyhow!("a sender stopped"))??;
            all.micros.extend(window.micros);
            all.not_stored += window.not_stored;
        }
        Ok(all)
    })
}

fn sender(
    options: &Options,
    name: &str,
    connection: u32,
    (start, length): (Instant, Duration),
) -> Result<Window> {
    let stream = TcpStream::connect(&options.edge).context("connect to the edge")?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(&stream);
    let mut window = Window::default();
    for k in 0u32.. {
        let nth = f64::from(k) * f64::from(options.connections) + f64::from(connection);
        let due = start + Duration::from_secs_f64(nth / f64::from(options.rate));
        if due >= start + length {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let body = format!(
            r#"{{"program":"{}","order_id":"{name}-{k}","amount":"74.92","currency":"EUR","coupon":"LEA10","customer_type":"new"}}"#,
            options.program
        );
        let request = format!(
            "POST /v1/conversions HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            options.edge,
            options.token,
            body.len()
        );
        (&stream).write_all(request.as_bytes())?;
        if is_stored(&mut answers)? {
            window.micros.push(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
        } else {
            window.not_stored += 1;
        }
    }
    Ok(window)
}

/// Reads one answer with a Content-Length; whether it is 200.
fn is_stored(answers: &mut impl BufRead) -> Result<bool> {
    let mut status = String::new();
    answers.read_line(&mut status)?;
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        if answers.read_line(&mut line)? == 0 {
            bail!("the edge closed the connection");
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    answers.read_exact(&mut vec![0; length])?;
    Ok(status.starts_with("HTTP/1.1 200"))
}

struct Journal {
    commits: f64,
    bytes: f64,
}

/// Commits and bytes of the conversions' stream so far, from the admin listener's metrics.
fn journal(options: &Options) -> Result<Journal> {
    let mut stream = TcpStream::connect(&options.admin).context("connect to the admin listener")?;
    let request =
        format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", options.admin);
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let sum = |name: &str, topic: &str| -> f64 {
        text.lines()
            .filter(|line| line.starts_with(name) && line.contains(topic))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    // Nothing but conversions is sent meanwhile, so the log grows by their frames alone.
    let commits = sum("journal_commit_seconds_count", "events.conversions");
    Ok(Journal { commits, bytes: sum("journal_bytes ", "") })
}

/// Writes and fdatasyncs commits of `bytes` in a file of zeros, one each `interval`, for `length`: the time of each call,
/// and the time from when it was due, which a stall delays for all that come behind it.
fn probe(
    options: &Options,
    bytes: f64,
    interval: Duration,
    length: Duration,
) -> Result<(Window, Window)> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size between 512 and some MiB"
    )]
    let block = vec![0x5a; bytes as usize];
    let path = options.probe_dir.join("probe.tmp");
    let mut file = File::create(&path).context("create the prober's file")?;
    let size = 64 * 1024 * 1024;
    file.write_all(&vec![0; size])?;
    file.sync_all()?;
    let (mut calls, mut paced) = (Window::default(), Window::default());
    let micros = |from: Instant| u64::try_from(from.elapsed().as_micros()).unwrap_or(u64::MAX);
    let begin = Instant::now();
    let mut due = begin;
    let mut at = 0;
    while due < begin + length {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if at + block.len() > size {
            at = 0;
        }
        file.seek(SeekFrom::Start(u64::try_from(at)?))?;
        let start = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        calls.micros.push(micros(start));
        paced.micros.push(micros(due));
        at += block.len();
        due += interval;
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok((calls.sorted(), paced.sorted()))
}
