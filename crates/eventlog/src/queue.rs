//! The bounded queue before a stream's writer: records are encoded straight into the bytes of the next commit.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use event::Topic;

use crate::echo::Echo;
use crate::error::{CommitError, Refused};
use crate::frame::FRAME_BODY_BYTES_MAX;
use crate::metrics::RefusedMetrics;
use crate::record::{Class, Header, Offset};
use crate::signal::lock;

use self::pending::PushFault;

mod pending;
mod ticket;

pub(crate) use self::pending::{Packed, Pending};
pub use self::ticket::Durable;
pub(crate) use self::ticket::Ticket;

/// Appends a payload.
pub(crate) type Write<'a> = &'a mut dyn FnMut(&mut Vec<u8>);

/// Bytes in the queue from which a writer that waits for company is woken: a full frame.
const HURRY_BYTES: usize = FRAME_BODY_BYTES_MAX;

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
    /// Of what is pending and what is being written, where the topic has one.
    echo: Option<Echo>,
    /// Of the batch that is being written.
    writing_records: u32,
    writing_bytes: usize,
    /// Records of which somebody was told that they failed are kept, and not written yet.
    owes: bool,
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
        })?;
        if let Some(echo) = &mut inner.echo
            && let Err(e) = echo.add(inner.pending.last())
        {
            tracing::warn!(topic = %self.topic, error = %e, "no echo any more: a killed process loses what waits");
            inner.echo = None;
        }
        Ok(())
    }

    /// Keeps an echo from now on, whose next record gets this offset. Call it before anything is pushed.
    pub(crate) fn echo_in(&self, mut echo: Echo, next: Offset) {
        echo.start_at(next);
        lock(&self.inner).echo = Some(echo);
    }

    /// Keeps no echo any more, and leaves what is in it for the next start.
    pub(crate) fn leave_echo(&self) {
        lock(&self.inner).echo = None;
    }

    /// Removes the echo: everything is in the log.
    pub(crate) fn remove_echo(&self) {
        if let Some(echo) = lock(&self.inner).echo.take() {
            echo.remove();
        }
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
        let echoed = inner.echo.as_ref().map(Echo::mark);
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
                if let (Some(echo), Some(echoed)) = (&mut inner.echo, echoed) {
                    echo.rewind(echoed);
                }
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
        if let Some(echo) = &mut inner.echo {
            echo.turn();
        }
        inner.writing_records = batch.records;
        inner.writing_bytes = batch.bytes.len();
        true
    }

    /// The batch that was taken is durable or given up.
    pub(crate) fn written(&self) {
        let mut inner = lock(&self.inner);
        inner.writing_records = 0;
        inner.writing_bytes = 0;
        if inner.state == State::Open {
            inner.owes = inner.pending.failed;
        }
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
            inner.owes |= inner.pending.failed || inner.writing_records > 0;
        }
        drop(inner);
        self.room.notify_all();
    }

    pub(crate) fn state(&self) -> State {
        lock(&self.inner).state
    }

    /// Whether records that somebody was told had failed may be written yet.
    pub(crate) fn owes(&self) -> bool {
        lock(&self.inner).owes
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

#[cfg(test)]
mod tests;
