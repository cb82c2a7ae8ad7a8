//! A node under signals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{CATALOG, Place};

/// A running node and its log.
pub(crate) struct Node {
    child: Child,
    log: Receiver<String>,
    pub(crate) edge: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Node {
    pub(crate) fn start(place: &Place, role: &str) -> Self {
        let mut child = place.command(&[role]).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = sync_channel(10_000);
        spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut node = Self { child, log, edge: nowhere, admin: nowhere };
        let address = |line: String| {
            let text = line.split("\"address\":\"").nth(1).unwrap().split('"').next().unwrap();
            text.parse().unwrap()
        };
        node.edge = address(node.wait_for("edge listener"));
        node.admin = address(node.wait_for("admin listener"));
        node.wait_for("\"ready\"");
        node
    }

    /// The next log line with this text in it.
    fn wait_for(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.log.recv_timeout(Duration::from_secs(30)) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no {text:?} in the log, but:\n{}", seen.join("\n")),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Status and body of an admin path.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let answer = ask(self.admin, &format!("GET {path} HTTP/1.0\r\n\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Ends it by SIGTERM, in good order.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        self.wait_for("everything promised is on disk");
        assert!(self.child.wait().unwrap().success());
    }
}

/// The whole answer to a request after which the connection ends.
pub(crate) fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended already unless its test failed.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn a_stopping_node_says_so_first_and_ends_in_good_order() {
    for (role, signal) in [("serve", Signal::TERM), ("serve", Signal::INT), ("edge", Signal::TERM)]
    {
        let place = Place::new();
        let mut node = Node::start(&place, role);
        assert_eq!(node.get("/readyz").0, 200);
        assert_eq!(node.get("/readyz?class=durable").0, 200);
        let asked = Instant::now();
        node.signal(signal);
        node.wait_for("draining");
        let (status, why) = node.get("/readyz");
        assert_eq!(status, 503, "{why}");
        assert!(why.contains("\"check\":\"draining\""), "{why}");
        assert_eq!(node.get("/livez").0, 200, "a draining node is alive");
        node.wait_for("everything promised is on disk");
        assert!(node.child.wait().unwrap().success());
        let took = asked.elapsed();
        assert!(took >= Duration::from_millis(500), "it did not wait for balancers: {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn a_second_signal_skips_the_wait_for_balancers() {
    let place = Place::new();
    let text = std::fs::read_to_string(place.path().join("sillage.toml")).unwrap();
    place.write("sillage.toml", &text.replace("500ms", "5s"));
    let mut node = Node::start(&place, "serve");
    let asked = Instant::now();
    node.signal(Signal::TERM);
    node.wait_for("draining");
    node.signal(Signal::TERM);
    node.wait_for("everything promised is on disk");
    assert!(node.child.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_bad_catalog_leaves_the_old_one_in_force_and_is_logged_and_counted() {
    let place = Place::new();
    let mut node = Node::start(&place, "serve");
    place.write("catalog.toml", &CATALOG.replace("\"approved\"", "\"welcome\""));
    node.signal(Signal::HUP);
    node.wait_for("catalog.toml:15:");
    let metrics = node.get("/metrics").1;
    assert!(metrics.contains("\ncatalog_loads_total{outcome=\"refused\"} 1\n"), "{metrics}");
    assert!(metrics.contains("\ncatalog_links 1\n"), "{metrics}");

    let more = "\n[link.lea-shoes]\nprogram = \"shop\"\npartner = \"lea\"\n\
                destination = \"https://shop.example/shoes\"\n";
    place.write("catalog.toml", &(CATALOG.to_owned() + more));
    node.signal(Signal::HUP);
    node.wait_for("catalog loaded");
    let metrics = node.get("/metrics").1;
    assert!(metrics.contains("\ncatalog_loads_total{outcome=\"taken\"} 2\n"), "{metrics}");
    assert!(metrics.contains("\ncatalog_links 2\n"), "{metrics}");
}

#[test]
fn a_node_that_had_a_catalog_starts_with_it_though_the_file_is_bad_now() {
    let place = Place::new();
    Node::start(&place, "serve").stop();
    place.write("catalog.toml", "[program");
    let node = Node::start(&place, "serve");
    assert!(node.get("/metrics").1.contains("\ncatalog_links 1\n"));
}

#[test]
fn two_nodes_never_share_a_data_folder() {
    let place = Place::new();
    let _node = Node::start(&place, "serve");
    let (code, _, err) = place.said(&["serve"]);
    assert_eq!(code, 1);
    assert!(err.contains("another process has this data folder open"), "{err}");
}
