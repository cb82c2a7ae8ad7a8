//! A shop with its program, a partner's blog and a server, wired to one another.

use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tests::http::{Reply, query};
use tests::proxy::Proxy;
use tests::server::{Server, Setup};
use tests::shop::{Edge, SHOP, Shop};
use tests::{WAIT_MAX, free_port};

/// The edge under the shop's own site: its cookies reach it from the shop's pages.
pub(crate) const FIRST_PARTY: &str = "t.shop.localhost";
/// The edge under a site of its own: the click id is all that reaches it.
pub(crate) const THIRD_PARTY: &str = "edge.localhost";

/// What a person's browser says; requests without it are flagged.
pub(crate) const BROWSER_AGENT: (&str, &str) = (
    "User-Agent",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
);

/// Programs of the catalog: what a report from a page needs, and how consent is treated.
const PROGRAMS: [(&str, &str, &str); 5] = [
    ("shop", "require_click_id", ""),
    ("strict", "require_click_id", "consent = { unknown = \"denied\" }"),
    (
        "lenient",
        "allow",
        "consent = { unknown = \"granted\", gpc = \"ignore\" }\ncookie = { third_party = \"unpartitioned\" }",
    ),
    ("easy", "require_click_id", "consent = { unknown = \"granted\" }"),
    ("firm", "require_click_id", "consent = { gpc_wins = true }"),
];

/// Longer than the engine puts a decision off: an order that changed is decided at most once a second.
const PUT_OFF: Duration = Duration::from_millis(1_500);

/// What becomes of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The credited partner.
    pub(crate) winner: Option<String>,
    /// Code of the first candidate, else of the decision.
    pub(crate) code: u64,
    /// Number of candidates.
    pub(crate) candidates: usize,
}

impl Outcome {
    pub(crate) const NOBODY: Self = Self { winner: None, code: 201, candidates: 0 };

    pub(crate) fn credited(partner: &str) -> Self {
        Self { winner: Some(partner.to_owned()), code: 0, candidates: 1 }
    }

    pub(crate) const fn refused(code: u64) -> Self {
        Self { winner: None, code, candidates: 1 }
    }

    fn of(decision: &Value) -> Self {
        let candidates = decision["trace"]["candidates"].as_array().map_or(&[][..], Vec::as_slice);
        let code = candidates.first().map_or(&decision["code"], |candidate| &candidate["code"]);
        Self {
            winner: decision["winner"].as_str().map(str::to_owned),
            code: code.as_u64().unwrap_or(u64::MAX),
            candidates: candidates.len(),
        }
    }
}

/// An order and what is expected of it.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) program: &'static str,
    pub(crate) order: String,
    pub(crate) reports: u64,
    pub(crate) outcome: Outcome,
}

impl Expected {
    fn decision(&self, server: &Server) -> Value {
        server.decision(self.program, &self.order).unwrap_or_default()
    }

    fn differs(&self, decision: &Value) -> Option<String> {
        let Self { order, outcome, .. } = self;
        let reports = decision["version"]["members"].as_u64().unwrap_or_default();
        if reports != self.reports {
            return Some(format!("{order}: {reports} reports, expected {}", self.reports));
        }
        let found = Outcome::of(decision);
        let text = || format!("{order}: found {found:?}, expected {outcome:?}: {decision}");
        (found != *outcome).then(text)
    }
}

/// Server and shop, for one test.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) shop: Shop,
    host: String,
    port: u16,
    path: String,
    _proxy: Option<Proxy>,
}

/// How the edge stands beside the shop.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing<'a> {
    /// Keys of the programs' `cookie`.
    pub(crate) cookie: &'a str,
    /// Path of a proxy on the shop's own host, and its part of nginx's configuration, where the edge listens on
    /// `127.0.0.1:8080`; none: browsers reach the edge itself.
    pub(crate) proxy: Option<(&'a str, &'a str)>,
}

impl Site {
    /// A site whose pages know the edge by this host name.
    pub(crate) fn open(host: &str) -> Self {
        Self::stand(host, Standing::default()).expect("a site without proxy")
    }

    /// A site whose edge stands so. None where a part is not installed.
    pub(crate) fn stand(host: &str, standing: Standing<'_>) -> Option<Self> {
        let mut shop = Shop::start();
        let proxy = standing.proxy.map(|(path, locations)| (free_port(), path, locations));
        let mut edge = format!(
            "hosts = [\"{FIRST_PARTY}\", \"{THIRD_PARTY}\", \"{SHOP}\"]\npublic_scheme = \"http\"\n"
        );
        if let Some((port, ..)) = proxy {
            shop.stand_behind(port);
            edge += &format!("public_port = {port}\ntrusted_proxies = [\"127.0.0.1/32\"]\n");
        }
        let catalog = catalog(&shop.origin(), standing.cookie);
        let server = Server::start(Setup { catalog, edge, ..Setup::default() });
        let (mut port, mut path, mut running) = (server.public().port(), String::new(), None);
        if let Some((proxy_port, proxy_path, locations)) = proxy {
            let locations = locations.replace("127.0.0.1:8080", &server.public().to_string());
            running = Some(Proxy::start(proxy_port, &locations, shop.address())?);
            (port, path) = (proxy_port, proxy_path.to_owned());
        }
        let site = Self { server, shop, host: host.to_owned(), port, path, _proxy: running };
        site.shop.open(site.edge("shop"));
        Some(site)
    }

    /// The edge as the server of this program's shop knows it.
    pub(crate) fn edge(&self, program: &str) -> Edge {
        Edge {
            address: self.server.public(),
            host: self.host.clone(),
            port: self.port,
            path: self.path.clone(),
            program: program.to_owned(),
            token: token(program),
        }
    }

    /// Waits until orders have become what is expected, and holds that they stay so for longer than a decision is put
    /// off. Answers with the last decisions, and with what differs.
    pub(crate) fn settle(&self, expected: &[Expected]) -> (Vec<Value>, Vec<String>) {
        let start = Instant::now();
        let mut right_since = None;
        loop {
            let decisions: Vec<Value> =
                expected.iter().map(|order| order.decision(&self.server)).collect();
            let pairs = expected.iter().zip(&decisions);
            let wrong: Vec<String> = pairs.filter_map(|(e, found)| e.differs(found)).collect();
            let right = *right_since.get_or_insert_with(Instant::now);
            if !wrong.is_empty() {
                right_since = None;
            }
            let settled = wrong.is_empty() && right.elapsed() >= PUT_OFF;
            if settled || start.elapsed() > WAIT_MAX {
                return (decisions, wrong);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until an order of the shop, known by so many reports, has become what is expected; its decision.
    pub(crate) fn becomes(&self, order: &str, reports: u64, outcome: Outcome) -> Value {
        self.becomes_in("shop", order, reports, outcome)
    }

    /// The same in another program.
    pub(crate) fn becomes_in(
        &self,
        program: &'static str,
        order: &str,
        reports: u64,
        outcome: Outcome,
    ) -> Value {
        let expected = Expected { program, order: order.to_owned(), reports, outcome };
        let (mut decisions, wrong) = self.settle(&[expected]);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        decisions.remove(0)
    }

    /// Asks the edge as a person's browser does, which sends these cookies too.
    pub(crate) fn visit(&self, target: &str, headers: &[(&str, &str)], cookies: &str) -> Reply {
        let mut all = vec![BROWSER_AGENT];
        all.extend_from_slice(headers);
        if !cookies.is_empty() {
            all.push(("Cookie", cookies));
        }
        self.server.call("GET", FIRST_PARTY, target, &all, &[])
    }

    /// Sends a landing report as the tag does.
    pub(crate) fn land(
        &self,
        program: &str,
        click_id: &str,
        signals: &[(&str, &str)],
        consent: &str,
        cookies: &str,
    ) -> Reply {
        let origin = self.shop.origin();
        let mut fields = vec![
            ("program", program),
            ("click_id", click_id),
            ("url", &*origin),
            ("page", "entry"),
            ("activated", "1"),
        ];
        if !consent.is_empty() {
            fields.push(("consent", consent));
        }
        let mut headers = vec![
            BROWSER_AGENT,
            ("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8"),
            ("Origin", &*origin),
        ];
        headers.extend_from_slice(signals);
        if !cookies.is_empty() {
            headers.push(("Cookie", cookies));
        }
        let body = query(&fields);
        self.server.call("POST", FIRST_PARTY, "/v1/clicks", &headers, body.as_bytes())
    }

    /// Events of this kind that the edge took.
    pub(crate) fn accepted(&self, kind: &str) -> u64 {
        let label = format!("kind=\"{kind}\"");
        let count = self.server.metric("edge_events_accepted_total", &label);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let count = count as u64;
        count
    }
}

/// The token of a program's server; the catalog has its hash.
fn token(program: &str) -> String {
    format!("{program}-token")
}

fn catalog(origin: &str, cookie: &str) -> String {
    let mut text = String::new();
    for (name, page, more) in PROGRAMS {
        let more = match cookie {
            "" => more.to_owned(),
            cookie => format!(
                "{}\ncookie = {{ {cookie} }}",
                more.split("cookie =").next().unwrap_or_default()
            ),
        };
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(token(name)));
        text += &format!(
            "[program.{name}]\ntitle = \"{name}\"\nhome = \"{origin}/\"\nsites = [\"{origin}\"]\n\
             time_zone = \"Europe/Paris\"\ncurrency = \"EUR\"\nreports = {{ page = \"{page}\", token_sha256 = [\"{hash}\"] }}\n\
             {more}\n\n\
             [link.{name}-review]\nprogram = \"{name}\"\npartner = \"blog\"\ndestination = \"{origin}/\"\n\n"
        );
    }
    text += &format!(
        "[link.shop-cashback]\nprogram = \"shop\"\npartner = \"cashback\"\nexempt = true\ndestination = \"{origin}/\"\n\n"
    );
    for (name, kind) in [("blog", "content"), ("cashback", "cashback")] {
        text += &format!("[partner.{name}]\ntitle = \"{name}\"\nkind = \"{kind}\"\n");
        for (program, _, _) in PROGRAMS {
            text += &format!("program.{program}.state = \"approved\"\n");
        }
        text += "\n";
    }
    assert!(text.contains(SHOP), "the shop's pages are on its own host");
    text
}

/// The cookies that an answer sets, as the browser sends them back.
pub(crate) fn kept(reply: &Reply) -> String {
    let cookies = reply.cookies().into_iter();
    let pairs: Vec<String> =
        cookies.filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
    pairs.join("; ")
}
