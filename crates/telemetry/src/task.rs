//! Tasks and threads with a name, whose handles are kept: nothing runs that nobody waits for.

use std::future::Future;
use std::thread;

use tracing::Instrument as _;

use crate::Error;

/// A running task. Dropping it does not stop the task; keep it and [`join`](Self::join) or [`abort`](Self::abort) it.
#[must_use = "keep the handle: join or abort the task"]
#[derive(Debug)]
pub struct Task<T> {
    name: &'static str,
    handle: tokio::task::JoinHandle<T>,
}

/// Spawns `future` on the current runtime under `name`, which every log line of it carries.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    future: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    let handle = tokio::spawn(future.instrument(tracing::info_span!("task", name)));
    Task { name, handle }
}

impl<T> Task<T> {
    /// The name it was spawned under.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Asks it to stop at its next await.
    pub fn abort(&self) {
        self.handle.abort();
    }

    /// Waits for its end. Not cancel-safe: a dropped wait loses the result.
    ///
    /// # Errors
    /// [`Error::Panicked`] if it panicked or was aborted.
    pub async fn join(self) -> Result<T, Error> {
        self.handle.await.map_err(|_| Error::Panicked { name: self.name.to_owned() })
    }
}

/// A running thread. Dropping it detaches the thread; keep it and [`join`](Self::join) it.
#[must_use = "keep the handle and join the thread"]
#[derive(Debug)]
pub struct Thread<T> {
    name: String,
    handle: thread::JoinHandle<T>,
}

/// Starts a thread under `name` (at most 15 bytes are visible to the system).
///
/// # Errors
/// [`Error::Start`] if the system refuses another thread.
pub fn thread<T: Send + 'static>(
    name: impl Into<String>,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<Thread<T>, Error> {
    let name = name.into();
    match thread::Builder::new().name(name.clone()).spawn(run) {
        Ok(handle) => Ok(Thread { name, handle }),
        Err(source) => Err(Error::Start { name, source }),
    }
}

impl<T> Thread<T> {
    /// The name it was started under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Ends a `park` of the thread.
    pub fn unpark(&self) {
        self.handle.thread().unpark();
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`Error::Panicked`] if it panicked.
    pub fn join(self) -> Result<T, Error> {
        self.handle.join().map_err(|_| Error::Panicked { name: self.name })
    }
}

#[cfg(test)]
mod tests {
    use super::thread;
    use crate::Error;

    #[test]
    fn a_thread_gives_its_result() {
        assert_eq!(thread("adder", || 1 + 1).unwrap().join().unwrap(), 2);
    }

    #[test]
    fn a_panic_is_an_error_with_the_threads_name() {
        let error = thread("unlucky", || panic!("on purpose")).unwrap().join().unwrap_err();
        assert!(matches!(error, Error::Panicked { name } if name == "unlucky"));
    }
}
