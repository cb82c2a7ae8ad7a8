//! Claimed times: RFC 3339, Unix seconds or milliseconds, or local time in the program's zone; clamped, never trusted.

use event::Millis;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A report cannot claim to have happened longer than this before its receipt: 30 days.
pub(crate) const MAX_BACKDATE_MS: i64 = 30 * event::time::DAY_MS;
/// Unix times below this are seconds (until the year 5138), from it on milliseconds (since 1973).
const MILLISECONDS_FROM: i64 = 100_000_000_000;
/// Longest text of a time.
const TEXT_BYTES_MAX: usize = 40;

/// The claimed time in milliseconds UTC.
///
/// # Errors
/// What is wrong, going on from the name of the field.
pub(crate) fn read(text: &str, zone: &str) -> Result<i64, &'static str> {
    const WHY: &str =
        "is not a time: RFC 3339 such as 2026-11-03T14:22:05Z, or Unix seconds or milliseconds";
    if text.len() > TEXT_BYTES_MAX {
        return Err(WHY);
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return unix(text).ok_or(WHY);
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(at.as_millisecond());
    }
    if !text.contains(':') {
        return Err(WHY); // a date alone would put an order before the clicks of its day
    }
    let local: DateTime = text.parse().map_err(|_| WHY)?;
    let zone =
        TimeZone::get(zone).map_err(|_| "has no offset, and the program's zone is unknown")?;
    let at = zone.to_ambiguous_timestamp(local).compatible().map_err(|_| WHY)?;
    Ok(at.as_millisecond())
}

/// Digits, with decimals for seconds as scripts print them.
fn unix(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || decimals.contains('.') {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    if number >= MILLISECONDS_FROM {
        return Some(number);
    }
    let milliseconds = decimals
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(3)
        .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    number.checked_mul(1000)?.checked_add(milliseconds)
}

/// The claim, clamped to `[received_at − 30 d, received_at]`, and whether it had to be.
pub(crate) fn clamp(claimed_at: i64, received_at: Millis) -> (Millis, bool) {
    let earliest = received_at.0.saturating_sub(MAX_BACKDATE_MS);
    let clamped = claimed_at.clamp(earliest.min(received_at.0), received_at.0);
    (Millis(clamped), clamped != claimed_at)
}

#[cfg(test)]
mod tests {
    use event::Millis;

    use super::{MAX_BACKDATE_MS, clamp, read};

    fn at(text: &str) -> Result<i64, &'static str> {
        read(text, "Europe/Paris")
    }

    #[test]
    fn one_instant_is_read_in_all_its_forms() {
        for text in [
            "2026-11-05T14:22:05.123Z",
            "2026-11-05T15:22:05.123+01:00",
            "2026-11-05 14:22:05.123Z",
            "1793888525123",
            "1793888525.123",
            "2026-11-05T15:22:05.123",
            "2026-11-05 15:22:05.123",
        ] {
            assert_eq!(at(text), Ok(1_793_888_525_123), "{text}");
        }
        assert_eq!(at("1793888525"), Ok(1_793_888_525_000));
    }

    #[test]
    fn seconds_end_where_milliseconds_begin() {
        assert_eq!(at("99999999999"), Ok(99_999_999_999_000));
        assert_eq!(at("100000000000"), Ok(100_000_000_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "2026-11-05",
            "yesterday",
            "14:22",
            "-5",
            "1.2.3",
            ".5",
            "2026-13-01T00:00:00Z",
            "99999999999999999999",
            "2026-11-05T25:00:00",
        ] {
            assert!(at(bad).is_err(), "{bad}");
        }
        assert!(read("2026-11-05T15:22:05", "Nowhere/Else").is_err());
    }

    #[test]
    fn a_claim_is_clamped_to_the_30_days_before_its_receipt() {
        let received = Millis(10 * MAX_BACKDATE_MS);
        let earliest = received.0 - MAX_BACKDATE_MS;
        assert_eq!(clamp(earliest, received), (Millis(earliest), false));
        assert_eq!(clamp(earliest - 1, received), (Millis(earliest), true));
        assert_eq!(clamp(received.0, received), (received, false));
        assert_eq!(clamp(received.0 + 1, received), (received, true));
    }
}
