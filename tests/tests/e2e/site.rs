//! A shop with its program, a partner's blog and a server, wired to one another.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tests::http::{Reply, query};
use tests::server::{Server, Setup};
use tests::shop::{Edge, SHOP, Shop};

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
const PROGRAMS: [(&str, &str, &str); 4] = [
    ("shop", "require_click_id", ""),
    ("strict", "require_click_id", "consent = { unknown = \"denied\" }"),
    (
        "lenient",
        "allow",
        "consent = { unknown = \"granted\", gpc = \"ignore\" }\ncookie = { third_party = \"unpartitioned\" }",
    ),
    ("firm", "require_click_id", "consent = { gpc_wins = true }"),
];

/// What became of an order.
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
    pub(crate) fn credited(partner: &str) -> Self {
        Self { winner: Some(partner.to_owned()), code: 0, candidates: 1 }
    }

    pub(crate) fn refused(code: u64) -> Self {
        Self { winner: None, code, candidates: 1 }
    }

    pub(crate) const NOBODY: Self = Self { winner: None, code: 201, candidates: 0 };
}

/// Server and shop, for one test.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) shop: Shop,
    host: String,
}

impl Site {
    /// A site whose pages know the edge by this host name.
    pub(crate) fn open(host: &str) -> Self {
        let shop = Shop::start();
        let catalog = catalog(&shop.origin());
        let edge =
            format!("hosts = [\"{FIRST_PARTY}\", \"{THIRD_PARTY}\"]\npublic_scheme = \"http\"\n");
        let server = Server::start(Setup { catalog, edge, ..Setup::default() });
        let site = Self { server, shop, host: host.to_owned() };
        site.shop.open(site.edge("shop"));
        site
    }

    /// The edge as the server of this program's shop knows it.
    pub(crate) fn edge(&self, program: &str) -> Edge {
        Edge {
            address: self.server.public(),
            host: self.host.clone(),
            program: program.to_owned(),
            token: token(program),
        }
    }

    /// What was decided on an order that so many reports are known of.
    pub(crate) fn decision(&self, order: &str, reports: u64) -> Value {
        self.decision_in("shop", order, reports)
    }

    /// The same in another program.
    pub(crate) fn decision_in(&self, program: &str, order: &str, reports: u64) -> Value {
        self.server.decision(program, order, |decision| {
            decision["version"]["members"].as_u64() == Some(reports)
        })
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
        if !cookies.is_empty() {
            headers.push(("Cookie", cookies));
        }
        let body = query(&fields);
        self.server.call("POST", FIRST_PARTY, "/v1/clicks", &headers, body.as_bytes())
    }

    /// What became of an order.
    pub(crate) fn outcome(&self, order: &str, reports: u64) -> Outcome {
        outcome(&self.decision(order, reports))
    }

    /// Clicks that the edge took, those of machines and prefetches apart.
    pub(crate) fn accepted(&self, kind: &str) -> u64 {
        let label = format!("kind=\"{kind}\"");
        let count = self.server.metric("edge_events_accepted_total", &label);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let count = count as u64;
        count
    }
}

/// What became of an order, from its decision.
pub(crate) fn outcome(decision: &Value) -> Outcome {
    let candidates = decision["trace"]["candidates"].as_array().map_or(&[][..], Vec::as_slice);
    let code = candidates.first().map_or(&decision["code"], |candidate| &candidate["code"]);
    Outcome {
        winner: decision["winner"].as_str().map(str::to_owned),
        code: code.as_u64().expect("a code"),
        candidates: candidates.len(),
    }
}

/// The token of a program's server; the catalog has its hash.
fn token(program: &str) -> String {
    format!("{program}-token")
}

fn catalog(origin: &str) -> String {
    let mut text = String::new();
    for (name, page, consent) in PROGRAMS {
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(token(name)));
        text += &format!(
            "[program.{name}]\ntitle = \"{name}\"\nhome = \"{origin}/\"\nsites = [\"{origin}\"]\n\
             time_zone = \"Europe/Paris\"\ncurrency = \"EUR\"\nreports = {{ page = \"{page}\", token_sha256 = [\"{hash}\"] }}\n\
             {consent}\n\n\
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
