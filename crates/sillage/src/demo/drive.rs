//! Plays journeys against a running edge: each step when it is due, the steps of one shopper one after the other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event::EventId;
use serde_json::json;

use super::browser::{Answer, Browser, Line, NoAnswer, Signer, server_call, signed_call};
use super::cast::{BOTS, PEOPLE, PLAYERS};
use super::journey::{Act, Agent, Basket, CarriedClick, ClickConsent, Journey, Reporter, Step};

/// Threads that send; each holds one connection.
const SENDERS: usize = 8;
/// A step that starts later than this after its time may have changed a truth, and is counted.
const LATE: Duration = Duration::from_secs(1);

/// Where the play is sent, and how fast its time runs.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// `http://127.0.0.1:PORT` of the edge.
    pub edge: String,
    pub program: &'static str,
    pub token: String,
    /// Signs for the shop's order system.
    pub signer: Signer,
    /// An origin on the program's site list.
    pub shop_origin: String,
    /// Hours of the play in one real second.
    pub hours_per_second: f64,
}

/// What the senders saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Every event that an answer named, and whether it was promised to be durable.
    pub events: BTreeMap<EventId, bool>,
    /// Clicks of people by player.
    pub clicks: Vec<(usize, EventId)>,
    /// Impressions by player.
    pub impressions: Vec<(usize, EventId)>,
    /// Answers by step and status.
    pub answers: BTreeMap<(&'static str, u16), u64>,
    /// Requests without an answer, in words.
    pub failures: Vec<String>,
    /// Steps that started more than [`LATE`] after their time.
    pub late: u64,
}

struct Queue {
    due: BinaryHeap<Reverse<(Instant, usize, usize)>>,
    open: usize,
}

/// Progress of a play, readable while it runs.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub steps_done: AtomicU64,
    pub journeys_done: AtomicUsize,
}

/// The order id under which order `index` of journey `journey` is reported.
pub(super) fn order_id(journey: usize, index: usize) -> String {
    format!("BX-{}", 10_000 + journey * 10 + index)
}

/// Plays all journeys to their end. Blocks.
pub(super) fn play(stage: &Stage, journeys: &[Journey], progress: &Progress) -> Seen {
    let start = Instant::now();
    let real =
        |hours: f64| start + Duration::from_secs_f64((hours / stage.hours_per_second).max(0.0));
    let due: BinaryHeap<_> = journeys
        .iter()
        .enumerate()
        .filter_map(|(index, journey)| Some(Reverse((real(journey.steps.first()?.at_h), index, 0))))
        .collect();
    let open = due.len();
    let queue = Mutex::new(Queue { due, open });
    let wake = Condvar::new();
    let browsers: Vec<_> =
        (0..journeys.len()).map(|index| Mutex::new(shopper(index, journeys))).collect();
    let sender = || {
        let line = Line::to(&stage.edge);
        let mut seen = Seen::default();
        while let Some((at, index, step)) = next(&queue, &wake) {
            let (Some(journey), Some(browser)) = (journeys.get(index), browsers.get(index)) else {
                continue;
            };
            if at.elapsed() > LATE {
                seen.late += 1;
            }
            if let Some(due) = journey.steps.get(step) {
                let mut browser = locked(browser);
                let (name, result) = send(stage, &line, &mut browser, (index, journey, &due.step));
                let touch = result.as_ref().ok().and_then(|answer| answer.event);
                if let Step::Click { player, agent: Agent::Person, .. } = &due.step {
                    seen.clicks.extend(touch.map(|event| (*player, event)));
                } else if let Step::Impression { player } = &due.step {
                    seen.impressions.extend(touch.map(|event| (*player, event)));
                }
                note(&mut seen, name, result);
            }
            progress.steps_done.fetch_add(1, Ordering::Relaxed);
            let mut queue = locked(&queue);
            match journey.steps.get(step + 1) {
                Some(following) => {
                    queue.due.push(Reverse((
                        real(following.at_h).max(Instant::now()),
                        index,
                        step + 1,
                    )));
                }
                None => {
                    queue.open -= 1;
                    progress.journeys_done.fetch_add(1, Ordering::Relaxed);
                }
            }
            wake.notify_all();
        }
        seen
    };
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(sender)).collect();
        senders.into_iter().filter_map(|thread| thread.join().ok()).fold(Seen::default(), join)
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next step whose time has come; none when every journey has ended.
fn next(queue: &Mutex<Queue>, wake: &Condvar) -> Option<(Instant, usize, usize)> {
    let mut queue = locked(queue);
    loop {
        if queue.open == 0 {
            wake.notify_all();
            return None;
        }
        let wait = match queue.due.peek() {
            Some(Reverse((at, ..))) => at.saturating_duration_since(Instant::now()),
            None => Duration::from_millis(50),
        };
        if wait.is_zero() {
            return queue.due.pop().map(|Reverse(step)| step);
        }
        queue =
            wake.wait_timeout(queue, wait).map_or_else(|e| e.into_inner().0, |(guard, _)| guard);
    }
}

fn shopper(index: usize, journeys: &[Journey]) -> Browser {
    let bot = journeys.get(index).is_some_and(|journey| {
        journey.steps.iter().any(|due| matches!(due.step, Step::Click { agent: Agent::Bot, .. }))
    });
    let agents: &[&'static str] = if bot { &BOTS } else { &PEOPLE };
    let agent = agents.get(index % agents.len()).copied().unwrap_or_default();
    let address = format!("198.18.{}.{}", index / 250 % 250, index % 250 + 1);
    Browser::new(agent, address)
}

fn send(
    stage: &Stage,
    line: &Line,
    browser: &mut Browser,
    (journey, play, step): (usize, &Journey, &Step),
) -> (&'static str, Result<Answer, NoAnswer>) {
    let link = |player: usize| PLAYERS.get(player).map_or("", |p| p.link);
    match step {
        Step::Click { player, consent, .. } => {
            let (parameter, gpc) = match consent {
                ClickConsent::Granted => ("&consent=granted", false),
                ClickConsent::Unknown => ("", false),
                ClickConsent::Denied => ("&consent=denied", false),
                ClickConsent::GlobalPrivacyControl => ("", true),
            };
            let headers: &[_] = if gpc { &[("sec-gpc", "1")] } else { &[] };
            let path = format!("/c/{}?s1=article-{}{parameter}", link(*player), journey % 40);
            let result = browser.get(line, "GET", &path, headers);
            if let Ok(answer) = &result {
                browser.session_click = answer.location.as_deref().and_then(click_id_of);
            }
            ("click", result)
        }
        Step::Head { player } => {
            ("head", browser.get(line, "HEAD", &format!("/c/{}", link(*player)), &[]))
        }
        Step::Prefetch { player } => {
            let path = format!("/c/{}", link(*player));
            ("prefetch", browser.get(line, "GET", &path, &[("sec-purpose", "prefetch")]))
        }
        Step::Impression { player } => {
            let path = format!("/i/{}.gif?consent=granted", link(*player));
            ("impression", browser.get(line, "GET", &path, &[]))
        }
        Step::Landing { granted } => {
            let consent = if *granted { "granted" } else { "denied" };
            let report = json!({
                "click_id": browser.session_click, "url": stage.shop_origin, "page": "entry", "consent": consent,
            });
            ("landing", browser.post(line, "/v1/clicks", (&stage.shop_origin, &report)))
        }
        Step::UnknownLink => ("unknown link", browser.get(line, "GET", "/c/no-such-link", &[])),
        Step::WrongAmount => {
            let call = json!({
                "program": stage.program, "order_id": order_id(journey, 0), "amount": "12,50", "currency": "EUR",
            });
            ("wrong call", server_call(line, (&stage.token, &call)))
        }
        Step::Act { order, act } => {
            let (program, order_id) = (stage.program, order_id(journey, *order));
            let call = match act {
                Act::Approve => {
                    json!({"program": program, "order_id": order_id, "action": "approve"})
                }
                Act::Cancel => {
                    json!({"program": program, "order_id": order_id, "action": "decline", "code": 701})
                }
                Act::Reopen => {
                    json!({"program": program, "order_id": order_id, "action": "reopen"})
                }
                Act::ReturnFirstLine => {
                    json!({"program": program, "order_id": order_id, "action": "return", "items": [{"line": 1}]})
                }
            };
            ("act", signed_call(line, &stage.signer, &call))
        }
        Step::Report { order, by, amount_cents, click, denied } => {
            let amount = format!("{}.{:02}", amount_cents / 100, amount_cents % 100);
            let order_id = order_id(journey, *order);
            match by {
                Reporter::Pixel => {
                    let consent = if *denied { "&consent=denied" } else { "" };
                    let path = format!(
                        "/p/{}.gif?order_id={order_id}&amount={amount}&currency=EUR{consent}",
                        stage.program
                    );
                    ("pixel", browser.get(line, "GET", &path, &[]))
                }
                Reporter::Server => {
                    let mut call = json!({
                        "program": stage.program, "order_id": order_id, "amount": amount, "currency": "EUR",
                    });
                    if let Some(call) = call.as_object_mut() {
                        if let Some(id) = carried(browser, *click) {
                            call.insert("click_id".into(), id.into());
                        }
                        if *denied {
                            call.insert("consent".into(), "denied".into());
                        }
                        if let Some(order) = play.orders.get(*order) {
                            call.extend(told(&order.basket));
                        }
                    }
                    ("server call", server_call(line, (&stage.token, &call)))
                }
            }
        }
    }
}

/// What the shop's server tells beside the amount.
fn told(basket: &Basket) -> serde_json::Map<String, serde_json::Value> {
    let mut told = serde_json::Map::new();
    if !basket.lines.is_empty() {
        let lines = basket.lines.iter().map(|line| {
            let amount = format!("{}.{:02}", line.cents / 100, line.cents % 100);
            json!({"category": line.category, "amount": amount})
        });
        told.insert("items".into(), lines.collect());
    }
    if let Some(new) = basket.new_customer {
        told.insert("customer_type".into(), if new { "new" } else { "returning" }.into());
    }
    told
}

fn carried(browser: &Browser, click: CarriedClick) -> Option<String> {
    let id = browser.session_click.clone()?;
    match click {
        CarriedClick::None => None,
        CarriedClick::Session => Some(id),
        // The partner's number lies in characters 10 to 14 of the text.
        CarriedClick::Altered => Some(
            id.char_indices()
                .map(|(at, c)| if at == 13 { if c == 'B' { 'C' } else { 'B' } } else { c })
                .collect(),
        ),
    }
}

/// The click id in a landing URL.
fn click_id_of(location: &str) -> Option<String> {
    let query = location.split_once('?')?.1;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    query.split('&').find_map(|pair| pair.strip_prefix("sl_click=")).map(str::to_owned)
}

fn note(seen: &mut Seen, name: &'static str, result: Result<Answer, NoAnswer>) {
    match result {
        Ok(answer) => {
            *seen.answers.entry((name, answer.status)).or_default() += 1;
            if let Some(event) = answer.event {
                seen.events.insert(event, answer.durable);
            }
        }
        Err(fault) => {
            let cause = std::error::Error::source(&fault).map(ToString::to_string);
            seen.failures.push(format!("{fault}: {}", cause.unwrap_or_default()));
        }
    }
}

fn join(mut all: Seen, one: Seen) -> Seen {
    all.events.extend(one.events);
    all.clicks.extend(one.clicks);
    all.impressions.extend(one.impressions);
    for (key, count) in one.answers {
        *all.answers.entry(key).or_default() += count;
    }
    all.failures.extend(one.failures);
    all.late += one.late;
    all
}

#[cfg(test)]
mod tests {
    use super::click_id_of;

    #[test]
    fn the_click_id_is_found_in_a_landing_url() {
        let url = "http://shop.example/?a=1&sl_click=AQc-_&afsrc=1#top";
        assert_eq!(click_id_of(url).as_deref(), Some("AQc-_"));
        assert_eq!(click_id_of("http://shop.example/?a=1"), None);
    }
}
