//! The last calls of a program with their verdicts in words.

use http::StatusCode;

use crate::core::Core;
use crate::request::Head;
use crate::response::{self, Reply};

/// `GET /v1/programs/{program}/recent`.
pub(crate) fn recent(_core: &Core, _head: &Head, _program: &str) -> Reply {
    response::no_store(StatusCode::NOT_IMPLEMENTED)
}
