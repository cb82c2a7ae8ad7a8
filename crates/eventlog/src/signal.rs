//! Wakes the thread of a consumer when a stream it reads has new durable records.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks, whatever a panicking holder left: every structure behind these locks is consistent between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A count of events and a bell.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    generation: Mutex<u64>,
    bell: Condvar,
}

impl Signal {
    pub(crate) fn generation(&self) -> u64 {
        *lock(&self.generation)
    }

    pub(crate) fn ring(&self) {
        *lock(&self.generation) += 1;
        self.bell.notify_all();
    }

    /// Waits until the generation is no longer `seen`, at most `timeout`.
    pub(crate) fn wait(&self, seen: u64, timeout: Duration) {
        drop(
            self.bell
                .wait_timeout_while(lock(&self.generation), timeout, |now| *now == seen)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}
