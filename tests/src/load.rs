//! A load client that remembers: clicks and conversions over keep-alive connections, and a record on disk of what was
//! sent and what was answered. The format of the record is that of `checker/check.py`.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::http::{self, Reply};

/// How often the record is fsynced.
const SYNC_EVERY: Duration = Duration::from_millis(20);
/// Pause before a refused connection is tried again.
const RECONNECT_AFTER: Duration = Duration::from_millis(2);
/// Longest silence of the server before an answer counts as unknown.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What the load consists of.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Threads that send clicks, each on a connection of its own.
    pub click_threads: u32,
    /// Threads that send conversions.
    pub conversion_threads: u32,
    /// Most requests of one thread in a second.
    pub per_thread: u32,
    /// Seed of everything random.
    pub seed: u64,
}

/// Where to send it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The public listener.
    pub address: SocketAddr,
    /// The program and the token of its server.
    pub program: (String, String),
    /// A link of it.
    pub link: String,
}

/// A small generator (`SplitMix64`), so that a seed repeats a run's choices.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `bound`.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// The running load.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// One logical request, as the record has it.
struct Line {
    marker: String,
    kind: &'static str,
    outcome: &'static str,
    attempts: u32,
    micros: u64,
    ids: Vec<String>,
}

/// The file of the record. Lines are written before a request leaves and after its answer came.
struct Record(Mutex<File>);

impl Record {
    fn write(&self, line: &Line) {
        let Line { marker, kind, outcome, attempts, micros, ids } = line;
        let ids = if ids.is_empty() { "-".to_owned() } else { ids.join(",") };
        let text = format!("{marker}\t{kind}\t{outcome}\t{attempts}\t{micros}\t{ids}\n");
        let mut file = self.0.lock().expect("the record");
        file.write_all(text.as_bytes()).expect("write the record");
    }

    fn sync(&self) {
        let file = self.0.lock().expect("the record").try_clone().expect("share the record");
        file.sync_data().expect("fsync the record");
    }
}

impl Load {
    /// Starts sending, and writes the record to `path`.
    #[must_use]
    pub fn start(target: &Target, mix: Mix, path: &Path) -> Self {
        let record = Arc::new(Record(Mutex::new(File::create(path).expect("make the record"))));
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let mut threads = Vec::new();
        for n in 0..mix.click_threads + mix.conversion_threads {
            let mut client = Client {
                name: n,
                target: target.clone(),
                stop: Arc::clone(&stop),
                answered: Arc::clone(&answered),
                record: Arc::clone(&record),
                dice: Dice(mix.seed ^ u64::from(n) << 32),
                stream: None,
            };
            let clicks = n < mix.click_threads;
            threads.push(thread::spawn(move || client.run(clicks, mix.per_thread)));
        }
        let done = Arc::clone(&stop);
        threads.push(thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                record.sync();
                thread::sleep(SYNC_EVERY);
            }
            record.sync();
        }));
        Self { stop, answered, threads }
    }

    /// Requests answered so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits for the answers under way and ends. The server must be there.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a thread of the load");
        }
    }
}

struct Client {
    name: u32,
    target: Target,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    record: Arc<Record>,
    dice: Dice,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    fn run(&mut self, clicks: bool, per_second: u32) {
        let pause = Duration::from_secs(1) / per_second;
        let mut next = Instant::now();
        let mut n = 0_u64;
        while !self.stop.load(Ordering::Relaxed) {
            n += 1;
            if clicks {
                self.click(n)
            } else {
                self.convert(n)
            }
            // Behind schedule, as after an outage, it goes on from now.
            next = (next + pause).max(Instant::now());
            thread::sleep(next - Instant::now());
        }
    }

    fn click(&mut self, n: u64) {
        let marker = format!("C{}-{n}", self.name);
        let target = format!("/c/{}?s1={marker}", self.target.link);
        let request = self.request("GET", &target, "", "");
        let mut line =
            Line { marker, kind: "click", outcome: "sent", attempts: 1, micros: 0, ids: vec![] };
        let Some(reply) = self.ask(&request, &line) else { return };
        line.outcome = match reply {
            Ok(reply) if reply.status == 302 => "acknowledged",
            Ok(reply) if reply.status < 500 => "refused",
            Ok(_) | Err(_) => "unknown",
        };
        self.record.write(&line);
    }

    /// One order. One in fifty is wrong and must be refused; what stays unknown is sent again every other time, as a
    /// shop's server does.
    fn convert(&mut self, n: u64) {
        let marker = format!("O{}-{n}", self.name);
        let (program, token) = self.target.program.clone();
        let cents = 1 + self.dice.below(100_000);
        let wrong = self.dice.below(50) == 0;
        let amount =
            if wrong { "12,x".to_owned() } else { format!("{}.{:02}", cents / 100, cents % 100) };
        let body = http::query(&[
            ("program", &program),
            ("order_id", &marker),
            ("amount", &amount),
            ("currency", "EUR"),
        ]);
        let fields = format!(
            "Authorization: Bearer {token}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        );
        let request = self.request("POST", "/v1/conversions", &fields, &body);
        let mut line = Line {
            marker,
            kind: "conversion",
            outcome: "sent",
            attempts: 0,
            micros: cents * 10_000,
            ids: vec![],
        };
        loop {
            line.attempts += 1;
            let Some(reply) = self.ask(&request, &line) else { return };
            match reply {
                Ok(reply) if reply.status == 200 => {
                    let id = reply.json()["event_id"].as_str().map(str::to_owned);
                    line.ids.push(id.expect("an acknowledged conversion has an event id"));
                    line.outcome = "acknowledged";
                }
                Ok(reply) if reply.status < 500 => {
                    // Once anything is unknown it may be counted, whatever a later answer says.
                    line.outcome = if line.attempts == 1 { "refused" } else { "unknown" };
                }
                // The server may have stored what it could not promise.
                Ok(_) | Err(_) => line.outcome = "unknown",
            }
            self.record.write(&line);
            if line.outcome != "unknown" || self.dice.below(2) == 0 {
                return;
            }
        }
    }

    fn request(&self, method: &str, target: &str, fields: &str, body: &str) -> Vec<u8> {
        let host = self.target.address;
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) \
             Gecko/20100101 Firefox/140.0\r\nAccept-Language: en\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
        );
        head.into_bytes()
    }

    /// Sends one request as soon as there is a connection, its line in the record before it. None: the end came first.
    fn ask(&mut self, request: &[u8], line: &Line) -> Option<io::Result<Reply>> {
        let mut stream = loop {
            if let Some(stream) = self.stream.take() {
                break stream;
            }
            match TcpStream::connect_timeout(&self.target.address, SILENCE_MAX) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(SILENCE_MAX)).expect("limit the silence");
                    stream.set_nodelay(true).expect("send at once");
                    self.stream = Some(BufReader::new(stream));
                }
                Err(_) if self.stop.load(Ordering::Relaxed) => return None,
                Err(_) => thread::sleep(RECONNECT_AFTER),
            }
        };
        self.record.write(&Line {
            outcome: "sent",
            ids: line.ids.clone(),
            marker: line.marker.clone(),
            ..*line
        });
        let reply =
            stream.get_mut().write_all(request).and_then(|()| http::read_reply(&mut stream, false));
        if let Ok(reply) = &reply {
            self.answered.fetch_add(1, Ordering::Relaxed);
            if reply.header("connection") != Some("close") {
                self.stream = Some(stream);
            }
        }
        Some(reply)
    }
}
