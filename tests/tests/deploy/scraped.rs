//! A node under load, scraped by the real Prometheus: every panel and every alert asks for something that is there, and the
//! main panels say what stands in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tests::catalog::{Catalog, RATES_OF_ALL, token_sha256};
use tests::load::{Load, Target};
use tests::server::{Server, Setup};
use tests::{free_port, http, skip, wait_for};

use crate::dashboards::panels;
use crate::path;
use crate::query::names;
use crate::rules::rules;

/// How long the load lasts: several scrapes.
const LOAD: Duration = Duration::from_secs(8);
/// The seed of the load.
const SEED: u64 = 5;
/// The shop's token.
const TOKEN: &str = "observed-token";

/// A running Prometheus. Dropped, it is killed.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes `node` each second and looks at the alerts; [`None`] where it is not installed.
    fn start(node: SocketAddr) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("prometheus-").tempdir().unwrap();
        let rules = path("deploy/prometheus/rules.yml").canonicalize().unwrap();
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{}]\nscrape_configs:\n  - job_name: \
             sillage\n    static_configs: [{{ targets: ['{node}'] }}]\n",
            rules.display()
        );
        fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = Command::new("prometheus");
        command.arg("--config.file=prometheus.yml").arg("--storage.tsdb.path=data");
        command.arg(format!("--web.listen-address={address}")).arg("--log.level=error");
        command.current_dir(folder.path()).stdout(Stdio::null());
        let Ok(child) = command.spawn() else {
            skip("prometheus");
            return None;
        };
        let this = Self { child, address, _folder: folder };
        wait_for("Prometheus", || this.get("/-/ready").filter(|reply| reply.status == 200));
        Some(this)
    }

    fn get(&self, target: &str) -> Option<http::Reply> {
        http::call(self.address, "GET", &self.address.to_string(), target, &[], &[]).ok()
    }

    /// The series that a query has now: labels and value.
    fn ask(&self, query: &str) -> Vec<(Value, f64)> {
        let target = format!("/api/v1/query?{}", http::query(&[("query", query)]));
        let reply = self.get(&target).expect("an answer of Prometheus").json();
        assert_eq!(reply["status"], "success", "{query}: {reply}");
        let series = reply["data"]["result"].as_array().expect("series").iter();
        let value = |one: &Value| one["value"][1].as_str().and_then(|text| text.parse().ok());
        series.map(|one| (one["metric"].clone(), value(one).expect("a number"))).collect()
    }

    /// The one number that a query has now.
    fn number(&self, query: &str) -> Option<f64> {
        match self.ask(query).as_slice() {
            [(_, value)] => Some(*value),
            _ => None,
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn server() -> (Server, Target) {
    let paid = "[[program.shop.mode]]\nvalue = \"live\"\n[[program.shop.terms]]\ncommission = [{ percent = \"10\" }]\n";
    let catalog = Catalog::default()
        .program("shop", &format!("page = \"allow\"\n{}", token_sha256(TOKEN)))
        .partner("ada", "content", &["shop"])
        .link("ada", "shop")
        .text();
    let setup =
        Setup { catalog: catalog + paid, config: RATES_OF_ALL.to_owned(), ..Setup::default() };
    let server = Server::start(setup);
    let target = Target {
        address: server.public(),
        program: "shop".to_owned(),
        token: TOKEN.to_owned(),
        links: vec!["ada-shop".to_owned()],
    };
    (server, target)
}

/// The records of some topics, each id once.
fn exported(server: &Server, what: &str) -> Vec<Value> {
    let output = server.run(&["export", what]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut seen = BTreeSet::new();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| seen.insert(record["id"].as_str().unwrap().to_owned())).collect()
}

fn of_type(records: &[Value], name: &str) -> usize {
    records.iter().filter(|record| record["type"] == name).count()
}

#[test]
fn every_panel_and_alert_finds_its_series_and_the_main_panels_say_what_the_log_says() {
    let (server, target) = server();
    let Some(prometheus) = Prometheus::start(server.admin_address()) else { return };
    wait_for("the first scrape", || (prometheus.number("up")? >= 1.0).then_some(()));
    let load = Load::start(&target, server.folder(), SEED);
    std::thread::sleep(LOAD);
    let tally = load.stop();
    assert!(tally.acknowledged > 1_000 && tally.refused > 10, "{tally:?}");
    server.settle();

    let queries: BTreeMap<String, String> = panels()
        .into_iter()
        .flat_map(|panel| {
            let name = panel.name;
            panel.queries.into_iter().enumerate().map(move |(n, q)| (format!("{name}/{n}"), q))
        })
        .collect();
    let asked: usize = panels().iter().map(|panel| panel.queries.len()).sum();
    assert_eq!(queries.len(), asked, "two panels of a dashboard have one title");
    let events = exported(&server, "events");
    let (decisions, postings) = (exported(&server, "decisions"), exported(&server, "transfers"));
    let transfers: usize = postings
        .iter()
        .map(|posting| posting["body"]["transfers"].as_array().map_or(0, Vec::len))
        .sum();
    let refused = of_type(&events, "rejected");
    let touches = ["click", "impression", "landing"].map(|name| of_type(&events, name));
    println!(
        "{} events, {refused} refused, {} decisions, {} postings with {transfers} transfers",
        events.len(),
        decisions.len(),
        postings.len()
    );
    assert!(transfers > 10 && decisions.len() > 100, "the load earns something");
    let expected = [
        ("edge: Events stored/0", events.len() - refused),
        ("edge: Events refused/0", refused),
        ("edge: Clicks/0", touches[0]),
        ("edge: Conversions/0", of_type(&events, "conversion")),
        ("edge: Missing/0", 0),
        ("pipeline: Stages running/0", 4),
        ("pipeline: Records to read/0", 0),
        ("pipeline: Furthest behind/0", 0),
        ("pipeline: Orders decided/0", decisions.len()),
        ("ledger: Books out of balance/0", 0),
        ("ledger: Orders changed/0", postings.len()),
        ("ledger: Transfers booked/0", transfers),
    ];
    for (panel, count) in expected {
        let query = queries.get(panel).unwrap_or_else(|| panic!("no panel {panel}"));
        let mut last = None;
        wait_for(&format!("{panel} to be {count}"), || {
            let now = prometheus.number(query);
            if now != last {
                println!("{panel}: {now:?}, in the log {count}");
                last = now;
            }
            let count = u32::try_from(count).unwrap();
            (now == Some(f64::from(count))).then_some(())
        });
    }
    let topics: BTreeMap<String, f64> = prometheus
        .ask(&queries["pipeline: Durable records/0"])
        .into_iter()
        .map(|(labels, value)| (labels["topic"].as_str().unwrap().to_owned(), value))
        .collect();
    let touches = f64::from(u32::try_from(touches.iter().sum::<usize>()).unwrap());
    assert_eq!(topics["events.touches"], touches);
    assert_eq!(topics.len(), 10);
    // All clicks were made within the five minutes that a rate looks at; it reckons up to a scrape more than there was.
    let rates = prometheus.ask(&queries["edge: Accepted/0"]);
    let (_, rate) = rates.iter().find(|(labels, _)| labels["kind"] == "click").unwrap();
    let clicks = f64::from(u32::try_from(of_type(&events, "click")).unwrap());
    assert!((rate * 300.0 / clicks - 1.0).abs() < 0.2, "{rate} a second, {clicks} clicks");

    for (name, query) in &queries {
        assert!(!prometheus.ask(query).is_empty(), "{name} has no series: {query}");
    }
    for rule in rules() {
        for selector in names(&rule.query).selectors {
            let found = prometheus.ask(&selector.text);
            assert!(!found.is_empty(), "{}: {} has no series", rule.alert, selector.text);
        }
    }
    let loaded = prometheus.get("/api/v1/rules").unwrap().json();
    let groups = loaded["data"]["groups"].as_array().unwrap();
    let loaded: Vec<&Value> =
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert_eq!(loaded.len(), rules().len());
    for rule in loaded {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    let false_alarms: Vec<Value> = prometheus
        .ask("ALERTS{alertstate=\"firing\"}")
        .into_iter()
        .map(|(labels, _)| labels["alertname"].clone())
        .collect();
    assert!(false_alarms.is_empty(), "{false_alarms:?}");
}
