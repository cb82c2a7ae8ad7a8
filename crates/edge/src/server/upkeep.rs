//! What a core does beside answering: deadlines, measurements, declared holes, and its end.

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use event::Topic;
use eventlog::Class;
use tokio::task::JoinSet;
use tokio::time::Interval;

use super::{Server, TICK};
use crate::connection::Connection;
use crate::core::record_of;
use crate::error::Error;
use crate::journal::NotDurable;
use crate::lane::{self, Hole};
use crate::metrics::Cut;

impl Server {
    /// Four times a second: deadlines, measurements, and once a second what can wait. The declaration of holes waits for
    /// the disk, so it goes on aside, one at a time.
    pub(super) fn tick(self: &Rc<Self>, declaring: &mut JoinSet<()>) {
        self.pulse.beat();
        let core = &self.core;
        let shared = &core.shared;
        let tick = core.tick.get() + 1;
        core.tick.set(tick);
        let config = &shared.config;
        let limits = [config.header_timeout, config.idle_timeout, config.write_timeout].map(ticks);
        for connection in self.open.borrow().iter().flatten() {
            if let Some(cut) = connection.overdue(tick, limits) {
                shared.metrics.connection_cut(cut);
                end(connection);
            }
        }
        core.counts.borrow_mut().fold(&shared.metrics);
        shared.metrics.connections.set(f64::from(shared.connections.total()));
        if !tick.is_multiple_of(4) {
            return;
        }
        let now = core.now();
        let behind = core.lane.borrow().behind_ms(now);
        #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
        shared.metrics.lane_behind.set(behind as f64 / 1000.0);
        if declaring.is_empty() {
            let server = Rc::clone(self);
            declaring.spawn_local(async move {
                let _tried_again_later = server.declare().await;
            });
        }
    }

    /// Declares the holes of this core on `node.log`. What the journal does not take is tried again a second later.
    async fn declare(&self) -> Result<(), NotDurable> {
        let core = &self.core;
        let now = core.now();
        let holes = core.holes.borrow_mut().take();
        let ended = core.lane.borrow_mut().take_ended();
        if holes.is_empty() && ended.is_empty() {
            return Ok(());
        }
        let node = &core.shared.config.node;
        let mut envelopes: Vec<_> = holes.iter().map(|hole| lane::lost(hole, now)).collect();
        for (lane, next) in &ended {
            envelopes.push(lane::stopped(*lane, *next, now));
        }
        if !ended.is_empty() {
            envelopes.push(lane::started(core.lane.borrow().id(), node, now));
        }
        let records = envelopes.iter().map(|e| record_of(e, e.key.as_bytes())).collect();
        let durable = core.shared.journal.durable(Topic::Node, Class::Essential, records);
        let declared = durable.await;
        if declared.is_ok() {
            core.shared.metrics.holes_declared.increment(sequences(&holes));
        } else {
            let mut waiting = core.holes.borrow_mut();
            for hole in holes {
                waiting.add_range(hole);
            }
            core.lane.borrow_mut().put_back_ended(ended);
        }
        declared
    }

    /// Lets requests under way finish, then ends what is left.
    pub(super) async fn drain(
        self: &Rc<Self>,
        connections: &mut JoinSet<()>,
        ticks: &mut Interval,
        declaring: &mut JoinSet<()>,
    ) {
        self.closing.set(true);
        for connection in self.open.borrow().iter().flatten() {
            if let Some(waker) = connection.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
        let mut over = pin!(tokio::time::sleep(self.core.shared.config.drain_timeout));
        loop {
            tokio::select! {
                ended = connections.join_next() => if ended.is_none() { return },
                _ = ticks.tick() => self.tick(declaring),
                () = &mut over => break,
            }
        }
        for connection in self.open.borrow().iter().flatten() {
            self.core.shared.metrics.connection_cut(Cut::Drain);
            end(connection);
        }
        connections.shutdown().await;
    }

    /// Says on `node.log` that this core's lane is over. With holes that are not declared it stays open: the next start
    /// declares what is missing of it.
    pub(super) async fn end_lane(&self) -> Result<(), Error> {
        let core = &self.core;
        core.counts.borrow_mut().fold(&core.shared.metrics);
        if let Err(fault) = self.declare().await {
            let undeclared = core.holes.borrow_mut().take();
            core.shared.metrics.holes_undeclared.increment(sequences(&undeclared));
            return Err(Error::Announce(fault));
        }
        let (lane, next) = {
            let lane = core.lane.borrow();
            (lane.id(), lane.next_sequence())
        };
        let envelope = lane::stopped(lane, next, core.now());
        let record = record_of(&envelope, envelope.key.as_bytes());
        let durable = core.shared.journal.durable(Topic::Node, Class::Essential, vec![record]);
        durable.await.map_err(Error::Announce)
    }
}

fn sequences(holes: &[Hole]) -> u64 {
    holes.iter().map(|hole| hole.to - hole.from).sum()
}

fn ticks(limit: Duration) -> u32 {
    u32::try_from(limit.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}

fn end(connection: &Connection) {
    if let Some(abort) = connection.abort.borrow().as_ref() {
        abort.abort();
    }
}
