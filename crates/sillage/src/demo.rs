//! `sillage demo`: a month of a shop in a minute, over real HTTP against a node in this process, every decision compared
//! with the truth that the generator wrote down before.
//!
//! The node runs on a scaled clock: one real second stands for [`HOURS_PER_SECOND`] hours. Nothing else about it is
//! special; what the demo's configuration stretches are rules given in seconds or minutes, so that a real second of delay
//! changes no truth.

mod browser;
mod cast;
mod compare;
mod contested;
mod days;
mod drive;
mod journey;
mod money;
mod print;
mod shop;
mod stage;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use event::{Clock as _, Millis};

use crate::clock::SystemClock;
use compare::{Comparison, Found};
use drive::{Progress, Seen};
use journey::Journey;

/// Hours of the play in one real second.
pub(crate) const HOURS_PER_SECOND: u32 = 12;

/// Years in which a play may begin.
const YEARS: std::ops::RangeInclusive<i16> = 2025..=2060;

/// How long after the last request the decisions may take to settle.
const SETTLE: Duration = Duration::from_secs(20);

/// Plays a month of a shop in a minute and checks every decision.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Length of the play in real seconds; a second stands for 12 hours.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=3600))]
    seconds: u32,
    /// Requests a second.
    #[arg(long, value_name = "R", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5000))]
    rate: u32,
    /// Seed of the play; the same seed gives the same play.
    #[arg(long, value_name = "SEED", default_value_t = 20_261_103)]
    seed: u64,
    /// Day on which the play begins, at 00:00 UTC, such as 2027-03-20 to play a month in which the clocks change; now, if it
    /// is not given.
    #[arg(long, value_name = "DAY", value_parser = first_instant)]
    begin: Option<Millis>,
    /// Prints one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Stays up after the play with a blog and a shop to click through, and calls to try, until Ctrl-C.
    #[arg(long)]
    stay: bool,
}

/// What a play came to.
struct Outcome {
    journeys: Vec<Journey>,
    seen: Seen,
    found: Found,
    comparison: Comparison,
}

impl Outcome {
    /// Whether debits equal credits in every currency.
    fn balanced(&self) -> bool {
        let mut sums: BTreeMap<_, i128> = BTreeMap::new();
        for ((_, currency), balance) in &self.found.balances {
            *sums.entry(*currency).or_default() += balance;
        }
        sums.values().all(|sum| *sum == 0)
    }

    /// What partners have earned by orders, by currency.
    fn commission_micros(&self) -> BTreeMap<String, i128> {
        let mut sums = BTreeMap::new();
        for ((account, currency), balance) in &self.found.order_balances {
            if compare::partner_of(account).is_some() {
                *sums.entry(currency.to_string()).or_default() += balance;
            }
        }
        sums
    }
}

/// Plays, compares, prints. Exit code 1 on any difference, on a request without answer, or if the machine was too slow
/// to keep the play's times and a difference came of it.
pub(crate) fn run(arguments: &DemoArguments) -> Result<ExitCode> {
    let shop = if arguments.stay { Some(shop::Closed::bind()?) } else { None };
    let origin = shop.as_ref().map(shop::Closed::origin);
    let begin = arguments.begin.unwrap_or_else(|| SystemClock.now());
    let stage = stage::Running::start(origin, begin).context("start the demo's node")?;
    let journeys = draw(arguments);
    let quiet = arguments.json;
    if !quiet {
        print::opening(&stage, arguments.seconds, &journeys);
    }
    let seen = play(&stage, &journeys, quiet)?;
    let outcome = settle(&stage, journeys, seen)?;
    let agreed = outcome.comparison.differences.is_empty() && outcome.seen.failures.is_empty();
    if arguments.json {
        print::json(arguments.seed, &outcome)?;
    } else {
        print::tables(&outcome);
        contested::print(&outcome, stage.zone())?;
        print::verdict(arguments, &outcome);
    }
    if let Some(shop) = shop {
        stage.slow_down();
        let open = shop.open(&stage)?;
        print::stay(&stage, open.addresses());
        stage.wait_for_signal()?;
    }
    stage.stop()?;
    Ok(if agreed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn first_instant(day: &str) -> Result<Millis, String> {
    let day: jiff::civil::Date = day.parse().map_err(|_| "give a day such as 2027-03-20")?;
    let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|error| error.to_string())?;
    let at = Millis(midnight.timestamp().as_millisecond());
    // Ids of events and click ids hold times of this century.
    if YEARS.contains(&day.year()) { Ok(at) } else { Err(format!("give a year of {YEARS:?}")) }
}

/// Journeys whose steps come to `rate` a second.
fn draw(arguments: &DemoArguments) -> Vec<Journey> {
    let mut rng = fastrand::Rng::with_seed(arguments.seed);
    let until_h = f64::from(arguments.seconds) * f64::from(HOURS_PER_SECOND);
    let wanted = usize::try_from(arguments.seconds * arguments.rate).unwrap_or(usize::MAX);
    let mut steps = 0;
    std::iter::from_fn(|| {
        (steps < wanted).then(|| {
            let journey = journey::draw(&mut rng, 0.0, until_h);
            steps += journey.steps.len().max(1);
            journey
        })
    })
    .filter(|journey| !journey.steps.is_empty())
    .collect()
}

/// Sends every step when it is due, and shows how far it is.
fn play(stage: &stage::Running, journeys: &[Journey], quiet: bool) -> Result<Seen> {
    let progress = Progress::default();
    let total = journeys.iter().map(|journey| journey.steps.len()).sum::<usize>();
    let to = stage.stage(f64::from(HOURS_PER_SECOND));
    std::thread::scope(|scope| {
        let playing = scope.spawn(|| drive::play(&to, journeys, &progress));
        let start = Instant::now();
        let show = !quiet && std::io::stderr().is_terminal();
        let every = if show { Duration::from_millis(250) } else { Duration::from_secs(10) };
        let mut shown = start;
        while !playing.is_finished() {
            std::thread::sleep(Duration::from_millis(50));
            if !quiet && shown.elapsed() >= every {
                shown = Instant::now();
                let done = progress.steps_done.load(Ordering::Relaxed);
                print::progress(show, start.elapsed(), (done, total));
            }
        }
        if show {
            print::end_of_progress();
        }
        playing.join().map_err(|_| anyhow::anyhow!("a sender of the demo panicked"))
    })
}

/// Reads the topics until every decision is as expected, or [`SETTLE`] has passed.
fn settle(stage: &stage::Running, journeys: Vec<Journey>, seen: Seen) -> Result<Outcome> {
    let end = Instant::now() + SETTLE;
    loop {
        // Before they are read: a day that is due by then must be there.
        let times = stage.times();
        let found = compare::read(stage.log())?;
        let comparison = compare::compare(&journeys, &found, &seen, times);
        if comparison.differences.is_empty() || Instant::now() > end {
            return Ok(Outcome { journeys, seen, found, comparison });
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}
