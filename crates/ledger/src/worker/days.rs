//! Touches that are paid: counted as they come, and posted when their day is over and nothing of it is awaited.
//!
//! A consumer of its own reads the touches, and only while a rule of the catalog pays for touches: there are a hundred for
//! each order, and most programs pay for none. The book keeps how far they are read, whatever the group's cursor says;
//! when the catalog comes to pay for touches that were passed over, they are read again from the start, and those that
//! were counted are found by their ids.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use catalog::{ProgramRef, Snapshot};
use event::body::TouchKind;
use event::envelope::CODEC_JSON;
use event::time::DAY_MS;
use event::{Body, Envelope, EventType, Micros, Millis, ProgramName, Topic};
use eventlog::{Batch, Consumer, Cursor, Delivery, Group, Offset, Partition, Record};

use super::Session;
use crate::days::{self, Day, Earned, MINUTE_MS, Place, Scopes, Zone};
use crate::error::Error;
use crate::store::{Counting, DayRow, Note, Writing};

/// The consumer group that counts touches: a stage that reads them only where they are paid.
pub const DAYS_GROUP: Group = Group("ledger-days");

/// Days of one program that are looked at in one transaction. Count; a day is some thousand counts.
const STEP_DAYS: u32 = if cfg!(test) { 2 } else { 20 };
/// Days gone through for periods that begin with them, in one transaction. Count.
const STEP_PERIODS: u32 = 2_000;
/// How long after it was due a day is corrected. 60 days: touches are kept for longer, so that a book that is made anew
/// never takes back what it can no longer count.
const CORRECTED_MS: i64 = 60 * DAY_MS;
/// How long touches are kept in the book after they were received. 75 days: the longest time in which a day is corrected, from
/// its first instant, is 60 days, the longest lateness (7 days), the day itself and an hour; and the topic keeps them for longer.
const KEPT_MS: i64 = 75 * DAY_MS;
/// The topic keeps touches for at least so long: a book that is made anew counts them again.
pub const TOUCHES_KEPT: Duration = Duration::from_millis(KEPT_MS.unsigned_abs());
/// Time between two looks for touches that are kept no longer. A day: what goes is found by reading all counts.
const KEPT_STEP_MS: i64 = DAY_MS;
/// Touches that are forgotten in one transaction. Count.
const STEP_FORGOTTEN: u32 = if cfg!(test) { 2 } else { 10_000 };
/// Most days between now and the last one that is due: far more than the longest lateness. Count.
const AWAITED_MAX: u32 = 400;

/// What the session knows of touches.
#[derive(Default)]
pub(super) struct Days {
    consumer: Option<Box<dyn Consumer>>,
    /// Whether partitions came since it subscribed: before, nobody knows where the touches end.
    assigned: bool,
    reached: HashMap<Partition, Offset>,
    catalog: Option<Arc<Snapshot>>,
    zones: BTreeMap<ProgramName, Zone>,
    scopes: Scopes,
    /// What is to be counted happened then or later.
    since: Option<Millis>,
}

impl Days {
    /// Where the touches end now; none: not known yet.
    pub(super) fn ends(&mut self) -> Result<Option<Vec<Cursor>>, Error> {
        match &mut self.consumer {
            Some(consumer) if self.assigned => consumer.ends().map(Some).map_err(Error::Read),
            Some(_) => Ok(None),
            None => Ok(Some(Vec::new())),
        }
    }

    /// Whether everything before these ends is counted.
    pub(super) fn has_reached(&self, ends: &[Cursor]) -> bool {
        let reached =
            |end: &Cursor| self.reached.get(&end.partition).is_none_or(|at| *at >= end.next);
        ends.iter().all(reached)
    }
}

impl Session<'_> {
    /// Counts a batch of touches; whether there was one.
    pub(super) fn count_touches(&mut self) -> Result<bool, Error> {
        self.look_at_days()?;
        let Some(consumer) = &mut self.days.consumer else { return Ok(false) };
        match consumer.next(Duration::ZERO).map_err(Error::Read)? {
            Delivery::Batch(batch) => {
                self.count(&batch)?;
                let reached = self.days.reached.entry(batch.partition).or_default();
                *reached = batch.next_offset.max(*reached);
                let consumer = self.days.consumer.as_mut();
                if let Some(consumer) = consumer {
                    let unit = consumer.unit().map_err(Error::Write)?;
                    unit.commit(&[batch.cursor()]).map_err(Error::Write)?;
                }
                Ok(true)
            }
            Delivery::Assigned(partitions) => {
                for partition in partitions {
                    let next = self.worker.deps.store.resume(partition)?;
                    match consumer.seek(partition, next) {
                        Err(eventlog::Error::NotAssigned { .. }) => continue, // gone again
                        other => other.map_err(Error::Read)?,
                    }
                    self.days.reached.insert(partition, next);
                }
                self.days.assigned = true;
                self.mark = None;
                Ok(true)
            }
            Delivery::Revoking(partitions, ack) => {
                for partition in &partitions {
                    self.days.reached.remove(partition);
                }
                ack.done();
                Ok(true)
            }
            Delivery::Idle => Ok(false),
        }
    }

    /// Notices a new catalog: which touches are paid, and in which zone their days lie.
    fn look_at_days(&mut self) -> Result<(), Error> {
        let catalog = self.worker.deps.catalog.snapshot();
        let known = self.days.catalog.as_ref().map(|known| known.generation());
        if known == Some(catalog.generation()) {
            return Ok(());
        }
        let scopes = days::scopes(&catalog);
        let mut zones = BTreeMap::new();
        let writing = self.worker.deps.store.begin()?;
        let wider = writing.widen(&scopes)?;
        for program in catalog.programs() {
            let (name, zone) = (program.name(), Zone::named(program.time_zone()));
            let paid = scopes.keys().any(|(paid, _)| paid == name);
            if paid || !days::periods(program).is_empty() {
                writing.zone_of_days(name, (program.time_zone(), &zone))?;
            }
            zones.insert(name.clone(), zone);
        }
        self.days.scopes = writing.scopes()?;
        self.commit(writing)?;
        self.mark = None;
        let days = &mut self.days;
        days.since = days.scopes.values().min().copied();
        days.zones = zones;
        days.catalog = Some(catalog);
        if wider || scopes.is_empty() {
            (days.consumer, days.assigned) = (None, false);
            days.reached.clear();
        }
        if !scopes.is_empty() && days.consumer.is_none() {
            let log = &self.worker.deps.log;
            let consumer =
                log.subscribe(DAYS_GROUP, &[Topic::Touches]).map_err(Error::Subscribe)?;
            days.consumer = Some(consumer);
        }
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what bears on pay is listed above")]
    fn count(&mut self, batch: &Batch) -> Result<(), Error> {
        let metrics = &self.worker.metrics;
        let writing = self.worker.deps.store.begin()?;
        let mut counting = Counting::new(&writing, &self.days.zones)?;
        for record in &batch.records {
            let envelope = match self.days.read(record) {
                Some(envelope) => envelope,
                None => {
                    metrics.skipped.increment(1);
                    continue;
                }
            };
            metrics.touches.increment(1);
            let Envelope { id, occurred_at: at, program, test, body, .. } = envelope;
            let (kind, touch) = match body {
                Body::Click(touch) => (TouchKind::Click, touch),
                Body::Impression(touch) => (TouchKind::Impression, touch),
                Body::Flag(judged) => {
                    counting.note(judged.touch, Note::Judged)?;
                    continue;
                }
                Body::Activation(activation) => {
                    counting.note(activation.click.id, Note::Activated)?;
                    continue;
                }
                _ => continue,
            };
            let Some(program) = program.filter(|_| !test) else { continue };
            let Some((place, ahead)) = Place::of(&program, kind, &touch) else { continue };
            // The whole of the first minute: a touch is looked up where its minute begins.
            let counted =
                |since: &Millis| at.0.div_euclid(MINUTE_MS) >= since.0.div_euclid(MINUTE_MS);
            if self.days.scopes.get(&(program, kind)).is_some_and(counted) {
                counting.touch(id, at, (place, ahead))?;
            }
        }
        counting.finish()?;
        writing.cursor(batch.cursor())?;
        self.commit(writing)
    }

    /// Posts days that are due at `at`, when everything of before is counted; whether there are more.
    pub(super) fn post_days(&mut self, at: Millis) -> Result<bool, Error> {
        let worker = self.worker;
        let Some(catalog) = self.days.catalog.clone().filter(|_| worker.config.locks) else {
            return Ok(false);
        };
        let (mut posted, mut more) = (0_u64, false);
        let mut writing = worker.deps.store.begin()?;
        for program in catalog.programs() {
            let Some(zone) = self.days.zones.get(program.name()) else { continue };
            let Some(last) = last_due(program, zone, at) else { continue };
            more |= periods_up_to(&writing, program, zone, last)?;
            let due = writing.days_due(program.name(), last, STEP_DAYS)?;
            more |= u32::try_from(due.len()).is_ok_and(|count| count >= STEP_DAYS);
            for day in due {
                let due_at = days::due(program, zone, day);
                if due_at <= at {
                    let changed = Looked { catalog: &catalog, program, zone, due_at, at };
                    posted = posted.saturating_add(changed.post(&mut writing, day)?);
                    writing.day_settled(program.name(), day)?;
                }
            }
        }
        if !more {
            more = forget(&writing, at)?;
        }
        self.commit(writing)?;
        worker.metrics.days.increment(posted);
        self.say(&[])?;
        Ok(more)
    }
}

impl Days {
    /// A record that bears on what is paid. What cannot be read is parked by attribution, which reads every touch.
    fn read(&self, record: &Record) -> Option<Envelope> {
        let kind = EventType::from_number(record.kind)?;
        let paid = |kind| self.scopes.keys().any(|(_, paid)| *paid == kind);
        #[expect(clippy::wildcard_enum_match_arm, reason = "everything else is no touch")]
        let bears = match kind {
            EventType::Click => paid(TouchKind::Click),
            EventType::Impression => paid(TouchKind::Impression),
            EventType::Flag | EventType::Activation => true,
            _ => false,
        };
        // A touch is received when it happened, or later.
        let before = |since: Millis| record.id.is_minted() && record.id.time() < since;
        if !bears || record.codec != CODEC_JSON || self.since.is_none_or(before) {
            return None;
        }
        Envelope::read(&record.payload).ok()
    }
}

/// A program of which days are looked at.
struct Looked<'a> {
    catalog: &'a Snapshot,
    program: ProgramRef<'a>,
    zone: &'a Zone,
    due_at: Millis,
    at: Millis,
}

impl Looked<'_> {
    /// Books what a day earned; how much of it is new or other than before. Count.
    fn post(&self, writing: &mut Writing<'_>, day: Day) -> Result<u64, Error> {
        let name = self.program.name();
        let (from, until) = (self.zone.start(day), self.zone.start(day.next()));
        let tallies = writing.tallies(name, (from, until))?;
        let mut earned = days::earned(self.catalog, self.program, (self.zone, day), tallies);
        let mut rows = Vec::new();
        for row in writing.booked_days(name, day)? {
            let now = earned.remove(&row.key).map_or(Micros(0), |earned| earned.amount);
            rows.push((row, now));
        }
        if self.at.since(self.due_at) > CORRECTED_MS {
            rows.clear();
        }
        for (key, Earned { amount, currency, purpose, .. }) in earned {
            rows.push((DayRow::new(key, currency, purpose), amount));
        }
        let mut posted = 0_u64;
        for (mut row, amount) in rows {
            let paid = row.paid;
            if writing.book_day(&mut row, (amount, paid), None, (from, self.at))? {
                posted = posted.saturating_add(1);
            }
        }
        Ok(posted)
    }
}

/// Forgets touches of days that are corrected no longer, once a day; whether there are more.
fn forget(writing: &Writing<'_>, at: Millis) -> Result<bool, Error> {
    let since = Millis(at.0.saturating_sub(KEPT_MS));
    let known = writing.touches_kept_since()?;
    let is_time = known.is_none_or(|known| since.since(known) >= KEPT_STEP_MS);
    // A day of then that was not looked at yet, whatever keeps it, is counted first.
    if is_time && !writing.is_day_due_before(since.0.div_euclid(DAY_MS))? {
        writing.keep_touches_since(since)?;
    }
    Ok(writing.forget_touches(STEP_FORGOTTEN)?)
}

/// The last day of a program that is due.
fn last_due(program: ProgramRef<'_>, zone: &Zone, at: Millis) -> Option<Day> {
    let mut day = zone.day(at);
    for _ in 0..AWAITED_MAX {
        if days::due(program, zone, day) <= at {
            return Some(day);
        }
        day = day.before();
    }
    None
}

/// Has the days up to `last` looked at with which a paid period begins; whether there are more.
fn periods_up_to(
    writing: &Writing<'_>,
    program: ProgramRef<'_>,
    zone: &Zone,
    last: Day,
) -> Result<bool, Error> {
    let periods = days::periods(program);
    if periods.is_empty() {
        return Ok(false);
    }
    let name = program.name();
    let first = writing.next_period(name)?;
    let mut day = first.unwrap_or_else(|| zone.day(program.known().from));
    for _ in 0..STEP_PERIODS {
        if day > last {
            break;
        }
        if periods.iter().any(|period| day.begins(*period)) {
            writing.day_changed(name, day)?;
        }
        day = day.next();
    }
    if first != Some(day) {
        writing.set_next_period(name, day)?;
    }
    Ok(day <= last)
}
