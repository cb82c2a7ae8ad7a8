//! A core with a catalog of three shops, keys, a clock that stands still and a journal that fails when told to.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use catalog::import::{CatalogFile, Format};
use event::keys::{Key, KeyFile, KeyId, KeySet, ProgramKey, Secret};
use event::token::Claim;
use event::{Clock, Consent, Envelope, EventId, LaneId, Millis, Sequence, Topic};
use eventlog::{Class, CommitError, Header, Record, Refused};
use http::{HeaderMap, HeaderValue, Method};
use testkit::SteppedClock;

use crate::core::{Core, Shared};
use crate::days::Days;
use crate::journal::{Durable, Journal, NotDurable};
use crate::request::{Client, Head};
use crate::{Config, Deps};

/// The token of `shop` and, with `-other`, of `other`.
pub(crate) const TOKEN: &str = "shop-token";
/// The origin on the site list of `shop`.
pub(crate) const ORIGIN: &str = "https://shop.example";

const CATALOG: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
time_zone = "Europe/Paris"
currency = "EUR"
[program.shop.reports]
page = "allow"
token_sha256 = ["{shop}"]
hmac_keys = ["shop-1", "shop-2"]
[program.shop.goal.sale]
[program.shop.goal.newsletter]
paid = false

[program.other]
title = "Other"
home = "https://other.example/"
sites = ["https://other.example"]
time_zone = "Europe/Paris"
currency = "EUR"
[program.other.reports]
token_sha256 = ["{other}"]
hmac_keys = ["other-1"]

[program.fenced]
title = "Fenced"
home = "https://fenced.example/"
sites = ["https://fenced.example"]
time_zone = "Europe/Paris"
currency = "EUR"
decimal_mark = "comma"
[program.fenced.reports]
page = "off"
source_networks = ["192.0.2.0/24"]
token_sha256 = ["{fenced}"]

[partner.lea]
title = "Lea"
kind = "content"
program.shop.state = "approved"
program.other.state = "approved"

[link.lea-shop]
program = "shop"
partner = "lea"
destination = "https://shop.example/"
[link.lea-other]
program = "other"
partner = "lea"
destination = "https://other.example/"
"#;

fn sha256(text: &str) -> String {
    use sha2::Digest;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(text))
}

/// What the journal does with records that must be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// It keeps them.
    Good,
    /// It refuses them.
    Refuses,
    /// It takes them and cannot commit.
    FailsToCommit,
}

/// A journal in memory.
pub(crate) struct MemoryJournal {
    records: Mutex<Vec<(Topic, Envelope)>>,
    disk: Mutex<Disk>,
}

impl Journal for MemoryJournal {
    fn enqueue(
        &self,
        topic: Topic,
        _class: Class,
        header: Header,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), Refused> {
        let mut payload = Vec::new();
        write(&mut payload);
        let envelope = Envelope::read(&payload).unwrap();
        assert_eq!(envelope.id, header.id);
        self.records.lock().unwrap().push((topic, envelope));
        Ok(())
    }

    fn durable(&self, topic: Topic, class: Class, records: Vec<Record>) -> Durable {
        let outcome = match *self.disk.lock().unwrap() {
            Disk::Refuses => Err(NotDurable::Refused(Refused::Full(topic))),
            Disk::FailsToCommit => Err(NotDurable::Commit(CommitError::Failed)),
            Disk::Good => {
                for record in &records {
                    assert!(record.payload.len() <= event::envelope::ENVELOPE_BYTES_MAX);
                    self.enqueue(topic, class, record.header(), &mut |buffer| {
                        buffer.extend_from_slice(&record.payload);
                    })
                    .unwrap();
                }
                Ok(())
            }
        };
        Box::pin(std::future::ready(outcome))
    }
}

/// A core and everything around it.
pub(crate) struct Testbed {
    pub(crate) core: Core,
    pub(crate) clock: SteppedClock,
    journal: Arc<MemoryJournal>,
}

fn key_set(seed: u8) -> KeySet {
    let key = |id: u8, verify_until| Key {
        id: KeyId(id),
        secret: Secret([seed + id; 32]),
        sign_from: Millis(0),
        verify_until,
    };
    KeySet(vec![key(1, None)])
}

/// The secret of a signing key.
pub(crate) fn secret_of(key: &str) -> Secret {
    Secret(*blake3::hash(key.as_bytes()).as_bytes())
}

fn key_file() -> KeyFile {
    let call = |id: &str, program: &str| ProgramKey {
        id: id.to_owned(),
        program: program.parse().unwrap(),
        secret: secret_of(id),
    };
    KeyFile {
        customer_secret: Secret([9; 32]),
        click: key_set(10),
        identity: key_set(20),
        call: vec![
            call("shop-1", "shop"),
            call("shop-2", "shop"),
            call("shop-3", "shop"),
            call("other-1", "other"),
        ],
        link: vec![],
    }
}

impl Testbed {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let clock = SteppedClock::default();
        let text = CATALOG
            .replace("{shop}", &sha256(TOKEN))
            .replace("{other}", &sha256("shop-token-other"))
            .replace("{fenced}", &sha256("fenced-token"));
        let file = CatalogFile::parse(&text, Format::Toml).unwrap();
        let records = file.plan(&catalog::State::default(), clock.now()).unwrap();
        let state = catalog::State::fold(&records).unwrap();
        let journal =
            Arc::new(MemoryJournal { records: Mutex::default(), disk: Mutex::new(Disk::Good) });
        let deps = Deps {
            catalog: Arc::new(catalog::Handle::new(state).unwrap()),
            journal: Arc::clone(&journal) as Arc<dyn Journal>,
            clock: Arc::new(clock.clone()),
            keys: key_file(),
        };
        let days = Days::open(None, 7, 30, clock.now()).unwrap();
        let shared = Arc::new(Shared::new(config, deps, days));
        Self { core: Core::new(shared, LaneId::from_random(7)), clock, journal }
    }

    pub(crate) fn set_disk(&self, disk: Disk) {
        *self.journal.disk.lock().unwrap() = disk;
    }

    /// What was written to a topic since the last call.
    pub(crate) fn take(&self, topic: Topic) -> Vec<Envelope> {
        let mut records = self.journal.records.lock().unwrap();
        let (taken, rest) = records.drain(..).partition(|(of, _)| *of == topic);
        *records = rest;
        taken.into_iter().map(|(_, envelope): (Topic, Envelope)| envelope).collect()
    }

    /// The request head.
    pub(crate) fn head(&self, method: Method, uri: &str, headers: &[(&'static str, &str)]) -> Head {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Head {
            method,
            uri: uri.parse().unwrap(),
            headers: map,
            received_at: self.clock.now(),
            client: Client { address: IpAddr::from([192, 0, 2, 7]), country: None },
        }
    }

    /// A claim of a click on a link, a minute ago.
    pub(crate) fn claim(&self, link: &str) -> Claim {
        let catalog = self.core.catalog().unwrap();
        let link = catalog.link(link).unwrap();
        let at = Millis(self.clock.now().0 - 60_000);
        Claim {
            consent: Consent::Granted,
            test: false,
            prefetch: false,
            program: link.program().id(),
            partner: link.partner().map(|partner| partner.id()),
            link: link.id(),
            id: EventId::minted(at, Sequence(1), LaneId::from_random(3)),
            visitor: None,
        }
    }

    /// The click id of a claim.
    pub(crate) fn click_id(&self, claim: &Claim) -> String {
        self.core.keys().clicks.mint(claim, self.clock.now()).unwrap().to_string()
    }
}

/// The body of an answer.
pub(crate) fn body_of(reply: crate::response::Reply) -> Bytes {
    use http_body_util::BodyExt;
    block_on(reply.into_body().collect()).unwrap().to_bytes()
}

/// Runs a handler to its end.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(future)
}
