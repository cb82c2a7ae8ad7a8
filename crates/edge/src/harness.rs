//! An edge in the test's own process: real listeners on port 0, a real log in a folder of its own, a stepped clock.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::import::Format;
use catalog::{Handle, State};
use event::keys::{Key, KeyFile, KeyId, KeySet, ProgramKey, Secret};
use event::{Clock, Envelope, Millis, ProgramName, Topic};
use eventlog::{ClockKind, Disk, Log, RealDisk};
use testkit::SteppedClock;

use crate::{Config, Deps, Edge, Journal, LogJournal};

/// Two programs, partners of several kinds, links in every state.
pub(crate) const CATALOG: &str = include_str!("harness/catalog.toml");

/// The key file of the tests.
pub(crate) fn keys() -> KeyFile {
    let key = |secret: u8| {
        KeySet(vec![Key {
            id: KeyId(1),
            secret: Secret([secret; 32]),
            sign_from: Millis(0),
            verify_until: None,
        }])
    };
    let program_key = |id: &str, secret| ProgramKey {
        id: id.to_owned(),
        program: ProgramName::new("shop").unwrap(),
        secret: Secret([secret; 32]),
    };
    KeyFile {
        customer_secret: Secret([3; 32]),
        click: key(1),
        identity: key(2),
        call: vec![program_key("shop-calls", 4)],
        link: vec![program_key("shop-links", 5)],
    }
}

/// A running edge and all that belongs to it.
pub(crate) struct Running {
    pub edge: Option<Edge>,
    pub log: Log,
    pub clock: SteppedClock,
    pub catalog: Arc<Handle>,
    pub address: SocketAddr,
    /// Removed with everything in it at the end.
    _folder: tempfile::TempDir,
}

/// What starts an edge, to be changed before.
pub(crate) struct Starting {
    pub config: Config,
    pub catalog: Option<String>,
    pub keys: KeyFile,
    pub disk: Arc<dyn Disk>,
    pub log: eventlog::Config,
    /// What stands between edge and log.
    pub journal: fn(LogJournal) -> Arc<dyn Journal>,
}

impl Default for Starting {
    fn default() -> Self {
        Self {
            config: Config {
                listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
                cores: 1,
                hosts: vec!["edge.example".to_owned(), "127.0.0.1".to_owned()],
                ..Config::default()
            },
            catalog: Some(CATALOG.to_owned()),
            keys: keys(),
            disk: Arc::new(RealDisk),
            log: eventlog::Config::default(),
            journal: |journal| Arc::new(journal),
        }
    }
}

impl Starting {
    /// Starts it.
    pub(crate) fn start(self) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let clock = SteppedClock::default();
        let (log, _recovery) = Log::open(
            self.disk,
            &folder.path().join("log"),
            self.log,
            Arc::new(clock.clone()),
            ClockKind::Real,
        )
        .unwrap();
        let catalog = Arc::new(Handle::new(State::default()).unwrap());
        if let Some(text) = &self.catalog {
            let now = Millis(clock.now().0 - 1);
            let recorded = |_: &[_]| Ok::<(), std::io::Error>(());
            if let Err(error) = catalog.reload(text, Format::Toml, now, recorded) {
                panic!("the test's catalog: {error:?}");
            }
        }
        let deps = Deps {
            catalog: Arc::clone(&catalog),
            journal: (self.journal)(LogJournal::new(&log).unwrap()),
            clock: Arc::new(clock.clone()),
            keys: self.keys,
        };
        let edge = Edge::start(self.config, folder.path(), deps, &|_| false).unwrap();
        let address = edge.addresses()[0];
        Running { edge: Some(edge), log, clock, catalog, address, _folder: folder }
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The only header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers(name);
        let first = all.next();
        assert_eq!(all.next(), None, "{name} twice in {self:?}");
        first
    }

    /// All headers of this name.
    pub(crate) fn headers<'n>(&self, name: &'n str) -> impl Iterator<Item = &str> + use<'_, 'n> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, value)| &**value)
    }

    /// Name and value of each cookie that is set, without attributes.
    pub(crate) fn cookies(&self) -> Vec<(&str, &str)> {
        self.headers("set-cookie")
            .map(|c| c.split(';').next().unwrap().split_once('=').unwrap())
            .collect()
    }

    /// The value of a query parameter of `Location`, decoded.
    pub(crate) fn location(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(self.header("location")?).unwrap();
        url.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Reads one answer; [`None`] at the end of the connection. The body of an answer to HEAD is empty.
pub(crate) fn read_answer(stream: &mut TcpStream, to_head: bool) -> Option<Answer> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ if bytes.is_empty() => return None,
            other => panic!("{other:?} in a head: {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
    let head = String::from_utf8(bytes).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("odd header {line:?}")))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = if to_head { 0 } else { length.map_or(0, |(_, n)| n.parse().unwrap()) };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Some(Answer { status, headers, body })
}

impl Running {
    /// A new connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends bytes on a new connection and reads one answer.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        read_answer(&mut stream, bytes.starts_with(b"HEAD "))
    }

    /// Asks with these headers, on a connection of its own.
    pub(crate) fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: edge.example\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        text += &format!("\r\n{body}");
        self.raw(text.as_bytes()).expect("an answer")
    }

    /// GET with a browser's headers and these.
    pub(crate) fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", target, &[BROWSER, headers].concat(), "")
    }

    /// POST of a form.
    pub(crate) fn post_form(&self, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        self.ask("POST", target, &[BROWSER, &form, headers].concat(), body)
    }

    /// The events of `topic`, once there are at least `least`.
    pub(crate) fn events(&self, topic: Topic, least: usize) -> Vec<Envelope> {
        let started = Instant::now();
        loop {
            let records = self.log.reader().scan(topic, 0).flat_map(|batch| batch.unwrap().records);
            let events: Vec<_> =
                records.map(|record| Envelope::read(&record.payload).unwrap()).collect();
            if events.len() >= least {
                return events;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "{} of {least}", events.len());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(edge) = self.edge.take() {
            let stopped = edge.stop();
            if !std::thread::panicking() {
                stopped.unwrap();
            }
        }
        self.log.close();
    }
}

/// What every browser sends.
pub(crate) const BROWSER: &[(&str, &str)] = &[
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    ),
    ("Accept", "text/html,application/xhtml+xml"),
    ("Accept-Language", "fr-FR,fr;q=0.9"),
    ("Referer", "https://blog.example.org/article"),
];
