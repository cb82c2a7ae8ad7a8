//! The names and values of query and body: types, sizes, gzip.

use std::io::Read;

use bytes::Bytes;
use event::Code;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};

use super::Way;
use crate::conversion::fields::{Field, Fields, Value};
use crate::conversion::json::JsonFault;
use crate::conversion::refused::Refused;
use crate::request::Head;

/// How many times its size a gzip body may unpack to.
const INFLATED_RATIO_MAX: usize = 20;

/// Inflates a body that is gzip, to at most `bytes_max` bytes.
pub(crate) fn inflate(
    head: &Head,
    body: &Bytes,
    bytes_max: usize,
) -> Result<Bytes, fn() -> Refused> {
    let encoding = head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    match encoding.map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"identity") => Ok(body.clone()),
        Some(b"gzip" | b"x-gzip") => {
            let bytes_max = body.len().saturating_mul(INFLATED_RATIO_MAX).min(bytes_max);
            let mut inflated = Vec::new();
            flate2::read::MultiGzDecoder::new(body.as_ref())
                .take(bytes_max as u64 + 1)
                .read_to_end(&mut inflated)
                .map_err(|_| not_gzip as fn() -> Refused)?;
            if inflated.len() > bytes_max { Err(too_large) } else { Ok(inflated.into()) }
        }
        Some(_) => Err(|| {
            let message = "send the body plain or as gzip";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Refused::plain(status, Code::UnsupportedType, message)
        }),
    }
}

fn not_gzip() -> Refused {
    Refused::plain(StatusCode::BAD_REQUEST, Code::Malformed, "the body is not gzip")
}

fn too_large() -> Refused {
    let message =
        "the body unpacks to more than a plain one may have or to more than 20 times its size";
    Refused::plain(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, message)
}

/// Reads query and body.
pub(super) fn read_fields<'a>(
    fields: &mut Fields<'a>,
    head: &'a Head,
    body: &'a Bytes,
    way: Way<'a>,
) -> Result<(), Refused> {
    let too_many = |_| Refused::from(JsonFault::TooManyFields);
    if let Way::Pixel(program) = way {
        fields.add(Field::Program.name().into(), Value::Text(program.into())).map_err(too_many)?;
    }
    fields.add_encoded(head.query()).map_err(too_many)?;
    if head.method != Method::POST {
        return Ok(());
    }
    let content_type = head.header(CONTENT_TYPE).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        fields.add_json(body)?;
    } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let text = std::str::from_utf8(body).map_err(|_| JsonFault::NotUtf8)?;
        fields.add_encoded(text.trim_end()).map_err(too_many)?;
    } else if !(essence.is_empty() && body.is_empty()) {
        let message =
            "send application/x-www-form-urlencoded or application/json, one conversion a call";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Refused::plain(status, Code::UnsupportedType, message));
    }
    Ok(())
}
