//! What a request must be before any endpoint sees it, and which endpoint that is.

use event::name::is_name;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri, Version};

use crate::config::Config;
use crate::every::every;
use crate::frames::{self, HEADER_BYTES_MAX, HEADER_FIELDS_MAX};
use crate::metrics::{Endpoint, Rule};
use crate::response::{self, Reply};

/// Longest request target, in bytes.
const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Longest name of a host, with port.
const HOST_BYTES_MAX: usize = 253 + 6;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Click(&'a str),
    Impression(&'a str),
    Pixel(&'a str),
    Tag(&'a str),
    Landing,
    Conversions,
    Orders,
    Recent(&'a str),
    Robots,
    Favicon,
    Unknown,
}

impl<'a> Route<'a> {
    /// The route of a path.
    pub(crate) fn of(path: &'a str) -> Self {
        let named = |name: &'a str| is_name(name).then_some(name);
        let file = |name: &'a str, end: &str| name.strip_suffix(end).and_then(named);
        let route = if let Some(name) = path.strip_prefix("/c/") {
            named(name).map(Self::Click)
        } else if let Some(name) = path.strip_prefix("/i/") {
            file(name, ".gif").map(Self::Impression)
        } else if let Some(name) = path.strip_prefix("/p/") {
            file(name, ".gif").map(Self::Pixel)
        } else if let Some(name) = path.strip_prefix("/t/") {
            file(name, ".js").map(Self::Tag)
        } else if let Some(name) = path.strip_prefix("/v1/programs/") {
            file(name, "/recent").map(Self::Recent)
        } else {
            match path {
                "/v1/clicks" => Some(Self::Landing),
                "/v1/conversions" => Some(Self::Conversions),
                "/v1/orders" => Some(Self::Orders),
                "/robots.txt" => Some(Self::Robots),
                "/favicon.ico" => Some(Self::Favicon),
                _ => None,
            }
        };
        route.unwrap_or(Self::Unknown)
    }

    /// The endpoint, as metrics call it.
    pub(crate) const fn endpoint(self) -> Endpoint {
        match self {
            Self::Click(_) => Endpoint::Click,
            Self::Impression(_) => Endpoint::Impression,
            Self::Pixel(_) => Endpoint::Pixel,
            Self::Tag(_) => Endpoint::Tag,
            Self::Landing => Endpoint::Landing,
            Self::Conversions => Endpoint::Conversions,
            Self::Orders => Endpoint::Orders,
            Self::Recent(_) => Endpoint::Recent,
            Self::Robots | Self::Favicon | Self::Unknown => Endpoint::Other,
        }
    }

    /// The methods that it takes, as in `Allow`.
    const fn allow(self) -> &'static str {
        match self {
            Self::Landing => "POST, OPTIONS",
            Self::Conversions => "GET, POST, OPTIONS",
            Self::Orders => "POST",
            Self::Click(_)
            | Self::Impression(_)
            | Self::Pixel(_)
            | Self::Tag(_)
            | Self::Recent(_)
            | Self::Robots
            | Self::Favicon
            | Self::Unknown => "GET, HEAD",
        }
    }

    /// Whether it takes a method.
    pub(crate) fn takes(self, method: &Method) -> bool {
        match self {
            Self::Landing => matches!(*method, Method::POST | Method::OPTIONS),
            Self::Conversions => matches!(*method, Method::GET | Method::POST | Method::OPTIONS),
            Self::Orders => *method == Method::POST,
            Self::Click(_)
            | Self::Impression(_)
            | Self::Pixel(_)
            | Self::Tag(_)
            | Self::Recent(_)
            | Self::Robots
            | Self::Favicon
            | Self::Unknown => matches!(*method, Method::GET | Method::HEAD),
        }
    }

    const fn target_bytes_max(self) -> usize {
        match self {
            Self::Pixel(_) | Self::Conversions => frames::TARGET_BYTES_MAX,
            Self::Click(_)
            | Self::Impression(_)
            | Self::Tag(_)
            | Self::Landing
            | Self::Orders
            | Self::Recent(_)
            | Self::Robots
            | Self::Favicon
            | Self::Unknown => TARGET_BYTES_MAX,
        }
    }
}

/// Checks a head. The endpoint sees nothing of a request that is refused.
pub(crate) fn check(
    config: &Config,
    method: &Method,
    uri: &Uri,
    version: Version,
    headers: &HeaderMap,
    route: Route<'_>,
) -> Result<(), Rule> {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::OPTIONS,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
    ];
    if *method != Method::GET && !known.contains(method) {
        return Err(Rule::Method);
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(Rule::TwoHosts),
        (None, None) if version == Version::HTTP_11 => return Err(Rule::NoHost),
        (host, None) => host.map(HeaderValue::as_bytes),
    };
    if let Some(host) = host {
        let name = name_of(host).ok_or(Rule::NoHost)?;
        if !ours(config, name) {
            return Err(Rule::OtherHost);
        }
        if let Some(authority) = uri.authority() {
            let same = name_of(authority.as_str().as_bytes())
                .is_some_and(|other| other.eq_ignore_ascii_case(name));
            if !same {
                return Err(Rule::AbsoluteForm);
            }
        }
    } else if uri.authority().is_some() {
        return Err(Rule::AbsoluteForm);
    }
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > route.target_bytes_max() {
        return Err(Rule::UriLength);
    }
    Ok(())
}

/// The host name of a `Host`, without port; [`None`] if it is no host name.
pub(crate) fn name_of(host: &[u8]) -> Option<&str> {
    if host.is_empty() || host.len() > HOST_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(host).ok()?;
    let (name, port) = if text.starts_with('[') {
        let end = text.find(']')? + 1;
        let (name, rest) = text.split_at(end);
        (name, rest.strip_prefix(':').or(if rest.is_empty() { Some("") } else { None })?)
    } else {
        let end = text.bytes().position(|b| b == b':').unwrap_or(text.len());
        (text.get(..end)?, text.get(end + 1..).unwrap_or_default())
    };
    let mark =
        |b| (b == b'.') | (b == b'-') | (b == b'_') | (b == b':') | (b == b'[') | (b == b']');
    let good = |b: u8| b.is_ascii_alphanumeric() | mark(b);
    let is_port = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    (!name.is_empty() && every(name.as_bytes(), good) && is_port).then_some(name)
}

/// Whether [`check`] lets a GET of a link pass that came by HTTP/1.1 in origin form with this one `Host`.
pub(crate) fn lets_click_pass(config: &Config, target: &[u8], host: &[u8]) -> bool {
    target.len() <= TARGET_BYTES_MAX && name_of(host).is_some_and(|name| ours(config, name))
}

fn ours(config: &Config, name: &str) -> bool {
    config.hosts.is_empty() || config.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
}

/// The answer to a refused request. It closes the connection.
pub(crate) fn refusal(rule: Rule) -> Reply {
    let status = match rule {
        Rule::OtherHost | Rule::AbsoluteForm => StatusCode::MISDIRECTED_REQUEST,
        Rule::Method => StatusCode::METHOD_NOT_ALLOWED,
        Rule::UriLength => StatusCode::URI_TOO_LONG,
        Rule::HeaderFields | Rule::HeaderBytes => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Rule::NoHost
        | Rule::TwoHosts
        | Rule::LengthAndEncoding
        | Rule::TransferEncoding
        | Rule::BareLineFeed
        | Rule::Malformed => StatusCode::BAD_REQUEST,
    };
    let mut reply = response::text(status, words(rule));
    if rule == Rule::Method {
        reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
    }
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// What is wrong, where, and what to do: for whoever wrote the client or set up the proxy in front.
fn words(rule: Rule) -> String {
    const TARGET_KIB: usize = TARGET_BYTES_MAX / 1024;
    const CART_KIB: usize = frames::TARGET_BYTES_MAX / 1024;
    const HEADER_KIB: usize = HEADER_BYTES_MAX / 1024;
    let words = match rule {
        Rule::NoHost => {
            "The header Host is missing or no host name: send one, as in Host: t.shop.example."
        }
        Rule::TwoHosts => "The header Host came more than once: send it once.",
        Rule::OtherHost => {
            "The name in the header Host is not served here: use an address of this edge, or add the name to its \
             setting edge.hosts."
        }
        Rule::AbsoluteForm => {
            "The request line names another host than the header Host: send the path alone."
        }
        Rule::LengthAndEncoding => {
            "The headers Content-Length and Transfer-Encoding came together: send one of them."
        }
        Rule::TransferEncoding => {
            "The header Transfer-Encoding is not exactly chunked: send that once, or Content-Length."
        }
        Rule::Method => "The method is not known here: send GET, HEAD, POST or OPTIONS.",
        Rule::BareLineFeed => "A line of the head ends in LF alone: end every line in CR LF.",
        Rule::Malformed => {
            "The head is not HTTP/1.1 (is it TLS or HTTP/2?): look for a line without name and colon, a space or control \
             character in a name, a folded line, a Content-Length that is no number or differs from another."
        }
        Rule::UriLength => {
            return format!(
                "The address is longer than {TARGET_KIB} KiB (on /p and /v1/conversions {CART_KIB} KiB): shorten it, or \
                 send a conversion as the body of a POST.\n"
            );
        }
        Rule::HeaderFields => {
            return format!("There are more than {HEADER_FIELDS_MAX} header fields: send fewer.\n");
        }
        Rule::HeaderBytes => {
            return format!(
                "The header fields are longer than {HEADER_KIB} KiB in sum: send less, or clear the cookies of this \
                 host.\n"
            );
        }
    };
    format!("{words}\n")
}

/// The answer to a method that a path does not take.
pub(crate) fn not_allowed(route: Route<'_>, method: &Method) -> Reply {
    let words = format!("This path does not take {method}: send {}.\n", route.allow());
    let mut reply = response::text(StatusCode::METHOD_NOT_ALLOWED, words);
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(route.allow()));
    reply
}

/// `/robots.txt`: nothing here is for crawlers.
pub(crate) fn robots() -> Reply {
    let mut reply = response::text(StatusCode::OK, "User-agent: *\nDisallow: /\n");
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    reply
}

#[cfg(test)]
mod tests;
