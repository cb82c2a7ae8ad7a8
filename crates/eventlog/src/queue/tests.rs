//! What a queue says about records that failed.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use event::topic::KeyHash;
use event::{EventId, Topic};

use super::{Fill, Pending, Queue, State, Write};
use crate::error::CommitError;
use crate::record::{Class, Header};

fn queue() -> Queue {
    let fill = Fill { bytes: AtomicU64::new(0), bytes_max: 1 << 30 };
    Queue::new(Topic::Closed, 100, 1 << 20, Arc::new(fill))
}

fn push(queue: &Queue, n: u8) {
    let id = EventId::derived("test", &[&[n]]);
    let header = Header { codec: 1, kind: 0, id, key_hash: KeyHash(0) };
    let write: Write<'_> = &mut |buffer| buffer.push(n);
    queue.push_durable(Class::Essential, &mut std::iter::once((header, write))).unwrap();
}

fn take(queue: &Queue, batch: &mut Pending) {
    batch.clear();
    assert!(queue.take(batch, Duration::ZERO));
}

#[test]
fn records_that_failed_are_owed_until_they_are_written() {
    for one_waits_behind in [false, true] {
        let (queue, mut batch) = (queue(), Pending::default());
        push(&queue, 1);
        take(&queue, &mut batch);
        assert!(!queue.owes(), "nobody was told anything");
        if one_waits_behind {
            push(&queue, 2);
        }
        queue.set_state(State::DiskFull);
        batch.resolve(Err(CommitError::DiskFull));
        assert!(queue.owes());

        queue.set_state(State::Open);
        batch.resolve(Ok(()));
        assert!(queue.owes(), "not before the writer is done with it");
        queue.written();
        assert_eq!(queue.owes(), one_waits_behind, "that one was told the same");
        push(&queue, 3);
        take(&queue, &mut batch);
        queue.written();
        assert!(!queue.owes());
    }
}

#[test]
fn a_writer_that_ends_owes_what_it_had_and_nothing_if_it_had_nothing() {
    for had in [false, true] {
        let (queue, mut batch) = (queue(), Pending::default());
        if had {
            push(&queue, 1);
            take(&queue, &mut batch);
        }
        queue.set_state(State::Closed);
        assert_eq!(queue.owes(), had);
    }
}
