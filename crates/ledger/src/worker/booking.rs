//! Facts joined, decided and booked, in one transaction.

use catalog::Snapshot;
use event::body::{Posting, Subject};
use event::{EventId, Millis, OrderKey};

use super::reading::Learned;
use super::{New, Worker};
use crate::error::Error;
use crate::facts::{Fact, Facts};
use crate::store::{Dirty, Row, Writing};
use crate::{Cause, Finding, Outcome, decide, posting};

/// Who books the orders of one transaction.
pub(super) struct Accountant<'a> {
    pub(super) worker: &'a Worker,
    pub(super) catalog: &'a Snapshot,
    pub(super) now: Millis,
    pub(super) writing: Writing<'a>,
}

impl Accountant<'_> {
    /// Joins what is new about an order, and books it unless the book is still catching up.
    pub(super) fn learn(
        &mut self,
        order: &OrderKey,
        partition: u32,
        new: Vec<New>,
        catching_up: bool,
    ) -> Result<(), Error> {
        let mut row = self.writing.order(order, partition)?;
        let (mut cause, mut restored, mut payments) = (None, false, Vec::new());
        for new in new {
            match new {
                New::Fact(learned) => {
                    let Learned { mut fact, source, actor } = *learned;
                    let payment = match &mut fact {
                        Fact::Payment(_, payment) => {
                            let whole = payment.clone();
                            payment.line = None; // stands in the statement
                            Some(whole)
                        }
                        Fact::Decision(_) | Fact::Act(_) | Fact::Lock(..) => None,
                    };
                    if row.facts.join(fact) {
                        cause = Some((source, actor));
                        payments.extend(payment);
                    }
                }
                New::Posting(id, posting) if posting.number > row.number => {
                    self.restore(&mut row, id, &posting)?;
                    restored = true;
                }
                New::Posting(..) => {}
            }
        }
        if cause.is_none() && !restored {
            return Ok(());
        }
        if catching_up {
            row.dirty = Dirty::Undecided;
            self.writing.put(&mut row)?;
        } else {
            let cause = cause.unwrap_or_else(|| last_source(&row.facts));
            self.book(&mut row, cause)?;
        }
        for payment in &payments {
            self.writing.note_payment(&Subject::Order(order.clone()), payment)?;
        }
        Ok(())
    }

    /// Takes a change back that this book does not know: it was deleted, or is an older copy.
    fn restore(&mut self, row: &mut Row, id: EventId, posting: &Posting) -> Result<(), Error> {
        let follows = row.number.checked_add(1) == Some(posting.number)
            && Writing::leads(&row.key, row.booked.as_deref(), posting);
        row.number = posting.number;
        row.dirty = Dirty::Undecided;
        if !follows {
            tracing::error!(
                order = %row.key,
                number = posting.number,
                "a posting does not follow from those before it and moves nothing; the order is booked anew behind it"
            );
            return Ok(self.writing.put(row)?);
        }
        row.booked.clone_from(&posting.booked);
        row.changed_at = Some(posting.changed_at);
        self.writing.put(row)?;
        self.writing.restore(row, id, posting)?;
        self.worker.metrics.restored.increment(1);
        Ok(())
    }

    /// Decides an order on everything known and books what changed.
    pub(super) fn book(
        &mut self,
        row: &mut Row,
        (source, actor): (EventId, Option<String>),
    ) -> Result<(), Error> {
        let metrics = &self.worker.metrics;
        let booked = match decide(&row.key, &row.facts, self.catalog, self.now) {
            Outcome::Unknown => {
                row.dirty = Dirty::No;
                return Ok(self.writing.put(row)?);
            }
            Outcome::Waiting(miss) => {
                tracing::warn!(order = %row.key, ?miss, "an order waits for a newer catalog");
                row.dirty = Dirty::Waiting;
                row.due = None;
                return Ok(self.writing.put(row)?);
            }
            Outcome::Booked(booked) => booked,
        };
        row.dirty = Dirty::No;
        let lock_at = booked.lockable.map(|_| booked.order.lock_at);
        row.due = [lock_at, booked.turns_at].into_iter().flatten().min();
        row.findings = Some(booked.findings.iter().map(finding_text).collect());
        let before = row.booked.take();
        let number = row.number.saturating_add(1);
        let cause = Cause { source, actor, changed_at: self.now };
        let Some((id, posting)) =
            posting(&row.key, before.as_deref(), &booked.order, cause, number)
        else {
            metrics.unchanged.increment(1);
            row.booked = before;
            return Ok(self.writing.put(row)?);
        };
        for finding in &booked.findings {
            metrics.found(finding.kind);
        }
        metrics.changed(booked.order.state);
        metrics.transfers.increment(posting.transfers.len() as u64);
        row.number = number;
        row.changed_at = Some(self.now);
        row.booked = Some(Box::new(booked.order));
        self.writing.put(row)?;
        Ok(self.writing.post(row, before.as_deref(), (id, posting))?)
    }
}

fn finding_text(finding: &Finding) -> String {
    serde_json::to_string(finding).unwrap_or_default()
}

/// The newest fact that a change can be said to come from, as far as facts tell their time.
pub(super) fn last_source(facts: &Facts) -> (EventId, Option<String>) {
    if let Some((id, payment)) = facts.payments.last() {
        return (*id, payment.actor.clone());
    }
    let act = facts.acts.iter().max_by_key(|act| (act.received_at, act.id));
    let decided = facts.decided.as_deref();
    match (act, decided, &facts.lock) {
        (None, _, Some((id, _))) => (*id, None),
        (Some(act), decided, _) if decided.is_none_or(|d| d.received_at <= act.received_at) => {
            (act.id, act.validation.actor.clone())
        }
        (_, Some(decided), _) => (decided.id, None),
        (Some(act), None, _) => (act.id, act.validation.actor.clone()),
        (None, None, None) => (EventId::from_bytes([0; 16]), None),
    }
}
