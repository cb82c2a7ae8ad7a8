//! What is wrong with a call, and the sentences in which callers and people read it.

use std::borrow::Cow;

use event::Code;
use serde::Serialize;

use super::json::JsonFault;

/// One field that is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldFault {
    /// The field, by the name that we document; a line of an order as `items[2].qty`.
    pub(crate) field: String,
    /// What is wrong, going on from the name: `is not a decimal number`.
    pub(crate) why: Cow<'static, str>,
}

impl FieldFault {
    /// A fault of a field.
    pub(crate) fn of(field: impl Into<String>, why: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), why: why.into() }
    }

    /// The whole sentence: `amount is not a decimal number`.
    pub(crate) fn message(&self) -> String {
        format!("{} {}", self.field, self.why)
    }
}

impl JsonFault {
    /// The reason, going on from the name of a part of the body.
    pub(crate) fn of_part(&self) -> String {
        match self {
            Self::NotUtf8 | Self::Syntax(_) => "is not readable JSON".into(),
            Self::NotAnObject => "is not an object".into(),
            Self::TooDeep => "is nested too deeply".into(),
            Self::Repeated(name) => format!("has the name {name} twice"),
            Self::TooManyFields => "has too many fields".into(),
        }
    }
}

/// What a sentence may name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Values<'a> {
    /// The field that is wrong.
    pub(crate) field: &'a str,
    /// What is wrong with it.
    pub(crate) why: &'a str,
    /// The program as the call named it.
    pub(crate) program: &'a str,
    /// The limit that was exceeded.
    pub(crate) limit: &'a str,
    /// Seconds until a new attempt makes sense.
    pub(crate) seconds: u32,
}

/// The sentence of a code as a caller reads it; a code that the edge never tells reads as its slug. One table: answers, `recent` and rejected events say the same.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a new code is told to callers only when it gets a sentence here"
)]
pub(crate) fn sentence(code: Code, values: Values<'_>) -> Cow<'static, str> {
    let Values { field, why, program, limit, seconds } = values;
    let text = match code {
        Code::Ok => "Stored.",
        Code::Malformed if field.is_empty() => {
            return format!("The call could not be read: {why}.").into();
        }
        Code::Malformed => return format!("The field {field} could not be read: it {why}.").into(),
        Code::BadSignature => "The signature or token does not match the request.",
        Code::StaleTimestamp => {
            return format!("The request is signed for a time more than {limit} away.").into();
        }
        Code::UnknownProgram => return format!("There is no program {program:?}.").into(),
        Code::Test => "This is a test. It is never paid.",
        Code::TooLarge => return format!("Larger than {limit}.").into(),
        Code::UnknownLink => "This link does not exist.",
        Code::RateLimited => {
            return format!("Too many requests for this key or address; try again in {seconds} s.")
                .into();
        }
        Code::SourceRefused => "This key, address or origin may not report for this program.",
        Code::Unconfirmed => "Reported by the page only, without order id: stored, and never paid.",
        Code::UnsupportedType => {
            "Unsupported content type: send a query, application/x-www-form-urlencoded or application/json."
        }
        Code::Timeout => "The request came too slowly.",
        Code::UnknownSchema => "The record has a version that is not known.",
        Code::NoClickEvidence => {
            "This program takes reports of pages only with a valid click id, as click_id or as our cookie."
        }
        Code::ClickSignatureInvalid => "The click id was altered or not made by us.",
        Code::ClickUnknownKey => "The click id is signed with a key that is retired.",
        Code::ClickOtherProgram => "The click belongs to another program.",
        Code::ClickFromFuture => "The click id is dated after it was received.",
        Code::ExactDuplicate => "This order was already counted; the first result stands.",
        Code::ConsentDenied => "The visitor refused tracking.",
        Code::Amended => "The order was changed.",
        Code::ConflictingDuplicate => "The same order came with other values.",
        other => return other.slug().replace('_', " ").into(),
    };
    text.into()
}

#[cfg(test)]
mod tests {
    use event::Code;

    use super::{FieldFault, Values, sentence};

    #[test]
    fn a_fault_reads_as_a_sentence() {
        let fault = FieldFault::of("amount", "is not a decimal number");
        assert_eq!(fault.message(), "amount is not a decimal number");
        let values = Values { field: &fault.field, why: &fault.why, ..Values::default() };
        assert_eq!(
            sentence(Code::Malformed, values),
            "The field amount could not be read: it is not a decimal number."
        );
    }

    #[test]
    fn every_code_has_words() {
        for &code in Code::ALL {
            assert!(sentence(code, Values::default()).len() > 3, "{code}");
        }
    }
}
