//! The end of an order's month, in a program's zone.

use event::Millis;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::limits::LOCK_AFTER_MAX_MS;

/// The first instant of the day that begins `days` days after the end of the month of `t`. Where midnight does not exist,
/// the first moment that does; never later than any lock may be.
pub(super) fn month_end_plus(t: Millis, zone: &str, days: u8) -> Millis {
    let latest = t.0.saturating_add(LOCK_AFTER_MAX_MS);
    let at = || {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC); // the catalog takes only names that exist
        let date = zone.to_datetime(Timestamp::from_millisecond(t.0).ok()?).date();
        let next = date.first_of_month().checked_add(1.month()).ok()?;
        let day = next.checked_add(i64::from(days).days()).ok()?;
        Some(day.at(0, 0, 0, 0).to_zoned(zone).ok()?.timestamp().as_millisecond())
    };
    Millis(at().unwrap_or(latest).min(latest))
}

#[cfg(test)]
mod tests {
    use event::Millis;
    use event::time::DAY_MS;

    use super::month_end_plus;
    use crate::limits::{LOCK_AFTER_MAX_MS, LOCK_MONTH_END_PLUS_MAX};

    fn millis(text: &str) -> Millis {
        let at: jiff::Timestamp = text.parse().unwrap();
        Millis(at.as_millisecond())
    }

    fn locks(t: &str, zone: &str, days: u8) -> String {
        month_end_plus(millis(t), zone, days).rfc3339().replace(".000Z", "Z")
    }

    #[test]
    fn the_month_ends_in_the_zone_of_the_program_on_either_side_of_a_change_of_the_clock() {
        let paris = |t: &str| locks(t, "Europe/Paris", 0);
        // Winter time begins on 25 October, so that month has 31 days and an hour.
        assert_eq!(
            paris("2026-09-30T21:59:59.999Z"),
            "2026-09-30T22:00:00Z",
            "the last millisecond"
        );
        assert_eq!(paris("2026-09-30T22:00:00Z"), "2026-10-31T23:00:00Z", "the first of October");
        assert_eq!(paris("2026-10-31T22:59:59.999Z"), "2026-10-31T23:00:00Z");
        assert_eq!(paris("2026-10-31T23:00:00Z"), "2026-11-30T23:00:00Z", "the first of November");
        // Summer time begins on 29 March.
        assert_eq!(paris("2026-03-10T12:00:00Z"), "2026-03-31T22:00:00Z");
        assert_eq!(paris("2026-03-31T22:00:00Z"), "2026-04-30T22:00:00Z");
        let utc = |t: &str| locks(t, "UTC", 0);
        assert_eq!(
            utc("2026-10-31T23:00:00Z"),
            "2026-11-01T00:00:00Z",
            "another zone, another month"
        );
        assert_eq!(locks("2026-11-01T06:59:59Z", "America/Los_Angeles", 0), "2026-11-01T07:00:00Z");
    }

    #[test]
    fn the_days_after_it_are_days_of_the_calendar() {
        let paris = |t: &str, days| locks(t, "Europe/Paris", days);
        assert_eq!(paris("2026-10-05T10:00:00Z", 3), "2026-11-03T23:00:00Z");
        assert_eq!(paris("2025-02-10T10:00:00Z", 5), "2025-03-05T23:00:00Z");
        // Summer time begins with the month: midnight does not exist, and one o'clock is the first moment.
        assert_eq!(locks("2023-09-10T00:00:00Z", "America/Asuncion", 0), "2023-10-01T04:00:00Z");
        assert_eq!(locks("2023-09-10T00:00:00Z", "America/Asuncion", 1), "2023-10-02T03:00:00Z");
    }

    #[test]
    fn months_of_every_length_and_the_end_of_a_year() {
        let utc = |t: &str, days| locks(t, "UTC", days);
        assert_eq!(utc("2026-01-31T12:00:00Z", 0), "2026-02-01T00:00:00Z", "the 31st");
        assert_eq!(utc("2026-02-28T12:00:00Z", 0), "2026-03-01T00:00:00Z");
        assert_eq!(utc("2028-02-28T23:59:59Z", 0), "2028-03-01T00:00:00Z", "29 days");
        assert_eq!(utc("2028-02-29T23:59:59Z", 1), "2028-03-02T00:00:00Z");
        assert_eq!(utc("2026-12-31T23:59:59.999Z", 0), "2027-01-01T00:00:00Z");
        assert_eq!(utc("2027-01-01T00:00:00Z", 0), "2027-02-01T00:00:00Z");
        assert_eq!(locks("2026-12-31T23:30:00Z", "Europe/Paris", 0), "2027-01-31T23:00:00Z");
    }

    #[test]
    fn the_longest_month_with_the_most_days_stays_within_the_longest_lock_and_one_more_would_not() {
        let first = millis("2026-09-30T22:00:00Z");
        let days = LOCK_MONTH_END_PLUS_MAX;
        let took = month_end_plus(first, "Europe/Paris", days).0 - first.0;
        assert_eq!(took, (31 + i64::from(days)) * DAY_MS + 3_600_000);
        assert!(took < LOCK_AFTER_MAX_MS);
        assert_eq!(month_end_plus(first, "Europe/Paris", days + 1).0 - first.0, LOCK_AFTER_MAX_MS);
        assert_eq!(month_end_plus(Millis(i64::MAX), "UTC", 0), Millis(i64::MAX));
    }
}
