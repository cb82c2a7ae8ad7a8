//! Touches that are paid, counted by minute, and what days were booked at.

mod booked;
mod counting;
mod due;
mod kept;
mod paid;
mod scopes;

use event::body::TouchKind;

pub(crate) use booked::{Cause, DayRow};
pub(in crate::store) use booked::{by_key, lines, owed, programs};
pub(crate) use counting::{Counting, Note};

/// A touch is kept by its id with where it counts: a later judgement names nothing but the id, and a repeated touch is
/// found. Ids begin with their time, so the newest lie side by side.
///
/// `day_notes`: what is said of touches; 0 judged, 1 activated. `day_due`: days of which something changed since they were
/// last looked at. `day_kept`: touches received before are forgotten. `days_unbooked`: days of which a payment came, until it is booked. `day_programs`: the zone that days were counted in, and the next day whose periods are to be looked at.
pub(super) const TABLES: &str = "
CREATE TABLE day_scopes (
  program TEXT NOT NULL,
  kind INTEGER NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (program, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE day_places (
  id INTEGER PRIMARY KEY,
  program TEXT NOT NULL,
  kind INTEGER NOT NULL,
  partner TEXT NOT NULL,
  link TEXT NOT NULL,
  channel TEXT NOT NULL,
  flags TEXT NOT NULL,
  UNIQUE (program, kind, partner, link, channel, flags)
) STRICT;
CREATE TABLE day_touches (
  id BLOB PRIMARY KEY,
  place INTEGER NOT NULL,
  minute INTEGER NOT NULL,
  ahead INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE day_notes (
  touch BLOB NOT NULL,
  note INTEGER NOT NULL,
  PRIMARY KEY (touch, note)
) STRICT, WITHOUT ROWID;
CREATE TABLE day_counts (
  place INTEGER NOT NULL,
  minute INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (place, minute)
) STRICT, WITHOUT ROWID;
CREATE TABLE day_due (
  program TEXT NOT NULL,
  day INTEGER NOT NULL,
  PRIMARY KEY (program, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE day_kept (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  since INTEGER NOT NULL
) STRICT;
CREATE TABLE day_programs (
  program TEXT PRIMARY KEY,
  zone TEXT NOT NULL,
  next INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE days (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  program TEXT NOT NULL,
  day INTEGER NOT NULL,
  subject TEXT NOT NULL,
  number INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  paid INTEGER,
  currency TEXT NOT NULL,
  purpose TEXT NOT NULL
) STRICT;
CREATE INDEX days_program ON days(program, day);
CREATE INDEX days_owed ON days(program, key) WHERE amount <> coalesce(paid, 0);
CREATE TABLE days_unbooked (
  key TEXT PRIMARY KEY,
  source BLOB NOT NULL,
  actor TEXT
) STRICT, WITHOUT ROWID;
";

const fn kind_number(kind: TouchKind) -> i64 {
    match kind {
        TouchKind::Click => 0,
        TouchKind::Impression => 1,
    }
}

const fn kind_of(number: i64) -> TouchKind {
    match number {
        0 => TouchKind::Click,
        _ => TouchKind::Impression,
    }
}
