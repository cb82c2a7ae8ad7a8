//! Reason codes: stable numbers with a slug, one list for rejections, verdicts and declines.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $slug:literal;)*) => {
        /// Why something was refused, not credited or flagged. The number and the slug are stable for ever; neither is
        /// an HTTP status. On the wire a code is its number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code of this version, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable number.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// The stable slug.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// The code with this number, if this version knows it.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// Nothing to say: stored, credited, canonical.
    Ok = 0, "ok";
    /// A field could not be read.
    Malformed = 101, "malformed";
    /// The signature or token does not match.
    BadSignature = 102, "bad_signature";
    /// The signature's time is more than 5 minutes away.
    StaleTimestamp = 103, "stale_timestamp";
    /// No such program.
    UnknownProgram = 104, "unknown_program";
    /// A test: never paid.
    Test = 105, "test";
    /// Larger than a limit.
    TooLarge = 106, "too_large";
    /// No such link.
    UnknownLink = 107, "unknown_link";
    /// Too many requests of one key or address.
    RateLimited = 108, "rate_limited";
    /// Key, address or origin may not report for this program.
    SourceRefused = 109, "source_refused";
    /// Known from the page only.
    Unconfirmed = 110, "unconfirmed";
    /// A content type we do not read.
    UnsupportedType = 111, "unsupported_type";
    /// The request came too slowly.
    Timeout = 112, "timeout";
    /// A record of a version or type that this version cannot read; parked.
    UnknownSchema = 113, "unknown_schema";
    /// No touch and no code of anyone was found.
    NoClickEvidence = 201, "no_click_evidence";
    /// The click id was altered or not made by us.
    ClickSignatureInvalid = 202, "click_signature_invalid";
    /// The click id is signed with a retired key.
    ClickUnknownKey = 203, "click_unknown_key";
    /// The click id is of another program.
    ClickOtherProgram = 204, "click_other_program";
    /// The touch came after the order.
    ClickAfterOrder = 205, "click_after_order";
    /// The click id is dated after it was received.
    ClickFromFuture = 206, "click_from_future";
    /// The same order with the same values.
    ExactDuplicate = 301, "exact_duplicate";
    /// Its values were taken.
    Amended = 302, "amended";
    /// The same order with other values.
    ConflictingDuplicate = 303, "conflicting_duplicate";
    /// Older than the lookback window.
    WindowExpired = 401, "window_expired";
    /// Too little time from click to order.
    BelowMinTime = 402, "below_min_time";
    /// The click came when the basket was filled.
    InCartClick = 403, "in_cart_click";
    /// A later eligible touch won.
    LaterTouchWon = 404, "later_touch_won";
    /// A touch of a higher class won.
    HigherClassWon = 405, "higher_class_won";
    /// A code reserved for another partner was used.
    ExclusiveCodeWon = 406, "exclusive_code_won";
    /// A code that the program does not credit was used.
    SuppressedCode = 407, "suppressed_code";
    /// The merchant's own channel took the order.
    PaidChannelWon = 408, "paid_channel_won";
    /// The customer is bound to another partner.
    LifetimeOwnerWon = 409, "lifetime_owner_won";
    /// The partner was not active in the program.
    PartnerNotActive = 410, "partner_not_active_at_click";
    /// The visitor refused tracking.
    ConsentDenied = 411, "consent_denied";
    /// The event came later than the program allows.
    LateEvent = 412, "late_event";
    /// The terms do not credit this kind of touch.
    KindDisabled = 413, "kind_disabled";
    /// Outside the visit that the rule looks at.
    OutOfScope = 414, "out_of_scope";
    /// Counted together with a newer click.
    Collapsed = 415, "collapsed";
    /// Only the last touches of a journey are considered.
    BeyondMaxTouches = 416, "beyond_max_touches";
    /// Automated, or not made by a person.
    InvalidTraffic = 417, "invalid_traffic";
    /// The identity joins too many visitors.
    IdentityOversize = 418, "identity_oversize";
    /// The order carried the id of another valid click.
    PinnedClickWon = 419, "pinned_click_won";
    /// The program credits the first touch.
    EarlierTouchWon = 420, "earlier_touch_won";
    /// Too many touches of one visitor.
    VisitorOversize = 421, "visitor_oversize";
    /// The order names a channel that the program does not map; it is treated as any.
    ChannelUnmapped = 422, "channel_unmapped";
    /// No commission rule applies to the order.
    NoRule = 501, "no_rule";
    /// Some lines are excluded from commission.
    ExcludedItem = 502, "excluded_item";
    /// A cap was reached by this order.
    CappedPartial = 503, "capped_partial";
    /// A cap was reached before this order.
    CappedFull = 504, "capped_full";
    /// The rate for returning customers applies.
    ReturningCustomerRate = 505, "returning_customer_rate";
    /// Less than the smallest unit of the currency.
    BelowUnit = 506, "below_unit";
    /// The rules that match are in a currency for which there is no rate.
    NoRate = 507, "no_rate";
    /// Page reports of one order carry different clicks.
    EvidenceConflict = 609, "evidence_conflict";
    /// The order was cancelled.
    Cancelled = 701, "cancelled";
    /// Everything was returned.
    ReturnedFull = 702, "returned_full";
    /// A part was returned.
    ReturnedPart = 703, "returned_part";
    /// The payment failed.
    PaymentFailed = 704, "payment_failed";
    /// Fraud, with evidence.
    Fraud = 705, "fraud";
    /// Against the terms, with evidence.
    TermsBreach = 706, "terms_breach";
    /// Out of stock.
    OutOfStock = 707, "out_of_stock";
    /// Another reason, told in a note.
    Other = 708, "other";
    /// Final.
    Locked = 801, "locked";
    /// Paid by a statement.
    Paid = 802, "paid";
    /// Taken back after the lock.
    Clawback = 803, "clawback";
    /// The merchant ended the partnership and kept what was open.
    Forfeited = 804, "forfeited";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.slug())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u16(self.number())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(d)?;
        Self::from_number(number)
            .ok_or_else(|| serde::de::Error::custom(format_args!("unknown reason code {number}")))
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn a_code_survives_its_number_and_numbers_ascend() {
        for pair in Code::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number());
        }
        for &code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(code));
            assert_eq!(serde_json::to_string(&code).unwrap(), code.number().to_string());
        }
    }
}
