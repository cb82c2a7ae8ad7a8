//! Why a report is refused, as the answer, the event and the list of last calls tell it.

use event::body::{ClickVerdict, Trust};
use event::{Code, ProgramName};
use http::StatusCode;

use super::fault::FieldFault;
use super::fields::Field;
use super::json::JsonFault;
use crate::auth::NotAdmitted;

/// Why a report is refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Status of the answer.
    pub(crate) status: StatusCode,
    /// The reason.
    pub(crate) code: Code,
    /// The reason that the caller is told, where it is another one.
    pub(crate) told: Option<Code>,
    /// The first field that is wrong.
    pub(crate) field: Option<String>,
    /// In words.
    pub(crate) message: String,
    /// All fields that are wrong.
    pub(crate) faults: Vec<FieldFault>,
    /// The program, where it is known.
    pub(crate) program: Option<ProgramName>,
    /// How far the caller was believed, if it was let in.
    pub(crate) trust: Option<Trust>,
    /// Verdict about the click id, where it was looked at.
    pub(crate) click: Option<ClickVerdict>,
    /// What was sent, personal fields cut.
    pub(crate) sent: Box<str>,
    /// Seconds after which the same call may succeed.
    pub(crate) retry_after: Option<u32>,
    /// The body was not read whole: the connection cannot go on.
    pub(crate) broken: bool,
}

impl Refused {
    /// A refusal of which only this is known.
    pub(crate) fn plain(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            told: None,
            field: None,
            message: message.into(),
            faults: Vec::new(),
            program: None,
            trust: None,
            click: None,
            sent: Box::default(),
            retry_after: None,
            broken: false,
        }
    }

    pub(crate) fn of_faults(faults: Vec<FieldFault>) -> Self {
        let first = faults.first();
        let message = first.map(FieldFault::message).unwrap_or_default();
        let field = first.map(|fault| fault.field.clone());
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { field, faults, ..Self::plain(status, Code::Malformed, message) }
    }

    pub(crate) fn field(
        status: StatusCode,
        code: Code,
        field: Field,
        message: impl Into<String>,
    ) -> Self {
        Self { field: Some(field.name().to_owned()), ..Self::plain(status, code, message) }
    }
}

impl From<NotAdmitted> for Refused {
    fn from(why: NotAdmitted) -> Self {
        let (status, code, message) = why.answer();
        let fields: &[Field] = match why {
            NotAdmitted::Nothing => &[Field::Token, Field::Program],
            NotAdmitted::NoCredentials => &[Field::Token],
            NotAdmitted::NoProgram | NotAdmitted::UnknownProgram => &[Field::Program],
            NotAdmitted::BadSignature
            | NotAdmitted::BadToken
            | NotAdmitted::Stale
            | NotAdmitted::OtherProgram
            | NotAdmitted::OtherOrigin
            | NotAdmitted::OtherNetwork => &[],
        };
        let field = fields.first().map(|field| field.name().to_owned());
        // One fault is told by the message; of several each is named.
        let absent = |field: &Field| FieldFault::of(field.name(), "is required");
        let faults = if fields.len() > 1 { fields.iter().map(absent).collect() } else { vec![] };
        Self { field, faults, ..Self::plain(status, code, message) }
    }
}

impl From<JsonFault> for Refused {
    fn from(why: JsonFault) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, Code::Malformed, why.to_string())
    }
}
