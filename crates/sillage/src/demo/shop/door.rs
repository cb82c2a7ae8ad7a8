//! One request and one answer a connection, HTTP/1.1, bounded in size and time.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Largest request, head and body, in bytes.
const REQUEST_BYTES_MAX: usize = 16 << 10;
/// Time for a whole request, and for a whole answer.
const TIME_MAX: Duration = Duration::from_secs(5);

/// A request as it was read.
#[derive(Debug, Default)]
pub(super) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    pub(super) fn method(&self) -> &str {
        &self.method
    }

    pub(super) fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }

    /// A header, by its name in lower case; empty if absent.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| &**value).unwrap_or_default()
    }

    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.header("cookie").split("; ");
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    }

    /// A parameter of the address.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        field(self.target.split_once('?').map_or("", |(_, query)| query), name)
    }

    /// A field of the form that was sent.
    pub(super) fn form(&self, name: &str) -> Option<String> {
        field(&self.body, name)
    }
}

fn field(pairs: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(pairs.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// An answer to be written.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    pub(super) fn text(status: u16, text: &str) -> Self {
        Self { status, kind: "text/plain", headers: Vec::new(), body: format!("{text}\n") }
    }

    pub(super) fn file(kind: &'static str, text: &str) -> Self {
        Self { status: 200, kind, headers: Vec::new(), body: text.to_owned() }
    }

    /// A page that may load from these sources what its policy says.
    pub(super) fn page(body: String, policy: String) -> Self {
        let headers = vec![("Content-Security-Policy", policy)];
        Self { status: 200, kind: "text/html", headers, body }
    }

    /// To another page of the same host, with GET.
    pub(super) fn see(path: &str) -> Self {
        let headers = vec![("Location", path.to_owned())];
        Self { status: 303, kind: "text/plain", headers, body: String::new() }
    }

    pub(super) fn cookie(mut self, cookie: String) -> Self {
        self.headers.push(("Set-Cookie", cookie));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {} -\r\nContent-Type: {}; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n",
            self.status,
            self.kind,
            self.body.len()
        );
        for (name, value) in &self.headers {
            let value = value.replace(['\r', '\n'], " ");
            head += &format!("{name}: {value}\r\n");
        }
        [head.as_bytes(), b"\r\n", self.body.as_bytes()].concat()
    }
}

/// Reads one request and writes its answer.
pub(super) fn attend(
    mut stream: &TcpStream,
    answer: impl FnOnce(&Request) -> Answer,
) -> io::Result<()> {
    let answer = match read(stream) {
        Ok(request) => answer(&request),
        Err(error) if error.kind() == ErrorKind::InvalidData => Answer::text(400, "no request"),
        Err(error) => return Err(error),
    };
    stream.set_write_timeout(Some(TIME_MAX))?;
    stream.write_all(&answer.bytes())?;
    stream.flush()
}

fn read(mut stream: &TcpStream) -> io::Result<Request> {
    let end = Instant::now() + TIME_MAX;
    let mut bytes = Vec::new();
    let mut part = [0; 2048];
    loop {
        match whole(&bytes) {
            Whole::Yes(request) => return Ok(request),
            Whole::Never => return Err(ErrorKind::InvalidData.into()),
            Whole::NotYet if bytes.len() > REQUEST_BYTES_MAX => {
                return Err(ErrorKind::InvalidData.into());
            }
            Whole::NotYet => {}
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(part.get(..read).unwrap_or_default()),
        }
    }
}

/// Whether bytes are a whole request.
enum Whole {
    Yes(Request),
    NotYet,
    Never,
}

fn whole(bytes: &[u8]) -> Whole {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Whole::NotYet;
    };
    let (head, body) = bytes.split_at(end + 4);
    let Ok(head) = str::from_utf8(head) else { return Whole::Never };
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
        (first.next(), first.next(), first.next(), first.next())
    else {
        return Whole::Never;
    };
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request =
        Request { method: method.into(), target: target.into(), headers, body: String::new() };
    let length = match request.header("content-length") {
        "" => 0,
        length => match length.parse::<usize>() {
            Ok(length) if length <= REQUEST_BYTES_MAX => length,
            _ => return Whole::Never,
        },
    };
    let Some(body) = body.get(..length) else { return Whole::NotYet };
    let Ok(body) = str::from_utf8(body) else { return Whole::Never };
    body.clone_into(&mut request.body);
    Whole::Yes(request)
}

#[cfg(test)]
mod tests {
    use super::{Whole, whole};

    fn read(text: &str) -> Option<super::Request> {
        match whole(text.as_bytes()) {
            Whole::Yes(request) => Some(request),
            Whole::NotYet | Whole::Never => None,
        }
    }

    #[test]
    fn a_request_is_read_once_its_whole_body_is_there() {
        let text = "POST /basket?lang=fr HTTP/1.1\r\nHost: shop\r\nCookie: a=1; b=2\r\nContent-Length: 7\r\n\r\nid=a%20b";
        let request = read(text).expect("a whole request");
        assert_eq!((request.method(), request.path()), ("POST", "/basket"));
        assert_eq!(request.query("lang").as_deref(), Some("fr"));
        assert_eq!((request.cookie("b"), request.cookie("c")), (Some("2"), None));
        assert_eq!(request.form("id").as_deref(), Some("a "), "as long as it says, no longer");
        assert!(matches!(whole(&text.as_bytes()[..text.len() - 2]), Whole::NotYet));
    }

    #[test]
    fn what_is_no_request_or_too_long_is_never_one() {
        for text in [
            "GET /\r\n\r\n",
            "GET / HTTP/2\r\n\r\n",
            "GET / HTTP/1.1 x\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 16385\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        ] {
            assert!(matches!(whole(text.as_bytes()), Whole::Never), "{text:?}");
        }
        assert!(read("GET / HTTP/1.0\r\n\r\n").is_some());
    }
}
