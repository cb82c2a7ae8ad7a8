//! The promise that records are durable.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::CommitError;
use crate::signal::lock;

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
    pub(super) fn resolve(&self, outcome: Result<(), CommitError>) {
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
    pub(crate) const fn new(ticket: Arc<Ticket>) -> Self {
        Self { ticket, place: None }
    }

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
