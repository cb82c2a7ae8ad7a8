//! The loop: add evidence, decide what it bears on, make outputs durable, move the cursor.

mod json;
mod output;
mod reading;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use catalog::Snapshot;
use event::body::{Decision, OrderRecord};
use event::time::DAY_MS;
use event::{Clock, Millis, OrderKey, Topic};
use eventlog::stage::{self, Stage, follow};
use eventlog::{Backend, Batch, Consumer, Cursor, Group, Offset, Partition};

use crate::config::Config;
use crate::decide::{HORIZON_MS, closes_at, decide_under};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::noted::Noted;
use crate::store::state::{Affected, Records};
use crate::store::{Kv, Settled, State};
use output::Outputs;

pub use output::envelope;
pub(crate) use reading::{Read, read};

/// The consumer group of this stage.
pub const GROUP: Group = Group("attribution");
/// What it reads.
pub const TOPICS: &[Topic] = &[Topic::Touches, Topic::Unique];

/// How long touches are kept: horizon, the longest of (back-dating and lateness, lock), lateness and a day more, so
/// that eligibility ends strictly before.
pub const STATE_MS: i64 = 135 * DAY_MS;

/// Whether nothing that an order of this time may read can be gone from the state yet. The last decision about an older
/// one stays: made again without its touches it would be another.
pub(crate) fn evidence_is_kept(converted_at: Millis, now: Millis) -> bool {
    converted_at.0.saturating_sub(HORIZON_MS) >= now.0.saturating_sub(STATE_MS)
}

/// Deferred orders that are looked at together. Count.
const DEFERRED_MAX: usize = 1_000;
/// How often an order is decided again at once because its identity has grown meanwhile. Count; then the next event
/// finds it.
const GROWTHS_MAX: usize = 4;
/// Time between two looks at what is too old. An hour: it reads all merges and open orders, and days make no difference.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);

/// What a worker is built on.
pub struct Deps<K> {
    /// The event log.
    pub log: Arc<dyn Backend>,
    /// The state, shared with [`crate::View`].
    pub state: Arc<State<K>>,
    /// The catalog.
    pub catalog: Arc<catalog::Handle>,
    /// The wall clock: says only what is too old to keep.
    pub clock: Arc<dyn Clock>,
}

/// Reads touches and orders and keeps the decision of each order. One per thread.
pub struct Worker<K> {
    config: Config,
    deps: Deps<K>,
    metrics: Metrics,
}

impl<K: Kv> Worker<K> {
    /// A worker; make it after the metrics recorder is installed.
    #[must_use]
    pub fn new(config: Config, deps: Deps<K>) -> Self {
        Self { config, deps, metrics: Metrics::new() }
    }

    pub(crate) fn state(&self) -> &State<K> {
        &self.deps.state
    }

    /// Works until `stop` is set; finishes the batch at hand first. Begins anew when the log fails for a while.
    ///
    /// # Errors
    /// The state fails, or the log in a way that does not heal.
    pub fn run(&self, stop: &AtomicBool) -> Result<(), Error> {
        let restarts = &self.metrics.restarts;
        stage::run(stop, self.config.retry_wait, restarts, || self.subscribe())
    }

    /// Joins the group.
    ///
    /// # Errors
    /// The log refuses.
    pub fn subscribe(&self) -> Result<Session<'_, K>, Error> {
        let consumer = self.deps.log.subscribe(GROUP, TOPICS).map_err(Error::Subscribe)?;
        Ok(Session {
            worker: self,
            consumer,
            decided: HashMap::new(),
            missed: HashMap::new(),
            looked_at: None,
            held: VecDeque::new(),
            expired_at: None,
        })
    }

    /// Decides an order on everything known now. None if the catalog does not name all of it yet.
    fn decide(&self, record: &OrderRecord, catalog: &Snapshot) -> Result<Option<Decision>, Error> {
        let state = &*self.deps.state;
        let mut decided = decide_under(record, state, catalog)?;
        for _ in 0..GROWTHS_MAX {
            let Some(decision) = &decided else { break };
            let merged = &decision.trace.identity.merged;
            // Registered first, read again then: an event that is written meanwhile is seen by one of the two sides.
            if merged.is_empty() || !state.register(record, merged)? {
                break;
            }
            decided = decide_under(record, state, catalog)?;
        }
        Ok(decided)
    }
}

/// A membership in the group. After an error, drop it and subscribe anew.
pub struct Session<'w, K> {
    worker: &'w Worker<K>,
    consumer: Box<dyn Consumer>,
    /// When orders were decided, of the last moments.
    decided: HashMap<OrderKey, Instant>,
    /// Orders that wait for a newer catalog.
    missed: HashMap<OrderKey, Missed>,
    /// When deferred orders were last looked at.
    looked_at: Option<(Instant, u64)>,
    /// Cursors that the group gets once the orders that were deferred by then are decided: whoever sees a cursor knows that
    /// all that is decided on the records before it is durable.
    held: VecDeque<(Instant, Cursor)>,
    expired_at: Option<Instant>,
}

/// An order that names what the catalog does not know.
#[derive(Clone, Copy, Debug)]
struct Missed {
    since: Instant,
    /// The catalog that did not know: the same one says the same again.
    generation: u64,
    /// It was told that this takes too long.
    told: bool,
}

impl<K: Kv> Stage for Session<'_, K> {
    type Error = Error;

    fn consumer(&mut self) -> &mut dyn Consumer {
        &mut *self.consumer
    }

    fn idle_wait(&self) -> Duration {
        self.worker.config.idle_wait
    }

    fn resume(&mut self, partition: Partition) -> Result<Offset, Error> {
        Ok(self.worker.deps.state.resume(partition)?)
    }

    fn assigned(&mut self, cursors: &[Cursor]) -> Result<(), Error> {
        if self.worker.deps.state.deferred(None, 1)?.is_empty() {
            return follow(&mut *self.consumer, cursors).map_err(Error::Write);
        }
        let now = Instant::now();
        self.held.extend(cursors.iter().map(|cursor| (now, *cursor)));
        Ok(())
    }

    fn revoked(&mut self, partitions: &[Partition]) {
        self.held.retain(|(_, cursor)| !partitions.contains(&cursor.partition));
    }

    fn step(&mut self) -> Result<bool, Error> {
        self.look_at_deferred()?;
        self.expire()?;
        Ok(false)
    }

    /// The four steps: evidence, decisions, durable outputs, cursor.
    fn work(&mut self, batch: &Batch) -> Result<(), Error> {
        let started = Instant::now();
        let Worker { deps, metrics, .. } = self.worker;
        let (noted, mut parked) = take(batch, metrics);
        let records = deps.state.add(&noted)?;
        let began = deps.state.ticket();
        let mut affected = Affected::new();
        for one in &noted {
            deps.state.affected(one, &mut affected)?;
        }
        let cursor = Some((batch.partition, batch.next_offset));
        let mut settled = Settled { began, cursor, ..Settled::default() };
        let mut outputs =
            Outputs::begin(&mut *self.consumer, &self.worker.metrics).map_err(Error::Write)?;
        for rejected in &mut parked {
            outputs.reject(rejected).map_err(Error::Write)?;
        }
        let mut desk = Desk {
            worker: self.worker,
            catalog: deps.catalog.snapshot(),
            decided: &mut self.decided,
            missed: &mut self.missed,
            settled: &mut settled,
            deferred: Vec::new(),
            records,
        };
        for (order, received_at) in affected {
            desk.decide(order, received_at, started, &mut outputs)?;
        }
        let deferred = std::mem::take(&mut desk.deferred);
        deps.state.defer(deferred.iter().map(|(order, at)| (order, *at)))?;
        let waits = !deferred.is_empty() && self.worker.config.redecide_wait > Duration::ZERO;
        if waits || !self.held.is_empty() {
            outputs.commit(&[]).map_err(Error::Write)?;
            self.held.push_back((started, batch.cursor()));
        } else {
            outputs.commit(&[batch.cursor()]).map_err(Error::Write)?;
        }
        deps.state.settle(&settled)?;
        metrics.batch_seconds.record(started.elapsed());
        Ok(())
    }
}

impl<K: Kv> Session<'_, K> {
    /// Decides the orders that were deferred: once for each new catalog, and each time that the shortest time between
    /// two decisions has passed.
    fn look_at_deferred(&mut self) -> Result<(), Error> {
        let Worker { deps, metrics, config, .. } = self.worker;
        let now = Instant::now();
        let catalog = deps.catalog.snapshot();
        let wait = config.redecide_wait.max(config.idle_wait);
        if self.looked_at.is_some_and(|(at, generation)| {
            generation == catalog.generation() && now.duration_since(at) < wait
        }) {
            return Ok(());
        }
        self.looked_at = Some((now, catalog.generation()));
        self.decided.retain(|_, at| now.duration_since(*at) < config.redecide_wait);
        let (mut after, mut waiting) = (None, 0_u32);
        loop {
            let began = deps.state.ticket();
            let orders = deps.state.deferred(after.as_ref(), DEFERRED_MAX)?;
            let Some((last, _)) = orders.last() else { break };
            after = Some(last.clone());
            let mut outputs =
                Outputs::begin(&mut *self.consumer, &self.worker.metrics).map_err(Error::Write)?;
            let mut settled = Settled { began, ..Settled::default() };
            let mut desk = Desk {
                worker: self.worker,
                catalog: Arc::clone(&catalog),
                decided: &mut self.decided,
                missed: &mut self.missed,
                settled: &mut settled,
                deferred: Vec::new(),
                records: Records::default(),
            };
            for (order, received_at) in orders {
                if !desk.still_misses(&order, now) {
                    desk.decide(order.clone(), received_at, now, &mut outputs)?;
                }
                waiting = waiting.saturating_add(u32::from(desk.missed.contains_key(&order)));
            }
            outputs.commit(&[]).map_err(Error::Write)?;
            deps.state.settle(&settled)?;
        }
        metrics.waiting.set(f64::from(waiting));
        self.let_go(now)
    }

    /// Moves the group's cursors behind batches whose deferred orders this look, begun at `now`, has decided: those that it
    /// found decided just before were decided after they had been deferred. Who waits for a newer catalog holds nobody up.
    fn let_go(&mut self, now: Instant) -> Result<(), Error> {
        let wait = self.worker.config.redecide_wait;
        let mut cursors = BTreeMap::new();
        while let Some((at, cursor)) = self.held.front().copied()
            && now.saturating_duration_since(at) >= wait
            && at <= now
        {
            self.held.pop_front();
            cursors.insert(cursor.partition, cursor);
        }
        let cursors: Vec<_> = cursors.into_values().collect();
        follow(&mut *self.consumer, &cursors).map_err(Error::Write)
    }

    fn expire(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let deps = &self.worker.deps;
        let recent = |at| now.duration_since(at) < EXPIRE_EVERY;
        if self.expired_at.is_some_and(recent) || deps.clock.is_astray() {
            return Ok(());
        }
        self.expired_at = Some(now);
        let before = Millis(deps.clock.now().0.saturating_sub(STATE_MS));
        Ok(deps.state.expire(before)?)
    }
}

/// Where the orders of one batch are decided.
struct Desk<'a, K> {
    worker: &'a Worker<K>,
    catalog: Arc<Snapshot>,
    decided: &'a mut HashMap<OrderKey, Instant>,
    missed: &'a mut HashMap<OrderKey, Missed>,
    settled: &'a mut Settled,
    deferred: Vec<(OrderKey, Millis)>,
    /// Records that came just now: they need not be read.
    records: Records,
}

impl<K: Kv> Desk<'_, K> {
    /// Decides an order on which something bears that was received at `received_at`, emits the decision if it read
    /// something new, or defers it.
    fn decide(
        &mut self,
        order: OrderKey,
        received_at: Millis,
        now: Instant,
        outputs: &mut Outputs<'_>,
    ) -> Result<(), Error> {
        let Worker { config, deps, metrics } = self.worker;
        let recent = |at: &Instant| now.duration_since(*at) < config.redecide_wait;
        if self.decided.get(&order).is_some_and(recent) {
            self.deferred.push((order, received_at));
            return Ok(());
        }
        let known = match self.records.remove(&order) {
            Some(record) => Some(record),
            None => deps.state.record(&order)?,
        };
        let Some(record) = known else {
            self.settled.clean.push(order);
            return Ok(());
        };
        let emitted = deps.state.emitted(&order)?;
        if emitted.is_some() && !evidence_is_kept(record.converted_at, deps.clock.now()) {
            metrics.too_old.increment(1);
            self.settled.clean.push(order);
            return Ok(());
        }
        if let Some(program) = self.catalog.program(order.program.as_str())
            && closes_at(record.converted_at, record.received_at, program) < received_at
        {
            metrics.after_close.increment(1);
        }
        let Some(decision) = self.worker.decide(&record, &self.catalog)? else {
            let generation = self.catalog.generation();
            let new = Missed { since: now, generation, told: false };
            self.missed.entry(order.clone()).or_insert(new).generation = generation;
            self.deferred.push((order, received_at));
            return Ok(());
        };
        self.missed.remove(&order);
        self.settled.clean.push(order.clone());
        if config.redecide_wait > Duration::ZERO {
            self.decided.insert(order.clone(), now);
        }
        if emitted == Some(decision.inputs_hash) {
            metrics.unchanged.increment(1);
            return Ok(());
        }
        metrics.emitted(decision.status).increment(1);
        self.settled.emitted.push((order, decision.inputs_hash));
        outputs.decision(decision).map_err(Error::Write)
    }

    /// Whether nothing has changed for an order that waits for a newer catalog. Tells when the wait is too long.
    fn still_misses(&mut self, order: &OrderKey, now: Instant) -> bool {
        let Worker { config, metrics, .. } = self.worker;
        let Some(missed) = self.missed.get_mut(order) else { return false };
        if missed.generation != self.catalog.generation() {
            return false;
        }
        if !missed.told && now.duration_since(missed.since) >= config.catalog_wait {
            missed.told = true;
            metrics.overdue.increment(1);
            tracing::error!(
                program = %order.program,
                "an order still waits for a catalog that names its program and partners"
            );
        }
        true
    }
}

fn take(batch: &Batch, metrics: &Metrics) -> (Vec<Noted>, Vec<event::Envelope>) {
    let mut noted = Vec::with_capacity(batch.records.len());
    let mut parked = Vec::new();
    for record in &batch.records {
        match read(record) {
            Read::Noted(one) => {
                match &one {
                    Noted::Touch { .. } => metrics.touches.increment(1),
                    Noted::Fact { .. } => metrics.facts.increment(1),
                    Noted::Merge { .. } => metrics.merges.increment(1),
                    Noted::Order(_) => metrics.orders.increment(1),
                }
                noted.push(one);
            }
            Read::Skipped => metrics.skipped.increment(1),
            Read::Unreadable(why) => {
                let why = &*why;
                tracing::error!(event.id = %record.id, why, "a record is parked on events.rejected");
                metrics.parked.increment(1);
                parked.push(reading::parked(record, why));
            }
        }
    }
    (noted, parked)
}

#[cfg(test)]
mod tests;
