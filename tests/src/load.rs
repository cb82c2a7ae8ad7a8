//! A load of clicks, impressions, pixels and server conversions that keeps its own durable record of what it was told.
//!
//! The format of the record is described in `checker/check.py`. A `sent` line is on disk before its request goes out,
//! and the outcome of a round before the next one begins, so that the record outlives this process too.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::http::{self, Reply};

/// Threads that send, each with a record of its own.
pub const THREADS: usize = 4;
/// Requests that a thread has in flight at once, each on a connection of its own.
const CONNECTIONS: usize = 16;
/// Least time from one round of a thread to the next: 4 × 16 requests in each, so at most 2,560 requests a second.
const ROUND: Duration = Duration::from_millis(25);
/// Longest silence of a server that lives.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Pause before another try to connect to a server that is down.
const CONNECT_AGAIN: Duration = Duration::from_millis(5);
/// Click ids and orders that a thread remembers for later conversions.
const REMEMBERED: usize = 256;

/// Where the load goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// Address of the edge.
    pub address: SocketAddr,
    /// Program of the conversions.
    pub program: String,
    /// Token of the program.
    pub token: String,
    /// Links that are clicked and seen.
    pub links: Vec<String>,
}

/// How many requests had which outcome.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Requests sent.
    pub sent: u64,
    /// Promised by the answer.
    pub acknowledged: u64,
    /// Refused by the answer.
    pub refused: u64,
    /// Without an answer, or one that says that nothing is known.
    pub unknown: u64,
}

/// A load that runs until it is told to stop.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Tally>>,
    records: Vec<PathBuf>,
}

impl Load {
    /// Starts the threads; their records stand in `folder`. The same seed makes the same requests.
    #[must_use]
    pub fn start(target: &Target, folder: &Path, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut load = Self { stop, threads: Vec::new(), records: Vec::new() };
        for thread in 0..THREADS {
            let path = folder.join(format!("load-{thread}.tsv"));
            let sender = Sender {
                target: target.clone(),
                record: Record {
                    file: File::create(&path).expect("make the record"),
                    lines: String::new(),
                },
                dice: Dice::new(seed ^ (thread as u64) << 32),
                connections: (0..CONNECTIONS).map(|_| None).collect(),
                thread,
                markers: 0,
                orders: Vec::new(),
                orders_made: 0,
                again: Vec::new(),
                clicks: Vec::new(),
                tally: Tally::default(),
            };
            let stop = Arc::clone(&load.stop);
            load.threads.push(std::thread::spawn(move || sender.run(&stop)));
            load.records.push(path);
        }
        load
    }

    /// The files of the record.
    #[must_use]
    pub fn records(&self) -> &[PathBuf] {
        &self.records
    }

    /// Lets every round end and tells what happened.
    ///
    /// # Panics
    /// If a thread did.
    #[must_use]
    pub fn stop(mut self) -> Tally {
        self.stop.store(true, Ordering::Release);
        let mut sum = Tally::default();
        for thread in self.threads.drain(..) {
            let tally = thread.join().expect("a thread of the load");
            sum.sent += tally.sent;
            sum.acknowledged += tally.acknowledged;
            sum.refused += tally.refused;
            sum.unknown += tally.unknown;
        }
        sum
    }
}

/// Dropped in a test that fails, the threads end by themselves.
impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Numbers of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    ///
    /// # Panics
    /// If `end` is 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (n ^ (n >> 31)) % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).expect("an index")]
    }
}

struct Record {
    file: File,
    lines: String,
}

impl Record {
    fn add(&mut self, fields: &[&str]) {
        self.lines += &fields.join("\t");
        self.lines.push('\n');
    }

    fn sync(&mut self) {
        self.file.write_all(self.lines.as_bytes()).expect("write the record");
        self.file.sync_data().expect("sync the record");
        self.lines.clear();
    }
}

/// One request of a round.
struct Request {
    marker: String,
    kind: &'static str,
    order: Option<String>,
    bytes: Vec<u8>,
}

struct Sender {
    target: Target,
    record: Record,
    dice: Dice,
    connections: Vec<Option<BufReader<TcpStream>>>,
    thread: usize,
    markers: u64,
    /// Orders that were reported, for more reports.
    orders: Vec<String>,
    orders_made: u64,
    /// Orders without an answer: a client reports these again.
    again: Vec<String>,
    /// Click ids that the edge gave.
    clicks: Vec<String>,
    tally: Tally,
}

impl Sender {
    fn run(mut self, stop: &AtomicBool) -> Tally {
        while !stop.load(Ordering::Acquire) {
            let start = Instant::now();
            self.round(stop);
            std::thread::sleep(ROUND.saturating_sub(start.elapsed()));
        }
        self.record.sync();
        self.tally
    }

    fn round(&mut self, stop: &AtomicBool) {
        if !self.connect(stop) {
            return;
        }
        let requests: Vec<Request> = (0..CONNECTIONS).map(|_| self.request()).collect();
        for request in &requests {
            let key = request.order.as_ref().map_or_else(
                || "-".to_owned(),
                |order| format!("{}/sale/real/o:{order}", self.target.program),
            );
            let micros =
                request.order.as_ref().map_or(0, |order| cents(order) * 10_000).to_string();
            self.record.add(&["sent", &request.marker, request.kind, &key, &micros]);
        }
        self.record.sync();
        self.tally.sent += requests.len() as u64;
        let written: Vec<io::Result<()>> = requests
            .iter()
            .zip(&self.connections)
            .map(|(request, connection)| match connection {
                Some(connection) => connection.get_ref().write_all(&request.bytes),
                None => Err(io::ErrorKind::NotConnected.into()),
            })
            .collect();
        for (at, (request, written)) in requests.into_iter().zip(written).enumerate() {
            let reply = written.and_then(|()| match &mut self.connections[at] {
                Some(connection) => http::read_reply(connection, false),
                None => Err(io::ErrorKind::NotConnected.into()),
            });
            if reply.as_ref().is_ok_and(|reply| reply.header("connection") == Some("close"))
                || reply.is_err()
            {
                self.connections[at] = None;
            }
            self.outcome(request, reply);
        }
    }

    /// Opens what is not open; false if the load ended meanwhile.
    fn connect(&mut self, stop: &AtomicBool) -> bool {
        for connection in &mut self.connections {
            while connection.is_none() {
                if stop.load(Ordering::Acquire) {
                    return false;
                }
                let Ok(stream) = TcpStream::connect_timeout(&self.target.address, SILENCE_MAX)
                else {
                    std::thread::sleep(CONNECT_AGAIN);
                    continue;
                };
                stream.set_nodelay(true).expect("set nodelay");
                stream.set_read_timeout(Some(SILENCE_MAX)).expect("set a timeout");
                stream.set_write_timeout(Some(SILENCE_MAX)).expect("set a timeout");
                *connection = Some(BufReader::new(stream));
            }
        }
        true
    }

    /// The mix: 35 % clicks, 5 % impressions, 36 % server conversions, 18 % pixels, 6 % that must be refused.
    fn request(&mut self) -> Request {
        let marker = format!("t{}-{}", self.thread, self.markers);
        self.markers += 1;
        if self.dice.below(4) > 0
            && let Some(order) = self.again.pop()
        {
            return self.call(marker, order);
        }
        match self.dice.below(100) {
            0..35 => {
                let link = self.dice.pick(&self.target.links).clone();
                let target = format!("/c/{link}?s1={marker}&utm_source=load");
                self.get("click", marker, &target, None)
            }
            35..40 => {
                let link = self.dice.pick(&self.target.links).clone();
                self.get("impression", marker.clone(), &format!("/i/{link}.gif?s1={marker}"), None)
            }
            40..76 => {
                let order = self.order();
                self.call(marker, order)
            }
            76..94 => {
                let order = self.order();
                let click = self.click();
                let target = format!(
                    "/p/{}.gif?order_id={order}&client_event_id={marker}&amount={}{click}",
                    self.target.program,
                    amount(&order)
                );
                self.get("pixel", marker, &target, Some(order))
            }
            _ => self.wrong(marker),
        }
    }

    /// An order that is new, or (a third) one that was reported already.
    fn order(&mut self) -> String {
        if !self.orders.is_empty() && self.dice.below(3) == 0 {
            return self.dice.pick(&self.orders).clone();
        }
        self.orders_made += 1;
        let order = format!("L{}-{}", self.thread, self.orders_made);
        if self.orders.len() >= REMEMBERED {
            self.orders.swap_remove(0);
        }
        self.orders.push(order.clone());
        order
    }

    /// `&click_id=…` of an earlier click, for most.
    fn click(&mut self) -> String {
        if self.clicks.is_empty() || self.dice.below(4) == 0 {
            return String::new();
        }
        format!("&click_id={}", self.dice.pick(&self.clicks))
    }

    fn call(&mut self, marker: String, order: String) -> Request {
        let body = format!(
            "order_id={order}&client_event_id={marker}&amount={}&currency=EUR{}",
            amount(&order),
            self.click()
        );
        let token = self.target.token.clone();
        self.post(marker, order, &token, &body)
    }

    /// A report that must be refused, whose order may nevertheless be known by others.
    fn wrong(&mut self, marker: String) -> Request {
        let order = format!("W{marker}").to_uppercase();
        let token = self.target.token.clone();
        let good = format!("order_id={order}&client_event_id={marker}&amount=1.00");
        match self.dice.below(4) {
            0 => self.post(marker, order, "not-the-token", &good),
            1 => self.post(marker, order, &token, &good.replace("1.00", "1,0,0")),
            2 => self.post(marker, order, &token, &(good + "&currency=ZZZ")),
            _ => {
                let target = format!("/p/no-such-program.gif?{good}");
                self.get("pixel", marker, &target, Some(order))
            }
        }
    }

    fn get(
        &self,
        kind: &'static str,
        marker: String,
        target: &str,
        order: Option<String>,
    ) -> Request {
        let bytes = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:146.0) \
             Gecko/20100101 Firefox/146.0\r\nAccept: */*\r\n\r\n",
            self.target.address
        );
        Request { marker, kind, order, bytes: bytes.into_bytes() }
    }

    fn post(&self, marker: String, order: String, token: &str, body: &str) -> Request {
        let bytes = format!(
            "POST /v1/conversions HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: \
             application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.target.address,
            body.len()
        );
        Request { marker, kind: "conversion", order: Some(order), bytes: bytes.into_bytes() }
    }

    fn outcome(&mut self, request: Request, reply: io::Result<Reply>) {
        let marker = &request.marker;
        match reply {
            Ok(reply) if reply.status < 400 => {
                let event = reply.header("sillage-event").unwrap_or("none");
                self.record.add(&["acknowledged", marker, event]);
                self.tally.acknowledged += 1;
                let click = reply.header("location").and_then(|to| http::field(to, "sl_click"));
                if let Some(click) = click {
                    if self.clicks.len() >= REMEMBERED {
                        self.clicks.swap_remove(0);
                    }
                    self.clicks.push(click);
                }
            }
            Ok(reply) if reply.status < 500 => {
                self.record.add(&["refused", marker, &reply.status.to_string()]);
                self.tally.refused += 1;
            }
            nothing => {
                let why = nothing
                    .map_or_else(|error| error.to_string(), |reply| reply.status.to_string());
                self.record.add(&["unknown", marker, &why.replace(['\t', '\n'], " ")]);
                self.tally.unknown += 1;
                self.again.extend(request.order.filter(|order| order.starts_with('L')));
            }
        }
    }
}

/// The same order has the same amount, whoever reports it.
fn amount(order: &str) -> String {
    format!("{}.{:02}", cents(order) / 100, cents(order) % 100)
}

fn cents(order: &str) -> u32 {
    1_000 + order.bytes().map(u32::from).fold(0, |sum, byte| sum * 7 % 9_000 + byte)
}
