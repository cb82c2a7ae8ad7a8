//! Days of a program's time zone.

use std::fmt;

use catalog::commission::Period;
use event::Millis;
use event::time::DAY_MS;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// A time zone whose days are counted.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

/// A day of the calendar. Text form: `2026-11-03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Date);

impl Zone {
    /// The zone of this name; UTC if there is none (the catalog takes only names that exist).
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(TimeZone::get(name).unwrap_or(TimeZone::UTC))
    }

    /// The day that `at` lies in.
    #[must_use]
    pub fn day(&self, at: Millis) -> Day {
        let instant = Timestamp::from_millisecond(at.0);
        let end = if at.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Day(self.0.to_datetime(instant.unwrap_or(end)).date())
    }

    /// The first instant of a day: where midnight does not exist, the first moment that does.
    #[must_use]
    pub fn start(&self, day: Day) -> Millis {
        let zoned = day.0.at(0, 0, 0, 0).to_zoned(self.0.clone());
        let plain = Millis(day.number().saturating_mul(DAY_MS));
        zoned.map_or(plain, |at| Millis(at.timestamp().as_millisecond()))
    }
}

impl Day {
    /// The day with this number; the ends of the calendar for what lies beyond them.
    #[must_use]
    pub fn of_number(number: i64) -> Self {
        let epoch = jiff::civil::date(1970, 1, 1);
        let end = if number < 0 { Date::MIN } else { Date::MAX };
        let span = 0.days().try_days(number);
        Self(span.and_then(|span| epoch.checked_add(span)).unwrap_or(end))
    }

    /// Its number; 0 is 1970-01-01.
    #[must_use]
    pub fn number(self) -> i64 {
        let epoch = jiff::civil::date(1970, 1, 1);
        self.0.duration_since(epoch).as_hours().div_euclid(24)
    }

    /// The day after.
    #[must_use]
    pub fn next(self) -> Self {
        Self::of_number(self.number().saturating_add(1))
    }

    /// The day before.
    #[must_use]
    pub fn before(self) -> Self {
        Self::of_number(self.number().saturating_sub(1))
    }

    /// Whether such a period begins with it.
    #[must_use]
    pub fn begins(self, period: Period) -> bool {
        match period {
            Period::Day => true,
            Period::Week => self.0.weekday() == Weekday::Monday,
            Period::Month => self.0.day() == 1,
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no day; write it as 2026-11-03")]
pub struct NotADay;

impl std::str::FromStr for Day {
    type Err = NotADay;

    fn from_str(text: &str) -> Result<Self, NotADay> {
        text.parse().map(Self).map_err(|_| NotADay)
    }
}
