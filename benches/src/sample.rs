//! What the benches of the stages fill a log with: a shop, its partners' clicks, its orders; and how they measure.

use std::time::Duration;

use anyhow::{Context, Result};
use event::body::conversion::Conversion;
use event::body::record::{MemberSummary, MemberVerdict};
use event::body::touch::DeviceClass;
use event::body::{OrderRecord, Source, Touch, Trust};
use event::envelope::CODEC_JSON;
use event::private::Sealed;
use event::topic::KeyHash;
use event::{
    Body, Clock, Code, Consent, Envelope, EventId, IdentityId, LaneId, Micros, Millis, OrderKey,
    Sequence, Topic, VisitorTag,
};
use eventlog::{Class, Log, Record, Refused};

/// When the first click happened.
pub const START: i64 = 1_793_664_000_000;
/// Milliseconds of a day.
pub const DAY: i64 = 86_400_000;

/// A clock that stands still, 30 days after the first click.
#[derive(Clone, Copy, Debug)]
pub struct Still;

impl Clock for Still {
    fn now(&self) -> Millis {
        Millis(START + 30 * DAY)
    }
}

fn id(at: i64, n: u32) -> EventId {
    EventId::minted(Millis(at), Sequence(u64::from(n)), LaneId::from_random(7))
}

fn visitor(n: u32) -> IdentityId {
    let hash = KeyHash::of(&n.to_be_bytes()).0.to_be_bytes();
    let mut tag = [1; 12];
    for (place, byte) in tag.iter_mut().zip(hash) {
        *place = byte;
    }
    IdentityId::Visitor(VisitorTag(tag))
}

fn record(envelope: &Envelope, partition: &str) -> Record {
    Record {
        codec: CODEC_JSON,
        kind: envelope.body.event_type().number(),
        id: envelope.id,
        key_hash: KeyHash::of(partition.as_bytes()),
        payload: envelope.to_json().into(),
    }
}

/// The `n`th click of `visitors` with `touches` each: they take turns, so that the touches of one lie far apart in the log, as
/// in life.
///
/// # Errors
/// None: the names are names.
pub fn click(visitors: u32, touches: u32, n: u32) -> Result<Record> {
    let (round, who) = (n / visitors, n % visitors);
    let step = 20 * DAY / i64::from(touches);
    let at = START + i64::from(round) * step + i64::from(who);
    let partner = 1 + (n.wrapping_mul(2_654_435_761) >> 16) % 20;
    let mut touch = Touch::plain(
        Some(format!("partner-{partner}").parse()?),
        format!("partner-{partner}-home").parse()?,
    );
    touch.channel = Some("content".parse()?);
    touch.ids = vec![visitor(who)];
    touch.consent = Consent::Granted;
    touch.subs.set(1, "summer-newsletter");
    touch.country = Some("FR".into());
    touch.device = DeviceClass::Mobile;
    touch.browser = Some("Firefox".into());
    touch.os = Some("Android".into());
    touch.referrer_host = Some("blog.example".into());
    touch.address_hash = Some("AAAAAAAAAAA".into());
    touch.private = Some(Sealed { day: 20_760, sealed: "A".repeat(240) });
    let envelope = Envelope {
        id: id(at, n),
        occurred_at: Millis(at),
        received_at: Millis(at),
        program: Some("shop".parse()?),
        test: false,
        key: visitor(who).to_string(),
        body: Body::Click(touch),
    };
    Ok(record(&envelope, &envelope.key))
}

/// When a visitor orders.
fn ordered_at(who: u32) -> Millis {
    Millis(START + 21 * DAY + i64::from(who))
}

/// The report of an order of visitor `who`, as the edge stores it.
///
/// # Errors
/// None: the names are names.
pub fn report(who: u32) -> Result<Record> {
    let at = ordered_at(who);
    let order: OrderKey = format!("shop/sale/real/o:BX-{who}").parse()?;
    let conversion = Conversion {
        order_id: Some(format!("BX-{who}")),
        amount: Micros(74_920_000),
        currency: Some("EUR".parse()?),
        ids: vec![visitor(who)],
        consent: Consent::Granted,
        ..Conversion::plain("sale".parse()?, Source::S2s, Trust::Token)
    };
    let envelope = Envelope {
        id: id(at.0, who),
        occurred_at: at,
        received_at: at,
        program: Some("shop".parse()?),
        test: false,
        key: order.to_string(),
        body: Body::Conversion(Box::new(conversion)),
    };
    Ok(record(&envelope, &format!("BX-{who}")))
}

/// The record of an order of visitor `who`, named after `prefix`.
///
/// # Errors
/// None: the names are names.
pub fn order(prefix: &str, who: u32) -> Result<Record> {
    let at = ordered_at(who);
    let canonical = id(at.0, who);
    let currency = Some("EUR".parse()?);
    let order = OrderRecord {
        order: format!("shop/sale/real/o:{prefix}-{who}").parse()?,
        order_id: Some(format!("{prefix}-{who}")),
        members: 1,
        canonical,
        source: Source::S2s,
        trust: Trust::Token,
        converted_at: at,
        received_at: at,
        amount: Micros(74_920_000),
        currency,
        items: Vec::new(),
        customer_type: None,
        channel: None,
        consent: Consent::Granted,
        coupons: Vec::new(),
        ids: vec![visitor(who)],
        click: None,
        exempt_click: None,
        refused_clicks: Vec::new(),
        merges: Vec::new(),
        notes: Vec::new(),
        listed: vec![MemberSummary {
            id: canonical,
            source: Source::S2s,
            trust: Trust::Token,
            occurred_at: at,
            received_at: at,
            amount: Micros(74_920_000),
            currency,
            verdict: MemberVerdict::Canonical,
            code: Code::Ok,
            items_differ: false,
            evidence_counts: true,
        }],
    };
    let envelope = Envelope {
        id: EventId::derived("bench order", &[prefix.as_bytes(), &who.to_be_bytes()]),
        occurred_at: at,
        received_at: at,
        program: Some("shop".parse()?),
        test: false,
        key: order.order.to_string(),
        body: Body::Order(Box::new(order)),
    };
    Ok(record(&envelope, &format!("{prefix}-{who}")))
}

/// A live shop that pays 5 % to each of 20 partners.
///
/// # Errors
/// None: the catalog has no faults.
pub fn catalog() -> Result<catalog::Handle> {
    let mut text = String::from(
        "[program.shop]\ntitle = \"Shop\"\nhome = \"https://shop.example/\"\nmode = \"live\"\n\
         sites = [\"https://shop.example\"]\ncurrency = \"EUR\"\ntime_zone = \"UTC\"\n\
         [program.shop.goal.sale]\n[[program.shop.terms]]\nlookback_click = \"14d\"\n\
         commission = [{ percent = \"5\" }]\n",
    );
    for n in 1..=20 {
        text.push_str(&format!(
            "[partner.partner-{n}]\ntitle = \"P\"\nkind = \"content\"\n\
             [partner.partner-{n}.program.shop]\nstate = \"approved\"\n"
        ));
    }
    let file = catalog::CatalogFile::parse(&text, catalog::Format::Toml);
    let file = file.map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    let records = file.plan(&catalog::State::default(), Millis(0));
    let records = records.map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    Ok(catalog::Handle::new(catalog::State::fold(&records)?)?)
}

/// Fills `topic` with the records 0 to `count` and waits until all of them are durable.
///
/// # Errors
/// The log refuses a record.
pub fn fill(
    log: &Log,
    topic: Topic,
    count: u32,
    make: impl Fn(u32) -> Result<Record>,
) -> Result<()> {
    let appender = log.appender(topic)?;
    for n in 0..count {
        let record = make(n)?;
        loop {
            match appender.enqueue(Class::Essential, &record) {
                Ok(()) => break,
                Err(Refused::Full(_)) => std::thread::sleep(Duration::from_millis(1)),
                Err(other) => return Err(other).context("fill the log"),
            }
        }
    }
    let last = make(count)?;
    appender.append_durable(Class::Essential, &[last])?.wait()?;
    Ok(())
}

/// CPU time of this process so far, all threads.
///
/// # Errors
/// The system does not say.
pub fn cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<u64>().ok());
    Ok(Duration::from_millis(10 * (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0))))
}
