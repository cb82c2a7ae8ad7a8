//! Clicks and impressions, by quarter of an hour and by day.

use event::body::{SubIds, Touch, TouchKind};
use event::{EventId, Millis};
use rusqlite::{Error, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::rollup::{Cut, Of, TouchPlace};
use super::write::Writer;
use super::{OWN, Reason};
use crate::days::{self, SLOT_MS, Zone};

/// What touches are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TouchKey {
    pub(super) program: i64,
    pub(super) slot: i64,
    pub(super) day: i64,
    pub(super) partner: i64,
    pub(super) link: i64,
    pub(super) channel: i64,
    pub(super) kind: i64,
    pub(super) reason: i64,
}

/// Where a click is counted that was fetched ahead, until it is known to have happened.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    program: String,
    slot: i64,
    partner: i64,
    link: i64,
    channel: i64,
    kind: i64,
    subs: SubIds,
}

/// The number of a kind.
pub(crate) const fn kind_number(kind: TouchKind) -> i64 {
    match kind {
        TouchKind::Click => 0,
        TouchKind::Impression => 1,
    }
}

impl Writer<'_> {
    pub(super) fn touch(
        &mut self,
        id: EventId,
        at: Millis,
        (program, kind, mut reason): (&str, TouchKind, Reason),
        touch: &Touch,
    ) -> Result<(), Error> {
        if !self.first_seen(id)? {
            return Ok(());
        }
        let partner = touch.partner.as_ref().map_or(OWN, |name| name.as_str());
        let place = Place {
            program: program.to_owned(),
            slot: days::slot(at),
            partner: self.name(partner)?,
            link: self.name(touch.link.as_str())?,
            channel: self.name(touch.channel.as_ref().map_or("", |name| name.as_str()))?,
            kind: kind_number(kind),
            subs: touch.subs.clone(),
        };
        if reason == Reason::Ahead {
            reason = self.held_ahead(id, at, &place)?;
        }
        self.count(&place, reason, 1)
    }

    /// Remembers where a click fetched ahead is counted, unless it is known to have happened.
    fn held_ahead(&self, id: EventId, at: Millis, place: &Place) -> Result<Reason, Error> {
        let find = "SELECT activated FROM ahead WHERE touch = ?1";
        let touch = &id.as_bytes()[..];
        let known: Option<bool> =
            self.db.prepare_cached(find)?.query_row([touch], |row| row.get(0)).optional()?;
        if known == Some(true) {
            return Ok(Reason::Valid);
        }
        let text = serde_json::to_string(place).unwrap_or_default();
        let sql = "INSERT OR REPLACE INTO ahead VALUES (?1, 0, ?2, ?3)";
        self.db.prepare_cached(sql)?.execute(params![touch, at.0, text])?;
        Ok(Reason::Ahead)
    }

    pub(super) fn activation(&mut self, click: EventId, at: Millis) -> Result<(), Error> {
        let touch = &click.as_bytes()[..];
        let find = "SELECT activated, place FROM ahead WHERE touch = ?1";
        let known: Option<(bool, Option<String>)> = self
            .db
            .prepare_cached(find)?
            .query_row([touch], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let place = match known {
            Some((true, _)) => return Ok(()),
            Some((false, place)) => place,
            None => None,
        };
        let sql = "INSERT OR REPLACE INTO ahead VALUES (?1, 1, ?2, NULL)";
        self.db.prepare_cached(sql)?.execute(params![touch, at.0])?;
        let Some(place) = place.and_then(|text| serde_json::from_str::<Place>(&text).ok()) else {
            return Ok(());
        };
        self.count(&place, Reason::Ahead, -1)?;
        self.count(&place, Reason::Valid, 1)
    }

    fn count(&mut self, place: &Place, reason: Reason, by: i64) -> Result<(), Error> {
        let (program, zone) = self.zone(&place.program)?;
        let &Place { slot, partner, link, channel, kind, .. } = place;
        let (day, reason) = (day_of_slot(&zone, slot), reason.number());
        let key = TouchKey { program, slot, day, partner, link, channel, kind, reason };
        *self.touches.entry(key).or_insert(0) += by;
        for (number, value) in place.subs.iter() {
            self.count_sub(((key, number), &zone), value, by)?;
        }
        Ok(())
    }

    pub(super) fn flush_touches(&mut self) -> Result<(), Error> {
        let touches = std::mem::take(&mut self.touches);
        let sql = "INSERT INTO touch_slot VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
                   ON CONFLICT DO UPDATE SET n = n + excluded.n";
        let db = self.db;
        let mut slots = db.prepare_cached(sql)?;
        for (key, n) in touches.iter().filter(|(_, n)| **n != 0) {
            let &TouchKey { program, slot, partner, link, channel, kind, reason, .. } = key;
            slots.execute([program, slot, partner, link, channel, kind, reason, *n])?;
            self.add_touch_days(key, *n)?;
        }
        Ok(())
    }

    pub(super) fn add_touch_days(&mut self, key: &TouchKey, n: i64) -> Result<(), Error> {
        let &TouchKey { program, day, partner, link, channel, kind, reason, .. } = key;
        let mut cuts = vec![(Cut::All, 0)];
        if partner != self.name(OWN)? {
            cuts.extend([(Cut::Link, link), (Cut::Channel, channel)]);
        }
        for (cut, number) in cuts {
            let of = Of::Number(number);
            let place = TouchPlace { program, cut, grain: 1, at: day, partner, of, kind, reason };
            self.add_touch(&place, n)?;
        }
        Ok(())
    }
}

/// The day that a quarter of an hour lies in.
pub(super) fn day_of_slot(zone: &Zone, slot: i64) -> i64 {
    zone.day(Millis(slot.saturating_mul(SLOT_MS)))
}
