//! The loop: join facts, decide, book, say what was booked, move the cursor.
//!
//! Per batch: (1) what cannot be read is durable on `events.rejected`; (2) one transaction of the book takes facts, booked
//! orders, transfers, the outbox and the cursor; (3) the outbox is appended to `ledger.transfers` and durable; (4) the
//! group's cursor moves; (5) the next transaction clears the outbox. A crash between any two of them repeats postings and
//! parked records under the same ids, and nothing else.
//!
//! After a start, facts are joined up to the ends that the topics had then, and only then decided: a book that is new, or
//! an older copy, takes back from `ledger.transfers` what was booked before, and says nothing twice.

mod again;
mod booking;
mod clock;
mod closing;
mod days;
mod output;
mod paying;
mod reading;
mod upstream;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use catalog::Snapshot;
use event::body::PayDay;
use event::{Clock, EventId, OrderKey, Topic};
use eventlog::stage::{self, Stage as _};
use eventlog::{Backend, Batch, Consumer, Cursor, Group, Offset, Partition};

use crate::config::Config;
use crate::error::Error;
use crate::facts::Fact;
use crate::metrics::Metrics;
use crate::payout::Desk;
use crate::store::{Said, Store, Writing};
use again::Sweeping;
use booking::Accountant;
use closing::Mark;
use days::Days;
pub use days::{DAYS_GROUP, TOUCHES_KEPT};
use output::Outputs;
use reading::{Learned, Read};
use upstream::Passing;
pub use upstream::Stage;

/// The consumer group of this stage.
pub const GROUP: Group = Group("ledger");

/// What it reads; the last one to know its own postings again.
const TOPICS: [Topic; 4] = [Topic::Attributed, Topic::Conversions, Topic::Closed, Topic::Transfers];

/// Orders that are decided in one transaction besides those of a batch. Count.
const STEP_ORDERS: u32 = if cfg!(test) { 3 } else { 2_000 };
/// Batches with nothing for the book after which the group's cursor follows all the same. Count.
const UNFOLLOWED_MAX: u32 = 64;
/// Time between two looks through all accounts. A minute: it reads each balance.
const CHECK_EVERY: Duration = Duration::from_mins(1);

/// What a worker is built on.
pub struct Deps {
    /// The event log.
    pub log: Arc<dyn Backend>,
    /// The book.
    pub store: Arc<Store>,
    /// The catalog.
    pub catalog: Arc<catalog::Handle>,
    /// The wall clock: says when an order is due to be locked, and when the book changed.
    pub clock: Arc<dyn Clock>,
    /// Where payouts are asked for.
    pub desk: Arc<Desk>,
    /// The stages between what is received and what this one reads, in their order: no order is locked before they have read
    /// what was received by its time.
    pub stages: Vec<Stage>,
}

/// Keeps the book. One per book.
pub struct Worker {
    config: Config,
    deps: Deps,
    metrics: Metrics,
}

impl Worker {
    /// A worker; make it after the metrics recorder is installed.
    #[must_use]
    pub fn new(config: Config, deps: Deps) -> Self {
        Self { config, deps, metrics: Metrics::new() }
    }

    /// Works until `stop` is set; finishes the batch at hand first. Begins anew when the log fails for a while.
    ///
    /// # Errors
    /// The book fails, or the log in a way that does not heal.
    pub fn run(&self, stop: &AtomicBool) -> Result<(), Error> {
        let restarts = &self.metrics.restarts;
        stage::run(stop, self.config.retry_wait, restarts, || self.subscribe())
    }

    /// Reads everything that there is and books it; returns how many orders are booked. Nothing is locked or paid.
    ///
    /// # Errors
    /// The log or the book fails.
    pub fn rebuild(&self, stop: &AtomicBool) -> Result<u64, Error> {
        let mut session = self.subscribe()?;
        session.closes = false;
        session.catch_up(stop)?;
        Ok(self.deps.store.begin()?.booked()?)
    }

    /// Joins the group.
    ///
    /// # Errors
    /// The log refuses, or the book cannot be read.
    pub fn subscribe(&self) -> Result<Session<'_>, Error> {
        let consumer = self.deps.log.subscribe(GROUP, &TOPICS).map_err(Error::Subscribe)?;
        let outbox = self.deps.store.begin()?.unsaid()?.into();
        Ok(Session {
            worker: self,
            consumer,
            reached: HashMap::new(),
            followed: HashMap::new(),
            unfollowed: 0,
            goal: Some(Vec::new()),
            days: Days::default(),
            unwritten: BTreeMap::new(),
            outbox,
            durable: None,
            own: HashSet::new(),
            swept: None,
            sweep: None,
            passing: None,
            watch: clock::Watch::default(),
            mark: None,
            closed_at: None,
            checked_at: Instant::now(),
            closes: true,
        })
    }
}

/// A membership in the group. After an error, drop it and subscribe anew.
pub struct Session<'w> {
    worker: &'w Worker,
    consumer: Box<dyn Consumer>,
    /// How far each partition is read.
    reached: HashMap<Partition, Offset>,
    /// What must be read before anything is decided; none: it is. Nothing is known of it before partitions come.
    goal: Option<Vec<Cursor>>,
    /// Touches that are paid.
    days: Days,
    /// Cursors of batches in which nothing was for the book: its next transaction takes them.
    unwritten: BTreeMap<Partition, Offset>,
    /// Postings that are not durable on their topic yet.
    outbox: VecDeque<Said>,
    /// Those up to this number are; the next transaction clears them.
    durable: Option<i64>,
    /// Postings of this session that have not been read back yet.
    own: HashSet<EventId>,
    /// The catalog under which the open orders were decided.
    swept: Option<Arc<Snapshot>>,
    /// Open orders that are gone through because the catalog changed.
    sweep: Option<Sweeping>,
    /// A moment up to which the stages before must have read before orders are locked.
    passing: Option<Passing>,
    watch: clock::Watch,
    /// A moment up to which everything must be read before orders are locked or paid.
    mark: Option<Mark>,
    /// When orders were last locked.
    closed_at: Option<Instant>,
    checked_at: Instant,
    /// What the group has committed of it.
    followed: HashMap<Partition, Offset>,
    /// Batches since the group's cursors last followed.
    unfollowed: u32,
    /// Whether it locks and pays.
    closes: bool,
}

impl stage::Stage for Session<'_> {
    type Error = Error;

    fn consumer(&mut self) -> &mut dyn Consumer {
        &mut *self.consumer
    }

    fn idle_wait(&self) -> Duration {
        self.worker.config.idle_wait
    }

    fn resume(&mut self, partition: Partition) -> Result<Offset, Error> {
        Ok(self.worker.deps.store.resume(partition)?)
    }

    /// The group's cursors follow with the next ones.
    fn assigned(&mut self, cursors: &[Cursor]) -> Result<(), Error> {
        for Cursor { partition, next } in cursors {
            self.reached.insert(*partition, *next);
            self.followed.remove(partition);
            self.unwritten.remove(partition);
        }
        self.goal = Some(self.consumer.ends().map_err(Error::Read)?);
        self.mark = None;
        self.arrive();
        Ok(())
    }

    fn revoked(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.reached.remove(partition);
            self.followed.remove(partition);
            self.unwritten.remove(partition);
        }
    }

    fn step(&mut self) -> Result<bool, Error> {
        self.note_newest()?;
        let more = self.goal.is_none() && self.go_on()?;
        Ok(more | self.count_touches()?)
    }

    fn work(&mut self, batch: &Batch) -> Result<(), Error> {
        self.book(batch)?;
        let reached = self.reached.entry(batch.partition).or_default();
        *reached = batch.next_offset.max(*reached);
        self.arrive();
        Ok(())
    }

    /// Writes what waits for the next transaction, when none comes, and lets the group's cursors follow.
    fn idle(&mut self) -> Result<(), Error> {
        let follows =
            |(partition, next): &(&Partition, &Offset)| self.followed.get(partition) != Some(next);
        let behind = self.reached.iter().filter(follows);
        let behind: Vec<_> =
            behind.map(|(partition, next)| Cursor { partition: *partition, next: *next }).collect();
        if !behind.is_empty() {
            self.say(&behind)?;
        }
        if self.unwritten.is_empty() && self.durable.is_none() {
            return Ok(());
        }
        let writing = self.worker.deps.store.begin()?;
        self.commit(writing)
    }
}

impl Session<'_> {
    /// What is to be done besides reading; whether there was something.
    fn go_on(&mut self) -> Result<bool, Error> {
        if !self.outbox.is_empty() {
            self.say(&[])?;
        }
        self.check()?;
        if self.look_at_catalog()?
            || self.decide_undecided()?
            || self.book_paid_days()?
            || self.go_through_open()?
        {
            return Ok(true);
        }
        self.close()
    }

    /// Whether everything before these ends is read.
    fn has_reached(&self, ends: &[Cursor]) -> bool {
        // What another member has by now is read there.
        let reached =
            |end: &Cursor| self.reached.get(&end.partition).is_none_or(|at| *at >= end.next);
        ends.iter().all(reached)
    }

    fn arrive(&mut self) {
        if self.goal.as_deref().is_some_and(|goal| self.has_reached(goal)) {
            self.goal = None;
        }
    }

    /// Ends a transaction with what every one of them takes along.
    fn commit(&mut self, writing: Writing<'_>) -> Result<(), Error> {
        for (partition, next) in &self.unwritten {
            writing.cursor(Cursor { partition: *partition, next: *next })?;
        }
        if let Some(up_to) = self.durable {
            writing.said(up_to)?;
        }
        self.outbox.extend(writing.commit()?);
        self.unwritten.clear();
        self.durable = None;
        Ok(())
    }

    /// Makes unreadable records durable on `events.rejected`.
    fn park(&mut self, parked: &[event::Envelope]) -> Result<(), Error> {
        let mut outputs = Outputs::begin(&mut *self.consumer).map_err(Error::Write)?;
        for rejected in parked {
            outputs.reject(rejected).map_err(Error::Write)?;
        }
        outputs.commit(&[]).map_err(Error::Write)
    }

    /// Makes postings durable, then the cursors.
    fn say(&mut self, cursors: &[Cursor]) -> Result<(), Error> {
        self.own.extend(self.outbox.iter().map(|said| said.header.id));
        let mut outputs = Outputs::begin(&mut *self.consumer).map_err(Error::Write)?;
        outputs.postings(&self.outbox).map_err(Error::Write)?;
        outputs.commit(cursors).map_err(Error::Write)?;
        self.followed.extend(cursors.iter().map(|cursor| (cursor.partition, cursor.next)));
        self.durable = self.outbox.back().map(|said| said.n).or(self.durable);
        self.outbox.clear();
        Ok(())
    }

    fn book(&mut self, batch: &Batch) -> Result<(), Error> {
        let started = Instant::now();
        let worker = self.worker;
        let taken = self.take(batch);
        if !taken.parked.is_empty() {
            // Before the book knows that the batch is read: whatever happens in between, they are parked again.
            self.park(&taken.parked)?;
        }
        if taken.orders.is_empty() && taken.days.is_empty() && taken.paid_days.is_empty() {
            self.unwritten.insert(batch.partition, batch.next_offset);
            if taken.parked.is_empty() && self.unfollowed < UNFOLLOWED_MAX {
                // Postings read back, or conversions: the group's cursor can wait for something that is worth an fsync.
                self.unfollowed = self.unfollowed.saturating_add(1);
                return Ok(());
            }
        } else {
            let catalog = worker.deps.catalog.snapshot();
            let mut desk = Accountant {
                worker,
                catalog: &catalog,
                now: worker.deps.clock.now(),
                writing: worker.deps.store.begin()?,
            };
            for (order, learned) in taken.orders {
                desk.learn(&order, batch.partition.index, learned, self.goal.is_some())?;
            }
            let mut writing = desk.writing;
            for (day, id, posting) in taken.days {
                if writing.restore_day(&day, id, &posting)? {
                    worker.metrics.restored.increment(1);
                }
            }
            for (day, id, payment) in &taken.paid_days {
                writing.day_paid(day, *id, payment)?;
            }
            if self.goal.is_none() {
                paying::book_paid(&mut writing, &catalog, worker.deps.clock.now())?;
            }
            self.unwritten.insert(batch.partition, batch.next_offset);
            self.commit(writing)?;
        }
        // While a backlog is only read, the book alone knows how far.
        if self.goal.is_some() && self.outbox.is_empty() && self.unfollowed < UNFOLLOWED_MAX {
            self.unfollowed = self.unfollowed.saturating_add(1);
        } else {
            self.unfollowed = 0;
            self.say(&[batch.cursor()])?;
        }
        worker.metrics.batch_seconds.record(started.elapsed());
        Ok(())
    }

    fn take(&mut self, batch: &Batch) -> Taken {
        let metrics = &self.worker.metrics;
        let mut taken = Taken::default();
        for record in &batch.records {
            if self.own.remove(&record.id) {
                metrics.postings.increment(1);
                continue;
            }
            match reading::read(batch.partition.topic, record) {
                Read::Fact(order, learned) => {
                    let received_at = match &learned.fact {
                        Fact::Decision(decided) => {
                            metrics.decisions.increment(1);
                            Some(decided.received_at)
                        }
                        Fact::Act(act) => {
                            metrics.acts.increment(1);
                            Some(act.received_at)
                        }
                        Fact::Lock(..) | Fact::Payment(..) => {
                            metrics.closings.increment(1);
                            None
                        }
                    };
                    if self.goal.is_some() {
                        self.watch.newest = self.watch.newest.max(received_at);
                    }
                    taken.order(order).push(New::Fact(learned));
                }
                Read::Posting(order, id, posting) => {
                    metrics.postings.increment(1);
                    taken.order(order).push(New::Posting(id, posting));
                }
                Read::Day(day, id, posting) => {
                    metrics.postings.increment(1);
                    taken.days.push((day, id, posting));
                }
                Read::DayPaid(day, id, payment) => {
                    metrics.closings.increment(1);
                    taken.paid_days.push((day, id, payment));
                }
                Read::Skipped => metrics.skipped.increment(1),
                Read::Unreadable(why) => {
                    let why = &*why;
                    tracing::error!(event.id = %record.id, why, "a record is parked on events.rejected");
                    metrics.parked.increment(1);
                    taken.parked.push(reading::parked(record, why));
                }
            }
        }
        taken
    }

    fn check(&mut self) -> Result<(), Error> {
        if self.checked_at.elapsed() >= CHECK_EVERY {
            self.checked_at = Instant::now();
            // Stays at 1 if the next line ends the stage.
            self.worker.metrics.imbalance.set(1.0);
            self.worker.deps.store.begin()?.assert_balanced()?;
            self.worker.metrics.imbalance.set(0.0);
        }
        Ok(())
    }
}

/// What is new about an order.
enum New {
    Fact(Box<Learned>),
    Posting(EventId, Box<event::body::Posting>),
}

/// What a batch brings.
#[derive(Default)]
struct Taken {
    /// Each order once, in the order of its first record.
    orders: Vec<(OrderKey, Vec<New>)>,
    places: HashMap<OrderKey, usize>,
    /// What was booked of days.
    days: Vec<(PayDay, EventId, Box<event::body::Posting>)>,
    /// What was paid of days.
    paid_days: Vec<(PayDay, EventId, Box<event::body::Payment>)>,
    parked: Vec<event::Envelope>,
}

impl Taken {
    #[expect(clippy::indexing_slicing, reason = "the place was just found or made")]
    fn order(&mut self, order: OrderKey) -> &mut Vec<New> {
        let next = self.orders.len();
        let place = *self.places.entry(order.clone()).or_insert(next);
        if place == next {
            self.orders.push((order, Vec::new()));
        }
        &mut self.orders[place].1
    }
}

#[cfg(test)]
mod tests;
