//! The bounded queue before a stream's writer: records are encoded straight into the bytes of the next commit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use event::Topic;

use crate::error::{CommitError, Refused};
use crate::frame::{FRAME_BODY_BYTES_MAX, FRAME_HEADER_BYTES};
use crate::metrics::RefusedMetrics;
use crate::record::{Class, Header, PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, Record};
use crate::signal::lock;

/// Appends a payload.
type Write<'a> = &'a mut dyn FnMut(&mut Vec<u8>);

/// Bytes in the queue from which a writer that waits for company is woken: a full frame.
const HURRY_BYTES: usize = FRAME_BODY_BYTES_MAX;

/// One frame in the bytes of a batch: header place and body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) start: usize,
    pub(crate) records: u32,
}

/// What one commit writes: frames one after another, whose headers the writer fills in.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) bytes: Vec<u8>,
    pub(crate) cuts: Vec<Cut>,
    pub(crate) records: u32,
    /// Bytes that are whole records; more only while one is being written, or if that panicked.
    whole: usize,
    ticket: Option<Arc<Ticket>>,
}

impl Pending {
    /// Empties it, keeping its memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.cuts.clear();
        self.records = 0;
        self.whole = 0;
        self.ticket = None;
    }

    /// Tells everybody who waits for this batch, once.
    pub(crate) fn resolve(&mut self, outcome: Result<(), CommitError>) {
        if let Some(ticket) = self.ticket.take() {
            ticket.resolve(outcome);
        }
    }

    /// Appends a record. `write` appends its payload. Whatever `write` does, an `Err` leaves everything as it was.
    fn push(
        &mut self,
        header: &Header,
        bytes_max: usize,
        write: Write<'_>,
    ) -> Result<(), PushFault> {
        let before = self.whole;
        self.bytes.truncate(before);
        let new_frame = self.cuts.is_empty();
        if new_frame {
            self.bytes.resize(before + FRAME_HEADER_BYTES, 0);
        }
        let start = self.bytes.len();
        self.bytes.resize(start + RECORD_HEADER_BYTES, 0);
        write(&mut self.bytes);
        let length = self.bytes.len().checked_sub(start + RECORD_HEADER_BYTES);
        let fault = match length {
            Some(length) if length <= PAYLOAD_BYTES_MAX => {
                (self.bytes.len() > bytes_max).then_some(PushFault::Full)
            }
            _ => Some(PushFault::Oversize),
        };
        if let Some(fault) = fault {
            self.bytes.truncate(before);
            return Err(fault);
        }
        let encoded = header.encode(length.and_then(|n| u32::try_from(n).ok()).unwrap_or(0));
        if let Some(place) = self.bytes.get_mut(start..start + RECORD_HEADER_BYTES) {
            place.copy_from_slice(&encoded);
        }
        self.settle(start, new_frame);
        self.whole = self.bytes.len();
        Ok(())
    }

    /// Counts the record that begins at `start` to the last frame, or to a new one if it does not fit there.
    fn settle(&mut self, start: usize, new_frame: bool) {
        self.records += 1;
        let end = self.bytes.len();
        let fits = !new_frame
            && self
                .cuts
                .last()
                .is_some_and(|cut| end - cut.start <= FRAME_HEADER_BYTES + FRAME_BODY_BYTES_MAX);
        if fits {
            if let Some(cut) = self.cuts.last_mut() {
                cut.records += 1;
            }
            return;
        }
        let at = if new_frame { start - FRAME_HEADER_BYTES } else { start };
        if !new_frame {
            self.bytes.splice(start..start, [0; FRAME_HEADER_BYTES]);
        }
        self.cuts.push(Cut { start: at, records: 1 });
    }
}

/// Nobody waits for ever for a batch that went down with its writer.
impl Drop for Pending {
    fn drop(&mut self) {
        self.resolve(Err(CommitError::Closed));
    }
}

enum PushFault {
    Full,
    Oversize,
}

/// What the writer can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum State {
    #[default]
    Open,
    DiskFull,
    Failed,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sleep {
    #[default]
    Awake,
    /// Until anything comes.
    Idle,
    /// Until the interval is over or somebody is in a hurry.
    Gathering,
}

#[derive(Debug, Default)]
struct Inner {
    pending: Pending,
    /// Of the batch that is being written.
    writing_records: u32,
    writing_bytes: usize,
    state: State,
    closing: bool,
    sleep: Sleep,
}

/// Bytes of all segments, and the bytes from which each class is refused.
#[derive(Debug)]
pub(crate) struct Fill {
    pub(crate) bytes: AtomicU64,
    pub(crate) bytes_max: u64,
}

impl Fill {
    pub(crate) fn refuses(&self, class: Class) -> bool {
        let percent = match class {
            Class::Impression => 90,
            Class::Click => 95,
            Class::Conversion => 99,
            Class::Essential => 100,
        };
        self.bytes.load(Ordering::Relaxed) / percent >= self.bytes_max / 100
    }
}

/// Bounded queue of one stream.
pub(crate) struct Queue {
    topic: Topic,
    records_max: u32,
    bytes_max: usize,
    fill: Arc<Fill>,
    refusals: RefusedMetrics,
    inner: Mutex<Inner>,
    /// The writer waits here.
    work: Condvar,
    /// Units wait here for room.
    room: Condvar,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({})", self.topic)
    }
}

impl Queue {
    pub(crate) fn new(topic: Topic, records_max: u32, bytes_max: usize, fill: Arc<Fill>) -> Self {
        Self {
            topic,
            records_max,
            bytes_max,
            fill,
            refusals: RefusedMetrics::new(),
            inner: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
        }
    }

    pub(crate) fn topic(&self) -> Topic {
        self.topic
    }

    fn refuse(&self, refused: Refused) -> Refused {
        match refused {
            Refused::Full(_) => &self.refusals.full,
            Refused::Shedding(_) => &self.refusals.shedding,
            Refused::DiskFull(_) => &self.refusals.disk_full,
            Refused::Failed(_) => &self.refusals.failed,
            Refused::Oversize(_) => &self.refusals.oversize,
            Refused::Closed(_) => &self.refusals.closed,
        }
        .increment(1);
        refused
    }

    fn admit(&self, inner: &Inner, class: Class) -> Result<(), Refused> {
        match inner.state {
            State::Open if inner.closing => Err(Refused::Closed(self.topic)),
            State::Open if self.fill.refuses(class) => Err(Refused::Shedding(self.topic)),
            State::Open if inner.pending.records + inner.writing_records >= self.records_max => {
                Err(Refused::Full(self.topic))
            }
            State::Open => Ok(()),
            State::DiskFull => Err(Refused::DiskFull(self.topic)),
            State::Failed => Err(Refused::Failed(self.topic)),
            State::Closed => Err(Refused::Closed(self.topic)),
        }
    }

    /// Takes one record. Wakes the writer only if it has nothing to do, or too much.
    pub(crate) fn push(
        &self,
        class: Class,
        header: &Header,
        write: Write<'_>,
    ) -> Result<(), Refused> {
        let mut inner = lock(&self.inner);
        if let Err(refused) = self.push_locked(&mut inner, class, header, write) {
            drop(inner);
            return Err(self.refuse(refused));
        }
        let wake = match inner.sleep {
            Sleep::Awake => false,
            Sleep::Idle => true,
            Sleep::Gathering => inner.pending.bytes.len() >= HURRY_BYTES,
        };
        if wake {
            inner.sleep = Sleep::Awake;
            drop(inner);
            self.work.notify_one();
        }
        Ok(())
    }

    fn push_locked(
        &self,
        inner: &mut Inner,
        class: Class,
        header: &Header,
        write: Write<'_>,
    ) -> Result<(), Refused> {
        self.admit(inner, class)?;
        let room = self.bytes_max.saturating_sub(inner.writing_bytes);
        inner.pending.push(header, room, write).map_err(|fault| match fault {
            PushFault::Full => Refused::Full(self.topic),
            PushFault::Oversize => Refused::Oversize(self.topic),
        })
    }

    /// Takes all of these records or none, and wakes the writer.
    pub(crate) fn push_durable(
        &self,
        class: Class,
        records: &mut dyn Iterator<Item = (Header, Write<'_>)>,
    ) -> Result<Arc<Ticket>, Refused> {
        let mut inner = lock(&self.inner);
        let before = (inner.pending.whole, inner.pending.cuts.len(), inner.pending.records);
        let last_cut = inner.pending.cuts.last().copied();
        for (header, write) in records {
            if let Err(refused) = self.push_locked(&mut inner, class, &header, write) {
                let pending = &mut inner.pending;
                pending.bytes.truncate(before.0);
                pending.whole = before.0;
                pending.cuts.truncate(before.1);
                if let (Some(last), Some(was)) = (pending.cuts.last_mut(), last_cut) {
                    *last = was;
                }
                pending.records = before.2;
                drop(inner);
                return Err(self.refuse(refused));
            }
        }
        Ok(self.ticket_and_wake(inner))
    }

    /// Takes as many of the packed records from `*from` on as fit, waiting for room for the first of them.
    pub(crate) fn push_packed(
        &self,
        packed: &Packed,
        from: &mut usize,
    ) -> Result<Arc<Ticket>, Refused> {
        let mut inner = lock(&self.inner);
        let first = *from;
        while let Some((header, payload)) = packed.get(*from) {
            let taken = self.push_locked(&mut inner, Class::Essential, &header, &mut |buffer| {
                buffer.extend_from_slice(payload);
            });
            match taken {
                Ok(()) => *from += 1,
                Err(Refused::Full(_)) if *from > first => break,
                Err(Refused::Full(_)) => {
                    inner = self.room.wait(inner).unwrap_or_else(PoisonError::into_inner);
                }
                Err(refused) => {
                    drop(inner);
                    return Err(self.refuse(refused));
                }
            }
        }
        Ok(self.ticket_and_wake(inner))
    }

    fn ticket_and_wake(&self, mut inner: std::sync::MutexGuard<'_, Inner>) -> Arc<Ticket> {
        // Nothing pending (an empty list of records): wait for nothing.
        if inner.pending.records == 0 {
            let ticket = Arc::new(Ticket::default());
            ticket.resolve(Ok(()));
            return ticket;
        }
        let ticket = Arc::clone(inner.pending.ticket.get_or_insert_default());
        let wake = inner.sleep != Sleep::Awake;
        inner.sleep = Sleep::Awake;
        drop(inner);
        if wake {
            self.work.notify_one();
        }
        ticket
    }

    /// Waits for records, and then up to `interval` for company, and swaps them into `batch`, which must be empty.
    /// `false` when the queue is closed and empty.
    pub(crate) fn take(&self, batch: &mut Pending, interval: Duration) -> bool {
        let mut inner = lock(&self.inner);
        while inner.pending.records == 0 {
            if inner.closing {
                inner.state = State::Closed;
                return false;
            }
            inner.sleep = Sleep::Idle;
            inner = self.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.sleep = Sleep::Awake;
        let hurry = |inner: &Inner| {
            inner.closing
                || inner.pending.ticket.is_some()
                || inner.pending.bytes.len() >= HURRY_BYTES
        };
        if !interval.is_zero() && !hurry(&inner) {
            inner.sleep = Sleep::Gathering;
            let gathered = self.work.wait_timeout_while(inner, interval, |inner| !hurry(inner));
            inner = gathered.unwrap_or_else(PoisonError::into_inner).0;
            inner.sleep = Sleep::Awake;
        }
        let whole = inner.pending.whole;
        inner.pending.bytes.truncate(whole);
        std::mem::swap(&mut inner.pending, batch);
        inner.writing_records = batch.records;
        inner.writing_bytes = batch.bytes.len();
        true
    }

    /// The batch that was taken is durable or given up.
    pub(crate) fn written(&self) {
        let mut inner = lock(&self.inner);
        inner.writing_records = 0;
        inner.writing_bytes = 0;
        drop(inner);
        self.room.notify_all();
    }

    /// Changes what happens to new records. What is pending waits.
    pub(crate) fn set_state(&self, state: State) {
        let mut inner = lock(&self.inner);
        if inner.state != State::Closed {
            inner.state = state;
        }
        if state != State::Open {
            let outcome = match state {
                State::DiskFull => CommitError::DiskFull,
                State::Closed => CommitError::Closed,
                State::Failed | State::Open => CommitError::Failed,
            };
            inner.pending.resolve(Err(outcome));
        }
        drop(inner);
        self.room.notify_all();
    }

    pub(crate) fn state(&self) -> State {
        lock(&self.inner).state
    }

    /// Takes no more records; the writer commits what is pending and ends.
    pub(crate) fn close(&self) {
        lock(&self.inner).closing = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    /// Waits up to `pause`, less if the queue is closed; whether it is.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let paused = self.work.wait_timeout_while(lock(&self.inner), pause, |i| !i.closing);
        paused.unwrap_or_else(PoisonError::into_inner).0.closing
    }
}

/// Records of one topic, encoded one after another: the outputs of a unit.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    bytes: Vec<u8>,
    records: Vec<(Header, usize)>,
}

impl Packed {
    pub(crate) fn push(
        &mut self,
        topic: Topic,
        header: Header,
        write: Write<'_>,
    ) -> Result<(), Refused> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let length = self.bytes.len().checked_sub(start);
        if length.is_none_or(|length| length > PAYLOAD_BYTES_MAX) {
            self.bytes.truncate(start);
            return Err(Refused::Oversize(topic));
        }
        self.records.push((header, self.bytes.len()));
        Ok(())
    }

    pub(crate) fn get(&self, index: usize) -> Option<(Header, &[u8])> {
        let (header, end) = *self.records.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => self.records.get(before)?.1,
            None => 0,
        };
        Some((header, self.bytes.get(start..end)?))
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }
}

/// One per commit; everybody who waits for that commit shares it.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    inner: Mutex<TicketInner>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct TicketInner {
    outcome: Option<Result<(), CommitError>>,
    wakers: Vec<Waker>,
}

impl Ticket {
    fn resolve(&self, outcome: Result<(), CommitError>) {
        let mut inner = lock(&self.inner);
        inner.outcome = Some(outcome);
        let wakers = std::mem::take(&mut inner.wakers);
        drop(inner);
        self.done.notify_all();
        for waker in wakers {
            waker.wake();
        }
    }

    pub(crate) fn wait(&self) -> Result<(), CommitError> {
        let mut inner = lock(&self.inner);
        loop {
            if let Some(outcome) = inner.outcome {
                return outcome;
            }
            inner = self.done.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The promise that records are durable: resolves `Ok` after the fdatasync over them returned. May be dropped at
/// any time; the records are written all the same.
#[derive(Debug)]
#[must_use = "the records are not durable before this resolves"]
pub struct Durable {
    ticket: Arc<Ticket>,
    /// Where this future's waker stands in the ticket.
    place: Option<usize>,
}

impl Durable {
    /// Blocks until it is known.
    ///
    /// # Errors
    /// The records are not known to be durable; they may be found in the log later all the same.
    pub fn wait(self) -> Result<(), CommitError> {
        self.ticket.wait()
    }
}

impl Future for Durable {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ticket = Arc::clone(&self.ticket);
        let mut inner = lock(&ticket.inner);
        if let Some(outcome) = inner.outcome {
            return Poll::Ready(outcome);
        }
        match self.place.and_then(|place| inner.wakers.get_mut(place)) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                self.place = Some(inner.wakers.len());
                inner.wakers.push(context.waker().clone());
            }
        }
        Poll::Pending
    }
}

/// Appends to one topic, from any thread. Never blocks for the disk: clones share one bounded queue.
#[derive(Clone, Debug)]
pub struct Appender(pub(crate) Arc<Queue>);

impl Appender {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> Topic {
        self.0.topic()
    }

    /// Queues a record for the next commit, within the topic's commit interval.
    ///
    /// # Errors
    /// Nothing was written; the reason says whether it will pass.
    pub fn enqueue(&self, class: Class, record: &Record) -> Result<(), Refused> {
        self.enqueue_with(class, record.header(), |buffer| {
            buffer.extend_from_slice(&record.payload);
        })
    }

    /// As [`Self::enqueue`]; `write` appends the payload to the bytes of the commit. It runs under a lock that all
    /// appenders of the topic share, so it should only serialize, and must not change what is already there.
    ///
    /// # Errors
    /// As [`Self::enqueue`]. `write` is called only if the record has a place, or is then found too long.
    pub fn enqueue_with(
        &self,
        class: Class,
        header: Header,
        mut write: impl FnMut(&mut Vec<u8>),
    ) -> Result<(), Refused> {
        self.0.push(class, &header, &mut write)
    }

    /// Appends all of the records or none, in one commit that begins as soon as the one before it is done.
    ///
    /// # Errors
    /// Nothing was written. Whether the commit succeeded is what [`Durable`] tells.
    pub fn append_durable(&self, class: Class, records: &[Record]) -> Result<Durable, Refused> {
        let mut writes: Vec<_> = records
            .iter()
            .map(|record| {
                (record.header(), |buffer: &mut Vec<u8>| {
                    buffer.extend_from_slice(&record.payload);
                })
            })
            .collect();
        let ticket = self.0.push_durable(
            class,
            &mut writes.iter_mut().map(|(header, write)| (*header, write as Write<'_>)),
        )?;
        Ok(Durable { ticket, place: None })
    }

    /// As [`Self::append_durable`] for one record whose payload `write` appends, as in [`Self::enqueue_with`].
    ///
    /// # Errors
    /// As [`Self::append_durable`].
    pub fn append_durable_with(
        &self,
        class: Class,
        header: Header,
        mut write: impl FnMut(&mut Vec<u8>),
    ) -> Result<Durable, Refused> {
        let write: Write<'_> = &mut write;
        let ticket = self.0.push_durable(class, &mut std::iter::once((header, write)))?;
        Ok(Durable { ticket, place: None })
    }
}
