//! Amounts as spreadsheets write them: thousands in groups, comma or dot before the decimals, and nothing that could be a
//! thousand times another.

use clap::ValueEnum;
use event::Micros;
use event::money::DecimalMark;

/// What stands before the decimals in all amounts of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mark {
    /// `1234.50`, `1,234.50`
    Dot,
    /// `1234,50`, `1.234,50`
    Comma,
}

impl Mark {
    const fn sign(self) -> char {
        match self {
            Self::Dot => '.',
            Self::Comma => ',',
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Dot => Self::Comma,
            Self::Comma => Self::Dot,
        }
    }
}

/// Spaces and apostrophes that stand between thousands, never before decimals.
const GROUP_SIGNS: [char; 6] = [' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '\u{2019}'];

/// An amount that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// The amount.
    pub(super) amount: Micros,
    /// The decimal mark that it shows; none if it has neither comma nor dot.
    pub(super) mark: Option<Mark>,
}

/// Reads an amount. What comma and dot mean in it must follow from itself, or be said by `mark`.
///
/// # Errors
/// What is wrong with it and what to write.
pub(super) fn read(text: &str, mark: Option<Mark>) -> Result<Read, String> {
    if text.starts_with(['-', '\u{2212}', '(']) {
        return Err("is negative; write it without a sign: an act says what came back, or what the amount is now".into());
    }
    if text
        .contains(|c: char| !c.is_ascii_digit() && !",.".contains(c) && !GROUP_SIGNS.contains(&c))
    {
        return Err(
            "is not a decimal number; write digits alone, like 1234.50, without currency or text"
                .into(),
        );
    }
    let shown = match mark {
        Some(mark) => text.contains([',', '.']).then_some(mark),
        None => shown(text)?,
    };
    let (whole, decimals) = match shown.and_then(|mark| text.rsplit_once(mark.sign())) {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (text, None),
    };
    let group = shown.map(|mark| mark.other().sign());
    let mut plain = ungrouped(whole, group).ok_or_else(|| {
        format!("{text} is not grouped by thousands; write it without thousands separators, like 1234.50")
    })?;
    if let Some(decimals) = decimals {
        plain.push('.');
        plain.push_str(decimals);
    }
    let amount = Micros::parse(&plain, DecimalMark::Dot)
        .map_err(|why| format!("{why}; write it like 1234.50"))?;
    Ok(Read { amount, mark: shown })
}

/// The decimal mark that an amount shows by itself.
fn shown(text: &str) -> Result<Option<Mark>, String> {
    let (comma, dot) = (text.rfind(','), text.rfind('.'));
    let last = match (comma, dot) {
        (None, None) => return Ok(None),
        (Some(comma), Some(dot)) if comma > dot => return Ok(Some(Mark::Comma)),
        (Some(_), Some(_)) => return Ok(Some(Mark::Dot)),
        (Some(_), None) => Mark::Comma,
        (None, Some(_)) => Mark::Dot,
    };
    let parts: Vec<&str> = text.split(last.sign()).collect();
    let [whole, decimals] = parts.as_slice() else { return Ok(Some(last.other())) }; // 1.234.567
    let may_be_a_group = decimals.len() == 3
        && (1..=3).contains(&whole.len())
        && !whole.starts_with('0')
        && !whole.contains(GROUP_SIGNS);
    if may_be_a_group {
        let sign = last.sign();
        return Err(format!(
            "{text} may be {whole}{decimals} or {whole} and {decimals} thousandths; write {whole}{decimals} or \
             {whole}{sign}{decimals}0, or say for the whole file what stands before decimals: --decimal-mark dot, or comma"
        ));
    }
    Ok(Some(last))
}

/// The digits of a number without the signs between its thousands, all of one kind; none if they stand elsewhere.
fn ungrouped(whole: &str, group: Option<char>) -> Option<String> {
    let is_sign = |c: char| GROUP_SIGNS.contains(&c) || group == Some(c);
    let Some(sign) = whole.chars().find(|c| is_sign(*c)) else { return Some(whole.to_owned()) };
    let mut parts = whole.split(sign);
    let first = parts.next().filter(|first| (1..=3).contains(&first.len()))?;
    let mut digits = first.to_owned();
    for part in parts {
        if part.len() != 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.push_str(part);
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::{Mark, read};

    fn units(text: &str) -> String {
        read(text, None).unwrap_or_else(|why| panic!("{text:?}: {why}")).amount.decimal(2)
    }

    #[test]
    fn thousands_may_stand_in_groups_and_the_last_mark_is_before_the_decimals() {
        for (text, amount) in [
            ("1234", "1234.00"),
            ("12.5", "12.50"),
            ("12,5", "12.50"),
            ("1 234,50", "1234.50"),
            ("1\u{a0}234,50", "1234.50"),
            ("1\u{202f}234\u{202f}567,50", "1234567.50"),
            ("1.234,50", "1234.50"),
            ("1,234.50", "1234.50"),
            ("1'234.50", "1234.50"),
            ("1\u{2019}234.50", "1234.50"),
            ("1.234.567", "1234567.00"),
            ("1,234,567", "1234567.00"),
            ("1 234", "1234.00"),
            ("1 234.567", "1234.567"),
            ("1234.567", "1234.567"),
            ("0.125", "0.125"),
            ("0,125", "0.125"),
            ("1.2340", "1.234"),
        ] {
            assert_eq!(units(text), amount, "{text}");
        }
    }

    #[test]
    fn what_may_be_a_thousand_times_another_is_refused_unless_the_mark_is_said() {
        for text in ["1.234", "1,234", "12.345", "123,456"] {
            let why = read(text, None).unwrap_err();
            assert!(why.starts_with(&format!("{text} may be ")), "{why}");
        }
        expect_test::expect![[r"1.234 may be 1234 or 1 and 234 thousandths; write 1234 or 1.2340, or say for the whole file what stands before decimals: --decimal-mark dot, or comma"]]
            .assert_eq(&read("1.234", None).unwrap_err());
        let said = |text, mark| read(text, Some(mark)).map(|read| read.amount.decimal(0));
        assert_eq!(said("1.234", Mark::Dot).as_deref(), Ok("1.234"));
        assert_eq!(said("1.234", Mark::Comma).as_deref(), Ok("1234"));
        assert_eq!(said("1,234", Mark::Dot).as_deref(), Ok("1234"));
        assert_eq!(said("1,234", Mark::Comma).as_deref(), Ok("1.234"));
        assert!(said("1,5", Mark::Dot).is_err(), "a group of one");
        assert!(said("1.234,50", Mark::Dot).is_err());
    }

    #[test]
    fn groups_of_another_length_or_of_two_kinds_are_no_numbers() {
        for text in [
            "1,23,456.00",
            "12 34",
            "1 2345",
            "1234 567",
            " 1",
            "1 234'567",
            "1.234 567,5",
            "1..5",
            "1,,5",
            ".5",
            "5.",
            "1.234,50,5",
            "",
        ] {
            assert!(read(text, None).is_err(), "{text}: {:?}", read(text, None));
        }
    }

    #[test]
    fn signs_and_currencies_are_told_as_such() {
        for (text, says) in [
            ("-5", "is negative"),
            ("\u{2212}5", "is negative"),
            ("(5.00)", "is negative"),
            ("5 €", "without currency"),
            ("1e3", "without currency or text"),
            ("+5", "is not a decimal number"),
            ("1.2345678", "has more than 6 decimals"),
        ] {
            let why = read(text, None).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
    }

    #[test]
    fn the_mark_that_an_amount_shows_is_told() {
        let mark = |text| read(text, None).unwrap().mark;
        assert_eq!([mark("12"), mark("1 234")], [None, None]);
        assert_eq!([mark("12.5"), mark("1,234.5"), mark("1,234,567")], [Some(Mark::Dot); 3]);
        assert_eq!([mark("12,5"), mark("1.234,5"), mark("1.234.567")], [Some(Mark::Comma); 3]);
    }
}
