//! Durations as people write them: `30d`, `24h`, `90m`, `10s`, `500ms`, `1d12h`; exact, in milliseconds.

/// Why a text is no duration.
pub(super) enum NotADuration {
    /// It is not numbers with units.
    Shape,
    /// It is longer than milliseconds in `i64` can say.
    TooLong,
}

/// The milliseconds of a duration. Units fall from left to right, each at most once.
pub(super) fn milliseconds(text: &str) -> Result<i64, NotADuration> {
    const UNITS: [(&str, i64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = text;
    let mut units = UNITS.as_slice();
    let mut total: i64 = 0;
    if rest.is_empty() {
        return Err(NotADuration::Shape);
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        let (unit, tail) = tail.split_at(letters);
        let place = units.iter().position(|(name, _)| *name == unit);
        let (true, Some(place)) = (digits > 0, place) else { return Err(NotADuration::Shape) };
        let milliseconds = units.get(place).map_or(0, |(_, milliseconds)| *milliseconds);
        units = units.get(place + 1..).unwrap_or_default();
        total = number
            .parse::<i64>()
            .ok()
            .and_then(|n| n.checked_mul(milliseconds))
            .and_then(|part| total.checked_add(part))
            .ok_or(NotADuration::TooLong)?;
        rest = tail;
    }
    Ok(total)
}

/// The shortest text of a duration, such as `36h` for a day and a half.
pub(super) fn text(milliseconds: i64) -> String {
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if milliseconds != 0 && milliseconds % size == 0 {
            return format!("{}{unit}", milliseconds / size);
        }
    }
    if milliseconds == 0 { "0s".into() } else { format!("{milliseconds}ms") }
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, text};

    #[test]
    fn durations_are_exact() {
        for (written, ms) in [
            ("30d", 2_592_000_000),
            ("24h", 86_400_000),
            ("90m", 5_400_000),
            ("10s", 10_000),
            ("0s", 0),
            ("500ms", 500),
            ("1d12h", 129_600_000),
            ("1d1h1m1s1ms", 90_061_001),
        ] {
            assert_eq!(milliseconds(written).ok(), Some(ms), "{written}");
        }
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for bad in [
            "",
            "30",
            "d",
            "1.5d",
            "-1d",
            "1 d",
            "1D",
            "1w",
            "1h1d",
            "1d1d",
            "99999999999999999999d",
        ] {
            assert!(milliseconds(bad).is_err(), "{bad}");
        }
        assert!(milliseconds("9223372036854775807d").is_err());
    }

    #[test]
    fn a_duration_prints_as_it_is_read() {
        for written in ["30d", "36h", "90m", "10s", "0s", "1500ms"] {
            assert_eq!(text(milliseconds(written).ok().unwrap()), written);
        }
    }
}
