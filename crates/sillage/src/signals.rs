//! What the operator asks of a running process by signals.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use telemetry::task::{self, Thread};

/// Requests that wait to be served; more of the same say nothing new.
const WAITING_MAX: usize = 4;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// SIGHUP: read catalog and keys again.
    Reload,
    /// Ctrl-C or SIGTERM: drain and end.
    Stop,
    /// A second Ctrl-C or SIGTERM: end now.
    StopNow,
}

/// The signals of this process, as requests.
#[derive(Debug)]
pub(crate) struct Listener {
    requests: Receiver<Request>,
    handle: Handle,
    _thread: Thread<()>,
}

impl Listener {
    /// Takes SIGHUP, SIGINT and SIGTERM over from their defaults.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("listen to signals")?;
        let handle = signals.handle();
        let (sender, requests) = sync_channel(WAITING_MAX);
        let thread = task::thread("signals", move || {
            let mut stopping = false;
            for signal in signals.forever() {
                let request = match signal {
                    SIGHUP => Request::Reload,
                    _ if stopping => Request::StopNow,
                    _ => Request::Stop,
                };
                stopping |= request == Request::Stop;
                if !hand_on(&sender, request) {
                    return;
                }
            }
        })?;
        Ok(Self { requests, handle, _thread: thread })
    }

    /// What comes in, for as long as the process lives.
    pub(crate) const fn requests(&self) -> &Receiver<Request> {
        &self.requests
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Whether somebody still listens.
fn hand_on(sender: &SyncSender<Request>, request: Request) -> bool {
    match sender.try_send(request) {
        Ok(()) => true,
        Err(TrySendError::Full(_)) => {
            // Only reloads can fill the queue: the one before has not been served yet.
            request == Request::Reload || sender.send(request).is_ok()
        }
        Err(TrySendError::Disconnected(_)) => false,
    }
}
