//! Click ids that are not ours to credit, and reports that anyone can make: 0 credited, each beside its control.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use data_encoding::BASE64URL_NOPAD;
use event::keys::{Key, KeyFile, KeyId, KeySet, Secret};
use event::token::{Claim, TOKEN_BYTES, TokenKeys};
use event::{EventId, LaneId, Millis, Sequence};
use tests::catalog::{Catalog, RATES_OF_ALL, token_sha256};
use tests::http::{Reply, field, many, query, request};
use tests::load::Dice;
use tests::server::{Server, Setup};

/// Bad click ids, each with a control.
const BAD: usize = 3_000;
/// Orders whose ids are replayed.
const REPLAYED: usize = 10_000;
/// Connections at once.
const CONNECTIONS: usize = 32;

/// The shop's token.
const TOKEN: &str = "forged-token";

const AGENT: (&str, &str) =
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0");

struct Shop {
    server: Server,
    host: String,
}

impl Shop {
    fn open() -> Self {
        let catalog = Catalog::default()
            .program("shop", &token_sha256(TOKEN))
            .program("other", "")
            .partner("ada", "content", &["shop", "other"])
            .partner("mallory", "content", &["shop"])
            .link("ada", "shop")
            .link("ada", "other")
            .link("mallory", "shop")
            .text();
        let config = RATES_OF_ALL.to_owned();
        let server = Server::start(Setup { catalog, config, ..Setup::default() });
        let host = server.public().to_string();
        Self { server, host }
    }

    fn many(&self, requests: &[Vec<u8>]) -> Vec<Reply> {
        many(self.server.public(), requests, CONNECTIONS)
    }

    /// Clicks on a link, each by somebody else; the click ids.
    fn clicks(&self, link: &str, count: usize) -> Vec<String> {
        let click = request("GET", &self.host, &format!("/c/{link}"), &[AGENT], &[]);
        let replies = self.many(&vec![click; count]);
        let id = |reply: &Reply| field(reply.header("location")?, "sl_click");
        replies.iter().map(|reply| id(reply).expect("a click id")).collect()
    }

    /// A report of the shop's server.
    fn call(&self, order: &str, click: &str) -> Vec<u8> {
        let fields = [("order_id", order), ("amount", "25.00"), ("click_id", click)];
        let authorization = format!("Bearer {TOKEN}");
        let headers = [
            ("Authorization", &*authorization),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        request("POST", &self.host, "/v1/conversions", &headers, query(&fields).as_bytes())
    }

    /// A report of a page, such as anyone can make.
    fn pixel(&self, order: &str, click: &str) -> Vec<u8> {
        let fields = [("order_id", order), ("amount", "25.00"), ("click_id", click)];
        let target = format!("/p/shop.gif?{}", query(&fields));
        request("GET", &self.host, &target, &[AGENT], &[])
    }

    fn keys(&self) -> KeyFile {
        let text = std::fs::read_to_string(self.server.folder().join("keys.toml")).unwrap();
        toml::from_str(&text).unwrap()
    }

    /// Ends the server and gives winner and codes of each order's last decision, read from the log's files.
    fn decisions(&mut self) -> HashMap<String, (String, Vec<u16>)> {
        self.server.settle();
        assert!(self.server.stop().success(), "the server ends in good order");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("checker/decisions.py");
        let mut python = Command::new("python3");
        python.arg("-B").arg(script).arg(self.server.folder().join("data"));
        let output = python.output().expect("run python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let decision = |line: &str| {
            let mut fields = line.split('\t');
            let order = fields.next()?.strip_prefix("shop/sale/real/o:")?.to_owned();
            let winner = fields.next()?.to_owned();
            let codes = fields.next()?.split(',').map(|code| code.parse().unwrap()).collect();
            Some((order, (winner, codes)))
        };
        text.lines().map(|line| decision(line).expect("a decision")).collect()
    }
}

fn no_python() -> bool {
    let missing = Command::new("python3").arg("--version").output().is_err();
    if missing {
        tests::skip("python3");
    }
    missing
}

/// How a click id is bad: its name in the order id, the word of the answer, the code of the decision.
const KINDS: [(&str, &str, u16); 5] = [
    ("ALTERED", "invalid", 202),
    ("FORGED", "invalid", 202),
    ("UNKNOWN-KEY", "unknown_key", 203),
    ("BORROWED", "other_program", 204),
    ("FUTURE", "from_future", 206),
];

#[test]
fn of_three_thousand_bad_click_ids_none_is_credited_and_each_control_is() {
    if no_python() {
        return;
    }
    let mut shop = Shop::open();
    let keys = shop.keys();
    let ours = TokenKeys::new(&keys.click);
    let now =
        || Millis(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap());
    let stranger = |id| {
        let secret = Secret([0x5a; 32]);
        let key = Key { id, secret, sign_from: Millis(0), verify_until: None };
        TokenKeys::new(&KeySet(vec![key]))
    };
    let (known, unknown) = (keys.click.0[0].id, KeyId(keys.click.0[0].id.0.wrapping_add(100)));
    let (forger, retired) = (stranger(known), stranger(unknown));

    let good = shop.clicks("ada-shop", BAD);
    let borrowed = shop.clicks("ada-other", BAD / KINDS.len());
    let mut dice = Dice::new(4);
    let mut bad = Vec::new();
    for (n, good) in good.iter().enumerate() {
        let claim: Claim = ours.verify(good, now()).expect("a click id of ours");
        let (name, ..) = KINDS[n % KINDS.len()];
        let text = match name {
            "ALTERED" => {
                let mut bytes = BASE64URL_NOPAD.decode(good.as_bytes()).unwrap();
                // Any bit behind version and key id: changed, those are other faults.
                let bit = 16 + usize::try_from(dice.below((TOKEN_BYTES as u64 - 2) * 8)).unwrap();
                bytes[bit / 8] ^= 1 << (bit % 8);
                BASE64URL_NOPAD.encode(&bytes)
            }
            "FORGED" => forger.mint(&claim, now()).unwrap().to_string(),
            "UNKNOWN-KEY" => retired.mint(&claim, now()).unwrap().to_string(),
            "BORROWED" => borrowed[n / KINDS.len()].clone(),
            // From just above the tolerance to a month ahead.
            _ => {
                let ahead = 330_000 + i64::try_from(dice.below(30 * 86_400_000)).unwrap();
                let lane = LaneId::from_random(dice.below(u64::MAX));
                let id = EventId::minted(Millis(now().0 + ahead), Sequence(n as u64), lane);
                ours.mint(&Claim { id, ..claim }, now()).unwrap().to_string()
            }
        };
        assert_ne!(&text, good);
        bad.push(text);
    }
    let name = |n: usize| format!("{}-{n}", KINDS[n % KINDS.len()].0);
    let calls: Vec<_> = bad.iter().enumerate().map(|(n, id)| shop.call(&name(n), id)).collect();
    for (n, reply) in shop.many(&calls).iter().enumerate() {
        let told = reply.json();
        assert_eq!(
            (reply.status, &told["click"]),
            (200, &KINDS[n % KINDS.len()].1.into()),
            "{told}"
        );
    }
    let controls: Vec<_> =
        good.iter().enumerate().map(|(n, id)| shop.call(&format!("GOOD-{n}"), id)).collect();
    for reply in shop.many(&controls) {
        assert_eq!((reply.status, &reply.json()["click"]), (200, &"valid".into()));
    }

    let decisions = shop.decisions();
    assert_eq!(decisions.len(), 2 * BAD);
    for n in 0..BAD {
        let (winner, codes) = &decisions[&name(n)];
        assert!(
            winner == "-" && codes.contains(&KINDS[n % KINDS.len()].2),
            "{}: {codes:?}",
            name(n)
        );
        let (winner, codes) = &decisions[&format!("GOOD-{n}")];
        assert!(winner == "ada" && codes == &[0], "GOOD-{n}: {winner} {codes:?}");
    }
}

#[test]
fn replaying_ten_thousand_order_ids_through_the_pixel_earns_nothing_over_server_evidence() {
    if no_python() {
        return;
    }
    let mut shop = Shop::open();
    let ada = shop.clicks("ada-shop", 200);
    // Clicked after Ada's, so that the last click would win if it counted.
    let mallory = shop.clicks("mallory-shop", 200);
    let order = |n: usize| format!("R-{n}");
    let calls = |range: std::ops::Range<usize>| -> Vec<Vec<u8>> {
        range.map(|n| shop.call(&order(n), &ada[n % ada.len()])).collect()
    };
    let half = REPLAYED / 2;
    // One half is guessed ahead, the other replayed after the fact.
    let mut replies = shop.many(&calls(0..half));
    let pixels: Vec<_> =
        (0..REPLAYED).map(|n| shop.pixel(&order(n), &mallory[n % mallory.len()])).collect();
    replies.extend(shop.many(&pixels));
    replies.extend(shop.many(&calls(half..REPLAYED)));
    assert!(replies.iter().all(|reply| reply.status == 200), "every report is stored");
    // The control: where the server brings no click, the page's one counts.
    let control = shop.many(&[shop.call("CONTROL", ""), shop.pixel("CONTROL", &mallory[0])]);
    assert!(control.iter().all(|reply| reply.status == 200));

    let decisions = shop.decisions();
    assert_eq!(decisions.len(), REPLAYED + 1);
    let credited =
        |partner: &str| decisions.values().filter(|(winner, _)| winner == partner).count();
    assert_eq!((credited("ada"), credited("mallory")), (REPLAYED, 1));
    assert_eq!(decisions["CONTROL"].0, "mallory");
}
