//! What a request handler works with: the state of one core, and what all cores share.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use catalog::Snapshot;
use event::body::{EventType, LossReason, Rejected};
use event::topic::KeyHash;
use event::{Body, Clock, Code, Envelope, EventId, LaneId, Millis, ProgramName, Topic};
use eventlog::{Class, Header, Record};

use crate::config::Config;
use crate::days::{Today, day_of};
use crate::journal::{Journal, NotDurable, loss_of};
use crate::keys::Keys;
use crate::lane::{CoreLane, Holes};
use crate::metrics::{CoreCounts, Endpoint, Kind, Metrics};
use crate::random::Random;
use crate::response::{self, DateText, Recorded};

/// Rejected events per second and node; above it refusals are counted only.
pub(crate) const REJECTED_PER_SECOND_MAX: u64 = 1000;
/// Bytes of a refused request that are kept in its event.
const SENT_BYTES_MAX: usize = 4096;
/// Bytes of the message of a refusal.
const MESSAGE_BYTES_MAX: usize = 512;

/// What all cores share.
pub(crate) struct Shared {
    pub config: Config,
    pub catalog: Arc<catalog::Handle>,
    pub keys: ArcSwap<Keys>,
    pub journal: Arc<dyn Journal>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    pub days: crate::days::Days,
    pub conversions: crate::conversion::State,
    pub draining: AtomicBool,
    pub connections: crate::limit::Connections,
    /// Second and count of rejected events in it, for [`REJECTED_PER_SECOND_MAX`].
    rejected: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    /// The shared state of a node that starts.
    pub(crate) fn new(config: Config, deps: crate::Deps, days: crate::days::Days) -> Self {
        let conversions = crate::conversion::State::new(&config);
        Self {
            config,
            catalog: deps.catalog,
            keys: ArcSwap::from_pointee(Keys::new(deps.keys)),
            journal: deps.journal,
            clock: deps.clock,
            metrics: Metrics::new(),
            days,
            conversions,
            draining: AtomicBool::new(false),
            connections: crate::limit::Connections::default(),
            rejected: AtomicU64::new(0),
        }
    }

    /// Whether one more rejected event fits into the present second.
    fn may_record_rejection(&self, now: Millis) -> bool {
        let second = now.0.div_euclid(1000).unsigned_abs() & 0xffff_ffff;
        let step = |word: u64| {
            let count = if word >> 32 == second { word & 0xffff_ffff } else { 0 };
            (count < REJECTED_PER_SECOND_MAX).then_some((second << 32) | (count + 1))
        };
        self.rejected.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }
}

/// One core: a thread, a runtime, a lane, and caches that nobody else touches.
pub(crate) struct Core {
    pub shared: Arc<Shared>,
    pub lane: RefCell<CoreLane>,
    pub holes: RefCell<Holes>,
    pub random: RefCell<Random>,
    pub counts: RefCell<CoreCounts>,
    pub agents: RefCell<crate::agent::Agents>,
    pub addresses: RefCell<crate::address::HashCache>,
    today: RefCell<Option<Rc<Today>>>,
    /// Where a private block is written and sealed.
    pub block: RefCell<Vec<u8>>,
    /// Where the answers to the clicks of one read gather.
    pub answers: RefCell<Vec<u8>>,
    /// The text of the present second.
    date: Cell<(i64, DateText)>,
    /// Ticks of the housekeeping, the coarse clock of deadlines. Never 0.
    pub tick: Rc<Cell<u32>>,
    pub tags: RefCell<crate::tag::Tags>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Core({})", self.lane.borrow().id())
    }
}

/// A refusal of an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Refusal<'a> {
    pub code: Code,
    pub endpoint: Endpoint,
    pub event_type: Option<EventType>,
    pub field: Option<&'a str>,
    /// In words, without personal data.
    pub message: &'a str,
    /// What came, personal fields cut by the caller.
    pub sent: Option<&'a str>,
    pub program: Option<&'a ProgramName>,
    pub test: bool,
}

impl Core {
    /// A core that mints from `lane`.
    pub(crate) fn new(shared: Arc<Shared>, lane: LaneId) -> Self {
        Self {
            shared,
            lane: RefCell::new(CoreLane::new(lane)),
            holes: RefCell::default(),
            random: RefCell::default(),
            counts: RefCell::default(),
            agents: RefCell::default(),
            addresses: RefCell::default(),
            today: RefCell::default(),
            block: RefCell::default(),
            answers: RefCell::default(),
            date: Cell::new((i64::MIN, [b' '; 29])),
            tick: Rc::new(Cell::new(1)),
            tags: RefCell::default(),
        }
    }

    /// Now.
    pub(crate) fn now(&self) -> Millis {
        self.shared.clock.now()
    }

    /// The catalog, or [`None`] as long as this node has never had one.
    pub(crate) fn catalog(&self) -> Option<arc_swap::Guard<Arc<Snapshot>>> {
        let snapshot = self.shared.catalog.load();
        snapshot.recorded_at().is_some().then_some(snapshot)
    }

    /// The keys.
    pub(crate) fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        self.shared.keys.load()
    }

    /// The keys of the day of `at`.
    pub(crate) fn today(&self, at: Millis) -> Rc<Today> {
        let day = day_of(at);
        let mut today = self.today.borrow_mut();
        match &*today {
            Some(known) if known.day == day => Rc::clone(known),
            _ => {
                let fresh = Rc::new(self.shared.days.of(day, at));
                *today = Some(Rc::clone(&fresh));
                fresh
            }
        }
    }

    /// The value of `Date` in an answer given at `now`, written once a second.
    pub(crate) fn date(&self, now: Millis) -> DateText {
        let second = now.0.div_euclid(1000);
        let (of, text) = self.date.get();
        if of == second {
            return text;
        }
        let text = response::date(second);
        self.date.set((second, text));
        text
    }

    /// Whether an address is on the operator's list of data centers.
    pub(crate) fn is_datacenter(&self, address: IpAddr) -> bool {
        self.shared.config.datacenter_networks.iter().any(|net| net.contains(&address))
    }

    /// The id of the next event of this core.
    pub(crate) fn mint(&self, received_at: Millis) -> EventId {
        let next = || LaneId::from_random(self.random.borrow_mut().word());
        self.lane.borrow_mut().mint(received_at, next)
    }

    /// Gives one record to the journal, without waiting. What it does not take becomes a hole.
    pub(crate) fn enqueue(
        &self,
        topic: Topic,
        class: Class,
        header: Header,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Recorded {
        match self.shared.journal.enqueue(topic, class, header, write) {
            Ok(()) => Recorded::Queued,
            Err(refused) => {
                self.lost(&[header.id], loss_of(refused), refused.label());
                Recorded::No
            }
        }
    }

    /// Notes that these minted events are in no file.
    pub(crate) fn lost(&self, ids: &[EventId], loss: LossReason, label: &'static str) {
        self.declare(ids, loss);
        self.shared.metrics.unrecorded(label, ids.len() as u64);
    }

    /// The sequences of these events are to be declared.
    fn declare(&self, ids: &[EventId], loss: LossReason) {
        let mut holes = self.holes.borrow_mut();
        for id in ids {
            holes.add(*id, loss);
        }
    }

    /// Writes envelopes to `topic` in one group commit and waits until they are on disk. Each envelope comes with the
    /// text that its partition is computed from. On failure their sequences become holes.
    ///
    /// Not cancel-safe: if the caller is dropped, the records may be written all the same.
    ///
    /// # Errors
    /// [`NotDurable`]: nothing may be promised.
    pub(crate) async fn record_durable(
        &self,
        topic: Topic,
        envelopes: &[(Envelope, String)],
    ) -> Result<(), NotDurable> {
        let ids: Vec<EventId> = envelopes.iter().map(|(envelope, _)| envelope.id).collect();
        let records: Vec<Record> = envelopes
            .iter()
            .map(|(envelope, partition)| record_of(envelope, partition.as_bytes()))
            .collect();
        let guard = Unfinished { core: self, ids: &ids };
        let outcome = self.shared.journal.durable(topic, Class::Conversion, records).await;
        std::mem::forget(guard);
        if let Err(fault) = outcome {
            self.lost(&ids, fault.loss(), fault.label());
        }
        outcome
    }

    /// Counts a refusal and, unless there are too many, makes it an event on `events.rejected`.
    pub(crate) fn reject(
        &self,
        refusal: &Refusal<'_>,
        received_at: Millis,
    ) -> Option<(EventId, Recorded)> {
        self.shared.metrics.rejected(refusal.code);
        if !self.shared.may_record_rejection(self.now()) {
            self.shared.metrics.rejected_counted_only.increment(1);
            return None;
        }
        let id = self.mint(received_at);
        let body = Rejected {
            code: refusal.code,
            event_type: refusal.event_type,
            by: refusal.endpoint.as_str().to_owned(),
            field: refusal.field.map(ToOwned::to_owned),
            message: crate::evidence::cut(refusal.message, MESSAGE_BYTES_MAX).to_owned(),
            sent: refusal.sent.map(|sent| crate::evidence::cut(sent, SENT_BYTES_MAX).to_owned()),
        };
        let envelope = Envelope {
            id,
            occurred_at: received_at,
            received_at: id.time(),
            program: refusal.program.cloned(),
            test: refusal.test,
            key: id.to_string(),
            body: Body::Rejected(body),
        };
        let recorded = self.enqueue_envelope(Topic::Rejected, Class::Click, &envelope, &id.text());
        if recorded == Recorded::Queued {
            self.shared.metrics.accepted(Kind::Rejected, 1);
        }
        Some((id, recorded))
    }

    /// Gives an envelope to the journal, without waiting.
    pub(crate) fn enqueue_envelope(
        &self,
        topic: Topic,
        class: Class,
        envelope: &Envelope,
        partition: &[u8],
    ) -> Recorded {
        let header = header_of(envelope, partition);
        self.enqueue(topic, class, header, &mut |buffer| {
            // The types of `event` serialize without fault; if one did not, the record would be an empty line that
            // readers report.
            let _written = envelope.write(buffer);
        })
    }
}

/// Nobody waits any more to know whether records are durable, for the caller went away or its time is over: their
/// sequences are in doubt.
struct Unfinished<'a> {
    core: &'a Core,
    ids: &'a [EventId],
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // The journal goes on without us, so they are most probably written; nobody will look whether they were.
        self.core.declare(self.ids, LossReason::Abandoned);
        self.core.shared.metrics.abandoned.increment(self.ids.len() as u64);
    }
}

/// The record header of an envelope.
pub(crate) fn header_of(envelope: &Envelope, partition: &[u8]) -> Header {
    Header {
        codec: event::envelope::CODEC_JSON,
        kind: envelope.body.event_type().number(),
        id: envelope.id,
        key_hash: KeyHash::of(partition),
    }
}

/// The record of an envelope.
pub(crate) fn record_of(envelope: &Envelope, partition: &[u8]) -> Record {
    Record::new(header_of(envelope, partition), Bytes::from(envelope.to_json()))
}
