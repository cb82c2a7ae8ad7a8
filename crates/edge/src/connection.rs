//! One connection: its bytes on the way to hyper, and since when it waits for what.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use crate::core::Core;
use crate::express;
use crate::frames::Frames;
use crate::metrics::{Cut, Rule};

/// Bytes that one read takes at most.
pub(crate) const READ_BYTES: usize = 16 * 1024;
/// Bytes of answers to plain clicks of one read from which on hyper answers the rest, as fast as the peer takes it.
const ANSWERS_BYTES_MAX: usize = 16 * 1024;
/// Reads of one connection before it is another's turn.
const TURNS_MAX: usize = 16;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its first request, or the rest of a head.
    Head,
    /// Its next request.
    Idle,
    /// Our answer.
    Answer,
}

/// How much of hyper's last answer has gone out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// Nothing is known to have.
    Nothing,
    /// Some bytes of it have.
    Some,
    /// All of it has, or there was none.
    All,
}

/// What others know of a connection.
pub(crate) struct Connection {
    pub peer: IpAddr,
    pub phase: Cell<Phase>,
    /// Tick of the last change of phase.
    pub since: Cell<u32>,
    /// Tick since which a write waits for the peer; 0 if none does.
    pub stuck: Cell<u32>,
    answer: Cell<Sent>,
    /// Requests that hyper gave to the handlers.
    pub served: Cell<u64>,
    /// The head that was refused, by its number, and why.
    pub refused: Cell<Option<(u64, Rule)>>,
    pub waker: RefCell<Option<Waker>>,
    pub abort: RefCell<Option<AbortHandle>>,
}

impl Connection {
    /// A connection that was just accepted.
    pub(crate) fn new(peer: IpAddr, tick: u32) -> Self {
        Self {
            peer,
            phase: Cell::new(Phase::Head),
            since: Cell::new(tick),
            stuck: Cell::new(0),
            answer: Cell::new(Sent::All),
            served: Cell::new(0),
            refused: Cell::new(None),
            waker: RefCell::default(),
            abort: RefCell::default(),
        }
    }

    /// Changes what it waits for.
    pub(crate) fn enter(&self, phase: Phase, tick: u32) {
        self.phase.set(phase);
        self.since.set(tick);
        if phase == Phase::Answer {
            self.answer.set(Sent::Nothing);
        }
    }

    /// Whether hyper has answered all of the `heads` that it was given, to the last byte.
    fn is_settled(&self, heads: u64) -> bool {
        self.served.get() == heads
            && self.phase.get() != Phase::Answer
            && self.answer.get() == Sent::All
    }

    /// Why it must end at `tick`, if it must. Limits are in ticks: header, idle, write.
    pub(crate) fn overdue(&self, tick: u32, [header, idle, write]: [u32; 3]) -> Option<Cut> {
        let stuck = self.stuck.get();
        if stuck != 0 && tick.saturating_sub(stuck) > write {
            return Some(Cut::Write);
        }
        let waited = tick.saturating_sub(self.since.get());
        match self.phase.get() {
            Phase::Head if waited > header => Some(Cut::Header),
            Phase::Idle if waited > idle => Some(Cut::Idle),
            // A handler has a limit of its own, and so has a body.
            Phase::Head | Phase::Idle | Phase::Answer => None,
        }
    }
}

/// The bytes of a connection on their way. A plain click is answered on the way and hyper does not see it.
pub(crate) struct Wire {
    stream: TcpStream,
    frames: Frames,
    /// Bytes that passed and that hyper has not read yet.
    waiting: Vec<u8>,
    /// Answers to plain clicks that the peer did not take yet. They go before all that hyper writes.
    unsent: Vec<u8>,
    /// What went wrong before it was hyper's turn, which ends the connection.
    fault: Option<io::Error>,
    connection: Rc<Connection>,
    core: Rc<Core>,
    scratch: Rc<RefCell<Box<[u8]>>>,
}

impl Wire {
    /// The wire of `connection`. `scratch` is shared by all connections of a core.
    pub(crate) fn new(
        stream: TcpStream,
        connection: Rc<Connection>,
        core: Rc<Core>,
        scratch: Rc<RefCell<Box<[u8]>>>,
    ) -> Self {
        let (waiting, unsent) = (Vec::new(), Vec::new());
        let frames = Frames::default();
        Self { stream, frames, waiting, unsent, fault: None, connection, core, scratch }
    }

    /// Answers plain clicks as long as nothing else comes and hyper waits for nothing but its next request: ready when
    /// it is hyper's turn.
    pub(crate) fn poll_clicks(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let hyper_waits = self.frames.is_between_requests()
            && self.waiting.is_empty()
            && self.connection.is_settled(self.frames.heads());
        if hyper_waits && let Err(fault) = ready!(self.poll_more(cx)) {
            self.fault = Some(fault);
        }
        Poll::Ready(())
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if poll.is_pending() {
            if self.connection.stuck.get() == 0 {
                self.connection.stuck.set(self.core.tick.get());
            }
        } else if self.connection.stuck.get() != 0 {
            self.connection.stuck.set(0);
        }
        poll
    }

    /// Writes answers to plain clicks; what the peer does not take waits.
    fn answer(&mut self, cx: &mut Context<'_>, mut answers: &[u8]) -> io::Result<()> {
        while self.unsent.is_empty() && !answers.is_empty() {
            match self.write(cx, answers) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(n)) => answers = answers.get(n..).unwrap_or_default(),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        self.unsent.extend_from_slice(answers);
        Ok(())
    }

    /// Writes the answers that wait.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let answers = std::mem::take(&mut self.unsent);
        self.answer(cx, &answers)?;
        if self.unsent.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Reads until something waits for hyper or the connection ends.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..TURNS_MAX {
            ready!(self.poll_unsent(cx))?;
            if self.frames.refused().is_some() {
                // Nothing after a refused head is read: the answer closes the connection.
                return Poll::Pending;
            }
            if ready!(self.poll_input(cx))? || !self.waiting.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref(); // others first
        Poll::Pending
    }

    /// Reads once. Whether the connection ended.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let core = Rc::clone(&self.core);
        let scratch = Rc::clone(&self.scratch);
        let mut scratch = scratch.borrow_mut();
        let mut input = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut input))?;
        if input.filled().is_empty() {
            return Poll::Ready(Ok(true));
        }
        let mut answers = core.answers.borrow_mut();
        answers.clear();
        let settled = self.connection.is_settled(self.frames.heads());
        let passed = Cell::new(false);
        let (connection, waiting) = (&self.connection, &mut self.waiting);
        let outcome = self.frames.feed(
            input.filled(),
            &mut |lines| {
                // Answers keep the order of their requests: behind one that hyper has, hyper answers.
                settled
                    && !passed.get()
                    && answers.len() < ANSWERS_BYTES_MAX
                    && express::answer(&core, connection.peer, lines, &mut answers)
            },
            &mut |bytes| {
                passed.set(true);
                waiting.extend_from_slice(bytes);
            },
        );
        if !answers.is_empty() {
            self.connection.enter(Phase::Idle, core.tick.get());
            self.answer(cx, &answers)?;
        }
        if outcome.is_err() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if let Some(refused) = self.frames.refused() {
            self.connection.refused.set(Some(refused));
        }
        if !passed.get() && self.frames.in_head() && self.connection.phase.get() == Phase::Idle {
            self.connection.enter(Phase::Head, self.core.tick.get());
        }
        Poll::Ready(Ok(false))
    }
}

/// A wire as hyper reads and writes it.
pub(crate) struct HyperSide(pub(crate) Rc<RefCell<Wire>>);

impl Read for HyperSide {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        if let Some(fault) = wire.fault.take() {
            return Poll::Ready(Err(fault));
        }
        // Before what waits: hyper must not answer before them.
        ready!(wire.poll_unsent(cx))?;
        if wire.waiting.is_empty() {
            ready!(wire.poll_more(cx))?;
        }
        let n = wire.waiting.len().min(buffer.remaining());
        buffer.put_slice(wire.waiting.get(..n).unwrap_or_default());
        wire.waiting.drain(..n);
        if wire.waiting.is_empty() {
            wire.waiting = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for HyperSide {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.0.borrow_mut();
        ready!(wire.poll_unsent(cx))?;
        if wire.connection.phase.get() != Phase::Answer {
            wire.connection.answer.set(Sent::Some);
        }
        wire.write(cx, bytes)
    }

    // Not vectored: an answer is one short head and a shorter body, which hyper then puts into one buffer.

    /// hyper calls this when it has written all that it has.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        ready!(wire.poll_unsent(cx))?;
        if wire.connection.answer.get() == Sent::Some
            && wire.connection.phase.get() != Phase::Answer
        {
            wire.connection.answer.set(Sent::All);
        }
        Pin::new(&mut wire.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        ready!(wire.poll_unsent(cx))?;
        Pin::new(&mut wire.stream).poll_shutdown(cx)
    }
}
