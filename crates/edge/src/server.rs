//! The edge as a whole: listeners, one thread and runtime per core, housekeeping, drain.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use event::keys::KeyFile;
use event::{LaneId, Topic};
use eventlog::Class;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use socket2::{Domain, Protocol, Socket, Type};
use telemetry::Pulse;
use telemetry::task::{self, Thread};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::MissedTickBehavior;

use crate::config::Config;
use crate::connection::{Connection, HyperSide, READ_BYTES, Wire};
use crate::core::{Core, Shared, record_of};
use crate::days::Days;
use crate::error::Error;
use crate::frames::{HEADER_BYTES_MAX, TARGET_BYTES_MAX};
use crate::keys::Keys;
use crate::lane;
use crate::metrics::Rule;
use crate::random::Random;
use crate::serve::Service;

mod upkeep;

/// Connections that wait to be accepted, per listener.
const BACKLOG: i32 = 4096;
/// Length of a tick: deadlines of connections are kept to this precision.
const TICK: Duration = Duration::from_millis(250);
/// Pause after accept failed, most probably for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Largest head that hyper may see: request line and header fields.
const HEAD_BYTES_MAX: usize = TARGET_BYTES_MAX + HEADER_BYTES_MAX + 1024;

/// A running edge.
#[derive(Debug)]
pub struct Edge {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    threads: Vec<Thread<Result<(), Error>>>,
    pulses: Vec<Pulse>,
    stop: watch::Sender<bool>,
    day_keys: DayKeys,
}

/// The thread that keeps the file of the day keys. It ends when the other end of its channel is dropped.
#[derive(Debug)]
struct DayKeys {
    thread: Thread<()>,
    stop: mpsc::Sender<()>,
}

impl Edge {
    /// Opens the listeners, announces a lane for each core and starts to answer. `folder` is where relative files of
    /// the configuration are. `known_lanes` tells whether `node.log` knows a lane already.
    ///
    /// # Errors
    /// The configuration has faults, a listener cannot be opened, the journal does not take the announcement.
    pub fn start(
        mut config: Config,
        folder: &Path,
        deps: crate::Deps,
        known_lanes: &dyn Fn(LaneId) -> bool,
    ) -> Result<Self, Error> {
        let faults = config.faults();
        if !faults.is_empty() {
            return Err(Error::Config(faults));
        }
        crate::agent::warm();
        let now = deps.clock.now();
        let day_keys = folder.join(&config.day_key_file);
        let days = Days::open(
            Some(day_keys),
            config.address_key_days.get(),
            config.private_key_days.get(),
            now,
        )?;
        let cores = match config.cores {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => usize::try_from(n).unwrap_or(1),
        };
        let mut addresses = config.listen.clone();
        let mut sockets = Vec::new();
        for core in 0..cores {
            let mut of_core = Vec::new();
            for address in &mut addresses {
                let listener = listen(*address)
                    .map_err(|source| Error::Listen { address: *address, source })?;
                if core == 0 {
                    // Port 0 is chosen once; the other cores share it.
                    *address = listener.local_addr().unwrap_or(*address);
                }
                of_core.push(listener);
            }
            sockets.push(of_core);
        }
        config.listen.clone_from(&addresses);
        let shared = Arc::new(Shared::new(config, deps, days));
        let lanes = announce(&shared, cores, known_lanes)?;
        let day_keys = keep_day_keys(&shared)?;
        let (stop, stopped) = watch::channel(false);
        let (mut threads, mut pulses) = (Vec::new(), Vec::new());
        for (core, (listeners, lane)) in sockets.into_iter().zip(lanes).enumerate() {
            let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
            let pulse = Pulse::new("edge");
            pulses.push(pulse.clone());
            let run = move || run_core((core, pulse), shared, lane, listeners, stopped);
            threads.push(task::thread(format!("edge-{core}"), run).map_err(Error::Thread)?);
        }
        Ok(Self { shared, addresses, threads, pulses, stop, day_keys })
    }

    /// The addresses that it listens on, with the ports that were chosen.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The last calls that this node took.
    #[must_use]
    pub fn recent_calls(&self) -> crate::RecentCalls {
        crate::RecentCalls(Arc::clone(&self.shared))
    }

    /// The heartbeats of the cores' event loops.
    #[must_use]
    pub fn pulses(&self) -> &[Pulse] {
        &self.pulses
    }

    /// Uses these keys from now on.
    pub fn set_keys(&self, keys: KeyFile) {
        self.shared.keys.store(Arc::new(Keys::new(keys)));
    }

    /// Whether requests are answered with a catalog. Without one, links answer 503.
    #[must_use]
    pub fn has_catalog(&self) -> bool {
        self.shared.catalog.load().recorded_at().is_some()
    }

    /// Stops in order: closes the listeners, answers what is under way with `Connection: close`, ends what is not done
    /// within `drain_timeout`, and says on `node.log` that the lanes are over. Blocks.
    ///
    /// # Errors
    /// A core ended by a panic, or the end of its lane is not on disk.
    pub fn stop(self) -> Result<(), Error> {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.stop.send_replace(true);
        let mut outcome = Ok(());
        for thread in self.threads {
            let ended = thread.join().map_err(Error::Thread).and_then(|ended| ended);
            outcome = outcome.and(ended);
        }
        drop(self.day_keys.stop);
        outcome.and(self.day_keys.thread.join().map_err(Error::Thread))
    }
}

fn keep_day_keys(shared: &Arc<Shared>) -> Result<DayKeys, Error> {
    let (stop, stopped) = mpsc::channel();
    let shared = Arc::clone(shared);
    let keep = move || shared.days.keep(&*shared.clock, &stopped);
    let thread = task::thread("edge-day-keys", keep).map_err(Error::Thread)?;
    Ok(DayKeys { thread, stop })
}

fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Draws a lane for each core and says so on `node.log`, durably: an event is never older than its lane.
fn announce(
    shared: &Shared,
    cores: usize,
    known: &dyn Fn(LaneId) -> bool,
) -> Result<Vec<LaneId>, Error> {
    let mut random = Random::default();
    let mut lanes: Vec<LaneId> = Vec::new();
    while lanes.len() < cores {
        let bytes = random.bytes().ok_or(Error::Random(getrandom::Error::UNEXPECTED))?;
        let lane = LaneId::from_random(u64::from_be_bytes(bytes));
        if !known(lane) && !lanes.contains(&lane) {
            lanes.push(lane);
        }
    }
    let now = shared.clock.now();
    let records = lanes.iter().map(|lane| {
        let envelope = lane::started(*lane, &shared.config.node, now);
        record_of(&envelope, envelope.key.as_bytes())
    });
    let durable = shared.journal.durable(Topic::Node, Class::Essential, records.collect());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|source| Error::Runtime { core: 0, source })?;
    runtime.block_on(durable).map_err(Error::Announce)?;
    Ok(lanes)
}

fn run_core(
    (number, pulse): (usize, Pulse),
    shared: Arc<Shared>,
    lane: LaneId,
    listeners: Vec<std::net::TcpListener>,
    stopped: watch::Receiver<bool>,
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Runtime { core: number, source })?;
    let core = Rc::new(Core::new(shared, lane));
    LocalSet::new().block_on(&runtime, serve(core, pulse, listeners, stopped))
}

/// The connections of a core, by place.
type Open = Rc<RefCell<Vec<Option<Rc<Connection>>>>>;

struct Server {
    core: Rc<Core>,
    pulse: Pulse,
    http: http1::Builder,
    open: Open,
    free: RefCell<Vec<usize>>,
    scratch: Rc<RefCell<Box<[u8]>>>,
    /// No more requests on connections that exist.
    closing: Rc<Cell<bool>>,
}

async fn serve(
    core: Rc<Core>,
    pulse: Pulse,
    listeners: Vec<std::net::TcpListener>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), Error> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX * 2)
        .half_close(false)
        .keep_alive(true);
    let server = Rc::new(Server {
        core,
        pulse,
        http,
        open: Open::default(),
        free: RefCell::default(),
        scratch: Rc::new(RefCell::new(vec![0; READ_BYTES].into())),
        closing: Rc::default(),
    });
    let mut connections = JoinSet::new();
    let mut accepting = JoinSet::new();
    let (accepted, mut arrivals) = tokio::sync::mpsc::channel::<(TcpStream, IpAddr)>(64);
    for listener in listeners {
        let address = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0; 4], 0)));
        let listener =
            TcpListener::from_std(listener).map_err(|source| Error::Listen { address, source })?;
        accepting.spawn_local(accept(Rc::clone(&server), listener, accepted.clone()));
    }
    drop(accepted);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut declaring = JoinSet::new();
    loop {
        tokio::select! {
            arrival = arrivals.recv() => match arrival {
                Some((stream, peer)) => server.open(stream, peer, &mut connections),
                None => break,
            },
            _ = ticks.tick() => server.tick(&mut declaring),
            Some(_ended) = connections.join_next() => {}
            Some(_ended) = declaring.join_next() => {}
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
    }
    accepting.shutdown().await; // closes the listeners
    arrivals.close();
    while let Some((stream, peer)) = arrivals.recv().await {
        server.open(stream, peer, &mut connections);
    }
    server.drain(&mut connections, &mut ticks, &mut declaring).await;
    while declaring.join_next().await.is_some() {} // it may hold holes that its end gives back
    server.end_lane().await
}

async fn accept(
    server: Rc<Server>,
    listener: TcpListener,
    accepted: tokio::sync::mpsc::Sender<(TcpStream, IpAddr)>,
) {
    let shared = &server.core.shared;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let peer = peer.ip();
                if let Err(reason) = shared.connections.enter(&shared.config, peer) {
                    shared.metrics.connection_refused(reason);
                    continue;
                }
                if accepted.send((stream, peer)).await.is_err() {
                    shared.connections.leave(&shared.config, peer);
                    return;
                }
            }
            Err(error) => {
                shared.metrics.connection_refused(crate::metrics::Refused::Accept);
                tracing::warn!(error = &error as &dyn std::error::Error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Gives back the places of a connection, however it ended.
struct Place {
    server: Rc<Server>,
    connection: Rc<Connection>,
    at: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let shared = &self.server.core.shared;
        shared.connections.leave(&shared.config, self.connection.peer);
        if let Some(place) = self.server.open.borrow_mut().get_mut(self.at) {
            *place = None;
        }
        self.server.free.borrow_mut().push(self.at);
    }
}

impl Server {
    fn open(self: &Rc<Self>, stream: TcpStream, peer: IpAddr, connections: &mut JoinSet<()>) {
        // Without it an answer waits for the peer's acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = &error as &dyn std::error::Error, "connection was gone");
        }
        let connection = Rc::new(Connection::new(peer, self.core.tick.get()));
        let at = {
            let mut open = self.open.borrow_mut();
            let at = self.free.borrow_mut().pop().unwrap_or(open.len());
            match open.get_mut(at) {
                Some(place) => *place = Some(Rc::clone(&connection)),
                None => open.push(Some(Rc::clone(&connection))),
            }
            at
        };
        let place = Place { server: Rc::clone(self), connection: Rc::clone(&connection), at };
        let abort = connections.spawn_local(serve_one(place, stream));
        connection.abort.replace(Some(abort));
    }
}

async fn serve_one(place: Place, stream: TcpStream) {
    let server = &place.server;
    let connection = &place.connection;
    let core = &server.core;
    let wire =
        Wire::new(stream, Rc::clone(connection), Rc::clone(core), Rc::clone(&server.scratch));
    let wire = Rc::new(RefCell::new(wire));
    let service = Service::new(Rc::clone(core), Rc::clone(connection));
    let http = server.http.serve_connection(HyperSide(Rc::clone(&wire)), service);
    let mut http = pin!(http);
    let mut told = false;
    let outcome = poll_fn(|cx| {
        if server.closing.get() && !told {
            told = true;
            http.as_mut().graceful_shutdown();
        }
        // As long as only plain clicks come, hyper is not asked.
        let poll = if !told && wire.borrow_mut().poll_clicks(cx).is_pending() {
            Poll::Pending
        } else {
            http.as_mut().poll(cx)
        };
        if poll.is_pending()
            && connection.waker.borrow().as_ref().is_none_or(|w| !w.will_wake(cx.waker()))
        {
            connection.waker.replace(Some(cx.waker().clone()));
        }
        poll
    })
    .await;
    if let Err(error) = outcome
        && error.is_parse()
    {
        core.shared.metrics.gate_refused(Rule::Malformed);
    }
}

#[cfg(test)]
mod tests;
