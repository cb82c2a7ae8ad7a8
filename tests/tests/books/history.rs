//! What happened before the server ran: a catalog that was recorded weeks ago, and touches of past days, written into its
//! folder while it is down. A day is paid when it is over, and no test waits for that.

use std::path::Path;
use std::sync::Arc;

use catalog::{CatalogFile, Format, State};
use event::body::{Activation, Body, ClaimedTouch, InvalidTraffic, Touch};
use event::envelope::CODEC_JSON;
use event::topic::KeyHash;
use event::{Clock, Consent, Envelope, EventId, Flag, LaneId, Millis, Sequence, Topic};
use eventlog::{Class, ClockKind, Config, Header, Log, RealDisk, Record};
use tests::load::Dice;

use crate::calls;
use crate::shops::{CHANGES, DAY, PARTNERS, PROGRAMS};

/// When the catalog was recorded, before now.
const RECORDED: i64 = 25 * DAY;
/// Touches of a stream, besides those that come twice.
const TOUCHES: u64 = 600;

struct Wall;

impl Clock for Wall {
    fn now(&self) -> Millis {
        Millis(calls::now())
    }
}

/// Writes records behind those of a topic. Nothing else may have the folder open.
fn write(folder: &Path, topic: Topic, envelopes: &[Envelope]) {
    let (log, recovery) = Log::open(
        Arc::new(RealDisk),
        &folder.join("data"),
        Config::default(),
        Arc::new(Wall),
        ClockKind::Real,
    )
    .expect("open the log");
    assert!(recovery.damage.is_empty(), "{:?}", recovery.damage);
    let record = |envelope: &Envelope| {
        let kind = envelope.body.event_type().number();
        let key_hash = KeyHash::of(envelope.key.as_bytes());
        let header = Header { codec: CODEC_JSON, kind, id: envelope.id, key_hash };
        Record::new(header, envelope.to_json().into())
    };
    let records: Vec<Record> = envelopes.iter().map(record).collect();
    for some in records.chunks(100) {
        let written = log.appender(topic).unwrap().append_durable(Class::Essential, some).unwrap();
        written.wait().expect("write records");
    }
    log.close();
}

/// Records the catalog as of weeks ago.
pub(crate) fn record_catalog(folder: &Path, text: &str, now: i64) {
    let file = CatalogFile::parse(text, Format::Toml).unwrap();
    let records = file.plan(&State::default(), Millis(now - RECORDED)).unwrap();
    let envelopes: Vec<Envelope> =
        records.iter().map(|record| record.to_envelope().unwrap()).collect();
    write(folder, Topic::Catalog, &envelopes);
}

/// Writes touches, and what is said of them.
pub(crate) fn write_touches(folder: &Path, envelopes: &[Envelope]) {
    write(folder, Topic::Touches, envelopes);
}

/// Touches of the last weeks, on the boundaries of the terms and anywhere, some of them of nobody, some twice, with what is said of
/// them: in any order.
pub(crate) fn touches(seed: u64, now: i64) -> Vec<Envelope> {
    let mut dice = Dice::new(seed.wrapping_mul(31).wrapping_add(7));
    let lane = LaneId::from_random(seed);
    let mut all = Vec::new();
    for n in 0..TOUCHES {
        let mut below = |end: usize| usize::try_from(dice.below(end as u64)).unwrap();
        let (program, partner) =
            (PROGRAMS[below(PROGRAMS.len())].0, PARTNERS[below(PARTNERS.len())]);
        let minutes = i64::try_from(below(120)).unwrap() * 1_000 - 60_000;
        let at = if below(10) < 4 {
            now - CHANGES[below(CHANGES.len())] + minutes
        } else {
            // A few days have most of them, so that thousands of impressions are paid for.
            let day = [2, 3, 6, 11, 15, 24][below(6)];
            now - day * DAY - i64::try_from(below(86_400_000)).unwrap() / (1 + day % 3)
        };
        let flags = [
            &[][..],
            &[],
            &[],
            &[],
            &[Flag::BotUa],
            &[Flag::Prefetch],
            &[Flag::Prerender, Flag::Gpc],
            &[Flag::Head],
            &[Flag::ConsentDenied],
            &[Flag::PartnerEnded],
            &[Flag::NoUa, Flag::Datacenter],
        ];
        let link = format!("{partner}-{program}");
        let mut touch = Touch::plain(Some(partner.parse().unwrap()), link.parse().unwrap());
        touch.flags = flags[below(flags.len())].to_vec();
        let ahead = touch.flags.iter().any(|flag| [Flag::Prefetch, Flag::Prerender].contains(flag));
        let body = if below(10) < 6 { Body::Click(touch) } else { Body::Impression(touch) };
        let named = |sequence: u64, at: i64, body: Body| {
            let id = EventId::minted(Millis(at), Sequence(sequence), lane);
            Envelope {
                id,
                occurred_at: Millis(at),
                received_at: Millis(at),
                program: Some(program.parse().unwrap()),
                test: false,
                key: id.to_string(),
                body,
            }
        };
        let mut one = named(n, at, body);
        one.test = below(30) == 0;
        if ahead && below(2) == 0 {
            let click = ClaimedTouch {
                id: one.id,
                partner: Some(partner.parse().unwrap()),
                link: link.parse().unwrap(),
                channel: None,
                consent: Consent::Granted,
                test: false,
                prefetch: true,
                visitor: None,
            };
            all.push(named(10_000 + n, at + 1_500, Body::Activation(Activation { click })));
        }
        if below(8) == 0 {
            let said =
                InvalidTraffic { touch: one.id, ids: Vec::new(), reason: "review".to_owned() };
            all.push(named(20_000 + n, at + 60_000, Body::Flag(said)));
        }
        if below(15) == 0 {
            all.push(one.clone());
        }
        all.push(one);
    }
    for end in (1..all.len()).rev() {
        let other = usize::try_from(dice.below(end as u64 + 1)).unwrap();
        all.swap(end, other);
    }
    all
}
