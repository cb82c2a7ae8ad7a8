//! Days of a program's time zone, as numbers from 1970-01-01.

use std::fmt;

use event::Millis;
use event::time::DAY_MS;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// Length of the grain that touches are kept by: every zone's offset is a multiple of it.
pub const SLOT_MS: i64 = 15 * 60 * 1000;

/// Quarters of an hour in a day of 24 hours.
pub const SLOTS_PER_DAY: i64 = DAY_MS / SLOT_MS;

/// The quarter of an hour that `at` lies in.
#[must_use]
pub const fn slot(at: Millis) -> i64 {
    at.0.div_euclid(SLOT_MS)
}

/// A time zone whose days are counted.
#[derive(Clone, Debug)]
pub struct Zone {
    zone: TimeZone,
    name: Box<str>,
}

impl Zone {
    /// The zone of this name; UTC if there is none (the catalog takes only names that exist).
    #[must_use]
    pub fn named(name: &str) -> Self {
        match TimeZone::get(name) {
            Ok(zone) => Self { zone, name: name.into() },
            Err(_) => Self { zone: TimeZone::UTC, name: "UTC".into() },
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn offset_ms(&self, at: Millis) -> i64 {
        let instant = Timestamp::from_millisecond(at.0).ok();
        instant.map_or(0, |at| i64::from(self.zone.to_offset(at).seconds()).saturating_mul(1000))
    }

    /// The day that `at` lies in.
    #[must_use]
    pub fn day(&self, at: Millis) -> i64 {
        at.0.saturating_add(self.offset_ms(at)).div_euclid(DAY_MS)
    }

    /// The first instant of a day: where midnight does not exist, the first moment that does.
    #[must_use]
    pub fn start(&self, day: Day) -> Millis {
        let zoned = day.0.at(0, 0, 0, 0).to_zoned(self.zone.clone());
        zoned.map_or(Millis(day.number().saturating_mul(DAY_MS)), |at| {
            Millis(at.timestamp().as_millisecond())
        })
    }

    /// The day that `at` lies in, such as `2026-11-03`.
    #[must_use]
    pub fn day_text(&self, at: Millis) -> String {
        Day::of_number(self.day(at)).to_string()
    }

    /// Day, hour and minute of `at`, such as `2026-11-03 14:22`.
    #[must_use]
    pub fn minute(&self, at: Millis) -> String {
        let local = at.0.saturating_add(self.offset_ms(at));
        let minutes = local.rem_euclid(DAY_MS) / 60_000;
        let day = Day::of_number(local.div_euclid(DAY_MS));
        format!("{day} {:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// A day of the calendar. Text form: `2026-11-03`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Date);

/// Why a text is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no day; write it as 2026-11-03")]
pub struct NotADay;

impl Day {
    /// Reads `2026-11-03`, nothing else.
    ///
    /// # Errors
    /// [`NotADay`] for another shape, or a day that no calendar has.
    pub fn parse(text: &str) -> Result<Self, NotADay> {
        let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if !plain {
            return Err(NotADay);
        }
        text.parse().map(Self).map_err(|_| NotADay)
    }

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

    /// The day so many days later.
    #[must_use]
    pub fn plus(self, days: i64) -> Self {
        Self::of_number(self.number().saturating_add(days))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use event::Millis;

    use super::{Day, Zone};

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_day_has_23_hours_in_spring_and_25_in_autumn() {
        let paris = Zone::named("Europe/Paris");
        for (day, hours) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-03", 24)] {
            let day = Day::parse(day).unwrap();
            let (start, end) = (paris.start(day), paris.start(day.plus(1)));
            assert_eq!(end.since(start), hours * HOUR, "{day}");
            assert_eq!(paris.day(start), day.number());
            assert_eq!(paris.day(Millis(end.0 - 1)), day.number());
            assert_eq!(paris.day(Millis(start.0 - 1)), day.number() - 1);
            assert_eq!(paris.day(end), day.number() + 1);
        }
    }

    #[test]
    fn a_day_without_midnight_begins_when_it_begins() {
        // Clocks in Beirut go from 23:59:59 to 01:00.
        let beirut = Zone::named("Asia/Beirut");
        let day = Day::parse("2026-03-29").unwrap();
        assert_eq!(beirut.minute(beirut.start(day)), "2026-03-29 01:00");
        assert_eq!(beirut.day(Millis(beirut.start(day).0 - 1)), day.number() - 1);
    }

    #[test]
    fn a_day_reads_as_it_is_written_and_nothing_else_is_one() {
        let day = Day::parse("2026-11-03").unwrap();
        assert_eq!((day.to_string().as_str(), Day::of_number(day.number())), ("2026-11-03", day));
        for wrong in [
            "",
            "2026-11-31",
            "2026-02-29",
            "20261103",
            "2026-11-3",
            "03/11/2026",
            "2026-11-03T00:00",
        ] {
            assert!(Day::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_offset_is_a_multiple_of_a_quarter_of_an_hour() {
        for name in ["Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "America/St_Johns"]
        {
            let zone = Zone::named(name);
            let day = Day::parse("2026-11-03").unwrap();
            assert_eq!(zone.start(day).0 % super::SLOT_MS, 0, "{name}");
        }
    }
}
