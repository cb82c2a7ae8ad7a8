//! The loop over deliveries that are told beforehand.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event::Topic;

use super::{Failure, Restarts, Stage, Turn, run};
use crate::consume::{Ack, Batch, Consumer, Cursor, Delivery, Group, Partition, Unit};
use crate::error::{CommitError, Error};
use crate::record::{Header, Offset};

const WAIT: Duration = Duration::from_millis(7);

const fn partition(index: u32) -> Partition {
    Partition { topic: Topic::Touches, index }
}

fn batch(index: u32) -> Delivery {
    let partition = partition(index);
    Delivery::Batch(Batch { partition, records: Vec::new(), next_offset: 5, high_watermark: 5 })
}

fn taken(index: u32) -> Error {
    Error::NotAssigned { topic: Topic::Touches, index }
}

/// What was asked of log and stage, in order.
type Said = Arc<Mutex<Vec<String>>>;

fn say(said: &Said, text: impl Into<String>) {
    said.lock().unwrap().push(text.into());
}

#[derive(Debug)]
enum Failed {
    Log(Error),
    State,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Failed {}

impl Failure for Failed {
    fn read(source: Error) -> Self {
        Self::Log(source)
    }
    fn write(source: Error) -> Self {
        Self::Log(source)
    }
    fn log(&self) -> Option<&Error> {
        match self {
            Self::Log(error) => Some(error),
            Self::State => None,
        }
    }
}

struct Script {
    said: Said,
    deliveries: VecDeque<Result<Delivery, Error>>,
}

impl Consumer for Script {
    fn next(&mut self, timeout: Duration) -> Result<Delivery, Error> {
        say(&self.said, format!("next {}", timeout.as_millis()));
        self.deliveries.pop_front().unwrap_or(Ok(Delivery::Idle))
    }

    fn seek(&mut self, Partition { index, .. }: Partition, offset: Offset) -> Result<(), Error> {
        say(&self.said, format!("seek {index} {offset}"));
        if index == 9 { Err(taken(index)) } else { Ok(()) }
    }

    fn ends(&mut self) -> Result<Vec<Cursor>, Error> {
        Ok(Vec::new())
    }

    fn unit(&mut self) -> Result<Box<dyn Unit + '_>, Error> {
        Ok(Box::new(Committing(&self.said)))
    }
}

struct Committing<'a>(&'a Said);

impl Unit for Committing<'_> {
    fn append_with(
        &mut self,
        _: Topic,
        _: Header,
        _: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), Error> {
        Ok(())
    }

    fn commit(self: Box<Self>, cursors: &[Cursor]) -> Result<(), Error> {
        let cursors = cursors.iter().map(|at| format!(" {}:{}", at.partition.index, at.next));
        let cursors = cursors.collect::<String>();
        say(self.0, format!("commit{cursors}"));
        if cursors.contains(" 8:") { Err(taken(8)) } else { Ok(()) }
    }
}

/// A stage that says what it is asked for; partition 8 was taken by another member, batches of 7 fail.
struct Scripted {
    consumer: Script,
    steps: VecDeque<Result<bool, Failed>>,
}

impl Stage for Scripted {
    type Error = Failed;

    fn consumer(&mut self) -> &mut dyn Consumer {
        &mut self.consumer
    }

    fn idle_wait(&self) -> Duration {
        WAIT
    }

    fn resume(&mut self, Partition { index, .. }: Partition) -> Result<Offset, Failed> {
        Ok(u64::from(index) * 10)
    }

    fn revoked(&mut self, partitions: &[Partition]) {
        say(&self.consumer.said, format!("revoked {}", partitions[0].index));
    }

    fn step(&mut self) -> Result<bool, Failed> {
        self.steps.pop_front().unwrap_or(Ok(false))
    }

    fn work(&mut self, batch: &Batch) -> Result<(), Failed> {
        let index = batch.partition.index;
        say(&self.consumer.said, format!("work {index}"));
        match index {
            7 => Err(Failed::State),
            8 => Err(Failed::Log(taken(8))),
            _ => Ok(()),
        }
    }

    fn idle(&mut self) -> Result<(), Failed> {
        say(&self.consumer.said, "idle");
        Ok(())
    }
}

fn stage<const D: usize>(deliveries: [Result<Delivery, Error>; D]) -> Scripted {
    let consumer = Script { said: Said::default(), deliveries: deliveries.into() };
    Scripted { consumer, steps: VecDeque::new() }
}

fn restarts() -> Restarts {
    Restarts::of(Group("test"), &Restarts::metric("test_sessions_restarted_total"))
}

fn said(stage: &Scripted) -> Vec<String> {
    std::mem::take(&mut *stage.consumer.said.lock().unwrap())
}

#[test]
fn partitions_that_come_are_read_from_where_the_state_says_and_cursors_follow() {
    let come = Delivery::Assigned(vec![partition(1), partition(9), partition(2)]);
    let mut stage = stage([Ok(come)]);
    assert_eq!(stage.turn().unwrap(), Turn::Worked);
    // The one in the middle is gone again.
    assert_eq!(
        said(&stage),
        ["next 7", "seek 1 10", "seek 9 90", "seek 2 20", "commit 1:10", "commit 2:20"]
    );
}

#[test]
fn a_partition_that_went_again_keeps_no_cursor_of_the_others_back() {
    let come = Delivery::Assigned(vec![partition(8), partition(1)]);
    let mut stage = stage([Ok(come)]);
    assert_eq!(stage.turn().unwrap(), Turn::Worked);
    assert_eq!(said(&stage), ["next 7", "seek 8 80", "seek 1 10", "commit 8:80", "commit 1:10"]);
}

#[test]
fn a_partition_that_goes_is_forgotten_before_it_is_let_go() {
    let mut stage = stage([]);
    let told = Arc::clone(&stage.consumer.said);
    let ack = Ack::new(move || say(&told, "let go"));
    stage.consumer.deliveries.push_back(Ok(Delivery::Revoking(vec![partition(3)], ack)));
    assert_eq!(stage.turn().unwrap(), Turn::Worked);
    assert_eq!(said(&stage), ["next 7", "revoked 3", "let go"]);
}

#[test]
fn nothing_is_waited_for_while_there_is_more_to_do_and_idle_is_neither() {
    let mut stage = stage([]);
    stage.steps = [Ok(true), Ok(false)].into();
    assert_eq!(stage.turn().unwrap(), Turn::Worked);
    assert_eq!(stage.turn().unwrap(), Turn::Idle);
    assert_eq!(said(&stage), ["next 0", "idle", "next 7", "idle"]);
}

#[test]
fn a_partition_of_another_member_is_no_failure_and_the_next_delivery_is_asked_for() {
    let mut stage = stage([Ok(batch(8)), Ok(batch(1))]);
    assert_eq!(stage.turn().unwrap(), Turn::Fenced);
    stage.steps = [Err(Failed::Log(taken(8)))].into();
    assert_eq!(stage.turn().unwrap(), Turn::Fenced);
    assert_eq!(said(&stage), ["next 7", "work 8", "next 7", "work 1"]);
}

#[test]
fn the_log_is_tried_again_with_a_new_member_and_a_failed_state_is_not() {
    let failed = Error::Commit { topic: Topic::Touches, source: CommitError::DiskFull };
    let told = Said::default();
    let mut lives = VecDeque::from([
        stage([Ok(batch(1)), Err(failed), Ok(batch(2))]),
        stage([Ok(batch(3)), Ok(batch(7)), Ok(batch(4))]),
    ]);
    lives.iter_mut().for_each(|stage| stage.consumer.said = Arc::clone(&told));
    let lives = RefCell::new(lives);
    let join = || Ok(lives.borrow_mut().pop_front().unwrap());
    let ended = run(&AtomicBool::new(false), Duration::ZERO, &restarts(), join);
    assert!(matches!(ended, Err(Failed::State)), "{ended:?}");
    let worked: Vec<_> =
        told.lock().unwrap().iter().filter(|text| text.starts_with("work")).cloned().collect();
    assert_eq!(worked, ["work 1", "work 3", "work 7"]);
}

#[test]
fn a_stop_is_obeyed_once_the_batch_at_hand_is_done() {
    let stop = Arc::new(AtomicBool::new(false));
    let mut stage = stage([]);
    let (told, stops) = (Arc::clone(&stage.consumer.said), Arc::clone(&stop));
    let ack = Ack::new(move || stops.store(true, Ordering::Relaxed));
    let going = Ok(Delivery::Revoking(vec![partition(3)], ack));
    stage.consumer.deliveries = [Ok(batch(1)), going, Ok(batch(2))].into();
    let stage = Cell::new(Some(stage));
    run(&stop, WAIT, &restarts(), || Ok(stage.take().unwrap())).unwrap();
    assert_eq!(*told.lock().unwrap(), ["next 7", "work 1", "next 7", "revoked 3"]);
}
