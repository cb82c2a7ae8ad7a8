//! Attribution on a prefilled embedded log: touches only, then conversions only with stored touches and a full trace.
//!
//! Each run fills a fresh folder with touches, reads them with the real worker and state until the log is drained, then
//! fills order records and drains those. Filling is not measured. Pin the process to one core (`taskset -c 1`): then the
//! log's writers and the state's compaction share it with the worker. Prints each run and the medians as JSON lines.
#![expect(clippy::print_stdout, reason = "a measurement prints what it measured")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use attribution::store::{FjallKv, State};
use attribution::{Config, Deps, Worker};
use clap::Parser;
use event::body::record::{MemberSummary, MemberVerdict};
use event::body::touch::DeviceClass;
use event::body::{OrderRecord, Source, Touch, Trust};
use event::envelope::CODEC_JSON;
use event::private::Sealed;
use event::topic::KeyHash;
use event::{
    Body, Clock, Code, Consent, Envelope, EventId, IdentityId, LaneId, Micros, Millis, Sequence,
    Topic, VisitorTag,
};
use eventlog::{Class, ClockKind, Log, Partition, RealDisk, Record, Refused};

/// Measures attribution.
#[derive(Parser)]
struct Options {
    /// Visitors.
    #[arg(long, default_value_t = 20_000)]
    visitors: u32,
    /// Touches of each visitor.
    #[arg(long, default_value_t = 50)]
    touches: u32,
    /// Runs.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Where the folders are made.
    #[arg(long, default_value = "/tmp")]
    folder: PathBuf,
}

const START: i64 = 1_793_664_000_000;
const DAY: i64 = 86_400_000;

struct Still;

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

/// The `n`th click: visitors take turns, so that the touches of one lie far apart in the log, as in life.
fn click(options: &Options, n: u32) -> Result<Record> {
    let (round, who) = (n / options.visitors, n % options.visitors);
    let step = 20 * DAY / i64::from(options.touches);
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

fn order(who: u32) -> Result<Record> {
    let at = Millis(START + 21 * DAY + i64::from(who));
    let canonical = id(at.0, who);
    let currency = Some("EUR".parse()?);
    let order = OrderRecord {
        order: format!("shop/sale/real/o:BX-{who}").parse()?,
        order_id: Some(format!("bx-{who}")),
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
        id: EventId::derived("bench order", &[&who.to_be_bytes()]),
        occurred_at: at,
        received_at: at,
        program: Some("shop".parse()?),
        test: false,
        key: order.order.to_string(),
        body: Body::Order(Box::new(order)),
    };
    Ok(record(&envelope, &format!("BX-{who}")))
}

fn catalog() -> Result<catalog::Handle> {
    let mut text = String::from(
        "[program.shop]\ntitle = \"Shop\"\nhome = \"https://shop.example/\"\n\
         sites = [\"https://shop.example\"]\ncurrency = \"EUR\"\ntime_zone = \"UTC\"\n\
         [program.shop.goal.sale]\n[[program.shop.terms]]\nlookback_click = \"14d\"\n",
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

/// Fills `topic` and waits until all of it is durable.
fn fill(log: &Log, topic: Topic, count: u32, make: impl Fn(u32) -> Result<Record>) -> Result<()> {
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
fn cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<u64>().ok());
    Ok(Duration::from_millis(10 * (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0))))
}

struct Figure {
    per_second: u64,
    cpu_nanos: u64,
}

/// Works until everything in the log is read.
fn drain(
    log: &Log,
    worker: &Worker<FjallKv>,
    state: &State<FjallKv>,
    topic: Topic,
    count: u32,
) -> Result<Figure> {
    let mut session = worker.subscribe()?;
    let partition = Partition { topic, index: 0 };
    let end = log.reader().high_watermark(topic);
    let (started, cpu_before) = (Instant::now(), cpu()?);
    while state.resume(partition)? < end {
        session.turn()?;
    }
    let (elapsed, used) = (started.elapsed(), cpu()?.saturating_sub(cpu_before));
    let per =
        |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / u64::from(count);
    Ok(Figure { per_second: 1_000_000_000 / per(elapsed).max(1), cpu_nanos: per(used) })
}

fn run(options: &Options) -> Result<[Figure; 2]> {
    let folder = tempfile::tempdir_in(&options.folder)?;
    let disk = Arc::new(RealDisk);
    let config = eventlog::Config::default();
    let (log, _) =
        Log::open(disk, &folder.path().join("log"), config, Arc::new(Still), ClockKind::Real)?;
    let kv = FjallKv::open(&folder.path().join("attribution"), Config::default().cache_bytes)?;
    let state = Arc::new(State::open(kv)?);
    let deps = Deps {
        log: Arc::new(log.clone()),
        state: Arc::clone(&state),
        catalog: Arc::new(catalog()?),
        clock: Arc::new(Still),
    };
    let worker = Worker::new(Config::default(), deps);
    let count = options.visitors * options.touches;
    fill(&log, Topic::Touches, count, |n| click(options, n))?;
    let touches = drain(&log, &worker, &state, Topic::Touches, count)?;
    fill(&log, Topic::Unique, options.visitors, order)?;
    let orders = drain(&log, &worker, &state, Topic::Unique, options.visitors)?;
    let decided = log.reader().scan(Topic::Attributed, 0);
    let mut decisions = 0_u32;
    for batch in decided {
        for record in &batch?.records {
            decisions += 1;
            if decisions == 1 {
                let envelope = Envelope::read(&record.payload)?;
                let Body::Decision(decision) = envelope.body else { continue };
                let listed = decision.trace.candidates.len();
                ensure!(listed >= options.touches as usize, "{listed} candidates");
                println!("{{\"decision_bytes\":{}}}", record.payload.len());
            }
        }
    }
    ensure!(decisions == options.visitors + 1, "{decisions} decisions");
    log.close();
    Ok([touches, orders])
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut figures: [Vec<(u64, u64)>; 2] = [Vec::new(), Vec::new()];
    let names = ["touches", "conversions"];
    for n in 1..=options.runs {
        let run = run(&options)?;
        for ((name, figure), all) in names.iter().zip(run).zip(&mut figures) {
            let Figure { per_second, cpu_nanos } = figure;
            println!(
                "{{\"run\":{n},\"{name}_per_second\":{per_second},\"cpu_nanos_each\":{cpu_nanos}}}"
            );
            all.push((per_second, cpu_nanos));
        }
    }
    for (name, all) in names.iter().zip(figures) {
        let per_second = median(all.iter().map(|(p, _)| *p).collect());
        let cpu_nanos = median(all.iter().map(|(_, c)| *c).collect());
        println!(
            "{{\"median\":\"{name}\",\"per_second\":{per_second},\"cpu_nanos_each\":{cpu_nanos}}}"
        );
    }
    Ok(())
}
