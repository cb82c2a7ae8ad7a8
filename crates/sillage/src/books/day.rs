//! A day as people write it, as an instant.

use event::Millis;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The first instant of a day (`2026-12-01`) in a time zone, or an instant as RFC 3339 writes it.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn start(text: &str, zone: &str) -> Result<Millis, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(Millis(instant.as_millisecond()));
    }
    let day: Date = text.parse().map_err(|_| {
        format!(
            "{text:?}: give a day, such as 2026-12-01, or an instant, such as 2026-12-01T00:00:00Z"
        )
    })?;
    let zone = TimeZone::get(zone).map_err(|error| format!("time zone {zone:?}: {error}"))?;
    let start = zone.to_ambiguous_zoned(day.at(0, 0, 0, 0)).compatible();
    let start = start.map_err(|error| format!("{text:?}: {error}"))?;
    Ok(Millis(start.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::start;

    #[test]
    fn a_day_begins_at_midnight_of_the_zone_in_summer_and_winter() {
        let at = |text, zone| start(text, zone).map(|at| at.rfc3339());
        assert_eq!(at("2026-10-25", "Europe/Paris").unwrap(), "2026-10-24T22:00:00.000Z");
        assert_eq!(at("2026-10-26", "Europe/Paris").unwrap(), "2026-10-25T23:00:00.000Z");
        assert_eq!(at("2026-10-26T00:00:00Z", "Europe/Paris").unwrap(), "2026-10-26T00:00:00.000Z");
        assert!(at("yesterday", "Europe/Paris").is_err());
    }
}
