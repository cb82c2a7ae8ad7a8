//! Which pages may call us from a browser: the origins on the programs' site lists, and no other.

use http::StatusCode;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    HeaderValue, ORIGIN, VARY,
};

use crate::core::Core;
use crate::request::Head;
use crate::response::{self, Reply};

/// Whether `origin` is on the site list of any program.
fn is_site(core: &Core, origin: &HeaderValue) -> bool {
    let Some(catalog) = core.catalog() else { return false };
    catalog
        .programs()
        .filter(|program| !program.is_retired())
        .any(|program| program.body().sites.iter().any(|site| site.as_bytes() == origin.as_bytes()))
}

/// The answer to `OPTIONS`: a preflight names no program, so the lists of all of them count; the call itself is
/// checked against its own program's.
pub(crate) fn preflight(core: &Core, head: &Head) -> Reply {
    let mut reply = response::empty(StatusCode::NO_CONTENT);
    answer(core, head, &mut reply);
    let headers = reply.headers_mut();
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    reply
}

/// Allows the calling page to read the answer and to get our cookies, if its origin is on a list.
pub(crate) fn answer(core: &Core, head: &Head, reply: &mut Reply) {
    let headers = reply.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = head.headers.get(ORIGIN) else { return };
    if is_site(core, origin) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        let exposed = HeaderValue::from_static(
            "Retry-After, Sillage-Event, Sillage-Recorded, Sillage-Result",
        );
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}
