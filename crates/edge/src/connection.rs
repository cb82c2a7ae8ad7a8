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

use crate::frames::Frames;
use crate::metrics::{Cut, Rule};

/// Bytes that one read takes at most.
pub(crate) const READ_BYTES: usize = 16 * 1024;

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

/// What others know of a connection.
pub(crate) struct Connection {
    pub peer: IpAddr,
    pub phase: Cell<Phase>,
    /// Tick of the last change of phase.
    pub since: Cell<u32>,
    /// Tick since which a write waits for the peer; 0 if none does.
    pub stuck: Cell<u32>,
    /// Requests that reached the handlers.
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

/// The bytes of a connection, as hyper reads and writes them.
pub(crate) struct Wire {
    stream: TcpStream,
    frames: Frames,
    /// Bytes that passed and did not fit into hyper's buffer.
    waiting: Vec<u8>,
    connection: Rc<Connection>,
    tick: Rc<Cell<u32>>,
    scratch: Rc<RefCell<Box<[u8]>>>,
}

impl Wire {
    /// The wire of `connection`. `scratch` is shared by all connections of a core.
    pub(crate) fn new(
        stream: TcpStream,
        connection: Rc<Connection>,
        tick: Rc<Cell<u32>>,
        scratch: Rc<RefCell<Box<[u8]>>>,
    ) -> Self {
        let frames = Frames::default();
        Self { stream, frames, waiting: Vec::new(), connection, tick, scratch }
    }

    fn wrote(&self, poll: &Poll<io::Result<usize>>) {
        if poll.is_pending() {
            if self.connection.stuck.get() == 0 {
                self.connection.stuck.set(self.tick.get());
            }
        } else if self.connection.stuck.get() != 0 {
            self.connection.stuck.set(0);
        }
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.waiting.is_empty() {
                let n = this.waiting.len().min(buffer.remaining());
                buffer.put_slice(this.waiting.get(..n).unwrap_or_default());
                this.waiting.drain(..n);
                if this.waiting.is_empty() {
                    this.waiting = Vec::new();
                }
                return Poll::Ready(Ok(()));
            }
            if this.frames.refused().is_some() {
                // Nothing after a refused head is read: the answer closes the connection.
                return Poll::Pending;
            }
            let mut scratch = this.scratch.borrow_mut();
            let limit = buffer.remaining().min(scratch.len());
            let mut input = ReadBuf::new(scratch.get_mut(..limit).unwrap_or_default());
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut input))?;
            if input.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let (frames, waiting) = (&mut this.frames, &mut this.waiting);
            let mut passed = false;
            let outcome = frames.feed(input.filled(), &mut |bytes| {
                passed = true;
                if waiting.is_empty() && bytes.len() <= buffer.remaining() {
                    buffer.put_slice(bytes);
                } else {
                    waiting.extend_from_slice(bytes);
                }
            });
            if outcome.is_err() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            if let Some(refused) = frames.refused() {
                this.connection.refused.set(Some(refused));
            }
            if passed && waiting.is_empty() {
                return Poll::Ready(Ok(()));
            }
            // What waits goes on in the next turn: an empty read would mean the end of the connection.
            if frames.in_head() && this.connection.phase.get() == Phase::Idle {
                this.connection.enter(Phase::Head, this.tick.get());
            }
        }
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(&poll);
        poll
    }

    // Not vectored: an answer is one short head and a shorter body, which hyper then puts into one buffer.

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
