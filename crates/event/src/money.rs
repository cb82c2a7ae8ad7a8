//! Money: integer micros of an ISO 4217 currency, read from decimal text without any float.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Millionths of one currency unit. `74.92` euros are 74,920,000.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Micros(pub i64);

/// Micros in one unit.
pub const MICROS_PER_UNIT: i64 = 1_000_000;
/// Largest amount in units that a report may carry: 10¹¹, bounded by what `i64` micros hold.
pub const AMOUNT_UNITS_MAX: i64 = 100_000_000_000;
/// Most digits after the decimal mark.
pub const DECIMALS_MAX: usize = 6;

/// The character between units and decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecimalMark {
    /// `74.92`
    #[default]
    Dot,
    /// `74,92`, only where a program says so.
    Comma,
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountFault {
    /// Nothing, a sign, an exponent, a thousands mark, another character.
    #[error("is not a decimal number (digits, then at most one decimal mark and digits)")]
    NotDecimal,
    /// More than six digits after the mark.
    #[error("has more than 6 decimals")]
    TooPrecise,
    /// Above 10¹¹ units, or more than `i64` micros hold.
    #[error("is above 100000000000")]
    TooLarge,
}

impl Micros {
    /// Reads decimal text: digits, at most one mark, at most six decimals; no sign, no exponent, no white space.
    ///
    /// # Errors
    /// [`AmountFault`] names the rule that the text breaks.
    pub fn parse(text: &str, mark: DecimalMark) -> Result<Self, AmountFault> {
        let separator = match mark {
            DecimalMark::Dot => '.',
            DecimalMark::Comma => ',',
        };
        let (units, decimals) = text.split_once(separator).unwrap_or((text, "0"));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(units) || !digits(decimals) {
            return Err(AmountFault::NotDecimal);
        }
        if decimals.len() > DECIMALS_MAX {
            return Err(AmountFault::TooPrecise);
        }
        let significant = units.trim_start_matches('0');
        if significant.len() > 12 {
            return Err(AmountFault::TooLarge);
        }
        let number = |s: &str| s.bytes().fold(0i64, |n, b| n * 10 + i64::from(b - b'0'));
        let missing = u32::try_from(DECIMALS_MAX - decimals.len()).unwrap_or(0);
        let units = number(significant);
        let micros = number(decimals) * 10i64.pow(missing);
        if units > AMOUNT_UNITS_MAX || (units == AMOUNT_UNITS_MAX && micros > 0) {
            return Err(AmountFault::TooLarge);
        }
        units
            .checked_mul(MICROS_PER_UNIT)
            .and_then(|n| n.checked_add(micros))
            .map(Self)
            .ok_or(AmountFault::TooLarge)
    }

    /// Decimal text with at least `decimals` and at most six decimals, trailing zeros beyond `decimals` cut:
    /// 74,920,000 with 2 is `74.92`, 3,746,000 is `3.746`.
    #[must_use]
    pub fn decimal(self, decimals: u8) -> String {
        let magnitude = self.0.unsigned_abs();
        let unit = MICROS_PER_UNIT.unsigned_abs();
        let mut fraction = format!("{:06}", magnitude % unit);
        while fraction.len() > usize::from(decimals) && fraction.ends_with('0') {
            fraction.pop();
        }
        let sign = if self.0 < 0 { "-" } else { "" };
        let dot = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{dot}{fraction}", magnitude / unit)
    }
}

macro_rules! currencies {
    ($($exponent:literal: $($code:literal)*;)*) => {
        /// Every active ISO 4217 currency with a minor unit, and its exponent (list one, as of 2026-01-01; funds,
        /// metals and test codes left out).
        const CURRENCIES: &[([u8; 3], u8)] = &[$($((*$code, $exponent),)*)*];
    };
}

currencies! {
    2: b"AED" b"AFN" b"ALL" b"AMD" b"AOA" b"ARS" b"AUD" b"AWG" b"AZN" b"BAM" b"BBD" b"BDT" b"BGN" b"BMD" b"BND"
       b"BOB" b"BRL" b"BSD" b"BTN" b"BWP" b"BYN" b"BZD" b"CAD" b"CDF" b"CHF" b"CNY" b"COP" b"CRC" b"CUP" b"CVE"
       b"CZK" b"DKK" b"DOP" b"DZD" b"EGP" b"ERN" b"ETB" b"EUR" b"FJD" b"FKP" b"GBP" b"GEL" b"GHS" b"GIP" b"GMD"
       b"GTQ" b"GYD" b"HKD" b"HNL" b"HTG" b"HUF" b"IDR" b"ILS" b"INR" b"IRR" b"JMD" b"KES" b"KGS" b"KHR" b"KPW"
       b"KYD" b"KZT" b"LAK" b"LBP" b"LKR" b"LRD" b"LSL" b"MAD" b"MDL" b"MGA" b"MKD" b"MMK" b"MNT" b"MOP" b"MRU"
       b"MUR" b"MVR" b"MWK" b"MXN" b"MYR" b"MZN" b"NAD" b"NGN" b"NIO" b"NOK" b"NPR" b"NZD" b"PAB" b"PEN" b"PGK"
       b"PHP" b"PKR" b"PLN" b"QAR" b"RON" b"RSD" b"RUB" b"SAR" b"SBD" b"SCR" b"SDG" b"SEK" b"SGD" b"SHP" b"SLE"
       b"SOS" b"SRD" b"SSP" b"STN" b"SVC" b"SYP" b"SZL" b"THB" b"TJS" b"TMT" b"TOP" b"TRY" b"TTD" b"TWD" b"TZS"
       b"UAH" b"USD" b"UYU" b"UZS" b"VED" b"VES" b"WST" b"XAD" b"XCD" b"XCG" b"YER" b"ZAR" b"ZMW" b"ZWG";
    0: b"BIF" b"CLP" b"DJF" b"GNF" b"ISK" b"JPY" b"KMF" b"KRW" b"PYG" b"RWF" b"UGX" b"VND" b"VUV" b"XAF" b"XOF"
       b"XPF";
    3: b"BHD" b"IQD" b"JOD" b"KWD" b"LYD" b"OMR" b"TND";
}

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Why a text is no currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an ISO 4217 currency code in use")]
pub struct NotACurrency;

impl Currency {
    /// The three letters, in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Digits of the minor unit: 2 for EUR, 0 for JPY, 3 for TND.
    #[must_use]
    pub fn exponent(self) -> u8 {
        CURRENCIES.iter().find(|(code, _)| *code == self.0).map_or(2, |(_, exponent)| *exponent)
    }
}

/// Case-insensitive.
impl FromStr for Currency {
    type Err = NotACurrency;
    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let mut code: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotACurrency)?;
        code.make_ascii_uppercase();
        if CURRENCIES.iter().any(|(known, _)| *known == code) {
            Ok(Self(code))
        } else {
            Err(NotACurrency)
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{AmountFault, Currency, DecimalMark, Micros};

    fn parse(text: &str) -> Result<i64, AmountFault> {
        Micros::parse(text, DecimalMark::Dot).map(|m| m.0)
    }

    #[test]
    fn decimal_text_is_exact() {
        assert_eq!(parse("74.92"), Ok(74_920_000));
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("0.000001"), Ok(1));
        assert_eq!(parse("0000000000000007"), Ok(7_000_000));
        assert_eq!(parse("100000000000"), Ok(100_000_000_000_000_000));
        assert_eq!(Micros::parse("74,92", DecimalMark::Comma), Ok(Micros(74_920_000)));
    }

    #[test]
    fn anything_else_is_refused_with_its_rule() {
        for text in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "1 000", "NaN", "١", "1.2.3", "0x1"]
        {
            assert_eq!(parse(text), Err(AmountFault::NotDecimal), "{text:?}");
        }
        assert_eq!(parse("1.0000000"), Err(AmountFault::TooPrecise));
        assert_eq!(parse("100000000000.000001"), Err(AmountFault::TooLarge));
        assert_eq!(parse("99999999999999999999999"), Err(AmountFault::TooLarge));
        assert_eq!(Micros::parse("74.92", DecimalMark::Comma), Err(AmountFault::NotDecimal));
    }

    #[test]
    fn currencies_know_their_minor_unit() {
        for (code, exponent) in [("EUR", 2), ("jpy", 0), ("TND", 3)] {
            assert_eq!(code.parse::<Currency>().unwrap().exponent(), exponent);
        }
        for bad in ["", "EU", "EURO", "XXX", "ZZZ", "E€R"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn printed_amounts_read_back(micros in 0i64..100_000_000_000_000_000) {
            prop_assert_eq!(parse(&Micros(micros).decimal(2)), Ok(micros));
        }

        #[test]
        fn hostile_text_is_no_panic(text in any::<String>()) {
            let _seen = parse(&text);
        }
    }
}
